"""Boosters whose second label is not the positive one: they learn the second, as their parameters mean it.

``monotone_constraints``, ``scale_pos_weight`` and ``base_score`` speak of the second of the two labels, in
LightGBM and in XGBoost. So boosters always learn that one; where ``pos_label`` is the first, log odds and
gradients change their sign on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from fairsk._core.typing import Floats
from fairsk.reductions._boosting.booster import FoldBooster, Model

__all__ = ["MirroredFold", "MirroredModel"]


@dataclass(frozen=True)
class MirroredFold:
    """A booster of the negative label, as one of the positive label.

    Parameters
    ----------
    booster : FoldBooster
        The booster.
    """

    booster: FoldBooster

    @property
    def train_scores(self) -> Floats:
        """The log odds of the rows it is trained on."""
        return -self.booster.train_scores

    @property
    def test_scores(self) -> Floats:
        """The log odds of the rows it does not see."""
        return -self.booster.test_scores

    def step(self, gradient: NDArray[Any], hessian: NDArray[Any]) -> None:
        """Grow one more tree; the second derivative does not change its sign."""
        self.booster.step(-gradient, hessian)

    def finish(self, n_rounds: int) -> MirroredModel:
        """Return what predicts with the trees of the first rounds."""
        return MirroredModel(self.booster.finish(n_rounds))


@dataclass(frozen=True)
class MirroredModel:
    """A model of the negative label, as one of the positive label.

    Parameters
    ----------
    model : Model
        The model.
    """

    model: Model

    def raw_scores(self, X: Any) -> Floats:
        """Return the log odds of each row, of shape (n_samples,)."""
        return -self.model.raw_scores(X)
