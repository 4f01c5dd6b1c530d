"""FairnessPolicy: what an organisation promises, as every engine reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from fairsk._core.messages import did_you_mean, list_texts, show
from fairsk._core.results import Entries, Result, Table, percent, plain
from fairsk._core.sections import Section
from fairsk.audit._policy.parts import SEPARATOR, BiasScenario, PolicyCriterion
from fairsk.audit._policy.reading import SCHEMA_VERSION, attribute_names, read_policy, refuse
from fairsk.audit._policy.toml import find_line, read_toml, write_toml
from fairsk.audit._profiles.profile import PROFILES
from fairsk.rates import CONSTRAINTS, Constraint
from fairsk.scoring import GroupScoring, make_fair_scorer
from fairsk.scoring._sensitive_scorer import SensitiveScorer

__all__ = ["FairnessPolicy", "as_policy"]

#: The calculation profiles that a policy may name, and the options of each.
_PROFILES = {name: tuple(profile.options or ()) for name, profile in PROFILES.items()}

_NOT_STATED = "not stated"


@dataclass(frozen=True, eq=False, repr=False)
class FairnessPolicy(Result):
    """What an organisation promises about the decisions of a model: read it from a ``fairness.toml``.

    Audits, searches and estimators read their criteria, bounds and groups from it, so that what is promised
    stands in one place. It is a statement of aims, and says nothing of whether they are met.

    Parameters
    ----------
    name : str
        What the policy is called.
    sensitive_features : sequence of str
        The sensitive columns.
    criteria : sequence of PolicyCriterion
        What is promised, at least one.
    owner : str, default=""
        Who answers for the policy.
    summary : str, default=""
        What it is about.
    reviewed, next_review : date, optional
        When it was reviewed, and will be next.
    intersections : bool, default=True
        Whether the groups are also those of all columns together.
    pos_label : text, number or bool, optional
        The positive label: the outcome that people want.
    min_group_size : int, default=30
        Groups with fewer rows are called small.
    confidence : float, default=0.95
        Of every interval.
    min_cell : int, default=0
        Groups with fewer rows are merged before anything is published.
    profiles : mapping of str to mapping
        Calculation profiles by name, each with its options.
    scenarios : sequence of BiasScenario
        How somebody may be harmed, and what is done against it.

    Raises
    ------
    ValueError
        If a value is not of its kind, or values do not fit each other; all problems are listed, each with its
        place in the file.

    See Also
    --------
    audit_predictions : Asks what a policy asks.
    fairsk.scoring.GroupScoring : What searches score with.

    Notes
    -----
    :meth:`json_schema` describes the file for editors and other programs. What it cannot tell, the reader
    does: whether a reference belongs to a column that is named, a formula can be read, or a bound bounds
    anything.

    Examples
    --------
    >>> from fairsk.audit import FairnessPolicy
    >>> policy = FairnessPolicy.from_toml('''
    ... name = "Loans"
    ... sensitive_features = ["sex"]
    ...
    ... [[criteria]]
    ... constraint = "demographic_parity"
    ... min_ratio = 0.8
    ... reference = { sex = "male" }
    ... ''')
    >>> policy.bounds()
    {'min_ratio': {'sex/demographic_parity/min_ratio': 0.8}}
    >>> policy.bound_parameters("sex")
    {'constraint': 'demographic_parity', 'max_difference': None, 'min_ratio': 0.8}
    """

    name: str
    sensitive_features: tuple[str, ...]
    criteria: tuple[PolicyCriterion, ...]
    owner: str = ""
    summary: str = ""
    reviewed: date | None = None
    next_review: date | None = None
    intersections: bool = True
    pos_label: Any = None
    min_group_size: int = 30
    confidence: float = 0.95
    min_cell: int = 0
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scenarios: tuple[BiasScenario, ...] = ()

    def __post_init__(self) -> None:
        for name, kind in (("criteria", PolicyCriterion), ("scenarios", BiasScenario)):
            if not isinstance(getattr(self, name), list | tuple) or not all(
                isinstance(part, kind) for part in getattr(self, name)
            ):
                raise TypeError(
                    f"{name} must be a list of {kind.__name__}; a file or a dictionary is read by "
                    "FairnessPolicy.from_toml and .from_dict."
                )
        values, problems = read_policy(self.to_dict(), _PROFILES)
        refuse(problems, "The policy")
        self._set(**values)

    # --- as a file ------------------------------------------------------------------------------------

    @classmethod
    def from_toml(cls, source: str | Path) -> Self:
        """Read a policy from a TOML file, or from the text of one.

        Parameters
        ----------
        source : str or Path
            The path of the file, or its text: whatever has a line break is text.

        Returns
        -------
        FairnessPolicy
            The policy.

        Raises
        ------
        ValueError
            If it is no TOML, or no policy; the message names each place and, where it can, the line.
        OSError
            If there is no such file.
        """
        if not isinstance(source, str | Path):
            raise TypeError(f"A policy is read from a path or a text; got {show(source)}.")
        values, text, called = read_toml(source)
        fields, problems = read_policy(values, _PROFILES)
        refuse(problems, called, lambda where: find_line(text, where, values))
        return cls(**fields)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read a policy from what its file says, such as :meth:`to_dict` returns.

        Parameters
        ----------
        values : mapping
            The keys of the file; dates may be texts, such as ``"2026-11-30"``.

        Returns
        -------
        FairnessPolicy
            The policy.

        Raises
        ------
        ValueError
            If it is no policy; the message lists every problem.
        TypeError
            If it is no mapping.
        """
        if not isinstance(values, Mapping):
            raise TypeError(f"A policy is read from a dictionary; got {show(values)}.")
        fields, problems = read_policy(values, _PROFILES)
        refuse(problems, "The policy")
        return cls(**fields)

    def to_dict(self) -> dict[str, Any]:
        """Return the policy as its file says it, fit for JSON; :meth:`from_dict` reads it back.

        Returns
        -------
        dict of str to value
            Every key of the file; dates as text, and None where nothing is stated.
        """
        said = {part.name: getattr(self, part.name) for part in fields(self)}
        for name in ("reviewed", "next_review"):
            said[name] = said[name].isoformat() if isinstance(said[name], date) else said[name]
        for name in ("criteria", "scenarios"):
            said[name] = [part.to_dict() for part in said[name]]
        for name in ("sensitive_features",):
            said[name] = list(said[name]) if isinstance(said[name], tuple) else said[name]
        said["profiles"] = plain(said["profiles"])
        return {"schema_version": SCHEMA_VERSION, **said}

    def to_toml(self) -> str:
        """Return the policy as the text of a TOML file; :meth:`from_toml` reads it back.

        Returns
        -------
        str
            The text. What is not stated is left out, and so are comments of the file that it was read from.
        """
        said = {
            name: value
            for name, value in self.to_dict().items()
            if value is not None and (name == "pos_label" or value not in ("", [], {}))
        }
        said |= {name: getattr(self, name) for name in ("reviewed", "next_review")}
        if said.get("profiles") and not any(said["profiles"].values()):
            said["profiles"] = list(said["profiles"])
        order = ("schema_version", "name", "owner", "summary", "reviewed", "next_review")
        first = {name: said.pop(name) for name in order if name in said}
        criteria = said.pop("criteria")
        scenarios = {"scenarios": said.pop("scenarios")} if "scenarios" in said else {}
        return write_toml({**first, **said, "criteria": criteria, **scenarios})

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """Return the JSON Schema of the file, for editors and for programs that write policies.

        Returns
        -------
        dict
            The schema, of draft 2020-12.
        """
        text = files("fairsk.audit._policy").joinpath("policy.schema.json").read_text("utf-8")
        schema: dict[str, Any] = json.loads(text)
        return schema

    # --- as engines read it ---------------------------------------------------------------------------

    def for_columns(self, columns: Sequence[str]) -> FairnessPolicy:
        """Return the policy with its sensitive columns in the order of some data.

        Parameters
        ----------
        columns : sequence of str
            The columns that the data have groups by.

        Returns
        -------
        FairnessPolicy
            The same promises; intersections, and their reference groups, are in that order.

        Raises
        ------
        ValueError
            If these are not the columns of the policy: what it asks of another one would go unsaid.
        """
        if sorted(columns) != sorted(self.sensitive_features):
            raise ValueError(
                f"The policy {show(self.name)} is about {list_texts(self.sensitive_features)}, and the "
                f"groups are by {list_texts(columns)}: pass exactly its columns, by name, as "
                "sensitive_features=X[[...]] does."
            )
        if tuple(columns) == self.sensitive_features:
            return self
        return self.from_dict(self.to_dict() | {"sensitive_features": list(columns)})

    def criteria_for(self, attribute: str | Sequence[str]) -> tuple[PolicyCriterion, ...]:
        """Return the criteria that are asked of an attribute.

        Parameters
        ----------
        attribute : str or sequence of str
            A sensitive column; or the intersection of all, such as ``"sex & race"`` or ``["sex", "race"]``.

        Returns
        -------
        tuple of PolicyCriterion
            Those that name it, and those that name none.

        Raises
        ------
        ValueError
            If the policy has no such attribute.
        """
        name = self._attribute(attribute)
        return tuple(each for each in self.criteria if each.attributes is None or name in each.attributes)

    def bound_parameters(self, attribute: str | Sequence[str]) -> dict[str, Any]:
        """Return the bounds on an attribute as estimators take them.

        Parameters
        ----------
        attribute : str or sequence of str
            A sensitive column, or the intersection of all.

        Returns
        -------
        dict of str to value
            ``constraint``, ``max_difference`` and ``min_ratio``, such as for
            ``GroupThresholdOptimizer(model, sensitive_features="sex", **policy.bound_parameters("sex"))``.
            Estimators hold a bound between all groups, which is more than one to a reference group asks.

        Raises
        ------
        ValueError
            If nothing that is asked of the attribute has a bound.
        """
        bounded = [each for each in self.criteria_for(attribute) if each.bound is not None]
        if not bounded:
            raise ValueError(f"The policy {show(self.name)} bounds nothing of {show(attribute)}.")
        constraints = [_short(each.constraint) for each in bounded]
        limits = {name: [getattr(each, name) for each in bounded] for name in ("max_difference", "min_ratio")}
        if len(bounded) == 1:
            return {"constraint": constraints[0], **{name: values[0] for name, values in limits.items()}}
        return {"constraint": constraints, **limits}

    def scorers(self) -> dict[str, SensitiveScorer]:
        """Return a scorer of every criterion and attribute, by the name that rows of a report have.

        Returns
        -------
        dict of str to SensitiveScorer
            Such as ``"sex/demographic_parity/min_ratio"``; :meth:`bounds` has the same names.
        """
        return {
            name: make_fair_scorer(
                each.constraint,
                sensitive_features=columns[0] if len(columns) == 1 else columns,
                comparison="ratio" if each.limit == "min_ratio" else "difference",
                method="to_reference" if attribute in each.reference else "between_groups",
                reference=each.reference.get(attribute),
            )
            for name, attribute, each in self._asked()
            for columns in [attribute.split(SEPARATOR)]
        }

    def bounds(self) -> dict[str, Any]:
        """Return the bounds by the names of :meth:`scorers`, as :func:`fairsk.scoring.best_under` takes them.

        Returns
        -------
        dict of str to value
            Its keyword arguments: differences by name, and ``min_ratio`` with the ratios, if there are any.
        """
        bounded = [(name, each) for name, _, each in self._asked() if each.bound is not None]
        ratios = {name: each.min_ratio for name, each in bounded if each.limit == "min_ratio"}
        differences = {name: each.max_difference for name, each in bounded if name not in ratios}
        return differences | ({"min_ratio": ratios} if ratios else {})

    def scoring(self, scores: Mapping[str, Any]) -> GroupScoring:
        """Return what a search scores with: scores of your own, and those of the policy.

        Parameters
        ----------
        scores : dict of str to str or scorer
            Other scores by name, such as ``{"acc": "accuracy"}``.

        Returns
        -------
        GroupScoring
            Give it the groups with ``.of(X)``; then ``.best_under("acc", **policy.bounds())`` is the rule for
            ``refit``.
        """
        columns = list(self.sensitive_features)
        return GroupScoring(
            {**scores, **self.scorers()},
            sensitive_features=columns if len(columns) > 1 else columns[0],
            pos_label=self.pos_label,
        )

    def _asked(self) -> list[tuple[str, str, PolicyCriterion]]:
        """Return each criterion of each attribute, with the name that it has in reports and searches."""
        return [
            (f"{attribute}/{each.constraint.name}/{each.limit}", attribute, each)
            for attribute in self._attributes()
            for each in self.criteria_for(attribute)
        ]

    def _attributes(self) -> tuple[str, ...]:
        return attribute_names(self.sensitive_features, intersections=self.intersections)

    def _attribute(self, attribute: str | Sequence[str]) -> str:
        """Return what the policy calls an attribute."""
        parts = attribute.split(SEPARATOR) if isinstance(attribute, str) else list(attribute)
        for name in self._attributes():
            if sorted(name.split(SEPARATOR)) == sorted(map(str, parts)):
                return name
        hint = did_you_mean(attribute, self._attributes())
        raise ValueError(
            f"attribute={show(attribute)} is none of the policy {show(self.name)}: "
            f"{list_texts(self._attributes())}.{hint}"
        )

    # --- as people read it ----------------------------------------------------------------------------

    def gaps(self, today: date | None = None) -> tuple[str, ...]:
        """Return what the policy leaves open, in sentences: nobody who answers for it, say.

        Parameters
        ----------
        today : date, optional
            The day on which it is read; by default this one.

        Returns
        -------
        tuple of str
            One sentence each; they are no errors.
        """
        today = date.today() if today is None else today
        said = [f"No {what} is named." for what, text in (("owner", self.owner),) if not text]
        if self.reviewed is None:
            said.append("It is not said when the policy was reviewed.")
        elif self.reviewed > today:
            said.append(f"The review on {self.reviewed} is in the future.")
        if self.next_review is None:
            said.append("It is not said when the policy is reviewed next.")
        elif self.next_review < today:
            said.append(f"The review of {self.next_review} is overdue.")
        for n, each in enumerate(self.criteria):
            lacking = [name for name in ("why", "owner", "on_breach") if not getattr(each, name)]
            if self.owner and "owner" in lacking:
                lacking.remove("owner")  # whoever answers for the policy does
            if each.bound is None:
                lacking.insert(0, "bound")
            if lacking:
                said.append(f"criteria[{n}] ({each.constraint.name}) says nothing of: {', '.join(lacking)}.")
        for name in self._attributes():
            if not self.criteria_for(name):
                said.append(f"Nothing is asked of {name}.")
        if not self.scenarios:
            said.append("No bias scenario is written down.")
        for n, scenario in enumerate(self.scenarios):
            lacking = [part.name for part in fields(scenario) if not getattr(scenario, part.name)]
            if lacking:
                said.append(f"scenarios[{n}] says nothing of: {', '.join(lacking)}.")
        return tuple(said)

    def to_html(self) -> str:
        """Write the policy as a page that needs nothing else, to publish beside reports.

        Returns
        -------
        str
            The page.
        """
        from fairsk._pages.html import render_page

        return render_page(self.name, self._sections(), lead=self._lead())

    def to_markdown(self) -> str:
        """Write the policy as Markdown.

        Returns
        -------
        str
            The text, in which nothing that the policy says is markup.
        """
        from fairsk._pages.markdown import render_markdown

        return render_markdown(self.name, self._sections(), lead=self._lead())

    def _tables(self) -> list[Table | Entries]:
        about = [("policy", self.name), *([("about", self.summary)] if self.summary else []), *self._dates()]
        return [
            Entries([*about, *self._measured()]),
            self._promises(),
            *(Entries(list(zip(_SCENARIO, _texts_of(each), strict=True))) for each in self.scenarios),
        ]

    def _lead(self) -> list[str]:
        return [self.summary] if self.summary else []

    def _sections(self) -> list[Section]:
        """Return the parts of a page about the policy."""
        texts = [_texts_of(scenario) for scenario in self.scenarios]
        columns = {name: [line[n] for line in texts] for n, name in enumerate(_SCENARIO)}
        scenarios = Table(columns, columns, caption="Who is at risk, and of what", words=_SCENARIO)
        return [
            Section("What is promised", blocks=[self._promises()]),
            *([Section("Bias scenarios", [_SCENARIOS_SAY], [scenarios])] if self.scenarios else []),
            Section("How it is measured", blocks=[Entries(self._measured())]),
            Section("Who answers for it", blocks=[Entries(self._dates())]),
            Section("What this page says, and what it does not", [_PAGE_SAYS]),
        ]

    def _dates(self) -> list[tuple[str, str]]:
        """Return who answers for the policy, and until when."""
        return [
            ("owner", self.owner or _NOT_STATED),
            ("reviewed", str(self.reviewed or _NOT_STATED)),
            ("next review", str(self.next_review or _NOT_STATED)),
        ]

    def _measured(self) -> list[tuple[str, str]]:
        """Return how it is measured whether the promises are kept."""
        options = {
            name: ", ".join(f"{key}={value}" for key, value in each.items())
            for name, each in self.profiles.items()
        }
        profiles = "; ".join(f"{name} ({text})" if text else name for name, text in options.items())
        return [
            ("groups", f"by {', by '.join(self._attributes())}"),
            ("wanted", _NOT_STATED if self.pos_label is None else f"the outcome {self.pos_label}"),
            ("small groups", f"fewer than {self.min_group_size:,} rows"),
            ("intervals", percent(self.confidence)),
            *([("merged", f"groups with fewer than {self.min_cell:,} rows")] if self.min_cell else []),
            *([("profiles", profiles)] if profiles else []),
        ]

    def _promises(self) -> Table:
        """Return a line per criterion, and below it why it is asked, and what happens on a breach."""
        criteria = self.criteria
        asked = [each.attributes or self._attributes() for each in criteria]
        compared = [each.reference_text(names) for each, names in zip(criteria, asked, strict=True)]
        columns: dict[str, Sequence[Any]] = {
            "criterion": [each.constraint.name for each in criteria],
            "rates": [", ".join(rate.name for rate in each.constraint.rates) for each in criteria],
            "asked of": list(map("; ".join, asked)),
            "compared with": compared,
            "limit": [each.limit for each in criteria],
            "bound": [float("nan") if each.bound is None else float(each.bound) for each in criteria],
            "owner": [each.owner or self.owner or _NOT_STATED for each in criteria],
        }
        shown = {
            "criterion": [each.title for each in criteria],
            "bound": [each.bound_text() for each in criteria],
            "asked of": [
                "all" if each.attributes is None else "; ".join(each.attributes) for each in criteria
            ],
            "compared": compared,
        }
        remarks = [
            f"{_ended(each.definition())} Why: {_ended(each.why)} Owner: {_ended(owner)} "
            f"On a breach: {_ended(each.on_breach)}"
            for each, owner in zip(criteria, columns["owner"], strict=True)
        ]
        return Table(columns, shown, caption=_PROMISES, words=tuple(shown), remarks=remarks)


