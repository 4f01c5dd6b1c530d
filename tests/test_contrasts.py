from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from fairsk import Rate
from fairsk._core.counts import GroupCounts
from fairsk.rates import CELLS, RATES
from fairsk.statistics import contrasts, rate_intervals

PAIRS = [
    ((7, 20), (3, 25)),
    ((0, 20), (5, 20)),
    ((60, 100), (45, 100)),
    ((19, 20), (20, 20)),
    ((0, 9), (0, 7)),
]


def selections(*groups: tuple[float, float], labels: Any = None) -> GroupCounts:
    """Return counts of groups of whom (selected, n) were selected."""
    selected, n = np.array(groups, dtype=float).T
    nobody = np.zeros_like(n)
    cells = {"tp": selected, "fp": nobody, "fn": nobody, "tn": n - selected}
    return GroupCounts("abcdefgh"[: len(groups)] if labels is None else labels, cells)


def drawn(seed: int = 0, n: int = 400, groups: str = "abcd", weighted: bool = False) -> GroupCounts:
    rng = np.random.default_rng(seed)
    y, p = rng.integers(0, 2, (2, n))
    weights = rng.exponential(size=n) if weighted else None
    group = rng.choice(list(groups), n)
    return GroupCounts.from_predictions(y, p, sensitive_features=group, sample_weight=weights)


