"""ThresholdDisplay: every group's ROC curve with the chosen threshold on it."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from fairsk._core.counts import soft_counts
from fairsk._core.curves import sorted_curves
from fairsk._core.groups import Grouping, attribute_name, format_group
from fairsk._core.results import Result, Table
from fairsk._core.typing import Bools, Floats, Ints
from fairsk._core.validation import check_weights
from fairsk._core.warnings import warn_user
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.rows import check_rows
from fairsk.plotting._drawing import axes_for, line_style, literal, place_legend, require_matplotlib
from fairsk.rates import RATES
from fairsk.thresholds._classes.report import ClassThresholdReport
from fairsk.thresholds._report import ThresholdReport
from fairsk.thresholds._rules import ThresholdRule

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["ThresholdDisplay"]


_FPR, _TPR = RATES["false_positive_rate"], RATES["true_positive_rate"]
#: Nine markers and matplotlib's ten colours tell ninety groups apart, and two without colours.
_MARKERS = "osD^vPX<>"
_CHOSEN: dict[str, Any] = {"linestyle": "none", "markersize": 9, "markeredgecolor": "white", "clip_on": False}
_MIXED: dict[str, Any] = {"linestyle": ":", "linewidth": 1, "markersize": 4, "fillstyle": "none"}


class ThresholdDisplay(Result):
    """Every group's ROC curve, and the point on it that its threshold gives.

    Groups whose points lie level have the same true positive rate; points one above the other have the
    same false positive rate. Make it with :meth:`from_estimator`.

    Parameters
    ----------
    fpr, tpr : dict of group to array of shape (n_thresholds,)
        False and true positive rate of each group at all thresholds.
    chosen : dict of group to (float, float)
        False and true positive rate of each group as it is decided; for mixtures, the expected ones.
    mixed : dict of group to array of shape (n_parts, 2), optional
        For mixtures, the rates that each of a group's thresholds alone gives.
    exempt : collection of groups, default=()
        Groups that the bound does not cover; they are drawn dashed.
    attribute : str, optional
        What the groups are groups of: the title of the legend.
    pos_label : label, optional
        The positive class, for the axis labels.
    name : str, optional
        Stands before the names of the groups in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Their figure.
    lines_ : dict of group to matplotlib Line2D
        The curves.
    points_ : dict of group to matplotlib Line2D
        The chosen points.
    mixed_lines_ : dict of group to matplotlib Line2D
        The thresholds of mixtures, joined by a dotted line on which the chosen point lies.
    chance_level_ : matplotlib Line2D or None
        The diagonal.

    See Also
    --------
    TradeoffDisplay : What a bound on the disparity costs.
    GroupMetricDisplay : The rates at the chosen thresholds.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from fairsk import GroupThresholdOptimizer
    >>> from fairsk.datasets import load_german_credit
    >>> from fairsk.plotting import ThresholdDisplay
    >>> from sklearn.compose import make_column_selector, make_column_transformer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import OneHotEncoder, StandardScaler
    >>> X, y = load_german_credit(return_X_y=True)
    >>> numbers = make_column_selector(dtype_include="number")
    >>> prepare = make_column_transformer((StandardScaler(), numbers), remainder=OneHotEncoder())
    >>> model = make_pipeline(prepare, LogisticRegression())
    >>> optimizer = GroupThresholdOptimizer(model, sensitive_features="sex", constraint="equal_opportunity")
    >>> optimizer = optimizer.fit(X[:600], y[:600])
    >>> display = ThresholdDisplay.from_estimator(optimizer, X[600:], y[600:])
    >>> sorted(display.lines_)
    ['female', 'male']
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    figure_: Figure
    lines_: dict[Hashable, Line2D]
    points_: dict[Hashable, Line2D]
    mixed_lines_: dict[Hashable, Line2D]
    chance_level_: Line2D | None

    def __init__(
        self,
        *,
        fpr: Mapping[Hashable, Floats],
        tpr: Mapping[Hashable, Floats],
        chosen: Mapping[Hashable, tuple[float, float]],
        mixed: Mapping[Hashable, Floats] | None = None,
        exempt: Collection[Hashable] = (),
        attribute: str | None = None,
        pos_label: Any = None,
        name: str | None = None,
    ) -> None:
        self.fpr = fpr
        self.tpr = tpr
        self.chosen = chosen
        self.mixed = mixed
        self.exempt = exempt
        self.attribute = attribute
        self.pos_label = pos_label
        self.name = name

    def _tables(self) -> list[Table]:
        rates = np.array([self.chosen[group] for group in self.fpr]).reshape(-1, 2)
        return [
            Table(
                {
                    "group": list(map(format_group, self.fpr)),
                    _FPR.name: rates[:, 0].tolist(),
                    _TPR.name: rates[:, 1].tolist(),
                    "exempt": [group in self.exempt for group in self.fpr],
                },
                caption="Rates of the groups at their thresholds",
            )
        ]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        sensitive_features: Any = None,
        sample_weight: ArrayLike | None = None,
        ax: Axes | None = None,
        name: str | None = None,
        plot_chance_level: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Draw the curves of a fitted optimizer on rows, best on those that it was not fitted on.

        The points are the rates of its predictions on these rows. Those of mixtures, which a hash of the
        scores decides, are the rates to be expected instead: they have no noise of their own.

        Parameters
        ----------
        estimator : GroupThresholdOptimizer
            A fitted one; it is not changed.
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,)
            Their labels.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column that the estimator names.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row.
        ax : matplotlib Axes, optional
            As in :meth:`plot`.
        name : str, optional
            As in :meth:`plot`.
        plot_chance_level : bool, default=True
            As in :meth:`plot`.
        **kwargs
            As in :meth:`plot`.

        Returns
        -------
        ThresholdDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        TypeError
            If the estimator is no GroupThresholdOptimizer.
        ValueError
            If no group has positives and negatives, a label is not one of the estimator's classes, or there
            are more than two of these.

        Warns
        -----
        UserWarning
            If groups lack positives or negatives, and so have no curve, or if rows belong to groups that
            the estimator does not know; they are left out.
        """
        require_matplotlib(cls.__name__)
        check_is_fitted(estimator)
        report = getattr(estimator, "report_", None)
        if isinstance(report, ClassThresholdReport):
            raise ValueError(
                f"{cls.__name__} draws thresholds between two classes, and this optimizer decides among "
                f"{len(report.classes)}: its report_ has the offsets of each, and report_.counts what they "
                "achieve."
            )
        if not isinstance(report, ThresholdReport):
            raise TypeError(
                f"{cls.__name__} draws a fitted GroupThresholdOptimizer, got {type(estimator).__name__}. "
                "Of a search, give the best_estimator_."
            )
        rows = _ScoredRows.of(estimator, X, y, sensitive_features, sample_weight)
        rates = rows.rates(rows.selection_probability)
        with_curve = np.flatnonzero(~np.isnan(rates).any(1))
        _refuse_or_warn(
            [label for i, label in enumerate(rows.groups.labels) if i not in with_curve], len(with_curve)
        )
        fpr, tpr = rows.curves(with_curve)
        mixed = None
        if report.policy == "randomized":
            mixed = {label: rows.mixture_rates(label, estimator.thresholds_[label]) for label in fpr}
        display = cls(
            fpr=fpr,
            tpr=tpr,
            chosen={rows.groups.labels[i]: (float(rates[i, 0]), float(rates[i, 1])) for i in with_curve},
            mixed=mixed,
            exempt=report.exempt,
            attribute=attribute_name(rows.groups.names),
            pos_label=report.pos_label,
            name=name,
        )
        return display.plot(ax, plot_chance_level=plot_chance_level, **kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        name: str | None = None,
        plot_chance_level: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Draw the curves and the points.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default in a new figure. The legend stands beside the axes if the figure makes
            room for it, as one with ``layout="constrained"`` does, else in the lower right corner.
        name : str, optional
            Stands before the names of the groups in the legend, instead of the display's own name.
        plot_chance_level : bool, default=True
            Whether to draw the diagonal, on which a score that says nothing lies.
        **kwargs
            For matplotlib's ``plot``, for the curve of every group.

        Returns
        -------
        ThresholdDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        require_matplotlib(type(self).__name__)
        from matplotlib.lines import Line2D

        axes: Any = axes_for(ax, square=True)
        name = self.name if name is None else name
        self.lines_, self.points_, self.mixed_lines_ = {}, {}, {}
        for group, marker in zip(self.fpr, cycle(_MARKERS), strict=False):
            exempt = group in self.exempt
            label = literal(format_group(group))
            label = label if name is None else f"{literal(name)}: {label}"
            style = line_style(
                kwargs,
                label=f"{label} (exempt)" if exempt else label,
                linestyle="--" if exempt else "-",
                linewidth=1.4,
            )
            (line,) = axes.plot(self.fpr[group], self.tpr[group], **style)
            dot: dict[str, Any] = {"color": line.get_color(), "marker": marker}
            above = line.get_zorder() + 1
            if self.mixed is not None:
                mixed_rates = np.transpose(self.mixed[group])
                (self.mixed_lines_[group],) = axes.plot(*mixed_rates, **dot, **_MIXED, zorder=above)
            point = ([rate] for rate in self.chosen[group])
            (self.points_[group],) = axes.plot(*point, **dot, **_CHOSEN, zorder=above + 1)
            self.lines_[group] = line
        self.chance_level_ = None
        if plot_chance_level:
            (self.chance_level_,) = axes.plot(
                (0, 1), (0, 1), color="0.6", linestyle=":", linewidth=1, zorder=1, label="chance"
            )
        positive = "" if self.pos_label is None else f" (positive label: {literal(str(self.pos_label))})"
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        axes.set_xlabel(f"False positive rate{positive}", usetex=False)
        axes.set_ylabel(f"True positive rate{positive}", usetex=False)
        marks = {line: self.points_[group] for group, line in self.lines_.items()}
        grey: dict[str, Any] = {"color": "0.4", "marker": _MARKERS[0]}
        extra = [Line2D([], [], **grey, **_CHOSEN, label="chosen")]
        if self.mixed is not None:
            extra.append(Line2D([], [], **grey, **_MIXED, label="mixed thresholds"))
        place_legend(
            axes, grow=ax is None, inside="lower right", title=self.attribute, marks=marks, extra=extra
        )
        self.ax_, self.figure_ = axes, axes.figure
        return self


@dataclass(frozen=True)
class _ScoredRows:
    """Rows of the groups that were fitted: scores, labels, weights and probabilities of selection."""

    scores: Floats
    actual: Bools
    selection_probability: Floats
    groups: Grouping
    weights: Floats

    @classmethod
    def of(
        cls, estimator: Any, X: Any, y: ArrayLike, sensitive_features: Any, sample_weight: ArrayLike | None
    ) -> Self:
        """Let a fitted optimizer score and decide the rows."""
        X, labels = check_rows(X, y, sensitive_features=sensitive_features, sample_weight=sample_weight)
        unknown = sorted(set(labels.tolist()) - set(estimator.classes_.tolist()), key=str)
        if unknown:
            raise ValueError(f"y has labels that did not occur in fit: {', '.join(map(repr, unknown))}.")
        decided = estimator.decided_rows(X, sensitive_features)
        actual = labels == estimator.report_.pos_label
        weights = check_weights(sample_weight, num_samples(X))
        weights = np.ones(len(actual)) if weights is None else weights
        in_fit = decided.codes >= 0
        if not in_fit.all():
            warn_user(
                f"{np.sum(~in_fit)} of {len(in_fit)} rows belong to groups that did not occur in fit: they "
                "are left out."
            )
        groups = Grouping(decided.names, tuple(estimator.groups_), decided.codes[in_fit])
        probability = decided.selection_probability[in_fit]
        return cls(decided.scores[in_fit], actual[in_fit], probability, groups, weights[in_fit])

    def rates(self, selection_probability: Floats) -> Floats:
        """Return each group's false and true positive rate, NaN where it has none."""
        counts = soft_counts(selection_probability, self.actual, self.groups, self.weights)
        return np.column_stack([counts.rate(_FPR), counts.rate(_TPR)])

    def mixture_rates(self, label: Hashable, pairs: list[tuple[float, float]]) -> Floats:
        """Return the rates of a group under each threshold of its mixture alone."""
        group = self.groups.labels.index(label)
        return np.array(
            [
                self.rates(ThresholdRule.single(at).selection_probability(self.scores))[group]
                for at, _ in pairs
            ]
        )

    def curves(self, groups: Ints) -> tuple[dict[Hashable, Floats], dict[Hashable, Floats]]:
        """Return the false and the true positive rates of these groups at all thresholds."""
        in_groups = np.isin(self.groups.codes, groups)
        codes = np.searchsorted(groups, self.groups.codes[in_groups])
        weightings = [self.weights[in_groups]]
        ((curves, _),) = sorted_curves(
            self.scores[in_groups], self.actual[in_groups], codes, len(groups), weightings
        )
        pairs = list(zip((self.groups.labels[i] for i in groups), curves, strict=True))
        return (
            {label: _FPR(curve.cells) for label, curve in pairs},
            {label: _TPR(curve.cells) for label, curve in pairs},
        )


def _refuse_or_warn(left_out: list[Hashable], n_drawn: int) -> None:
    """Name the groups that have no curve; with no other ones there is nothing to draw."""
    if not left_out:
        return
    message = (
        "These groups have no ROC curve, for they have no positives or no negatives in the rows: "
        f"{', '.join(map(format_group, left_out))}."
    )
    if not n_drawn:
        raise ValueError(f"{message} There is no other one to draw.")
    warn_user(f"{message} They are left out.")
