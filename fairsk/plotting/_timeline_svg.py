"""Timelines for pages, as SVG that is written here: small, the same everywhere, and without matplotlib.

A page of many monitors has hundreds of timelines, and a server that shows it may not have matplotlib.
"""

from __future__ import annotations

import html
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from fairsk._core.groups import format_group
from fairsk._core.results import printable
from fairsk._core.sections import Chart, Series
from fairsk._core.timelines import axis_values, batches_named, furthest_apart, last_value
from fairsk._core.typing import Floats, Ints

__all__ = ["LOOKS", "timeline_svg", "with_intervals"]

Look: TypeAlias = tuple[str, str]

#: Colours that are read on white and on black, and dashes, for not all readers tell colours apart.
LOOKS: tuple[Look, ...] = (
    ("#3b82c4", ""),
    ("#d1602c", "7 2.5"),
    ("#22967c", "2 2"),
    ("#a06bd0", "8 2.5 2 2.5"),
    ("#a8800f", "4.5 2"),
    ("#d0508f", "10 2 2 2 2 2"),
)
_GREY = "#808080"
#: Points: of the lines, of what stands left of, above and below them, of a letter, and of a line of text.
_WIDTH, _HEIGHT, _LEFT, _ABOVE, _BELOW, _LETTER, _TEXT = 500.0, 150.0, 48.0, 8.0, 24.0, 5.3, 12.0
#: Points of all charts, if their names are not long: on a page they are then of one size.
_LEAST = 670.0
#: Points between lines and their names, and between the names of batches.
_LEADER, _BETWEEN = 16.0, 14.0
#: The longest name of a line, of a batch and of a mark, in letters.
_LONGEST_NAME, _LONGEST_BATCH, _LONGEST_MARK = 26, 16, 60
#: Lines are drawn within so many points of their values, less than their width. A chart of more points than
#: these is drawn within as few more as it takes.
_WITHIN, _MOST_POINTS = 0.4, 1_400
#: The first part of the batches, where cumulated rates are those of few rows: lines, and the ends of
#: intervals, may leave the chart there.
_UNSETTLED, _UNSETTLED_ENDS = 0.05, 0.2
#: Intervals of more lines than these would lie on each other: then those of the two outermost are drawn.
_MOST_INTERVALS = 3
#: The part of the axis that is free above and below all values.
_MARGIN = 0.06


@dataclass(frozen=True)
class _Frame:
    """Where values stand."""

    low: float
    high: float
    top: float
    n_batches: int

    @property
    def bottom(self) -> float:
        return self.top + _HEIGHT

    def x(self, places: Floats | Ints) -> Floats:
        return _LEFT + _WIDTH * (places + 0.5) / self.n_batches

    def y(self, values: Floats) -> Floats:
        share = (np.clip(values, self.low, self.high) - self.low) / (self.high - self.low)
        return self.bottom - _HEIGHT * share


def timeline_svg(chart: Chart) -> tuple[float, float, str]:
    """Draw a timeline.

    Parameters
    ----------
    chart : Chart
        The timeline.

    Returns
    -------
    width, height : float
        Its size in points.
    elements : str
        What stands in the SVG element.

    Raises
    ------
    ValueError
        If nothing was measured.
    """
    series = dict(chart.series or {})
    rows = _rows(chart)
    frame = _Frame(*_ends(chart), _ABOVE + _TEXT * (max(rows, default=-1) + 1), len(chart.batches))
    named = furthest_apart(series, always=chart.reference)
    looks = {group: LOOKS[i % len(LOOKS)] for i, group in enumerate(named)}
    shaded = with_intervals(chart)
    within = _needed_tolerance(frame, [series[group] for group in named], [series[group] for group in shaded])
    parts = [*_axes(chart, frame), *_band(chart, frame)]
    others = [one for group, one in series.items() if group not in looks]
    if others:
        parts.append(_area(frame, *_envelope(others), _GREY, 0.3, within))
    for group in shaded:
        low, high = _interval(series[group])
        parts.append(_area(frame, low, high, looks[group][0], 0.15, within))
    parts += _limits(chart, frame)
    parts += [_curve(frame, series[group].values, looks[group], within) for group in named]
    parts += _marks(chart, frame, rows)
    names, width = _names(chart, frame, looks, bool(others))
    return width, frame.bottom + _BELOW, "".join([*parts, *names])


