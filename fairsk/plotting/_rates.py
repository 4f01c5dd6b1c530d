"""GroupMetricDisplay: the rate of every group with its interval."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np

from fairsk._core.amount_sums import GroupAmounts
from fairsk._core.counts import GroupCounts
from fairsk._core.results import Table
from fairsk._core.typing import Ints
from fairsk._core.validation import check_choice
from fairsk.metrics._decisions.table import GroupMetrics
from fairsk.plotting._dots import (
    draw_dot,
    finish,
    group_axes,
    label_groups,
    mark_not_measurable,
    warn_not_measurable,
)
from fairsk.plotting._drawing import require_matplotlib, words
from fairsk.plotting._group_display import GroupDisplay
from fairsk.plotting._panels import PanelRates, Strata
from fairsk.rates import MeanRate, Rate
from fairsk.statistics._proportions import refuse_strata

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["GroupMetricDisplay"]

Order: TypeAlias = Literal["rate", "label"]
Rates: TypeAlias = str | Rate | MeanRate | Iterable[str | Rate | MeanRate] | None


class GroupMetricDisplay(GroupDisplay):
    """A dot for the rate of every group, a bar for its interval, and a line for all rows together.

    Bars that overlap widely say that the rows cannot tell the groups apart; a group measured on few rows is
    grey and has another marker, and one that cannot be measured has a line that says so. Several rates are
    drawn side by side, and so are several classes, each against the rest, and means of amounts. Make it with
    :meth:`from_counts`, :meth:`from_predictions` or :meth:`from_estimator`.

    Parameters
    ----------
    metrics : GroupMetrics or PanelRates
        The table to draw; of a :class:`GroupMetrics` one without strata.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on, those of the first rate.
    axes_ : dict of str to matplotlib Axes
        The axes of each rate.
    figure_ : matplotlib Figure
        Their figure.
    points_ : dict of str to dict of group to matplotlib ErrorbarContainer
        For each rate, the dot and bar of each group that can be measured.
    overall_lines_ : dict of str to matplotlib Line2D
        The line of each rate over all rows, if that can be measured.

    Raises
    ------
    ValueError
        If the table has strata, or no rates.

    See Also
    --------
    DisparityDisplay : How many times the rate of a reference group each group has.

    Notes
    -----
    The display is a table too: it prints the numbers drawn, and :meth:`frame` returns them.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.plotting import GroupMetricDisplay
    >>> counts = GroupCounts(["a", "b"], {"tp": [40, 20], "fp": [10, 20], "fn": [10, 30], "tn": [40, 30]})
    >>> display = GroupMetricDisplay.from_counts(counts, "selection_rate")
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['a  (n = 100)', 'b  (n = 100)']
    >>> print(display)
    group      n        selection_rate
    ----------------------------------
    a        100  0.500 [0.404, 0.596]
    b        100  0.400 [0.309, 0.498]
    overall  200  0.450 [0.383, 0.519]
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    axes_: dict[str, Axes]
    figure_: Figure
    points_: dict[str, dict[Hashable, ErrorbarContainer]]
    overall_lines_: dict[str, Line2D]

    def __init__(self, metrics: GroupMetrics | PanelRates) -> None:
        if isinstance(metrics, GroupMetrics):
            refuse_strata(metrics.counts, type(self).__name__)
        if not metrics.rates:
            raise ValueError(f"{type(self).__name__} has nothing to draw: name at least one rate.")
        self.metrics = metrics
        self.library = metrics.library

    @classmethod
    def from_counts(
        cls,
        counts: GroupCounts | GroupAmounts,
        rate: Rates = None,
        *,
        confidence: float | None = 0.95,
        min_group_size: int = 30,
        strata: Strata = "each",
        order: Order = "rate",
        ax: Axes | Iterable[Axes] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the rates that counts give, wherever they were made.

        Parameters
        ----------
        counts : GroupCounts or GroupAmounts
            The table of counts, or of amounts.
        rate : str, Rate, MeanRate, or iterable of these, optional
            Which rate; several are drawn side by side. By default the selection rate; of amounts the mean
            prediction and, if there are targets, the mean absolute error.
        confidence : float in (0, 1) or None, default=0.95
            The confidence of the intervals (Wilson's; Student's of means), for each group by itself; None
            draws none.
        min_group_size : int, default=30
            Rates measured on fewer rows (effective ones, if they are weighted) are marked.
        strata : {"each", "worst"}, default="each"
            Of counts with strata, such as those of :func:`one_vs_rest_counts`, whether there is a panel for
            each class (or other stratum), or for the one in which groups lie furthest apart in the rate.
        order : {"rate", "label"}, default="rate"
            As in :meth:`plot`.
        ax : matplotlib Axes or, for several rates, a sequence of as many, optional
            As in :meth:`plot`.
        **kwargs
            As in :meth:`plot`.

        Returns
        -------
        GroupMetricDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If a rate is unknown, depends on labels and there are none, ``confidence`` does not lie between 0
            and 1, or there are too many panels.

        Warns
        -----
        UserWarning
            If a rate cannot be measured in a group, for its denominator is empty there.
        """
        require_matplotlib(cls.__name__)
        options: dict[str, Any] = {"confidence": confidence, "min_group_size": min_group_size}
        metrics: GroupMetrics | PanelRates
        if isinstance(counts, GroupAmounts) or counts.strata is not None:
            metrics = PanelRates.of(counts, rate, **options, strata=strata)
        else:
            metrics = GroupMetrics(counts, "selection_rate" if rate is None else rate, **options)  # type: ignore[arg-type]
        display = cls(metrics)
        for name, values in metrics.rates.items():
            unknown = [group for group, value in zip(counts.groups, values, strict=True) if np.isnan(value)]
            warn_not_measurable(name, unknown)
        return display.plot(ax, order=order, **kwargs)

    def plot(self, ax: Axes | Iterable[Axes] | None = None, *, order: Order = "rate", **kwargs: Any) -> Self:
        """Draw the rates.

        Parameters
        ----------
        ax : matplotlib Axes or, for several rates, a sequence of as many, optional
            Where to draw; by default in a new figure, which grows with the number of groups. The legend
            stands beside the axes if the figure makes room for it, as one with ``layout="constrained"`` does.
        order : {"rate", "label"}, default="rate"
            Whether the group with the highest (first) rate stands on top, or the groups stand in the order of
            their labels.
        **kwargs
            For matplotlib's ``errorbar``, for the dot and bar of every group.

        Returns
        -------
        GroupMetricDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If ``order`` is unknown, or there are not as many axes as rates.
        """
        require_matplotlib(type(self).__name__)
        metrics = self.metrics
        ranking = self._ranking(order)
        rates = metrics.rates
        panels = group_axes(ax, len(rates), len(ranking))
        self.axes_ = dict(zip(rates, panels, strict=True))
        self.points_, self.overall_lines_ = {}, {}
        label_groups(panels, [metrics.groups[i] for i in ranking], metrics.n[ranking])
        for name, axes in self.axes_.items():
            self._draw_rate(axes, name, ranking, kwargs)
            axes.set_xlabel(words(name), usetex=False)
        finish(panels, grow=ax is None)
        self.ax_, self.figure_ = panels[0], panels[0].figure
        return self

    def _ranking(self, order: Order) -> Ints:
        """Return the positions of the groups from top to bottom."""
        check_choice("order", order, Order)
        if order == "label":
            return np.arange(len(self.metrics.groups))
        first = next(iter(self.metrics.rates.values()))
        return np.argsort(-first, kind="stable")  # NaN goes last

    def _draw_rate(self, axes: Any, name: str, ranking: Ints, style: dict[str, Any]) -> None:
        """Draw one rate of all groups."""
        metrics = self.metrics
        values, few = metrics.rates[name], metrics.few[name]
        intervals = metrics.intervals.get(name)
        what = "mean" if isinstance(metrics, PanelRates) and metrics.are_means else "rate"
        if metrics.confidence is not None:
            what += f", {100 * metrics.confidence:.4g}% interval"
        labels = {False: what, True: f"measured on fewer than {metrics.min_group_size} rows"}
        self.points_[name] = {}
        for line, i in enumerate(ranking):
            if np.isnan(values[i]):
                mark_not_measurable(axes, line)
                continue
            interval = None if intervals is None else (float(intervals[0][i]), float(intervals[1][i]))
            if interval is not None and not np.isfinite(interval).all():
                interval = None  # too few rows to know how far a mean may be off
            scarce = bool(few[i])
            self.points_[name][metrics.groups[i]] = draw_dot(
                axes, line, float(values[i]), interval, few=scarce, label=labels[scarce], style=style
            )
        if not np.isnan(metrics.overall[name]):
            self.overall_lines_[name] = axes.axvline(
                metrics.overall[name], color="0.5", linestyle="--", linewidth=1, zorder=1, label="overall"
            )
        if self._lies_between_0_and_1(name):
            left, right = axes.get_xlim()
            axes.set_xlim(max(left, -0.02), min(right, 1.02))

    def _lies_between_0_and_1(self, name: str) -> bool:
        """Whether nothing that is drawn of a rate lies outside, so that its axis need not reach there."""
        numbers = np.concatenate([self.metrics.rates[name], *self.metrics.intervals.get(name, ())])
        if isinstance(self.metrics, PanelRates) and self.metrics.are_means:
            return False
        return bool(np.nanmin(numbers, initial=0) >= 0 and np.nanmax(numbers, initial=1) <= 1)

    def _tables(self) -> list[Table]:
        return [self.metrics.rate_table()]
