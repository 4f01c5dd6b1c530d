"""MonitorDisplay: rates, the disparity of two groups and the evidence over the batches of a monitor."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fairsk._core.bounds import Bound
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, list_groups
from fairsk._core.messages import list_texts, show
from fairsk._core.results import Result, Table, percent, with_interval
from fairsk._core.sections import Series
from fairsk._core.timelines import MOST_SERIES, furthest_apart, last_value, value_range, with_intervals
from fairsk._core.typing import Floats, Ints
from fairsk.plotting._batches import (
    FEW_BATCHES,
    GREY,
    draw_dots,
    draw_series,
    fill,
    finish_batches,
    group_titles,
    moving_sums,
    window_of,
    write_values,
)
from fairsk.plotting._drawing import literal, place_legend, require_matplotlib, stacked_axes, words
from fairsk.rates import Rate
from fairsk.statistics._intervals import check_confidence, rate_intervals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    from fairsk.monitoring import FairnessMonitor

__all__ = ["MonitorDisplay"]

Pair = tuple[Hashable, Hashable]

#: How many batches are printed; :meth:`MonitorDisplay.frame` has all of them.
_MOST_PRINTED = 20
#: Evidence below the one is not told apart: there is none. The axis ends at the other times what alarms, or
#: else nobody would see where an alarm began; the legend says the last value.
_LEAST_EVIDENCE, _MOST_EVIDENCE = math.log(1e-3), math.log(1e9)
#: Limits of a ratio or of its confidence sequence are drawn no further out than this many times the axis.
_FAR = 10.0
#: This part of the single batches may lie beyond the axes, at each end.
_BEYOND = 0.03
#: The color, the dashes and the mark of both kinds of evidence; no color is that of text.
_KINDS: Mapping[str, tuple[str, Any, str]] = {"test": ("", "-", "v"), "change": ("0.45", (0, (5, 1.5)), "D")}
#: Inches of each panel, and of the axes from left to right with their labels.
_PANELS, _WIDTH = {"rates": 2.6, "disparity": 1.9, "evidence": 1.9}, 7.0
#: How many letters of two names make a line of a legend.
_LINE = 32
#: What is added to the title of a column of values for those of its interval.
_ENDS = ("", "_low", "_high")


class MonitorDisplay(Result):
    """Rates of groups, the disparity of two of them, and the evidence, one above the other over the batches.

    The first panel has the rate of each group over a moving window of batches, with its interval, and single
    batches as faint dots; a dashed line is how low a rate may be beside the higher one of the two groups that
    are compared. The second has the confidence sequence of these two groups: all limits up to any batch hold
    together, and what lies within the tolerance is shaded. The third has the evidence of the test and of the
    change detector on a logarithmic axis, with the lines at which they alarm. Vertical lines mark the batches
    of alarms. Make it with :meth:`from_monitor`.

    Parameters
    ----------
    monitor : FairnessMonitor
        What is drawn, as it is now: later batches do not change the display.
    rate : str or Rate, optional
        Which of the monitor's rates; by default the first.
    pair : tuple of two groups, optional
        Whose disparity the second panel shows, the first over (or minus) the second; by default that of the
        two groups whose rates lie furthest apart, the lower over the higher. If the monitor has a reference,
        one of them is that.
    window : int, optional
        Over how many batches rates are drawn; by default a thirteenth of them, as four weeks of a year. As
        many as there are make a cumulated rate.
    confidence : float in (0, 1), optional
        The confidence of the intervals and of the confidence sequence; by default ``1 - alpha``.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the rates.
    axes_ : dict of str to matplotlib Axes
        The axes of ``"rates"``, ``"disparity"`` and ``"evidence"``.
    figure_ : matplotlib Figure
        Their figure.
    rate_lines_, dots_ : dict of group to matplotlib Line2D
        The rates of groups that have lines of their own, over the window and of single batches.
    interval_bands_ : dict of group to matplotlib PolyCollection
        The intervals that are drawn: those of a few lines, or of the outermost two of many.
    others_ : matplotlib PolyCollection or None
        From where to where the rates of all other groups go.
    limit_lines_ : list of matplotlib Line2D
        How low, and with a reference also how high, a rate may be beside that of the second of the pair.
    sequence_line_, sequence_band_ : matplotlib Line2D, PolyCollection or None
        The estimate and the confidence sequence of the pair; None if there are not two groups.
    tolerance_ : matplotlib Patch or None
        What lies within the tolerance.
    evidence_lines_, alarm_lines_ : dict of str to matplotlib Line2D
        The evidence of ``"test"`` and ``"change"``, in natural logarithms, and where they alarm.
    alarm_marks_ : dict of str to matplotlib Line2D
        The mark on the evidence at the batch of each alarm.
    since_mark_ : matplotlib Line2D or None
        The mark at the batch from which the evidence of the first alarm has grown.

    Raises
    ------
    ValueError
        If the monitor has no batches, the rate or a group of the pair is none of its own, or the window is no
        whole number from 1.

    See Also
    --------
    fairsk.monitoring.FairnessMonitor : What is drawn.
    ScoreTimelineDisplay : Scores over time, which are not tested.
    GroupMetricDisplay : The rates of one batch.

    Notes
    -----
    The display is a table too: it prints some of the batches, and :meth:`frame` returns all of them.

    The intervals of the rates (Wilson's) hold for each group and batch by itself, and the line of the change
    detector is one of waiting times. Only the test and the confidence sequence may be looked at after every
    batch.

    Of more than six groups, those at both ends have lines, and the others make up one grey area.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.monitoring import FairnessMonitor
    >>> from fairsk.plotting import MonitorDisplay
    >>> monitor = FairnessMonitor("demographic_parity", min_ratio=0.8)
    >>> for day in range(1, 5):
    ...     cells = {"tp": [25, 10], "fp": [25, 10], "fn": [25, 40], "tn": [25, 40]}
    ...     step = monitor.update(GroupCounts(["a", "b"], cells), batch=f"2026-01-0{day}")
    >>> display = MonitorDisplay.from_monitor(monitor)
    >>> list(display.axes_)
    ['rates', 'disparity', 'evidence']
    >>> display.pair
    ('b', 'a')
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    axes_: dict[str, Axes]
    figure_: Figure
    rate_lines_: dict[Hashable, Line2D]
    dots_: dict[Hashable, Line2D]
    interval_bands_: dict[Hashable, PolyCollection]
    others_: PolyCollection | None
    limit_lines_: list[Line2D]
    sequence_line_: Line2D | None
    sequence_band_: PolyCollection | None
    tolerance_: Patch | None
    evidence_lines_: dict[str, Line2D]
    alarm_lines_: dict[str, Line2D]
    alarm_marks_: dict[str, Line2D]
    since_mark_: Line2D | None

    #: The name of the monitor, its batches, its groups and those that have lines of their own.
    name: str
    batches: tuple[str, ...]
    groups: tuple[Hashable, ...]
    named: tuple[Hashable, ...]
    #: The rate drawn, over how many batches, the confidence, and the tolerance with its reference.
    rate: Rate
    window: int
    confidence: float
    bound: Bound
    reference: Hashable
    #: The groups compared, and their disparity: after each batch an estimate and its confidence sequence.
    pair: Pair | None
    estimate: Floats
    low: Floats
    high: Floats
    #: Rates over the window, with the intervals of the named groups, and of single batches; all of shape
    #: (n_batches, n_groups).
    rates: Floats
    rate_low: Floats
    rate_high: Floats
    batch_rates: Floats
    #: The evidence after each batch and the lines at which it alarms, as natural logarithms, under "test" and
    #: "change"; the batches of the alarms, and the one from which the evidence of the first has grown.
    log_evidence: dict[str, Floats]
    log_lines: dict[str, float]
    alarms: dict[str, str | None]
    since: str | None
    #: How many rates the evidence is of, and whether rates are those of several strata together.
    n_rates: int
    has_strata: bool

    def __init__(
        self,
        monitor: FairnessMonitor,
        *,
        rate: str | Rate | None = None,
        pair: Pair | None = None,
        window: int | None = None,
        confidence: float | None = None,
    ) -> None:
        if not hasattr(monitor, "log_change_line"):
            raise TypeError(f"{type(self).__name__} draws a FairnessMonitor; got {show(monitor)}.")
        if not monitor.batches:
            raise ValueError("The monitor has no batches yet: count one with update().")
        self.name, self.batches, self.groups = monitor.name, tuple(monitor.batches), tuple(monitor.groups)
        self.rate = _rate_of(monitor, rate)
        self.n_rates, self.has_strata = len(monitor.rates), monitor.strata is not None
        self.bound, self.reference = monitor.bound, monitor.reference
        self.window = window_of(window, len(self.batches))
        self.confidence = 1 - monitor.alpha if confidence is None else confidence
        check_confidence(self.confidence)
        part, size = monitor.shares(self.rate)
        self.pair = _pair_of(monitor, pair, part.sum(axis=0), size.sum(axis=0))
        self.batch_rates = _shares(part, size)
        self._count_rates(part, size)
        self.estimate, self.low, self.high = np.full((3, len(self.batches)), np.nan)
        if self.pair is not None:
            sequence = monitor.confidence_sequence(*self.pair, rate=self.rate, confidence=self.confidence)
            self.estimate, self.low, self.high = (
                np.asarray(values, dtype=float) for values in (sequence.estimate, sequence.low, sequence.high)
            )
        steps = monitor.steps
        self.log_evidence = {
            "test": np.array([step.log_e_value for step in steps], dtype=float),
            "change": np.array([step.log_change_value for step in steps], dtype=float),
        }
        self.log_lines = {"test": monitor.log_alarm_line, "change": monitor.log_change_line}
        self.alarms = {"test": monitor.alarm, "change": monitor.change}
        self.since = monitor.since

    def _count_rates(self, part: Ints, size: Ints) -> None:
        """Count the rates over the window, and find out which groups have lines and intervals."""
        parts, sizes = moving_sums(part, self.window), moving_sums(size, self.window)
        self.rates = _shares(parts, sizes)
        last = {group: Series(self.rates[:, j]) for j, group in enumerate(self.groups)}
        if len(self.groups) > MOST_SERIES:  # then the ends of intervals say which lie furthest apart
            ends = _last_measured(parts, sizes)
            low, high = _intervals(*ends, self.confidence)
            last = {
                group: Series(_shares(*(end[:, [j]] for end in ends))[:, 0], low[:, j], high[:, j])
                for j, group in enumerate(self.groups)
            }
        pair = self.pair or ()
        room = MOST_SERIES if len(self.groups) <= MOST_SERIES else MOST_SERIES - len(pair)
        furthest = {*furthest_apart(last, room), *pair}
        self.named = tuple(group for group in self.groups if group in furthest)
        places = [self.groups.index(group) for group in self.named]
        self.rate_low, self.rate_high = np.full((2, *self.rates.shape), np.nan)
        self.rate_low[:, places], self.rate_high[:, places] = _intervals(
            parts[:, places], sizes[:, places], self.confidence
        )

    @classmethod
    def from_monitor(
        cls,
        monitor: FairnessMonitor,
        *,
        rate: str | Rate | None = None,
        pair: Pair | None = None,
        window: int | None = None,
        confidence: float | None = None,
        ax: Iterable[Axes] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw a monitor as it is now.

        Parameters
        ----------
        monitor : FairnessMonitor
            The monitor; it is not changed.
        rate : str or Rate, optional
            Which of its rates; by default the first.
        pair : tuple of two groups, optional
            Whose disparity the second panel shows; by default that of the two groups furthest apart.
        window : int, optional
            Over how many batches rates are drawn; by default a thirteenth of them.
        confidence : float in (0, 1), optional
            The confidence of the intervals and of the confidence sequence; by default ``1 - alpha``.
        ax : sequence of three matplotlib Axes, optional
            As in :meth:`plot`.
        **kwargs
            As in :meth:`plot`.

        Returns
        -------
        MonitorDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        TypeError
            If it is no FairnessMonitor.
        ValueError
            If the monitor has no batches, the rate or a group of the pair is none of its own, or the window
            is no whole number from 1.
        """
        require_matplotlib(cls.__name__)
        display = cls(monitor, rate=rate, pair=pair, window=window, confidence=confidence)
        return display.plot(ax, **kwargs)

    def plot(self, ax: Iterable[Axes] | None = None, **kwargs: Any) -> Self:
        """Draw the monitor.

        Parameters
        ----------
        ax : sequence of three matplotlib Axes, optional
            Where to draw rates, disparity and evidence; by default in a new figure. The legends stand beside
            the axes if the figure makes room for them, as one with ``layout="constrained"`` does.
        **kwargs
            For matplotlib's ``plot``, for the lines of the groups.

        Returns
        -------
        MonitorDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If there are not as many axes as panels.
        """
        require_matplotlib(type(self).__name__)
        panels = stacked_axes(ax, list(_PANELS), heights=list(_PANELS.values()), width=_WIDTH)
        self.axes_ = dict(zip(_PANELS, panels, strict=True))
        entries = self._draw_rates(panels[0], kwargs)
        self._draw_disparity(panels[1])
        self._draw_evidence(panels[2])
        self._mark_alarms(panels[2])
        for axes in panels:
            if axes.get_legend_handles_labels()[0]:
                place_legend(axes, grow=False, extra=entries if axes is panels[0] else ())
        if self.name:
            panels[0].set_title(literal(self.name), loc="left", fontsize="medium", usetex=False)
        for axes in panels if ax is not None else panels[-1:]:
            axes.set_xlabel("Batch")
        finish_batches(panels, self.batches, grow=ax is None)
        self.ax_, self.figure_ = panels[0], panels[0].figure
        return self

    def _draw_rates(self, axes: Any, style: Mapping[str, Any]) -> list[Any]:
        """Draw the rates of the groups and how low one may be; return further entries of the legend."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        series = {
            group: Series(self.rates[:, j], self.rate_low[:, j], self.rate_high[:, j])
            for j, group in enumerate(self.groups)
        }
        shaded = with_intervals(series, self.named)
        drawn = draw_series(axes, series, {group: i for i, group in enumerate(self.named)}, shaded, style)
        self.rate_lines_, self.interval_bands_, self.others_ = drawn.lines, drawn.bands, drawn.others
        singles = {group: self.batch_rates[:, self.groups.index(group)] for group in self.named}
        self.dots_ = {}
        if self.window > 1:  # else they are the lines
            for group, values in singles.items():
                self.dots_[group] = draw_dots(axes, values, drawn.lines[group].get_color())
        limits, label = self._limits()
        self.limit_lines_ = []
        for values in limits:
            look = {"color": GREY, "linestyle": (0, (4, 3)), "linewidth": 1.1, "zorder": 1.5}
            self.limit_lines_ += axes.plot(
                values, **look, marker="_" if len(values) == 1 else None, label=label
            )
            label = f"_{label}"
        settled = [edge for values in (*limits, *singles.values()) for edge in _most_of(values)]
        write_values(axes, *_range(series, shaded, settled))
        over = "of a batch" if self.window == 1 else f"over {self.window:,} batches"
        strata = ",\nall strata together" if self.has_strata else ""
        axes.set_ylabel(f"{words(self.rate.name)}\n{over}{strata}", usetex=False)
        whose = "" if len(shaded) == len(self.named) else " of the outermost"
        name = f"{percent(self.confidence)} interval{whose}"
        entries: list[Any] = [Patch(facecolor=GREY, alpha=0.3, label=name)]
        if self.dots_:
            bottom, top = axes.get_ylim()
            beyond = any(((values < bottom) | (values > top)).any() for values in singles.values())
            name = "single batches, some beyond" if beyond else "single batches"
            dot: dict[str, Any] = {
                "color": GREY,
                "marker": "o",
                "markersize": 3,
                "linestyle": "none",
                "label": name,
            }
            entries.append(Line2D([], [], **dot))
        return entries

    def _limits(self) -> tuple[list[Floats], str]:
        """Return how low, and how high, rates may be beside that of one group of the pair, and its name."""
        if self.pair is None:
            return [], ""
        totals = dict(zip(self.pair, self._last_rates(), strict=True))
        base = self.reference if self.reference in totals else max(totals, key=lambda group: totals[group])
        values, name = self.rates[:, self.groups.index(base)], literal(format_group(base))
        sign = "×" if self.bound.comparison == "ratio" else "-"  # noqa: RUF001
        label = f"{name} {sign} {self.bound.value:g}"
        if self.reference is None:
            return [self.bound.lower(values)], label
        label += f", {name} {'+' if sign == '-' else '/'} {self.bound.value:g}"
        return [self.bound.lower(values), self.bound.upper(values)], label

    def _last_rates(self) -> list[float]:
        places = [self.groups.index(group) for group in self.pair or ()]
        return [float(np.nan_to_num(last_value(self.rates[:, j]), nan=-1.0)) for j in places]

    def _draw_disparity(self, axes: Any) -> None:
        """Draw the confidence sequence of the pair, and shade the tolerance."""
        self.sequence_line_ = self.sequence_band_ = self.tolerance_ = None
        is_ratio = self.bound.comparison == "ratio"
        axes.set_ylabel(f"{words(self.bound.comparison)}\nso far", usetex=False)
        if self.pair is None or not np.isfinite(self.estimate).any():
            reason = "one group: nothing to compare" if self.pair is None else "not measurable"
            middle = {"ha": "center", "va": "center", "fontstyle": "italic"}
            axes.text(0.5, 0.5, reason, transform=axes.transAxes, **middle)
            axes.set_yticks([])
            return
        group, other = (literal(format_group(group)) for group in self.pair)
        transform = np.log if is_ratio else np.asarray
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = Series(*(transform(part) for part in (self.estimate, self.low, self.high)))
            span = _range({None: drawn}, [None], [float(transform(end)) for end in self._tolerance])
        write_values(axes, *span, ratio=is_ratio)
        bottom, top = axes.get_ylim()
        # A logarithmic axis has no 0 and no infinity: what lies there is drawn beyond its ends.
        ends = (bottom / _FAR, top * _FAR) if is_ratio else (bottom - _FAR, top + _FAR)
        low, estimate, high = (np.clip(part, *ends) for part in (self.low, self.estimate, self.high))
        name = f"{percent(self.confidence)} confidence sequence"
        gone = np.flatnonzero(np.isnan(self.low))
        if len(gone):
            name += f"\n(none from {literal(self.batches[gone[0]])} on:\nno one {self.bound.comparison} fits)"
        self.sequence_band_ = fill(axes, low, high, color="C0", alpha=0.25, label=name)
        marker = "o" if len(self.batches) <= FEW_BATCHES else None
        gap = " " if len(group + other) <= _LINE else "\n"
        (self.sequence_line_,) = axes.plot(
            estimate,
            color="C0",
            linewidth=1.6,
            marker=marker,
            markersize=3.5,
            label=f"{group}{gap}{'/' if is_ratio else '-'} {other}",
        )
        label = f"tolerance ({self._tolerance[0]:.3g} to {self._tolerance[1]:.3g})"
        self.tolerance_ = axes.axhspan(
            *self._tolerance, facecolor=GREY, edgecolor="none", alpha=0.18, zorder=0.5, label=label
        )

    @property
    def _tolerance(self) -> tuple[float, float]:
        """From where to where the disparity of two groups is tolerated."""
        value = self.bound.value
        return (value, 1 / value) if self.bound.comparison == "ratio" else (-value, value)

    def _draw_evidence(self, axes: Any) -> None:
        """Draw both kinds of evidence, and where they alarm."""
        self.evidence_lines_, self.alarm_lines_ = {}, {}
        shown = {kind: np.maximum(values, _LEAST_EVIDENCE) for kind, values in self.log_evidence.items()}
        look: dict[str, Any] = {"linewidth": 1.6, "markersize": 3.5}
        look["marker"] = "o" if len(self.batches) <= FEW_BATCHES else None
        for kind, (color, dashes, _) in _KINDS.items():
            label = f"{kind}: {_e_value(self.log_evidence[kind][-1])} now"
            color = color or axes.xaxis.label.get_color()
            (self.evidence_lines_[kind],) = axes.plot(
                shown[kind], color=color, linestyle=dashes, label=label, **look
            )
            label = f"{kind} alarms at {math.exp(self.log_lines[kind]):,.4g}"
            self.alarm_lines_[kind] = axes.axhline(
                self.log_lines[kind], color=color, linestyle=dashes, linewidth=0.9, zorder=1.5, label=label
            )
        lines = list(self.log_lines.values())
        series = {kind: Series(np.minimum(each, max(lines) + _MOST_EVIDENCE)) for kind, each in shown.items()}
        write_values(axes, *_range(series, [], lines, log=True), log=True)
        of_all = f"\nof {self.n_rates} rates" if self.n_rates > 1 else ""
        axes.set_ylabel(f"Evidence{of_all}\n(e-value)")

    def _mark_alarms(self, axes: Any) -> None:
        """Mark the batches of the alarms in all panels, and on the evidence where it began to grow."""
        self.alarm_marks_, self.since_mark_ = {}, None

        def mark(kind: str, batch: str, label: str, **look: Any) -> Any:
            place, line = self.batches.index(batch), self.evidence_lines_[kind]
            height = np.asarray(line.get_ydata())[place]
            look |= {"color": line.get_color(), "linestyle": "none", "zorder": 4}
            return axes.plot([place], [height], label=f"{label}: {literal(batch)}", **look)[0]

        for kind, (_, dashes, marker) in _KINDS.items():
            batch = self.alarms[kind]
            if batch is None:
                continue
            self.alarm_marks_[kind] = mark(kind, batch, f"{kind} alarm", marker=marker, markersize=7)
            look = {"color": self.evidence_lines_[kind].get_color(), "linestyle": dashes, "linewidth": 0.9}
            for panel in self.axes_.values():
                panel.axvline(self.batches.index(batch), zorder=1.2, label=f"_{kind} alarm", **look)
        if self.since is not None:
            label, look = "evidence grows since", {"marker": ">", "markersize": 6, "fillstyle": "none"}
            places = {
                kind: self.batches.index(batch) for kind, batch in self.alarms.items() if batch is not None
            }
            self.since_mark_ = mark(min(places, key=lambda kind: places[kind]), self.since, label, **look)

    def _tables(self) -> list[Table]:
        n_batches = len(self.batches)
        step = -(-n_batches // _MOST_PRINTED)
        marked = [self.batches.index(batch) for batch in self.alarms.values() if batch is not None]
        printed = np.unique([*range(n_batches - 1, -1, -step), *marked]).tolist()
        columns: dict[str, list[Any]] = {"batch": list(self.batches)}
        shown: dict[str, list[str]] = {"batch": [self.batches[i] for i in printed]}
        places = {group: self.groups.index(group) for group in self.named}
        for group, name in group_titles(self.named).items():
            j = places[group]
            parts = (self.rates[:, j], self.rate_low[:, j], self.rate_high[:, j])
            columns |= {f"{name}{end}": part.tolist() for end, part in zip(_ENDS, parts, strict=True)}
            shown[name] = [with_interval(*row) for row in _rows(parts, printed)]
        if self.pair is not None:
            parts = (self.estimate, self.low, self.high)
            name = self.bound.comparison
            columns |= {f"{name}{end}": part.tolist() for end, part in zip(_ENDS, parts, strict=True)}
            shown[name] = [with_interval(*row) for row in _rows(parts, printed)]
        for kind, values in self.log_evidence.items():
            columns[f"log_{kind}"] = values.tolist()
            shown[kind] = [_e_value(values[i]) + self._mark(kind, i) for i in printed]
        return [Table(columns, shown, notes=self._notes(len(printed)))]

    def _mark(self, kind: str, place: int) -> str:
        batch = self.alarms[kind]
        return "*" if batch == self.batches[place] else "" if batch is None else " "

    def _notes(self, n_printed: int) -> list[str]:
        over = "of each batch" if self.window == 1 else f"over {self.window:,} batches"
        notes = [f"{self.rate.name} {over}, {percent(self.confidence)} intervals"]
        if self.pair is not None:
            sign = "/" if self.bound.comparison == "ratio" else "-"
            group, other = map(format_group, self.pair)
            notes.append(
                f"{self.bound.comparison}: {group} {sign} {other}, so far, with its confidence sequence"
            )
        lines = ", ".join(f"{kind} {math.exp(line):,.4g}" for kind, line in self.log_lines.items())
        notes.append(f"evidence as e-values; alarms at: {lines}")
        if any(self.alarms.values()):
            notes.append("* alarm")
        if len(self.named) < len(self.groups):
            notes.append(f"{len(self.named)} of {len(self.groups):,} groups")
        if n_printed < len(self.batches):
            notes.append(f"{n_printed} of {len(self.batches):,} batches; frame() has all")
        return notes


def _rate_of(monitor: Any, rate: str | Rate | None) -> Rate:
    """Return one of the rates of a monitor."""
    for own in monitor.rates:
        if rate is None or rate in (own, own.name):
            return own
    raise ValueError(
        f"The monitor has no rate {show(getattr(rate, 'name', rate))}; its rates are: "
        f"{list_texts(own.name for own in monitor.rates)}."
    )


def _pair_of(monitor: Any, pair: Any, part: Ints, size: Ints) -> Pair | None:
    """Return the two groups that are compared: by default those furthest apart, the lower one first."""
    groups = monitor.groups
    if pair is not None:
        chosen = tuple(pair) if isinstance(pair, list | tuple) else (pair,)
        if len(chosen) != 2 or chosen[0] == chosen[1] or any(group not in groups for group in chosen):
            raise ValueError(
                f"pair must be two groups of the monitor; got {show(pair)}. Its groups are: "
                f"{list_groups(groups)}."
            )
        if monitor.reference is not None and monitor.reference not in chosen:
            raise ValueError(
                f"The monitor compares groups with {show(format_group(monitor.reference))} only: name it as "
                "one of the pair."
            )
        return chosen[0], chosen[1]
    rates = _shares(part[None], size[None])[0]
    measured = np.flatnonzero(np.isfinite(rates))
    if len(measured) < 2:
        return None
    if monitor.reference is None:
        return groups[measured[np.argmin(rates[measured])]], groups[measured[np.argmax(rates[measured])]]
    reference = groups.index(monitor.reference)
    if reference not in measured:
        return None
    others = measured[measured != reference]
    low, high = np.minimum(rates[others], rates[reference]), np.maximum(rates[others], rates[reference])
    other = others[np.argmax(monitor.bound.disparity(low, high))]
    lower, higher = sorted((reference, other), key=lambda place: rates[place])
    return groups[lower], groups[higher]


def _shares(part: Ints, size: Ints) -> Floats:
    return np.divide(part, size, out=np.full(part.shape, np.nan), where=size > 0)


def _last_measured(part: Ints, size: Ints) -> tuple[Ints, Ints]:
    """Return the last counts of each group that hold anything, as one batch."""
    last = len(size) - 1 - np.argmax(size[::-1] > 0, axis=0)
    columns = np.arange(size.shape[1])
    return part[last, columns][None], size[last, columns][None]


def _intervals(part: Ints, size: Ints, confidence: float) -> tuple[Floats, Floats]:
    """Return Wilson's intervals of shares, shaped like their counts."""
    nothing = np.zeros(part.size)
    cells = {"tp": part.ravel(), "fp": nothing, "fn": (size - part).ravel(), "tn": nothing}
    low, high = rate_intervals(GroupCounts(range(part.size), cells), "selection_rate", confidence)
    return low.reshape(part.shape), high.reshape(part.shape)


def _most_of(values: Floats) -> list[float]:
    """Return the ends of what has to lie on the axes: values without the outermost few."""
    measured = values[np.isfinite(values)]
    return np.quantile(measured, [_BEYOND, 1 - _BEYOND]).tolist() if len(measured) else []


def _range(series: Any, shaded: Any, levels: Sequence[float], *, log: bool = False) -> tuple[float, float]:
    """Return the ends of an axis; those of shares if nothing was measured."""
    try:
        return value_range(series, shaded, levels, log=log)
    except ValueError:
        return 0.0, 1.0


def _rows(parts: Sequence[Floats], places: Sequence[int]) -> Iterator[tuple[float, float, float]]:
    """Yield a value and the ends of its interval at each place."""
    for i in places:
        value, low, high = (float(part[i]) for part in parts)
        yield value, low, high


def _e_value(log: float) -> str:
    """Write an e-value: three digits, and powers of ten where it is large."""
    if log < math.log(0.0005):
        return "<0.001"
    if log > math.log(99_999):
        power = log / math.log(10)
        return f"{10 ** (power % 1):.1f}e+{math.floor(power)}"
    return f"{math.exp(log):,.0f}" if log > math.log(100) else f"{math.exp(log):.2f}"
