"""Counterfactual audits beside brute force, statsmodels and scipy; models of every kind; scorers."""

from __future__ import annotations

import json
import pickle
import re
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import binomtest, ttest_1samp
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from fairsk import GroupThresholdOptimizer
from fairsk.audit import audit_predictions
from fairsk.scoring import best_under
from fairsk.text import (
    CounterfactualAudit,
    CounterfactualAverager,
    LLMClassifier,
    TermSwapper,
    counterfactual_audit,
    counterfactual_texts,
    english_gender,
    make_counterfactual_scorer,
)
from fairsk.text._counterfactual.language_models import abstains_inside

TWO = TermSwapper({"female": ["she", "woman", "lady"], "male": ["he", "man", "gentleman"]})
THREE = TermSwapper(
    {
        "a": ["amber", "apple", "aster"],
        "b": ["birch", "berry", "begonia"],
        "c": ["cedar", "cherry", "clover"],
    }
)
WORDS = ["warm", "loud", "kind", "late", "odd", "calm"]
#: What a model without fitting adds up: a number per word, those of groups among them.
WEIGHTS = {
    **dict(zip(WORDS, [0.9, -0.7, 0.4, -0.3, 0.6, -0.8], strict=True)),
    **{"amber": 0.5, "apple": -0.2, "aster": 0.3, "birch": -0.4, "berry": 0.1, "begonia": -0.6},
    **{"cedar": 0.2, "cherry": 0.7, "clover": -0.1},
    **{"she": 0.6, "woman": 0.5, "lady": 0.2, "he": -0.4, "man": -0.3, "gentleman": -0.7},
}


def score(texts: list[str]) -> list[float]:
    """Return a probability that is linear in the words of a text, before the logistic function."""
    sums = [sum(WEIGHTS.get(word, 0) for word in text.lower().split()) for text in texts]
    return (1 / (1 + np.exp(-np.array(sums)))).tolist()


def random_texts(swapper: TermSwapper, n: int, seed: int = 0) -> list[str]:
    """Return texts that name one group, some with two terms, a few with several groups or none."""
    rng = np.random.default_rng(seed)
    texts = []
    for i in range(n):
        group = rng.choice(swapper.group_names)
        words = list(rng.choice(WORDS, 3)) + list(rng.choice(swapper.groups[group], 1 + i % 2))
        if i % 7 == 3:
            words = list(rng.choice(WORDS, 3))
        if i % 11 == 5:
            words += [swapper.groups[name][0] for name in swapper.group_names]
        texts.append(" ".join(rng.permutation(words)))
    return texts


def next_term(text: str) -> str | None:
    """Replace every term of THREE by the next one of its group; texts that are odd have no control."""
    if "odd" in text:
        return None
    following = {term: terms[(i + 1) % 3] for terms in THREE.groups.values() for i, term in enumerate(terms)}
    return " ".join(following.get(word, word) for word in text.split())


def replaced(text: str, source: str, target: str) -> str:
    """Rewrite a text for another group, a word at a time."""
    rows = dict(zip(THREE.groups[source], THREE.groups[target], strict=True))
    return " ".join(rows.get(word, word) for word in text.split())


def named_group(text: str) -> str | None:
    found = {name for name, terms in THREE.groups.items() if set(terms) & set(text.split())}
    return found.pop() if len(found) == 1 else None


def test_every_statistic_is_what_brute_force_gives():
    texts = random_texts(THREE, 20)
    audit = counterfactual_audit(score, texts, THREE, control=next_term, confidence=0.9)

    def decide(text: str) -> bool:
        return score([text])[0] >= 0.5

    named = {text: named_group(text) for text in texts}
    expected_p: dict[str, list[float]] = {"direction_p": [], "gap_p": [], "excess": []}
    flips_of_text: dict[str, list[bool]] = {}
    for pair, (a, b) in zip(audit.pairs, combinations("abc", 2), strict=True):
        flips, gaps, up, down, beside, moves = [], [], 0, 0, [], []
        for text, group in named.items():
            if group not in (a, b):
                continue
            as_a, as_b = (text if group == side else replaced(text, group, side) for side in (a, b))
            flips.append(decide(as_a) != decide(as_b))
            flips_of_text.setdefault(text, []).append(flips[-1])
            gaps.append(score([as_a])[0] - score([as_b])[0])
            up += decide(as_a) > decide(as_b)
            down += decide(as_b) > decide(as_a)
            if next_term(text) is not None:
                moves.append((abs(gaps[-1]), abs(score([next_term(text)])[0] - score([text])[0])))
                beside.append((flips[-1], decide(next_term(text)) != decide(text)))
        assert (pair.group, pair.other, pair.n, pair.only_group, pair.only_other) == (
            a,
            b,
            len(gaps),
            up,
            down,
        )
        assert pair.flips.rate == pytest.approx(np.mean(flips))
        wilson = proportion_confint(sum(flips), len(flips), 0.1, "wilson")
        assert (pair.flips.low, pair.flips.high) == pytest.approx(wilson)
        assert pair.gap == pytest.approx(np.mean(gaps))
        student = ttest_1samp(gaps, 0).confidence_interval(0.9)
        assert (pair.gap_low, pair.gap_high) == pytest.approx((student.low, student.high))
        sums = np.array(list(product([-1, 1], repeat=len(gaps)))) @ np.array(gaps)
        expected_p["gap_p"].append(np.mean(np.abs(sums) >= abs(sum(gaps)) - 1e-12))
        expected_p["direction_p"].append(binomtest(up, up + down).pvalue if up + down else 1)
        more, fewer = sum(f and not c for f, c in beside), sum(c and not f for f, c in beside)
        expected_p["excess"].append(binomtest(more, more + fewer).pvalue if more + fewer else 1)
        control = pair.control
        assert (control.n, control.control_rate) == (
            len(beside),
            pytest.approx(np.mean([c for _, c in beside])),
        )
        assert control.flip_rate == pytest.approx(np.mean([f for f, _ in beside]))
        assert control.excess == pytest.approx(control.flip_rate - control.control_rate)
        assert control.low < control.excess < control.high
        excess = np.subtract(*np.transpose(moves))
        means = np.mean(moves, axis=0)
        assert (pair.moves.n, pair.moves.move, pair.moves.control_move) == (
            len(moves),
            *map(pytest.approx, means),
        )
        student = ttest_1samp(excess, 0).confidence_interval(0.9)
        assert (pair.moves.low, pair.moves.high) == pytest.approx((student.low, student.high))
        sums = np.array(list(product([-1, 1], repeat=len(moves)))) @ excess
        assert pair.moves.p == pytest.approx(np.mean(np.abs(sums) >= abs(sum(excess)) - 1e-12))
    for name in ("direction_p", "gap_p"):
        assert [getattr(pair, name) for pair in audit.pairs] == pytest.approx(expected_p[name])
        holm = multipletests(expected_p[name], method="holm")[1]
        assert [getattr(pair, f"adjusted_{name}") for pair in audit.pairs] == pytest.approx(holm)
    assert [pair.control.p for pair in audit.pairs] == pytest.approx(expected_p["excess"])
    holm = multipletests(expected_p["excess"], method="holm")[1]
    assert [pair.control.adjusted_p for pair in audit.pairs] == pytest.approx(holm)
    # Over all groups each text counts once, and there is no test.
    assert audit.flips.n == len(flips_of_text)
    assert audit.flips.rate == pytest.approx(np.mean([np.mean(flips) for flips in flips_of_text.values()]))
    assert np.isnan(audit.control.p)
    counts = [sum(group == name for group in named.values()) for name in ("a", "b", "c", None)]
    assert [audit.mentions[name] for name in "abc"] == counts[:3]
    assert audit.mentions["none"] + audit.mentions["several"] == counts[3]
    assert audit.mentions["several"] == sum("amber" in t and "birch" in t for t in texts) > 0
    assert audit.n_without_control == sum("odd" in text for text, group in named.items() if group)
    assert audit.n_repeated == 0
    changes = {
        text: max(abs(score([replaced(text, g, to)])[0] - score([text])[0]) for to in "abc" if to != g)
        for text, g in named.items()
        if g
    }
    assert [text.text for text in audit.worst] == sorted(changes, key=changes.get, reverse=True)[:5]
    assert [abs(text.change) for text in audit.worst] == pytest.approx(sorted(changes.values())[::-1][:5])