def with_intervals(chart: Chart) -> list[Hashable]:
    """Return the groups whose intervals are drawn: all of a few, else the outermost two."""
    series = dict(chart.series or {})
    named = furthest_apart(series, always=chart.reference)
    having = [group for group in named if series[group].low is not None and series[group].high is not None]
    measured = [group for group in having if np.isfinite(series[group].values).any()]
    if len(measured) <= _MOST_INTERVALS:
        return measured
    ranking = sorted(measured, key=lambda group: last_value(series[group].values))
    return [group for group in measured if group in (ranking[0], ranking[-1])]


def _interval(one: Series) -> tuple[Floats, Floats]:
    """Return the interval of each value, which is the value alone where there is no interval."""
    low, high = (one.values if end is None else end for end in (one.low, one.high))
    return tuple(np.where(np.isnan(end), one.values, end) for end in (low, high))  # type: ignore[return-value]


def _envelope(others: Sequence[Series]) -> tuple[Floats, Floats]:
    """Return from where to where series go, NaN where none has a value."""
    values = np.array([one.values for one in others], dtype=float)
    absent = np.isnan(values).all(axis=0)
    lowest, highest = np.fmin.reduce(values), np.fmax.reduce(values)
    return np.where(absent, np.nan, lowest), np.where(absent, np.nan, highest)


def _ends(chart: Chart) -> tuple[float, float]:
    """Return the ends of the axis of values: all settled values, ends of intervals and limits lie within."""
    all_series = list((chart.series or {}).values())
    n_batches = len(chart.batches)
    first, first_end = int(_UNSETTLED * n_batches), int(_UNSETTLED_ENDS * n_batches)
    found = [one.values[first:] for one in all_series] + [one.values[-1:] for one in all_series]
    for group in with_intervals(chart):
        found += [end[first_end:] for end in _interval((chart.series or {})[group])]
    levels = [limit.value for limit in chart.limits] + [*(chart.band or ())]
    values = np.concatenate([*found, np.array(levels, dtype=float)]) if found else np.empty(0)
    values = values[np.isfinite(values)]
    if not len(values) or not any(np.isfinite(one.values).any() for one in all_series):
        raise ValueError("There is nothing to draw: no value was measured.")
    low, high = float(values.min()), float(values.max())
    margin = _MARGIN * (high - low) or 0.05 * abs(high) or 0.05
    if chart.log:
        return low - margin, high + margin
    # What cannot be negative, and shares, have their natural ends.
    least = 0.0 if low >= 0 else -math.inf
    most = 1.0 if low >= 0 and high <= 1 else math.inf
    return max(low - margin, least), min(high + margin, most) if high < most else high + 0.2 * margin


def _needed_tolerance(frame: _Frame, lines: Sequence[Series], shaded: Sequence[Series]) -> float:
    """Return within how many points of their values lines are drawn, so that the chart stays small."""
    curves = [one.values for one in lines] + [end for one in shaded for end in _interval(one)]
    within = _WITHIN
    while sum(len(_kept(frame, values, within)) for values in curves) > _MOST_POINTS:
        within *= 1.5
    return within


