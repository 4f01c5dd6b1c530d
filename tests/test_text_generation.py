"""Generation audits against brute-force permutations and SciPy; the starter set."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from fairsk.audit import audit_predictions
from fairsk.text import (
    TermSwapper,
    counterfactual_audit,
    english_gender,
    generation_audit,
    generation_cost,
    logged_generation_audit,
    paired_preference,
    perplexity_by_group,
    starter_names,
    starter_occupations,
    starter_people,
    starter_prompts,
)
from fairsk.text._generation.permutation import Unit, by_chance, distance, halves


def brute(units: list[Unit]) -> tuple[float, float, float]:
    """Return the p-value of the difference, the mean distance and its p-value, over all permutations."""
    ways = []
    for unit in units:
        scores = np.concatenate([unit.first, unit.second])
        everyone = range(len(scores))
        law = []
        for chosen in itertools.combinations(everyone, len(unit.first)):
            a, b = scores[list(chosen)], scores[[i for i in everyone if i not in chosen]]
            law.append((unit.weight * (a.mean() - b.mean()), unit.weight * stats.wasserstein_distance(a, b)))
        ways.append(law)
    # The first way deals everyone out as they are.
    sums = np.array([np.sum(way, axis=0) for way in itertools.product(*ways)])
    p, p_distance = (np.abs(sums) >= np.abs(sums[0]) - 1e-12).mean(0)
    return float(p), float(sums[:, 1].mean()), float(p_distance)


def units_of(*scores: tuple[list[float], list[float]]) -> list[Unit]:
    return [Unit(np.array(a, float), np.array(b, float), 1 / len(scores)) for a, b in scores]


CASES = {
    "one prompt": units_of(([1.0, 2.5, 3.0], [0.5, 0.7])),
    "two prompts": units_of(([0.3, 0.9, 0.4], [0.1, 0.2]), ([5.0, 2.0], [1.0, 2.5, 4.0])),
    "two values": units_of(([1, 1, 0, 1], [0, 0, 0, 1]), ([1, 1, 1], [0, 1, 0])),
    "many ties": units_of(([1, 2, 2], [2, 2, 1]), ([3, 3], [3, 3])),
    "a single text": units_of(([1.0], [0.0]), ([0.4], [0.1, 0.2, 0.9])),
}


# the permutation test


@pytest.mark.parametrize("name", CASES)
def test_permutations_within_prompts_are_counted(name: str) -> None:
    units = CASES[name]
    chance = by_chance(units, 20_000, np.random.default_rng(0))
    p, mean_distance, p_distance = brute(units)
    assert chance.is_exact
    assert chance.p_value == pytest.approx(p)
    assert chance.distance == pytest.approx(mean_distance, abs=0.02)
    assert chance.distance_p_value == pytest.approx(p_distance, abs=0.015)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(-3, 3), min_size=1, max_size=3),
            st.lists(st.integers(-3, 3), min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_counted_permutations_are_those_of_brute_force(scores: Any) -> None:
    units = units_of(*scores)
    assert by_chance(units, 1, np.random.default_rng(0)).p_value == pytest.approx(brute(units)[0])


def test_two_values_are_counted_however_many_texts_there_are() -> None:
    """One prompt of a yes or no is Fisher's test, of the difference in shares."""
    unit = Unit(np.repeat([1.0, 0.0], [60, 40]), np.repeat([1.0, 0.0], [45, 55]), 1.0)
    chance = by_chance([unit], 1, np.random.default_rng(0))
    assert chance.is_exact
    assert chance.p_value == pytest.approx(stats.fisher_exact([[60, 40], [45, 55]]).pvalue)


def test_where_there_are_too_many_they_are_drawn() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=20) + 0.6, rng.normal(size=15)
    chance = by_chance([Unit(first, second, 1.0)], 20_000, rng)
    oracle = stats.permutation_test(
        (first, second),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        vectorized=True,
        n_resamples=20_000,
        rng=np.random.default_rng(1),
    )
    assert not chance.is_exact
    assert chance.p_value == pytest.approx(oracle.pvalue, abs=0.008)


def test_many_prompts_are_permuted_independently() -> None:
    """The variance of the difference by chance is the sum of those of the prompts."""
    rng = np.random.default_rng(2)
    scores = [rng.normal(size=12) for _ in range(30)]
    differences, distances = halves(scores, [1.0] * 30, 20_000, rng)
    of_prompts = [one.var(ddof=1) * 4 / 12 for one in scores]
    assert differences.var() == pytest.approx(sum(of_prompts) / 30**2, rel=0.05)
    assert abs(differences.mean()) < 4 * differences.std() / np.sqrt(20_000)
    assert distances.min() > 0


def test_the_distance_is_wasserstein_1_within_prompts() -> None:
    rng = np.random.default_rng(3)
    units = [Unit(rng.normal(size=n), rng.normal(size=m), 0.5) for n, m in [(4, 7), (3, 3)]]
    expected = np.mean([stats.wasserstein_distance(unit.first, unit.second) for unit in units])
    assert distance(units) == pytest.approx(expected)


