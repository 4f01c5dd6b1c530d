"""The contract of estimators on texts, for which scikit-learn has no checks, and their matrix with tools.

A new estimator on texts gets a line in ``CLASSIFIERS`` of ``text_models.py``, and one in ``GRIDS``.
"""

from __future__ import annotations

import copy
import inspect
import pickle

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from text_models import CLASSIFIERS, CONTAINERS, GENDER, GRIDS, mentioned, people, stub_scorer

import fairsk.text
from fairsk import GroupCalibratedClassifier, GroupThresholdOptimizer, ScoreRepair
from fairsk._core.texts import read_texts
from fairsk.scoring import GroupScoring, make_fair_scorer, make_group_scorer
from fairsk.text import CachedScorer, CounterfactualAugmenter

TEXTS, Y = people()
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")

every = pytest.mark.parametrize("name", CLASSIFIERS)


def test_every_public_estimator_is_here():
    public = {getattr(fairsk.text, name) for name in fairsk.text.__all__}
    estimators = {item for item in public if inspect.isclass(item) and issubclass(item, BaseEstimator)}
    assert estimators == {type(make()) for make in CLASSIFIERS.values()} | {CounterfactualAugmenter}
    assert CLASSIFIERS.keys() == GRIDS.keys()


def responses(model, X):
    """Return what every response method says of some rows."""
    return {method: getattr(model, method)(X) for method in METHODS if hasattr(model, method)}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for method, values in expected.items():
        np.testing.assert_array_equal(found[method], values, err_msg=method)


# --- parameters, copies and state -------------------------------------------------------------------------


@every
def test_parameters_are_stored_untouched_and_cloned(name):
    model = CLASSIFIERS[name]()
    params = model.get_params(deep=False)
    assert params.keys() == set(inspect.signature(type(model)).parameters)
    again = type(model)(**params)
    assert all(getattr(again, key) is value for key, value in params.items())
    model.fit(TEXTS, Y)
    assert all(model.get_params(deep=False)[key] is value for key, value in params.items())
    copied = clone(model)
    assert repr(copied) == repr(type(model)(**params))
    assert not [key for key in vars(copied) if key.endswith("_") and not key.startswith("_")]
    deep = model.get_params()
    assert repr(clone(model).set_params(**deep)) == repr(copied)
    with pytest.raises(ValueError, match="Invalid parameter 'swaper'"):
        model.set_params(swaper=1)


