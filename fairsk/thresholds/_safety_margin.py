"""Room for sampling: how far to tighten bounds so that unseen rows meet them, and for whom in vain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from fairsk._core.bounds import Bound, BoundedConstraint
from fairsk._core.counts import GroupCounts
from fairsk.rates import Rate
from fairsk.statistics import rate_standard_errors

__all__ = ["Margin"]

Floats = NDArray[np.float64]
Chosen = TypeVar("Chosen")

#: A rate's 95% margin of error in standard errors.
_USUAL = float(ndtri(0.975))
#: How often the interval of bounds that keep the margin is halved.
_HALVINGS = 7


@dataclass(frozen=True)
class Margin:
    """A margin of some standard errors between every pair of groups.

    Parameters
    ----------
    limits : tuple of BoundedConstraint
        The bounds that are to be kept.
    n_errors : float
        How many standard errors of its disparity every pair of groups stays away from its bound.
    """

    limits: tuple[BoundedConstraint, ...]
    n_errors: float

    @classmethod
    def of(cls, margin: float | str, limits: tuple[BoundedConstraint, ...], n_groups: int) -> Margin:
        """Read a margin: none, one standard error, or a confidence for all pairs and rates (Bonferroni)."""
        if margin == "1se":
            return cls(limits, 1.0)
        if not margin:
            return cls(limits, 0.0)
        n_rates = sum(len(limit.constraint.rates) for limit in limits)
        pairs = n_groups * (n_groups - 1)  # either one of a pair may have the greater rate
        return cls(limits, float(ndtri(1 - (1 - float(margin)) / max(1, pairs * n_rates))))

    def choose(
        self,
        solve: Callable[[tuple[Bound, ...]], Chosen],
        count: Callable[[Chosen], GroupCounts],
        bounds: tuple[Bound, ...],
    ) -> tuple[Chosen, tuple[Bound, ...]]:
        """Return what is chosen under the loosest bounds that keep the margin on the rows seen.

        If none do, it is what is chosen under the bounds as they are; :meth:`is_kept` tells.

        Parameters
        ----------
        solve : callable
            Returns the choice under some bounds.
        count : callable
            Returns the counts of the measured groups that a choice gives.
        bounds : tuple of Bound
            The bounds that are to be kept, one per rate.

        Returns
        -------
        tuple
            The choice, and the bounds that it was made under.
        """
        first = solve(bounds), bounds
        if not self.n_errors or self.is_kept(count(first[0])):
            return first
        low, high = 0.0, 1.0
        kept = None
        for step in range(_HALVINGS + 1):
            share = 0.0 if step == _HALVINGS and kept is None else (low + high) / 2
            tried = tuple(bound.share(share) for bound in bounds)
            try:
                found = solve(tried)
            except ValueError:  # too tight for any thresholds
                low = share
                continue
            if self.is_kept(count(found)):
                kept, low = (found, tried), share
            else:
                high = share
        return first if kept is None else kept

    def uncertain(self, counts: GroupCounts) -> list[int]:
        """Return the groups of which the rows seen say too little for the bounds.

        With a margin: those that leave no room for it, not even at parity, the least known ones first.
        Without one: those with a rate whose 95% margin of error is greater than its bound.
        """
        out = set[int]()
        for rate, bound in self._bounded():
            error, allowed = _errors(counts, rate, bound), _allowance(bound)
            if not self.n_errors:
                out |= set(np.flatnonzero(_USUAL * error > allowed).tolist())
                continue
            by_error = [int(g) for g in np.argsort(-error, kind="stable")]
            while len(by_error) > 1 and self.n_errors * np.hypot(*error[by_error[:2]]) > allowed:
                out.add(by_error.pop(0))
        return sorted(out)

    def is_kept(self, counts: GroupCounts) -> bool:
        """Tell whether all groups that are not uncertain keep the margin between them."""
        left_out = self.uncertain(counts)
        for rate, bound in self._bounded():
            value, error = rate(counts.cells), _errors(counts, rate, bound)
            if bound.difference is None:
                value = np.log(np.maximum(value, 1e-300))
            value, error = np.delete(value, left_out), np.delete(error, left_out)
            gap = np.abs(value[:, None] - value)
            room = self.n_errors * np.hypot(error[:, None], error)
            np.fill_diagonal(room, 0.0)
            if (gap + room > _allowance(bound) + 1e-12).any():
                return False
        return True

    def _bounded(self) -> list[tuple[Rate, Bound]]:
        """Return the rates with their bounds, but for parity: that is a statement on these rows only."""
        pairs = [(rate, limit.bound) for limit in self.limits for rate in limit.constraint.rates]
        return [(rate, bound) for rate, bound in pairs if _allowance(bound) > 0]


def _allowance(bound: Bound) -> float:
    """Return how far rates (or, under a ratio, their logarithms) may lie apart."""
    if bound.difference is not None:
        return bound.difference
    return float("inf") if bound.value == 0 else float(-np.log(bound.value))


def _errors(counts: GroupCounts, rate: Rate, bound: Bound) -> Floats:
    """Return the standard errors of a rate (or, under a ratio, of its logarithm) in every group."""
    error = rate_standard_errors(counts, rate)
    if bound.difference is None:
        value = rate(counts.cells)
        error = np.divide(error, value, out=np.zeros_like(error), where=value > 0)
    return np.nan_to_num(error)
