"""Words beside a group: those that stand in its texts more, or less, often than in others.

For each word the odds that a text holds it are compared, log[share / (1 - share)] of the group's texts minus
that of the others, with a prior that says what the collection as a whole says [1]_: each side counts as if it
had a tenth more texts, with the words of the whole collection. A word that one side lacks then has finite
odds, and one that is rare on both sides has odds near each other. z, the difference by its standard error,
ranks the words.

The p-values are not those of z, which is far from normal for a word in a few texts of a small group. Of all
texts with the word, those of the group are a binomial number with the group's share of the texts, if the word
is as frequent on both sides: exactly so for rare words, and with too large a variance for frequent ones, of
which p is then too large. Words in more than half of the texts are counted by the texts that lack them. p is
adjusted for the number of words of the group (Benjamini and Hochberg).

Monroe and others count occurrences; here texts are counted, for the words of one text depend on each other.
A word counts once per text, so that the law of the counts is binomial and the prior a Beta law per word.

References
----------
.. [1] Monroe, Colaresi & Quinn, Fightin' Words: Lexical Feature Selection and Evaluation for Identifying the
   Content of Political Conflict, Political Analysis 16, 2008.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import betainc, ndtri

from fairsk._core.corpus import CorpusCounts, words_not_counted
from fairsk._core.groups import format_group
from fairsk._core.mentions import MENTIONS, NO_GROUP
from fairsk._core.results import Backend, Record, Result, Table, number, p_value
from fairsk._core.typing import Floats, Ints
from fairsk.audit._data.findings import Finding, Settings, Severity, listed
from fairsk.statistics._intervals import joint_confidence
from fairsk.statistics._multiplicity import adjust_p_values

__all__ = ["GroupWords", "WordsBeside", "compare_words"]

#: The texts of the prior, as a share of each side's own: a tenth of the evidence, so that the prior decides
#: only where there is next to none.
_PRIOR = 0.1
#: A finding names so many words of either kind.
_NAMED = 5


@dataclass(frozen=True, eq=False)
class GroupWords(Record):
    """The words beside one group.

    Parameters
    ----------
    group : hashable
        The group.
    against : str
        Whose texts its own are compared with.
    texts, other_texts : int
        How many texts there are of both.
    words : tuple of str of length n_shown
        The words that stand out: first those beside the group, then those beside the others, each with the
        largest z first; no more of either than was asked for.
    beside, others : array of shape (n_shown,)
        The texts with the word.
    log_odds, z, p : array of shape (n_shown,)
        The difference of log odds, by its standard error, and the p-value, adjusted for all tested words.
    n_tested, n_more, n_less : int
        How many words are frequent enough to be compared; how many stand out on either side.
    strongest, low, high, strongest_p : float
        The difference of log odds, whatever its sign, of the word with the smallest p-value; its interval and
        its p-value, both for all words at once. NaN without words.
    """

    group: Hashable
    against: str
    texts: int
    other_texts: int
    words: tuple[str, ...]
    beside: Ints
    others: Ints
    log_odds: Floats
    z: Floats
    p: Floats
    n_tested: int
    n_more: int
    n_less: int
    strongest: float = np.nan
    low: float = np.nan
    high: float = np.nan
    strongest_p: float = np.nan

    @property
    def shares(self) -> Floats:
        """The share of the group's texts that hold each word."""
        return _read_only(self.beside / max(self.texts, 1))

    @property
    def other_shares(self) -> Floats:
        """The share of the other texts that hold it."""
        return _read_only(self.others / max(self.other_texts, 1))


