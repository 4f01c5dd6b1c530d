"""Findings of a monitor in sentences: what is tested, what was found, and what no alarm does not say."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fairsk._core.groups import attribute_name, format_group, list_groups
from fairsk._core.messages import in_words, shorten
from fairsk._core.results import number, p_value, percent, printable, row_count
from fairsk._core.typing import Floats, Ints

if TYPE_CHECKING:
    from fairsk.monitoring._monitor import FairnessMonitor, MonitorStep
    from fairsk.rates import Rate

__all__ = [
    "NO_ALARM",
    "Found",
    "FurthestPair",
    "between",
    "evidence_words",
    "finding",
    "found",
    "label",
    "limit",
    "sentences",
    "shown_name",
    "step_sentence",
    "tested",
]

#: What no alarm says, and what it does not.
NO_ALARM = "No alarm does not mean that the tolerance is kept"

#: Jeffreys' words for the least evidence of each kind, as Vovk and Wang (2021) use them for e-values.
_EVIDENCE = (
    (100.0, "decisive"),
    (10.0**1.5, "very strong"),
    (10.0, "strong"),
    (10.0**0.5, "substantial"),
    (1.0, "slight"),
)
#: Labels, names and batches are untrusted: longer ones are shortened in a sentence.
_LONGEST = 60


def label(value: Hashable) -> str:
    """Write a group, a batch or a name such that it can neither break a line nor hide in it."""
    return shorten(printable(format_group(value)), _LONGEST)


def shown_name(monitor: FairnessMonitor, place: int | None = None) -> str:
    """Return what a monitor is called; one without a name by what it tests, and its place if it has one."""
    if monitor.name:
        return label(monitor.name)
    name = f"{in_words(monitor.constraint.name)} by {_attribute(monitor)}"
    return name if place is None else f"{name} ({place})"


def _attribute(monitor: FairnessMonitor) -> str:
    """Write what groups differ in; a column that nobody named tells nothing."""
    names = tuple(monitor.names)
    return "group" if names in ((), ("sensitive_features",)) else label(attribute_name(names))


def tolerance(monitor: FairnessMonitor) -> str:
    """Write what is allowed, such as "lowest rate at least 0.8 times the highest"."""
    bound, ratio = monitor.bound.value, monitor.bound.comparison == "ratio"
    if monitor.reference is None:
        if ratio:
            return f"the lowest rate of a group at least {bound:g} times the highest"
        return f"rates of groups at most {bound:g} apart"
    reference = label(monitor.reference)
    if not ratio:
        return f"the rate of each group at most {bound:g} from that of {reference}"
    highest = f"{1 / bound:.3g}" if bound > 0 else "any number of"
    return f"the rate of each group {bound:g} to {highest} times that of {reference}"


def tested(monitor: FairnessMonitor) -> str:
    """Say in a sentence what is tested."""
    rates = " and ".join(in_words(rate.name) for rate in monitor.rates)
    strata = "" if not monitor.strata else f", within each of {len(monitor.strata)} strata"
    return (
        f"Tested: {rates} by {_attribute(monitor)}{strata}; tolerance: {tolerance(monitor)}, in every batch."
    )


def evidence_words(log_e_value: float) -> str:
    """Return Jeffreys' word for the evidence against the tolerance that an e-value is.

    Parameters
    ----------
    log_e_value : float
        The natural logarithm of the e-value.
    """
    if log_e_value <= 0:
        return "none"
    # Compared as logarithms: e-values of long failures are beyond the largest float.
    return next(word for least, word in _EVIDENCE if log_e_value >= math.log(least))


def finding(monitor: FairnessMonitor, outcome: str) -> str:
    """Say in a sentence what was found, since when and how sure it is."""
    if not monitor.n_batches:
        return "No batch has been counted."
    p = f"p = {p_value(monitor.p_value)}"
    since = "" if monitor.since is None else f"; evidence has grown since batch {label(monitor.since)}"
    if monitor.alarm is not None:
        return f"The tolerance was not kept ({p}): the test alarmed at batch {label(monitor.alarm)}{since}."
    if monitor.change is not None:
        return (
            f"The tolerance is not kept lately: the change detector alarmed at batch {label(monitor.change)}"
            f"{since}. The test over all batches has not alarmed ({p})."
        )
    if outcome == "PASS":
        strata = ", in every stratum" if monitor.strata else ""
        return (
            f"These decisions show the tolerance kept: the confidence sequence of every pair of groups lies "
            f"within it{strata}. A later change is what the alarms watch for."
        )
    return f"No evidence that the tolerance is not kept ({p})."


@dataclass(frozen=True)
class FurthestPair:
    """The two groups whose rates lie furthest apart, over all batches.

    Parameters
    ----------
    rate : Rate
        In which rate.
    groups : tuple of two hashables
        The one with the lower rate, the one with the higher.
    rates : tuple of two floats
        Their rates, over all batches.
    sequence : ConfidenceSequence
        The confidence sequence of the ratio of the two, or of their difference.
    """

    rate: Rate
    groups: tuple[Hashable, Hashable]
    rates: tuple[float, float]
    sequence: Any

    @property
    def ends(self) -> str:
        """The two groups with their rates."""
        low, high = (f"{label(g)} {number(r)}" for g, r in zip(self.groups, self.rates, strict=True))
        return f"{low} / {high}"

    @property
    def low(self) -> float:
        """The lower end of the confidence sequence after the last batch."""
        return float(self.sequence.low[-1])

    @property
    def high(self) -> float:
        """The upper end of the confidence sequence after the last batch."""
        return float(self.sequence.high[-1])

    @property
    def value(self) -> float:
        """The ratio of the two rates, or their difference, over all batches."""
        return float(np.asarray(self.sequence.estimate, float).ravel()[-1])


def furthest_pair(monitor: FairnessMonitor) -> FurthestPair | None:
    """Return the pair of groups furthest apart over all batches, None while fewer than two were seen.

    With a reference, it is the group furthest from that.
    """
    furthest = _furthest(monitor)
    if furthest is None:
        return None
    rate, groups, rates = furthest
    return FurthestPair(rate, groups, rates, monitor.confidence_sequence(*groups, rate=rate))


def _furthest(
    monitor: FairnessMonitor, first: int = 0
) -> tuple[Rate, tuple[Hashable, Hashable], tuple[float, float]] | None:
    """Return which rate and groups lie furthest apart from a batch on, with both rates, the lower first."""
    worst, found = -np.inf, None
    for rate in monitor.rates:
        parts, sizes = (np.asarray(table)[first:].sum(0) for table in monitor.shares(rate))
        measured = np.flatnonzero(sizes > 0)
        if measured.size < 2:
            continue
        values = np.full(len(sizes), np.nan)
        values[measured] = parts[measured] / sizes[measured]
        for i, j in _candidates(monitor, values, measured):
            apart = float(monitor.bound.disparity(np.array(values[i]), np.array(values[j])))
            if apart > worst:
                groups = monitor.groups[i], monitor.groups[j]
                worst, found = apart, (rate, groups, (float(values[i]), float(values[j])))
    return found


def _candidates(monitor: FairnessMonitor, values: Floats, measured: Ints) -> list[tuple[int, int]]:
    """Return the pairs that can be furthest apart, lower rate first."""
    if monitor.reference is None:
        order = measured[np.argsort(values[measured], kind="stable")]
        return [(int(order[0]), int(order[-1]))]
    reference = monitor.groups.index(monitor.reference)
    if reference not in measured:
        return []
    pairs = [(reference, int(other)) for other in measured if other != reference]
    return [pair if values[pair[0]] <= values[pair[1]] else pair[::-1] for pair in pairs]


def pair_sentence(monitor: FairnessMonitor, pair: FurthestPair | None, outcome: str) -> str:
    """Say how far apart the two groups furthest apart are, and between what limits."""
    if pair is None:
        return _nothing_compared(monitor)
    confidence = percent(_confidence(monitor, pair))
    within = ", within the tolerance" if outcome == "PASS" and pair.sequence.outcome == "PASS" else ""
    return (
        f"Furthest apart over all batches, in {in_words(pair.rate.name)}: {pair.ends}. Their "
        f"{monitor.bound.comparison} is {number(pair.value)} (asked: {limit(monitor)}); {confidence} "
        f"confidence sequence: {between(pair.low, pair.high)}{within}."
    )


def _nothing_compared(monitor: FairnessMonitor) -> str:
    """Say why no two groups could be compared: a reference that never comes is most often misspelt."""
    if monitor.reference is not None and monitor.n_batches:
        sizes = np.sum([monitor.shares(rate)[1].sum(0) for rate in monitor.rates], 0)
        if sizes[monitor.groups.index(monitor.reference)] == 0 and sizes.any():
            return (
                f"No decision of the reference group, {label(monitor.reference)}, has been counted, so "
                "nothing has been compared: see whether that is its name."
            )
    return "Fewer than two groups have been seen: there is nothing to compare."


def limit(monitor: FairnessMonitor) -> str:
    """Write the bound and its side."""
    side = "at least" if monitor.bound.comparison == "ratio" else "at most"
    return f"{side} {monitor.bound.value:g}"


def between(low: float, high: float) -> str:
    """Write a confidence sequence: one without an upper end, and an empty one, which changes lead to."""
    if math.isnan(low) or math.isnan(high):
        return "no single value agrees with all batches"
    if math.isinf(high):
        return f"at least {number(low)}"
    return f"{number(low)} to {number(high)}"


def _confidence(monitor: FairnessMonitor, pair: FurthestPair) -> float:
    confidence = getattr(pair.sequence, "confidence", None)
    return round(1 - monitor.alpha, 12) if confidence is None else float(confidence)


def named_pairs_sentence(pairs: Any) -> str:
    """Say between which groups the tolerance is shown not to be kept; nothing if no pair is named."""
    named = [groups for groups, is_named in zip(pairs.groups, pairs.named, strict=True) if is_named]
    if not named:
        return ""
    shown = list_groups([f"{label(a)} and {label(b)}" for a, b in named])
    return f"The evidence of these pairs of groups suffices alone: {shown}."


@dataclass(frozen=True)
class Found:
    """What takes time to find out about a monitor, so that a page computes it once."""

    outcome: str
    pair: FurthestPair | None
    steps: Sequence[MonitorStep]

    @property
    def n_decisions(self) -> int:
        """How many decisions were counted."""
        return sum(step.n for step in self.steps)


def found(monitor: FairnessMonitor) -> Found:
    """Return the outcome of a monitor, the pair of groups furthest apart, and its steps."""
    return Found(str(monitor.outcome), furthest_pair(monitor) if monitor.n_batches else None, monitor.steps)


def sentences(monitor: FairnessMonitor, known: Found | None = None) -> list[str]:
    """Return what there is to say of a monitor: what is tested, what was found, of how many, how far apart.

    Parameters
    ----------
    monitor : FairnessMonitor
        The monitor.
    known : Found, optional
        What :func:`found` has returned, if that was asked before.

    Returns
    -------
    list of str
        Sentences, in the order of reading. No group is named as the one that is treated badly, unless the
        evidence of a pair alone suffices.
    """
    known = known or found(monitor)
    said = [tested(monitor), finding(monitor, known.outcome)]
    if not monitor.n_batches:
        return said
    if monitor.alarm is not None and monitor.change is not None:
        said.append(f"The change detector alarmed, too, at batch {label(monitor.change)}.")
    said += [_named(monitor), _amount(monitor, known), pair_sentence(monitor, known.pair, known.outcome)]
    if monitor.alarm is not None or monitor.change is not None:
        said.append(_lately(monitor))
        said.append("Alarms stay: once the model or its use has changed, start a new monitor.")
    elif known.outcome != "PASS":
        said.append(f"{NO_ALARM}: it means that these batches do not show the opposite.")
    return [sentence for sentence in said if sentence]


def _lately(monitor: FairnessMonitor) -> str:
    """Say how far apart groups are since the evidence grows: all batches together can hide a late change."""
    if monitor.since is None:
        return ""
    first = monitor.batches.index(monitor.since)
    furthest = _furthest(monitor, first)
    if furthest is None:
        return ""
    rate, groups, rates = furthest
    low, high = (f"{label(group)} {number(value)}" for group, value in zip(groups, rates, strict=True))
    return (
        f"From batch {label(monitor.since)} on: {low} / {high} in {in_words(rate.name)}, an estimate of "
        "batches that were chosen by looking."
    )


def _named(monitor: FairnessMonitor) -> str:
    if monitor.alarm is None:
        return ""
    found = [(rate, named_pairs_sentence(monitor.pairs(rate))) for rate in monitor.rates]
    said = [
        text if len(monitor.rates) == 1 else f"{in_words(rate.name)}: {text}" for rate, text in found if text
    ]
    return " ".join(said) or "The evidence of no pair of groups suffices alone, so none is named."


def _amount(monitor: FairnessMonitor, known: Found) -> str:
    """Say of how many decisions, groups and batches all this is."""
    batches = _counted(monitor.n_batches, "batch", "batches")
    groups = _counted(len(monitor.groups), "group", "groups")
    last = label(monitor.batches[-1])
    return f"{known.n_decisions:,} decisions of {groups} in {batches}; the last batch is {last}."


def _counted(n: int, one: str, several: str) -> str:
    return f"{n:,} {one if n == 1 else several}"


def step_sentence(step: MonitorStep, monitor: FairnessMonitor) -> str:
    """Say what is known after a batch.

    Parameters
    ----------
    step : MonitorStep
        The step of the batch.
    monitor : FairnessMonitor
        The monitor that counted it, then or since.

    Returns
    -------
    str
        A sentence: no evidence, a first alarm, or that one stands since an earlier batch.
    """
    head = f"Batch {label(step.batch)}, {row_count(float(step.n))} decisions: "
    p = f"p = {p_value(step.p_value)}"
    if step.alarm:
        return f"{head}the tolerance was not kept ({p}); {_alarmed('test', monitor.alarm, step, monitor)}."
    if step.change:
        said = _alarmed("change detector", monitor.change, step, monitor)
        return f"{head}the tolerance is not kept lately; {said}. The test has not alarmed ({p})."
    if not monitor.is_reference_counted:
        return f"{head}nothing is compared, for no decision of {label(monitor.reference)} has been counted."
    return f"{head}no evidence that the tolerance is not kept ({p}). {NO_ALARM}."


def _alarmed(what: str, at: str | None, step: MonitorStep, monitor: FairnessMonitor) -> str:
    """Say that an alarm is new, or since when it stands, and since when evidence has grown."""
    since = "" if monitor.since is None else f", evidence has grown since batch {label(monitor.since)}"
    if at is None or at == step.batch:
        return f"the {what} alarms now{since}"
    return f"the {what} alarmed at batch {label(at)}{since}"
