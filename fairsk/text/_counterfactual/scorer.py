"""Scorers of counterfactual audits: callables ``scorer(estimator, X, y)`` for searches."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

import numpy as np

from fairsk._core.messages import shorten
from fairsk._core.validation import check_choice
from fairsk._core.warnings import warn_user
from fairsk.text._counterfactual.audit import compare_versions
from fairsk.text._counterfactual.comparisons import Comparisons
from fairsk.text._counterfactual.controls import Control, check_control
from fairsk.text._counterfactual.edits import check_swapper
from fairsk.text._counterfactual.responses import TextResponse, read_model

__all__ = ["CounterfactualScorer", "make_counterfactual_scorer"]

#: What is scored.
Statistic: TypeAlias = Literal["flip_rate", "score_gap", "excess"]
#: A longer repr of a swapper does not stand in that of a scorer.
_LONGEST_NAME = 100


@dataclass(frozen=True, repr=False)
class CounterfactualScorer:
    """A scorer of how much a model's answers change with the group that texts name.

    Parameters
    ----------
    swapper : TermSwapper
        Whose terms are exchanged.
    statistic : {"flip_rate", "score_gap", "excess"}
        What is scored.
    text, response_method, pos_label, threshold, control
        As in :func:`counterfactual_audit`.

    See Also
    --------
    make_counterfactual_scorer : Makes it.
    """

    swapper: Any
    statistic: Statistic
    text: str | int | None
    response_method: TextResponse
    pos_label: Any
    threshold: float | None
    control: Control

    def __repr__(self) -> str:
        options = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)[1:]
            if _is_given(getattr(self, field.name), _DEFAULTS[field.name])
        ]
        swapper = shorten(" ".join(repr(self.swapper).split()), _LONGEST_NAME)
        return f"make_counterfactual_scorer({', '.join([swapper, *options])})"

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> float:
        """Score a fitted model: greater is better.

        Parameters
        ----------
        estimator : fitted classifier or regressor, or callable
            What to score.
        X : array-like of shape (n_samples,), frame, or 2-D array
            Texts, or a table that has a column of them.
        y : array-like of shape (n_samples,), optional
            Not used: no label is needed to see whether an answer changes.

        Returns
        -------
        float
            The score.
        """
        respondent = read_model(estimator, self.response_method, self.pos_label, self.threshold)
        of_scores = self.statistic == "score_gap"
        comparisons = compare_versions(
            respondent,
            X,
            self.swapper,
            text=self.text,
            control=self.control if self.statistic == "excess" else None,
            scores=of_scores,
            decisions=not of_scores,
        )
        if not of_scores and comparisons.responses.decisions is None:
            raise ValueError(
                f"statistic={self.statistic!r} is of decisions, and this model gives scores alone: give a "
                "threshold, or score the gap, statistic='score_gap'."
            )
        value = _largest_gap(comparisons) if of_scores else self._of_flips(comparisons)
        if np.isnan(value):
            warn_user(
                f"{self.statistic} is not known: the model answers to both versions of no text "
                f"{'that has a control' if self.statistic == 'excess' else 'here'}, and the score is NaN. Of "
                f"{sum(comparisons.edits.mentions.values()):,} texts {len(comparisons.edits.rows):,} name "
                "exactly one group of swapper."
            )
        return -value if value else 0.0

    def _of_flips(self, comparisons: Comparisons) -> float:
        """Return the share of flips, or what of it is beyond that of the control."""
        flips, control_flips = comparisons.text_flips
        if self.statistic == "flip_rate":
            return _mean(flips)
        # A model that is moved by the control more than by the group earns nothing by that.
        excess = _mean(flips - control_flips)
        return excess if np.isnan(excess) else max(0.0, excess)


#: The defaults of :func:`make_counterfactual_scorer`, which the repr leaves out.
_DEFAULTS: dict[str, Any] = {
    "statistic": "flip_rate",
    "text": None,
    "response_method": "auto",
    "pos_label": None,
    "threshold": None,
    "control": "auto",
}


def _is_given(value: Any, default: Any) -> bool:
    return value is not None if default is None else not (isinstance(value, str) and value == default)


def _mean(values: Any) -> float:
    """Return the mean of what is known."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _largest_gap(comparisons: Comparisons) -> float:
    """Return the largest mean gap of two groups, without its sign."""
    gaps = [abs(_mean(comparisons.gaps(*pair))) for pair in comparisons.pairs_of_groups]
    return max((gap for gap in gaps if not np.isnan(gap)), default=float("nan"))


def make_counterfactual_scorer(
    swapper: Any,
    *,
    statistic: Statistic = "flip_rate",
    text: str | int | None = None,
    response_method: TextResponse = "auto",
    pos_label: Any = None,
    threshold: float | None = None,
    control: Control = "auto",
) -> CounterfactualScorer:
    """Make a scorer of how little a model's answers change with the group that texts name.

    It works in ``GridSearchCV``, ``cross_validate`` and wherever scikit-learn takes a scorer, by itself or
    beside others in a dict. Greater is better: the statistic is negated, and 0 is best.

    Parameters
    ----------
    swapper : TermSwapper
        Whose terms are exchanged.
    statistic : {"flip_rate", "score_gap", "excess"}, default="flip_rate"
        Minus the share of texts whose decision flips; minus the largest mean gap of scores between two
        groups, without its sign; or minus the flips beyond those of the control, where they are beyond.
    text : str or int, optional
        Which column of X holds the texts; a table of one column needs no name.
    response_method : {"auto", "predict_proba", "decision_function", "predict"}, default="auto"
        Where a classifier's scores come from.
    pos_label : label, optional
        The positive label; by default the second of the estimator's two classes.
    threshold : float, optional
        The score from which on a decision is positive; by default ``predict`` decides.
    control : {"auto", "repeat"} or callable, default="auto"
        The control, for ``statistic="excess"``.

    Returns
    -------
    CounterfactualScorer
        A callable ``scorer(estimator, X, y=None)``; it can be pickled if the swapper and the control can.

    Raises
    ------
    ValueError
        If an option is unknown, or the excess over a control is asked for without one.
    TypeError
        If the swapper is none.

    Warns
    -----
    UserWarning
        If no text can be compared: the score is NaN.

    See Also
    --------
    counterfactual_audit : The statistics with their intervals and tests.
    fairsk.scoring.make_fair_scorer : Disparities of rates between groups.
    fairsk.scoring.best_under : Chooses among the candidates of a search under a bound on a score.

    Notes
    -----
    The share of flips of a search over few texts is a noisy number: with 50 texts that name a group, its
    standard error is up to .07. The gap uses scores, and is steadier.

    An excess below 0 counts as 0. Otherwise a search would prefer models that any edit flips.

    Examples
    --------
    >>> from fairsk.text import TermSwapper, make_counterfactual_scorer
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> swapper = TermSwapper({"female": ["she", "woman"], "male": ["he", "man"]})
    >>> texts = ["She is kind.", "A woman came.", "He is loud.", "A man left."]
    >>> scorer = make_counterfactual_scorer(swapper)
    >>> scorer(make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, [1, 1, 0, 0]), texts)
    -0.5
    """
    check_swapper(swapper)
    check_choice("statistic", statistic, Statistic)
    check_choice("response_method", response_method, TextResponse)
    if statistic == "excess":
        if control is None:
            raise ValueError(
                "statistic='excess' is the flips beyond those of a control: control=None has none."
            )
        check_control(control, swapper)
    return CounterfactualScorer(swapper, statistic, text, response_method, pos_label, threshold, control)
