"""Training of nets: a neural classifier under a bound on its disparity or with a penalty on it.

The estimator, :class:`fairsk.FairClassifier`, and the loss with a penalty, :class:`fairsk.FairLoss`, are
imported from ``fairsk``; :func:`register_penalty` gives a penalty of your own a name. All of it needs torch.
"""

from fairsk.neural._penalties import register_penalty

__all__ = ["register_penalty"]
