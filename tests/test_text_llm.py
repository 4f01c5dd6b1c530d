"""A language model as a classifier: prompts, answers, calibration, refusals, cost, and composition.

The stand-in for a language model is a scorer whose log-odds are a linear score of words, with a lean towards
one answer and a bias against one gender, so that what must be found is known.
"""

from __future__ import annotations

import copy
import itertools
import pickle
import threading
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, logsumexp, softmax
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import get_tags

from fairsk import GroupThresholdOptimizer
from fairsk.audit import audit_models
from fairsk.metrics import group_metrics
from fairsk.monitoring import FairnessMonitor
from fairsk.scoring import make_fair_scorer
from fairsk.text import CachedScorer, LLMClassifier, RunCost, counterfactual_audit, english_gender
from fairsk.text._llm.calibration import WIDEST
from fairsk.text._llm.cost import run_cost
from fairsk.text._llm.prompts import parse_prompt

WORTH = {"kind": 1.0, "calm": 0.5, "plain": 0.2, "late": -0.3, "cold": -0.6, "rude": -0.9}
PLACES = {"bank": 0.4, "school": -0.4, "shop": 0.15, "court": -0.15}
#: How far the stand-in leans to "yes" whatever it reads, how much of the words' worth it sees, and how much
#: more it likes men, in log-odds.
LEAN, SLOPE, BIAS = 1.6, 0.5, 0.35
ANSWERS = {0: " no", 1: " yes"}
ANSWERS_IN_ORDER = ["no", "yes"]
PROMPT = "Text: {text}\nIs it praise? Answer:"


class Model:
    """A stand-in for a language model; it counts what it is asked, and cannot be copied."""

    def __init__(self, refuses: str = "") -> None:
        self.refuses = refuses
        self.asked: list[str] = []
        self.lock = threading.Lock()  # which no deepcopy survives

    def log_odds(self, prompt: str) -> float:
        words = prompt.casefold().replace(".", " ").split()
        return LEAN + SLOPE * sum(WORTH.get(word, 0.0) for word in words) + BIAS * ("he" in words)

    def __call__(self, prompts: list[str], answers: list[str]) -> np.ndarray:
        with self.lock:
            self.asked += prompts
        log_odds = np.array(list(map(self.log_odds, prompts)))
        mass = np.log(0.9)  # what is left is for other answers
        scores = mass - np.logaddexp(0, np.column_stack([log_odds, -log_odds]))
        if self.refuses:
            scores[[self.refuses in prompt for prompt in prompts]] = -np.inf
        return scores[:, [ANSWERS_IN_ORDER.index(answer.strip()) for answer in answers]]


class Fixed:
    """A scorer that looks rows of numbers up, by the number that a prompt ends with."""

    def __init__(self, rows) -> None:
        self.rows = np.asarray(rows, dtype=float)

    def __call__(self, prompts, answers):
        return self.rows[[int(prompt.split()[-1]) for prompt in prompts]]


def comments() -> tuple[list[str], np.ndarray]:
    """Return 228 distinct texts, and their labels, of which the stand-in sees the words but not the place."""
    rows = itertools.product(("He", "She"), WORTH, WORTH, PLACES)
    parts = [row for row in rows if row[1] <= row[2] or row[3] in ("bank", "court")]
    texts = [f"{who} was {one} and {other} at the {place}." for who, one, other, place in parts]
    y = np.array([int(WORTH[one] + WORTH[other] + PLACES[place] > 0) for _, one, other, place in parts])
    order = np.random.default_rng(0).permutation(len(texts))
    return [texts[row] for row in order], y[order]


TEXTS, Y = comments()
MEN = np.array([text.startswith("He") for text in TEXTS])


def numbers(n: int) -> list[str]:
    return [f"text {i}" for i in range(n)]


def refusal_of(act, *, kind=ValueError) -> str:
    """Return what an error says, which is never long."""
    with pytest.raises(kind) as caught:
        act()
    assert len(str(caught.value)) < 2_000
    return str(caught.value)


def classifier(scorer=None, **params) -> LLMClassifier:
    params = {"prompt": PROMPT, "answers": ANSWERS} | params
    return LLMClassifier(Model() if scorer is None else scorer, **params)


# --- probabilities --------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 3, 5])
def test_probabilities_are_the_shares_of_the_answers(k):
    rng = np.random.default_rng(k)
    scores = log_softmax(3 * rng.normal(size=(40, k + 3)), axis=1)[:, :k]  # three further tokens
    labels = np.array(list("edcba"[:k]))
    model = LLMClassifier(Fixed(scores), answers={label: f" {label}" for label in labels})
    model.fit(numbers(40), np.resize(labels, 40))
    # The answers, and so the columns that the scorer returns, are in the order of the sorted labels.
    assert model.classes_.tolist() == sorted(labels)
    assert model.answers_ == tuple(f" {label}" for label in sorted(labels))
    expected = softmax(scores, axis=1)
    np.testing.assert_allclose(model.predict_proba(numbers(40)), expected, atol=1e-12)
    np.testing.assert_allclose(model.predict_log_proba(numbers(40)), np.log(expected), atol=1e-10)
    np.testing.assert_array_equal(
        model.predict(numbers(40)), np.array(sorted(labels))[expected.argmax(axis=1)]
    )
    decision = model.decision_function(numbers(40))
    if k == 2:
        np.testing.assert_allclose(decision, scores[:, 1] - scores[:, 0], atol=1e-10)
    else:
        np.testing.assert_allclose(decision, np.log(expected), atol=1e-10)


def test_an_answer_of_probability_zero_has_finite_odds():
    model = LLMClassifier(Fixed([[-np.inf, -2.0], [-1.0, -90.0], [-400.0, -420.0]]), answers={0: "n", 1: "y"})
    decision = model.fit().decision_function(numbers(3))
    np.testing.assert_allclose(decision, [WIDEST, -WIDEST, -20.0])
    proba = model.predict_proba(numbers(3))
    assert np.isfinite(np.log(proba)).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_decisions_tell_apart_what_probabilities_of_one_cannot():
    model = LLMClassifier(Fixed([[-40.0, -1.0], [-41.0, -1.0]]), answers={0: "n", 1: "y"}).fit()
    shallow = LLMClassifier(Fixed([[-25.0, -1.0], [-26.0, -1.0]]), answers={0: "n", 1: "y"}).fit()
    assert np.ptp(shallow.decision_function(numbers(2))) == 1
    assert np.ptp(model.decision_function(numbers(2))) == 0  # beyond what any model knows


