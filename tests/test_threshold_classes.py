"""Thresholds of three and more classes: offsets per class and group, their policy, report and refusals."""

from __future__ import annotations

import json
import pickle
import warnings
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from fairsk import Constraint, GroupThresholdOptimizer, Rate
from fairsk._core.bounds import Bound, BoundedConstraint
from fairsk._core.class_events import ClassEvents
from fairsk._core.uniforms import row_uniforms
from fairsk._held_out.objective import make_objective
from fairsk.metrics import multiclass_disparity
from fairsk.plotting import ThresholdDisplay, TradeoffDisplay
from fairsk.rates import get_constraint
from fairsk.scoring import make_group_scorer
from fairsk.thresholds._blind import BlindRows, best_blind_rule
from fairsk.thresholds._classes.blind import (
    BlindClassRows,
    _envelope,
    best_blind_class_rule,
)
from fairsk.thresholds._classes.problem import OffsetProblem

GRADES = ["poor", "fair", "good"]
LABELS = sorted(GRADES)  # fair, good, poor


class Scores(ClassifierMixin, BaseEstimator):
    """A classifier whose scores are the first columns of X, one per class."""

    def __init__(self, response="predict_proba"):
        self.response = response

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def _scores(self, X):
        return np.asarray(X)[:, : len(self.classes_)].astype(float)

    def __getattr__(self, name):
        if name == self.__dict__.get("response") and name in ("predict_proba", "decision_function"):
            return self._scores
        raise AttributeError(name)

    def predict(self, X):
        return self.classes_[np.argmax(self._scores(X), axis=1)]


