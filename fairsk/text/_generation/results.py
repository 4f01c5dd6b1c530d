"""What a generation audit found, as it is printed and kept."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fairsk._core.groups import format_group
from fairsk._core.messages import list_texts
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

__all__ = ["GenerationAudit", "ScoreGap", "WorstPrompt", "WrittenScores"]


@dataclass(frozen=True, eq=False, repr=False)
class ScoreGap(Record):
    """How a score differs between what is written of two groups.

    Parameters
    ----------
    score : str
        Which judge; or "no score of" one, which is 1 where it had none and 0 elsewhere; or "not written",
        which is 1 where no text came back.
    first, second : label
        The groups.
    n_prompts : int
        How many prompts have scores of both.
    difference, low, high : float
        The mean over prompts of the first group's mean score minus the second's, with its interval.
    p_value : float
        Of the permutation test that it is zero.
    is_exact : bool
        Whether all permutations were counted, and no random ones.
    adjusted_p_value : float
        Adjusted for all pairs of groups and all scores (Holm).
    least_p_value : float
        The least p-value that so few terms can have, where they are sampled; NaN where they are fixed.
    distance : float
        The mean over prompts of the Wasserstein-1 distance of the groups' scores.
    distance_by_chance : float
        What it is on average if texts are exchanged between the groups within each prompt.
    distance_p_value : float
        How often it is then at least as large.
    """

    score: str
    first: Hashable
    second: Hashable
    n_prompts: int
    difference: float
    low: float
    high: float
    p_value: float
    is_exact: bool
    adjusted_p_value: float
    least_p_value: float
    distance: float
    distance_by_chance: float
    distance_p_value: float


@dataclass(frozen=True, eq=False, repr=False)
class WrittenScores(Record):
    """The scores of what is written of a group.

    Parameters
    ----------
    score : str
        Which judge.
    group : label
        The group.
    n_texts, unscored : int
        How many texts were to be written, and how many of them have no score.
    mean, low, high : float
        The mean score over prompts, with Student's interval.
    same_prompt, same_prompt_high : float
        The control: how far two random halves of the texts of the very same prompts lie apart, as a mean over
        prompts: its mean absolute value over many such halves, and the value that 95% do not exceed.
    same_prompt_distance : float
        The mean Wasserstein-1 distance of such halves.
    """

    score: str
    group: Hashable
    n_texts: int
    unscored: int
    mean: float
    low: float
    high: float
    same_prompt: float
    same_prompt_high: float
    same_prompt_distance: float


@dataclass(frozen=True, eq=False, repr=False)
class WorstPrompt(Record):
    """A prompt on which two groups' mean scores lie furthest apart.

    Parameters
    ----------
    score : str
        Which judge.
    prompt : str
        The prompt; of texts whose terms are swapped, which one it is.
    first, second : label
        The groups.
    difference : float
        The first group's mean score minus the second's.
    """

    score: str
    prompt: str
    first: Hashable
    second: Hashable
    difference: float


@dataclass(frozen=True, eq=False, repr=False)
class GenerationAudit(Result):
    """What a model writes of groups, judged and compared within prompts. Prints and renders itself.

    Parameters
    ----------
    groups : tuple of labels
        The groups.
    gaps : tuple of ScoreGap
        Every pair of groups, for each score.
    scores : tuple of WrittenScores
        Each group, for each score, with the control of the same prompt.
    worst : tuple of WorstPrompt
        The prompts on which groups lie furthest apart, for each score.
    n_prompts : int
        How many prompts there are.
    n_texts : int
        How many texts were judged, or have scores.
    unwritten : mapping of group to int
        How many texts were asked for and not written.
    left_out, duplicates : int
        How many prompts name no group or several, and how many read like an earlier one.
    one_group : int
        How many prompts have texts of one group only: they are not compared, and count in means of groups.
    terms : {"fixed", "sampled"}
        Whether intervals and p-values are over prompts alone, or over terms as well.
    confidence : float
        The coverage probability of each interval.
    n_resamples : int
        How many permutations were drawn where not all were counted.
    by_position : bool
        Whether prompts are named by their positions, from 0, and not as they read.
    texts : mapping of str to tuple, or None
        Prompt, group, text and scores of everything that was written, if it was to be kept; it is not in
        :meth:`to_dict`.
    """

    groups: tuple[Hashable, ...]
    gaps: tuple[ScoreGap, ...]
    scores: tuple[WrittenScores, ...]
    worst: tuple[WorstPrompt, ...]
    n_prompts: int
    n_texts: int
    unwritten: Mapping[Hashable, int]
    left_out: int
    duplicates: int
    one_group: int
    terms: TermsAre
    confidence: float
    n_resamples: int
    by_position: bool = False
    texts: Mapping[str, tuple[Any, ...]] | None = field(default=None, repr=False)
    library: Backend | None = None

    def _tables(self) -> list[Table]:
        tables = [self._gap_table(), self._score_table()]
        return [*tables, self._worst_table()] if self.worst else tables

    def _gap_table(self) -> Table:
        rows = self.gaps
        columns = _columns(rows, ("score", "first", "second"))
        columns |= {
            name: [getattr(row, name) for row in rows]
            for name in (
                *("n_prompts", "difference", "low", "high", "p_value", "adjusted_p_value"),
                *("distance", "distance_by_chance", "distance_p_value"),
            )
        }
        text: dict[str, list[str]] = {name: columns[name] for name in ("score", "first", "second")}
        text["prompts"] = list(map(number, columns["n_prompts"]))
        text["difference"] = [with_interval(row.difference, row.low, row.high) for row in rows]
        text["p"] = list(map(p_value, columns["p_value"]))
        text["adjusted p"] = list(map(p_value, columns["adjusted_p_value"]))
        text["distance"] = list(map(number, columns["distance"]))
        text["by chance"] = list(map(number, columns["distance_by_chance"]))
        text["p of distance"] = list(map(p_value, columns["distance_p_value"]))
        return Table(columns, text, notes=self._notes(), words=["first", "second"])

    def _score_table(self) -> Table:
        rows = self.scores
        columns = _columns(rows, ("score", "group"))
        names = ("n_texts", "unscored", "mean", "low", "high")
        columns |= {
            name: [getattr(row, name) for row in rows]
            for name in (*names, "same_prompt", "same_prompt_high", "same_prompt_distance")
        }
        text: dict[str, list[str]] = {name: columns[name] for name in ("score", "group")}
        text["texts"] = list(map(number, columns["n_texts"]))
        text["no score"] = list(map(number, columns["unscored"]))
        text["mean"] = [with_interval(row.mean, row.low, row.high) for row in rows]
        text["halves"] = list(map(number, columns["same_prompt"]))
        text["95% below"] = list(map(number, columns["same_prompt_high"]))
        text["distance"] = list(map(number, columns["same_prompt_distance"]))
        return Table(
            columns,
            text,
            words=["group"],
            notes=[
                "halves: the control. So far apart, on average and in 95% of draws, lie two random halves of "
                "what was written on the very same prompts; distance: of such halves. Halves have half the "
                "texts, and vary more for that."
            ],
        )

    def _worst_table(self) -> Table:
        columns = _columns(self.worst, ("score", "prompt", "first", "second"))
        columns["difference"] = [row.difference for row in self.worst]
        text = {name: list(map(number, column)) for name, column in columns.items()}
        words = ["prompt", "first", "second"]
        among = self.n_prompts - self.one_group
        caption = f"prompts on which groups lie furthest apart, picked for that among {among:,}"
        notes = ["prompt: its position in what was given, from 0; keep_texts=True shows it as it reads."]
        return Table(columns, text, words=words, caption=caption, notes=notes if self.by_position else ())

    def _notes(self) -> list[str]:
        over = "prompts" if self.terms == "fixed" else "prompts and terms"
        how = (
            "texts exchanged within each prompt"
            if self.terms == "fixed"
            else "terms exchanged between groups"
        )
        notes = [
            f"difference: of mean scores, first minus second, on the same prompts; in brackets "
            f"{percent(self.confidence)} intervals over {over}; p: {how}. distance: Wasserstein-1, beside "
            "what it is by chance."
        ]
        if any(gap.p_value != gap.p_value for gap in self.gaps):
            notes.append("A dash: no prompt has scores of both groups.")
        rows = [(gap.difference, gap.low) for gap in self.gaps] + [(row.mean, row.low) for row in self.scores]
        notes += why_no_interval(over.replace("and", "or"), rows)
        notes += too_few_terms((gap.least_p_value for gap in self.gaps), self.confidence)
        unwritten = [f"{format_group(group)} {n:,}" for group, n in self.unwritten.items() if n]
        if unwritten:
            notes.append(f"Not written: {list_texts(unwritten)}.")
        if self.one_group:
            notes.append(
                "1 prompt has texts of one group only: it is not compared, but counts in the table of means."
                if self.one_group == 1
                else f"{self.one_group:,} prompts have texts of one group only: they are not compared, but "
                "count in the table of means."
            )
        return notes + not_counted(self.left_out, self.duplicates)

    def texts_frame(self, backend: Backend | None = None) -> Any:
        """Return what was written, with its scores, as a frame.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}, optional
            The library; by default that of the data, else the first one that is installed.

        Returns
        -------
        frame
            A line per text: its prompt, its group, the text and its scores.

        Raises
        ------
        ValueError
            If texts were not kept.
        ImportError
            If the library, or any of them, is not installed.
        """
        if self.texts is None:
            raise ValueError("The texts were not kept: ask for keep_texts=True.")
        return Table(dict(self.texts)).frame(self.library if backend is None else backend)


def _columns(rows: Sequence[Any], names: Sequence[str]) -> dict[str, list[Any]]:
    """Return columns of words: names of scores, groups and prompts."""
    return {
        name: [
            getattr(row, name) if name in ("score", "prompt") else format_group(getattr(row, name))
            for row in rows
        ]
        for name in names
    }