def _kept(frame: _Frame, values: Floats, within: float) -> list[int]:
    """Return the places of a line without which it is still drawn within so many points of all its values.

    From each place that is kept, the line goes to the furthest one such that no value between them lies
    further from it than that: it must pass between the steepest and the flattest line that is near enough.
    """
    places = np.flatnonzero(np.isfinite(values))
    if not len(places):
        return []
    heights = frame.y(values[places]).tolist()
    finite: list[int] = places.tolist()
    kept, start, before = [finite[0]], (finite[0], heights[0]), (finite[0], heights[0])
    flattest, steepest = -math.inf, math.inf
    for here in zip(finite[1:], heights[1:], strict=True):
        is_gap = here[0] - before[0] > 1
        run = here[0] - start[0]
        if is_gap or not flattest <= (here[1] - start[1]) / run <= steepest:
            if before is not start:
                kept.append(before[0])
            start, run = (here, 0) if is_gap else (before, 1)
            flattest, steepest = -math.inf, math.inf
            if is_gap:
                kept.append(here[0])
        if run:
            flattest = max(flattest, (here[1] - within - start[1]) / run)
            steepest = min(steepest, (here[1] + within - start[1]) / run)
        before = start if is_gap else here
    return kept if kept[-1] == finite[-1] else [*kept, finite[-1]]


def _pieces(values: Floats, kept: Sequence[int]) -> Iterator[list[int]]:
    """Yield the kept places of each part of a line that has no gap."""
    gaps = np.cumsum(np.isnan(values))
    piece: list[int] = []
    for place in kept:
        if piece and gaps[place] != gaps[piece[-1]]:
            yield piece
            piece = []
        piece.append(place)
    if piece:
        yield piece


def _number(tenths: int) -> str:
    """Write a number of tenths, as short as SVG allows."""
    sign, (whole, tenth) = "-" if tenths < 0 else "", divmod(abs(tenths), 10)
    return f"{sign}{whole or ('' if tenth else 0)}{f'.{tenth}' if tenth else ''}"


def _path(x: Floats, y: Floats) -> str:
    """Write points as a line: the first one, and from each to the next one."""
    points = np.rint(10 * np.column_stack([x, y])).astype(int)
    start = " ".join(map(_number, points[0].tolist()))
    steps = [_number(step) for step in np.diff(points, axis=0).ravel().tolist()]
    joined = "".join(step if step.startswith("-") else f" {step}" for step in steps).lstrip()
    return f"M{start}" + (f"l{joined}" if steps else "h0")


def _curve(frame: _Frame, values: Floats, look: Look, within: float) -> str:
    """Draw a line; a value between two gaps is a dot."""
    color, dashes = look
    kept = _kept(frame, values, within)
    pieces = list(_pieces(values, kept))
    line = "".join(_path(frame.x(np.array(p)), frame.y(values[p])) for p in pieces if len(p) > 1)
    dots = "".join(_path(frame.x(np.array(p)), frame.y(values[p])) for p in pieces if len(p) == 1)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    drawn = f'<path d="{line}" fill="none" stroke="{color}" stroke-width="1.7"{dashed}/>' if line else ""
    if dots:
        drawn += f'<path d="{dots}" stroke="{color}" stroke-width="3.6" stroke-linecap="round"/>'
    return drawn


def _area(frame: _Frame, low: Floats, high: Floats, color: str, opacity: float, within: float) -> str:
    """Shade what lies between two lines, which have the same gaps."""
    drawn = []
    for above, below in zip(
        _pieces(high, _kept(frame, high, within)), _pieces(low, _kept(frame, low, within)), strict=True
    ):
        x = frame.x(np.array([*above, *below[::-1]]))
        y = np.concatenate([frame.y(high[above]), frame.y(low[below[::-1]])])
        if len(above) == 1:  # a bar
            x = np.repeat(x, 2) + np.array([-1.5, 1.5, 1.5, -1.5])
            y = np.repeat(y, 2)
        drawn.append(f"{_path(x, y)}z")
    return f'<path d="{"".join(drawn)}" fill="{color}" fill-opacity="{opacity}"/>' if drawn else ""


