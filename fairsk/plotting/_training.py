"""TrainingDisplay: loss, disparity and multipliers over the epochs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from fairsk._core.groups import format_group, list_groups
from fairsk._core.messages import in_words
from fairsk._core.results import Result, Table, number
from fairsk._core.typing import Floats, Ints
from fairsk._core.warnings import warn_user
from fairsk.plotting._drawing import (
    line_style,
    literal,
    place_legend,
    require_matplotlib,
    stacked_axes,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

__all__ = ["TrainingDisplay"]

Records: TypeAlias = Sequence[Mapping[str, Any]]
Comparison: TypeAlias = Literal["difference", "ratio"]
Groups: TypeAlias = Sequence[Hashable] | Mapping[str, Sequence[Hashable]]

#: The losses of a record, and what they are called in the legend.
_LOSSES = {"task_loss": "task loss", "loss": "total loss"}
#: What a record says of rows held out stands under the same name with this before it.
_VALID = "valid_"
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


class TrainingDisplay(Result):
    """Loss, disparity and multipliers of a training, one above the other over the epochs.

    The first panel has the task loss and the total loss, which is the task loss and the fairness term. The
    second has the disparity of hard predictions, with its bound as a line; what lies beyond the bound is
    shaded. If a bound is held, a panel for each rate shows what pulls each group's rate: down by a multiplier
    above zero, up by one below. Dashed lines are those of rows held out, and a vertical line marks the epoch
    whose weights were kept. Make it with :meth:`from_estimator`.

    Parameters
    ----------
    history : sequence of dict
        One record per epoch, as in ``FairClassifier.history_``, with ``"task_loss"``, ``"loss"``,
        ``"disparities"`` (a number for each constraint) and possibly ``"epoch"``, ``"multipliers"`` (for each
        rate a number per group), and the same of rows held out under ``"valid_task_loss"``, ``"valid_loss"``
        and ``"valid_disparities"``.
    bounds : dict of str to float, optional
        The bound on each constraint that has one.
    comparison : {"difference", "ratio"} or dict of str to these, default="difference"
        What the disparities are: differences, bounded from above, or ratios, bounded from below; a dict if
        constraints differ in this, which makes a panel of each.
    groups : sequence of hashable, or dict of str to sequence of hashable, optional
        What the multipliers of a rate belong to, one label each; a dict if rates have different groups. By
        default they are numbered from 0.
    best_epoch : int, optional
        The epoch whose weights were kept.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the losses.
    axes_ : dict of str to matplotlib Axes
        The axes of ``"loss"``, ``"difference"`` or ``"ratio"`` (or both) and, for each rate that is bounded,
        ``"multipliers of ..."``.
    figure_ : matplotlib Figure
        Their figure.
    loss_lines_ : dict of str to matplotlib Line2D
        The losses, under their names in the history.
    disparity_lines_, valid_disparity_lines_ : dict of str to matplotlib Line2D
        The disparity of each constraint, for the rows trained on and for those held out.
    bound_lines_ : dict of str to matplotlib Line2D
        The bound of each constraint; constraints with the same bound share a line.
    shades_ : dict of str to matplotlib Patch
        What lies beyond the bound of each constraint.
    multiplier_lines_ : dict of str to dict of group to matplotlib Line2D
        For each rate, the multiplier of each group.
    best_lines_ : dict of str to matplotlib Line2D
        The line at the kept epoch in each of the axes.

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
        best_epoch: int | None = None,
    ) -> None:
        self.history = history
        self.bounds = {} if bounds is None else bounds
        self.comparison = comparison
        self.groups = groups
        self.best_epoch = best_epoch
        self._curves = _Curves.of(history, groups)
        self._kinds: dict[str, str] = {
            name: comparison.get(name, "") if isinstance(comparison, Mapping) else comparison
            for name in self._curves.disparities
        }
        if not {*self._kinds.values()} <= {"difference", "ratio"}:
            raise ValueError(
                "comparison must be 'difference' or 'ratio', or a dict with one of these for each "
                f"constraint; got {comparison!r}."
            )
        for name, bound in self.bounds.items():
            if name not in self._curves.disparities:
                raise ValueError(
                    f"The history has no disparity named {name!r} to bound; it has: "
                    f"{', '.join(map(repr, self._curves.disparities))}."
                )
            if not np.isfinite(bound):
                raise ValueError(f"The bound of {name} must be a finite number; got {bound!r}.")
        if best_epoch is not None and best_epoch not in self._curves.epochs:
            raise ValueError(f"best_epoch={best_epoch!r} is not one of the epochs of the history.")

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Axes | Iterable[Axes] | None = None, **kwargs: Any
    ) -> Self:
        """Draw the training of a fitted FairClassifier.

        Parameters
        ----------
        estimator : FairClassifier
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
            If no FairClassifier is found in the estimator.
        """
        require_matplotlib(cls.__name__)
        classifier = _fair_classifier(cls.__name__, estimator)
        constraints = classifier.report_.constraints
        display = cls(
            classifier.history_,
            bounds={
                constraint.constraint: constraint.bound
                for constraint in constraints
                if np.isfinite(constraint.bound)
            },
            comparison={constraint.constraint: constraint.comparison for constraint in constraints},
            groups=_groups_of(classifier),
            best_epoch=classifier.best_epoch_,
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
        names = ["loss", *kinds, *(f"multipliers of {rate}" for rate in rates)]
        panels = stacked_axes(ax, names, [_PANEL] * len(names), around=_AROUND)
        self.axes_ = dict(zip(names, panels, strict=True))
        self._draw_losses(panels[0], kwargs)
        self._draw_disparities({kind: self.axes_[kind] for kind in kinds}, kwargs)
        self._draw_multipliers({rate: self.axes_[f"multipliers of {rate}"] for rate in rates}, kwargs)
        self._mark_best_epoch()
        self._finish(grow=ax is None)
        self.ax_, self.figure_ = panels[0], panels[0].figure
        return self

    def _draw_losses(self, axes: Any, style: Mapping[str, Any]) -> None:
        """Draw the task loss and the total loss."""
        order = list(_LOSSES)
        self.loss_lines_ = {}
        for key, values in self._curves.losses.items():
            name = key.removeprefix(_VALID)
            self.loss_lines_[key] = self._draw_curve(
                axes, values, order.index(name), _LOSSES[name], style, held_out=key != name
            )
        axes.set_ylabel("Loss")

    def _draw_disparities(self, axes_of: Mapping[str, Any], style: Mapping[str, Any]) -> None:
        """Draw the disparity of every constraint, and the bounds."""
        self.disparity_lines_, self.valid_disparity_lines_ = {}, {}
        self.bound_lines_, self.shades_ = {}, {}
        for index, (name, values) in enumerate(self._curves.disparities.items()):
            axes = axes_of[self._kinds[name]]
            self.disparity_lines_[name] = self._draw_curve(axes, values, index, words(name), style)
            if name in self._curves.valid_disparities:
                self.valid_disparity_lines_[name] = self._draw_curve(
                    axes, self._curves.valid_disparities[name], index, words(name), style, held_out=True
                )
        for kind, axes in axes_of.items():
            self._draw_bounds(axes, kind)
            axes.set_ylabel(words(kind))

    def _draw_bounds(self, axes: Any, kind: str) -> None:
        """Draw each bound once, and shade what lies beyond it. Parity is always on the axis."""
        upwards = kind == "difference"
        in_panel = [name for name in self._kinds if self._kinds[name] == kind]
        names_by_bound: dict[float, list[str]] = {}
        for name, bound in self.bounds.items():
            if name in in_panel:
                names_by_bound.setdefault(float(bound), []).append(name)
        lines = {}
        for bound, names in names_by_bound.items():
            common = len(names) == len(in_panel)
            label = "bound" if common else f"bound of {' and '.join(map(_lower, names))}"
            lines[bound] = axes.axhline(
                bound,
                color="0.25" if common else self.disparity_lines_[names[0]].get_color(),
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
                (lines[group],) = axes.plot(self._curves.epochs, values[group], **style_of_others)
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
        held_out: bool = False,
    ) -> Any:
        """Draw values over the epochs, in the look of their place among the curves of the axes."""
        step = -(-len(values) // _MOST_MARKS)
        defaults: dict[str, Any] = {
            "color": f"C{index % 10}",
            "marker": _MARKERS[index % len(_MARKERS)],
            "markersize": 4,
            "markevery": (index % step, step),  # those of curves that lie on each other alternate
            "linewidth": 1.4,
            "label": label,
        }
        if held_out:
            defaults |= {"linestyle": "--", "fillstyle": "none", "linewidth": 1}
        style_of_line = line_style(style, **defaults)
        if held_out:
            style_of_line["label"] = f"_held out: {label}"  # one entry explains all dashed lines
        return axes.plot(self._curves.epochs, values, **style_of_line)[0]

    def _mark_best_epoch(self) -> None:
        """Draw a line at the epoch whose weights were kept."""
        self.best_lines_ = {}
        if self.best_epoch is None:
            return
        for name, axes in self.axes_.items():
            label = f"kept: epoch {self.best_epoch}" if name == "loss" else "_kept epoch"
            self.best_lines_[name] = axes.axvline(
                self.best_epoch, color="0.4", linestyle=":", linewidth=1, zorder=1, label=label
            )

    def _finish(self, *, grow: bool) -> None:
        """Name the axis of epochs, and place the legends; a figure of our own grows by them."""
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        dashed = Line2D([], [], color="0.4", linestyle="--", linewidth=1, label="held-out rows")
        held_out = {line.axes for key, line in self.loss_lines_.items() if key not in _LOSSES}
        held_out |= {line.axes for line in self.valid_disparity_lines_.values()}
        panels: dict[str, Any] = self.axes_
        for name, axes in panels.items():
            axes.set_xlim(self._curves.epochs[0] - 0.5, self._curves.epochs[-1] + 0.5)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            place_legend(
                axes,
                grow=False,
                title="group" if name.startswith("multipliers") else None,
                extra=[dashed] if axes in held_out else [],
            )
        *above, last = panels.values()
        for axes in [last] if grow else [*above, last]:
            axes.set_xlabel("Epoch")
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
        best = np.flatnonzero(curves.epochs == self.best_epoch)
        step = -(-len(curves.epochs) // _MOST_PRINTED)
        printed = np.unique([*range(0, len(curves.epochs), step), *best, len(curves.epochs) - 1])
        epochs = [f"{curves.epochs[i]}*" if i in best else f"{curves.epochs[i]}" for i in printed]

        def text(columns: Mapping[str, Floats]) -> dict[str, list[str]]:
            return {"epoch": epochs} | {
                title: [number(values[i]) for i in printed] for title, values in columns.items()
            }

        notes = ["* the epoch whose weights were kept"] if len(best) else []
        for name, bound in self.bounds.items():
            kind = self._kinds[name]
            notes.append(f"bound: {name}_{kind} {_SIDES[kind]} {bound:g}")
        if len(printed) < len(curves.epochs):
            notes.append(f"{len(printed)} of {len(curves.epochs)} epochs; frame() has all")
        trained, held_out = self._columns(""), self._columns(_VALID)
        columns: dict[str, Sequence[Any]] = {"epoch": curves.epochs.tolist()}
        columns |= {title: values.tolist() for title, values in (trained | held_out).items()}
        if not held_out:
            return [Table(columns, text(trained), notes=notes)]
        return [
            Table(columns, text(trained), caption="rows trained on"),
            Table(columns, text(held_out), caption="rows held out", notes=notes),
        ]

    def _columns(self, prefix: str) -> dict[str, Floats]:
        """Return losses and disparities of the rows trained on, or of those held out, under their titles."""
        curves = self._curves
        losses = {key: curves.losses[key] for name in _LOSSES if (key := prefix + name) in curves.losses}
        disparities = curves.valid_disparities if prefix else curves.disparities
        return losses | {
            f"{prefix}{name}_{self._kinds[name]}": values for name, values in disparities.items()
        }


@dataclass(frozen=True)
class _Curves:
    """The numbers of a history, each over all epochs and NaN where an epoch lacks it.

    What is lacking in every epoch is left out, but for the disparities of the rows trained on.
    """

    epochs: Ints
    losses: dict[str, Floats]
    disparities: dict[str, Floats]
    valid_disparities: dict[str, Floats]
    multipliers: dict[str, dict[Hashable, Floats]]

    @classmethod
    def of(cls, history: Records, groups: Groups | None) -> Self:
        """Check a history and read it."""
        _check_records(history)
        losses = {
            key: np.array([record.get(key, np.nan) for record in history], dtype=float)
            for key in (*_LOSSES, *(_VALID + name for name in _LOSSES))
        }
        multipliers = {}
        for rate, by_epoch in _columns_of(history, "multipliers").items():
            width = next(len(row) for row in by_epoch if row is not None)
            values = np.array(
                [np.full(width, np.nan) if row is None else row for row in by_epoch],
                dtype=float,
            )
            multipliers[rate] = dict(zip(_labels(groups, rate, width), values.T, strict=True))
        return cls(
            epochs=np.array([record.get("epoch", i) for i, record in enumerate(history, start=1)]),
            losses=_measured(losses),
            disparities=_as_floats(_columns_of(history, "disparities")),
            valid_disparities=_measured(_as_floats(_columns_of(history, _VALID + "disparities"))),
            multipliers=multipliers,
        )


def _columns_of(history: Records, key: str) -> dict[str, list[Any]]:
    """Return what each record says under each name of a dict that it holds, None where it says nothing."""
    values_by_record = [record.get(key, {}) for record in history]
    names = dict.fromkeys(name for values in values_by_record for name in values)
    return {name: [values.get(name) for values in values_by_record] for name in names}


def _as_floats(lists: Mapping[str, Sequence[Any]]) -> dict[str, Floats]:
    """Return lists as arrays, in which None becomes NaN."""
    return {name: np.array(values, dtype=float) for name, values in lists.items()}


def _measured(curves: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the curves that are not NaN throughout."""
    return {name: values for name, values in curves.items() if not np.isnan(values).all()}


def _labels(groups: Groups | None, rate: str, width: int) -> list[Hashable]:
    """Return the groups that the multipliers of a rate belong to."""
    names = groups.get(rate) if isinstance(groups, Mapping) else groups
    labels: list[Hashable] = [*(range(width) if names is None else names)]
    if len(labels) != width or len(set(labels)) != width:
        raise ValueError(
            f"groups must name what the multipliers belong to, each once: {width} of {rate}; got "
            f"{len(labels)}: {list_groups(labels)}. If rates have different groups, give a dict with those "
            "of each."
        )
    return labels


def _peak(values: Floats) -> float:
    """Return how far from zero values reached."""
    return float(np.nanmax(np.abs(values), initial=0))


def _largest(peaks: Mapping[Any, float], most: int) -> list[Any]:
    """Return the names of the largest values, in the order that they stand in."""
    largest = sorted(peaks, key=lambda name: -peaks[name])[:most]
    return [name for name in peaks if name in largest]


def _check_records(history: Any) -> None:
    """Raise an error that says what a history is."""
    if hasattr(history, "fit"):
        raise TypeError(
            "history must be a list of records, not an estimator: give that to "
            "TrainingDisplay.from_estimator."
        )
    if not isinstance(history, Sequence) or not all(isinstance(record, Mapping) for record in history):
        raise TypeError(
            "history must be a list of one dict per epoch, as FairClassifier.history_ is; got "
            f"{type(history).__name__}."
        )
    if not history:
        raise ValueError("The history has no epochs, so there is nothing to draw.")
    for i, record in enumerate(history, start=1):
        absent = [key for key in (*_LOSSES, "disparities") if key not in record]
        if absent:
            raise ValueError(
                f"Record {i} of the history lacks {' and '.join(map(repr, absent))}. Give the history_ of a "
                "FairClassifier, not that of its net."
            )
        for key in ("disparities", _VALID + "disparities", "multipliers"):
            if not isinstance(record.get(key, {}), Mapping):
                raise TypeError(
                    f"{key!r} of record {i} must be a dict, as in FairClassifier.history_; got "
                    f"{record[key]!r}."
                )
    epochs = [record.get("epoch", i) for i, record in enumerate(history, start=1)]
    if any(after <= before for before, after in pairwise(epochs)):
        raise ValueError("The epochs of the history must be in order, each of them once.")


def _lower(name: str) -> str:
    """Write a name within a label."""
    return literal(in_words(name))


def _fair_classifier(display: str, estimator: Any) -> Any:
    """Return the fitted FairClassifier that an estimator is or ends in."""
    classifier = estimator
    while not hasattr(classifier, "best_epoch_"):
        check_is_fitted(classifier)
        if isinstance(classifier, Pipeline):
            classifier = classifier[-1]
        elif hasattr(classifier, "best_estimator_"):
            classifier = classifier.best_estimator_
        elif hasattr(classifier, "estimator_"):
            classifier = classifier.estimator_
        else:
            raise TypeError(
                f"{display} draws the training of a fitted FairClassifier, or of a pipeline, SensitiveRouter "
                f"or search that ends in one; {type(estimator).__name__} does not. Give the FairClassifier "
                "itself; of a search, fit it with refit=True."
            )
    return classifier


def _groups_of(classifier: Any) -> dict[str, Sequence[Hashable]]:
    """Return the groups that the multipliers of each rate belong to; of separate columns, their values."""
    groups: dict[str, Sequence[Hashable]] = {}
    for rate, by_epoch in _columns_of(classifier.history_, "multipliers").items():
        labels = classifier.groups_
        if classifier.combine == "separate" and all(isinstance(group, tuple) for group in labels):
            labels = [value for column, value in labels if rate.endswith(f", {column}")]
        width = next(len(multipliers) for multipliers in by_epoch if multipliers is not None)
        groups[rate] = labels[:width]  # groups at the end that take no part are not counted
    return groups
