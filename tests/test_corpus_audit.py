"""Counts of texts and their audit: brute force, merging, batches, words of any script, and beside groups."""

from __future__ import annotations

import functools
import itertools
import json
import pickle
import re
import string
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2_contingency, chisquare

from fairsk._core.tokens import words_of
from fairsk.audit import audit_dataset, audit_predictions
from fairsk.audit._data.columns import is_free_text
from fairsk.audit._data.words import _binomial_p
from fairsk.text import CorpusCounts, TermSwapper

WORDS = ["nurse", "doctor", "kind", "angry", "rain", "walks", "home"]
SWAPPER = TermSwapper({"woman": ["she", "mother"], "man": ["he", "father"]})


def collection(n: int, seed: int = 0, lean: float = 0.0) -> tuple[list[str], list[str], list[str]]:
    """Return texts, who they mention, and their languages; "nurse" leans towards women."""
    rng = np.random.default_rng(seed)
    mentions = rng.choice(["woman", "man", "none", "several"], n, p=[0.3, 0.4, 0.2, 0.1]).tolist()
    texts = []
    for group in mentions:
        probability = np.full(len(WORDS), 0.3)
        probability[0] += lean * (group == "woman")
        texts.append(" ".join(word for word, p in zip(WORDS, probability, strict=True) if rng.random() < p))
    return texts, mentions, rng.choice(["en", "de"], n, p=[0.7, 0.3]).tolist()


def counted(n: int = 200, seed: int = 0, **options: Any) -> CorpusCounts:
    texts, mentions, languages = collection(n, seed)
    return CorpusCounts.from_texts(texts, mentions=mentions, columns={"language": languages}, **options)


def brute_force(texts: list[str], mentions: list[str]) -> dict[str, dict[str, int]]:
    """Return the texts of each group with each word, counted one by one."""
    table: dict[str, dict[str, int]] = {}
    for text, group in zip(texts, mentions, strict=True):
        for word in {part.lower() for part in re.findall(r"[A-Za-z0-9]+", text) if len(part) > 1}:
            of_group = table.setdefault(word, dict.fromkeys(set(mentions), 0))
            of_group[group] += 1
    return table


# --- counts ------------------------------------------------------------------------------------------------


def test_counts_are_those_of_one_by_one() -> None:
    texts, mentions, languages = collection(300)
    texts = [text.replace("nurse", "Nurse, NURSE!") for text in texts]
    counts = CorpusCounts.from_texts(texts, mentions=mentions, columns={"language": languages})
    assert dict(counts.cells) == dict(Counter(zip(mentions, languages, strict=True)))
    assert counts.n_texts == 300
    assert counts.marginal("language") == dict(sorted(Counter(languages).items()))
    assert list(counts.marginal("mentions")) == ["man", "woman", "none", "several"]
    expected = brute_force(texts, mentions)
    assert counts.words == tuple(sorted(expected))
    for word, by_group in expected.items():
        assert counts.texts_with(word) == by_group
    assert counts.is_complete
    assert counts.texts_with("unheard") == dict.fromkeys(counts.groups, 0)


def test_batches_give_what_all_texts_give() -> None:
    texts, mentions, languages = collection(500)
    whole = CorpusCounts.from_texts(texts, mentions=mentions, columns={"language": languages})
    frame = pd.DataFrame({"body": texts, "who": mentions, "language": languages})

    def batches(make: Callable[[pd.DataFrame], Any]) -> Iterator[Any]:
        for start in range(0, 500, 37):
            yield make(frame.iloc[start : start + 37])

    for make in (lambda part: part, pl.from_pandas, lambda part: part.to_dict("list")):
        counts = CorpusCounts.from_texts(batches(make), text="body", mentions="who", columns=["language"])
        assert counts == whole
    renamed = CorpusCounts.from_texts(
        frame, text="body", mentions=lambda texts: mentions, columns={"language": frame["language"]}
    )
    assert renamed == whole


@given(st.lists(st.integers(0, 4), min_size=12, max_size=12), st.permutations(range(5)))
@settings(max_examples=20, deadline=None)
def test_tables_add_up_in_any_order(part_of: list[int], order: list[int]) -> None:
    texts, mentions, languages = collection(12, seed=3)
    rows = list(zip(texts, mentions, languages, strict=True))
    parts = []
    for i in order:
        some = [row for row, place in zip(rows, part_of, strict=True) if place == i]
        parts.append(
            CorpusCounts.from_texts(
                [text for text, _, _ in some],
                mentions=[group for _, group, _ in some],
                columns={"language": [language for _, _, language in some]},
            )
        )
    whole = CorpusCounts.from_texts(texts, mentions=mentions, columns={"language": languages})
    assert sum(parts) == whole
    assert parts[0] + (parts[1] + parts[2]) == (parts[2] + parts[0]) + parts[1]


