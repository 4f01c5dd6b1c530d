"""The association test: counts of splits, effect size, interval, words looked up, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test

from fairsk.text import association_test
from fairsk.text._association import splits

#: Enough for what does not look at the interval.
FEW = 20
WORDS = {
    "X": ["rose", "lily", "iris"],
    "Y": ["wasp", "flea", "moth"],
    "A": ["joy", "love"],
    "B": ["ugly", "evil"],
}


def vectors(n_x: int, n_y: int, *, seed: int = 0, n_features: int = 6, shift: float = 0.0) -> list[Any]:
    """Return random vectors of X, Y, A and B, X moved towards A by that much."""
    rng = np.random.default_rng(seed)
    x, y, a, b = (rng.normal(size=(n, n_features)) for n in (n_x, n_y, 5, 4))
    return [x + shift * a.mean(0), y, a, b]


def associations(x: Any, y: Any, a: Any, b: Any) -> list[float]:
    """Return mean cosine with A minus mean cosine with B, word by word."""

    def cosine(u: Any, v: Any) -> float:
        return float(np.dot(u, v) / np.sqrt(np.dot(u, u) * np.dot(v, v)))

    return [sum(cosine(w, v) for v in a) / len(a) - sum(cosine(w, v) for v in b) / len(b) for w in [*x, *y]]


def enumerated(s: list[float], n_x: int) -> dict[str, float]:
    """Return the p-values by listing all splits."""
    values = np.array(s) - np.mean(s)
    sums = np.array([values[list(chosen)].sum() for chosen in combinations(range(len(s)), n_x)])
    observed, slack = values[:n_x].sum(), 1e-11
    greater, less = np.mean(sums >= observed - slack), np.mean(sums <= observed + slack)
    return {"greater": greater, "less": less, "two-sided": min(1.0, 2 * min(greater, less))}


def embedding(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {word: rng.normal(size=4) for part in WORDS.values() for word in part}


# --- p -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
@pytest.mark.parametrize("sizes", [(2, 2), (2, 7), (7, 2), (5, 6), (8, 8), (4, 12)])
def test_p_is_that_of_all_splits_listed(sizes: tuple[int, int], alternative: Any) -> None:
    sets = vectors(*sizes, seed=sum(sizes), shift=0.3)
    result = association_test(*sets, alternative=alternative, n_resamples=FEW)
    assert result.exact
    assert result.p_value == pytest.approx(enumerated(associations(*sets), sizes[0])[alternative], abs=1e-15)


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
def test_p_is_that_of_scipy(alternative: Any) -> None:
    x, y, a, b = vectors(5, 6, seed=3, shift=0.5)
    s = np.array(associations(x, y, a, b))
    expected = permutation_test(
        (s[:5], s[5:]),
        lambda first, second, axis: first.mean(axis) - second.mean(axis),
        vectorized=True,
        n_resamples=np.inf,
        alternative=alternative,
    )
    result = association_test(x, y, a, b, alternative=alternative, n_resamples=FEW)
    assert result.p_value == pytest.approx(expected.pvalue, abs=1e-12)
    assert result.difference == pytest.approx(expected.statistic)


@given(st.lists(st.integers(-3, 3), min_size=4, max_size=11), st.data())
@settings(max_examples=60, deadline=None)
def test_ties_count_in_both_tails(values: list[int], data: Any) -> None:
    first = data.draw(st.integers(1, len(values) - 1))
    centred = np.array(values, dtype=float) - np.mean(values)
    tails = splits.count_splits(centred, first)
    expected = enumerated(list(map(float, values)), first)
    assert tails.above / tails.total == pytest.approx(expected["greater"], abs=1e-15)
    assert tails.below / tails.total == pytest.approx(expected["less"], abs=1e-15)


def test_many_words_are_counted_by_hand() -> None:
    # 18 words against 18, all of X above all of Y: one split of C(36, 18) is as large, and p is known.
    values = np.concatenate([np.arange(18, 36.0), np.arange(18.0)])
    tails = splits.count_splits(values - values.mean(), 18)
    assert (tails.above, tails.total) == (1, 9_075_135_300)
    assert tails.below == tails.total
    # The lowest of X and the highest of Y, which are neighbours, change places: two splits are as large.
    values[[0, 35]] = values[[35, 0]]
    assert splits.count_splits(values - values.mean(), 18).above == 2


@pytest.mark.parametrize(
    ("n", "first", "counted"),
    [(44, 22, True), (44, 3, True), (45, 22, False), (46, 23, False), (200, 3, True), (200, 100, False)],
)
def test_what_can_be_counted(n: int, first: int, counted: bool) -> None:
    assert splits.can_count(n, first) is counted
    assert splits.can_count(n, n - first) is counted


def test_a_few_words_among_many_are_counted_too() -> None:
    s = np.random.default_rng(1).normal(size=60)
    assert splits.can_count(60, 2)
    tails = splits.count_splits(s - s.mean(), 2)
    assert tails.total == 1770
    assert tails.above / tails.total == pytest.approx(enumerated(s.tolist(), 2)["greater"], abs=1e-15)


def test_random_splits_come_near_all_of_them() -> None:
    s = np.array(associations(*vectors(7, 8, seed=5, shift=0.3)))
    s -= s.mean()
    exact = splits.count_splits(s, 7)
    drawn = splits.draw_splits(s, 7, 20_000, np.random.default_rng(0))
    assert drawn.total == 20_001
    p = exact.p("greater")
    assert drawn.p("greater") == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 20_000))
    assert drawn.above + drawn.below >= drawn.total + 1


def test_random_splits_never_say_that_p_is_zero() -> None:
    values = np.concatenate([np.full(30, 1.0), np.full(30, -1.0)])
    assert splits.draw_splits(values, 30, 99, np.random.default_rng(0)).p("greater") == 1 / 100


def test_random_splits_where_there_are_too_many() -> None:
    result = association_test(*vectors(23, 23), n_resamples=500)
    assert (result.exact, result.n_splits) == (False, 500)
    assert (result.p_value * 501) == pytest.approx(round(result.p_value * 501))
    assert "from 500 random splits" in str(result)


@pytest.mark.parametrize("alternative", ["greater", "two-sided"])
def test_size(alternative: Any) -> None:
    # 6% is three standard errors above 5% with 1,100 tests.
    rng, rejected, n_tests = np.random.default_rng(11), 0, 1_100
    for _ in range(n_tests):
        x, y, a, b = (rng.normal(size=(n, 4)) for n in (5, 6, 3, 3))
        rejected += (
            association_test(x, y, a, b, alternative=alternative, n_resamples=1, random_state=0).p_value
            <= 0.05
        )
    assert 0.02 <= rejected / n_tests <= 0.06


# --- effect size and interval ------------------------------------------------------------------------------


def test_effect_size_by_hand() -> None:
    sets = vectors(4, 3, seed=2)
    s = associations(*sets)
    spread = np.sqrt(sum((value - np.mean(s)) ** 2 for value in s) / (len(s) - 1))
    result = association_test(*sets, n_resamples=FEW)
    assert result.effect_size == pytest.approx((np.mean(s[:4]) - np.mean(s[4:])) / spread)
    assert result.associations == pytest.approx(s)
    assert result.in_x.tolist() == [True] * 4 + [False] * 3
    assert dict(result.sizes) == {"X": 4, "Y": 3, "A": 5, "B": 4}


def test_scale_and_rotation_change_nothing() -> None:
    sets = vectors(6, 5, seed=4, shift=0.2)
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))
    factors = [1e-200, 1e200, 3.0, 0.5]
    changed = [part @ rotation * factor for part, factor in zip(sets, factors, strict=True)]
    first, second = association_test(*sets, n_resamples=200), association_test(*changed, n_resamples=200)
    for name in ("effect_size", "low", "high", "difference"):
        assert getattr(first, name) == pytest.approx(getattr(second, name), rel=1e-9)
    assert first.p_value == second.p_value


def test_targets_or_attributes_in_the_other_order() -> None:
    x, y, a, b = vectors(6, 5, seed=6, shift=0.2)
    result = association_test(x, y, a, b, n_resamples=FEW)
    for other in (
        association_test(y, x, a, b, n_resamples=FEW),
        association_test(x, y, b, a, n_resamples=FEW),
    ):
        assert other.effect_size == pytest.approx(-result.effect_size)
    swapped = association_test(y, x, a, b, alternative="less", n_resamples=FEW)
    assert swapped.p_value == pytest.approx(result.p_value)
    # Without ties, one of the splits alone is counted from both sides: the given one.
    one = 1 / result.n_splits
    assert association_test(y, x, a, b, n_resamples=FEW).p_value == pytest.approx(1 - result.p_value + one)


def bootstrapped(sets: list[Any], n_resamples: int, seed: int) -> list[float]:
    """Return effect sizes of words drawn again, one set after another."""
    rng = np.random.default_rng(seed)
    n_x = len(sets[0])
    effects = []
    for _ in range(n_resamples):
        s = np.array(associations(*(part[rng.integers(0, len(part), len(part))] for part in sets)))
        effects.append((s[:n_x].mean() - s[n_x:].mean()) / s.std(ddof=1))
    return effects


def test_interval_is_that_of_words_drawn_again() -> None:
    sets = vectors(7, 6, seed=7, shift=0.4)
    result = association_test(*sets, n_resamples=20_000, confidence=0.8)
    expected = np.quantile(bootstrapped(sets, 3_000, seed=1), [0.1, 0.9])
    # The standard error of a tenth percentile of 3,000 draws is about .03 here.
    assert [result.low, result.high] == pytest.approx(expected, abs=0.12)
    narrow = association_test(*sets, n_resamples=20_000, confidence=0.5)
    assert result.low < narrow.low < narrow.effect_size < narrow.high < result.high


def test_the_interval_sees_that_attributes_were_chosen() -> None:
    # Both targets are one point each, give or take nothing: over splits it is as clear as can be. But one
    # attribute of three makes all of it.
    rng = np.random.default_rng(0)
    x = np.array([1.0, 0, 0, 0]) + 0.01 * rng.normal(size=(8, 4))
    y = np.array([0, 1.0, 0, 0]) + 0.01 * rng.normal(size=(8, 4))
    a = np.array([[1, 0, 0, 0], [0.4, 0.5, 1, 0], [0.4, 0.5, 0, 1]])
    result = association_test(x, y, a, np.array([[0, 0, 1.0, 0], [0, 0, 0, 1.0]]))
    assert result.p_value == pytest.approx(1 / 12_870)
    assert result.low < 0 < result.high
    assert result.disagree
    assert "They disagree" in str(result)
    agreeing = association_test(x, y, x[:3] + 0.1, y[:3] + 0.1)
    assert not agreeing.disagree
    assert "They disagree" not in str(agreeing)


def test_the_seed_decides() -> None:
    sets = vectors(6, 6)
    first, again, other = (association_test(*sets, n_resamples=300, random_state=seed) for seed in (1, 1, 2))
    assert (first.low, first.high) == (again.low, again.high) != (other.low, other.high)
    drawing = association_test(*sets, n_resamples=300, random_state=np.random.default_rng(1))
    assert (drawing.low, drawing.high) == (first.low, first.high)


def test_what_is_printed_says_what_each_number_conditions_on() -> None:
    text = str(association_test(*vectors(18, 18, shift=0.5), n_resamples=100))
    assert "Association of X (18 words) rather than Y (18) with A (5) rather than B (4)" in text
    assert "all 9,075,135,300 splits of these 36 targets into 18 and 18" in text
    assert "It takes the attributes as given" in text
    assert "targets and attributes are both drawn again (percentiles of 100 draws)" in text
    assert "The 5 next to A and the 5 next to B" in text


# --- words -------------------------------------------------------------------------------------------------


def test_words_are_looked_up_in_a_mapping_or_by_a_function() -> None:
    table = embedding()
    expected = association_test(*([table[word] for word in part] for part in WORDS.values()), n_resamples=FEW)
    asked: list[list[str]] = []

    def encode(texts: list[str]) -> Any:
        asked.append(texts)
        return np.array([table[text] for text in texts])

    class Keyed:  # as gensim's KeyedVectors: asked like a mapping, and none
        def __contains__(self, word: str) -> bool:
            return word in table

        def __getitem__(self, word: str) -> Any:
            return table[word].astype(np.float32)

    for where in (table, encode, Keyed()):
        result = association_test(**WORDS, embedding=where, n_resamples=FEW)  # type: ignore[arg-type]
        assert result.effect_size == pytest.approx(expected.effect_size, rel=1e-6)
        assert result.words == ("rose", "lily", "iris", "wasp", "flea", "moth")
    assert asked == [[word for part in WORDS.values() for word in part]]


@pytest.mark.parametrize("turned", [False, True])
def test_words_are_looked_up_in_the_index_or_the_columns_of_a_frame(turned: bool) -> None:
    table = embedding()
    frame = pd.DataFrame(table).T
    expected = association_test(**WORDS, embedding=table, n_resamples=FEW)
    found = association_test(**WORDS, embedding=frame.T if turned else frame, n_resamples=FEW)
    assert (found.effect_size, found.p_value) == (expected.effect_size, expected.p_value)
    with pytest.raises(ValueError, match=r"no vector for 1 words\. X: 'rose'"):
        association_test(**WORDS, embedding=frame.drop("rose"))


def test_frames_without_the_words_say_how_frames_are_read() -> None:
    frame = pd.DataFrame(embedding()).T
    with pytest.raises(ValueError, match="The words of a frame are its index"):
        association_test(**WORDS, embedding=frame.reset_index(drop=True))
    polars = pl.from_pandas(frame.reset_index())
    with pytest.raises(ValueError, match=r"make a mapping, dict\(zip\(words, vectors\)\)"):
        association_test(**WORDS, embedding=polars)  # type: ignore[arg-type]
    vectors = dict(zip(polars["index"], polars.drop("index").to_numpy(), strict=True))
    assert association_test(**WORDS, embedding=vectors, n_resamples=FEW).sizes["X"] == 3
    with pytest.raises(ValueError, match="1-D array of numbers; got float64 of shape"):
        association_test(**WORDS, embedding=pd.concat([frame, frame.loc[["rose"]]]))


def test_sentences_are_asked_once_each() -> None:
    table = embedding()
    sentences = {name: [f"This is {word}." for word in part] for name, part in WORDS.items()}
    result = association_test(
        **sentences,
        embedding=lambda texts: np.array([table[text[8:-1]] for text in texts]),
        n_resamples=FEW,
    )
    assert result.words[0] == "This is rose."
    assert result.p_value == association_test(**WORDS, embedding=table, n_resamples=FEW).p_value


def test_missing_words_are_named() -> None:
    table = embedding()
    for word in ("moth", "joy"):
        del table[word]
    with pytest.raises(ValueError, match=r"no vector for 2 words\. Y: 'moth'; A: 'joy'\..*missing=\"drop\""):
        association_test(**WORDS, embedding=table)


def test_missing_words_are_left_out_and_told() -> None:
    table = embedding()
    expected = association_test(
        **{**WORDS, "Y": ["wasp", "flea"]}, embedding=table, n_resamples=FEW
    ).effect_size
    without = {word: vector for word, vector in table.items() if word != "moth"}

    def encode(texts: list[str]) -> Any:
        return np.array([without.get(text, np.full(4, np.nan)) for text in texts])

    for where in (without, encode):
        result = association_test(**WORDS, embedding=where, missing="drop", n_resamples=FEW)
        assert dict(result.dropped) == {"X": (), "Y": ("moth",), "A": (), "B": ()}
        assert result.sizes["Y"] == 2
        assert result.effect_size == pytest.approx(expected)
        assert "Left out of Y, without a vector: 1, 'moth'." in str(result)


def test_no_set_may_vanish() -> None:
    table = {word: vector for word, vector in embedding().items() if word not in ("joy", "love")}
    with pytest.raises(ValueError, match="A has 0 words after 2 without a vector were left out"):
        association_test(**WORDS, embedding=table, missing="drop")


# --- what is refused ---------------------------------------------------------------------------------------

GOOD = vectors(3, 3)


def with_x(x: Any) -> Callable[[], Any]:
    return lambda: association_test(x, *GOOD[1:])


def with_words(**changes: Any) -> Callable[[], Any]:
    return lambda: association_test(**{**WORDS, "embedding": embedding(), **changes})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (with_x(np.zeros((3, 6))), ValueError, r"vectors of X are zero.*'X\[0\]', 'X\[1\]', 'X\[2\]'"),
        (with_x(np.full((3, 6), np.nan)), ValueError, "vectors of X hold NaN or infinity"),
        (with_x(GOOD[0][:1]), ValueError, "X has 1 word: at least 2"),
        (with_x(GOOD[0][:, :5]), ValueError, "differ in length: X 5, Y 6, A 6, B 6"),
        (with_x(GOOD[0][0]), ValueError, r"X must hold numbers of shape \(n_words, n_features\)"),
        (with_x([[1, 2], [1]]), ValueError, "X must hold vectors of one length"),
        (with_x(GOOD[0] * 1j), ValueError, "complex128"),
        (with_x(["rose", "lily"]), TypeError, "X holds words: say where their vectors are, embedding="),
        (with_x(np.empty((3, 0))), ValueError, "differ in length"),
        (with_words(X="rose"), TypeError, "X must be a list of words"),
        (with_words(X=[1, 2]), TypeError, "X must hold words or sentences"),
        (with_words(X=["rose", "rose"]), ValueError, "X has words twice.*'rose'"),
        (with_words(X=["rose", "wasp"]), ValueError, "X and Y share words.*'wasp'"),
        (with_words(B=["joy", "evil"]), ValueError, "A and B share words.*'joy'"),
        (with_words(X=["rose"]), ValueError, "X has 1 word"),
        (with_words(embedding="model"), TypeError, "embedding must be a mapping from words to vectors"),
        (with_words(embedding=7), TypeError, "embedding must be a mapping"),
        (with_words(embedding=lambda texts: np.ones(len(texts))), ValueError, r"shape \(10, n_features\)"),
        (with_words(embedding=dict.fromkeys(embedding(), np.eye(2))), ValueError, "must be a 1-D array"),
        (
            with_words(embedding={**embedding(), "lily": np.ones(3)}),
            ValueError,
            "'rose' has 4 numbers, 'lily' 3",
        ),
        (with_words(embedding={**embedding(), "lily": np.zeros(4)}), ValueError, "X are zero.*'lily'"),
        (
            with_words(embedding={**embedding(), "lily": np.full(4, np.inf)}),
            ValueError,
            "NaN or infinity.*lily",
        ),
        (with_words(alternative="more"), ValueError, "alternative"),
        (with_words(missing="nan"), ValueError, "missing"),
        (with_words(confidence=95), ValueError, "confidence"),
        (with_words(n_resamples=0), ValueError, "n_resamples"),
        (lambda: association_test(*GOOD, missing="drop"), ValueError, "missing='drop' is for words"),
    ],
)
def test_what_is_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        call()
    assert len(str(raised.value)) < 2_000


def test_targets_without_spread_are_refused() -> None:
    x, _, a, b = vectors(3, 3)
    same = np.repeat(x[:1], 6, axis=0) * np.array([[1.0], [2], [3], [4], [5], [6]])
    with pytest.raises(ValueError, match="All targets have the same association"):
        association_test(same[:3], same[3:], a, b)


def test_messages_stay_short_whatever_comes() -> None:
    long = {name: [f"{word}{i}" * 300 for i in range(200) for word in part] for name, part in WORDS.items()}
    with pytest.raises(ValueError, match="no vector for 2000 words") as raised:
        association_test(**long, embedding=embedding())
    assert len(str(raised.value)) < 2_000