def problem(n=300, seed=0, n_classes=3, n_groups=2):
    """Return probabilities of classes with a column of groups beside them, and labels that follow them."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n) % n_groups
    logits = rng.normal(size=(n, n_classes)) + 0.9 * groups[:, None] * (np.arange(n_classes) == 1)
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = np.array([rng.choice(n_classes, p=row) for row in scores])
    names = np.array(LABELS if n_classes == 3 else [f"c{k}" for k in range(n_classes)])
    return np.column_stack([scores, groups]), names[labels]


def fit(X, y, response="predict_proba", **params):
    """Fit an optimizer around the scores that stand in X; all rows serve to choose on."""
    model = FrozenEstimator(Scores(response).fit(X, y))
    params = {"min_group_size": 5, "policy": "threshold", **params}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return GroupThresholdOptimizer(model, sensitive_features=-1, **params).fit(X, y)


def rates(y, decided, groups, inside, kind):
    """Count a rate of an event in each group, by hand."""
    found = []
    for group in np.unique(groups):
        rows = groups == group
        among = {"all": rows, "in": rows & np.isin(y, inside), "out": rows & ~np.isin(y, inside)}[kind]
        found.append(np.isin(decided[among], inside).mean())
    return found


def events_of(model):
    """Return the classes that each event holds, by hand."""
    if model.grades is None:
        return {label: [label] for label in LABELS}
    return {label: GRADES[place:] for place, label in enumerate(GRADES) if place}


def test_bounds_hold_and_the_report_is_what_is_counted():
    cases = product(range(2), ("demographic_parity", "equal_opportunity", "equalized_odds"), (None, GRADES))
    for seed, constraint, grades in cases:
        X, y = problem(seed=seed)
        model = fit(X, y, constraint=constraint, max_difference=0.12, grades=grades)
        decided, report = model.predict(X), model.report_
        kinds = {"demographic_parity": ["all"], "equal_opportunity": ["in"], "equalized_odds": ["in", "out"]}
        gaps = {
            label: max(np.ptp(rates(y, decided, X[:, -1], inside, kind)) for kind in kinds[constraint])
            for label, inside in events_of(model).items()
        }
        assert max(gaps.values()) <= 0.12 + 1e-9
        assert report.disparity == pytest.approx(max(gaps.values()))
        assert gaps[report.binding.stratum] == pytest.approx(report.disparity)
        assert {part.stratum: pytest.approx(part.disparity) for part in report.within} == gaps
        assert report.value == pytest.approx((decided == y).mean())
        assert report.optimality_gap >= 0
        assert 1e-9 + report.group_value_without_bound >= max(report.value, report.value_without_bound)
        # The decision is the class of the greatest score plus offset, on the scale that is named.
        scores = X[:, :3] if constraint == "demographic_parity" else np.log(X[:, :3])
        named = "probability" if constraint == "demographic_parity" else "log_probability"
        assert report.added_to == named
        offsets = np.array([model.offsets_[group] for group in X[:, -1]])
        np.testing.assert_array_equal(decided, model.classes_[np.argmax(scores + offsets, axis=1)])
        if grades is None:
            measured = multiclass_disparity(y, decided, sensitive_features=X[:, -1], constraint=constraint)
            assert report.disparity == pytest.approx(measured)
    assert model.thresholds_ == {}
    assert not hasattr(model, "overall_threshold_")


def test_decision_scores_are_taken_as_they_are():
    X, y = problem()
    X[:, :3] = 5 * np.log(X[:, :3]) - 2
    model = fit(X, y, response="decision_function", constraint="equal_opportunity", max_difference=0.1)
    offsets = np.array([model.offsets_[group] for group in X[:, -1]])
    np.testing.assert_array_equal(model.predict(X), model.classes_[np.argmax(X[:, :3] + offsets, axis=1)])
    assert model.report_.added_to == "decision"


def test_two_classes_are_what_they_were():
    X, y = problem(n_classes=2)
    one, other = fit(X, y, grades=["c0", "c1"]), fit(X, y)
    assert one.thresholds_ == other.thresholds_
    assert one.offsets_ == {} == other.offsets_
    assert not hasattr(one, "overall_offsets_")
    turned = fit(X, y, grades=["c1", "c0"])
    assert turned.report_.pos_label == "c0"
    assert turned.thresholds_ == fit(X, y, pos_label="c0").thresholds_
    with pytest.raises(ValueError, match="worst of the grades"):
        fit(X, y, grades=["c1", "c0"], pos_label="c1")
    with pytest.raises(ValueError, match="grades must name every class once"):
        fit(X, y, grades=["c1", "c2"])
    with pytest.raises(ValueError, match="three and more classes"):
        fit(X, y, capacity={"c0": 0.5})
    ordered = pd.Series(pd.Categorical(y, categories=["c1", "c0"], ordered=True))
    frame = pd.DataFrame(X, columns=list("abg"))
    model = GroupThresholdOptimizer(
        LogisticRegression(), sensitive_features="g", grades=["c1", "c0"], max_difference=0.3, cv=2
    )
    assert model.fit(frame, ordered).report_.pos_label == "c0"


@pytest.fixture(scope="module")
def mixed():
    X, y = problem(n=400)
    return X, y, fit(X, y, policy="randomized", max_difference=0.01)


def test_mixtures_decide_by_a_hash_of_the_row(mixed):
    X, y, model = mixed
    assert model.report_.policy == "randomized"
    decided, rows = model.predict(X), model.decided_rows(X)
    np.testing.assert_array_equal(rows.codes, X[:, -1])
    np.testing.assert_array_equal(rows.scores, X[:, :3])
    np.testing.assert_allclose(rows.selection_probability.sum(1), 1)
    # The report's rates are the expected ones.
    expected = [rows.selection_probability[X[:, -1] == g].mean(0) for g in (0, 1)]
    assert np.ptp(expected, axis=0).max() <= 0.01 + 1e-6
    np.testing.assert_allclose(model.report_.counts.rate("selection_rate"), expected, atol=1e-9)
    hit = rows.selection_probability[np.arange(len(y)), np.searchsorted(LABELS, y)]
    assert model.report_.value == pytest.approx(hit.mean())
    # Rows are decided alike alone and among others, and never as what has no probability.
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_array_equal(model.predict(X[order]), decided[order])
    np.testing.assert_array_equal(model.predict(X[:7]), decided[:7])
    assert (rows.selection_probability[np.arange(len(y)), np.searchsorted(LABELS, decided)] > 0).all()
    single = (rows.selection_probability == 1).any(1)
    assert 0 < single.sum() < len(X)
    for pairs in model.offsets_.values():
        assert sum(chance for _, chance in pairs) == pytest.approx(1)


def test_hashes_of_several_scores_are_uniform_and_look_at_all_of_them():
    rng = np.random.default_rng(0)
    scores = rng.random((4000, 3))
    uniforms = row_uniforms(scores)
    assert abs(np.histogram(uniforms, 10, (0, 1))[0] - 400).max() < 5 * np.sqrt(400)
    for k in range(3):
        moved = scores.copy()
        moved[:, k] = rng.random(4000)
        assert abs(np.corrcoef(row_uniforms(moved), uniforms)[0, 1]) < 0.06
    np.testing.assert_array_equal(row_uniforms(scores[:, ::-1][:, ::-1]), uniforms)


def test_objectives_capacities_and_minimum_rates():
    X, y = problem(n=400)
    worths = {("poor", "good"): -5.0, ("good", "poor"): -2.0, ("good", "good"): 1.0}
    model = fit(X, y, objective=worths, max_difference=0.1)
    gained = np.mean([worths.get(pair, 0.0) for pair in zip(y, model.predict(X), strict=True)])
    assert model.report_.value == pytest.approx(gained)
    assert "'poor' decided 'good' at -5" in model.report_.summary()
    model = fit(X, y, objective="balanced_accuracy", max_difference=0.2)
    decided = model.predict(X)
    assert model.report_.value == pytest.approx(np.mean([(decided == c)[y == c].mean() for c in LABELS]))
    model = fit(
        X, y, capacity={"good": 0.25}, min_rates={"true_positive_rate": 0.2}, policy="randomized",
        max_difference=0.1,
    )  # fmt: skip
    rows = model.decided_rows(X).selection_probability
    assert rows[:, 1].mean() <= 0.25 + 1e-6
    least = [rows[(X[:, -1] == g) & (y == c), k].mean() for g in (0, 1) for k, c in enumerate(LABELS)]
    assert min(least) >= 0.2 - 1e-6
    assert any("decided 'good' (0.2" in words for words in model.report_.requirements)
    # A number is the capacity of the one class that is named.
    one, other = (
        fit(X, y, pos_label="good", capacity=share, policy="randomized", max_difference=0.1)
        for share in (0.3, {"good": 0.3})
    )
    assert one.report_.to_dict() == other.report_.to_dict()
    assert one.report_.pos_label == ("good",)
    assert len(one.report_.within) == 1
    good = fit(X, y, grades=GRADES, pos_label=["good"], capacity=0.3, policy="randomized")
    assert good.decided_rows(X).selection_probability[:, 1].mean() <= 0.3 + 1e-6


def test_minimum_rates_that_mixtures_alone_meet():
    # A third of each group to every class leaves single offsets nothing but exact thirds of 31 rows.
    for seed in range(2):
        X, y = problem(n=62, seed=seed)
        model = fit(X, y, min_rates={"selection_rate": 0.333}, policy="auto")
        shares = model.decided_rows(X).selection_probability
        assert min(shares[X[:, -1] == g].mean(0).min() for g in (0, 1)) >= 0.333 - 1e-6
        assert model.report_.policy == "randomized"
        assert model.report_.group_value_without_bound >= model.report_.value


def test_a_capacity_is_kept_where_nothing_can_be_compared():
    X, y = problem(n=60, n_groups=1)
    model = fit(X, y, capacity={"good": 0.1})
    decided = model.predict(X)
    assert np.mean(decided == "good") <= 0.1
    # Of all vectors on a fine grid that keep it none is worth more.
    steps = np.linspace(-1, 1, 81)
    chosen = [np.argmax(X[:, :3] + (0, a, b), axis=1) for a in steps for b in steps]
    kept = [np.mean(np.array(LABELS)[rows] == y) for rows in chosen if np.mean(rows == 1) <= 0.1]
    assert np.mean(decided == y) == model.report_.value >= max(kept)
    # Rows of groups that are exempt do not take what the others may have.
    X, y = problem(n=90)
    X[:20, -1] = 2
    model = fit(X, y, capacity={"good": 0.1}, min_group_size=30, max_difference=0.3)
    assert model.report_.exempt == (2,)
    assert np.mean(model.predict(X)[:20] == "good") <= np.mean(y == "good")
    assert np.mean(model.predict(X) == "good") <= 0.1


def test_rows_count_by_their_weight():
    X, y = problem(n=400)
    weights = np.arange(400) % 3
    model = GroupThresholdOptimizer(
        FrozenEstimator(Scores().fit(X, y)), sensitive_features=-1, policy="threshold", max_difference=0.15,
        min_group_size=2,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        report = model.fit(X, y, sample_weight=weights).report_
    decided = model.predict(X)
    table = pd.crosstab([X[:, -1], y], decided, values=weights, aggfunc="sum").fillna(0).to_numpy()
    np.testing.assert_allclose(report.confusion, table.reshape(2, 3, 3))
    assert report.value == pytest.approx(np.average(decided == y, weights=weights))
    good = report.counts.stratum("good")
    squared = [(weights**2)[(X[:, -1] == g) & (decided == "good") & (y == "good")].sum() for g in (0, 1)]
    np.testing.assert_allclose(good.squares["tp"], squared)
    shares = [np.average(decided[X[:, -1] == g] == "good", weights=weights[X[:, -1] == g]) for g in (0, 1)]
    assert np.ptp(shares) <= 0.15 + 1e-9
    np.testing.assert_allclose(good.rate("selection_rate"), shares)


def test_groups_too_small_for_a_class_are_named():
    X, y = problem(n=400, n_groups=3)
    rare = (X[:, -1] == 2) & (y == "good")
    keep = ~rare | (np.cumsum(rare) <= 3)
    X, y = X[keep], y[keep]
    model = GroupThresholdOptimizer(
        FrozenEstimator(Scores().fit(X, y)), sensitive_features=-1, constraint="equal_opportunity",
        max_difference=0.2, min_group_size=10, policy="threshold", unknown_group="overall",
    )  # fmt: skip
    with pytest.warns(UserWarning, match=r"The bound does not cover 2\.0 for 'good'\."):
        model.fit(X, y)
    report = model.report_
    assert report.cells_not_compared == ((2.0, "good"),)
    assert report.exempt == ()
    decided = model.predict(X)
    for label in LABELS:
        groups = X[:, -1] < (2 if label == "good" else 3)
        found = rates(y[groups], decided[groups], X[groups, -1], [label], "in")
        assert np.ptp(found) <= 0.2 + 1e-9
    # An unknown group gets the offsets of all.
    X[:, -1] = 7
    with pytest.warns(UserWarning, match="None of 318 rows has a group"):
        decided = model.predict(X)
    best = np.argmax(np.log(X[:, :3]) + model.overall_offsets_, axis=1)
    np.testing.assert_array_equal(decided, model.classes_[best])
    model.set_params(min_group_size=1000)
    X, y = problem()
    with pytest.warns(UserWarning, match="Fewer than two groups can be compared"):
        alone = model.fit(X, y)
    assert alone.report_.exempt == (0.0, 1.0)
    assert np.isnan(alone.report_.disparity)
    assert alone.report_.value == alone.report_.value_without_bound


def test_a_margin_keeps_away_from_the_ends():
    X, y = problem(n=600)
    plain = fit(X, y, policy="randomized", max_difference=0.15)
    kept = fit(X, y, policy="randomized", max_difference=0.15, margin="1se")
    assert kept.report_.margin == 1
    spread = np.ptp(kept.report_.counts.rate("selection_rate"), axis=0)
    share = plain.report_.counts.rate("selection_rate").mean(0)
    errors = np.sqrt(share * (1 - share) / 300)
    assert (spread <= 0.15 - 2 * errors + 1e-3).all()
    # A confidence is for all pairs, rates and classes: 2 ordered pairs times 3 classes.
    sure = fit(X, y, policy="randomized", max_difference=0.3, margin=0.9)
    assert sure.report_.margin == pytest.approx(2.128, abs=2e-3)  # the quantile of 1 - .1 / 6


def test_ratios_and_constraints_of_ones_own():
    X, y = problem(n=400)
    mine = Constraint("rejection_parity", Rate("rejection_rate", "fn+tn", "n"))
    model = fit(X, y, constraint=mine, min_ratio=0.8)
    decided = model.predict(X)
    for label in LABELS:
        found = 1 - np.array(rates(y, decided, X[:, -1], [label], "all"))
        assert found.min() / found.max() >= 0.8 - 1e-9
    model = fit(X, y, constraint="predictive_parity", max_difference=0.15, policy="auto")
    for label in LABELS:
        found = [(y == label)[(model.predict(X) == label) & (X[:, -1] == g)].mean() for g in (0, 1)]
        assert np.ptp(found) <= 0.15 + 1e-9


def test_report_says_the_classes():
    X, y = problem(n=400)
    model = fit(X, y, grades=GRADES, max_difference=0.1)
    report = model.report_
    text, summary = repr(report), report.summary()
    assert "poor < fair < good" in text
    assert "good or better" in text
    assert "'good' or better" in summary
    assert "Selected means given that grade or a better one." in summary
    assert "for each grade or better" in summary
    assert "400 training rows" in fit_out_of_fold(X, y).report_.summary()
    assert "400 rows that no model was fitted to" in summary  # counted once, not once per grade
    record = json.loads(json.dumps(report.to_dict()))
    assert [group["n"] for group in record["groups"]] == [200, 200]
    assert [len(group["events"]) for group in record["groups"]] == [2, 2]
    frame = report.frame("pandas")
    assert list(frame["class"]) == ["poor"] * 2 + ["fair or better"] * 2 + ["good or better"] * 2
    assert frame["selection_rate"].isna().tolist() == [True, True, False, False, False, False]
    np.testing.assert_allclose(frame["offset"][4:], [model.offsets_[g][1] for g in (0.0, 1.0)])
    assert "'good'" in fit(X, y, pos_label="good").report_.summary()


def fit_out_of_fold(X, y, **params):
    """Fit an optimizer around a model that is cross-fitted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return GroupThresholdOptimizer(
            LogisticRegression(), sensitive_features=-1, min_group_size=5, cv=2, max_difference=0.1, **params
        ).fit(X, y)