@every
def test_pickled_and_copied_models_say_the_same(name):
    unfitted = pickle.loads(pickle.dumps(CLASSIFIERS[name]()))
    model = unfitted.fit(TEXTS, Y)
    expected = responses(CLASSIFIERS[name]().fit(TEXTS, Y), TEXTS)
    for same in (model, pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_same(responses(same, TEXTS), expected)


@every
def test_no_rows_are_kept(name):
    sizes = [len(pickle.dumps(CLASSIFIERS[name]().fit(TEXTS * k, np.tile(Y, k)))) for k in (1, 20)]
    assert sizes[1] - sizes[0] < 300  # 1,520 more rows, of 15 bytes each at least
    marked = ["Xylophone " * 50, *TEXTS]  # words become a vocabulary, texts stay nowhere
    assert b"Xylophone Xylophone" not in pickle.dumps(CLASSIFIERS[name]().fit(marked, [0, *Y]))


@every
def test_a_model_that_is_not_fitted_says_so(name):
    model = CLASSIFIERS[name]()
    for method in METHODS:
        if hasattr(model, method):
            with pytest.raises(NotFittedError):
                getattr(model, method)(TEXTS)
    assert not hasattr(model, "classes_")


@every
def test_tags_and_pictures(name):
    model = CLASSIFIERS[name]()
    tags = get_tags(model)
    assert is_classifier(model)
    assert tags.input_tags.string
    assert not tags.input_tags.sparse
    assert not tags.input_tags.allow_nan
    assert tags.classifier_tags.multi_class
    assert type(model).__name__ in repr(model)
    assert type(model).__name__ in model._repr_html_()


@every
def test_texts_have_no_features_and_frames_have_names(name):
    model = CLASSIFIERS[name]().fit(TEXTS, Y)
    assert not hasattr(model, "n_features_in_")
    assert not hasattr(model, "feature_names_in_")
    make, column = CONTAINERS["pandas frame"]
    model = CLASSIFIERS[name](column).fit(make(TEXTS), Y)
    assert getattr(model, "n_features_in_", 2) == 2
    assert list(getattr(model, "feature_names_in_", ["row", column])) == ["row", column]


# --- answers ----------------------------------------------------------------------------------------------


@every
def test_the_same_for_every_container_and_nothing_is_changed(name):
    expected = responses(CLASSIFIERS[name]().fit(TEXTS, Y), TEXTS)
    for make, column in CONTAINERS.values():
        X, y = make(TEXTS), Y.copy()
        before = copy.deepcopy(X)
        assert_same(responses(CLASSIFIERS[name](column).fit(X, y), X), expected)
        np.testing.assert_array_equal(np.asarray(X), np.asarray(before))
        np.testing.assert_array_equal(y, Y)


@every
def test_fits_repeat_themselves_and_leave_random_numbers_alone(name):
    state = np.random.get_state()[1].copy()
    model = CLASSIFIERS[name]().fit(TEXTS, Y)
    expected = responses(model, TEXTS)
    assert_same(responses(model, TEXTS), expected)
    assert_same(responses(CLASSIFIERS[name]().fit(TEXTS, Y), TEXTS), expected)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    other, learnt = CLASSIFIERS[name]().fit(TEXTS[:40], 1 - Y[:40]), set(vars(model))
    assert_same(responses(other.fit(TEXTS, Y), TEXTS), expected)  # a second fit forgets the first
    assert set(vars(other)) == learnt


@every
def test_rows_are_answered_by_themselves_and_in_any_order(name):
    model = CLASSIFIERS[name]().fit(TEXTS, Y)
    expected = responses(model, TEXTS)
    order = np.random.default_rng(0).permutation(len(TEXTS))
    shuffled = responses(model, [TEXTS[i] for i in order])
    one = responses(model, [TEXTS[3]])
    for method, values in expected.items():
        np.testing.assert_array_equal(shuffled[method], values[order])
        np.testing.assert_array_equal(one[method], values[[3]])


@every
def test_responses_agree_with_each_other(name):
    model = CLASSIFIERS[name]().fit(TEXTS, Y)
    said = responses(model, TEXTS)
    assert set(said["predict"]) == {0, 1}
    if "decision_function" in said:
        np.testing.assert_array_equal(said["predict"], (said["decision_function"] > 0).astype(int))
    if "predict_proba" in said:
        np.testing.assert_allclose(said["predict_proba"].sum(1), 1)
        np.testing.assert_array_equal(said["predict"], said["predict_proba"].argmax(1))
        np.testing.assert_allclose(np.exp(said["predict_log_proba"]), said["predict_proba"])
    weights = np.arange(len(Y)) % 3
    hits = said["predict"] == Y
    assert model.score(TEXTS, Y) == pytest.approx(hits.mean())
    assert model.score(TEXTS, Y, sample_weight=weights) == pytest.approx(np.average(hits, weights=weights))


@every
def test_labels_of_any_kind(name):
    named = np.array(["no", "yes"])[Y]
    model = CLASSIFIERS[name]()
    inner = getattr(model, "estimator", model)
    if "answers" in inner.get_params():
        inner.set_params(answers={"no": "no", "yes": "yes"})
    predicted = model.fit(TEXTS, named.tolist()).predict(TEXTS)
    expected = CLASSIFIERS[name]().fit(TEXTS, Y).predict(TEXTS)
    assert list(model.classes_) == ["no", "yes"]
    np.testing.assert_array_equal(predicted == "yes", expected == 1)


@every
def test_three_classes(name):
    y = np.arange(len(Y)) % 3
    model = CLASSIFIERS[name]()
    inner = getattr(model, "estimator", model)
    if "answers" in inner.get_params():
        inner.set_params(answers={0: "no", 1: "perhaps", 2: "yes"})
    said = responses(model.fit(TEXTS, y), TEXTS)
    assert model.classes_.tolist() == [0, 1, 2]
    scores = said["predict_proba"] if "predict_proba" in said else said["decision_function"]
    assert scores.shape == (len(TEXTS), 3)
    np.testing.assert_array_equal(said["predict"], scores.argmax(1))


@every
@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        (TEXTS, Y[:-1], ValueError, "nconsistent numbers of samples"),
        ([], [], ValueError, "0 sample"),
        (["a", None], [0, 1], ValueError, "1 of 2 rows have no text"),
        (["a", float("nan")], [0, 1], ValueError, "1 of 2 rows have no text"),
        ([1, 2], [0, 1], TypeError, "must hold texts"),
        ("She left.", [0], (TypeError, ValueError), "single text|inconsistent numbers of samples"),
        ((text for text in TEXTS), Y, (TypeError, ValueError), "iterator|at least 1 dimension"),
        (TEXTS, np.where(np.arange(len(Y)), 1.0 * Y, np.nan), ValueError, "NaN"),
    ],
    ids=["lengths", "no rows", "None", "NaN", "numbers", "one text", "iterator", "labels"],
)
def test_bad_rows_are_refused_in_words(name, X, y, error, message):
    with pytest.raises(error, match=message) as seen:
        CLASSIFIERS[name]().fit(X, y)
    assert len(str(seen.value)) < 2000


