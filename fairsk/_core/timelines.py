"""Timelines as data: which groups have lines of their own, what is written on the axes, and their tables."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from fairsk._core.groups import format_group
from fairsk._core.results import Table, number, with_interval
from fairsk._core.sections import Chart, Series
from fairsk._core.typing import Floats

__all__ = [
    "MOST_SERIES",
    "axis_values",
    "batches_named",
    "envelope",
    "furthest_apart",
    "interval_of",
    "last_value",
    "timeline",
    "value_range",
    "with_intervals",
]

#: More lines than these are not told apart: three groups at each end have names, the others lie between.
MOST_SERIES = 6
#: Intervals of more lines than these would lie on each other: then those of the two outermost are drawn.
_MOST_INTERVALS = 3
#: The first part of the batches, where cumulated rates are those of few rows: lines, and the ends of
#: intervals, may leave the axes there.
_UNSETTLED, _UNSETTLED_ENDS = 0.05, 0.2
#: The part of the axis that is free above and below all values.
_MARGIN = 0.06
#: Values that differ by no more than this are the same.
_SAME = 1e-9
#: How many batches the table of a chart has.
_MOST_BATCHES = 24
#: Batches that are days.
_DATE = re.compile(r"(\d{4})-(\d\d)-\d\d(?!\d)")
#: Every how many months a day is named.
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)
#: Fewer first days of months than these say too little: then days are named at equal steps.
_FEWEST_MONTHS = 3
#: Numbers on an axis with more decimals are written as powers of ten.
_MOST_DECIMALS = 5
#: Steps between the numbers on an axis, in any power of ten.
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
#: Logarithmic axes shorter than this many powers of ten have numbers at equal steps, and longer ones than the
#: other at powers of ten only.
_NEARLY_LINEAR, _POWERS_ONLY = 0.7, 2.2


def furthest_apart(
    series: Mapping[Hashable, Series], most: int = MOST_SERIES, *, always: Hashable = None
) -> list[Hashable]:
    """Return the groups that have lines of their own: all, or those whose last values lie furthest apart.

    Where there are intervals, the ends that face the other groups are compared, so that groups of few rows,
    which lie far out by chance, do not take the place of others.

    Parameters
    ----------
    series : mapping of group to Series
        The series of each group.
    most : int, default=6
        How many groups.
    always : hashable, optional
        A group that is among them, such as a reference.

    Returns
    -------
    list of hashable
        The groups, in their order in ``series``.
    """
    if len(series) <= most:
        return list(series)
    low, high = (
        {group: _last(getattr(one, end), one.values) for group, one in series.items()}
        for end in ("low", "high")
    )
    chosen = [always] if always in series else []
    downwards = sorted((group for group in series if not np.isnan(low[group])), key=lambda group: -low[group])
    upwards = sorted((group for group in series if not np.isnan(high[group])), key=lambda group: high[group])
    for pair in zip(downwards, upwards, strict=False):
        chosen += [group for group in dict.fromkeys(pair) if group not in chosen]
    return [group for group in series if group in chosen[:most]]


def last_value(values: Any) -> float:
    """Return the last value that is measured; NaN if none is."""
    measured = np.flatnonzero(np.isfinite(values))
    return float(values[measured[-1]]) if len(measured) else math.nan


def _last(ends: Any, values: Any) -> float:
    return last_value(values if ends is None else np.where(np.isfinite(ends), ends, values))


def interval_of(one: Series) -> tuple[Floats, Floats]:
    """Return the interval of each value, which is the value alone where it has none."""
    ends = (one.values if end is None else end for end in (one.low, one.high))
    low, high = (np.where(np.isnan(end), one.values, end) for end in ends)
    return low, high


def with_intervals(series: Mapping[Hashable, Series], named: Sequence[Hashable]) -> list[Hashable]:
    """Return the groups, among those with lines of their own, whose intervals are drawn.

    These are all of a few; of many, the outermost two.
    """
    having = [group for group in named if series[group].low is not None and series[group].high is not None]
    ends = {group: last_value(series[group].values) for group in having}
    measured = [group for group in having if not np.isnan(ends[group])]
    if len(measured) <= _MOST_INTERVALS:
        return measured
    ranking = sorted(measured, key=lambda group: ends[group])
    return [group for group in measured if group in (ranking[0], ranking[-1])]


def envelope(others: Sequence[Series]) -> tuple[Floats, Floats]:
    """Return from where to where some series go, NaN where none has a value."""
    values = np.array([one.values for one in others], dtype=float)
    return np.fmin.reduce(values), np.fmax.reduce(values)


def value_range(
    series: Mapping[Hashable, Series],
    shaded: Sequence[Hashable],
    levels: Sequence[float],
    *,
    log: bool = False,
) -> tuple[float, float]:
    """Return the ends of an axis on which settled values, the ends of their intervals and the levels lie.

    Parameters
    ----------
    series : mapping of group to Series
        The values.
    shaded : sequence of hashable
        The groups whose intervals are drawn.
    levels : sequence of float
        Other values that are drawn; infinite ones are not.
    log : bool, default=False
        Whether all are logarithms: others have natural ends, such as 0 and 1 of shares.

    Raises
    ------
    ValueError
        If nothing was measured.
    """
    found: list[Any] = []
    for group, one in series.items():
        found += [one.values[int(_UNSETTLED * len(one.values)) :], one.values[-1:]]
        if group in shaded:
            found += [end[int(_UNSETTLED_ENDS * len(end)) :] for end in interval_of(one)]
    if not any(np.isfinite(one.values).any() for one in series.values()):
        raise ValueError("There is nothing to draw: no value was measured.")
    if not np.isfinite(np.concatenate(found)).any():  # the settled part is empty
        found = [one.values for one in series.values()]
    values = np.concatenate([*found, np.array(levels, dtype=float)])
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    largest = max(abs(low), abs(high))
    # Values that differ by rounding alone are the same, and stand in the middle of an axis of plain numbers.
    are_same = high - low <= _SAME * max(largest, 1.0)
    margin = max(0.05 * largest, 0.01) if are_same else _MARGIN * (high - low)
    least = 0.0 if low >= 0 and not log else -math.inf
    most = 1.0 if low >= 0 and high <= 1 and not log else math.inf
    # A line on the natural end is drawn whole.
    return max(low - margin, least), min(high + margin, most) if high < most else high + 0.2 * margin


def batches_named(batches: Sequence[str], most: int) -> list[int]:
    """Return the places of the batches that are named on an axis that has room for that many names.

    Of days, these are the first ones of months; of other batches, every second, fifth or tenth one, and so
    on.
    """
    if len(batches) <= most:
        return list(range(len(batches)))
    days = [_DATE.match(batch) for batch in batches]
    months = [12 * int(day[1]) + int(day[2]) - 1 for day in days if day]
    if len(months) == len(batches):
        first = [i for i in range(1, len(months)) if months[i] != months[i - 1]]
        for step in _MONTHS:
            named = [i for i in first if months[i] % step == 0]
            if _FEWEST_MONTHS <= len(named) <= most:
                return named
    step = math.ceil(len(batches) / max(most, 1))
    size = 10 ** math.floor(math.log10(step))
    step = int(next(digit * size for digit in (1, 2, 5, 10) if digit * size >= step))
    return list(range(0, len(batches), step))


def axis_values(low: float, high: float, *, most: int = 6, log: bool = False) -> dict[float, str]:
    """Return the values that are written on an axis, and how they are written.

    Parameters
    ----------
    low, high : float
        The ends of the axis; natural logarithms if it is logarithmic.
    most : int, default=6
        How many values there may be.
    log : bool, default=False
        Whether the axis is logarithmic.
    """
    if not log:
        values, decimals = _even(low, high, most)
        write = _plain if decimals <= _MOST_DECIMALS and max(map(abs, values)) < 1e5 else _short
        return {value: write(value, decimals) for value in values}
    powers = (high - low) / math.log(10)
    if powers < _NEARLY_LINEAR:
        values, decimals = _even(math.exp(low), math.exp(high), most)
        return {math.log(value): _plain(value, decimals) for value in values if value > 0}
    first, last = math.ceil(low / math.log(10) - 1e-9), math.floor(high / math.log(10) + 1e-9)
    if powers < _POWERS_ONLY:
        digits = [(digit, power) for power in range(first - 1, last + 1) for digit in (1, 2, 5)]
        values = [digit * 10.0**power for digit, power in digits]
        return {math.log(value): f"{value:.3g}" for value in values if low <= math.log(value) <= high}
    step = next(step for step in _whole_steps() if (last - first) / step < most)
    exponents = [power for power in range(first, last + 1) if power % step == 0]
    return {power * math.log(10): _power(power) for power in exponents}


def _whole_steps() -> Any:
    size = 1
    while True:
        yield from (size, 2 * size, 3 * size, 5 * size)
        size *= 10


def _even(low: float, high: float, most: int) -> tuple[list[float], int]:
    """Return values at equal steps, and with how many decimals they are written."""
    size = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(size * digit for digit in _STEPS if (high - low) / (size * digit) <= most)
    decimals = next(d for d in range(17) if d == 16 or abs(round(step, d) - step) < 1e-9 * step)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [place * step for place in range(first, last + 1)], decimals


def _plain(value: float, decimals: int) -> str:
    return f"{value + 0.0:,.{decimals}f}"


def _short(value: float, decimals: int) -> str:
    """Write a value whose decimals, or zeros, would take too much room."""
    text = np.format_float_scientific(value, precision=4, trim="-", exp_digits=1).replace("e+", "e")
    return text if abs(value) > 10.0 ** -(decimals + 2) else "0"  # sums of steps miss 0 by rounding


def _power(exponent: int) -> str:
    """Write a power of ten: in digits if they are few."""
    if -3 <= exponent <= 3:
        return f"{10.0**exponent:,.{max(0, -exponent)}f}"
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def timeline(
    title: str,
    batches: Sequence[str],
    series: Mapping[Hashable, Series],
    *,
    digits: int = 3,
    **looks: Any,
) -> Chart:
    """Return a timeline with its table, which is folded.

    The table has no more than some 24 of the batches, at equal steps and with the last one, and the groups
    that have lines of their own.

    Parameters
    ----------
    title : str
        What the chart shows.
    batches : sequence of str
        The names of the batches, in their order.
    series : mapping of group to Series
        The lines.
    digits : int, default=3
        With how many decimals the table says the values.
    **looks
        Further fields of the :class:`Chart`.
    """
    step = math.ceil(len(batches) / _MOST_BATCHES) or 1
    places = range(len(batches) - 1, -1, -step)[::-1]
    drawn = furthest_apart(series, always=looks.get("reference"))
    columns: dict[str, list[Any]] = {"batch": [batches[i] for i in places]}
    shown: dict[str, list[str]] = {"batch": columns["batch"]}
    for group in drawn:
        one, name = series[group], format_group(group)
        name = name if name not in columns else f"{name} ({len(columns)})"  # 1 and "1" read alike
        columns[name] = [float(one.values[i]) for i in places]
        absent = np.full(len(batches), np.nan)
        low, high = (absent if end is None else end for end in (one.low, one.high))
        shown[name] = [
            with_interval(value, float(low[i]), float(high[i]), digits)
            if np.isfinite(value)
            else number(value, digits)
            for i, value in zip(places, columns[name], strict=True)
        ]
    notes = [] if step == 1 else [f"Every {_ordinal(step)} batch of {len(batches):,}."]
    if len(drawn) < len(series):
        notes.append(f"The {len(drawn)} furthest apart of {len(series)} groups.")
    return Chart(
        "timeline",
        title,
        Table(columns, shown, notes=notes),
        batches=batches,
        series=series,
        folded=True,
        **looks,
    )


def _ordinal(place: int) -> str:
    ending = "th" if 10 <= place % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"