def test_a_model_that_ignores_the_terms_never_flips():
    audit = counterfactual_audit(lambda texts: ["kind" in t for t in texts], random_texts(TWO, 40), TWO)
    [pair] = audit.pairs
    assert (pair.flips.rate, pair.flips.low, pair.only_group, pair.only_other) == (0, 0, 0, 0)
    assert 0 < pair.flips.high < 0.15
    assert (pair.direction_p, pair.gap, pair.gap_p, pair.control.excess) == (1, 0, 1, 0)
    assert pair.control.low < 0 < pair.control.high
    assert np.isnan(pair.gap_low)  # no zero width: that the gaps are all 0 says nothing of their spread
    assert "the gaps of all texts are the same" in pair.reason
    assert audit.worst == ()


def test_a_model_of_one_term_flips_one_way():
    texts = ["she is kind", "he is late", "she is late", "he came"]
    [pair] = counterfactual_audit(lambda texts: ["she" in t.split() for t in texts], texts, TWO).pairs
    assert (pair.flips.rate, pair.only_group, pair.only_other, pair.gap) == (1, 4, 0, 1)
    assert pair.direction_p == binomtest(4, 4).pvalue == 0.125


def test_the_order_of_groups_turns_the_sign():
    turned = TermSwapper(dict(reversed(TWO.groups.items())))
    texts = random_texts(TWO, 60)
    [one], [other] = (counterfactual_audit(score, texts, swapper).pairs for swapper in (TWO, turned))
    assert (one.group, one.other) == (other.other, other.group) == ("female", "male")
    assert one.gap == pytest.approx(-other.gap)
    assert (one.gap_low, one.gap_high) == pytest.approx((-other.gap_high, -other.gap_low))
    assert (one.only_group, one.only_other, one.direction_p) == (
        other.only_other,
        other.only_group,
        other.direction_p,
    )
    assert one.flips.rate == other.flips.rate
    assert one.control.excess == other.control.excess


def test_a_control_that_leaves_texts_alone_is_counted_as_such():
    texts = random_texts(TWO, 40)
    audit = counterfactual_audit(score, texts, TWO, control=lambda text: text)
    assert audit.control.control_rate == 0
    assert audit.control.excess == audit.flips.rate > 0
    assert audit.n_unchanged_controls == len(set(texts) & {t for t in texts if TWO.pairs([t])})
    assert "left as they are" in str(audit)


def test_the_control_of_the_swapper_stays_in_the_group():
    texts = random_texts(TWO, 40)
    seen: list[str] = []

    def model(asked: list[str]) -> list[float]:
        seen.extend(asked)
        return score(asked)

    auto = counterfactual_audit(model, texts, TWO)
    assert {TWO.control(text) for text in texts if TWO.pairs([text])} - {None} <= set(seen)
    assert auto.control.n == auto.flips.n  # every term has another of its kind
    assert (
        counterfactual_audit(score, texts, TWO, control=TWO.control).to_dict()["pairs"]
        == auto.to_dict()["pairs"]
    )


def test_scores_that_move_either_way_have_no_gap():
    # As the one group half of the texts score high, as the other the other half: the gap is 0 and p is 1.
    texts = [f"she is {word} {other}" for word in WORDS for other in ("late", "odd")]
    model = lambda texts: [0.9 if ("she" in t.split()) == ("late" in t) else 0.1 for t in texts]  # noqa: E731
    audit = counterfactual_audit(model, texts[:6], TWO, control=lambda text: f"{text} again")
    [pair] = audit.pairs
    assert pair.gap == pytest.approx(0)
    assert (pair.gap_p, pair.direction_p) == (1, 1)
    assert (pair.moves.move, pair.moves.control_move, pair.moves.p) == (pytest.approx(0.8), 0, 2 / 2**6)
    assert audit.moves.p == pair.moves.p
    assert "Moves of scores beside those of the control" in str(audit)


# --- what is asked -----------------------------------------------------------------------------------------


