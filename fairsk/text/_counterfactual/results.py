"""Results of counterfactual audits: any two groups, the texts that change most, and what it says in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fairsk._core.results import (
    MOST_LINES,
    Backend,
    Entries,
    Record,
    Result,
    Table,
    number,
    p_value,
    percent,
    with_interval,
)
from fairsk.statistics._paired import MOST_EXACT
from fairsk.text._counterfactual import words

__all__ = [
    "ChangedText",
    "ControlComparison",
    "CounterfactualAudit",
    "CounterfactualPair",
    "DecidedBy",
    "FlipShare",
    "MoveComparison",
]

#: Where decisions come from: the model's ``predict``, a threshold on its scores, or a callable's labels.
DecidedBy: TypeAlias = Literal["predict", "threshold", "labels"]


@dataclass(frozen=True, eq=False)
class FlipShare(Record):
    """The share of texts whose decision flips, with Wilson's interval; NaN of no texts.

    Parameters
    ----------
    n : int
        How many texts have a decision in both versions.
    rate, low, high : float
        The share and its interval.
    """

    n: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class ControlComparison(Record):
    """Flips beside those by the control, on the texts that have one; NaN of no texts.

    Parameters
    ----------
    n : int
        How many texts have a decision in both versions and on the control.
    flip_rate : float
        The share of these that flip with the group.
    control_rate, control_low, control_high : float
        The share that the control flips, with Wilson's interval.
    excess, low, high : float
        The one minus the other, with Newcombe's interval for paired data.
    p : float
        McNemar's exact p-value of an excess of 0; NaN of several groups together.
    adjusted_p : float
        The same, adjusted for the number of pairs of groups.
    """

    n: int
    flip_rate: float
    control_rate: float
    control_low: float
    control_high: float
    excess: float
    low: float
    high: float
    p: float
    adjusted_p: float = float("nan")


@dataclass(frozen=True, eq=False)
class MoveComparison(Record):
    """How far scores move, whichever way, beside how far the control moves them; NaN of no texts.

    Parameters
    ----------
    n : int
        How many texts have a score in both versions and on the control.
    move, control_move : float
        The mean distance of the score of a rewriting, and of a control, from that of its text.
    excess, low, high : float
        The one minus the other, with Student's interval over texts.
    p : float
        The p-value of an excess of 0, by signs turned around; NaN of several groups together.
    adjusted_p : float
        The same, adjusted for the number of pairs of groups.
    """

    n: int
    move: float
    control_move: float
    excess: float
    low: float
    high: float
    p: float = float("nan")
    adjusted_p: float = float("nan")


@dataclass(frozen=True, eq=False)
class CounterfactualPair(Record):
    """What a model says of texts about the one of two groups, and of the same texts about the other.

    Parameters
    ----------
    group, other : str
        The groups.
    n : int
        How many texts the model answers in both versions; they name either group.
    flips : FlipShare
        The texts whose decision differs.
    only_group, only_other : int
        How many are positive only as the one group, and only as the other.
    direction_p, adjusted_direction_p : float
        McNemar's exact p-value of these two numbers, and adjusted for the number of pairs of groups.
    gap, gap_low, gap_high : float
        The mean score as ``group`` minus that as ``other``, with Student's interval over texts.
    gap_p, adjusted_gap_p : float
        The p-value of this gap by signs turned around, and adjusted.
    control : ControlComparison
        The same flips beside those of the control.
    moves : MoveComparison
        How far scores move, beside how far the control moves them.
    refused_group, refused_other, refused_both : int
        How many texts the model does not answer only as the one group, only as the other, and as both.
    refusal_p, adjusted_refusal_p : float
        McNemar's exact p-value of the first two numbers, and adjusted.
    reason : str
        Why something is not known (NaN); empty if all is.
    """

    group: str
    other: str
    n: int
    flips: FlipShare
    only_group: int
    only_other: int
    direction_p: float
    gap: float
    gap_low: float
    gap_high: float
    gap_p: float
    control: ControlComparison
    moves: MoveComparison
    refused_group: int
    refused_other: int
    refused_both: int
    refusal_p: float
    reason: str
    adjusted_direction_p: float = float("nan")
    adjusted_gap_p: float = float("nan")
    adjusted_refusal_p: float = float("nan")


@dataclass(frozen=True, eq=False)
class ChangedText(Record):
    """A text whose score changes much with the group that it names.

    Parameters
    ----------
    row : int
        The row of X.
    source, target : str
        The group that it names, and the one that it was rewritten for.
    score, counterfactual_score : float
        The score of the text, and of the rewriting.
    change : float
        The second minus the first.
    flipped : bool or None
        Whether the decision differs; None if there are no decisions.
    text, counterfactual : str or None
        The texts, shortened to where they differ; None if they are not kept.
    """

    row: int
    source: str
    target: str
    score: float
    counterfactual_score: float
    change: float
    flipped: bool | None
    text: str | None
    counterfactual: str | None


#: What a table shows of a pair of groups.
_Cell: TypeAlias = Callable[[CounterfactualPair], str]


@dataclass(frozen=True, eq=False, repr=False)
class CounterfactualAudit(Result):
    """Whether a model's answers change with the group that a text names. Prints and renders itself.

    ``frame()`` has a line per pair of groups, ``verdict`` says it in words.

    Parameters
    ----------
    groups : tuple of str
        The groups.
    n_texts : int
        How many texts were looked at.
    mentions : mapping of str to int
        How many of them name each group alone, ``"none"`` and ``"several"``; the last two are left out.
    n_repeated : int
        How many of the texts that name one group are the same as an earlier one: they are counted as texts
        of their own, and make intervals too narrow if they are many.
    n_asked : int
        How many questions the model was asked.
    response : {"predict_proba", "decision_function", "predict", "callable"}
        Where scores come from.
    decided_by : {"predict", "threshold", "labels"} or None
        Where decisions come from; None if there are none.
    threshold : float or None
        The score from which on a decision is positive, if that is how they are made.
    pos_label : label
        The positive label, if decisions are labels.
    control_kind : str or None
        ``"auto"``, ``"repeat"``, the name of a callable, or None.
    n_without_control : int
        How many texts that name one group have no control.
    n_unchanged_controls : int
        How many controls left the text as it is.
    confidence : float
        The coverage probability of each interval.
    n_resamples : int
        How many random signs the p-values of gaps come from, where there are too many to try all.
    flips : FlipShare
        The share of texts that flip; each text counts once, by the average over the groups that it was
        rewritten for.
    control : ControlComparison
        The same beside the control.
    moves : MoveComparison
        How far scores move, likewise.
    pairs : tuple of CounterfactualPair
        Any two groups.
    worst : tuple of ChangedText
        The texts whose scores change most.
    """

    groups: tuple[str, ...]
    n_texts: int
    mentions: Mapping[str, int]
    n_repeated: int
    n_asked: int
    response: str
    decided_by: DecidedBy | None
    threshold: float | None
    pos_label: Any
    control_kind: str | None
    n_without_control: int
    n_unchanged_controls: int
    confidence: float
    n_resamples: int
    flips: FlipShare
    control: ControlComparison
    moves: MoveComparison
    pairs: tuple[CounterfactualPair, ...]
    worst: tuple[ChangedText, ...]
    library: Backend | None = None

    @property
    def verdict(self) -> str:
        """What was found, in words: flips never without their control."""
        return words.verdict(self)

    def _tables(self) -> list[Table | Entries]:
        lines = [("verdict", self.verdict), *words.details(self)]
        tables: list[Table | Entries] = [Entries(lines)]
        if self.decided_by is not None:
            tables.append(self._table(_FLIPS, "Decisions that differ between the versions", _FLIPS_NOTE))
        tables.append(self._table(_GAPS, "Score as group minus score as other", self._gap_note()))
        if self.control.n:
            tables.append(self._table(_CONTROLS, "Flips beside those of the control", _CONTROLS_NOTE))
        if self.moves.n and not self._scores_are_decisions:
            tables.append(self._table(_MOVES, "Moves of scores beside those of the control", _MOVES_NOTE))
        if any(pair.refused_group + pair.refused_other + pair.refused_both for pair in self.pairs):
            tables.append(self._table(_REFUSALS, "Texts that the model does not answer", _REFUSALS_NOTE))
        return [*tables, self._worst()] if self.worst else tables

    @property
    def _scores_are_decisions(self) -> bool:
        """Whether a score is 1 or 0, so that it moves where the decision flips."""
        return self.decided_by == "labels" or (self.decided_by == "predict" and self.response == "predict")

    def _gap_note(self) -> str:
        """Say where the p-values of gaps come from."""
        if all(pair.n <= MOST_EXACT for pair in self.pairs):
            return "p is exact: the share of all signs of the gaps with a mean as far from 0."
        return (
            f"p is the share of signs of the gaps with a mean as far from 0, of {self.n_resamples:,} random "
            f"ones where more than {MOST_EXACT} texts have a gap."
        )

    def _table(self, shown: Mapping[str, _Cell], caption: str, note: str) -> Table:
        """Return some of what there is to say of each pair of groups, as it is printed, and all of it."""
        pairs = self.pairs[:MOST_LINES]
        names = [name for name in shown if len(self.pairs) > 1 or not name.startswith("adjusted")]
        cells = {"group": [pair.group for pair in pairs], "other": [pair.other for pair in pairs]}
        cells |= {name: [shown[name](pair) for pair in pairs] for name in names}
        remarks = [f"{words.capital(pair.reason)}." if pair.reason else "" for pair in pairs]
        return Table(
            self._columns(),
            cells,
            caption,
            notes=(note, f"Intervals hold with {percent(self.confidence)} confidence each."),
            words=("other",),
            remarks=remarks if shown is _GAPS else (),
        )

    def _columns(self) -> dict[str, list[Any]]:
        """Return everything about each pair of groups."""
        pairs = self.pairs
        columns: dict[str, list[Any]] = {"group": [p.group for p in pairs], "other": [p.other for p in pairs]}
        columns |= {"n": [p.n for p in pairs], "flip_rate": [p.flips.rate for p in pairs]}
        columns |= {"flip_low": [p.flips.low for p in pairs], "flip_high": [p.flips.high for p in pairs]}
        for name in ("only_group", "only_other", "direction_p", "adjusted_direction_p"):
            columns[name] = [getattr(pair, name) for pair in pairs]
        for name in ("gap", "gap_low", "gap_high", "gap_p", "adjusted_gap_p"):
            columns[name] = [getattr(pair, name) for pair in pairs]
        columns |= {"n_control": [p.control.n for p in pairs]}
        columns |= {"flip_rate_with_control": [p.control.flip_rate for p in pairs]}
        for name in ("control_rate", "control_low", "control_high", "excess"):
            columns[name] = [getattr(pair.control, name) for pair in pairs]
        for name in ("low", "high", "p", "adjusted_p"):
            columns[f"excess_{name}"] = [getattr(pair.control, name) for pair in pairs]
        columns |= {"n_moves": [p.moves.n for p in pairs], "move": [p.moves.move for p in pairs]}
        columns |= {"control_move": [p.moves.control_move for p in pairs]}
        for name in ("excess", "low", "high", "p", "adjusted_p"):
            columns[f"move_{name}"] = [getattr(pair.moves, name) for pair in pairs]
        for name in ("refused_group", "refused_other", "refused_both", "refusal_p", "adjusted_refusal_p"):
            columns[name] = [getattr(pair, name) for pair in pairs]
        return columns

    def _worst(self) -> Table:
        """Return the texts that change most."""
        names = ("row", "source", "target", "score", "counterfactual_score", "change", "flipped")
        columns = {name: [getattr(text, name) for text in self.worst] for name in names}
        shown = {
            "row": [str(text.row) for text in self.worst],
            "from": [text.source for text in self.worst],
            "to": [text.target for text in self.worst],
            "score": [f"{number(text.score)} -> {number(text.counterfactual_score)}" for text in self.worst],
            "flipped": [number(text.flipped) for text in self.worst],
        }
        remarks = []
        if self.worst[0].text is not None:
            for name in ("text", "counterfactual"):
                columns[name] = [getattr(text, name) for text in self.worst]
            remarks = [f"{text.text} -> {text.counterfactual}" for text in self.worst]
        return Table(columns, shown, "Texts whose scores change most", words=("from", "to"), remarks=remarks)


_FLIPS: Mapping[str, _Cell] = {
    "texts": lambda pair: number(pair.n),
    "flips": lambda pair: with_interval(pair.flips.rate, pair.flips.low, pair.flips.high),
    "only as group": lambda pair: number(pair.only_group),
    "only as other": lambda pair: number(pair.only_other),
    "p": lambda pair: p_value(pair.direction_p),
    "adjusted p": lambda pair: p_value(pair.adjusted_direction_p),
}
_FLIPS_NOTE = (
    "Positive only as group, and only as other: p is that of McNemar's exact test that neither is more "
    "common. A share of flips alone says nothing of groups, for any edit flips some."
)
_GAPS: Mapping[str, _Cell] = {
    "texts": lambda pair: number(pair.n),
    "gap": lambda pair: with_interval(pair.gap, pair.gap_low, pair.gap_high),
    "p": lambda pair: p_value(pair.gap_p),
    "adjusted p": lambda pair: p_value(pair.adjusted_gap_p),
}
_CONTROLS: Mapping[str, _Cell] = {
    "with a control": lambda pair: number(pair.control.n),
    "flips": lambda pair: number(pair.control.flip_rate),
    "control flips": lambda pair: with_interval(
        pair.control.control_rate, pair.control.control_low, pair.control.control_high
    ),
    "excess": lambda pair: with_interval(pair.control.excess, pair.control.low, pair.control.high),
    "p": lambda pair: p_value(pair.control.p),
    "adjusted p": lambda pair: p_value(pair.control.adjusted_p),
}
_CONTROLS_NOTE = (
    "Excess: flips minus control flips of the same texts, with Newcombe's interval for paired shares and "
    "McNemar's exact test."
)
_MOVES: Mapping[str, _Cell] = {
    "with a control": lambda pair: number(pair.moves.n),
    "moves": lambda pair: number(pair.moves.move),
    "control moves": lambda pair: number(pair.moves.control_move),
    "excess": lambda pair: with_interval(pair.moves.excess, pair.moves.low, pair.moves.high),
    "p": lambda pair: p_value(pair.moves.p),
    "adjusted p": lambda pair: p_value(pair.moves.adjusted_p),
}
_MOVES_NOTE = (
    "Mean distances of scores, whichever way; excess: the one minus the other, with Student's interval and "
    "the test that turns signs around."
)
_REFUSALS: Mapping[str, _Cell] = {
    "only as group": lambda pair: number(pair.refused_group),
    "only as other": lambda pair: number(pair.refused_other),
    "as both": lambda pair: number(pair.refused_both),
    "p": lambda pair: p_value(pair.refusal_p),
    "adjusted p": lambda pair: p_value(pair.adjusted_refusal_p),
}
_REFUSALS_NOTE = (
    "These texts are left out above. p is that of McNemar's exact test that neither version is refused more "
    "often."
)