def test_out_of_fold_scores_frames_copies_and_pickles():
    X, y = problem(n=300)
    model = fit_out_of_fold(X, y)
    decided = model.predict(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), decided)
    np.testing.assert_allclose(model.predict_proba(X), model.estimator_.predict_proba(X))
    assert get_tags(model).classifier_tags.multi_class
    columns = [f"x{k}" for k in range(4)]
    for frame in (pd.DataFrame(X, columns=columns), pl.DataFrame(X, schema=columns)):
        other = clone(model).set_params(sensitive_features="x3")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            other.fit(frame, y)
        np.testing.assert_array_equal(other.predict(frame), decided)
        assert type(other.report_.frame()).__module__.split(".")[0] == type(frame).__module__.split(".")[0]
    numbers = clone(model).fit(X, np.searchsorted(LABELS, y))  # labels of another kind, in the same order
    np.testing.assert_array_equal(np.array(LABELS)[numbers.predict(X)], decided)


@pytest.mark.parametrize("routing", [False, True])
def test_searches_and_pipelines_in_both_routing_modes(routing):
    X, y = problem(n=240)
    frame = pd.DataFrame(X, columns=["a", "b", "c", "group"])
    people = frame.drop(columns="group")
    inner = make_pipeline(StandardScaler(), LogisticRegression())
    scorer = make_group_scorer("accuracy", comparison="overall")
    with warnings.catch_warnings(), config_context(enable_metadata_routing=routing):
        warnings.simplefilter("ignore", UserWarning)
        if routing:
            model = GroupThresholdOptimizer(inner, min_group_size=5, cv=2, policy="threshold")
            search = GridSearchCV(model, {"max_difference": [0.3, 0.6]}, scoring=scorer, cv=2)
            search.fit(people, y, sensitive_features=frame["group"])
            decided = search.best_estimator_.predict(people, sensitive_features=frame["group"])
        else:
            model = GroupThresholdOptimizer(
                inner, sensitive_features="group", min_group_size=5, cv=2, policy="threshold"
            )
            search = GridSearchCV(model, {"max_difference": [0.3, 0.6]}, scoring="accuracy", cv=2)
            decided = search.fit(frame, y).predict(frame)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.report_.disparity <= search.best_params_["max_difference"] + 1e-9
    assert set(decided) <= set(LABELS)
    assert (decided == y).mean() > 0.4


