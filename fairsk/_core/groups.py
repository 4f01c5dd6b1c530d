"""Groups: an integer code per row, intersections of columns, and group labels in messages and tables."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairsk._core.columns import Orders, SensitiveColumns
from fairsk._core.factorize import Coded, code_array, is_missing
from fairsk._core.messages import did_you_mean, list_labels, list_texts, show
from fairsk._core.policy import (
    During,
    UnknownGroup,
    accepts_unknown,
    refuse_measurements,
    refuse_missing,
    refuse_other_kind,
    refuse_unknown,
    warn_all_unknown,
    warn_other_kind,
)
from fairsk._core.typing import Floats, Ints

__all__ = [
    "Grouping",
    "attribute_name",
    "check_reference_given",
    "encode_groups",
    "encode_known_groups",
    "format_group",
    "group_strata",
    "join_groups",
    "list_groups",
    "margin_labels",
    "merge_orders",
    "order_labels",
    "places_of",
    "position_of",
    "sort_labels",
]


#: What the group of rows whose group is missing is called in an audit of data.
MISSING = "(missing)"


@dataclass(frozen=True)
class Grouping:
    """Rows assigned to groups: integer codes into a tuple of labels.

    A label is the value itself for one sensitive column, and a tuple of values for an intersection. Columns
    whose values have an order of their own come with it in ``orders``; it is empty if none has.
    """

    names: tuple[str, ...]
    labels: tuple[Hashable, ...]
    codes: Ints
    orders: Orders = ()

    def sums(self, weights: NDArray[Any] | None = None) -> Floats:
        """Add up the weights (or count the rows) of each group."""
        return np.bincount(self.codes, weights, minlength=len(self.labels)).astype(float)

    def take(self, rows: Ints) -> Grouping:
        """Return the groups of these rows, among the same labels."""
        return Grouping(self.names, self.labels, self.codes[rows], self.orders)


def format_group(label: Hashable) -> str:
    """Write a group's label for a table or a message: the parts of an intersection joined by ``" & "``."""
    return " & ".join(map(str, label)) if isinstance(label, tuple) else str(label)


def attribute_name(names: Sequence[str]) -> str:
    """Write what an attribute, or an intersection of several, is called."""
    return " & ".join(names)


def list_groups(labels: Iterable[Hashable], most: int = 20) -> str:
    """Write groups one after another in a message: the first of them if there are many, shortened."""
    return list_texts(map(format_group, labels), most)


def check_reference_given(method: str, reference: Hashable, groups: Sequence[Hashable] | None = None) -> None:
    """Refuse a comparison with a reference group that is not named, and a reference without one.

    Parameters
    ----------
    method : str
        What every group is compared with.
    reference : hashable
        The label of the reference group; None if there is none.
    groups : sequence of labels, optional
        The groups, where they are known: an error lists them.

    Raises
    ------
    ValueError
        If ``method="to_reference"`` comes without a reference, or a reference without that method.
    """
    if method == "to_reference" and reference is None:
        known = "" if groups is None else f": {list_labels(groups)}"
        raise ValueError(f'method="to_reference" needs reference=, one of the groups{known}.')
    if method != "to_reference" and reference is not None:
        raise ValueError('reference= names a group for method="to_reference" only.')


def position_of(group: Hashable, groups: Sequence[Hashable], *, called: str = "The reference group") -> int:
    """Return where a group stands among others; an error says what it is called.

    Raises
    ------
    ValueError
        If it is not one of them.
    """
    if group not in groups:
        text = format_group(tuple(group) if isinstance(group, list) else group).casefold()
        alike = [label for label in groups if format_group(label).casefold() == text]
        hint = f" Did you mean {show(alike[0])}?" if alike else ""
        hint = hint or did_you_mean(group, [label for label in groups if isinstance(label, str)])
        raise ValueError(f"{called} {show(group)} is not one of the groups: {list_labels(groups)}.{hint}")
    return list(groups).index(group)


def sort_labels(labels: Iterable[Hashable]) -> list[Any]:
    """Sort labels of any types, in an order that depends on nothing but which labels there are."""
    labels = list(labels)
    try:
        return sorted(labels, key=_by_kind)
    except TypeError:  # values without an order
        return sorted(labels, key=_by_text)