@dataclass(frozen=True, eq=False, repr=False)
class WordsBeside(Result):
    """Words that stand beside a group more or less often than elsewhere. Prints and renders itself.

    Parameters
    ----------
    attribute : str
        What the groups are called.
    parts : tuple of GroupWords
        One for each group; of two groups, for the first, as the other one is the rest.
    most_words : int
        How many words of either kind are held for a group; with 0 none, but how many there are.
    n_words : int
        The words of the vocabulary.
    n_left_out : int
        Words that were not counted, such as the listed terms of the groups.
    other_share : float
        The share of the texts' words that is not in the vocabulary.
    settings : Settings
        Confidence, tolerances, and in how many texts a word must stand to be compared.
    """

    attribute: str
    parts: tuple[GroupWords, ...]
    most_words: int
    n_words: int
    n_left_out: int
    other_share: float
    settings: Settings
    library: Backend | None = None

    def _tables(self) -> list[Table]:
        parts = self.parts
        columns: dict[str, list[Any]] = {
            "group": [format_group(part.group) for part in parts for _ in part.words],
            "word": [word for part in parts for word in part.words],
        }
        fields = ("beside", "shares", "others", "other_shares", "log_odds", "z", "p")
        titles = ("texts", "share", "other_texts", "other_share", "log_odds", "z", "adjusted_p")
        for title, name in zip(titles, fields, strict=True):
            columns[title] = [value for part in parts for value in getattr(part, name).tolist()]
        columns["reading"] = ["more" if value > 0 else "less" for value in columns["log_odds"]]
        text = {name: columns[name] for name in ("group", "word", "reading")}
        text |= {
            "texts": list(map(number, columns["texts"])),
            "share": [number(value, 4) for value in columns["share"]],
            "elsewhere": [number(value, 4) for value in columns["other_share"]],
            "log odds": [number(value, 2) for value in columns["log_odds"]],
            "z": [number(value, 1) for value in columns["z"]],
            "adjusted p": list(map(p_value, columns["adjusted_p"])),
        }
        return [Table(columns, text, "Words beside the groups", self._notes(), words=("word", "reading"))]

    def _notes(self) -> list[str]:
        notes = [
            f"{format_group(part.group)} ({part.texts:,} texts) against {part.against} "
            f"({part.other_texts:,}): of {part.n_tested:,} words {part.n_more:,} more often, "
            f"{part.n_less:,} less often; {len(part.words):,} shown."
            for part in self.parts
        ]
        notes.append(
            "Shares of texts that hold a word; log odds with the whole collection as prior, z by their "
            "standard error; p by the binomial law, adjusted within a group (Benjamini-Hochberg). Words in "
            f"fewer than {self.settings.min_group_size} texts are not compared."
        )
        others = f", {self.other_share:.1%} of the texts' words are others" if self.other_share else ""
        listed_words = f"; {words_not_counted(self.n_left_out)}" if self.n_left_out else ""
        notes.append(f"Vocabulary: {self.n_words:,} words{others}{listed_words}.")
        return notes

    def findings(self) -> list[Finding]:
        """Return what to make of the words."""
        p = adjust_p_values([part.strongest_p for part in self.parts]).tolist()
        return [self._of_group(*pair) for pair in zip(self.parts, p, strict=True)] or [
            self.settings.finding(
                "words",
                self.attribute,
                "log odds",
                (np.nan, np.nan, np.nan, np.nan),
                {"NOT APPLICABLE": "There are no other texts to compare the words of a group with."},
            )
        ]

    def _of_group(self, part: GroupWords, p: float) -> Finding:
        group = format_group(part.group)
        more = [word for word, z in zip(part.words, part.z, strict=True) if z > 0]
        less = [word for word, z in zip(part.words, part.z, strict=True) if z < 0]
        facts = [
            f"{n:,} {how} often" + (f" ({listed(words, _NAMED)})" if words else "")
            for n, how, words in ((part.n_more, "more", more), (part.n_less, "less", less))
            if n
        ]
        remedy = (
            f"Words beside {group}, against {part.against}: {', '.join(facts)}. A model learns what stands "
            "beside whom: read the list (.words), look at such texts, "
            "and decide whether they belong, or what is to balance them."
        )
        advice: Mapping[Severity, str] = {
            "WARNING": remedy,
            "NOTICE": remedy,
            "INCONCLUSIVE": f"Too few texts to tell which words stand beside {group} by more than chance.",
            "OK": f"No word stands beside {group} much more or less often than in {part.against}.",
            "NOT APPLICABLE": f"No word stands in {self.settings.min_group_size} of the texts compared.",
        }
        numbers = part.strongest, part.low, part.high, p
        about = f"{self.attribute}: {group}"
        return self.settings.finding("words", self.attribute, "log odds", numbers, advice, about)


def compare_words(
    counts: CorpusCounts,
    baseline: CorpusCounts | None,
    settings: Settings,
    most_words: int,
    library: Backend | None = None,
    attribute: str = MENTIONS,
) -> WordsBeside:
    """Compare the words beside each group with those beside the other groups, or in another collection.

    Parameters
    ----------
    counts : CorpusCounts
        The collection.
    baseline : CorpusCounts or None
        Another collection, whose texts of the same group a group's are compared with.
    settings : Settings
        Confidence, and in how many texts a word must stand.
    most_words : int
        How many words of either kind are held for a group.
    library : str, optional
        The library of the user's frame.
    attribute : str, default="mentions"
        What the groups are called.

    Raises
    ------
    ValueError
        If both collections were not counted alike.
    """
    n_texts = counts.marginal(MENTIONS)
    whole = counts if baseline is None else counts + baseline
    words = np.array(whole.words or (), dtype=object)
    here = dict(zip(counts.groups, counts.with_words(whole.words or ()).word_texts, strict=True))
    named = [group for group in counts.groups if group not in NO_GROUP]
    asked = named
    if baseline is None and len(named) == 2:
        asked = named[:1]  # what is less frequent there is more frequent beside the other one
    there: Mapping[Hashable, Ints] = {}
    n_there: Mapping[Hashable, int] = {}
    if baseline is not None:
        rows = baseline.with_words(whole.words or ()).word_texts
        there, n_there = dict(zip(baseline.groups, rows, strict=True)), baseline.marginal(MENTIONS)
    background = whole.word_texts.sum(0) / max(whole.n_texts, 1)
    parts = []
    for group in asked:
        if baseline is not None:
            against, others = "the texts of the baseline", [group] if group in n_there else []
            tables, sizes = there, n_there
        else:
            others, tables, sizes = [other for other in named if other != group], here, n_texts
            against = "the texts of the other groups" if len(others) > 1 else f"those of {listed(others)}"
            if not others:  # one group alone: beside whom nobody else is named
                against, others = "the texts that mention none", ["none"] if "none" in n_texts else []
        if others:
            beside, elsewhere = here[group], np.sum([tables[other] for other in others], axis=0)
            n = n_texts[group], sum(sizes[other] for other in others)
            parts.append(
                _group_words(group, against, n, words, (beside, elsewhere), background, settings, most_words)
            )
    occurrences, outside = int(counts.word_texts.sum()), int(counts.other_words.sum())
    return WordsBeside(
        attribute,
        tuple(parts),
        most_words,
        len(words),
        len(counts.left_out),
        outside / max(occurrences + outside, 1),
        settings,
        library,
    )


