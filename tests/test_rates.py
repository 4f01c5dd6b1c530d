from __future__ import annotations

import dataclasses
import pickle
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.base import clone

from fairsk import Constraint, FairClassifier, Rate
from fairsk.rates import CELLS, CONSTRAINTS, RATES, f_beta, get_constraint, get_rate

SKLEARN = {
    "selection_rate": lambda y, p: p.mean(),
    "true_positive_rate": metrics.recall_score,
    "false_positive_rate": lambda y, p: 1 - metrics.recall_score(y, p, pos_label=0),
    "true_negative_rate": lambda y, p: metrics.recall_score(y, p, pos_label=0),
    "false_negative_rate": lambda y, p: 1 - metrics.recall_score(y, p),
    "accuracy": metrics.accuracy_score,
    "error_rate": metrics.zero_one_loss,
    "precision": metrics.precision_score,
    "false_discovery_rate": lambda y, p: 1 - metrics.precision_score(y, p),
    "negative_predictive_value": lambda y, p: metrics.precision_score(y, p, pos_label=0),
    "false_omission_rate": lambda y, p: 1 - metrics.precision_score(y, p, pos_label=0),
    "f1": metrics.f1_score,
    "false_negatives_per_false_positive": lambda y, p: (y > p).sum() / (y < p).sum(),
    "base_rate": lambda y, p: y.mean(),
}
COMPARISONS = [
    ("difference", {}),
    ("difference", {"method": "to_overall"}),
    ("difference", {"method": "to_reference", "reference": 1}),
    ("ratio", {}),
    ("ratio", {"method": "to_overall"}),
    ("ratio", {"method": "to_reference", "reference": 1}),
]


def cells(*groups: tuple[float, float, float, float]) -> dict[str, np.ndarray]:
    """Return the cells of groups that are given as (tp, fp, fn, tn) each."""
    return dict(zip(CELLS, np.array(groups, dtype=float).T, strict=True))