class Recorder:
    """A callable that counts how often it is asked, and what."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, texts: list[str]) -> list[float]:
        self.calls.append(texts)
        return score(texts)


def test_each_distinct_text_is_asked_once_and_known_before():
    texts = ["she is kind", "he is kind", "she is kind", "it rains", "a man and a woman"]
    model = Recorder()
    audit = counterfactual_audit(model, texts, TWO)
    [asked] = model.calls
    assert (
        len(set(asked)) == len(asked) == audit.n_asked == 4
    )  # two texts, which are each other's, two controls
    assert asked == counterfactual_texts(texts, TWO)
    assert audit.n_repeated == 1
    assert "Repeats of an earlier text among them: 1." in str(audit)
    assert counterfactual_texts(texts, TWO, control=None) == asked[:2]


def test_a_text_is_asked_again_where_that_is_the_control():
    texts = ["she is kind", "he is late", "she is kind", "it rains"]
    calls: list[list[str]] = []

    def model(asked: list[str]) -> list[bool]:
        calls.append(asked)
        return [len(calls) == 1 or "late" in text for text in asked]

    audit = counterfactual_audit(model, texts, TWO, control="repeat")
    assert calls[1] == ["she is kind", "he is late"]
    assert counterfactual_texts(texts, TWO, control="repeat") == calls[0] + calls[1]
    assert audit.control.control_rate == pytest.approx(2 / 3)  # the kind ones, of which there are two
    assert "the same text asked again flips 66.7%" in audit.verdict


@pytest.mark.parametrize(
    "make", [list, tuple, np.array, pd.Series, pl.Series], ids=lambda make: make.__module__
)
def test_texts_come_in_any_container(make):
    texts = random_texts(TWO, 30)
    model = fitted(LogisticRegression())
    expected = counterfactual_audit(model, texts, TWO).to_dict()
    assert counterfactual_audit(model, make(texts), TWO).to_dict() == expected


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_other_columns_stay_with_their_row(make):
    table = make({"age": [20, 60, 60], "comment": ["she is kind", "she is kind", "he is late"]})

    class Model:
        classes_ = np.array([0, 1])

        def predict(self, X: Any) -> np.ndarray:
            assert type(X) is make
            return np.array(
                [age > 40 and "she" in text for age, text in zip(X["age"], X["comment"], strict=True)]
            ).astype(int)

    audit = counterfactual_audit(Model(), table, TWO, text="comment")
    assert audit.flips.rate == pytest.approx(2 / 3)
    assert type(counterfactual_texts(table, TWO, text="comment")) is make
    assert type(audit.frame()) is make
    # A callable is given texts, and nothing of the other columns.
    assert (
        counterfactual_audit(lambda texts: ["she" in t for t in texts], table, TWO, text="comment").flips.rate
        == 1
    )
    with pytest.raises(ValueError, match="X has several columns"):
        counterfactual_audit(Model(), table, TWO)


def test_a_pipeline_over_a_frame():
    texts = random_texts(TWO, 60)
    table = pd.DataFrame({"comment": texts, "age": np.arange(60)})
    features = make_column_transformer((CountVectorizer(), "comment"), ("passthrough", ["age"]))
    model = make_pipeline(features, LogisticRegression(max_iter=5000)).fit(table, labels(texts))
    audit = counterfactual_audit(model, table, TWO, text="comment")
    assert audit.response == "predict_proba"
    assert audit.pairs[0].gap > 0


# --- models ------------------------------------------------------------------------------------------------


def labels(texts: list[str]) -> np.ndarray:
    return (np.array(score(texts)) > 0.5).astype(int)


def fitted(model: Any, **to: Any) -> Any:
    texts = random_texts(TWO, 120, seed=5)
    y = labels(texts)
    return make_pipeline(CountVectorizer(), model).fit(texts, np.array(to["names"])[y] if to else y)


TEXTS = random_texts(TWO, 50, seed=1)


def test_scores_of_a_classifier_are_those_of_the_positive_label():
    model = fitted(LogisticRegression(), names=["fine", "toxic"])
    [second] = counterfactual_audit(model, TEXTS, TWO).pairs
    [first] = counterfactual_audit(model, TEXTS, TWO, pos_label="fine").pairs
    assert first.gap == pytest.approx(-second.gap)
    assert (first.only_group, first.only_other) == (second.only_other, second.only_group)
    by_hand = counterfactual_audit(lambda texts: model.predict_proba(texts)[:, 1], TEXTS, TWO)
    assert by_hand.pairs[0].gap == second.gap
    assert by_hand.pairs[0].only_group == second.only_group
    with pytest.raises(ValueError, match="pos_label='rude' is not one of the classes"):
        counterfactual_audit(model, TEXTS, TWO, pos_label="rude")


def test_scores_come_from_decision_functions_or_decisions():
    model = fitted(LinearSVC())
    audit = counterfactual_audit(model, TEXTS, TWO)
    assert (audit.response, audit.decided_by) == ("decision_function", "predict")
    by_hand = counterfactual_audit(model.decision_function, TEXTS, TWO, threshold=0)
    assert by_hand.pairs[0].gap == audit.pairs[0].gap
    assert by_hand.pairs[0].flips.rate == audit.pairs[0].flips.rate
    decisions = counterfactual_audit(model, TEXTS, TWO, response_method="predict")
    [pair] = decisions.pairs
    assert pair.gap == pytest.approx((pair.only_group - pair.only_other) / pair.n)


def test_one_of_several_classes_is_compared_with_the_rest():
    texts = random_texts(TWO, 120, seed=5)
    y = np.array(["good", "fair", "bad"])[np.digitize(score(texts), [0.4, 0.7])]
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, y)
    with pytest.raises(ValueError, match=r"y has 3 classes, .*: name the positive one with pos_label="):
        counterfactual_audit(model, TEXTS, TWO)
    audit = counterfactual_audit(model, TEXTS, TWO, pos_label="fair")
    column = model.classes_.tolist().index("fair")
    by_hand = counterfactual_audit(
        lambda texts: model.predict_proba(texts)[:, column], TEXTS, TWO, threshold=0.5
    )
    assert audit.pairs[0].gap == by_hand.pairs[0].gap
    answers = counterfactual_audit(lambda texts: model.predict(texts), TEXTS, TWO, pos_label="fair")
    assert audit.pairs[0].only_group == answers.pairs[0].only_group
    assert answers.decided_by == "labels"


def test_decisions_are_those_of_predict_unless_a_threshold_is_given():
    inner = fitted(LogisticRegression())
    model = FixedThresholdClassifier(inner, threshold=0.8).fit(TEXTS, labels(TEXTS))
    audit = counterfactual_audit(model, TEXTS, TWO)
    moved = counterfactual_audit(model, TEXTS, TWO, threshold=0.8)
    half = counterfactual_audit(model, TEXTS, TWO, threshold=0.5)
    assert audit.flips.rate == moved.flips.rate != half.flips.rate
    assert (audit.decided_by, moved.decided_by) == ("predict", "threshold")
    assert "positive from 0.8 on" in str(moved)


def test_a_classifier_is_asked_for_what_is_needed_once():
    class Counting(DummyClassifier):
        asked: list[tuple[str, int]] = []

        def predict(self, X: Any) -> Any:
            self.asked.append(("predict", len(X)))
            return super().predict(X)

        def predict_proba(self, X: Any) -> Any:
            self.asked.append(("predict_proba", len(X)))
            return super().predict_proba(X)

    model = Counting().fit(TEXTS, labels(TEXTS))
    n = len(counterfactual_texts(TEXTS, TWO))
    counterfactual_audit(model, TEXTS, TWO)
    assert sorted(Counting.asked) == [("predict", n), ("predict_proba", n)]
    Counting.asked.clear()
    counterfactual_audit(model, TEXTS, TWO, threshold=0.5)
    counterfactual_audit(model, TEXTS, TWO, response_method="predict")
    assert [method for method, _ in Counting.asked] == ["predict_proba", "predict"]
    Counting.asked.clear()
    make_counterfactual_scorer(TWO)(model, TEXTS)
    make_counterfactual_scorer(TWO, statistic="score_gap")(model, TEXTS)
    assert [method for method, _ in Counting.asked] == ["predict", "predict_proba"]


def test_thresholds_per_group_follow_who_is_named():
    # Each group has a threshold of its own, and the rewritten text is decided by the other group's.
    texts = random_texts(TWO, 200, seed=2)
    model = GroupThresholdOptimizer(
        make_pipeline(CountVectorizer(), LogisticRegression()),
        constraint="demographic_parity",
        max_difference=0.2,
        sensitive_features=TWO.mentioned,
        min_group_size=10,
    ).fit(texts, labels(texts))
    audit = counterfactual_audit(model, TEXTS, TWO)
    pairs = TWO.pairs(TEXTS)
    before, after = (model.predict([getattr(p, name) for p in pairs]) for name in ("text", "counterfactual"))
    assert audit.flips.rate == pytest.approx(np.mean(before != after))


def test_a_regressor_has_gaps_and_no_flips():
    texts = random_texts(TWO, 80)
    model = make_pipeline(CountVectorizer(), LinearRegression()).fit(texts, np.array(score(texts)) * 100)
    audit = counterfactual_audit(model, texts, TWO)
    assert audit.decided_by is None
    assert audit.pairs[0].gap > 5
    assert np.isnan(audit.flips.rate)
    assert "no decision that could flip" in audit.verdict
    assert re.search(
        r"scores of the \d+ texts with a control move by [\d.]+, and by [\d.]+ with", audit.verdict
    )
    assert "how far scores move says nothing" in counterfactual_audit(model, texts, TWO, control=None).verdict
    assert "flips" not in str(audit).splitlines()[0]
    with_decisions = counterfactual_audit(model, texts, TWO, threshold=50)
    assert with_decisions.flips.rate > 0
    with pytest.raises(ValueError, match="A regressor has no classes"):
        counterfactual_audit(model, texts, TWO, pos_label=1)


def test_scores_on_another_scale_need_a_threshold_to_flip():
    def logits(texts: list[str]) -> np.ndarray:
        return np.log(np.array(score(texts)) / (1 - np.array(score(texts))))

    assert counterfactual_audit(logits, TEXTS, TWO).decided_by is None
    at_zero = counterfactual_audit(logits, TEXTS, TWO, threshold=0)
    assert at_zero.flips.rate == counterfactual_audit(score, TEXTS, TWO).flips.rate > 0


@pytest.mark.parametrize("answer", [None, float("nan"), pd.NA])
def test_a_model_that_does_not_answer(answer):
    texts = [f"she is {word}" for word in WORDS] + [f"he is {word}" for word in WORDS[:4]] + ["he said no"]

    def model(texts: list[str]) -> list[Any]:
        def refuses(text: str) -> bool:
            return (text.startswith("she is") and text[7:] in WORDS[:3]) or "no" in text

        return [answer if refuses(text) else float("kind" in text) for text in texts]

    audit = counterfactual_audit(model, texts, TWO)
    [pair] = audit.pairs
    assert (pair.n, pair.refused_group, pair.refused_other, pair.refused_both) == (4, 6, 0, 1)
    assert pair.refusal_p == binomtest(6, 6).pvalue == pair.adjusted_refusal_p
    assert pair.gap == 0
    assert "does not answer 6 texts only as female, 0 only as male, 1 as both" in str(audit)
    labelled = counterfactual_audit(
        lambda texts: [v if v is answer else "yes" if v else "no" for v in model(texts)],
        texts,
        TWO,
        pos_label="yes",
    )
    assert (labelled.pairs[0].n, labelled.pairs[0].refused_group) == (4, 6)


def test_a_classifier_that_abstains():
    class Abstaining:
        classes_ = np.array(["no", "yes"])

        def predict(self, X: list[str]) -> np.ndarray:
            return np.array(["refused" if "she" in x else "yes" if "kind" in x else "no" for x in X])

        def predict_proba(self, X: list[str]) -> np.ndarray:
            p = np.array([np.nan if "she" in x else 0.7 for x in X])
            return np.column_stack([1 - p, p])

    for options in ({}, {"threshold": 0.5}, {"response_method": "predict"}):
        audit = counterfactual_audit(Abstaining(), ["she is kind", "he is late"], TWO, **options)
        assert (audit.pairs[0].n, audit.pairs[0].refused_group) == (0, 2)
        assert audit.pairs[0].reason == "the model answers to both versions of no text"
        assert "there is nothing to compare" in audit.verdict


@pytest.mark.parametrize("unanswered", ["error", "abstain", "nan"])
@pytest.mark.parametrize("options", [{}, {"threshold": 0.5}, {"response_method": "predict"}], ids=str)
def test_a_language_model_is_asked_once_and_may_refuse(unanswered, options):
    calls: list[list[str]] = []

    def untied(texts: list[str]) -> np.ndarray:
        return np.array(score(texts)) * 0.999  # none is .5, where argmax and a threshold differ

    def scorer(prompts: list[str], answers: list[str]) -> np.ndarray:
        calls.append(list(prompts))
        yes = untied([prompt.removeprefix("Is it so? ") for prompt in prompts])
        refused = ["lady" in prompt for prompt in prompts]
        return np.where(np.array(refused)[:, None], -np.inf, np.log(np.column_stack([1 - yes, yes])))

    model = LLMClassifier(
        scorer, prompt="Is it so? {text}", answers={"no": " no", "yes": " yes"}, unanswered=unanswered
    ).fit()
    audit = counterfactual_audit(model, TEXTS, TWO, **options)
    [asked] = calls
    assert asked == [f"Is it so? {text}" for text in counterfactual_texts(TEXTS, TWO)]
    assert model.cost(counterfactual_texts(TEXTS, TWO)).calls == len(asked)
    assert model.get_params()["scorer"] is scorer
    assert model.unanswered == unanswered
    by_hand = counterfactual_audit(
        lambda texts: [None if "lady" in t else p for t, p in zip(texts, untied(texts), strict=True)],
        TEXTS,
        TWO,
    )
    [pair], [expected] = audit.pairs, by_hand.pairs
    assert pair.refused_group == expected.refused_group > 0 == pair.refused_other
    assert (pair.only_group, pair.only_other, pair.n) == (
        expected.only_group,
        expected.only_other,
        expected.n,
    )
    if options != {"response_method": "predict"}:
        assert pair.gap == pytest.approx(expected.gap)
    assert counterfactual_audit(FrozenEstimator(model), TEXTS, TWO, **options).to_dict() == audit.to_dict()
    scorer_of_gap = make_counterfactual_scorer(TWO, statistic="score_gap")
    assert scorer_of_gap(model, TEXTS) == pytest.approx(-abs(expected.gap))


@pytest.mark.parametrize("unanswered", ["error", "abstain"])
def test_refusals_inside_a_wrapper_are_said_not_to_be_counted(unanswered):
    def scorer(prompts: list[str], answers: list[str]) -> np.ndarray:
        yes = np.array(score(list(prompts)))
        return np.log(np.column_stack([1 - yes, yes]))

    inner = LLMClassifier(
        scorer, prompt="{text}", answers={"no": " no", "yes": " yes"}, unanswered=unanswered
    ).fit()
    said = "inside are answered as its unanswered='abstain' says, and not counted: audit it alone"
    averager = CounterfactualAverager(inner, TWO).fit(TEXTS)
    y = np.where(labels(TEXTS), "yes", "no")
    thresholds = GroupThresholdOptimizer(
        FrozenEstimator(averager),
        constraint="demographic_parity",
        max_difference=0.5,
        sensitive_features=TWO.mentioned,
        min_group_size=1,
    ).fit(TEXTS, y)
    for model in (averager, FrozenEstimator(averager), thresholds):
        audit = counterfactual_audit(model, TEXTS, TWO)
        assert audit.abstains_inside == (said in str(audit)) == (unanswered == "abstain")
    for model in (inner, FrozenEstimator(inner), fitted(LogisticRegression()), score):
        audit = counterfactual_audit(model, TEXTS, TWO)
        assert not audit.abstains_inside
        assert said not in str(audit)

    class Endless:
        """An object that has any attribute."""

        def __getattr__(self, name: str) -> Any:
            return Endless()

    assert not abstains_inside(Endless())


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        (3, {}, TypeError, r"model must be a fitted classifier or regressor of texts, or a callable.*got 3"),
        (lambda texts: np.zeros((len(texts), 2)), {}, ValueError, r"shape \(.*, 2\) .* return one"),
        (lambda texts: [0.5], {}, ValueError, r"shape \(1,\) for .* texts"),
        (
            lambda texts: [{"label": "x"}] * len(texts),
            {},
            TypeError,
            r"a number or a label per text; it retu",
        ),
        (lambda texts: [np.inf] * len(texts), {}, ValueError, r"infinite scores for 12 of 12 texts"),
        (lambda texts: ["a"] * len(texts), {}, ValueError, r"gives labels, 'a': name the positive one"),
        (lambda texts: ["a"] * len(texts), {"pos_label": "b"}, ValueError, r"pos_label='b' never occurs"),
        (lambda texts: ["a"] * len(texts), {"pos_label": "a", "threshold": 1}, ValueError, r"leave it out"),
        (score, {"threshold": "x"}, ValueError, r"threshold must be a finite number or None; got 'x'"),
        (score, {"response_method": "predict"}, ValueError, r"is for estimators"),
        (score, {"response_method": "proba"}, ValueError, r"response_method"),
        (score, {"control": "synonyms"}, ValueError, r"control must be 'auto', 'repeat', a callable"),
        (
            score,
            {"control": lambda text: 3},
            TypeError,
            r"control must return a text.* for 4 of 4 texts .* 3",
        ),
        (score, {"confidence": 95}, ValueError, r"confidence must lie between 0 and 1"),
        (score, {"n_resamples": 0}, ValueError, r"n_resamples must be at least 1"),
        (make_pipeline(TfidfVectorizer(), LogisticRegression()), {}, Exception, r"not fitted"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_asked_is_refused(model, options, error, message):
    texts = ["she is kind", "he is late", "a lady came", "the man left"]
    with pytest.raises(error, match=message):
        counterfactual_audit(model, texts, TWO, **options)


def test_messages_stay_short():
    for options in (
        {"pos_label": "x" * 10_000},
        {"response_method": "x" * 10_000},
        {"control": "x" * 10_000},
    ):
        with pytest.raises(ValueError, match=r"\w") as caught:
            counterfactual_audit(lambda texts: ["y" * 10_000] * len(texts), ["she"], TWO, **options)
        assert len(str(caught.value)) < 2000


# --- swappers ----------------------------------------------------------------------------------------------


@dataclass
class Pair:
    row: int
    source: str
    target: str
    text: str
    counterfactual: str


class Prefixes:
    """A swapper of one's own: a text is about whom its first word names."""

    group_names = ("x", "y")

    def mentioned(self, texts: list[str]) -> np.ndarray:
        return np.array([text[0] if text[:2] in ("x ", "y ") else "none" for text in texts], dtype=object)

    def pairs(self, texts: list[str]) -> list[Pair]:
        other = {"x": "y", "y": "x"}
        return [
            Pair(i, text[0], other[text[0]], text, other[text[0]] + text[1:])
            for i, text in enumerate(texts)
            if text[:2] in ("x ", "y ")
        ]


