"""Groups beside their background: a group's rows of one label and, of the other label, those of all others.

Borkan et al. call all rows outside a group its background. A classifier of comments that takes the name of a
group for a sign of toxicity ranks the group's harmless comments above toxic ones of the background (BPSN:
background positive, subgroup negative); one that takes it for a sign of the opposite ranks the group's toxic
comments below harmless ones of the background (BNSP).
"""

from __future__ import annotations

import numpy as np

from fairsk._core.curves import Curve
from fairsk._core.typing import Floats
from fairsk.metrics._scores.grouped import SortedScores

__all__ = ["background_negatives", "background_positives"]

#: A weight of the background below this share of all weights is what is left when sums are subtracted.
_ROUNDING = 1e-12


def background_positives(part: SortedScores, total: SortedScores) -> SortedScores:
    """Return the positives outside a group beside the negatives inside: what the BPSN AUC ranks."""
    return _beside(part, total, positives_inside=False)


def background_negatives(part: SortedScores, total: SortedScores) -> SortedScores:
    """Return the positives inside a group beside the negatives outside: what the BNSP AUC ranks."""
    return _beside(part, total, positives_inside=True)


def _beside(part: SortedScores, total: SortedScores, *, positives_inside: bool) -> SortedScores:
    """Return the group's rows of one label, and those of all others of the other label.

    The steps are those of the group, and what lies between two of them: there rows of the other groups have
    one place in the order of the group's. So a group costs as much as it has scores, however many groups
    there are.
    """
    places = total.curve.positions(part.curve.steps)

    def sums(inside: Curve, everywhere: Curve) -> tuple[Floats, Floats, float]:
        own, same = (inside.tp, inside.fp) if positives_inside else (inside.fp, inside.tp)
        outside = everywhere.fp if positives_inside else everywhere.tp
        of_all = _interleaved(outside[places - 1], outside[places], outside[-1])
        background = np.diff(of_all - _interleaved(same[:-1], same[1:], same[-1]))
        return _interleaved(own[:-1], own[1:], own[-1]), background, _ROUNDING * float(outside[-1])

    def curve(own: Floats, background: Floats) -> Curve:
        below = np.append(0.0, np.cumsum(background))
        steps = np.full(len(background), np.nan)  # no thresholds are read off these curves
        return Curve(steps, *((own, below) if positives_inside else (below, own)))

    own, weights, rounding = sums(part.curve, total.curve)
    weights[weights <= rounding] = 0.0
    weighted = curves = curve(own, weights)
    if part.squares is not part.curve:
        own, squares, rounding = sums(part.squares, total.squares)
        # Squares that rounding has eaten up become those of a single row: as few effective rows as can be.
        squares = np.minimum(np.where(squares <= rounding, np.inf, squares), weights**2)
        curves = curve(own, squares)
    return SortedScores(weighted, curves, weighted.steps, part.binned)


def _interleaved(above: Floats, at: Floats, end: float) -> Floats:
    """Return cumulative sums from 0: above each step of the group, with that step, and at the end."""
    return np.concatenate([[0.0], np.column_stack([above, at]).ravel(), [end]])