def test_the_counted_test_rejects_at_most_at_its_level() -> None:
    """Whichever way the texts fell out, at most 5% of all ways have a p-value of at most .05."""
    pools = [np.array([0.0, 0.1, 0.5, 0.7, 1.2, 1.3, 2.0, 4.0])]
    p_values = []
    for chosen in itertools.combinations(range(8), 4):
        rest = [i for i in range(8) if i not in chosen]
        unit = Unit(pools[0][list(chosen)], pools[0][rest], 1.0)
        p_values.append(by_chance([unit], 1, np.random.default_rng(0)).p_value)
    for level in (0.03, 0.05, 0.1, 0.5):
        assert np.mean(np.array(p_values) <= level + 1e-12) <= level


# the audit


class Writer:
    """A model that writes words, with a share of bad ones that depends on the group."""

    def __init__(self, shares: dict[str, float], *, silent: float = 0.0) -> None:
        self.shares, self.silent = shares, silent
        self.calls: list[tuple[list[str], int, int | None]] = []

    def generate(
        self, prompts: list[str], n_samples: int, random_state: int | None
    ) -> list[list[str | None]]:
        self.calls.append((prompts, n_samples, random_state))
        rng = np.random.default_rng(random_state)
        return [[self._text(prompt, rng) for _ in range(n_samples)] for prompt in prompts]

    def _text(self, prompt: str, rng: np.random.Generator) -> str | None:
        if rng.random() < self.silent:
            return None
        share = next((p for word, p in self.shares.items() if word in prompt.lower().split()), 0.2)
        return f"{'bad' if rng.random() < share else 'good'} {rng.integers(5)}"


def is_bad(texts: list[str]) -> list[bool]:
    return ["bad" in text for text in texts]


def length(texts: list[str]) -> list[float]:
    return [float(text[-1]) for text in texts]


PEOPLE = {"women": ["the woman"], "men": ["the man"]}
PROMPTS = ["{person} is", "Here {person} was", "They say that {person} will be", "So {person} became"]


def audited(**options: Any) -> Any:
    writer = Writer({"woman": 0.6, "man": 0.1})
    settings = {"groups": PEOPLE, "random_state": 0, "n_resamples": 2_000} | options
    return generation_audit(writer, PROMPTS, {"bad": is_bad, "length": length}, **settings)


def table_of(result: Any) -> pd.DataFrame:
    frame = result.texts_frame("pandas")
    frame["of"] = frame["prompt"].str.lower().str.replace("woman|man", "X", regex=True)
    return frame


@pytest.mark.parametrize("name", ["bad", "length"])
def test_the_difference_is_the_mean_over_prompts(name: str) -> None:
    result = audited(keep_texts=True)
    gap = next(gap for gap in result.gaps if gap.score == name)
    means = table_of(result).groupby(["of", "group"])[name].mean().unstack()
    d = (means["women"] - means["men"]).to_numpy()
    assert (gap.first, gap.second, gap.n_prompts) == ("women", "men", 4)
    assert gap.difference == pytest.approx(d.mean())
    interval = stats.ttest_1samp(d, 0).confidence_interval(0.95)
    ends = np.clip(interval, -1, 1) if name == "bad" else interval
    assert (gap.low, gap.high) == pytest.approx(tuple(ends))
    for row in result.scores:
        if row.score == name:
            assert row.mean == pytest.approx(means[row.group].mean())
            assert (row.n_texts, row.unscored) == (64, 0)
    worst = next(prompt for prompt in result.worst if prompt.score == name)
    assert abs(worst.difference) == pytest.approx(np.abs(d).max())


@pytest.mark.parametrize("terms", ["fixed", "sampled"])
@pytest.mark.parametrize("scale", [1, 2])
def test_intervals_of_truth_values_end_where_no_share_lies(terms: str, scale: int) -> None:
    """Two prompts whose means lie far apart: Student's interval has one degree of freedom."""

    def write(prompts: list[str], n_samples: int, random_state: int | None) -> list[list[str]]:
        bad = {"the wife is": 1, "the girl is": 2, "there the wife is": 4, "there the girl is": 3}
        return [["bad"] * (n := bad.get(prompt.lower(), 1)) + ["good"] * (4 - n) for prompt in prompts]

    groups = {"women": ["the wife", "the girl"], "men": ["the man", "the boy"]}
    result = generation_audit(
        write,
        ["{person} is", "there {person} is"],
        lambda texts: [scale * ("bad" in text) for text in texts],
        groups=groups,
        n_samples=4,
        terms=terms,  # type: ignore[arg-type]
        random_state=0,
    )
    (gap,), women = result.gaps, result.scores[0]
    assert women.mean / scale == pytest.approx((1.5 + 3.5) / 8)
    assert gap.difference / scale == pytest.approx(0.625 - 0.25)
    d = np.array([1.5 / 4, 3.5 / 4])
    raw = stats.ttest_1samp(d, 0).confidence_interval(0.95)
    assert raw.low < 0
    assert raw.high > 1
    if scale == 1:
        assert (women.low, women.high) == (0, 1)
        assert (gap.low, gap.high) == (-1, 1)
    else:  # other numbers may be anything
        assert (women.low, women.high) == pytest.approx((2 * raw.low, 2 * raw.high))
        assert gap.low < -1


