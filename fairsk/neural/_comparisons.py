"""Comparisons between groups: which groups take part, in which class, and which are too small."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
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
from fairsk.neural._confusion import BatchView, Target, row_weights
from fairsk.neural._penalties import DEFAULT_PENALTY, get_penalty
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
        For every group of the rows (under strata, for every group in every stratum) its index in this
        comparison, or -1 if it takes no part. Groups with the same index are one group here: so the columns
        of an intersection are compared separately.
    name : str, default=""
        What tells this comparison from others, for tables and messages.
    column : str, default=""
        The column whose groups are compared, if several are, each by itself.
    min_n_groups : int, default=0
        The least number of groups, in case the last ones take no part.
    stratum : int, default=-1
        The number of the stratum that is compared within, if any.
    """

    class_index: int
    group_index: tuple[int, ...]
    name: str = ""
    column: str = ""
    min_n_groups: int = 0
    stratum: int = -1

    @property
    def family(self) -> tuple[str, int]:
        """What comparisons within different strata of the same groups have in common."""
        return self.column, self.class_index

    @property
    def n_groups(self) -> int:
        """The number of groups, those that take no part among them."""
        return max(self.min_n_groups, *(index + 1 for index in self.group_index))

    @cached_property
    def groups(self) -> tuple[int, ...]:
        """The indices of the groups that take part."""
        return tuple(sorted({*self.group_index} - {-1}))

    @cached_property
    def has_all_groups(self) -> bool:
        """Whether all groups take part."""
        return min(self.group_index) >= 0

    @cached_property
    def is_identity(self) -> bool:
        """Whether groups have the same number here as in the target."""
        return self.group_index == tuple(range(len(self.group_index)))

    @classmethod
    def all_groups(cls, n_groups: int, class_indices: Sequence[int]) -> tuple[GroupComparison, ...]:
        """Compare all groups, in each of these classes."""
        return tuple(cls(k, tuple(range(n_groups))) for k in class_indices)

    def view(
        self, probabilities: torch.Tensor, logits: torch.Tensor, target: Target, group_of_cell: torch.Tensor
    ) -> BatchView:
        """Return the rows of a batch as this comparison sees them; those that take no part have no weight.

        Parameters
        ----------
        probabilities : tensor of shape (n_samples, n_classes)
            The predicted probability of each class.
        logits : tensor of shape (n_samples, n_classes)
            What the module returned.
        target : mapping
            The target of the batch.
        group_of_cell : tensor of int
            Where the rows are, ``group_index``; for groups that take no part, any number beyond the last.
        """
        group = target["group"] if self.is_identity else group_of_cell.index_select(0, target["group"])
        weight = None if target.get("weight") is None else row_weights(target, probabilities)
        mask = None
        if not self.has_all_groups:
            mask = group < self.n_groups
            # Rows are not taken out: a device would have to wait to know how many are left.
            group = group.clamp_max(self.n_groups - 1)
            weight = mask.to(probabilities) if weight is None else weight * mask
        in_class = target["y"] == self.class_index
        return BatchView(probabilities, in_class, group, weight, logits, self.class_index, mask)


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
    strata : Grouping or None
        The stratum of every row, if groups are compared within strata only.
    """

    families: tuple[Family, ...]
    classes: NDArray[Any]
    class_indices: tuple[int, ...]
    strata: Grouping | None = None

    @classmethod
    def of(
        cls,
        groups: Grouping,
        classes: NDArray[Any],
        combine: Combine,
        pos_label: Any = None,
        strata: Grouping | None = None,
    ) -> GroupComparisons:
        """Compare all groups of some rows, perhaps within strata."""
        return cls(_families(groups, combine), classes, compared_classes(classes, pos_label), strata)

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
        small = _SmallGroups(min_group_size)
        comparisons: list[GroupComparison] = []
        for family in self.families:
            if len(family.groups.labels) < 2:
                warn_user(
                    f"All rows are of one group{f' of {family.column}' if family.column else ''}, "
                    f"{list_groups(family.groups.labels)}: there is nothing to compare, and training "
                    "does not regard it."
                )
                continue
            for k in self.class_indices:
                sizes = {rate: self._sizes(family, rate, labels == k) for rate in rates}
                suffix = f" of {format_group(self.classes.tolist()[k])}" if len(self.classes) > 2 else ""
                self._refuse_unmeasurable(family, sizes, suffix, bounds)
                comparisons += self._compare(family, k, sizes, suffix, small)
        small.warn(bounds)
        return tuple(comparisons)

    def _sizes(self, family: Family, rate: Rate, is_class: NDArray[np.bool_]) -> NDArray[Any]:
        """Return how many rows a rate can be measured on at most, of shape (n_groups, n_strata)."""
        n_groups, codes = len(family.groups.labels), family.groups.codes
        shape = (n_groups, 1)
        if self.strata is not None:
            shape = (n_groups, len(self.strata.labels))
            codes = codes * shape[1] + self.strata.codes
        positives, negatives = (
            np.bincount(codes, each, n_groups * shape[1]).reshape(shape) for each in (is_class, ~is_class)
        )
        return _support_sizes(rate, positives, negatives)

    def _refuse_unmeasurable(
        self,
        family: Family,
        sizes: Mapping[Rate, NDArray[Any]],
        suffix: str,
        bounds: Sequence[BoundedConstraint],
    ) -> None:
        for rate, size in sizes.items():
            if ((size > 0).sum(0) >= 2).any():
                continue
            empty = [name for name, n in zip(family.groups.labels, size.sum(1), strict=True) if not n]
            whom = list_groups(empty) if empty else "two groups of one stratum"
            where = "" if self.strata is None else " in any stratum"
            raise ValueError(
                f"{_named(bounds)} compares nothing: {rate.name}{suffix} (with the denominator "
                f"{rate.denominator}) cannot be measured for {whom}, so fewer than two groups are left"
                f"{where}. Choose another constraint or merge groups{' or strata' if where else ''}."
            )

    def _compare(
        self,
        family: Family,
        class_index: int,
        sizes: Mapping[Rate, NDArray[Any]],
        suffix: str,
        small: _SmallGroups,
    ) -> list[GroupComparison]:
        """Return the comparison of the large groups in every stratum, and note those that are too small."""
        takes_part = np.all([size >= small.min_group_size for size in sizes.values()], axis=0)
        strata = [None] if self.strata is None else list(self.strata.labels)
        occurs = np.max(list(sizes.values()), axis=0) > 0
        for rate, size in sizes.items():
            too_small = (size < small.min_group_size) & (occurs if self.strata is not None else True)
            for g, s in np.argwhere(too_small):
                within = "" if self.strata is None else f" in {format_group(strata[s])}"
                group = f"{format_group(family.groups.labels[g])}{within}"
                small.note(group, int(size[g, s]), f"{rate.name}{suffix}")
        comparisons = []
        for s, stratum in enumerate(strata):
            name = suffix + ("" if self.strata is None else f", {format_group(stratum)}")
            name += f", {family.column}" if family.column else ""
            if takes_part[:, s].sum() < 2:
                small.left_out.append(name)
                continue
            index = np.full((len(family.of_intersection), len(strata)), -1)
            index[:, s] = np.where(takes_part[family.of_intersection, s], family.of_intersection, -1)
            comparisons.append(
                GroupComparison(
                    class_index,
                    tuple(index.ravel().tolist()),
                    name,
                    family.column,
                    len(family.groups.labels),
                    -1 if self.strata is None else s,
                )
            )
        return comparisons


@dataclass
class _SmallGroups:
    """What cannot be compared: groups with too few rows, and comparisons with too few groups."""

    min_group_size: int
    smallest: dict[str, tuple[int, str]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def note(self, group: str, n: int, rate: str) -> None:
        """Note that a group has so few rows to measure a rate on, if they are the fewest."""
        self.smallest[group] = min(self.smallest.get(group, (n + 1, "")), (n, rate))

    def warn(self, bounds: Sequence[BoundedConstraint]) -> None:
        """Warn of everything that has been noted."""
        if self.smallest:
            small = list_groups(f"{group} ({n} for {rate})" for group, (n, rate) in self.smallest.items())
            warn_user(
                f"Fewer than min_group_size={self.min_group_size} rows to measure in: {small}. Training "
                "passes over these groups: no bound covers them."
            )
        if self.left_out:
            names = list_groups(dict.fromkeys(name.strip(" ,") for name in self.left_out if name))
            where = f" ({names})" if names else ""
            warn_user(
                f"Fewer than two groups can be compared under {_named(bounds)}{where}: training does not "
                "regard it, and nothing is promised about the disparity."
            )


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
        if penalty != DEFAULT_PENALTY:
            raise ValueError(
                f"penalty={show(penalty)} takes effect with a penalty_weight only, and without one a bound "
                "is held instead: give penalty_weight, or leave penalty out."
            )
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
