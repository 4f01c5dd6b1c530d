r"""Fairness penalties: differentiable measures of disparity, zero at parity.

A penalty is a function of *group sums*: sums over the rows of each group, from which it computes a number
that is zero where the groups agree and positive elsewhere. There are three kinds of sums:

* the confusion cells, from which the rates of the groups follow;
* the distribution of the rows' *outcomes*, what each row adds to a rate's numerator per unit of its
  denominator: for the selection rate the probability itself, for the error rate the probability to be wrong;
* the sums of the rows' log odds.

Sums of batches add up, so that a running sum stands for the rows of many batches, and a group that is
missing from one of them does no harm. Distributions are kept as histograms, in which each row is split
between the two nearest knots so that means are exact; a kernel over the knots then costs nothing per pair of
rows.
"""

from __future__ import annotations

import difflib
import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import torch
from torch.nn.functional import logsigmoid

from fairsk.neural._confusion import (
    MIN_SUPPORT,
    TINY,
    BatchView,
    as_cells,
    cells_from_slots,
    group_sums,
    measurable_groups,
    slot_sums,
)
from fairsk.rates import Rate, soft_cells

__all__ = [
    "DEFAULT_PENALTY",
    "Penalty",
    "PenaltyFunction",
    "PenaltyLike",
    "PenaltyName",
    "get_penalty",
    "register_penalty",
]

#: What users write: of the probabilities of the positive class, the labels (0 and 1) and the groups' numbers.
PenaltyFunction: TypeAlias = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
#: The penalties by name.
PenaltyName: TypeAlias = Literal[
    "squared_gap",
    "absolute_gap",
    "ermi",
    "mutual_information",
    "kl_projection",
    "hsic",
    "mmd",
    "wasserstein",
    "covariance",
]
#: What a ``penalty_weight`` weighs unless something else is named.
DEFAULT_PENALTY: PenaltyName = "squared_gap"
#: What users may pass; no type lists the names that :func:`register_penalty` adds, hence the ``str``.
PenaltyLike: TypeAlias = PenaltyName | str | PenaltyFunction

#: Probabilities closer to 0 or 1 than this count as this where a logarithm is taken.
_EDGE = 1e-6
#: Intervals between the knots of a histogram. They are finer near 0 and 1, where rare outcomes lie.
_INTERVALS = 64
#: The width of the Gaussian kernel on probabilities.
_BANDWIDTH = 0.25
#: Newton steps towards the tilt of a group; each doubles the digits, and errors count squared.
_NEWTON_STEPS = 6


class Penalty(ABC):
    """A number that follows from group sums: zero at parity, positive elsewhere.

    Parameters
    ----------
    name : str
        What the penalty is called.
    """

    #: Whether the penalty lowers the disparity of linear nets only.
    linear_only = False
    #: Whether the group sums are those of slots, so that a row's part in them is a price on its decision.
    has_prices = False

    def __init__(self, name: str) -> None:
        self.name = name

    def check(self, rates: Sequence[Rate]) -> None:  # noqa: B027 - some treat them all
        """Refuse rates that the penalty cannot treat."""

    @abstractmethod
    def shape(self, n_rates: int, n_groups: int) -> tuple[int, ...]:
        """Return the shape of the group sums."""

    @abstractmethod
    def sums(self, view: BatchView, rates: Sequence[Rate], n_groups: int) -> torch.Tensor:
        """Add up what the penalty needs to know of each group."""

    @abstractmethod
    def value(self, shares: torch.Tensor, rates: Sequence[Rate]) -> torch.Tensor:
        """Return the penalty for group sums that are divided by the total weight."""

    def __repr__(self) -> str:
        return f"<penalty {self.name}>"

    def _refuse(self, unfit: Sequence[Rate], because: str) -> None:
        if unfit:
            raise ValueError(
                f"penalty={self.name!r} cannot treat {', '.join(rate.name for rate in unfit)}: {because} "
                "Take 'squared_gap', or hold a bound with max_difference."
            )


@dataclass(frozen=True)
class _Measured:
    """Which groups have a rate: 1 or 0 for each.

    The others are not taken out: how many are left, a device would have to be waited for.
    """

    groups: torch.Tensor

    @cached_property
    def n(self) -> torch.Tensor:
        """How many have it, or 1 if none has."""
        return self.groups.sum().clamp_min(1)

    @property
    def n_pairs(self) -> torch.Tensor:
        """How many ordered pairs of them there are, or 1 if there are none."""
        return (self.n * (self.n - 1)).clamp_min(1)

    def centred(self, values: torch.Tensor) -> torch.Tensor:
        """Return how far values, by group along the first axis, are from their mean; 0 without a rate."""
        present = self.groups.view(-1, *[1] * (values.ndim - 1))
        return present * (values - (present * values).sum(0) / self.n)

    def shares(self, support: torch.Tensor) -> torch.Tensor:
        """Return each group's part of a rate's denominator; they add up to 1."""
        support = self.groups * support
        return support / support.sum().clamp_min(TINY)

    def is_comparable(self) -> torch.Tensor:
        """Return 1 if there are two groups to compare, else 0."""
        return (self.groups.sum() > 1).to(self.groups)


