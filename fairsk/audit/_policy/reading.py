"""Reading of a policy: every value is checked, and every problem is named by where it stands.

A problem is one *of form* if ``policy.schema.json`` tells it too (a wrong type, an unknown key, a number
out of range), and one of sense otherwise: a reference for a column that the policy does not name, say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from fairsk._core.bounds import bounded_constraints
from fairsk._core.messages import did_you_mean, list_texts, shorten, show
from fairsk.audit._policy.parts import SEPARATOR, BiasScenario, PolicyCriterion, built_in_rate
from fairsk.rates import CONSTRAINTS, Constraint, Rate, get_constraint, get_rate

__all__ = ["SCHEMA_VERSION", "Problem", "attribute_names", "read_policy", "refuse"]

#: The form of the file. A later form gets a number of its own.
SCHEMA_VERSION = "fairsk.policy/1"

_MOST_PROSE = 2000  # characters of a reason
_MOST_NAME = 200  # characters of a name, a label or a formula
_MOST_TABLES = 100  # criteria, and scenarios
_MOST_PARTS = 20  # columns, rates of a criterion, references, profiles
_MOST_ROWS = 1_000_000_000
_LARGEST_DIFFERENCE = 1_000_000
_LARGEST_LABEL = 2**63 - 1  # of whole numbers in TOML
#: A message lists no more problems than these.
_MOST_PROBLEMS = 6

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """Something in a policy that cannot be read, and whether the JSON Schema tells it too."""

    where: str
    what: str
    of_form: bool = True


class _Part:
    """A table of the file while it is read; its problems go to a list that all tables share."""

    def __init__(
        self, values: Mapping[str, Any], where: str, keys: Sequence[str], problems: list[Problem]
    ) -> None:
        self.values, self.where, self.problems = values, where, problems
        for key in values:
            if key not in keys:
                hint = did_you_mean(key, keys) or f" The keys here are: {', '.join(keys)}."
                self.wrong(key if isinstance(key, str) else show(key), f"is no key here.{hint}")

    def place(self, key: str) -> str:
        """Return what a message calls a key."""
        return ".".join(filter(None, [self.where, shorten(key)]))

    def wrong(self, key: str, what: str, *, of_form: bool = True) -> None:
        """Note a problem."""
        self.problems.append(Problem(self.place(key), what, of_form))

    def has(self, key: str) -> bool:
        """Return whether a key is there."""
        return key in self.values

    def text(self, key: str, *, required: bool = False, most: int = _MOST_PROSE) -> str:
        """Return a text, in which runs of white space, such as line breaks, become spaces."""
        if not self.has(key):
            if required:
                self.wrong(key, "is missing.")
            return ""
        value = self.values[key]
        if required and isinstance(value, str) and not value.strip():
            self.wrong(key, "is empty.")
        return " ".join(_checked_text(self, key, value, most).split())

    def number(
        self, key: str, default: Any, fits: Callable[[Any], bool], what: str, *, whole: bool = False
    ) -> Any:
        """Return a number that fits; a whole one as an integer."""
        if not self.has(key):
            return default
        value = self.values[key]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if whole and isinstance(value, float):
            is_number = value.is_integer()
        if is_number and value != value:  # JSON Schema knows no NaN
            self.wrong(key, f"must be {what}; got nan.", of_form=False)
        elif not is_number or not fits(value):
            self.wrong(key, f"must be {what}; got {show(value)}.")
        else:
            return int(value) if whole else value
        return default

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self.values.get(key, default)
        if isinstance(value, bool):
            return value
        self.wrong(key, f"must be true or false; got {show(value)}.")
        return default

    def day(self, key: str) -> date | None:
        """Return a date."""
        value = self.values.get(key)
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        if isinstance(value, str) and _DATE.fullmatch(value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                pass
        self.wrong(key, f"must be a date, such as 2026-11-30; got {show(value)}.")
        return None

    def texts(self, key: str, *, most: int = _MOST_PARTS) -> tuple[str, ...]:
        """Return a list of different names."""
        values = self.values[key]
        if not self._is_list(key, values, most):
            return ()
        names = []
        for n, value in enumerate(values):
            names.append(_checked_text(self, f"{key}[{n}]", value, _MOST_NAME))
            if value == "":
                self.wrong(f"{key}[{n}]", "is empty.")
            elif isinstance(value, str) and value in values[:n]:
                self.wrong(key, f"names {show(value)} twice.")
        return tuple(dict.fromkeys(names))

    def tables(self, key: str, keys: Sequence[str], most: int = _MOST_TABLES) -> Iterator[_Part]:
        """Yield the tables of a list."""
        values = self.values.get(key, [])
        if not self._is_list(key, values, most, least=0):
            return
        for n, value in enumerate(values):
            if isinstance(value, Mapping):
                yield _Part(value, self.place(f"{key}[{n}]"), keys, self.problems)
            else:
                self.wrong(f"{key}[{n}]", f"must be a table; got {show(value)}.")

    def _is_list(self, key: str, values: Any, most: int, least: int = 1) -> bool:
        """Return whether a value is a list of so many entries."""
        if not isinstance(values, list | tuple):
            self.wrong(key, f"must be a list; got {show(values)}.")
        elif not least <= len(values) <= most:
            self.wrong(key, f"must have {least} to {most} entries; got {len(values):,}.")
        else:
            return True
        return False


def _checked_text(part: _Part, key: str, value: Any, most: int) -> str:
    """Return a text as it is; an empty one if it is none that can be written."""
    if not isinstance(value, str):
        part.wrong(key, f"must be a text; got {show(value)}.")
    elif len(value) > most:
        part.wrong(key, f"must have {most:,} characters at most; it has {len(value):,}.")
    elif not _is_unicode(value):
        part.wrong(key, "holds half of a character (a lone surrogate), which no file can.", of_form=False)
    else:
        return value
    return ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


#: The keys of a policy, of a criterion, of a rate and of a scenario.
KEYS = (
    "schema_version",
    "name",
    "owner",
    "summary",
    "reviewed",
    "next_review",
    "sensitive_features",
    "intersections",
    "pos_label",
    "min_group_size",
    "confidence",
    "min_cell",
    "profiles",
    "criteria",
    "scenarios",
)
CRITERION_KEYS = (
    "constraint",
    "name",
    "rates",
    "max_difference",
    "min_ratio",
    "attributes",
    "reference",
    "why",
    "owner",
    "on_breach",
)
RATE_KEYS = ("name", "numerator", "denominator", "lower_is_better")
SCENARIO_KEYS = ("group", "hazard", "measure", "threshold", "mitigation", "review_trigger")


def attribute_names(sensitive_features: Sequence[str], *, intersections: bool) -> tuple[str, ...]:
    """Return what groups are made by: each column, and the intersection of all."""
    columns = tuple(sensitive_features)
    return (*columns, SEPARATOR.join(columns)) if intersections and len(columns) > 1 else columns


def read_policy(
    values: Mapping[str, Any], profiles: Mapping[str, Sequence[str]]
) -> tuple[dict[str, Any], list[Problem]]:
    """Return the fields of a policy, and what is wrong with it: with any problem, the fields say nothing.

    Parameters
    ----------
    values : mapping
        What the file says.
    profiles : mapping of str to sequence of str
        The calculation profiles that there are, and the names of their options.
    """
    problems: list[Problem] = []
    part = _Part(values, "", KEYS, problems)
    if part.has("schema_version") and values["schema_version"] != SCHEMA_VERSION:
        part.wrong("schema_version", f"must be {SCHEMA_VERSION!r}; got {show(values['schema_version'])}.")
    fields: dict[str, Any] = {
        "name": part.text("name", required=True, most=_MOST_NAME),
        "owner": part.text("owner"),
        "summary": part.text("summary"),
        "reviewed": part.day("reviewed"),
        "next_review": part.day("next_review"),
        "sensitive_features": _features(part),
        "intersections": part.flag("intersections", True),
        "pos_label": _label(part, "pos_label", values.get("pos_label"), optional=True),
        "min_group_size": part.number(
            "min_group_size", 30, lambda n: 1 <= n <= _MOST_ROWS, "a whole number, 1 or more", whole=True
        ),
        "confidence": part.number(
            "confidence", 0.95, lambda level: 0 < level < 1, "a number between 0 and 1, such as 0.95"
        ),
        "min_cell": part.number(
            "min_cell", 0, lambda n: 0 <= n <= _MOST_ROWS, "a whole number, 0 or more", whole=True
        ),
        "profiles": _profiles(part, profiles),
    }
    reviewed, next_review = fields["reviewed"], fields["next_review"]
    if reviewed and next_review and next_review <= reviewed:
        part.wrong("next_review", f"{next_review} is not after reviewed, {reviewed}.", of_form=False)
    names = attribute_names(fields["sensitive_features"], intersections=fields["intersections"])
    fields["criteria"] = _criteria(part, fields["sensitive_features"], names)
    fields["scenarios"] = tuple(
        BiasScenario(*(scenario.text(key, required=key in ("group", "hazard")) for key in SCENARIO_KEYS))
        for scenario in part.tables("scenarios", SCENARIO_KEYS)
    )
    return fields, problems


def _features(part: _Part) -> tuple[str, ...]:
    if not part.has("sensitive_features"):
        part.wrong("sensitive_features", "is missing: name the sensitive columns.")
        return ()
    features = part.texts("sensitive_features")
    for name in features:
        if SEPARATOR in name:
            part.wrong(
                "sensitive_features",
                f"{show(name)} cannot be told from an intersection: call the column otherwise. Intersections "
                "need no entry here, for there is intersections = true.",
                of_form=False,
            )
    return features


def _label(part: _Part, key: str, value: Any, *, optional: bool = False) -> Any:
    """Return a label: a text, a number, true or false."""
    if value is None and optional:
        return None
    if isinstance(value, str):
        return _checked_text(part, key, value, _MOST_NAME)
    if value != value:  # JSON Schema knows no NaN
        part.wrong(key, "must be a label; got nan.", of_form=False)
    elif not isinstance(value, int | float):
        part.wrong(key, f"must be a text, a number, true or false; got {show(value)}.")
    elif abs(value) > _LARGEST_LABEL:
        part.wrong(key, "is too large a number for a label.")
    return value


def _profiles(part: _Part, known: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """Return the options of each profile that is named."""
    value = part.values.get("profiles", [])
    if isinstance(value, Mapping):
        named = dict(value)
        if len(value) > _MOST_PARTS:
            part.wrong("profiles", f"must have {_MOST_PARTS} entries at most; got {len(value):,}.")
            return {}
    elif part._is_list("profiles", value, _MOST_PARTS, least=0):
        named = {name: {} for name in value if isinstance(name, str)}
        if len(named) < len(value):
            part.wrong("profiles", f"must list different names, or be a table; got {show(value)}.")
    else:
        return {}
    read = {}
    for name, options in named.items():
        if name not in known:
            hint = did_you_mean(name, known)
            part.wrong("profiles", f"there is no profile {show(name)}.{hint} There are: {', '.join(known)}.")
        elif not isinstance(options, Mapping):
            part.wrong(f"profiles.{name}", f"must be a table of options; got {show(options)}.")
        elif len(options) > _MOST_PARTS:
            part.wrong(f"profiles.{name}", f"must have {_MOST_PARTS} entries at most; got {len(options):,}.")
        else:
            for option in [option for option in options if option not in known[name]]:
                hint = did_you_mean(option, known[name]) or f" They are: {list_texts(known[name])}."
                part.wrong(
                    f"profiles.{name}.{shorten(str(option))}", f"is no option of it.{hint}", of_form=False
                )
            read[name] = {
                _checked_text(part, f"profiles.{name}", key, _MOST_NAME): _option(
                    part, f"profiles.{name}.{shorten(str(key))}", option
                )
                for key, option in options.items()
            }
    return read


def _option(part: _Part, key: str, value: Any, levels: int = 2) -> Any:
    """Return an option of a profile: a label, a date as text, a list of these, or a table of any of these.

    ``levels`` is how deep it may be: 2 for any of these, 1 for a list, 0 for a label.
    """
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return _checked_text(part, key, value, _MOST_PROSE)
    is_table = levels == 2 and isinstance(value, Mapping)
    if not is_table and not (levels and isinstance(value, list | tuple)):
        return _label(part, key, value)
    if len(value) > _MOST_TABLES:
        part.wrong(key, f"must have {_MOST_TABLES} entries at most; got {len(value):,}.")
        return None
    if is_table:
        return {
            _checked_text(part, key, name, _MOST_NAME): _option(part, key, each, 1)
            for name, each in value.items()
        }
    return tuple(_option(part, key, each, 0) for each in value)


def _criteria(part: _Part, features: Sequence[str], names: Sequence[str]) -> tuple[PolicyCriterion, ...]:
    """Return the criteria; note those that are asked twice of an attribute."""
    if not part.values.get("criteria", ()) and isinstance(part.values.get("criteria", ()), list | tuple):
        part.wrong("criteria", "is missing or empty: say what is promised in at least one [[criteria]].")
        return ()
    found: list[PolicyCriterion] = []
    asked: dict[tuple[str, str, str], str] = {}
    formulas: dict[str, tuple[Any, str]] = {}
    for table in part.tables("criteria", CRITERION_KEYS):
        criterion = _criterion(table, features, names)
        if criterion is None:
            continue
        found.append(criterion)
        name, rates = criterion.constraint.name, criterion.constraint.rates
        _, first = formulas.setdefault(name, (rates, table.where))
        if formulas[name][0] != rates:
            table.wrong("rates", f"are not those of {first}, which has the same name.", of_form=False)
        for attribute in criterion.attributes or names:
            first = asked.setdefault((attribute, name, criterion.limit), table.where)
            if first != table.where:
                what = f"{name} with {criterion.limit} of {show(attribute)}"
                table.wrong("", f"asks for {what}, as {first} does.", of_form=False)
    return tuple(found)


def _criterion(part: _Part, features: Sequence[str], names: Sequence[str]) -> PolicyCriterion | None:
    n_before = len(part.problems)
    constraint = _constraint(part)
    if part.has("max_difference") and part.has("min_ratio"):
        part.wrong("", "has both max_difference and min_ratio: give one, or make it two criteria.")
    max_difference = part.number(
        "max_difference",
        None,
        lambda bound: 0 <= bound <= _LARGEST_DIFFERENCE,
        "a number, 0 or more, such as 0.05 for five percentage points",
    )
    min_ratio = part.number(
        "min_ratio", None, lambda bound: 0 <= bound <= 1, "a number from 0 to 1, such as 0.8"
    )
    attributes = _attributes(part, features, names) if part.has("attributes") else None
    reference = _reference(part, features, names)
    texts = {key: part.text(key) for key in ("why", "owner", "on_breach")}
    if constraint is None or len(part.problems) > n_before:
        return None
    criterion = PolicyCriterion(constraint, max_difference, min_ratio, attributes, reference, **texts)
    if criterion.bound is not None:
        try:  # what only the rates can tell: a ratio of one that may be negative, a bound that bounds nothing
            bounded_constraints(constraint, max_difference, min_ratio)
        except ValueError as error:
            part.wrong(criterion.limit, shorten(str(error), 300), of_form=False)
    return criterion


def _constraint(part: _Part) -> Constraint | None:
    """Return the constraint that is named, or the one that is made of rates."""
    if not part.has("constraint"):
        return _own_constraint(part)
    if part.has("name") or part.has("rates"):
        part.wrong("", "has a constraint, and a name or rates: give a built-in one, or one of your own.")
    name = part.values["constraint"]
    try:
        if isinstance(name, str):
            return get_constraint(name)
        part.wrong("constraint", f"must be the name of a constraint; got {show(name)}.")
    except ValueError as error:
        part.wrong("constraint", str(error))
    return None


def _own_constraint(part: _Part) -> Constraint | None:
    if not (part.has("name") or part.has("rates")):
        part.wrong("constraint", f"is missing: one of {', '.join(CONSTRAINTS)}; or a name and rates.")
        return None
    name = part.text("name", required=True, most=_MOST_NAME)
    if name in CONSTRAINTS:
        part.wrong("name", f"{name!r} is that of a built-in constraint.", of_form=False)
    if not part.has("rates"):
        part.wrong("rates", "is missing: the rates that should agree.")
        return None
    values = part.values["rates"]
    if not part._is_list("rates", values, _MOST_PARTS):
        return None
    rates = [_rate(part, f"rates[{n}]", value) for n, value in enumerate(values)]
    known = [rate for rate in rates if rate is not None]
    if len({rate.name for rate in known}) < len(known):
        part.wrong("rates", "has two rates of one name.", of_form=False)
    return Constraint(name, known) if known and len(known) == len(rates) and name else None


def _rate(part: _Part, key: str, value: Any) -> Rate | None:
    """Return a rate: a built-in one by name, or one with a formula."""
    try:
        if isinstance(value, str):
            name = _checked_text(part, key, value, _MOST_NAME)
            if value == "":
                part.wrong(key, "is empty.")
            return get_rate(name) if name else None
        if not isinstance(value, Mapping):
            part.wrong(key, f"must be the name of a rate, or a table; got {show(value)}.")
            return None
        table = _Part(value, part.place(key), RATE_KEYS, part.problems)
        n_before = len(part.problems)
        name, part_of, whole = (table.text(each, required=True, most=_MOST_NAME) for each in RATE_KEYS[:3])
        lower_is_better = table.flag("lower_is_better", False)
        if len(part.problems) > n_before:
            return None
        rate = Rate(name, part_of, whole, lower_is_better)
        known = built_in_rate(rate.name)
        if known is not None and _formula(known) != _formula(rate):
            raise ValueError(f"{rate.name!r} is the name of a built-in rate, and this is another: rename it.")
        return rate
    except ValueError as error:  # of an unknown rate, or of a formula
        part.wrong(key, shorten(str(error), 300), of_form=False)
        return None


def _formula(rate: Rate) -> tuple[Any, ...]:
    return rate.numerator_coefficients, rate.denominator_coefficients, rate.lower_is_better


def _attributes(part: _Part, features: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return the attributes that a criterion is asked of, as the policy calls them."""
    found = []
    for n, text in enumerate(part.texts("attributes")):
        name = _known_attribute(part, f"attributes[{n}]", text, features, names) if text else None
        if name is not None and name in found:
            part.wrong("attributes", f"names {show(name)} twice.", of_form=False)
        found.append(name)
    return tuple(name for name in found if name is not None)