def table(vocabulary: Any, *texts: str) -> CorpusCounts:
    return CorpusCounts.from_texts(list(texts), mentions=["g"] * len(texts), words=vocabulary)


def test_vocabularies_merge_to_the_words_whose_texts_are_known() -> None:
    complete = table(10, "aa bb", "aa cc")
    cut = table(2, "aa aa dd", "aa ee", "aa dd")
    assert cut.words == ("aa", "dd")
    assert not cut.is_complete
    assert cut.other_words.tolist() == [1]  # ee
    given_words = table(["aa", "bb"], "bb cc cc", "aa")
    both = complete + cut
    assert both.words == ("aa", "dd")
    assert both.texts_with("aa") == {"g": 5}
    assert both.texts_with("dd") == {"g": 2}
    assert both.other_words.tolist() == [1 + 2]  # ee, and bb and cc of the first
    assert (cut + given_words).words == ("aa",)
    parts = [complete, cut, given_words, table(1, "cc", "cc dd")]
    sums = [sum(order) for order in itertools.permutations(parts)]
    assert all(each == sums[0] for each in sums)
    with pytest.raises(ValueError, match="The texts with 'ee' were not counted"):
        cut.texts_with("ee")


def test_words_that_one_table_leaves_out_are_in_no_sum() -> None:
    german, english = (
        CorpusCounts.from_texts(texts, mentions=["g", "h"], leave_out=left_out)
        for texts, left_out in ((["sie in", "in"], ["sie"]), (["she in", "sie in"], ["she"]))
    )
    both = german + english
    assert both == english + german
    assert both.left_out == ("she", "sie")
    assert both.words == ("in",)
    assert both.other_words.tolist() == [0, 1]  # sie, which the English table has counted
    assert both.is_complete
    with pytest.raises(ValueError, match="The texts with 'sie' were not counted"):
        both.texts_with("sie")
    third = CorpusCounts.from_texts(["sie", "sie"], mentions=["g", "g"], words=["sie"], leave_out=[])
    assert (german + english) + third == german + (english + third) == (german + third) + english


def test_the_vocabulary_is_the_same_in_every_process() -> None:
    code = (
        "from fairsk._core.corpus import CorpusCounts; import string; "
        "texts = [a + b + ' ' + b + a for a in string.ascii_lowercase for b in 'xyz']; "
        "print(CorpusCounts.from_texts(texts, mentions=['g'] * len(texts), words=20).words)"
    )
    # Sets of texts have another order in a process with another seed.
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "1", "PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    texts = [f"{a}{b} {b}{a}" for a in string.ascii_lowercase for b in "xyz"]
    counts = CorpusCounts.from_texts(texts, mentions=["g"] * len(texts), words=20)
    assert said == f"{counts.words}\n"


def test_no_word_is_learnt_once_some_were_passed_over() -> None:
    def batches() -> Iterator[list[str]]:
        yield ["aa bb"]
        yield ["cc dd cc", "dd"]  # room for one of the two
        yield ["ee ee aa"]

    counts = CorpusCounts.from_texts(batches(), mentions=lambda texts: ["g"] * len(texts), words=3)
    assert counts.words == ("aa", "bb", "dd")
    assert counts.texts_with("aa") == {"g": 2}
    assert counts.other_words.tolist() == [2]  # cc, ee
    assert not counts.is_complete
    full = CorpusCounts.from_texts(batches(), mentions=lambda texts: ["g"] * len(texts), words=5)
    assert full.is_complete


def test_long_runs_of_letters_are_no_words() -> None:
    counts = table(10, "x" * 10_000 + " short")
    assert counts.words == ("short",)
    assert counts.other_words.tolist() == [1]
    assert counts.is_complete


def test_rare_words_can_be_taken_out() -> None:
    counts = table(10, "aa bb", "aa cc", "aa").without_rare_words(2)
    assert counts.words == ("aa",)
    assert counts.other_words.tolist() == [2]
    assert not counts.is_complete
    assert "cc" not in json.dumps(counts.to_state())


