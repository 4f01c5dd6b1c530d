"""Safety margins: bounds tightened by standard errors, so that unseen rows meet them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import numpy as np
from scipy.special import ndtri

from fairsk._core.bounds import Bound, BoundedConstraint, bounded_rates
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group
from fairsk._core.typing import Floats
from fairsk._core.warnings import warn_user
from fairsk.rates import Rate
from fairsk.statistics import rate_standard_errors

__all__ = ["MarginLike", "SafetyMargin"]

Decision = TypeVar("Decision")

#: What users may pass as ``margin``: one standard error, or a confidence (0 asks for no margin).
MarginLike: TypeAlias = float | Literal["1se"]

#: Half a rate's 95% interval in standard errors.
_USUAL = float(ndtri(0.975))
#: How often the interval of bounds that keep the margin is halved.
_HALVINGS = 7


@dataclass(frozen=True)
class SafetyMargin:
    """A margin of some standard errors between every pair of groups.

    Parameters
    ----------
    constraints : tuple of BoundedConstraint
        The bounds that are to be kept.
    n_errors : float
        How many standard errors of its disparity every pair of groups stays away from its bound.
    parameter : {"1se"} or float
        What the user passed, for messages.
    """

    constraints: tuple[BoundedConstraint, ...]
    n_errors: float
    parameter: MarginLike = 0.0

    @classmethod
    def from_parameter(
        cls, margin: MarginLike, constraints: tuple[BoundedConstraint, ...], n_groups: int
    ) -> SafetyMargin:
        """Read a margin: none, one standard error, or a confidence for all pairs and rates (Bonferroni)."""
        if margin == "1se":
            return cls(constraints, 1.0, margin)
        if not margin:
            return cls(constraints, 0.0)
        # Either one of a pair may have the greater rate: ordered pairs are counted.
        n_statements = n_groups * (n_groups - 1) * len(bounded_rates(constraints))
        return cls(constraints, float(ndtri(1 - (1 - margin) / max(1, n_statements))), margin)

    def choose(
        self,
        solve: Callable[[tuple[BoundedConstraint, ...]], Decision],
        count: Callable[[Decision], GroupCounts],
    ) -> tuple[Decision, tuple[BoundedConstraint, ...]]:
        """Return what is chosen under the loosest bounds that keep the margin on the rows seen.

        If none do, it is what is chosen under the bounds as they are; :meth:`is_kept` tells.

        Parameters
        ----------
        solve : callable
            Returns the decision rule under some bounds, or raises a ValueError where nothing meets them.
        count : callable
            Returns the counts of the covered groups that a decision rule gives.

        Returns
        -------
        tuple
            The decision rule, and the bounds that it was chosen under.
        """
        plain = solve(self.constraints), self.constraints
        if not self.n_errors or self.is_kept(count(plain[0])):
            return plain
        # Bisection: the margin is kept up to some share of what the bounds allow. Parity is tried last.
        low, high = 0.0, 1.0
        kept = None
        for step in range(_HALVINGS + 1):
            share = 0.0 if step == _HALVINGS and kept is None else (low + high) / 2
            tightened = tuple(each.share(share) for each in self.constraints)
            try:
                decision = solve(tightened)
            except ValueError:  # too tight for any decision rule
                low = share
                continue
            if self.is_kept(count(decision)):
                kept, low = (decision, tightened), share
            else:
                high = share
        return plain if kept is None else kept

    def uncertain(self, counts: GroupCounts) -> list[int]:
        """Return the positions of groups of which the rows seen say too little for the bounds.

        With a margin: those that leave no room for it, not even at parity, the least certain ones first.
        Without one: those with a rate whose 95% interval is wider than twice its bound.
        """
        uncertain = set[int]()
        for rate, bound in self._positive_bounds():
            error, allowed = _errors(counts, rate, bound), _allowance(bound)
            if not self.n_errors:
                uncertain |= set(np.flatnonzero(_USUAL * error > allowed).tolist())
                continue
            by_error = [int(g) for g in np.argsort(-error, kind="stable")]
            while len(by_error) > 1 and self.n_errors * np.hypot(*error[by_error[:2]]) > allowed:
                uncertain.add(by_error.pop(0))
        return sorted(uncertain)

    def is_kept(self, counts: GroupCounts) -> bool:
        """Tell whether all groups that are not uncertain keep the margin between them."""
        uncertain = self.uncertain(counts)
        for rate, bound in self._positive_bounds():
            value, error = rate(counts.cells), _errors(counts, rate, bound)
            if bound.difference is None:
                value = np.log(np.maximum(value, 1e-300))
            value, error = np.delete(value, uncertain), np.delete(error, uncertain)
            gap = np.abs(value[:, None] - value)
            # The standard error of a difference of independent rates.
            distance = self.n_errors * np.hypot(error[:, None], error)
            np.fill_diagonal(distance, 0.0)
            if (gap + distance > _allowance(bound) + 1e-12).any():
                return False
        return True

    def check(
        self, counts: GroupCounts, *, subject: str = "thresholds"
    ) -> tuple[tuple[Hashable, ...], float]:
        """Return the uncertain groups and the margin that is kept (0 if none is), and warn if it is not.

        Parameters
        ----------
        counts : GroupCounts
            Of the groups that the bounds cover.
        subject : str
            What keeps no margin, for the message.
        """
        uncertain = tuple(counts.groups[g] for g in self.uncertain(counts)) if counts.groups else ()
        kept = len(counts.groups) - len(uncertain) > 1 and self.is_kept(counts)
        if self.n_errors and counts.groups and not kept:
            warn_user(
                f"No {subject} keep margin={self.parameter!r}. The bound holds on the rows seen, and nothing "
                f"is promised for others{_listed('; too few rows in: ', uncertain)}."
            )
        elif self.n_errors and uncertain:
            warn_user(
                f"Too few rows to keep margin={self.parameter!r} for: {_listed('', uncertain)}. For these "
                "groups the bound holds on the rows seen, and nothing is promised for others."
            )
        return uncertain, self.n_errors if kept else 0.0

    def _positive_bounds(self) -> list[tuple[Rate, Bound]]:
        """Return the rates with their bounds, but for parity: that is a statement on these rows only."""
        pairs = bounded_rates(self.constraints)
        return [(rate, bound) for rate, bound in pairs if _allowance(bound) > 0]


def _listed(before: str, groups: Sequence[Hashable]) -> str:
    return before + ", ".join(map(format_group, groups)) if groups else ""


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
        # The delta method: the standard error of log(p) is that of p divided by p.
        error = np.divide(error, value, out=np.zeros_like(error), where=value > 0)
    return np.nan_to_num(error)