def test_anything_that_makes_pairs_is_a_swapper():
    texts = ["x is kind", "y is late", "z is odd"]
    audit = counterfactual_audit(lambda t: [text[0] == "x" for text in t], texts, Prefixes(), control=None)
    assert (audit.pairs[0].only_group, audit.flips.rate) == (2, 1)
    assert dict(audit.mentions) == {"x": 1, "y": 1, "none": 1, "several": 0}
    with pytest.raises(
        ValueError, match="control='auto' needs a swapper with a method control, and Prefixes"
    ):
        counterfactual_audit(score, texts, Prefixes())
    with pytest.raises(TypeError, match=r"swapper must be a TermSwapper.* lacks 'group_names', 'pairs'"):
        counterfactual_audit(score, texts, {"female": ["she"]})


@pytest.mark.parametrize(
    ("texts", "n", "said"),
    [
        ([], 0, "No text names exactly one"),
        (["it rains", "he and she"], 0, "No text names exactly one"),
        (["she is kind"], 1, "one text has no spread"),
        (["she is kind", "he is kind"], 2, "the gaps of all texts are the same"),
    ],
    ids=["none", "not named", "one", "two"],
)
def test_few_texts_have_wide_intervals_or_a_reason(texts, n, said):
    audit = counterfactual_audit(score, texts, TWO)
    [pair] = audit.pairs
    assert (pair.n, audit.flips.n, audit.control.n) == (n, n, n)
    assert said.lower() in str(audit).lower()
    assert np.isnan([pair.gap_low, pair.gap_high]).all()
    if n:
        assert pair.flips.high - pair.flips.low > 0.5
        assert pair.control.high - pair.control.low > 0.5
    else:
        assert np.isnan([pair.flips.rate, pair.direction_p, pair.gap_p, pair.refusal_p, pair.control.p]).all()
        assert pair.reason == "no text names one of them alone"
    assert json.loads(json.dumps(audit.to_dict(), allow_nan=False))["n_texts"] == len(texts)


