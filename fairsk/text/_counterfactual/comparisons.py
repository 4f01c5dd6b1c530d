"""Comparisons: what a model said of both versions of each text, and what follows for two groups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np

from fairsk._core.typing import Bools, Floats, Ints
from fairsk.statistics._multiplicity import adjust_p_values
from fairsk.statistics._paired import (
    are_shares,
    mcnemar_p,
    mean_estimate,
    paired_difference,
    share_estimate,
    sign_flip_p,
    within,
)
from fairsk.statistics._pairs import Estimate
from fairsk.text._counterfactual.edits import Edits
from fairsk.text._counterfactual.records import (
    ControlComparison,
    CounterfactualPair,
    FlipShare,
    MoveComparison,
)
from fairsk.text._counterfactual.responses import Responses

__all__ = ["Comparisons"]


class TextFlips(NamedTuple):
    """One number per text: how often its decision flips, and whether its control's does (NaN: unknown)."""

    flips: Floats
    control_flips: Floats


@dataclass(frozen=True)
class Comparisons:
    """What a model said of texts and of their edits.

    Parameters
    ----------
    edits : Edits
        The texts, rewritings and controls.
    responses : Responses
        What it said of all that was asked.
    """

    edits: Edits
    responses: Responses

    @property
    def pairs_of_groups(self) -> list[tuple[int, int]]:
        """The positions of any two groups, in their order."""
        return list(combinations(range(len(self.edits.group_names)), 2))

    @cached_property
    def pair_flips(self) -> Floats:
        """Whether the decision on each rewriting differs from that on its text; NaN without both."""
        decisions = self._decisions
        source_at = self.edits.source_at[self.edits.of_text]
        return _differs(decisions[source_at], decisions[self.edits.pair_at])

    @cached_property
    def control_flips(self) -> Floats:
        """Whether the decision on each text's control differs from that on the text; NaN without both."""
        return self._differs_in_control(self._decisions)

    @cached_property
    def control_moves(self) -> Floats:
        """How far the score of each text's control lies from that of the text; NaN without both."""
        return self._differs_in_control(self.scores)

    def _differs_in_control(self, answers: Floats) -> Floats:
        at = self.edits.control_at
        differs = _differs(answers[self.edits.source_at], answers[at]) if len(at) else np.empty(0)
        return np.where(at < 0, np.nan, differs)

    @cached_property
    def _decisions(self) -> Floats:
        """The decisions; NaN where the model gives no answer, or decides nothing."""
        decisions = self.responses.decisions
        return np.where(self._missing, np.nan, np.nan if decisions is None else decisions)

    @cached_property
    def text_flips(self) -> TextFlips:
        """The flips of each text, averaged over its rewritings, for the text is the unit of analysis."""
        return TextFlips(self._per_text(self.pair_flips), self.control_flips)

    def _per_text(self, values: Floats) -> Floats:
        """Average what is known of the rewritings of each text; NaN if nothing is."""
        known = ~np.isnan(values)
        at, n_texts = self.edits.of_text[known], len(self.edits.rows)
        n_known = np.bincount(at, minlength=n_texts)
        total = np.bincount(at, values[known], minlength=n_texts)
        return np.divide(total, n_known, out=np.full(n_texts, np.nan), where=n_known > 0)

    def gaps(self, first: int, second: int) -> Floats:
        """Return the score of each text as the one group minus that as the other; NaN without both."""
        as_first, as_second, _ = self._versions(first, second)
        return self.scores[as_first] - self.scores[as_second]

    def _versions(self, first: int, second: int) -> tuple[Ints, Ints, Ints]:
        """Return where the versions about either group of two are, and of which text they are."""
        edits = self.edits
        sources = edits.sources[edits.of_text]
        from_first = (sources == first) & (edits.targets == second)
        chosen = np.flatnonzero(from_first | ((sources == second) & (edits.targets == first)))
        source_at, pair_at = edits.source_at[edits.of_text[chosen]], edits.pair_at[chosen]
        starts = from_first[chosen]
        return (
            np.where(starts, source_at, pair_at),
            np.where(starts, pair_at, source_at),
            edits.of_text[chosen],
        )

    def flip_share(self, confidence: float) -> FlipShare:
        """Return the share of texts that flip, over all groups."""
        flips = self.text_flips.flips
        return _share(flips[~np.isnan(flips)], confidence)

    def control(self, confidence: float) -> ControlComparison:
        """Return the flips of texts beside those of their controls, over all groups."""
        is_exact = len(self.edits.group_names) == 2
        return _control_comparison(*self.text_flips, confidence, has_test=is_exact)

    def moves(self, confidence: float, n_resamples: int, rng: np.random.Generator) -> MoveComparison:
        """Return how far scores move beside how far the control moves them, over all groups."""
        moves = self._per_text(np.abs(self.changes))
        estimate = self._move_comparison(moves, self.control_moves, confidence)
        # Averages over several groups vary less than a control does, and so signs are no test of them.
        has_test = len(self.edits.group_names) == 2
        p = _excess_p(moves, self.control_moves, n_resamples, rng) if has_test else float("nan")
        return replace(estimate, p=p)

    def compare(
        self, confidence: float, n_resamples: int, rng: np.random.Generator
    ) -> tuple[CounterfactualPair, ...]:
        """Compare any two groups, with p-values adjusted for how many pairs of groups there are."""
        pairs = [self._compare(*pair, confidence, n_resamples, rng) for pair in self.pairs_of_groups]
        direction, gap, refusal, excess, moves = (
            adjust_p_values(p).tolist()
            for p in (
                [pair.direction_p for pair in pairs],
                [pair.gap_p for pair in pairs],
                [pair.refusal_p for pair in pairs],
                [pair.control.p for pair in pairs],
                [pair.moves.p for pair in pairs],
            )
        )
        return tuple(
            replace(
                pair,
                adjusted_direction_p=direction[i],
                adjusted_gap_p=gap[i],
                adjusted_refusal_p=refusal[i],
                control=replace(pair.control, adjusted_p=excess[i]),
                moves=replace(pair.moves, adjusted_p=moves[i]),
            )
            for i, pair in enumerate(pairs)
        )

    def _compare(
        self, first: int, second: int, confidence: float, n_resamples: int, rng: np.random.Generator
    ) -> CounterfactualPair:
        """Compare two groups, on the texts that name either."""
        as_first, as_second, at = self._versions(first, second)
        missing = self._missing
        refused_first, refused_second = missing[as_first], missing[as_second]
        answered = ~refused_first & ~refused_second
        n, names = int(answered.sum()), self.edits.group_names
        decisions = self._decisions
        chosen_first, chosen_second = decisions[as_first[answered]], decisions[as_second[answered]]
        flips = _differs(chosen_first, chosen_second)
        only_first = int((chosen_first > chosen_second).sum())
        only_second = int((chosen_second > chosen_first).sum())
        decided = self.responses.decisions is not None
        gaps = self.gaps(first, second)[answered]
        gap = self._mean_estimate(gaps, confidence)
        moves, control_moves = np.abs(gaps), self.control_moves[at[answered]]
        only_refused = (
            int((refused_first & ~refused_second).sum()),
            int((refused_second & ~refused_first).sum()),
        )
        return CounterfactualPair(
            group=names[first],
            other=names[second],
            n=n,
            flips=_share(flips if decided else np.empty(0), confidence),
            only_group=only_first,
            only_other=only_second,
            direction_p=mcnemar_p(only_first, only_second) if decided and n else float("nan"),
            gap=gap.value,
            gap_low=gap.low,
            gap_high=gap.high,
            gap_p=sign_flip_p(gaps, n_resamples, rng),
            control=_control_comparison(flips, self.control_flips[at[answered]], confidence),
            moves=replace(
                self._move_comparison(moves, control_moves, confidence),
                p=_excess_p(moves, control_moves, n_resamples, rng),
            ),
            refused_group=only_refused[0],
            refused_other=only_refused[1],
            refused_both=int((refused_first & refused_second).sum()),
            refusal_p=mcnemar_p(*only_refused) if len(at) else float("nan"),
            reason=_reason(n, len(at), gaps, gap.low),
        )

    @cached_property
    def scores(self) -> Floats:
        """The scores; NaN where the model gives no answer, or was not asked for scores."""
        scores = self.responses.scores
        return np.where(self._missing, np.nan, np.nan if scores is None else scores)

    @cached_property
    def _largest_score(self) -> float:
        """The largest score, without its sign, against which rounding is judged."""
        return float(np.max(np.abs(self.scores), initial=0, where=~np.isnan(self.scores)))

    def _mean_estimate(self, differences: Floats, confidence: float) -> Estimate[float]:
        """Return a mean of differences of scores, with its interval, which ends where no difference lies."""
        estimate = mean_estimate(differences, confidence, self._largest_score)
        return within(estimate, -1.0, 1.0) if are_shares(self.scores) else estimate

    def _move_comparison(self, moves: Floats, control_moves: Floats, confidence: float) -> MoveComparison:
        """Return the moves beside those of controls, on the texts that have both."""
        both = ~np.isnan(moves) & ~np.isnan(control_moves)
        first, second = moves[both], control_moves[both]
        excess = self._mean_estimate(first - second, confidence)
        return MoveComparison(
            n=len(first),
            move=float(first.mean()) if len(first) else float("nan"),
            control_move=float(second.mean()) if len(first) else float("nan"),
            excess=excess.value,
            low=excess.low,
            high=excess.high,
        )

    @cached_property
    def changes(self) -> Floats:
        """The score of each rewriting minus that of its text; NaN without both."""
        return self.scores[self.edits.pair_at] - self.scores[self.edits.source_at[self.edits.of_text]]

    @cached_property
    def _missing(self) -> Bools:
        """Whether what was asked has no answer: no score, or no decision."""
        missing = np.zeros(len(self.edits.asked), dtype=bool)
        for values in (self.responses.scores, self.responses.decisions):
            if values is not None:
                missing |= np.isnan(values)
        return missing


