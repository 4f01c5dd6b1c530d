"""Multiple testing: p-values adjusted for the number of tests."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import false_discovery_control

from fairsk._core.typing import Floats
from fairsk._core.validation import check_choice

__all__ = ["Adjustment", "adjust_p_values"]

Adjustment: TypeAlias = Literal["holm", "bonferroni", "benjamini-hochberg"]


def adjust_p_values(p_values: ArrayLike, method: Adjustment = "holm") -> Floats:
    """Adjust p-values for having looked at many of them.

    Parameters
    ----------
    p_values : array-like of shape (n_tests,)
        Values from 0 to 1; a NaN is no test, stays NaN and does not count.
    method : {"holm", "bonferroni", "benjamini-hochberg"}, default="holm"
        Holm and Bonferroni bound the probability that any rejected hypothesis is true, whatever the
        dependence; Holm rejects at least as many. Benjamini-Hochberg bounds the expected share of true
        hypotheses among the rejected ones, if the tests are independent or positively dependent.

    Returns
    -------
    array of shape (n_tests,)
        Adjusted values: reject where they are at most the level.

    Raises
    ------
    ValueError
        If a value lies outside 0 and 1, or the method is unknown.

    See Also
    --------
    contrasts : Contrasts with adjusted p-values.
    max_z_test : A test of each group that takes their dependence into account.

    Notes
    -----
    With the m values in increasing order, Bonferroni takes m p, Holm the running maximum of
    (m - i + 1) p_(i), and Benjamini-Hochberg the running minimum, from above, of m p_(i) / i; none exceeds 1.

    References
    ----------
    .. [1] Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics
       6, 1979.
    .. [2] Benjamini & Hochberg, Controlling the False Discovery Rate, Journal of the Royal Statistical
       Society B 57, 1995.

    Examples
    --------
    >>> from fairsk.statistics import adjust_p_values
    >>> adjust_p_values([0.01, 0.04, 0.03, float("nan")])
    array([0.03, 0.06, 0.06,  nan])
    """
    p = np.asarray(p_values, dtype=float)
    if p.ndim != 1 or not np.all(np.isnan(p) | ((p >= 0) & (p <= 1))):
        raise ValueError("p_values must be a list of values from 0 to 1 (or NaN where there was no test).")
    check_choice("method", method, Adjustment)
    tested = ~np.isnan(p)
    values, adjusted = p[tested], p.copy()
    if len(values) == 0:
        return adjusted
    if method == "benjamini-hochberg":
        adjusted[tested] = false_discovery_control(values)
    elif method == "bonferroni":
        adjusted[tested] = np.minimum(1, len(values) * values)
    else:
        order = np.argsort(values)
        stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
        adjusted[np.flatnonzero(tested)[order]] = np.minimum(1, stepped)
    return adjusted
