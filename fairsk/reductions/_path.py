"""ConstrainedPath: a model for one bound after another, and what each costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from fairsk._core.bounds import ROUNDING, Bound, bounded_constraints
from fairsk._core.messages import show
from fairsk._core.results import Backend
from fairsk._core.typing import Floats
from fairsk._held_out.tradeoff_path import TradeoffPath
from fairsk.rates import Constraint
from fairsk.reductions._problem import Start

__all__ = ["ConstrainedPath", "FitUnder", "path_bounds", "trace_path"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ConstrainedPath(TradeoffPath):
    """A model for each of many bounds, measured on rows held out of it.

    Parameters
    ----------
    constraint : str
        What is bounded.
    comparison : {"difference", "ratio"}
        Whether the difference is bounded from above, or the ratio from below.
    objective : str
        What is maximised.
    bounds : array of shape (n_points,)
        From the tightest to the loosest.
    disparity : array of shape (n_points,)
        What each model has, out of fold; beyond the bound where none was found that meets it.
    low, high : array of shape (n_points,)
        The ends of a 95% interval for the disparity on new rows.
    value : array of shape (n_points,)
        The objective, out of fold.
    best_mixture : array of shape (n_points,)
        The objective that no mixture of the models and thresholds that were seen exceeds under the bound; NaN
        where it is not known.
    models : tuple
        The fitted models, one per bound.
    """

    low: Floats
    high: Floats
    models: tuple[Any, ...] = field(repr=False)

    def _more_columns(self) -> dict[str, list[Any]]:
        return {"low": self.low.tolist(), "high": self.high.tolist()}

    def model_within(self, limit: float, *, surely: bool = False) -> Any:
        """Return the best model among those whose disparity lies within a limit.

        Parameters
        ----------
        limit : float
            The largest difference, or the smallest ratio.
        surely : bool, default=False
            Whether all of the interval for new rows must lie within it, not only what was measured.

        Returns
        -------
        ConstrainedClassifier
            The fitted model.

        Raises
        ------
        ValueError
            If there is none.

        Notes
        -----
        Of many models that are measured on the same rows, the best looks better than it is; the fewer there
        are, the less.
        """
        if self.comparison == "difference":
            reached = self.high if surely else self.disparity
            is_within = reached <= limit + ROUNDING
        else:
            reached = self.low if surely else self.disparity
            is_within = reached >= limit - ROUNDING
        if not is_within.any():
            nearest = np.nanmin(reached) if self.comparison == "difference" else np.nanmax(reached)
            end = " at the end of its interval" if surely else ""
            raise ValueError(
                f"No model of the path has a {self.comparison} within {limit:g}; the nearest has "
                f"{nearest:.4f}{end}. Trace the path to a tighter bound."
            )
        return self.models[int(np.argmax(np.where(is_within, self.value, -np.inf)))]


class FitUnder(Protocol):
    """Fits a model under a bound; its ``report_`` says what it achieves."""

    def __call__(self, bound: Bound, start: Start | None, /) -> tuple[Any, Start]:
        """Return the fitted model, and what saves work under the next bound."""


def path_bounds(
    constraint: Any, comparison: str, bounds: Sequence[float] | None, n_points: int
) -> list[float] | None:
    """Return the bounds that were asked for, from the tightest to the loosest; None if they are to be found.

    Raises
    ------
    ValueError
        If there is no bound, one that is out of range, or a number of points below 2.
    """
    if bounds is None:
        if n_points < 2:
            raise ValueError(f"n_points must be at least 2, got {n_points}.")
        return None
    values = np.atleast_1d(np.asarray(bounds, dtype=float))
    if values.ndim != 1 or not len(values) or np.isnan(values).any():
        raise ValueError(f"bounds must be some numbers, such as (0.02, 0.05, 0.1); got {show(bounds)}.")
    by_difference = comparison == "difference"
    for value in values.tolist():  # each is checked as the estimator's own would be
        bounded_constraints(constraint, *((value, None) if by_difference else (None, value)))
    rising = np.unique(values).tolist()
    return rising if by_difference else rising[::-1]


def trace_path(
    fit_under: FitUnder,
    constraint: Constraint,
    comparison: str,
    *,
    bounds: Sequence[float] | None,
    n_points: int,
    library: Backend | None = None,
) -> ConstrainedPath:
    """Fit a model under each bound, from the loosest to the tightest, each starting from the one before.

    Parameters
    ----------
    fit_under : callable
        Fits a model under a bound.
    constraint : Constraint
        What is bounded.
    comparison : {"difference", "ratio"}
        How it is bounded.
    bounds : sequence of float or None
        The bounds, from the tightest to the loosest. None for equal steps from parity, which is left out, to
        what a model without a bound has.
    n_points : int
        How many bounds there are then.
    library : {"pandas", "polars", "pyarrow"}, optional
        The library of the data.
    """
    by_difference = comparison == "difference"
    start: Start | None = None
    fitted: list[tuple[float, Any]] = []
    if bounds is None:
        model, start = fit_under(Bound(difference=np.inf) if by_difference else Bound(ratio=0.0), start)
        parity, free = (0.0 if by_difference else 1.0), float(model.report_.disparity)
        fitted.append((free, model))
        # Parity is left out: rates of groups seldom agree exactly under one threshold for all.
        steps = np.linspace(parity, free, n_points + 1)[1:-1]
        bounds = [] if abs(free - parity) <= ROUNDING else steps.tolist()
    for value in reversed(bounds):
        model, start = fit_under(Bound(difference=value) if by_difference else Bound(ratio=value), start)
        fitted.append((value, model))
    values, models = zip(*reversed(fitted), strict=True)
    reports = [model.report_ for model in models]
    low, high = np.array([report.interval for report in reports], dtype=float).T
    value = np.array([report.value for report in reports], dtype=float)
    # None, where it is not known, becomes NaN; what only rounding sets apart from the value is the value.
    best_mixture = np.array([report.best_mixture for report in reports], dtype=float)
    best_mixture = np.where(np.abs(best_mixture - value) < ROUNDING, value, best_mixture)
    # What a tighter bound allows, a looser one allows too.
    best_mixture = np.fmax.accumulate(best_mixture)
    return ConstrainedPath(
        constraint=constraint.name,
        comparison="difference" if by_difference else "ratio",
        objective=reports[0].objective,
        bounds=np.array(values),
        disparity=np.array([report.disparity for report in reports], dtype=float),
        low=low,
        high=high,
        value=value,
        best_mixture=best_mixture,
        models=models,
        library=library,
    )
