"""The built-in rates of decisions and means of amounts, by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fairsk.rates._mean_rate import MeanRate
from fairsk.rates._messages import brief, closest
from fairsk.rates._rate import Rate

__all__ = ["AMOUNT_RATES", "RATES", "any_rate", "f_beta", "get_rate"]

_ALL_RATES = (
    Rate("selection_rate", "tp+fp", "n"),
    Rate("true_positive_rate", "tp", "tp+fn"),
    Rate("false_positive_rate", "fp", "fp+tn", lower_is_better=True),
    Rate("true_negative_rate", "tn", "fp+tn"),
    Rate("false_negative_rate", "fn", "tp+fn", lower_is_better=True),
    Rate("accuracy", "tp+tn", "n"),
    Rate("error_rate", "fp+fn", "n", lower_is_better=True),
    Rate("precision", "tp", "tp+fp"),
    Rate("false_discovery_rate", "fp", "tp+fp", lower_is_better=True),
    Rate("negative_predictive_value", "tn", "tn+fn"),
    Rate("false_omission_rate", "fn", "tn+fn", lower_is_better=True),
    Rate("f1", "2*tp", "2*tp+fp+fn"),
    Rate("false_negatives_per_false_positive", "fn", "fp", lower_is_better=True),
    Rate("base_rate", "tp+fn", "n"),
)

_ALL_MEAN_RATES = (
    MeanRate("mean_prediction", "prediction"),
    MeanRate("mean_error", "prediction-target"),
    MeanRate("mean_absolute_error", "over+under", lower_is_better=True),
    MeanRate("mean_squared_error", "squared_error", lower_is_better=True),
    MeanRate("root_mean_squared_error", "squared_error", lower_is_better=True, root=True),
)

#: The built-in rates by name.
RATES: Mapping[str, Rate] = {rate.name: rate for rate in _ALL_RATES}

#: The built-in means of amounts by name.
AMOUNT_RATES: Mapping[str, MeanRate] = {rate.name: rate for rate in _ALL_MEAN_RATES}

#: What others call some of the rates.
_ALSO_CALLED = {
    "recall": "true_positive_rate",
    "sensitivity": "true_positive_rate",
    "specificity": "true_negative_rate",
    "tpr": "true_positive_rate",
    "fpr": "false_positive_rate",
    "tnr": "true_negative_rate",
    "fnr": "false_negative_rate",
    "ppv": "precision",
    "npv": "negative_predictive_value",
    "fdr": "false_discovery_rate",
    "for": "false_omission_rate",
}


def f_beta(beta: float) -> Rate:
    """Return the F-beta score as a rate: recall counts ``beta`` times as much as precision.

    Parameters
    ----------
    beta : float
        The weight of recall, above 0.

    Returns
    -------
    Rate
        The rate, called such as ``"f2"``.

    See Also
    --------
    get_rate : Looks it up by a name such as ``"f0.5"``.

    Examples
    --------
    >>> from fairsk.rates import f_beta
    >>> f_beta(2).denominator
    '5*tp+4*fn+fp'
    """
    square = float(beta) ** 2
    return Rate(f"f{beta:g}", f"{1 + square:.12g}*tp", f"{1 + square:.12g}*tp+{square:.12g}*fn+fp")


def get_rate(rate: Rate | str) -> Rate:
    """Look up a built-in rate by name; a :class:`Rate` is returned as it is.

    The names are those of :data:`RATES`, ``"recall"``, ``"sensitivity"`` and ``"specificity"``, abbreviations
    such as ``"tpr"`` and ``"ppv"``, and ``"f2"``, ``"f0.5"`` and so on for :func:`f_beta`.

    Parameters
    ----------
    rate : str or Rate
        The name, or the rate itself.

    Returns
    -------
    Rate
        The rate.

    Raises
    ------
    ValueError
        If there is no rate of that name.
    TypeError
        If it is a constraint.

    See Also
    --------
    get_constraint : The same for constraints.
    f_beta : F scores.

    Examples
    --------
    >>> from fairsk.rates import get_rate
    >>> get_rate("recall").numerator, get_rate("recall").denominator
    ('tp', 'tp+fn')
    """
    if isinstance(rate, Rate):
        return rate
    # Late, for constraints are made of rates: they are only looked at to say that one was taken for a rate.
    from fairsk.rates._constraint import Constraint

    if isinstance(rate, Constraint):
        names = " and ".join(repr(part.name) for part in rate.rates)
        raise TypeError(f"{rate.name!r} is a constraint, not a rate: it asks that {names} agree. Name one.")
    rate = _ALSO_CALLED.get(rate, rate)
    score = re.fullmatch(r"f(\d+(?:\.\d+)?)", str(rate))
    if score and rate not in RATES and float(score[1]) > 0:
        return f_beta(float(score[1]))
    if rate not in RATES:
        from fairsk.rates._named_constraints import CONSTRAINTS, CONSTRAINTS_ALSO_CALLED

        constraint = CONSTRAINTS.get(CONSTRAINTS_ALSO_CALLED.get(rate, rate))
        if constraint is not None:
            names = " and ".join(repr(part.name) for part in constraint.rates)
            raise ValueError(
                f"{rate!r} is a criterion, not a rate: it asks that {names} agree. Name the rate."
            )
        raise ValueError(f"Unknown rate {brief(rate)}.{closest(str(rate)[:100], [*RATES, *_ALSO_CALLED])}")
    return RATES[rate]


def any_rate(rate: Any) -> Rate | MeanRate:
    """Look up a rate of decisions or a mean of amounts."""
    if isinstance(rate, str) and rate in AMOUNT_RATES:
        return AMOUNT_RATES[rate]
    return get_rate(rate)
