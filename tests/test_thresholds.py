"""Group thresholds: equal to brute force, within the bound, and clear about what they cannot do."""

from __future__ import annotations

import itertools
import json
import pickle

import numpy as np
import pytest
from scipy.stats import kstest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, ShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from toy_data import ScoreColumn, logistic, people

from fairsk import Constraint, GroupThresholdOptimizer, Rate
from fairsk._core.uniforms import entry_uniforms, row_uniforms
from fairsk.metrics import GroupCounts, demographic_parity_difference, equal_opportunity_difference
from fairsk.rates import CELLS, CONSTRAINTS, RATES
from fairsk.thresholds._solvers.single_rate import range_argmax

OBJECTIVES = ("accuracy", "balanced_accuracy", "f1")
RULES = tuple(CONSTRAINTS.values())


def random_problem(seed):
    """Return scores, labels, groups and weights; every other problem has ties, every third has weights."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 4))
    n = int(rng.integers(10, 22 if k == 3 else 36))
    levels = 8 if seed % 2 else 1000
    scores, groups, actual = rng.integers(0, levels, n) / levels, rng.integers(0, k, n), rng.integers(0, 2, n)
    groups[: 2 * k], actual[: 2 * k] = np.tile(range(k), 2), np.repeat([0, 1], k)  # both labels everywhere
    weights = rng.integers(1, 4, n).astype(float) if seed % 3 == 0 else np.ones(n)
    return scores, actual, groups, weights


def confusion(selected, actual, groups, weights):
    def total(chosen, label):
        return np.bincount(groups[chosen & (actual == label)], weights[chosen & (actual == label)], k)

    k = groups.max() + 1
    return {
        "tp": total(selected, 1),
        "fp": total(selected, 0),
        "fn": total(~selected, 1),
        "tn": total(~selected, 0),
    }


def value_of(objective, cells):
    total = {cell: cells[cell].sum() for cell in CELLS}
    if objective == "balanced_accuracy":
        return float(RATES["true_positive_rate"](total) + RATES["true_negative_rate"](total)) / 2
    return float(RATES[objective](total))


def brute_force(problem, constraint, objective, *, max_difference=None, min_ratio=None):
    """Try every combination of thresholds; None if none meets the bound."""
    scores, actual, groups, weights = problem
    candidates = [[np.inf, *np.unique(scores[groups == g])] for g in range(groups.max() + 1)]
    best = None
    for thresholds in itertools.product(*candidates):
        cells = confusion(scores >= np.array(thresholds)[groups], actual, groups, weights)
        if any(np.isnan(rate(cells)).any() for rate in constraint.rates):
            continue
        if max_difference is not None and constraint.difference(cells) > max_difference + 1e-9:
            continue
        if min_ratio is not None and constraint.ratio(cells) < min_ratio - 1e-9:
            continue
        value = value_of(objective, cells)
        if not np.isnan(value) and (best is None or value > best):
            best = value
    return best


def fit_prefit(problem, **params):
    scores, actual, groups, weights = problem
    X = scores.reshape(-1, 1)
    model = GroupThresholdOptimizer(FrozenEstimator(ScoreColumn().fit(X, actual)), min_group_size=1, **params)
    return model.fit(X, actual, sensitive_features=groups, sample_weight=weights)


@pytest.mark.filterwarnings("ignore:The thresholds select")  # on a handful of rows
@pytest.mark.parametrize("seed", range(264))
def test_thresholds_equal_brute_force(seed):
    """All constraints, differences and ratios, three objectives, ties, weights, two and three groups."""
    problem = random_problem(seed)
    constraint = RULES[seed % len(RULES)]
    objective = OBJECTIVES[seed % len(OBJECTIVES)]
    bound = {"min_ratio": 0.8} if seed % 4 == 0 else {"max_difference": [0.0, 0.05, 0.2][seed // 4 % 3]}
    expected = brute_force(problem, constraint, objective, **bound)
    params = {"constraint": constraint, "objective": objective, "policy": "threshold", **bound}
    if expected is None:
        with pytest.raises(ValueError, match="No thresholds meet"):
            fit_prefit(problem, **params)
        return
    model = fit_prefit(problem, **params)
    scores, actual, groups, weights = problem
    assert model.report_.value == pytest.approx(expected, abs=1e-12)
    selected = model.predict(scores.reshape(-1, 1), sensitive_features=groups) == 1
    cells = confusion(selected, actual, groups, weights)
    assert value_of(objective, cells) == pytest.approx(expected, abs=1e-12)
    if "max_difference" in bound:
        assert constraint.difference(cells) <= bound["max_difference"] + 1e-9
    else:
        assert constraint.ratio(cells) >= 0.8 - 1e-9


@pytest.mark.parametrize("seed", range(30))
def test_range_argmax_finds_the_largest_value_of_every_range(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 20, 50).astype(float)
    first = rng.integers(0, 50, 200)
    last = np.minimum(49, first + rng.integers(0, 50, 200))
    found = range_argmax(values, first, last)
    assert np.all((first <= found) & (found <= last))
    np.testing.assert_array_equal(
        values[found], [values[a : b + 1].max() for a, b in zip(first, last, strict=True)]
    )


@pytest.mark.filterwarnings("ignore:The thresholds select")  # on a handful of rows
@pytest.mark.parametrize("constraint", ["demographic_parity", "equalized_odds"])
@pytest.mark.parametrize("seed", range(10))
def test_mixtures_are_never_worse_and_meet_the_bound_in_expectation(constraint, seed):
    rng = np.random.default_rng(seed)
    n = 300
    problem = rng.random(n), rng.integers(0, 2, n), rng.integers(0, 3, n), np.ones(n)
    params = {"constraint": constraint, "max_difference": 0.03}
    single = fit_prefit(problem, policy="threshold", **params).report_
    mixed = fit_prefit(problem, policy="randomized", **params).report_
    assert mixed.value >= single.value - 1e-9
    assert mixed.disparity <= 0.03 + 1e-9
    assert single.optimality_gap == pytest.approx(mixed.value - single.value, abs=1e-9)


@pytest.mark.filterwarnings("ignore:The thresholds select")  # on a handful of rows
def test_auto_mixes_where_single_thresholds_lose_much_and_only_there():
    rng = np.random.default_rng(1)
    n = 60
    actual, groups = rng.integers(0, 2, n), rng.integers(0, 2, n)
    problem = 0.5 * actual + rng.random(n), actual, groups, np.ones(n)
    params = {"constraint": "equalized_odds", "max_difference": 0.0}
    exact = fit_prefit(problem, policy="threshold", **params).report_
    assert exact.optimality_gap > 0.005  # parity without mixing costs a lot on so few rows
    tight = fit_prefit(problem, policy="auto", **params)
    assert tight.report_.policy == "randomized"
    assert tight.report_.value == pytest.approx(exact.value + exact.optimality_gap)
    assert all(isinstance(rule, list) for rule in tight.thresholds_.values())
    loose = fit_prefit(problem, policy="auto", constraint="equalized_odds", max_difference=1.0)
    assert loose.report_.policy == "threshold"


def test_mixtures_decide_the_same_row_the_same_way_every_time():
    rng = np.random.default_rng(1)
    n = 400
    scores, groups = rng.random(n), rng.integers(0, 2, n)
    actual = (rng.random(n) < np.where(groups == 0, scores, scores**2)).astype(int)
    model = fit_prefit(
        (scores, actual, groups, np.ones(n)),
        policy="randomized",
        constraint="equalized_odds",
        max_difference=0.0,
    )
    X = scores.reshape(-1, 1)
    once = model.predict(X, sensitive_features=groups)
    np.testing.assert_array_equal(once, model.predict(X, sensitive_features=groups))
    half = np.arange(0, n, 2)
    np.testing.assert_array_equal(once[half], model.predict(X[half], sensitive_features=groups[half]))


def test_hashed_scores_look_uniform_and_independent_of_their_order():
    uniforms = row_uniforms(np.linspace(0, 1, 10_000))
    counts = np.histogram(uniforms, bins=20, range=(0, 1))[0]
    assert uniforms.min() >= 0
    assert uniforms.max() < 1
    assert ((counts - 500) ** 2 / 500).sum() < 43.8  # chi-square with 19 degrees of freedom, p = .001
    assert abs(np.corrcoef(uniforms[1:], uniforms[:-1])[0, 1]) < 0.05


def test_a_mixture_decides_a_row_alone_as_in_a_batch():
    """Products of matrices differ in their last digits with the number of rows."""
    rng = np.random.default_rng(0)
    X, groups = rng.normal(size=(240, 6)), rng.integers(0, 2, 240)
    y = rng.random(240) < 0.3 + 0.3 * groups
    model = GroupThresholdOptimizer(
        LogisticRegression(), policy="randomized", max_difference=0.0, min_group_size=5
    )
    model.fit(X, y, sensitive_features=groups)
    scores = model.estimator_.predict_proba(X)[:, 1]
    alone = np.concatenate([model.estimator_.predict_proba(X[[i]])[:, 1] for i in range(240)])
    assert (alone != scores).any()
    decided = np.concatenate([model.predict(X[[i]], sensitive_features=groups[[i]]) for i in range(240)])
    np.testing.assert_array_equal(decided, model.predict(X, sensitive_features=groups))
    spread = np.linspace(0, 1, 10_000)
    np.testing.assert_array_equal(row_uniforms(spread), row_uniforms(np.nextafter(spread, 2)))


def test_numbers_per_row_and_feature_depend_on_the_row_alone():
    features = np.indices((10, 10, 10, 10)).reshape(4, -1).T  # 10,000 rows, no two alike
    uniforms = entry_uniforms(features)
    np.testing.assert_array_equal(entry_uniforms(features[::-1])[::-1], uniforms)
    np.testing.assert_array_equal(entry_uniforms(np.array([[-0.0, 1]])), entry_uniforms(np.array([[0, 1]])))
    assert (np.abs(np.corrcoef(np.column_stack([uniforms, features]).T) - np.eye(8)) < 0.05).all()
    for column in uniforms.T:
        assert kstest(column, "uniform").pvalue > 0.001


def test_weights_equal_repetition():
    scores, actual, groups, _ = random_problem(6)
    weights = np.random.default_rng(0).integers(1, 4, len(scores))
    weighted = fit_prefit((scores, actual, groups, weights.astype(float)), max_difference=0.1)
    rows = np.repeat(np.arange(len(scores)), weights)
    repeated = fit_prefit((scores[rows], actual[rows], groups[rows], np.ones(len(rows))), max_difference=0.1)
    assert weighted.thresholds_ == repeated.thresholds_
    assert weighted.report_.value == pytest.approx(repeated.report_.value)


@pytest.mark.parametrize("constraint", ["demographic_parity", "equal_opportunity", "equalized_odds"])
def test_the_bound_holds_on_out_of_fold_scores_and_labels_stay_strings(constraint, library):
    X, y = people(library, n=800)
    model = GroupThresholdOptimizer(
        logistic(), sensitive_features="sex", constraint=constraint, max_difference=0.03
    ).fit(X, y)
    report = model.report_
    assert report.disparity <= 0.03 + 1e-9
    assert report.interval[0] <= report.disparity <= report.interval[1]
    assert set(model.predict(X)) == {"yes", "no"}
    assert model.groups_ == ("F", "M")
    assert set(model.thresholds_) == {"F", "M"}


def test_thresholds_are_chosen_out_of_fold():
    """A model that memorises its training rows would look perfect on them (fairlearn's defect B6)."""
    X, y = people(n=400)
    model = GroupThresholdOptimizer(
        KNeighborsClassifier(1), sensitive_features=lambda X: X["sex"], max_difference=1.0, cv=4
    )
    numbers = X[["age", "skill", "sex"]].assign(sex=(X["sex"] == "F").astype(int))
    model.fit(numbers, y)
    assert model.score(numbers, y) == 1.0  # on its training rows
    assert model.report_.value < 0.9  # what the report promises


def test_prefit_uses_all_rows_and_leaves_the_model_as_it_is():
    X, y = people(n=600)
    fitted = logistic().fit(X[:300], y[:300])
    before = fitted[-1].coef_.copy()
    model = GroupThresholdOptimizer(FrozenEstimator(fitted), sensitive_features="sex", max_difference=0.02)
    model.fit(X[300:], y[300:])
    assert demographic_parity_difference(
        y[300:], model.predict(X[300:]), sensitive_features=X["sex"][300:], pos_label="yes"
    ) == pytest.approx(model.report_.disparity)
    np.testing.assert_array_equal(fitted[-1].coef_, before)


def test_an_intersection_and_the_order_of_columns():
    X, y = people(n=1500)
    model = GroupThresholdOptimizer(logistic(), sensitive_features=["sex", "race"], max_difference=0.02)
    model.fit(X, y)
    assert model.groups_ == (("F", "b"), ("F", "w"), ("M", "b"), ("M", "w"))
    assert model.report_.disparity <= 0.02 + 1e-9


def test_your_own_constraint_can_be_thresholded_for():
    X, y = people(n=1500)
    fdr_parity = Constraint("fdr_parity", [Rate("false_discovery_rate", "fp", "tp+fp")])
    model = GroupThresholdOptimizer(
        logistic(), sensitive_features="sex", constraint=fdr_parity, max_difference=0.02
    ).fit(X, y)
    assert model.report_.constraint == "fdr_parity"
    assert model.report_.disparity <= 0.02 + 1e-9
    assert 0 <= model.report_.optimality_gap < 0.01


def test_the_margin_tightens_the_bound():
    X, y = people(n=1000)
    params = {"sensitive_features": "sex", "max_difference": 0.06}
    plain = GroupThresholdOptimizer(logistic(), **params).fit(X, y).report_
    careful = GroupThresholdOptimizer(logistic(), margin="1se", **params).fit(X, y).report_
    assert careful.disparity < plain.disparity
    assert careful.value <= plain.value
    ratio = {"sensitive_features": "sex", "min_ratio": 0.8}
    loose = GroupThresholdOptimizer(logistic(), **ratio).fit(X, y).report_
    tight = GroupThresholdOptimizer(logistic(), margin="1se", **ratio).fit(X, y).report_
    assert tight.disparity > loose.disparity >= 0.8 - 1e-9


def test_pos_label_turns_the_question_around():
    X, y = people(n=800)
    model = GroupThresholdOptimizer(
        logistic(),
        sensitive_features="sex",
        constraint="equal_opportunity",
        max_difference=0.01,
        pos_label="no",
    ).fit(X, y)
    rows = GroupCounts.from_predictions(y, model.predict(X), sensitive_features=X["sex"], pos_label="no")
    assert model.report_.disparity <= 0.01 + 1e-9
    assert rows.n.sum() == 800
    assert (model.predict(X) == "no").mean() == pytest.approx((y == "no").mean(), abs=0.1)


def test_decision_function_and_float_cv_and_refit_false():
    X, y = people(n=600)
    model = GroupThresholdOptimizer(
        logistic(), sensitive_features="sex", response_method="decision_function", cv=0.3, refit=False
    ).fit(X, y)
    assert set(model.predict(X)) == {"yes", "no"}
    assert not np.allclose(model.decision_function(X), logistic().fit(X, y).decision_function(X))


def test_any_splitter_does():
    X, y = people(n=600)
    cv = ShuffleSplit(2, test_size=0.4, random_state=0)
    model = GroupThresholdOptimizer(logistic(), sensitive_features="sex", cv=cv).fit(X, y)
    assert model.report_.disparity <= 0.05 + 1e-9


def test_folds_are_shuffled_only_by_a_random_state():
    X, y = people(n=300)
    model = GroupThresholdOptimizer(logistic(), sensitive_features="sex")
    shuffled = [clone(model).set_params(random_state=seed).fit(X, y).report_ for seed in (1, 1, 2)]
    assert shuffled[0].to_dict() == shuffled[1].to_dict()
    assert clone(model).fit(X, y).report_.to_dict() == clone(model).fit(X, y).report_.to_dict()


def test_renaming_groups_changes_nothing():
    X, y = people(n=600)
    model = GroupThresholdOptimizer(logistic())
    one = clone(model).fit(X, y, sensitive_features=X["sex"])
    other = clone(model).fit(X, y, sensitive_features=X["sex"].map({"F": "z", "M": "a"}))
    assert list(one.thresholds_.values()) == list(other.thresholds_.values())[::-1]


def test_a_fitted_optimizer_keeps_no_rows():
    sizes = []
    for n in (500, 4000):
        X, y = people(n=n)
        model = GroupThresholdOptimizer(LogisticRegression(), sensitive_features=None)
        numbers = X[["age", "skill"]]
        sizes.append(len(pickle.dumps(model.fit(numbers, y, sensitive_features=X["sex"]))))
    assert sizes[1] - sizes[0] < 200


def test_the_report_prints_and_escapes_group_names():
    X, y = people(n=500)
    hostile = np.where(np.arange(500) < 5, "<script>", X["sex"])
    with pytest.warns(UserWarning, match=r"<script> \(5 for selection_rate\).*overall\s+threshold"):
        model = GroupThresholdOptimizer(logistic()).fit(X, y, sensitive_features=hostile)
    assert model.report_.exempt == ("<script>",)
    assert model.thresholds_["<script>"] == model.overall_threshold_
    assert "demographic_parity, difference at most 0.05" in str(model.report_)
    assert "<script>" not in model.report_._repr_html_()
    assert "&lt;script&gt;" in model.report_._repr_html_()


def test_a_report_is_a_complete_record_that_json_can_hold():
    X, y = people(n=600)
    groups = np.where(np.arange(600) < 7, "few", X["sex"])
    with pytest.warns(UserWarning, match="few"):
        model = GroupThresholdOptimizer(logistic(), min_rates={"recall": 0.3}).fit(
            X, y, sensitive_features=groups
        )
    report = model.report_
    record = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert record["constraint"] == "demographic_parity"
    assert (record["comparison"], record["bound"]) == ("difference", 0.05)
    assert (record["disparity"], record["value"]) == (report.disparity, report.value)
    assert record["interval"] == list(report.interval)
    assert record["objective"] == "accuracy"
    assert (record["policy"], record["solver"]) == ("threshold", "the exact sliding window")
    assert record["measured_on"] == "out of fold"
    assert record["pos_label"] == "yes"
    assert record["exempt"] == ["few"]
    assert record["requirements"] == ["true_positive_rate at least 0.3 per group"]
    assert [part["group"] for part in record["groups"]] == ["F", "M", "few"]
    for part in record["groups"]:
        selected = part["tp"] + part["fp"]
        assert part["n"] == (groups == part["group"]).sum()
        assert part["selection_rate"] == pytest.approx(selected / part["n"])
        assert part["threshold"] == model.thresholds_[part["group"]]
    assert type(report.frame()).__module__.startswith("pandas")
    assert repr(report) == str(report)


def test_mixtures_and_infinite_thresholds_are_in_the_record_too():
    rng = np.random.default_rng(1)
    actual, groups = rng.integers(0, 2, 60), rng.integers(0, 2, 60)
    problem = 0.5 * actual + rng.random(60), actual, groups, np.ones(60)
    mixed = fit_prefit(problem, policy="randomized", constraint="equalized_odds", max_difference=0.0)
    record = json.loads(json.dumps(mixed.report_.to_dict(), allow_nan=False))
    for part in record["groups"]:
        pairs = [[float(at), probability] for at, probability in part["threshold"]]
        assert pairs == [list(pair) for pair in mixed.thresholds_[part["group"]]]
        assert sum(probability for _, probability in pairs) == pytest.approx(1)
    assert record["measured_on"] == "held out"
    scores, groups = np.tile([0.2, 0.8], 40), np.repeat([0, 1], 40)
    actual = np.where(groups == 0, scores > 0.5, np.arange(80) % 3 > 0).astype(int)
    with pytest.warns(UserWarning, match="select everybody"):
        everyone = fit_prefit(
            (scores, actual, groups, np.ones(80)),
            constraint="equalized_odds",
            max_difference=0.0,
            policy="threshold",
        )
    assert [part["threshold"] for part in everyone.report_.to_dict()["groups"]] == ["-inf", "-inf"]


# --- bad input ---------------------------------------------------------------------------------------


def test_unknown_and_missing_groups_at_predict():
    X, y = people(n=500)
    model = GroupThresholdOptimizer(logistic(), sensitive_features="sex").fit(X, y)
    strange = X.assign(sex=["X", *X["sex"][1:]])
    with pytest.raises(ValueError, match="1 of 500 rows belong to groups that did not occur in fit: X"):
        model.predict(strange)
    missing = X.assign(sex=[None, *X["sex"][1:]])
    with pytest.raises(ValueError, match=r"'sex' is missing \(NaN or None\) in 1 of 500 rows"):
        model.predict(missing)
    model.set_params(unknown_group="overall")
    scores = model.predict_proba(X)[:, 1]
    expected = "yes" if scores[0] >= model.overall_threshold_ else "no"
    assert model.predict(strange)[0] == model.predict(missing)[0] == expected


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"max_difference": 0.1, "min_ratio": 0.8}, "not both"),
        ({"max_difference": -0.1}, "max_difference"),
        ({"max_difference": 5}, "max_difference=5 bounds nothing: .*Five percentage points are 0.05"),
        ({"min_ratio": 1.5}, "min_ratio"),
        ({"constraint": "demographic_party"}, "Did you mean 'demographic_parity'"),
        ({"objective": "kappa"}, "Unknown objective 'kappa'"),
        ({"policy": "magic"}, "policy"),
        ({"cv": 3, "refit": False}, "refit=False keeps the classifier of a single split"),
        ({"pos_label": "maybe"}, "pos_label='maybe' is not one of the classes"),
        ({"sensitive_features": "gender"}, "The sensitive column 'gender' is not in X"),
        ({"sensitive_features": None}, "Which column is sensitive"),
        ({"policy": "randomized", "constraint": "predictive_parity"}, "not open to predictive_parity"),
    ],
)
def test_bad_parameters_are_told_what_to_do(params, match):
    X, y = people(n=200)
    model = GroupThresholdOptimizer(logistic(), **{"sensitive_features": "sex", **params})
    with pytest.raises(ValueError, match=match):
        model.fit(X, y)


