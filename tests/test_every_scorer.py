"""Every scorer that scikit-learn has, by group and over all rows, beside scikit-learn's own."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import get_scorer, get_scorer_names, make_scorer, precision_score

from fairsk._core.groups import Grouping
from fairsk._sklearn.compat import cached_call
from fairsk.metrics import group_metrics
from fairsk.scoring import make_group_scorer, make_tradeoff_scorer
from fairsk.scoring._measures import Scorable
from fairsk.scoring._sensitive_scorer import Performance

RNG = np.random.default_rng(0)
N = 240
X = RNG.normal(size=(N, 2))
LATENT = X[:, 0] + RNG.normal(size=N)
GROUP = RNG.integers(0, 2, N)


class Exponential(LinearRegression):
    """Predicts numbers above 0, which some scores ask for."""

    def predict(self, X: Any) -> Any:
        return np.exp(np.clip(super().predict(X), -2, 2))


TASKS = {
    "two labels": (np.where(LATENT > 0.3, 1, 0), LogisticRegression()),
    "one and two": (np.where(LATENT > 0.3, 2, 1), LogisticRegression()),
    "texts": (np.where(LATENT > 0.3, "yes", "no"), LogisticRegression()),
    "three classes": (np.digitize(LATENT, [-0.7, 0.7]), LogisticRegression()),
    "numbers": (np.exp(LATENT), Exponential()),
}
TASKS = {name: (y, model.fit(X, np.log(y) if name == "numbers" else y)) for name, (y, model) in TASKS.items()}

#: What is not defined where all labels of a group are "no", or 0.
NEEDS_A_POSITIVE = {"average_precision", "f1", "jaccard", "precision", "recall"}
NEEDS_TWO_LABELS = {
    *("d2_absolute_error_score", "d2_brier_score", "d2_log_loss_score", "explained_variance", "r2"),
    *("matthews_corrcoef", "neg_negative_likelihood_ratio", "positive_likelihood_ratio"),
    *("roc_auc", "roc_auc_ovo", "roc_auc_ovo_weighted", "roc_auc_ovr", "roc_auc_ovr_weighted"),
}


def quietly(call: Any) -> Any:
    """Return what a call returns, or the error that it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call()
        except Exception as error:
            return error


def by_group(name: str, model: Any, y: Any, groups: Any) -> Any:
    """Return the score of each group."""

    def respond(method: Any, pos_label: Any = None) -> Any:
        return cached_call(None, model, method, X, pos_label=pos_label)

    classes = getattr(model, "classes_", None)
    scorable = Scorable.of(Performance.of(name), y, respond, None, classes, None)
    return scorable.by_group(Grouping(("group",), tuple(range(max(groups) + 1)), groups))


def log_loss_by_hand(model: Any, rows: Any, y: Any) -> float:
    chosen = (model.classes_ == y[rows][:, None]) * model.predict_proba(X[rows])
    return float(np.log(chosen.sum(1)).mean())


def brier_by_hand(model: Any, rows: Any, y: Any) -> float:
    truth, proba = model.classes_ == y[rows][:, None], model.predict_proba(X[rows])
    squares = ((truth - proba) ** 2).sum(1).mean()
    return -float(squares if len(model.classes_) > 2 else squares / 2)


def best_two_by_hand(model: Any, rows: Any, y: Any) -> float:
    two = model.classes_[np.argsort(model.predict_proba(X[rows]), axis=1)[:, -2:]]
    return float((two == y[rows][:, None]).any(1).mean())


BY_HAND = {
    "neg_log_loss": log_loss_by_hand,
    "neg_brier_score": brier_by_hand,
    "top_k_accuracy": best_two_by_hand,
}


@pytest.mark.parametrize("task", TASKS)
def test_every_score_of_all_rows_is_that_of_scikit_learn(task: str) -> None:
    y, model = TASKS[task]
    compared = 0
    for name in get_scorer_names():
        expected = quietly(lambda name=name: get_scorer(name)(model, X, y))
        if isinstance(expected, Exception):
            continue  # ours may know which of two texts is positive
        scorer = make_group_scorer(name, comparison="overall")
        got = quietly(lambda scorer=scorer: scorer(model, X, y, sensitive_features=GROUP))
        assert got == expected or (np.isnan(got) and np.isnan(expected)), name
        compared += 1
        if task == "two labels":
            traded = make_tradeoff_scorer(name, "demographic_parity", weight=0)
            got = quietly(lambda traded=traded: traded(model, X, y, sensitive_features=GROUP))
            assert got == expected, name
    assert compared > 20


@pytest.mark.parametrize("task", TASKS)
def test_every_score_of_a_group_that_has_all_labels_is_that_of_its_rows(task: str) -> None:
    y, model = TASKS[task]
    for name in get_scorer_names():
        expected = [get_scorer_quietly(name, model, group == GROUP, y) for group in (0, 1)]
        if not any(isinstance(value, Exception) for value in expected):
            if name == "top_k_accuracy" and task != "three classes":
                expected = [np.nan, np.nan]  # of two labels both are guessed, which scikit-learn warns of
            got = quietly(lambda name=name: by_group(name, model, y, GROUP))
            np.testing.assert_allclose(got, expected, err_msg=name)