def test_content_free_calibration_divides_by_the_shares_of_inputs_without_content():
    def scorer(prompts, answers):
        rows = {"<N/A>": [0.1, 0.3], "<>": [0.2, 0.2], "<[MASK]>": [0.06, 0.02], "<good>": [0.3, 0.4]}
        return np.log([rows[prompt] for prompt in prompts])

    model = LLMClassifier(scorer, prompt="<{text}>", answers={0: "n", 1: "y"}, calibrate="content_free")
    proba = model.fit().predict_proba(["good"])
    # Shares of "n": .25, .5 and .75, of "y": .75, .5 and .25; both have a mean of .5.
    np.testing.assert_allclose(np.exp(model.map_.offsets), [0.5, 0.5])
    np.testing.assert_allclose(proba, [[3 / 7, 4 / 7]])

    leaning = LLMClassifier(
        Fixed(np.log([[0.1, 0.3], [0.25, 0.5]])),
        prompt="{text} 0",  # every input without content, too, is row 0
        answers={0: "n", 1: "y"},
        calibrate="content_free",
    ).fit()
    leaning._prompt = LLMClassifier(leaning.scorer, answers=leaning.answers).fit()._prompt
    # Shares 1/3 and 2/3 over 1/4 and 3/4.
    np.testing.assert_allclose(leaning.predict_proba(["1"]), [[0.6, 0.4]])


def test_inputs_without_content_stand_in_every_column():
    model = classifier(prompt="{age}, {job}: {comment}. Praise?", calibrate="content_free")
    model.fit(pd.DataFrame({"job": ["cook"], "comment": ["kind"], "age": [3]}).loc[[0, 0]], [0, 1])
    assert model.scorer.asked == [
        "N/A, N/A: N/A. Praise?",
        ", : . Praise?",
        "[MASK], [MASK]: [MASK]. Praise?",
    ]


def test_an_input_without_content_may_be_refused_but_not_all():
    some = classifier(Model(refuses="[MASK]"), calibrate="content_free").fit()
    np.testing.assert_allclose(
        some.map_.offsets, np.log([1 - 1 / (1 + np.exp(-LEAN)), 1 / (1 + np.exp(-LEAN))])
    )
    said = refusal_of(classifier(Model(refuses="praise"), calibrate="content_free").fit)
    assert "None of the inputs without content" in said


def logistic_inputs(scores):
    """What the logistic map reads, written down again."""
    limited = np.maximum(scores, scores.max(axis=1, keepdims=True) - 30)
    return np.column_stack([log_softmax(limited, axis=1), logsumexp(limited, axis=1)])


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("C", [0.1, 1.0, 1e6])
def test_the_logistic_map_is_that_of_scikit_learn(k, C):
    rng = np.random.default_rng(k)
    y = rng.integers(0, k, 90)
    scores = log_softmax(rng.normal(size=(90, k + 1)) + np.eye(k + 1)[y], axis=1)[:, :k]
    model = LLMClassifier(Fixed(scores), calibrate="fit", C=C).fit(numbers(90), y)
    oracle = make_pipeline(StandardScaler(), LogisticRegression(C=C, tol=1e-10, max_iter=10_000))
    expected = oracle.fit(logistic_inputs(scores), y).predict_proba(logistic_inputs(scores))
    np.testing.assert_allclose(model.predict_proba(numbers(90)), expected, atol=1e-5)
    np.testing.assert_array_equal(model.predict(numbers(90)), expected.argmax(axis=1))


def test_weights_of_the_logistic_map_are_repetitions():
    rng = np.random.default_rng(0)
    y, weights = rng.integers(0, 2, 60), rng.integers(0, 4, 60)
    scores = log_softmax(rng.normal(size=(60, 3)) + np.eye(3)[y], axis=1)[:, :2]
    rows = np.repeat(np.arange(60), weights)
    weighted = LLMClassifier(Fixed(scores), calibrate="fit").fit(numbers(60), y, sample_weight=weights)
    repeated = LLMClassifier(Fixed(scores), calibrate="fit").fit([numbers(60)[row] for row in rows], y[rows])
    plain = LLMClassifier(Fixed(scores), calibrate="fit").fit(numbers(60), y)
    proba = [model.predict_proba(numbers(60)) for model in (weighted, repeated, plain)]
    np.testing.assert_allclose(proba[0], proba[1], atol=1e-6)
    assert abs(proba[0] - proba[2]).max() > 0.01
    np.testing.assert_allclose(weighted.class_shares_, repeated.class_shares_)


def test_rows_without_a_weight_are_not_asked():
    weights = np.where(MEN, 1.0, 0.0)
    model = classifier(calibrate="fit").fit(TEXTS, Y, sample_weight=weights)
    assert len(model.scorer.asked) == MEN.sum()
    assert not any("She" in prompt for prompt in model.scorer.asked)


def test_a_map_of_answers_that_never_vary_is_the_shares_of_the_classes():
    scores = np.full((10, 2), np.log(0.3))
    model = LLMClassifier(Fixed(scores), calibrate="fit").fit(numbers(10), [0, 1, 1, 1, 1] * 2)
    np.testing.assert_allclose(model.predict_proba(numbers(10))[:, 1], 0.8, atol=1e-5)


def test_the_lean_of_a_model_is_mended_by_labels():
    """Everything is "yes" at first; a fitted map finds what the log-odds know."""
    fresh = TEXTS[:100], Y[:100]
    rest = TEXTS[100:], Y[100:]
    zero_shot = classifier().fit(*fresh)
    assert set(zero_shot.predict(TEXTS)) == {1}
    fitted = classifier(calibrate="fit").fit(*fresh)
    # The best that a threshold on what the stand-in sees can reach, by trying all of them.
    seen = zero_shot.decision_function(rest[0])
    best = max(np.mean((seen >= cut) == rest[1]) for cut in seen)
    assert zero_shot.score(*rest) == rest[1].mean() < 0.6
    assert fitted.score(*rest) > max(0.85, best - 0.05)
    offsets = classifier(calibrate="content_free").fit(*fresh)
    assert zero_shot.score(*rest) < offsets.score(*rest)
    np.testing.assert_allclose(
        offsets.decision_function(TEXTS), zero_shot.decision_function(TEXTS) - LEAN, atol=1e-10
    )