@dataclass(frozen=True)
class _GroupRates:
    """One rate of all groups; of those without it, any number, with a share of 0."""

    values: torch.Tensor
    support: torch.Tensor
    measured: _Measured

    @cached_property
    def shares(self) -> torch.Tensor:
        """Each group's part of the rate's denominator; they add up to 1."""
        return self.measured.shares(self.support)

    @property
    def overall(self) -> torch.Tensor:
        return (self.shares * self.values).sum()


class _OnRates(Penalty):
    """A penalty on the values of the rates."""

    has_prices = True

    def __init__(self, function: Callable[[_GroupRates], torch.Tensor], *, of_shares: bool = False) -> None:
        super().__init__(function.__name__.strip("_"))
        self.function, self.of_shares = function, of_shares

    def check(self, rates: Sequence[Rate]) -> None:
        if self.of_shares:
            self._refuse(
                [rate for rate in rates if not rate.is_share], "it must count a part of its denominator."
            )

    def shape(self, n_rates: int, n_groups: int) -> tuple[int, ...]:
        return 2, 2 * n_groups

    def sums(self, view: BatchView, rates: Sequence[Rate], n_groups: int) -> torch.Tensor:
        return slot_sums(view, n_groups)

    def value(self, shares: torch.Tensor, rates: Sequence[Rate]) -> torch.Tensor:
        total, table = shares.new_zeros(()), cells_from_slots(shares)
        for rate in rates:
            is_measured = measurable_groups(rate, table.detach())
            # In place of groups without the rate: a division by zero would leave NaN in the gradient.
            cells = as_cells(table.where(is_measured, 1.0))
            measured = _Measured(is_measured.to(shares))
            total = total + self.function(_GroupRates(rate(cells), rate.support(cells), measured))
        return total


def squared_gap(rates: _GroupRates) -> torch.Tensor:
    measured = rates.measured
    return (measured.centred(rates.values) ** 2).sum() * (2 * measured.n / measured.n_pairs)


def absolute_gap(rates: _GroupRates) -> torch.Tensor:
    values, present = rates.values, rates.measured.groups
    return ((values[:, None] - values).abs() @ present @ present) / rates.measured.n_pairs


def ermi(rates: _GroupRates) -> torch.Tensor:
    overall = rates.overall
    spread = (overall * (1 - overall)).clamp_min(_EDGE)
    return (rates.shares * (rates.values - overall) ** 2).sum() / spread


def mutual_information(rates: _GroupRates) -> torch.Tensor:
    values = rates.values.clamp(_EDGE, 1 - _EDGE)
    overall = (rates.shares * values).sum().clamp(_EDGE, 1 - _EDGE)
    return (rates.shares * _bernoulli_divergence(values, overall)).sum()


