"""Scores of one fold: predictions computed once, and shared by scores with groups and without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any

from numpy.typing import ArrayLike

from fairsk._core.columns import SensitiveColumns
from fairsk._sklearn.compat import BaseScorer, cached_call, score_by, scorer_parts
from fairsk.scoring._measures import Measure

__all__ = ["GroupScore", "Responses", "plain_score"]


class Responses:
    """The predictions of a fitted estimator for some rows, each kind computed once."""

    def __init__(self, estimator: Any, X: Any) -> None:
        self._estimator, self._X = estimator, X
        self._known: dict[tuple[Any, Any], Any] = {}

    def __call__(self, method: Any, pos_label: Any = None) -> Any:
        # Decisions do not depend on which label is called positive; scores of two classes do.
        key = (str(method), None if method == "predict" else pos_label)
        if key not in self._known:
            self._known[key] = cached_call(None, self._estimator, method, self._X, pos_label=pos_label)
        return self._known[key]

    def call(self, estimator: Any, method: Any, X: Any, pos_label: Any = None) -> Any:
        """Respond as scikit-learn's scorers ask for it."""
        return self(method, pos_label)


def plain_score(
    name: str,
    scorer: Callable[..., float],
    respond: Responses,
    estimator: Any,
    X: Any,
    y_true: Any,
    sample_weight: ArrayLike | None,
) -> float:
    """Return the score by a scorer that knows of no groups."""
    weights = {}
    if sample_weight is not None:
        function = scorer_parts(scorer).function if isinstance(scorer, BaseScorer) else scorer
        if "sample_weight" not in signature(function).parameters:
            raise ValueError(f"The score {name!r} takes no sample_weight, and GroupScoring was given some.")
        weights = {"sample_weight": sample_weight}
    if isinstance(scorer, BaseScorer):
        return score_by(scorer, respond.call, estimator, X, y_true, **weights)
    return float(scorer(estimator, X, y_true, **weights))


@dataclass(frozen=True)
class GroupScore:
    """A measure of predictions by groups, and which of the sensitive columns it looks at: None for all."""

    measure: Measure
    places: tuple[int, ...] | None

    def __call__(self, y_true: Any, respond: Responses, sensitive: SensitiveColumns, **options: Any) -> float:
        """Return the score of a fold."""
        if self.places is not None:
            sensitive = SensitiveColumns(
                tuple(sensitive.names[place] for place in self.places),
                tuple(sensitive.columns[place] for place in self.places),
            )
        return self.measure(y_true, respond, sensitive=sensitive, **options)
