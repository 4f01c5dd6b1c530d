"""The problem that the solvers see: operating points per group, bounds on how far the rates may lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fairsk._core.bounds import Bound
from fairsk._core.typing import Bools, Floats, Ints
from fairsk.thresholds._rules import Mixture

__all__ = ["Clearance", "OperatingPoints", "Problem", "as_mixtures"]

#: How exactly a linear program's dual values bound a total utility, in units of the largest one there is.
_DUAL_ROUNDING = 1e-9


@dataclass(frozen=True)
class Clearance:
    """How far the rates of a group stay away from the ends of the window that a bound allows.

    A rate r stands for the interval from (r - shift) / factor to factor * r + shift, all of which must lie in
    the window: a bound on the difference leaves room by a shift, one on the ratio by a factor. Both rise with
    the rate, so a window of intervals is a window of rates, and what solves the problem without clearance
    solves it with one.

    Parameters
    ----------
    shift, factor : arrays of shape (n_rates,)
        Zeros and ones keep no distance.
    """

    shift: Floats
    factor: Floats

    @classmethod
    def none(cls, n_rates: int) -> Clearance:
        """Return the clearance that keeps no distance."""
        return cls(np.zeros(n_rates), np.ones(n_rates))

    @classmethod
    def keeping(cls, distances: Floats, bounds: Sequence[Bound]) -> Clearance:
        """Return the clearance of some distances, of shape (n_rates,), in units of the bounds."""
        by_difference = np.array([bound.difference is not None for bound in bounds])
        by_difference = by_difference.reshape((-1,) + (1,) * (distances.ndim - 1))
        return cls(np.where(by_difference, distances, 0.0), np.where(by_difference, 1.0, np.exp(distances)))

    def low(self, values: Floats, rate: int) -> Floats:
        """Return the lower ends of the intervals of a rate's values."""
        return (values - self.shift[rate]) / self.factor[rate]

    def high(self, values: Floats, rate: int) -> Floats:
        """Return the upper ends."""
        return self.factor[rate] * values + self.shift[rate]

    def least(self, lowest: Floats, rate: int) -> Floats:
        """Return the least value whose interval does not begin below the lowest rate."""
        return self.high(lowest, rate)

    def most(self, highest: Floats, rate: int) -> Floats:
        """Return the greatest value whose interval does not end above the highest rate."""
        return self.low(highest, rate)


@dataclass(frozen=True)
class OperatingPoints:
    """The thresholds that one group may choose from.

    Parameters
    ----------
    position : integer array of shape (n_points,)
        Where on the group's curve each threshold stands.
    rates : array of shape (n_rates, n_points)
        The bounded rates at each of them. NaN in a whole row: the group takes no part in the comparison of
        that rate.
    utility : array of shape (n_points,)
        What each contributes to the objective.
    selected : array of shape (n_points,)
        How many rows (what weight of them) each selects.
    clearance : Clearance, optional
        How far the rates stay away from the ends of their windows; by default not at all.
    surplus : array of shape (n_points,), optional
        How far each lies above a level that the group must reach: the mean of a mixture must not be negative.
    """

    position: Ints
    rates: Floats
    utility: Floats
    selected: Floats
    clearance: Clearance | None = None
    surplus: Floats | None = None

    def __len__(self) -> int:
        return len(self.position)

    def take(self, index: Ints | Bools | slice) -> OperatingPoints:
        """Return some of the points."""
        return replace(
            self,
            position=self.position[index],
            rates=self.rates[:, index],
            utility=self.utility[index],
            selected=self.selected[index],
            surplus=None if self.surplus is None else self.surplus[index],
        )

    @property
    def room(self) -> Clearance:
        """The clearance, which may keep no distance."""
        return self.clearance or Clearance.none(len(self.rates))

    def sorted_by(self, rate: int) -> OperatingPoints:
        """Return the points by rising rate; most rates rise, or fall, along the curve as it is."""
        steps = np.diff(self.rates[rate])
        if (steps >= 0).all():
            return self
        if (steps <= 0).all():
            return self.take(slice(None, None, -1))
        return self.take(np.argsort(self.rates[rate], kind="stable"))


@dataclass(frozen=True)
class Problem:
    """Choose a threshold per group: the greatest total utility with every rate within its bound.

    Parameters
    ----------
    groups : list of OperatingPoints
        One per group.
    bounds : tuple of Bound
        One per rate.
    capacity : float, optional
        How much all groups together may select.
    has_strata : bool, default=False
        Whether there are rates of several strata: many, and groups may lack some of them.
    """

    groups: list[OperatingPoints]
    bounds: tuple[Bound, ...]
    capacity: float | None = None
    has_strata: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether some group has nothing to choose from."""
        return not all(map(len, self.groups))

    @property
    def dual_rounding(self) -> float:
        """By how much a bound from dual values may be too small, for rounding alone."""
        return _DUAL_ROUNDING * max(float(np.abs(group.utility).max(initial=0.0)) for group in self.groups)


def as_mixtures(positions: Sequence[int]) -> list[Mixture]:
    """Return one threshold per group as mixtures of one."""
    return [Mixture(np.array([position], dtype=np.intp), np.ones(1)) for position in positions]
