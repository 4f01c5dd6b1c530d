"""Training of nets: a neural classifier under a bound on its disparity or with a penalty on it.

The estimator, :class:`fairsk.FairClassifier`, and the loss with a penalty, :class:`fairsk.FairLoss`, are
imported from ``fairsk``; :class:`BoundedLoss` is the loss under a bound, for a loop of your own, and
:func:`register_penalty` gives a penalty of your own a name. All of it needs torch.
"""

from fairsk.neural._bounded_loss import BoundedLoss
from fairsk.neural._penalties import register_penalty

__all__ = ["BoundedLoss", "register_penalty"]
