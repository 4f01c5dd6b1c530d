"""ConstrainedClassifier: decides without the attribute, holds what it can, and says what it does."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from toy_data import logistic, people, prepare

from fairsk import ConstrainedClassifier, Constraint, Rate
from fairsk.metrics import demographic_parity_difference, demographic_parity_ratio, disparity
from fairsk.scoring import make_fair_scorer


def constrained(**params):
    return ConstrainedClassifier(logistic(), **{"sensitive_features": "sex", "cv": 3, **params})


@pytest.fixture(scope="module")
def applicants():
    return people(n=1500)


@pytest.fixture(scope="module")
def fitted(applicants):
    return constrained(max_difference=0.05).fit(*applicants)


# --- what decides ------------------------------------------------------------------------------------------


def test_predict_and_both_responses_agree(fitted, applicants):
    X, _ = applicants
    labels = fitted.predict(X)
    assert set(labels) == {"no", "yes"}
    np.testing.assert_array_equal(labels == "yes", fitted.decision_function(X) >= 0)
    chances = fitted.predict_proba(X)
    np.testing.assert_array_equal(labels == "yes", chances[:, 1] >= 0.5)
    np.testing.assert_allclose(chances.sum(1), 1)
    np.testing.assert_allclose(fitted.predict_log_proba(X), np.log(chances))
    order = np.argsort(fitted.decision_function(X), kind="stable")
    assert (np.diff(chances[order, 1]) >= 0).all()


def test_the_other_label_can_be_the_positive_one(applicants):
    X, y = applicants
    model = constrained(max_difference=0.05, pos_label="no").fit(X, y)
    assert model.report_.pos_label == "no"
    labels = model.predict(X)
    np.testing.assert_array_equal(labels == "yes", model.decision_function(X) > 0)
    np.testing.assert_array_equal(labels == "yes", model.predict_proba(X)[:, 1] > 0.5)
    found = demographic_parity_difference(y, labels, sensitive_features=X["sex"], pos_label="no")
    assert found < 0.1


def test_the_attribute_takes_no_part_in_predictions(fitted, applicants):
    X, _ = applicants
    expected = fitted.predict(X)
    np.testing.assert_array_equal(fitted.predict(X.drop(columns="sex")), expected)
    swapped = X.assign(sex=X["sex"].map({"F": "M", "M": "F"}))
    np.testing.assert_array_equal(fitted.predict(swapped), expected)
    np.testing.assert_array_equal(fitted.predict(X.assign(sex=None)), expected)


class SeesColumns(ClassifierMixin, BaseEstimator):
    """A classifier that keeps which columns it saw."""

    def fit(self, X, y, sample_weight=None):
        self.columns_ = list(X.columns)
        self.model_ = LogisticRegression().fit(X[["age", "skill"]], y, sample_weight)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        assert list(X.columns) == self.columns_
        return self.model_.predict_proba(X[["age", "skill"]])

    def predict(self, X):
        return self.model_.predict(X[["age", "skill"]])


@pytest.mark.parametrize("keep", [False, True])
def test_the_models_see_the_column_only_if_it_is_kept(applicants, keep):
    X, y = applicants
    model = ConstrainedClassifier(
        SeesColumns(), sensitive_features="sex", cv=2, max_difference=0.1, keep_sensitive=keep
    ).fit(X, y)
    assert model.predict(X).shape == y.shape
    if keep:
        with pytest.raises(AssertionError):
            model.predict(X.drop(columns="sex"))
    else:
        model.predict(X.drop(columns="sex"))


def test_a_transformer_that_lists_the_column_is_told_why_it_is_gone(applicants):
    X, y = applicants
    listing = make_pipeline(prepare().set_params(remainder="drop"), LogisticRegression())
    listing[0].transformers.append(("sex", "passthrough", ["sex"]))
    with pytest.raises(Exception, match="sex") as caught:
        ConstrainedClassifier(listing, sensitive_features="sex").fit(X, y)
    assert any("keep_sensitive=True" in note for note in caught.value.__notes__)


def test_a_column_that_models_see_unawares_is_told(applicants):
    X, y = applicants
    with pytest.warns(UserWarning, match="X has a column named like the sensitive_features .*: sex"):
        constrained(sensitive_features=None, max_difference=0.2).fit(X, y, sensitive_features=X["sex"])
    # Taken out, kept on purpose, or not there: nothing to tell.
    constrained(max_difference=0.2).fit(X, y, sensitive_features=X["sex"])
    rest = X.drop(columns="sex")
    constrained(sensitive_features=None, max_difference=0.2).fit(rest, y, sensitive_features=X["sex"])


# --- what is held ------------------------------------------------------------------------------------------


def test_the_bound_holds_on_rows_that_the_models_did_not_see(fitted):
    report = fitted.report_
    assert report.measured_on == "out of fold"
    assert report.disparity <= 0.05
    assert report.value < report.value_without_bound
    unseen, labels = people(n=20_000, seed=9)
    found = demographic_parity_difference(
        labels, fitted.predict(unseen), sensitive_features=unseen["sex"], pos_label="yes"
    )
    assert found < 0.09  # 1,500 rows do not tell more
    plain = demographic_parity_difference(
        labels,
        logistic().fit(*people(n=1500)).predict(unseen),
        sensitive_features=unseen["sex"],
        pos_label="yes",
    )
    assert plain > 0.15


def test_ratios_lists_and_rates_of_ones_own_are_held(applicants):
    X, y = applicants
    ratio = constrained(max_difference=None, min_ratio=0.8).fit(X, y).report_
    assert ratio.comparison == "ratio"
    assert ratio.disparity >= 0.8
    several = constrained(
        constraint=["demographic_parity", "equal_opportunity"],
        max_difference=[0.15, None],
        min_ratio=[None, 0.7],
    ).fit(X, y)
    parts = several.report_.constraints
    assert parts[0].disparity <= 0.15
    assert parts[1].disparity >= 0.7
    own = Constraint("wrongly_refused", [Rate("refused", "fn", "n", lower_is_better=True)])
    assert constrained(constraint=own, max_difference=0.02).fit(X, y).report_.disparity <= 0.02


def test_no_bound_and_nobody_to_compare(applicants):
    X, y = applicants
    free = constrained(max_difference=np.inf).fit(X, y)
    assert free.report_.disparity > 0.15
    assert free.report_.value == pytest.approx(free.report_.value_without_bound)
    with pytest.warns(UserWarning, match="Fewer than two groups can be compared"):
        alone = constrained(max_difference=0.05).fit(X.assign(sex="F"), y)
    assert np.isnan(alone.report_.disparity)
    assert alone.report_.exempt == ("F",)


def test_small_groups_are_exempt(applicants):
    X, y = applicants
    rare = X.assign(sex=np.where(np.arange(len(X)) < 20, "X", X["sex"]))
    with pytest.warns(UserWarning, match=r"min_group_size=30 rows to measure in: X"):
        model = constrained(max_difference=0.05).fit(rare, y)
    assert model.report_.exempt == ("X",)
    assert model.groups_ == ("F", "M", "X")


def test_groups_are_compared_within_strata(applicants):
    X, y = applicants
    model = constrained(max_difference=0.1, strata="town").fit(X, y)
    assert model.strata_ == ("north", "south")
    assert [part.stratum for part in model.report_.within] == ["north", "south"]
    assert max(part.disparity for part in model.report_.within) <= 0.1
    assert model.predict(X).shape == y.shape
    values = constrained(max_difference=0.1).fit(X, y, strata=X["town"].to_numpy())
    np.testing.assert_array_equal(values.predict(X), model.predict(X))


def test_a_margin_keeps_rates_off_the_ends(applicants):
    X, y = applicants
    wide = constrained(max_difference=0.1).fit(X, y).report_
    kept = constrained(max_difference=0.1, margin="1se").fit(X, y).report_
    rates = kept.counts.rate("selection_rate")
    n = kept.counts.n
    p = kept.counts.overall().rate("selection_rate")[0]
    errors = np.sqrt(wide.counts.overall().rate("selection_rate")[0] * (1 - p) / n)
    assert kept.disparity <= 0.1 - 0.9 * errors.sum()
    assert kept.margin == 1.0
    assert abs(rates[0] - rates[1]) == pytest.approx(kept.disparity)


def test_rows_without_weight_are_as_good_as_absent(applicants):
    X, y = applicants
    weights = np.ones(len(X))
    weights[::5] = 0
    present = weights > 0
    # The folds are those of all rows, so both are told them.
    splits = list(StratifiedKFold(3).split(X, y))
    place = np.cumsum(present) - 1
    kept = [(place[a[present[a]]], place[b[present[b]]]) for a, b in splits]
    weighted = constrained(max_difference=0.05, cv=splits).fit(X, y, sample_weight=weights)
    fewer = constrained(max_difference=0.05, cv=kept).fit(X[present], y[present])
    np.testing.assert_array_equal(weighted.predict(X), fewer.predict(X))
    assert weighted.report_.counts.n.sum() == present.sum()


def test_weights_count_in_the_rates(applicants):
    X, y = applicants
    weights = np.where(y == "yes", 3.0, 1.0)
    model = constrained(max_difference=0.05).fit(X, y, sample_weight=weights)
    assert model.report_.counts.n.sum() == weights.sum()
    assert model.report_.disparity <= 0.05


def test_what_is_reported_is_what_other_functions_find(applicants):
    """The held-out decisions, made again: fold models are found by the rows that they were fitted without."""
    X, y = applicants
    X = X.assign(row=np.arange(len(X)))
    model = ConstrainedClassifier(
        make_pipeline(prepare(), LogisticRegression()), sensitive_features="sex", cv=3, max_difference=0.05
    ).fit(X, y)
    counts = model.report_.counts
    assert counts.n.sum() == len(X)
    positives = pd.Series(y == "yes").groupby(X["sex"]).sum()
    np.testing.assert_array_equal(counts.cells["tp"] + counts.cells["fn"], positives.loc[list(counts.groups)])


# --- inside scikit-learn ------------------------------------------------------------------------------------


def test_it_is_the_same_from_fit_to_fit_and_through_pickles(fitted, applicants):
    X, y = applicants
    again = clone(fitted).fit(X, y)
    np.testing.assert_array_equal(again.decision_function(X), fitted.decision_function(X))
    unpickled = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(unpickled.decision_function(X), fitted.decision_function(X))


def test_no_training_rows_are_kept():
    sizes = [len(pickle.dumps(constrained(max_difference=0.1).fit(*people(n=n)))) for n in (2000, 9000)]
    assert sizes[1] < sizes[0] + 9000


def test_a_search_over_bounds_and_parameters(applicants):
    X, y = applicants
    search = GridSearchCV(
        constrained(cv=2),
        {"max_difference": [0.05, 0.2], "estimator__logisticregression__C": [0.1, 1.0]},
        scoring={
            "accuracy": "accuracy",
            "dp": make_fair_scorer("demographic_parity", sensitive_features="sex"),
        },
        refit="accuracy",
        cv=2,
    ).fit(X, y)
    assert search.best_params_["max_difference"] == 0.2


def test_splitters_may_ask_for_groups(applicants):
    X, y = applicants
    households = np.arange(len(X)) // 3
    model = constrained(cv=GroupKFold(3), max_difference=0.1).fit(X, y, groups=households)
    assert model.report_.counts.n.sum() == len(X)


def test_a_classifier_with_decision_scores_only(applicants):
    X, y = applicants
    model = ConstrainedClassifier(
        make_pipeline(prepare(), LinearSVC()), sensitive_features="sex", cv=2, max_difference=0.1
    )
    assert not hasattr(model, "predict_proba")
    model.fit(X, y)
    assert not hasattr(model, "predict_proba")
    np.testing.assert_array_equal(model.predict(X) == "yes", model.decision_function(X) >= 0)


def test_what_is_printed(fitted):
    text = str(fitted.report_)
    assert "reduction (open to any classifier)" in text
    assert "with the same learner" in text
    assert "new rows" in fitted.report_.summary()


# --- bad input ----------------------------------------------------------------------------------------------

PRECISION = Constraint("precision_parity", [Rate("own_precision", "tp", "tp+fp")])


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"engine": "boosting"}, "engine='boosting' is for LGBMClassifier and XGBClassifier"),
        ({"engine": "fast"}, "engine"),
        ({"constraint": PRECISION}, "own_precision"),
        ({"strata": "town", "margin": "1se"}, "margin='1se' is not open to strata"),
        ({"max_difference": 0.1, "min_ratio": 0.8}, "not both"),
        ({"max_difference": 1.5}, "between 0 and 1"),
        ({"sensitive_features": "gender"}, "gender"),
        ({"sensitive_features": None}, "Which column is sensitive"),
        ({"strata": "sex"}, "strata"),
        ({"pos_label": "maybe"}, "maybe"),
    ],
)
def test_what_cannot_be_is_refused(applicants, params, match):
    with pytest.raises(ValueError, match=match):
        constrained(**params).fit(*applicants)


def test_labels_and_estimators_that_cannot_be(applicants):
    X, y = applicants
    with pytest.raises(ValueError, match=r"Only binary classification.*policy='blind'.*FairClassifier"):
        constrained().fit(X, np.arange(len(y)) % 3)
    with pytest.raises(ValueError, match="GroupThresholdOptimizer, with policy='blind'"):
        ConstrainedClassifier(FrozenEstimator(logistic().fit(X, y)), sensitive_features="sex").fit(X, y)
    with pytest.raises(ValueError, match="missing"):
        constrained().fit(X.assign(sex=X["sex"].where(X["age"] > 30)), y)


def test_a_bound_that_is_not_met_is_told(applicants):
    """Selecting nobody is open to all under parity of selection, and to none under this rate."""
    X, y = applicants
    base = Constraint("label_parity", [Rate("label_rate", "tp+fn", "n")])
    with pytest.warns(UserWarning, match="No model was found whose held-out decisions meet the bound"):
        constrained(constraint=base, max_difference=0.01).fit(X, y)


def test_one_decision_for_all_is_told_with_its_cause(applicants):
    X, y = applicants
    with pytest.warns(UserWarning, match=r"selects everybody: under this bound .* Loosen the bound"):
        constrained(max_difference=0.0, constraint=["demographic_parity", "equalized_odds"]).fit(X, y)
    luck = np.random.default_rng(0).random(len(y)) < 0.1
    with pytest.warns(UserWarning, match="selects nobody: no better decisions were found without the bound"):
        constrained(max_difference=0.3).fit(X, np.where(luck, "yes", "no"))


def test_ratios_of_the_library_agree(fitted, applicants):
    X, y = applicants
    rows = {"sensitive_features": X["sex"], "pos_label": "yes"}
    labels = fitted.predict(X)
    assert demographic_parity_ratio(y, labels, **rows) > 0.75
    assert disparity(y, labels, constraint="demographic_parity", **rows) < 0.1
