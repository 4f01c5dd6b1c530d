"""fairsk: make classifiers fair inside the scikit-learn tools that people already use.

The front door. torch is imported only when :class:`FairClassifier` (or :class:`FairLoss`) is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairsk.calibration import GroupCalibratedClassifier, ScoreRepair
from fairsk.rates import Constraint, Rate
from fairsk.reweighting import FairResampler, Reweigher, ReweightedClassifier
from fairsk.routing import SensitiveRouter
from fairsk.thresholds import GroupThresholdOptimizer

if TYPE_CHECKING:
    from fairsk.neural import FairClassifier, FairLoss

__version__ = "0.1.0"

__all__ = [
    "Constraint",
    "FairClassifier",
    "FairLoss",
    "FairResampler",
    "GroupCalibratedClassifier",
    "GroupThresholdOptimizer",
    "Rate",
    "Reweigher",
    "ReweightedClassifier",
    "ScoreRepair",
    "SensitiveRouter",
]

_WITH_TORCH = ("FairClassifier", "FairLoss")


def __getattr__(name: str) -> Any:
    if name in _WITH_TORCH:
        import fairsk.neural

        return getattr(fairsk.neural, name)
    raise AttributeError(f"module 'fairsk' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
