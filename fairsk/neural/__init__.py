"""Training fair: a neural classifier under a bound on its disparity or with a penalty on it.

The only room with torch. :class:`fairsk.FairClassifier` and :class:`fairsk.FairLoss` are at the front door.
"""

from fairsk.neural._penalties import register_penalty

__all__ = ["register_penalty"]
