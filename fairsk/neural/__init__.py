"""Train fair: a neural classifier under a disparity bound or penalty. The only room with torch."""

from fairsk.neural._classifier import FairClassifier
from fairsk.neural._loss import FairLoss
from fairsk.neural._penalties import register_penalty

__all__ = ["FairClassifier", "FairLoss", "register_penalty"]
