r"""Bounds held in training: an augmented Lagrangian with hard values and soft gradients.

A bound asks that a rate lies, for all groups, in a window of a given width: the rate itself for
``max_difference``, its logarithm for ``min_ratio``. How far a group is outside is counted on hard
predictions, so it is the disparity that will be reported, not a soft stand-in for it. The direction in which
to move comes from the soft rates of the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fairsk._core.bounds import Bound, BoundedConstraint, bounded_constraints
from fairsk._core.warnings import warn_user
from fairsk.neural._comparisons import GroupComparison, compared_classes
from fairsk.neural._confusion import TINY, Target, log_probabilities, on_host, predicted_class
from fairsk.neural._controller import Controller, ControllerState, RateTable, follow, window_width
from fairsk.neural._cost_sensitive import cost_sensitive_cross_entropy
from fairsk.neural._loss import GroupLoss, check_target
from fairsk.rates import CELLS, Constraint, Rate

__all__ = ["BoundedLoss", "stack_tables"]


class BoundedLoss(GroupLoss):
    r"""Cross-entropy under bounds on the differences between groups, for a loop of your own.

    Call it as any criterion, and :meth:`update` after every step (or every few), with decisions about the
    rows that the bound is for: those of the batch, or rows held out. How far the groups' rates differ is
    counted on these decisions, and the loss changes so that the difference falls. Until the first update it
    is the cross-entropy, and warns if that does not come. :class:`FairClassifier` does all of this by itself.

    Parameters
    ----------
    constraint : str, Constraint or list of these, default="demographic_parity"
        The rates that are bounded. Of two classes the second is the positive one; of more, each is measured
        against the rest.
    n_groups : int, default=2
        How many groups there are; codes run from 0 to ``n_groups - 1``.
    max_difference : float or list, optional
        The largest difference of a rate between two groups; a list has one for each constraint, None where
        ``min_ratio`` has it. With neither, .05.
    min_ratio : float or list, optional
        The least ratio of a rate between two groups.
    n_updates : int, optional
        How many calls of :meth:`update` the whole training makes: forces grow, and decisions are forgotten,
        at that pace. Needed by :meth:`update` only.
    n_classes : int, default=2
        How many classes there are.
    comparisons : sequence of GroupComparison, optional
        Which groups are compared with which, if not all with each other.
    class_weight : tensor of shape (n_classes,), optional
        What errors on rows of each class count in the cross-entropy. The rates do not know of it.
    controller : Controller, optional
        Settings of the update.

    Attributes
    ----------
    multipliers : tensor of shape (2, n_comparisons, n_rates, n_groups)
        How hard rates are pushed, down and up, by violations that have lasted.
    forces : tensor of shape (n_comparisons, n_rates, n_groups)
        How hard each group's rate is pushed down in all.

    Raises
    ------
    ValueError
        If a name is unknown, a number is out of range, or the logits or the target are not what is expected.

    See Also
    --------
    FairClassifier : A scikit-learn classifier that trains with it.
    FairLoss : A penalty with a fixed weight instead of a bound.

    Notes
    -----
    For every rate :math:`r` and group :math:`g`, with the hard rates :math:`h_g`, the window's width
    :math:`\epsilon` and its centre :math:`c`, there are two violations
    :math:`v^\pm_g = \pm(h_g - c) - \epsilon / 2` and two multipliers :math:`\mu^\pm_g`. The loss is an
    augmented Lagrangian [1]_,

    .. math:: L = \mathrm{CE} + \sum_g (f^+_g - f^-_g) \, r_g, \qquad
              f^\pm_g = \max(0, \mu^\pm_g + \rho \, s \, k_g v^\pm_g / \sigma^2)

    where :math:`r_g` has the value of the hard rate and the gradient of the batch's soft rate [2]_.
    What a force moves is the share of rows near the decision: it goes with the variance :math:`\sigma^2` of
    what a row counts in the rate, :math:`h (1 - h)` of a share. The stiffness :math:`k_g` of a group is small
    where a small force moves the rate far: for small groups, and for rates such as precision that a few
    decisions change; with equal forces such groups swing from one side of the window to the other. How the
    net answers is seen from what it does: the scale :math:`s` of a rate's forces shrinks where its violations
    turn over, and grows as long as one lasts; so do the multipliers. The centre is the one at which the
    forces cancel, :math:`\sum_g f^+_g = \sum_g f^-_g`, as they do at the optimum.

    ================= ====================================================================
    formula           code
    ================= ====================================================================
    :math:`h`         ``values``
    :math:`c`         ``centre``
    :math:`\epsilon`  ``2 * half_width``
    :math:`v^\pm`     ``violation``: above the window, below it
    :math:`\mu^\pm`   ``multipliers``, likewise
    :math:`f^+ - f^-` ``forces``
    :math:`k`         ``stiffness``
    :math:`\sigma^2`  ``variance``
    :math:`s`         ``step_scale``
    :math:`\rho`      ``gain`` of the controller
    ================= ====================================================================

    Between two updates the forces stand still, and come down to a price on the positive decision of each
    row, one per group and label. No update waits for an accelerator, and ``state_dict`` has all that the next
    one needs.

    References
    ----------
    .. [1] Nocedal & Wright, Numerical Optimization, 2006, chapter 17.
    .. [2] Cotter et al., Training Well-Generalizing Classifiers for Fairness Metrics and Other
       Data-Dependent Constraints, ICML 2019 ("proxy Lagrangian").

    Examples
    --------
    >>> import torch
    >>> from fairsk.neural import BoundedLoss
    >>> generator = torch.Generator().manual_seed(0)
    >>> X = torch.randn(600, 3, generator=generator)
    >>> target = {"y": (X[:, 0] + X[:, 1] > 0).long(), "group": (X[:, 0] + X[:, 2] > 0).long()}
    >>> net, criterion = torch.nn.Linear(3, 2), BoundedLoss(max_difference=0.1, n_updates=300)
    >>> optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    >>> for _ in range(300):
    ...     logits = net(X)
    ...     criterion(logits, target).backward()
    ...     optimizer.step()
    ...     optimizer.zero_grad()
    ...     criterion.update(logits, target)
    >>> selected, group = net(X).argmax(1).float(), target["group"]
    >>> bool((selected[group == 1].mean() - selected[group == 0].mean()).abs() <= 0.11)
    True
    """

    multipliers: torch.Tensor
    step_scale: torch.Tensor
    outside: torch.Tensor
    distances: torch.Tensor
    forces: torch.Tensor
    prices: torch.Tensor
    offset: torch.Tensor
    counts: torch.Tensor

    def __init__(
        self,
        constraint: str | Constraint | Sequence[str | Constraint] = "demographic_parity",
        n_groups: int = 2,
        *,
        max_difference: float | Sequence[float | None] | None = None,
        min_ratio: float | Sequence[float | None] | None = None,
        n_updates: int | None = None,
        n_classes: int = 2,
        comparisons: Sequence[GroupComparison] | None = None,
        class_weight: torch.Tensor | None = None,
        controller: Controller | None = None,
    ) -> None:
        if n_groups < 1:
            raise ValueError(f"n_groups must be at least 1, got {n_groups!r}.")
        if n_updates is not None and n_updates < 1:
            raise ValueError(f"n_updates must be at least 1, got {n_updates!r}.")
        if comparisons is None:
            comparisons = GroupComparison.all_groups(n_groups, compared_classes(np.arange(n_classes)))
        bounds = bounded_constraints(constraint, max_difference, min_ratio)
        super().__init__([bounded.constraint for bounded in bounds], comparisons, n_classes, class_weight)
        self.n_updates = n_updates
        self.controller = Controller() if controller is None else controller
        #: Whether decisions are about rows that are held out, whose rates differ by chance.
        self.is_held_out = False
        #: Where errors on a class count more, it takes more to turn the decisions about its rows.
        heaviest = 1.0 if class_weight is None else max(1.0, float(class_weight.max()))
        self._max_price = self.controller.max_price * heaviest
        self.rate_bounds = _tightest(bounds)
        self._rates = RateTable(self.rate_bounds, self.controller.min_rate)
        #: How often the loss was called in training without any update.
        self._n_unheard: int | None = 0
        n, n_rates = len(self.comparisons), len(self.rate_bounds)
        n_groups = max(each.n_groups for each in self.comparisons)

        def zeros(*shape: int) -> torch.Tensor:
            return torch.zeros(shape, dtype=torch.float64)

        self.register_buffer("multipliers", zeros(2, n, n_rates, n_groups))
        #: By comparison and rate, by how much forces are larger than at first.
        self.register_buffer("step_scale", zeros(n, n_rates, 1) + 1)
        #: How far groups last were outside the window (below it, if negative).
        self.register_buffer("outside", zeros(n, n_rates, n_groups))
        #: How far rates are to stay away from the ends of their windows, for a margin.
        self.register_buffer("distances", zeros(n, n_rates, n_groups), persistent=False)
        self.register_buffer("forces", zeros(n, n_rates, n_groups))
        self.register_buffer("prices", zeros(n, 2 * n_groups))
        #: The part of the loss that no decision changes, for every comparison.
        self.register_buffer("offset", zeros(n))
        #: The decisions that update() was given, the older the less they count.
        self.register_buffer("counts", zeros(n, len(CELLS), n_groups))

    @property
    def aims(self) -> tuple[Any, ...]:
        """What must agree for multipliers to be handed on to another loss of the type."""
        return *super().aims, tuple((rate, bound.comparison) for rate, bound in self.rate_bounds)

    def group_sums(
        self, logits: torch.Tensor, target: Target, logs: torch.Tensor | None = None
    ) -> list[tuple[torch.Tensor, Any]]:
        """Return nothing: the fairness term follows from the cells of the decisions.

        Parameters
        ----------
        logits : tensor of shape (n_samples, n_classes)
            What the module returned.
        target : mapping
            The target of the batch.
        logs : tensor of shape (n_samples, n_classes), optional
            Logarithms of the probabilities, if they have been computed.

        Returns
        -------
        list
            Empty.
        """
        return []

    def fairness(self, shares: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the forces' part of the loss.

        Parameters
        ----------
        shares : sequence of tensors of shape (4, n_groups)
            For every comparison, its cells divided by the weight.

        Returns
        -------
        tensor of shape ()
            The fairness term.
        """
        tables = stack_tables(shares).detach().double()
        values = self._table(tables).measure(tables).values
        return (self.forces.to(values) * values).sum()

    def forward(self, logits: torch.Tensor, target: Any) -> torch.Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        logits : tensor of shape (n_samples, n_classes)
            What the module returned.
        target : mapping
            ``"y"``, ``"group"`` and, optionally, ``"weight"``, tensors of shape (n_samples,).

        Returns
        -------
        tensor of shape ()
            Task loss plus what the decisions cost.
        """
        target = check_target(target)
        logits = self.checked(logits, target)
        if not on_host(logits):  # where a wrong index is an error that the process does not recover from
            self.check_early(target)
        if self._n_unheard is not None and self.training:
            self._warn_unheard(self._n_unheard + 1)
        try:
            return self._priced(logits, target)
        except (IndexError, RuntimeError):  # checked afterwards, since it takes time in every step
            self.check_codes(target)
            raise

    def _warn_unheard(self, n_calls: int) -> None:
        """Warn if the loss was called as often as updates were announced, and has heard of no decision."""
        self._n_unheard = n_calls
        if n_calls < (self.n_updates or 1):
            return
        self._n_unheard = None
        if self.n_updates is None:
            why = "it was given no n_updates, and so cannot be told of decisions"
            advice = "Give it n_updates, and call criterion.update(logits, target) as often in the training"
        else:
            why = f"it was called {n_calls} times in training, and its update() never (n_updates={n_calls})"
            advice = (
                "Call criterion.update(logits, target) after every step or every few; where that is once per "
                "epoch, at its beginning"
            )
        warn_user(f"BoundedLoss holds no bound, and is the cross-entropy: {why}. {advice}.")

    def _priced(self, logits: torch.Tensor, target: Target) -> torch.Tensor:
        logs = log_probabilities(logits.detach())
        probabilities = logs.exp()
        costs = self.confusion.row_prices(self.prices.to(logs), target)
        value = self.task_loss(logs, target) + self.offset.sum().to(logs)
        shares = self.task_shares(target, probabilities)
        return cost_sensitive_cross_entropy(logits, value, probabilities, target["y"], shares, costs)

    @torch.no_grad()
    def update(self, logits: torch.Tensor, target: Any) -> None:
        """Let the loss follow decisions about some rows: of the batch, or of rows held out.

        They are added to counts that forget, so that a batch with few rows of a group does no harm; they are
        counted as arg-max decides. Nothing waits for an accelerator.

        Parameters
        ----------
        logits : tensor of shape (n_samples, n_classes)
            What the module returned for the rows.
        target : mapping
            ``"y"``, ``"group"`` and, optionally, ``"weight"``, tensors of shape (n_samples,).

        Raises
        ------
        ValueError
            If ``n_updates`` was not given, or the logits or the target are not what is expected.
        """
        if self.n_updates is None:
            raise ValueError(
                "update() moves at a pace that depends on how many calls there will be: give n_updates to "
                "the loss, such as epochs times batches if it is called after every step."
            )
        target = check_target(target)
        logits = self.checked(logits, target).detach()
        self.check_early(target)  # an unknown class would be counted as a negative one
        # As many updates count as make the part of the training that is remembered.
        remembered = max(1.0, self.controller.memory * self.n_updates)
        try:
            older = self.counts * (1 - 1 / remembered)
            self.counts.copy_(older + self._decision_tables(logits, target))
        except (IndexError, RuntimeError):
            self.check_codes(target)
            raise
        self.update_multipliers(self.counts.double(), 1 / self.n_updates)

    def _decision_tables(self, logits: torch.Tensor, target: Target) -> torch.Tensor:
        return self.confusion.tables(self.confusion.count(target, predicted_class(logits)))

    @torch.no_grad()
    def update_multipliers(self, tables: torch.Tensor, elapsed: float) -> None:
        """Let multipliers and forces follow counts of the decisions about the rows.

        Parameters
        ----------
        tables : tensor of shape (n_comparisons, 4, n_groups)
            Hard cells, for every comparison; zeros for groups that it does not have.
        elapsed : float
            The part of the training that has passed since the last update; multipliers grow by it, so that
            they keep pace with the net whatever the number of steps.
        """
        self._n_unheard = None
        shares, weight = self._shares(tables)
        table = self._table(tables)
        rates, distances = table.measure(shares), self.distances.to(tables)
        before = ControllerState(*(each.to(tables) for each in self._state))
        max_price = self._max_price * shares.sum((1, 2))[:, None, None]  # of a stratum, that of its rows
        after, forces = follow(
            rates,
            table.widths,
            before,
            self.controller,
            elapsed,
            distances,
            max_price,
            weight if self.is_held_out else None,
        )
        for buffer, value in zip(self._state, after, strict=True):
            buffer.copy_(value)
        self.forces.copy_(forces)
        self.prices.copy_((forces[:, :, None] * rates.slopes).sum(1).transpose(1, 2).flatten(1))
        self.offset.copy_((forces * rates.values).sum((1, 2)))

    @property
    def _state(self) -> ControllerState:
        return ControllerState(self.multipliers, self.step_scale, self.outside)

    @torch.no_grad()
    def excess(self, tables: torch.Tensor) -> float:
        """Return by how much rates pass the window that they pass most, with the distances they are to keep.

        Parameters
        ----------
        tables : tensor of shape (n_comparisons, 4, n_groups)
            Hard cells, for every comparison.

        Returns
        -------
        float
            Negative where all rates are within their windows.
        """
        table = self._table(tables)
        values, _, measured, *_ = table.measure(self._shares(tables)[0])
        distances = self.distances.to(values)
        highest = (values + distances).where(measured, -math.inf).amax(-1, keepdim=True)
        lowest = (values - distances).where(measured, math.inf).amin(-1, keepdim=True)
        beyond = (highest - lowest - table.widths).flatten().tolist()
        return max(beyond, default=-math.inf)  # there may be no rate: a ratio of 0 asks for nothing

    def _table(self, like: torch.Tensor) -> RateTable:
        self._rates = self._rates.to(like)
        return self._rates

    def _shares(self, tables: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return tables as shares of the rows in all strata, and the weight of these."""
        weight = self._over_strata(tables.sum((1, 2)))[:, None, None]
        return tables / weight.clamp_min(TINY), weight

    def _over_strata(self, weights: torch.Tensor) -> torch.Tensor:
        """Return, for every comparison, the weight of the rows in all of its strata."""
        family = self.confusion.family
        return torch.zeros_like(weights).index_add_(0, family, weights).index_select(0, family)


def stack_tables(tables: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return tables of cells of shape (4, n_groups) as one tensor, with zeros for groups that one lacks."""
    n_groups = max(table.shape[-1] for table in tables)
    return torch.stack([torch.nn.functional.pad(table, (0, n_groups - table.shape[-1])) for table in tables])


def _tightest(bounds: Sequence[BoundedConstraint]) -> tuple[tuple[Rate, Bound], ...]:
    """Return every rate with its bound, the tightest of either kind."""
    tightest: dict[tuple[Rate, str], Bound] = {}
    for bounded in bounds:
        for rate in bounded.constraint.rates:
            key = rate, bounded.bound.comparison
            tightest[key] = min(
                tightest.get(key, bounded.bound), bounded.bound, key=lambda bound: window_width(bound)
            )
    return tuple((rate, bound) for (rate, _), bound in tightest.items() if math.isfinite(window_width(bound)))
