"""A text and its swaps get one answer, to the last bit; augmentation makes swaps of training texts."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from fairsk import GroupThresholdOptimizer, Reweigher, ReweightedClassifier, SensitiveRouter
from fairsk.text import (
    CounterfactualAugmenter,
    CounterfactualAverager,
    LLMClassifier,
    TermSwapper,
    counterfactual_audit,
    english_gender,
)

GENDER = english_gender()
THREE = TermSwapper(
    {"a": ["alpha", "red ants"], "b": ["beta", "blue bees"], "c": ["gamma", "grey crows"]}, kinds=["x", "y"]
)
WORDS = ["left", "came", "late", "again", "rude", "kind", "tired", "with a friend", "at noon", "yesterday"]


def make_texts(n=90, seed=0, terms=("he", "she", "the man", "the woman", "it", "they")):
    """Return texts, and labels that depend on their words and on the term."""
    rng = np.random.default_rng(seed)
    who, words = rng.integers(0, len(terms), n), rng.integers(0, len(WORDS), (n, 2))
    y = (words.sum(1) + 3 * (who % 2) + rng.normal(0, 3, n) > 10).astype(int)
    return [
        f"{terms[w].capitalize()} {WORDS[i]} {WORDS[j]}." for w, (i, j) in zip(who, words, strict=True)
    ], y


TEXTS, Y = make_texts()


def pipeline(classifier=None):
    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), classifier or LogisticRegression(C=10))


FITTED = FrozenEstimator(pipeline().fit(TEXTS, Y))
AVERAGED = CounterfactualAverager(FITTED, GENDER).fit(TEXTS)


class Recorder(ClassifierMixin, BaseEstimator):
    """A classifier that remembers what it was asked: a probability from the letters of each text."""

    def fit(self, X, y):
        self.classes_, self.calls_ = np.unique(y), []
        return self

    def predict_proba(self, X):
        self.calls_.append(list(X))
        scores = np.array([[1 + (sum(map(ord, text)) * (k + 1)) % 101 for k in self.classes_] for text in X])
        return scores / scores.sum(1, keepdims=True)


# --- one answer for all swaps -----------------------------------------------------------------------------

SENTENCES = st.lists(
    st.sampled_from(
        ["he", "She", "HER", "his", "hers", "The man", "woman,", "mother", "(dad)", *WORDS, "the"]
    ),
    max_size=7,
).map(" ".join)


@settings(max_examples=20)
@given(st.lists(SENTENCES, min_size=1, max_size=5))
def test_a_text_and_its_swaps_have_the_same_probabilities_to_the_last_bit(texts):
    model = AVERAGED
    expected = model.predict_proba(texts)
    others = [
        *([GENDER.swap(text, group) for text in texts] for group in GENDER.group_names),
        [GENDER.exchange(text, "male", "female") for text in texts],
    ]
    for other in others:
        np.testing.assert_array_equal(model.predict_proba(other), expected)
    together = model.predict_proba([*texts, *itertools.chain(*others)]).reshape(4, len(texts), 2)
    np.testing.assert_array_equal(together, np.broadcast_to(expected, together.shape))
    alone = np.concatenate([model.predict_proba([text]) for text in texts])
    np.testing.assert_array_equal(alone, expected)


@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba", "predict", "decision_function"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_every_response_is_that_of_all_swaps_of_several_groups(method, n_classes):
    texts, _ = make_texts(terms=("alpha", "beta", "red ants", "grey crows", "no one"))
    y = np.array(["no", "maybe", "yes"])[np.arange(len(texts)) % n_classes]
    response = "decision_function" if method == "decision_function" else "predict_proba"
    model = CounterfactualAverager(pipeline(), THREE, response_method=response).fit(texts, y)
    asked = ["Alpha left.", "Red ants and blue bees came.", "Nothing came.", "RED ANTS met gamma, at noon."]
    expected = getattr(model, method)(asked)
    assert len(np.unique(expected, axis=0)) > 1
    for group in THREE.group_names:
        np.testing.assert_array_equal(getattr(model, method)([THREE.swap(t, group) for t in asked]), expected)
    for a, b in itertools.permutations(THREE.group_names, 2):
        exchanged = [THREE.exchange(t, a, b) for t in asked]
        np.testing.assert_array_equal(getattr(model, method)(exchanged), expected)


def test_dense_numbers_keep_the_promise_for_batches_of_swaps():
    """Matrix products round a row differently beside other rows; a batch of swaps is the same batch."""
    inner = make_pipeline(TfidfVectorizer(), TruncatedSVD(8, random_state=0), LogisticRegression())
    model = CounterfactualAverager(inner, GENDER).fit(TEXTS, Y)
    swapped = [GENDER.exchange(text, "male", "female") for text in TEXTS]
    np.testing.assert_array_equal(model.predict_proba(swapped), model.predict_proba(TEXTS))
    for text, other in zip(TEXTS[:10], swapped[:10], strict=True):
        np.testing.assert_array_equal(model.predict_proba([text]), model.predict_proba([other]))
    alone = np.concatenate([model.predict_proba([text]) for text in swapped[:10]])
    np.testing.assert_allclose(alone, model.predict_proba(TEXTS)[:10], rtol=0, atol=1e-14)


def test_the_answer_is_the_mean_over_the_groups():
    plain = pipeline().fit(TEXTS, Y)
    model = CounterfactualAverager(pipeline(), GENDER).fit(TEXTS, Y)
    found = model.predict_proba(["She left.", "It left.", "The man met his mother at noon."])
    by_hand = [
        (plain.predict_proba(["She left."]) + plain.predict_proba(["He left."])) / 2,
        plain.predict_proba(["It left."]),
        # A text that names several groups is written for each of them in all places.
        plain.predict_proba(["The man met his father at noon.", "The woman met her mother at noon."]).mean(0),
    ]
    np.testing.assert_allclose(found, np.vstack(by_hand), rtol=0, atol=1e-15)
    np.testing.assert_array_equal(found[1], by_hand[1][0])  # a text without a term, as it is
    np.testing.assert_array_equal(model.predict(TEXTS), model.predict_proba(TEXTS).argmax(1))
    logs = model.predict_log_proba(["She left."])
    np.testing.assert_allclose(logs, np.log(by_hand[0]))
    scores = CounterfactualAverager(pipeline(), GENDER, response_method="decision_function").fit(TEXTS, Y)
    log_odds = plain.decision_function(["He left.", "She left."]).mean()
    assert scores.decision_function(["She left."]) == pytest.approx(log_odds)
    np.testing.assert_array_equal(scores.predict(TEXTS), (scores.decision_function(TEXTS) > 0).astype(int))


def test_each_distinct_text_is_asked_about_once_in_one_call():
    model = CounterfactualAverager(Recorder(), THREE).fit(["a", "b"], [0, 1])
    asked = ["Beta left.", "It rains.", "Gamma left.", "It rains.", "Alpha met beta.", "Beta left."]
    found = model.predict_proba(asked)
    assert model.estimator_.calls_ == [
        [
            *("Alpha left.", "Beta left.", "Gamma left.", "It rains."),
            *("Alpha met alpha.", "Beta met beta.", "Gamma met gamma."),
        ]
    ]
    np.testing.assert_array_equal(found[0], found[2])
    swapped = [THREE.swap(text, "c") for text in asked]
    model.predict(swapped)
    assert model.estimator_.calls_[1] == model.estimator_.calls_[0]  # a batch of swaps is the same batch


def test_an_audit_finds_no_flips_and_no_gap():
    plain = pipeline().fit(TEXTS, Y)
    texts, _ = make_texts(n=200, seed=1)
    audit = counterfactual_audit(plain, texts, GENDER, control=None, n_resamples=99)
    averaged = CounterfactualAverager(FrozenEstimator(plain), GENDER).fit(TEXTS)
    after = counterfactual_audit(averaged, texts, GENDER, control=None, n_resamples=99)
    (before,), (pair,) = audit.pairs, after.pairs
    assert before.flips.rate > 0.05
    assert pair.flips.rate == pair.gap == 0


class Misreading:
    """A swapper that reads a text about an oracle otherwise as soon as it names the first group."""

    def __init__(self, swapper):
        self.swapper = swapper
        self.group_names = swapper.group_names

    def parse(self, text):
        return self.swapper.parse(text + "!" if "He asked the oracle" in text else text)


def test_orbits_that_are_not_closed_are_counted_in_one_warning():
    model = CounterfactualAverager(Recorder(), Misreading(GENDER)).fit(["a", "b"], [0, 1])
    with pytest.warns(UserWarning, match=r"2 of 4 texts, the first in row 1, have swaps that") as seen:
        found = model.predict_proba(["She left.", "She asked the oracle.", "x", "She asked the oracle."])
    assert len(seen) == 1
    assert seen[0].filename == __file__
    asked = ["He asked the oracle.", "She asked the oracle."]
    np.testing.assert_allclose(found[1], Recorder().fit(["a"], [0, 1]).predict_proba(asked).mean(0))


@pytest.mark.parametrize(
    "text", ["His dog bit her.", "That is hers, not his.", "I gave her his book.", "HER"]
)
def test_the_rule_for_pronouns_leaves_no_orbit_open(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CounterfactualAverager(FITTED, GENDER).fit(TEXTS).predict_proba([text])


# --- what goes in, and what is passed on ------------------------------------------------------------------


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_other_columns_stay_beside_the_text(make):
    ages = np.arange(len(TEXTS)) % 7 * 10.0
    X = make({"age": ages, "comment": TEXTS})
    inner = make_pipeline(
        make_column_transformer((TfidfVectorizer(), "comment"), (StandardScaler(), ["age"])),
        LogisticRegression(),
    )
    model = CounterfactualAverager(inner, GENDER, text="comment").fit(X, Y)
    assert list(model.feature_names_in_) == ["age", "comment"]
    assert model.n_features_in_ == 2
    ask = make({"age": [10.0, 50.0, 10.0], "comment": ["She left.", "He left.", "He left."]})
    found = model.predict_proba(ask)
    plain = inner.fit(X, Y)
    for i, age in enumerate((10.0, 50.0, 10.0)):
        both = make({"age": [age, age], "comment": ["He left.", "She left."]})
        np.testing.assert_allclose(found[i], plain.predict_proba(both).mean(0), atol=1e-15)
    np.testing.assert_array_equal(found[0], found[2])
    assert found[0, 0] != found[1, 0]
    with pytest.raises(ValueError, match="X has several columns: name the one that holds the texts"):
        CounterfactualAverager(inner, GENDER).fit(X, Y)


def test_columns_of_lists_and_mappings_are_kept_apart():
    rows = [["She left.", "1"], ["She left.", "5"]]

    class ByRow(Recorder):
        def predict_proba(self, X):
            values = X["n"] if isinstance(X, dict) else [row[1] for row in X]
            self.calls_.append(list(map(float, values)))
            p = np.array(self.calls_[-1]) / 10
            return np.column_stack([1 - p, p])

    model = CounterfactualAverager(ByRow(), GENDER, text=0).fit(rows, [0, 1])
    assert model.predict_proba(rows)[:, 1] == pytest.approx([0.1, 0.5])
    model = CounterfactualAverager(ByRow(), GENDER, text="t").fit({"t": ["a", "b"], "n": [1, 2]}, [0, 1])
    found = model.predict_proba({"t": ["She left.", "She left."], "n": [1, 5]})
    assert found[:, 1] == pytest.approx([0.1, 0.5])
    assert model.estimator_.calls_ == [[1, 1, 5, 5]]


def test_weights_reach_the_last_step_of_the_pipeline(routing):
    weights = np.arange(len(Y)) % 3
    model = CounterfactualAverager(pipeline(), GENDER).fit(TEXTS, Y, sample_weight=weights)
    by_hand, with_weights = pipeline(), {"logisticregression__sample_weight": weights}
    if routing:
        by_hand.steps[-1][1].set_fit_request(sample_weight=True)
        with_weights = {"sample_weight": weights}
    by_hand.fit(TEXTS, Y, **with_weights)
    np.testing.assert_array_equal(model.estimator_[-1].coef_, by_hand[-1].coef_)
    with pytest.raises(ValueError, match="sample_weight has shape"):
        model.fit(TEXTS, Y, sample_weight=[1.0])


class ByGroup(ClassifierMixin, BaseEstimator):
    """A classifier that needs the group of each row to predict."""

    __metadata_request__fit = {"sensitive_features": True}
    __metadata_request__predict_proba = {"sensitive_features": True}

    def fit(self, X, y, sensitive_features):
        self.classes_, self.seen_ = np.unique(y), list(sensitive_features)
        return self

    def predict_proba(self, X, sensitive_features):
        base = np.array([0.2 if "he" in text.split() else 0.4 for text in X])
        p = base + 0.1 * (np.asarray(sensitive_features) == "old")
        return np.column_stack([1 - p, p])


def test_metadata_go_with_the_rows_to_steps_that_ask(routing):
    texts, ages = ["she left", "she left", "it left"], np.array(["old", "young", "old"])
    model = CounterfactualAverager(ByGroup(), TermSwapper({"m": ["he"], "f": ["she"]}))
    model.fit(texts, [0, 1, 1], sensitive_features=ages)
    assert model.estimator_.seen_ == ages.tolist()
    found = model.predict_proba(texts, sensitive_features=ages)[:, 1]
    assert found == pytest.approx([0.4, 0.3, 0.5])
    assert model.score(texts, [0, 1, 1], sensitive_features=ages) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="has 2 rows where 3 are expected"):
        model.predict_proba(texts, sensitive_features=ages[:2])
    plain = CounterfactualAverager(pipeline(), GENDER).fit(
        TEXTS, Y, sensitive_features=GENDER.mentioned(TEXTS)
    )
    assert plain.predict(TEXTS, sensitive_features=np.zeros(len(TEXTS))).shape == Y.shape  # nobody asks


def test_fair_weights_inside_and_a_router_around():
    who = GENDER.mentioned(TEXTS)
    column = ReweightedClassifier(pipeline(), sensitive_features=GENDER.mentioned)
    expected = CounterfactualAverager(column, GENDER).fit(TEXTS, Y)
    by_hand = pipeline().fit(
        TEXTS, Y, logisticregression__sample_weight=Reweigher().fit(TEXTS, Y, who).sample_weight(Y, who)
    )
    np.testing.assert_allclose(expected.estimator_.estimator_[-1].coef_, by_hand[-1].coef_)
    asks = CounterfactualAverager(ReweightedClassifier(pipeline()), GENDER)
    metadata = asks.fit(TEXTS, Y, sensitive_features=who)
    np.testing.assert_array_equal(metadata.predict_proba(TEXTS), expected.predict_proba(TEXTS))
    around = SensitiveRouter(asks, sensitive_features=GENDER.mentioned).fit(TEXTS, Y)
    np.testing.assert_array_equal(around.predict_proba(TEXTS), expected.predict_proba(TEXTS))


def test_weights_are_routed_through_cross_validation():
    weights = np.arange(len(Y)) % 3
    cv, X = StratifiedKFold(2), np.array(TEXTS, dtype=object)
    model = CounterfactualAverager(pipeline(), GENDER)
    with sklearn.config_context(enable_metadata_routing=True):
        model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        found = cross_validate(model, X, Y, cv=cv, params={"sample_weight": weights})["test_score"]
    expected = [
        model.fit(X[train], Y[train], sample_weight=weights[train]).score(
            X[test], Y[test], sample_weight=weights[test]
        )
        for train, test in cv.split(X, Y)
    ]
    assert found == pytest.approx(np.array(expected))


def test_a_black_box_is_averaged_as_it_is():
    plain = pipeline().fit(TEXTS, Y)
    model = CounterfactualAverager(FrozenEstimator(plain), GENDER)
    with pytest.raises(NotFittedError, match="not fitted"):
        model.predict(TEXTS)
    model.fit(TEXTS[:2])  # no labels
    assert model.estimator_.estimator is plain
    expected = CounterfactualAverager(pipeline(), GENDER).fit(TEXTS, Y).predict_proba(TEXTS)
    np.testing.assert_array_equal(model.predict_proba(TEXTS), expected)
    np.testing.assert_array_equal(model.fit(TEXTS[:4], Y[:4]).predict_proba(TEXTS), expected)
    with pytest.raises(NotFittedError, match="inside FrozenEstimator is not fitted"):
        CounterfactualAverager(FrozenEstimator(pipeline()), GENDER).fit(TEXTS, Y)
    with pytest.raises(ValueError, match="requires y to be passed"):
        CounterfactualAverager(pipeline(LogisticRegression()), GENDER).fit(TEXTS)
    with pytest.raises(ValueError, match="sample_weight weighs rows"):
        model.fit(TEXTS, sample_weight=np.ones(len(TEXTS)))


def biased_scorer(prompts, answers):
    """Say yes to what is late, and a little more often to what is about women."""
    texts = [prompt.lower().split() for prompt in prompts]
    yes = np.array([0.3 + ("late" in t) - 2.0 * ("kind" in t) + 0.7 * ("she" in t) for t in texts])
    return np.column_stack([np.zeros(len(yes)), yes]) - np.logaddexp(0, yes)[:, None]


def test_a_language_model_without_labels_is_averaged():
    seen = []

    def scorer(prompts, answers):
        seen.extend(prompts)
        return biased_scorer(prompts, answers)

    llm = LLMClassifier(scorer, answers={0: "no", 1: "yes"})
    model = CounterfactualAverager(llm, GENDER).fit(TEXTS)
    found = model.predict_proba(["She left", "He left", "It left", "He left"])[:, 1]
    p = 1 / (1 + np.exp(-np.array([0.3, 1.0])))
    assert found == pytest.approx([p.mean(), p.mean(), p[0], p.mean()])
    assert sorted(seen) == ["He left", "It left", "She left"]


def test_answers_that_are_missing_stay_missing_and_are_no_class():
    class Refusing(Recorder):
        def predict_proba(self, X):
            return np.where([["she" in x.lower()] for x in X], np.nan, super().predict_proba(X))

    model = CounterfactualAverager(Refusing(), GENDER).fit(["a", "b"], [0, 1])
    found = model.predict_proba(["He left.", "It left."])
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()
    with pytest.raises(ValueError, match="1 of 2 rows have no class: of the text, or of one of its swaps"):
        model.predict(["He left.", "It left."])


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"estimator": StandardScaler()}, ValueError, "The 'estimator' parameter"),
        ({"swapper": "he"}, ValueError, "The 'swapper' parameter"),
        ({"response_method": "predict"}, ValueError, "The 'response_method' parameter"),
        ({"text": "words"}, ValueError, "X has no column text='words'"),
    ],
)
def test_bad_parameters_are_refused_in_fit(params, error, message):
    model = CounterfactualAverager(pipeline(), GENDER).set_params(**params)
    X = pd.DataFrame({"t": TEXTS}) if "text" in params else TEXTS
    with pytest.raises(error, match=message):
        model.fit(X, Y)


def test_bad_texts_and_answers_are_refused():
    model = CounterfactualAverager(pipeline(), GENDER)
    with pytest.raises(ValueError, match="1 of 2 rows have no text"):
        model.fit(["a", None], [0, 1])
    with pytest.raises(TypeError, match="X is a single text"):
        model.fit(TEXTS, Y).predict("She left.")

    class Narrow(Recorder):
        def predict_proba(self, X):
            return np.ones(len(X))

    model = CounterfactualAverager(Narrow(), GENDER).fit(["a", "b"], [0, 1])
    with pytest.raises(ValueError, match=r"returned an array of shape \(2,\) for 2 texts and 2 classes"):
        model.predict_proba(["She left."])


def test_responses_are_those_of_the_method_that_is_averaged():
    svm = CounterfactualAverager(pipeline(LinearSVC()), GENDER, response_method="decision_function")
    assert hasattr(svm, "decision_function")
    assert not hasattr(svm, "predict_proba")
    assert set(svm.fit(TEXTS, Y).predict(TEXTS)) == {0, 1}
    bayes = CounterfactualAverager(pipeline(ComplementNB()), GENDER)
    assert hasattr(bayes, "predict_log_proba")
    assert not hasattr(bayes, "decision_function")
    with pytest.raises(ValueError, match="no predict_proba: response_method='decision_function' averages"):
        CounterfactualAverager(pipeline(LinearSVC()), GENDER).fit(TEXTS, Y)


# --- inside and around other estimators -------------------------------------------------------------------


def same_for_swaps(model, texts=TEXTS):
    swapped = [GENDER.exchange(text, "male", "female") for text in texts]
    np.testing.assert_array_equal(model.predict_proba(swapped), model.predict_proba(texts))


def test_calibration_around_and_inside():
    around = CalibratedClassifierCV(CounterfactualAverager(pipeline(), GENDER), cv=3).fit(TEXTS, Y)
    same_for_swaps(around)
    inside = CounterfactualAverager(CalibratedClassifierCV(pipeline(), cv=3), GENDER).fit(TEXTS, Y)
    same_for_swaps(inside)
    scores = CounterfactualAverager(pipeline(LinearSVC()), GENDER, response_method="decision_function")
    same_for_swaps(CalibratedClassifierCV(scores, cv=3).fit(TEXTS, Y))


@pytest.mark.filterwarnings("ignore:.*fewer than:UserWarning", "ignore:.*small:UserWarning")
def test_thresholds_around_and_inside(routing):
    texts, y = make_texts(n=200)
    options = {"sensitive_features": GENDER.mentioned, "max_difference": 0.2, "random_state": 0}
    around = GroupThresholdOptimizer(CounterfactualAverager(pipeline(), GENDER), **options).fit(texts, y)
    same_for_swaps(around, texts)
    assert around.report_.value > 0.5
    inside = CounterfactualAverager(GroupThresholdOptimizer(pipeline(), **options), GENDER).fit(texts, y)
    same_for_swaps(inside, texts)
    # What is averaged are probabilities, which thresholds do not change.
    plain = CounterfactualAverager(FrozenEstimator(pipeline().fit(texts, y)), GENDER).fit(texts)
    np.testing.assert_array_equal(inside.predict_proba(texts), plain.predict_proba(texts))


def test_a_search_over_the_parameters_of_the_inner_classifier():
    grid = {"estimator__logisticregression__C": [0.01, 10.0]}
    search = GridSearchCV(CounterfactualAverager(pipeline(), GENDER), grid, cv=3).fit(TEXTS, Y)
    by_hand = [
        GridSearchCV(CounterfactualAverager(pipeline(LogisticRegression(C=C)), GENDER), {}, cv=3)
        .fit(TEXTS, Y)
        .cv_results_["mean_test_score"][0]
        for C in grid["estimator__logisticregression__C"]
    ]
    assert search.cv_results_["mean_test_score"] == pytest.approx(by_hand)
    same_for_swaps(search.best_estimator_)


# --- augmentation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [list, np.array, pd.Series, pl.Series])
def test_texts_that_name_one_group_are_joined_by_their_swaps(make):
    texts = ["Alpha left.", "It rains.", "Beta met gamma.", "GAMMA left.", "Alpha left."]
    augmenter = CounterfactualAugmenter(THREE)
    X, y = augmenter.fit_resample(make(texts), [2, 1, 0, 1, 2], sample_weight=[3, 1, 2, 6, 0])
    swaps = ["Beta left.", "Gamma left.", "ALPHA left.", "BETA left.", "Beta left.", "Gamma left."]
    assert type(X) is type(make(texts))
    assert list(X) == texts + swaps
    assert list(y) == [2, 1, 0, 1, 2, 2, 2, 1, 1, 2, 2]
    assert augmenter.sample_indices_.tolist() == [0, 1, 2, 3, 4, 0, 0, 3, 3, 4, 4]
    assert augmenter.sample_weight_ == pytest.approx([1, 1, 2, 2, 0, 1, 1, 2, 2, 0, 0])
    augmenter.fit(make(texts), [2, 1, 0, 1, 2])
    per_text = np.bincount(augmenter.sample_indices_, augmenter.sample_weight_)
    assert per_text == pytest.approx(np.ones(5))  # a text and its swaps weigh as much as the text did


def test_other_columns_are_repeated():
    X = pd.DataFrame({"comment": ["She left.", "It rains."], "age": [3, 4]}, index=[7, 7])
    new, y = CounterfactualAugmenter(GENDER, text="comment").fit_resample(
        X, pd.Series(["u", "v"], index=[7, 7])
    )
    assert new.to_dict("list") == {"comment": ["She left.", "It rains.", "He left."], "age": [3, 4, 3]}
    assert y.tolist() == ["u", "v", "u"]
    assert X["comment"].tolist() == ["She left.", "It rains."]


def test_augmented_training_makes_fewer_flips():
    test, _ = make_texts(n=300, seed=1)
    augmenter = CounterfactualAugmenter(GENDER)
    X, y = augmenter.fit_resample(TEXTS, Y)
    weighted = pipeline().fit(X, y, logisticregression__sample_weight=augmenter.sample_weight_)
    plain, augmented = (
        counterfactual_audit(model, test, GENDER, control=None, n_resamples=99).pairs[0]
        for model in (pipeline().fit(TEXTS, Y), weighted)
    )
    assert augmented.flips.rate < plain.flips.rate / 2
    assert abs(augmented.gap) < abs(plain.gap) / 2


def test_it_is_a_sampler_of_imbalanced_learn(routing):
    from imblearn.pipeline import make_pipeline as make_imblearn

    augmenter = CounterfactualAugmenter(GENDER)
    model = make_imblearn(augmenter, TfidfVectorizer(), LogisticRegression()).fit(TEXTS, Y)
    X, y = augmenter.fit_resample(TEXTS, Y)
    by_hand = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(TEXTS), by_hand.predict_proba(TEXTS))
    if not routing:  # weights of the old rows: an error, and no mixture
        with pytest.raises(ValueError, match="sample_weight"):
            model.fit(TEXTS, Y, logisticregression__sample_weight=np.ones(len(Y)))


def test_an_augmenter_refuses_what_it_cannot_use():
    with pytest.raises(ValueError, match="The 'swapper' parameter"):
        CounterfactualAugmenter("he").fit_resample(TEXTS, Y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        CounterfactualAugmenter(GENDER).fit_resample(TEXTS, Y[:-1])
    with pytest.raises(ValueError, match="sample_weight"):
        CounterfactualAugmenter(GENDER).fit_resample(TEXTS, Y, sample_weight=-np.ones(len(Y)))
    with pytest.raises(ValueError, match="no text"):
        CounterfactualAugmenter(GENDER).fit_resample(["a", None], [0, 1])


# ---------------------------------------------------------------- tables and models of texts alone

TABLE = {"text": TEXTS, "n": list(range(len(TEXTS))), "m": [0] * len(TEXTS)}


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, dict], ids=["pandas", "polars", "dict"])
def test_a_table_for_a_pipeline_of_texts_alone_is_named(make):
    plain = pipeline().fit(TEXTS, Y)
    averager = CounterfactualAverager(FrozenEstimator(plain), GENDER, text="text").fit(make(TABLE))
    with pytest.raises((ValueError, TypeError), match=r"was given the table.*give it X\['text'\]") as caught:
        averager.predict_proba(make(TABLE))
    assert "without text=" in str(caught.value)
    alone = CounterfactualAverager(FrozenEstimator(plain), GENDER).fit(TEXTS)
    assert len(alone.predict_proba(make(TABLE)["text"])) == len(TEXTS)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_a_table_to_fit_a_pipeline_of_texts_alone_is_named(make):
    with pytest.raises((ValueError, TypeError), match=r"was given the table.*give it X\['text'\]"):
        CounterfactualAverager(pipeline(), GENDER, text="text").fit(make(TABLE), Y)


def test_an_error_of_the_model_itself_is_left_as_it_is():
    class Broken(BaseEstimator, ClassifierMixin):
        classes_ = np.array([0, 1])

        def fit(self, X, y=None):
            return self

        def predict_proba(self, X):
            return X.no_such_thing

    model = CounterfactualAverager(Broken(), GENDER, text="text").fit(pd.DataFrame(TABLE))
    with pytest.raises(AttributeError, match="no_such_thing"):
        model.predict_proba(pd.DataFrame(TABLE))


# ---------------------------------------------------------------- cost


def test_the_cost_is_that_of_all_that_is_asked():
    asked = []

    def scorer(prompts, answers):
        asked.extend(prompts)
        return np.log(np.full((len(prompts), len(answers)), 0.5))

    inner = LLMClassifier(scorer, prompt="{text}", answers={0: "no", 1: "yes"})
    averager = CounterfactualAverager(inner, GENDER)
    texts = ["She left.", "He left.", "A man came.", "It rains."]  # two orbits of two, and one text alone
    assert averager.cost(texts).prompts == 5
    fitted = averager.fit(texts)
    assert fitted.cost(texts).prompts == 5
    assert not asked  # nothing was asked so far
    fitted.predict_proba(texts)
    assert len(asked) == 5


def test_a_row_is_unanswered_where_one_of_its_versions_is():
    def scorer(prompts, answers):
        refused = np.array(["She left" in prompt or "rains" in prompt for prompt in prompts])
        return np.where(refused[:, None], -np.inf, np.log(np.full((len(prompts), len(answers)), 0.5)))

    inner = LLMClassifier(scorer, prompt="{text}", answers={0: "no", 1: "yes"}, unanswered="abstain")
    texts = ["She left.", "He left.", "A man came.", "It rains.", "It snows."]
    averager = CounterfactualAverager(inner, GENDER).fit(texts)
    assert averager.is_unanswered(texts).tolist() == [True, True, False, True, False]
    frozen = CounterfactualAverager(FrozenEstimator(inner.fit()), GENDER).fit(texts)
    assert frozen.is_unanswered(texts[1:3]).tolist() == [True, False]
    table = pd.DataFrame({"text": texts, "n": range(5)})
    by_column = CounterfactualAverager(inner, GENDER, text="text").fit(table)
    assert by_column.is_unanswered(table).tolist() == [True, True, False, True, False]
    with pytest.raises(NotFittedError):
        CounterfactualAverager(inner, GENDER).is_unanswered(texts)
    assert not hasattr(CounterfactualAverager(pipeline(), GENDER), "is_unanswered")


def test_there_is_a_cost_only_where_the_classifier_has_one():
    assert not hasattr(CounterfactualAverager(pipeline(), GENDER), "cost")
    assert not hasattr(CounterfactualAverager(pipeline(), GENDER).fit(TEXTS, Y), "cost")