def test_the_planted_gap_is_found():
    decision = classifier().fit().decision_function(TEXTS)
    other = classifier().fit().decision_function([text.replace("He ", "She ") for text in TEXTS])
    np.testing.assert_allclose((decision - other)[MEN], BIAS)
    np.testing.assert_allclose((decision - other)[~MEN], 0)


# --- prompts --------------------------------------------------------------------------------------------


def asked(prompt: str, X, **params) -> list[str]:
    model = classifier(prompt=prompt, **params).fit()
    model.predict_proba(X)
    return model.scorer.asked


@pytest.mark.parametrize(
    "text",
    [
        "{text}",
        "{0}",
        "{{",
        "}",
        "{text.__class__}",
        "%s {} $x",
        "",
        "\x00",
        "他很好",
        "مرحبا",
        "e\u0301",
        "a" * 10_000,
    ],
    ids=range(12),
)
def test_texts_are_put_in_as_they_are(text):
    assert asked("{{json}} <{text}> {{text}}", [text]) == [f"{{json}} <{text}> {{text}}"]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_columns_of_any_frame_are_learned_from(make):
    X = make({"age": [31, 45], "job": ["cook"] * 2, "comment": ["kind", "rude"]})
    model = classifier(prompt="{age}: {comment}", calibrate="fit").fit(X, [1, 0])
    assert model.predict(X).tolist() == [1, 0]
    assert model.cost(X).prompts == 2


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(), min_size=3, max_size=3), st.lists(st.text(), min_size=2, max_size=2))
def test_prompts_of_any_literals_and_texts(literals, texts):
    """As ``str.format`` makes them of names alone, which is what a template means."""
    first, second, third = (literal.replace("{", "{{").replace("}", "}}") for literal in literals)
    template = f"{first}{{a}}{second}{{b}}{third}"
    rendered = parse_prompt(template).render({"a": [texts[0]], "b": [texts[1]]})
    assert rendered == [literals[0] + texts[0] + literals[1] + texts[1] + literals[2]]
    assert rendered == [template.format(a=texts[0], b=texts[1])]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_columns_are_put_in_by_name(make):
    X = make({"age": [31, 45], "a job": ["cook", "{age}"], "comment": ["kind", "rude"]})
    assert asked("{age}, {a job}: {comment} ({age})", X) == ["31, cook: kind (31)", "45, {age}: rude (45)"]


def test_columns_of_arrays_are_put_in_by_position():
    X = np.array([["kind", "cook"], ["rude", "nurse"]], dtype=object)
    assert asked("{1}: {0}", X) == ["cook: kind", "nurse: rude"]
    assert asked("{1}: {0}", X.tolist()) == ["cook: kind", "nurse: rude"]


@pytest.mark.parametrize(
    "X",
    [
        ["kind", "rude"],
        ("kind", "rude"),
        np.array(["kind", "rude"]),
        np.array([["kind"], ["rude"]], dtype=object),
        pd.Series(["kind", "rude"], name="comment", index=[7, 3]),
        pd.Series(["kind", "rude"], dtype="category"),
        pl.Series(["kind", "rude"]),
        pd.DataFrame({"comment": ["kind", "rude"]}),
        pl.DataFrame({"comment": ["kind", "rude"]}),
    ],
    ids=lambda X: type(X).__module__.partition(".")[0] + type(X).__name__,
)
def test_texts_may_come_in_any_container(X):
    assert asked("{text}!", X) == ["kind!", "rude!"]
    model = classifier().fit(X, [1, 0])
    assert model.predict(X).tolist() == [1, 1]


def test_a_column_called_text_is_the_text():
    assert asked("{text}!", pd.DataFrame({"age": [1, 2], "text": ["kind", "rude"]})) == ["kind!", "rude!"]


def test_numbers_read_alike_whatever_type_their_column_has():
    whole = pd.DataFrame({"age": [31, 45]})
    with_a_gap = pd.DataFrame({"age": [31, 45, np.nan]})[:2]
    assert asked("{age}", whole) == asked("{age}", with_a_gap) == ["31", "45"]
    values = [0.5, 1e300, True, np.float32(2), np.int8(-3)]
    table = pd.DataFrame({"x": pd.Series(values, dtype=object), "y": ["-"] * 5})
    assert asked("{x}", table) == ["0.5", "1e+300", "True", "2", "-3"]


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("Is this praise?", "has no field"),
        ("{{text}}", "has no field"),
        ("{}", "more, or less, than a name"),
        ("{ }", "more, or less, than a name"),
        ("{text!r}", "more, or less, than a name"),
        ("{text:>9999999999}", "more, or less, than a name"),
        ("{te{x}t}", "more, or less, than a name|cannot be read"),
        ("{text", "cannot be read"),
        ("text} {text}", r"cannot be read .* Write braces .* twice: \{\{ and \}\}"),
        ("{text.__class__}", r"X is texts and has no columns: in prompt, \{text\} stands for"),
        ("{text[0]}", "X is texts and has no columns"),
        ("{comment}", r"X is texts and has no columns: .* A brace that is no field is written twice, \{\{"),
        ("{" + "x" * 10_000 + "}", "X is texts and has no columns"),
    ],
    ids=range(13),
)
def test_prompts_that_cannot_be_used(prompt, said):
    model = classifier(prompt=prompt)
    message = refusal_of(lambda: model.fit(["kind", "rude"], [1, 0]))
    with pytest.raises(ValueError, match=said):
        raise ValueError(message)
    assert model.scorer.asked == []


@pytest.mark.parametrize(
    "piece",
    ['{"a"}', "{'a'}", '{"a", "b"}', '{"a', "{\u201ca\u201d}", "{[a]}", '{ "a" }', '{\n"a"\n}', "{a,\nb}"],
)
def test_braces_that_belong_to_the_text_are_refused_in_fit(piece):
    model = classifier(prompt="{text} Reply " + piece + ("" if piece.endswith("}") else "}"))
    texts = ["kind", "rude"]
    frame = pd.DataFrame({"text": texts, piece.strip("{}"): texts})
    for arguments in ((), (texts,), (texts, [1, 0]), (frame,), (frame, [1, 0])):
        with pytest.raises(ValueError, match=r"a brace that is no field is written twice, \{\{ and \}\}"):
            model.fit(*arguments)
    with pytest.raises(ValueError, match="a brace that is no field"):
        model.cost(texts)
    assert model.scorer.asked == []
    assert asked('{text} Reply {{"a"}}', ["kind"]) == ['kind Reply {"a"}']