@every
@pytest.mark.parametrize("texts", [["She left.\x00", "💬" * 50], ["她来了", "هي تتكلم"], ["", "  "]])
def test_any_text_is_answered(name, texts):
    model = CLASSIFIERS[name]().fit(TEXTS, Y)
    assert set(model.predict([*texts, "She is late. " * 1000])) <= {0, 1}


# --- weights and metadata, in both routing modes ------------------------------------------------------------


@every
def test_weights_count_in_either_mode(name, routing):
    rng = np.random.default_rng(0)
    times = rng.integers(0, 3, len(Y))
    weighted = CLASSIFIERS[name]().fit(TEXTS, Y, sample_weight=times)
    repeated = CLASSIFIERS[name]().fit(
        [t for t, k in zip(TEXTS, times, strict=True) for _ in range(k)], np.repeat(Y, times)
    )
    rows = [text for text, k in zip(TEXTS, times, strict=True) if k]  # words of other rows are new to one
    expected, found = responses(repeated, rows), responses(weighted, rows)
    for method in set(expected) - {"predict"}:
        np.testing.assert_allclose(found[method], expected[method], atol=2e-2)
    assert clone(weighted).fit(TEXTS, Y, sample_weight=np.full(len(Y), 2.0)).predict(TEXTS).shape == Y.shape
    with pytest.raises(ValueError, match="sample_weight"):
        CLASSIFIERS[name]().fit(TEXTS, Y, sample_weight=[1.0])


# --- in the tools of scikit-learn and of fairsk: models x tools, over containers and routing --------------

CV = StratifiedKFold(2)


def _method(model):
    return "predict_proba" if hasattr(model, "predict_proba") else "decision_function"


def in_a_pipeline(model, X, y, who, grid):
    return responses(make_pipeline("passthrough", model).fit(X, y), X)[_method(model)]


def scored_by_default(model, X, y, who, grid):
    return cross_val_score(model, X, y, cv=CV)


def cross_validated(model, X, y, who, grid):
    scoring = {
        "parity": make_fair_scorer("demographic_parity", sensitive_features=who),
        "accuracy": make_group_scorer("accuracy", sensitive_features=who, comparison="worst_group"),
    }
    found = cross_validate(model, X, y, cv=CV, scoring=scoring, error_score="raise")
    return np.r_[found["test_parity"], found["test_accuracy"]]


def out_of_fold(model, X, y, who, grid):
    return cross_val_predict(model, X, y, cv=CV, method=_method(model))


