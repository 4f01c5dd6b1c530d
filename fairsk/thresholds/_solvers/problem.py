"""The problem that the solvers see: operating points per group, bounds on how far the rates may lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairsk._core.bounds import Bound
from fairsk._core.typing import Bools, Floats, Ints
from fairsk.thresholds._rules import Mixture

__all__ = ["OperatingPoints", "Problem", "as_mixtures"]


@dataclass(frozen=True)
class OperatingPoints:
    """The thresholds that one group may choose from.

    Parameters
    ----------
    position : integer array of shape (n_points,)
        Where on the group's curve each threshold stands.
    rates : array of shape (n_rates, n_points)
        The bounded rates at each of them.
    utility : array of shape (n_points,)
        What each contributes to the objective.
    selected : array of shape (n_points,)
        How many rows (what weight of them) each selects.
    """

    position: Ints
    rates: Floats
    utility: Floats
    selected: Floats

    def __len__(self) -> int:
        return len(self.position)

    def take(self, index: Ints | Bools | slice) -> OperatingPoints:
        """Return some of the points."""
        return OperatingPoints(
            self.position[index], self.rates[:, index], self.utility[index], self.selected[index]
        )

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
    """

    groups: list[OperatingPoints]
    bounds: tuple[Bound, ...]
    capacity: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether some group has nothing to choose from."""
        return not all(map(len, self.groups))


def as_mixtures(positions: Sequence[int]) -> list[Mixture]:
    """Return one threshold per group as mixtures of one."""
    return [Mixture(np.array([position], dtype=np.intp), np.ones(1)) for position in positions]
