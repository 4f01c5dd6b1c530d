r"""Hold bounds during training: an augmented Lagrangian with exact values and soft gradients.

A bound asks that a rate lies, for all groups, in a window of a given width: the rate itself for
``max_difference``, its logarithm for ``min_ratio``. How far a group is outside is counted on hard predictions
for the training rows, so it is the disparity that will be reported, not a soft stand-in for it. The
direction in which to move comes from the soft rates of the batch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch.callbacks import Callback

from fairsk._core.bounds import Bound, BoundedConstraint
from fairsk.neural._confusion import (
    Comparison,
    Tally,
    Target,
    as_cells,
    decide,
    known_groups,
    log_probabilities,
    prices_of,
)
from fairsk.neural._data import Batches
from fairsk.neural._evaluation import Standing
from fairsk.neural._loss import TINY, GroupLoss
from fairsk.rates import Rate

__all__ = ["BoundedLoss", "HoldBound"]

Floats = NDArray[np.float64]

#: Below this a rate's logarithm would fall without end; there a ratio is held as if the rate were this.
_MIN_RATE = 1e-3
#: The window aims this much inside the bound, so that it is met and not just approached: for one rate of two
#: groups, and more with the logarithm of how many rates there are, since it is the two farthest that count.
_MARGIN = 0.02
#: How hard a violation pushes at once, and how much a multiplier grows if it lasts the whole training; in
#: units of the group's stiffness. What is known of the rows lags behind the net, and hard pushes would make
#: it swing; where all rows are one batch, every step is followed by a look at all of them, and nothing lags.
_GAINS, _GAINS_FULL = (10.0, 150.0), (25.0, 500.0)
#: In fewer epochs than this, multipliers grow less: what is known of a row is old by then.
_MANY_EPOCHS = 9
#: The part of this that a rate is pushed with: at the start, when violations are those of random weights; the
#: rate at which it grows over the training; and how it shrinks when violations turn over, lest a strong net
#: swing to and fro until all its predictions are alike.
_TRUST, _MORE_TRUST, _LESS_TRUST = 0.3, 6.0, 0.7
#: Violations are let be that are less than this part of half the window.
_SWING = 0.1
#: No multiplier passes this, in the same units: the loss would be all push, the predictions constant.
_MAX_MULTIPLIER = 20.0
#: No violation makes a positive decision cost or earn more than this at once.
_MAX_PRICE = 3.0
#: Steps between two looks at the rows, at most.
_MAX_INTERVAL = 5
#: Rows looked at within an epoch per row trained on; all are looked at once more when it ends. A look is a
#: forward pass, a quarter of a training step.
_LOOK = 1.0
#: Decisions are forgotten after this part of the training, or an epoch if that is shorter: in a training of
#: few epochs, a push must not outlast its cause.
_WINDOW = 0.05


class BoundedLoss(GroupLoss):
    r"""Cross-entropy plus the pushes of an augmented Lagrangian; :class:`HoldBound` updates them.

    For every rate :math:`r` and group :math:`g`, with the hard rates :math:`h_g` of the training rows, the
    window's width :math:`\epsilon` and its centre :math:`c`, there are two violations
    :math:`v^\pm_g = \pm(h_g - c) - \epsilon / 2` and two multipliers :math:`\mu^\pm_g`. The loss is

    .. math:: L = \mathrm{CE} + \sum_g (f^+_g - f^-_g) \, r_g, \qquad
              f^\pm_g = \max(0, \mu^\pm_g + \rho k_g v^\pm_g)

    where :math:`r_g` has the value of the hard rate and the gradient of the batch's soft rate. The stiffness
    :math:`k_g` of a group is small where a small push moves the rate far: for small groups, and for rates
    such as precision that a few decisions change. With equal pushes such groups swing from one side of the
    window to the other. It is smaller still, for all groups alike, after violations that turned over from
    one look to the next. The centre is the one at which the pushes cancel,
    :math:`\sum_g f^+_g = \sum_g f^-_g`, as they do at the optimum.

    Between two looks at the rows the pushes stand still, and come down to a price on the positive decision
    of each row, one per group and label. What a violation adds to it at once has an end: cross-entropy pulls
    a row by at most one, and far beyond that a whole group would be decided alike, whatever the labels, and
    could not come back. What lasts goes into the multipliers.

    Parameters
    ----------
    limits : sequence of BoundedConstraint
        What is to be held.
    comparisons : sequence of Comparison
        Which groups are compared, in which class against the rest.
    n_classes : int
        How many logits there are per row.
    class_weight : tensor of shape (n_classes,), optional
        What errors on rows of each class count in the cross-entropy.

    References
    ----------
    Cotter et al., Training Well-Generalizing Classifiers for Fairness Metrics and Other Data-Dependent
    Constraints, ICML 2019, for hard values with surrogate gradients ("proxy Lagrangian"); Nocedal & Wright,
    Numerical Optimization, 2006, chapter 17, for the augmented Lagrangian.
    """

    multipliers: torch.Tensor
    trust: torch.Tensor
    levels: torch.Tensor

    def __init__(
        self,
        limits: Sequence[BoundedConstraint],
        comparisons: Sequence[Comparison],
        n_classes: int,
        class_weight: torch.Tensor | None = None,
    ) -> None:
        super().__init__([limit.constraint for limit in limits], comparisons, n_classes, class_weight)
        self.limits = tuple(limits)
        self.held = _tightest(self.limits)
        shape = (2, len(self.comparisons), len(self.held), max(each.n_groups for each in self.comparisons))
        self.register_buffer("multipliers", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("trust", torch.full(shape[1:3], _TRUST, dtype=torch.float64))
        self.register_buffer("levels", torch.zeros(len(self.comparisons)))
        for i, comparison in enumerate(self.comparisons):
            self.register_buffer(f"prices_{i}", torch.zeros(2 * comparison.n_groups))
        #: By comparison and bound, how much each group's rate is pushed down.
        self.pushes_: dict[tuple[int, int], Floats] = {}
        #: By comparison and bound, how far groups last were far outside the window (below it, if negative).
        self.swings_: dict[tuple[int, int], Floats] = {}

    @property
    def aims(self) -> tuple[Any, ...]:
        """What must agree for multipliers to go on in another loss of the kind."""
        return *super().aims, tuple((rate, bound.comparison) for rate, bound in self.held)

    def group_sums(
        self, logits: torch.Tensor, target: Target, logs: torch.Tensor | None = None
    ) -> list[tuple[torch.Tensor, Any]]:
        """Return nothing: the fairness term follows from the cells of the decisions."""
        return []

    def fairness(self, shares: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the pushes' part of the loss for tables of cell shares of shape (4, n_groups)."""
        total = 0.0
        for (i, j), push in self.pushes_.items():
            rate, bound = self.held[j]
            table = shares[i].detach().cpu().double().numpy()
            known = known_groups(rate, table)
            if known.any():
                scaled, _ = _scaled(rate, bound, table[:, known])
                total += float((push[known] * scaled).sum())
        return torch.tensor(total)

    def forward(self, logits: torch.Tensor, target: Any) -> torch.Tensor:
        """Return the loss of a batch; the parameters are those of :class:`FairLoss`."""
        logits = self.checked(logits, target)
        logs = log_probabilities(logits.detach())
        decided = logs.exp()
        views = self.views(logits.detach(), target, decided)
        prices = [
            getattr(self, f"prices_{i}").to(logs) / max(rows.total, TINY) for i, rows in enumerate(views)
        ]
        value = self.task_loss(logs, target) + self.levels.sum().to(logs)
        return self.priced(logits, value, decided, views, prices, target)

    @torch.no_grad()
    def look(self, tables: Sequence[Floats], elapsed: float, gains: tuple[float, float]) -> None:
        """Take the rows' hard cells, and let the multipliers and pushes follow.

        Parameters
        ----------
        tables : sequence of arrays of shape (4, n_groups)
            Hard cells, for every comparison.
        elapsed : float
            The part of the training that has passed since the last look; multipliers grow by it, so
            that they keep pace with the net whatever the number of steps.
        gains : (float, float)
            How hard a violation pushes at once, and how much a multiplier grows if it lasts the whole
            training; in units of the group's stiffness.
        """
        push_gain, growth = gains
        multipliers = self.multipliers.cpu().numpy().copy()
        for i, table in enumerate(tables):
            shares = table / max(table.sum(), TINY)
            slopes, level = np.zeros((2, *shares.shape)), 0.0
            for j, (rate, bound) in enumerate(self.held):
                known = known_groups(rate, shares)
                if known.sum() < 2:
                    self.pushes_.pop((i, j), None)
                    continue
                values, change = _scaled(rate, bound, shares[:, known])
                before = multipliers[:, i, j, : len(known)][:, known]
                stiffness = _stiffness(change, shares[:, known])
                n_rates = known.sum() * len(self.held) * len(self.comparisons)
                half = (1 - _MARGIN * math.log2(n_rates)) * _width(bound) / 2
                trust = float(self.trust[i, j])
                trusted = trust * stiffness
                after, push, outside = _press(
                    values,
                    half,
                    before,
                    (push_gain * trusted, growth * elapsed * trusted),
                    _MAX_MULTIPLIER * stiffness,
                )
                multipliers[:, i, j, np.flatnonzero(known)] = after
                swing = np.zeros(len(known))
                swing[known] = np.where(np.abs(outside) > _SWING * half, outside, 0)
                turned = swing @ self.swings_.get((i, j), swing) < 0
                if swing.any():
                    self.swings_[i, j] = swing
                trust *= _LESS_TRUST if turned else math.exp(_MORE_TRUST * elapsed)
                self.trust[i, j] = min(trust, 1.0)
                lasting = after[0] - after[1]
                slopes[0][:, known] += lasting * change
                slopes[1][:, known] += (push - lasting) * change
                level += float(push @ values)
                self.pushes_[i, j] = np.zeros(len(known))
                self.pushes_[i, j][known] = push
            lasting, passing = (prices_of(torch.from_numpy(each)) for each in slopes)
            getattr(self, f"prices_{i}").copy_(lasting + passing.clamp(-_MAX_PRICE, _MAX_PRICE))
            self.levels[i] = level
        self.multipliers.copy_(torch.from_numpy(multipliers))