# --- what is said ------------------------------------------------------------------------------------------


def test_a_verdict_has_its_control_or_says_that_there_is_none():
    texts = [f"she is {word} {other}" for word in WORDS for other in WORDS]
    by_word = counterfactual_audit(
        lambda t: ["she" in text.split() for text in t], texts, TWO, control="repeat"
    )
    assert "flips 100.0% of 36 texts [90.4%, 100.0%]" in by_word.verdict
    assert "an excess of 100.0 points [86.4, 100.0], whose interval is above 0" in by_word.verdict
    assert by_word.verdict.startswith(
        "Decisions go with the group that is named: 36 texts are positive only as female, 0 only as male "
        "(p = 2.9e-11). Exchanging "
    )
    assert "The direction holds all the same" not in by_word.verdict
    unstable = counterfactual_audit(
        lambda t: [sha256(text.encode()).digest()[0] < 128 for text in t], texts, TWO
    )
    assert "includes 0: this is not told from what an edit as large does" in unstable.verdict
    assert "Flips are not told to go one way more than the other: " in unstable.verdict
    both = counterfactual_audit(
        lambda t: ["she" in text.split() for text in t],
        texts,
        TWO,
        control=lambda text: text.replace("she", "it"),
    )
    assert both.verdict.startswith("Decisions go with the group that is named: 36 texts")
    assert "The direction holds all the same: an edit that has to do with no group" in both.verdict
    assert "words which the model does not know takes the term away" in both.verdict
    assert "The direction holds all the same" not in unstable.verdict
    without = counterfactual_audit(score, texts, TWO, control=None)
    unknown = "what an edit as large within a group does is not known."
    assert f"There is no control: {unknown}" in without.verdict
    without = counterfactual_audit(lambda t: ["kind" in text for text in t], texts, TWO, control=None)
    assert f"{unknown} Any edit flips some decisions, so flips say little of groups." in without.verdict
    none = counterfactual_audit(score, texts, TWO, control=lambda text: None)
    assert f"No text has a control: {unknown}" in none.verdict
    moved = counterfactual_audit(
        lambda t: ["again" not in text for text in t], texts, TWO, control=lambda text: f"{text} again"
    )
    assert "whose interval is below 0" in moved.verdict
    for audit in (by_word, unstable, without, none, moved):
        assert "bias" not in str(audit).lower()


