from __future__ import annotations

import pickle
import warnings
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.tree import DecisionTreeClassifier

from fairsk import Constraint, Rate, metrics
from fairsk._core.counts import GroupCounts
from fairsk.rates import CONSTRAINTS
from fairsk.scoring import (
    GroupScoring,
    best_under,
    cv_disparities,
    make_fair_scorer,
    make_group_scorer,
    make_tradeoff_scorer,
    pareto_front,
)


def people(n: int = 200) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a table in which men get a job more often."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {"skill": rng.normal(size=n), "man": rng.integers(0, 2, n), "old": rng.integers(0, 2, n)}
    )
    return X, np.where(X["skill"] + 0.8 * X["man"] + rng.normal(size=n) > 0.4, "yes", "no")


X, Y = people()
MODEL = LogisticRegression().fit(X, Y)
PREDICTED = MODEL.predict(X)


class Counting(DecisionTreeClassifier):
    """A tree that counts how often it predicts."""

    calls = 0

    def predict(self, X: Any, check_input: bool = True) -> Any:
        type(self).calls += 1
        return super().predict(X, check_input)


class ByGroup(ClassifierMixin, BaseEstimator):
    """Selects the men, and nobody else: it must be told who is one."""

    __metadata_request__predict = {"sensitive_features": True}

    def fit(self, X: Any, y: Any) -> ByGroup:
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any, sensitive_features: Any) -> np.ndarray:
        return self.classes_[np.asarray(sensitive_features)]


# --- what a scorer returns ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONSTRAINTS)
@pytest.mark.parametrize("selector", ["man", 1, ["man", "old"], lambda X: X["skill"] > 0])
def test_a_score_is_minus_the_difference_or_the_ratio(name: str, selector: Any) -> None:
    groups = selector(X) if callable(selector) else X[selector] if selector != 1 else X["man"]
    counts = GroupCounts.from_predictions(Y, PREDICTED, sensitive_features=groups, pos_label="yes")
    difference = make_fair_scorer(name, sensitive_features=selector)
    ratio = make_fair_scorer(name, sensitive_features=selector, comparison="ratio")
    assert difference(MODEL, X, Y) == -counts.compare(name) < 0
    assert ratio(MODEL, X, Y) == counts.compare(name, "ratio") > 0


@pytest.mark.parametrize(
    ("name", "sign"), [("error_rate_parity", -1), ("accuracy_parity", 1), ("f1_parity", 1)]
)
def test_the_worst_group_scores_its_rate_so_that_greater_is_better(name: str, sign: int) -> None:
    scorer = make_fair_scorer(name, sensitive_features="man", comparison="worst_group")
    (rate,) = CONSTRAINTS[name].rates
    values = GroupCounts.from_predictions(Y, PREDICTED, sensitive_features=X["man"], pos_label="yes").rate(
        rate
    )
    assert scorer(MODEL, X, Y) == min(sign * values)


def test_the_other_comparisons_are_passed_on() -> None:
    data = {"sensitive_features": X["man"], "pos_label": "yes"}
    for options in ({"method": "to_overall"}, {"method": "to_reference", "reference": 1}):
        scorer = make_fair_scorer("equalized_odds", sensitive_features="man", **options)
        assert scorer(MODEL, X, Y) == -metrics.equalized_odds_difference(Y, PREDICTED, **data, **options)


def test_the_second_class_is_positive_unless_another_is_named() -> None:
    for pos_label, expected in {None: "yes", "yes": "yes", "no": "no"}.items():
        scorer = make_fair_scorer("equal_opportunity", sensitive_features="man", pos_label=pos_label)
        value = metrics.equal_opportunity_difference(
            Y, PREDICTED, sensitive_features=X["man"], pos_label=expected
        )
        assert scorer(MODEL, X, Y) == -value
    with pytest.raises(ValueError, match="pos_label='maybe' is not one of the classes"):
        make_fair_scorer("equal_opportunity", sensitive_features="man", pos_label="maybe")(MODEL, X, Y)