def test_terms_of_the_groups_are_left_out() -> None:
    swapper = TermSwapper({"black": ["African American", "woman"], "white": ["Scottish", "man"]})
    texts = ["the African American nurse", "a Scottish nurse", "the woman's American nurse"]
    counts = CorpusCounts.from_texts(texts, mentions=swapper.mentioned)
    assert counts.words == ("nurse", "the")
    assert counts.left_out == ("african", "american", "man", "scottish", "woman")
    said = "5 listed words, such as terms of groups, are not counted, whether they occur or not"
    assert f"Words: 2, all that occur ({said})." in str(counts)
    assert f"Vocabulary: 2 words; {said}." in str(audit_dataset(counts, min_group_size=1).words)
    assert "Words: 2, all that occur." in str(CorpusCounts.from_texts(["ab cd"], mentions=["g"]))
    partial = functools.partial(swapper.mentioned)
    assert CorpusCounts.from_texts(texts, mentions=partial) == counts
    kept = CorpusCounts.from_texts(texts, mentions=swapper.mentioned, leave_out=["the"])
    assert kept.words == ("african", "american", "nurse", "scottish", "woman")


def test_words_need_not_be_counted() -> None:
    counts = counted(words=0)
    assert counts.words is None
    assert counts + counts == counts + counts
    assert "No words were counted." in str(counts)
    assert audit_dataset(counts).words is None
    with pytest.raises(ValueError, match="with words and tables without"):
        counts + counted()


def test_state_and_pickle_restore_the_table() -> None:
    counts = counted(words=3)
    state = json.loads(json.dumps(counts.to_state()))
    assert CorpusCounts.from_state(state) == counts
    assert pickle.loads(pickle.dumps(counts)) == counts
    assert counts != counted(words=4)
    assert counts != counted(seed=1, words=3)
    assert counts != "counts"
    columns = {"kind": [1, None, True, 2.5], "year": np.array([2020, 2021, 2020, 2021])}
    values = CorpusCounts.from_texts(["a"] * 4, mentions=["g", "h", "g", "h"], columns=columns)
    assert CorpusCounts.from_state(json.loads(json.dumps(values.to_state()))) == values


def test_missing_values_are_one_value() -> None:
    columns = {"source": pd.Series(["a", None, np.nan, pd.NA], dtype=object), "year": [1.0, np.nan, None, 2]}
    counts = CorpusCounts.from_texts(["x"] * 4, mentions=["g"] * 4, columns=columns)
    assert counts.marginal("source") == {None: 3, "a": 1}
    assert counts.marginal("year") == {None: 2, 1.0: 1, 2: 1}
    assert "(missing)" in str(counts)
    assert "None" not in str(counts)
    assert counts.frame()["value"].tolist().count("(missing)") == 2
    assert "(missing)" in str(audit_dataset(counts, "source").shares)


def test_who_is_mentioned_in_several_languages_is_a_column() -> None:
    swappers = {"en": SWAPPER, "de": TermSwapper({"woman": ["sie"], "man": ["er"]})}
    frame = pd.DataFrame({"post": ["she sings", "er singt", "sie singt"], "lang": ["en", "de", "de"]})
    frame["who"] = [
        swappers[lang].mentioned([post])[0] for post, lang in zip(frame.post, frame.lang, strict=True)
    ]
    batches = (frame[i : i + 1] for i in range(3))
    counts = CorpusCounts.from_texts(batches, text="post", mentions="who", columns=["lang"])
    assert counts.marginal("mentions", "lang") == {("woman", "en"): 1, ("man", "de"): 1, ("woman", "de"): 1}


def test_few_values_of_many_are_printed() -> None:
    sources = [f"<i>{i}</i>" for i in range(40) for _ in range(i + 1)]
    counts = CorpusCounts.from_texts(["x"] * 820, mentions=["g"] * 820, columns={"source": sources})
    assert "30 more" in str(counts)
    assert len(counts.frame()) == 41
    assert "<i>" not in counts._repr_html_()


