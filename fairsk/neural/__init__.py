"""Train fair: a neural classifier under a disparity bound or penalty. The only room with torch."""

from fairsk.neural.classifier import FairClassifier
from fairsk.neural.loss import FairLoss
from fairsk.neural.penalties import register_penalty

__all__ = ["FairClassifier", "FairLoss", "register_penalty"]
