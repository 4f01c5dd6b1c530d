"""Student's limits of weighted means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

__all__ = ["mean_margins"]


def mean_margins(spread: Any, n: Any, squares: Any, confidence: float) -> NDArray[np.float64]:
    """Return how far the limits of weighted means lie from them, by linearisation.

    The degrees of freedom are the effective number of rows less one; with fewer than two effective rows
    nothing is known of the spread, and there are no limits (NaN).

    Parameters
    ----------
    spread : array-like
        Sums of squared weights times squared distances from the mean.
    n, squares : array-like
        Sums of weights, and of squared weights.
    confidence : float in (0, 1)
        The coverage probability.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.asarray(n, dtype=float) ** 2 / squares
        known = size > 2 - 1e-9  # two rows of the same weight may come out as less by rounding
        freedom = np.where(known, size - 1, 1.0)
        margin = stdtrit(freedom, 0.5 + confidence / 2) * np.sqrt(spread * size / freedom) / n
        return np.where(known, margin, np.nan)