def test_text_labels_never_score_a_silent_zero() -> None:
    scorer = make_fair_scorer("demographic_parity", sensitive_features="man")
    assert scorer(MODEL, X, Y) < -0.1
    with pytest.raises(ValueError, match=r"different kinds of labels|no label in common"):
        scorer(MODEL, X, (Y == "yes").astype(int))
    with pytest.raises(ValueError, match="no label in common"):
        scorer(MODEL, X, np.char.upper(Y))


def test_one_class_of_many_is_named() -> None:
    y = np.array(["low", "mid", "top"])[np.digitize(X["skill"] + X["man"], [-0.2, 0.8])]
    model = LogisticRegression().fit(X, y)
    scorer = make_fair_scorer("demographic_parity", sensitive_features="man", pos_label="top")
    assert scorer(model, X, y) < -0.1


def test_a_fold_without_the_positive_label_scores_parity() -> None:
    nobody = DummyClassifier(strategy="constant", constant="no").fit(X, Y)
    scorer = make_fair_scorer("demographic_parity", sensitive_features="man")
    assert scorer(nobody, X[Y == "no"], Y[Y == "no"]) == 0


def test_rows_are_weighted() -> None:
    weight = np.random.default_rng(1).random(len(Y))
    expected = metrics.demographic_parity_difference(
        Y, PREDICTED, sensitive_features=X["man"], pos_label="yes", sample_weight=weight
    )
    scorer = make_fair_scorer("demographic_parity", sensitive_features="man")
    assert scorer(MODEL, X, Y, sample_weight=weight) == -expected
    with sklearn.config_context(enable_metadata_routing=True):
        routed = scorer.set_score_request(sample_weight=True)
        model = LogisticRegression().set_fit_request(sample_weight=False)
        scores = cross_val_score(model, X, Y, scoring=routed, cv=3, params={"sample_weight": weight})
        plain = cross_val_score(model, X, Y, scoring=scorer, cv=3)
    assert (scores != plain).all()


def test_metadata_override_the_column() -> None:
    scorer = make_fair_scorer("demographic_parity", sensitive_features="man")
    by_age = make_fair_scorer("demographic_parity", sensitive_features="old")
    assert scorer(MODEL, X, Y, sensitive_features=X["old"]) == by_age(MODEL, X, Y) != scorer(MODEL, X, Y)


def test_the_groups_are_handed_to_an_estimator_that_asks() -> None:
    model = ByGroup().fit(X, Y)
    scorer = make_fair_scorer("demographic_parity")
    assert scorer(model, X, Y, sensitive_features=X["man"]) == -1
    with sklearn.config_context(enable_metadata_routing=True):
        scores = cross_val_score(
            ByGroup(), X, Y, scoring=scorer, cv=3, params={"sensitive_features": X["man"]}
        )
    assert scores.tolist() == [-1, -1, -1]


# --- making, showing and copying ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scorer", "shown"),
    [
        (make_fair_scorer("equalized_odds"), "make_fair_scorer('equalized_odds')"),
        (
            make_fair_scorer(
                "f1_parity", sensitive_features=["sex", "race"], comparison="ratio", pos_label=0
            ),
            "make_fair_scorer('f1_parity', sensitive_features=['sex', 'race'], comparison='ratio', "
            "pos_label=0)",
        ),
        (
            make_fair_scorer(Constraint("fdr_parity", "false_discovery_rate"), method="to_overall"),
            "make_fair_scorer(fdr_parity, method='to_overall')",
        ),
    ],
)
def test_a_scorer_shows_how_it_was_made_and_can_be_copied(scorer: Any, shown: str) -> None:
    for copy in (scorer, pickle.loads(pickle.dumps(scorer)), clone(scorer, safe=False)):
        assert repr(copy) == shown