@pytest.mark.parametrize(
    "name", ["driver's age", "hours-per-week", "marital.status", "5' 6\" or more", "income [EUR]"]
)
def test_columns_of_any_sensible_name_are_fields(name):
    assert asked("{" + name + "}!", pd.DataFrame({name: ["kind"], "other": ["-"]})) == ["kind!"]


def test_fields_are_looked_up_in_the_x_of_fit_without_labels():
    texts = ["kind", "rude"]
    model = classifier(prompt="{text} {mood}")
    assert "X is texts and has no columns" in refusal_of(lambda: model.fit(texts))
    frame = pd.DataFrame({"text": texts, "age": [1, 2]})
    assert "its columns are 'text', 'age'" in refusal_of(lambda: model.fit(frame))
    assert model.fit().classes_.tolist() == [0, 1]


def test_a_column_that_is_not_there():
    X = pd.DataFrame({"comment": ["kind"] * 2, "age": [3, 4], "job": ["cook"] * 2})
    said = refusal_of(lambda: classifier(prompt="{Comment}").fit(X, [0, 1]))
    assert said == (
        "prompt has a field '{Comment}', and X no such column: its columns are 'comment', 'age', 'job'. Did "
        "you mean 'comment'? A brace that is no field is written twice, {{ and }}."
    )
    assert "its columns are" in refusal_of(lambda: classifier().fit(X, [0, 1]))
    assert "its columns are" in refusal_of(lambda: classifier(prompt="{age.real}").fit(X, [0, 1]))
    model = classifier(prompt="{comment}").fit(X, [0, 1])
    assert "its columns are 'age', 'job'" in refusal_of(lambda: model.predict(X[["age", "job"]]))


def test_a_cell_without_a_value():
    X = pd.DataFrame({"comment": ["kind", None, "rude"], "age": [3, np.nan, np.nan]})
    said = refusal_of(lambda: classifier(prompt="{comment} {age}").fit(X, [0, 1, 0]))
    assert "The column 'comment', which prompt names, has no value in 1 of 3 rows, the first is row 1" in said
    assert "2 of 3 rows" in refusal_of(lambda: classifier(prompt="{age}").fit(X, [0, 1, 0]))
    lists = pd.DataFrame({"comment": [["kind"], ["rude"]], "age": [3, 4]})
    act = partial(classifier(prompt="{comment}").fit, lists, [0, 1])
    assert "must hold texts or numbers" in refusal_of(act, kind=TypeError)
    act = partial(classifier().fit, [1, 2], [0, 1])
    assert "X must hold texts" in refusal_of(act, kind=TypeError)


# --- answers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "answers"),
    [
        (["no", "yes"], (" no", " yes")),
        ([0, 1], (" 0", " 1")),
        ([0.0, 1.0], (" 0", " 1")),
        ([False, True], (" False", " True")),
    ],
    ids=["texts", "numbers", "floats", "booleans"],
)
def test_the_answer_of_a_label_is_the_label_after_a_blank(y, answers):
    seen = []

    def scorer(prompts, answers):
        seen.append(answers)
        return np.log(np.tile([0.2, 0.8], (len(prompts), 1)))

    model = LLMClassifier(scorer).fit(["a", "b"], y)
    assert model.predict(["c"]).tolist() == [y[1]]
    assert model.answers_ == answers
    assert seen == [list(answers)]
    assert model.score(["a", "b"], y) == 0.5


def test_answers_are_found_by_label():
    model = classifier(answers={np.int64(1): " yes", False: " no"})
    assert model.fit(["a", "b"], np.array([1.0, 0.0])).answers_ == (" no", " yes")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({0: "no"}, "answers has no text for the label 1 of y: it has 0."),
        ({"0": "no", "1": "yes"}, "no text for the label 0, 1 of y.*Texts and numbers are different labels"),
        ({0: "no", 1: "yes", 2: "maybe"}, "a text for the label 2, which no row of y has"),
        ({0: "no", 1: " "}, r"answers\[1\] is empty"),
        ({0: "no", 1: " NO "}, "'no' and ' NO ', which a model cannot tell apart"),
        ({0: "STRASSE", 1: "straße"}, "cannot tell apart"),
        ({0: "good", 1: "good enough"}, "the second begins with the first.*differ in their first token"),
        ({0: "10", 1: "1"}, "'1' and '10', and the second begins with the first"),
        ({0: "x" * 9_000, 1: "x" * 9_000 + "!"}, "the second begins with the first"),
        ({0: "no", 1: 7}, r"answers\[1\] must be a text, got 7"),
        (["no", "yes"], "answers must map each label to the text of its answer"),
    ],
    ids=range(11),
)
def test_answers_that_cannot_be_used(answers, said):
    model = classifier(answers=answers)
    message = refusal_of(lambda: model.fit(["a", "b"], [0, 1]), kind=(ValueError, TypeError))
    with pytest.raises(ValueError, match=said):
        raise ValueError(message)
    assert model.scorer.asked == []


def test_answers_that_share_letters_are_warned_of_unless_tokens_are_known():
    with pytest.warns(UserWarning, match=r"' no' and ' not', and the second begins with the first"):
        classifier(answers={0: " no", 1: " not"}).fit()

    class Knowing(Model):
        def check_answers(self, answers):
            if answers == (" no", " nope"):
                raise ValueError("' nope' begins with the token of ' no'")

    classifier(Knowing(), answers={0: " no", 1: " not"}).fit()
    assert "token" in refusal_of(classifier(Knowing(), answers={0: " no", 1: " nope"}).fit)


# --- without labels -------------------------------------------------------------------------------------


