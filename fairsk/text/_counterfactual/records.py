"""Records of counterfactual audits: shares, comparisons with the control, pairs of groups, single texts."""

from __future__ import annotations

from dataclasses import dataclass

from fairsk._core.results import Record

__all__ = ["ChangedText", "ControlComparison", "CounterfactualPair", "FlipShare", "MoveComparison"]


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
    control : str or None
        The control, shortened likewise; None if there is none, or texts are not kept.
    control_score : float
        The score of the control; NaN if there is none.
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
    control: str | None = None
    control_score: float = float("nan")
