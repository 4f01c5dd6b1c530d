"""Offset vectors of one group that have been looked at, with the rates and the worth of their decisions."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from fairsk._core.bounds import bounded_rates
from fairsk._core.typing import Bools, Floats, Ints
from fairsk.rates import CELLS, Rate
from fairsk.thresholds._classes.problem import OffsetProblem
from fairsk.thresholds._classes.rows import GroupRows

__all__ = ["GroupPool", "Terms"]


class Terms:
    """What is read off the tables of one group: its rates, floors, decided shares and worth.

    Parameters
    ----------
    problem : OffsetProblem
        The problem.
    group : int
        The position of the group.
    total : float
        The weight of all rows.
    """

    def __init__(self, problem: OffsetProblem, group: int, total: float) -> None:
        self._problem, self._total = problem, total
        n_events = problem.n_events
        rates = [rate for rate, _ in bounded_rates(problem.constraints)]
        floors = [rate for rate, _ in problem.floors]
        self._rates = [(rate, e) for rate in rates for e in range(n_events)]
        self._floors = [(rate, e) for rate in floors for e in range(n_events)]
        #: Which rates are compared in the group.
        self.takes_part: Bools = problem.compared[:, group]
        self._has_floor = np.zeros((0,), dtype=bool)
        if floors:
            self._has_floor = (
                np.ones(len(self._floors), dtype=bool)
                if problem.has_floor is None
                else problem.has_floor[:, group]
            )

    def rates(self, tables: Floats) -> Floats:
        """Return the bounded rates of tables of shape (n, n_classes, n_classes), of shape (n_rates, n)."""
        return self._values(self._rates, tables)

    def floors(self, tables: Floats) -> Floats:
        """Return the rates that have a floor, of shape (n_floors, n)."""
        return self._values(self._floors, tables)

    def has_floor(self, tables: Floats) -> Bools:
        """Return which floors hold for the group: those of rates that it can be measured on."""
        return self._has_floor & ~np.isnan(self.floors(tables)).all(1)

    def worth(self, tables: Floats) -> Floats:
        """Return what tables contribute to the mean worth of all rows, of shape (n,)."""
        return np.asarray(np.einsum("nak,ak->n", tables, self._problem.worth) / self._total)

    def shares(self, tables: Floats) -> Floats:
        """Return which share of all rows the group gives to each event, of shape (n_events, n)."""
        decided = tables.sum(1) / self._total
        return self._problem.events.members.astype(float) @ decided.T

    def worth_form(self) -> Floats:
        """Return the worth as a sum over the table: a coefficient per label and decision."""
        return self._problem.worth / self._total

    def share_forms(self) -> Floats:
        """Return the decided shares as sums over the table, of shape (n_events, n_classes, n_classes)."""
        inside = self._problem.events.members.astype(float) / self._total
        return np.repeat(inside[:, None, :], inside.shape[1], axis=1)

    def rate_forms(self, table: Floats) -> Floats:
        """Return the slopes of the rates at a table, of shape (n_rates, n_classes, n_classes).

        Where denominators are fixed, the rates of all tables are sums with these slopes, but for a constant.
        """
        return self._forms(self._rates, table)

    def floor_forms(self, table: Floats) -> Floats:
        """Return the same of the rates that have a floor."""
        return self._forms(self._floors, table)

    def _values(self, rates: list[tuple[Rate, int]], tables: Floats) -> Floats:
        cells = self._problem.events.cells(tables)
        each = [rate({cell: cells[cell][:, e] for cell in CELLS}) for rate, e in rates]
        return np.array(each, dtype=float).reshape(len(rates), len(tables))

    def _forms(self, rates: list[tuple[Rate, int]], table: Floats) -> Floats:
        members = self._problem.events.members
        cells = self._problem.events.cells(table)
        forms = np.zeros((len(rates), *table.shape))
        for form, (rate, e) in zip(forms, rates, strict=True):
            of_event = {cell: np.asarray(cells[cell][e]) for cell in CELLS}
            if not rate.support(of_event) > 0:
                continue
            slopes, inside = rate.slopes(of_event), members[e]
            form[np.ix_(inside, inside)] = slopes["tp"]
            form[np.ix_(~inside, inside)] = slopes["fp"]
            form[np.ix_(inside, ~inside)] = slopes["fn"]
            form[np.ix_(~inside, ~inside)] = slopes["tn"]
        return forms


class GroupPool:
    """The offset vectors of one group that have been looked at; those of equal tables are one.

    Parameters
    ----------
    rows : GroupRows
        All rows of the group.
    terms : Terms
        What is read off their tables.
    is_complete : bool
        Whether the vectors that it begins with make all decisions that there are.
    offsets : array of shape (n_vectors, n_classes)
        The vectors that it begins with.
    """

    def __init__(self, rows: GroupRows, terms: Terms, offsets: Iterable[Floats], is_complete: bool) -> None:
        self.rows, self.terms = rows, terms
        self.is_complete = is_complete
        self._seen: dict[bytes, int] = {}
        self._offsets: list[Floats] = []
        self._tables: list[Floats] = []
        self.add(offsets)

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, offsets: Iterable[Floats]) -> list[int]:
        """Add vectors; return where each of them, or one with its table, stands. Inadmissible ones are -1."""
        vectors = np.array(list(offsets)).reshape(-1, self.rows.n_classes)
        tables = self.rows.tables(vectors)
        keys = [table.tobytes() for table in tables]
        before = len(self._offsets)
        missing = np.isnan(self.terms.rates(tables)[self.terms.takes_part])
        for i, (vector, table, key) in enumerate(zip(vectors, tables, keys, strict=True)):
            ok = not missing[:, i].any()
            if key not in self._seen:
                self._seen[key] = len(self._offsets) if ok else -1
                if ok:
                    self._offsets.append(vector)
                    self._tables.append(table)
        if len(self._offsets) > before:  # most vectors of a search have been seen
            for name in ("offsets", "tables", "rates", "floors", "shares", "worth"):
                self.__dict__.pop(name, None)
        return [self._seen[key] for key in keys]

    def at(self, places: list[int]) -> Floats:
        """Return the tables at some places."""
        return np.array([self._tables[place] for place in places])

    @cached_property
    def offsets(self) -> Floats:
        """The vectors."""
        return np.array(self._offsets).reshape(-1, self.rows.n_classes)

    @cached_property
    def tables(self) -> Floats:
        """Their tables, of shape (n_vectors, n_classes, n_classes)."""
        k = self.rows.n_classes
        return np.array(self._tables).reshape(-1, k, k)

    @cached_property
    def rates(self) -> Floats:
        """Their bounded rates, of shape (n_rates, n_vectors)."""
        return self.terms.rates(self.tables)

    @cached_property
    def floors(self) -> Floats:
        """Their rates that have a floor, of shape (n_floors, n_vectors)."""
        return self.terms.floors(self.tables)

    @cached_property
    def shares(self) -> Floats:
        """The shares of all rows that they give to each event, of shape (n_events, n_vectors)."""
        return self.terms.shares(self.tables)

    @cached_property
    def worth(self) -> Floats:
        """What they contribute to the mean worth of all rows."""
        return self.terms.worth(self.tables)

    def nearest(self, place: int) -> Ints:
        """Return all places, those whose decisions differ least from one's table first."""
        return np.argsort(np.abs(self.tables - self.tables[place]).sum((1, 2)), kind="stable")
