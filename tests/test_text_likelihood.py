"""Paired preference and perplexity per group, against statsmodels, SciPy and brute force."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from fairsk.text import TermSwapper, english_gender, paired_preference, perplexity_by_group
from fairsk.text._contrasts import contrast, split_p


class Model:
    """A scorer of planted log-likelihoods, which counts what it is asked."""

    def __init__(self, likelihoods: dict[str, float]) -> None:
        self.likelihoods = likelihoods
        self.asked: list[str] = []

    def log_likelihood(self, texts: list[str]) -> list[float]:
        self.asked += texts
        return [self.likelihoods[text] for text in texts]

    def count_tokens(self, texts: list[str]) -> list[int]:
        return [len(text.split()) for text in texts]


def planted(n: int = 40, seed: int = 0) -> tuple[Model, list[str], list[str], np.ndarray]:
    """Return a model, pairs of texts, and the differences of their log-likelihoods."""
    rng = np.random.default_rng(seed)
    more, less = [f"yes {i}" for i in range(n)], [f"no no {i}" for i in range(n)]
    values = -rng.gamma(5, 1, (2, n)) - 1
    values[1, :3] = values[0, :3]  # three ties
    model = Model(dict(zip([*more, *less], values.ravel(), strict=True)))
    return model, more, less, values[0] - values[1]


def words(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


# paired preference


def test_the_share_has_wilsons_interval_and_the_p_value_of_the_sign_test() -> None:
    model, more, less, d = planted()
    found = paired_preference(model, more, less).preferences[0]
    assert (found.more, found.less, found.ties) == ((d > 0).sum(), (d < 0).sum(), 3)
    low, high = proportion_confint(found.more + 1.5, 40, method="wilson")
    assert found.share == pytest.approx((found.more + 1.5) / 40)
    assert (found.share_low, found.share_high) == pytest.approx((low, high))
    assert found.p_value == pytest.approx(stats.binomtest(found.more, found.more + found.less).pvalue)
    mean = stats.ttest_1samp(d, 0).confidence_interval(0.95)
    assert found.difference == pytest.approx(d.mean())
    assert (found.difference_low, found.difference_high) == pytest.approx((mean.low, mean.high))


def test_ties_can_be_dropped_from_the_share() -> None:
    model, more, less, d = planted()
    found = paired_preference(model, more, less, ties="drop", confidence=0.9).preferences[0]
    low, high = proportion_confint((d > 0).sum(), 37, alpha=0.1, method="wilson")
    assert (found.share, found.share_low, found.share_high) == pytest.approx(
        ((d > 0).mean() * 40 / 37, low, high)
    )


def test_sums_that_differ_by_rounding_alone_are_ties() -> None:
    model = Model({"a": -(0.1 + 0.2), "b": -0.3})
    assert model.likelihoods["a"] != model.likelihoods["b"]
    assert paired_preference(model, ["a"], ["b"]).preferences[0].ties == 1


def test_categories_are_measured_by_themselves_and_adjusted_by_holm() -> None:
    model, more, less, d = planted(60)
    category = np.repeat(["age", "gender", "race"], [10, 20, 30])
    rows = paired_preference(model, more, less, category).preferences
    rows = [row for row in rows if row.measure == "text"]
    assert [row.group for row in rows] == [None, "age", "gender", "race"]
    p = []
    for row in rows[1:]:
        part = d[category == row.group]
        assert row.n_pairs == len(part)
        assert row.difference == pytest.approx(part.mean())
        p.append(stats.binomtest((part > 0).sum(), (part != 0).sum()).pvalue)
    assert [row.p_value for row in rows[1:]] == pytest.approx(p)
    assert [row.adjusted_p_value for row in rows[1:]] == pytest.approx(multipletests(p, method="holm")[1])
    assert np.isnan(rows[0].adjusted_p_value)


def test_by_tokens_the_answer_may_be_another_and_it_says_so() -> None:
    likelihoods = {"a b c d": -8.0, "e f": -6.0, "g h": -5.0, "i j": -4.0}
    result = paired_preference(Model(likelihoods), ["a b c d", "g h"], ["e f", "i j"])
    of_texts, of_tokens = result.preferences
    assert (of_texts.share, of_tokens.share) == (0, 0.5)  # -8 < -6, and -2 > -3
    assert (result.equal_length, result.reversed_per_token) == (0.5, 0.5)
    assert "50% of all pairs turn around per token" in str(result)
    uncounted = paired_preference(Model(likelihoods).log_likelihood, ["g h"], ["i j"])
    assert np.isnan(uncounted.equal_length)
    assert "Tokens were not counted" in str(uncounted)


@pytest.mark.parametrize(("confidence", "needed"), [(0.95, 385), (0.9, 271)])
def test_so_many_pairs_are_needed(confidence: float, needed: int) -> None:
    model, more, less, _ = planted(5)
    result = paired_preference(model, more, less, confidence=confidence)
    z = stats.norm.ppf((1 + confidence) / 2)
    assert result.pairs_needed == needed == int(np.ceil(z**2 * 0.25 / 0.05**2))
    assert f"about {needed} pairs; here are 5" in str(result)


def test_each_distinct_text_is_asked_about_once() -> None:
    model, more, less, _ = planted(6)
    result = paired_preference(model, more * 3, less * 3)
    assert sorted(model.asked) == sorted({*more, *less})
    assert result.n_texts == 12
    assert result.preferences[0].n_pairs == 18


def test_pairs_come_in_frames_and_go_out_in_their_library() -> None:
    model, more, less, _ = planted(8)
    frame = pl.DataFrame({"more": more, "less": less, "kind": ["x", "y"] * 4})
    result = paired_preference(model, frame["more"], frame["less"], frame["kind"])
    assert isinstance(result.frame(), pl.DataFrame)
    assert result.share == paired_preference(model, more, less).share
    shuffled = pd.Series(less).sample(frac=1, random_state=0)
    with pytest.raises(ValueError, match="index"):
        paired_preference(model, pd.Series(more), shuffled)


# perplexity per group

PROMPTS = ["{person} left.", "Then {person} came home.", "They saw {person}.", "{person} and {person} met."]
PEOPLE = {"f": ["the woman", "she", "the aunt"], "m": ["the man", "he"], "x": ["the person"]}


def likelihoods_of(seed: int = 0) -> Any:
    """Return a function of texts: a number that is drawn for each text by its characters."""

    def log_likelihood(texts: list[str]) -> list[float]:
        return [
            -float(np.random.default_rng([seed, *text.encode()]).gamma(4, 1)) - 0.1 * len(text)
            for text in texts
        ]

    return log_likelihood


def filled(prompt: str, term: str) -> str:
    text = prompt.replace("{person}", term)
    return text[0].upper() + text[1:]


def brute(measure: str, group: str, seed: int = 0) -> np.ndarray:
    """Return what stands in each prompt for a group: the mean over its terms."""
    rows = []
    for prompt in PROMPTS:
        texts = [filled(prompt, term) for term in PEOPLE[group]]
        values = likelihoods_of(seed)(texts)
        if measure == "token":
            values = [value / n for value, n in zip(values, words(texts), strict=True)]
        rows.append(np.mean(values))
    return np.array(rows)


@pytest.mark.parametrize("measure", ["text", "token"])
def test_groups_are_compared_within_prompts(measure: str) -> None:
    result = perplexity_by_group(likelihoods_of(), PROMPTS, PEOPLE, count_tokens=words)
    pairs = [pair for pair in result.pairs if pair.measure == measure]
    assert [(pair.first, pair.second) for pair in pairs] == [("f", "m"), ("f", "x"), ("m", "x")]
    p = []
    for pair in pairs:
        d = brute(measure, str(pair.first)) - brute(measure, str(pair.second))
        assert pair.difference == pytest.approx(d.mean())
        interval = stats.ttest_1samp(d, 0).confidence_interval(0.95)
        assert (pair.low, pair.high) == pytest.approx((interval.low, interval.high))
        assert (pair.n_prompts, pair.first_likelier) == (4, (d > 0).sum())
        # All 16 signs of the four differences.
        signed = [np.mean(d * signs) for signs in itertools.product([-1, 1], repeat=4)]
        p.append(np.mean(np.abs(signed) >= abs(d.mean()) - 1e-12))
        assert pair.p_value == pytest.approx(p[-1])
    assert [pair.adjusted_p_value for pair in pairs] == pytest.approx(multipletests(p, method="holm")[1])


def test_perplexity_is_the_exponential_of_minus_the_mean_per_token() -> None:
    result = perplexity_by_group(likelihoods_of(), PROMPTS, PEOPLE, count_tokens=words)
    for row in result.likelihoods:
        per_token = brute("token", str(row.group))
        assert row.per_text == pytest.approx(brute("text", str(row.group)).mean())
        assert row.per_token == pytest.approx(per_token.mean())
        assert row.perplexity == pytest.approx(np.exp(-per_token.mean()))
        assert row.perplexity_low == pytest.approx(np.exp(-row.per_token_high))
        assert row.n_texts == 4 * len(PEOPLE[str(row.group)])
        lengths = [len(filled(p, term).split()) for p in PROMPTS for term in PEOPLE[str(row.group)]]
        assert row.tokens == pytest.approx(np.mean(lengths))


def test_no_perplexity_is_below_one() -> None:
    values = {"woman": [-0.1, -9.0], "man": [-0.2, -8.0]}

    def log_likelihood(texts: list[str]) -> list[float]:
        return [next(v for k, v in values.items() if f" {k}" in text)["won" in text] for text in texts]

    result = perplexity_by_group(
        log_likelihood, ["A {x} lost", "A {x} won"], {"f": "woman", "m": "man"}, count_tokens=words
    )
    row = result.likelihoods[0]
    raw = stats.ttest_1samp([-0.1, -9.0], 0).confidence_interval(0.95)
    assert raw.high > 0
    assert (row.per_text_low, row.per_text_high) == (pytest.approx(raw.low), 0)
    assert (row.per_token_high, row.perplexity_low) == (0, 1)
    assert result.pairs[0].high > 0  # a difference may have either sign


def test_values_without_an_interval_or_tokens_say_why() -> None:
    def length(texts: list[str]) -> list[float]:
        return [-float(len(text)) for text in texts]

    result = perplexity_by_group(length, ["{x} won", "{x} lost"], {"f": "woman", "m": "man"})
    assert np.isnan(result.pairs[0].low)
    assert "fewer than two prompts, or all give the same number" in str(result)
    assert "A dash: tokens were not counted, as count_tokens= does" in str(result)
    pairs = paired_preference(length, ["a", "b"], ["cc", "dd"])
    assert "fewer than two pairs, or all give the same number" in str(pairs)
    model, more, less, _ = planted()
    assert "Without an interval" not in str(paired_preference(model, more, less))
    assert "Without an interval" not in str(perplexity_by_group(likelihoods_of(), PROMPTS, PEOPLE))


def test_terms_of_more_tokens_turn_the_answer_around_and_it_says_so() -> None:
    def log_likelihood(texts: list[str]) -> list[float]:  # -2 a token, and -1.5 with the long term
        return [-1.5 * 4 if "very old woman" in text.lower() else -2.0 * len(text.split()) for text in texts]

    groups = {"f": "very old woman", "m": "man"}
    result = perplexity_by_group(
        log_likelihood, ["{x} won", "{x} lost", "{x} ran"], groups, count_tokens=words
    )
    of_texts, of_tokens = result.pairs
    assert (of_texts.difference, of_tokens.difference) == (-2.0, 0.5)
    assert "By texts and by tokens the answers differ in sign" in str(result)


def test_few_terms_limit_p() -> None:
    """One group is likelier in all texts: of 20 ways to split 3 and 3, 2 are as far apart."""

    def log_likelihood(texts: list[str]) -> list[float]:
        return [-1.0 if text[0] == "A" else -2.0 - len(text) / 50 for text in texts]

    def compared(n_terms: int, terms: str) -> Any:
        groups = {letter: [letter + "x" * i for i in range(n_terms)] for letter in "AB"}
        return perplexity_by_group(
            log_likelihood, ["{p} ran.", "{p} was late."], groups, terms=terms, random_state=0
        )

    few = compared(3, "sampled")
    assert few.pairs[0].least_p_value == few.pairs[0].p_value == pytest.approx(2 / 20)
    assert "The least p that so few terms can have is 0.100, however far" in str(few)
    more = compared(4, "sampled")
    assert more.pairs[0].least_p_value == more.pairs[0].p_value == pytest.approx(2 / 70)
    assert "The least p" not in str(more) + str(compared(3, "fixed"))


def test_texts_are_rewritten_by_a_swapper() -> None:
    texts = ["He left.", "It rained.", "My aunt met my uncle.", "The woman slept.", "She left."]
    asked: list[str] = []

    def log_likelihood(batch: list[str]) -> list[float]:
        asked.extend(batch)
        return [-float(len(text)) for text in batch]

    result = perplexity_by_group(log_likelihood, texts, english_gender())
    assert sorted(asked) == ["He left.", "She left.", "The man slept.", "The woman slept."]
    assert (result.n_prompts, result.left_out, result.duplicates) == (2, 2, 1)
    pair = result.pairs[0]
    assert (pair.first, pair.second, pair.difference) == ("male", "female", (1 + 2) / 2)
    assert "2 texts name no group, or several, and are left out" in str(result)
    assert "1 prompt reads like an earlier one, and counts once." in str(result)


def test_places_have_names_and_terms_that_stand_together() -> None:
    asked: list[str] = []

    def log_likelihood(batch: list[str]) -> list[float]:
        asked.extend(batch)
        return [-float(len(text)) for text in batch]

    groups = {
        "f": {"person": ["the queen", "my aunt"], "own": ["her", "her"]},
        "m": {"person": ["the king", "my uncle"], "own": ["his", "his"]},
    }
    perplexity_by_group(log_likelihood, ["{person} lost {own} {{old}} hat."], groups)
    assert asked == [
        "The queen lost her {old} hat.",
        "My aunt lost her {old} hat.",
        "The king lost his {old} hat.",
        "My uncle lost his {old} hat.",
    ]


def test_a_sample_of_terms_makes_the_interval_as_wide_as_terms_lie_apart() -> None:
    """Without any difference between prompts, what is left is Welch's interval of the terms."""
    rng = np.random.default_rng(0)
    terms = {"f": [f"f{i}" for i in range(5)], "m": [f"m{i}" for i in range(7)]}
    values = {term: -3 + float(rng.normal()) for group in terms.values() for term in group}

    def log_likelihood(texts: list[str]) -> list[float]:
        return [values[text.split()[1]] - len(text.split()[0]) for text in texts]

    prompts = ["a {name}", "bb {name}", "cccc {name}"]
    groups = [[values[term] for term in terms[group]] for group in "fm"]
    welch = stats.ttest_ind(*groups, equal_var=False)
    sampled = perplexity_by_group(log_likelihood, prompts, terms, terms="sampled").pairs[0]
    assert sampled.difference == pytest.approx(np.mean(groups[0]) - np.mean(groups[1]))
    interval = welch.confidence_interval(0.95)
    assert (sampled.low, sampled.high) == pytest.approx((interval.low, interval.high))
    pooled = [*groups[0], *groups[1]]
    splits = [
        np.mean([pooled[i] for i in part]) - np.mean([pooled[i] for i in range(12) if i not in part])
        for part in itertools.combinations(range(12), 5)
    ]
    assert sampled.p_value == pytest.approx(np.mean(np.abs(splits) >= abs(sampled.difference) - 1e-12))
    # Of fixed terms nothing varies: no interval, and four signs of three equal differences.
    fixed = perplexity_by_group(log_likelihood, prompts, terms).pairs[0]
    assert np.isnan(fixed.low)
    assert fixed.p_value == 0.25


