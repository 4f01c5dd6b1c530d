"""ScoreTimelineDisplay: what was measured of the scores of groups, batch by batch."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fairsk._core.messages import list_texts, show
from fairsk._core.results import Result, Table, number
from fairsk._core.sections import Series
from fairsk._core.timelines import MOST_SERIES, furthest_apart, value_range
from fairsk._core.typing import Floats
from fairsk.plotting._batches import (
    draw_dots,
    draw_series,
    finish_batches,
    group_titles,
    moving_sums,
    window_of,
    write_values,
)
from fairsk.plotting._drawing import place_legend, require_matplotlib, stacked_axes, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from fairsk.monitoring import FairnessMonitor

__all__ = ["ScoreTimelineDisplay"]

#: Inches of each panel, and of the axes from left to right with their labels.
_PANEL, _WIDTH = 1.9, 7.0
#: How many batches are printed; :meth:`ScoreTimelineDisplay.frame` has all of them.
_MOST_PRINTED = 20
#: Measures whose names begin with letters of their own.
_NAMES = {"auc": "AUC"}


class ScoreTimelineDisplay(Result):
    """Measures of the scores of groups over batches, a panel for each: shown, and not tested.

    Lines are means over a moving window of batches, and single batches are faint dots. That a line leaves
    its old course may be chance: no probability of a false alarm belongs to it. Make it with
    :meth:`from_monitor`.

    Parameters
    ----------
    batches : sequence of str
        The batches, in their order.
    groups : sequence of hashable
        The groups.
    measures : mapping of str to array of shape (n_batches, n_groups)
        What was measured, NaN where it was not.
    window : int, optional
        Over how many batches means are drawn, every batch with the same weight; by default a thirteenth of
        them, as four weeks of a year. 1 draws the batches themselves.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the first measure.
    axes_ : dict of str to matplotlib Axes
        The axes of each measure.
    figure_ : matplotlib Figure
        Their figure.
    lines_ : dict of str to dict of group to matplotlib Line2D
        For each measure, the lines of groups that have their own.
    dots_ : dict of str to dict of group to matplotlib Line2D
        Their single batches, unless these are the lines.
    others_ : dict of str to matplotlib PolyCollection or None
        For each measure, from where to where the other groups go.

    Raises
    ------
    ValueError
        If there are no measures, one has another shape, or the window is no whole number from 1.

    See Also
    --------
    MonitorDisplay : Rates, which are tested.
    fairsk.metrics.score_metrics : The same measures of one table of rows.

    Notes
    -----
    Of more than six groups, those at both ends of the first measure have lines, and the others make up a grey
    area.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from fairsk.plotting import ScoreTimelineDisplay
    >>> display = ScoreTimelineDisplay(
    ...     ["2026-01", "2026-02"], ["a", "b"], {"mean_score": [[0.5, 0.4], [0.5, 0.3]]}
    ... ).plot()
    >>> display.ax_.get_ylabel()
    'Mean score'
    >>> print(display)
    mean_score
    batch        a      b
    ---------------------
    2026-01  0.500  0.400
    2026-02  0.500  0.300
    shown, and not tested
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    axes_: dict[str, Axes]
    figure_: Figure
    lines_: dict[str, dict[Hashable, Line2D]]
    dots_: dict[str, dict[Hashable, Line2D]]
    others_: dict[str, PolyCollection | None]

    #: The batches, the groups, those that have lines of their own, and what was measured of all groups.
    batches: tuple[str, ...]
    groups: tuple[Hashable, ...]
    named: tuple[Hashable, ...]
    measures: dict[str, Floats]
    #: Over how many batches means are drawn.
    window: int

    def __init__(
        self,
        batches: Iterable[str],
        groups: Iterable[Hashable],
        measures: Mapping[str, Any],
        *,
        window: int | None = None,
    ) -> None:
        self.batches, self.groups = tuple(batches), tuple(groups)
        self.measures = {name: np.asarray(values, dtype=float) for name, values in measures.items()}
        if not self.measures:
            raise ValueError("There are no measures of scores to draw.")
        shape = len(self.batches), len(self.groups)
        for name, values in self.measures.items():
            if values.shape != shape or not values.size:
                raise ValueError(
                    f"{show(name)} must have a number per batch and group, shape {shape}; got {values.shape}."
                )
        self.window = window_of(window, len(self.batches))
        first = self._series(next(iter(self.measures)))
        self.named = tuple(furthest_apart(first, MOST_SERIES))

    def _series(self, name: str) -> dict[Hashable, Series]:
        """Return the means over the window of a measure."""
        values = self.measures[name]
        measured = np.isfinite(values)
        sums, sizes = (
            moving_sums(part, self.window) for part in (np.where(measured, values, 0.0), measured.astype(int))
        )
        means = np.divide(sums, sizes, out=np.full(values.shape, np.nan), where=sizes > 0)
        means = values if self.window == 1 else means
        return {group: Series(means[:, j]) for j, group in enumerate(self.groups)}

    @classmethod
    def from_monitor(
        cls,
        monitor: FairnessMonitor,
        *,
        measures: Iterable[str] | None = None,
        window: int | None = None,
        ax: Axes | Iterable[Axes] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw what a monitor was told of scores.

        Parameters
        ----------
        monitor : FairnessMonitor
            A monitor whose batches came with histograms of scores.
        measures : iterable of str, optional
            Which measures; by default all.
        window : int, optional
            Over how many batches means are drawn; by default a thirteenth of them.
        ax : matplotlib Axes or, for several measures, a sequence of as many, optional
            As in :meth:`plot`.
        **kwargs
            As in :meth:`plot`.

        Returns
        -------
        ScoreTimelineDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If no batch came with histograms, or there is no such measure.
        """
        require_matplotlib(cls.__name__)
        scores = monitor.scores
        if scores is None:
            raise ValueError(
                "The monitor was told nothing of scores: give update() histograms= of each batch, or "
                "update_predictions() y_score=."
            )
        names = list(scores.measures) if measures is None else list(measures)
        for name in names:
            if name not in scores.measures:
                raise ValueError(f"{show(name)} was not measured; there are: {list_texts(scores.measures)}.")
        chosen = {name: scores.measures[name] for name in names}
        return cls(scores.batches, scores.groups, chosen, window=window).plot(ax, **kwargs)

    def plot(self, ax: Axes | Iterable[Axes] | None = None, **kwargs: Any) -> Self:
        """Draw the measures.

        Parameters
        ----------
        ax : matplotlib Axes or, for several measures, a sequence of as many, optional
            Where to draw; by default in a new figure.
        **kwargs
            For matplotlib's ``plot``, for all lines.

        Returns
        -------
        ScoreTimelineDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If there are not as many axes as measures.
        """
        require_matplotlib(type(self).__name__)
        names = list(self.measures)
        panels = stacked_axes(ax, names, [_PANEL] * len(names), width=_WIDTH)
        self.axes_ = dict(zip(names, panels, strict=True))
        self.lines_, self.dots_, self.others_ = {}, {}, {}
        looks = {group: place for place, group in enumerate(self.named)}
        for name, axes in zip(names, panels, strict=True):
            series = self._series(name)
            drawn = draw_series(axes, series, looks, [], kwargs)
            self.lines_[name], self.others_[name] = drawn.lines, drawn.others
            self.dots_[name] = {
                group: draw_dots(axes, self.measures[name][:, self.groups.index(group)], line.get_color())
                for group, line in drawn.lines.items()
                if self.window > 1
            }
            if np.isfinite(self.measures[name]).any():
                write_values(axes, *value_range(series, [], []))
            over = f"\nmean of {self.window:,} batches" if self.window > 1 else ""
            axes.set_ylabel(_NAMES.get(name, words(name)) + over, usetex=False)
            place_legend(axes, grow=False)
        for axes in panels if ax is not None else panels[-1:]:
            axes.set_xlabel("Batch")
        finish_batches(panels, self.batches, grow=ax is None)
        self.ax_, self.figure_ = panels[0], panels[0].figure
        return self

    def _tables(self) -> list[Table]:
        n_batches = len(self.batches)
        step = -(-n_batches // _MOST_PRINTED)
        printed = range(n_batches - 1, -1, -step)[::-1]
        columns: dict[str, list[Any]] = {"batch": list(self.batches)}
        shown = {name: {"batch": [self.batches[i] for i in printed]} for name in self.measures}
        titles = group_titles(self.groups)
        for name, values in self.measures.items():
            for j, (group, title) in enumerate(titles.items()):
                columns[f"{name} of {title}"] = values[:, j].tolist()
                if group in self.named:
                    shown[name][title] = [number(float(values[i, j])) for i in printed]
        notes = ["shown, and not tested"]
        if len(self.named) < len(self.groups):
            notes.append(f"{len(self.named)} of {len(self.groups):,} groups; frame() has all")
        if len(printed) < n_batches:
            notes.append(f"{len(printed)} of {n_batches:,} batches; frame() has all")
        *others, last = self.measures
        tables = [Table(columns, shown[name], caption=name) for name in others]
        return [*tables, Table(columns, shown[last], caption=last, notes=notes)]