# --- words of texts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A woman's 2nd _try_, OK?", ["woman", "2nd", "try", "ok"]),
        ("Straße ΣΊΣΥΦΟΣ", ["strasse", "σίσυφοσ"]),
        ("nai\u0308ve naïve", ["naïve", "naïve"]),
        ("हिन्दी में लिखा", ["हिन्दी", "में", "लिखा"]),
        ("مُسْلِم و می\u200cخواهم", ["مُسْلِم", "می\u200cخواهم"]),  # noqa: RUF001
        ("我喜欢 ok 中", ["我喜", "喜欢", "ok", "中"]),
        ("東京タワー2本", ["東京", "京タ", "タワ", "ワー", "本"]),
        ("ไทย한국어 말", ["ไท", "ทย", "한국어"]),
        ("😀 -- \x00 ¿", []),
    ],
)
def test_words_of_any_script(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_thousands_of_marks_take_no_longer_than_other_texts() -> None:
    start = time.process_time()
    words = words_of("a" + "\u0301\u0323" * 50_000 + " naïve")
    # To compose them all takes seven seconds; this takes milliseconds.
    assert time.process_time() - start < 1
    assert words[1:] == ["naïve"]
    assert len(words[0]) <= 31


def test_words_can_be_cut_by_others() -> None:
    texts, mentions = ["a-b c", "c"], ["g", "g"]
    counts = CorpusCounts.from_texts(texts, mentions=mentions, tokenize=str.split)
    assert counts.texts_with("c") == {"g": 2}
    assert counts.tokenizer == "str.split"
    with pytest.raises(ValueError, match=r"tokenizer differ, 'str\.split' and 'words'"):
        counts + CorpusCounts.from_texts(texts, mentions=mentions)
    with pytest.raises(TypeError, match="tokenize must return the words of a text"):
        CorpusCounts.from_texts(texts, mentions=mentions, tokenize=str.upper)


# --- what is refused ---------------------------------------------------------------------------------------


def of(texts: Any = ("a", "b"), **options: Any) -> Callable[[], Any]:
    return lambda: CorpusCounts.from_texts(texts, **{"mentions": lambda texts: ["g"] * len(texts), **options})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (of("text"), TypeError, "single text"),
        (of(iter(["text"])), TypeError, "The iterator gives single texts"),
        (
            of(iter([["a"]]), mentions=["g"]),
            TypeError,
            "'mentions' are values, and the texts come in batches",
        ),
        (of(["a", None]), ValueError, "no text"),
        (of(mentions=["g"]), ValueError, "mentions must have a value for each of 2 texts; got 1"),
        (of(mentions=lambda texts: "g"), ValueError, "mentions must have a value for each of 2 texts"),
        (of(mentions=["g", None]), ValueError, "mentions gave a missing value"),
        (of(mentions=["g", ["h"]]), TypeError, "unhashable"),
        (of(mentions="who"), ValueError, "mentions is the column 'who', and the texts are no table"),
        (of(pd.DataFrame({"t": ["a"]}), columns=["lang"]), ValueError, "'lang', which is not there.*'t'"),
        (of({"t": ["a"]}, columns=["lang"]), ValueError, "'lang', which is not there.*'t'"),
        (of(columns="language"), TypeError, "columns must be a mapping or a list"),
        (of(columns={"mentions": ["a", "b"]}), ValueError, "columns may not have 'mentions'"),
        (
            of(columns={"language": ["a"]}),
            ValueError,
            "language must have a value for each of 2 texts; got 1",
        ),
        (of(words=-1), ValueError, "words must be how many are learnt"),
        (of(words=True), ValueError, "words must be how many are learnt"),
        (of(words=[]), ValueError, "words must be texts, and some"),
        (of(words=["Nurse", "a b"]), ValueError, "'Nurse' as 'nurse', 'a b' as nothing"),
        (lambda: counted().marginal("source"), ValueError, "marginal takes names out of"),
        (lambda: counted() + table(5, "a"), ValueError, "names differ"),
        (lambda: CorpusCounts({("a",): -1}), ValueError, "cells must count texts"),
        (lambda: CorpusCounts({("a",): 1}, names=["group"]), ValueError, "names must begin with 'mentions'"),
        (
            lambda: CorpusCounts({("a",): 1}, words=["x"], word_texts={"a": [2]}),
            ValueError,
            "of its 1 texts",
        ),
        (lambda: CorpusCounts({("a",): 1}, words=["x", "x"]), ValueError, "distinct words"),
    ],
)
def test_what_is_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        call()
    assert len(str(raised.value)) < 2_000


def test_a_column_that_names_single_texts_is_refused() -> None:
    n = 10_001
    with pytest.raises(ValueError, match="'address' has 10,001 values so far"):
        CorpusCounts.from_texts(
            ["x"] * n, mentions=["g"] * n, columns={"address": [f"a/{i}" for i in range(n)]}, words=0
        )


# --- shares ------------------------------------------------------------------------------------------------


def finding(audit: Any, check: str, attribute: str) -> Any:
    (found,) = [each for each in audit.findings if (each.check, each.attribute) == (check, attribute)]
    return found


