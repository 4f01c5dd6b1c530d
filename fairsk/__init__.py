"""fairsk: make classifiers and regressors fair inside the scikit-learn tools that people already use.

The front door: estimators and what they are told stand here, everything else in a public subpackage such as
:mod:`fairsk.metrics`. All of it is imported when it is first touched, so that ``import fairsk`` is fast and
torch is loaded for :class:`FairClassifier` and :class:`FairLoss` only.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fairsk._core.version import __version__ as __version__

if TYPE_CHECKING:
    from fairsk import (
        audit,
        calibration,
        datasets,
        metrics,
        model_selection,
        monitoring,
        neural,
        plotting,
        rates,
        reductions,
        repair,
        scoring,
        selectors,
        statistics,
        text,
        thresholds,
    )
    from fairsk._reweighting import FairResampler, Reweigher, ReweightedClassifier
    from fairsk._routing import SensitiveRouter
    from fairsk.calibration._classifier import GroupCalibratedClassifier
    from fairsk.calibration._prediction_repair import PredictionRepair
    from fairsk.calibration._repair import ScoreRepair
    from fairsk.neural._classifier import FairClassifier
    from fairsk.neural._loss import FairLoss
    from fairsk.rates import Constraint, Rate
    from fairsk.reductions._classifier import ConstrainedClassifier
    from fairsk.reductions._regressor import ConstrainedRegressor
    from fairsk.thresholds._optimizer import GroupThresholdOptimizer

__all__ = [
    # train fair
    "FairClassifier",
    "FairLoss",
    # any learner under a bound, without the attribute at prediction
    "ConstrainedClassifier",
    "ConstrainedRegressor",
    # decide and score fair
    "GroupThresholdOptimizer",
    "ScoreRepair",
    "PredictionRepair",
    "GroupCalibratedClassifier",
    # weigh fair
    "Reweigher",
    "ReweightedClassifier",
    "FairResampler",
    # say once which column is sensitive, and what should agree
    "SensitiveRouter",
    "Constraint",
    "Rate",
    # subpackages
    "audit",
    "calibration",
    "datasets",
    "metrics",
    "model_selection",
    "monitoring",
    "neural",
    "plotting",
    "rates",
    "reductions",
    "repair",
    "scoring",
    "selectors",
    "statistics",
    "text",
    "thresholds",
]

#: Where each name of the front door is defined; all other names are subpackages.
_MODULES = {
    "ConstrainedClassifier": "reductions._classifier",
    "ConstrainedRegressor": "reductions._regressor",
    "Constraint": "rates",
    "FairClassifier": "neural._classifier",
    "FairLoss": "neural._loss",
    "FairResampler": "_reweighting",
    "GroupCalibratedClassifier": "calibration._classifier",
    "GroupThresholdOptimizer": "thresholds._optimizer",
    "PredictionRepair": "calibration._prediction_repair",
    "Rate": "rates",
    "Reweigher": "_reweighting",
    "ReweightedClassifier": "_reweighting",
    "ScoreRepair": "calibration._repair",
    "SensitiveRouter": "_routing",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'fairsk' has no attribute {name!r}")
    if name not in _MODULES:
        return importlib.import_module(f"fairsk.{name}")
    value = getattr(importlib.import_module(f"fairsk.{_MODULES[name]}"), name)
    globals()[name] = value  # from now on found without this function
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
