"""Train fair: a neural classifier under a disparity bound or penalty. The only room with torch."""

from fairsk.neural.classifier import FairClassifier
from fairsk.neural.loss import FairLoss

__all__ = ["FairClassifier", "FairLoss"]
