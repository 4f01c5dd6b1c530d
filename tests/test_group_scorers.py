"""Scorers beyond decisions and rates: probabilities, performance by group, performance minus disparity."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    class_likelihood_ratios,
    f1_score,
    log_loss,
    make_scorer,
    precision_score,
    roc_auc_score,
)
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV, cross_val_score
from toy_data import logistic, people

from fairsk import GroupThresholdOptimizer
from fairsk.metrics import GroupCounts, worst_group
from fairsk.scoring import make_fair_scorer, make_group_scorer, make_tradeoff_scorer

X, Y = people(n=600)
MODEL = logistic().fit(X, Y)
SEX = X["sex"].to_numpy()
WEIGHTS = np.random.default_rng(0).random(600)


def by_group(function):
    return [function(sex == SEX) for sex in ("F", "M")]


def probability(rows):
    return MODEL.predict_proba(X[rows])[:, 1]


BY_HAND = {
    "accuracy": lambda rows: accuracy_score(Y[rows], MODEL.predict(X[rows])),
    "roc_auc": lambda rows: roc_auc_score(Y[rows], probability(rows)),
    "neg_log_loss": lambda rows: -log_loss(Y[rows], probability(rows)),
    "neg_brier_score": lambda rows: -brier_score_loss(Y[rows], probability(rows), pos_label="yes"),
    "f1": lambda rows: f1_score(Y[rows], MODEL.predict(X[rows]), pos_label="yes"),
    "precision": lambda rows: precision_score(Y[rows], MODEL.predict(X[rows]), pos_label="yes"),
}


@pytest.mark.parametrize("scoring", BY_HAND)
def test_any_score_of_scikit_learn_by_group(scoring):
    expected = by_group(BY_HAND[scoring])
    worst = make_group_scorer(scoring, sensitive_features="sex")
    difference = make_group_scorer(scoring, sensitive_features="sex", comparison="difference")
    assert worst(MODEL, X, Y) == pytest.approx(min(expected))
    assert difference(MODEL, X, Y) == pytest.approx(-abs(expected[0] - expected[1]))
    overall = make_group_scorer(scoring, sensitive_features="sex", comparison="overall")
    assert overall(MODEL, X, Y) == pytest.approx(BY_HAND[scoring](np.ones(600, dtype=bool)))


def test_the_positive_class_of_scores_that_have_one_can_be_named():
    expected = by_group(lambda rows: f1_score(Y[rows], MODEL.predict(X[rows]), pos_label="no"))
    scorer = make_group_scorer("f1", sensitive_features="sex", pos_label="no")
    assert scorer(MODEL, X, Y) == pytest.approx(min(expected))


@pytest.mark.parametrize(
    ("scoring", "place", "sign"),
    [("positive_likelihood_ratio", 0, 1), ("neg_negative_likelihood_ratio", 1, -1)],
)
def test_likelihood_ratios_are_of_the_second_class_or_refused(scoring, place, sign):
    expected = by_group(lambda rows: sign * class_likelihood_ratios(Y[rows], MODEL.predict(X[rows]))[place])
    for pos_label in (None, "yes"):
        scorer = make_group_scorer(scoring, sensitive_features="sex", pos_label=pos_label)
        assert scorer(MODEL, X, Y) == pytest.approx(min(expected))
    for scorer in (
        make_group_scorer(scoring, sensitive_features="sex", pos_label="no"),
        make_group_scorer(scoring, sensitive_features="sex", pos_label="no", comparison="overall"),
        make_tradeoff_scorer(scoring, "demographic_parity", sensitive_features="sex", pos_label="no"),
    ):
        with pytest.raises(
            ValueError, match="those of the second class, 'yes', and pos_label='no' is another"
        ):
            scorer(MODEL, X, Y)
    with pytest.raises(ValueError, match="pos_label='maybe' is not one of the classes"):
        make_group_scorer(scoring, sensitive_features="sex", pos_label="maybe")(MODEL, X, Y)


def test_scores_that_are_the_same_for_both_classes_take_any_label():
    for scoring in ("accuracy", "matthews_corrcoef", "neg_log_loss", "balanced_accuracy"):
        of_no, of_yes = (
            make_group_scorer(scoring, sensitive_features="sex", pos_label=label) for label in ("no", "yes")
        )
        assert of_no(MODEL, X, Y) == of_yes(MODEL, X, Y)


def test_weights_and_scorers_of_your_own():
    expected = by_group(
        lambda rows: accuracy_score(Y[rows], MODEL.predict(X[rows]), sample_weight=WEIGHTS[rows])
    )
    scorer = make_group_scorer(make_scorer(accuracy_score), sensitive_features="sex")
    assert scorer(MODEL, X, Y, sample_weight=WEIGHTS) == pytest.approx(min(expected))
    without = make_group_scorer(make_scorer(lambda y, p: np.mean(y == p)), sensitive_features="sex")
    with pytest.raises(ValueError, match="takes no sample_weight"):
        without(MODEL, X, Y, sample_weight=WEIGHTS)


def test_a_group_where_the_score_is_not_defined_is_named():
    y = np.where(SEX == "F", "no", Y)
    with pytest.warns(UserWarning, match="The score is not defined for: F"):
        worst = make_group_scorer("roc_auc", sensitive_features="sex")(MODEL, X, y)
    assert worst == pytest.approx(roc_auc_score(y[SEX == "M"], probability(SEX == "M")))
    with pytest.warns(UserWarning, match="not defined for: F"):
        gap = make_group_scorer("roc_auc", sensitive_features="sex", comparison="difference")(MODEL, X, y)
    assert np.isnan(gap)
    nobody = DummyClassifier(strategy="constant", constant="no").fit(X, Y)
    with pytest.warns(UserWarning, match="not defined for: F, M"):  # precision of nothing is no silent 0
        assert np.isnan(make_group_scorer("precision", sensitive_features="sex")(nobody, X, Y))


def test_probabilities_instead_of_decisions():
    scorer = make_fair_scorer("demographic_parity", sensitive_features="sex", response_method="predict_proba")
    means = by_group(lambda rows: probability(rows).mean())
    assert scorer(MODEL, X, Y) == pytest.approx(-abs(means[0] - means[1]))
    opportunity = make_fair_scorer(
        "equal_opportunity", sensitive_features="sex", response_method="predict_proba", pos_label="no"
    )
    of_no = by_group(lambda rows: 1 - probability(rows & (Y == "no")).mean())
    assert opportunity(MODEL, X, Y) == pytest.approx(-abs(of_no[0] - of_no[1]))


def test_soft_counts_of_certain_probabilities_are_the_hard_ones():
    predicted = MODEL.predict(X)
    hard = GroupCounts.from_predictions(
        Y, predicted, sensitive_features=SEX, pos_label="yes", sample_weight=WEIGHTS
    )
    soft = GroupCounts.from_probabilities(
        Y, predicted == "yes", sensitive_features=SEX, pos_label="yes", sample_weight=WEIGHTS
    )
    for cell in ("tp", "fp", "fn", "tn"):
        np.testing.assert_allclose(soft.cells[cell], hard.cells[cell])
        np.testing.assert_allclose(soft.squares[cell], hard.squares[cell])
    with pytest.raises(ValueError, match="one probability per row, from 0 to 1"):
        GroupCounts.from_probabilities([0, 1], [0.5, 1.5], sensitive_features=[0, 1])


def test_performance_minus_weighted_disparity():
    gap = make_fair_scorer("demographic_parity", sensitive_features="sex")(MODEL, X, Y)
    for weight in (0, 0.5, 2):
        scorer = make_tradeoff_scorer(
            "roc_auc", "demographic_parity", weight=weight, sensitive_features="sex"
        )
        expected = roc_auc_score(Y, probability(np.ones(600, dtype=bool))) + weight * gap
        assert scorer(MODEL, X, Y) == pytest.approx(expected)


def test_the_worst_group_as_a_metric():
    predicted = MODEL.predict(X)
    expected = min(by_group(lambda rows: np.mean(predicted[rows] == Y[rows])))
    assert worst_group(Y, predicted, sensitive_features=SEX, pos_label="yes").value == expected


SCORERS = [
    make_group_scorer("roc_auc", sensitive_features="sex"),
    make_group_scorer("accuracy", sensitive_features="sex", comparison="difference"),
    make_tradeoff_scorer("accuracy", "equalized_odds", weight=0.5, sensitive_features="sex"),
    make_fair_scorer("equal_opportunity", sensitive_features="sex", response_method="predict_proba"),
]


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
def test_they_travel_and_their_repr_is_the_call(scorer):
    value = scorer(MODEL, X, Y)
    for copy in (pickle.loads(pickle.dumps(scorer)), clone(scorer, safe=False)):
        assert copy(MODEL, X, Y) == value
    again = eval(
        repr(scorer),
        {
            "make_group_scorer": make_group_scorer,
            "make_tradeoff_scorer": make_tradeoff_scorer,
            "make_fair_scorer": make_fair_scorer,
        },
    )
    assert again(MODEL, X, Y) == value


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
def test_they_score_in_searches(scorer, routing, library):
    frame, y = people(library)
    search = GridSearchCV(
        logistic(), {"logisticregression__C": [0.01, 1]}, scoring=scorer, cv=3, error_score="raise"
    ).fit(frame, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_metadata_reach_predict_and_predict_proba():
    """scikit-learn's own scorers cannot score thresholds that get their groups as metadata."""
    thresholds = GroupThresholdOptimizer(logistic(), cv=3)
    frame = X.drop(columns="sex")
    with sklearn.config_context(enable_metadata_routing=True):
        params = {"sensitive_features": X["sex"]}
        for scorer in (
            make_group_scorer("accuracy"),
            make_group_scorer("accuracy", comparison="overall"),
            make_tradeoff_scorer("accuracy", "demographic_parity"),
            make_fair_scorer("demographic_parity", response_method="predict_proba"),
        ):
            scores = cross_val_score(
                thresholds, frame, Y, scoring=scorer, params=params, cv=3, error_score="raise"
            )
            assert np.isfinite(scores).all()


