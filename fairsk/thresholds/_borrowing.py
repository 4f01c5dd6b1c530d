"""Partial pooling: expected rows for small intersections, from the margins that they are made of.

An intersection of several attributes may have too few rows to measure a rate on, while each of its values
alone has enough. Then the rows that it lacks are taken, as expected cells, from an additive model on the
logit scale [1]_: for a threshold, and separately for positives and negatives,

    logit S_g = logit S + sum over attributes a of (logit S_a(g) - logit S),

with S the share of all rows with a score of at least the threshold, and S_a(g) the same among all rows with
the group's value of the attribute. Shares of positives are modelled alike. A value that has too few rows
itself adds nothing. Rows of its own count in full, so a group that lacks few rows borrows little. Only the
rates that bounds compare are pooled; the objective, and whatever is reported, is counted on a group's own
rows.

References
----------
.. [1] Gelman & Little, Poststratification into Many Categories Using Hierarchical Logistic Regression,
   Survey Methodology 23, 1997: intersections, modelled by the main effects of their margins.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit

from fairsk._core.curves import Curve
from fairsk._core.groups import list_groups
from fairsk._core.typing import Floats, Ints
from fairsk._core.warnings import warn_user
from fairsk.rates import Rate
from fairsk.thresholds._group_curves import GroupCurves

__all__ = ["Borrowing", "borrow", "warn_of_borrowing"]

#: At how many thresholds, at the most, expected cells are known beside a group's own.
_GRID = 500


@dataclass(frozen=True)
class Borrowing:
    """The groups that borrow rows, and the curves that result.

    Parameters
    ----------
    sources : dict
        For the position of each group that borrows, the coarser groups that it borrows from: its values of
        the attributes that have enough rows.
    pooled : GroupCurves
        The curves of all groups; of those that borrow, with the expected cells of the rows that they lacked.
    own : dict
        For each group that borrows, its own rows at the thresholds of its pooled curve.
    """

    sources: Mapping[int, Mapping[str, Hashable]]
    pooled: GroupCurves
    own: Mapping[int, Curve]

    def named(self, labels: Sequence[Hashable]) -> dict[Hashable, Mapping[str, Hashable]]:
        """Return the sources by the labels of the groups."""
        return {labels[g]: source for g, source in self.sources.items()}


def borrow(
    curves: GroupCurves, small: Sequence[int], rates: Sequence[Rate], min_group_size: int
) -> Borrowing:
    """Let small intersections borrow the rows that they lack.

    Parameters
    ----------
    curves : GroupCurves
        Of all groups.
    small : sequence of int
        The groups with fewer rows than needed for some rate.
    rates : sequence of Rate
        The bounded rates.
    min_group_size : int
        How many rows each needs.
    """
    if len(curves.names) < 2 or not small:
        return Borrowing({}, curves, {})
    margins = _Margins.of(curves, rates)
    sources: dict[int, Mapping[str, Hashable]] = {}
    own: dict[int, Curve] = {}
    weighted, unweighted, squared = map(list, (curves.weighted, curves.unweighted, curves.squared))
    for g in small:
        members = margins.members(g, min_group_size)
        if not members:
            continue
        sources[g] = {curves.names[a]: _value(curves.labels[g], a) for a in members}
        steps = np.union1d(margins.steps, curves.weighted[g].steps)[::-1]
        own[g] = _at(curves.weighted[g], steps)
        base, tp, fp = margins.expected(list(members.values()), steps)
        positives, negatives = margins.lacking(g, base, min_group_size)
        n_rows = _size(curves.unweighted[g])
        for of_all in (weighted, unweighted, squared):
            # A borrowed row counts as much as one of the group's own does on average.
            per_row, curve = _size(of_all[g]) / n_rows, _at(of_all[g], steps)
            of_all[g] = replace(
                curve,
                tp=curve.tp + per_row * positives * tp,
                fp=curve.fp + per_row * negatives * fp,
            )
    if curves.squared is curves.weighted:  # without weights they remain the same
        unweighted = squared = weighted
    pooled = replace(curves, weighted=weighted, unweighted=unweighted, squared=squared)
    return Borrowing(sources, pooled, own)


def warn_of_borrowing(curves: GroupCurves, borrowing: Borrowing, min_group_size: int) -> None:
    """Warn, once, of the groups that borrow rows."""
    if not borrowing.sources:
        return
    groups = list_groups(curves.labels[g] for g in borrowing.sources)
    warn_user(
        f"Fewer than min_group_size={min_group_size} rows to measure in the intersections: {groups}. What "
        "they lack is borrowed from the coarser groups that they belong to: report_.borrowed names them. The "
        "bound is held with the borrowed rows; reported counts and disparities are without them."
    )


@dataclass(frozen=True)
class _Margins:
    """What the groups add up to by the values of each attribute.

    Parameters
    ----------
    labels : tuple
        The groups.
    rates : sequence of Rate
        The bounded rates.
    rows : array of shape (n_rates, n_groups)
        On how many rows each can be measured.
    steps : array of shape (n_steps,)
        Some scores, falling.
    tp, fp : arrays of shape (n_groups, n_steps + 1)
        Of each group, the cells at these steps.
    """

    labels: tuple[Hashable, ...]
    rates: Sequence[Rate]
    rows: Floats
    steps: Floats
    tp: Floats
    fp: Floats

    @classmethod
    def of(cls, curves: GroupCurves, rates: Sequence[Rate]) -> _Margins:
        """Count every group once, at scores that are spread evenly over all rows."""
        steps = curves.everyone.steps
        if len(steps) > _GRID:
            rows = (curves.everyone.tp + curves.everyone.fp)[1:]
            steps = steps[np.unique(np.searchsorted(rows, np.linspace(rows[0], rows[-1], _GRID)))]
        coarse = [_at(curve, steps) for curve in curves.weighted]
        return cls(
            curves.labels,
            rates,
            np.array([curves.most_rows(rate) for rate in rates]),
            steps,
            np.array([curve.tp for curve in coarse]),
            np.array([curve.fp for curve in coarse]),
        )

    def members(self, group: int, least: int) -> dict[int, Ints]:
        """Return, for each attribute, the groups with the same value, if they have enough rows together."""
        label, members = self.labels[group], {}
        for a in range(len(label)):  # type: ignore[arg-type]
            value = _value(label, a)
            same = np.flatnonzero([_value(other, a) == value for other in self.labels])
            if (self.rows[:, same].sum(1) >= least).all():
                members[a] = same
        return members

    def lacking(self, group: int, base: float, least: int) -> tuple[float, float]:
        """Return how many positives and how many negatives a group lacks; of all rows, those expected."""
        positives = negatives = 0.0
        for rate, rows in zip(self.rates, self.rows[:, group], strict=True):
            tp, fp, fn, tn = map(bool, rate.denominator_coefficients)
            of_positives, of_negatives = (tp or fn), (fp or tn)
            missing = max(0.0, least - float(rows))
            if of_positives and of_negatives:
                positives = max(positives, missing * base)
                negatives = max(negatives, missing * (1 - base))
            elif of_positives:
                positives = max(positives, missing)
            else:
                negatives = max(negatives, missing)
        return positives, negatives

    def expected(self, members: Sequence[Ints], steps: Floats) -> tuple[float, Floats, Floats]:
        """Return the expected share of positives, and the shares of either that are selected at each step."""
        positives, negatives = self.tp[:, -1:], self.fp[:, -1:]
        base = float(_add_effects(positives, positives + negatives, members)[0])
        tp, fp = (
            self._interpolated(_add_effects(part, whole, members), steps)
            for part, whole in ((self.tp, positives), (self.fp, negatives))
        )
        return base, tp, fp

    def _interpolated(self, share: Floats, steps: Floats) -> Floats:
        """Return shares at other steps; they rise from 0 to 1, which sums of effects need not do."""
        rising = np.maximum.accumulate(share[1:])
        at_steps = np.interp(steps, self.steps[::-1], rising[::-1])
        return np.concatenate([[0.0], at_steps[:-1], [1.0]])


def _add_effects(part: Floats, whole: Floats, members: Sequence[Ints]) -> Floats:
    """Return the share of parts in wholes that the effects of all attributes add up to."""
    total = _logit(part.sum(0), whole.sum(0))
    effects = [_logit(part[own].sum(0), whole[own].sum(0)) - total for own in members]
    return np.asarray(expit(total + np.sum(effects, axis=0)))


def _logit(part: Floats, whole: Floats) -> Floats:
    """Return the logit of a share, finite also where nothing or all of it counts (Haldane's correction)."""
    return np.asarray(logit((part + 0.5) / (whole + 1)))


def _value(label: Hashable, attribute: int) -> Hashable:
    """Return one attribute's value of an intersection."""
    assert isinstance(label, tuple)
    return label[attribute]


def _size(curve: Curve) -> float:
    return float(curve.tp[-1] + curve.fp[-1])


def _at(curve: Curve, steps: Floats) -> Curve:
    """Return the cells of a curve at other steps; the last of them selects everybody."""
    places = np.append(0, curve.positions(steps))
    places[-1] = len(curve) - 1
    return Curve(steps, curve.tp[places], curve.fp[places], between=curve.between)
