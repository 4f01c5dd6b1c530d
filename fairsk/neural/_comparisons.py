"""Comparisons between groups: which groups take part, in which class, and which are too small."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from fairsk._core.bounds import BoundedConstraint
from fairsk._core.groups import Grouping, format_group, list_groups, sort_labels
from fairsk._core.warnings import warn_user
from fairsk.neural._confusion import BatchView, ConfusionCounter, Target, row_weights
from fairsk.rates import CELLS, Rate

__all__ = [
    "Combine",
    "Family",
    "GroupComparison",
    "compared_classes",
    "list_comparisons",
    "list_families",
]

#: Of several sensitive columns: the groups of their intersection, or those of each column by itself.
Combine: TypeAlias = Literal["intersection", "margins"]


@dataclass(frozen=True)
class GroupComparison:
    """Groups whose rates are compared with each other, in one class against the rest.

    Parameters
    ----------
    class_index : int
        The index of the class that is measured.
    group_index : tuple of int
        For every group of the rows its index in this comparison, or -1 if it takes no part. Groups with the
        same index are one group here: so the margins of an intersection are compared.
    name : str, default=""
        What tells this comparison from others, for tables and messages.
    min_n_groups : int, default=0
        The least number of groups, in case the last ones take no part.
    """

    class_index: int
    group_index: tuple[int, ...]
    name: str = ""
    min_n_groups: int = 0

    @property
    def n_groups(self) -> int:
        """The number of groups, those that take no part among them."""
        return max(self.min_n_groups, *(index + 1 for index in self.group_index))

    @cached_property
    def has_all_groups(self) -> bool:
        """Whether all groups take part."""
        return min(self.group_index) >= 0

    @cached_property
    def _is_identity(self) -> bool:
        return self.group_index == tuple(range(len(self.group_index)))

    @classmethod
    def all_groups(cls, n_groups: int, class_indices: Sequence[int]) -> tuple[GroupComparison, ...]:
        """Compare all groups, in each of these classes."""
        return tuple(cls(k, tuple(range(n_groups))) for k in class_indices)

    def view(self, probabilities: torch.Tensor, logits: torch.Tensor, target: Target) -> BatchView:
        """Return the rows of a batch as this comparison sees them, without those that take no part.

        Parameters
        ----------
        probabilities : tensor of shape (n_samples, n_classes)
            The predicted probability of each class.
        logits : tensor of shape (n_samples, n_classes)
            What the module returned.
        target : mapping
            The target of the batch.
        """
        view = BatchView(
            probabilities,
            target["y"] == self.class_index,
            self.index_of(target["group"]),
            None if target.get("weight") is None else row_weights(target, probabilities),
            logits,
            self.class_index,
        )
        return view if self.has_all_groups else view.take(view.group >= 0)

    def counter(self, target: Target) -> ConfusionCounter:
        """Return what counts decisions about the rows of a target, which is on the CPU."""
        counter = ConfusionCounter(
            self.index_of(target["group"]),
            target["y"] == self.class_index,
            self.class_index,
            self.n_groups,
            target.get("weight"),
        )
        return counter if self.has_all_groups else counter.take(counter.group >= 0)

    def index_of(self, group: torch.Tensor) -> torch.Tensor:
        """Return the index of each row's group in this comparison."""
        if self._is_identity:
            return group
        return torch.tensor(self.group_index, device=group.device).index_select(0, group)


@dataclass(frozen=True)
class Family:
    """Groups that are compared with each other: those of an intersection, or of one of several columns.

    Attributes
    ----------
    column : str
        The column, if there are several families.
    groups : tuple
        Its groups.
    group_index : array of int
        The index among them of every group of the rows.
    """

    column: str
    groups: tuple[Hashable, ...]
    group_index: NDArray[np.intp]


def list_families(groups: Grouping, combine: Combine) -> list[Family]:
    """Return the groups as they are or, of several columns, the groups of each column by itself."""
    if combine == "intersection" or len(groups.names) == 1:
        return [Family("", groups.labels, np.arange(len(groups.labels)))]
    families = []
    for j, column in enumerate(groups.names):
        values = [label[j] for label in groups.labels]  # type: ignore[index]
        distinct = sort_labels(dict.fromkeys(values))
        position = {value: i for i, value in enumerate(distinct)}
        families.append(Family(column, tuple(distinct), np.array([position[value] for value in values])))
    return families


