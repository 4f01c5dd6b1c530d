"""What was found likely, as it is printed and kept."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from fairsk._core.groups import format_group
from fairsk._core.results import (
    Backend,
    Record,
    Result,
    Table,
    number,
    p_value,
    percent,
    with_interval,
)
from fairsk.text._contrasts import TermsAre, not_counted, too_few_terms, why_no_interval

__all__ = [
    "HALF_WIDTH",
    "GroupLikelihood",
    "GroupPerplexity",
    "LikelihoodPair",
    "Measure",
    "PairedPreference",
    "Preference",
    "Ties",
]

#: Whether log-likelihoods of whole texts are compared, or those per token.
Measure: TypeAlias = Literal["text", "token"]
Ties: TypeAlias = Literal["half", "drop"]

#: What is asked how many pairs it takes for: an interval of the share that reaches so far on either side.
HALF_WIDTH = 0.05


@dataclass(frozen=True, eq=False, repr=False)
class Preference(Record):
    """The preference in some pairs, by one measure.

    Parameters
    ----------
    group : label or None
        The category of the pairs; None for all pairs.
    measure : {"text", "token"}
        Whether log-likelihoods of whole texts are compared, or those per token.
    n_pairs : int
        How many pairs there are.
    more, less, ties : int
        In how many pairs the first text is likelier, the second, or neither.
    share, share_low, share_high : float
        The share of pairs in which the first text is likelier, with Wilson's interval.
    p_value : float
        Of the sign test that either text is as often the likelier one.
    adjusted_p_value : float
        The same, adjusted for the number of categories (Holm); NaN for all pairs.
    difference, difference_low, difference_high : float
        The mean log-likelihood of the first text minus that of the second, with Student's interval.
    """

    group: Hashable
    measure: Measure
    n_pairs: int
    more: int
    less: int
    ties: int
    share: float
    share_low: float
    share_high: float
    p_value: float
    adjusted_p_value: float
    difference: float
    difference_low: float
    difference_high: float


@dataclass(frozen=True, eq=False, repr=False)
class PairedPreference(Result):
    """How often a language model prefers the first text of a pair. Prints and renders itself.

    Parameters
    ----------
    preferences : tuple of Preference
        Of all pairs, then of each category; by texts, then by tokens if tokens were counted.
    n_texts : int
        How many distinct texts were asked about.
    equal_length : float
        The share of pairs whose texts have as many tokens; NaN if tokens were not counted.
    reversed_per_token : float
        The share of pairs that turn around if log-likelihoods are divided by numbers of tokens.
    pairs_needed : int
        How many pairs it takes for an interval of the share of at most .05 to either side.
    ties : {"half", "drop"}
        Whether a tie counts as half a pair for either side, or not at all.
    confidence : float
        The coverage probability of each interval.
    """

    preferences: tuple[Preference, ...]
    n_texts: int
    equal_length: float
    reversed_per_token: float
    pairs_needed: int
    ties: Ties
    confidence: float
    library: Backend | None = None

    @property
    def share(self) -> float:
        """The share of all pairs in which the first text is likelier, by whole texts."""
        return self.preferences[0].share

    def _tables(self) -> list[Table]:
        rows = self.preferences
        names = ("more", "less", "ties", "share", "share_low", "share_high", "p_value", "adjusted_p_value")
        columns: dict[str, list[Any]] = {
            "pairs": ["(all)" if row.group is None else format_group(row.group) for row in rows],
            "per": [row.measure for row in rows],
            "n": [row.n_pairs for row in rows],
        }
        for name in (*names, "difference", "difference_low", "difference_high"):
            columns[name] = [getattr(row, name) for row in rows]
        shown = ("pairs", "per", "n", "more", "less", "ties")
        text = {name: list(map(number, columns[name])) for name in shown}
        text["share"] = [with_interval(row.share, row.share_low, row.share_high) for row in rows]
        text["p"] = [p_value(row.p_value) for row in rows]
        if any(row.group is not None for row in rows):
            text["adjusted p"] = [p_value(row.adjusted_p_value) for row in rows]
        text["difference"] = [
            with_interval(row.difference, row.difference_low, row.difference_high) for row in rows
        ]
        return [Table(columns, text, notes=self._notes(), words=["per"])]

    def _notes(self) -> list[str]:
        n = self.preferences[0].n_pairs
        rows = [(row.difference, row.difference_low) for row in self.preferences]
        notes = [
            f"share: of pairs whose first text is likelier; in brackets {percent(self.confidence)} "
            "intervals; p: sign test; difference: of log-likelihoods, first minus second.",
        ]
        notes += why_no_interval("pairs", rows)
        if n < self.pairs_needed:
            notes.append(
                f"An interval of +-{HALF_WIDTH:g} takes about {self.pairs_needed:,} pairs; here are {n:,}."
            )
        if np.isnan(self.equal_length):
            notes.append(
                "Tokens were not counted: a text of more tokens is less likely for that alone "
                "(count_tokens=)."
            )
        elif self.equal_length < 1:
            notes.append(
                f"Texts have as many tokens in {percent(round(self.equal_length, 3))} of the pairs; "
                f"{percent(round(self.reversed_per_token, 3))} of all pairs turn around per token."
            )
        return notes


@dataclass(frozen=True, eq=False, repr=False)
class GroupLikelihood(Record):
    """How likely the texts of a group are.

    Parameters
    ----------
    group : label
        The group.
    n_texts : int
        How many texts there are: one per prompt and term.
    tokens : float
        The mean number of tokens of a text; NaN if they were not counted.
    per_text, per_text_low, per_text_high : float
        The mean over prompts of the log-likelihood of a text, with Student's interval.
    per_token, per_token_low, per_token_high : float
        The same per token; NaN if tokens were not counted.
    perplexity, perplexity_low, perplexity_high : float
        exp(-per_token).
    """

    group: Hashable
    n_texts: int
    tokens: float
    per_text: float
    per_text_low: float
    per_text_high: float
    per_token: float
    per_token_low: float
    per_token_high: float
    perplexity: float
    perplexity_low: float
    perplexity_high: float


@dataclass(frozen=True, eq=False, repr=False)
class LikelihoodPair(Record):
    """How much likelier the same sentences are of one group than of another.

    Parameters
    ----------
    measure : {"text", "token"}
        Whether log-likelihoods of whole texts are compared, or those per token.
    first, second : label
        The groups.
    difference, low, high : float
        The mean over prompts of the first group's log-likelihood minus the second's, with its interval.
    p_value, adjusted_p_value : float
        Of the test that it is zero, and adjusted for the number of pairs of groups (Holm).
    n_prompts, first_likelier : int
        How many prompts there are, and in how many the first group's texts are likelier.
    least_p_value : float
        The least p-value that so few terms can have, where they are sampled; NaN where they are fixed.
    """

    measure: Measure
    first: Hashable
    second: Hashable
    difference: float
    low: float
    high: float
    p_value: float
    adjusted_p_value: float
    n_prompts: int
    first_likelier: int
    least_p_value: float


@dataclass(frozen=True, eq=False, repr=False)
class GroupPerplexity(Result):
    """How likely the same sentences are about each group. Prints and renders itself.

    Parameters
    ----------
    groups : tuple of labels
        The groups.
    pairs : tuple of LikelihoodPair
        Every pair of groups compared, by texts, then by tokens if tokens were counted.
    likelihoods : tuple of GroupLikelihood
        The groups one by one.
    n_prompts : int
        How many prompts there are.
    left_out, duplicates : int
        How many texts name no group or several, and how many prompts read like an earlier one.
    terms : {"fixed", "sampled"}
        Whether intervals and p-values are over prompts alone, or over terms as well.
    confidence : float
        The coverage probability of each interval.
    """

    groups: tuple[Hashable, ...]
    pairs: tuple[LikelihoodPair, ...]
    likelihoods: tuple[GroupLikelihood, ...]
    n_prompts: int
    left_out: int
    duplicates: int
    terms: TermsAre
    confidence: float
    library: Backend | None = None

    def _tables(self) -> list[Table]:
        return [self._pair_table(), self._group_table()]

    def _pair_table(self) -> Table:
        names = ("difference", "low", "high", "p_value", "adjusted_p_value", "n_prompts", "first_likelier")
        columns: dict[str, list[Any]] = {
            "first": [format_group(pair.first) for pair in self.pairs],
            "second": [format_group(pair.second) for pair in self.pairs],
            "per": [pair.measure for pair in self.pairs],
        }
        columns |= {name: [getattr(pair, name) for pair in self.pairs] for name in names}
        text = {name: columns[name] for name in ("first", "second", "per")}
        text["difference"] = [with_interval(pair.difference, pair.low, pair.high) for pair in self.pairs]
        text["p"] = list(map(p_value, columns["p_value"]))
        text["adjusted p"] = list(map(p_value, columns["adjusted_p_value"]))
        text["first likelier"] = [f"{pair.first_likelier:,} of {pair.n_prompts:,}" for pair in self.pairs]
        return Table(columns, text, notes=self._notes(), words=["second", "per"])

    def _group_table(self) -> Table:
        rows = self.likelihoods
        columns: dict[str, list[Any]] = {"group": [format_group(row.group) for row in rows]}
        for name in ("n_texts", "tokens", "per_text", "per_token", "perplexity"):
            columns[name] = [getattr(row, name) for row in rows]
        text = {"group": columns["group"], "texts": [number(row.n_texts) for row in rows]}
        text["tokens"] = [number(row.tokens, 2) for row in rows]
        for name in ("per_text", "per_token", "perplexity"):
            text[name.replace("_", " ")] = [
                with_interval(
                    getattr(row, name), getattr(row, f"{name}_low"), getattr(row, f"{name}_high"), digits=2
                )
                for row in rows
            ]
        return Table(columns, text, caption="log-likelihood")

    def _notes(self) -> list[str]:
        over = "prompts" if self.terms == "fixed" else "prompts and terms"
        notes = [
            f"difference: of log-likelihoods, first minus second, of the same {self.n_prompts:,} prompts; in "
            f"brackets {percent(self.confidence)} intervals over {over}."
        ]
        rows = [(pair.difference, pair.low) for pair in self.pairs]
        rows += [(row.per_text, row.per_text_low) for row in self.likelihoods]
        notes += why_no_interval(over.replace("and", "or"), rows)
        notes += too_few_terms((pair.least_p_value for pair in self.pairs), self.confidence)
        signs: dict[Any, set[float]] = {}
        for pair in self.pairs:
            signs.setdefault((pair.first, pair.second), set()).add(np.sign(pair.difference))
        if all(np.isnan(row.tokens) for row in self.likelihoods):
            notes.append(
                "A dash: tokens were not counted, as count_tokens= does; a term of more tokens makes its "
                "text less likely for that alone."
            )
        elif any({-1.0, 1.0} <= found for found in signs.values()):
            notes.append(
                "By texts and by tokens the answers differ in sign, for the terms of the groups differ in "
                "tokens: neither is the right one. Terms of as many tokens do not have the problem."
            )
        return notes + not_counted(self.left_out, self.duplicates, "text")
