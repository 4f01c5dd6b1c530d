"""How far group rates are from agreeing, as one number that a net can be trained to make small.

A penalty receives the rates of a constraint, one tensor of group values each (groups that cannot be
measured are left out), and returns a scalar: zero where all groups agree, positive elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch

__all__ = ["PENALTIES", "Penalty", "absolute_gap", "squared_gap"]

Penalty: TypeAlias = Callable[[Sequence[torch.Tensor]], torch.Tensor]


def squared_gap(rates: Sequence[torch.Tensor]) -> torch.Tensor:
    r"""Return the mean over pairs of groups of the squared difference, summed over the rates.

    .. math:: \frac{2}{k (k - 1)} \sum_{g < h} (r_g - r_h)^2 = \frac{2}{k - 1} \sum_g (r_g - \bar r)^2

    For two groups it is the squared gap. It is smooth and grows steadily with the disparity, so a weight
    for it is easy to choose.

    Parameters
    ----------
    rates : sequence of tensors of shape (n_groups,)
        The group values of each rate.

    Returns
    -------
    tensor of shape ()
        The penalty.

    References
    ----------
    Kamishima et al., Fairness-aware Classifier with Prejudice Remover Regularizer, ECML-PKDD 2012, for
    penalties on soft rates; Han et al., FFB, ICLR 2024, for gaps.

    Examples
    --------
    >>> import torch
    >>> from fairsk.neural.penalties import squared_gap
    >>> round(float(squared_gap([torch.tensor([0.5, 0.3])])), 4)
    0.04
    """
    return sum(
        (
            2 / max(len(values) - 1, 1) * ((values - values.mean()) ** 2).sum()
            for values in rates
            if len(values)
        ),
        start=torch.zeros(()),
    )


def absolute_gap(rates: Sequence[torch.Tensor]) -> torch.Tensor:
    r"""Return the mean over pairs of groups of the absolute difference, summed over the rates.

    .. math:: \frac{2}{k (k - 1)} \sum_{g < h} |r_g - r_h|

    It keeps its pull close to parity, where the squared gap fades, at the price of a kink there.

    Parameters
    ----------
    rates : sequence of tensors of shape (n_groups,)
        The group values of each rate.

    Returns
    -------
    tensor of shape ()
        The penalty.

    References
    ----------
    Madras et al., Learning Adversarially Fair and Transferable Representations, ICML 2018.

    Examples
    --------
    >>> import torch
    >>> from fairsk.neural.penalties import absolute_gap
    >>> round(float(absolute_gap([torch.tensor([0.5, 0.3])])), 4)
    0.2
    """
    return sum(
        (
            (values[:, None] - values[None, :]).abs().sum() / max(len(values) * (len(values) - 1), 1)
            for values in rates
        ),
        start=torch.zeros(()),
    )


#: The penalties by name.
PENALTIES: Mapping[str, Penalty] = {penalty.__name__: penalty for penalty in (squared_gap, absolute_gap)}