def test_a_zero_shot_classifier_needs_no_rows():
    for model in (classifier().fit(), classifier().fit(TEXTS), classifier().fit(TEXTS, None)):
        assert model.classes_.tolist() == [0, 1]
        assert model.scorer.asked == []
        assert model.class_shares_.tolist() == [0.5, 0.5]
        assert model.predict(TEXTS[:3]).tolist() == [1, 1, 1]
    texts = LLMClassifier(Model(), answers={"praise": "yes", "blame": "no"}).fit()
    assert texts.classes_.tolist() == ["blame", "praise"]
    assert texts.predict(["kind"]).tolist() == ["praise"]
    frozen = FrozenEstimator(texts)
    optimizer = GroupThresholdOptimizer(
        frozen, sensitive_features=english_gender().mentioned, min_group_size=10
    )
    optimizer.fit(TEXTS, np.where(Y, "praise", "blame"))
    assert optimizer.score(TEXTS, np.where(Y, "praise", "blame")) > 0.75


def test_labels_are_needed_to_learn_from_them_or_to_know_them():
    assert "requires y to be passed, but the target y is None" in refusal_of(LLMClassifier(Model()).fit)
    assert "requires y to be passed" in refusal_of(classifier(calibrate="fit").fit)
    assert "sample_weight" in refusal_of(lambda: classifier().fit(TEXTS, sample_weight=np.ones(len(TEXTS))))
    assert get_tags(LLMClassifier(Model())).target_tags.required
    assert not get_tags(classifier()).target_tags.required
    assert "only one class" in refusal_of(lambda: LLMClassifier(Model()).fit(["a", "b"], [1, 1]))
    assert "only one class" in refusal_of(classifier(answers={1: "yes"}).fit)
    for labels in ([], [1, "a"], [(1, 2), (3, 4)]):
        unusual = classifier(answers={label: f"answer {i}" for i, label in enumerate(labels)})
        assert "answers must be for labels of one kind" in refusal_of(unusual.fit)
    assert "missing labels" in refusal_of(classifier(answers={np.nan: "a", 1.0: "b"}).fit)
    assert "X is None" in refusal_of(lambda: classifier().fit(None, Y))
    assert "X is a single text" in refusal_of(lambda: classifier().fit("kind", Y), kind=TypeError)
    assert "its columns" in refusal_of(lambda: classifier(prompt="{x}").fit(pd.DataFrame({"a": ["b"]})))


# --- scorers that break the contract --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (np.zeros((3, 2)), r"an array of shape \(2, 2\) of log-prob.*it returned an array of shape \(3, 2\)"),
        (np.zeros(4), r"of shape \(4,\)"),
        (0.5, r"of shape \(\)"),
        ([[-1.0, -2.0], [-1.0]], "which is not an array of numbers"),
        ([["yes", "no"]] * 2, "which is not an array of numbers"),
        ([["-1", "-2"]] * 2, "which is not an array of numbers"),
        (None, r"of shape \(\)"),
        (np.array([[-1j, -1], [-1, -1]]), "which is not an array of numbers"),
        ([[-1.0, np.nan], [-1.0, -1.0]], "1 of 2 rows hold NaN. A prompt without an answer is a row of -inf"),
        ([[-1.0, np.inf], [-1.0, -1.0]], "1 of 2 rows hold infinity"),
        ([[0.3, 0.7], [0.4, 0.6]], "one is 0.7, but .* These look like probabilities"),
        ([[3.0, -7.0], [4.0, 6.0]], "one is 6, but .* Logits become"),
        ([["x" * 10_000, 1], [1, 2]], "which is not an array of numbers"),
    ],
    ids=range(13),
)
def test_what_a_scorer_must_not_return(returned, said):
    model = LLMClassifier(lambda prompts, answers: returned, answers={0: "n", 1: "y"}).fit()
    message = refusal_of(lambda: model.predict(["a", "b"]))
    with pytest.raises(ValueError, match=said):
        raise ValueError(message)
    assert message.startswith("scorer (<lambda>) must return an array")


def test_what_a_scorer_may_return():
    for returned in (
        [[-1, 0], [-2, -3]],
        np.array([[-1, 1e-9], [-2, -3]], np.float32),
        [[-0.5, None or -1.0]] * 2,
    ):
        model = LLMClassifier(lambda prompts, answers, r=returned: r, answers={0: "n", 1: "y"}).fit()
        assert np.isfinite(model.predict_proba(["a", "b"])).all()
    assert model.predict_proba([]).shape == (0, 2)
    said = refusal_of(LLMClassifier("gpt", answers={0: "n", 1: "y"}).fit)
    assert "scorer" in said


def test_an_error_of_the_scorer_is_the_users_to_see():
    def scorer(prompts, answers):
        raise ConnectionError("no route")

    model = LLMClassifier(scorer, answers={0: "n", 1: "y"}).fit()
    assert refusal_of(lambda: model.predict(["a"]), kind=ConnectionError) == "no route"


# --- rows that are not answered -------------------------------------------------------------------------


def test_refusals_are_counted_and_refused():
    model = classifier(Model(refuses="rude")).fit(TEXTS, Y)
    refused = np.array(["rude" in text for text in TEXTS])
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        said = refusal_of(lambda method=method: getattr(model, method)(TEXTS + TEXTS))
        assert f"{2 * refused.sum()} of {2 * len(TEXTS)} rows ({refused.sum()} distinct prompts)" in said
        assert f"the first is row {np.flatnonzero(refused)[0]}." in said
        assert "unanswered='abstain'" in said
    assert "got none of the answers" in refusal_of(
        lambda: classifier(Model(refuses="rude"), calibrate="fit").fit(TEXTS, Y)
    )
    np.testing.assert_array_equal(model.predict([t for t in TEXTS if "rude" not in t]), 1)
    np.testing.assert_array_equal(model.is_unanswered(TEXTS), refused)


def test_refusal_rates_per_group():
    model = classifier(Model(refuses="He was rude")).fit()
    table = group_metrics(
        None, model.is_unanswered(TEXTS), sensitive_features=english_gender().mentioned(TEXTS)
    )
    rude = [text for text in TEXTS if text.startswith("He was rude")]
    rates = dict(zip(table.groups, table.rates["selection_rate"], strict=True))
    assert rates == {"male": len(rude) / MEN.sum(), "female": 0.0}


