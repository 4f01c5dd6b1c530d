"""Which groups are compared with which, in which class, and who is too small to take part."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairsk._core.bounds import BoundedConstraint
from fairsk._core.groups import Grouping, format_group, list_groups, sort_labels
from fairsk._core.warnings import warn_user
from fairsk.neural._confusion import Comparison
from fairsk.rates import CELLS, Rate

__all__ = ["list_comparisons", "list_families"]

#: A family of groups: what it is called, its groups, and the place among them of every group of the rows.
Family = tuple[str, tuple[Hashable, ...], NDArray[np.intp]]


def list_families(groups: Grouping, combine: str) -> list[Family]:
    """Return the groups as they are or, of several columns, the groups that each makes by itself."""
    if combine == "intersection" or len(groups.names) == 1:
        return [("", groups.labels, np.arange(len(groups.labels)))]
    families: list[Family] = []
    for j, column in enumerate(groups.names):
        values = [label[j] for label in groups.labels]  # type: ignore[index]
        distinct = sort_labels(dict.fromkeys(values))
        position = {value: i for i, value in enumerate(distinct)}
        families.append((column, tuple(distinct), np.array([position[value] for value in values])))
    return families


def list_comparisons(
    families: Sequence[Family],
    groups: Grouping,
    labels: NDArray[np.int64],
    classes: NDArray[Any],
    limits: Sequence[BoundedConstraint],
    min_group_size: int,
) -> tuple[Comparison, ...]:
    """Return what is compared; warn of groups that are too small, and of comparisons that are left out.

    Parameters
    ----------
    families : list of families
        What :func:`list_families` made of the groups.
    groups : Grouping
        The group of each row.
    labels : array of shape (n_samples,)
        The position of each row's class.
    classes : array
        The classes; of two, the second is measured, of more, each against the rest.
    limits : sequence of BoundedConstraint
        Whose rates are measured.
    min_group_size : int
        A group with fewer rows than this to measure a rate on takes no part.

    Raises
    ------
    ValueError
        If a rate can be measured in fewer than two groups, however small.
    """
    rates = list(dict.fromkeys(rate for limit in limits for rate in limit.constraint.rates))
    fewest: dict[str, tuple[int, str]] = {}
    found, left_out = [], []
    for column, names, places in families:
        if len(names) < 2:
            warn_user(
                f"All rows are of one group{f' of {column}' if column else ''}, {format_group(names[0])}: "
                "there is nothing to compare, and training does not regard it."
            )
            continue
        for k in [1] if len(classes) == 2 else range(len(classes)):
            suffix = f" of {classes.tolist()[k]}" if len(classes) > 2 else ""
            positive = np.bincount(places[groups.codes], labels == k, len(names))
            negative = np.bincount(places[groups.codes], labels != k, len(names))
            rows = [(rate, _most_rows(rate, positive, negative)) for rate in rates]
            for rate, most in rows:
                if (most > 0).sum() < 2:
                    empty = [name for name, n in zip(names, most, strict=True) if not n]
                    raise ValueError(
                        f"{_named(limits)} compares nothing: {rate.name}{suffix} (with the denominator "
                        f"{rate.denominator}) cannot be measured for {list_groups(empty)}, so fewer than two "
                        "groups are left. Choose another constraint or merge groups."
                    )
            takes_part = np.all([most >= min_group_size for _, most in rows], axis=0)
            for rate, most in rows:
                for g in np.flatnonzero(most < min_group_size):
                    group, n = format_group(names[g]), int(most[g])
                    fewest[group] = min(fewest.get(group, (n + 1, "")), (n, f"{rate.name}{suffix}"))
            name = suffix + (f", {column}" if column else "")
            if takes_part.sum() < 2:
                left_out.append(name)
                continue
            place = np.where(takes_part[places], places, -1)
            found.append(Comparison(k, tuple(place.tolist()), name, len(names)))
    if fewest:
        small = list_groups(f"{group} ({n} for {rate})" for group, (n, rate) in fewest.items())
        warn_user(
            f"Fewer than min_group_size={min_group_size} rows to measure in: {small}. Training passes over "
            "these groups: no bound covers them."
        )
    if left_out:
        warn_user(
            f"Fewer than two groups can be compared under {_named(limits)}{' and'.join(left_out)}: training "
            "does not regard it, and nothing is promised about the disparity."
        )
    return tuple(found)


def _most_rows(rate: Rate, positive: NDArray[Any], negative: NDArray[Any]) -> NDArray[Any]:
    """Return how many rows of each group a rate can be measured on, if predictions allow."""
    counts = zip(CELLS, rate.denominator_coefficients, strict=True)
    used = {cell for cell, factor in counts if factor}
    return positive * bool(used & {"tp", "fn"}) + negative * bool(used & {"fp", "tn"})


def _named(limits: Sequence[BoundedConstraint]) -> str:
    return " and ".join(limit.constraint.name for limit in limits)