def _text(x: float, y: float, text: str, anchor: str = "start", *, soft: bool = False) -> str:
    x, y = (_number(round(10 * place)) for place in (x, y))  # type: ignore[assignment]
    turned = f' text-anchor="{anchor}"' if anchor != "start" else ""
    look = ' fill-opacity=".75"' if soft else ""
    return f'<text x="{x}" y="{y}" font-size="9.5px"{turned}{look}>{html.escape(text, quote=False)}</text>'


def _short(text: str, longest: int) -> str:
    """Return a name without its middle if it is long, for names often differ at their end."""
    text = printable(text)
    return text if len(text) <= longest else f"{text[: longest * 2 // 3]}…{text[1 - longest // 3 :]}"


def _axes(chart: Chart, frame: _Frame) -> Iterator[str]:
    """Draw both axes with what is written on them, and name the values."""
    values = axis_values(frame.low, frame.high, log=chart.log)
    heights = frame.y(np.array(list(values)))
    grid = "".join(_path(np.array([_LEFT, _LEFT + _WIDTH]), np.array([y, y])) for y in heights)
    yield f'<path d="{grid}" stroke="{_GREY}" stroke-opacity=".25" stroke-width=".8"/>'
    for y, text in zip(heights, values.values(), strict=True):
        yield _text(_LEFT - 6, y + 3.3, text, "end")
    labels = [_short(batch, _LONGEST_BATCH) for batch in chart.batches]
    room = _LETTER * max(map(len, labels)) + _BETWEEN
    places = np.array(batches_named(chart.batches, max(1, int(_WIDTH / room))))
    ticks = "".join(
        _path(np.array([x, x]), np.array([frame.bottom, frame.bottom + 4])) for x in frame.x(places)
    )
    edge = _path(np.array([_LEFT, _LEFT + _WIDTH]), np.array([frame.bottom, frame.bottom]))
    yield f'<path d="{edge}{ticks}" fill="none" stroke="{_GREY}" stroke-width=".9"/>'
    for place, x in zip(places, frame.x(places), strict=True):
        half = _LETTER * len(labels[place]) / 2
        yield _text(max(float(x), half), frame.bottom + 15, labels[place], "middle")
    if chart.axis:
        middle = _number(round(10 * (frame.top + _HEIGHT / 2)))
        name = html.escape(_short(chart.axis, 30), quote=False)
        yield (
            f'<text transform="translate(9 {middle}) rotate(-90)" font-size="9.5px" '
            f'text-anchor="middle">{name}</text>'
        )


def _band(chart: Chart, frame: _Frame) -> Iterator[str]:
    """Shade from the one end of a band to the other, or to the edge."""
    if chart.band is not None:
        y = frame.y(np.array(chart.band, dtype=float))
        x, top = _number(round(10 * _LEFT)), _number(round(10 * float(y[1])))
        width, height = _number(round(10 * _WIDTH)), _number(round(10 * float(y[0] - y[1])))
        yield (
            f'<rect x="{x}" y="{top}" width="{width}" height="{height}" fill="{_GREY}" fill-opacity=".13"/>'
        )


def _limits(chart: Chart, frame: _Frame) -> Iterator[str]:
    """Draw the horizontal lines."""
    shown = [limit.value for limit in chart.limits if frame.low <= limit.value <= frame.high]
    if shown:
        path = "".join(
            _path(np.array([_LEFT, _LEFT + _WIDTH]), np.array([y, y])) for y in frame.y(np.array(shown))
        )
        yield f'<path d="{path}" stroke="currentColor" stroke-width=".9" stroke-dasharray="3 3"/>'


def _mark_names(chart: Chart) -> list[tuple[int, str]]:
    """Return the place of each mark and what is written at it; marks of one batch share a line."""
    names: dict[int, list[str]] = {}
    places = {batch: place for place, batch in enumerate(chart.batches)}
    for mark in chart.marks:
        if mark.batch in places:
            names.setdefault(places[mark.batch], []).append(mark.name)
    return [(place, _short(" · ".join(names[place]), _LONGEST_MARK)) for place in sorted(names)]