def test_shares_against_what_is_stated() -> None:
    counts = counted(1_000)
    audit = audit_dataset(
        counts, baseline={"mentions": {"woman": 0.5, "man": 0.5}, "language": {"en": 0.8, "de": 0.2}}
    )
    assert audit.attributes == ("mentions", "language", "mentions & language")
    mentions, language, both = audit.shares.parts
    # Texts that mention none or several are shown, and not compared: nothing was expected of them.
    assert mentions.groups == ("man", "none", "several", "woman")
    assert mentions.compared.tolist() == [True, False, False, True]
    n = counts.marginal("mentions")
    assert mentions.test.statistic == pytest.approx(chisquare([n["man"], n["woman"]]).statistic)
    assert mentions.test.p == pytest.approx(chisquare([n["man"], n["woman"]]).pvalue)
    m = counts.marginal("language")
    expected = chisquare([m["de"], m["en"]], [200, 800])
    assert (language.test.statistic, language.test.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert both.test is None
    assert "mentions: not in the baseline, and not compared: none, several." in str(audit.shares)
    assert finding(audit, "group shares", "mentions & language").severity == "NOT APPLICABLE"
    named = audit_dataset(
        counts, "mentions", baseline={"woman": 0.25, "man": 0.25, "none": 0.3, "several": 0.2}
    ).shares.parts
    assert len(named) == 1
    assert named[0].compared.all()


def test_shares_against_another_collection() -> None:
    here, there = counted(800), counted(900, seed=9)
    audit = audit_dataset(here, baseline=there)
    for name, part in zip(("mentions", "language"), audit.shares.parts, strict=False):
        first, second = here.marginal(name), there.marginal(name)
        expected = chi2_contingency([[table[key] for key in first] for table in (first, second)], False)
        assert part.test.statistic == pytest.approx(expected.statistic)
        assert part.test.p == pytest.approx(expected.pvalue)
    assert audit.shares.parts[2].sample
    assert len(audit.shares.parts[2].groups) == 8


def test_intersections_with_a_baseline_in_either_order() -> None:
    counts = counted(600)
    stated = {("en", "woman"): 0.3, ("en", "man"): 0.3, ("de", "woman"): 0.2, ("de", "man"): 0.2}
    turned = {label[::-1]: share for label, share in stated.items()}
    first, second = (
        audit_dataset(counts, baseline=baseline).shares.parts[2].test
        for baseline in ({("language", "mentions"): stated}, {("mentions", "language"): turned})
    )
    n = counts.marginal("language", "mentions")
    whole = sum(n[label] for label in stated)
    expected = chisquare([n[label] for label in stated], [share * whole for share in stated.values()])
    assert first.statistic == pytest.approx(expected.statistic)
    assert second.statistic == pytest.approx(expected.statistic)
    equal = audit_dataset(counts, baseline={("language", "mentions"): "equal"}).shares.parts[2]
    assert equal.expected[equal.compared] == pytest.approx([0.25] * 4)


def test_sources_that_are_missing_are_a_finding() -> None:
    counts = CorpusCounts.from_texts(
        ["x"] * 100, mentions=["g", "h"] * 50, columns={"source": ["a"] * 60 + [None] * 40}
    )
    audit = audit_dataset(counts)
    assert finding(audit, "unknown groups", "source").value == pytest.approx(0.4)
    assert audit.shares.parts[1].groups == ("(missing)", "a")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"sensitive_features": "sex"}, ValueError, "are some of 'mentions', 'language'; got 'sex'"),
        ({"sensitive_features": 0}, ValueError, "are some of"),
        ({"y": [1]}, ValueError, "y is for rows"),
        ({"baseline": {"man": 0.5, "woman": 0.5}}, ValueError, "say which the baseline is of"),
        ({"baseline": {"lang": "equal"}}, ValueError, "The baseline names 'lang'.*'mentions', 'language'"),
        ({"baseline": {"words": ["a"]}}, TypeError, "The baseline of words is the CorpusCounts"),
        ({"baseline": [1]}, TypeError, "baseline of counted texts must be"),
        ({"baseline": {"language": ["en"]}}, TypeError, "must be shares, or the CorpusCounts"),
        ({"baseline": {"language": {"en": 1.0}}}, ValueError, "does not say how many to expect of: 'de'"),
        ({"baseline": counted(tokenize=str.split)}, ValueError, "tokenizer differ"),
        ({"most_words": -1}, ValueError, "most_words must be a number of words"),
        ({"most_words": True}, ValueError, "most_words must be a number of words"),
    ],
)
def test_audits_that_are_refused(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        audit_dataset(counted(), **arguments)


def test_nothing_to_audit() -> None:
    with pytest.raises(TypeError, match=r"this is an iterator.*CorpusCounts\.from_texts"):
        audit_dataset(iter([["a"]]), SWAPPER.mentioned)
    with pytest.raises(ValueError, match="The counts are of no texts"):
        audit_dataset(CorpusCounts.from_texts([], mentions=[]))
    with pytest.raises(ValueError, match="sensitive_features must say whose rows"):
        audit_dataset(pd.DataFrame({"a": [1, 2]}))


# --- words beside groups -----------------------------------------------------------------------------------


def by_hand(beside: int, n: int, others: int, m: int, share: float) -> tuple[float, float]:
    """Return the difference of log odds and z, with a tenth more texts that hold the word as often as all."""
    a, b = beside + 0.1 * n * share, n - beside + 0.1 * n * (1 - share)
    c, d = others + 0.1 * m * share, m - others + 0.1 * m * (1 - share)
    log_odds = np.log(a / b) - np.log(c / d)
    return log_odds, log_odds / np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)


