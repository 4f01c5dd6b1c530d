"""TrainingDisplay: loss, disparity and multipliers over the epochs, rounds or models of a training."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np

from fairsk._core.groups import format_group
from fairsk._core.messages import in_words, list_texts
from fairsk._core.results import Result, Table, number
from fairsk._core.typing import Floats
from fairsk._core.warnings import warn_user
from fairsk.plotting._drawing import (
    line_style,
    literal,
    place_legend,
    require_matplotlib,
    stacked_axes,
    words,
)
from fairsk.plotting._training_records import (
    ACCURACIES,
    LOSSES,
    VALID,
    Curves,
    Groups,
    Records,
    fitted_model,
    groups_of,
    kept_steps,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

__all__ = ["TrainingDisplay"]

Comparison: TypeAlias = Literal["difference", "ratio"]

#: On which side of a bound disparities should lie.
_SIDES = {"difference": "at most", "ratio": "at least"}
#: Every curve has a marker as well as a colour, this many times for not all tell colours apart.
_MARKERS, _MOST_MARKS = "osD^vPX<>*", 12
#: More groups than this are not told apart: those that are pulled least are grey. More rates are left out.
_MOST_GROUPS, _MOST_RATES = 10, 6
#: Inches for one panel, for what stands above and below the panels, and between the legends.
_PANEL, _AROUND, _BETWEEN = 1.8, 0.6, 0.3
#: How many epochs are printed; :meth:`TrainingDisplay.frame` has all of them.
_MOST_PRINTED = 20
#: What is said of what decides in the end.
_KEPT = {
    "epoch": "the epoch whose weights were kept",
    "round": "what decides: the trees up to this round",
    "model": "what decides: the mean of these models",
}


class TrainingDisplay(Result):
    """Loss, disparity and multipliers of a training, one above the other over the epochs.

    The first panel has the task loss and the total loss, which is the task loss and the fairness term. The
    second has the disparity of hard predictions, with its bound as a line; what lies beyond the bound is
    shaded. If a bound is held, a panel for each rate shows what pulls each group's rate: down by a multiplier
    above zero, up by one below. Dashed lines are those of rows held out, and a vertical line marks the epoch
    whose weights were kept. Make it with :meth:`from_estimator`.

    Of a ConstrainedClassifier, everything is measured on held-out rows, and the steps are rounds of boosting,
    or models. The first panel has the accuracy then: of decisions at even odds, which the multipliers answer,
    and of the best threshold that keeps the bound. The disparity is that at even odds, too. A vertical line
    marks what decides in the end, by a threshold that is chosen for it.

    Parameters
    ----------
    history : sequence of dict
        One record per epoch, as in ``FairClassifier.history_``, with ``"task_loss"``, ``"loss"``,
        ``"disparities"`` (a number for each constraint) and possibly ``"epoch"``, ``"multipliers"`` (for each
        rate a number per group), and the same of rows held out under ``"valid_task_loss"``, ``"valid_loss"``
        and ``"valid_disparities"``. Or one per ``"round"`` or ``"model"``, as in
        ``ConstrainedClassifier.history_``, with ``"valid_acc"``, ``"valid_disparities"`` and possibly
        ``"valid_bounded_acc"`` and ``"multipliers"``.
    bounds : dict of str to float, optional
        The bound on each constraint that has one.
    comparison : {"difference", "ratio"} or dict of str to these, default="difference"
        What the disparities are: differences, bounded from above, or ratios, bounded from below; a dict if
        constraints differ in this, which makes a panel of each.
    groups : sequence of hashable, or dict of str to sequence of hashable, optional
        What the multipliers of a rate belong to, one label each; a dict if rates have different groups. By
        default they are numbered from 0.
    best_epoch : int or sequence of int, optional
        The epoch whose weights were kept; the rounds or models that decide.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the losses.
    axes_ : dict of str to matplotlib Axes
        The axes of ``"loss"`` or ``"accuracy"``, of ``"difference"`` or ``"ratio"`` (or both) and, for each
        rate that is bounded, ``"multipliers of ..."``.
    figure_ : matplotlib Figure
        Their figure.
    loss_lines_ : dict of str to matplotlib Line2D
        The losses, or accuracies, under their names in the history.
    disparity_lines_, valid_disparity_lines_ : dict of str to matplotlib Line2D
        The disparity of each constraint, for the rows trained on and for those held out.
    bound_lines_ : dict of str to matplotlib Line2D
        The bound of each constraint; constraints with the same bound share a line.
    shades_ : dict of str to matplotlib Patch
        What lies beyond the bound of each constraint.
    multiplier_lines_ : dict of str to dict of group to matplotlib Line2D
        For each rate, the multiplier of each group.
    best_lines_ : dict of str to matplotlib Line2D
        The line at the kept epoch in each of the axes; one with gaps at all of them, if several were kept.

    Raises
    ------
    TypeError
        If the history is no sequence of dicts.
    ValueError
        If the history is empty, a record lacks what is drawn, or bounds, groups or the kept epoch do not
        belong to it.

    See Also
    --------
    TradeoffDisplay : What a bound on the disparity costs.

    Notes
    -----
    The display is a table too: it prints losses and disparities, and :meth:`frame` returns those of every
    epoch.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from fairsk.plotting import TrainingDisplay
    >>> history = [
    ...     {"epoch": 1, "task_loss": 0.6, "loss": 0.7, "disparities": {"demographic_parity": 0.2}},
    ...     {"epoch": 2, "task_loss": 0.5, "loss": 0.5, "disparities": {"demographic_parity": 0.04}},
    ... ]
    >>> display = TrainingDisplay(history, bounds={"demographic_parity": 0.05}, best_epoch=2).plot()
    >>> list(display.axes_)
    ['loss', 'difference']
    >>> print(display)
    epoch  task_loss   loss  demographic_parity_difference
    ------------------------------------------------------
    1          0.600  0.700                          0.200
    2*         0.500  0.500                          0.040
    * the epoch whose weights were kept
    bound: demographic_parity_difference at most 0.05
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    axes_: dict[str, Axes]
    figure_: Figure
    loss_lines_: dict[str, Line2D]
    disparity_lines_: dict[str, Line2D]
    valid_disparity_lines_: dict[str, Line2D]
    bound_lines_: dict[str, Line2D]
    shades_: dict[str, Patch]
    multiplier_lines_: dict[str, dict[Hashable, Line2D]]
    best_lines_: dict[str, Line2D]

    def __init__(
        self,
        history: Records,
        *,
        bounds: Mapping[str, float] | None = None,
        comparison: Comparison | Mapping[str, Comparison] = "difference",
        groups: Groups | None = None,
        best_epoch: int | Sequence[int] | None = None,
    ) -> None:
        self.history = history
        self.bounds = {} if bounds is None else bounds
        self.comparison = comparison
        self.groups = groups
        self.best_epoch = best_epoch
        self._curves = Curves.of(history, groups)
        self._kinds: dict[str, str] = {
            name: comparison.get(name, "") if isinstance(comparison, Mapping) else comparison
            for name in self._curves.constraints
        }
        if not {*self._kinds.values()} <= {"difference", "ratio"}:
            raise ValueError(
                "comparison must be 'difference' or 'ratio', or a dict with one of these for each "
                f"constraint; got {comparison!r}."
            )
        for name, bound in self.bounds.items():
            if name not in self._curves.constraints:
                raise ValueError(
                    f"The history has no disparity named {name!r} to bound; it has: "
                    f"{', '.join(map(repr, self._curves.constraints))}."
                )
            if not np.isfinite(bound):
                raise ValueError(f"The bound of {name} must be a finite number; got {bound!r}.")
        self._kept = np.unique([] if best_epoch is None else best_epoch).tolist()
        if not {*self._kept} <= {*self._curves.steps.tolist()}:
            raise ValueError(
                f"best_epoch={best_epoch!r} is not one of the {self._curves.unit}s of the history."
            )

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Axes | Iterable[Axes] | None = None, **kwargs: Any
    ) -> Self:
        """Draw the training of a fitted FairClassifier or ConstrainedClassifier.

        Parameters
        ----------
        estimator : FairClassifier or ConstrainedClassifier
            A fitted one, or what ends in one: a pipeline, a SensitiveRouter, a search; it is not changed.
        ax : sequence of matplotlib Axes, optional
            As in :meth:`plot`.
        **kwargs
            As in :meth:`plot`.

        Returns
        -------
        TrainingDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If no such classifier is found in the estimator.
        """
        require_matplotlib(cls.__name__)
        model = fitted_model(cls.__name__, estimator)
        # A report lists constraints in the order of the history, which tells those of one name apart.
        names = Curves.of(model.history_, None).constraints
        constraints = dict(zip(names, model.report_.constraints, strict=True))
        display = cls(
            model.history_,
            bounds={name: part.bound for name, part in constraints.items() if np.isfinite(part.bound)},
            comparison={name: part.comparison for name, part in constraints.items()},
            groups=groups_of(model),
            best_epoch=kept_steps(model),
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax: Axes | Iterable[Axes] | None = None, **kwargs: Any) -> Self:
        """Draw the training.

        Parameters
        ----------
        ax : sequence of matplotlib Axes, optional
            Where to draw: two axes, for losses and disparities, and one more for each rate that is bounded;
            by default in a new figure. The legends stand beside the axes if the figure makes room for them,
            as one with ``layout="constrained"`` does.
        **kwargs
            For matplotlib's ``plot``, for every curve.

        Returns
        -------
        TrainingDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If there are not as many axes as panels.

        Warns
        -----
        UserWarning
            If there are many rates: the six whose multipliers grow largest are drawn.

        Notes
        -----
        Of more than ten groups, the nine with the largest multipliers have names; the others are grey.
        """
        require_matplotlib(type(self).__name__)
        rates = self._drawn_rates()
        kinds = sorted({*self._kinds.values()})
        names = [self._first_panel, *kinds, *(f"multipliers of {rate}" for rate in rates)]
        panels = stacked_axes(ax, names, [_PANEL] * len(names), around=_AROUND)
        self.axes_ = dict(zip(names, panels, strict=True))
        self._draw_losses(panels[0], kwargs)
        self._draw_disparities({kind: self.axes_[kind] for kind in kinds}, kwargs)
        self._draw_multipliers({rate: self.axes_[f"multipliers of {rate}"] for rate in rates}, kwargs)
        self._mark_kept()
        self._finish(grow=ax is None)
        self.ax_, self.figure_ = panels[0], panels[0].figure
        return self

    @property
    def _first_panel(self) -> str:
        """What the first panel shows."""
        return "accuracy" if self._curves.is_held_out else "loss"

    def _named(self, quantity: str) -> str:
        """Return what an axis is called: if there are held-out rows only, that they are."""
        return f"Held-out {quantity}" if self._curves.is_held_out else words(quantity)

    def _draw_losses(self, axes: Any, style: Mapping[str, Any]) -> None:
        """Draw the task loss and the total loss, or accuracies."""
        labels = ACCURACIES if self._curves.is_held_out else LOSSES
        order = list(labels)
        self.loss_lines_ = {}
        for key, values in self._curves.losses.items():
            name = key if key in labels else key.removeprefix(VALID)
            self.loss_lines_[key] = self._draw_curve(
                axes, values, order.index(name), labels[name], style, is_dashed=key != name
            )
        axes.set_ylabel(self._named(self._first_panel))

    def _draw_disparities(self, axes_of: Mapping[str, Any], style: Mapping[str, Any]) -> None:
        """Draw the disparity of every constraint, and the bounds."""
        self.bound_lines_, self.shades_ = {}, {}
        lines: list[dict[str, Line2D]] = []
        for curves, is_dashed in (
            (self._curves.disparities, False),
            (self._curves.valid_disparities, not self._curves.is_held_out),
        ):
            drawn = {}
            for index, name in enumerate(self._kinds):
                if name in curves:
                    axes = axes_of[self._kinds[name]]
                    # The threshold that decides in the end is another one, and keeps the bound.
                    label = words(name) + (", at even odds" if self._curves.is_held_out else "")
                    drawn[name] = self._draw_curve(
                        axes, curves[name], index, label, style, is_dashed=is_dashed
                    )
            lines.append(drawn)
        self.disparity_lines_, self.valid_disparity_lines_ = lines
        for kind, axes in axes_of.items():
            self._draw_bounds(axes, kind)
            axes.set_ylabel(self._named(kind))

    def _draw_bounds(self, axes: Any, kind: str) -> None:
        """Draw each bound once, and shade what lies beyond it. Parity is always on the axis."""
        upwards = kind == "difference"
        in_panel = [name for name in self._kinds if self._kinds[name] == kind]
        names_by_bound: dict[float, list[str]] = {}
        for name, bound in self.bounds.items():
            if name in in_panel:
                names_by_bound.setdefault(float(bound), []).append(name)
        lines = {}
        curves = self.disparity_lines_ or self.valid_disparity_lines_
        for bound, names in names_by_bound.items():
            common = len(names) == len(in_panel)
            label = "bound" if common else f"bound of {' and '.join(map(_lower, names))}"
            lines[bound] = axes.axhline(
                bound,
                color="0.25" if common else curves[names[0]].get_color(),
                linewidth=1,
                zorder=1.5,
                label=f"{label}: {_SIDES[kind]} {bound:g}",
            )
        low, high = axes.get_ylim()  # once every bound is on the axis
        for bound, names in names_by_bound.items():
            shade = axes.axhspan(
                bound,
                max(high, 1.0) if upwards else min(low, 0.0),
                facecolor=lines[bound].get_color(),
                edgecolor="none",
                alpha=0.09,
                zorder=0.5,
            )
            for name in names:
                self.bound_lines_[name], self.shades_[name] = lines[bound], shade
        edge = 0.02 * (high if upwards else 1 - low)
        axes.set_ylim((-edge, high) if upwards else (low, 1 + edge))

    def _draw_multipliers(self, axes_of: Mapping[str, Any], style: Mapping[str, Any]) -> None:
        """Draw the multipliers of each rate, every group with the same look in all panels."""
        labelled = self._named_groups(axes_of)
        self.multiplier_lines_ = {}
        for rate, axes in axes_of.items():
            axes.axhline(0, color="0.8", linewidth=0.8, zorder=0.9)
            values, lines = self._curves.multipliers[rate], {}
            for index, group in enumerate(labelled):
                if group in values:
                    label = literal(format_group(group))
                    lines[group] = self._draw_curve(axes, values[group], index, label, style)
            unlabelled = [group for group in values if group not in lines]
            for group in unlabelled:
                label = f"{len(unlabelled)} other groups" if group == unlabelled[0] else "_other group"
                style_of_others: dict[str, Any] = {
                    "color": "0.75",
                    "linewidth": 0.8,
                    "zorder": 1,
                    "label": label,
                }
                (lines[group],) = axes.plot(self._curves.steps, values[group], **style_of_others)
            self.multiplier_lines_[rate] = lines
            name, gap, owner = rate.partition(" ")  # of which class, or of the groups of which column
            title = words(name) + gap + (literal(owner) if owner else "")
            axes.set_title(title, loc="left", fontsize="medium", usetex=False)
            axes.set_ylabel("Multiplier")

    def _draw_curve(
        self,
        axes: Any,
        values: Floats,
        index: int,
        label: str,
        style: Mapping[str, Any],
        *,
        is_dashed: bool = False,
    ) -> Any:
        """Draw values over the steps, in the look of their place among the curves of the axes."""
        step = -(-len(values) // _MOST_MARKS)
        defaults: dict[str, Any] = {
            "color": f"C{index % 10}",
            "marker": _MARKERS[index % len(_MARKERS)],
            "markersize": 4,
            "markevery": (index % step, step),  # those of curves that lie on each other alternate
            "linewidth": 1.4,
            "label": label,
        }
        if is_dashed:
            defaults |= {"linestyle": "--", "fillstyle": "none", "linewidth": 1}
        style_of_line = line_style(style, **defaults)
        if is_dashed:
            style_of_line["label"] = f"_held out: {label}"  # one entry explains all dashed lines
        return axes.plot(self._curves.steps, values, **style_of_line)[0]

    def _mark_kept(self) -> None:
        """Draw a line at what decides in the end."""
        self.best_lines_ = {}
        if not self._kept:
            return
        for name, axes in self.axes_.items():
            label = f"kept: {self._kept_in_words()}" if name == self._first_panel else "_kept"
            line = axes.axvline(self._kept[0], color="0.4", linestyle=":", linewidth=1, zorder=1, label=label)
            for step in self._kept[1:]:  # one line with gaps: one entry, one look
                line.set_data(
                    [*np.atleast_1d(line.get_xdata()), np.nan, step, step],
                    [*np.atleast_1d(line.get_ydata()), np.nan, 0, 1],
                )
            self.best_lines_[name] = line

    def _kept_in_words(self) -> str:
        """Say which epochs, rounds or models decide."""
        unit, kept = self._curves.unit, self._kept
        if len(kept) == 1:
            return f"{unit} {kept[0]}"
        is_run = kept[-1] - kept[0] == len(kept) - 1
        if is_run and len(kept) > 2:
            return f"{unit}s {kept[0]} to {kept[-1]}"
        return f"{unit}s {list_texts(map(str, kept[:-1]))} and {kept[-1]}"

    def _finish(self, *, grow: bool) -> None:
        """Name the axis of steps, and place the legends; a figure of our own grows by them."""
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        dashed = Line2D([], [], color="0.4", linestyle="--", linewidth=1, label="held-out rows")
        lines = [line for key, line in self.loss_lines_.items() if key not in LOSSES]
        lines += self.valid_disparity_lines_.values()
        beside = set() if self._curves.is_held_out else {line.axes for line in lines}
        panels: dict[str, Any] = self.axes_
        for name, axes in panels.items():
            axes.set_xlim(self._curves.steps[0] - 0.5, self._curves.steps[-1] + 0.5)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            place_legend(
                axes,
                grow=False,
                title="group" if name.startswith("multipliers") else None,
                extra=[dashed] if axes in beside else [],
            )
        *above, last = panels.values()
        for axes in [last] if grow else [*above, last]:
            axes.set_xlabel(words(self._curves.unit))
        if grow:
            figure = last.figure
            sizes = [axes.get_legend().get_window_extent().size / figure.dpi for axes in panels.values()]
            widest, tallest = np.max(sizes, axis=0)
            width = figure.get_size_inches()[0]
            height = len(panels) * max(_PANEL, tallest + _BETWEEN) + _AROUND
            figure.set_size_inches(width + widest + 0.2, height)

    def _drawn_rates(self) -> list[str]:
        """Return the rates whose multipliers are drawn."""
        peaks = {
            rate: max(map(_peak, values.values()), default=0.0)
            for rate, values in self._curves.multipliers.items()
        }
        if len(peaks) > _MOST_RATES:
            warn_user(
                f"Of {len(peaks)} rates, the {_MOST_RATES} whose multipliers grew largest are drawn; the "
                "history has all of them."
            )
        return _largest(peaks, _MOST_RATES)

    def _named_groups(self, rates: Iterable[str]) -> list[Hashable]:
        """Return the groups that have a look of their own: all, or those that are pulled most."""
        peaks: dict[Hashable, float] = {}
        for rate in rates:
            for group, values in self._curves.multipliers[rate].items():
                peaks[group] = max(peaks.get(group, 0.0), _peak(values))
        return _largest(peaks, _MOST_GROUPS if len(peaks) <= _MOST_GROUPS else _MOST_GROUPS - 1)

    def _tables(self) -> list[Table]:
        curves = self._curves
        unit, n_steps = curves.unit, len(curves.steps)
        kept = np.flatnonzero(np.isin(curves.steps, self._kept))
        step = -(-n_steps // _MOST_PRINTED)
        printed = np.unique([*range(0, n_steps, step), *kept, n_steps - 1])
        marked = [f"{curves.steps[i]}*" if i in kept else f"{curves.steps[i]}" for i in printed]

        def text(columns: Mapping[str, Floats]) -> dict[str, list[str]]:
            return {unit: marked} | {
                title: [number(values[i]) for i in printed] for title, values in columns.items()
            }

        notes = [f"* {_KEPT[unit]}"] if len(kept) else []
        for name, bound in self.bounds.items():
            kind = self._kinds[name]
            notes.append(f"bound: {name}_{kind} {_SIDES[kind]} {bound:g}")
        if len(printed) < n_steps:
            notes.append(f"{len(printed)} of {n_steps} {unit}s; frame() has all")
        trained, held_out = self._columns(""), self._columns(VALID)
        columns: dict[str, Sequence[Any]] = {unit: curves.steps.tolist()}
        columns |= {title: values.tolist() for title, values in (trained | held_out).items()}
        if not held_out:
            return [Table(columns, text(trained), notes=notes)]
        last = Table(columns, text(held_out), caption="rows held out", notes=notes)
        return [last] if not trained else [Table(columns, text(trained), caption="rows trained on"), last]

    def _columns(self, prefix: str) -> dict[str, Floats]:
        """Return what was measured on the rows trained on, or on those held out, under its titles."""
        curves = self._curves
        losses = {
            key: values for key, values in curves.losses.items() if key.startswith(VALID) == bool(prefix)
        }
        disparities = curves.valid_disparities if prefix else curves.disparities
        return losses | {
            f"{prefix}{name}_{self._kinds[name]}": values for name, values in disparities.items()
        }


def _peak(values: Floats) -> float:
    """Return how far from zero values reached."""
    return float(np.nanmax(np.abs(values), initial=0))


def _largest(peaks: Mapping[Any, float], most: int) -> list[Any]:
    """Return the names of the largest values, in the order that they stand in."""
    largest = sorted(peaks, key=lambda name: -peaks[name])[:most]
    return [name for name in peaks if name in largest]


def _lower(name: str) -> str:
    """Write a name within a label."""
    return literal(in_words(name))