# --- two groups ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_a_difference_has_newcombes_interval_with_its_sign(one: Any, two: Any) -> None:
    result = contrasts(selections(one, two), "selection_rate", method="between_groups")
    expected = confint_proportions_2indep(*one, *two, method="newcomb", compare="diff")
    assert (result.low[0], result.high[0]) == pytest.approx(expected, abs=1e-9)
    assert result.values[0] == pytest.approx(one[0] / one[1] - two[0] / two[1])
    turned = contrasts(selections(two, one), "selection_rate", method="between_groups")
    assert (-turned.high[0], -turned.low[0]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_z_is_that_of_the_pooled_two_sample_test(one: Any, two: Any) -> None:
    result = contrasts(selections(one, two), "selection_rate", method="between_groups")
    if one[0] == two[0] == 0:
        assert (result.z[0], result.p_values[0]) == (0, 1)
        return
    z, p = proportions_ztest([one[0], two[0]], [one[1], two[1]])
    assert (result.z[0], result.p_values[0]) == pytest.approx((z, p))


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_a_ratio_lies_near_the_score_interval(one: Any, two: Any) -> None:
    result = contrasts(selections(one, two), "selection_rate", method="between_groups", comparison="ratio")
    low, high = result.low[0], result.high[0]
    if one[0] == two[0] == 0:
        assert (result.values[0], low, high) == (1, 0, np.inf)
        return
    assert low <= result.values[0] <= high
    score = confint_proportions_2indep(*one, *two, method="score", compare="ratio")
    if one[0] and two[0]:
        assert np.log([low, high]) == pytest.approx(np.log(score), abs=0.25)
    turned = contrasts(selections(two, one), "selection_rate", method="between_groups", comparison="ratio")
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose([1 / turned.high[0], 1 / turned.low[0]], [low, high], rtol=1e-9)


def test_a_group_with_nobody_selected_has_a_ratio_of_zero_with_an_upper_limit() -> None:
    result = contrasts(
        selections((0, 30), (10, 30)),
        "selection_rate",
        method="to_reference",
        reference="b",
        comparison="ratio",
    )
    assert result.values[0] == result.low[0] == 0 < result.high[0] < 1


# --- baselines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rate", ["selection_rate", "true_positive_rate", "f1", Rate("cost", "fp+5*fn", "n")])
def test_contrasts_are_what_their_names_say(rate: Any, weighted: bool) -> None:
    counts = drawn(weighted=weighted)
    rates, rate_of = counts.rate(rate), dict(zip(counts.groups, counts.rate(rate), strict=True))
    overall = counts.overall().rate(rate)[0]
    result = contrasts(counts, rate, method="to_overall")
    np.testing.assert_allclose(result.values, rates - overall, atol=1e-12)
    assert result.baselines == ("overall",) * 4
    ratios = contrasts(counts, rate, method="to_overall", comparison="ratio").values
    np.testing.assert_allclose(ratios, rates / overall)
    for i, label in enumerate(counts.groups):
        others = [group for group in counts.groups if group != label]
        rest = sum(_only(counts, group) for group in others)
        alone = RATES[rate] if isinstance(rate, str) else rate
        base = alone({cell: rest.cells[cell].sum() for cell in CELLS})
        assert contrasts(counts, rate, method="to_rest").values[i] == pytest.approx(rates[i] - base)
        to_one = contrasts(counts, rate, method="to_reference", reference=label)
        assert to_one.groups == tuple(others)
        np.testing.assert_allclose(to_one.values, [rate_of[g] - rate_of[label] for g in others])
    pairs = contrasts(counts, rate, method="between_groups")
    assert len(pairs.values) == 6
    for group, base, value in zip(pairs.groups, pairs.baselines, pairs.values, strict=True):
        assert value == pytest.approx(rate_of[group] - rate_of[base])


def _only(counts: GroupCounts, group: str) -> GroupCounts:
    i = counts.groups.index(group)
    cells, squares = ({cell: table[cell][[i]] for cell in CELLS} for table in (counts.cells, counts.squares))
    return GroupCounts([group], cells, squares)


@pytest.mark.parametrize("comparison", ["difference", "ratio"])
def test_the_overall_holds_the_group_itself_and_its_interval_knows(comparison: Any) -> None:
    counts = selections((30, 60), (20, 60), (100, 300))
    to_rest = contrasts(counts, "selection_rate", method="to_rest", comparison=comparison)
    result = contrasts(counts, "selection_rate", method="to_overall", comparison=comparison)
    np.testing.assert_allclose(result.p_values, to_rest.p_values)
    parity = 0 if comparison == "difference" else 1
    assert np.all((result.low > parity) == (to_rest.low > parity))
    assert np.all(result.high - result.low < to_rest.high - to_rest.low)
    assert np.all((result.low < result.values) & (result.values < result.high))


@pytest.mark.parametrize("comparison", ["difference", "ratio"])
@pytest.mark.parametrize("method", ["to_overall", "to_rest"])
def test_intervals_cover_the_true_contrast(method: Any, comparison: Any) -> None:
    n, p = np.array([30, 60, 150]), np.array([0.5, 0.3, 0.2])
    base = (n * p).sum() / n.sum() if method == "to_overall" else ((n * p).sum() - n * p) / (n.sum() - n)
    truth = p - base if comparison == "difference" else p / base
    hits = []
    for selected in np.random.default_rng(1).binomial(n, p, (1000, 3)):
        result = contrasts(
            selections(*zip(selected, n, strict=True)), "selection_rate", method=method, comparison=comparison
        )
        hits.append((result.low <= truth) & (truth <= result.high))
    assert np.all(np.abs(np.mean(hits, axis=0) - 0.95) < 0.025)


def test_simultaneous_intervals_are_those_of_more_confidence() -> None:
    counts = selections((30, 60), (20, 60), (100, 300))
    together = contrasts(counts, "selection_rate", method="between_groups", simultaneous=True)
    one_by_one = contrasts(counts, "selection_rate", method="between_groups", confidence=1 - 0.05 / 3)
    np.testing.assert_allclose(together.low, one_by_one.low)
    np.testing.assert_allclose(together.high, one_by_one.high)
    assert "95% confidence together" in str(together)


def test_groups_are_compared_with_each_other_unless_a_baseline_is_named() -> None:
    counts = selections((30, 60), (20, 60), (100, 300))
    result = contrasts(counts, "selection_rate")
    assert [*zip(result.groups, result.baselines, strict=True)] == [("a", "b"), ("a", "c"), ("b", "c")]
    np.testing.assert_allclose(result.values, [1 / 6, 1 / 6, 0], atol=1e-12)


def test_order_and_names_of_groups_change_nothing() -> None:
    parts = [(30, 60), (20, 60), (100, 300)]
    one = contrasts(selections(*parts, labels="xyz"), "selection_rate", method="to_overall")
    two = contrasts(selections(*parts[::-1], labels="cba"), "selection_rate", method="to_overall")
    for name in ("values", "low", "high", "z", "p_values", "adjusted_p_values"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name)[::-1])


