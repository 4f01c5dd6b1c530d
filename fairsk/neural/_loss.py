"""Losses: cross-entropy plus a fairness term that depends on sums over groups."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from fairsk._core.bounds import list_constraints
from fairsk.neural._comparisons import GroupComparison, compared_classes
from fairsk.neural._confusion import (
    TINY,
    BatchView,
    ConfusionTables,
    Target,
    at_least_tiny,
    check_codes,
    check_logits,
    log_probabilities,
    on_host,
    row_prices,
    row_weights,
    with_gradient_of,
)
from fairsk.neural._cost_sensitive import cost_sensitive_cross_entropy
from fairsk.neural._penalties import PenaltyLike, get_penalty
from fairsk.rates import Constraint, Rate

__all__ = ["MEMORY", "TINY", "FairLoss", "GroupLoss", "check_target"]

#: How much of the running sums a batch leaves in place: they remember some 50 batches, about an epoch of the
#: default schedule. More would be of weights that are no longer there, less leaves out small groups.
MEMORY = 0.98
#: The slopes of a penalty are computed anew once one part in three of its running sums is new, and more often
#: at first, when the sums of few batches change most: after one step in ten of those so far.
_NEW_PART, _STEPS_PART = 3, 10


def check_target(target: Any) -> Target:
    """Return a target whose classes and groups are numbers that can be looked up, else say what is expected.

    Raises
    ------
    ValueError
        If the target is no dict of ``"y"`` and ``"group"``, or these are no tensors of whole numbers.
    """
    expected = (
        "The target must be a dict of 'y', the number of each row's class, 'group', the number of its group, "
        "and, if rows have weights, 'weight'"
    )
    if not isinstance(target, Mapping):
        raise ValueError(f"{expected}; got {type(target).__name__}.")
    numbers = {}
    for name in ("y", "group"):
        if name not in target:
            raise ValueError(f"{expected}; it has no {name!r}.")
        values = target[name]
        if not isinstance(values, torch.Tensor):
            raise ValueError(f"{expected}; {name!r} is a {type(values).__name__}: make it a tensor of int64.")
        if values.is_floating_point():
            raise ValueError(f"{expected}; {name!r} holds fractions ({values.dtype}): make it int64.")
        numbers[name] = values.long()
    return {**target, **numbers}


class GroupLoss(nn.CrossEntropyLoss, ABC):
    """Cross-entropy plus a term that depends on group sums: what :class:`FairLoss` and bounded losses share.

    The type tells skorch that the module returns logits: it has no other way to learn so from a criterion,
    and without it the ``predict_proba`` of a plain net with this loss would return them as they are. The
    target is a dict all the same.

    Parameters
    ----------
    constraints : sequence of Constraint
        The constraints whose rates are measured.
    comparisons : sequence of GroupComparison
        Which groups are compared, in which class against the rest.
    n_classes : int
        How many logits there are per row.
    class_weight : tensor of shape (n_classes,), optional
        What errors on rows of each class count in the cross-entropy. The rates do not know of it.
    """

    def __init__(
        self,
        constraints: Sequence[Constraint],
        comparisons: Sequence[GroupComparison],
        n_classes: int,
        class_weight: torch.Tensor | None = None,
    ) -> None:
        super().__init__(weight=class_weight)
        self.constraints, self.comparisons, self.n_classes = tuple(constraints), tuple(comparisons), n_classes
        rates = dict.fromkeys(rate for constraint in self.constraints for rate in constraint.rates)
        self.rates: tuple[Rate, ...] = tuple(rates)
        #: How decisions are counted in all comparisons.
        self.confusion = ConfusionTables(self.comparisons, n_classes)
        #: Whether whoever makes the targets vouches for their codes: a check reads them back from a device.
        self.codes_are_known = False
        self._codes_seen = False

    @property
    def aims(self) -> tuple[Any, ...]:
        """What must agree for multipliers or running sums to be handed on to another loss of the type."""
        return self.rates, self.comparisons

    def checked(self, logits: torch.Tensor, target: Target) -> torch.Tensor:
        """Return the logits if their shape is right; not in half precision, which cannot count many rows.

        Parameters
        ----------
        logits : tensor of shape (n_samples, n_classes)
            What the module returned.
        target : mapping
            The target of the batch: tensors of shape (n_samples,).

        Returns
        -------
        tensor of shape (n_samples, n_classes)
            In single precision at least.
        """
        logits = check_logits(logits, target, self.n_classes)
        return logits.float() if logits.dtype.itemsize < torch.float32.itemsize else logits

    def task_losses(self, logs: torch.Tensor, target: Target) -> tuple[torch.Tensor, torch.Tensor]:
        """Return each row's cross-entropy and its weight.

        Parameters
        ----------
        logs : tensor of shape (n_samples, n_classes)
            Logarithms of the probabilities.
        target : mapping
            The target of the batch: tensors of shape (n_samples,).

        Returns
        -------
        tuple of two tensors of shape (n_samples,)
            Cross-entropies, and weights.
        """
        return F.nll_loss(logs, target["y"], reduction="none"), self.task_weights(target, logs)

    def task_weights(self, target: Target, like: torch.Tensor) -> torch.Tensor:
        """Return what each row counts in the task loss.

        Parameters
        ----------
        target : mapping
            The target of the batch: tensors of shape (n_samples,).
        like : tensor
            The type and device that the result should have.

        Returns
        -------
        tensor of shape (n_samples,)
            Weight of the row times that of its class.
        """
        weight = row_weights(target, like)
        return weight if self.weight is None else weight * self.weight.to(weight)[target["y"]]

    def task_shares(self, target: Target, like: torch.Tensor) -> torch.Tensor:
        """Return the part of the task loss that each row counts.

        Parameters
        ----------
        target : mapping
            The target of the batch: tensors of shape (n_samples,).
        like : tensor
            The type and device that the result should have.

        Returns
        -------
        tensor of shape (n_samples,)
            Weights that add up to one.
        """
        if self.weight is None and "weight" not in target:
            return like.new_full((len(like),), 1 / max(len(like), 1))
        weight = self.task_weights(target, like)
        return weight / weight.sum().clamp_min(TINY)

    def task_loss(self, logs: torch.Tensor, target: Target) -> torch.Tensor:
        """Return the weighted mean of the cross-entropy.

        Parameters
        ----------
        logs : tensor of shape (n_samples, n_classes)
            Logarithms of the probabilities.
        target : mapping
            The target of the batch: tensors of shape (n_samples,).

        Returns
        -------
        tensor of shape ()
            The task loss.
        """
        if self.weight is None and "weight" not in target:
            return F.nll_loss(logs, target["y"])
        return F.nll_loss(logs, target["y"], reduction="none") @ self.task_shares(target, logs)

    def views(self, logits: torch.Tensor, target: Target, probabilities: torch.Tensor) -> list[BatchView]:
        """Return the rows as each comparison sees them.

        Parameters
        ----------
        logits : tensor of shape (n_samples, n_classes)
            What the module returned.
        target : mapping
            The target of the batch: tensors of shape (n_samples,).
        probabilities : tensor of shape (n_samples, n_classes)
            The predicted probability of each class.

        Returns
        -------
        list of BatchView
            One for each comparison.
        """
        return [
            comparison.view(probabilities, logits, target, group_of_cell)
            for comparison, group_of_cell in zip(self.comparisons, self.confusion.group_of_cell, strict=True)
        ]

    def check_codes(self, target: Target) -> None:
        """Refuse a class or a group whose number the loss does not have, unless codes are known.

        Parameters
        ----------
        target : mapping
            The target of the batch: tensors of shape (n_samples,).

        Raises
        ------
        ValueError
            If a number is out of range.
        """
        if not self.codes_are_known:
            check_codes(target, self.n_classes, self.confusion.n_cells)

    def check_early(self, target: Target) -> None:
        """Check codes before they are used; on an accelerator, where a look waits, those of the first batch.

        Parameters
        ----------
        target : mapping
            The target of the batch: tensors of shape (n_samples,).
        """
        if not self._codes_seen or on_host(target["y"]):
            self.check_codes(target)
        self._codes_seen = True

    def cost_sensitive_loss(
        self,
        logits: torch.Tensor,
        value: torch.Tensor,
        probabilities: torch.Tensor,
        views: Sequence[BatchView],
        prices: Sequence[torch.Tensor],
        target: Target,
    ) -> torch.Tensor:
        """Return the loss of a value whose gradient is that of the task loss and of priced decisions.

        Parameters
        ----------
        logits : tensor of shape (n_samples, n_classes)
            What the gradient is passed on to.
        value : tensor of shape ()
            The loss.
        probabilities : tensor of shape (n_samples, n_classes)
            The predicted probability of each class.
        views : list of BatchView
            The rows as each comparison sees them.
        prices : list of tensors of shape (n_groups * 2,)
            What a positive decision costs in each slot, for every comparison.
        target : mapping
            The target of the batch.

        Returns
        -------
        tensor of shape ()
            The loss.
        """
        costs = [
            (view.class_index, row_prices(view, price)) for view, price in zip(views, prices, strict=True)
        ]
        shares = self.task_shares(target, probabilities)
        return cost_sensitive_cross_entropy(logits, value, probabilities, target["y"], shares, costs)

    @abstractmethod
    def group_sums(
        self, logits: torch.Tensor, target: Target, logs: torch.Tensor | None = None
    ) -> list[tuple[torch.Tensor, Any]]:
        """Return the sums that the fairness term follows from; without any it follows from hard cells.

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
        list of (tensor, tensor)
            For every comparison, the sums over its groups, and the total weight.
        """

    @abstractmethod
    def fairness(self, shares: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the fairness term.

        Parameters
        ----------
        shares : sequence of tensors
            For every comparison, its group sums divided by the weight.

        Returns
        -------
        tensor of shape ()
            The fairness term.
        """


