"""Weighted means: their standard errors and Student's intervals, by linearisation."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import stdtrit

from fairsk._core.typing import Floats

__all__ = ["mean_half_widths", "mean_standard_errors", "nonnegative_interval"]


def mean_standard_errors(spread: Any, n: Any, squares: Any) -> tuple[Floats, Floats]:
    """Return the standard error of weighted means by linearisation, and its degrees of freedom.

    The degrees of freedom are the effective number of rows less one; with fewer than two effective rows
    the spread cannot be estimated, and there is no standard error (NaN).

    Parameters
    ----------
    spread : array-like
        Sums of squared weights times squared distances from the mean.
    n, squares : array-like
        Sums of weights, and of squared weights.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.asarray(n, dtype=float) ** 2 / squares
        is_known = size > 2 - 1e-9  # two rows of the same weight may come out as less by rounding
        df = np.where(is_known, size - 1, 1.0)
        return np.where(is_known, np.sqrt(spread * size / df) / n, np.nan), df


def mean_half_widths(spread: Any, n: Any, squares: Any, confidence: float) -> Floats:
    """Return half the width of Student's interval of weighted means; NaN where there is none.

    Parameters
    ----------
    spread, n, squares : array-like
        As in :func:`mean_standard_errors`.
    confidence : float in (0, 1)
        The coverage probability.
    """
    errors, df = mean_standard_errors(spread, n, squares)
    return stdtrit(df, 0.5 + confidence / 2) * errors


def nonnegative_interval(mean: Floats, half_width: Floats, power: float) -> tuple[Floats, Floats]:
    """Return the interval of a power of means of what is not negative, on the scale of logarithms.

    Amounts that are not negative are skewed, and the logarithm of their mean is less so: by the delta method
    its half width is that of the mean, divided by the mean.
    """
    value = mean**power
    with np.errstate(over="ignore"):  # an interval from 0 to infinity
        factor = np.exp(power * half_width / (mean + (mean == 0)))
    return value / factor, value * factor