def of_women(texts: list[str]) -> list[bool]:
    return [bool({"she", "woman", "lady"} & set(text.split())) for text in texts]


#: Twelve texts of two terms: one direction of all has p = 2 * 2 ** -12 by McNemar's test.
TWELVE = [f"the {who} is {word}" for who in ("woman", "man") for word in WORDS]


def test_a_verdict_begins_with_refusals_where_they_go_one_way():
    said = (
        "Refusals go with the group that is named: 12 texts are not answered only as female, 0 only as male "
        "(p = 4.9e-04). What follows leaves these texts out. "
    )
    audit = counterfactual_audit(lambda texts: [None if her else 0.3 for her in of_women(texts)], TWELVE, TWO)
    assert audit.verdict.startswith(f"{said}The model answers to both versions of no text")
    some = [*TWELVE, "the woman is new", "the man is old"]
    model = lambda texts: [  # noqa: E731
        None if her and not {"new", "old"} & set(text.split()) else 0.3
        for text, her in zip(texts, of_women(texts), strict=True)
    ]
    assert counterfactual_audit(model, some, TWO).verdict.startswith(
        f"{said}Exchanging the terms of female and male flips 0.0% of 2 texts"
    )
    assert "Refusals" not in counterfactual_audit(model, some, TWO, confidence=0.9999).verdict
    both_ways = lambda texts: [None if "warm" in text or "odd" in text else 0.3 for text in texts]  # noqa: E731
    assert "Refusals" not in counterfactual_audit(both_ways, TWELVE, TWO).verdict
    groups = counterfactual_audit(
        lambda texts: [None if "a" in text.split() else 0.3 for text in texts],
        [f"{who} {word}" for who in "ab" for word in WORDS],
        TermSwapper({"x": ["a"], "y": ["b"], "z": ["c"]}),
        control=None,
    )
    # 12 texts of x and y, 6 of x and z: p = 2 ** -11 and 2 ** -5, by Holm times 3 and 2; y and z have none.
    assert groups.verdict.startswith(
        "Refusals go with the group that is named: 12 texts are not answered only as x, 0 only as y "
        "(adjusted p = 0.001)"
    )


def test_a_verdict_has_the_gap_of_scores_where_no_decision_flips():
    def model(texts: list[str]) -> list[float]:
        scores = zip(texts, of_women(texts), strict=True)
        return [0.6 + 0.01 * WORDS.index(text.split()[-1]) * her - 0.2 * her for text, her in scores]

    audit = counterfactual_audit(model, TWELVE, TWO, threshold=0.1)
    gaps = [0.01 * i - 0.2 for i in range(6)] * 2
    low, high = ttest_1samp(gaps, 0).confidence_interval(0.95)
    assert audit.verdict.endswith(
        "only as male (p = 1.000). Scores differ all the same: the score as female minus that as male is "
        f"-0.175 [{low:+.3f}, {high:+.3f}] on average (p = 4.9e-04)."
    )
    assert "Scores differ" not in counterfactual_audit(model, TWELVE, TWO, threshold=0.5).verdict
    alike = counterfactual_audit(lambda texts: [0.01 * len(text) for text in texts], ["she won"], TWO)
    assert "Scores differ" not in alike.verdict


def test_a_direction_names_the_positive_label():
    model = lambda texts: np.where(of_women(texts), "urgent", "wait").tolist()  # noqa: E731
    for label, said in (
        ("urgent", "12 texts are 'urgent' only as female, 0 only as male"),
        (np.str_("wait"), "0 texts are 'wait' only as female, 12 only as male"),
    ):
        audit = counterfactual_audit(model, TWELVE, TWO, pos_label=label)
        assert audit.verdict.startswith(f"Decisions go with the group that is named: {said} (p =")

    class Second:
        """By default the positive label is the second of two classes."""

        def __init__(self, classes: list[Any]) -> None:
            self.classes_ = np.array(classes)

        def predict(self, X: list[str]) -> np.ndarray:
            return self.classes_[np.array(of_women(X), dtype=int)]

    for classes, said in (
        (["calm", "urgent"], "'urgent'"),
        ([2, 3], "of class 3"),
        ([0, 1], "positive"),
        ([False, True], "positive"),
    ):
        audit = counterfactual_audit(Second(classes), TWELVE, TWO)
        assert f"12 texts are {said} only as female" in audit.verdict
    never = counterfactual_audit(lambda texts: ["x", *["y"] * (len(texts) - 1)], TWELVE, TWO, pos_label="y")
    assert "'y' only as female" in never.verdict  # where no direction is told, too


def test_why_texts_have_no_control_is_said():
    why = "(a text has a control only if each of its terms has one)"
    swapper = TermSwapper(
        {"female": ["she", "woman", "lady"], "male": ["he", "man", "gentleman"]}, kinds=["p", "n", "n"]
    )
    pronouns = [f"{who} is {word}" for who in ("she", "he") for word in WORDS]
    none = counterfactual_audit(of_women, pronouns, swapper).verdict
    assert none.startswith("Decisions go with the group that is named: ")
    assert none.endswith(
        f"No text has a control {why}: what an edit as large within a group does is not known."
    )
    some = counterfactual_audit(of_women, pronouns + TWELVE, swapper).verdict
    assert f"It flips 100.0% of the 12 texts with a control {why}, and the control flips 0.0%" in some
    assert why not in counterfactual_audit(of_women, TWELVE, swapper).verdict
    model = lambda texts: [None if "again" in text else 0.3 for text in texts]  # noqa: E731
    silent = counterfactual_audit(model, TWELVE, TWO, control=lambda text: f"{text} again")
    assert "No text is answered in both versions and in its control: what an edit" in silent.verdict


