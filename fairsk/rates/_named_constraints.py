"""The built-in constraints on decisions and on amounts, by name."""

from __future__ import annotations

from collections.abc import Mapping

from fairsk.rates._constraint import Constraint
from fairsk.rates._mean_rate import MeanRate
from fairsk.rates._messages import brief, closest
from fairsk.rates._named_rates import RATES
from fairsk.rates._rate import Rate

__all__ = [
    "AMOUNT_CONSTRAINTS",
    "CONSTRAINTS",
    "CONSTRAINTS_ALSO_CALLED",
    "get_amount_constraint",
    "get_constraint",
]

_HARDT = "Hardt, Price & Srebro, Equality of Opportunity in Supervised Learning, NeurIPS 2016"

_CHOULDECHOVA = "Chouldechova, Fair Prediction with Disparate Impact, Big Data 5(2), 2017"

_BERK = (
    "Berk et al., Fairness in Criminal Justice Risk Assessments, Sociological Methods & Research 50(1), 2021"
)

_AGARWAL = (
    "Agarwal, Dudik & Wu, Fair Regression: Quantitative Definitions and Reduction-Based Algorithms, ICML 2019"
)

_ALL_CONSTRAINTS = (
    Constraint(
        "demographic_parity",
        ("selection_rate",),
        "Every group is selected (predicted positive) equally often.",
        "Calders, Kamiran & Pechenizkiy, Building Classifiers with Independency Constraints, ICDMW 2009",
    ),
    Constraint(
        "equal_opportunity",
        ("true_positive_rate",),
        "Those who merit the positive outcome receive it equally often in every group.",
        _HARDT,
    ),
    Constraint(
        "predictive_equality",
        ("false_positive_rate",),
        "Those who do not merit the positive outcome receive it equally often in every group.",
        "Corbett-Davies et al., Algorithmic Decision Making and the Cost of Fairness, KDD 2017",
    ),
    Constraint(
        "equalized_odds",
        ("true_positive_rate", "false_positive_rate"),
        "Both the true and the false positive rate agree between groups.",
        _HARDT,
    ),
    Constraint(
        "error_rate_parity",
        ("error_rate",),
        "Decisions are wrong equally often in every group.",
        _BERK,
    ),
    Constraint(
        "accuracy_parity",
        ("accuracy",),
        "Decisions are right equally often in every group.",
        _BERK,
    ),
    Constraint(
        "predictive_parity",
        ("precision",),
        "A positive prediction is right equally often in every group.",
        _CHOULDECHOVA,
    ),
    Constraint(
        "false_omission_parity",
        ("false_omission_rate",),
        "A negative prediction is wrong equally often in every group.",
        _BERK,
    ),
    Constraint(
        "false_negative_parity",
        ("false_negative_rate",),
        "Those who merit the positive outcome are missed equally often in every group.",
        _CHOULDECHOVA,
    ),
    Constraint(
        "treatment_equality",
        ("false_negatives_per_false_positive",),
        "The two kinds of error stand in the same proportion in every group.",
        _BERK,
    ),
    Constraint(
        "f1_parity",
        ("f1",),
        "The F1 score agrees between groups.",
        "van Rijsbergen, Information Retrieval, 1979, for the score",
    ),
)

_ALL_AMOUNT_CONSTRAINTS = (
    Constraint(
        "mean_parity",
        ("mean_prediction",),
        "The predicted amounts are equally high on average in every group.",
        "Calders, Karim, Kamiran, Ali & Zhang, Controlling Attribute Effect in Linear Regression, ICDM 2013",
    ),
    Constraint(
        "mean_error_parity",
        ("mean_error",),
        "Amounts are over- or underestimated by as much on average in every group.",
        "Calders, Karim, Kamiran, Ali & Zhang, Controlling Attribute Effect in Linear Regression, ICDM 2013",
    ),
    Constraint(
        "error_parity",
        ("mean_squared_error",),
        "The mean squared error agrees between groups.",
        _AGARWAL,
    ),
    Constraint(
        "absolute_error_parity",
        ("mean_absolute_error",),
        "The mean absolute error agrees between groups.",
        _AGARWAL,
    ),
)

#: The built-in constraints by name.
CONSTRAINTS: Mapping[str, Constraint] = {constraint.name: constraint for constraint in _ALL_CONSTRAINTS}