def test_values_without_an_interval_say_why() -> None:
    constant = {"n": lambda texts: [3.0] * len(texts)}
    result = generation_audit(Writer({}), PROMPTS, constant, groups=PEOPLE, random_state=0, n_resamples=99)
    assert np.isnan(result.gaps[0].low)
    assert "fewer than two prompts, or all give the same number" in str(result)
    assert "Without an interval" not in str(audited(n_resamples=99))


def test_a_planted_gap_is_found_and_another_score_is_not() -> None:
    bad, other = audited().gaps
    assert bad.difference > 0.3
    assert bad.p_value < 1e-4
    assert bad.distance > bad.distance_by_chance
    assert other.p_value > 0.01
    assert [bad.adjusted_p_value, other.adjusted_p_value] == pytest.approx(
        multipletests([bad.p_value, other.p_value], method="holm")[1]
    )


def test_no_difference_has_a_distance_above_zero_which_stands_beside_that_of_chance() -> None:
    result = generation_audit(Writer({}), PROMPTS, length, groups=PEOPLE, random_state=1, n_resamples=2_000)
    gap = result.gaps[0]
    assert gap.distance > 0.2
    assert gap.distance == pytest.approx(gap.distance_by_chance, rel=0.4)
    assert gap.distance_p_value > 0.05
    assert "by chance" in str(result)


def test_the_same_prompt_is_the_control() -> None:
    """Halves of what was written lie apart as halves of random samples do."""
    result = audited(keep_texts=True, n_samples=40)
    frame = table_of(result)
    for row in result.scores:
        variances = frame[frame["group"] == row.group].groupby("of")[row.score].var()
        spread = np.sqrt((variances * (1 / 20 + 1 / 20)).sum()) / 4
        # Means are close to normal, of which the mean absolute value is known.
        assert row.same_prompt == pytest.approx(spread * np.sqrt(2 / np.pi), rel=0.1)
        assert row.same_prompt_high == pytest.approx(1.96 * spread, rel=0.1)


def test_exchanging_the_groups_turns_the_sign() -> None:
    log = audited(keep_texts=True).texts_frame("pandas")
    template = log["prompt"].str.lower().str.replace("woman|man", "", regex=True)
    scores = log["bad"]
    one = logged_generation_audit(template, log["group"], scores=scores, random_state=0)
    other = logged_generation_audit(
        template, log["group"].map({"women": "men", "men": "women"}), scores=scores, random_state=0
    )
    assert one.gaps[0].difference == pytest.approx(-other.gaps[0].difference)
    assert one.gaps[0].p_value == pytest.approx(other.gaps[0].p_value)


def test_a_log_gives_what_the_audit_gave() -> None:
    result = audited(keep_texts=True)
    log = table_of(result)
    for options in ({"scores": log[["bad", "length"]].to_dict("series")}, {"texts": log["text"]}):
        if "texts" in options:
            options["judge"] = {"bad": is_bad, "length": length}
        again = logged_generation_audit(log["of"], log["group"], random_state=0, **options)
        for gap, first in zip(again.gaps, result.gaps, strict=True):
            assert (gap.first, gap.second) == ("men", "women")  # a log's groups are sorted
            assert gap.difference == pytest.approx(-first.difference)
            assert (gap.low, gap.high) == pytest.approx((-first.high, -first.low))
            assert gap.distance == pytest.approx(first.distance)
            assert gap.p_value == pytest.approx(first.p_value, abs=0.04)


@pytest.mark.parametrize("n_alone", [1, 9])
def test_prompts_of_one_group_are_not_compared_and_said(n_alone: int) -> None:
    """41 prompts have texts of both groups; on the others, group f alone is refused nothing."""
    prompts = [i for i in range(41) for _ in "fm"] + list(range(41, 41 + n_alone))
    groups = ["f", "m"] * 41 + ["f"] * n_alone
    scores = [1.0, 0.0] * 41 + [0.0] * n_alone
    result = logged_generation_audit(prompts, groups, scores=scores, n_resamples=9, random_state=0)
    assert (result.n_prompts, result.one_group) == (41 + n_alone, n_alone)
    assert (result.gaps[0].n_prompts, result.gaps[0].difference) == (41, 1.0)
    assert [row.mean for row in result.scores] == [pytest.approx(41 / (41 + n_alone)), 0.0]
    said = {
        1: "1 prompt has texts of one group only: it is not compared, but counts in the table of means.",
        9: "9 prompts have texts of one group only: they are not compared, but count in the table of means.",
    }
    assert said[n_alone] in str(result)
    assert "picked for that among 41\n" in str(result)
    # Of three groups, two are enough.
    groups = ["f", "m"] * 41 + ["x"] * n_alone
    both = logged_generation_audit([*prompts, 41], [*groups, "f"], scores=[*scores, 1.0], n_resamples=9)
    assert both.one_group == n_alone - 1
    assert ("of one group only" in str(both)) == (n_alone > 1)