def test_a_control_of_unknown_words_does_not_hide_the_direction():
    """A bag of words that counts wife as 1 and does not know wifey: both edits flip, one way."""
    known = {"wife", "girlfriend", "mother", "sister"}
    model = lambda texts: [bool(known & set(text.split())) for text in texts]  # noqa: E731
    who = ["wife", "husband", "mother", "father"]
    texts = [f"my {a} is {b} {c}" for a, b, c in product(who, WORDS, WORDS)]
    kin = {"female": ["wife", "wifey", "mother", "mommy"], "male": ["husband", "hubby", "father", "daddy"]}
    unfair = counterfactual_audit(model, texts, TermSwapper(kin, kinds=["a", "a", "b", "b"]))
    # All 144 texts flip; of their controls the 72 of women do. 144 coins fall one way with 2 ** -143.
    assert (unfair.control.flip_rate, unfair.control.control_rate) == (1.0, 0.5)
    only_women = [text for text in texts if "wife" in text or "mother" in text]
    hidden = counterfactual_audit(model, only_women, TermSwapper(kin, kinds=["a", "a", "b", "b"]))
    assert (hidden.control.excess, hidden.pairs[0].only_group, hidden.pairs[0].only_other) == (0.0, 72, 0)
    assert hidden.verdict.startswith("Decisions go with the group that is named: 72 texts")
    assert "whose interval includes 0" in hidden.verdict
    assert hidden.verdict.index("includes 0") < hidden.verdict.index("does not know takes the term away")
    # What was compared can be read, where texts are kept.
    shown = hidden.worst[0]
    assert (shown.text, shown.control) == ("my wife is warm warm", "my wifey is warm warm")
    assert (shown.score, shown.counterfactual_score, shown.control_score) == (1.0, 0.0, 0.0)
    assert "control (0.000): my wifey is warm warm" in str(hidden)
    without = counterfactual_audit(model, only_women, TermSwapper(kin), keep_texts=False)
    assert without.worst[0].control is None
    assert "wifey" not in str(without)
    assert "wifey" not in json.dumps(without.to_dict())
    fair = counterfactual_audit(model, texts, english_gender())
    assert (fair.control.flip_rate, fair.control.control_rate) == (1.0, 0.0)
    assert "whose interval is above 0" in fair.verdict


def test_what_stands_in_for_what_is_said():
    texts = ["She is kind.", "A lady sings.", "A man came."]
    model = lambda texts: ["sings" in text for text in texts]  # noqa: E731
    every = "every term may stand in for every other one of its group: the swapper tells no kinds apart"
    assert every in str(counterfactual_audit(model, texts, TWO))
    groups = {"female": ["she", "woman", "lady"], "male": ["he", "man", "gentleman"]}
    by_kind = counterfactual_audit(model, texts, TermSwapper(groups, kinds=[None, "noun", "noun"]))
    assert "every term replaced by another of its group and kind; 1 text has none" in str(by_kind)
    assert not by_kind.has_one_kind
    assert every not in str(counterfactual_audit(model, texts, TermSwapper(groups, kinds=[None] * 3)))


def test_a_verdict_over_several_groups():
    texts = random_texts(THREE, 300)
    audit = counterfactual_audit(score, texts, THREE)
    assert audit.verdict.startswith(
        "Decisions go with the group that is named between 2 of 3 pairs of groups: "
    )
    assert " Exchanging the terms of 3 groups flips " in audit.verdict
    assert "averaged over the groups that each is rewritten for" in audit.verdict
    fair = counterfactual_audit(lambda t: ["kind" in text for text in t], texts, THREE)
    assert "Flips are not told to go one way more than the other between any two groups." in fair.verdict


@pytest.mark.parametrize("most", [-1, 1.5, True, "all", None])
def test_how_many_worst_texts_is_a_whole_number(most):
    with pytest.raises(ValueError, match="most_worst must be a whole number, 0 or more; got"):
        counterfactual_audit(score, ["she is kind", "he left"], THREE, most_worst=most)


def test_a_verdict_can_be_printed_whatever_groups_are_called():
    hostile = {"\x1b[31mred\u202e": ["she", "woman"], "he\n" + "x" * 3_000: ["he", "man"]}
    audit = counterfactual_audit(score, ["she is kind", "he is rude", "a woman"], TermSwapper(hostile))
    assert audit.verdict.isprintable()
    assert len(audit.verdict) < 1_500
    silent = counterfactual_audit(
        lambda t: [None if "she" in x else 0.2 for x in t], ["she"], TermSwapper(hostile)
    )
    assert silent.verdict.isprintable()


def test_texts_are_escaped_shortened_and_left_out():
    swapper = TermSwapper({"<b>she</b>": ["she"], "he\n": ["he"]})
    long = "x " * 5000
    texts = [f"{long} <script>she</script> {long}", "she\x00 <img src=x>", "nobody"]
    audit = counterfactual_audit(lambda t: [0.9 if "she" in text else 0.2 for text in t], texts, swapper)
    page = audit._repr_html_()
    assert "<script>" not in page
    assert "<img" not in page
    assert "<b>she" not in page
    assert "\x00" not in str(audit)
    assert "... x x x" in audit.worst[0].text
    assert "<script>she</script>" in audit.worst[0].text  # shortened to where the versions differ
    assert "<script>he</script>" in audit.worst[0].counterfactual
    assert max(len(text.text) for text in audit.worst) < 200
    assert len(str(audit)) < 5000
    secret = counterfactual_audit(score, texts, swapper, keep_texts=False, control=None)
    rows = counterfactual_audit(
        lambda t: ["she" in text for text in t], texts, swapper, keep_texts=False, control=None
    )
    assert [text.row for text in rows.worst] == [0, 1]
    for result in (secret, rows):
        assert "script" not in json.dumps(result.to_dict()) + str(result) + result._repr_html_()
    assert counterfactual_audit(score, texts, swapper, most_worst=0).worst == ()