def _by_kind(label: Any) -> tuple[Any, ...]:
    if isinstance(label, tuple):
        return ("tuple", tuple(map(_by_kind, label)))
    if isinstance(label, int | float | np.number):  # booleans are integers
        return ("", label)
    return ("str" if isinstance(label, str) else type(label).__name__, label)


def _by_text(label: Any) -> tuple[Any, ...]:
    if isinstance(label, tuple):
        return ("tuple", tuple(map(_by_text, label)))
    return (type(label).__name__, str(label))


def order_labels(labels: Iterable[Hashable], orders: Orders = ()) -> list[Any]:
    """Sort labels, each column (of an intersection) in the order of its values if they have one.

    Parameters
    ----------
    labels : iterable of labels
        Groups; tuples of values for an intersection.
    orders : tuple of tuples or None
        For each column the values that it may have, in their order, or None; values that are not among them
        come after them.
    """
    labels = list(labels)
    if not labels or not any(orders):
        return sort_labels(labels)
    rows: list[Any] = labels if len(orders) > 1 else [(label,) for label in labels]
    ranks = []
    for order, column in zip(orders, zip(*rows, strict=True), strict=True):
        known = order or ()
        values = [*known, *sort_labels(set(column) - set(known))]
        ranks.append({value: rank for rank, value in enumerate(values)})
    places = {
        label: [rank[v] for rank, v in zip(ranks, row, strict=True)]
        for label, row in zip(labels, rows, strict=True)
    }
    return sorted(labels, key=places.__getitem__)


def margin_labels(
    groups: Sequence[Hashable], names: Sequence[str], kept: Sequence[str], *, of: str = "marginal"
) -> list[Hashable]:
    """Return the label that each group has by some of its attributes alone.

    Parameters
    ----------
    groups : sequence of labels
        The groups; tuples of values if there are several attributes.
    names : sequence of str
        The attributes.
    kept : sequence of str
        Those to keep, in their new order.
    of : str, default="marginal"
        What an error calls the method that asks.

    Raises
    ------
    ValueError
        If there is no such attribute, none is kept, or one twice.
    """
    if not kept or len(set(kept)) < len(kept) or not set(kept) <= set(names):
        raise ValueError(f"{of} takes names out of {list_labels(names)}, got {list_labels(kept) or 'none'}.")
    places = [list(names).index(name) for name in kept]
    parts: list[Any] = list(groups) if len(names) > 1 else [(label,) for label in groups]
    return [tuple(part[i] for i in places) if len(places) > 1 else part[places[0]] for part in parts]


def join_groups(labels: Sequence[Hashable], orders: Orders = ()) -> tuple[list[Any], Ints]:
    """Return the distinct ones of some labels in order, and the place of each label among them."""
    groups = order_labels(set(labels), orders)
    position = {label: i for i, label in enumerate(groups)}
    return groups, np.array([position[label] for label in labels], dtype=np.intp)


def places_of(labels: Sequence[Hashable], groups: Sequence[Hashable]) -> Ints:
    """Return where some groups stand among all.

    Raises
    ------
    ValueError
        If there is no such group.
    """
    position = {group: i for i, group in enumerate(groups)}
    unknown = [label for label in labels if label not in position]
    if unknown:
        raise ValueError(f"There is no group {show(unknown[0])}; the groups are {list_labels(groups)}.")
    return np.array([position[label] for label in labels], dtype=np.intp)


def merge_orders(first: Orders, second: Orders) -> Orders:
    """Return the orders of the values of two tables' columns together.

    Where both have one they are merged: a value that comes before another in either does so in the result.
    What neither tells is sorted; orders that contradict each other are none.
    """
    if not first or not second:
        return first or second
    return tuple(
        one or other if one is None or other is None or one == other else _merged(one, other)
        for one, other in zip(first, second, strict=True)
    )


def _merged(first: tuple[Hashable, ...], second: tuple[Hashable, ...]) -> tuple[Hashable, ...] | None:
    sorter = TopologicalSorter[Hashable]()
    for order in (first, second):
        sorter.add(order[0])
        for value, following in pairwise(order):
            sorter.add(following, value)
    try:
        sorter.prepare()
    except CycleError:
        return None
    merged: list[Hashable] = []
    ready: list[Hashable] = []
    while sorter.is_active():
        # Of the values that nothing comes before, the first in sorted order is next.
        ready = sort_labels([*ready, *sorter.get_ready()])
        merged.append(ready.pop(0))
        sorter.done(merged[-1])
    return tuple(merged)


