"""Rules that choose among the candidates of a search: the best under a bound, and the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairsk._core.warnings import warn_user

__all__ = ["BestUnder", "best_under", "pareto_front"]


def _mean_scores(cv_results: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    key = f"mean_test_{name}"
    if key not in cv_results:
        known = [k.removeprefix("mean_test_") for k in cv_results if k.startswith("mean_test_")]
        raise ValueError(f"There is no scorer {name!r}; the scorers are: {', '.join(known)}.")
    return np.asarray(cv_results[key], dtype=float)


class BestUnder(str):
    """The rule made by :func:`best_under`; call it with ``cv_results_`` for the index of the winner.

    It is also the name of the score that it maximises: scikit-learn looks up the scorer for
    ``search.score`` by what it was given as ``refit``, and would otherwise find none.
    """

    at_most: tuple[tuple[str, float], ...]
    at_least: tuple[tuple[str, float], ...]

    def __new__(
        cls,
        score: str,
        at_most: tuple[tuple[str, float], ...],
        at_least: tuple[tuple[str, float], ...] = (),
    ) -> BestUnder:
        """Make the rule; the bounds are pairs of a scorer's name and a number."""
        rule = super().__new__(cls, score)
        rule.at_most, rule.at_least = at_most, at_least
        return rule

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.score, self.at_most, self.at_least

    @property
    def score(self) -> str:
        """Name of the score that is maximised."""
        return str(self)

    def __call__(self, cv_results: Mapping[str, Any]) -> int:
        """Return the index of the best candidate that meets the bounds.

        Parameters
        ----------
        cv_results : dict of arrays
            The ``cv_results_`` of a search.

        Returns
        -------
        int
            Its position among the candidates.
        """
        score = _mean_scores(cv_results, self.score)
        excess = np.zeros_like(score)
        for name, bound in self.at_most:
            values = _mean_scores(cv_results, name)
            if np.nanmax(values, initial=-np.inf) > 0:
                raise ValueError(
                    f"{name}={bound} bounds a disparity from above, but the scores of {name!r} are positive: "
                    f"it is not a negated difference. For a ratio write at_least={{{name!r}: {bound}}}."
                )
            excess = np.maximum(excess, -values - bound)
        for name, bound in self.at_least:
            excess = np.maximum(excess, bound - _mean_scores(cv_results, name))
        if not np.isfinite(score + excess).any():
            raise ValueError(
                "Every candidate has a score of NaN: none can be chosen. Run the search with "
                'error_score="raise" to see why.'
            )
        excess = np.where(np.isfinite(score + excess), excess, np.inf)
        feasible = excess <= 1e-12  # room for rounding in the mean over folds
        if not feasible.any():
            winner = int(np.lexsort((-score, excess))[0])
            warn_user(
                f"No candidate meets {self!r}: the least disparate one is chosen, which exceeds a bound by "
                f"{excess[winner]:.4f}. Widen the bound or the search."
            )
            return winner
        return int(np.argmax(np.where(feasible, score, -np.inf)))

    def __repr__(self) -> str:
        bounds = [f"{name}={bound}" for name, bound in self.at_most]
        if self.at_least:
            bounds.append(f"at_least={dict(self.at_least)}")
        return f"best_under({', '.join([repr(self.score), *bounds])})"


def best_under(score: str, /, *, at_least: Mapping[str, float] | None = None, **at_most: float) -> BestUnder:
    """Choose the candidate with the best score among those within a disparity bound.

    Give it to a search as ``refit``; ``search.score`` is then the score that it maximises. If no candidate
    is within the bounds, the one that exceeds them least is chosen, with a warning. Scores of differences
    are negated, so ``cv_results_["mean_test_dp"]`` holds minus the disparity that ``dp=0.05`` bounds.

    Parameters
    ----------
    score : str
        Name of the scorer to maximise (``"score"`` in a search with one scorer).
    at_least : dict of str to float, optional
        Smallest mean test score of ratio scorers, such as ``{"dp_ratio": 0.8}``.
    **at_most : float
        Largest mean disparity of difference scorers, such as ``dp=0.05``.

    Returns
    -------
    BestUnder
        A callable of ``cv_results_``; it can be pickled and cloned.

    Raises
    ------
    ValueError
        If no bound is given, or a bound is negative or not finite.

    Examples
    --------
    >>> from fairsk.scoring import best_under
    >>> rule = best_under("acc", dp=0.05)
    >>> rule
    best_under('acc', dp=0.05)
    >>> rule({"mean_test_acc": [0.86, 0.84, 0.83], "mean_test_dp": [-0.18, -0.04, -0.01]})
    1
    """
    bounds = {**at_most, **(at_least or {})}
    if not bounds:
        raise ValueError("best_under needs a bound, such as best_under('acc', dp=0.05).")
    for name, bound in bounds.items():
        if not 0 <= bound < np.inf:
            raise ValueError(f"The bound {name}={bound} must be finite and not negative.")
    return BestUnder(score, tuple(at_most.items()), tuple((at_least or {}).items()))


def pareto_front(cv_results: Mapping[str, Any], *scores: str) -> NDArray[np.intp]:
    """Return the candidates of a search that no other candidate beats on every score.

    Parameters
    ----------
    cv_results : dict of arrays
        The ``cv_results_`` of a search.
    *scores : str
        Names of two or more scorers; greater is better.

    Returns
    -------
    array of int
        Positions among the candidates, from the best on the first score to the worst; of candidates
        with equal scores the first. Candidates with a NaN are left out.

    Raises
    ------
    ValueError
        If a scorer is unknown or fewer than two are named.

    Examples
    --------
    >>> from fairsk.scoring import pareto_front
    >>> cv_results = {"mean_test_acc": [0.86, 0.83, 0.84], "mean_test_dp": [-0.18, -0.05, -0.04]}
    >>> pareto_front(cv_results, "acc", "dp")
    array([0, 2])
    """
    if len(scores) < 2:
        raise ValueError(
            "pareto_front weighs two or more scores, such as pareto_front(cv_results, 'acc', 'dp')."
        )
    table = np.column_stack([_mean_scores(cv_results, name) for name in scores])
    front = []
    for i, row in enumerate(table):
        at_least_as_good = (table >= row).all(1)
        better = at_least_as_good & ((table > row).any(1) | (np.arange(len(table)) < i))
        if np.isfinite(row).all() and not better.any():
            front.append(i)
    return np.array(sorted(front, key=lambda i: -table[i, 0]), dtype=np.intp)