def test_copies_score_the_same() -> None:
    own = Constraint("fdr_parity", [Rate("false_discovery_rate", "fp", "tp+fp")])
    scorer = make_fair_scorer(own, sensitive_features="man")
    for copy in (pickle.loads(pickle.dumps(scorer)), clone(scorer, safe=False)):
        assert copy(MODEL, X, Y) == scorer(MODEL, X, Y) < 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"constraint": "demografic_parity"}, "Did you mean 'demographic_parity'"),
        ({"comparison": "gap"}, "comparison must be one of 'difference', 'ratio', 'worst_group'"),
        ({"method": "overall"}, "method must be one of"),
        (
            {"constraint": "equalized_odds", "comparison": "worst_group"},
            "Use a constraint with a single rate",
        ),
        ({"comparison": "worst_group", "method": "to_overall"}, "leave out method='to_overall'"),
        ({"norm": "l3"}, "norm must be one of 'max', 'l1', 'l2'"),
        ({"comparison": "ratio", "norm": "l1"}, "leave it out with comparison='ratio'"),
        ({"method": "to_reference"}, "needs reference="),
        ({"reference": "F"}, "names a group for method="),
    ],
)
def test_a_mistake_is_told_when_the_scorer_is_made(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_fair_scorer(**{"constraint": "demographic_parity", **options})


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: make_group_scorer("f" * 9999), ValueError, "is not a valid scoring value"),
        (lambda: make_group_scorer(["f" * 9999]), TypeError, "must be the name of a scikit-learn scorer"),
        (lambda: make_tradeoff_scorer("f1", "f1_parity", weight="a"), ValueError, "must be a number.*'a'"),
    ],
)
def test_a_score_that_is_none_is_refused_in_few_words(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message) as told:
        make()
    assert len(str(told.value)) < 2000


# --- inside scikit-learn ------------------------------------------------------------------------------


def test_a_search_over_several_scores_finds_the_best_under_a_bound(routing: bool) -> None:
    scoring = {
        "acc": "accuracy",
        "dp": make_fair_scorer("demographic_parity", sensitive_features="man"),
        "ratio": make_fair_scorer("demographic_parity", sensitive_features="man", comparison="ratio"),
        "worst": make_fair_scorer("error_rate_parity", sensitive_features="man", comparison="worst_group"),
    }
    search = GridSearchCV(
        LogisticRegression(),
        {"C": [1, 0.1, 1e-2, 1e-3]},
        scoring=scoring,
        refit=best_under("acc", dp=0.06),
        cv=3,
    )
    said = r"refuses candidate 2, which has a better acc, .* by 0\.0068\. That may be chance: .*GroupScoring"
    with pytest.warns(UserWarning, match=said):
        search.fit(X, Y)
    results, best = search.cv_results_, search.best_index_
    within = results["mean_test_dp"] >= -0.06
    assert 0 < within.sum() < 4
    assert within[best]
    assert results["mean_test_acc"][best] == results["mean_test_acc"][within].max()
    assert (results["mean_test_ratio"] >= 0).all()
    assert (results["mean_test_worst"] < 0).all()
    assert len(pareto_front(results, "acc", "dp")) >= 1


def test_column_and_metadata_score_the_same_where_routing_is_on() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        by_metadata = cross_val_score(
            LogisticRegression(),
            X,
            Y,
            scoring=make_fair_scorer("equalized_odds"),
            params={"sensitive_features": X["man"]},
        )
        by_column = cross_val_score(
            LogisticRegression(), X, Y, scoring=make_fair_scorer("equalized_odds", sensitive_features="man")
        )
    assert by_metadata.tolist() == by_column.tolist()


@pytest.mark.parametrize("metadata", [False, True])
def test_scorers_share_their_predictions(metadata: bool) -> None:
    column = None if metadata else "man"
    scoring: dict[str, Any] = {
        name: make_fair_scorer(name, sensitive_features=column)
        for name in ("demographic_parity", "f1_parity")
    }
    scoring["accuracy"] = "accuracy"
    Counting.calls = 0
    with sklearn.config_context(enable_metadata_routing=metadata):
        params = {"sensitive_features": X["man"]} if metadata else None
        cross_validate(Counting(max_depth=2), X, Y, scoring=scoring, cv=3, params=params, error_score="raise")
    assert Counting.calls == 3