def _bernoulli_divergence(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Return the Kullback-Leibler divergence of Bernoulli distributions with the means p and q."""
    return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()


@dataclass(frozen=True)
class _Distributions:
    """How the outcomes are distributed in all groups; in those without the rate anyhow, with a share of 0.

    ``heights`` has the shape (n_groups, n_knots), each row adding up to 1; ``knots`` lie from 0 to 1.
    """

    heights: torch.Tensor
    shares: torch.Tensor
    knots: torch.Tensor
    measured: _Measured

    @property
    def pooled(self) -> torch.Tensor:
        return self.shares @ self.heights


class _OnDistributions(Penalty):
    """A penalty on the distributions of the outcomes."""

    def __init__(
        self, function: Callable[[_Distributions], torch.Tensor], *, needs_fixed: bool = False
    ) -> None:
        super().__init__(function.__name__.strip("_"))
        self.function, self.needs_fixed = function, needs_fixed

    def check(self, rates: Sequence[Rate]) -> None:
        self._refuse(
            [rate for rate in rates if not rate.is_share], "it must count a part of its denominator."
        )
        if self.needs_fixed:
            unfit = [rate for rate in rates if not rate.has_fixed_denominator]
            self._refuse(unfit, "its denominator depends on the predictions.")

    def shape(self, n_rates: int, n_groups: int) -> tuple[int, ...]:
        return n_rates, _INTERVALS + 1, n_groups

    def sums(self, view: BatchView, rates: Sequence[Rate], n_groups: int) -> torch.Tensor:
        knots = _knots(view.probability)
        cells = soft_cells(view.probability, view.label)
        tables = []
        for rate in rates:
            support = rate.support(cells)
            outcome = rate.part(cells) / (support + (support == 0))
            left = (torch.bucketize(outcome.detach(), knots, right=True) - 1).clamp(0, _INTERVALS - 1)
            fraction = (outcome - knots[left]) / (knots[left + 1] - knots[left])
            weight = support * view.weight
            slot = view.group * (_INTERVALS + 1) + left
            n_slots = n_groups * (_INTERVALS + 1)
            table = group_sums(slot, weight * (1 - fraction), n_slots)
            table = table + group_sums(slot + 1, weight * fraction, n_slots)
            tables.append(table.view(n_groups, _INTERVALS + 1).T)
        return torch.stack(tables)

    def value(self, shares: torch.Tensor, rates: Sequence[Rate]) -> torch.Tensor:
        total, knots = shares.new_zeros(()), _knots(shares)
        for table in shares.mT:
            support = table.sum(1)
            is_measured = support.detach() > MIN_SUPPORT * support.detach().sum()
            measured = _Measured(is_measured.to(shares))
            # In place of groups without the rate, any distribution.
            heights = table.where(is_measured[:, None], 1.0)
            heights = heights / heights.sum(1, keepdim=True)
            of = _Distributions(heights, measured.shares(support), knots, measured)
            total = total + measured.is_comparable() * self.function(of)
        return total


def _knots(like: torch.Tensor) -> torch.Tensor:
    return (torch.linspace(0, math.pi / 2, _INTERVALS + 1, dtype=like.dtype, device=like.device).sin()) ** 2


def _squared_distances(differences: torch.Tensor, knots: torch.Tensor) -> torch.Tensor:
    """Return the squared norm of differences of distributions in the space of a Gaussian kernel."""
    kernel = (-((knots[:, None] - knots) ** 2) / (2 * _BANDWIDTH**2)).exp()
    return ((differences @ kernel) * differences).sum(1)


def hsic(of: _Distributions) -> torch.Tensor:
    return (of.shares**2 * _squared_distances(of.heights - of.pooled, of.knots)).sum()


def mmd(of: _Distributions) -> torch.Tensor:
    distances = _squared_distances(of.measured.centred(of.heights), of.knots)
    return 2 * of.measured.n / of.measured.n_pairs * distances.sum()


def wasserstein(of: _Distributions) -> torch.Tensor:
    cumulated = of.heights.cumsum(1)[:, :-1]
    gaps = (cumulated[:, None] - cumulated).abs() @ of.knots.diff()
    return gaps @ of.measured.groups @ of.measured.groups / of.measured.n_pairs


def kl_projection(of: _Distributions) -> torch.Tensor:
    logits, target = of.knots.logit(_EDGE), of.pooled @ of.knots
    tilt = _tilts(of.heights.detach(), logits, target.detach())
    tilted = logits + tilt[:, None]
    divergence = _odds_divergence(tilted, logits) + _odds_divergence(-tilted, -logits)
    # The second part is zero: it is the constraint times its multiplier, which has the rest of the gradient.
    missed = (of.heights * tilted.sigmoid()).sum(1) - target
    return (of.shares * ((of.heights * divergence).sum(1) - tilt * missed)).sum()


def _odds_divergence(tilted: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Return one outcome's part in the divergence of Bernoulli distributions, whose means may round to 1."""
    return tilted.sigmoid() * (logsigmoid(tilted) - logsigmoid(logits))


@torch.no_grad()
def _tilts(heights: torch.Tensor, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return what to add to all logits of each group so that its mean is the target."""
    aim = target.logit(_EDGE)
    tilt = aim - (heights * logits.sigmoid()).sum(1).logit(_EDGE)
    for _ in range(_NEWTON_STEPS):
        tilted = (logits + tilt[:, None]).sigmoid()
        mean = (heights * tilted).sum(1).clamp(_EDGE, 1 - _EDGE)
        slope = (heights * tilted * (1 - tilted)).sum(1) / (mean * (1 - mean))
        tilt = tilt + ((aim - mean.logit()) / slope.clamp_min(0.05)).clamp(-4, 4)
    return tilt


class _Covariance(Penalty):
    """The squared covariance of membership in each group and the log odds, summed over the groups."""

    linear_only = True

    def check(self, rates: Sequence[Rate]) -> None:
        unfit = [rate for rate in rates if not rate.has_fixed_denominator]
        self._refuse(unfit, "its denominator depends on the predictions.")

    def shape(self, n_rates: int, n_groups: int) -> tuple[int, ...]:
        return n_rates, 2, n_groups

    def sums(self, view: BatchView, rates: Sequence[Rate], n_groups: int) -> torch.Tensor:
        if_not, if_so = (soft_cells(torch.full_like(view.probability, x), view.label) for x in (0, 1))
        tables = []
        for rate in rates:
            # Log odds count as much as the decision moves the rate, and with the sign of that.
            moved = view.weight * (rate.part(if_so) - rate.part(if_not))
            weight = view.weight * rate.support(if_so)
            columns = (weight, moved * view.log_odds)
            tables.append(torch.stack([group_sums(view.group, column, n_groups) for column in columns]))
        return torch.stack(tables)

    def value(self, shares: torch.Tensor, rates: Sequence[Rate]) -> torch.Tensor:
        total = shares.new_zeros(())
        for support, log_odds in shares:
            overall = support.sum().clamp_min(_EDGE)
            total = total + (((log_odds - support * log_odds.sum() / overall) / overall) ** 2).sum()
        return total


class _OfBatch(Penalty):
    """A user's function of the rows of a batch; its running value is the mean over the batches."""

    def __init__(self, function: PenaltyFunction) -> None:
        super().__init__(getattr(function, "__name__", type(function).__name__))
        self.function = function
        try:
            self.takes_weights = "sample_weight" in inspect.signature(function).parameters
        except (TypeError, ValueError):  # written in C
            self.takes_weights = False

    def shape(self, n_rates: int, n_groups: int) -> tuple[int, ...]:
        return ()

    def sums(self, view: BatchView, rates: Sequence[Rate], n_groups: int) -> torch.Tensor:
        view = view.without_weightless()  # a function of the user's knows nothing of rows that take no part
        if not len(view.group):
            return view.probability.sum()
        weights = {"sample_weight": view.weight} if self.takes_weights else {}
        value = self.function(view.probability, view.label, view.group, **weights)
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            found = f"of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else repr(value)
            raise ValueError(
                f"The penalty {self.name} must return a tensor with one number, computed from the "
                f"probabilities; it returned {'one ' if isinstance(value, torch.Tensor) else ''}{found}."
            )
        if view.probability.requires_grad and not value.requires_grad and value != 0:
            raise ValueError(
                f"The penalty {self.name} returned a number without a gradient, so there is nothing to train "
                "by: compute it from the probabilities, not from decisions, and with torch all the way."
            )
        return value.reshape(()) * view.total_weight

    def value(self, shares: torch.Tensor, rates: Sequence[Rate]) -> torch.Tensor:
        return shares


_PENALTIES: dict[str, Penalty] = {
    penalty.name: penalty
    for penalty in (
        _OnRates(squared_gap),
        _OnRates(absolute_gap),
        _OnRates(ermi, of_shares=True),
        _OnRates(mutual_information, of_shares=True),
        _OnDistributions(kl_projection, needs_fixed=True),
        _OnDistributions(hsic),
        _OnDistributions(mmd),
        _OnDistributions(wasserstein),
        _Covariance("covariance"),
    )
}


def register_penalty(name: str, function: PenaltyFunction) -> None:
    """Give a function a name that ``penalty=`` understands.

    The name is known in this process only; where others are started, for a search with ``n_jobs``, give the
    function itself as ``penalty=``.

    Parameters
    ----------
    name : str
        The name; not one that is taken already.
    function : callable
        ``function(probabilities, labels, groups)`` with tensors of shape (n_samples,): the probability of the
        positive class (of more than two classes, of each in turn), whether the row is of that class (0 or
        1), and the group's number. It returns a tensor with one number, zero at parity. It sees one batch,
        in which groups may be missing. If it has a parameter ``sample_weight``, it gets the rows' weights.

    Raises
    ------
    ValueError
        If the name is taken.
    TypeError
        If the function is not callable.

    See Also
    --------
    fairsk.FairClassifier : Trains with it.
    fairsk.FairLoss : The loss that it becomes a part of; lists the built-in penalties.

    Examples
    --------
    >>> from fairsk.neural import register_penalty
    >>> def largest_mean(probabilities, labels, groups):
    ...     means = [probabilities[groups == g].mean() for g in groups.unique()]
    ...     return max(means) - min(means)
    >>> register_penalty("largest_mean", largest_mean)
    """
    if not callable(function):
        raise TypeError(f"A penalty is a function of probabilities, labels and groups; got {function!r}.")
    taken = _PENALTIES.get(name)
    if taken is not None and getattr(taken, "function", None) is not function:
        raise ValueError(f"There is a penalty {name!r} already; choose another name.")
    _PENALTIES[name] = _OfBatch(function)


def get_penalty(penalty: PenaltyLike) -> Penalty:
    """Look up a penalty by name, or make one of a function of probabilities, labels and groups."""
    if isinstance(penalty, str):
        if penalty not in _PENALTIES:
            close = difflib.get_close_matches(penalty, _PENALTIES, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"Unknown penalty {penalty!r}.{hint} There are: {', '.join(_PENALTIES)}.")
        return _PENALTIES[penalty]
    if not callable(penalty):
        raise TypeError(f"penalty must be a name or a function, got {penalty!r}.")
    return _OfBatch(penalty)
