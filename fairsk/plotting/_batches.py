"""Drawing over batches: lines of groups with intervals, names of batches, and numbers on the axes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fairsk._core.groups import format_group
from fairsk._core.messages import show
from fairsk._core.sections import Series
from fairsk._core.timelines import axis_values, batches_named, envelope, interval_of, last_value
from fairsk._core.typing import Floats
from fairsk.plotting._drawing import line_style, literal
from fairsk.plotting._timeline_svg import LOOKS

__all__ = [
    "FEW_BATCHES",
    "GREY",
    "Drawn",
    "draw_dots",
    "draw_series",
    "fill",
    "finish_batches",
    "group_titles",
    "moving_sums",
    "window_of",
    "write_values",
]

#: Dashes of lines, for not all readers tell colours apart: those of the charts of pages.
_DASHES: tuple[Any, ...] = tuple(
    (0, tuple(map(float, dashes.split()))) if dashes else "-" for _, dashes in LOOKS
)
#: By default values are drawn over this part of the batches: four weeks of a year of days.
_WINDOW = 1 / 13
#: What stands behind lines: shades, limits and single batches.
GREY = "0.5"
#: A line of no more batches than these has a marker at each, and single batches are dots of this size and
#: strength: of many batches smaller and fainter ones.
FEW_BATCHES = 31
_DOT, _STRENGTH, _MANY_BATCHES = 3.0, 0.45, 120
#: Inches of a letter of the name of a batch, and between two names. Longer names are shortened.
_LETTER, _BETWEEN, _LONGEST = 0.085, 0.22, 16
#: Inches of a figure that are left of its axes: for numbers and what they are.
_BESIDE = 0.9
#: Points from top to bottom of a number on an axis with the room around it.
_NUMBER_HEIGHT = 22.0


def window_of(window: Any, n_batches: int) -> int:
    """Return over how many batches values are drawn."""
    if window is None:
        return max(1, round(_WINDOW * n_batches))
    if isinstance(window, bool) or not isinstance(window, int | np.integer) or window < 1:
        raise ValueError(f"window must be a whole number of batches from 1; got {show(window)}.")
    return min(int(window), n_batches)


def moving_sums(values: Any, window: int) -> Any:
    """Return the sums over so many batches before and with each batch."""
    sums = values.cumsum(axis=0)
    sums[window:] -= sums[:-window].copy()
    return sums


@dataclass
class Drawn:
    """What was drawn of the groups.

    Attributes
    ----------
    lines : dict of group to matplotlib Line2D
        The lines of groups that have their own.
    bands : dict of group to matplotlib PolyCollection
        Their intervals.
    others : matplotlib PolyCollection or None
        From where to where the lines of the other groups go.
    """

    lines: dict[Hashable, Any] = field(default_factory=dict)
    bands: dict[Hashable, Any] = field(default_factory=dict)
    others: Any = None


def draw_series(
    axes: Any,
    series: Mapping[Hashable, Series],
    looks: Mapping[Hashable, int],
    shaded: Sequence[Hashable],
    style: Mapping[str, Any],
) -> Drawn:
    """Draw a line for each group that has a look, the intervals of some, and the area of the other groups.

    Parameters
    ----------
    axes : matplotlib Axes
        Where to draw.
    series : mapping of group to Series
        The values of all groups.
    looks : mapping of group to int
        The place of the look of each group with a line of its own.
    shaded : sequence of hashable
        Which of them have intervals.
    style : mapping
        The user's keywords for lines.
    """
    drawn = Drawn()
    # The legend reads like the ends of the lines, from top to bottom.
    heights = {group: last_value(series[group].values) for group in looks}
    for group in sorted(looks, key=lambda group: -np.nan_to_num(heights[group], nan=-np.inf)):
        one, look = series[group], looks[group]
        few = len(one.values) <= FEW_BATCHES or not _has_line(one.values)
        defaults = {
            "color": f"C{look % 10}",
            "linestyle": _DASHES[look % len(_DASHES)],
            "linewidth": 1.6,
            "marker": "o" if few else None,
            "markersize": 3.5,
            "label": literal(format_group(group)),
        }
        (drawn.lines[group],) = axes.plot(
            np.arange(len(one.values)), one.values, **line_style(style, **defaults)
        )
        if group in shaded:
            color = drawn.lines[group].get_color()
            drawn.bands[group] = fill(axes, *interval_of(one), color=color, alpha=0.16)
    others = [one for group, one in series.items() if group not in looks]
    if others:
        label = f"{len(others):,} other {'group' if len(others) == 1 else 'groups'}, lowest to highest"
        drawn.others = fill(axes, *envelope(others), color=GREY, alpha=0.25, label=label)
    return drawn


def _has_line(values: Floats) -> bool:
    """Tell whether two values follow each other, for a line is drawn between them."""
    measured = np.isfinite(values)
    return bool((measured[1:] & measured[:-1]).any())


def fill(axes: Any, low: Floats, high: Floats, *, color: Any, alpha: float, label: str | None = None) -> Any:
    """Shade what lies between two lines; between two gaps, a bar."""
    alone = np.isfinite(low)
    alone &= ~np.append(alone[1:], False) & ~np.append(False, alone[:-1])
    places = np.arange(len(low), dtype=float)
    area = axes.fill_between(places, low, high, color=color, alpha=alpha, linewidth=0, label=label, zorder=1)
    if alone.any():
        axes.vlines(places[alone], low[alone], high[alone], color=color, alpha=2 * alpha, linewidth=4)
    return area


def draw_dots(axes: Any, values: Floats, color: Any) -> Any:
    """Draw single batches as faint dots behind the lines."""
    crowd = max(1.0, len(values) / _MANY_BATCHES)
    (dots,) = axes.plot(
        np.arange(len(values)),
        values,
        linestyle="none",
        marker="o",
        markersize=max(1.0, _DOT / crowd**0.5),
        markeredgewidth=0,
        color=color,
        alpha=max(0.12, _STRENGTH / crowd**0.5),
        zorder=0.8,
        label="_single batches",
    )
    return dots


def group_titles(groups: Iterable[Hashable]) -> dict[Hashable, str]:
    """Return the title of the column of each group; none is that of another column."""
    titles: dict[Hashable, str] = {}
    for place, group in enumerate(groups):
        name = format_group(group)
        taken = {*titles.values(), "batch", "ratio", "difference", "test", "change"}
        titles[group] = f"{name} ({place + 1})" if name in taken else name
    return titles


def finish_batches(panels: Sequence[Any], batches: Sequence[str], *, grow: bool) -> None:
    """Name the batches below the panels, and make room for legends beside them in a figure of our own."""
    figure = panels[-1].figure
    if grow:
        sizes = [
            axes.get_legend().get_window_extent().size / figure.dpi for axes in panels if axes.get_legend()
        ]
        width, height = figure.get_size_inches()
        figure.set_size_inches(width + max((size[0] for size in sizes), default=0.0) + 0.2, height)
    for axes in panels:
        inches = width - _BESIDE if grow else axes.get_position().width * axes.figure.get_size_inches()[0]
        _name_batches(axes, batches, inches)


def _name_batches(axes: Any, batches: Sequence[str], inches: float) -> None:
    """Write as many names of batches below the axes as there is room for."""
    names = [literal(_short(batch)) for batch in batches]
    room = _LETTER * max(map(len, names)) + _BETWEEN
    places = batches_named(batches, max(1, int(inches / room)))
    axes.set_xticks(places, [names[place] for place in places])
    for text in axes.get_xticklabels():
        text.set_usetex(False)  # names come from data, and data do not get to run TeX
    edge = 0.5 + 0.01 * len(batches)
    axes.set_xlim(-edge, len(batches) - 1 + edge)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST * 2 // 3]}…{text[1 - _LONGEST // 3 :]}"


def write_values(axes: Any, low: float, high: float, *, log: bool = False, ratio: bool = False) -> None:
    """Set the ends of the axis of values, and write numbers on it, as many as have room.

    Parameters
    ----------
    axes : matplotlib Axes
        The axes.
    low, high : float
        The ends; natural logarithms if ``log`` or ``ratio``.
    log : bool, default=False
        Whether what is drawn are natural logarithms, which are written as what they are the logarithms of.
    ratio : bool, default=False
        Whether what is drawn are numbers on a logarithmic axis, the ends of which are given as logarithms.
    """
    inches = axes.get_position().height * axes.figure.get_size_inches()[1]
    most = int(np.clip(72 * inches / _NUMBER_HEIGHT, 2, 7))
    values = axis_values(low, high, most=most, log=log or ratio)
    places = np.array(list(values))
    if ratio:
        axes.set_yscale("log")
        axes.set_ylim(np.exp(low), np.exp(high))
        places = np.exp(places)
    else:
        axes.set_ylim(low, high)
    axes.set_yticks(places, list(values.values()))
    axes.set_yticks([], minor=True)
    axes.grid(axis="y", color=GREY, alpha=0.2, linewidth=0.7)
    axes.set_axisbelow(True)