def test_learning_curves_take_the_scorer(routing: bool) -> None:
    scorer = make_fair_scorer("demographic_parity", sensitive_features="man")
    *_, scores = learning_curve(
        MODEL, X, Y, scoring=scorer, cv=3, train_sizes=[0.5, 1.0], error_score="raise"
    )
    assert (scores < 0).all()


@pytest.mark.parametrize(
    ("column", "message"),
    [(None, "was given no groups"), ("mann", "'mann' is not in X.*Did you mean 'man'")],
)
def test_a_scorer_without_groups_says_so(column: Any, message: str, routing: bool) -> None:
    scorer = make_fair_scorer("demographic_parity", sensitive_features=column)
    with pytest.raises(ValueError, match=message):
        cross_val_score(MODEL, X, Y, scoring=scorer, error_score="raise")


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_a_search_in_which_every_score_failed_is_not_decided() -> None:
    scoring = {"acc": "accuracy", "dp": make_fair_scorer("demographic_parity", sensitive_features="mann")}
    search = GridSearchCV(MODEL, {"C": [0.1, 1]}, scoring=scoring, refit=best_under("acc", dp=0.1), cv=3)
    with (
        pytest.warns(UserWarning, match=r"Did you mean 'man'"),
        pytest.raises(ValueError, match=r'Every candidate has a score of NaN.*error_score="raise"'),
    ):
        search.fit(X, Y)


def test_a_tuned_threshold_takes_the_groups_as_metadata() -> None:
    scorer = make_fair_scorer("demographic_parity", pos_label="yes")
    with sklearn.config_context(enable_metadata_routing=True):
        tuned = TunedThresholdClassifierCV(LogisticRegression(), scoring=scorer, store_cv_results=True, cv=3)
        tuned.fit(X, Y, sensitive_features=X["man"])
    scores = tuned.cv_results_["scores"]
    assert tuned.best_score_ == scores.max() > scores.min()


def test_a_tuned_threshold_cannot_read_a_column_and_says_what_can(routing: bool) -> None:
    scorer = make_fair_scorer("demographic_parity", sensitive_features="man", pos_label="yes")
    with pytest.raises(ValueError, match=r"called without X and without groups.*use GroupThresholdOptimizer"):
        TunedThresholdClassifierCV(LogisticRegression(), scoring=scorer).fit(X, Y)


# --- choosing among candidates ------------------------------------------------------------------------


def results(**scores: Any) -> dict[str, Any]:
    return {f"mean_test_{name}": np.array(values, dtype=float) for name, values in scores.items()}


RESULTS = results(acc=[0.9, 0.8, 0.7], dp=[-0.3, -0.1, -0.05], ratio=[0.5, 0.7, 0.9], eo=[-0.1, -0.2, -0.1])


@pytest.mark.parametrize(
    ("rule", "index"),
    [
        (best_under("acc", dp=0.5), 0),
        (best_under("acc", dp=0.3), 0),
        (best_under("acc", dp=0.2), 1),
        (best_under("acc", dp=0.05), 2),
        (best_under("acc", min_ratio={"ratio": 0.6}), 1),
        (best_under("acc", dp=0.2, min_ratio={"ratio": 0.8}), 2),
        (best_under("acc", dp=0.2, eo=0.1), 2),
        (best_under("acc", eo=0.1, dp=0.2), 2),
    ],
)
def test_the_best_candidate_within_the_bounds_wins(rule: Any, index: int) -> None:
    assert rule(RESULTS) == index
    assert pickle.loads(pickle.dumps(rule))(RESULTS) == clone(rule, safe=False)(RESULTS) == index