def searched(model, X, y, who, grid):
    parameter, *values = grid
    scoring = {
        "accuracy": "accuracy",
        "parity": make_fair_scorer("demographic_parity", sensitive_features=who),
    }
    search = GridSearchCV(
        model, {parameter: values}, cv=CV, scoring=scoring, refit="accuracy", error_score="raise"
    )
    results = search.fit(X, y).cv_results_
    return np.r_[results["mean_test_accuracy"], results["mean_test_parity"], search.predict(X)]


def pooled(model, X, y, who, grid):
    parameter, *values = grid
    scoring = GroupScoring({"accuracy": "accuracy", "dp": "demographic_parity"}, sensitive_features=who).of(X)
    refit = scoring.best_under("accuracy", dp=0.9)
    search = GridSearchCV(model, {parameter: values}, cv=CV, scoring=scoring, refit=refit)
    return search.fit(X, y).predict(X)


def calibrated(model, X, y, who, grid):
    return CalibratedClassifierCV(model, cv=CV).fit(X, y).predict_proba(X)


def frozen_calibrated(model, X, y, who, grid):
    return CalibratedClassifierCV(FrozenEstimator(model.fit(X, y))).fit(X, y).predict_proba(X)


def thresholds(model, X, y, who, grid):
    optimizer = GroupThresholdOptimizer(
        model, sensitive_features=who, max_difference=0.3, cv=2, min_group_size=5
    )
    return optimizer.fit(X, y).predict(X)


def repaired(model, X, y, who, grid):
    repair = ScoreRepair(model, sensitive_features=who, response_method=_method(model), cv=2).fit(X, y)
    return getattr(repair, _method(repair))(X)


def calibrated_per_group(model, X, y, who, grid):
    return GroupCalibratedClassifier(model, sensitive_features=who, cv=2).fit(X, y).predict_proba(X)


def tuned(model, X, y, who, grid):
    return TunedThresholdClassifierCV(model, cv=CV, thresholds=5).fit(X, y).predict(X)


def voting(model, X, y, who, grid):
    return VotingClassifier([("one", model), ("two", clone(model))]).fit(X, y).predict(X)


def stacking(model, X, y, who, grid):
    return StackingClassifier([("one", model)], LogisticRegression(), cv=CV).fit(X, y).predict_proba(X)


def learned(model, X, y, who, grid):
    sizes, train, test = learning_curve(model, X, y, cv=CV, train_sizes=[0.5, 1.0])
    return np.r_[sizes, train.ravel(), test.ravel()]


TOOLS = {
    "Pipeline": in_a_pipeline,
    "cross_val_score, default score": scored_by_default,
    "cross_validate, fair scorers": cross_validated,
    "cross_val_predict": out_of_fold,
    "GridSearchCV, accuracy and a fair scorer": searched,
    "GridSearchCV, GroupScoring and its best_under": pooled,
    "CalibratedClassifierCV": calibrated,
    "FrozenEstimator inside CalibratedClassifierCV": frozen_calibrated,
    "GroupThresholdOptimizer": thresholds,
    "ScoreRepair": repaired,
    "GroupCalibratedClassifier": calibrated_per_group,
    "TunedThresholdClassifierCV": tuned,
    "VotingClassifier": voting,
    "StackingClassifier": stacking,
    "learning_curve": learned,
}
#: Of each model in each tool one container besides a list: every tool and every model meets most of them.
OTHERS = [name for name in CONTAINERS if name != "list"]
CELLS = [
    (name, tool, OTHERS[(3 * m + 2 * t) % len(OTHERS)])
    for m, name in enumerate(CLASSIFIERS)
    for t, tool in enumerate(TOOLS)
]


