"""Models of the folds that predict together: the mean of what each predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fairsk._core.typing import Floats
from fairsk._meta.groupwise import group_chances
from fairsk._sklearn.routing import predicted_amounts

__all__ = ["FoldGroupModels", "FoldRegressors"]


@dataclass(frozen=True)
class FoldRegressors:
    """Regressors that predict amounts together.

    Parameters
    ----------
    models : tuple of regressors
        The fitted ones, one for each fold; or a single one.
    """

    models: tuple[Any, ...]

    def predictions(self, X: Any, sensitive_features: Any = None) -> list[Floats]:
        """Return what each of them predicts; the attribute is for those that ask for it."""
        return [predicted_amounts(model, X, sensitive_features) for model in self.models]

    def predict(self, X: Any, sensitive_features: Any = None) -> Floats:
        """Return the mean of what they predict for each row."""
        return np.mean(self.predictions(X, sensitive_features), axis=0)

    @property
    def n_features_in_(self) -> int:
        """How many columns they were fitted to, if they recorded it."""
        return self.models[0].n_features_in_

    @property
    def feature_names_in_(self) -> Any:
        """The names of the columns that they were fitted to, if they recorded them."""
        return self.models[0].feature_names_in_


@dataclass(frozen=True)
class FoldGroupModels:
    """Classifiers that tell the chances of groups together.

    Parameters
    ----------
    models : tuple of classifiers
        The fitted ones, one for each fold, whose classes are positions of groups.
    n_groups : int
        How many groups there are.
    """

    models: tuple[Any, ...]
    n_groups: int

    def chances(self, X: Any) -> list[Floats]:
        """Return each one's chances of each row to belong to the groups."""
        return [group_chances(model, X, n_groups=self.n_groups) for model in self.models]

    def predict_proba(self, X: Any) -> Floats:
        """Return the mean of their chances, of shape (n_samples, n_groups)."""
        return np.mean(self.chances(X), axis=0)

    @property
    def n_features_in_(self) -> int:
        """How many columns they were fitted to, if they recorded it."""
        return self.models[0].n_features_in_