def test_without_a_candidate_within_the_bounds_the_least_disparate_wins() -> None:
    tight = best_under("acc", dp=0.01)
    said = r"No candidate meets best_under\('acc', dp=0.01\).*exceeds a bound by 0.0400"
    with pytest.warns(UserWarning, match=said):
        assert tight(RESULTS) == 2
    with pytest.warns(UserWarning, match="No candidate meets"):
        assert best_under("acc", min_ratio={"ratio": 0.95})(RESULTS) == 2
    with pytest.warns(UserWarning, match="No candidate meets"):  # of equally disparate ones the best
        assert tight(results(acc=[0.7, 0.8, 0.6], dp=[-0.2, -0.2, -0.3])) == 1


def test_candidates_with_a_nan_never_win() -> None:
    nan, rule = float("nan"), best_under("acc", dp=0.2)
    assert rule(results(acc=[nan, 0.9, 0.7], dp=[-0.1, nan, -0.1])) == 2
    with pytest.warns(UserWarning, match="No candidate meets"):
        assert rule(results(acc=[nan, 0.9, 0.7], dp=[-0.1, nan, -0.9])) == 2
    for dp in ([nan, nan], [-0.1, nan]):
        with pytest.raises(ValueError, match="Every candidate has a score of NaN"):
            rule(results(acc=[nan, 0.9], dp=dp))


def test_a_ratio_that_is_bounded_like_a_difference_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"ratio=0.8 bounds a difference, .* are positive.*write min_ratio=\{'ratio': 0.8\}"
    ):
        best_under("acc", ratio=0.8)(RESULTS)


def test_an_unknown_scorer_is_answered_with_all() -> None:
    for call in (
        lambda: best_under("acc", f1=0.1)(RESULTS),
        lambda: best_under("acc", min_ratio={"f1": 0.1})(RESULTS),
        lambda: pareto_front(RESULTS, "acc", "f1"),
    ):
        with pytest.raises(
            ValueError, match=r"There is no scorer 'f1'\. The scorers are: acc, dp, ratio, eo"
        ):
            call()


def test_a_scorer_may_be_called_score() -> None:
    rule = best_under("acc", score=0.1)
    assert repr(rule) == "best_under('acc', score=0.1)"
    assert rule(results(acc=[0.9, 0.8], score=[-0.3, -0.1])) == 1


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({}, "needs a bound"),
        ({"min_ratio": {}}, "needs a bound"),
        ({"dp": -0.1}, "max_difference of 'dp' must be finite and not negative; got -0.1"),
        ({"dp": float("nan")}, "must be finite and not negative"),
        ({"dp": float("inf")}, "must be finite and not negative"),
        ({"min_ratio": {"ratio": -1}}, "must be between 0 and 1"),
        ({"min_ratio": {"ratio": 1.25}}, "must be between 0 and 1"),
        ({"min_score": {"acc": float("nan")}}, "must be finite"),
    ],
)
def test_impossible_bounds_are_refused(bounds: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        best_under("acc", **bounds)


def test_a_bound_is_given_by_the_name_of_its_scorer() -> None:
    with pytest.raises(TypeError, match=r"min_ratio names the scorer .* min_ratio=\{'di': 0.8\}"):
        best_under("acc", min_ratio=0.8)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"The bound on 'dp' must be a number, such as dp=0.05"):
        best_under("acc", dp="0.05")  # type: ignore[arg-type]


def test_any_other_score_is_bounded_from_below() -> None:
    table = results(acc=[0.9, 0.8, 0.7], loss=[-2.0, -0.5, -0.1], dp=[-0.1, -0.2, -0.3])
    rule = best_under("acc", min_score={"loss": -0.5})
    assert rule(table) == 1
    assert repr(rule) == "best_under('acc', min_score={'loss': -0.5})"
    both = best_under("loss", min_score={"acc": 0.75}, dp=0.25)
    assert both(table) == 1
    assert pickle.loads(pickle.dumps(both))(table) == 1