def compared_classes(classes: NDArray[Any], pos_label: Any = None) -> tuple[int, ...]:
    """Return the indices of the classes that are measured: the positive one, or all of more than two.

    Raises
    ------
    ValueError
        If ``pos_label`` is not one of the classes.
    """
    labels = classes.tolist()
    if pos_label is not None:
        if pos_label not in labels:
            raise ValueError(f"pos_label={pos_label!r} is not one of the classes {labels}.")
        return (labels.index(pos_label),)
    return (1,) if len(labels) == 2 else tuple(range(len(labels)))


def list_comparisons(
    families: Sequence[Family],
    groups: Grouping,
    labels: NDArray[np.int64],
    classes: NDArray[Any],
    class_indices: Sequence[int],
    bounds: Sequence[BoundedConstraint],
    min_group_size: int,
) -> tuple[GroupComparison, ...]:
    """Return what is compared; warn of groups that are too small, and of comparisons that are left out.

    Parameters
    ----------
    families : sequence of Family
        What :func:`list_families` made of the groups.
    groups : Grouping
        The group of each row.
    labels : array of shape (n_samples,)
        The index of each row's class.
    classes : array of shape (n_classes,)
        The classes.
    class_indices : sequence of int
        Those that are measured, each against the rest.
    bounds : sequence of BoundedConstraint
        The constraints whose rates are measured.
    min_group_size : int
        A group with fewer rows than this to measure a rate on takes no part.

    Raises
    ------
    ValueError
        If a rate can be measured in fewer than two groups, however small.
    """
    rates = list(dict.fromkeys(rate for bounded in bounds for rate in bounded.constraint.rates))
    smallest: dict[str, tuple[int, str]] = {}
    comparisons, left_out = [], []
    for family in families:
        names, column = family.groups, family.column
        if len(names) < 2:
            warn_user(
                f"All rows are of one group{f' of {column}' if column else ''}, {format_group(names[0])}: "
                "there is nothing to compare, and training does not regard it."
            )
            continue
        of_rows = family.group_index[groups.codes]
        for k in class_indices:
            suffix = f" of {classes.tolist()[k]}" if len(classes) > 2 else ""
            positives = np.bincount(of_rows, labels == k, len(names))
            negatives = np.bincount(of_rows, labels != k, len(names))
            sizes = [(rate, _support_sizes(rate, positives, negatives)) for rate in rates]
            for rate, size in sizes:
                if (size > 0).sum() < 2:
                    empty = [name for name, n in zip(names, size, strict=True) if not n]
                    raise ValueError(
                        f"{_named(bounds)} compares nothing: {rate.name}{suffix} (with the denominator "
                        f"{rate.denominator}) cannot be measured for {list_groups(empty)}, so fewer than two "
                        "groups are left. Choose another constraint or merge groups."
                    )
            takes_part = np.all([size >= min_group_size for _, size in sizes], axis=0)
            for rate, size in sizes:
                for g in np.flatnonzero(size < min_group_size):
                    group, n = format_group(names[g]), int(size[g])
                    smallest[group] = min(smallest.get(group, (n + 1, "")), (n, f"{rate.name}{suffix}"))
            name = suffix + (f", {column}" if column else "")
            if takes_part.sum() < 2:
                left_out.append(name)
                continue
            index = np.where(takes_part[family.group_index], family.group_index, -1)
            comparisons.append(GroupComparison(k, tuple(index.tolist()), name, len(names)))
    if smallest:
        small = list_groups(f"{group} ({n} for {rate})" for group, (n, rate) in smallest.items())
        warn_user(
            f"Fewer than min_group_size={min_group_size} rows to measure in: {small}. Training passes over "
            "these groups: no bound covers them."
        )
    if left_out:
        warn_user(
            f"Fewer than two groups can be compared under {_named(bounds)}{' and'.join(left_out)}: training "
            "does not regard it, and nothing is promised about the disparity."
        )
    return tuple(comparisons)


def _support_sizes(rate: Rate, positives: NDArray[Any], negatives: NDArray[Any]) -> NDArray[Any]:
    """Return how many rows of each group a rate can be measured on at most, whatever is predicted."""
    counts = zip(CELLS, rate.denominator_coefficients, strict=True)
    used = {cell for cell, factor in counts if factor}
    return positives * bool(used & {"tp", "fn"}) + negatives * bool(used & {"fp", "tn"})


def _named(bounds: Sequence[BoundedConstraint]) -> str:
    return " and ".join(bounded.constraint.name for bounded in bounds)
