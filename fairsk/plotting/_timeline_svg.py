"""Timelines for pages, as SVG that is written here: small, the same everywhere, and without matplotlib.

A page of many monitors has hundreds of timelines, and a server that shows it may not have matplotlib.
"""

from __future__ import annotations

import html
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from fairsk._core.groups import format_group
from fairsk._core.results import printable
from fairsk._core.sections import Chart
from fairsk._core.timelines import (
    axis_values,
    batches_named,
    envelope,
    furthest_apart,
    interval_of,
    last_value,
    value_range,
    with_intervals,
)
from fairsk._core.typing import Floats, Ints

__all__ = ["LOOKS", "lines_window", "timeline_svg"]

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
#: Lines are drawn within so many points of their values. A chart of more points than these is drawn
#: within as few more as it takes, up to the width of a line; if that does not do, lines go through the
#: lowest and the highest value of every few batches.
_WITHIN, _MOST_WITHIN, _MOST_POINTS = 0.4, 1.7, 1_600
#: Gaps narrower than this many points are not seen.
_NARROW = 1.5


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


class _Detail(NamedTuple):
    """How closely lines are drawn: within so many points of values, and in windows of so many batches."""

    within: float
    window: int


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
    named, shaded, frame, detail = _plan(chart, _ABOVE + _TEXT * (max(rows, default=-1) + 1))
    looks = {group: LOOKS[i % len(LOOKS)] for i, group in enumerate(named)}
    parts = [*_axes(chart, frame), *_band(chart, frame)]
    others = [one for group, one in series.items() if group not in looks]
    if others:
        parts.append(_area(frame, *envelope(others), _GREY, 0.3, detail))
    for group in shaded:
        low, high = interval_of(series[group])
        parts.append(_area(frame, low, high, looks[group][0], 0.18, detail))
    parts += _limits(chart, frame)
    parts += [_curve(frame, series[group].values, looks[group], detail) for group in named]
    parts += _marks(chart, frame, rows)
    names, width = _names(chart, frame, looks, bool(others))
    return width, frame.bottom + _BELOW, "".join([*parts, *names])


def lines_window(chart: Chart) -> int:
    """Return of how many batches a line shows the lowest and the highest value; 1 if it passes all values."""
    return _plan(chart, 0.0)[-1].window


def _plan(chart: Chart, top: float) -> tuple[list[Hashable], list[Hashable], _Frame, _Detail]:
    """Return which groups have lines, which have intervals, where values stand, and how closely."""
    series = dict(chart.series or {})
    named = furthest_apart(series, always=chart.reference)
    shaded = with_intervals(series, named)
    levels = [limit.value for limit in chart.limits] + [*(chart.band or ())]
    frame = _Frame(*value_range(series, shaded, levels, log=chart.log), top, len(chart.batches))
    others = [one for group, one in series.items() if group not in named]
    curves = [series[group].values for group in named]
    curves += [end for group in shaded for end in interval_of(series[group])]
    detail = _detail(frame, [*curves, *(envelope(others) if others else ())])
    return named, shaded, frame, detail


def _detail(frame: _Frame, curves: Sequence[Floats]) -> _Detail:
    """Return how closely lines are drawn, so that the chart stays small."""
    detail = _Detail(_WITHIN, 1)
    if len(curves) * frame.n_batches <= _MOST_POINTS:
        return detail
    # The first point of a part takes as much text as two others.
    while sum(1 + len(piece) for values in curves for piece in _pieces(frame, values, detail)) > _MOST_POINTS:
        if detail.within * 1.5 > _MOST_WITHIN:
            return _Detail(_MOST_WITHIN, math.ceil(2 * len(curves) * frame.n_batches / _MOST_POINTS))
        detail = _Detail(detail.within * 1.5, 1)
    return detail