def encode_groups(
    sensitive: SensitiveColumns,
    groups: Sequence[Hashable] | None = None,
    *,
    missing_is_unknown: bool = False,
    rows: Floats | None = None,
    measured: str = "",
) -> Grouping:
    """Assign every row to its group; several columns make an intersection of those that occur.

    Parameters
    ----------
    sensitive : SensitiveColumns
        The attribute, a column or several.
    groups : sequence of labels, optional
        The groups of an earlier fit. Rows of any other group get the code -1. Without it the groups are
        those that occur, sorted, or in the order of an ordered category.
    missing_is_unknown : bool, default=False
        With ``groups``, whether a missing value is one more unknown group instead of an error.
    rows : array, optional
        How many rows each value stands for, where an engine has counted them; an error tells how many miss
        the value.
    measured : str, default=""
        What else can be done with a column that looks continuous, for messages.

    Raises
    ------
    ValueError
        If a value is missing (NaN, None, NA), or a column looks continuous.
    """
    allow_missing = missing_is_unknown and groups is not None
    labels, codes = _combine(sensitive, allow_missing=allow_missing, rows=rows, measured=measured)
    if groups is not None:
        return Grouping(sensitive.names, tuple(groups), _recode(labels, groups)[codes] if labels else codes)
    return Grouping(sensitive.names, tuple(labels), codes, sensitive.orders)


def _combine(
    sensitive: SensitiveColumns,
    *,
    allow_missing: bool = False,
    rows: Floats | None = None,
    measured: str = "",
    during: During | None = None,
) -> tuple[list[Hashable], Ints]:
    """Return the groups that occur, sorted, and every row's position among them."""
    parts = [
        _factorize(name, column, allow_missing=allow_missing, rows=rows, measured=measured, during=during)
        for name, column in zip(sensitive.names, sensitive.columns, strict=True)
    ]
    if len(parts) == 1:
        values, codes = parts[0]
        return list(values), codes
    # Several columns are digits of one number: the distinct numbers are the combinations that occur.
    shape = tuple(max(len(values), 1) for values, _ in parts)
    cells, codes = np.unique(np.ravel_multi_index([codes for _, codes in parts], shape), return_inverse=True)
    places = np.unravel_index(cells, shape)
    labels: list[Hashable] = [
        tuple(values[i] for (values, _), i in zip(parts, place, strict=True))
        for place in zip(*places, strict=True)
    ]
    return labels, codes


def _recode(labels: Sequence[Hashable], groups: Sequence[Hashable]) -> Ints:
    """Return each label's position among some groups, -1 if it is none of them."""
    position = {group: i for i, group in enumerate(groups)}
    return np.array([position.get(label, -1) for label in labels], dtype=np.intp)


def encode_known_groups(
    sensitive: SensitiveColumns,
    groups: Sequence[Hashable],
    unknown_group: UnknownGroup = "error",
    *,
    during: During = "predict",
) -> Grouping:
    """Assign every row to one of the groups of an earlier fit, by the policy for unknown groups.

    Parameters
    ----------
    sensitive : SensitiveColumns
        The attribute, a column or several.
    groups : sequence of labels
        The groups of the earlier fit.
    unknown_group : {"error", "overall"}, default="error"
        The policy for groups that are not among them, and for missing ones: refuse them, or give them the
        code -1 (see :mod:`fairsk._core.policy`).
    during : {"predict", "partial_fit", "sample_weight", "train_split"}, default="predict"
        What the rows are for; an error says so.

    Raises
    ------
    ValueError
        If a group is unknown or missing, unless the policy accepts it; if a column looks continuous.

    Warns
    -----
    UserWarning
        If the policy accepts unknown groups, and they are of another kind (text, numbers) than the known
        ones, or no row of several has a known one.
    """
    accepted = accepts_unknown(unknown_group)
    labels, codes = _combine(sensitive, allow_missing=accepted, during=during)
    recode = _recode(labels, groups)
    grouping = Grouping(sensitive.names, tuple(groups), recode[codes] if labels else codes)
    unknown = [label for label, place in zip(labels, recode, strict=True) if place < 0]
    if not unknown:
        return grouping
    everybody = len(unknown) == len(labels)
    n_unknown, n_samples = int(np.sum(grouping.codes < 0)), len(codes)
    came, known = _kinds(unknown), _kinds(groups)
    if _written_alike(unknown, groups) or ((everybody or not accepted) and _differ(came, known)):
        there = f"{list_labels(unknown, most=6)} ({' & '.join(came)})"
        here = f"{list_labels(groups, most=6)} ({' & '.join(known)})"
        if not accepted:
            refuse_other_kind(during, there, here, n_unknown, n_samples)
        warn_other_kind(there, here, n_unknown, n_samples)
        return grouping
    if not accepted:
        refuse_unknown(during, list_groups(unknown), n_unknown, n_samples)
    if everybody and n_samples > 1:  # a row alone may well be of a new group
        warn_all_unknown(list_groups(unknown, most=10), list_groups(groups, most=10), n_samples)
    return grouping