#: The built-in constraints on amounts by name.
AMOUNT_CONSTRAINTS: Mapping[str, Constraint] = {each.name: each for each in _ALL_AMOUNT_CONSTRAINTS}

#: What others call some of the constraints.
CONSTRAINTS_ALSO_CALLED = {
    "disparate_impact": "demographic_parity",
    "statistical_parity": "demographic_parity",
}


def get_constraint(constraint: Constraint | str) -> Constraint:
    """Look up a built-in constraint by name; a :class:`Constraint` is returned as it is.

    The names are those of :data:`CONSTRAINTS`, and ``"disparate_impact"`` and ``"statistical_parity"`` for
    ``"demographic_parity"``. Disparate impact is usually judged by the ratio: ``comparison="ratio"``.

    Parameters
    ----------
    constraint : str or Constraint
        The name, or the constraint itself.

    Returns
    -------
    Constraint
        The constraint.

    Raises
    ------
    ValueError
        If there is no constraint of that name.
    TypeError
        If it is neither a name nor a constraint.

    See Also
    --------
    get_rate : The same for rates.
    fairsk.metrics.disparity : Measures a constraint.

    Examples
    --------
    >>> from fairsk.rates import get_constraint
    >>> [rate.name for rate in get_constraint("equalized_odds").rates]
    ['true_positive_rate', 'false_positive_rate']
    """
    if isinstance(constraint, Constraint) and not constraint.is_of_amounts:
        return constraint
    if isinstance(constraint, Constraint) or constraint in AMOUNT_CONSTRAINTS:
        name = getattr(constraint, "name", constraint)
        raise ValueError(
            f"{name!r} is about predicted amounts, and here are decisions: fairsk.metrics.amount_disparity "
            "measures it, and ConstrainedRegressor keeps a bound on it."
        )
    if not isinstance(constraint, str):
        hint = ""
        if isinstance(constraint, Rate):
            hint = f" To ask that the rate agrees between groups: Constraint({constraint.name!r}, rate)."
        raise TypeError(f"constraint must be a name or a fairsk.Constraint, got {brief(constraint)}.{hint}")
    constraint = CONSTRAINTS_ALSO_CALLED.get(constraint, constraint)
    if constraint not in CONSTRAINTS:
        rate = constraint.removesuffix("_parity")  # as others name constraints on a rate
        same = [other for other in CONSTRAINTS.values() if rate in RATES and other.rates == (RATES[rate],)]
        hint = f" Did you mean {same[0].name!r}?" if same else closest(constraint[:100], CONSTRAINTS)
        raise ValueError(f"Unknown constraint {brief(constraint)}.{hint}")
    return CONSTRAINTS[constraint]


def get_amount_constraint(constraint: Constraint | MeanRate | str) -> Constraint:
    """Look up a built-in constraint on amounts by name; one of your own is returned as it is.

    Parameters
    ----------
    constraint : str, Constraint or MeanRate
        A name out of :data:`AMOUNT_CONSTRAINTS`, the constraint itself, or the mean that should agree.

    Returns
    -------
    Constraint
        The constraint, whose rates are :class:`MeanRate`.

    Raises
    ------
    ValueError
        If there is no constraint on amounts of that name, or it is about decisions.
    TypeError
        If it is none of these.

    See Also
    --------
    get_constraint : The same for decisions.

    Examples
    --------
    >>> from fairsk.rates import get_amount_constraint
    >>> get_amount_constraint("mean_parity").rates[0].of
    'prediction'
    """
    if isinstance(constraint, MeanRate):
        return Constraint(f"{constraint.name}_parity", constraint)
    if isinstance(constraint, Constraint) and constraint.is_of_amounts:
        return constraint
    if isinstance(constraint, Constraint) or constraint in CONSTRAINTS:
        name = getattr(constraint, "name", constraint)
        raise ValueError(
            f"{name!r} is about decisions, and here are predicted amounts: those have "
            f"{', '.join(AMOUNT_CONSTRAINTS)}, or a Constraint of fairsk.rates.MeanRate."
        )
    if not isinstance(constraint, str):
        raise TypeError(f"constraint must be a name or a fairsk.Constraint, got {brief(constraint)}.")
    if constraint not in AMOUNT_CONSTRAINTS:
        raise ValueError(
            f"Unknown constraint {brief(constraint)}.{closest(constraint[:100], AMOUNT_CONSTRAINTS)}"
        )
    return AMOUNT_CONSTRAINTS[constraint]