def _rows(chart: Chart) -> list[int]:
    """Return the line of text of each mark above the chart, counted from below.

    Names begin at their marks. One under which other marks lie stands above their names, so that no mark
    goes through a name.
    """
    named = _mark_names(chart)
    rows: list[int] = []
    step = _WIDTH / max(1, len(chart.batches))
    for i in reversed(range(len(named))):
        place, name = named[i]
        end = place + (_LETTER * len(name) + _BETWEEN) / step
        below = [row for (other, _), row in zip(named[:i:-1], rows, strict=True) if other <= end]
        rows.append(1 + max(below, default=-1))
    return rows[::-1]


def _marks(chart: Chart, frame: _Frame, rows: Sequence[int]) -> Iterator[str]:
    """Draw the vertical lines, and their names above the chart."""
    for (place, name), row in zip(_mark_names(chart), rows, strict=True):
        x = float(frame.x(np.array([place]))[0])
        height = frame.top - _TEXT * row - 4
        line = _path(np.array([x, x]), np.array([height - 7, frame.bottom]))
        yield f'<path d="{line}" stroke="currentColor" stroke-width="1.1"/>'
        yield _text(x + 4, height, name)


def _names(
    chart: Chart, frame: _Frame, looks: Mapping[Hashable, Look], are_others: bool
) -> tuple[list[str], float]:
    """Write the names of lines and limits at their right ends, none on another; return the width of all."""
    series = dict(chart.series or {})
    entries: list[tuple[float, float, str, Look | None]] = []
    for group, look in looks.items():
        measured = np.flatnonzero(np.isfinite(series[group].values))
        if len(measured):
            end = measured[-1:]
            (x,), (y,) = frame.x(end), frame.y(series[group].values[end])
            entries.append((float(x), float(y), format_group(group), look))
    edge = _LEFT + _WIDTH
    for limit in chart.limits:
        if frame.low <= limit.value <= frame.high:
            entries.append((edge, float(frame.y(np.array([limit.value]))[0]), limit.name, None))
    if are_others:
        low, high = _envelope([one for group, one in series.items() if group not in looks])
        middle = float(frame.y(np.array([(last_value(low) + last_value(high)) / 2]))[0])
        entries.append((edge, middle, f"{len(series) - len(looks)} others", (_GREY, "")))
    entries.sort(key=lambda entry: entry[1])
    heights = _spread([entry[1] for entry in entries], frame.top + 2, frame.bottom)
    drawn, longest = [], 0
    for (x, y, name, style), height in zip(entries, heights, strict=True):
        name = _short(name, _LONGEST_NAME)
        longest = max(longest, len(name))
        color, dashes = style or ("currentColor", "3 3")
        leader = _path(np.array([x, edge, edge + _LEADER - 3]), np.array([y, y, height]))
        thin = f' stroke-dasharray="{dashes}"' if dashes else ""
        drawn.append(f'<path d="{leader}" fill="none" stroke="{color}" stroke-width=".9"{thin}/>')
        drawn.append(_text(edge + _LEADER, height + 3.3, name, soft=style is None))
    ends = [float(frame.x(np.array([place]))[0]) + _LETTER * len(name) for place, name in _mark_names(chart)]
    return drawn, max([_LEAST, edge + _LEADER + _LETTER * longest + 6, *ends])


def _spread(heights: Sequence[float], top: float, bottom: float) -> list[float]:
    """Return heights, in their order, moved apart by as little as it takes that texts do not overlap."""
    gap = min(_TEXT, (bottom - top) / max(1, len(heights) - 1))
    blocks: list[list[float]] = []
    for place, height in enumerate(heights):
        blocks.append([height - place * gap])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    starts = [float(np.mean(block)) for block in blocks for _ in block]
    most = bottom - gap * (len(starts) - 1)
    return [min(max(start, top), most) + place * gap for place, start in enumerate(starts)]