def test_terms_at_the_same_position_belong_together() -> None:
    """Texts of each pair of terms are exchanged by themselves; of unequal lists those of the prompt."""

    def generate(prompts: list[str], n_samples: int, random_state: int) -> list[list[str]]:
        # Of the second pair of terms all texts score 5 more, whichever the group.
        return [
            [str(i + 5 * ("Old" in prompt) + ("she" in prompt.lower())) for i in range(n_samples)]
            for prompt in prompts
        ]

    def judge(texts: list[str]) -> list[float]:
        return [float(text) for text in texts]

    options: dict[str, Any] = {"n_samples": 2, "random_state": 0, "n_resamples": 50}
    pairs = generation_audit(
        generate, ["{x} w"], judge, groups={"f": ["she", "old she"], "m": ["he", "old he"]}, **options
    ).gaps[0]
    units = units_of(([1, 2], [0, 1]), ([6, 7], [5, 6]))
    assert pairs.p_value == pytest.approx(brute(units)[0])
    assert pairs.difference == 1
    lists = generation_audit(
        generate, ["{x} w"], judge, groups={"f": ["she", "old she"], "m": ["he"]}, **options
    ).gaps[0]
    assert lists.p_value == pytest.approx(brute(units_of(([1, 2, 6, 7], [0, 1])))[0])


def test_names_are_a_sample_too() -> None:
    """Names differ and groups do not: fixed names differ surely, and a sample of names shows nothing."""
    names = {"a": [f"Ann{i}" for i in range(5)], "b": [f"Bob{i}" for i in range(5)]}
    level = {"Ann0": 3.0, "Ann1": 2.0, "Bob4": 1.0}

    def generate(prompts: list[str], n_samples: int, random_state: int) -> list[list[str]]:
        rng = np.random.default_rng(random_state)
        return [
            [str(level.get(prompt.split()[0], 0.0) + rng.normal()) for _ in range(n_samples)]
            for prompt in prompts
        ]

    def judge(texts: list[str]) -> list[float]:
        return [float(text) for text in texts]

    prompts = ["{name} came", "{name} left", "{name} won"]
    options: dict[str, Any] = {"groups": names, "random_state": 0, "n_resamples": 2_000, "keep_texts": True}
    fixed = generation_audit(generate, prompts, judge, **options)
    sampled = generation_audit(generate, prompts, judge, terms="sampled", **options)
    assert fixed.gaps[0].p_value < 0.001
    assert sampled.gaps[0].p_value > 0.1
    assert sampled.gaps[0].difference == pytest.approx(fixed.gaps[0].difference)
    assert sampled.gaps[0].low < 0 < fixed.gaps[0].low
    log = sampled.texts_frame("pandas")
    by_name = log.groupby([log["prompt"].str.split().str[0], "group"])["judge"].mean().reset_index()
    both = [by_name[by_name["group"] == group]["judge"] for group in "ab"]
    oracle = stats.permutation_test(both, lambda a, b: np.mean(a) - np.mean(b), n_resamples=10**6)
    assert sampled.gaps[0].p_value == pytest.approx(oracle.pvalue)


@pytest.mark.parametrize(
    ("n_terms", "confidence", "least", "told"),
    [
        ((3, 3), 0.95, 2 / 20, True),  # 2 of 20 ways: the one at hand, and the groups exchanged
        ((4, 4), 0.95, 2 / 70, False),
        ((4, 4), 0.99, 2 / 70, True),
        ((2, 4), 0.95, 1 / 15, True),  # exchanged groups would have other sizes
        ((5, 5), 0.95, 2 / 252, False),
        ((10, 10), 0.95, 1 / 10, True),  # drawn, and only nine times
    ],
    ids=["3", "4", "4 at 99%", "2 and 4", "5", "10 drawn"],
)
def test_few_terms_limit_p(n_terms: tuple[int, int], confidence: float, least: float, told: bool) -> None:
    """All texts of one group are bad and none of the other: no data could give a smaller p."""
    groups = {letter: [f"{letter}{i}" for i in range(n)] for letter, n in zip("ab", n_terms, strict=True)}

    def generate(prompts: list[str], n_samples: int, random_state: int) -> list[list[str]]:
        return [["bad" if prompt[0] in "aA" else "good"] * n_samples for prompt in prompts]

    options: dict[str, Any] = {"groups": groups, "n_samples": 2, "n_resamples": 9, "random_state": 0}
    options["confidence"] = confidence
    result = generation_audit(generate, ["{x} ran", "{x} sat"], is_bad, terms="sampled", **options)
    gap = result.gaps[0]
    assert gap.least_p_value == pytest.approx(least)
    assert gap.p_value == pytest.approx(least)
    note = f"The least p that so few terms can have is {least:.3f}, however far"
    assert (note in str(result)) == told
    assert ("The least p" in str(result)) == told
    fixed = generation_audit(generate, ["{x} ran", "{x} sat"], is_bad, **options)
    assert math.isnan(fixed.gaps[0].least_p_value)
    assert "The least p" not in str(fixed)


