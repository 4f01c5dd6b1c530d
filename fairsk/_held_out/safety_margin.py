"""Safety margins: bounds tightened by standard errors, so that unseen rows meet them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import numpy as np
from scipy.special import ndtri

from fairsk._core.bounds import Bound, BoundedConstraint, bounded_rates
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import list_groups
from fairsk._core.typing import Bools, Floats
from fairsk._core.warnings import warn_user
from fairsk.statistics import rate_standard_errors
from fairsk.statistics._proportions import effective_rows

__all__ = ["KeptMargin", "MarginLike", "SafetyMargin", "allowance"]

Decision = TypeVar("Decision")

#: What users may pass as ``margin``: one standard error, or a confidence (0 asks for no margin).
MarginLike: TypeAlias = float | Literal["1se"]

#: More standard errors than any confidence asks for.
_MOST_ERRORS = 16.0
#: How exactly the margin that fits is found, in standard errors (or in shares of distances).
_RESOLUTION = 1 / 128


@dataclass(frozen=True)
class KeptMargin:
    """The margin that decisions keep.

    Parameters
    ----------
    n_errors : float
        How many standard errors were asked for; 0 if none are kept.
    distances : array of shape (n_rates, n_groups)
        How far each group's rates stay away from either end of the window of rates that the bound allows
        (under a ratio, their logarithms).
    by_group : dict
        How many standard errors of its rate that is for each group, where it is less than asked for: as many
        as fit.
    """

    n_errors: float
    distances: Floats | None
    by_group: Mapping[Hashable, float]

    @classmethod
    def none(cls) -> KeptMargin:
        """Return that none is kept."""
        return cls(0.0, None, {})


@dataclass(frozen=True)
class SafetyMargin:
    """A margin of some standard errors between each group's rate and the ends of the window it may lie in.

    Bounds on the difference or the ratio of a rate allow a window: all groups' rates lie between some t and
    t + bound, or t / bound. The interval of each rate, some standard errors to either side, must lie in it
    too. So any two groups keep at least as many standard errors of their difference to the bound.

    The standard error of a rate is that of a group with as many rows in which the rate is that of all groups
    together: a group of few rows in which nobody happens to be selected is not certain. It is taken at what
    is best without a margin. Where the interval of a group is too wide for the window, the group has the
    widest margin that fits; so it is held near the middle, and asking for a greater margin never gives less.

    Parameters
    ----------
    constraints : tuple of BoundedConstraint
        The bounds that are to be kept.
    n_errors : float
        How many standard errors of its rate every group stays away from the ends of the window.
    parameter : {"1se"} or float
        What the user passed, for messages.
    n_strata : int, default=1
        Within how many strata the rates are bounded. Counts have these strata then, and ``n_rates`` is that
        of all of them: rate j in stratum s stands at ``j * n_strata + s``.
    """

    constraints: tuple[BoundedConstraint, ...]
    n_errors: float
    parameter: MarginLike = 0.0
    n_strata: int = 1

    @classmethod
    def from_parameter(
        cls,
        margin: MarginLike,
        constraints: tuple[BoundedConstraint, ...],
        n_groups: int,
        n_strata: int = 1,
    ) -> SafetyMargin:
        """Read a margin: none, one standard error, or a confidence for all pairs and rates (Bonferroni)."""
        if margin == "1se":
            return cls(constraints, 1.0, margin, n_strata)
        if not margin:
            return cls(constraints, 0.0, n_strata=n_strata)
        # Either one of a pair may have the greater rate: ordered pairs are counted.
        n_statements = n_groups * (n_groups - 1) * len(bounded_rates(constraints)) * n_strata
        n_errors = float(ndtri(1 - (1 - margin) / max(1, n_statements)))
        return cls(constraints, n_errors, margin, n_strata)

    @property
    def _bounds(self) -> list[Bound]:
        """The bound of each rate."""
        return [bound for _, bound in bounded_rates(self.constraints) for _ in range(self.n_strata)]

    def choose(
        self,
        solve: Callable[[Floats | None], Decision],
        count: Callable[[Decision], GroupCounts],
        *,
        fits: Callable[[Decision, Floats], bool] | None = None,
        steps: Callable[[GroupCounts], Floats] | None = None,
    ) -> tuple[Decision, KeptMargin]:
        """Return what is chosen at the greatest distances, up to the margin, that can be kept.

        Parameters
        ----------
        solve : callable
            Returns the decisions that keep some distances, an array of shape (n_rates, n_groups), or none at
            all (None); raises a ValueError where no decisions do.
        count : callable
            Returns the counts of the covered groups that decisions give.
        fits : callable, optional
            Tells whether decisions of the same kind as some can keep some distances, if that takes less than
            to find them.
        steps : callable, optional
            Returns how far apart the rates are that a group can reach, of shape (n_rates, n_groups), near
            those of some counts. A window that is as long as its step always has a rate for the group; by
            default no window is sure to have one.

        Returns
        -------
        tuple
            The decisions, and the margin that they keep.
        """
        plain = solve(None)
        counts = count(plain)
        if not self.n_errors or len(counts.groups) < 2:
            return plain, KeptMargin.none()
        errors = self.standard_errors(counts)
        half = self._half_windows(errors)
        sure = half if steps is None else np.clip(half - steps(counts) / 2, 0.0, None)

        def can_keep(distances: Floats) -> bool:
            if fits is not None:
                return fits(plain, distances)
            try:
                solve(distances)
            except ValueError:  # too tight for any decisions
                return False
            return True

        wanted = np.minimum(self.n_errors * errors, half)
        if not can_keep(wanted):
            # First as many standard errors as all groups can keep; then each group what it is sure to find a
            # rate for, or a share of that. Neither depends on how many are wanted: asking for more gives no
            # less.
            alike = _greatest(lambda n: can_keep(np.minimum(n * errors, half)), below=self.n_errors)
            kept = np.minimum(alike * errors, half)
            share = 1.0 if can_keep(np.maximum(kept, sure)) else None
            if share is None:
                share = _greatest(lambda share: can_keep(np.maximum(kept, share * sure)), below=1.0)
            wanted = np.minimum(wanted, np.maximum(kept, share * sure))
        decision = solve(wanted) if wanted.any() else plain
        return decision, self._kept(counts, wanted, errors)

    def widest(self, counts: GroupCounts) -> KeptMargin:
        """Return the margin of decisions that any rates can be asked of: what half a window has room for.

        Parameters
        ----------
        counts : GroupCounts
            The counts of the covered groups.
        """
        errors = self.standard_errors(counts)
        return self._kept(counts, np.minimum(self.n_errors * errors, self._half_windows(errors)), errors)

    def _half_windows(self, errors: Floats) -> Floats:
        half = np.array([allowance(bound) / 2 for bound in self._bounds])[:, None]
        return np.where(np.isfinite(half), half, 0.0) * np.ones_like(errors)  # no bound keeps no distance

    def standard_errors(self, counts: GroupCounts) -> Floats:
        """Return the standard error of each rate (under a ratio, of its logarithm) in every group.

        It is that of a group in which the rate, and how it varies from row to row, is that of all groups.
        """
        errors = []
        tables = [counts] if counts.strata is None else [counts.stratum(label) for label in counts.strata]
        totals = [table.overall() for table in tables]
        for rate, bound in bounded_rates(self.constraints):
            for table, everyone in zip(tables, totals, strict=True):
                rows, all_rows = effective_rows(table, rate), effective_rows(everyone, rate)
                with np.errstate(divide="ignore", invalid="ignore"):
                    error = rate_standard_errors(everyone, rate) * np.sqrt(all_rows / rows)
                    if bound.difference is None:
                        # The delta method: the standard error of log(p) is that of p divided by p.
                        error = error / rate(everyone.cells)
                errors.append(np.nan_to_num(error, nan=0.0, posinf=0.0))
        return np.array(errors)

    def _kept(self, counts: GroupCounts, distances: Floats, errors: Floats) -> KeptMargin:
        """Return the margin that distances are, in standard errors."""
        with np.errstate(divide="ignore", invalid="ignore"):
            kept = np.where(errors > 0, distances / errors, np.inf)
        kept = kept[self._is_restricting()].min(0, initial=np.inf)
        by_group = {
            label: float(number)
            for label, number in zip(counts.groups, kept, strict=True)
            if number < self.n_errors * (1 - 1e-9)
        }
        is_kept = len(by_group) < len(counts.groups) or any(by_group.values())
        return KeptMargin(self.n_errors if is_kept else 0.0, distances, by_group)

    def _is_restricting(self) -> Bools:
        """Return which rates a margin can be kept for: parity is a statement on the rows seen."""
        return np.array([0 < allowance(bound) < np.inf for bound in self._bounds])

    def warn_of_less(self, kept: KeptMargin, decided_by: str = "thresholds") -> None:
        """Warn, once, of groups that have less than the margin asked for; what decides is said in a word."""
        less = kept.by_group
        if not less:
            return
        if not any(less.values()):
            warn_user(
                f"No {decided_by} keep margin={self.parameter!r} for: {list_groups(less)}. The bound holds "
                "on the rows seen, and nothing is promised for others."
            )
            return
        warn_user(
            f"Too few rows to keep margin={self.parameter!r} ({self.n_errors:.2f} standard errors) for: "
            f"{list_groups(less)}. They have the widest margin that fits; report_.margins says how wide."
        )


def _greatest(is_possible: Callable[[float], bool], below: float) -> float:
    """Return the greatest number that is possible, as multiples of 1 / 128, by bisection from 0 to 16.

    The numbers that are tried are the same ones, whichever is known to be too great.
    """
    low, high = 0.0, _MOST_ERRORS
    while high - low > _RESOLUTION:
        middle = (low + high) / 2
        if middle < below and is_possible(middle):
            low = middle
        else:
            high = middle
    return low


def allowance(bound: Bound) -> float:
    """Return how far rates (or, under a ratio, their logarithms) may lie apart."""
    if bound.difference is not None:
        return bound.difference
    return float("inf") if bound.value == 0 else float(-np.log(bound.value))
