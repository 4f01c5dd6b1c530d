"""MeanRate: means of amounts, their slopes, and constraints on them."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_squared_error

from fairsk import Constraint, Rate
from fairsk.rates import (
    AMOUNT_CONSTRAINTS,
    AMOUNT_RATES,
    MeanRate,
    get_amount_constraint,
    get_constraint,
    row_moments,
)

rng = np.random.default_rng(0)
PREDICTION, TARGET = rng.normal(10, 3, (2, 40))


def moments(prediction, target):
    return {name: parts.sum(keepdims=True) for name, parts in row_moments(prediction, target).items()}


@pytest.mark.parametrize(
    ("rate", "oracle"),
    [
        (AMOUNT_RATES["mean_prediction"], lambda y, p: p.mean()),
        (AMOUNT_RATES["mean_error"], lambda y, p: p.mean() - y.mean()),
        (AMOUNT_RATES["mean_absolute_error"], mean_absolute_error),
        (AMOUNT_RATES["mean_squared_error"], mean_squared_error),
        (AMOUNT_RATES["root_mean_squared_error"], lambda y, p: mean_squared_error(y, p) ** 0.5),
        (MeanRate("pinball", "0.9*under+0.1*over"), lambda y, p: mean_pinball_loss(y, p, alpha=0.9)),
    ],
    ids=["prediction", "error", "absolute", "squared", "root", "pinball"],
)
def test_a_mean_is_what_others_call_it_and_its_slope_is_its_derivative(rate, oracle):
    assert rate(moments(PREDICTION, TARGET)) == pytest.approx(oracle(TARGET, PREDICTION))
    numeric = approx_fprime(PREDICTION, lambda p: float(rate.of_rows(p, TARGET).sum()), 1e-6)
    assert rate.slope(PREDICTION, TARGET) == pytest.approx(numeric, abs=1e-4)


def test_constraints_compare_means_and_pass_over_groups_without_rows():
    table = {name: np.array([2.0, 0.0, 4.0]) for name in ("n", "over", "under", "squared_error", "target")}
    table["prediction"] = np.array([6.0, 0.0, 20.0])
    parity = get_amount_constraint("mean_parity")
    assert parity.difference(table) == 2.0
    assert parity.ratio(table) == pytest.approx(3 / 5)
    assert parity.difference(table, method="to_overall") == pytest.approx(26 / 6 - 3)
    own = get_amount_constraint(MeanRate("cost", "4*under+over", lower_is_better=True))
    assert own.name == "cost_parity"
    assert own.worst_group(table) == 5.0
    table["prediction"][0] = -1.0
    with pytest.raises(ValueError, match="negative in a group"):
        parity.ratio(table)


def test_what_needs_targets_and_what_can_be_negative_is_known():
    assert not AMOUNT_RATES["mean_prediction"].needs_labels
    assert AMOUNT_RATES["mean_error"].needs_labels
    assert [rate.can_be_negative for rate in AMOUNT_RATES.values()] == [True, True, False, False, False]
    with pytest.raises(ValueError, match="root of 'x' is not defined"):
        MeanRate("x", "prediction", root=True)
    with pytest.raises(ValueError, match=r"Cannot read 'tp' .* write a sum of the moments"):
        MeanRate("x", "tp")


def test_amounts_and_decisions_are_not_mixed_up():
    with pytest.raises(ValueError, match="no prediction has both"):
        Constraint("both", ["mean_prediction", "selection_rate"])
    for name in AMOUNT_CONSTRAINTS:
        with pytest.raises(ValueError, match="about predicted amounts"):
            get_constraint(name)
    with pytest.raises(ValueError, match="about predicted amounts"):
        get_constraint(AMOUNT_CONSTRAINTS["mean_parity"])
    with pytest.raises(ValueError, match="about decisions"):
        get_amount_constraint("demographic_parity")
    with pytest.raises(ValueError, match="about decisions"):
        get_amount_constraint(Constraint("own", Rate("selected", "tp+fp", "n")))
    with pytest.raises(ValueError, match="Did you mean 'mean_parity'"):
        get_amount_constraint("mean_partiy")
    with pytest.raises(TypeError, match=r"a name or a fairsk\.Constraint"):
        get_amount_constraint(3)
