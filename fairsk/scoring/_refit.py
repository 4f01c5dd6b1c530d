"""Model selection under bounds: rules for ``refit``, which choose among the candidates of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from fairsk._core.messages import shorten, show
from fairsk._core.results import amount, amount_with_interval, number, percent, with_interval
from fairsk._core.typing import Bools, Floats
from fairsk._core.warnings import warn_user
from fairsk.rates import check_choice
from fairsk.scoring._fold_tables import fold_scores, mean_scores
from fairsk.scoring._pooling import Criterion, Pooling
from fairsk.statistics._intervals import check_confidence, joint_confidence
from fairsk.statistics._measures import GroupTable

__all__ = [
    "BestUnder",
    "BestUnderPooled",
    "Requirement",
    "best_under",
    "check_requirement",
    "named_bounds",
]

#: What a bound asks of a disparity: that its interval is not wholly beyond it; that it is wholly within; or
#: that the pooled value is within, whatever its interval.
Requirement: TypeAlias = Literal["not_refuted", "shown", "value"]

#: Bounds by the name of the score, as rules keep them.
NamedBounds: TypeAlias = tuple[tuple[str, float], ...]

#: The mean of the range of 20 equal normal rates, in its own standard deviations: 3.73 / 0.73. So far from
#: parity lies the mean over folds of the largest gap between 20 groups that do not differ.
_RANGE_OF_EQUAL_RATES = 5.1

_POOLED = (
    "and in a fold groups are small: the largest gap between small groups is biased upwards (their smallest "
    "ratio downwards), the more the more folds there are. Score with GroupScoring, whose .best_under judges "
    "counts summed over the folds, with their interval."
)


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

    max_difference: NamedBounds
    min_ratio: NamedBounds
    min_score: NamedBounds

    #: Violations up to this are rounding, in the mean over folds.
    _slack = 1e-12

    def __new__(
        cls,
        score: str,
        max_difference: NamedBounds = (),
        min_ratio: NamedBounds = (),
        min_score: NamedBounds = (),
    ) -> Self:
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
        score, violation = self._judge(cv_results)
        is_known = np.isfinite(score) & ~np.isnan(violation)
        if not is_known.any():
            raise ValueError(
                "Every candidate has a score of NaN, or a bounded one that is NaN: none can be chosen. Run "
                'the search with error_score="raise" to see why.'
            )
        violation = np.where(is_known, violation, np.inf)
        score = np.where(is_known, score, -np.inf)
        feasible = violation <= self._slack
        if not feasible.any():
            winner = int(np.lexsort((-score, violation))[0])
        else:
            winner = int(np.argmax(np.where(feasible, score, -np.inf)))
        self._warn(cv_results, score, violation, winner)
        return winner

    def _judge(self, cv_results: Mapping[str, Any]) -> tuple[Floats, Floats]:
        """Return the score of each candidate, and by how much it violates a bound: 0 if it meets all."""
        score = mean_scores(cv_results, self.score)
        violation = np.zeros_like(score)
        for name, bound in self.max_difference:
            values = mean_scores(cv_results, name)
            if np.nanmax(values, initial=-np.inf) > 0:
                raise ValueError(
                    f"{name}={bound} bounds a difference, but the scores of {name!r} are positive: it is not "
                    f"a negated difference. For a ratio write min_ratio={{{name!r}: {bound}}}, for another "
                    f"score min_score={{{name!r}: {bound}}}."
                )
            violation = np.maximum(violation, -values - bound)
        for name, bound in (*self.min_ratio, *self.min_score):
            violation = np.maximum(violation, bound - mean_scores(cv_results, name))
        return score, violation

    def _warn(self, cv_results: Mapping[str, Any], score: Floats, violation: Floats, winner: int) -> None:
        """Warn if no candidate meets the bounds, or if it is the size of the folds that may have decided."""
        by_noise = self._refused_by_noise(cv_results)
        advice = f" That may be chance: it is the mean over folds that is compared, {_POOLED}"
        if violation[winner] > self._slack:
            warn_user(
                f"No candidate meets {self!r}: the least disparate one is chosen, which exceeds a bound by "
                f"{violation[winner]:.4f}. Widen the bound or the search.{advice if by_noise.any() else ''}"
            )
            return
        passed_over = by_noise & (violation > self._slack) & (score > score[winner])
        if passed_over.any():
            best = int(np.argmax(np.where(passed_over, score, -np.inf)))
            warn_user(
                f"{self!r} refuses candidate {best}, which has a better {self.score}, for being beyond a "
                f"bound by {violation[best]:.4f}.{advice}"
            )

    def _refused_by_noise(self, cv_results: Mapping[str, Any]) -> Bools:
        """Return which candidates are beyond bounds on disparities that groups in parity might show too.

        Groups in parity have a largest gap in every fold, which grows with its standard deviation over the
        folds. What is further from parity than that gap would be for many groups is no noise.
        """
        by_noise, refused = np.array(True), np.array(False)
        bounds = [(name, 0.0, -bound) for name, bound in self.max_difference]
        bounds += [(name, 1.0, bound) for name, bound in self.min_ratio]
        for name, parity, least in bounds:
            mean = mean_scores(cv_results, name)
            try:
                folds = fold_scores(cv_results, name)
            except KeyError:  # means alone say nothing of the folds
                return np.zeros(len(mean), dtype=bool)
            if folds.shape[1] < 2:
                return np.zeros(len(mean), dtype=bool)
            beyond = least - mean > self._slack
            refused = refused | beyond
            like_parity = parity - mean <= _RANGE_OF_EQUAL_RATES * folds.std(axis=1, ddof=1)
            by_noise = by_noise & (~beyond | like_parity)
        return np.broadcast_to(by_noise & refused, mean_scores(cv_results, self.score).shape)

    def _bounds_text(self) -> list[str]:
        bounds = [f"{name}={bound}" for name, bound in self.max_difference]
        minima = {"min_ratio": self.min_ratio, "min_score": self.min_score}
        return bounds + [f"{name}={dict(mapping)}" for name, mapping in minima.items() if mapping]

    def __repr__(self) -> str:
        return f"best_under({', '.join([repr(self.score), *self._bounds_text()])})"


class BestUnderPooled(BestUnder):
    """The rule made by :meth:`GroupScoring.best_under`: bounds on disparities of counts summed over folds.

    Parameters
    ----------
    score : str
        Name of the score that is maximised.
    max_difference, min_ratio, min_score : tuple of (str, float)
        The bounds: pairs of a scorer's name and a number.
    pooling : Pooling
        How the counts are read from ``cv_results_``.
    confidence : float
        The coverage probability of the intervals of a candidate, all together.
    require : {"not_refuted", "shown", "value"}
        What the bounds ask of the disparities.

    See Also
    --------
    GroupScoring.best_under : What makes it.
    """

    pooling: Pooling
    confidence: float
    require: Requirement

    #: Ends of intervals are compared with bounds up to rounding, as verdicts are.
    _slack = 1e-9

    def __new__(
        cls,
        score: str,
        max_difference: NamedBounds,
        min_ratio: NamedBounds,
        min_score: NamedBounds,
        pooling: Pooling,
        confidence: float,
        require: Requirement,
    ) -> Self:
        """Make the rule."""
        rule = super().__new__(cls, score, max_difference, min_ratio, min_score)
        rule.pooling, rule.confidence, rule.require = pooling, confidence, require
        return rule

    def __getnewargs__(self) -> tuple[Any, ...]:
        return *super().__getnewargs__(), self.pooling, self.confidence, self.require

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds on pooled disparities, by the name of the score."""
        return dict((*self.max_difference, *self.min_ratio))

    @property
    def level(self) -> float:
        """The confidence of the interval of each bound, such that all of a candidate hold together."""
        return joint_confidence(self.confidence, len(self.bounds))

    def beyond(self, tables: Sequence[GroupTable | None]) -> dict[str, Floats]:
        """Return by how much what decides is beyond each bound: not above 0 where the bound is kept.

        Parameters
        ----------
        tables : sequence of GroupCounts or None
            The pooled counts of each candidate.

        Returns
        -------
        dict of str to array of shape (n_candidates,)
            By the name of the score; NaN where there are no counts, or there is nothing to measure.
        """
        return {
            name: np.array(
                [
                    np.nan if table is None else self._beyond(self.pooling.criteria[name], table, bound)
                    for table in tables
                ]
            )
            for name, bound in self.bounds.items()
        }

    def _judge(self, cv_results: Mapping[str, Any]) -> tuple[Floats, Floats]:
        tables = self.pooling.tables(cv_results)
        criteria = self.pooling.criteria
        if self.score in criteria:
            criterion = criteria[self.score]
            score = np.array([np.nan if t is None else criterion.score(t) for t in tables])
        else:
            score = mean_scores(cv_results, self.score)
        violation = np.full(len(tables), -np.inf)
        for beyond in self.beyond(tables).values():
            violation = np.maximum(violation, beyond)
        for name, bound in self.min_score:
            violation = np.maximum(violation, bound - mean_scores(cv_results, name))
        return score, np.maximum(violation, 0.0)

    def _beyond(self, criterion: Criterion, counts: GroupTable, bound: float) -> float:
        """Return by how much what decides is beyond the bound: an end of the interval, or the value."""
        estimate = criterion.estimate(counts, self.level)
        if self.require == "value":
            decides = estimate.value
        elif self.require == "shown" and not criterion.measured_in_every_group(counts):
            decides = criterion.furthest  # what is not measured may be as far apart as can be
        else:
            # The lower end of a difference, and the upper one of a ratio, is the end nearest to parity.
            nearest = (self.require == "not_refuted") == (criterion.comparison != "ratio")
            decides = estimate.low if nearest else estimate.high
        return bound - decides if criterion.comparison == "ratio" else decides - bound

    def _warn(self, cv_results: Mapping[str, Any], score: Floats, violation: Floats, winner: int) -> None:
        if violation[winner] <= self._slack:
            return
        warn_user(
            f"No candidate meets {self!r}: candidate {winner} is chosen, the nearest. "
            f"{self._what_decides(cv_results, winner)} by {self._shown(violation[winner])}. "
            f"Widen the bound or the search{', or take more rows' if self.require == 'shown' else ''}; "
            "fairsk.scoring.cv_disparities(search) lists these intervals of all candidates."
        )

    def _shown(self, violation: float) -> str:
        """Write by how much a bound is missed: amounts with their significant digits."""
        return amount(float(violation)) if self.pooling.of_amounts else f"{violation:.4f}"

    def _what_decides(self, cv_results: Mapping[str, Any], winner: int) -> str:
        """Say which bound a candidate is furthest beyond, and with what interval."""
        counts = self.pooling.tables(cv_results, warn=False)[winner]
        beyond = {name: float(values[0]) for name, values in self.beyond([counts]).items()}
        means = {name: float(mean_scores(cv_results, name)[winner]) for name, _ in self.min_score}
        below = {name: bound - means[name] for name, bound in self.min_score}
        if below and max(below.values()) >= max(beyond.values(), default=-np.inf):
            name = max(below, key=below.__getitem__)
            least = dict(self.min_score)[name]
            return f"The mean of {show(name)} over the folds is {means[name]:.4f}, below the bound {least:g}"
        name = max(beyond, key=beyond.__getitem__)
        criterion, bound = self.pooling.criteria[name], f"the bound {self.bounds[name]:g}"
        assert counts is not None  # one that failed is not chosen
        estimate = criterion.estimate(counts, self.level)
        worst = criterion.worst_class(counts)
        of_class = "" if worst is None else f", of {shorten(self.pooling.in_words(worst), 100)},"
        in_units = self.pooling.of_amounts and criterion.comparison != "ratio"
        value = amount(estimate.value) if in_units else number(estimate.value, 4)
        if self.require == "value":
            return f"Its {show(name)}{of_class} is {value}, beyond {bound}"
        value = amount_with_interval(*estimate) if in_units else with_interval(*estimate, digits=4)
        text = f"Its {show(name)}{of_class} is {value}, "
        if self.require == "not_refuted":
            return f"{text}a {percent(self.level)} interval that lies wholly beyond {bound},"
        if not criterion.measured_in_every_group(counts):
            furthest = number(criterion.furthest, 1)
            return f"{text}but not every group can be measured, which counts as {furthest}: beyond {bound}"
        return f"{text}a {percent(self.level)} interval that reaches beyond {bound}"

    def __repr__(self) -> str:
        options = [f"confidence={self.confidence}", f"require={self.require!r}"]
        return f"GroupScoring.best_under({', '.join([repr(self.score), *self._bounds_text(), *options])})"


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
        When it is called and no candidate is within the bounds; or if it passes over a better one for a
        disparity that the size of the folds may have made.

    See Also
    --------
    GroupScoring : Judges counts summed over the folds, by their intervals.
    make_fair_scorer : Makes the scorers of differences and ratios.
    pareto_front : All candidates that no other one beats.

    Notes
    -----
    The mean over folds of a largest gap is biased upwards, the more groups and folds there are, and the
    smaller both. It warns where the mean is no further from parity than 5.1 standard deviations of the folds,
    which 20 groups without any disparity would reach on average.

    Examples
    --------
    >>> from fairsk.scoring import best_under
    >>> rule = best_under("acc", dp=0.05)
    >>> rule
    best_under('acc', dp=0.05)
    >>> rule({"mean_test_acc": [0.86, 0.84, 0.83], "mean_test_dp": [-0.18, -0.04, -0.01]})
    1
    """
    return BestUnder(score, **named_bounds(max_difference, min_ratio, min_score))


def named_bounds(
    max_difference: Mapping[str, float],
    min_ratio: Mapping[str, float] | None,
    min_score: Mapping[str, float] | None,
) -> dict[str, NamedBounds]:
    """Return bounds as rules keep them; refuse such as bound nothing, and none at all."""
    bounds = {
        "max_difference": _checked_bounds("max_difference", max_difference, lowest=0.0),
        "min_ratio": _checked_bounds("min_ratio", min_ratio or {}, lowest=0.0, highest=1.0),
        "min_score": _checked_bounds("min_score", min_score or {}),
    }
    if not any(bounds.values()):
        raise ValueError("best_under needs a bound, such as best_under('acc', dp=0.05).")
    return bounds


def _checked_bounds(
    parameter: str, bounds: Mapping[str, float], lowest: float = -np.inf, highest: float = np.inf
) -> tuple[tuple[str, float], ...]:
    """Return pairs of a scorer's name and its bound, checked."""
    if not isinstance(bounds, Mapping):
        raise TypeError(
            f"{parameter} names the scorer of each bound, such as {parameter}={{'di': 0.8}}; got {bounds!r}."
        )
    for name, bound in bounds.items():
        if not isinstance(bound, Real) or isinstance(bound, bool):
            raise TypeError(f"The bound on {name!r} must be a number, such as {name}=0.05; got {bound!r}.")
        if not (lowest <= bound <= highest and np.isfinite(bound)):
            ranges = {
                "max_difference": "finite and not negative",
                "min_ratio": "between 0 and 1",
                "min_score": "finite",
            }
            raise ValueError(f"{parameter} of {name!r} must be {ranges[parameter]}; got {bound}.")
    return tuple(bounds.items())


def check_requirement(confidence: float, require: Requirement) -> None:
    """Refuse an unknown requirement, and a confidence that is no probability."""
    check_confidence(confidence)
    check_choice("require", require, Requirement)
