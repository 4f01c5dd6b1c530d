"""Areas of a group beside its background equal scikit-learn's on its slices, of rows and of histograms."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from fairsk.metrics import ScoreHistograms, ScoreMetrics, bias_auc, score_metrics
from fairsk.metrics._scores.background import background_negatives, background_positives
from fairsk.metrics._scores.grouped import GroupedScores

AREAS = ("subgroup_auc", "bpsn_auc", "bnsp_auc")
GROUPS = ("female", "male", "none", "several")


def make_rows(seed: int = 0, n: int = 300, *, ties: bool = False, weighted: bool = False) -> dict[str, Any]:
    """Return rows whose scores lean towards one group."""
    rng = np.random.default_rng(seed)
    group = rng.choice(GROUPS, n, p=[0.3, 0.25, 0.35, 0.1])
    scores = np.clip(rng.beta(2, 2, n) + 0.15 * (group == "female"), 0, 1)
    y = (rng.random(n) < scores).astype(int)
    return {
        "y_true": y,
        "y_score": np.round(scores, 1) if ties else scores,
        "sensitive_features": group,
        "sample_weight": rng.choice([0.5, 1.0, 3.0], n) if weighted else None,
    }


def slices(rows: dict[str, Any], group: str) -> dict[str, Any]:
    """Return which rows each area of a group is of, written down from the definitions."""
    inside, positive = rows["sensitive_features"] == group, rows["y_true"] == 1
    return {
        "subgroup_auc": inside,
        "bpsn_auc": (inside & ~positive) | (~inside & positive),
        "bnsp_auc": (inside & positive) | (~inside & ~positive),
    }


def oracle(rows: dict[str, Any], name: str, group: str) -> float:
    kept, weights = slices(rows, group)[name], rows["sample_weight"]
    weight = None if weights is None else weights[kept]
    return float(roc_auc_score(rows["y_true"][kept], rows["y_score"][kept], sample_weight=weight))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", AREAS)
def test_areas_equal_scikit_learns_on_the_slices(name: str, weighted: bool, ties: bool) -> None:
    rows = make_rows(ties=ties, weighted=weighted)
    table = score_metrics(**rows, metrics=AREAS)
    expected = [oracle(rows, name, group) for group in GROUPS]
    assert table.groups == GROUPS
    assert table.values[name] == pytest.approx(expected, abs=1e-12)
    assert table.difference(name) == pytest.approx(max(expected) - min(expected))
    assert np.isnan(table.overall[name]) == (name != "subgroup_auc")
    assert (table.area_errors[name] == 0).all()


def test_pairs_of_a_positive_and_a_negative_are_counted_one_by_one() -> None:
    rows = make_rows(n=60, ties=True)
    y, s, group = rows["y_true"] == 1, rows["y_score"], rows["sensitive_features"]
    table = score_metrics(**rows, metrics=AREAS)
    for g, label in enumerate(GROUPS):
        inside = group == label
        for name, positives, negatives in (
            ("bpsn_auc", y & ~inside, ~y & inside),
            ("bnsp_auc", y & inside, ~y & ~inside),
        ):
            wins = [(p > n) + (p == n) / 2 for p in s[positives] for n in s[negatives]]
            assert table.values[name][g] == pytest.approx(np.mean(wins))


@pytest.mark.parametrize("weighted", [False, True])
def test_intervals_are_those_of_the_area_of_the_slice(weighted: bool) -> None:
    """A slice is a sample like any other: its interval is that of a group that consists of it alone."""
    rows = make_rows(weighted=weighted)
    table = score_metrics(**rows, metrics=AREAS)
    for g, group in enumerate(GROUPS):
        for name, kept in slices(rows, group).items():
            taken = {key: None if values is None else values[kept] for key, values in rows.items()}
            alone = score_metrics(
                **taken | {"sensitive_features": np.zeros(kept.sum(), dtype=int)}, metrics="auc"
            )
            found = [end[g] for end in table.intervals[name]]
            assert found == pytest.approx([end[0] for end in alone.intervals["auc"]], abs=1e-9)


def test_delongs_variance_over_the_slices() -> None:
    rows = make_rows(n=120, seed=3)
    y, s, inside = rows["y_true"] == 1, rows["y_score"], rows["sensitive_features"] == "female"
    wins = (s[y & ~inside][:, None] > s[~y & inside]).astype(float)
    parts = [wins.mean(axis).var(ddof=1) / wins.shape[1 - axis] for axis in (1, 0)]
    sizes = [wins.shape[0] - 1, wins.shape[1] - 1]
    freedom = sum(parts) ** 2 / sum(v**2 / size for v, size in zip(parts, sizes, strict=True))
    value = wins.mean()
    half = stats.t.ppf(0.975, freedom) * np.sqrt(sum(parts)) / (value * (1 - value))
    expected = [1 / (1 + np.exp(-(np.log(value / (1 - value)) + shift))) for shift in (-half, half)]
    table = score_metrics(**rows, metrics="bpsn_auc")
    assert [end[0] for end in table.intervals["bpsn_auc"]] == pytest.approx(expected)


@pytest.mark.parametrize("bins", [4, 64])
@pytest.mark.parametrize("weighted", [False, True])
def test_areas_from_histograms_are_within_their_bound_and_merge(bins: int, weighted: bool) -> None:
    rows = make_rows(n=1000, weighted=weighted)
    exact = score_metrics(**rows, metrics=AREAS)
    halves = [
        ScoreHistograms.from_scores(**{k: None if v is None else v[i] for k, v in rows.items()}, bins=bins)
        for i in (slice(None, 400), slice(400, None))
    ]
    merged = ScoreMetrics.from_histograms(halves[0] + halves[1], metrics=AREAS)
    table = ScoreMetrics.from_histograms(ScoreHistograms.from_scores(**rows, bins=bins), metrics=AREAS)
    for name in AREAS:
        np.testing.assert_allclose(merged.values[name], table.values[name], atol=1e-12)
        gaps = np.abs(table.values[name] - exact.values[name])
        assert (gaps <= table.area_errors[name] + 1e-12).all()
        (low, high), (exact_low, exact_high) = table.intervals[name], exact.intervals[name]
        assert (high - low >= exact_high - exact_low - 2e-3).all()
    # Pairs of one bin are in doubt by a half each.
    place = np.minimum(np.floor(rows["y_score"] * bins), bins - 1)
    kept = slices(rows, "male")["bpsn_auc"]
    y, weight = (
        rows["y_true"][kept] == 1,
        np.ones(kept.sum()) if not weighted else rows["sample_weight"][kept],
    )
    positives, negatives = (np.bincount(place[kept][of].astype(int), weight[of], bins) for of in (y, ~y))
    bound = positives @ negatives / (2 * positives.sum() * negatives.sum())
    assert table.area_errors["bpsn_auc"][1] == pytest.approx(bound)
    assert "bpsn_auc_error" in table.frame(backend="pandas")
    assert json.loads(json.dumps(table.to_dict()))["area_errors"].keys() == set(AREAS)


def test_weights_are_repetitions_of_rows() -> None:
    rows = make_rows(ties=True)
    times = np.random.default_rng(1).integers(0, 3, 300)
    weighted = score_metrics(**rows | {"sample_weight": times}, metrics=AREAS)
    repeated = score_metrics(
        **{k: None if v is None else np.repeat(v, times) for k, v in rows.items()}, metrics=AREAS
    )
    for name in AREAS:
        assert weighted.values[name] == pytest.approx(repeated.values[name], abs=1e-12)


def test_sums_that_rounding_leaves_of_an_empty_background_are_nothing() -> None:
    """All positives are in one group: what is left of sums of weights such as .1 is no background."""
    y, group = np.array([1] * 7 + [0] * 8), np.array(["a"] * 10 + ["b"] * 5)
    given = {"sensitive_features": group, "sample_weight": np.linspace(0.1, 0.7, 15), "metrics": "bpsn_auc"}
    with pytest.warns(UserWarning, match=r"bpsn_auc cannot be measured for: a \(it needs negatives of the "):
        table = score_metrics(y, np.linspace(0, 1, 15) ** 2, **given)
    assert np.isnan(table.values["bpsn_auc"][0])
    assert table.values["bpsn_auc"][1] == 0


def test_they_are_left_out_unless_they_are_asked_for() -> None:
    rows = make_rows()
    assert not set(AREAS) & set(score_metrics(**rows).values)
    table = score_metrics(**rows, metrics=["auc", *AREAS])
    np.testing.assert_array_equal(table.values["auc"], table.values["subgroup_auc"])
    for name in ("bpsn_auc", "bnsp_auc"):
        with pytest.raises(ValueError, match=f"{name} has no interval here: groups are in each other's"):
            table.difference_interval(name)
    assert len(table.difference_interval("subgroup_auc")) == 2


def power_mean(values: list[float], power: float) -> float:
    return float(np.mean([value**power for value in values]) ** (1 / power))


@pytest.mark.parametrize("power", [-5, 1, 2.5])
@pytest.mark.parametrize("groups", [None, ["female", "male"]])
@pytest.mark.parametrize("weighted", [False, True])
def test_bias_auc_is_the_mean_of_four_areas(weighted: bool, groups: Any, power: float) -> None:
    rows = make_rows(weighted=weighted)
    overall = roc_auc_score(rows["y_true"], rows["y_score"], sample_weight=rows["sample_weight"])
    means = [power_mean([oracle(rows, name, g) for g in groups or GROUPS], power) for name in AREAS]
    found = bias_auc(**rows, groups=groups, power=power)
    assert found == pytest.approx((overall + sum(means)) / 4)
    table = score_metrics(**rows)
    assert table.bias_auc(groups=groups, power=power) == found
    binned = ScoreMetrics.from_histograms(ScoreHistograms.from_scores(**rows, bins=1024))
    assert binned.bias_auc(groups=groups, power=power) == pytest.approx(found, abs=2e-3)


def test_bias_auc_of_groups_without_an_area() -> None:
    rows = make_rows()
    rows["y_true"] = np.where(rows["sensitive_features"] == "several", 1, rows["y_true"])
    with pytest.warns(UserWarning, match="cannot be measured for: several") as seen:
        found = bias_auc(**rows)
    assert len(seen) == 2
    assert "subgroup_auc cannot be measured for: several" in str(seen[0].message)
    assert seen[0].filename == __file__
    overall = roc_auc_score(rows["y_true"], rows["y_score"])
    others = [g for g in GROUPS if g != "several"]
    expected = [
        power_mean([oracle(rows, name, g) for g in (GROUPS if name == "bnsp_auc" else others)], -5)
        for name in AREAS
    ]
    assert found == pytest.approx((overall + sum(expected)) / 4)
    with pytest.warns(UserWarning, match="cannot be measured"):
        assert np.isnan(bias_auc([0, 1], [0.1, 0.9], sensitive_features=["a", "a"]))
    # The lower the power, the more the worst group counts, up to the smallest and the largest area.
    rows = make_rows()
    for power, worst in ((-1e300, min), (-5_000, min), (5_000, max), (1e300, max)):
        expected = [worst(oracle(rows, name, g) for g in GROUPS) for name in AREAS]
        overall = roc_auc_score(rows["y_true"], rows["y_score"])
        found = bias_auc(**rows, power=power)
        assert found == pytest.approx((overall + sum(expected)) / 4, abs=1e-3)
    # One area of 0 makes a mean with a negative power 0.
    y, s, group = [0, 1, 0, 1], [0.6, 0.7, 0.1, 0.2], list("aabb")
    assert bias_auc(y, s, sensitive_features=group) == pytest.approx((0.75 + 1 + 0 + 0) / 4)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"power": 0}, ValueError, "power must be a finite number other than 0; got 0"),
        ({"power": np.inf}, ValueError, "power must be a finite number"),
        ({"power": "-5"}, ValueError, "power must be a finite number"),
        ({"groups": "female"}, TypeError, r"groups must be a sequence of groups, such as \['female'\]"),
        ({"groups": []}, ValueError, "groups must name groups, each once"),
        ({"groups": ["male", "male"]}, ValueError, "groups must name groups, each once"),
        (
            {"groups": ["femal"]},
            ValueError,
            r"^The group 'femal' is not one of the groups: .* Did you mean 'female'\?",
        ),
        ({"y_true": None}, ValueError, "bias_auc depends on the labels"),
    ],
)
def test_bad_questions_are_refused(options: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        bias_auc(**make_rows() | options)


def test_a_group_costs_as_much_as_it_has_scores() -> None:
    """The areas of many groups are no loop over all rows for each of them."""
    rows = make_rows(n=5000)
    scores = GroupedScores.of_rows(**rows)
    for part in scores.parts:
        for beside in (background_positives(part, scores.total), background_negatives(part, scores.total)):
            assert len(beside.curve) == 2 * len(part.curve.steps) + 2 < len(scores.total.curve)