def test_random_splits_come_close_to_all_of_them() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=9) + 0.8, rng.normal(size=9)
    exact, is_exact = split_p(first, second, 10, rng)
    assert is_exact
    many = np.concatenate([first, first + 0.01]), np.concatenate([second, second + 0.01])
    drawn, is_exact = split_p(*many, 20_000, rng)
    oracle = stats.permutation_test(
        many, lambda a, b: a.mean() - b.mean(), n_resamples=20_000, rng=np.random.default_rng(2)
    ).pvalue
    assert not is_exact
    assert drawn == pytest.approx(oracle, abs=0.005)
    assert exact == pytest.approx(
        stats.permutation_test((first, second), lambda a, b: a.mean() - b.mean(), n_resamples=10**6).pvalue
    )


def test_a_prompt_moves_all_its_terms_and_a_term_all_its_prompts() -> None:
    """The variance of the difference is that of simulated prompts and terms."""
    rng = np.random.default_rng(3)
    widths, found = [], []
    for _ in range(400):
        tables = [
            rng.normal(size=(1, 6)) + 0.3 * rng.normal(size=(8, 6)) + 0.5 * rng.normal(size=(8, 1))
            for _ in "fm"
        ]
        estimate = contrast(tables[0], tables[1], "sampled", 0.95)
        found.append(estimate.value)
        widths.append(estimate.low <= 0 <= estimate.high)
    assert 0.92 <= np.mean(widths) <= 0.99
    # 2 (1/6 + .25/8 + .09/48) is the variance of the difference of two such means.
    assert np.var(found) == pytest.approx(2 * (1 / 6 + 0.25 / 8 + 0.09 / 48), rel=0.2)


