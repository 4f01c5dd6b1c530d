"""Dot plots of groups: panels with a line per group, its value as a dot and its interval as a bar."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fairsk._core.groups import format_group
from fairsk._core.results import row_count
from fairsk._core.warnings import warn_user
from fairsk.plotting._drawing import line_style, literal, place_legend

__all__ = [
    "draw_dot",
    "finish",
    "group_axes",
    "label_groups",
    "mark_not_measurable",
    "warn_not_measurable",
]

#: Inches for one group, for what stands above and below the groups, and for one panel and one of several.
_LINE, _AROUND, _PANEL, _PANEL_OF_SEVERAL = 0.3, 1.0, 4.4, 3.0
#: Few rows differ by marker and by colour, for not all readers tell colours apart.
_LOOKS: Mapping[bool, Mapping[str, Any]] = {
    False: {"color": "C0", "marker": "o"},
    True: {"color": "0.55", "marker": "D", "markerfacecolor": "none"},
}


def group_axes(ax: Any, n_panels: int, n_groups: int) -> list[Any]:
    """Return the axes given, or those of a new figure with a line for each group, and with shared groups.

    Raises
    ------
    ValueError
        If as many axes as panels are needed and others are given.
    """
    if ax is not None:
        panels = list(np.ravel(np.asarray(ax, dtype=object)))
        if len(panels) != n_panels:
            raise ValueError(f"Every rate needs axes of its own: give {n_panels}, not {len(panels)}, as ax=.")
        return panels
    import matplotlib.pyplot as plt

    width = _PANEL if n_panels == 1 else _PANEL_OF_SEVERAL * n_panels
    size = (width, _LINE * n_groups + _AROUND)
    return list(
        plt.subplots(1, n_panels, sharey=True, squeeze=False, figsize=size, layout="constrained")[1][0]
    )


def label_groups(panels: Sequence[Any], groups: Sequence[Hashable], n: Iterable[float]) -> None:
    """Name the lines of the panels, the first group on top, with the number of rows of each group.

    Panels of one figure show the names once.
    """
    names = [
        f"{literal(format_group(group))}  (n = {row_count(size)})"
        for group, size in zip(groups, n, strict=True)
    ]
    for axes in panels:
        axes.set_yticks(range(len(names)), names)
        for text in axes.get_yticklabels():
            text.set_usetex(False)  # names come from data, and data do not get to run TeX
        axes.set_ylim(len(names) - 0.5, -0.5)
        named_before = axes is not panels[0] and axes.figure is panels[0].figure
        axes.tick_params(axis="y", length=0, labelleft=not named_before)
        axes.grid(axis="y", color="0.5", alpha=0.25, linewidth=0.8)
        axes.set_axisbelow(True)


def draw_dot(
    axes: Any,
    line: int,
    value: float,
    interval: Sequence[float] | None,
    *,
    few: bool,
    label: str,
    style: Mapping[str, Any],
) -> Any:
    """Draw a value as a dot and its interval as a bar on a line, and return the artists."""
    bar = None if interval is None else [[max(0.0, value - interval[0])], [max(0.0, interval[1] - value)]]
    labels = axes.get_legend_handles_labels()[1]
    defaults = {"linestyle": "none", "markersize": 6, "capsize": 2.5, "elinewidth": 1.4, **_LOOKS[few]}
    return axes.errorbar(
        [value],
        [line],
        xerr=bar,
        **line_style(style, **defaults) | {"label": "_" + label if label in labels else label},
    )


def mark_not_measurable(axes: Any, line: int) -> None:
    """Write on a line why it is empty."""
    axes.text(
        0.02,
        line,
        "not measurable",
        transform=axes.get_yaxis_transform(),
        va="center",
        fontsize="small",
        fontstyle="italic",
        bbox={"facecolor": axes.get_facecolor(), "edgecolor": "none", "pad": 1},
    )


def warn_not_measurable(name: str, groups: Iterable[Hashable]) -> None:
    """Warn of the groups that have no dot."""
    labels = ", ".join(map(format_group, groups))
    if labels:
        warn_user(f"{name} cannot be measured for: {labels}. The display says so in their place.")


def finish(panels: Sequence[Any], *, grow: bool) -> None:
    """Make room for the names of the groups, and place one legend for all panels."""
    figure = panels[0].figure
    if grow:
        width, height = figure.get_size_inches()
        names = max(text.get_window_extent().width for text in panels[0].get_yticklabels())
        figure.set_size_inches(width + names / figure.dpi, height)
    last = dict.fromkeys(panels[-1].get_legend_handles_labels()[1])
    further = {
        label: handle
        for axes in panels[:-1]
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        if label not in last
    }
    place_legend(panels[-1], grow=grow, extra=list(further.values()))