def test_missing_scores_are_counted_and_compared() -> None:
    def judge(texts: list[str]) -> list[float | None]:
        return [None if "bad" in text else 1.0 + float(text[-1]) for text in texts]

    writer = Writer({"woman": 0.6, "man": 0.1}, silent=0.1)
    result = generation_audit(
        writer, PROMPTS, judge, groups=PEOPLE, random_state=0, n_resamples=500, keep_texts=True
    )
    log = result.texts_frame("pandas")
    assert [gap.score for gap in result.gaps] == ["judge", "no score of judge", "not written"]
    assert dict(result.unwritten) == log["text"].isna().groupby(log["group"]).sum().to_dict()
    assert result.n_texts == log["text"].notna().sum()
    for row in result.scores[:2]:
        of_group = log[log["group"] == row.group]
        assert (row.n_texts, row.unscored) == (64, of_group["judge"].isna().sum())
    missing = result.gaps[1]
    refused = log[log["text"].notna()].assign(
        refused=lambda rows: rows["judge"].isna(),
        of=lambda rows: rows["prompt"].str.lower().str.replace("woman|man", "", regex=True),
    )
    means = refused.groupby(["of", "group"])["refused"].mean().unstack()
    assert missing.difference == pytest.approx((means["women"] - means["men"]).mean())
    assert missing.p_value < 0.001
    assert "Not written: women" in str(result)


def test_a_group_without_any_score_is_compared_with_none() -> None:
    with pytest.warns(UserWarning, match=r"No text has a score .* \(toxicity: m\)"):
        result = logged_generation_audit(
            [1, 1, 1, 2, 2, 2], list("fmxfmx"), scores={"toxicity": [0.1, None, 0.3, 0.2, np.nan, 0.4]}
        )
    by_pair = {(gap.first, gap.second): gap for gap in result.gaps if gap.score == "toxicity"}
    assert np.isnan(by_pair["f", "m"].p_value)
    assert by_pair["f", "m"].n_prompts == 0
    assert by_pair["f", "x"].difference == pytest.approx(-0.2)
    assert "A dash: no prompt has scores of both groups." in str(result)


def test_each_prompt_is_written_on_once_and_each_text_judged_once() -> None:
    writer, judged = Writer({}), []

    def judge(texts: list[str]) -> list[float]:
        judged.append(list(texts))
        return [0.0] * len(texts)

    result = generation_audit(
        writer,
        [*PROMPTS, PROMPTS[0]],
        judge,
        groups=starter_people(),
        n_samples=3,
        random_state=5,
        n_resamples=9,
    )
    prompts, n_samples, seed = writer.calls[0]
    assert len(writer.calls) == 1
    assert len(prompts) == len(set(prompts)) == 4 * 16
    assert (n_samples, seed, result.duplicates) == (3, 5, 1)
    assert len(judged[0]) == len(set(judged[0]))
    cost = generation_cost(PROMPTS, starter_people(), n_samples=3, tokens_per_text=20)
    assert (cost.prompts, cost.calls, cost.tokens_out) == (64, 192, 192 * 20)
    assert cost.tokens_in == 3 * sum(math.ceil(len(prompt) / 4) for prompt in prompts)


def test_one_seed_gives_one_result() -> None:
    same = [audited(random_state=3).to_dict() for _ in range(2)]
    assert same[0] == same[1]
    assert audited(random_state=4).to_dict() != same[0]
    for random_state in (np.random.default_rng(0), np.random.RandomState(0), None):
        writer = Writer({})
        audit = generation_audit(writer, PROMPTS, is_bad, groups=PEOPLE, random_state=random_state)
        assert audit.n_texts == 128
        assert (writer.calls[0][2] is None) == (random_state is None)


def test_texts_name_groups_and_a_swapper_rewrites_them() -> None:
    writer = Writer({"she": 0.9, "he": 0.0})
    texts = ["then she said", "and he", "it rained", "she told him"]
    result = generation_audit(
        writer, texts, is_bad, groups=english_gender(), random_state=0, n_resamples=99, n_samples=4
    )
    assert writer.calls[0][0] == ["then he said", "then she said", "and he", "and she"]
    assert (result.n_prompts, result.left_out) == (2, 2)
    assert result.gaps[0].difference < -0.5
    assert "2 prompts name no group, or several, and are left out." in str(result)
    options: dict[str, Any] = {"groups": english_gender(), "random_state": 0, "n_resamples": 99}
    one = generation_audit(writer, ["it rained", "and he"], is_bad, **options)
    assert "1 prompt names no group, or several, and is left out." in str(one)
    # What people wrote is not in the result, unless it was asked for.
    record = json.dumps(result.to_dict()) + str(result)
    assert not any(text in record for text in texts)
    # They are told by where they stand among all that were given: the third names nobody.
    assert {prompt.prompt for prompt in result.worst} <= {"prompt 0", "prompt 1"}
    assert "its position in what was given, from 0; keep_texts=True shows it as it reads" in str(result)
    later = generation_audit(
        writer, texts[::-1], is_bad, groups=english_gender(), random_state=0, n_resamples=99
    )
    assert {prompt.prompt for prompt in later.worst} == {"prompt 2", "prompt 3"}
    assert later.by_position
    kept = generation_audit(
        writer, texts, is_bad, groups=english_gender(), random_state=0, n_resamples=99, keep_texts=True
    )
    assert "then she said" in str(kept)
    assert not kept.by_position
    assert "its position" not in str(kept) + str(audited(n_resamples=99))