def _extremes(values: Floats, window: int) -> Ints:
    """Return the places of the lowest and the highest value among every so many batches."""
    rows = np.pad(values, (0, -len(values) % window), constant_values=np.nan).reshape(-1, window)
    rows = np.where(np.isfinite(rows), rows, np.nan)
    starts = window * np.flatnonzero(np.isfinite(rows).any(axis=1))
    rows = rows[starts // window]
    return np.unique([starts + np.nanargmin(rows, axis=1), starts + np.nanargmax(rows, axis=1)])


def _pieces(frame: _Frame, values: Floats, detail: _Detail) -> list[list[int]]:
    """Return the places of the values that are drawn, for each part of a line between two gaps.

    Without the others, the line is still drawn within so many points of all its values: from each place that
    is drawn it goes to the furthest one such that no value between them lies further from it than that, for
    which it must pass between the steepest and the flattest line that is near enough. Gaps that are narrower
    than the line are no gaps. Of values too many for that, the extreme ones are drawn.
    """
    within, window = detail
    places = np.flatnonzero(np.isfinite(values)) if window == 1 else _extremes(values, window)
    if not len(places):
        return []
    heights = frame.y(values[places]).tolist()
    finite: list[int] = places.tolist()
    widest = max(1.0, _NARROW * frame.n_batches / _WIDTH, 2.0 * window * (window > 1))
    start = before = (finite[0], heights[0])
    pieces, piece = list[list[int]](), [finite[0]]
    flattest, steepest = -math.inf, math.inf
    for here in zip(finite[1:], heights[1:], strict=True):
        if here[0] - before[0] > widest:
            pieces.append(piece if piece[-1] == before[0] else [*piece, before[0]])
            piece, start, before = [here[0]], here, here
            flattest, steepest = -math.inf, math.inf
            continue
        slope = (here[1] - start[1]) / (here[0] - start[0])
        if not flattest <= slope <= steepest:
            piece.append(before[0])
            start, flattest, steepest = before, -math.inf, math.inf
        run = here[0] - start[0]
        flattest = max(flattest, (here[1] - within - start[1]) / run)
        steepest = min(steepest, (here[1] + within - start[1]) / run)
        before = here
    return [*pieces, piece if piece[-1] == before[0] else [*piece, before[0]]]


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


def _curve(frame: _Frame, values: Floats, look: Look, detail: _Detail) -> str:
    """Draw a line; a value between two gaps is a dot."""
    color, dashes = look
    pieces = _pieces(frame, values, detail)
    line = "".join(_path(frame.x(np.array(p)), frame.y(values[p])) for p in pieces if len(p) > 1)
    dots = "".join(_path(frame.x(np.array(p)), frame.y(values[p])) for p in pieces if len(p) == 1)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    drawn = f'<path d="{line}" fill="none" stroke="{color}" stroke-width="1.7"{dashed}/>' if line else ""
    if dots:
        drawn += f'<path d="{dots}" stroke="{color}" stroke-width="4.2" stroke-linecap="round"/>'
    return drawn


def _area(frame: _Frame, low: Floats, high: Floats, color: str, opacity: float, detail: _Detail) -> str:
    """Shade what lies between two lines, which have the same gaps."""
    drawn = []
    edges = (_pieces(frame, edge, detail) for edge in (high, low))
    for above, below in zip(*edges, strict=True):
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
    longest = min(_LONGEST_BATCH, max(map(len, chart.batches)))
    places = batches_named(chart.batches, max(1, int(_WIDTH / (_LETTER * longest + _BETWEEN))))
    labels = [_short(chart.batches[place], _LONGEST_BATCH) for place in places]
    across = frame.x(np.array(places))
    ticks = "".join(_path(np.array([x, x]), np.array([frame.bottom, frame.bottom + 4])) for x in across)
    edge = _path(np.array([_LEFT, _LEFT + _WIDTH]), np.array([frame.bottom, frame.bottom]))
    yield f'<path d="{edge}{ticks}" fill="none" stroke="{_GREY}" stroke-width=".9"/>'
    for x, label in zip(across, labels, strict=True):
        yield _text(max(float(x), _LETTER * len(label) / 2), frame.bottom + 15, label, "middle")
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
        low, high = envelope([one for group, one in series.items() if group not in looks])
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
        drawn.append(f'<path d="{leader}" fill="none" stroke="{color}" stroke-width=".8"{thin}/>')
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