def test_a_bound_that_no_thresholds_meet_is_an_error_with_the_least_that_they_do():
    scores = np.array([0.2, 0.8] * 20)
    actual, groups = np.array([0, 1] * 10 + [1, 0, 0, 0] * 5), np.repeat([0, 1], 20)
    with pytest.raises(
        ValueError, match=r"No thresholds meet max_difference=0.01 .* least difference is 0.2500"
    ):
        fit_prefit((scores, actual, groups, np.ones(40)), constraint="predictive_parity", max_difference=0.01)


def test_a_bound_that_only_a_constant_decision_meets_is_said_so():
    scores, groups = np.tile([0.2, 0.8], 40), np.repeat([0, 1], 40)
    actual = np.where(groups == 0, scores > 0.5, np.arange(80) % 3 > 0).astype(int)
    problem = scores, actual, groups, np.ones(80)
    with pytest.warns(UserWarning, match=r"select everybody: under this bound on equalized_odds the same"):
        fit_prefit(problem, constraint="equalized_odds", max_difference=0.0, policy="threshold")


@pytest.mark.parametrize("policy", ["auto", "threshold", "randomized"])
def test_a_rate_that_decisions_cannot_change_is_infeasible(policy):
    rng = np.random.default_rng(0)
    scores, groups = rng.random(200), rng.integers(0, 2, 200)
    actual = (rng.random(200) < 0.2 + 0.6 * groups).astype(int)
    with pytest.raises(ValueError, match=r"No thresholds meet max_difference=0\.01 for same_base"):
        fit_prefit(
            (scores, actual, groups, np.ones(200)),
            constraint=Constraint("same_base", "base_rate"),
            max_difference=0.01,
            policy=policy,
        )