def test_log_odds_by_hand() -> None:
    texts, mentions, _ = collection(2_000, lean=0.4)
    counts = CorpusCounts.from_texts(texts, mentions=mentions)
    words = audit_dataset(counts).words
    assert [part.group for part in words.parts] == ["man"]  # of two groups, each is the rest of the other
    (part,) = words.parts
    assert part.words[-1] == "nurse"
    n = counts.marginal("mentions")
    table = counts.texts_with("nurse")
    log_odds, z = by_hand(
        table["man"], n["man"], table["woman"], n["woman"], sum(table.values()) / counts.n_texts
    )
    assert (part.log_odds[-1], part.z[-1]) == pytest.approx((log_odds, z))
    assert (part.beside[-1], part.others[-1]) == (table["man"], table["woman"])
    assert (part.texts, part.other_texts) == (n["man"], n["woman"])
    assert part.shares[-1] == pytest.approx(table["man"] / n["man"])
    assert part.n_tested == len(WORDS)
    found = finding(audit_dataset(counts), "words", "mentions")
    assert found.severity == "NOTICE"
    assert found.value == pytest.approx(-log_odds)
    assert found.low < found.value < found.high
    assert "nurse" in found.advice


@pytest.mark.parametrize("sizes", [(40, 60), (7, 900), (1_000, 30)])
def test_p_values_are_binomial(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    texts = [rng.integers(0, n + 1, 40) for n in sizes]
    for part, n in zip(texts, sizes, strict=True):
        part[:3] = 0, n, n // 2
    found = _binomial_p(*texts, sizes)
    n = sum(sizes)
    for first, second, p in zip(*texts, found, strict=True):
        k, m = (
            (first, first + second) if 2 * (first + second) <= n else (sizes[0] - first, n - first - second)
        )
        law = binom(m, sizes[0] / n)
        assert p == pytest.approx(min(1, 2 * min(law.cdf(k), law.sf(k - 1))), abs=1e-12)


def test_several_groups_are_compared_with_all_others() -> None:
    texts = ["kind"] * 40 + ["kind"] * 10 + ["rain"] * 30 + ["rain"] * 40 + ["kind"] * 500
    mentions = ["a"] * 40 + ["b"] * 40 + ["c"] * 40 + ["none"] * 400 + ["several"] * 100
    counts = CorpusCounts.from_texts(texts, mentions=mentions)
    parts = {part.group: part for part in audit_dataset(counts, min_group_size=10).words.parts}
    assert set(parts) == {"a", "b", "c"}
    assert dict(zip(parts["a"].words, parts["a"].beside, strict=True))["kind"] == 40
    assert dict(zip(parts["a"].words, parts["a"].others, strict=True))["kind"] == 10
    assert parts["a"].other_texts == 80
    alone = CorpusCounts.from_texts(["kind"] * 40 + ["rain"] * 40, mentions=["a"] * 40 + ["none"] * 40)
    (part,) = audit_dataset(alone).words.parts
    assert (part.against, part.words) == ("the texts that mention none", ("kind", "rain"))


def test_words_against_another_collection() -> None:
    here, there = (
        CorpusCounts.from_texts(texts, mentions=mentions)
        for texts, mentions, _ in (collection(1_500, 1, lean=0.4), collection(1_500, 2))
    )
    for baseline in (there, {"words": there}):
        audit = audit_dataset(here, baseline=baseline)
        parts = {part.group: part for part in audit.words.parts}
        assert set(parts) == {"man", "woman"}
        assert parts["woman"].words == ("nurse",)
        assert parts["man"].words == ()
        assert parts["woman"].others[0] == there.texts_with("nurse")["woman"]
    assert audit.shares.parts[0].test is None
    # Only words are compared whose texts are known in both.
    cut = CorpusCounts.from_texts(
        *collection(1_500, 2)[:1], mentions=collection(1_500, 2)[1], words=["nurse"]
    )
    assert {part.n_tested for part in audit_dataset(here, baseline={"words": cut}).words.parts} == {1}


def test_words_that_do_not_differ_are_seldom_found() -> None:
    # 600 words that are as frequent in both groups, from one text in two to one in a thousand; groups of
    # different sizes, for z alone finds words in a third of such collections.
    rng, found = np.random.default_rng(5), 0
    shares = np.geomspace(0.001, 0.5, 600)
    for _ in range(60):
        n = {"a": 200, "b": 50_000}
        cells = {(group,): size for group, size in n.items()}
        draws = {group: rng.binomial(size, shares) for group, size in n.items()}
        counts = CorpusCounts(cells, words=[f"w{i}" for i in range(600)], word_texts=draws)
        found += finding(audit_dataset(counts), "words", "mentions").p <= 0.05
    assert found <= 6  # 3 are expected of 60 at most; 7 or more come about once in 30 times


def test_a_word_of_one_group_alone_is_found_in_a_small_group() -> None:
    counts = CorpusCounts(
        {("a",): 100, ("b",): 100_000}, words=["only", "never"], word_texts={"a": [40, 0], "b": [0, 40]}
    )
    (part,) = audit_dataset(counts).words.parts
    assert part.words == ("only",)  # none of 100 where one in 2,500 is expected says nothing
    assert part.z[0] > 5


def test_most_words() -> None:
    texts, mentions, _ = collection(2_000, lean=0.4)
    counts = CorpusCounts.from_texts(texts, mentions=mentions)
    silent = audit_dataset(counts, most_words=0)
    for said in (str(silent), str(silent.words), silent._repr_html_(), json.dumps(silent.to_dict())):
        assert "nurse" not in said
    assert silent.words.parts[0].n_less == 1
    many = CorpusCounts(
        {("a",): 1_000, ("b",): 1_000},
        words=[f"w{i}" for i in range(100)],
        word_texts={"a": [400] * 50 + [100] * 50, "b": [100] * 50 + [400] * 50},
    )
    (part,) = audit_dataset(many).words.parts
    assert (len(part.words), part.n_more, part.n_less) == (20, 50, 50)
    assert "50 more often, 50 less often; 20 shown" in str(audit_dataset(many).words)


def test_words_are_escaped() -> None:
    texts = ["<script>alert()</script>"] * 50 + ["rain"] * 50
    counts = CorpusCounts.from_texts(texts, mentions=["a"] * 50 + ["b"] * 50, tokenize=str.split)
    audit = audit_dataset(counts)
    assert "<script>" in audit.words.parts[0].words[0]
    assert "<script>" not in audit._repr_html_() + audit.words._repr_html_()


# --- rows of texts -----------------------------------------------------------------------------------------


def sentences(n: int = 200) -> list[str]:
    rng = np.random.default_rng(0)
    people, work = rng.choice(["she", "he", "nobody"], n), rng.choice(["nurse", "doctor"], n)
    return [
        f"yesterday {p} was a good {w} number {i}" for i, (p, w) in enumerate(zip(people, work, strict=True))
    ]


@pytest.mark.parametrize(
    "container", [list, pd.Series, pl.Series, lambda texts: np.array(texts, dtype=object)]
)
def test_a_list_of_texts_is_audited_by_whom_they_mention(container: Callable[[Any], Any]) -> None:
    texts = sentences()
    audit = audit_dataset(container(texts), SWAPPER.mentioned, baseline={"woman": 0.5, "man": 0.5})
    assert audit.attributes == ("mentions",)
    counts = CorpusCounts.from_texts(texts, mentions=SWAPPER.mentioned)
    assert dict(
        zip(audit.shares.parts[0].groups, audit.shares.parts[0].rows, strict=True)
    ) == counts.marginal("mentions")
    assert audit.shares.parts[0].compared.tolist() == [True, False, True]
    assert audit.words.to_dict() == audit_dataset(counts).words.to_dict()
    assert audit.proxies.parts == ()
    assert finding(audit, "proxies", "mentions").severity == "NOT APPLICABLE"
    assert "free text (text)" in finding(audit, "proxies", "mentions").advice


def test_a_frame_with_a_column_of_texts() -> None:
    texts = sentences()
    frame = pd.DataFrame({"comment": texts, "votes": np.arange(200) % 7, "city": ["north", "south"] * 100})
    reader = functools.partial(SWAPPER.mentioned, text="comment")
    audit = audit_dataset(frame, reader, baseline="equal", random_state=0)
    assert set(audit.proxies.columns) == {"votes", "city"}
    assert audit.proxies.free_text == ("comment",)
    assert "Not measured, free text: comment." in str(audit.proxies)
    assert audit.words.n_left_out == 4
    # Values say nothing about which column is of texts, and a function of rows is none of texts.
    assert audit_dataset(frame, SWAPPER.mentioned(texts)).words is None
    assert audit_dataset(frame, lambda rows: rows["city"]).words is None
    other = audit_dataset(texts, SWAPPER.mentioned, baseline=sentences(90)).shares.parts[0]
    assert other.sample
    assert other.test is not None


def test_a_report_on_a_model_of_texts_audits_them_and_holds_none() -> None:
    texts = sentences()
    y = np.array(["nurse" in text for text in texts]).astype(int)
    report = audit_predictions(y, y, sensitive_features=SWAPPER.mentioned(texts), X=texts)
    said = report.to_json()
    assert '"free_text"' in said
    assert "yesterday" not in said
    whole = audit_dataset(texts, SWAPPER.mentioned, y, baseline="equal")
    counts = CorpusCounts.from_texts(texts, mentions=SWAPPER.mentioned)
    attached = audit_predictions(y, y, sensitive_features=SWAPPER.mentioned(texts), attached=[whole, counts])
    assert "Dataset audit" in str(attached.to_markdown())
    assert f"Counts of {len(texts):,} texts" in attached.to_html()


def test_any_function_of_texts_says_who_is_mentioned() -> None:
    texts = sentences()
    audit = audit_dataset(texts, lambda texts: ["she" if " she " in text else "other" for text in texts])
    assert audit.words.attribute == "sensitive_features"
    assert [part.against for part in audit.words.parts] == ["those of she"]


def who(texts: list[str]) -> list[str]:
    """Return who is mentioned, by a function with a name."""
    return ["she" if " she " in text else "other" for text in texts]


def test_columns_are_called_by_the_functions_that_return_them() -> None:
    texts = sentences()
    frame = pd.DataFrame({"product": ["a", "b"] * (len(texts) // 2), "post": texts})
    mentioned = functools.partial(SWAPPER.mentioned, text="post")
    y = np.array(["nurse" in text for text in texts]).astype(int)
    assert audit_dataset(texts, who).attributes == ("who",)
    both = audit_dataset(frame, ["product", mentioned])
    assert both.attributes == ("product", "mentions", "product & mentions")
    report = audit_predictions(y, y, sensitive_features=["product", mentioned], X=frame)
    assert {row.attribute for row in report.results.rates} == set(both.attributes)
    alone = audit_predictions(y, y, sensitive_features=SWAPPER.mentioned, X=texts)
    assert {row.attribute for row in alone.results.rates} == {"mentions"}


def test_words_are_audited_for_the_function_of_texts_in_a_list() -> None:
    texts = sentences()
    frame = pd.DataFrame({"product": ["a", "b"] * (len(texts) // 2), "post": texts})
    mentioned = functools.partial(SWAPPER.mentioned, text="post")
    alone = audit_dataset(texts, SWAPPER.mentioned, baseline="equal")
    single = audit_dataset(texts, [SWAPPER.mentioned], baseline=texts)
    assert single.attributes == ("mentions",)
    listed = [
        audit_dataset(frame, [mentioned]),
        audit_dataset(frame, ["product", mentioned]),
        audit_dataset(frame, [mentioned, "product"]),
        audit_dataset(frame, [lambda X: X["product"].to_numpy(), mentioned]),
        audit_dataset(texts, [who, SWAPPER.mentioned]),
    ]
    for audit in [single, *listed]:
        assert audit.words.to_dict() == alone.words.to_dict()
    assert listed[1].proxies.free_text == ("post",)


def test_texts_that_mention_nobody_stand_aside_in_an_intersection() -> None:
    texts = [*sentences(), "it rains", "she and he talk"]
    frame = pd.DataFrame({"product": ["a", "b"] * (len(texts) // 2), "post": texts})
    audit = audit_dataset(
        frame,
        ["product", functools.partial(SWAPPER.mentioned, text="post")],
        baseline={"mentions": dict.fromkeys(SWAPPER.group_names, 0.5)},
        min_group_size=50,  # of texts that name several there is one, of those that name none 39 and 41
    )
    small = [each for each in audit.findings if each.check == "small groups"]
    assert [each.value for each in small if each.attribute == "product & mentions"] == [4]
    assert not any(group in each.advice for each in small for group in ("none", "several"))


def test_it_says_why_no_words_are_compared() -> None:
    texts = sentences()
    for functions in (
        [who, lambda texts: ["a", "b"] * (len(texts) // 2)],
        lambda X: np.array([who(X)] * 2).T,
    ):
        audit = audit_dataset(texts, functions)
        [finding] = [each for each in audit.findings if each.check == "words"]
        assert audit.words is None
        assert finding.severity == "NOT APPLICABLE"
        assert "audit it alone" in finding.advice


@pytest.mark.parametrize(
    ("column", "free"),
    [
        (sentences(50), True),
        (["one of the few kinds of rows", "another one of these kinds"] * 50, False),
        ([f"name {i}" for i in range(100)], False),
        (["我喜欢说中文" * 10 + str(i) for i in range(100)], True),
        ([*sentences(50), None], True),
        ([*sentences(50), 3], False),
        (list(range(100)), False),
    ],
)
def test_free_text_is_told_from_names_of_kinds(column: list[Any], free: bool) -> None:
    assert is_free_text(np.array(column, dtype=object)) is free
