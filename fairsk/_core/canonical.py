"""Canonical JSON of a document: one text per document, its digest, and where two documents differ.

The text is ``json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)`` of the
standard library, so anybody can make the digest again without fairsk. Whatever comes from outside is read by
:func:`parse`, which answers with findings and never raises.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from fairsk._core.messages import shorten, show
from fairsk._core.results import printable

__all__ = [
    "Finding",
    "FindingKind",
    "canonical",
    "commitment_of",
    "count_leaves",
    "differences",
    "digest",
    "indented",
    "parse",
    "plain_numbers",
    "step",
]

FindingKind: TypeAlias = Literal[
    "changed", "missing", "unknown", "rows", "digest", "page", "version", "unreadable"
]

#: Whether a report is compared with what follows from its counts, or with what the rows give.
How: TypeAlias = Literal["computed", "counted"]
_KINDS: dict[How, FindingKind] = {"computed": "changed", "counted": "rows"}

#: Sums of weights and of scores differ in their last bits between engines, for floating-point addition
#: depends on the order: 12 of the nearly 16 digits agree. What is recomputed elsewhere agrees to fewer.
SIGNIFICANT_DIGITS = 12
RELATIVE_TOLERANCE = 1e-9
#: Differences of rates that are zero in exact arithmetic are not, in floating point.
ABSOLUTE_TOLERANCE = 1e-12

#: Keys under which labels or edges of bins stand: rounding could make two of them one.
_EXACT = frozenset(
    {"edges", "group", "groups", "orders", "pos_label", "reference", "small_groups", "strata", "stratum"}
    | {"unmeasured"}
)
_HALF = re.compile("[\ud800-\udfff]")
#: Whole floats beyond it are not exact integers.
_LARGEST_WHOLE = 2**53

#: A report of 200 groups with histograms has about 2 MB.
_MOST_CHARACTERS = 64 * 2**20
#: A document of ours nests 9 levels deep.
_DEEPEST = 64
#: 64-bit integers have 20 digits.
_MOST_DIGITS = 40


@dataclass(frozen=True)
class Finding:
    """What does not hold in a report, and where.

    Parameters
    ----------
    kind : {"changed", "missing", "unknown", "rows", "digest", "page", "version", "unreadable"}
        Changed: a value is not the one that follows. Missing, unknown: a value should be there, or should
        not. Rows: the rows, counted again, give other counts. Digest: the document is not the one that was
        digested. Page: it shows other than its document says. Version: another version of fairsk made it, or
        reads it. Unreadable: it is no report.
    path : str
        Where in the document, such as ``"results/criteria/3/value"``; empty for all of it.
    sentence : str
        What is wrong, in words; whatever came from the report is shortened in it.
    """

    kind: FindingKind
    path: str
    sentence: str

    def __str__(self) -> str:
        return self.sentence


def plain_numbers(value: Any, *, exact: bool = False) -> Any:
    """Return plain values with every number in the one form that it has in a document.

    Parameters
    ----------
    value : value
        Numbers, text, None, and mappings, sequences and arrays of them.
    exact : bool, default=False
        Whether all numbers keep all of their digits: what is computed from them again is then the same.

    Returns
    -------
    value
        Whole numbers are integers, NaN is None, infinity is text, other numbers have 12 significant digits
        (labels of groups and edges of bins keep all of theirs); text is fit for UTF-8.
    """
    return _plain(value, exact=exact)


def _plain(value: Any, *, exact: bool) -> Any:
    if isinstance(value, Mapping):
        return {
            _encodable(str(key)): _plain(item, exact=exact or key in _EXACT) for key, item in value.items()
        }
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist(), exact=exact)
    if isinstance(value, list | tuple):
        return [_plain(item, exact=exact) for item in value]
    if isinstance(value, str):
        return _encodable(value)
    return _plain_float(value, exact=exact) if isinstance(value, float) else value


def _plain_float(value: float, *, exact: bool) -> float | int | str | None:
    if not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if not exact and not value.is_integer():
        value = float(f"{value:.{SIGNIFICANT_DIGITS - 1}e}")
    return int(value) if value.is_integer() and abs(value) < _LARGEST_WHOLE else value


def _encodable(text: str) -> str:
    """Replace half characters (lone surrogates), which UTF-8 does not have."""
    return _HALF.sub("\N{REPLACEMENT CHARACTER}", text)


def canonical(document: Any) -> str:
    """Return the one text of a document: sorted keys, no blanks, no NaN.

    Parameters
    ----------
    document : value
        Plain values, as :func:`plain_numbers` returns them.

    Returns
    -------
    str
        JSON.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def indented(document: Any) -> str:
    """Return a document as people read it: indented, keys in the order in which it was made.

    Parameters
    ----------
    document : value
        Plain values.

    Returns
    -------
    str
        JSON; the models of a report, and what is said of it, keep the order in which they were named.
    """
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)


def digest(document: Any, salt: str = "") -> str:
    """Return the SHA-256 of a document, of all but the digest that stands in it.

    Parameters
    ----------
    document : value
        Plain values.
    salt : str, default=""
        What is put in front of the text. A digest of small counts gives them away to whoever tries all that
        they could be; a secret salt of 128 random bits does not let them try.

    Returns
    -------
    str
        ``"sha256:"`` and 64 hexadecimal digits.
    """
    if isinstance(document, Mapping):
        document = {key: value for key, value in document.items() if key != "digest"}
    text = salt + canonical(document)
    return "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()


