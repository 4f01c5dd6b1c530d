"""Comparisons between groups: which groups take part, in which class, and which are too small."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from fairsk._core.bounds import Bound, BoundedConstraint, bounded_constraints, list_constraints
from fairsk._core.groups import Grouping, format_group, list_groups, order_labels
from fairsk._core.messages import list_labels, show
from fairsk._core.typing import Ints
from fairsk._core.warnings import warn_user
from fairsk.neural._confusion import BatchView, ConfusionCounter, Target, row_weights
from fairsk.neural._penalties import get_penalty
from fairsk.rates import CELLS, Rate

__all__ = [
    "Combine",
    "Family",
    "GroupComparison",
    "GroupComparisons",
    "compared_classes",
    "training_bounds",
]

#: Of several sensitive columns: the groups of their intersection, or those of each column by itself.
Combine: TypeAlias = Literal["intersection", "separate"]


@dataclass(frozen=True)
class GroupComparison:
    """Groups whose rates are compared with each other, in one class against the rest.

    Parameters
    ----------
    class_index : int
        The index of the class that is measured.
    group_index : tuple of int
        For every group of the rows its index in this comparison, or -1 if it takes no part. Groups with the
        same index are one group here: so the columns of an intersection are compared separately.
    name : str, default=""
        What tells this comparison from others, for tables and messages.
    column : str, default=""
        The column whose groups are compared, if several are, each by itself.
    min_n_groups : int, default=0
        The least number of groups, in case the last ones take no part.
    """

    class_index: int
    group_index: tuple[int, ...]
    name: str = ""
    column: str = ""
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
            raise ValueError(f"pos_label={show(pos_label)} is not one of the classes {list_labels(labels)}.")
        return (labels.index(pos_label),)
    return (1,) if len(labels) == 2 else tuple(range(len(labels)))


@dataclass(frozen=True)
class Family:
    """Groups that are compared with each other: those of an intersection, or of one of several columns.

    Attributes
    ----------
    column : str
        The column, if there are several families.
    groups : Grouping
        Its groups, and that of each row.
    of_intersection : array of int
        The index among them of every group of the intersection.
    """

    column: str
    groups: Grouping
    of_intersection: Ints


@dataclass(frozen=True)
class GroupComparisons:
    """All comparisons that there could be: each family of groups, in each class that is measured.

    Attributes
    ----------
    families : tuple of Family
        The groups as they are or, of several columns, the groups of each column by itself.
    classes : array of shape (n_classes,)
        The classes.
    class_indices : tuple of int
        The indices of those that are measured, each against the rest.
    """

    families: tuple[Family, ...]
    classes: NDArray[Any]
    class_indices: tuple[int, ...]

    @classmethod
    def of(
        cls, groups: Grouping, classes: NDArray[Any], combine: Combine, pos_label: Any = None
    ) -> GroupComparisons:
        """Compare all groups of some rows."""
        return cls(_families(groups, combine), classes, compared_classes(classes, pos_label))

    @property
    def groups(self) -> tuple[Hashable, ...]:
        """The groups; of several families, with their columns."""
        if len(self.families) == 1:
            return self.families[0].groups.labels
        return tuple((each.column, value) for each in self.families for value in each.groups.labels)

    def large_enough(
        self, labels: NDArray[np.int64], bounds: Sequence[BoundedConstraint], min_group_size: int
    ) -> tuple[GroupComparison, ...]:
        """Return the comparisons of groups with enough rows; warn of the others.

        Parameters
        ----------
        labels : array of shape (n_samples,)
            The index of each row's class.
        bounds : sequence of BoundedConstraint
            The constraints whose rates are measured.
        min_group_size : int
            A group with fewer rows than this to measure a rate on takes no part.

        Returns
        -------
        tuple of GroupComparison
            What is compared; none, if there is nothing to compare.

        Raises
        ------
        ValueError
            If a rate can be measured in fewer than two groups, however small.
        """
        rates = list(dict.fromkeys(rate for bounded in bounds for rate in bounded.constraint.rates))
        smallest: dict[str, tuple[int, str]] = {}
        comparisons, left_out = [], []
        for family in self.families:
            names, column = family.groups.labels, family.column
            if len(names) < 2:
                warn_user(
                    f"All rows are of one group{f' of {column}' if column else ''}, "
                    f"{list_groups(names)}: there is nothing to compare, and training does not regard it."
                )
                continue
            for k in self.class_indices:
                suffix = f" of {self.classes.tolist()[k]}" if len(self.classes) > 2 else ""
                positives, negatives = (family.groups.sums(each) for each in (labels == k, labels != k))
                sizes = [(rate, _support_sizes(rate, positives, negatives)) for rate in rates]
                for rate, size in sizes:
                    if (size > 0).sum() < 2:
                        empty = [name for name, n in zip(names, size, strict=True) if not n]
                        raise ValueError(
                            f"{_named(bounds)} compares nothing: {rate.name}{suffix} (with the denominator "
                            f"{rate.denominator}) cannot be measured for {list_groups(empty)}, so fewer than "
                            "two groups are left. Choose another constraint or merge groups."
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
                index = np.where(takes_part[family.of_intersection], family.of_intersection, -1)
                comparisons.append(GroupComparison(k, tuple(index.tolist()), name, column, len(names)))
        if smallest:
            small = list_groups(f"{group} ({n} for {rate})" for group, (n, rate) in smallest.items())
            warn_user(
                f"Fewer than min_group_size={min_group_size} rows to measure in: {small}. Training passes "
                "over these groups: no bound covers them."
            )
        if left_out:
            warn_user(
                f"Fewer than two groups can be compared under {_named(bounds)}{' and'.join(left_out)}: "
                "training does not regard it, and nothing is promised about the disparity."
            )
        return tuple(comparisons)


def training_bounds(
    constraint: Any, max_difference: Any, min_ratio: Any, penalty_weight: float | None, penalty: Any
) -> tuple[BoundedConstraint, ...]:
    """Return the constraints with the bounds that are held, infinite ones with a penalty.

    Raises
    ------
    ValueError
        If a name is unknown or not unique, or the parameters contradict each other.
    """
    constraints = list_constraints(constraint)
    names = [each.name for each in constraints]
    if len(set(names)) < len(names):
        raise ValueError(
            f"constraint names {max(names, key=names.count)} twice, and disparities are told apart by "
            "name: give the second another one, Constraint(name, rates)."
        )
    get_penalty(penalty)  # an unknown name is an error, needed or not
    if penalty_weight is None:
        return bounded_constraints(constraint, max_difference, min_ratio)
    for name, value in (("max_difference", max_difference), ("min_ratio", min_ratio)):
        if value is not None:
            raise ValueError(
                f"Give one of max_difference, min_ratio and penalty_weight, not {name} and "
                "penalty_weight: the first two are bounds that training holds, the third is the fixed weight "
                "of a penalty."
            )
    return tuple(BoundedConstraint(each, Bound(difference=math.inf)) for each in constraints)


def _families(groups: Grouping, combine: Combine) -> tuple[Family, ...]:
    if combine == "intersection" or len(groups.names) == 1:
        return (Family("", groups, np.arange(len(groups.labels))),)
    families = []
    for j, column in enumerate(groups.names):
        values = [label[j] for label in groups.labels]  # type: ignore[index]
        orders = groups.orders[j : j + 1]
        distinct = order_labels(set(values), orders)
        position = {value: i for i, value in enumerate(distinct)}
        index = np.array([position[value] for value in values], dtype=np.intp)
        families.append(
            Family(column, Grouping((column,), tuple(distinct), index[groups.codes], orders), index)
        )
    return tuple(families)


def _support_sizes(rate: Rate, positives: NDArray[Any], negatives: NDArray[Any]) -> NDArray[Any]:
    """Return how many rows of each group a rate can be measured on at most, whatever is predicted."""
    counts = zip(CELLS, rate.denominator_coefficients, strict=True)
    used = {cell for cell, factor in counts if factor}
    return positives * bool(used & {"tp", "fn"}) + negatives * bool(used & {"fp", "tn"})


def _named(bounds: Sequence[BoundedConstraint]) -> str:
    return " and ".join(bounded.constraint.name for bounded in bounds)