def _written_alike(unknown: Sequence[Hashable], groups: Sequence[Hashable]) -> bool:
    """Whether some unknown group is a known one in another type, such as the text "0" for the number 0."""
    written = set(map(format_group, groups))
    return any(format_group(label) in written for label in unknown)


def _kinds(labels: Sequence[Hashable]) -> list[str]:
    """Return of what kind the values of each column are: text, numbers, or the names of their types."""
    rows = [label if isinstance(label, tuple) else (label,) for label in labels]
    kinds = [sorted({_kind(v) for v in column if not is_missing(v)}) for column in zip(*rows, strict=False)]
    return [" and ".join(names[:3]) or _NO_KIND for names in kinds]


#: Stands for the kind of values that are all missing.
_NO_KIND = "missing"


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    return "numbers" if isinstance(value, int | float | np.number) else type(value).__name__


def _differ(came: list[str], known: list[str]) -> bool:
    """Whether values of these kinds, a kind or several per column, can be none of the known groups."""
    if len(came) != len(known):
        return True  # other columns than in fit
    return any(
        _NO_KIND not in (there, here) and not {*there.split(" and ")} & {*here.split(" and ")}
        for there, here in zip(came, known, strict=True)
    )


def _factorize(
    name: str,
    column: NDArray[Any] | Coded,
    *,
    allow_missing: bool = False,
    rows: Floats | None = None,
    measured: str = "",
    during: During | None = None,
) -> tuple[list[Hashable], Ints]:
    """Return the distinct values of a column, sorted or in their own order, and every row's place in them."""
    try:
        coded = column if isinstance(column, Coded) else code_array(column)
    except TypeError:
        raise TypeError(
            f"The sensitive feature {show(name)} holds values that cannot name a group (unhashable): "
            "give one text, number or boolean per row, and a 2-D array or frame for several features."
        ) from None
    used = np.bincount(coded.codes, minlength=len(coded.values))
    present = [value for value, count in zip(coded.values, used, strict=True) if count]
    if not allow_missing and any(map(is_missing, present)):
        counted = used if rows is None else np.bincount(coded.codes, rows, len(used))
        refuse_missing(name, coded, counted, during=during)
    refuse_measurements(name, present, measured)
    if isinstance(column, np.ndarray) and column.dtype.kind in "biuf":
        return present, coded.codes  # numbers are sorted already
    values = present if coded.is_ordered else sort_labels(present)
    position = {value: i for i, value in enumerate(values)}
    recode = np.array([position.get(value, -1) for value in coded.values], dtype=np.intp)
    return values, recode[coded.codes]


def group_strata(codes: Ints, labels: Ints, smallest: int) -> Ints:
    """Number the (group, label) cells; cells that are too small join the largest one of their label."""
    n_labels = int(labels.max()) + 1
    cells = codes * n_labels + labels
    sizes = np.bincount(cells, minlength=(int(codes.max()) + 1) * n_labels).reshape(-1, n_labels)
    home = np.where(sizes >= smallest, np.arange(sizes.size).reshape(sizes.shape), -1)
    largest = sizes.argmax(0) * n_labels + np.arange(n_labels)
    return np.where(home < 0, largest, home).ravel()[cells]
