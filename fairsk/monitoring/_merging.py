"""Logs of several sites as one: batches of one name are added up, and counted in the order of names."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fairsk._core.groups import sort_labels
from fairsk.monitoring._log import CountedBy, Line

__all__ = ["Counted", "merged_lines"]


class Counted(NamedTuple):
    """A line, and the groups and strata that its counts are of."""

    line: Line
    groups: Sequence[Hashable]
    strata: Sequence[Hashable]


def merged_lines(
    counted: Sequence[Counted],
    known_groups: Sequence[Hashable],
    known_strata: Sequence[Hashable],
    counted_by: CountedBy | None,
) -> Iterator[Line]:
    """Yield the lines of a log that holds all batches of several.

    The order of the result depends on the names of batches, and within a batch on the labels, so that it is
    the same whichever site comes first.

    Parameters
    ----------
    counted : sequence of Counted
        The lines of all sites.
    known_groups, known_strata : sequence of labels
        What the monitor knows before the first line.
    counted_by : CountedBy
        What all are counted by.

    Yields
    ------
    Line
        A batch: all counts of that name.
    """
    groups, strata = list(known_groups), list(known_strata)
    for i, batch in enumerate(sorted({line.batch for line, *_ in counted})):
        same = [each for each in counted if each.line.batch == batch]
        new_groups = _new(groups, [label for each in same for label in each.groups])
        new_strata = _new(strata, [label for each in same for label in each.strata])
        groups += new_groups
        strata += new_strata
        n_rates = len(same[0].line.part)
        total = np.zeros((2, n_rates, len(strata), len(groups)), dtype=np.int64)
        for line, in_groups, in_strata in same:
            columns, rows = [groups.index(g) for g in in_groups], [strata.index(s) for s in in_strata]
            total[np.ix_(range(2), range(n_rates), rows, columns)] += [line.part, line.size]
        yield Line(
            batch,
            sum(each.line.n_decisions for each in same),
            total[0],
            total[1],
            tuple(new_groups),
            tuple(new_strata),
            # Measures of scores do not add up: a batch that several sites counted has none.
            _scores(same[0], groups) if len(same) == 1 else {},
            counted_by if i == 0 else None,
        )


def _new(known: Sequence[Hashable], labels: Sequence[Hashable]) -> list[Hashable]:
    return sort_labels(set(labels) - set(known))


def _scores(counted: Counted, groups: Sequence[Hashable]) -> dict[str, list[float]]:
    """Return the measures of a line by the groups of the merged log."""
    measures = {}
    for name, values in counted.line.scores.items():
        by_group = dict(zip(counted.groups, values, strict=True))
        measures[name] = [by_group.get(group, math.nan) for group in groups]
    return measures