def _known_attribute(
    part: _Part, key: str, text: str, features: Sequence[str], names: Sequence[str]
) -> str | None:
    """Return the attribute that a text names: a column, or the intersection with its columns in any order."""
    by_parts = {tuple(sorted(name.split(SEPARATOR))): name for name in names}
    name = by_parts.get(tuple(sorted(text.split(SEPARATOR))))
    if name is None and features:  # else that is the problem
        hint = did_you_mean(text, names)
        if not hint and SEPARATOR in text:
            hint = " Intersections are of all sensitive features, if intersections = true."
        part.wrong(key, f"{show(text)} is none of the attributes: {list_texts(names)}.{hint}", of_form=False)
    return name


def _reference(part: _Part, features: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    """Return the reference group of each attribute; of an intersection, in the order of its columns."""
    value = part.values.get("reference", {})
    if not isinstance(value, Mapping):
        part.wrong("reference", f"must be a table, such as {{ sex = 'male' }}; got {show(value)}.")
        return {}
    if len(value) > _MOST_PARTS:
        part.wrong("reference", f"must have {_MOST_PARTS} entries at most; got {len(value):,}.")
        return {}
    found = {}
    for text, group in value.items():
        key = f"reference.{shorten(str(text))}"
        if not isinstance(text, str):
            part.wrong(key, "must be a text.")
            continue
        name = _known_attribute(part, key, text, features, names)
        several = isinstance(group, list | tuple)
        if several and not 2 <= len(group) <= _MOST_PARTS:
            part.wrong(key, f"must be a label, or a list of 2 to {_MOST_PARTS}; got {show(group)}.")
            continue
        labels = [_label(part, key, label) for label in (group if several else [group])]
        columns = text.split(SEPARATOR)
        if name is None:
            continue
        if name in found:
            part.wrong(key, f"names {show(name)} again.", of_form=False)
        if several != (len(columns) > 1) or len(labels) != len(columns):
            need = "a label" if len(columns) == 1 else f"a list of {len(columns)} labels, one per column"
            part.wrong(key, f"must be {need}; got {show(group)}.", of_form=False)
            continue
        by_column = dict(zip(columns, labels, strict=True))
        found[name] = tuple(by_column[each] for each in name.split(SEPARATOR)) if several else labels[0]
    return found


def refuse(
    problems: Sequence[Problem], called: str, line_of: Callable[[str], int | None] | None = None
) -> None:
    """Raise what is wrong with a policy, if anything is, in one message."""
    if not problems:
        return
    lines = []
    for problem in problems[:_MOST_PROBLEMS]:
        line = None if line_of is None else line_of(problem.where)
        place = f"{problem.where} (line {line})" if line and problem.where else problem.where
        said = f"{place} {problem.what}" if problem.what.startswith(_VERBS) else f"{place}: {problem.what}"
        lines.append(shorten(said.strip(": "), 280))
    if len(problems) > _MOST_PROBLEMS:
        lines.append(f"and {len(problems) - _MOST_PROBLEMS:,} more")
    if len(lines) == 1:
        raise ValueError(f"{called}: {lines[0]}")
    raise ValueError(f"{called} has {len(problems):,} problems:\n" + "\n".join(f"- {line}" for line in lines))


#: How messages begin that go on from the name of the key.
_VERBS = ("must ", "is ", "are ", "has ", "have ", "holds ", "names ", "asks ")