def test_texts_are_kept_when_asked_for_only() -> None:
    result = audited()
    assert "bad 1" not in json.dumps(result.to_dict()) + str(result)
    assert result.texts is None
    with pytest.raises(ValueError, match="keep_texts=True"):
        result.texts_frame()
    kept = audited(keep_texts=True)
    assert "texts" not in kept.to_dict()
    assert list(kept.texts_frame("polars").columns) == ["prompt", "group", "text", "bad", "length"]
    assert len(kept.texts["text"]) == 128


def test_frames_come_in_the_library_of_the_log() -> None:
    log = pl.DataFrame({"q": ["a", "a", "b", "b"], "g": list("fmfm"), "s": [0.1, 0.3, 0.2, 0.5]})
    result = logged_generation_audit(log["q"], log["g"], scores=log["s"], random_state=0)
    assert isinstance(result.frame(), pl.DataFrame)
    assert result.gaps[0].difference == pytest.approx(-0.25)
    groups = log.select("g", pl.lit("x").alias("h"))
    assert logged_generation_audit(log["q"], groups, scores=log["s"]).groups == (("f", "x"), ("m", "x"))


def test_prompts_are_ids_of_any_kind_and_several_columns_make_one() -> None:
    rng = np.random.default_rng(0)
    scores, groups = rng.normal(size=200), list("fm") * 100
    ids = np.repeat(np.arange(50), 4)  # many numbers are no measurements here, and nothing warns of them
    numbers = logged_generation_audit(ids, groups, scores=scores, random_state=0).to_dict()
    two = pd.DataFrame({"question": ids // 5, "version": [f"v{i % 5}" for i in ids]})
    assert logged_generation_audit(two, groups, scores=scores, random_state=0).gaps[0].difference == (
        pytest.approx(numbers["gaps"][0]["difference"])
    )
    for same in (pd.Series(ids).astype("category"), pl.Series(ids.astype(str)), ids.tolist()):
        again = logged_generation_audit(same, groups, scores=scores, random_state=0).to_dict()
        assert again["gaps"] == numbers["gaps"]


def test_scores_come_from_any_library_with_gaps() -> None:
    values = [0.1, None, 0.3, 0.9, 0.2, 0.4]
    log: dict[str, Any] = {"prompts": [1, 1, 1, 2, 2, 2], "groups": list("fmmfmm"), "random_state": 0}
    expected = logged_generation_audit(scores=values, **log).to_dict()
    frame = pd.DataFrame({"score": pd.array(values, dtype="Float64")})
    for scores in (frame["score"], frame, pl.Series(values), pa.chunked_array([values]), {"score": values}):
        assert logged_generation_audit(scores=scores, **log).to_dict() == expected
    two = frame.assign(other=range(6))
    names = [gap.score for gap in logged_generation_audit(scores=two, **log).gaps]
    assert names == ["score", "no score of score", "other"]
    texts = pd.Series(["a", pd.NA, "b", "c", "d", "e"], dtype="string")
    judged = logged_generation_audit(
        texts=texts, judge=lambda t: [pd.NA if x == "a" else 1 for x in t], **log
    )
    assert dict(judged.unwritten) == {"f": 0, "m": 1}
    assert [(row.n_texts, row.unscored) for row in judged.scores[:2]] == [(2, 1), (4, 1)]


def test_single_texts_are_signs_that_flip() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal([0.5, 0], size=(7, 2))
    result = logged_generation_audit(
        np.repeat(range(7), 2), ["a", "b"] * 7, scores=scores.ravel(), random_state=0
    )
    d = scores[:, 0] - scores[:, 1]
    signed = [np.mean(d * signs) for signs in itertools.product([-1, 1], repeat=7)]
    gap = result.gaps[0]
    assert gap.is_exact
    assert gap.p_value == pytest.approx(np.mean(np.abs(signed) >= abs(d.mean()) - 1e-12))
    assert (gap.distance, gap.distance_by_chance) == pytest.approx((np.abs(d).mean(),) * 2)
    assert all(np.isnan(row.same_prompt) for row in result.scores)  # nothing to halve


def test_an_audit_enters_a_report() -> None:
    report = audit_predictions(
        [0, 1, 0, 1], [0, 1, 1, 1], sensitive_features=list("ffmm"), attached={"Continuations": audited()}
    )
    page = report.to_html()
    assert "Continuations" in page
    assert "prompts on which groups lie furthest apart" in page


def test_results_escape_prompts_and_shorten_them() -> None:
    prompts = ["<script>alert(1)</script> {person}", "x" * 10_000 + " {person}"]
    result = generation_audit(
        Writer({"woman": 1.0, "man": 0.0}), prompts, is_bad, groups=PEOPLE, random_state=0, n_resamples=9
    )
    assert "<script>alert" not in result._repr_html_()
    assert max(map(len, str(result).splitlines())) < 1_000


class Prefixes:
    """The smallest language model: which word follows a beginning, as often as it did in a corpus."""

    def __init__(self, corpus: list[str]) -> None:
        self.next_words: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for text in corpus:
            words = text.split()
            for i, word in enumerate([*words, "."]):
                self.next_words[tuple(words[:i])][word] += 1

    def _shares(self, before: list[str]) -> dict[str, float]:
        found = self.next_words[tuple(before)]
        return {word: n / found.total() for word, n in found.items()}

    def log_likelihood(self, texts: list[str]) -> list[float]:
        return [
            sum(math.log(self._shares(words[:i])[word]) for i, word in enumerate([*words, "."]))
            for words in (text.lower().split() for text in texts)
        ]

    def count_tokens(self, texts: list[str]) -> list[int]:
        return [len(text.split()) + 1 for text in texts]

    def generate(self, prompts: list[str], n_samples: int, random_state: int | None) -> list[list[str]]:
        rng = np.random.default_rng(random_state)
        return [[self._go_on(prompt.lower().split(), rng) for _ in range(n_samples)] for prompt in prompts]

    def _go_on(self, words: list[str], rng: np.random.Generator) -> str:
        written: list[str] = []
        while not written or written[-1] != ".":
            shares = self._shares([*words, *written])
            written.append(str(rng.choice(list(shares), p=list(shares.values()))))
        return " ".join(written[:-1])


VERBS = ("worked as", "became", "was", "wanted to be")


def corpus(share: float) -> list[str]:
    """Return sentences in which this share of the women, and the rest of the men, are nurses."""
    nurses = round(20 * share)
    return [
        f"the {person} {verb} a {job}"
        for verb in VERBS
        for person, n in (("woman", nurses), ("man", 20 - nurses))
        for job in ["nurse"] * n + ["driver"] * (20 - n)
    ]


@pytest.mark.parametrize(("share", "planted"), [(0.8, True), (0.5, False)])
def test_a_trained_model_has_the_association_of_its_corpus_and_no_other(share: float, planted: bool) -> None:
    model = Prefixes(corpus(share))
    sentences = [f"{{person}} {verb} a nurse" for verb in VERBS]
    pair = perplexity_by_group(model, sentences, PEOPLE).pairs[0]
    assert pair.difference == pytest.approx(math.log(share / (1 - share)))
    preferred = paired_preference(
        model,
        [f"the woman {verb} a nurse" for verb in VERBS],
        [f"the woman {verb} a driver" for verb in VERBS],
    )
    assert preferred.preferences[0].difference == pytest.approx(math.log(share / (1 - share)))
    written = generation_audit(
        model,
        [f"{{person}} {verb} a" for verb in VERBS],
        lambda texts: ["nurse" in text for text in texts],
        groups=PEOPLE,
        n_samples=40,
        random_state=0,
    ).gaps[0]
    assert written.is_exact
    if planted:
        assert written.difference == pytest.approx(2 * share - 1, abs=0.12)
        assert written.p_value < 1e-9
    else:
        assert abs(written.difference) < 0.12
        assert written.p_value > 0.05


# what cannot be audited


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ([["a", "b"]], "returned 1 lists for 2 prompts"),
        ([["a", "b"], ["c"]], "a list of 2 texts is expected"),
        (["ab", "cd"], "a list of 2 texts is expected"),
        ([["a", "b"], ["c", 3]], "must return texts; got 3"),
        ("abcd", "must return a list of texts per prompt"),
        (None, "must return a list of texts per prompt"),
    ],
)
def test_what_is_no_generation_is_refused(returned: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generation_audit(
            lambda *_: returned, ["{person} is"], is_bad, groups=PEOPLE, n_samples=2, random_state=0
        )


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        (lambda texts: [0.0], r"returned an array of shape \(1,\)"),
        (lambda texts: ["x"] * len(texts), "must return numbers"),
        (lambda texts: [float("inf")] * len(texts), "infinite score"),
        (lambda texts: [[0.0]] * len(texts), r"returned an array of shape"),
        ({}, "judge is empty"),
    ],
)
def test_what_is_no_judgement_is_refused(judge: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generation_audit(Writer({}), PROMPTS, judge, groups=PEOPLE, random_state=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: generation_audit("gpt", PROMPTS, is_bad, groups=PEOPLE), "generate is a function"),
        (lambda: generation_audit(Writer({}), PROMPTS, "toxicity", groups=PEOPLE), "judge is a function"),
        (
            lambda: logged_generation_audit([1, 1], ["f", "m"], texts=[3, "a"], judge=is_bad),
            "must hold texts",
        ),
    ],
)
def test_what_cannot_write_or_judge_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_samples": 0}, "n_samples must be a whole number"),
        ({"n_samples": 2.5}, "n_samples must be a whole number"),
        ({"terms": "random"}, "terms"),
        ({"confidence": 95}, "confidence"),
        ({"n_resamples": 0}, "n_resamples"),
        ({"terms": "sampled"}, "needs several terms of each group"),
    ],
)
def test_options_are_checked_before_anything_is_asked(options: Any, message: str) -> None:
    writer = Writer({})
    with pytest.raises(ValueError, match=message):
        generation_audit(writer, PROMPTS, is_bad, groups=PEOPLE, **options)
    assert writer.calls == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scores": None}, "Give either scores=, or texts="),
        ({"judge": is_bad}, "Give either scores=, or texts="),
        ({"scores": None, "judge": is_bad}, "Give either scores=, or texts="),
        ({"groups": ["f", "f", "f"]}, "only f: at least two are compared"),
        ({"prompts": [1, None, 1]}, "prompts is missing in 1 rows, such as row 1"),
        ({"prompts": [1, 2, 3]}, "None of the 3 prompts has texts of two groups"),
        ({"scores": [0, 1]}, "rows|lengths|length"),
        ({"scores": {"a": [0, 1, 2], "b": [0]}}, "rows|lengths|length"),
        ({"scores": {"a": np.zeros((3, 2))}}, "not several columns"),
        ({"groups": [], "prompts": [], "scores": []}, "groups is empty"),
        ({"scores": {"a": [0, 1, float("inf")]}}, "infinite values"),
        ({"scores": {"a": ["x", 1, 2]}}, "must hold a number per text"),
        ({"scores": {}}, "scores is empty"),
    ],
)
def test_logs_that_cannot_be_compared_are_refused(arguments: Any, message: str) -> None:
    log = {"prompts": [1, 1, 1], "groups": ["f", "m", "m"], "scores": [0, 1, 2]} | arguments
    with pytest.raises(ValueError, match=message):
        logged_generation_audit(log.pop("prompts"), log.pop("groups"), **log)