def test_bad_labels_and_groups():
    X, y = people(n=200)
    model = GroupThresholdOptimizer(logistic(), sensitive_features="sex")
    with pytest.raises(ValueError, match="only one class"):
        model.fit(X, np.full(200, "yes"))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(X, y[:100])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(X, y, sensitive_features=["F"] * 10)
    with pytest.raises(TypeError, match="must be values, one per row, not str"):
        model.fit(X, y, sensitive_features="sex")
    with pytest.raises(ValueError, match="sample_weight must be finite"):
        model.fit(X, y, sample_weight=np.full(200, np.nan))


def test_one_group_has_nothing_to_compare():
    X, y = people(n=200)
    with pytest.warns(UserWarning, match="Fewer than two groups can be compared"):
        model = GroupThresholdOptimizer(logistic()).fit(X, y, sensitive_features=np.full(200, "all"))
    assert model.thresholds_ == {"all": model.overall_threshold_}
    assert np.isnan(model.report_.disparity)


def test_a_group_without_positives_is_exempt_and_named():
    X, y = people(n=400)
    groups = np.where(np.arange(400) % 4 == 0, "x", X["sex"])
    y = np.where(groups == "x", "no", y)
    model = GroupThresholdOptimizer(logistic(), constraint="equal_opportunity", max_difference=0.5)
    with pytest.warns(UserWarning, match=r"x \(0 for true_positive_rate\)"):
        model.fit(X, y, sensitive_features=groups)
    assert model.report_.exempt == ("x",)
    assert model.report_.borrowed == {}


