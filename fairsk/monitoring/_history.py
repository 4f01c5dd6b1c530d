"""What a monitor has counted, batch by batch, and the evidence that follows from it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.messages import list_texts, show
from fairsk._core.typing import Floats, Ints
from fairsk.monitoring._evidence.bands import Band
from fairsk.monitoring._evidence.e_process import EProcess
from fairsk.monitoring._log import BatchLog, CountedBy, Line
from fairsk.monitoring._merging import Counted
from fairsk.monitoring._options import json_labels
from fairsk.monitoring._shares import shares_of
from fairsk.rates import Rate

__all__ = ["AlarmKind", "History", "Known"]

AlarmKind: TypeAlias = Literal["test", "change"]


class Known(NamedTuple):
    """What is known after a batch: the evidence of test and change detector, and the p-value of the test."""

    log_e_value: float
    p_value: float
    log_change_value: float


class History:
    """The log of a monitor and all that follows from it; lines are added, and nothing is ever taken back.

    Parameters
    ----------
    rates : sequence of Rate
        The rates that are counted.
    band : Band
        The tolerance.
    settings : mapping
        What the monitor was asked: where the chain of the log starts.
    groups : sequence of labels
        What is known before the first batch: a reference, or nothing.
    log_lines : mapping of str to float
        The evidence, as a logarithm, at which ``"test"`` and ``"change"`` alarm.

    Attributes
    ----------
    log : BatchLog
        The lines.
    groups, strata : dict of label to int
        The place of each, in the order in which they appeared. Without strata there is one, called None.
    counted_by : CountedBy or None
        What all batches are counted by; None before the first.
    known : list of Known
        What was known after each batch.
    alarms : dict of str to int
        The place of the batch at which ``"test"`` and ``"change"`` alarmed first.
    is_reference_counted : bool
        Whether the reference has had a decision; True without one.
    since : str or None
        The batch from which the evidence of the first alarm has grown.
    """

    def __init__(
        self,
        rates: Sequence[Rate],
        band: Band,
        settings: Mapping[str, Any],
        *,
        groups: Sequence[Hashable],
        log_lines: Mapping[AlarmKind, float],
    ) -> None:
        self._rates, self._band, self._log_lines = rates, band, log_lines
        self.log = BatchLog(settings)
        self.groups = {group: place for place, group in enumerate(groups)}
        self.strata: dict[Hashable, int] = {}
        self.counted_by: CountedBy | None = None
        self.known: list[Known] = []
        self.alarms: dict[AlarmKind, int] = {}
        self.is_reference_counted = band.reference is None
        self.since: str | None = None
        self._products: list[Floats] = []
        self._process: EProcess | None = None
        self._prior: tuple[Floats, Floats] | None = None

    def read(
        self, counts: GroupCounts, counted_by: CountedBy, *, weighted: bool = False
    ) -> tuple[Ints, Ints, list[Hashable], list[Hashable]]:
        """Return the counts of a table by the groups and strata of the monitor, and those that are new."""
        self._refuse_other(counted_by)
        part, size = shares_of(counts, self._rates, weighted=weighted)
        groups, new_groups, columns = _places(json_labels(counts.groups), self.groups)
        if counts.strata is None:
            strata, new_strata, rows = 1, list[Hashable](), [0]
        else:
            strata, new_strata, rows = _places(json_labels(counts.strata), self.strata)
        shape = len(self._rates), strata, groups
        tables = np.zeros((2, *shape), dtype=part.dtype)
        tables[np.ix_(range(2), range(shape[0]), rows, columns)] = [part, size]
        return tables[0], tables[1], new_groups, new_strata

    def _refuse_other(self, counted_by: CountedBy) -> None:
        """Refuse a table that is counted by other columns than those before."""
        before = self.counted_by
        if before is None or before == counted_by:
            return
        if before.names != counted_by.names:
            raise ValueError(
                f"Batches are counted by the same attributes: those before by {list_texts(before.names)}, "
                f"this one by {list_texts(counted_by.names)}."
            )
        came, comes = ("with strata" if by.is_stratified else "without" for by in (before, counted_by))
        raise ValueError(
            f"Batches come with strata, or without: those before came {came}, this one comes {comes}."
        )

    def count_by(self, counted_by: CountedBy | None) -> None:
        """Take in what all batches are counted by; without strata there is one of everything."""
        if counted_by is None:
            return
        self._refuse_other(counted_by)
        self.counted_by = counted_by
        if not counted_by.is_stratified:
            self.strata[None] = 0

    def learn(self, prior: GroupCounts) -> None:
        """Let forecasts see the counts of before the first batch."""
        part, size, groups, strata = self.read(prior, CountedBy.of(prior), weighted=True)
        self.count_by(CountedBy.of(prior))
        process = self._grow(groups, strata)
        self._prior = part.astype(float), size.astype(float)
        process.learn(*self._prior)

    def _grow(self, groups: Sequence[Hashable], strata: Sequence[Hashable]) -> EProcess:
        """Make room for groups and strata that appear."""
        for known, new in ((self.groups, groups), (self.strata, strata)):
            for label in new:
                if label in known:
                    raise ValueError(f"{show(label)} is new twice")
                known[label] = len(known)
        if self._process is None:
            self._process = EProcess(self._band, (len(self._rates), len(self.strata), len(self.groups)))
        elif groups or strata:
            self._process.grow(len(self.strata), len(self.groups))
        return self._process

    def append(self, line: Line) -> None:
        """Count a line of the log: the only way in which evidence grows."""
        if line.batch in self.log:
            raise ValueError(f"the batch {show(line.batch)} stands twice in the log")
        self.count_by(line.counted_by)
        process = self._grow(line.new_groups, line.new_strata)
        with np.errstate(under="ignore"):  # e-values beside far larger ones, whatever a program has set
            process.update(line.part.astype(float), line.size.astype(float))
            log_e, log_change = float(process.log_e_value), float(process.log_change_value)
        self.log.append(line)
        reference = self._band.reference
        if reference is not None and line.size[..., reference].any():
            self.is_reference_counted = True
        is_first = not self.alarms
        if is_first:
            self._products.append(process.log_products)
        # Valid at any time: M ever exceeds m with a probability of at most 1 / m.
        p_value = min(self.known[-1].p_value if self.known else 1.0, math.exp(-max(log_e, 0.0)))
        self.known.append(Known(log_e, p_value, log_change))
        evidence: dict[AlarmKind, float] = {"test": log_e, "change": log_change}
        for kind, value in evidence.items():
            if value >= self._log_lines[kind]:
                self.alarms.setdefault(kind, len(self.known) - 1)
        if is_first and self.alarms:
            self.since = self._start_of_evidence()
            self._products.clear()

    def _start_of_evidence(self) -> str:
        """Return the batch from which the evidence of the first alarm, which is now, has grown."""
        # Of the rates and forecasts the one with the most evidence at the alarm; it last had the least before
        # the batch that the change is dated to, which is where its likelihood is greatest.
        paths = np.concatenate([np.zeros((1, *self._products[0].shape)), self._products])
        paths = paths.reshape(len(paths), -1)
        lowest = np.minimum.accumulate(paths, axis=0)
        best = int(np.argmax(paths[-1] - lowest[-1]))
        # The last of equal ones: batches without a bet leave the evidence as it is.
        start = len(paths) - 2 - int(np.argmin(paths[-2::-1, best]))
        return self.log.lines[start].batch

    def batch_of(self, kind: AlarmKind) -> str | None:
        """Return the batch of an alarm, if there was one."""
        place = self.alarms.get(kind)
        return None if place is None else self.log.lines[place].batch

    def counts(self, place: int) -> tuple[Ints, Ints]:
        """Return the counts of the rate at a place, of shape (n_batches, n_strata, n_groups)."""
        tables = np.zeros(
            (2, len(self.log.lines), max(len(self.strata), 1), len(self.groups)), dtype=np.int64
        )
        for i, line in enumerate(self.log.lines):
            _, n_strata, n_groups = line.part.shape
            tables[0, i, :n_strata, :n_groups] = line.part[place]
            tables[1, i, :n_strata, :n_groups] = line.size[place]
        return tables[0], tables[1]

    def prior(self, place: int, columns: Sequence[int] | None = None) -> tuple[Floats, Floats] | None:
        """Return the counts of a rate before the first batch, by the strata and groups known now."""
        if self._prior is None:
            return None
        tables = np.zeros((2, len(self.strata), len(self.groups)))
        _, n_strata, n_groups = self._prior[0].shape
        tables[:, :n_strata, :n_groups] = [shares[place] for shares in self._prior]
        part, size = tables if columns is None else tables[..., columns]
        return part, size

    def counted(self) -> list[Counted]:
        """Return the lines of the log, with the groups and strata that they count."""
        groups, strata = list(self.groups), list(self.strata)
        return [
            Counted(line, groups[: line.part.shape[2]], strata[: line.part.shape[1]])
            for line in self.log.lines
        ]


def _places(
    labels: Sequence[Hashable], known: Mapping[Hashable, int]
) -> tuple[int, list[Hashable], list[int]]:
    """Return how many labels there are now, which are new, and the place of each that came."""
    new = [label for label in labels if label not in known]
    later = {label: len(known) + i for i, label in enumerate(new)}
    return len(known) + len(new), new, [known[label] if label in known else later[label] for label in labels]
