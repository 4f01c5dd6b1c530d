"""Cross-fitting: every row is scored once, by a model that was fitted without it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold, RepeatedStratifiedKFold

from fairsk._meta.cross_fit import check_training_data, cross_fit, split_rows
from fairsk._sklearn.routing import positive_scores

N = 60
ROWS = np.arange(N)
X = ROWS.reshape(-1, 1).astype(float)
Y = np.where(ROWS % 3 == 0, "yes", "no")
GROUP = np.where(ROWS % 4 == 0, "a", "b")


class Remembers(ClassifierMixin, BaseEstimator):
    """A classifier that writes down what it was fitted to."""

    __metadata_request__fit = {"sensitive_features": True}

    def fit(self, X, y, sample_weight=None, sensitive_features=None, extra=None):
        self.classes_ = np.unique(y)
        self.rows_, self.y_ = X[:, 0].astype(int), y
        self.weights_, self.groups_, self.extra_ = sample_weight, sensitive_features, extra
        return self


def training(**params):
    return check_training_data(X, Y, selector=None, sensitive_features=GROUP, **params)


def remembered(model, X, *, sensitive_features):
    """Score rows: whether the model was fitted to them."""
    return np.isin(X[:, 0], model.rows_).astype(float)


def test_every_row_is_scored_once_by_a_model_fitted_without_it():
    out_of_fold = cross_fit(Remembers(), training(pos_label="no"), remembered, cv=4)
    assert np.sort(out_of_fold.rows).tolist() == ROWS.tolist()
    assert not out_of_fold.scores.any()
    # What belongs to a row moves with it.
    assert (out_of_fold.actual == (Y == "no")[out_of_fold.rows]).all()
    assert (np.array(out_of_fold.groups.labels)[out_of_fold.groups.codes] == GROUP[out_of_fold.rows]).all()
    assert out_of_fold.weights is None
    assert out_of_fold.mass.tolist() == [1.0] * N
    # The last clone is fitted to all rows.
    assert out_of_fold.estimator.rows_.tolist() == ROWS.tolist()


def test_weights_groups_and_parameters_per_row_follow_the_rows():
    models = []

    def respond(model, X, *, sensitive_features):
        models.append(model)
        assert sensitive_features.tolist() == GROUP[X[:, 0].astype(int)].tolist()
        return X[:, 0]

    weights = ROWS % 5 + 0.0
    data = training(sample_weight=weights, fit_params={"extra": ROWS * 10})
    out_of_fold = cross_fit(Remembers(), data, respond, cv=3)
    assert len(models) == 3
    for model in [*models, out_of_fold.estimator]:
        assert model.weights_.tolist() == weights[model.rows_].tolist()
        assert model.groups_.tolist() == GROUP[model.rows_].tolist()
        assert model.extra_.tolist() == (model.rows_ * 10).tolist()
    assert out_of_fold.weights.tolist() == weights[out_of_fold.rows].tolist()
    present = out_of_fold.present()
    assert sorted(present.rows) == [row for row in ROWS if row % 5]
    assert present.scores.tolist() == present.rows.tolist()
    assert present.mass.tolist() == weights[present.rows].tolist()


def test_groups_can_be_kept_from_the_scores():
    seen = []

    def respond(model, X, *, sensitive_features):
        seen.append(sensitive_features)
        return np.zeros(len(X))

    out_of_fold = cross_fit(Remembers(), training(), respond, cv=2, share_groups=False)
    assert seen == [None, None]
    assert out_of_fold.estimator.groups_.tolist() == GROUP.tolist()  # in fit they are there
    prefit = FrozenEstimator(out_of_fold.estimator)
    cross_fit(prefit, training(), respond, share_groups=False)
    assert seen == [None] * 3


def test_another_target_and_a_row_of_scores():
    target = ROWS % 2
    respond_twice = lambda model, X, *, sensitive_features: np.column_stack([X[:, 0], -X[:, 0]])  # noqa: E731
    out_of_fold = cross_fit(Remembers(), training(), respond_twice, target=target, cv=2)
    assert out_of_fold.estimator.y_.tolist() == target.tolist()
    assert out_of_fold.scores.tolist() == [[row, -row] for row in out_of_fold.rows]
    assert out_of_fold.take(np.array([3])).scores.shape == (1, 2)


def test_one_split_keeps_its_model():
    data = training()
    out_of_fold = cross_fit(Remembers(), data, remembered, cv=0.25, refit=False, random_state=0)
    assert len(out_of_fold.rows) == 15
    assert sorted([*out_of_fold.rows, *out_of_fold.estimator.rows_]) == ROWS.tolist()
    with pytest.raises(ValueError, match="refit=False keeps the classifier of a single split, but cv has 5"):
        cross_fit(Remembers(), data, remembered, refit=False)


def test_scores_alone_need_no_last_fit():
    fits = []

    class Counts(Remembers):
        def fit(self, X, y, sample_weight=None, sensitive_features=None, extra=None):
            fits.append(len(X))
            return super().fit(X, y, sample_weight, sensitive_features, extra)

    assert cross_fit(Counts(), training(), remembered, cv=3, scores_only=True).estimator is None
    assert fits == [40, 40, 40]


def test_a_prefit_classifier_scores_all_rows_in_their_order():
    model = Remembers().fit(X[:30], Y[:30])
    out_of_fold = cross_fit(FrozenEstimator(model), training(), remembered)
    assert out_of_fold.rows.tolist() == ROWS.tolist()
    assert out_of_fold.scores.tolist() == [1.0] * 30 + [0.0] * 30
    other = FrozenEstimator(Remembers().fit(X, ROWS % 2))
    with pytest.raises(ValueError, match=r"prefit estimator has the classes \[0, 1\], and y \['no', 'yes'\]"):
        cross_fit(other, training(), remembered)


def test_folds_are_stratified_by_group_and_label():
    for _, test in split_rows(training(), None):
        cells = {(group, label): 0 for group in "ab" for label in ("no", "yes")}
        for row in test:
            cells[GROUP[row], Y[row]] += 1
        # 10 rows of group a are "no" and 5 "yes", 30 and 15 of b: a fifth of each in every fold.
        assert cells == {("a", "no"): 2, ("a", "yes"): 1, ("b", "no"): 6, ("b", "yes"): 3}


def test_splits_are_shuffled_by_a_random_state_and_can_be_reused():
    data = training()
    plain, again = split_rows(data, 3), split_rows(data, 3)
    shuffled = split_rows(data, 3, 0)
    for (_, a), (_, b), (_, c) in zip(plain, again, shuffled, strict=True):
        assert a.tolist() == b.tolist() != c.tolist()
    for (_, a), (_, b) in zip(shuffled, split_rows(data, shuffled), strict=True):
        assert a.tolist() == b.tolist()
    assert [len(test) for _, test in split_rows(data, KFold(4))] == [15] * 4


@pytest.mark.parametrize(
    ("y", "params", "message"),
    [
        (ROWS % 3, {}, r"Only binary classification is supported.*multiclass: y has the classes 0, 1, 2"),
        (ROWS % 3, {"for_several": "Use the other."}, "y has the classes 0, 1, 2. Use the other."),
        (ROWS * 37, {}, r"60 distinct numbers in 60 rows: it looks like amounts.*ConstrainedRegressor"),
        (ROWS * 37, {"several_classes": True}, r"looks like amounts.*response_method='predict'"),
        (ROWS * 0, {}, "y has only one class, 0: there is nothing to separate"),
        (Y, {"pos_label": "maybe"}, r"pos_label='maybe' is not one of the classes 'no', 'yes'"),
        (Y, {"sensitive_features": [None, *GROUP[1:]]}, "is missing"),
        (Y, {"sensitive_features": None}, "Which column is sensitive"),
        (Y, {"sample_weight": -np.ones(N)}, "sample_weight must be finite, not negative"),
    ],
)
def test_training_data_are_validated(y, params, message):
    with pytest.raises(ValueError, match=message):
        check_training_data(X, y, **{"selector": None, "sensitive_features": GROUP} | params)


def test_the_positive_class_is_the_second_unless_it_is_named():
    assert training().positive == "yes"
    assert training(pos_label="no").positive == "no"
    assert training().classes == ["no", "yes"]


@pytest.mark.parametrize("kind", ["ordered", "reversed", "plain", "text"])
def test_an_ordered_categorical_names_its_positive_class_where_sorting_says_another(kind):
    categories = ["no", "not seen", "yes"] if kind == "ordered" else ["yes", "not seen", "no"]
    y = pd.Series(["no", "yes"] * 10)
    if kind != "text":
        y = y.astype(pd.CategoricalDtype(categories, ordered=kind != "plain"))
    given = {"selector": None, "sensitive_features": np.arange(20) % 3}
    X = np.zeros((20, 1))
    if kind == "reversed":
        message = (
            r"y is an ordered categorical, 'yes', 'no', .* pos_label='no', the last in your order, or pos"
        )
        with pytest.raises(ValueError, match=message):
            check_training_data(X, y, **given)
    else:
        assert check_training_data(X, y, **given).positive == "yes"
    assert check_training_data(X, y, pos_label="no", **given).positive == "no"


def test_a_training_part_with_one_label_is_refused():
    labels = np.where(ROWS == 7, "yes", "no")
    data = check_training_data(X, labels, selector=None, sensitive_features=GROUP)
    with pytest.raises(
        ValueError, match=r"The 40 training rows of split 1 of 3 \(cv\) have one class only.*"
    ) as e:
        cross_fit(Remembers(), data, remembered, cv=KFold(3))
    assert "of all 60 rows 1 have the label 'yes'. Give cv fewer folds" in str(e.value)
    by_group = KFold(2).split(X)
    with pytest.raises(ValueError, match=r"30 training rows of split 1 of 2 \(cv\) belong to one group only"):
        cross_fit(Remembers(), training(), remembered, target=(ROWS < 30).astype(int), cv=list(by_group))


@pytest.mark.parametrize("answer", [np.zeros(3), np.zeros((N, 3)), np.zeros((N, 2, 1))])
def test_scores_of_the_wrong_shape_are_refused(answer):
    model = Remembers().fit(X, Y)
    model.predict_proba = lambda X: answer
    with pytest.raises(ValueError, match=r"Remembers.predict_proba returned an array of shape"):
        positive_scores(model, X, "auto", "yes")


def test_decision_scores_in_a_column():
    model = Remembers().fit(X, Y)
    model.decision_function = lambda X: X[:, :1]
    assert positive_scores(model, X, "auto", "yes").tolist() == ROWS.tolist()
    assert positive_scores(model, X, "auto", "no").tolist() == (-ROWS).tolist()


def test_a_class_that_the_model_does_not_know():
    model = Remembers().fit(X, np.zeros(N, int))
    model.predict_proba = lambda X: np.ones((len(X), 1))
    with pytest.raises(ValueError, match=r"Remembers knows the classes \[0\] only, and cannot score 1"):
        positive_scores(model, X, "auto", 1)


def test_a_row_of_several_splits_counts_once_with_the_mean_of_its_scores():
    def sizes(model, X, *, sensitive_features):
        return np.full(len(X), float(len(model.rows_)))

    # Rows 0 to 9 are scored by models of 50 and of 40 rows, rows 10 to 19 by the latter only.
    cv = [(ROWS[10:], ROWS[:10]), (ROWS[20:], ROWS[:20])]
    out_of_fold = cross_fit(Remembers(), training(sample_weight=ROWS + 1.0), sizes, cv=cv)
    assert out_of_fold.rows.tolist() == list(range(20))
    assert out_of_fold.scores.tolist() == [45.0] * 10 + [40.0] * 10
    assert out_of_fold.weights.tolist() == [row + 1.0 for row in range(20)]
    assert (out_of_fold.actual == (Y == "yes")[:20]).all()
    columns = cross_fit(Remembers(), training(), lambda *a, **k: np.column_stack([sizes(*a, **k)] * 2), cv=cv)
    assert columns.scores.tolist() == [[45.0, 45.0]] * 10 + [[40.0, 40.0]] * 10


def test_repeated_folds_are_as_certain_as_one():
    cv = RepeatedStratifiedKFold(n_splits=3, n_repeats=4, random_state=0)
    out_of_fold = cross_fit(Remembers(), training(), remembered, cv=cv)
    assert out_of_fold.rows.tolist() == ROWS.tolist()


def test_splits_by_masks_and_empty_ones():
    first = ROWS < 20
    out_of_fold = cross_fit(Remembers(), training(), remembered, cv=[(~first, first), (first, ~first)])
    assert out_of_fold.rows.tolist() == ROWS.tolist()
    for cv in ([], [(ROWS, [])], [([], ROWS)]):
        with pytest.raises(ValueError, match="cv must make at least one split, with rows to train on"):
            cross_fit(Remembers(), training(), remembered, cv=cv)


def test_rows_without_a_weight_do_not_teach_a_class():
    weights = np.where((Y == "yes") & (ROWS >= 20), 0.0, 1.0)
    with pytest.raises(ValueError, match=r"The 27 training rows of split 1 of 3 \(cv\) have one class only"):
        cross_fit(Remembers(), training(sample_weight=weights), remembered, cv=KFold(3))