@pytest.mark.parametrize("calibrate", ["none", "content_free", "fit"])
def test_to_abstain_is_to_say_what_is_known_without_the_row(calibrate):
    weights = np.where(Y == 1, 3.0, 1.0)
    model = classifier(Model(refuses="rude"), calibrate=calibrate, unanswered="abstain")
    model.fit(TEXTS, Y, sample_weight=weights)
    share = 3 * Y.sum() / (3 * Y.sum() + (Y == 0).sum())
    np.testing.assert_allclose(model.class_shares_, [1 - share, share])
    refused = model.is_unanswered(TEXTS)
    proba = model.predict_proba(TEXTS)
    np.testing.assert_allclose(proba[refused], np.tile([1 - share, share], (refused.sum(), 1)))
    assert set(model.predict(TEXTS)[refused]) == {1}
    np.testing.assert_allclose(model.decision_function(TEXTS)[refused], np.log(share / (1 - share)))
    # The others are as if the refused ones had never been there.
    rest = [text for text in TEXTS if "rude" not in text]
    alone = classifier(calibrate=calibrate).fit(rest, Y[~refused], sample_weight=weights[~refused])
    np.testing.assert_allclose(proba[~refused], alone.predict_proba(rest), atol=1e-8)


def test_nan_stands_for_no_answer_and_is_no_class():
    model = classifier(Model(refuses="rude"), calibrate="fit", unanswered="nan").fit(TEXTS, Y)
    refused = model.is_unanswered(TEXTS)
    for scores in (
        model.predict_proba(TEXTS),
        model.predict_log_proba(TEXTS),
        model.decision_function(TEXTS),
    ):
        assert np.isnan(scores[refused]).all()
        assert np.isfinite(scores[~refused]).all()
    said = refusal_of(lambda: model.predict(TEXTS))
    assert f"{refused.sum()} of {len(TEXTS)} rows were not answered" in said
    assert set(model.predict(np.array(TEXTS)[~refused])) == {0, 1}
    # It may be set after fit, without asking the model again.
    assert set(model.set_params(unanswered="abstain").predict(TEXTS)) == {0, 1}
    assert "unanswered must be one of" in refusal_of(
        lambda: model.set_params(unanswered="skip").predict(TEXTS)
    )


def test_a_class_none_of_whose_rows_is_answered():
    y = np.array(["rude" in text for text in TEXTS])
    model = classifier(
        Model(refuses="rude"), answers={False: "no", True: "yes"}, calibrate="fit", unanswered="nan"
    )
    assert "No row of y with the label True has a weight and an answer" in refusal_of(
        lambda: model.fit(TEXTS, y)
    )


# --- calls and cost -------------------------------------------------------------------------------------


def test_each_distinct_prompt_is_asked_once_per_call():
    model = classifier(calibrate="fit").fit(TEXTS * 3, np.tile(Y, 3))
    assert sorted(model.scorer.asked) == sorted(PROMPT.format(text=text) for text in TEXTS)
    del model.scorer.asked[:]
    proba = model.predict_proba([TEXTS[0], TEXTS[1], TEXTS[0]])
    assert model.scorer.asked == [PROMPT.format(text=text) for text in TEXTS[:2]]
    assert (proba[0] == proba[2]).all()


def test_thresholds_and_a_search_ask_each_distinct_prompt_once_in_all():
    """Folds, clones, candidates, refits and predictions share the answers."""
    model = Model()
    optimizer = GroupThresholdOptimizer(
        classifier(CachedScorer(model)),
        sensitive_features=english_gender().mentioned,
        cv=3,
        min_group_size=10,
    )
    grid = [
        {"estimator__calibrate": ["none", "content_free"]},
        {"estimator__calibrate": ["fit"], "estimator__C": [0.1, 1.0], "max_difference": [0.05, 0.2]},
    ]
    search = GridSearchCV(optimizer, grid, cv=3).fit(TEXTS + TEXTS, np.r_[Y, Y])
    search.predict(TEXTS)
    content_free = [PROMPT.format(text=text) for text in ("N/A", "", "[MASK]")]
    assert len(model.asked) == len(set(model.asked))
    assert set(model.asked) == {PROMPT.format(text=text) for text in TEXTS} | set(content_free)
    assert search.best_score_ > 0.8
    assert search.best_estimator_.estimator_.scorer.scorer is model


def test_a_search_over_prompts_asks_each_of_them_once():
    model = Model()
    prompts = [PROMPT, "{text} Praise?"]
    search = GridSearchCV(classifier(CachedScorer(model), calibrate="fit"), {"prompt": prompts}, cv=3)
    search.fit(TEXTS, Y)
    assert len(model.asked) == len(set(model.asked)) == 2 * len(TEXTS)


def test_the_cost_is_told_before_anything_is_asked():
    scorer = CachedScorer(Model())
    unfitted = classifier(scorer, prompt="<{text}>", calibrate="content_free")
    cost = unfitted.cost(["kind", "rude", "kind"])
    # <kind>, <rude>, <N/A>, <>, <[MASK]>: 6, 6, 5, 2 and 8 characters.
    expected = {"prompts": 5, "cached": 0, "calls": 5, "tokens_in": 2 + 2 + 2 + 1 + 2, "tokens_out": 5}
    assert cost.to_dict() == {**expected, "estimated": True}
    assert scorer.scorer.asked == []
    model = unfitted.fit()
    assert model.cost(["kind", "rude", "kind"]).calls == 2
    model.predict(["kind"])
    assert model.cost(["kind", "rude"]).cached == 1
    assert str(model.cost(["kind"])) == "1 distinct prompt: it is answered already, so no call is made."
    assert classifier(answers=None).cost(["a", "b"]).prompts == 2

    class Counting(Model):
        def count_tokens(self, texts):
            return np.array([len(text.split()) for text in texts])

    counted = LLMClassifier(Counting(), prompt="a b {text}", answers=ANSWERS).cost(["c", "d e", "c"])
    assert counted.to_dict() == {
        "prompts": 2,
        "cached": 0,
        "calls": 2,
        "tokens_in": 7,
        "tokens_out": 2,
        "estimated": False,
    }
    assert str(counted) == "2 distinct prompts: 2 calls, 7 tokens in, at most 2 out."