def _tightest(limits: Sequence[BoundedConstraint]) -> tuple[tuple[Rate, Bound], ...]:
    """Return every rate with its bound, the tightest of either kind."""
    found: dict[tuple[Rate, str], Bound] = {}
    for limit in limits:
        for rate in limit.constraint.rates:
            key = rate, limit.bound.comparison
            found[key] = min(found.get(key, limit.bound), limit.bound, key=_width)
    return tuple((rate, bound) for (rate, _), bound in found.items() if math.isfinite(_width(bound)))


def _width(bound: Bound) -> float:
    """Return the width of the window that the (scaled) rates of all groups must fit in."""
    if bound.comparison == "difference":
        return bound.value
    return -math.log(bound.value) if bound.value else math.inf


def _scaled(rate: Rate, bound: Bound, shares: Floats) -> tuple[Floats, Floats]:
    """Return what must fit in the window, and its change with each cell, of shape (4, n_groups)."""
    cells = as_cells(shares)
    values, slopes = rate(cells), np.stack(list(rate.slopes(cells).values()))
    if bound.comparison == "difference":
        return values, slopes
    values = np.maximum(values, _MIN_RATE)
    return np.log(values), slopes / values  # differences of logarithms are ratios


def _stiffness(slopes: Floats, shares: Floats) -> Floats:
    r"""Return how hard each group is pushed for a violation of one.

    It is :math:`1 / (\sigma_g^2 s_g^{3/2})` for a group with the share :math:`s_g` of the rows, whose rate
    changes by :math:`\sigma_g` (root mean square) per decision that changes. For a selection rate
    :math:`\sigma_g = 1 / s_g`, which leaves :math:`\sqrt{s_g}`: between a push per group and a push per row.
    """
    slope, share = as_cells(slopes), as_cells(shares)
    positive, negative = share["tp"] + share["fn"], share["fp"] + share["tn"]
    # A decision that changes moves a row from fn to tp, or from tn to fp.
    squares = positive * (slope["tp"] - slope["fn"]) ** 2 + negative * (slope["fp"] - slope["tn"]) ** 2
    # No group is stiffer than a whole population; that also settles rates that no decision changes.
    return 1 / np.maximum(squares * np.sqrt(positive + negative), 1)