def test_a_result_is_complete_and_does_not_change():
    audit = counterfactual_audit(score, random_texts(THREE, 100), THREE)
    record = audit.to_dict()
    assert record["pairs"][1]["control"]["excess"] == audit.pairs[1].control.excess
    assert record["mentions"]["several"] == audit.mentions["several"]
    assert set(record) >= {"verdict", "worst", "flips", "control", "n_asked"}
    frame = audit.frame("pandas")
    assert frame["adjusted_gap_p"].tolist() == [pair.adjusted_gap_p for pair in audit.pairs]
    assert frame[["group", "other"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    again = pickle.loads(pickle.dumps(audit))
    assert str(again) == str(audit)
    assert isinstance(again, CounterfactualAudit)
    assert counterfactual_audit(score, random_texts(THREE, 100), THREE).to_dict() == record
    seeded = counterfactual_audit(
        score, random_texts(THREE, 100), THREE, random_state=np.random.default_rng(0)
    )
    assert seeded.to_dict() == record


def test_a_result_enters_a_report():
    texts = random_texts(TWO, 60)
    audit = counterfactual_audit(score, texts, TWO)
    y = labels(texts)
    report = audit_predictions(y, y, sensitive_features=TWO.mentioned(texts), attached=(audit,))
    assert "Exchanging the terms of female and male" in str(report) + report.to_html()


# --- scorers -----------------------------------------------------------------------------------------------


def test_scores_are_those_of_the_audit():
    for swapper, model in ((TWO, fitted(LogisticRegression())), (THREE, score)):
        texts = random_texts(swapper, 80)
        options = {"threshold": 0.5} if callable(model) else {}
        audit = counterfactual_audit(model, texts, swapper)
        gap = max(abs(pair.gap) for pair in audit.pairs)
        for statistic, value in (
            ("flip_rate", audit.flips.rate),
            ("score_gap", gap),
            ("excess", max(0, audit.control.excess)),
        ):
            scorer = make_counterfactual_scorer(swapper, statistic=statistic, **options)
            assert scorer(model, texts) == pytest.approx(-value), statistic


def test_scorers_in_searches():
    texts = random_texts(TWO, 160)
    y = labels(texts)
    scorers = {
        "accuracy": "accuracy",
        "flips": make_counterfactual_scorer(TWO),
        "gap": make_counterfactual_scorer(TWO, statistic="score_gap"),
        "excess": make_counterfactual_scorer(TWO, statistic="excess"),
    }
    pipeline = make_pipeline(CountVectorizer(), LogisticRegression())
    blind = CountVectorizer(stop_words=sorted(TWO.terms))
    search = GridSearchCV(
        pipeline,
        {"countvectorizer": [CountVectorizer(), blind], "logisticregression__C": [1.0]},
        scoring=scorers,
        refit="gap",
        cv=3,
    ).fit(texts, y)
    assert search.best_params_["countvectorizer"].stop_words is not None
    assert search.cv_results_["mean_test_flips"][1] == 0
    with pytest.warns(UserWarning, match="refuses candidate 0, which has a better accuracy"):
        assert best_under("accuracy", flips=0.01)(search.cv_results_) == 1
    assert search.cv_results_["mean_test_gap"][0] < 0
    alone = cross_validate(pipeline, texts, y, scoring=scorers["flips"], cv=3)
    assert alone["test_score"] == pytest.approx(
        [search.cv_results_[f"split{fold}_test_flips"][0] for fold in range(3)]
    )
    with config_context(enable_metadata_routing=True):
        for scoring in (scorers["flips"], scorers):
            routed = cross_validate(pipeline, texts, y, scoring=scoring, cv=3)
            flips = routed["test_score" if scoring is scorers["flips"] else "test_flips"]
            assert flips == pytest.approx(alone["test_score"])
    frame = pd.DataFrame({"comment": texts, "age": 1.0})
    features = make_column_transformer((CountVectorizer(), "comment"), ("passthrough", ["age"]))
    by_column = make_counterfactual_scorer(TWO, text="comment")
    scores = cross_validate(make_pipeline(features, LogisticRegression()), frame, y, scoring=by_column, cv=3)
    assert scores["test_score"] == pytest.approx(alone["test_score"], abs=0.1)


def test_a_scorer_can_be_copied_and_says_how_it_was_made():
    scorer = make_counterfactual_scorer(TWO, statistic="excess", pos_label=0, control="repeat")
    copied = pickle.loads(pickle.dumps(scorer))
    assert copied == scorer == clone(scorer, safe=False)
    assert repr(scorer).startswith("make_counterfactual_scorer(TermSwapper({'female': ['she', 'woman'")
    assert repr(scorer).endswith("statistic='excess', pos_label=0, control='repeat')")
    assert "statistic" not in repr(make_counterfactual_scorer(TWO))


def test_what_cannot_be_scored():
    with pytest.warns(UserWarning, match="flip_rate is not known.* Of 2 texts 0 name exactly one group"):
        assert np.isnan(make_counterfactual_scorer(TWO)(fitted(LogisticRegression()), ["rain", "he or she"]))
    scorer = make_counterfactual_scorer(TWO, statistic="excess", control=lambda text: None)
    with pytest.warns(UserWarning, match="no text that has a control"):
        assert np.isnan(scorer(fitted(LogisticRegression()), TEXTS))
    with pytest.raises(ValueError, match="this model gives scores alone: give a threshold"):
        make_counterfactual_scorer(TWO)(lambda texts: [3.0] * len(texts), TEXTS)
    with pytest.raises(ValueError, match="statistic='excess' is the flips beyond those of a control"):
        make_counterfactual_scorer(TWO, statistic="excess", control=None)
    with pytest.raises(ValueError, match="statistic"):
        make_counterfactual_scorer(TWO, statistic="flips")
    with pytest.raises(TypeError, match="swapper must be a TermSwapper"):
        make_counterfactual_scorer("she")


def test_no_merit_in_flipping_with_the_control_alone():
    model = lambda texts: [float("again" in text) for text in texts]  # noqa: E731
    scorer = make_counterfactual_scorer(TWO, statistic="excess", control=lambda text: f"{text} again")
    assert counterfactual_audit(model, TEXTS, TWO, control=scorer.control).control.excess == -1
    assert scorer(model, TEXTS) == 0


# ---------------------------------------------------------------- tables and models of texts alone


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, np.array], ids=["pandas", "polars", "numpy"])
@pytest.mark.parametrize("options", [{}, {"threshold": 0.5}, {"response_method": "predict"}], ids=str)
@pytest.mark.parametrize(
    "classifier", [LogisticRegression(), LinearSVC(), LinearRegression()], ids=["proba", "margin", "number"]
)
def test_a_table_for_a_model_of_texts_alone_is_named(make, options, classifier):
    texts = ["She left.", "He came.", "She came.", "He left."]
    model = make_pipeline(CountVectorizer(), classifier).fit(texts, [1, 0, 1, 0])
    if not hasattr(model, "classes_"):
        options = {}  # a regressor has one response
    columns = {"text": texts, "n": [1, 2, 3, 4], "m": [1, 2, 3, 4]}
    is_array = make is np.array
    table = np.array(list(zip(*columns.values(), strict=True)), dtype=object) if is_array else make(columns)
    with pytest.raises((ValueError, TypeError), match=r"was given the table.*takes texts alone, give it"):
        counterfactual_audit(model, table, TWO, text=0 if is_array else "text", control=None, **options)


@pytest.mark.parametrize("scale", [1, 3])
def test_intervals_of_gaps_of_probabilities_end_where_no_gap_lies(scale):
    scores = {"He won.": 1.0, "She won.": 0.0, "He lost.": 0.9, "She lost.": 0.6}
    swapper = TermSwapper({"male": ["he"], "female": ["she"]})
    audit = counterfactual_audit(
        lambda texts: [scale * scores[text] for text in texts],
        ["He won.", "She lost."],
        swapper,
        control=None,
        threshold=0.5,
    )
    (pair,) = audit.pairs
    raw = ttest_1samp(scale * np.array([1.0, 0.3]), 0).confidence_interval(0.95)
    assert raw.low < -1
    expected = np.clip(raw, -1, 1) if scale == 1 else raw
    assert (pair.gap_low, pair.gap_high) == pytest.approx(tuple(expected))