# the starter set


def test_starter_prompts_have_one_place_and_differ() -> None:
    for kind in ("continuations", "requests", "sentences"):
        prompts = starter_prompts(kind)
        assert len(set(prompts)) == len(prompts) >= 16
        for prompt in prompts:
            assert re.findall(r"\{.*?\}", prompt) == ["{person}"]
            # Whoever stands in the place, nothing else in the prompt has a gender.
            assert english_gender().mentioned([prompt.replace("{person}", "Kim")]).tolist() == ["none"]
    with pytest.raises(ValueError, match="kind"):
        starter_prompts("questions")  # type: ignore[arg-type]


def test_starter_names_and_people_are_aligned_and_make_a_swapper() -> None:
    for groups in (starter_names(), starter_people()):
        assert list(groups) == ["male", "female"]
        assert len(groups["male"]) == len(groups["female"]) == len({*groups["male"], *groups["female"]}) / 2
        swapper = TermSwapper(groups)
        for male, female in zip(*groups.values(), strict=True):
            assert swapper.swap(f"Then {male} left.", "female") == f"Then {female} left."
    for male, female in zip(*starter_people().values(), strict=True):
        assert english_gender().swap(male, "female") == female or male == "her nephew"


def test_starter_occupations_name_no_gender_and_have_shares() -> None:
    work = starter_occupations()
    assert len(set(work.occupations)) == len(work.occupations) == len(work.share_women) == len(work.titles)
    assert set(english_gender().mentioned(list(work.occupations))) == {"none"}
    assert (work.share_women > 0).all()
    assert (work.share_women < 1).all()
    assert (work.employed >= 50_000).all()
    share = dict(zip(work.occupations, work.share_women.tolist(), strict=True))
    # As published: U.S. Bureau of Labor Statistics, CPS, Table 11, 2022.
    assert (share["plumber"], share["nurse"], share["lawyer"], share["preschool teacher"]) == (
        0.011,
        0.879,
        0.385,
        0.974,
    )
    assert work.with_article()[work.occupations.index("electrician")] == "an electrician"
    assert "2022" in work.source
    assert len(work.frame("pandas")) == len(work.occupations)