# what cannot be measured


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ([-1.0], r"shape \(1,\) for 2 texts"),
        ([-1.0, float("nan")], "no finite number for 1 of 2 texts, such as 'b'"),
        ([-1.0, float("-inf")], "no finite number for 1 of 2 texts"),
        (
            [-1.0, 0.5],
            "returned 0.5 for 'b': the logarithm of a probability is not above 0. If that is a loss",
        ),
        (["x", "y"], "must return a number per text"),
        (None, "must return a number per text|returned an array of shape"),
    ],
)
def test_what_is_no_log_likelihood_is_refused(returned: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paired_preference(lambda texts: returned, ["a"], ["b"])


@pytest.mark.parametrize(
    ("more", "less", "message"),
    [
        ([], [], "at least one pair"),
        (["a", "b"], ["c"], "more has 2 texts and less 1"),
        (["a", "b"], ["c", "b"], "The texts of 1 pairs are the same, such as pair 1: 'b'"),
    ],
)
def test_what_is_no_pair_is_refused(more: list[str], less: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paired_preference(lambda texts: [-1.0] * len(texts), more, less)


def test_what_gives_no_likelihood_is_refused() -> None:
    with pytest.raises(TypeError, match="log_likelihood is a function of texts"):
        paired_preference("gpt", ["a"], ["b"])
    with pytest.raises(ValueError, match="less than one token"):
        paired_preference(lambda t: [-1.0] * len(t), ["a"], ["b"], count_tokens=lambda t: [0] * len(t))
    with pytest.raises(ValueError, match="ties"):
        paired_preference(lambda t: [-1.0] * len(t), ["a"], ["b"], ties="halve")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("prompts", "groups", "message"),
    [
        ([], {"f": "x", "m": "y"}, "prompts is empty"),
        (["{p} a"], {"f": "x"}, "at least two are compared"),
        (["{p} a"], {"f": [], "m": ["y"]}, r"groups\['f'\] has no terms"),
        (["{p} a"], {"f": ["x", "x"], "m": ["y"]}, "holds a term twice"),
        (["no place"], {"f": "x", "m": "y"}, "has no place for a group"),
        (["{p"], {"f": "x", "m": "y"}, "is no template"),
        (["{p.__class__} a"], {"f": "x", "m": "y"}, "a place is a plain name"),
        (["{p!r} a"], {"f": "x", "m": "y"}, "a place is a plain name"),
        (["{0} a"], {"f": "x", "m": "y"}, "a place is a plain name"),
        (["{p} {q}"], {"f": "x", "m": "y"}, "has several places, 'p', 'q'|has several places, p, q"),
        (["{pers} a"], {"f": {"person": "x"}, "m": {"person": "y"}}, "Did you mean 'person'"),
        (["{p} a"], {"f": {"p": ["x", "z"], "q": ["y"]}, "m": {"p": "y", "q": "z"}}, "give as many for each"),
        (["{p} a"], {"f": "x", "m": ["y", "x"]}, "reads the same for f and m: 'X a'"),
        (
            ["{p} a"],
            {"f": {"p": ["x", "x"], "q": ["u", "v"]}, "m": {"p": ["y", "z"], "q": ["u", "v"]}},
            "reads the same for two terms of f: 'X a'",
        ),
        (["It rains."], TermSwapper({"f": ["she"], "m": ["he"]}), "None of the 1 prompts names exactly one"),
    ],
)
def test_prompts_that_say_nothing_of_groups_are_refused(prompts: Any, groups: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        perplexity_by_group(lambda texts: [-1.0] * len(texts), prompts, groups)


def test_other_things_than_texts_are_refused() -> None:
    def model(texts: list[str]) -> list[float]:
        return [-1.0] * len(texts)

    fills = {"f": ["x"], "m": ["y"]}
    with pytest.raises(TypeError, match="prompts is a single text"):
        perplexity_by_group(model, "{p} left", fills)
    with pytest.raises(TypeError, match="prompts must hold texts, but 1 of 2 rows"):
        perplexity_by_group(model, ["{p} left", 3], fills)
    with pytest.raises(TypeError, match="more is a single text, 'a'"):
        paired_preference(model, "a", ["b"])
    with pytest.raises(ValueError, match="1 of 2 rows of less have no text, the first is row 1"):
        paired_preference(model, ["a", "b"], ["c", None])
    with pytest.raises(TypeError, match="must hold texts; got 3"):
        perplexity_by_group(lambda t: [-1.0] * len(t), ["{p}"], {"f": ["x", 3], "m": ["y"]})
    with pytest.raises(TypeError, match="is a TermSwapper; got 'women'"):
        perplexity_by_group(lambda t: [-1.0] * len(t), ["{p}"], "women")
    with pytest.raises(ValueError, match="needs several terms of each group, and m has one"):
        perplexity_by_group(
            lambda t: [-1.0] * len(t), ["{p}"], {"f": ["x", "z"], "m": ["y"]}, terms="sampled"
        )


def test_messages_stay_short_whatever_comes_in() -> None:
    huge = "{p} " + "x" * 10_000
    with pytest.raises(ValueError, match="reads the same") as error:
        perplexity_by_group(lambda t: [-1.0] * len(t), [huge], {"f": ["y" * 9_999], "m": ["y" * 9_999]})
    assert len(str(error.value)) < 2_000
    with pytest.raises(ValueError, match="finite") as error:
        paired_preference(lambda t: [np.nan] * len(t), [huge], ["b"])
    assert len(str(error.value)) < 2_000


def test_results_escape_what_comes_from_data_and_hold_no_texts() -> None:
    model, more, less, _ = planted(4)
    result = paired_preference(model, more, less, ["<script>alert(1)</script>"] * 4)
    assert "<script>alert" not in result._repr_html_()
    record = json.dumps(result.to_dict())
    assert not any(text in record for text in [*more, *less])