def test_a_second_fit_to_two_classes_forgets_the_others():
    X, y = problem(n=240)
    few, two = problem(n=240, n_classes=2)
    model = fit(X, y)
    model.set_params(estimator=FrozenEstimator(Scores().fit(few, two)), max_difference=0.2)
    again, fresh = model.fit(few, two), fit(few, two, max_difference=0.2)
    assert again.thresholds_ == fresh.thresholds_
    assert again.offsets_ == {}
    assert set(vars(again)) == set(vars(fresh))


def test_offsets_and_thresholds_say_of_how_many_classes_they_are():
    X, y = problem(n=60)
    with pytest.raises(AttributeError, match="overall_threshold_ is that of two classes"):
        _ = fit(X, y).overall_threshold_
    two = fit(X[:, [0, 1, 3]], np.where(y == "good", "good", "fair"), response="decision_function")
    with pytest.raises(AttributeError, match="overall_offsets_ are those of three and more"):
        _ = two.overall_offsets_
    with pytest.raises(AttributeError, match="after fit"):
        _ = GroupThresholdOptimizer(two).overall_offsets_


def test_the_path_follows_the_bound():
    X, y = problem(n=300)
    model = fit(X, y, max_difference=0.1)
    path = model.pareto_path(X, y, n_points=4)
    display = TradeoffDisplay(path).plot()
    assert display.ax_.get_ylabel() == "Accuracy"
    plt.close("all")
    with pytest.raises(ValueError, match=r"draws thresholds between two classes, and this .* among 3"):
        ThresholdDisplay.from_estimator(model, X, y)
    known = ~np.isnan(path.value)
    assert known[-1]
    assert (path.disparity[known] <= path.bounds[known] + 1e-9).all()
    assert (path.best_mixture[known] >= path.value[known] - 1e-9).all()
    free = fit(X, y, max_difference=float("inf"))
    assert path.value[-1] == pytest.approx(free.report_.value)
    assert path.bounds[-1] == pytest.approx(free.report_.disparity)
    at = np.argmax(np.where(known, path.bounds, -1))
    offsets = np.array([path.offsets[group][at] for group in X[:, -1]])
    decided = np.array(path.classes)[np.argmax(X[:, :3] + offsets, axis=1)]
    assert (decided == y).mean() == pytest.approx(path.value[at])
    assert "offset of good in 0.0" in path.frame("pandas").columns
    assert (np.diff(path.best_mixture) >= -5e-3).all()  # a looser bound costs nothing, if the search is good