@pytest.mark.filterwarnings("ignore::UserWarning")  # few texts: small groups, unmet bounds
@pytest.mark.parametrize(("name", "tool", "container"), CELLS)
def test_tools_give_the_same_for_every_container_and_routing(name, tool, container):
    found = []
    for kind, enabled in (("list", False), (container, True)):
        make, column = CONTAINERS[kind]
        with sklearn.config_context(enable_metadata_routing=enabled):
            model = CLASSIFIERS[name](column)
            found.append(TOOLS[tool](model, make(TEXTS), Y, mentioned(column), GRIDS[name]))
    np.testing.assert_array_equal(found[0], found[1])
    assert np.isfinite(found[0]).all()


@every
def test_cross_validation_is_the_loop_by_hand(name):
    who = GENDER.mentioned(TEXTS)
    X, expected = np.array(TEXTS, dtype=object), []
    for train, test in CV.split(X, Y):
        predicted = CLASSIFIERS[name]().fit(X[train], Y[train]).predict(X[test])
        rates = [predicted[who[test] == group].mean() for group in np.unique(who)]
        expected.append(max(rates) - min(rates))
    scorer = make_fair_scorer("demographic_parity", sensitive_features=GENDER.mentioned)
    found = cross_val_score(CLASSIFIERS[name](), X, Y, cv=CV, scoring=scorer)
    assert -found == pytest.approx(np.array(expected))


@every
def test_metadata_are_routed_to_scorers(name):
    scorer = make_fair_scorer("demographic_parity")
    expected = cross_val_score(
        CLASSIFIERS[name](),
        TEXTS,
        Y,
        cv=CV,
        scoring=make_fair_scorer("demographic_parity", sensitive_features=GENDER.mentioned),
    )
    with sklearn.config_context(enable_metadata_routing=True):
        found = cross_validate(
            CLASSIFIERS[name](),
            TEXTS,
            Y,
            cv=CV,
            scoring={"parity": scorer},
            params={"sensitive_features": GENDER.mentioned(TEXTS)},
            error_score="raise",
        )
    np.testing.assert_array_equal(found["test_parity"], expected)


@pytest.mark.parametrize("name", [name for name in CLASSIFIERS if "averager" in name])
def test_processes_and_threads_give_the_same(name):
    expected = cross_val_score(CLASSIFIERS[name](), TEXTS, Y, cv=CV)
    with joblib.parallel_config("threading", n_jobs=2):
        np.testing.assert_array_equal(cross_val_score(CLASSIFIERS[name](), TEXTS, Y, cv=CV), expected)


def test_a_prompt_is_asked_once_under_thresholds_and_averaging():
    """Thresholds over an average over a language model ask about each distinct text once, if it remembers."""
    asked = []

    def scorer(prompts, answers):
        asked.extend(prompts)
        return stub_scorer(prompts, answers)

    llm = CLASSIFIERS["language model"]().set_params(scorer=CachedScorer(scorer))
    model = CLASSIFIERS["averager"]().set_params(estimator=llm)
    optimizer = GroupThresholdOptimizer(
        model, sensitive_features=GENDER.mentioned, max_difference=0.5, cv=3, min_group_size=5
    )
    optimizer.fit(TEXTS, Y).predict(TEXTS)
    by_hand = {GENDER.parse(text).render(group) for text in TEXTS for group in GENDER.group_names}
    assert sorted(asked) == sorted(by_hand)


# --- the sampler ------------------------------------------------------------------------------------------


def test_the_augmenter_keeps_the_contract():
    model = CounterfactualAugmenter(GENDER, text=None)
    before = model.get_params()
    assert clone(model).get_params() == before
    X, y = list(TEXTS), Y.copy()
    new, labels = model.fit_resample(X, y)
    assert (X, y.tolist()) == (TEXTS, Y.tolist())
    assert model.get_params() == before
    assert len(new) == len(labels) > len(X)
    same, again = pickle.loads(pickle.dumps(model)).fit_resample(X, y)
    assert same == new
    np.testing.assert_array_equal(again, labels)
    for make, column in CONTAINERS.values():
        other, found = clone(model).set_params(text=column).fit_resample(make(TEXTS), Y)
        assert read_texts(other, column) == new
        np.testing.assert_array_equal(found, labels)
        assert isinstance(other, type(make(TEXTS)))