def test_a_rate_that_is_no_share_is_compared_by_its_standard_errors() -> None:
    benefit = Rate("net_benefit", "tp-fp", "n")
    counts = drawn(n=2000, groups="ab")
    result = contrasts(counts, benefit, method="between_groups")
    assert result.high[0] - result.low[0] == pytest.approx(
        np.hypot(*np.subtract(*rate_intervals(counts, benefit))), rel=1e-9
    )
    with pytest.raises(ValueError, match="ratio of 'net_benefit' is not defined"):
        contrasts(counts, benefit, comparison="ratio")


def test_groups_that_agree_surely_or_differ_surely_have_a_finite_z() -> None:
    benefit = Rate("net_benefit", "tp-fp", "n")
    cells = {"tp": [20, 0, 20], "fp": [0, 20, 0], "fn": [0] * 3, "tn": [0] * 3}
    z = contrasts(GroupCounts("abc", cells), benefit, method="between_groups").z
    np.testing.assert_allclose(z, [np.sqrt(40), 0, -np.sqrt(40)])


# --- edges --------------------------------------------------------------------------------------------


def test_a_group_without_the_rate_is_nan_and_named() -> None:
    cells = {"tp": [8, 0, 6], "fp": [1, 1, 1], "fn": [2, 0, 4], "tn": [1, 1, 1]}
    counts = GroupCounts(["a", "empty", "c"], cells)
    for method in ("to_overall", "to_rest", "between_groups"):
        with pytest.warns(UserWarning, match="cannot be measured for: empty"):
            result = contrasts(counts, "true_positive_rate", method=method)
        lost = [i for i in range(3) if "empty" in (result.groups[i], result.baselines[i])]
        for name in ("values", "low", "high", "z", "p_values", "adjusted_p_values"):
            assert set(np.flatnonzero(np.isnan(getattr(result, name)))) == set(lost), (method, name)
    with pytest.warns(UserWarning, match="empty"):
        result = contrasts(counts, "true_positive_rate", method="to_reference", reference="empty")
    assert np.isnan(result.values).all()


def test_one_group_has_nothing_to_be_compared_with() -> None:
    for method in ("to_overall", "to_rest", "between_groups"):
        with pytest.warns(UserWarning, match="Fewer than two groups"):
            result = contrasts(selections((3, 9)), "selection_rate", method=method)
        assert np.isnan(result.values).all()
        assert "group" in str(result)


def test_the_table_prints_escapes_and_becomes_a_frame() -> None:
    counts = selections((3, 9), (5, 9), labels=["<b>", "a"])
    result = contrasts(counts, "selection_rate", method="to_overall")
    assert "&lt;b&gt;" in result._repr_html_()
    assert result.frame("polars")["group"].to_list() == ["<b>", "a"]
    assert list(result.frame("polars").columns)[:2] == ["group", "baseline"]
    assert "adjusted" not in str(contrasts(selections((3, 9), (5, 9)), "selection_rate", adjust=None))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "to_reference"}, "needs reference=, one of the groups: 'a', 'b'"),
        ({"reference": "a"}, 'reference= names a group for method="to_reference" only'),
        ({"method": "to_reference", "reference": "z"}, "not one of the groups: 'a', 'b'"),
        ({"method": "highest"}, "method must be one of"),
        ({"comparison": "worst_group"}, "comparison must be"),
        ({"confidence": 95}, "between 0 and 1"),
        ({"adjust": "sidak"}, "adjust must be one of"),
    ],
)
def test_what_makes_no_sense_is_refused(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contrasts(selections((3, 9), (5, 9)), "selection_rate", **given)


def test_strata_are_refused() -> None:
    counts = GroupCounts.from_predictions([1, 0], [1, 0], sensitive_features=["a", "b"], strata=["x", "y"])
    with pytest.raises(ValueError, match="without strata"):
        contrasts(counts, "selection_rate")