def test_costs_add_up():
    one = run_cost(["a", "bcdef", "a"], calls_per_prompt=3, tokens_per_call=10)
    assert (one.prompts, one.calls, one.tokens_in, one.tokens_out) == (2, 6, 9, 60)
    other = RunCost(prompts=1_000, cached=10, calls=990, tokens_in=5, tokens_out=6, estimated=False)
    total = sum([one, other])
    assert (total.prompts, total.cached, total.calls, total.tokens_in, total.tokens_out) == (
        1_002,
        10,
        996,
        14,
        66,
    )
    assert total.estimated
    assert not (other + run_cost([])).estimated
    assert not (run_cost([]) + other).estimated
    assert "1,002 distinct prompts, 10 answered already: 996 calls, about 14 tokens in" in str(total)
    assert str(run_cost([])) == "No prompt: no call."
    with pytest.raises(TypeError):
        one + 1


# --- scikit-learn's contract ----------------------------------------------------------------------------


def test_clones_share_the_scorer_and_nothing_else():
    scorer = Model()
    model = classifier(scorer, calibrate="fit", C=2.0).fit(TEXTS, Y)
    with config_context(enable_metadata_routing=True):
        model.set_fit_request(sample_weight=True)
    other = clone(model)
    assert other.scorer is scorer
    assert other.answers == ANSWERS
    assert other.answers is not ANSWERS
    assert {name: value for name, value in other.get_params().items() if name != "scorer"} == {
        "prompt": PROMPT,
        "answers": ANSWERS,
        "calibrate": "fit",
        "unanswered": "error",
        "C": 2.0,
    }
    assert not hasattr(other, "classes_")
    owner = other._metadata_request.owner  # its name in scikit-learn 1.6
    assert owner is other or owner == "LLMClassifier"
    copied = copy.deepcopy(make_pipeline(model))[-1]
    assert copied.scorer is scorer
    assert copied.map_ is not model.map_
    np.testing.assert_array_equal(copied.predict_proba(TEXTS), model.predict_proba(TEXTS))
    with config_context(enable_metadata_routing=True):
        assert other.get_metadata_routing().fit.requests == {"sample_weight": True}
        assert clone(LLMClassifier(scorer)).get_metadata_routing().fit.requests == {"sample_weight": None}
    with pytest.raises(NotFittedError):
        other.predict(TEXTS)
    with pytest.raises(NotFittedError):
        other.is_unanswered(TEXTS)


def test_parameters_are_stored_untouched_and_checked_in_fit():
    scorer, answers = Model(), {0: "n", 1: "y"}
    params = {"prompt": 3, "answers": answers, "calibrate": "x", "unanswered": "y", "C": -1}
    model = LLMClassifier(scorer, **params)
    for name, value in (params | {"scorer": scorer}).items():
        assert getattr(model, name) is value
    for name, value in {"prompt": 3, "calibrate": "x", "unanswered": "y", "C": 0}.items():
        wrong = classifier(**{name: value})
        assert name in refusal_of(lambda wrong=wrong: wrong.fit(TEXTS, Y))
    classifier(calibrate="fit", C=np.inf).fit(TEXTS, Y)


@pytest.mark.parametrize("calibrate", ["none", "content_free", "fit"])
def test_a_pickle_predicts_the_same_and_keeps_no_texts(calibrate):
    model = classifier(Fixed(log_softmax(np.random.default_rng(0).normal(size=(20, 3)), axis=1)[:, :2]))
    model.set_params(calibrate=calibrate, prompt="{text}" if calibrate != "content_free" else "{text} 5")
    model.fit(numbers(20), [0, 1] * 10)
    stored = pickle.dumps(model)
    np.testing.assert_array_equal(
        pickle.loads(stored).predict_proba(numbers(20)), model.predict_proba(numbers(20))
    )
    assert b"text 1" not in stored


def test_fitting_again_forgets():
    model = classifier(calibrate="fit").fit(TEXTS, Y)
    model.set_params(answers={"a": " no", "b": " yes"}, calibrate="none").fit(TEXTS, np.array(["a", "b"])[Y])
    assert model.classes_.tolist() == ["a", "b"]
    np.testing.assert_array_equal(model.map_.offsets, 0)
    # What is set after fit takes effect with the next fit; answers that are there stay.
    fitted = model.predict_proba(TEXTS)
    model.set_params(prompt="{other}", calibrate="fit")
    np.testing.assert_array_equal(model.predict_proba(TEXTS), fitted)


def test_labels_and_weights_that_cannot_be_used():
    assert "missing labels" in refusal_of(lambda: classifier().fit(["a", "b"], [0, np.nan]))
    assert "inconsistent numbers" in refusal_of(lambda: classifier().fit(["a", "b"], [0, 1, 1]))
    assert "sample_weight" in refusal_of(lambda: classifier().fit(["a", "b"], [0, 1], sample_weight=[1, -1]))
    assert "0 sample" in refusal_of(lambda: classifier().fit([], []))
    shuffled = pd.Series(["a", "b"], index=[1, 0]), pd.Series([0, 1], index=[0, 1])
    assert "in another order" in refusal_of(lambda: classifier().fit(*shuffled))
    model = classifier().fit(["a", "b"], [0, 1])
    assert "in another order" in refusal_of(lambda: model.score(*shuffled))
    assert "fit had numbers" in refusal_of(lambda: model.score(["a", "b"], ["0", "1"]))
    assert model.score(["a", "b"], [0, 1], sample_weight=[1, 3]) == 0.75


# --- in scikit-learn's and this package's tools ---------------------------------------------------------


def test_thresholds_per_group_close_the_planted_gap():
    mentioned = english_gender().mentioned
    fitted = classifier(calibrate="fit").fit(TEXTS, Y)
    rate = {sex: fitted.predict(TEXTS)[rows].mean() for sex, rows in (("he", MEN), ("she", ~MEN))}
    assert rate["he"] - rate["she"] > 0.1
    for policy in ("threshold", "randomized"):
        optimizer = GroupThresholdOptimizer(
            classifier(calibrate="fit"),
            sensitive_features=mentioned,
            max_difference=0.02,
            policy=policy,
            min_group_size=10,
        ).fit(TEXTS, Y)
        predicted = optimizer.predict(TEXTS)
        assert optimizer.report_.constraints[0].disparity <= 0.02
        assert abs(predicted[MEN].mean() - predicted[~MEN].mean()) < 0.06
        assert optimizer.score(TEXTS, Y) > fitted.score(TEXTS, Y) - 0.02


def test_calibrated_by_scikit_learn():
    for method in ("sigmoid", "isotonic"):
        model = CalibratedClassifierCV(classifier(), method=method, cv=3).fit(TEXTS, Y)
        assert model.score(TEXTS, Y) > 0.8
        assert abs(model.predict_proba(TEXTS)[:, 1].mean() - Y.mean()) < 0.05