def test_an_intersection_without_positives_borrows_some():
    X, y = people(n=400)
    y = np.where((X["sex"] == "F") & (X["race"] == "b"), "no", y)
    model = GroupThresholdOptimizer(
        logistic(), sensitive_features=["sex", "race"], constraint="equal_opportunity"
    )
    with pytest.warns(UserWarning, match=r"to measure in the intersections: F & b\. .*report_\.borrowed"):
        model.fit(X, y)
    assert model.report_.exempt == ()
    assert model.report_.borrowed == {("F", "b"): {"sex": "F", "race": "b"}}
    assert model.report_.disparity <= 0.05 + 1e-9


def test_unseen_rows_of_real_data_stay_near_the_bound():
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    from fairsk.datasets import load_adult

    X, y = load_adult(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=9000, random_state=0)
    encode = OneHotEncoder(handle_unknown="ignore")
    prep = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")), remainder=encode
    )
    model = GroupThresholdOptimizer(
        make_pipeline(prep, LogisticRegression(max_iter=300)),
        sensitive_features="sex",
        constraint="equal_opportunity",
        max_difference=0.02,
        cv=3,
    ).fit(X_train, y_train)
    unseen = equal_opportunity_difference(
        y_test, model.predict(X_test), sensitive_features=X_test["sex"], pos_label=">50K"
    )
    low, high = model.report_.interval
    assert model.report_.disparity <= 0.02 + 1e-9
    assert low <= unseen <= high
    assert model.score(X_test, y_test) > 0.83