@pytest.mark.parametrize("task", ["two labels", "texts", "three classes"])
def test_every_score_of_a_group_with_one_label_is_right_or_undefined(task: str) -> None:
    y, model = TASKS[task]
    groups = GROUP.copy()
    in_group = y == model.classes_[0]
    if task != "three classes":
        in_group &= model.predict(X) == y  # nobody of it is selected
    groups[np.flatnonzero(in_group)[:15]] = 2
    small = groups == 2
    undefined = set()
    for name in get_scorer_names():
        values = quietly(lambda name=name: by_group(name, model, y, groups))
        if isinstance(values, Exception):
            assert isinstance(quietly(lambda name=name: get_scorer(name)(model, X, y)), Exception), name
            continue
        assert not np.isinf(values).any(), name
        if np.isnan(values[2]):
            undefined.add(name)
        elif name in BY_HAND:
            assert values[2] == pytest.approx(BY_HAND[name](model, small, y)), name
        elif name != "recall_macro":  # scikit-learn counts a class without rows as a recall of 0
            assert values[2] == pytest.approx(get_scorer_quietly(name, model, small, y)), name
    expected = NEEDS_A_POSITIVE | NEEDS_TWO_LABELS | {"top_k_accuracy"}
    if task == "three classes":
        of_two = {"roc_auc", "neg_negative_likelihood_ratio", "positive_likelihood_ratio"}
        expected = (NEEDS_TWO_LABELS | {"average_precision"}) - of_two
    if task == "texts":
        expected -= {"d2_absolute_error_score", "explained_variance", "r2"}
    assert undefined == expected & set(get_scorer_names())  # older scikit-learn has fewer


def get_scorer_quietly(name: str, model: Any, rows: Any, y: Any) -> float:
    return quietly(lambda: get_scorer(name)(model, X[rows], y[rows]))


@pytest.mark.parametrize("name", ["r2", "explained_variance", "d2_absolute_error_score"])
def test_a_group_of_one_row_explains_no_variation(name: str) -> None:
    y, model = TASKS["numbers"]
    groups = GROUP.copy()
    groups[0] = 2
    with pytest.warns(UserWarning, match="The score is not defined for: 2"):
        values = by_group(name, model, y, groups)
    assert np.isnan(values).tolist() == [False, False, True]
    with pytest.warns(UserWarning, match="not defined for: 2"):
        worst = make_group_scorer(name)(model, X, y, sensitive_features=groups)
    assert worst == min(values[:2])


def test_undefined_groups_are_listed_up_to_twenty() -> None:
    y, model = TASKS["two labels"]
    groups = np.arange(N).astype(str)  # one row each
    with pytest.warns(UserWarning, match="and 220 more") as told:
        assert np.isnan(make_group_scorer("roc_auc")(model, X, y, sensitive_features=groups))
    assert len(str(told[0].message)) < 2000


def test_an_error_on_all_rows_is_that_of_scikit_learn() -> None:
    y, model = TASKS["three classes"]
    with pytest.raises(ValueError, match="multi_class must be in"):
        make_group_scorer("roc_auc")(model, X, y, sensitive_features=GROUP)


def test_an_area_under_the_curve_has_no_positive_label() -> None:
    y, model = TASKS["texts"]
    expected = get_scorer("roc_auc")(model, X, y)
    assert make_group_scorer("roc_auc", pos_label="no", comparison="overall")(
        model, X, y, sensitive_features=GROUP
    ) == pytest.approx(expected)


class SelectsNobody(ClassifierMixin, BaseEstimator):
    """Predicts 0 for all rows."""

    classes_ = np.array([0, 1])

    def fit(self, X: Any, y: Any) -> SelectsNobody:
        return self

    def predict(self, X: Any) -> Any:
        return np.zeros(len(X), dtype=int)


def test_a_zero_division_that_was_asked_for_is_kept() -> None:
    y = TASKS["two labels"][0]
    one = make_scorer(precision_score, zero_division=1.0)
    assert make_group_scorer(one)(SelectsNobody(), X, y, sensitive_features=GROUP) == 1
    plain = make_group_scorer("precision", comparison="overall")
    with pytest.warns(UserWarning, match="ill-defined"):
        value = plain(SelectsNobody(), X, y, sensitive_features=GROUP)
    assert value == 0  # scikit-learn's own answer


def test_functions_per_group_are_undefined_in_the_same_places() -> None:
    from sklearn.metrics import average_precision_score, d2_log_loss_score, jaccard_score, log_loss, r2_score

    y, model = TASKS["two labels"]
    groups = GROUP.copy()
    groups[np.flatnonzero((y == 0) & (model.predict(X) == 0))[:15]] = 2
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        table = group_metrics(
            y,
            model.predict(X),
            y_score=model.predict_proba(X)[:, 1],
            metrics=[average_precision_score, d2_log_loss_score, jaccard_score, log_loss, r2_score],
            sensitive_features=groups,
        )
    undefined = {name for name, values in table.values.items() if np.isnan(values[2])}
    assert undefined == {"average_precision_score", "d2_log_loss_score", "jaccard_score", "r2_score"}
    assert table.values["log_loss"][2] == pytest.approx(-log_loss_by_hand(model, groups == 2, y))
    assert sum("cannot be measured for: 2" in str(warning.message) for warning in told) == 4