class FairLoss(GroupLoss):
    r"""Cross-entropy plus a penalty on the differences between groups.

    Use it as the criterion of any skorch ``NeuralNet`` whose module returns one logit per class, with a
    dict of arrays as the target: ``"y"`` (the number of the class), ``"group"`` (integer codes) and,
    optionally, ``"weight"``. The module sees nothing of the groups.

    Parameters
    ----------
    constraint : str, Constraint or list of these, default="demographic_parity"
        The rates that should agree. Of two classes the second is the positive one; of more, each is measured
        against the rest.
    n_groups : int, default=2
        How many groups there are; codes run from 0 to ``n_groups - 1``.
    penalty_weight : float, default=1.0
        The weight :math:`\lambda` of the penalty, not negative.
    penalty : str or callable, default="squared_gap"
        What is made of the groups' rates or outcomes, see Notes; or a function of probabilities, labels
        and groups, see :func:`fairsk.neural.register_penalty`.
    memory : float, default=0.98
        How much of the running group sums each batch leaves in place, from 0 (the batch alone) to
        below 1.
    n_classes : int, default=2
        How many classes there are.
    comparisons : sequence of GroupComparison, optional
        Which groups are compared with which, if not all with each other.
    class_weight : tensor of shape (n_classes,), optional
        What errors on rows of each class count in the cross-entropy.

    Raises
    ------
    ValueError
        If a name is unknown, a number is out of range, the penalty cannot treat a rate, or the logits or the
        target are not what is expected.

    See Also
    --------
    FairClassifier : A scikit-learn classifier that trains with it, or under a bound.
    fairsk.neural.register_penalty : Names a penalty.

    Notes
    -----
    With :math:`p_i` the predicted probability of the positive class, the share of a batch :math:`B` in a
    cell of group :math:`g` is

    .. math:: b_{tp, g} = \sum_{i \in B, g_i = g} w_i p_i y_i \Big/ \sum_{i \in B} w_i

    and likewise for the other cells. Small batches hold few rows of small groups, and a penalty on their
    noise pushes the net to constant predictions. So a penalty is computed from the exponentially weighted
    sums :math:`S` of the batches so far, and the batch supplies the gradient only: the sums are
    :math:`S + (b - \mathrm{detach}(b))`, and

    .. math:: L = \mathrm{CE} + \lambda \, \mathrm{penalty}(S).

    The slopes of the penalty at :math:`S` are computed anew once :math:`S` may have changed by a third. In
    evaluation mode the sums are those of the batch, and the running ones stay as they are.

    With the rates :math:`r_g` of :math:`k` groups, their parts :math:`s_g` of the rate's denominator and
    :math:`\bar r = \sum_g s_g r_g`, a penalty is the sum over the rates, and the mean over the classes if
    there are more than two, of:

    * ``squared_gap``, :math:`\frac{2}{k (k - 1)} \sum_{g < h} (r_g - r_h)^2`: smooth, easy to weigh [1]_.
    * ``absolute_gap``, :math:`\frac{2}{k (k - 1)} \sum_{g < h} |r_g - r_h|`: pulls close to parity too, with
      a kink there [2]_.
    * ``ermi``, :math:`\sum_g s_g (r_g - \bar r)^2 / (\bar r (1 - \bar r))`, the exponential Rényi mutual
      information: bounded, does not collapse under a large weight [3]_.
    * ``mutual_information``, :math:`\sum_g s_g \mathrm{KL}(r_g \,\|\, \bar r)` of Bernoulli distributions,
      the prejudice remover [4]_.
    * ``kl_projection``, the divergence to predictions with equal rates, those whose odds are multiplied by
      one factor per group, which takes its rate to :math:`\bar r` [5]_.
    * ``hsic``, :math:`\sum_g s_g^2 \|\mu_g - \mu\|^2` with the kernel means :math:`\mu` of the outcomes, the
      Hilbert-Schmidt independence criterion [6]_.
    * ``mmd``, the mean over pairs of :math:`\|\mu_g - \mu_h\|^2`, the maximum mean discrepancy [7]_.
    * ``wasserstein``, the mean over pairs of the area between the distribution functions of outcomes [8]_.
    * ``covariance``, :math:`\sum_g \mathrm{Cov}(1_g, l)^2` with the log odds :math:`l`. For linear nets only:
      others lower it by rows that are far from any decision [9]_.

    Outcomes are what rows add to a rate: for the selection rate, the probability. ``hsic``, ``mmd`` and
    ``wasserstein`` ask that their whole distribution agrees, not only its mean. The kernel is Gaussian, .25
    wide; distributions are kept at 65 knots.

    A penalty on hard errors, such as ``abs(error_A - error_B)`` of the arg-max predictions, has no
    gradient and trains nothing; soft sums are what makes it train.

    References
    ----------
    .. [1] Han et al., FFB: A Fair Fairness Benchmark for In-Processing Group Fairness Methods, ICLR 2024.
    .. [2] Madras et al., Learning Adversarially Fair and Transferable Representations, ICML 2018.
    .. [3] Lowy et al., A Stochastic Optimization Framework for Fair Risk Minimization, TMLR 2022.
    .. [4] Kamishima et al., Fairness-aware Classifier with Prejudice Remover Regularizer, ECML-PKDD 2012.
    .. [5] Buyl, Defrance & De Bie, fairret: a Framework for Differentiable Fairness Regularization Terms,
       ICLR 2024.
    .. [6] Gretton et al., Measuring Statistical Dependence with Hilbert-Schmidt Norms, ALT 2005; Pérez-Suay
       et al., Fair Kernel Learning, ECML-PKDD 2017.
    .. [7] Gretton et al., A Kernel Two-Sample Test, JMLR 2012.
    .. [8] Jiang et al., Wasserstein Fair Classification, UAI 2019.
    .. [9] Zafar et al., Fairness Constraints: Mechanisms for Fair Classification, AISTATS 2017.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skorch import NeuralNet
    >>> from fairsk import FairLoss
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3)).astype(np.float32)
    >>> target = {"y": (X[:, 0] > 0).astype(np.int64), "group": (X[:, 1] > 0).astype(np.int64)}
    >>> net = NeuralNet(
    ...     torch.nn.Linear, module__in_features=3, module__out_features=2, verbose=0, train_split=None,
    ...     criterion=FairLoss, criterion__constraint="equal_opportunity", criterion__penalty_weight=5.0,
    ... )
    >>> net.fit(X, target).predict_proba(X).shape
    (200, 2)
    """

    def __init__(
        self,
        constraint: str | Constraint | Sequence[str | Constraint] = "demographic_parity",
        n_groups: int = 2,
        penalty_weight: float = 1.0,
        penalty: PenaltyLike = "squared_gap",
        memory: float = MEMORY,
        n_classes: int = 2,
        comparisons: Sequence[GroupComparison] | None = None,
        class_weight: torch.Tensor | None = None,
    ) -> None:
        if n_groups < 1:
            raise ValueError(f"n_groups must be at least 1, got {n_groups!r}.")
        if comparisons is None:
            classes = compared_classes(np.arange(n_classes))
            comparisons = GroupComparison.all_groups(n_groups, classes)
        super().__init__(list_constraints(constraint), comparisons, n_classes, class_weight)
        if not 0 <= memory < 1:
            raise ValueError(f"memory must be at least 0 and below 1, got {memory!r}.")
        if not penalty_weight >= 0:
            raise ValueError(f"penalty_weight must not be negative, got {penalty_weight!r}.")
        self.penalty_weight, self.memory = penalty_weight, memory
        self.penalty = get_penalty(penalty)
        self.penalty.check(self.rates)
        # Sums, not averages: their ratio needs no bias correction, and weighs batches by their weight.
        for i, comparison in enumerate(self.comparisons):
            shape = self.penalty.shape(len(self.rates), comparison.n_groups)
            self.register_buffer(f"running_sums_{i}", torch.zeros(shape))
            self.register_buffer(f"running_weight_{i}", torch.zeros(()))
        self._slopes = [_PenaltySlopes() for _ in self.comparisons]

    def group_sums(
        self, logits: torch.Tensor, target: Target, logs: torch.Tensor | None = None
    ) -> list[tuple[torch.Tensor, Any]]:
        """Return the group sums that the penalty follows from.

        Parameters
        ----------
        logits : tensor of shape (n_samples, n_classes)
            What the module returned.
        target : mapping
            The target of the batch: tensors of shape (n_samples,).
        logs : tensor of shape (n_samples, n_classes), optional
            Logarithms of the probabilities, if they have been computed.

        Returns
        -------
        list of (tensor, tensor)
            For every comparison, the sums over its groups, and the total weight.
        """
        logits = self.checked(logits, target)
        self.check_early(target)
        logs = log_probabilities(logits) if logs is None else logs
        views = self.views(logits, target, logs.exp())
        return [(self._sums(i, view), view.total_weight) for i, view in enumerate(views)]

    def fairness(self, shares: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the weighted penalty.

        Parameters
        ----------
        shares : sequence of tensors
            For every comparison, its group sums divided by the weight.

        Returns
        -------
        tensor of shape ()
            The fairness term.
        """
        values = [self.penalty.value(table, self.rates) for table in shares]
        total = sum(values[1:], start=values[0])
        return self.penalty_weight / len(values) * total

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
            Task loss plus weighted penalty.
        """
        target = check_target(target)
        logits = self.checked(logits, target)
        if not self.penalty_weight:
            return self.task_loss(log_probabilities(logits), target)
        if self.training and self.penalty.has_prices:
            if not on_host(logits):  # where a wrong index is an error that the process does not recover from
                self.check_early(target)
            try:
                return self._cost_sensitive(logits, target)
            except (IndexError, RuntimeError):  # checked afterwards, since it takes time in every step
                self.check_codes(target)
                raise
        logs = log_probabilities(logits)
        if not self.training:
            pairs = self.group_sums(logits, target, logs)
            penalty = self.fairness([sums / at_least_tiny(weight) for sums, weight in pairs])
            return self.task_loss(logs, target) + penalty
        self.check_early(target)
        task, terms = self.task_loss(logs, target), []
        for i, view in enumerate(self.views(logits, target, logs.exp())):
            sums, weight = self._sums(i, view), view.total_weight
            value, slopes = self._update_sums(i, sums.detach(), weight)
            terms.append(with_gradient_of((slopes * sums).sum() / at_least_tiny(weight), value))
        return task + self.penalty_weight / len(terms) * sum(terms[1:], start=terms[0])

    def _cost_sensitive(self, logits: torch.Tensor, target: Target) -> torch.Tensor:
        """Return the same for a penalty on slots, whose slopes are the prices of their rows' decisions."""
        logs = log_probabilities(logits.detach())
        probabilities = logs.exp()
        views = self.views(logits.detach(), target, probabilities)
        factor = self.penalty_weight / len(views)
        loss, prices = self.task_loss(logs, target), []
        for i, view in enumerate(views):
            value, slopes = self._update_sums(i, self._sums(i, view), view.total_weight)
            loss = loss.add(value, alpha=factor)
            of_positive, _ = slopes  # the second are those of the weights, whatever is decided
            prices.append(of_positive.to(logs) * (factor / at_least_tiny(view.total_weight)))
        return self.cost_sensitive_loss(logits, loss, probabilities, views, prices, target)

    def _sums(self, i: int, view: BatchView) -> torch.Tensor:
        return self.penalty.sums(view, self.rates, self.comparisons[i].n_groups)

    def _update_sums(self, i: int, sums: torch.Tensor, weight: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Add to the running group sums, and return the value and the slopes of their penalty.

        These are computed anew once the sums may have changed by a third.
        """
        latest = self._slopes[i]
        running, total = getattr(self, f"running_sums_{i}"), getattr(self, f"running_weight_{i}")
        torch.add(sums, running, alpha=self.memory, out=running)
        total.mul_(self.memory).add_(weight)
        interval = max(1, min(round(1 / (_NEW_PART * (1 - self.memory))), latest.steps // _STEPS_PART))
        if latest.steps % interval == 0 or latest.slopes.device != running.device:
            with torch.enable_grad():
                shares = (running / total.clamp_min(TINY)).requires_grad_()
                value = self.penalty.value(shares, self.rates)
                slopes = torch.autograd.grad(value, shares)[0] if value.requires_grad else 0 * running
            latest.value, latest.slopes = value.detach(), slopes
        latest.steps += 1
        return latest.value, latest.slopes


@dataclass
class _PenaltySlopes:
    """The latest value and slopes of the penalty of one comparison."""

    value: torch.Tensor = field(default_factory=lambda: torch.zeros(()))
    slopes: torch.Tensor = field(default_factory=lambda: torch.zeros(()))
    steps: int = 0
