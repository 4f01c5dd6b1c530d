"""Validation of arguments: weights, options, random states; labels and criteria that JSON can hold."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.columns import as_floats
from fairsk._core.messages import show
from fairsk._core.typing import Floats, RandomStateLike
from fairsk.rates import Constraint, Rate, check_choice

__all__ = [
    "check_choice",
    "check_confidence",
    "check_weights",
    "generator",
    "plain_constraint",
    "plain_labels",
    "plain_orders",
    "plain_rate",
    "read_constraint",
    "read_labels",
    "read_orders",
    "read_rate",
]


#: The sum of squared weights must stay a number, and may not vanish; single small weights may.
_LEAST_WEIGHT = 1e-100


def check_confidence(confidence: float) -> None:
    """Refuse a confidence that is no probability between 0 and 1."""
    if not isinstance(confidence, int | float | np.number) or not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, such as 0.95; got {confidence!r}.")


def check_weights(sample_weight: ArrayLike | None, n_samples: int) -> Floats | None:
    """Return the sample weights as floats; None stands for a weight of one each.

    Raises
    ------
    ValueError
        If there are too few or too many, one is negative, infinite or NaN, all are zero, or the largest
        is so large or so small that its square is no number.
    """
    if sample_weight is None:
        return None
    weights = as_floats("sample_weight", sample_weight)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight has shape {weights.shape} where ({n_samples},) is expected: it must hold a "
            "number per row."
        )
    if not np.all(np.isfinite(weights)) or np.any(weights < 0) or not weights.any():
        raise ValueError("sample_weight must be finite, not negative, and not all zero.")
    most = weights.max()
    if not _LEAST_WEIGHT <= most <= 1 / _LEAST_WEIGHT:
        raise ValueError(
            f"sample_weight goes up to {most:.3g}, whose square cannot be added up: scale the weights to a "
            "mean of 1, which changes no rate."
        )
    return weights


def generator(random_state: RandomStateLike) -> np.random.Generator:
    """Return what draws: a Generator as it is, or a new one of a seed.

    A RandomState, such as scikit-learn's functions take, gives the seed, and moves on by that draw.
    """
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**32, size=4, dtype=np.uint64))
    return np.random.default_rng(random_state)


def plain_labels(labels: Sequence[Hashable]) -> list[Any]:
    """Return labels as JSON can hold them; :func:`read_labels` reads them back.

    Raises
    ------
    TypeError
        If a label is neither text nor a number.
    """
    return [_plain(label) for label in labels]


def read_labels(values: Sequence[Any]) -> list[Hashable]:
    """Return the labels that :func:`plain_labels` made plain."""
    return [tuple(read_labels(value)) if isinstance(value, list) else value for value in values]


def plain_orders(orders: Sequence[Sequence[Hashable] | None]) -> list[Any]:
    """Return the orders of columns as JSON can hold them; :func:`read_orders` reads them back."""
    return [order if order is None else plain_labels(order) for order in orders]


def read_orders(orders: Sequence[Any]) -> list[list[Hashable] | None]:
    """Return the orders that :func:`plain_orders` made plain."""
    return [order if order is None else read_labels(order) for order in orders]


def plain_rate(rate: Rate) -> dict[str, Any]:
    """Return a rate as JSON can hold it, with its formula, so that others can repeat it."""
    return {
        "name": rate.name,
        "numerator": rate.numerator,
        "denominator": rate.denominator,
        "lower_is_better": rate.lower_is_better,
    }


def read_rate(state: Mapping[str, Any]) -> Rate:
    """Return the rate that :func:`plain_rate` made plain."""
    return Rate(state["name"], state["numerator"], state["denominator"], state["lower_is_better"])


def plain_constraint(constraint: Constraint) -> dict[str, Any]:
    """Return a constraint as JSON can hold it, with the formula of each rate."""
    return {
        "name": constraint.name,
        "rates": list(map(plain_rate, constraint.rates)),
        "description": constraint.description,
        "source": constraint.source,
    }


def read_constraint(state: Mapping[str, Any]) -> Constraint:
    """Return the constraint that :func:`plain_constraint` made plain."""
    return Constraint(
        state["name"], list(map(read_rate, state["rates"])), state["description"], state["source"]
    )


def _plain(label: Any) -> Any:
    """Return a label as JSON can hold it."""
    if isinstance(label, tuple):
        return [_plain(part) for part in label]
    value = label.item() if isinstance(label, np.generic) else label
    if not isinstance(value, str | int | float):
        raise TypeError(f"The group {show(label)} does not fit into JSON: name groups by text or numbers.")
    return value