def _differs(first: Floats, second: Floats) -> Floats:
    """Return 1 where two decisions differ, 0 where they agree, NaN without both."""
    return np.abs(first - second)


def _share(values: Floats, confidence: float) -> FlipShare:
    estimate = share_estimate(values, confidence)
    return FlipShare(len(values), *estimate)


def _control_comparison(
    flips: Floats, control_flips: Floats, confidence: float, *, has_test: bool = True
) -> ControlComparison:
    """Return the flips beside those of controls, on the texts that have both."""
    both = ~np.isnan(flips) & ~np.isnan(control_flips)
    first, second = flips[both], control_flips[both]
    control, excess = share_estimate(second, confidence), paired_difference(first, second, confidence)
    more, fewer = int((first > second).sum()), int((first < second).sum())
    return ControlComparison(
        n=len(first),
        flip_rate=float(first.mean()) if len(first) else float("nan"),
        control_rate=control.value,
        control_low=control.low,
        control_high=control.high,
        excess=excess.value,
        low=excess.low,
        high=excess.high,
        p=mcnemar_p(more, fewer) if has_test and len(first) else float("nan"),
    )


def _excess_p(moves: Floats, control_moves: Floats, n_resamples: int, rng: np.random.Generator) -> float:
    """Return the p-value of moves as large as those of controls."""
    excess = moves - control_moves
    return sign_flip_p(excess[~np.isnan(excess)], n_resamples, rng)


def _reason(n: int, n_texts: int, gaps: Floats, low: float) -> str:
    """Say why something of a pair of groups is not known."""
    if n_texts == 0:
        return "no text names one of them alone"
    if n == 0:
        return "the model answers to both versions of no text"
    if n == 1:
        return "one text has no spread, and so its gap has no interval"
    if np.isnan(low):
        return f"the gaps of all texts are the same, {gaps[0]:.3g}, which says nothing of their spread"
    return ""