def _press(
    values: Floats, half: float, multipliers: Floats, gains: tuple[Floats, Floats], most: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return the multipliers as they go on, how much each group is pushed down, and how far it is outside."""
    at_once, growth = gains
    centre = _balanced_centre(values, half, multipliers / at_once, at_once)
    violation = np.stack([values - centre - half, centre - values - half])
    multipliers = np.clip(multipliers + growth * violation, 0, most)
    upper, lower = np.maximum(multipliers + at_once * violation, 0)
    above, below = np.maximum(violation, 0)
    return multipliers, upper - lower, above - below


def _balanced_centre(values: Floats, half: float, lead: Floats, stiffness: Floats) -> float:
    """Return the centre of the window at which the pushes up and the pushes down cancel.

    A small group that lies far out then moves towards the others, rather than all others towards it.
    Each push is linear in the centre up to the point where it ends, so the balance is found exactly by
    interpolating between these points.
    """
    ends = np.sort(np.concatenate([values - half + lead[0], values + half - lead[1]]))
    outside = values - ends[:, None]
    down = np.maximum(outside - half + lead[0], 0)
    up = np.maximum(-outside - half + lead[1], 0)
    imbalance = (up - down) @ stiffness
    nothing = 1e-12 * np.abs(imbalance).max()  # where there is room, nothing pushes: the middle of that
    return float(np.interp([-nothing, nothing], imbalance, ends).mean())


class HoldBound(Callback):
    """Look at the rows every few steps, and update the prices of a :class:`BoundedLoss`.

    The latest decision for every row is kept: that of the batch it was trained in, that of the last look at
    it, or that at the end of the epoch, when all are looked at. Every few steps some rows, drawn at random,
    are looked at in between. So how the groups fare is known at any time, and looking costs less than
    training, whatever the size of the data. Rows that are held out are counted as well: the bound is for all
    rows, though these give no gradient.

    The target must have the number of each row as ``"row"``.

    Parameters
    ----------
    n_epochs : int
        The length of the whole training.

    Attributes
    ----------
    standings_ : list of Standing
        How the net does, at the end of the epoch, on the rows that it is trained on and on those held out.
    """

    standings_: list[Standing]

    def __init__(self, n_epochs: int) -> None:
        self.n_epochs = n_epochs

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Start without decisions."""
        target = {name: torch.as_tensor(values) for name, values in y.items()}
        self.tallies_ = [Tally(comparison, target) for comparison in net.criterion_.comparisons]
        self.decided_ = torch.zeros(len(y["row"]), dtype=torch.int64)
        self.when_ = torch.zeros(len(y["row"]), dtype=torch.int64)
        self.parts_: list[Batches] = []

    def on_epoch_begin(
        self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        """Plan the looks, and look at all rows before the first step."""
        if self.parts_:
            return
        self.steps_ = len(net.get_iterator(dataset_train, training=True))
        n_samples, per_step = len(dataset_train), len(dataset_train) / self.steps_
        self.interval_ = min(max(1, math.ceil(n_samples / (_LOOK * per_step))), _MAX_INTERVAL)
        size = math.ceil(_LOOK * per_step * self.interval_)
        parts = [dataset_train] if dataset_valid is None else [dataset_train, dataset_valid]
        self.parts_ = [Batches(part, batch_size=size) for part in parts]
        # In the order that rows come in, all of a group may stand together.
        slices = [(part, rows) for part in self.parts_ for rows in torch.randperm(part.n_samples).split(size)]
        self.order_: Iterator[tuple[Batches, torch.Tensor]] = itertools.cycle(slices)
        self.step_ = self.last_look_ = 0
        self._look_at_all(net)

    def _look_at_all(self, net: Any) -> None:
        self.standings_ = []
        for part in self.parts_:
            found = []
            for batch in part:
                logits = net.criterion_.checked(net.evaluation_step(batch), batch[1])
                self._note(logits, batch[1])
                found.append(Standing.of_logits(net.criterion_, logits, batch[1]))
            self.standings_.append(sum(found[1:], start=found[0]))
        self._update(net)

    def _note(self, logits: torch.Tensor, target: Target) -> None:
        rows = target["row"].cpu()
        self.decided_[rows] = decide(logits.detach()).cpu()
        self.when_[rows] = self.step_

    def _update(self, net: Any) -> None:
        elapsed = (self.step_ - self.last_look_) / (self.n_epochs * self.steps_)
        self.last_look_ = self.step_
        recent = None
        if _WINDOW * self.n_epochs < 1:
            recent = self.when_ >= self.step_ - _WINDOW * self.n_epochs * self.steps_
        tables = [tally.cells(self.decided_, recent).numpy() for tally in self.tallies_]
        net.criterion_.look(tables, elapsed, self._gains())

    def _gains(self) -> tuple[float, float]:
        if self.steps_ == 1:  # every step is followed by a look at all rows
            return _GAINS_FULL
        push, growth = _GAINS
        return push, growth * math.sqrt(min(1.0, self.n_epochs / _MANY_EPOCHS))

    def on_batch_end(
        self, net: Any, batch: Any = None, training: bool = False, y_pred: Any = None, **kwargs: Any
    ) -> None:
        """Note what was decided about the batch, and look if it is time."""
        if not training:
            return
        self.step_ += 1
        self._note(y_pred, batch[1])
        if self.step_ % self.steps_ and self.step_ % self.interval_ == 0:
            part, rows = next(self.order_)
            X, target = part.take(rows)
            self._note(net.evaluation_step((X, target)), target)
            self._update(net)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Look at all rows."""
        self._look_at_all(net)

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Let go of the rows."""
        self.parts_, self.order_, self.tallies_ = [], iter(()), []
        del self.decided_, self.when_