def test_a_scorer_of_selection_needs_no_labels() -> None:
    for options in ({}, {"comparison": "ratio"}, {"response_method": "predict_proba"}):
        scorer = make_fair_scorer("disparate_impact", sensitive_features="man", **options)
        assert scorer(MODEL, X) == pytest.approx(scorer(MODEL, X, Y), rel=1e-12)
    with pytest.raises(ValueError, match="true_positive_rate depends on the labels"):
        make_fair_scorer("equal_opportunity", sensitive_features="man")(MODEL, X)


levels = st.one_of(st.integers(0, 3).map(float), st.just(float("nan")))


@given(st.lists(st.tuples(levels, levels, levels), min_size=1))
def test_the_pareto_front_is_what_no_candidate_beats(table: list[tuple[float, float, float]]) -> None:
    def beats(one: Any, other: Any) -> bool:
        return all(a >= b for a, b in zip(one, other, strict=True)) and one != other

    whole = [i for i, row in enumerate(table) if not any(value != value for value in row)]
    best = [i for i in whole if not any(beats(table[j], table[i]) for j in whole)]
    distinct = [i for i in best if table.index(table[i]) == i]
    front = pareto_front(results(**dict(zip("abc", zip(*table, strict=True), strict=True))), "a", "b", "c")
    assert sorted(front) == distinct
    assert [table[i][0] for i in front] == sorted((table[i][0] for i in front), reverse=True)


def test_a_pareto_front_weighs_two_scores_or_more() -> None:
    assert pareto_front(RESULTS, "acc", "dp").tolist() == [0, 1, 2]
    assert pareto_front(RESULTS, "dp", "ratio").tolist() == [2]
    with pytest.raises(ValueError, match="two or more scores"):
        pareto_front(RESULTS, "acc")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1), st.integers(0, 9))
@pytest.mark.filterwarnings("ignore:No candidate meets")
def test_no_candidate_within_the_bound_is_better_than_the_winner(table: list[Any], bound: int) -> None:
    acc, dp = zip(*table, strict=True)
    winner = best_under("acc", dp=bound)(results(acc=acc, dp=[-value for value in dp]))
    within = [i for i in range(len(table)) if dp[i] <= bound]
    if within:
        assert winner in within
        assert acc[winner] == max(acc[i] for i in within)
    else:
        assert dp[winner] == min(dp)


def test_the_search_scores_by_what_the_rule_maximises() -> None:
    X, y = people()
    search = GridSearchCV(
        DecisionTreeClassifier(random_state=0),
        {"max_depth": [1, 3]},
        scoring={"acc": "accuracy", "dp": make_fair_scorer("demographic_parity", sensitive_features="man")},
        refit=best_under("acc", dp=0.5),
        cv=2,
    )
    scores = cross_val_score(search, X, y, cv=2, error_score="raise")  # nested cross-validation
    assert ((scores > 0.5) & (scores < 1)).all()
    assert search.fit(X, y).score(X, y) == np.mean(search.predict(X) == y)
    rule = pickle.loads(pickle.dumps(search)).refit
    assert repr(rule) == "best_under('acc', dp=0.5)"
    assert rule(search.cv_results_) == search.best_index_


class SelectsWhere(ClassifierMixin, BaseEstimator):
    """Selects the rows whose skill is above a threshold."""

    def __init__(self, above: float = 0.0) -> None:
        self.above = above

    def fit(self, X: Any, y: Any) -> SelectsWhere:
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        return np.where(X["skill"] > self.above, "yes", "no")


def test_a_search_does_not_prefer_what_cannot_be_measured() -> None:
    two = Constraint("two_parities", ["selection_rate", "precision"])
    scorer = make_fair_scorer(two, sensitive_features="man")
    with warnings.catch_warnings():  # nobody has a skill above 9: equal selection, but no precision
        warnings.simplefilter("ignore")
        search = GridSearchCV(SelectsWhere(), {"above": [9.0, 0.3]}, scoring=scorer, cv=2).fit(X, Y)
    assert search.best_params_ == {"above": 0.3}
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [True, False]


# --- mean differences, norms and strata ----------------------------------------------------------------