#: Above the criteria, on a page under a heading of its own.
_PROMISES = "Criteria, their bounds, and the groups that are compared"

#: The columns of a bias scenario, as they are shown.
_SCENARIO = ("at risk", "hazard", "measure", "threshold", "mitigation", "review trigger")

_SCENARIOS_SAY = (
    "How somebody may be harmed by the decisions, what would show it, from where on it is not accepted, what "
    "is done against it, and when that is looked at again."
)
_PAGE_SAYS = (
    "This page states aims, and who answers for them. It shows no results: the reports beside it do, with "
    "the interval of every number. It says nothing of whether a use is lawful, and bounds that are kept are "
    "no proof that nobody is treated unfairly: groups that are not named here are not compared."
)


def _texts_of(scenario: BiasScenario) -> list[str]:
    return [getattr(scenario, part.name) or _NOT_STATED for part in fields(scenario)]


def _ended(text: str) -> str:
    """Return a text as a sentence."""
    text = text or _NOT_STATED
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _short(constraint: Constraint) -> str | Constraint:
    """Return the name of a built-in constraint, and another one as it is."""
    return constraint.name if CONSTRAINTS.get(constraint.name) == constraint else constraint


def as_policy(policy: Any) -> FairnessPolicy:
    """Return a policy as it is, or read it from a path, the text of a file, or a dictionary.

    Raises
    ------
    TypeError
        If it is none of these.
    """
    if isinstance(policy, FairnessPolicy):
        return policy
    if isinstance(policy, Mapping):
        return FairnessPolicy.from_dict(policy)
    if isinstance(policy, str | Path):
        return FairnessPolicy.from_toml(policy)
    raise TypeError(f"policy must be a FairnessPolicy, a path, a text or a dictionary; got {show(policy)}.")
