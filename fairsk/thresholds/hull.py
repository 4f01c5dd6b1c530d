"""The best mixture of thresholds per group: a linear program over the vertices of each ROC hull.

A group may follow one threshold with some probability and another one otherwise. What it achieves is then
any point of the convex hull of its ROC curve, and every rate with a fixed denominator is linear in it. The
optimum is that of Hardt, Price & Srebro (NeurIPS 2016), with a tolerance; it bounds from above what
thresholds without mixing can achieve. Solved by HiGHS through :func:`scipy.optimize.linprog`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from fairsk.rates import Rate
from fairsk.thresholds.curves import Curve, Mixture
from fairsk.thresholds.window import Bound

__all__ = ["best_mixtures", "hull_vertices", "row_uniforms"]

Floats = NDArray[np.float64]


def hull_vertices(curve: Curve) -> NDArray[np.intp]:
    """Return the positions of the thresholds that are vertices of the ROC curve's convex hull."""
    tp, fp = curve.cells["tp"], curve.cells["fp"]
    return np.union1d(_chain(tp, fp), _chain(-tp, fp))


def _chain(tp: Floats, fp: Floats) -> NDArray[np.intp]:
    """Return the vertices of the upper hull, from left to right.

    A point on or below the line between its neighbours is no vertex, whatever becomes of the neighbours. So
    all such points are struck out at once, again and again; a chain without one is the hull.
    """
    chain = np.arange(len(tp))
    while len(chain) > 2:
        x, y = np.diff(fp[chain]), np.diff(tp[chain])
        vertex = np.concatenate([[True], x[1:] * y[:-1] > x[:-1] * y[1:], [True]])
        if vertex.all():
            break
        chain = chain[vertex]
    return chain


def best_mixtures(
    curves: list[Curve], rates: tuple[Rate, ...], utilities: list[Floats], bound: Bound
) -> list[Mixture] | None:
    """Return each group's best mixture of thresholds under the bound; None if nothing meets it.

    Parameters
    ----------
    curves : list of Curve
        One per group.
    rates : tuple of Rate
        Rates with a fixed denominator that is not empty in any group.
    utilities : list of arrays
        Per group, what each threshold contributes to the objective.
    bound : Bound
        The bound, the same for every rate.
    """
    vertices = [hull_vertices(curve) for curve in curves]
    sizes = [len(v) for v in vertices]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    n_weights = int(starts[-1])
    # Variables: a probability per vertex, then the lowest value of each rate.
    cost = np.zeros(n_weights + len(rates))
    each_is_one = np.zeros((len(curves), len(cost)))
    rows = []
    for g, (curve, chosen) in enumerate(zip(curves, vertices, strict=True)):
        own = slice(starts[g], starts[g + 1])
        cost[own] = -utilities[g][chosen]
        each_is_one[g, own] = 1
        for r, rate in enumerate(rates):
            values = rate(curve.at(chosen))
            above_lowest, below_highest = np.zeros(len(cost)), np.zeros(len(cost))
            above_lowest[own], above_lowest[n_weights + r] = -values, 1
            factor = 1 if bound.ratio is None else bound.ratio
            below_highest[own], below_highest[n_weights + r] = factor * values, -1
            rows += [(above_lowest, 0.0), (below_highest, bound.difference or 0.0)]
    solution = linprog(
        cost,
        A_ub=np.array([row for row, _ in rows]),
        b_ub=np.array([limit for _, limit in rows]),
        A_eq=each_is_one,
        b_eq=np.ones(len(curves)),
        bounds=[(0, None)] * n_weights + [(None, None)] * len(rates),
        method="highs",
    )
    if solution.status == 2:  # infeasible, as for a rate that does not depend on the decisions
        return None
    if not solution.success:
        raise RuntimeError(f"The linear program failed: {solution.message}")
    mixtures = []
    for g, chosen in enumerate(vertices):
        probability = np.clip(solution.x[starts[g] : starts[g + 1]], 0, None)
        used = probability > 1e-9
        mixtures.append(Mixture(chosen[used], probability[used] / probability[used].sum()))
    return mixtures


def row_uniforms(scores: Floats) -> Floats:
    """Return a number in [0, 1) per row that depends on nothing but its score.

    It stands in for a random draw, so that a mixture of thresholds decides the same way for the same row
    every time, whatever other rows are present (Cotter, Narasimhan & Gupta, On Making Stochastic
    Classifiers Deterministic, NeurIPS 2019). The bits of the score are mixed by the finalizer of SplitMix64
    (Steele, Lea & Flood, OOPSLA 2014).
    """
    bits = np.ascontiguousarray(scores, dtype=np.float64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits = bits ^ (bits >> np.uint64(31))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
