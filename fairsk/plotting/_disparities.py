"""DisparityDisplay: the ratio of every group's rate to that of a reference group."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np

from fairsk._core.amount_sums import GroupAmounts
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group
from fairsk._core.messages import show
from fairsk._core.results import Table, amount, number, row_count, with_interval
from fairsk._core.typing import Bools, Floats
from fairsk._core.validation import check_choice
from fairsk.metrics._decisions.table import GroupMetrics
from fairsk.plotting._dots import (
    draw_dot,
    finish,
    group_axes,
    label_groups,
    mark_not_measurable,
)
from fairsk.plotting._drawing import literal, require_matplotlib, words
from fairsk.plotting._group_display import GroupDisplay
from fairsk.plotting._panels import PanelRates
from fairsk.rates import MeanRate, Rate
from fairsk.statistics._contrasts import contrasts
from fairsk.statistics._intervals import joint_confidence
from fairsk.statistics._proportions import refuse_strata

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Polygon

__all__ = ["DisparityDisplay"]

Order: TypeAlias = Literal["ratio", "label"]
Band: TypeAlias = tuple[float, float] | None

#: The four-fifths rule, read in both directions.
_FOUR_FIFTHS = (0.8, 1.25)
#: What may be written on the axis, the more important first: it is left out where there is no room.
_TICKS = (
    *(0.5, 2.0, 0.1, 10.0, 0.2, 5.0, 0.01, 100.0, 0.05, 20.0, 0.02, 50.0),
    *(0.9, 1.1, 0.7, 1.5, 0.6, 3.0, 0.3, 0.4, 4.0, 0.8, 1.2),
)
#: Where the outermost ticks may stand, in any power of ten, so that no part of the axis is without any.
_DIGITS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0)
_MOST_TICKS = 11
#: What is always on the axis, and how many times beyond the dots an interval may end to be on it.
_AT_LEAST, _FAR = (0.9, 1.1), 4.0


class DisparityDisplay(GroupDisplay):
    """The ratio of every group's rate to that of a reference group, with its interval, on a logarithmic axis.

    On a logarithmic axis half as often and twice as often are equally far from 1. A bar that reaches into
    the band does not rule out that the ratio lies there; one that reaches out of it does not rule out that
    it lies outside. Bars that go on beyond the axes, to 0 or without end, end in an arrow. Make it with
    :meth:`from_counts`, :meth:`from_predictions` or :meth:`from_estimator`.

    Parameters
    ----------
    metrics : GroupMetrics or PanelRates
        The table of one rate, which cannot be negative, with a confidence; of a :class:`GroupMetrics` one
        without strata.
    reference : hashable, optional
        The group that the others are compared with. By default the one with the highest rate among those
        measured on at least ``metrics.min_group_size`` rows (among all, if there are none).

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Their figure.
    points_ : dict of group to matplotlib ErrorbarContainer
        The dot and bar of each group that can be measured, other than the reference.
    reference_point_ : matplotlib Line2D
        The mark of the reference, at 1.
    arrows_ : dict of group to list of matplotlib Line2D
        The arrows of the groups whose bars go on beyond the axes.
    band_ : matplotlib Polygon or None
        The shaded band.

    Raises
    ------
    ValueError
        If the table has strata, no confidence or not one rate, the reference is not a group, or its rate is 0
        or cannot be measured.

    See Also
    --------
    GroupMetricDisplay : The rates themselves.

    Notes
    -----
    The display is a table too: it prints the numbers drawn, and :meth:`frame` returns them.

    The highest of several rates is high partly by chance. Against a reference that was chosen for its rate,
    the intervals therefore are those that hold for all pairs of groups together; against one that
    is named, each holds by itself and is shorter. If there is a natural reference, name it.

    References
    ----------
    Donner & Zou, Closed-Form Confidence Intervals for Functions of the Normal Mean and Standard Deviation,
    Statistical Methods in Medical Research 21, 2012, for the intervals. Uniform Guidelines on Employee
    Selection Procedures, 29 CFR 1607.4 D, for the four-fifths rule.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.plotting import DisparityDisplay
    >>> counts = GroupCounts(["a", "b"], {"tp": [40, 20], "fp": [10, 20], "fn": [10, 30], "tn": [40, 30]})
    >>> display = DisparityDisplay.from_counts(counts, "selection_rate")
    >>> print(display)
    group    n  selection_rate                 ratio
    ------------------------------------------------
    a      100           0.500             reference
    b      100           0.400  0.800 [0.587, 1.087]
    reference: a, highest rate
    intervals: 95%
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    figure_: Figure
    points_: dict[Hashable, ErrorbarContainer]
    reference_point_: Line2D
    arrows_: dict[Hashable, list[Line2D]]
    band_: Polygon | None

    #: The group that the others are compared with.
    reference: Hashable
    #: Whether it was chosen for its rate; the intervals then hold for all pairs of groups together.
    chosen: bool
    #: The rates divided by that of the reference, with their intervals: NaN for the reference itself.
    ratios: Floats
    low: Floats
    high: Floats

    def __init__(self, metrics: GroupMetrics | PanelRates, reference: Hashable = None) -> None:
        display = type(self).__name__
        if isinstance(metrics, GroupMetrics):
            refuse_strata(metrics.counts, display)
        if len(metrics.rates) != 1 or metrics.confidence is None:
            raise ValueError(
                f"{display} draws one rate with its intervals: give a table of one, with a confidence."
            )
        counts: GroupCounts | GroupAmounts
        rate: Rate | MeanRate
        n_strata = 1
        if isinstance(metrics, GroupMetrics):
            counts, rate = metrics.counts, metrics.measured_rates[0]
        else:
            (measure,) = metrics._measures
            counts, rate, n_strata = measure.table, measure.rate, metrics.n_strata
        self.metrics = metrics
        self.library = metrics.library
        self.chosen = reference is None
        n_pairs, n_groups = max(n_strata, 1), len(counts.groups)
        if self.chosen:
            reference = counts.groups[_highest_measured(self.rates, self.few)]
            n_pairs *= n_groups * (n_groups - 1) // 2
        elif n_strata > 1:  # the worst of them is shown
            n_pairs *= n_groups - 1
        confidence = joint_confidence(metrics.confidence, n_pairs)
        _check_reference(reference, dict(zip(counts.groups, self.rates, strict=True)), rate.name)
        self.reference = reference
        ratios = contrasts(
            counts,
            rate,
            method="to_reference",
            reference=reference,
            comparison="ratio",
            confidence=confidence,
        )
        compared = [counts.groups.index(group) for group in ratios.groups]
        self.ratios = np.ones_like(self.rates)
        self.low, self.high = np.full((2, len(counts.groups)), np.nan)
        self.ratios[compared] = ratios.values
        self.low[compared], self.high[compared] = ratios.low, ratios.high

    @property
    def groups(self) -> tuple[Hashable, ...]:
        """Group labels."""
        return self.metrics.groups

    @property
    def n(self) -> Floats:
        """The (weighted) number of rows of each group."""
        return self.metrics.n

    @property
    def rate_name(self) -> str:
        """What the rate is called."""
        return next(iter(self.metrics.rates))

    @property
    def rates(self) -> Floats:
        """The rate of each group; NaN where it cannot be measured."""
        return self.metrics.rates[self.rate_name]

    @property
    def few(self) -> Bools:
        """Which groups are measured on few rows; they are marked."""
        return self.metrics.few[self.rate_name]

    @property
    def confidence(self) -> float:
        """The confidence of the intervals."""
        return float(self.metrics.confidence or np.nan)

    @property
    def min_group_size(self) -> int:
        """How many rows are not few."""
        return self.metrics.min_group_size

    @classmethod
    def from_counts(
        cls,
        counts: GroupCounts | GroupAmounts,
        rate: str | Rate | MeanRate | None = None,
        *,
        reference: Hashable = None,
        confidence: float = 0.95,
        min_group_size: int = 30,
        order: Order = "ratio",
        band: Band = _FOUR_FIFTHS,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the ratios that counts give, wherever they were made.

        Parameters
        ----------
        counts : GroupCounts or GroupAmounts
            The table of counts, or of amounts. Of counts with strata, such as those of
            :func:`one_vs_rest_counts`, the class in which groups lie furthest apart is drawn.
        rate : str, Rate or MeanRate, optional
            Which rate; one that is not negative. By default the selection rate, or the mean prediction.
        reference : hashable, optional
            The group that the others are compared with. By default the one with the highest rate among those
            measured on at least ``min_group_size`` rows (among all, if there are none).
        confidence : float in (0, 1), default=0.95
            The confidence of the intervals (MOVER-R), for each group by itself.
        min_group_size : int, default=30
            Groups measured on fewer rows (effective ones, if they are weighted) are marked.
        order : {"ratio", "label"}, default="ratio"
            As in :meth:`plot`.
        band : (float, float) or None, default=(0.8, 1.25)
            As in :meth:`plot`.
        ax : matplotlib Axes, optional
            As in :meth:`plot`.
        **kwargs
            As in :meth:`plot`.

        Returns
        -------
        DisparityDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        TypeError
            If several rates are given.
        ValueError
            If the rate is unknown or can be negative, or a mean is, the reference is not a group, or its rate
            is 0 or cannot be measured.

        Warns
        -----
        UserWarning
            If the rate cannot be measured in a group, for its denominator is empty there.
        """
        require_matplotlib(cls.__name__)
        is_amounts = isinstance(counts, GroupAmounts)
        if rate is None:
            rate = "mean_prediction" if is_amounts else "selection_rate"
        if not isinstance(rate, str | Rate | MeanRate):
            raise TypeError(
                f"{cls.__name__} draws one rate, a name or a Rate; got {type(rate).__name__}. Draw one "
                "display for each, or all rates side by side with GroupMetricDisplay."
            )
        options: dict[str, Any] = {"confidence": confidence, "min_group_size": min_group_size}
        metrics: GroupMetrics | PanelRates
        if isinstance(counts, GroupAmounts) or counts.strata is not None:
            metrics = PanelRates.of(counts, rate, **options, strata="worst", comparison="ratio")
        else:
            metrics = GroupMetrics(counts, rate, **options)  # type: ignore[arg-type]
        display = cls(metrics, reference)
        return display.plot(ax, order=order, band=band, **kwargs)

    def plot(
        self, ax: Axes | None = None, *, order: Order = "ratio", band: Band = _FOUR_FIFTHS, **kwargs: Any
    ) -> Self:
        """Draw the ratios.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default in a new figure, which grows with the number of groups. The legend
            stands beside the axes if the figure makes room for it, as one with ``layout="constrained"`` does.
        order : {"ratio", "label"}, default="ratio"
            Whether the group with the highest ratio stands on top, or the groups stand in the order of their
            labels.
        band : (float, float) or None, default=(0.8, 1.25)
            Ratios that are shaded, by default those that the four-fifths rule lets pass; None shades none.
        **kwargs
            For matplotlib's ``errorbar``, for the dot and bar of every group.

        Returns
        -------
        DisparityDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If ``order`` is unknown, or the band does not rise from a number above 0.
        """
        require_matplotlib(type(self).__name__)
        check_choice("order", order, Order)
        if band is not None and not 0 < band[0] < band[1] < np.inf:
            raise ValueError(f"band must be two ratios above 0, the lower one first, or None; got {band!r}.")
        ranking = np.argsort(-self.ratios, kind="stable") if order == "ratio" else np.arange(len(self.groups))
        (axes,) = group_axes(ax, 1, len(ranking))
        label_groups([axes], [self.groups[i] for i in ranking], self.n[ranking])
        axes.set_xscale("log")
        axes.set_xlim(*self._ends(band))
        _write_ticks(axes, band)
        self.points_, self.arrows_ = {}, {}
        for line, i in enumerate(ranking):
            if self.groups[i] == self.reference:
                self._draw_reference(axes, line, scarce=bool(self.few[i]))
            elif np.isnan(self.ratios[i]):
                mark_not_measurable(axes, line)
            else:
                self._draw_ratio(axes, line, i, kwargs)
        self.band_ = None
        if band is not None:
            name = "four-fifths band" if tuple(band) == _FOUR_FIFTHS else "band"
            label = f"{name} ({band[0]:.3g} to {band[1]:.3g})"
            self.band_ = axes.axvspan(*band, color="0.5", alpha=0.18, linewidth=0, zorder=0, label=label)
        axes.axvline(1, color="0.5", linewidth=1, zorder=1)
        axes.set_xlabel(f"{words(self.rate_name)}, ratio to the reference", usetex=False)
        finish([axes], grow=ax is None)
        self.ax_, self.figure_ = axes, axes.figure
        return self

    def _ends(self, band: Band) -> tuple[float, float]:
        """Return where the axis ends: beyond all dots, the band, and the interval ends that are near."""
        dots = [*self.ratios[self.ratios > 0], *(band or ()), *_AT_LEAST]
        smallest, largest = min(dots), max(dots)
        interval_ends = np.concatenate([self.low, self.high])
        near_ends = interval_ends[(interval_ends >= smallest / _FAR) & (interval_ends <= largest * _FAR)]
        smallest, largest = near_ends.min(initial=smallest), near_ends.max(initial=largest)
        margin_factor = (largest / smallest) ** 0.05
        return float(smallest / margin_factor), float(largest * margin_factor)

    def _draw_reference(self, axes: Any, line: int, *, scarce: bool) -> None:
        """Draw the mark of the reference, and say in the legend which one it is and why."""
        reasons = [f"reference: {literal(format_group(self.reference))}", *self._reason]
        (self.reference_point_,) = axes.plot(
            [1],
            [line],
            color=axes.xaxis.label.get_color(),
            linestyle="none",
            marker="s",
            markersize=8,
            markerfacecolor="none" if scarce else None,
            label=",\n".join([*reasons, self._scarce] if scarce else reasons),
        )

    @property
    def _reason(self) -> list[str]:
        """Why the reference is the reference, if it was not named."""
        if not self.chosen:
            return []
        beaten = bool(np.nanmax(self.ratios) > 1)  # by groups of few rows
        return [f"highest rate on {self.min_group_size} rows or more" if beaten else "highest rate"]

    @property
    def _scarce(self) -> str:
        return f"measured on fewer than {self.min_group_size} rows"

    @property
    def _simultaneity(self) -> str:
        """Whether the intervals hold together, in words after their confidence."""
        in_strata = isinstance(self.metrics, PanelRates) and self.metrics.n_strata > 1
        of_pairs = len(self.groups) > 2 and (self.chosen or in_strata)
        together = " and ".join((["pairs"] if of_pairs else []) + (["strata"] if in_strata else []))
        return f" (for all {together} together)" if together else ""

    def _draw_ratio(self, axes: Any, line: int, index: int, style: dict[str, Any]) -> None:
        """Draw the dot and bar of a group, with arrows where they go on beyond the axis."""
        from matplotlib.markers import CARETLEFT, CARETRIGHT

        left, right = axes.get_xlim()
        group, scarce = self.groups[index], bool(self.few[index])
        ratio, low, high = self.ratios[index], self.low[index], self.high[index]
        # A logarithmic axis has no 0 and no infinity: what lies out there is drawn a little beyond the ends.
        value, *interval = np.clip([ratio, low, high], left / 2, right * 2).tolist()
        label = (
            self._scarce if scarce else f"ratio, {100 * self.confidence:.4g}% interval{self._simultaneity}"
        )
        point = draw_dot(axes, line, value, interval, few=scarce, label=label, style=style)
        self.points_[group] = point
        arrow = {"color": point.lines[0].get_color(), "linestyle": "none", "zorder": 3}
        arrow |= {"markerfacecolor": "none"} if scarce else {}
        labels = axes.get_legend_handles_labels()[1]
        self.arrows_[group] = []
        for end, marker, beyond in ((left, CARETLEFT, low < left), (right, CARETRIGHT, high > right)):
            if beyond:
                is_zero = ratio == 0 and end == left
                arrow |= {"marker": marker, "markersize": 12 if is_zero else 7}
                arrow["label"] = "ratio of 0" if is_zero and "ratio of 0" not in labels else None
                self.arrows_[group] += axes.plot([end], [line], **arrow)

    def _written(self, rate: float) -> str:
        are_means = isinstance(self.metrics, PanelRates) and self.metrics.are_means
        return amount(rate) if are_means else number(rate)

    def _tables(self) -> list[Table]:
        text = [
            "reference" if group == self.reference else with_interval(*parts)
            for group, *parts in zip(self.groups, self.ratios, self.low, self.high, strict=True)
        ]
        names, few = list(map(format_group, self.groups)), self.few.tolist()
        columns = {
            "group": names,
            "n": self.n.tolist(),
            self.rate_name: self.rates.tolist(),
            "ratio": self.ratios.tolist(),
            "ratio_low": self.low.tolist(),
            "ratio_high": self.high.tolist(),
            "few_rows": few,
        }
        marks = ["*" if scarce else " " if any(few) else "" for scarce in few]
        notes = [
            ", ".join([f"reference: {format_group(self.reference)}", *self._reason]),
            f"intervals: {100 * self.confidence:.4g}%{self._simultaneity}",
        ]
        return [
            Table(
                columns,
                {
                    "group": names,
                    "n": list(map(row_count, columns["n"])),
                    self.rate_name: list(map(self._written, columns[self.rate_name])),
                    "ratio": [cell + mark for cell, mark in zip(text, marks, strict=True)],
                },
                notes=[*notes, f"* {self._scarce}"] if any(few) else notes,
            )
        ]


def _highest_measured(rates: Floats, few: Bools) -> int:
    """Return the place of the highest rate, if there can be a choice not one measured on few rows."""
    measured = ~np.isnan(rates)
    candidates = measured & ~few if (measured & ~few).any() else measured
    return int(np.argmax(np.where(candidates, rates, -np.inf)))


def _check_reference(reference: Hashable, rates: dict[Hashable, float], name: str) -> None:
    """Refuse a reference that nothing can be divided by; :func:`contrasts` refuses one that is no group."""
    rate = rates.get(reference, 1.0)
    if np.isnan(rate):
        raise ValueError(
            f"There are no ratios to {show(format_group(reference))}: its {name} cannot be measured. Name a "
            "group that can be as reference=."
        )
    if rate == 0:
        raise ValueError(
            f"There are no ratios to {show(format_group(reference))}: its {name} is 0. Name another "
            "reference=, or draw the rates, with GroupMetricDisplay."
        )


def _write_ticks(axes: Any, band: Band) -> None:
    """Write plain numbers on a logarithmic axis, as many as have room, up to both of its ends."""
    left, right = axes.get_xlim()
    min_gap = np.log(right / left) / _MOST_TICKS
    powers = 10.0 ** np.arange(np.floor(np.log10(left)), np.floor(np.log10(right)) + 1)
    plain = np.outer(powers, _DIGITS).ravel()
    plain = plain[(plain >= left) & (plain <= right)]
    ticks = list[float]()
    for tick in (1.0, *(band or ()), plain.min(), plain.max(), *_TICKS):
        if left <= tick <= right and all(abs(np.log(tick / other)) >= min_gap for other in ticks):
            ticks.append(tick)
    axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
    axes.set_xticks([], minor=True)
