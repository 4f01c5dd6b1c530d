"""BoundedAmounts: fold models that predict amounts together, as a fitted regressor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fairsk._core.typing import Floats
from fairsk.reductions._amounts.problem import Predictor

__all__ = ["BoundedAmounts"]


@dataclass(frozen=True)
class BoundedAmounts:
    """Models that predict together.

    Parameters
    ----------
    predictor : Predictor
        The models.
    """

    predictor: Predictor

    def predict(self, X: Any) -> Floats:
        """Return the amount of each row."""
        return np.asarray(self.predictor.predictions(X), dtype=float)
