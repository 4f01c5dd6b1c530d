"""Rows of one group: their table under offsets, and the exact search along the offset of one class.

While the offset of one class rises and the others stay, a row turns to that class at one point: where the
class's score plus its offset passes the greatest of the others. So all decisions along the line follow from
one sort, and what they are worth from cumulative sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fairsk._core.typing import Floats, Ints

__all__ = ["GroupRows", "Line", "normalised"]

#: Points along a line that are closer than this, as a part of the largest score, are one: sums round.
_TIE = 1e-12
#: How far beyond the last point of a line an offset stands that turns every row.
_BEYOND = 1.0
#: Up to how many rows many vectors are decided at once, and how many scores at a time.
_FEW, _AT_A_TIME = 1_000, 1_000_000
#: Into how many bins turning points are counted first, where rows are many.
_BINS = 512
#: After how many rounds over all classes an ascent ends at the latest.
_MAX_ROUNDS = 20


def normalised(offsets: Floats) -> Floats:
    """Return offsets that decide alike, with 0 for the first class."""
    return offsets - offsets[..., :1]


@dataclass(frozen=True)
class Line:
    """The decisions of all rows along the offset of one class.

    Parameters
    ----------
    klass : int
        The class.
    order : integer array of shape (n_samples,)
        The rows in the order in which they turn to the class.
    turned : integer array of shape (n_stops,)
        How many rows have turned at each stop.
    before : integer array of shape (n_samples,)
        What each row is decided as while it has not turned.
    stops : array of shape (n_stops,)
        An offset inside each stop.
    """

    klass: int
    order: Ints
    turned: Ints
    before: Ints
    stops: Floats


@dataclass(frozen=True)
class GroupRows:
    """The rows of one group.

    Parameters
    ----------
    scores : array of shape (n_classes, n_samples)
        The scores, class after class.
    labels : integer array of shape (n_samples,)
        The positions of the classes.
    weights : array of shape (n_samples,)
        The weights.
    """

    scores: Floats
    labels: Ints
    weights: Floats

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_classes(self) -> int:
        """The number of classes."""
        return len(self.scores)

    @cached_property
    def tie(self) -> float:
        """Points along a line that are closer than this are one."""
        return _TIE * (1.0 + float(np.abs(self.scores).max(initial=0.0)))

    def take(self, index: Ints | slice) -> GroupRows:
        """Return some of the rows."""
        scores = np.ascontiguousarray(self.scores[:, index])
        return GroupRows(scores, self.labels[index], self.weights[index])

    def thinned(self, n_rows: int) -> GroupRows:
        """Return every so-many-th row, with weights that add up to about the same; all if they are few."""
        if len(self) <= n_rows:
            return self
        # Along the scores of the first class, so that a regular order of the rows does no harm.
        order = np.argsort(self.scores[0], kind="stable")
        rows = self.take(order[np.linspace(0, len(self) - 1, n_rows).astype(np.intp)])
        factor = self.weights.sum() / (rows.weights.sum() or 1.0)
        return GroupRows(rows.scores, rows.labels, rows.weights * factor)

    def decide(self, offsets: Floats) -> Ints:
        """Return the decision of each row; of equal classes, the first."""
        return self._greatest(offsets, range(self.n_classes))[1].astype(np.intp)

    def _greatest(self, offsets: Floats, classes: Sequence[int]) -> tuple[Floats, NDArray[np.int16]]:
        """Return the greatest sum of each row over some classes, which rise, and the first that has it."""
        best = self.scores[classes[0]] + offsets[classes[0]]
        decisions = np.full(len(self), classes[0], dtype=np.int16)
        for k in classes[1:]:
            value = self.scores[k] + offsets[k]
            # Classes rise, so the last one that was greater is the greatest: half the time of a mask.
            np.maximum(decisions, (value > best) * np.int16(k), out=decisions)
            np.maximum(best, value, out=best)
        return best, decisions

    def table(self, offsets: Floats) -> Floats:
        """Return the weight of the rows of each label that get each decision."""
        k = self.n_classes
        cells = self.labels * k + self.decide(offsets)
        return np.asarray(np.bincount(cells, self.weights, k * k).reshape(k, k), dtype=float)

    def tables(self, offsets: Floats) -> Floats:
        """Return the tables of many vectors, of shape (n_vectors, n_classes, n_classes)."""
        k, n = self.n_classes, len(self)
        if k == 2 and len(offsets) > n / 8:
            return self._tables_of_two(offsets[:, 1] - offsets[:, 0])
        if n > _FEW:
            return np.array([self.table(each) for each in offsets]).reshape(-1, k, k)
        tables = np.zeros((len(offsets), k * k))
        size = max(1, _AT_A_TIME // max(1, n * k))
        for begin in range(0, len(offsets), size):
            part = offsets[begin : begin + size]
            decisions = (self.scores + part[:, :, None]).argmax(1)
            cells = (np.arange(len(part))[:, None] * k + self.labels) * k + decisions
            counts = np.bincount(cells.ravel(), np.tile(self.weights, len(part)), len(part) * k * k)
            tables[begin : begin + size] = counts.reshape(-1, k * k)
        return tables.reshape(-1, k, k)

    def _tables_of_two(self, offsets: Floats) -> Floats:
        """Return the tables of two classes under many offsets of the second, from one sort."""
        # With an offset of 0 for the first class, the sums are those that decide.
        line = self.line(np.zeros(2), 1)
        order = np.argsort(offsets, kind="stable")
        turned = np.searchsorted(self.turning_points(np.zeros(2), 1)[line.order], offsets[order])
        tables = np.empty((len(offsets), 2, 2))
        tables[order] = self._after(line, turned)
        return tables

    def payoffs(self, worth: Floats) -> Floats:
        """Return what each row is worth under each decision, of shape (n_classes, n_samples)."""
        return worth.T[:, self.labels] * self.weights

    # --- along one class ------------------------------------------------------------------------------

    def turning_points(self, offsets: Floats, klass: int) -> Floats:
        """Return from which offset of a class on each row is decided as that."""
        others = [k for k in range(self.n_classes) if k != klass]
        rival = self.scores[others[0]] + offsets[others[0]]
        for k in others[1:]:
            np.maximum(rival, self.scores[k] + offsets[k], out=rival)
        return np.asarray(rival - self.scores[klass])

    def _rivals(self, offsets: Floats, klass: int) -> tuple[Floats, Ints]:
        """Return the turning points, and what each row is decided as before."""
        others = [k for k in range(self.n_classes) if k != klass]
        rival, before = self._greatest(offsets, others)
        return rival - self.scores[klass], before.astype(np.intp)

    def line(self, offsets: Floats, klass: int) -> Line:
        """Return the decisions along the offset of one class."""
        points, before = self._rivals(offsets, klass)
        order = np.argsort(points, kind="stable")
        points = points[order]
        # Offsets between two points that are no tie, and beyond the first and the last one.
        apart = np.flatnonzero(np.diff(points) > self.tie)
        inside = (points[apart] + points[apart + 1]) / 2
        stops = np.concatenate([points[:1] - _BEYOND, inside, points[-1:] + _BEYOND])
        return Line(klass, order, np.concatenate([[0], apart + 1, [len(self)]]), before, stops)

    def best_on_line(self, line: Line, payoffs: Floats) -> tuple[float, float]:
        """Return the offset on a line that is worth most, and by how much more than where no row turned."""
        rows = np.arange(len(self))
        gains = (payoffs[line.klass] - payoffs[line.before, rows])[line.order]
        total = np.concatenate([[0.0], np.cumsum(gains)])[line.turned]
        best = int(np.argmax(total))
        return float(line.stops[best]), float(total[best])

    def best_along(self, offsets: Floats, klass: int, payoffs: Floats) -> tuple[float, float]:
        """Return the best offset of a class beside the others, and what all rows are worth then.

        Of many rows, cumulative sums are taken over bins first, and then over the rows of the best of them.
        """
        points, before = self._rivals(offsets, klass)
        gone = np.take_along_axis(payoffs, before[None], axis=0)[0]
        gains, base = payoffs[klass] - gone, float(gone.sum())
        low, high = float(points.min()), float(points.max())
        if len(points) > 4 * _BINS and high - low > _BINS * self.tie:
            bins = ((points - low) * (_BINS / (high - low))).astype(np.intp)
            totals = np.concatenate([[0.0], np.cumsum(np.bincount(bins, gains, _BINS + 1))])
            best = int(np.argmax(totals))
            within = (bins == best - 1) | (bins == best)
            base += float(totals[max(0, best - 1)])
            points, gains = points[within], gains[within]
        order = np.argsort(points, kind="stable")
        points = points[order]
        totals = np.concatenate([[0.0], np.cumsum(gains[order])])
        apart = np.concatenate([[True], np.diff(points) > self.tie, [True]])
        best = int(np.argmax(np.where(apart, totals, -np.inf)))
        if best == 0:
            at = float(points[0]) - _BEYOND if points[0] == low else float(points[0]) - self.tie
        elif best == len(points):
            at = float(points[-1]) + (_BEYOND if points[-1] == high else self.tie)
        else:
            at = float(points[best - 1] + points[best]) / 2
        return at, base + float(totals[best])

    def tables_on_line(self, line: Line, stops: Ints) -> Floats:
        """Return the tables at some stops of a line, which rise: shape (n_stops, n_classes, n_classes)."""
        return self._after(line, line.turned[stops])

    def _after(self, line: Line, turned: Ints) -> Floats:
        """Return the tables after some rows of a line have turned: how many, in rising order."""
        k, n = self.n_classes, len(turned)
        # Each row turns before the first of the stops at which it has turned.
        turns_at = np.searchsorted(turned, np.arange(len(self)), "right")
        labels, before = self.labels[line.order], line.before[line.order]
        cells = (turns_at * k + labels) * k + before
        moved = np.bincount(cells, self.weights[line.order], (n + 1) * k * k).reshape(n + 1, k, k)
        gone = np.cumsum(moved, axis=0)[:n]
        tables = moved.sum(0) - gone
        tables[:, :, line.klass] += gone.sum(2)
        return np.asarray(tables, dtype=float)

    def ascend(self, offsets: Floats, payoffs: Floats) -> Floats:
        """Return offsets that no change of one class alone betters, from some on."""
        offsets = offsets.copy()
        rows = np.arange(len(self))
        scale = float(np.abs(payoffs).sum()) or 1.0
        value = float(payoffs[self.decide(offsets), rows].sum())
        unchanged = 0
        for step in range(_MAX_ROUNDS * self.n_classes):
            klass = step % self.n_classes
            at, reached = self.best_along(offsets, klass, payoffs)
            if reached > value + 1e-12 * scale:
                offsets[klass], value, unchanged = at, reached, 0
            else:
                unchanged += 1
            if unchanged == self.n_classes:
                break
        return normalised(offsets)

    def matching_shares(self) -> Floats:
        """Return offsets under which about as many rows are decided as each class as have its label."""
        wanted = np.bincount(self.labels, self.weights, self.n_classes)
        offsets = np.zeros(self.n_classes)
        for step in range(_MAX_ROUNDS * self.n_classes):
            klass = step % self.n_classes
            line = self.line(offsets, klass)
            decided = np.concatenate([[0.0], np.cumsum(self.weights[line.order])])[line.turned]
            offsets[klass] = line.stops[np.argmin(np.abs(decided - wanted[klass]))]
        return normalised(offsets)

    def best_offsets(self, worth: Floats, starts: Sequence[Floats]) -> Floats:
        """Return the best offsets that an ascent from one of the starts finds."""
        payoffs, rows = self.payoffs(worth), np.arange(len(self))
        found = [self.ascend(start, payoffs) for start in starts]
        totals = [float(payoffs[self.decide(offsets), rows].sum()) for offsets in found]
        return found[int(np.argmax(totals))]