def _group_words(
    group: Hashable,
    against: str,
    n_texts: tuple[int, int],
    words: Any,
    texts: tuple[Ints, Ints],
    background: Floats,
    settings: Settings,
    most_words: int,
) -> GroupWords:
    """Return the words that stand beside a group more or less often than in other texts."""
    fewest = settings.min_group_size
    tested = np.flatnonzero((texts[0] + texts[1] >= fewest) & (background < 1))
    if min(n_texts) < fewest:
        tested = tested[:0]
    beside, elsewhere = (part[tested] for part in texts)
    log_odds, error = _log_odds((beside, elsewhere), n_texts, background[tested])
    z = log_odds / error
    p_values = _binomial_p(beside, elsewhere, n_texts)
    p = adjust_p_values(p_values, "benjamini-hochberg") if len(tested) else p_values
    stands_out = p <= 1 - settings.confidence
    more, less = np.flatnonzero(stands_out & (z > 0)), np.flatnonzero(stands_out & (z < 0))
    shown = np.concatenate([_first(more, -z, most_words), _first(less, z, most_words)])
    strongest: Sequence[float] = ()
    if len(tested):
        place = int(np.lexsort((-np.abs(z), p_values))[0])
        # As it was picked among all words, its limits and p hold for all of them.
        width = float(ndtri(0.5 + joint_confidence(settings.confidence, len(tested)) / 2)) * error[place]
        size = abs(float(log_odds[place]))
        joint_p = min(1.0, float(p_values[place]) * len(tested))
        strongest = [size, max(0.0, size - width), size + width, joint_p]
    return GroupWords(
        group,
        against,
        *n_texts,
        tuple(words[tested[shown]].tolist()),
        beside[shown],
        elsewhere[shown],
        log_odds[shown],
        z[shown],
        p[shown],
        len(tested),
        len(more),
        len(less),
        *strongest,
    )


def _read_only(values: Floats) -> Floats:
    values.flags.writeable = False
    return values


def _first(places: Ints, order: Floats, most: int) -> Ints:
    """Return the places that come first in an order."""
    return places[np.argsort(order[places], kind="stable")][:most]


def _binomial_p(beside: Ints, elsewhere: Ints, n_texts: tuple[int, int]) -> Floats:
    """Return p-values of words being as frequent on both sides: twice the smaller tail."""
    both, n = beside + elsewhere, sum(n_texts)
    lacking = 2 * both > n
    successes = np.where(lacking, n_texts[0] - beside, beside).astype(float)
    trials = np.where(lacking, n - both, both).astype(float)
    share, failures = n_texts[0] / n, trials - successes
    # Tails of the binomial law as beta integrals, whose parameters must be positive.
    at_most = np.where(failures > 0, betainc(np.maximum(failures, 1), successes + 1, 1 - share), 1.0)
    at_least = np.where(successes > 0, betainc(np.maximum(successes, 1), failures + 1, share), 1.0)
    p: Floats = np.minimum(1.0, 2 * np.minimum(at_most, at_least))
    return p


def _log_odds(
    texts: tuple[Ints, Ints], n_texts: tuple[int, int], background: Floats
) -> tuple[Floats, Floats]:
    """Return differences of log odds with a prior, and their standard errors."""
    log_odds, variance = np.zeros(len(background)), np.zeros(len(background))
    for sign, counted, n in zip((1, -1), texts, n_texts, strict=True):
        # The prior has as many texts per text of a side on both sides. With as many in all, a word that is
        # as rare in a small group as in a large one would be drawn towards the whole in the small one only.
        with_word = counted + _PRIOR * n * background
        without = n - counted + _PRIOR * n * (1 - background)
        log_odds += sign * np.log(with_word / without)
        variance += 1 / with_word + 1 / without
    return log_odds, np.sqrt(variance)
