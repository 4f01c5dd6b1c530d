"""Small charts for pages, as the SVG that matplotlib writes: displays without legends, in plain looks."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group
from fairsk._core.typing import Floats
from fairsk.metrics._decisions.table import GroupMetrics
from fairsk.plotting._disparities import DisparityDisplay
from fairsk.plotting._drawing import literal
from fairsk.plotting._rates import GroupMetricDisplay
from fairsk.rates import Rate

__all__ = ["COLOR", "calibration_svg", "rates_svg", "ratios_svg"]

#: A blue that is read on white and on black. Black becomes the colour of the text around the chart.
COLOR = "#3b82c4"
_LOOKS: Mapping[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fairsk",
    "font.size": 9.5,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.edgecolor": "#808080",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": "#808080",
    "ytick.color": "#808080",
    "xtick.labelcolor": "#000000",
    "ytick.labelcolor": "#000000",
}
#: Points: of one letter of a name, of a line of a group, around the lines, of a panel, and between panels.
_LETTER, _LINE, _ABOVE, _BELOW, _PANEL, _GAP = 5.6, 19.0, 6.0, 36.0, 215.0, 22.0
#: Calibration charts: points of a panel, and panels side by side.
_SQUARE, _PER_ROW = 132.0, 5
#: Points left of the panels, and between two rows of them.
_LEFT, _BETWEEN = 44.0, 22.0


def rates_svg(
    counts: GroupCounts, rates: Sequence[str | Rate], *, confidence: float, min_group_size: int
) -> str:
    """Draw the rates of groups side by side, as :class:`GroupMetricDisplay` does."""
    metrics = GroupMetrics(counts, list(rates), confidence=confidence, min_group_size=min_group_size)
    display = GroupMetricDisplay(metrics)
    return _draw_groups(
        counts, len(metrics.measured_rates), lambda panels: display.plot(panels, order="label")
    )


def ratios_svg(
    counts: GroupCounts, rate: str | Rate, *, reference: Hashable, confidence: float, min_group_size: int
) -> str:
    """Draw the ratios to the rate of a reference group, as :class:`DisparityDisplay` does."""
    metrics = GroupMetrics(counts, rate, confidence=confidence, min_group_size=min_group_size)
    display = DisparityDisplay(metrics, reference)
    return _draw_groups(counts, 1, lambda panels: display.plot(panels[0], order="label"), panel=1.5 * _PANEL)


def calibration_svg(lines: Mapping[Hashable, tuple[Floats, Floats, Floats, Floats]]) -> str:
    """Draw the label rate over the mean score of bins, a panel per group.

    Parameters
    ----------
    lines : mapping of group to tuple of four arrays of shape (n_points,)
        Mean scores, label rates, and the ends of their intervals.
    """
    n_columns = min(len(lines), _PER_ROW)
    n_rows = math.ceil(len(lines) / n_columns)
    width = _LEFT + n_columns * (_SQUARE + _GAP)
    height = n_rows * (_SQUARE + _BETWEEN) + _BELOW

    def draw(figure: Any) -> None:
        # Axes take most of the time of a drawing, so all panels stand on one, which counts in points.
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        axes.axis("off")
        for place, (group, points) in enumerate(lines.items()):
            row, column = divmod(place, n_columns)
            left, top = _LEFT + column * (_SQUARE + _GAP), _BETWEEN - 2 + row * (_SQUARE + _BETWEEN)
            _draw_calibration(axes, left, top, *points)
            name = literal(format_group(group))
            axes.text(left, top - 5, name if len(name) <= 22 else f"{name[:21]}…", usetex=False)
            for share in (0, 0.5, 1):
                if column == 0:
                    y = top + _SQUARE * (1 - share)
                    axes.text(left - 4, y, f"{share:g}", ha="right", va="center")
                if place + n_columns >= len(lines):
                    axes.text(left + _SQUARE * share, top + _SQUARE + 12, f"{share:g}", ha="center")
        axes.text(_LEFT, height - 4, "mean score of a bin")
        axes.text(10, height / 2, "share of positive labels", rotation=90, va="center", ha="center")

    return _svg(width, height, draw)


def _draw_calibration(
    axes: Any, left: float, top: float, scores: Floats, label_rates: Floats, low: Floats, high: Floats
) -> None:
    """Draw the points of one group in a square, and the line on which calibrated scores lie."""
    shown = np.isfinite(scores) & np.isfinite(label_rates)
    low, high = (np.where(np.isfinite(end), end, label_rates) for end in (low, high))
    x = left + _SQUARE * scores[shown]
    y, y_low, y_high = (top + _SQUARE * (1 - part[shown]) for part in (label_rates, low, high))
    edges = top + _SQUARE * np.array([0.0, 0.5, 1.0])
    axes.hlines(edges, left, left + _SQUARE, color="#808080", alpha=0.3, linewidth=0.8)
    axes.vlines(edges - top + left, top, top + _SQUARE, color="#808080", alpha=0.3, linewidth=0.8)
    axes.plot([left, left + _SQUARE], [top + _SQUARE, top], color="#808080", linewidth=1, linestyle="--")
    axes.vlines(x, y_low, y_high, color=COLOR, linewidth=1.2)
    axes.plot(x, y, color=COLOR, marker="o", markersize=3.5, linewidth=1)


def _draw_groups(
    counts: GroupCounts, n_panels: int, plot: Callable[[Sequence[Any]], Any], *, panel: float = _PANEL
) -> str:
    """Draw a display of groups in panels that share the names of the groups, without its legend."""
    n_groups = len(counts.groups)
    names = _LETTER * max(len(literal(format_group(group))) + 14 for group in counts.groups)
    width = names + n_panels * (panel + _GAP)
    height = _ABOVE + _LINE * n_groups + _BELOW

    def draw(figure: Any) -> None:
        panels: list[Any] = []
        for i in range(n_panels):
            left = names + i * (panel + _GAP)
            place = (left / width, _BELOW / height, panel / width, _LINE * n_groups / height)
            panels.append(figure.add_axes(place, sharey=panels[0] if panels else None))
        plot(panels)
        panels[-1].get_legend().remove()  # what the marks mean stands above the chart, as text
        for axes in panels:
            axes.spines["left"].set_visible(False)

    return _svg(width, height, draw)


def _svg(width: float, height: float, draw: Callable[[Any], None]) -> str:
    """Draw on a figure of that many points, and return it as SVG, whatever style the user has set."""
    import matplotlib
    from cycler import cycler
    from matplotlib.figure import Figure

    written = io.StringIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # the font is that of the page
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_LOOKS, "axes.prop_cycle": cycler(color=[COLOR])})
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        draw(figure)
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return written.getvalue()
