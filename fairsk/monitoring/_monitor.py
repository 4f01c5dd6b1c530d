"""FairnessMonitor: whether a tolerance is kept, asked after every batch, and seldom answered wrongly."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.amount_sums import judge_of_amounts
from fairsk._core.bounds import Bound
from fairsk._core.canonical import differences, plain_numbers
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, list_groups
from fairsk._core.histograms import ScoreHistograms
from fairsk._core.messages import list_texts, shorten, show
from fairsk._core.results import Backend, Entries, Result, Table, plain
from fairsk._core.typing import Ints
from fairsk._core.validation import plain_constraint, plain_labels, read_constraint, read_labels
from fairsk.monitoring import _words
from fairsk.monitoring._evidence.bands import Band
from fairsk.monitoring._history import History
from fairsk.monitoring._log import CountedBy, Line
from fairsk.monitoring._merging import merged_lines
from fairsk.monitoring._options import (
    LONGEST_NAME,
    check_between,
    check_name,
    json_labels,
    prior_state,
    tolerance_of,
)
from fairsk.monitoring._scores import ScoreTimeline, measure_scores
from fairsk.monitoring._shares import monitored_constraint
from fairsk.rates import Constraint, Rate

if TYPE_CHECKING:
    from fairsk.monitoring._evidence.confidence_sequence import ConfidenceSequence
    from fairsk.monitoring._evidence.pairs import MonitorPairs
    from fairsk.plotting import MonitorDisplay

__all__ = ["FairnessMonitor", "MonitorOutcome", "MonitorStep"]

MonitorOutcome = Literal["FAIL", "CHANGED", "PASS", "INCONCLUSIVE"]

_VERSION = "fairsk.monitor/1"


@dataclass(frozen=True, eq=False, repr=False)
class MonitorStep(Result):
    """What a monitor knows after a batch.

    Parameters
    ----------
    batch : str
        The batch.
    n : int
        How many decisions it holds.
    log_e_value : float
        The natural logarithm of the evidence that the tolerance was not kept since the start.
    p_value : float
        Valid whenever it is looked at: ``min(1, 1 / max M)``, the maximum over all batches so far.
    log_change_value : float
        The natural logarithm of the evidence that the tolerance is not kept lately.
    alarm, change : bool
        Whether the test, and the change detector, have alarmed by then.
    sentence : str
        This in words.

    See Also
    --------
    FairnessMonitor.update : What returns it.

    Examples
    --------
    >>> from fairsk.monitoring import FairnessMonitor
    >>> monitor = FairnessMonitor("demographic_parity", min_ratio=0.8)
    >>> step = monitor.update_predictions([1, 0, 1, 0], batch="w01", sensitive_features=["a", "a", "b", "b"])
    >>> step.alarm, step.p_value
    (False, 1.0)
    """

    batch: str
    n: int
    log_e_value: float
    p_value: float
    log_change_value: float
    alarm: bool
    change: bool
    sentence: str = ""

    def _tables(self) -> list[Entries | Table]:
        return [Entries([("finding", self.sentence)]), self._first()]

    def __str__(self) -> str:
        return self.sentence

    def _first(self) -> Table:
        names = ("batch", "n", "log_e_value", "p_value", "log_change_value", "alarm", "change")
        return Table({name: [getattr(self, name)] for name in names})


class FairnessMonitor:
    """Watch whether a fairness tolerance is kept, batch by batch, without ever crying wolf too often.

    After every closed batch it is asked whether the decisions so far show that groups differ more than the
    tolerance allows. However often it is asked, and for however long: while the tolerance is kept, the
    **test** ever alarms with probability ``alpha`` at most. A **change** detector beside it sees a tolerance
    that has been kept for long and is not kept lately; between two of its false alarms lie
    ``mean_batches_between_false_alarms`` batches or more on average.

    Parameters
    ----------
    constraint : str, Constraint or Rate, default="demographic_parity"
        Which rates should agree, or the name of one rate. They must be shares of decisions.
    max_difference, min_ratio : float
        The tolerance, one of the two: how far rates may lie apart (0 to 1, below 1), or the lowest over the
        highest (0 to 1, above 0).
    reference : label, optional
        The group that all others are compared with; by default all pairs of groups are.
    alpha : float, default=0.05
        The probability that the test ever alarms while the tolerance is kept.
    mean_batches_between_false_alarms : float, default=1000
        The same for the change detector, as a mean time.
    prior : GroupCounts, optional
        Counts of an audit before the first batch. Forecasts start from them: they add no evidence, and if
        they are wrong, alarms come later, and no oftener.
    name : str, default=""
        What the monitor is called on pages and in metrics.

    Attributes
    ----------
    alarm, change : str or None
        The batch at which the test, and the change detector, alarmed first. Both stay: after the cause is
        mended a new monitor begins.
    log_e_value, log_change_value : float
        The evidence of both, as natural logarithms.
    p_value : float
        Of the test, valid at any time.
    groups, strata, batches : tuple
        What has been seen.

    Raises
    ------
    ValueError
        If a rate is no share of decisions, or there are two tolerances or none.

    See Also
    --------
    Cohorts : Batches of decisions whose labels arrive late.
    e_bh : Which of many monitors alarm.
    fairsk.audit.audit_predictions : The same question, asked once.

    Notes
    -----
    The tolerance is a convex set of rates. Forecasts of the rates, made of past batches, are projected on
    it; the likelihood ratio E of a batch, forecast against projection, has an expectation of at most 1 while
    the tolerance is kept, for any number of decisions and groups, and however the common rate moves. The
    test multiplies these ratios, the change detector sums ``R <- (R + 1) E``; both are means over six
    forecasts of different memories. The rates of several criteria are averaged, and strata multiplied: every
    stratum is tested.

    What it needs: batches that are closed before they are counted, each decision counted once, decisions that
    do not depend on each other given the past (a person with several decisions in a batch is several copies
    of one; see ``unit``), and labels of a batch that are not missing by group (see :class:`Cohorts`).

    References
    ----------
    R. J. Turner, A. Ly, P. D. Grünwald, "Generic E-variables for exact sequential k-sample tests that allow
    for optional stopping", Journal of Statistical Planning and Inference, 2024. J. Shin, A. Ramdas, A.
    Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", New England Journal of
    Statistics in Data Science, 2024.

    Examples
    --------
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.monitoring import FairnessMonitor
    >>> monitor = FairnessMonitor("demographic_parity", min_ratio=0.8, name="loans")
    >>> for day in range(10):
    ...     counts = GroupCounts(["a", "b"], {"tp": [0, 0], "fp": [50, 25], "fn": [0, 0], "tn": [50, 75]},
    ...                          labelled=False)
    ...     step = monitor.update(counts, batch=f"2026-01-{day + 1:02}")
    >>> monitor.alarm, monitor.outcome
    ('2026-01-03', 'FAIL')
    """

    def __init__(
        self,
        constraint: str | Constraint | Rate = "demographic_parity",
        *,
        max_difference: float | None = None,
        min_ratio: float | None = None,
        reference: Hashable = None,
        alpha: float = 0.05,
        mean_batches_between_false_alarms: float = 1000,
        prior: GroupCounts | None = None,
        name: str = "",
    ) -> None:
        self._constraint = monitored_constraint(constraint)
        self._bound = tolerance_of(self._constraint, max_difference, min_ratio)
        self._alpha = check_between("alpha", alpha, 0.0, 1.0)
        self._mean = check_between(
            "mean_batches_between_false_alarms", mean_batches_between_false_alarms, 1.0, math.inf
        )
        self._name = check_name("name", name, empty=True)
        self._reference = None if reference is None else json_labels([reference])[0]
        self._prior = None if prior is None else prior_state(prior)
        self._history = History(
            self.rates,
            Band(self._bound, self._reference_place),
            self._settings(),
            groups=[] if reference is None else [self._reference],
            log_lines={"test": self.log_alarm_line, "change": self.log_change_line},
        )
        if self._prior is not None:
            self._history.learn(GroupCounts.from_state(self._prior))
        self._answers: dict[Any, Any] = {}  # what takes long to find out, until the next batch

    # what it was asked

    @property
    def name(self) -> str:
        """What it is called."""
        return self._name

    @property
    def constraint(self) -> Constraint:
        """Which rates should agree."""
        return self._constraint

    @property
    def rates(self) -> tuple[Rate, ...]:
        """The rates that should agree."""
        return self._constraint.rates

    @property
    def bound(self) -> Bound:
        """The tolerance."""
        return self._bound

    @property
    def reference(self) -> Hashable:
        """The group that all others are compared with, if there is one."""
        return self._reference

    @property
    def alpha(self) -> float:
        """The probability that the test ever alarms while the tolerance is kept."""
        return self._alpha

    @property
    def mean_batches_between_false_alarms(self) -> float:
        """How many batches lie between two false alarms of the change detector, on average."""
        return self._mean

    @property
    def is_reference_counted(self) -> bool:
        """Whether the reference, if there is one, has had a decision: else nothing is compared."""
        return self._history.is_reference_counted

    @property
    def log_alarm_line(self) -> float:
        """The evidence at which the test alarms, as a natural logarithm: ``log(1 / alpha)``."""
        return -math.log(self._alpha)

    @property
    def log_change_line(self) -> float:
        """The evidence at which the change detector alarms, as a natural logarithm."""
        return math.log(self._mean)

    # what it has seen

    @property
    def names(self) -> tuple[str, ...]:
        """What the sensitive attributes are called."""
        return () if self._history.counted_by is None else self._history.counted_by.names

    @property
    def groups(self) -> tuple[Hashable, ...]:
        """The groups, in the order in which they appeared."""
        return tuple(self._history.groups)

    @property
    def strata(self) -> tuple[Hashable, ...] | None:
        """The strata, if the counts have any."""
        return tuple(self._history.strata) if self._is_stratified else None

    @property
    def _is_stratified(self) -> bool:
        return self._history.counted_by is not None and self._history.counted_by.is_stratified

    @property
    def batches(self) -> tuple[str, ...]:
        """The batches that were counted, in their order."""
        return tuple(line.batch for line in self._history.log.lines)

    @property
    def n_batches(self) -> int:
        """How many batches were counted."""
        return len(self._history.log.lines)

    @property
    def head(self) -> str:
        """The digest of the settings and of all batches: published, it pins down the past."""
        return self._history.log.head

    # what it knows

    @property
    def log_e_value(self) -> float:
        """The evidence that the tolerance was not kept since the start, as a natural logarithm."""
        return self._history.known[-1][0] if self._history.known else 0.0

    @property
    def p_value(self) -> float:
        """The p-value of the test, valid at any time: of the greatest evidence so far."""
        return self._history.known[-1][1] if self._history.known else 1.0

    @property
    def log_change_value(self) -> float:
        """The evidence that the tolerance is not kept lately, as a natural logarithm."""
        return self._history.known[-1][2] if self._history.known else -math.inf

    @property
    def alarm(self) -> str | None:
        """The batch at which the test alarmed."""
        return self._history.batch_of("test")

    @property
    def change(self) -> str | None:
        """The batch at which the change detector alarmed."""
        return self._history.batch_of("change")

    @property
    def since(self) -> str | None:
        """The batch from which the evidence of the first alarm has grown: an estimate of when it began."""
        return self._history.since

    @property
    def steps(self) -> tuple[MonitorStep, ...]:
        """What was known after each batch."""
        return tuple(map(self._step, range(self.n_batches)))

    @property
    def outcome(self) -> MonitorOutcome:
        """What all this comes to.

        ``"FAIL"``: the test has alarmed. ``"CHANGED"``: the change detector alone has. ``"PASS"``: neither
        has, and the confidence sequence of every pair of groups lies within the tolerance, in every stratum
        that has both.
        ``"INCONCLUSIVE"``: anything else.
        """
        if "test" in self._history.alarms:
            return "FAIL"
        if "change" in self._history.alarms:
            return "CHANGED"
        return "PASS" if self._answer("kept", self._is_kept) else "INCONCLUSIVE"

    @property
    def scores(self) -> ScoreTimeline | None:
        """What was measured of scores, which is not tested; None if no batch came with histograms."""
        lines = self._history.log.lines
        names = list(dict.fromkeys(name for line in lines for name in line.scores))
        if not names:
            return None
        measures = {name: np.full((len(lines), len(self._history.groups)), np.nan) for name in names}
        for place, line in enumerate(lines):
            for name, values in line.scores.items():
                measures[name][place, : len(values)] = values
        return ScoreTimeline(self.batches, self.groups, measures)

    def shares(self, rate: Rate | str | None = None) -> tuple[Ints, Ints]:
        """Return the counts of a rate, batch by batch.

        Parameters
        ----------
        rate : str or Rate, optional
            Which one; by default the first.

        Returns
        -------
        part : array of shape (n_batches, n_groups)
            How many decisions of each group the rate counts, all strata together.
        size : array of shape (n_batches, n_groups)
            Out of how many.
        """
        part, size = self._counts(rate)
        return part.sum(1), size.sum(1)

    def pairs(self, rate: Rate | str | None = None) -> MonitorPairs:
        """Compare groups two by two.

        Parameters
        ----------
        rate : str or Rate, optional
            In which rate; by default the first.

        Returns
        -------
        MonitorPairs
            The pairs, the furthest apart first. The alarm of a monitor accuses no group: a pair is named only
            if its own evidence reaches the number of pairs / alpha.
        """
        from fairsk.monitoring._evidence.pairs import compare_pairs

        place = self._place_of(rate)
        return self._answer(
            ("pairs", place),
            lambda: compare_pairs(
                *self._counts(rate),
                rate=self.rates[place],
                groups=self.groups,
                bound=self._bound,
                reference=self._reference_place,
                alpha=self._alpha,
                n_rates=len(self.rates),
                prior=self._history.prior(place),
            ),
        )

    def confidence_sequence(
        self,
        group: Hashable,
        other: Hashable,
        *,
        rate: Rate | str | None = None,
        confidence: float | None = None,
    ) -> ConfidenceSequence:
        """Return between what limits the disparity of two groups lies, after each batch.

        Parameters
        ----------
        group, other : label
            The groups: the rate of the first over, or minus, that of the second.
        rate : str or Rate, optional
            Which rate; by default the first.
        confidence : float, optional
            The probability that the limits ever miss is at most 1 minus this; by default ``1 - alpha``.

        Returns
        -------
        ConfidenceSequence
            The limits. A disparity that stays the same lies within all of them.

        Raises
        ------
        ValueError
            If there is no such group or rate.
        """
        from fairsk.monitoring._evidence.confidence_sequence import pair_sequence

        for label in (group, other):
            if label not in self._history.groups:
                raise ValueError(
                    f"There is no group {show(label)}: the groups are {list_groups(self.groups)}."
                )
        if group == other:
            raise ValueError(f"A group is not compared with itself: {show(group)} is named twice.")
        if confidence is None:  # the largest number below 1, where alpha is less than what is left
            confidence = min(1 - self._alpha, math.nextafter(1.0, 0.0))
        confidence = check_between("confidence", confidence, 0.0, 1.0)
        place = self._place_of(rate)
        columns = [self._history.groups[group], self._history.groups[other]]

        def limits() -> ConfidenceSequence:
            part, size = (counts[..., columns] for counts in self._counts(rate))
            return pair_sequence(
                part,
                size,
                batches=self.batches,
                groups=(group, other),
                rate=self.rates[place],
                bound=self._bound,
                confidence=confidence,
                prior=self._history.prior(place, columns),
            )

        return self._answer(("sequence", place, *columns, confidence), limits)

    # what it is given

    def update(
        self, counts: GroupCounts, *, batch: str, histograms: ScoreHistograms | None = None
    ) -> MonitorStep:
        """Count a closed batch.

        Parameters
        ----------
        counts : GroupCounts
            The decisions of the batch, each counted once, without weights.
        batch : str
            What the batch is called, such as its date. No batch is counted twice: rows that come later are a
            batch of their own.
        histograms : ScoreHistograms, optional
            The scores of the batch. What is measured of them is kept and shown, and not tested.

        Returns
        -------
        MonitorStep
            What is known now.

        Raises
        ------
        ValueError
            If the batch was counted before; if counts are weighted, lack labels that a rate needs, or have
            other attributes or strata than those of batches before.
        """
        batch = check_name("batch", batch)
        if batch in self._history.log:
            raise ValueError(
                f"The batch {show(batch)} was counted already, and what was counted stays: rows that came "
                "late are a batch of their own."
            )
        if not isinstance(counts, GroupCounts):
            raise TypeError(f"counts must be a GroupCounts; got {show(counts)}.{judge_of_amounts(counts)}")
        counted_by = CountedBy.of(counts)
        part, size, groups, strata = self._history.read(counts, counted_by)
        scores = {}
        if histograms is not None:
            if not isinstance(histograms, ScoreHistograms):
                raise TypeError(f"histograms must be a ScoreHistograms; got {show(histograms)}.")
            if histograms.names != counts.names:
                raise ValueError(
                    f"The histograms are by {list_texts(histograms.names)}, the counts by "
                    f"{list_texts(counts.names)}."
                )
            scores = _measured(histograms, [*self._history.groups, *groups])
        first = None if self._history.log.lines else counted_by
        n = int(counts.n.sum())
        self._append(Line(batch, n, part, size, tuple(groups), tuple(strata), scores, first))
        return self._step(self.n_batches - 1)

    def update_predictions(
        self,
        y_pred: ArrayLike,
        *,
        batch: str,
        sensitive_features: Any,
        y_true: ArrayLike | None = None,
        y_score: ArrayLike | None = None,
        strata: Any = None,
        pos_label: Any = None,
        unit: ArrayLike | None = None,
    ) -> MonitorStep:
        """Count a closed batch of rows.

        Parameters
        ----------
        y_pred : array-like of shape (n_samples,)
            Decisions.
        batch : str
            What the batch is called.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
            The group of each row.
        y_true : array-like of shape (n_samples,), optional
            Labels, where the rate needs them.
        y_score : array-like of shape (n_samples,), optional
            Scores from 0 to 1, which are shown and not tested.
        strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            Within which groups are compared; every stratum is tested.
        pos_label : label, optional
            The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
        unit : array-like of shape (n_samples,), optional
            Who each decision is about. Of several decisions about one in the batch the first is counted:
            copies of a decision are no evidence.

        Returns
        -------
        MonitorStep
            What is known now.
        """
        if unit is not None:
            from fairsk.monitoring._units import first_of_each

            y_pred, sensitive_features, y_true, y_score, strata = first_of_each(
                unit, y_pred, sensitive_features, y_true, y_score, strata
            )
        counts = GroupCounts.from_predictions(
            y_true, y_pred, sensitive_features=sensitive_features, pos_label=pos_label, strata=strata
        )
        histograms = None
        if y_score is not None:
            histograms = _histograms(y_true, y_score, sensitive_features, pos_label)
        return self.update(counts, batch=batch, histograms=histograms)

    def __add__(self, other: FairnessMonitor) -> FairnessMonitor:
        """Combine two sites: batches of one name are one batch, counted in the order of names.

        What is tested then are the rates of both together. The sum does not depend on the order of sites, but
        cannot tell rows that both have counted from rows that only one has. Scores of batches that several
        sites have are left out, for their measures do not add up.
        """
        if not isinstance(other, FairnessMonitor):
            return NotImplemented
        mine, others = ({**monitor._settings(), "name": ""} for monitor in (self, other))
        if mine != others:
            differ = [key for key in mine if mine[key] != others[key]]
            raise ValueError(
                f"Only monitors that were asked the same add up; these two differ in {list_texts(differ)}."
            )
        names = sorted({name for site in (self, other) for name in site._name.split(" + ") if name})
        both = type(self)._of_settings({**mine, "name": shorten(" + ".join(names), LONGEST_NAME)})
        for site in (self, other):
            both._history.count_by(site._history.counted_by)
        counted = [*self._history.counted(), *other._history.counted()]
        for line in merged_lines(counted, both.groups, list(both._history.strata), both._history.counted_by):
            both._append(line)
        return both

    def __radd__(self, other: int) -> FairnessMonitor:
        """Let ``sum(monitors)`` start from its 0."""
        return self if other == 0 else NotImplemented

    # what it says

    def to_state(self) -> dict[str, Any]:
        """Return settings, log and results as plain values, fit for JSON; :meth:`from_state` restores it.

        Returns
        -------
        dict of str to value
            Counts per batch and group, and no rows.
        """
        return {
            "schema_version": _VERSION,
            "settings": self._settings(),
            "log": [line.to_state() for line in self._history.log.lines],
            "head": self.head,
            "results": self._results(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> FairnessMonitor:
        """Restore a monitor, and make sure that what its state says follows from its log.

        Parameters
        ----------
        state : mapping of str to value
            What :meth:`to_state` returned.

        Returns
        -------
        FairnessMonitor
            The monitor.

        Raises
        ------
        ValueError
            If it is no state, or of another version; if a number, a name or a digest in it does not follow
            from settings and log.
        """
        if not isinstance(state, Mapping) or "schema_version" not in state:
            raise ValueError("This is no state of a FairnessMonitor.")
        if state["schema_version"] != _VERSION:
            raise ValueError(
                f"The state has the form {show(state['schema_version'])}, and this version of fairsk reads "
                f"{_VERSION!r}."
            )
        try:
            monitor = cls._of_settings(state["settings"])
            for line in state["log"]:
                monitor._history.count_by(CountedBy.from_state(line))
                sizes = len(monitor.rates), len(monitor._history.strata), len(monitor._history.groups)
                monitor._append(Line.from_state(line, *sizes))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ValueError(f"This is no state of a FairnessMonitor: {error}.") from error
        found = differences(state, monitor.to_state())
        if found:
            more = f" (and {len(found) - 1:,} more)" if len(found) > 1 else ""
            raise ValueError(f"The state does not follow from its log: {found[0].sentence}{more}")
        return monitor

    def to_dict(self) -> dict[str, Any]:
        """Return what the monitor says as plain values, fit for JSON.

        Returns
        -------
        dict of str to value
            What was asked, what was found, and the rate of every group over all batches.
        """
        rates = {}
        for rate in self.rates:
            part, size = (counts.sum(0) for counts in self.shares(rate))
            rates[rate.name] = [
                {"group": group, "part": k, "size": n, "rate": k / n if n else math.nan}
                for group, k, n in zip(
                    map(format_group, self.groups), part.tolist(), size.tolist(), strict=True
                )
            ]
        asked = {key: value for key, value in self._settings().items() if key != "prior"}
        return plain({**asked, **self._results(), "rates": rates, "sentences": _words.sentences(self)})

    def frame(self, backend: Backend | None = None) -> Any:
        """Return the counts as a frame: a line per batch, stratum, group and rate.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}, optional
            The library; by default the first one that is installed.

        Returns
        -------
        frame
            Counts, rates, and the evidence after the batch.
        """
        columns: dict[str, list[Any]] = {
            name: [] for name in ("batch", "group", "rate", "part", "size", "value")
        }
        if self._is_stratified:
            columns["stratum"] = []
        columns |= {"log_e_value": [], "p_value": [], "log_change_value": []}
        groups, strata = list(map(format_group, self.groups)), list(map(format_group, self._history.strata))
        for line, record in zip(self._history.log.lines, self._history.known, strict=True):
            for (i, s, g), n in np.ndenumerate(line.size):
                k = int(line.part[i, s, g])
                values = [line.batch, groups[g], self.rates[i].name, k, int(n), k / n if n else math.nan]
                values += [strata[s]] if self._is_stratified else []
                for column, value in zip(columns.values(), [*values, *record], strict=True):
                    column.append(value)
        return Table(columns).frame(backend)

    def plot(self, **options: Any) -> MonitorDisplay:
        """Draw rates, confidence sequence and evidence over batches.

        Parameters
        ----------
        **options
            What :meth:`fairsk.plotting.MonitorDisplay.from_monitor` takes.

        Returns
        -------
        MonitorDisplay
            The drawing.
        """
        from fairsk.plotting import MonitorDisplay

        return MonitorDisplay.from_monitor(self, **options)

    def __str__(self) -> str:
        heading = f"FairnessMonitor {_words.shown_name(self)}: {self.outcome}"
        return "\n".join([heading, *(f"  {sentence}" for sentence in _words.sentences(self))])

    def __repr__(self) -> str:
        return (
            f"<FairnessMonitor {_words.shown_name(self)}: {self.bound}, {self.n_batches:,} batches, "
            f"{len(self._history.groups):,} groups>"
        )

    # how it is done

    @property
    def _reference_place(self) -> int | None:
        """The place of the reference among the groups: it is the first."""
        return None if self._reference is None else 0

    def _settings(self) -> dict[str, Any]:
        """Return what it was asked as plain values."""
        is_ratio = self._bound.comparison == "ratio"
        return {
            "name": self._name,
            "constraint": plain_numbers(plain_constraint(self._constraint), exact=True),
            "max_difference": None if is_ratio else self._bound.value,
            "min_ratio": self._bound.value if is_ratio else None,
            "reference": None if self._reference is None else plain_labels([self._reference])[0],
            "alpha": self._alpha,
            "mean_batches_between_false_alarms": self._mean,
            "prior": self._prior,
        }

    @classmethod
    def _of_settings(cls, settings: Mapping[str, Any]) -> FairnessMonitor:
        prior, reference = settings["prior"], settings["reference"]
        return cls(
            read_constraint(settings["constraint"]),
            max_difference=settings["max_difference"],
            min_ratio=settings["min_ratio"],
            reference=None if reference is None else read_labels([reference])[0],
            alpha=settings["alpha"],
            mean_batches_between_false_alarms=settings["mean_batches_between_false_alarms"],
            prior=None if prior is None else GroupCounts.from_state(prior),
            name=settings["name"],
        )

    def _results(self) -> dict[str, Any]:
        change = self.log_change_value
        return {
            "n_batches": self.n_batches,
            "names": list(self.names),
            "groups": plain_labels(self.groups),
            "strata": None if self.strata is None else plain_labels(self.strata),
            "log_e_value": self.log_e_value,
            "p_value": self.p_value,
            "log_change_value": change if math.isfinite(change) else None,
            "alarm": self.alarm,
            "change": self.change,
            "since": self.since,
        }

    def _append(self, line: Line) -> None:
        """Count a line of the log: the only way in which evidence grows."""
        self._history.append(line)
        self._answers.clear()

    def _counts(self, rate: Rate | str | None) -> tuple[Ints, Ints]:
        """Return the counts of a rate, of shape (n_batches, n_strata, n_groups)."""
        return self._history.counts(self._place_of(rate))

    def _step(self, place: int) -> MonitorStep:
        line = self._history.log.lines[place]
        alarm, change = (
            self._history.alarms.get(kind, self.n_batches) <= place for kind in ("test", "change")
        )
        step = MonitorStep(line.batch, line.n_decisions, *self._history.known[place], alarm, change)
        return replace(step, sentence=_words.step_sentence(step, self))

    def _place_of(self, rate: Rate | str | None) -> int:
        if rate is None:
            return 0
        for place, own in enumerate(self.rates):
            if rate in (own, own.name):
                return place
        raise ValueError(
            f"{show(getattr(rate, 'name', rate))} is not monitored: the rates are "
            f"{list_texts(own.name for own in self.rates)}."
        )

    def _answer(self, key: Any, find: Any) -> Any:
        """Return what was found out since the last batch, or find it out."""
        if key not in self._answers:
            self._answers[key] = find()
        return self._answers[key]

    def _is_kept(self) -> bool:
        """Tell whether the confidence sequences of all pairs of groups lie within the tolerance."""
        from fairsk.monitoring._evidence.pairs import all_pairs_within

        return len(self._history.groups) > 1 and all(
            all_pairs_within(
                *self._counts(rate),
                bound=self._bound,
                reference=self._reference_place,
                alpha=self._alpha,
                prior=self._history.prior(place),
            )
            for place, rate in enumerate(self.rates)
        )


def _measured(histograms: ScoreHistograms, groups: Sequence[Hashable]) -> dict[str, list[float]]:
    """Return what was measured of the scores of all groups known by now."""
    written = dict(zip(json_labels(histograms.groups), histograms.groups, strict=True))
    unknown = [group for group in written if group not in groups]
    if unknown:
        raise ValueError(
            f"The histograms have groups that are not among those counted: {list_groups(unknown)}. Counts "
            "and histograms of a batch are made of the same rows."
        )
    return {
        name: [float(values.get(written.get(group), math.nan)) for group in groups]
        for name, values in measure_scores(histograms).items()
    }


def _histograms(
    y_true: ArrayLike | None, y_score: ArrayLike, sensitive_features: Any, pos_label: Any
) -> ScoreHistograms:
    """Return the histograms of scores, with labels or without."""
    labels = np.zeros(len(np.asarray(y_score)), dtype=int) if y_true is None else y_true
    table = ScoreHistograms.from_scores(
        labels,
        y_score,
        sensitive_features=sensitive_features,
        pos_label=None if y_true is None else pos_label,
    )
    if y_true is not None:
        return table
    return ScoreHistograms(
        table.groups,
        table.edges,
        table.positives,
        table.negatives,
        score_sums=table.score_sums,
        names=table.names,
        labelled=False,
    )