# --- several constraints, objectives and requirements, as users ask for them --------------------------


def test_several_constraints_hold_at_once_each_with_its_own_bound(library):
    X, y = people(library, n=1500)
    model = GroupThresholdOptimizer(
        logistic(),
        sensitive_features="sex",
        constraint=["demographic_parity", "equal_opportunity"],
        min_ratio=[0.8, None],
        max_difference=[None, 0.05],
    ).fit(X, y)
    report = model.report_
    parity, opportunity = report.constraints
    assert (parity.constraint, parity.comparison, parity.bound) == ("demographic_parity", "ratio", 0.8)
    assert (opportunity.constraint, opportunity.comparison, opportunity.bound) == (
        "equal_opportunity",
        "difference",
        0.05,
    )
    assert parity.disparity >= 0.8 - 1e-9
    assert opportunity.disparity <= 0.05 + 1e-9
    assert all(low <= part.disparity <= high for part in report.constraints for low, high in [part.interval])
    # The report's own entries are those of the constraint that comes nearest to its bound.
    left = [parity.disparity - 0.8, 0.05 - opportunity.disparity]
    nearest = report.constraints[int(np.argmin(left))]
    assert (report.constraint, report.comparison, report.bound) == (
        nearest.constraint,
        nearest.comparison,
        nearest.bound,
    )
    assert (report.disparity, report.interval) == (nearest.disparity, nearest.interval)
    with pytest.raises(AttributeError, match="no attribute 'disparities'"):
        _ = report.disparities


