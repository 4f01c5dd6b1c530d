"""Scores of what was written, compared between groups within the prompts."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from fairsk._core.groups import list_groups
from fairsk._core.results import Backend
from fairsk._core.typing import Bools, Floats, Ints
from fairsk._core.warnings import warn_user
from fairsk.statistics._multiplicity import adjust_p_values
from fairsk.statistics._paired import are_shares, mean_estimate, within
from fairsk.text._contrasts import TermsAre, contrast, least_split_p, prompt_means, split_p
from fairsk.text._generation.permutation import Unit, by_chance, distance, halves
from fairsk.text._generation.results import GenerationAudit, ScoreGap, WorstPrompt, WrittenScores

__all__ = ["Comparison", "Written", "audit_of"]

#: How many prompts are shown on which groups lie furthest apart, for each score.
_N_WORST = 5
#: How often texts of one prompt are halved, for the control, and which part of these differences is shown.
_N_HALVES, _HALVES_QUANTILE = 1_000, 0.95


@dataclass(frozen=True, eq=False)
class Written:
    """Everything that was written: a row per text.

    Parameters
    ----------
    groups : tuple of labels
        The groups.
    labels : tuple of str of length n_prompts
        How prompts are shown.
    prompt, group, term : array of int of shape (n_texts,)
        The positions of a text's prompt, group, and term of the group.
    is_aligned : bool
        Whether terms at the same position belong together.
    by_position : bool
        Whether prompts are shown by their positions.
    """

    groups: tuple[Hashable, ...]
    labels: tuple[str, ...]
    prompt: Ints
    group: Ints
    term: Ints
    is_aligned: bool
    by_position: bool = False

    def of_group(self, group: Hashable) -> Bools:
        """Return which texts are about a group."""
        return self.group == self.groups.index(group)

    def n_groups(self) -> Ints:
        """Return how many groups have texts on each prompt."""
        pairs = np.unique(np.stack([self.prompt, self.group]), axis=1)
        return np.bincount(pairs[0], minlength=len(self.labels))

    def means(self, group: Hashable, scores: Floats, terms: TermsAre) -> Floats:
        """Return the mean score per prompt and term of a group; NaN where there is no score.

        Fixed terms that do not belong together by position are one: their texts make one mean.
        """
        rows = self.of_group(group) & ~np.isnan(scores)
        term = self._exchanged_with(terms)
        shape = len(self.labels), int(term[self.of_group(group)].max(initial=0)) + 1
        cells = self.prompt[rows] * shape[1] + term[rows]
        size = shape[0] * shape[1]
        n = np.bincount(cells, minlength=size)
        total = np.bincount(cells, scores[rows], minlength=size)
        return np.divide(total, n, out=np.full(size, np.nan), where=n > 0).reshape(shape)

    def cells(self, group: Hashable, scores: Floats, terms: TermsAre) -> dict[tuple[int, int], Floats]:
        """Return the scores of each prompt and term of a group that has any."""
        rows = np.flatnonzero(self.of_group(group) & ~np.isnan(scores))
        term = self._exchanged_with(terms)
        order = rows[np.lexsort((term[rows], self.prompt[rows]))]
        keys = list(zip(self.prompt[order].tolist(), term[order].tolist(), strict=True))
        bounds = [i for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]] + [len(keys)]
        return {keys[start]: scores[order[start:end]] for start, end in pairwise(bounds) if start < end}

    def _exchanged_with(self, terms: TermsAre) -> Ints:
        """Return the term of each text, as far as terms are told apart."""
        return self.term if self.is_aligned or terms == "sampled" else np.zeros_like(self.term)


@dataclass(frozen=True, eq=False)
class Comparison:
    """How scores of what was written are compared.

    Parameters
    ----------
    written : Written
        The texts.
    terms : {"fixed", "sampled"}
        Whether terms are a sample, too.
    confidence : float in (0, 1)
        The coverage probability of intervals.
    n_resamples : int
        How many permutations are drawn.
    rng : Generator
        Draws them.
    """

    written: Written
    terms: TermsAre
    confidence: float
    n_resamples: int
    rng: np.random.Generator

    def gaps(self, scores: Mapping[str, Floats]) -> tuple[ScoreGap, ...]:
        """Return every pair of groups in each score, with p-values adjusted for all of them."""
        found = [
            self._gap(name, values, first, second)
            for name, values in scores.items()
            for first, second in combinations(self.written.groups, 2)
        ]
        adjusted = adjust_p_values([gap.p_value for gap in found])
        return tuple(replace(gap, adjusted_p_value=float(p)) for gap, p in zip(found, adjusted, strict=True))

    def _gap(self, name: str, scores: Floats, first: Hashable, second: Hashable) -> ScoreGap:
        tables = self._tables(scores, first, second)
        both = ~np.isnan(prompt_means(tables[0]) - prompt_means(tables[1]))
        estimate = contrast(*tables, self.terms, self.confidence)
        if are_shares(scores):
            estimate = within(estimate, -1.0, 1.0)
        units = self._units(scores, first, second)
        missing = float("nan")
        p, is_exact, apart, chance, chance_p = missing, False, missing, missing, missing
        if units:
            drawn = by_chance(units, self.n_resamples, self.rng)
            p, is_exact = drawn.p_value, drawn.is_exact
            apart, chance, chance_p = distance(units), drawn.distance, drawn.distance_p_value
        least = missing
        if self.terms == "sampled":
            one, other = (prompt_means(table[both].T) for table in tables)
            one, other = one[~np.isnan(one)], other[~np.isnan(other)]
            p, is_exact = split_p(one, other, self.n_resamples, self.rng)
            least = least_split_p(len(one), len(other), self.n_resamples)
        return ScoreGap(
            score=name,
            first=first,
            second=second,
            n_prompts=int(both.sum()),
            difference=estimate.value,
            low=estimate.low,
            high=estimate.high,
            p_value=p,
            is_exact=is_exact,
            adjusted_p_value=missing,
            least_p_value=least,
            distance=apart,
            distance_by_chance=chance,
            distance_p_value=chance_p,
        )

    def _tables(self, scores: Floats, first: Hashable, second: Hashable) -> tuple[Floats, Floats]:
        """Return the means of both groups; of terms that belong together only where both have some."""
        one, other = (self.written.means(group, scores, self.terms) for group in (first, second))
        if self.terms == "fixed":
            lacking = np.isnan(one) | np.isnan(other)
            one, other = np.where(lacking, np.nan, one), np.where(lacking, np.nan, other)
        return one, other

    def _units(self, scores: Floats, first: Hashable, second: Hashable) -> list[Unit]:
        """Return the scores that are exchangeable within prompts, weighted as the difference weighs them."""
        # Where terms are a sample they are no pairs either: all texts of a prompt are exchanged.
        pooled = replace(self.written, is_aligned=self.written.is_aligned and self.terms == "fixed")
        one, other = (pooled.cells(group, scores, "fixed") for group in (first, second))
        cells = [cell for cell in one if cell in other]
        n_terms: dict[int, int] = {}
        for prompt, _ in cells:
            n_terms[prompt] = n_terms.get(prompt, 0) + 1
        return [Unit(one[cell], other[cell], 1 / (len(n_terms) * n_terms[cell[0]])) for cell in cells]

    def by_group(self, scores: Mapping[str, Floats]) -> tuple[WrittenScores, ...]:
        """Return the scores of each group, with the control of the same prompt."""
        return tuple(
            self._of_group(name, values, group)
            for name, values in scores.items()
            for group in self.written.groups
        )

    def _of_group(self, name: str, scores: Floats, group: Hashable) -> WrittenScores:
        rows = self.written.of_group(group)
        means = prompt_means(self.written.means(group, scores, self.terms))
        means = means[~np.isnan(means)]
        scale = float(np.abs(means).max(initial=0.0))
        estimate = mean_estimate(means, self.confidence, scale)
        if are_shares(scores):
            estimate = within(estimate, 0.0, 1.0)
        # Halves of the very same prompt: of one term, for terms differ.
        told_apart = replace(self.written, is_aligned=True)
        cells = told_apart.cells(group, scores, "fixed")
        n_terms = np.bincount([prompt for prompt, _ in cells], minlength=1)
        weights = [1 / n_terms[prompt] for prompt, _ in cells]
        differences, distances = halves(list(cells.values()), weights, _N_HALVES, self.rng)
        missing = float("nan")
        sizes = np.abs(differences)
        return WrittenScores(
            score=name,
            group=group,
            n_texts=int(rows.sum()),
            unscored=int(np.isnan(scores[rows]).sum()),
            mean=estimate.value,
            low=estimate.low,
            high=estimate.high,
            same_prompt=float(sizes.mean()) if len(sizes) else missing,
            same_prompt_high=float(np.quantile(sizes, _HALVES_QUANTILE)) if len(sizes) else missing,
            same_prompt_distance=float(distances.mean()) if len(sizes) else missing,
        )

    def worst(self, scores: Mapping[str, Floats]) -> tuple[WorstPrompt, ...]:
        """Return the prompts on which groups lie furthest apart, in each score."""
        return tuple(
            prompt
            for name, values in scores.items()
            for prompt in sorted(self._apart(name, values), key=_by_size)[:_N_WORST]
        )

    def _apart(self, name: str, scores: Floats) -> Iterator[WorstPrompt]:
        """Yield the prompts on which two groups differ, the most different ones of each pair."""
        for first, second in combinations(self.written.groups, 2):
            one, other = map(prompt_means, self._tables(scores, first, second))
            differences = one - other
            order = np.argsort(-np.nan_to_num(np.abs(differences)), kind="stable")[:_N_WORST]
            for i in order[np.nan_to_num(np.abs(differences[order])) > 0]:
                yield WorstPrompt(name, self.written.labels[i], first, second, float(differences[i]))


def _by_size(prompt: WorstPrompt) -> float:
    return -abs(prompt.difference)


def audit_of(
    layout: Written,
    scores: Mapping[str, Floats],
    texts: Sequence[str | None],
    *,
    asked: Sequence[str] | None = None,
    terms: TermsAre,
    confidence: float,
    n_resamples: int,
    rng: np.random.Generator,
    left_out: int = 0,
    duplicates: int = 0,
    library: Backend | None = None,
) -> GenerationAudit:
    """Return what is found when the scores of what was written are compared.

    Parameters
    ----------
    layout : Written
        The prompt, the group and the term of each text.
    scores : mapping of str to array of shape (n_texts,)
        The scores by each judge; NaN where there is none.
    texts : sequence of str or None of length n_texts
        What was written; None where nothing was.
    asked : sequence of str of length n_texts, optional
        The prompts of texts that are to be kept.
    """
    _warn_of_silence(layout, scores)
    is_written = np.array([text is not None for text in texts])
    compared = _with_missing(scores, is_written)
    comparison = Comparison(layout, terms, confidence, n_resamples, rng)
    kept: dict[str, tuple[Any, ...]] = {}
    if asked is not None:
        kept = {"prompt": tuple(asked), "group": tuple(layout.groups[i] for i in layout.group)}
        kept |= {"text": tuple(texts)} | {name: tuple(values.tolist()) for name, values in scores.items()}
    return GenerationAudit(
        groups=layout.groups,
        gaps=comparison.gaps(compared),
        scores=comparison.by_group(compared),
        worst=comparison.worst(scores),
        n_prompts=len(layout.labels),
        n_texts=int(is_written.sum()),
        unwritten={group: int((~is_written & layout.of_group(group)).sum()) for group in layout.groups},
        left_out=left_out,
        duplicates=duplicates,
        one_group=int((layout.n_groups() == 1).sum()),
        terms=terms,
        confidence=confidence,
        n_resamples=n_resamples,
        by_position=layout.by_position,
        texts=kept or None,
        library=library,
    )


def _warn_of_silence(layout: Written, scores: Mapping[str, Floats]) -> None:
    silent: dict[str, list[Hashable]] = {}
    for name, values in scores.items():
        for group in layout.groups:
            if np.isnan(values[layout.of_group(group)]).all():
                silent.setdefault(name, []).append(group)
    if silent:
        named = "; ".join(f"{name}: {list_groups(groups)}" for name, groups in silent.items())
        warn_user(
            f"No text has a score of the judge for all of a group ({named[:500]}): it is compared with none."
        )


def _with_missing(scores: Mapping[str, Floats], is_written: Bools) -> dict[str, Floats]:
    """Return scores, and whether they are missing, or nothing was written, where that occurs."""
    found: dict[str, Floats] = {}
    for name, values in scores.items():
        found[name] = values
        if (np.isnan(values) & is_written).any():
            found[f"no score of {name}"] = np.where(is_written, np.isnan(values).astype(float), np.nan)
    if not is_written.all():
        found["not written"] = (~is_written).astype(float)
    return found
