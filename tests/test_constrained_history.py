"""The history of a fit under a bound: names of what engines record, as numbers counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fairsk import Constraint
from fairsk._core.bounds import Bound, BoundedConstraint
from fairsk._core.groups import Grouping
from fairsk.rates import get_constraint
from fairsk.reductions._bounded_rows import BoundedRows
from fairsk.reductions._history import constraint_names, history_records
from fairsk.reductions._problem import Step

DP, EO = get_constraint("demographic_parity"), get_constraint("equalized_odds")
GROUPS = Grouping(("group",), ("a", "b", "c"), np.repeat([0, 1, 2], [4, 4, 1]))
ACTUAL = np.array([1, 1, 0, 0, 1, 0, 0, 0, 1], dtype=bool)
#: Of group a 3 of 4 are selected (2 of 2 positives, 1 of 2 negatives), of b 1 of 4 (1 of 1, 0 of 3).
SELECTED = np.array([1, 1, 1, 0, 1, 0, 0, 0, 1], dtype=bool)


def bounded(constraint, **bound):
    return BoundedConstraint(constraint, Bound(**bound))


def step_of(rows, multipliers, **options):
    return Step(rows.error(SELECTED), rows.values(rows.cells(SELECTED)), np.array(multipliers), **options)


def rows_under(constraints, strata=None, min_group_size=1):
    weights = np.ones(len(ACTUAL))
    return BoundedRows.of(
        constraints, ACTUAL, GROUPS, weights, strata=strata, min_group_size=min_group_size
    ).covering(np.array([[True], [True], [False]]) if strata is None else np.array([[1, 0]] * 3, dtype=bool))


def test_a_record_has_what_the_decisions_do_and_the_multipliers_of_all_groups():
    constraints = [bounded(DP, difference=0.1), bounded(EO, ratio=0.8)]
    rows = rows_under(constraints)
    steps = [
        step_of(rows, [[0.0, 0, 0]] * 3),
        step_of(rows, [[1.0, -1, 0], [2, -2, 0], [3, -3, 0]], bounded_error=0.25, weight=1.0),
    ]
    first, second = history_records(steps, rows, constraints, unit="round")
    assert list(first) == [
        "round",
        "valid_acc",
        "valid_bounded_acc",
        "valid_disparity",
        "valid_disparities",
        "multipliers",
        "weight",
    ]
    assert (first["round"], second["round"]) == (1, 2)
    assert first["valid_acc"] == pytest.approx(8 / 9)
    # selected: 3 of 4 against 1 of 4; of the negatives 1 of 2 against 0 of 3, of the positives all
    assert second["valid_disparities"] == {"demographic_parity": 0.5, "equalized_odds": 0.0}
    assert second["valid_disparity"] == 0.0  # .8 below its bound, the difference .4 above
    assert np.isnan(first["valid_bounded_acc"])
    assert second["valid_bounded_acc"] == 0.75
    assert second["multipliers"] == {
        "selection_rate": [1.0, -1.0, 0.0],
        "true_positive_rate": [2.0, -2.0, 0.0],
        "false_positive_rate": [3.0, -3.0, 0.0],
    }
    assert (first["weight"], second["weight"]) == (0.0, 1.0)


def test_what_is_bounded_twice_is_told_apart():
    twice = [bounded(DP, difference=0.1), bounded(DP, ratio=0.8), bounded(EO, difference=0.2)]
    assert constraint_names(twice) == [
        "demographic_parity difference",
        "demographic_parity ratio",
        "equalized_odds",
    ]
    rows = rows_under(twice)
    (record,) = history_records([step_of(rows, np.zeros((4, 3)))], rows, twice, unit="model")
    assert record["valid_disparities"] == {
        "demographic_parity difference": 0.5,
        "demographic_parity ratio": pytest.approx(1 / 3),
        "equalized_odds": 0.5,
    }
    assert list(record["multipliers"])[:2] == ["selection_rate difference", "selection_rate ratio"]
    # the same rate in two constraints under one kind of bound, and constraints of one name
    same = [
        bounded(DP, difference=0.1),
        bounded(Constraint("demographic_parity", DP.rates), difference=0.2),
    ]
    assert constraint_names(same) == [f"demographic_parity difference {i}" for i in (1, 2)]
    rows = rows_under(same)
    (record,) = history_records([step_of(rows, np.zeros((2, 3)))], rows, same, unit="model")
    rate = DP.rates[0]
    title = f"selection_rate difference ({rate.numerator} of {rate.denominator})"
    assert list(record["multipliers"]) == [f"{title} 1", f"{title} 2"]


def test_of_strata_the_worst_counts_and_each_has_its_multipliers():
    strata = Grouping(("unit",), ("x", "y"), np.array([0, 0, 1, 1, 0, 1, 0, 1, 0]))
    constraints = [bounded(DP, difference=0.1)]
    rows = BoundedRows.of(constraints, ACTUAL, GROUPS, np.ones(9), strata=strata, min_group_size=1)
    assert rows.covered.tolist() == [[True, True], [True, True], [True, False]]
    # in x: a 2 of 2, b 1 of 2, c 1 of 1; in y: a 1 of 2, b 0 of 2. Half is the worst in both
    (record,) = history_records(
        [step_of(rows, [[1.0, 2, 3, 4, 5, 0]])], rows, constraints, unit="round", strata=strata.labels
    )
    assert record["valid_disparities"] == {"demographic_parity": 0.5}
    assert record["multipliers"] == {"selection_rate, x": [1.0, 3.0, 5.0], "selection_rate, y": [2.0, 4.0, 0]}
    only_x = rows.covering(np.array([[True, False]] * 3))
    (record,) = history_records(
        [step_of(only_x, [[1.0, 0, 3, 0, 5, 0]])], only_x, constraints, unit="round", strata=strata.labels
    )
    assert record["multipliers"] == {"selection_rate, x": [1.0, 3.0, 5.0]}


def test_a_rate_that_is_not_defined_has_no_disparity():
    for bound in ({"difference": 0.1}, {"ratio": 0.8}):
        constraints = [bounded(get_constraint("predictive_parity"), **bound)]
        rows = rows_under(constraints)
        nobody = np.zeros(9, dtype=bool)
        step = Step(rows.error(nobody), rows.values(rows.cells(nobody)), np.zeros((1, 3)))
        assert np.isnan(rows.disparities(step.values)).all()
        (record,) = history_records([step], rows, constraints, unit="round")
        assert np.isnan(record["valid_disparities"]["predictive_parity"])
        assert np.isnan(record["valid_disparity"])


def test_where_nothing_is_compared_there_is_no_disparity():
    constraints = [bounded(DP, difference=0.1)]
    rows = rows_under(constraints).covering(np.zeros((3, 1), dtype=bool))
    (record,) = history_records([step_of(rows, [[0.0, 0, 0]])], rows, constraints, unit="model")
    assert np.isnan(record["valid_disparities"]["demographic_parity"])
    assert record["multipliers"] == {}
