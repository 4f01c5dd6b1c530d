"""The result of a counterfactual audit: its verdict, its tables, and what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from fairsk._core.results import (
    MOST_LINES,
    Backend,
    Entries,
    Result,
    Table,
    number,
    p_value,
    percent,
    with_interval,
)
from fairsk.statistics._paired import MOST_EXACT
from fairsk.text._counterfactual import words
from fairsk.text._counterfactual.records import (
    ChangedText,
    ControlComparison,
    CounterfactualPair,
    FlipShare,
    MoveComparison,
)

__all__ = ["CounterfactualAudit", "DecidedBy"]

#: Where decisions come from: the model's ``predict``, a threshold on its scores, or a callable's labels.
DecidedBy: TypeAlias = Literal["predict", "threshold", "labels"]


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
    abstains_inside : bool
        Whether the model wraps an ``LLMClassifier`` with ``unanswered="abstain"``, whose refusals are taken
        for answers here.
    control_kind : str or None
        ``"auto"``, ``"repeat"``, the name of a callable, or None.
    has_one_kind : bool
        Whether all terms of the swapper are of one kind, so that each may stand in for each other one of its
        group in the control ``"auto"``.
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
    abstains_inside: bool
    control_kind: str | None
    has_one_kind: bool
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
        """What was found, in words: a direction that is told, and flips never without their control."""
        return words.verdict(self)

    def _for_report(self) -> CounterfactualAudit:
        without = (replace(one, text=None, counterfactual=None, control=None) for one in self.worst)
        return replace(self, worst=tuple(without))

    def _tables(self) -> list[Table | Entries]:
        lines = [("verdict", self.verdict), *words.details(self)]
        tables: list[Table | Entries] = [Entries(lines)]
        if self.decided_by is not None:
            tables.append(self._table(_FLIPS, "Decisions that differ between the versions", _FLIPS_NOTE))
        tables.append(self._table(_GAPS, "Score as group minus score as other", self._gap_note()))
        if self.control.n:
            tables.append(self._table(_CONTROLS, "Flips beside those of the control", _CONTROLS_NOTE))
        if self.moves.n and not words.scores_are_decisions(self):
            tables.append(self._table(_MOVES, "Moves of scores beside those of the control", _MOVES_NOTE))
        if any(pair.refused_group + pair.refused_other + pair.refused_both for pair in self.pairs):
            tables.append(self._table(_REFUSALS, "Texts that the model does not answer", _REFUSALS_NOTE))
        return [*tables, self._worst()] if self.worst else tables

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
        names = (
            "row",
            "source",
            "target",
            "score",
            "counterfactual_score",
            "control_score",
            "change",
            "flipped",
        )
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
            for name in ("text", "counterfactual", "control"):
                columns[name] = [getattr(text, name) for text in self.worst]
            remarks = [_versions(text) for text in self.worst]
        return Table(columns, shown, "Texts whose scores change most", words=("from", "to"), remarks=remarks)


def _versions(text: ChangedText) -> str:
    """Return a text and what it was compared with."""
    is_shown = text.control is not None and text.control != text.text
    control = "" if not is_shown else f"; control ({number(text.control_score)}): {text.control}"
    return f"{text.text} -> {text.counterfactual}{control}"


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