def test_what_several_classes_are_not_open_to():
    X, y = problem(n=60)
    for params, message in [
        ({"grades": ["poor", "good"]}, "grades must name every class once"),
        ({"pos_label": "best"}, "pos_label='best' is not one of the classes 'fair', 'good', 'poor'"),
        ({"pos_label": ["good", "good"]}, "each once"),
        ({"pos_label": "poor", "grades": GRADES}, "worst of the grades"),
        ({"level_up": True}, "level_up=True is open to two classes only"),
        ({"objective": "f1"}, "objective='f1' is open to two classes only"),
        ({"objective": "worst_group_accuracy"}, "two classes only.* min_rates says what each must have"),
        ({"objective": lambda cells: cells["tp"]}, "is open to two classes only"),
        ({"objective": {"fp": -1}}, r"got the key 'fp'"),
        ({"objective": {("good", "bad"): -1}}, r"got the key \('good', 'bad'\)"),
        ({"objective": {("good", "poor"): 1}}, "would reward errors"),
        ({"objective": {("good", "good"): -1}}, "would reward errors"),
        ({"objective": {("good", "poor"): np.nan}}, "finite number"),
        ({"capacity": 0.5}, "does not say of which decisions, and there are 3"),
        ({"capacity": {"best": 0.5}}, "capacity names 'best'; it can name 'fair', 'good', 'poor'"),
        ({"capacity": {"good": 1.5}}, "above 0 and up to 1"),
        ({"capacity": dict.fromkeys(LABELS, 0.3)}, r"add up to 0\.9"),
        ({"strata": -1}, "strata are open to two classes only"),
        ({"constraint": None}, "constraint=None names nothing"),
        ({"min_rates": {"false_positive_rate": 0.1}}, "min_rates cannot hold false_positive_rate"),
        ({"policy": "randomized", "constraint": "predictive_parity"}, "policy='randomized' is not open to"),
        ({"policy": "blind", "max_difference": float("inf")}, "policy='blind' needs a bound"),
        ({"policy": "blind", "constraint": "predictive_parity", "group_estimator": LogisticRegression()},
         "rates with fixed denominators only"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message) as caught:
            fit(X, y, **params)
        assert len(str(caught.value)) < 600
    few = np.where(np.arange(60) == 3, "rare", y)
    with pytest.raises(ValueError, match=r"have no row of 'rare', so a model .* of all 60 rows 1 have"):
        fit_out_of_fold(X, few)


# --- without the attribute at prediction ------------------------------------------------------------------


def blind_problem(seed=0, n=200, n_classes=3, constraint="demographic_parity", bound=0.05, pos_label=None):
    """Return rows with guesses at their groups, and what is bounded."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2, n)
    logits = rng.normal(size=(n, n_classes)) + 0.8 * codes[:, None] * (np.arange(n_classes) == 1)
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = np.array([rng.choice(n_classes, p=row) for row in scores])
    guess = 1 / (1 + np.exp(-2 * (codes - 0.5) - rng.normal(size=n)))
    groups = np.column_stack([1 - guess, guess])
    events = ClassEvents.of(list(range(n_classes)), pos_label)
    bounded = BoundedConstraint(get_constraint(constraint), Bound(difference=bound))
    n_rates = len(bounded.constraint.rates) * len(events.labels)
    everywhere, accuracy = np.ones((n_rates, 2), dtype=bool), np.eye(n_classes)
    asked = OffsetProblem(scores, labels, codes, 2, np.ones(n), accuracy, events, (bounded,), everywhere)
    return BlindClassRows(scores, groups, labels, codes, np.ones(n)), asked


def blind_outcome(rows, decided, asked):
    """Return accuracy and largest disparity of some decisions, by hand."""
    gaps = []
    kinds = {"demographic_parity": ["all"], "equalized_odds": ["in", "out"]}
    for label in asked.events.labels:
        for kind in kinds[asked.constraints[0].constraint.name]:
            gaps.append(np.ptp(rates(rows.labels, decided, rows.codes, [label], kind)))
    return (decided == rows.labels).mean(), max(gaps)


def test_upper_envelopes_are_exact():
    rng = np.random.default_rng(0)
    gains, slopes = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    slopes[:20] = np.round(slopes[:20])  # parallel lines
    gains[:10] = np.round(gains[:10])  # lines through one point
    first, (row, at, _, new) = _envelope(gains, slopes)
    assert (np.diff(at) >= 0).all()
    for t in rng.normal(scale=2, size=50):
        current = first.copy()
        for r, k in zip(row[at <= t], new[at <= t], strict=True):
            current[r] = k
        values = gains + t * slopes
        np.testing.assert_allclose(values[np.arange(60), current], values.max(1), atol=1e-12)


def test_blind_rules_hold_the_bound_on_the_true_groups():
    cases = [(0, "demographic_parity", 0.05), (1, "demographic_parity", 0.02), (2, "equalized_odds", 0.15)]
    for seed, constraint, bound in cases:
        rows, asked = blind_problem(seed, constraint=constraint, bound=bound)
        rule, violation = best_blind_class_rule(rows, asked)
        decided = np.argmax(rule.gains(rows.probabilities, rows.groups), axis=1)
        value, gap = blind_outcome(rows, decided, asked)
        assert violation == 0
        assert gap <= bound + 1e-9
        constant = np.bincount(rows.labels).max() / len(rows.labels)
        assert value > constant


def test_blind_rules_of_one_bounded_class_reach_the_grid():
    """Of one class bounded by selection, and offsets for all: a price of it per group is all there is."""
    for seed in range(2):
        rows, asked = blind_problem(seed, n=120, bound=0.03, pos_label=1)
        rule, _ = best_blind_class_rule(rows, asked)
        found, _ = blind_outcome(rows, np.argmax(rule.gains(rows.probabilities, rows.groups), axis=1), asked)
        best = 0.0
        grid = np.linspace(-0.6, 0.6, 13)
        for low, high, other in product(grid, grid, grid[2:-2:2]):
            gains = rows.probabilities.copy()
            gains[:, 1] -= rows.groups @ np.array([low, high])
            gains[:, 2] += other
            value, gap = blind_outcome(rows, np.argmax(gains, axis=1), asked)
            best = max(best, value if gap <= 0.03 else 0.0)
        assert found >= best - 1e-9


def test_blind_rules_of_two_classes_are_those_of_two_classes():
    for seed in range(3):
        rows, asked = blind_problem(seed, n_classes=2, pos_label=1)
        rule, _ = best_blind_class_rule(rows, asked)
        decided = np.argmax(rule.gains(rows.probabilities, rows.groups), axis=1)
        value, gap = blind_outcome(rows, decided, asked)
        two = BlindRows(rows.probabilities[:, 1], rows.groups, rows.labels == 1, rows.codes, rows.weights)
        (constraint,) = asked.constraints
        positives = float((rows.labels == 1).sum())
        objective = make_objective("accuracy", positives, len(rows.labels) - positives)
        other = best_blind_rule(two, constraint.constraint.rates, [constraint.bound], objective, 0.5)
        selected = other.excess(two.scores, two.groups) > 0
        expected, _ = blind_outcome(rows, selected.astype(int), asked)
        assert gap <= 0.05 + 1e-9
        assert value == pytest.approx(expected, abs=0.011)  # two searches, neither of which is exact


def test_a_blind_policy_needs_no_groups_at_prediction():
    X, y = problem(n=240)
    frame = pd.DataFrame(X, columns=["a", "b", "c", "group"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = GroupThresholdOptimizer(
            LogisticRegression(), sensitive_features="group", policy="blind", cv=2, min_group_size=5,
            max_difference=0.1, grades=GRADES,
        ).fit(frame, y)  # fmt: skip
    report = model.report_
    assert report.policy == "blind"
    assert report.disparity <= 0.1 + 1e-9
    assert report.optimality_gap is None
    assert report.blindness_cost is not None
    assert model.offsets_ == {}
    decided = model.predict(frame)
    np.testing.assert_array_equal(model.predict(frame.drop(columns="group")), decided)
    np.testing.assert_array_equal(model.predict(frame.assign(group=1.0)), decided)
    rows = model.decided_rows(frame)
    np.testing.assert_array_equal(np.array(LABELS)[rows.selection_probability.argmax(1)], decided)
    assert list(model.group_estimator_.classes_) == [0, 1]
    assert "blindness" in repr(report)
    assert pickle.loads(pickle.dumps(model)).predict(frame).tolist() == decided.tolist()