def test_a_first_audit_is_a_few_lines() -> None:
    """The starter set goes into each of the audits as it is."""
    written = generation_audit(
        Writer({"sister": 0.9, "brother": 0.1}),
        starter_prompts(),
        is_bad,
        groups=starter_people(),
        n_samples=4,
        random_state=0,
        n_resamples=200,
    )
    assert written.gaps[0].p_value < 0.01

    def log_likelihood(texts: list[str]) -> list[float]:
        return [-float(len(text)) for text in texts]

    likely = perplexity_by_group(
        log_likelihood, starter_prompts("sentences"), starter_names(), terms="sampled", random_state=0
    )
    assert likely.pairs[0].n_prompts == len(starter_prompts("sentences"))
    work = starter_occupations()
    preferred = paired_preference(
        log_likelihood,
        [f"She is {job}." for job in work.with_article()],
        [f"He is {job}." for job in work.with_article()],
        groups=np.where(work.share_women > 0.5, "mostly women", "mostly men"),
    )
    assert preferred.share == 0
    texts = [
        prompt.format(person=person) for prompt in starter_prompts("sentences") for person in ("he", "she")
    ]
    swapped = counterfactual_audit(
        lambda batch: np.array([0.9 if "she" in text.lower().split() else 0.1 for text in batch]),
        texts,
        english_gender(),
    )
    assert "1.000" in str(swapped) or "100" in str(swapped)