def test_tuning_one_threshold_by_the_worst_group():
    y = (Y == "yes").astype(int)
    with sklearn.config_context(enable_metadata_routing=True):
        tuned = TunedThresholdClassifierCV(logistic(), scoring=make_group_scorer("accuracy"), cv=3)
        tuned.fit(X, y, sensitive_features=X["sex"])
        assert 0 < tuned.best_threshold_ < 1
        soft = TunedThresholdClassifierCV(logistic(), scoring=make_group_scorer("roc_auc"), cv=3)
        with pytest.raises(ValueError, match="does not depend on a threshold"):
            soft.fit(X, y, sensitive_features=X["sex"])


def test_predictions_are_shared():
    class Counting(DummyClassifier):
        calls = 0

        def predict(self, X):
            Counting.calls += 1
            return super().predict(X)

    scoring = {
        "worst": make_group_scorer("accuracy", sensitive_features="sex"),
        "gap": make_fair_scorer("demographic_parity", sensitive_features="sex"),
        "both": make_tradeoff_scorer("accuracy", "demographic_parity", sensitive_features="sex"),
        "accuracy": "accuracy",
    }
    GridSearchCV(Counting(), {}, scoring=scoring, refit=False, cv=3).fit(X, Y)
    assert Counting.calls == 3


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: make_group_scorer("acuracy"), ValueError, "acuracy"),
        (lambda: make_group_scorer(accuracy_score), TypeError, "name of a scikit-learn scorer"),
        (lambda: make_group_scorer("accuracy", comparison="ratio"), ValueError, "comparison must be one of"),
        (lambda: make_tradeoff_scorer("accuracy", "demographic_parity", weight=-1), ValueError, "weight"),
        (lambda: make_tradeoff_scorer("accuracy", "parity"), ValueError, "Unknown constraint 'parity'"),
        (
            lambda: make_fair_scorer("demographic_parity", response_method="transform"),
            ValueError,
            "response_method must be one of",
        ),
    ],
)
def test_wrong_arguments_fail_when_the_scorer_is_made(make, error, match):
    with pytest.raises(error, match=match):
        make()
