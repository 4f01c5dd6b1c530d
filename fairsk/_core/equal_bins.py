"""Equal bins of scores whose edges are exact numbers, so that every engine cuts alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fairsk._core.messages import show
from fairsk._core.typing import Floats, Ints

__all__ = ["NARROWEST", "EqualBins"]

#: No bins are narrower: it is the least number whose reciprocal every engine has.
NARROWEST = float(np.finfo(float).tiny)


@dataclass(frozen=True)
class EqualBins:
    """Bins whose width is a power of two, and whose edges are multiples of it.

    Multiplying by a power of two is exact, so ``floor(score * per_unit) - first`` is the same number
    wherever it is computed.

    Parameters
    ----------
    first : float
        The lower end of the first bin, in widths.
    width : float
        The width of a bin, a power of two.
    n : int
        How many bins there are.
    low, high : float
        The least and the greatest score that has a bin; the upper end belongs to the last one.
    """

    first: float
    width: float
    n: int
    low: float
    high: float

    @classmethod
    def of_unit(cls, n: int) -> EqualBins:
        """Return that many bins of the scores from 0 to 1.

        Raises
        ------
        ValueError
            If it is not a power of two.
        """
        if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 2 or n & (n - 1):
            raise ValueError(
                f"bins must be a power of two, such as 1024, got {show(n)}: then the edges are exact "
                "numbers, and every engine cuts alike."
            )
        return cls(0.0, 1 / int(n), int(n), 0.0, 1.0)

    @classmethod
    def covering(cls, low: float, high: float, n: int, *, finest: int = 1) -> EqualBins:
        """Return at most that many bins, as narrow as can be, that hold all scores from low to high.

        Their width is a power of two, and so their ends are rounded outward to multiples of one. It is never
        less than ``finest`` times (a power of two) the distance of two neighbouring floats; where edges are
        asked for, take n. Unless the two scores are closer than :data:`NARROWEST`, they are in two bins.
        """
        largest = max(abs(low), abs(high))
        # The next float towards 0 may be half as far away as the other neighbour.
        least = max(finest * (largest - math.nextafter(largest, 0)), NARROWEST)
        # Two powers of 2 around the quotient; where all scores are alike, any width will do.
        exponent = math.frexp(high - low)[1] - math.frexp(n)[1] if high > low else 0
        width = max(math.ldexp(0.5, exponent), least)
        while math.floor(high / width) - math.floor(low / width) >= n:
            width *= 2
        return cls(float(math.floor(low / width)), width, n, low, high)

    @property
    def per_unit(self) -> float:
        """How many bins there are per unit of the score: a power of two."""
        return 1 / self.width

    @property
    def edges(self) -> Floats:
        """What separates the bins, exactly; shape (n - 1,)."""
        return (self.first + np.arange(1.0, self.n)) * self.width

    def places(self, scores: Floats) -> Ints:
        """Return the bin of each score, from 0; what lies outside has the first or the last one."""
        places = np.floor(scores * self.per_unit)
        if self.first:
            places -= self.first
        return np.clip(places, 0, self.n - 1).astype(np.intp)