def test_requirements_hold_and_are_reported():
    X, y = people(n=1500)
    model = GroupThresholdOptimizer(
        logistic(),
        sensitive_features="sex",
        max_difference=0.1,
        capacity=0.4,
        min_rates={"recall": 0.45},
        objective={"tp": 2, "fp": -1},
    ).fit(X, y)
    counts = model.report_.counts
    assert counts.cells["tp"].sum() + counts.cells["fp"].sum() <= 0.4 * 1500
    assert counts.rate("true_positive_rate").min() >= 0.45
    share = (counts.cells["tp"].sum() + counts.cells["fp"].sum()) / 1500
    assert model.report_.requirements == (
        "true_positive_rate at least 0.45 per group",
        f"at most 0.4 of all rows selected ({share:.4f} are)",
    )
    assert "also:" in str(model.report_)
    assert model.report_.value == pytest.approx(
        (2 * counts.cells["tp"].sum() - counts.cells["fp"].sum()) / 1500
    )


def test_levelling_up_makes_no_threshold_stricter():
    X, y = people(n=1500)
    params = {"sensitive_features": "sex", "max_difference": 0.02}
    plain = GroupThresholdOptimizer(logistic(), **params).fit(X, y)
    kind = GroupThresholdOptimizer(logistic(), level_up=True, **params).fit(X, y)
    assert max(plain.thresholds_.values()) > plain.overall_threshold_
    assert all(t <= kind.overall_threshold_ for t in kind.thresholds_.values())
    assert kind.report_.disparity <= 0.02 + 1e-9
    lower = GroupThresholdOptimizer(logistic(), level_up=0.3, **params).fit(X, y)
    assert all(t <= 0.3 for t in lower.thresholds_.values())
    assert "no group's threshold above 0.3" in str(lower.report_)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"constraint": []}, "constraint is empty"),
        ({"constraint": ["demographic_parity"], "max_difference": [0.1, 0.2]}, "2 entries for 1 constraint:"),
        (
            {"constraint": ["demographic_parity", "equal_opportunity"], "max_difference": [0.1, None]},
            "equal_opportunity has no bound",
        ),
        (
            {"constraint": ["demographic_parity"], "max_difference": [0.1], "min_ratio": [0.8]},
            "not both",
        ),
        ({"constraint": ["demographic_parity"], "min_ratio": [1.5]}, "must lie between 0 and 1"),
        ({"objective": "acuracy"}, "Unknown objective 'acuracy'"),
        ({"objective": {"tp": 1, "xx": 2}}, "worth"),
        ({"objective": {"tp": np.nan}}, "finite"),
        ({"objective": lambda cells: np.nan}, "NaN for every threshold"),
        ({"min_rates": {"recal": 0.5}}, "Unknown rate"),
        ({"min_rates": {"recall": 50}}, "must lie between 0 and 1"),
        ({"min_rates": {"false_positive_rate": 0.5}}, "better the lower it is"),
        ({"min_rates": {"precision": 1.0, "recall": 1.0}}, "No threshold of the group F has all"),
        ({"level_up": np.nan}, "level_up must be"),
        ({"capacity": 0.05, "min_rates": {"recall": 0.9}}, "together with what else is asked for"),
        ({"capacity": 1.2}, "capacity"),
        ({"margin": 1.0}, "margin"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(params, message):
    X, y = people(n=400)
    with pytest.raises(ValueError, match=message):
        GroupThresholdOptimizer(logistic(), sensitive_features="sex", **params).fit(X, y)


def test_weighted_rows_have_wider_intervals_than_as_many_equal_ones():
    X, y = people(n=1000)
    weights = np.where(np.arange(1000) % 10 == 0, 91.0, 1.0)
    model = GroupThresholdOptimizer(logistic(), sensitive_features="sex", max_difference=0.05)
    equal = clone(model).fit(X, y).report_
    weighted = clone(model).fit(X, y, sample_weight=weights).report_
    widths = [report.interval[1] - report.interval[0] for report in (equal, weighted)]
    assert widths[1] > 2 * widths[0]


def test_rows_of_weight_zero_are_as_good_as_absent():
    X, y = people(n=900)
    groups = np.where(np.arange(900) % 3 == 0, "absent", X["sex"])
    weights = np.where(groups == "absent", 0.0, 1.0)
    frozen = FrozenEstimator(logistic().fit(X, y))
    model = GroupThresholdOptimizer(frozen, max_difference=0.03)
    with pytest.warns(UserWarning, match=r"absent \(0 for selection_rate\)"):
        weighted = clone(model).fit(X, y, sensitive_features=groups, sample_weight=weights)
    present = groups != "absent"
    alone = clone(model).fit(X[present], y[present], sensitive_features=groups[present])
    assert weighted.report_.exempt == ("absent",)
    assert {g: weighted.thresholds_[g] for g in ("F", "M")} == alone.thresholds_
    with pytest.raises(ValueError, match="All rows with a weight are of one class"):
        model.fit(X, y, sensitive_features=X["sex"], sample_weight=(y == "yes").astype(float))


def test_a_group_without_a_held_out_row_is_exempt():
    X, y = people(n=300)
    groups = np.where(np.arange(300) == 7, "one", X["sex"])
    cv = PredefinedSplit(np.where(np.arange(300) < 150, -1, 0))  # the first rows are never held out
    with pytest.warns(UserWarning, match=r"one \(0 for selection_rate\)"):
        model = GroupThresholdOptimizer(logistic(), cv=cv, max_difference=0.1).fit(
            X, y, sensitive_features=groups
        )
    assert model.thresholds_["one"] == model.overall_threshold_


@pytest.mark.parametrize("labels", [(1, 2), (0, 1, 2)])
def test_a_prefit_model_of_other_classes_is_refused(labels):
    X = np.column_stack([np.linspace(0, 1, 90), np.arange(90) % 2])
    frozen = FrozenEstimator(LogisticRegression().fit(X, np.resize(labels, 90)))
    with pytest.raises(ValueError, match="they must be the same two"):
        GroupThresholdOptimizer(frozen, sensitive_features=1).fit(X, (X[:, 0] > 0.4).astype(int))


def test_a_capacity_that_exempt_groups_use_up_leaves_nothing():
    scores = np.concatenate([np.linspace(0.9, 1, 7), np.linspace(0, 0.8, 93)])
    groups = np.array(["top"] * 7 + ["a", "b", "b"] * 31)
    labels = (scores > 0.6).astype(int)
    X = scores.reshape(-1, 1)
    frozen = FrozenEstimator(ScoreColumn().fit(X, labels))
    with pytest.warns(UserWarning, match=r"top \(7 for selection_rate\)"):
        model = GroupThresholdOptimizer(frozen, capacity=0.07, max_difference=0.2).fit(
            X, labels, sensitive_features=groups
        )
    assert (model.predict(X, sensitive_features=groups) == 1).sum() == 7


def test_functions_of_plain_numbers_may_divide_by_nothing():
    import math

    def fowlkes_mallows(c):
        return math.sqrt(c["tp"] / (c["tp"] + c["fp"]) * c["tp"] / (c["tp"] + c["fn"]))

    X, y = people(n=400)
    model = GroupThresholdOptimizer(logistic(), sensitive_features="sex", objective=fowlkes_mallows).fit(X, y)
    assert model.report_.objective == "fowlkes_mallows"
    assert 0.5 < model.report_.value < 1
