"""Model selection under bounds: rules for ``refit``, and the Pareto front of a search."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from fairsk._core.typing import Floats, Ints
from fairsk._core.warnings import warn_user

__all__ = ["BestUnder", "best_under", "pareto_front"]


def _mean_scores(cv_results: Mapping[str, Any], name: str) -> Floats:
    key = f"mean_test_{name}"
    if key not in cv_results:
        names = [k.removeprefix("mean_test_") for k in cv_results if k.startswith("mean_test_")]
        raise ValueError(f"There is no scorer {name!r}; the scorers are: {', '.join(names)}.")
    return np.asarray(cv_results[key], dtype=float)


class BestUnder(str):
    """The rule made by :func:`best_under`; call it with ``cv_results_`` for the index of the winner.

    It is also the name of the score that it maximises: scikit-learn looks up the scorer for
    ``search.score`` by what it was given as ``refit``, and would otherwise find none.

    Parameters
    ----------
    score : str
        Name of the score that is maximised.
    max_difference, min_ratio, min_score : tuple of (str, float)
        The bounds: pairs of a scorer's name and a number.

    See Also
    --------
    best_under : What makes it.
    """

    max_difference: tuple[tuple[str, float], ...]
    min_ratio: tuple[tuple[str, float], ...]
    min_score: tuple[tuple[str, float], ...]

    def __new__(
        cls,
        score: str,
        max_difference: tuple[tuple[str, float], ...] = (),
        min_ratio: tuple[tuple[str, float], ...] = (),
        min_score: tuple[tuple[str, float], ...] = (),
    ) -> BestUnder:
        """Make the rule."""
        rule = super().__new__(cls, score)
        rule.max_difference, rule.min_ratio, rule.min_score = max_difference, min_ratio, min_score
        return rule

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.score, self.max_difference, self.min_ratio, self.min_score

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
        violation = np.zeros_like(score)
        for name, bound in self.max_difference:
            values = _mean_scores(cv_results, name)
            if np.nanmax(values, initial=-np.inf) > 0:
                raise ValueError(
                    f"{name}={bound} bounds a difference, but the scores of {name!r} are positive: it is not "
                    f"a negated difference. For a ratio write min_ratio={{{name!r}: {bound}}}, for another "
                    f"score min_score={{{name!r}: {bound}}}."
                )
            violation = np.maximum(violation, -values - bound)
        for name, bound in (*self.min_ratio, *self.min_score):
            violation = np.maximum(violation, bound - _mean_scores(cv_results, name))
        if not np.isfinite(score + violation).any():
            raise ValueError(
                "Every candidate has a score of NaN: none can be chosen. Run the search with "
                'error_score="raise" to see why.'
            )
        violation = np.where(np.isfinite(score + violation), violation, np.inf)
        feasible = violation <= 1e-12  # slack for rounding in the mean over folds
        if not feasible.any():
            winner = int(np.lexsort((-score, violation))[0])
            warn_user(
                f"No candidate meets {self!r}: the least disparate one is chosen, which exceeds a bound by "
                f"{violation[winner]:.4f}. Widen the bound or the search."
            )
            return winner
        return int(np.argmax(np.where(feasible, score, -np.inf)))

    def __repr__(self) -> str:
        bounds = [f"{name}={bound}" for name, bound in self.max_difference]
        minima = {"min_ratio": self.min_ratio, "min_score": self.min_score}
        bounds += [f"{name}={dict(mapping)}" for name, mapping in minima.items() if mapping]
        return f"best_under({', '.join([repr(self.score), *bounds])})"


def best_under(
    score: str,
    /,
    *,
    min_ratio: Mapping[str, float] | None = None,
    min_score: Mapping[str, float] | None = None,
    **max_difference: float,
) -> BestUnder:
    """Choose the candidate with the best score among those within bounds on other scores.

    Give it to a search as ``refit``; ``search.score`` is then the score that it maximises. If no candidate
    is within the bounds, the one that exceeds them least is chosen, with a warning. Scores of differences
    are negated, so ``cv_results_["mean_test_dp"]`` holds minus the disparity that ``dp=0.05`` bounds.

    Parameters
    ----------
    score : str
        Name of the scorer to maximise (``"score"`` in a search with one scorer).
    min_ratio : dict of str to float, optional
        Smallest mean disparity of scorers of ratios, such as ``{"di": 0.8}``: from 0 to 1.
    min_score : dict of str to float, optional
        Smallest mean of any other score, such as ``{"recall": 0.6}``.
    **max_difference : float
        Largest mean disparity of scorers of differences, by the scorer's name: ``dp=0.05``.

    Returns
    -------
    BestUnder
        A callable of ``cv_results_``; it can be pickled and cloned.

    Raises
    ------
    TypeError
        If a bound is not given by the name of its scorer.
    ValueError
        If no bound is given, or one is not finite, a difference negative, or a ratio not between 0 and 1.

    Warns
    -----
    UserWarning
        When it is called and no candidate is within the bounds.

    See Also
    --------
    make_fair_scorer : Makes the scorers of differences and ratios.
    pareto_front : All candidates that no other one beats.

    Examples
    --------
    >>> from fairsk.scoring import best_under
    >>> rule = best_under("acc", dp=0.05)
    >>> rule
    best_under('acc', dp=0.05)
    >>> rule({"mean_test_acc": [0.86, 0.84, 0.83], "mean_test_dp": [-0.18, -0.04, -0.01]})
    1
    """
    bounds = {
        "max_difference": _checked_bounds("max_difference", max_difference, lowest=0.0),
        "min_ratio": _checked_bounds("min_ratio", min_ratio or {}, lowest=0.0, highest=1.0),
        "min_score": _checked_bounds("min_score", min_score or {}),
    }
    if not any(bounds.values()):
        raise ValueError("best_under needs a bound, such as best_under('acc', dp=0.05).")
    return BestUnder(score, **bounds)


def _checked_bounds(
    parameter: str, bounds: Mapping[str, float], lowest: float = -np.inf, highest: float = np.inf
) -> tuple[tuple[str, float], ...]:
    """Return pairs of a scorer's name and its bound."""
    if not isinstance(bounds, Mapping):
        raise TypeError(
            f"{parameter} names the scorer of each bound, such as {parameter}={{'di': 0.8}}; got {bounds!r}."
        )
    for name, bound in bounds.items():
        if not isinstance(bound, Real):
            raise TypeError(f"The bound on {name!r} must be a number, such as {name}=0.05; got {bound!r}.")
        if not (lowest <= bound <= highest and np.isfinite(bound)):
            ranges = {
                "max_difference": "finite and not negative",
                "min_ratio": "between 0 and 1",
                "min_score": "finite",
            }
            raise ValueError(f"{parameter} of {name!r} must be {ranges[parameter]}; got {bound}.")
    return tuple(bounds.items())


def pareto_front(cv_results: Mapping[str, Any], *scores: str) -> Ints:
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

    See Also
    --------
    best_under : Chooses one candidate, under a bound.

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
    for i, candidate in enumerate(table):
        at_least_as_good = (table >= candidate).all(1)
        better = at_least_as_good & ((table > candidate).any(1) | (np.arange(len(table)) < i))
        if np.isfinite(candidate).all() and not better.any():
            front.append(i)
    return np.array(sorted(front, key=lambda i: -table[i, 0]), dtype=np.intp)