def in_each_stratum(of: Any) -> float:
    """Return an average over the strata of "old" by their sizes, of what a function of rows returns."""
    parts = [np.flatnonzero(X["old"] == value) for value in (0, 1)]
    return sum(len(rows) * of(rows) for rows in parts) / len(X)


def true_and_false_positive_gaps(rows: Any) -> list[float]:
    """Return the differences between men and others, counted by hand."""
    y, p, man = Y[rows], PREDICTED[rows], X["man"].to_numpy()[rows] == 1
    return [
        abs(np.mean(p[man & (y == label)] == "yes") - np.mean(p[~man & (y == label)] == "yes"))
        for label in ("yes", "no")
    ]


@pytest.mark.parametrize(
    ("norm", "of_gaps"), [("max", max), ("l1", sum), ("l2", lambda gaps: np.hypot(*gaps))]
)
def test_a_scorer_of_a_norm_and_within_strata(norm: Any, of_gaps: Any) -> None:
    everyone = np.arange(len(X))
    scorer = make_fair_scorer("equalized_odds", sensitive_features="man", norm=norm)
    assert scorer(MODEL, X, Y) == pytest.approx(-of_gaps(true_and_false_positive_gaps(everyone)))
    within = make_fair_scorer("equalized_odds", sensitive_features="man", norm=norm, strata="old")
    expected = in_each_stratum(lambda rows: of_gaps(true_and_false_positive_gaps(rows)))
    assert within(MODEL, X, Y) == pytest.approx(-expected)
    assert scorer(MODEL, X, Y, strata=X["old"]) == within(MODEL, X, Y)
    traded = make_tradeoff_scorer(
        "accuracy", "equalized_odds", sensitive_features="man", norm=norm, strata="old", weight=2.0
    )
    assert traded(MODEL, X, Y) == pytest.approx(np.mean(PREDICTED == Y) - 2 * expected)
    for each in (scorer, within, traded):
        assert eval(repr(each))(MODEL, X, Y) == each(MODEL, X, Y)
        assert pickle.loads(pickle.dumps(each))(MODEL, X, Y) == each(MODEL, X, Y)


def test_a_scorer_of_the_worst_stratum() -> None:
    parts = [np.flatnonzero(X["old"] == value) for value in (0, 1)]
    worst = max(max(true_and_false_positive_gaps(rows)) for rows in parts)
    columns: dict[str, Any] = {"sensitive_features": "man", "strata": "old"}
    fair = make_fair_scorer("equalized_odds", **columns, over_strata="worst")
    traded = make_tradeoff_scorer("accuracy", "equalized_odds", **columns, over_strata="worst", weight=2.0)
    assert fair(MODEL, X, Y) == pytest.approx(-worst)
    assert traded(MODEL, X, Y) == pytest.approx(np.mean(PREDICTED == Y) - 2 * worst)
    assert make_fair_scorer("equalized_odds", **columns)(MODEL, X, Y) > fair(MODEL, X, Y)
    for scorer in (fair, traded):
        assert eval(repr(scorer))(MODEL, X, Y) == scorer(MODEL, X, Y)
    unnamed = make_fair_scorer("equalized_odds", sensitive_features="man", over_strata="worst")
    assert unnamed(MODEL, X, Y, strata=X["old"]) == fair(MODEL, X, Y)
    with pytest.raises(ValueError, match="over_strata='worst' takes the worst of the strata, and there are"):
        unnamed(MODEL, X, Y)
    weighed = make_tradeoff_scorer("accuracy", "equalized_odds", over_strata="worst")
    for scorer in (unnamed, weighed):
        with pytest.raises(ValueError, match="compares within strata, which GroupScoring does not count"):
            GroupScoring({"eo": scorer}, sensitive_features="man")
    for make in (make_fair_scorer, partial(make_tradeoff_scorer, "accuracy")):
        with pytest.raises(ValueError, match="over_strata must be one of"):
            make("equalized_odds", over_strata="max")


