"""The log of a monitor: counts per batch, each line a link of a chain of digests from the settings on."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fairsk._core.canonical import canonical, plain_numbers
from fairsk._core.counts import GroupCounts
from fairsk._core.typing import Ints
from fairsk._core.validation import plain_labels, read_labels

__all__ = ["BatchLog", "CountedBy", "Line"]


@dataclass(frozen=True)
class CountedBy:
    """What all batches of a monitor are counted by: the sensitive attributes, and strata or none."""

    names: tuple[str, ...]
    is_stratified: bool

    @classmethod
    def of(cls, counts: GroupCounts) -> CountedBy:
        """Return what a table is counted by, with names as UTF-8 has them."""
        return cls(tuple(plain_numbers(list(counts.names))), counts.strata is not None)

    @classmethod
    def from_state(cls, line: Mapping[str, Any]) -> CountedBy | None:
        """Read it from a line; None from lines that do not say it."""
        if "names" not in line:
            return None
        names, is_stratified = line["names"], line["is_stratified"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("names of attributes are text")
        if not isinstance(is_stratified, bool):
            raise ValueError("counts have strata, or have none")
        return cls(tuple(names), is_stratified)


@dataclass(frozen=True, eq=False)
class Line:
    """The counts of a batch.

    Parameters
    ----------
    batch : str
        What it is called.
    n_decisions : int
        How many decisions it holds.
    part, size : arrays of shape (n_rates, n_strata, n_groups)
        How many decisions each rate counts, and out of how many, of the strata and groups known by then.
    new_groups, new_strata : tuple
        Those that no line before it has.
    scores : mapping of str to sequence of float
        What was measured of the scores of the groups known by then.
    counted_by : CountedBy, optional
        Of the first line: what all are counted by.
    """

    batch: str
    n_decisions: int
    part: Ints
    size: Ints
    new_groups: tuple[Hashable, ...] = ()
    new_strata: tuple[Hashable, ...] = ()
    scores: Mapping[str, Sequence[float]] = field(default_factory=dict)
    counted_by: CountedBy | None = None

    def to_state(self) -> dict[str, Any]:
        """Return it as plain values, without what is empty."""
        state: dict[str, Any] = {"batch": self.batch, "n_decisions": self.n_decisions}
        if self.counted_by is not None:
            state |= {"names": list(self.counted_by.names), "is_stratified": self.counted_by.is_stratified}
        if self.new_groups:
            state["new_groups"] = plain_labels(self.new_groups)
        if self.new_strata:
            state["new_strata"] = plain_labels(self.new_strata)
        state |= {"part": self.part.ravel().tolist(), "size": self.size.ravel().tolist()}
        if self.scores:
            state["scores"] = {
                name: [None if value != value else value for value in values]
                for name, values in self.scores.items()
            }
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any], n_rates: int, n_strata: int, n_groups: int) -> Line:
        """Read what :meth:`to_state` wrote.

        Parameters
        ----------
        state : mapping
            The plain values.
        n_rates, n_strata, n_groups : int
            How many there are before this line.

        Raises
        ------
        ValueError, TypeError, KeyError
            If it is no line.
        """
        groups, strata = (tuple(read_labels(state.get(key, ()))) for key in ("new_groups", "new_strata"))
        shape = (n_rates, n_strata + len(strata), n_groups + len(groups))
        part, size = (_whole(state[key]).reshape(shape) for key in ("part", "size"))
        if (part < 0).any() or (part > size).any():
            raise ValueError("more decisions are counted than there are")
        batch, n_decisions = state["batch"], state["n_decisions"]
        if not isinstance(batch, str) or type(n_decisions) is not int or n_decisions < 0:
            raise ValueError("a batch has a name, and a whole number of decisions")
        scores = {
            name: [np.nan if value is None else float(value) for value in values]
            for name, values in state.get("scores", {}).items()
        }
        if any(len(values) != shape[-1] for values in scores.values()):
            raise ValueError("scores are measured of each group")
        return cls(batch, n_decisions, part, size, groups, strata, scores, CountedBy.from_state(state))


def _whole(values: Any) -> Ints:
    """Return whole numbers as an array; others are refused, which an array would round."""
    if not isinstance(values, list) or any(type(value) is not int for value in values):
        raise ValueError("counts are whole numbers")
    return np.array(values, dtype=np.int64)


class BatchLog:
    """Lines of counts, and the digest of everything up to the last one.

    The chain starts at the settings, so that a monitor of other settings, or with other names of groups,
    cannot have the same log: ``head = sha256(head + canonical JSON of the line)``.

    Parameters
    ----------
    settings : mapping
        What the monitor was asked, as plain values.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.lines: list[Line] = []
        self._batches: set[str] = set()
        self._links = [_link("", settings)]

    @property
    def head(self) -> str:
        """The digest of the settings and all lines."""
        return f"sha256:{self._links[-1]}"

    def __contains__(self, batch: str) -> bool:
        return batch in self._batches

    def append(self, line: Line) -> None:
        """Add a line."""
        link = _link(self._links[-1], line.to_state())  # what JSON does not have is refused here
        self.lines.append(line)
        self._batches.add(line.batch)
        self._links.append(link)


def _link(before: str, content: Mapping[str, Any]) -> str:
    return hashlib.sha256((before + canonical(content)).encode()).hexdigest()