def test_cross_validation_with_fair_scorers():
    scorers = {
        "accuracy": "accuracy",
        "auc": "roc_auc",
        "loss": "neg_log_loss",
        "gap": make_fair_scorer("demographic_parity", sensitive_features=english_gender().mentioned),
    }
    scores = cross_validate(classifier(calibrate="fit"), np.array(TEXTS), Y, cv=4, scoring=scorers)
    assert scores["test_accuracy"].mean() > 0.8
    assert scores["test_auc"].mean() > 0.9
    assert scores["test_loss"].mean() > -0.5
    assert -0.5 < scores["test_gap"].mean() < -0.05


def test_weights_pass_through_routing():
    weights = np.where(MEN, 5.0, 1.0)
    with config_context(enable_metadata_routing=True):
        model = (
            classifier(calibrate="fit")
            .set_fit_request(sample_weight=True)
            .set_score_request(sample_weight=True)
        )
        search = GridSearchCV(model, {"C": [0.5, 1.0]}, cv=3).fit(TEXTS, Y, sample_weight=weights)
    direct = clone(search.best_estimator_).fit(TEXTS, Y, sample_weight=weights)
    np.testing.assert_array_equal(search.predict_proba(TEXTS), direct.predict_proba(TEXTS))
    plain = clone(direct).fit(TEXTS, Y)
    assert abs(plain.predict_proba(TEXTS) - direct.predict_proba(TEXTS)).max() > 0.01


def test_thresholds_hand_weights_on():
    direct = classifier(calibrate="fit").fit(TEXTS, Y, sample_weight=1.0 + MEN)
    optimizer = GroupThresholdOptimizer(classifier(calibrate="fit"), max_difference=1.0, min_group_size=10)
    optimizer.fit(TEXTS, Y, sensitive_features=np.where(MEN, "m", "f"), sample_weight=1.0 + MEN)
    np.testing.assert_allclose(optimizer.estimator_.map_.coef, direct.map_.coef, atol=1e-6)


def lower(texts):
    return [text.lower() for text in texts]


def test_in_a_pipeline():
    model = make_pipeline(FunctionTransformer(lower), classifier(calibrate="fit")).fit(TEXTS, Y)
    assert model[-1].scorer.asked[0].startswith("Text: " + TEXTS[0].lower()[:10])
    assert model.score(TEXTS, Y) > 0.8
    scored = cross_validate(model, TEXTS, Y, cv=3)
    assert scored["test_score"].mean() > 0.8


def test_a_frame_with_a_sensitive_column_that_the_prompt_does_not_name():
    X = pd.DataFrame({"comment": TEXTS, "sex": np.where(MEN, "m", "f")})
    inner = classifier(prompt="{comment} Praise?", calibrate="fit")
    optimizer = GroupThresholdOptimizer(
        inner, sensitive_features="sex", max_difference=0.02, min_group_size=10
    )
    predicted = optimizer.fit(X, Y).predict(X)
    assert abs(predicted[MEN].mean() - predicted[~MEN].mean()) < 0.05
    assert not any("sex" in prompt for prompt in inner.scorer.asked)


def test_a_counterfactual_audit_finds_the_planted_bias():
    model = classifier(calibrate="fit").fit(TEXTS, Y)
    swapped = english_gender()
    both = {sex: model.predict([swapped.swap(text, sex) for text in TEXTS]) for sex in ("male", "female")}
    audit = counterfactual_audit(model, TEXTS, swapped, control=None, response_method="decision_function")
    pair = audit.pairs[0]
    assert pair.n == len(TEXTS)
    changed = np.count_nonzero(both["male"] != both["female"])
    assert changed > 0
    assert pair.flips.rate * len(TEXTS) == pytest.approx(changed)
    assert (pair.only_group, pair.only_other)[pair.group == "female"] == changed
    # One text is the other plus a bias, which the map of log-odds stretches by one factor.
    spread = model.decision_function(["She was kind."]) - model.decision_function(["She was calm."])
    stretch = spread[0] / (SLOPE * (WORTH["kind"] - WORTH["calm"]))
    assert abs(pair.gap) == pytest.approx(BIAS * stretch, rel=0.1)


def test_a_counterfactual_audit_counts_refusals_of_one_group():
    model = classifier(Model(refuses="He was rude"), unanswered="nan").fit()
    audit = counterfactual_audit(model, TEXTS, english_gender(), control=None, threshold=0.8)
    refused = sum(text.split(" ", 1)[1].startswith("was rude") for text in TEXTS)
    pair = audit.pairs[0]
    assert {pair.group: pair.refused_group, pair.other: pair.refused_other} == {"male": refused, "female": 0}
    assert pair.n == len(TEXTS) - refused


def test_tools_take_rows_that_are_not_answered_where_it_abstains():
    mentioned = english_gender().mentioned
    inner = classifier(Model(refuses="He was rude"), calibrate="fit", unanswered="abstain")
    optimizer = GroupThresholdOptimizer(inner, sensitive_features=mentioned, min_group_size=10)
    assert optimizer.fit(TEXTS, Y).score(TEXTS, Y) > 0.75
    assert CalibratedClassifierCV(inner, cv=3).fit(TEXTS, Y).score(TEXTS, Y) > 0.75
    with pytest.raises(ValueError, match="got none of the answers"):
        optimizer.set_params(estimator__unanswered="error").fit(TEXTS, Y)


def test_monitors_and_audits_take_its_predictions():
    mentioned = english_gender().mentioned
    plain = classifier(calibrate="fit").fit(TEXTS, Y)
    fair = GroupThresholdOptimizer(plain, sensitive_features=mentioned, min_group_size=10).fit(TEXTS, Y)
    monitor = FairnessMonitor("demographic_parity", min_ratio=0.8)
    step = monitor.update_predictions(
        plain.predict(TEXTS),
        batch="w01",
        sensitive_features=mentioned(TEXTS),
        y_true=Y,
        y_score=plain.predict_proba(TEXTS)[:, 1],
    )
    assert step.n == len(TEXTS)
    report = audit_models(
        {"as it is": plain, "thresholds": fair}, TEXTS, Y, sensitive_features=mentioned(TEXTS)
    )
    assert "thresholds" in str(report)
