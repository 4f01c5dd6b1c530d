"""BoundedModel: averaged fold models and the one threshold that decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from fairsk._core.typing import Floats
from fairsk.reductions._problem import Scorer

__all__ = ["BoundedModel"]


@dataclass(frozen=True)
class BoundedModel:
    """Models that score rows together, and a threshold: rows with at least that score are positive.

    Parameters
    ----------
    scorer : Scorer
        The models.
    threshold : float
        Infinite where nobody, or everybody, is selected.
    classes_ : array of shape (2,)
        The labels.
    positive : int
        The position of the positive one.
    scale : {"probability", "log_odds", "other"}
        What scores are; of other ones no probability follows.
    """

    scorer: Scorer
    threshold: float
    classes_: NDArray[Any]
    positive: int
    scale: Literal["probability", "log_odds", "other"]

    def margins(self, X: Any) -> Floats:
        """Return how far each row's score lies above the threshold; at least 0 selects it."""
        scores = np.asarray(self.scorer.scores(X), dtype=float)
        if np.isinf(self.threshold):  # one decision for all, which keeps the order of the scores
            return expit(scores) - 2.0 if self.threshold > 0 else expit(scores) + 1.0
        return scores - self.threshold

    def decision_function(self, X: Any) -> Floats:
        """Return decision scores of the second class: the predicted one above 0."""
        margins = self.margins(X)
        return margins if self.positive == 1 else -margins

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each row."""
        return self._labels(self.margins(X) >= 0)

    def predict_proba(self, X: Any) -> Floats:
        """Return probabilities whose log odds are moved by the threshold's, so that .5 decides."""
        scores = np.asarray(self.scorer.scores(X), dtype=float)
        chances = expit(scores) if self.scale == "log_odds" else scores
        if np.isinf(self.threshold):
            moved = chances / 2 if self.threshold > 0 else (1 + chances) / 2
            return self._columns(np.minimum(moved, _BELOW_HALF) if self.threshold > 0 else moved)
        with np.errstate(divide="ignore"):
            if self.scale == "log_odds":
                moved = expit(scores - self.threshold)
            else:
                moved = expit(logit(scores) - logit(self.threshold))
        # Rounding must not carry a row across .5.
        selected = scores >= self.threshold
        return self._columns(np.where(selected, np.maximum(moved, 0.5), np.minimum(moved, _BELOW_HALF)))

    def _columns(self, positive: Floats) -> Floats:
        columns = (1 - positive, positive) if self.positive == 1 else (positive, 1 - positive)
        return np.column_stack(columns)

    def _labels(self, selected: NDArray[Any]) -> NDArray[Any]:
        return self.classes_[np.where(selected, self.positive, 1 - self.positive)]


#: The largest number below one half.
_BELOW_HALF = float(np.nextafter(0.5, 0.0))