def test_a_scorer_of_the_mean_over_pairs() -> None:
    group = X["man"] + 2 * X["old"]
    rates = [np.mean(PREDICTED[group == g] == "yes") for g in range(4)]
    mean = np.mean([abs(a - b) for a, b in combinations(rates, 2)])
    columns = ["man", "old"]
    scorer = make_fair_scorer("demographic_parity", sensitive_features=columns, comparison="mean_difference")
    assert scorer(MODEL, X, Y) == pytest.approx(-mean)
    traded = make_tradeoff_scorer(
        "accuracy", "demographic_parity", sensitive_features=columns, comparison="mean_difference"
    )
    assert traded(MODEL, X, Y) == pytest.approx(np.mean(PREDICTED == Y) - mean)
    assert cross_val_score(LogisticRegression(), X, Y, scoring=scorer, cv=3, error_score="raise").max() < 0


def test_strata_of_probabilities() -> None:
    scorer = make_fair_scorer(
        "demographic_parity", sensitive_features="man", strata="old", response_method="predict_proba"
    )
    proba, man = MODEL.predict_proba(X)[:, 1], X["man"].to_numpy() == 1

    def gap(rows: Any) -> float:
        return abs(proba[rows][man[rows]].mean() - proba[rows][~man[rows]].mean())

    assert scorer(MODEL, X, Y) == pytest.approx(-in_each_stratum(gap))


def test_strata_are_metadata_that_are_asked_for() -> None:
    scorer = make_fair_scorer("demographic_parity", sensitive_features="man")
    by_column = make_fair_scorer("demographic_parity", sensitive_features="man", strata="old")
    expected = cross_val_score(LogisticRegression(), X, Y, scoring=by_column, cv=3)
    with sklearn.config_context(enable_metadata_routing=True):
        found = cross_val_score(
            LogisticRegression(), X, Y, scoring=scorer, cv=3, params={"strata": X["old"]}, error_score="raise"
        )
    np.testing.assert_allclose(found, expected)


def test_strata_that_cannot_be_read_or_used_are_named() -> None:
    scorer = make_fair_scorer("demographic_parity", sensitive_features="man", strata="region")
    with pytest.raises(ValueError, match="region") as error:
        scorer(MODEL, X, Y)
    assert "strata" in str(error.value)
    assert "sensitive" not in str(error.value)
    accuracy = make_group_scorer("accuracy", sensitive_features="man")
    with pytest.raises(ValueError, match="compares scores, which strata= does not break down"):
        accuracy(MODEL, X, Y, strata=X["old"])
    with pytest.raises(ValueError, match="within strata, 'old', which GroupScoring does not count"):
        GroupScoring({"dp": make_fair_scorer("demographic_parity", strata="old")}, sensitive_features="man")


def test_pooled_counts_give_means_and_norms_too() -> None:
    scores = {
        "mean": make_fair_scorer("demographic_parity", comparison="mean_difference"),
        "l1": make_fair_scorer("equalized_odds", norm="l1"),
    }
    scoring = GroupScoring(scores, sensitive_features=["man", "old"]).of(X)
    table = cv_disparities(cross_validate(LogisticRegression(), X, Y, scoring=scoring, cv=3), scoring)
    predicted = cross_val_predict(LogisticRegression(), X, Y, cv=3)
    for name, options in (("mean", {"comparison": "mean_difference"}), ("l1", {"norm": "l1"})):
        constraint = "demographic_parity" if name == "mean" else "equalized_odds"
        expected = metrics.disparity(
            Y,
            predicted,
            constraint=constraint,
            sensitive_features=X[["man", "old"]],
            pos_label="yes",
            **options,
        )
        place = table.scores.index(name)
        assert table.values[0, place] == pytest.approx(expected)
        assert np.isnan(table.low[0, place])
    for name, reason in (
        ("mean", "is a mean over pairs of groups"),
        ("l1", "adds up differences in several"),
    ):
        with pytest.raises(ValueError, match=reason):
            scoring.best_under(name, **{name: 0.1})
        assert scoring.best_under(name, require="value", **{name: 1.5 if name == "l1" else 0.5})
