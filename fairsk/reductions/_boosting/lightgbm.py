"""LightGBM classifiers as boosters of folds."""

from __future__ import annotations

from typing import Any

__all__ = ["LightGBMBackend"]


class LightGBMBackend:
    """The boosters of a ``lightgbm.LGBMClassifier``."""

    @classmethod
    def accepts(cls, estimator: Any) -> bool:
        """Tell whether the estimator is an ``LGBMClassifier``."""
        return any(
            base.__name__ == "LGBMClassifier" and base.__module__.split(".")[0] == "lightgbm"
            for base in type(estimator).__mro__
        )
