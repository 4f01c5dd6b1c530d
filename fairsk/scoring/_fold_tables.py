"""Tables of groups in the results of cross-validation: written by a scorer as single numbers, and read back.

A scorer returns single numbers, so the counts of a fold are written under one key per group and cell
(``counts_0_tp`` is the number of true positives in the first group). Where several classes are compared the
key names the class as well (``counts_0_2_tp``). Of predicted amounts the moments are written
(``amounts_0_mean_prediction``), from which those of several folds follow.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from fairsk._core.amount_sums import KEPT, GroupAmounts
from fairsk._core.groups import list_groups
from fairsk._core.messages import did_you_mean
from fairsk._core.typing import Floats
from fairsk.rates import CELLS
from fairsk.statistics._measures import GroupTable

__all__ = [
    "PREFIXES",
    "fold_scores",
    "has_fold_scores",
    "mean_scores",
    "read_amounts",
    "table_keys",
    "write_table",
]

#: What the keys of counts, of sums of squared weights, and of moments begin with.
PREFIXES = ("counts_", "squares_", "amounts_")

#: The numbers that a group's moments are, and where each of them stands in the table.
_MOMENTS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "n": ("n", ()),
    "squared_weights": ("squared_weights", ()),
    **{f"mean_{name}": ("means", (i,)) for i, name in enumerate(KEPT)},
    **{f"tilt_{name}": ("tilts", (i,)) for i, name in enumerate(KEPT)},
    **{
        f"scatter_{name}_{other}": ("scatter", (i, j))
        for i, name in enumerate(KEPT)
        for j, other in enumerate(KEPT[: i + 1])
    },
}


def table_keys(n_groups: int, n_classes: int | None, *, of_amounts: bool, weighted: bool) -> list[str]:
    """Return the keys under which a table is written; without classes one of two is positive."""
    if of_amounts:
        return [f"amounts_{number}_{moment}" for number in range(n_groups) for moment in _MOMENTS]
    kinds = ("counts", "squares") if weighted else ("counts",)
    shape = (n_groups,) if n_classes is None else (n_groups, n_classes)
    return [_key(kind, place, cell) for kind in kinds for place in np.ndindex(shape) for cell in CELLS]


def write_table(table: GroupTable, groups: Sequence[Hashable], *, weighted: bool) -> dict[str, float]:
    """Return the table of one fold as single numbers, 0 for groups that have no rows in it.

    Parameters
    ----------
    table : GroupCounts or GroupAmounts
        The counts, or moments, of the groups that occur.
    groups : sequence of labels
        All groups, which number the keys.
    weighted : bool
        Whether to write the sums of squared weights of counts too; those of moments always are.
    """
    n_classes = None if isinstance(table, GroupAmounts) or table.strata is None else len(table.strata)
    keys = table_keys(len(groups), n_classes, of_amounts=isinstance(table, GroupAmounts), weighted=weighted)
    numbers = dict.fromkeys(keys, 0.0)
    position = {label: number for number, label in enumerate(groups)}
    for g, number in enumerate(map(position.__getitem__, table.groups)):
        if isinstance(table, GroupAmounts):
            for moment, (name, place) in _MOMENTS.items():
                numbers[f"amounts_{number}_{moment}"] = float(getattr(table, name)[(g, *place)])
            continue
        for kind, cells in (("counts", table.cells), ("squares", table.squares))[: 1 + weighted]:
            for cell in CELLS:
                for place in np.ndindex(cells[cell].shape[1:]):
                    numbers[_key(kind, (number, *place), cell)] = float(cells[cell][(g, *place)])
    return numbers


def _key(kind: str, place: Sequence[int], cell: str) -> str:
    return "_".join([kind, *map(str, place), cell])


def read_amounts(
    results: Mapping[str, Any], groups: Sequence[Hashable], names: Sequence[str], n_repeats: int
) -> list[GroupAmounts | None]:
    """Return the moments of each candidate over all folds; None where scoring failed in one.

    Raises
    ------
    KeyError
        If the results do not hold the moments of these groups, or hold those of more.
    """
    if has_fold_scores(results, f"amounts_{len(groups)}_n"):
        raise KeyError(f"amounts_{len(groups)}_n")
    numbers = [
        {moment: fold_scores(results, f"amounts_{number}_{moment}") for moment in _MOMENTS}
        for number in range(len(groups))
    ]
    n_candidates, n_folds = numbers[0]["n"].shape
    tables: list[GroupAmounts | None] = []
    for candidate in range(n_candidates):
        folds = [
            [
                {moment: float(values[candidate, fold]) for moment, values in group.items()}
                for group in numbers
            ]
            for fold in range(n_folds)
        ]
        if any(np.isnan(value) for fold in folds for group in fold for value in group.values()):
            tables.append(None)
            continue
        first, *others = (_amounts(fold, groups, names, n_repeats) for fold in folds)
        tables.append(sum(others, start=first))
    return tables


def _amounts(
    numbers: Sequence[Mapping[str, float]], groups: Sequence[Hashable], names: Sequence[str], n_repeats: int
) -> GroupAmounts:
    """Return the table of one fold, each of whose rows stands for a part of a row if it is tested again."""
    n_groups, n_kept = len(groups), len(KEPT)
    arrays: dict[str, Floats] = {
        "n": np.zeros(n_groups),
        "squared_weights": np.zeros(n_groups),
        "means": np.zeros((n_groups, n_kept)),
        "tilts": np.zeros((n_groups, n_kept)),
        "scatter": np.zeros((n_groups, n_kept, n_kept)),
    }
    for g, group in enumerate(numbers):
        for moment, (name, place) in _MOMENTS.items():
            arrays[name][(g, *place)] = group[moment]
    below = np.tril_indices(n_kept, -1)
    arrays["scatter"][:, below[1], below[0]] = arrays["scatter"][:, below[0], below[1]]
    sums: dict[str, Any] = {
        name: values / (1 if name == "means" else n_repeats) for name, values in arrays.items()
    }
    return GroupAmounts(groups, **sums, names=names)


def has_fold_scores(results: Mapping[str, Any], name: str) -> bool:
    """Whether there is a score of that name."""
    return f"split0_test_{name}" in results or f"test_{name}" in results


def fold_scores(results: Mapping[str, Any], name: str) -> Floats:
    """Return a score in every fold, of shape (n_candidates, n_folds).

    Parameters
    ----------
    results : mapping of str to array
        The ``cv_results_`` of a search, or what ``cross_validate`` returned: one candidate.
    name : str
        Name of the score.

    Raises
    ------
    KeyError
        If there is no such score.
    """
    folds: list[Floats] = []
    while f"split{len(folds)}_test_{name}" in results:
        folds.append(np.asarray(results[f"split{len(folds)}_test_{name}"], dtype=float))
    if folds:
        return np.stack(folds, axis=1)
    return np.array([results[f"test_{name}"]], dtype=float)


def mean_scores(results: Mapping[str, Any], name: str) -> Floats:
    """Return the mean of a score over the folds, of each candidate.

    Raises
    ------
    ValueError
        If there is no such score.
    """
    if f"mean_test_{name}" in results:
        return np.asarray(results[f"mean_test_{name}"], dtype=float)
    if f"test_{name}" in results:
        return np.asarray(results[f"test_{name}"], dtype=float).mean(keepdims=True)
    names = [key.removeprefix("mean_test_") for key in results if key.startswith("mean_test_")]
    names = names or [key.removeprefix("test_") for key in results if key.startswith("test_")]
    names = [name for name in names if not name.startswith(PREFIXES)]
    raise ValueError(
        f"There is no scorer {name!r:.200}.{did_you_mean(name, names)} The scorers are: {list_groups(names)}."
    )