def random_cells(*shape: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {cell: rng.integers(1, 50, shape).astype(float) for cell in CELLS}


def as_torch(table: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {cell: torch.tensor(value, requires_grad=True) for cell, value in table.items()}


def with_selection(*rates: float) -> dict[str, np.ndarray]:
    """Return cells of groups with these selection rates."""
    return cells(*[(100 * rate, 0, 0, 100 - 100 * rate) for rate in rates])


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("seed", range(3))
def test_every_rate_equals_scikit_learn_on_the_rows(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, p = rng.integers(0, 2, 60), rng.integers(0, 2, 60)
    table = {"tp": (y & p).sum(), "fp": (p > y).sum(), "fn": (y > p).sum(), "tn": ((y + p) == 0).sum()}
    assert float(RATES[name](table)) == pytest.approx(SKLEARN[name](y, p))


@pytest.mark.parametrize("constraint", CONSTRAINTS.values(), ids=CONSTRAINTS)
@pytest.mark.parametrize(("comparison", "options"), COMPARISONS)
def test_torch_gives_the_same_values_as_numpy(
    constraint: Constraint, comparison: Any, options: dict[str, Any]
) -> None:
    table = random_cells(4, 3)
    table["fp"][2], table["tn"][2], table["tp"][2, 0] = 0, 0, 0  # a group without negatives
    in_numpy = constraint.compare(table, comparison, **options)
    in_torch = constraint.compare(as_torch(table), comparison, **options)
    np.testing.assert_allclose(in_torch.detach().numpy(), in_numpy)


@pytest.mark.parametrize("constraint", CONSTRAINTS.values(), ids=CONSTRAINTS)
@pytest.mark.parametrize(("comparison", "options"), COMPARISONS)
def test_gradients_are_those_of_finite_differences_although_a_group_is_empty(
    constraint: Constraint, comparison: Any, options: dict[str, Any]
) -> None:
    table = cells((30, 10, 12, 40), (25, 22, 9, 31), (0, 0, 0, 0), (14, 5, 11, 35))
    leaves = as_torch(table)
    constraint.compare(leaves, comparison, **options).backward()
    for cell in CELLS:
        for group in (0, 1, 3):
            step = np.zeros(4)
            step[group] = 1e-4
            up, down = (
                constraint.compare({**table, cell: table[cell] + s}, comparison, **options)
                for s in (step, -step)
            )
            gradient = 0.0 if leaves[cell].grad is None else leaves[cell].grad[group].item()
            assert gradient == pytest.approx((up - down) / 2e-4, abs=1e-7)
        if leaves[cell].grad is not None:
            assert torch.isfinite(leaves[cell].grad).all()  # the empty group poisons nobody


def test_gradients_stay_finite_where_nothing_can_be_compared() -> None:
    leaves = as_torch(cells((3, 1, 2, 4), (0, 0, 0, 0)))
    result = CONSTRAINTS["equalized_odds"].difference(leaves)
    assert torch.isnan(result)
    result.backward()
    assert all(torch.isfinite(leaf.grad).all() for leaf in leaves.values())


def test_single_precision_stays_single() -> None:
    table = {cell: value.astype(np.float32) for cell, value in random_cells(3).items()}
    if np.__version__ >= "2":  # before, NumPy chose the type of scalars by their value
        assert CONSTRAINTS["equalized_odds"].difference(table).dtype == np.float32
    tensors = {cell: torch.from_numpy(value) for cell, value in table.items()}
    assert CONSTRAINTS["equalized_odds"].ratio(tensors).dtype == torch.float32


@pytest.mark.parametrize(
    ("comparison", "options", "expected"),
    [
        ("difference", {}, 0.6),
        ("ratio", {}, 0.25),
        ("difference", {"method": "to_overall"}, 0.35),  # overall .45
        ("ratio", {"method": "to_overall"}, 0.2 / 0.45),
        ("difference", {"method": "to_reference", "reference": 1}, 0.4),
        ("ratio", {"method": "to_reference", "reference": 1}, 0.5),
        ("difference", {"method": "to_reference", "reference": 0}, 0.6),
        ("worst_group", {}, 0.2),
    ],
)
def test_comparisons_by_hand(comparison: Any, options: dict[str, Any], expected: float) -> None:
    table = with_selection(0.2, 0.4, 0.8, 0.4)
    assert CONSTRAINTS["demographic_parity"].compare(table, comparison, **options) == pytest.approx(expected)


def test_the_worst_group_has_the_highest_rate_where_lower_is_better() -> None:
    table = cells((5, 1, 0, 4), (5, 2, 1, 2))
    assert CONSTRAINTS["error_rate_parity"].worst_group(table) == pytest.approx(0.3)
    assert CONSTRAINTS["accuracy_parity"].worst_group(table) == pytest.approx(0.7)


def test_several_rates_count_by_the_one_that_differs_most() -> None:
    table = cells((8, 2, 2, 8), (6, 5, 4, 5))  # TPR .8 and .6, FPR .2 and .5
    odds = CONSTRAINTS["equalized_odds"]
    assert odds.difference(table) == pytest.approx(0.3)
    assert odds.ratio(table) == pytest.approx(0.4)


def test_groups_without_the_rate_are_passed_over() -> None:
    table = cells((8, 0, 2, 0), (0, 3, 0, 7), (6, 0, 4, 0))
    opportunity = CONSTRAINTS["equal_opportunity"]
    assert opportunity.difference(table) == pytest.approx(0.2)
    assert opportunity.ratio(table) == pytest.approx(0.75)
    assert opportunity.worst_group(table) == pytest.approx(0.6)
    assert opportunity.difference(table, method="to_overall") == pytest.approx(0.1)


@pytest.mark.parametrize(("comparison", "options"), COMPARISONS)
def test_fewer_than_two_groups_with_the_rate_give_nan_not_parity(
    comparison: Any, options: dict[str, Any]
) -> None:
    table = cells((0, 3, 0, 7), (8, 0, 2, 0))
    assert np.isnan(CONSTRAINTS["equal_opportunity"].compare(table, comparison, **options))


@pytest.mark.parametrize(("comparison", "options"), COMPARISONS)
def test_half_of_a_criterion_is_not_the_criterion(comparison: Any, options: dict[str, Any]) -> None:
    table = cells((0, 3, 0, 7), (8, 5, 2, 5))  # the first has no positives: TPR in one group only
    assert np.isnan(CONSTRAINTS["equalized_odds"].compare(table, comparison, **options))
    # In the second stratum both halves can be compared.
    both = {cell: np.stack([table[cell], random_cells(2)[cell]], axis=1) for cell in CELLS}
    values = CONSTRAINTS["equalized_odds"].compare(both, comparison, **options)
    assert np.isnan(values).tolist() == [True, False]
    # A third group makes two that have the rate, and the one without it is passed over.
    three = {cell: np.append(table[cell], 4.0) for cell in CELLS}
    options = options | ({"reference": 2} if "reference" in options else {})
    assert not np.isnan(CONSTRAINTS["equalized_odds"].compare(three, comparison, **options))


def test_an_unmeasured_reference_group_gives_nan() -> None:
    table = cells((8, 0, 2, 0), (6, 0, 4, 0), (0, 1, 0, 1))
    for compare in (CONSTRAINTS["equal_opportunity"].difference, CONSTRAINTS["equal_opportunity"].ratio):
        assert np.isnan(compare(table, method="to_reference", reference=2))


@pytest.mark.parametrize(
    "options", [{}, {"method": "to_overall"}, {"method": "to_reference", "reference": 0}]
)
def test_rates_that_are_all_zero_have_the_ratio_one(options: dict[str, Any]) -> None:
    assert CONSTRAINTS["demographic_parity"].ratio(with_selection(0, 0), **options) == 1
    assert CONSTRAINTS["demographic_parity"].ratio(with_selection(0, 0.5), **options) == 0


def test_an_empty_denominator_gives_nan_for_plain_numbers_too() -> None:
    assert np.isnan(RATES["precision"]({"tp": 0.0, "fp": 0.0, "fn": 1.0, "tn": 1.0}))


@pytest.mark.parametrize("constraint", CONSTRAINTS.values(), ids=CONSTRAINTS)
@pytest.mark.parametrize(("comparison", "options"), COMPARISONS)
def test_further_axes_are_compared_one_by_one(
    constraint: Constraint, comparison: Any, options: dict[str, Any]
) -> None:
    table = random_cells(3, 4, 2)
    whole = constraint.compare(table, comparison, **options)
    assert whole.shape == (4, 2)
    for place in np.ndindex(4, 2):
        part = {cell: value[(slice(None), *place)] for cell, value in table.items()}
        assert whole[place] == pytest.approx(float(constraint.compare(part, comparison, **options)))


def test_the_cells_are_left_as_they_are() -> None:
    table = cells((0, 3, 0, 7), (8, 0, 2, 0), (1, 2, 3, 4))
    before = {cell: value.copy() for cell, value in table.items()}
    for constraint in CONSTRAINTS.values():
        constraint.difference(table, method="to_overall"), constraint.ratio(table)
    assert all((table[cell] == before[cell]).all() for cell in CELLS)


def test_a_criterion_of_ones_own_is_measured_like_a_built_in_one() -> None:
    fdr_parity = Constraint("fdr_parity", [Rate("false_discovery_rate", "fp", "tp + fp")])
    table = cells((3, 1, 0, 5), (4, 4, 0, 5))
    assert fdr_parity.difference(table) == pytest.approx(0.25)
    assert fdr_parity.ratio(table) == pytest.approx(0.5)
    assert fdr_parity.difference(as_torch(table)).item() == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("expression", "coefficients"),
    [
        ("tp", (1, 0, 0, 0)),
        ("n", (1, 1, 1, 1)),
        (" 2 * tp + fp+.5*fn", (2, 1, 0.5, 0)),
        ("n-tn", (1, 1, 1, 0)),
        ("-tp+2*n", (1, 2, 2, 2)),
        ("tp+tp", (2, 0, 0, 0)),
    ],
)
def test_expressions_are_read(expression: str, coefficients: tuple[float, ...]) -> None:
    assert Rate("rate", expression, "n").numerator_coefficients == coefficients


@pytest.mark.parametrize("expression", ["tq", "", "tp+", "TP", "tp*2", "tp/n", "(tp+fp)", "tp--fp", "2tp"])
def test_an_expression_that_cannot_be_read_is_refused_when_written(expression: str) -> None:
    with pytest.raises(ValueError, match=r"Cannot read .* write a sum of the confusion cells"):
        Rate("rate", expression, "n")


@pytest.mark.parametrize("denominator", ["tp-fp", "tp-tp", "0*n"])
def test_a_denominator_that_subtracts_or_is_empty_is_refused(denominator: str) -> None:
    with pytest.raises(ValueError, match="without subtraction"):
        Rate("rate", "tp", denominator)


def test_a_rate_that_can_be_negative_has_a_difference_but_no_ratio() -> None:
    net = Constraint("net_benefit_parity", [Rate("net_benefit", "tp-fp", "n")])
    table = cells((0, 2, 0, 2), (4, 1, 0, 0))
    assert net.difference(table) == pytest.approx(1.1)
    with pytest.raises(ValueError, match="'net_benefit' can be negative"):
        net.ratio(table)


@pytest.mark.parametrize(
    "value", [np.array(["max", "l1"]), np.array([]), ["max"], {"max": 1}, None, 3, float("nan"), b"max", ""]
)
def test_an_option_of_any_kind_is_refused_with_what_it_may_be(value: Any) -> None:
    odds = CONSTRAINTS["equalized_odds"]
    with pytest.raises(ValueError, match="norm must be one of 'max', 'l1', 'l2'; got"):
        odds.check_comparison("difference", norm=value)
    with pytest.raises(ValueError, match="comparison must be one of 'difference'"):
        odds.check_comparison(value)


def test_mistyped_choices_are_named() -> None:
    parity, table = CONSTRAINTS["demographic_parity"], with_selection(0.2, 0.4)
    with pytest.raises(
        ValueError,
        match="comparison must be one of 'difference', 'ratio', 'worst_group', 'mean_difference'; got 'gap'",
    ):
        parity.compare(table, "gap")  # type: ignore[arg-type]
    for compare in (parity.difference, parity.ratio):
        with pytest.raises(ValueError, match=r"method must be one of .*; got 'overall'"):
            compare(table, method="overall")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="needs a reference group"):
            compare(table, method="to_reference")
    with pytest.raises(ValueError, match="leave out method='to_overall'"):
        parity.compare(table, "worst_group", method="to_overall")


@pytest.mark.parametrize(
    ("look_up", "typo", "meant"),
    [(get_rate, "selection_rat", "selection_rate"), (get_constraint, "equalised_odds", "equalized_odds")],
)
def test_an_unknown_name_is_answered_with_the_closest_and_with_all(
    look_up: Any, typo: str, meant: str
) -> None:
    with pytest.raises(ValueError, match=f"Did you mean '{meant}'. Built in: .*{meant}"):
        look_up(typo)


def test_what_is_no_constraint_is_refused() -> None:
    with pytest.raises(TypeError, match="must be a name or a fairsk"):
        get_constraint(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one rate"):
        Constraint("none", [])
    with pytest.raises(ValueError, match="'equalized_odds' is not defined: it has 2 rates"):
        CONSTRAINTS["equalized_odds"].worst_group(with_selection(0.2, 0.4))


@pytest.mark.parametrize("thing", [*RATES.values(), *CONSTRAINTS.values()], ids=lambda thing: thing.name)
def test_rates_and_constraints_are_values(thing: Any) -> None:
    copy = pickle.loads(pickle.dumps(thing))
    assert copy == thing
    assert hash(copy) == hash(thing)
    with pytest.raises(dataclasses.FrozenInstanceError):
        thing.name = "other"


def test_an_estimator_with_a_constraint_can_be_cloned() -> None:
    constraint = Constraint("fdr_parity", "false_discovery_rate")
    assert clone(FairClassifier(constraint=constraint)).constraint == constraint


def test_which_rates_are_linear_in_the_decisions() -> None:
    assert {name for name, rate in RATES.items() if rate.has_fixed_denominator} == {
        "selection_rate",
        "true_positive_rate",
        "false_positive_rate",
        "true_negative_rate",
        "false_negative_rate",
        "accuracy",
        "error_rate",
        "base_rate",
    }


@pytest.mark.parametrize("constraint", CONSTRAINTS.values(), ids=CONSTRAINTS)
def test_every_built_in_criterion_says_what_it_asks_and_where_it_comes_from(constraint: Constraint) -> None:
    assert constraint.description.endswith(".")
    assert constraint.source


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("true_positive_rate_parity", "equal_opportunity"),
        ("false_positive_rate_parity", "predictive_equality"),
        ("selection_rate_parity", "demographic_parity"),
        ("demografic_parity", "demographic_parity"),
    ],
)
def test_names_of_other_libraries_lead_to_ours(name, meant):
    with pytest.raises(ValueError, match=f"Did you mean '{meant}'"):
        get_constraint(name)