def commitment_of(document: Any, full: Mapping[str, Any] | None, salt: str) -> str:
    """Return the digest of a report that is published before, or apart from, the report.

    Parameters
    ----------
    document : mapping
        The report.
    full : mapping or None
        Where small groups are merged: the evidence before that, by model.
    salt : str
        A secret of 128 random bits; needed with ``full``.

    Returns
    -------
    str
        The digest of the document, together with the evidence if that is given.
    """
    if full is None:
        return digest(document, salt)
    report = {key: value for key, value in document.items() if key != "digest"}
    return digest({"report": report, "evidence": plain_numbers(full)}, salt)


def differences(said: Any, again: Any, path: str = "", *, how: How = "computed") -> list[Finding]:
    """Return every leaf in which a document differs from the one that follows.

    Parameters
    ----------
    said, again : value
        Plain values: what a report says, and what it should say.
    path : str, default=""
        Where they stand.
    how : {"computed", "counted"}, default="computed"
        How it is known what it should say.

    Returns
    -------
    list of Finding
        Numbers differ if they are further apart than by 1e-9 of the larger one (integers: at all), all else
        if it is not the same.
    """
    return list(_differences(said, again, path, how))


def _differences(said: Any, again: Any, path: str, how: How) -> Iterator[Finding]:
    what = _readable(path) or "The document"
    if isinstance(said, Mapping) and isinstance(again, Mapping):
        for key in sorted({*said, *again}):
            below = f"{path}/{step(key)}" if path else step(key)
            if key not in said:
                yield Finding("missing", below, f"{_readable(below)} is missing.")
            elif key not in again:
                yield Finding("unknown", below, f"{_readable(below)} does not belong there.")
            else:
                yield from _differences(said[key], again[key], below, how)
    elif _is_list(said) and _is_list(again):
        if len(said) != len(again):
            sentence = f"{what} has {len(said):,} entries; {how} again, it has {len(again):,}."
            yield Finding(_KINDS[how], path, sentence)
            return
        for place, pair in enumerate(zip(said, again, strict=True)):
            yield from _differences(*pair, f"{path}/{place}" if path else str(place), how)
    elif not _same(said, again):
        yield Finding(_KINDS[how], path, f"{what} is {_show(said)}; {how} again, it is {_show(again)}.")


def _readable(path: str) -> str:
    """Write a path without the step of a model that has no name."""
    return path.replace("//", "/")


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _same(one: Any, two: Any) -> bool:
    kinds = {type(one), type(two)}
    if kinds == {int, float} or kinds == {float}:
        return math.isclose(one, two, rel_tol=RELATIVE_TOLERANCE, abs_tol=ABSOLUTE_TOLERANCE)
    return len(kinds) == 1 and bool(one == two)


def step(key: str) -> str:
    """Write a key in a path as a JSON pointer does: a slash in it would look like a step."""
    return shorten(printable(key.replace("~", "~0").replace("/", "~1")))


def _show(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return f"{'an object' if isinstance(value, Mapping) else 'a list'} of {len(value):,} entries"
    return {None: "null", True: "true", False: "false"}[value] if _is_constant(value) else show(value)


def _is_constant(value: Any) -> bool:
    return value is None or value is True or value is False


def count_leaves(value: Any) -> int:
    """Return how many numbers, texts, booleans and nulls plain values hold."""
    count, rest = 0, [value]
    while rest:
        value = rest.pop()
        if isinstance(value, Mapping):
            rest += value.values()
        elif _is_list(value):
            rest += value
        else:
            count += 1
    return count


class _NotAccepted(ValueError):
    """JSON that no report has."""


def parse(text: str | bytes) -> tuple[Any, list[Finding]]:
    """Read JSON from outside, strictly.

    Parameters
    ----------
    text : str or bytes
        UTF-8.

    Returns
    -------
    document : value
        What it says; None if it cannot be read.
    findings : list of Finding
        Why not: no JSON, no UTF-8, a key twice, NaN, a number beyond all bounds, too deep, too long.
    """
    try:
        if len(text) > _MOST_CHARACTERS:
            raise _NotAccepted(f"it has {len(text):,} characters, and {_MOST_CHARACTERS:,} are read at most")
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        document = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_int=_read_int,
            parse_float=_read_float,
        )
        _check_tree(document)
    except _NotAccepted as reason:
        return None, [_unreadable(str(reason))]
    except json.JSONDecodeError as error:
        return None, [_unreadable(f"{error.msg}, at character {error.pos:,}")]
    except UnicodeDecodeError as error:
        return None, [_unreadable(f"byte {error.start:,} is not UTF-8")]
    except (RecursionError, MemoryError):
        return None, [_unreadable("it nests too deeply, or is too large")]
    return document, []


def _unreadable(reason: str) -> Finding:
    return Finding("unreadable", "", f"The report cannot be read: {reason}.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice: readers disagree about which of the values counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        times = Counter(key for key, _ in pairs)
        twice = times.most_common(1)[0][0]
        raise _NotAccepted(f"the key {show(twice)} stands twice")
    return found


def _refuse_constant(name: str) -> None:
    raise _NotAccepted(f"{name} is no JSON")


def _read_int(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise _NotAccepted(f"a number has {len(digits):,} digits")
    return int(digits)


def _read_float(digits: str) -> float:
    value = float(digits) if len(digits) <= _MOST_DIGITS else math.inf
    if not math.isfinite(value):
        raise _NotAccepted(f"the number {show(digits)} is too large, or too long")
    return value


def _check_tree(document: Any) -> None:
    """Refuse what nests too deeply for whatever walks through it, and text that UTF-8 does not have."""
    level, depth = [document], 0
    while level:
        if depth > _DEEPEST:
            raise _NotAccepted(f"it nests more than {_DEEPEST} levels deep")
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += [*value, *value.values()]
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str) and _HALF.search(value):
                raise _NotAccepted("a text holds half a character")
        level, depth = below, depth + 1