def test_f_beta_is_scikit_learns():
    from sklearn.metrics import fbeta_score

    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, (2, 60))
    cells = {"tp": y & p, "fp": (1 - y) & p, "fn": y & (1 - p), "tn": (1 - y) & (1 - p)}
    totals = {cell: float(values.sum()) for cell, values in cells.items()}
    for beta in (0.5, 1, 2):
        assert f_beta(beta)(totals) == pytest.approx(fbeta_score(y, p, beta=beta))
        assert get_rate(f"f{beta}") == (RATES["f1"] if beta == 1 else f_beta(beta))
    assert get_rate("recall") is RATES["true_positive_rate"]


# --- norms of several rates, and the mean over pairs ---------------------------------------------------

#: What several differences become.
NORMS = {"max": max, "l1": sum, "l2": lambda gaps: sum(gap**2 for gap in gaps) ** 0.5}
CELL_COUNTS = st.lists(st.tuples(*[st.integers(0, 4)] * 4), min_size=2, max_size=7)


def ratio_or_nan(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def by_hand(
    groups: list[tuple[int, ...]], rates: int, norm: str, mean: bool, method: str, reference: int
) -> float:
    """Compare groups in a loop over all pairs, by true and (if two rates) false positive rates."""

    def of(tp: int, fp: int, fn: int, tn: int) -> list[float]:
        return [ratio_or_nan(tp, tp + fn), ratio_or_nan(fp, fp + tn)][:rates]

    values = [of(*group) for group in groups]
    for r in range(rates):
        if sum(value[r] == value[r] for value in values) < 2:
            return float("nan")
    pairs = list(combinations(values, 2))
    if method == "to_overall":
        pairs = [(value, of(*np.sum(groups, axis=0).tolist())) for value in values]
    if method == "to_reference":
        if not all(value == value for value in values[reference]):
            return float("nan")
        pairs = [(value, values[reference]) for g, value in enumerate(values) if g != reference]
    gaps = [[abs(a - b) for a, b in zip(*pair, strict=True) if abs(a - b) >= 0] for pair in pairs]
    distances = [NORMS[norm](gap) for gap in gaps if gap]
    return sum(distances) / len(distances) if mean else max(distances)


@settings(max_examples=100, deadline=None)
@example([(0, 0, 0, 0), (0, 0, 1, 0), (0, 0, 1, 0)], "max", "to_overall", True)
@example([(0, 0, 0, 0), (0, 0, 1, 0), (0, 0, 1, 0)], "l2", "to_reference", True)
@given(
    CELL_COUNTS,
    st.sampled_from(["max", "l1", "l2"]),
    st.sampled_from(["between_groups", "to_overall", "to_reference"]),
    st.booleans(),
)
def test_norms_and_means_equal_a_loop_over_pairs(
    groups: list[tuple[int, ...]], norm: Any, method: Any, mean: bool
) -> None:
    table, comparison = cells(*groups), "mean_difference" if mean else "difference"
    options = {"method": method, "norm": norm} | ({"reference": 1} if method == "to_reference" else {})
    for n_rates, name in ((1, "equal_opportunity"), (2, "equalized_odds")):
        expected = by_hand(groups, n_rates, norm, mean, method, 1)
        found = CONSTRAINTS[name].compare(table, comparison, **options)
        assert found == pytest.approx(expected, nan_ok=True)
        twice = {cell: np.stack([values, values], axis=1) for cell, values in table.items()}
        along_an_axis = CONSTRAINTS[name].compare(twice, comparison, **options)
        np.testing.assert_allclose(along_an_axis, [expected, expected])
        in_torch = CONSTRAINTS[name].compare(as_torch(table), comparison, **options)
        assert in_torch.item() == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("convert", [lambda table: table, as_torch], ids=["numpy", "torch"])
def test_a_group_without_a_rate_leaves_the_mean_of_the_others(convert: Any) -> None:
    table = convert(cells((8, 2, 2, 8), (6, 5, 4, 5), (0, 0, 0, 0)))  # TPR .8 .6, FPR .2 .5, and nothing
    odds, opportunity = CONSTRAINTS["equalized_odds"], CONSTRAINTS["equal_opportunity"]
    assert odds.mean_difference(table).item() == pytest.approx(0.3)
    assert odds.mean_difference(table, norm="l1").item() == pytest.approx(0.5)
    to_first = {"method": "to_reference", "reference": 0}
    assert opportunity.mean_difference(table, **to_first).item() == pytest.approx(0.2)
    overall = 14 / 20
    expected = ((0.8 - overall) + (overall - 0.6)) / 2
    assert opportunity.mean_difference(table, method="to_overall").item() == pytest.approx(expected)


@pytest.mark.parametrize("norm", ["max", "l1", "l2"])
@pytest.mark.parametrize("comparison", ["difference", "mean_difference"])
@pytest.mark.parametrize("method", ["between_groups", "to_reference", "to_overall"])
def test_one_group_is_compared_with_nothing(comparison: Any, method: Any, norm: Any) -> None:
    options = {"method": method, "norm": norm} | ({"reference": 0} if method == "to_reference" else {})
    for name in ("equalized_odds", "equal_opportunity"):
        assert np.isnan(CONSTRAINTS[name].compare(cells((8, 2, 2, 8)), comparison, **options))


def test_norms_by_hand() -> None:
    table = cells((8, 2, 2, 8), (6, 5, 4, 5), (8, 1, 2, 9))  # TPR .8 .6 .8, FPR .2 .5 .1
    odds = CONSTRAINTS["equalized_odds"]
    assert odds.difference(table) == pytest.approx(0.4)
    assert odds.difference(table, norm="l1") == pytest.approx(0.6)  # b and c: .2 + .4
    assert odds.difference(table, norm="l2") == pytest.approx(0.2**0.5)
    assert odds.mean_difference(table) == pytest.approx((0.3 + 0.1 + 0.4) / 3)
    assert odds.mean_difference(table, norm="l1") == pytest.approx((0.5 + 0.1 + 0.6) / 3)
    one = CONSTRAINTS["equal_opportunity"]
    assert one.mean_difference(table) == pytest.approx(0.4 / 3)
    assert one.mean_difference(table, norm="l2") == one.mean_difference(table, norm="max")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"comparison": "ratio", "norm": "l1"}, "adds up differences"),
        ({"comparison": "worst_group", "norm": "l2"}, "adds up differences"),
        ({"norm": "l3"}, "norm must be one of 'max', 'l1', 'l2'; got 'l3'"),
        ({"comparison": "mean_difference", "method": "to_reference"}, "needs a reference group"),
    ],
)
def test_what_has_no_norm_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CONSTRAINTS["equal_opportunity"].compare(random_cells(3), **options)
