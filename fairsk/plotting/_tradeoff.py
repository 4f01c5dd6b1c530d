"""TradeoffDisplay: the objective against the bound on the disparity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.results import Result, Table
from fairsk._core.typing import Floats
from fairsk.plotting._drawing import axes_for, line_style, literal, place_legend, require_matplotlib, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["Tradeoff", "TradeoffDisplay"]

_INTERVAL = "95% interval"


class Tradeoff(Protocol):
    """What can be drawn: the best that can be reached at each of many bounds, NaN where nothing can.

    A path of models, each measured on rows held out of it, has the ends of an interval for each disparity
    besides, as ``low`` and ``high``.
    """

    @property
    def constraint(self) -> str:
        """The name of the criterion that was bounded."""

    @property
    def comparison(self) -> str:
        """``"difference"``, bounded from above, or ``"ratio"``, bounded from below."""

    @property
    def objective(self) -> str:
        """The name of what was maximised."""

    @property
    def bounds(self) -> Floats:
        """The bounds."""

    @property
    def disparity(self) -> Floats:
        """What the best thresholds within each bound have."""

    @property
    def value(self) -> Floats:
        """The objective's value that they reach."""

    @property
    def best_mixture(self) -> Floats:
        """The value that the best mixture of thresholds reaches within each bound."""


class TradeoffDisplay(Result):
    """The objective against the disparity: what each bound costs.

    The solid line is the best value that one threshold per group reaches within a disparity, a step at each
    choice of thresholds; the dashed line above it is what mixtures of thresholds could reach.

    Of a ConstrainedClassifier, each choice is a model of its own, measured on rows held out of it: a point,
    with the 95% interval of its disparity as a bar. Where a model under a looser bound errs more, the line
    stays at the better one.

    Parameters
    ----------
    path : Tradeoff
        Arrays over bounds, and what they are of; anything with these attributes.
    name : str, optional
        What the solid line is called in the legend, instead of "one threshold per group" or "one model per
        bound".

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Their figure.
    lines_ : list of matplotlib Line2D
        The line of single thresholds (or models) and, if some bound has one, that of the best mixtures.
    points_ : matplotlib ErrorbarContainer or None
        The models with their intervals; None if thresholds were chosen on all rows alike.

    See Also
    --------
    ThresholdDisplay : The thresholds of one bound.
    TrainingDisplay : The course of a training under a bound.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from fairsk.plotting import TradeoffDisplay
    >>> path = SimpleNamespace(
    ...     constraint="demographic_parity", comparison="difference", objective="accuracy",
    ...     bounds=np.array([0.0, 0.05, 0.1]), disparity=np.array([0.0, 0.045, 0.1]),
    ...     value=np.array([0.80, 0.83, 0.84]), best_mixture=np.array([0.81, 0.83, 0.84]))
    >>> display = TradeoffDisplay(path).plot()
    >>> display.ax_.get_xlabel()
    'Demographic parity difference'
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    figure_: Figure
    lines_: list[Line2D]
    points_: ErrorbarContainer | None

    def __init__(self, path: Tradeoff, *, name: str | None = None) -> None:
        self.path = path
        self.name = name

    @property
    def _label(self) -> str:
        """What the solid line is called, if it has no other name."""
        if _interval(self.path) is not None:
            return "one model per bound"
        # Of several classes a path has offsets of the scores, and no thresholds.
        return (
            "one vector of offsets per group" if hasattr(self.path, "offsets") else "one threshold per group"
        )

    def _tables(self) -> list[Table]:
        path = self.path
        limit = "max_difference" if path.comparison == "difference" else "min_ratio"
        columns = {limit: path.bounds, path.comparison: path.disparity, path.objective: path.value}
        columns["best_mixture"] = path.best_mixture
        columns |= _interval(path) or {}
        caption = f"{path.objective} under bounds on {path.constraint}"
        return [
            Table({title: np.asarray(values).tolist() for title, values in columns.items()}, caption=caption)
        ]

    def _content(self) -> dict[str, Any]:
        names = ("constraint", "comparison", "objective", "bounds", "disparity", "value", "best_mixture")
        content = {name: getattr(self.path, name) for name in names} | (_interval(self.path) or {})
        return {"path": content, "name": self.name}

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        sensitive_features: Any = None,
        sample_weight: ArrayLike | None = None,
        n_points: int | None = None,
        bounds: ArrayLike | None = None,
        ax: Axes | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Compute the path of an optimizer or classifier, fitted or not, and draw it.

        Parameters
        ----------
        estimator : GroupThresholdOptimizer or ConstrainedClassifier
            What to follow over bounds; it is not changed.
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,)
            Their labels.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column that the estimator names.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row.
        n_points : int, optional
            How many bounds to compute; by default as many as the estimator's ``pareto_path`` does.
        bounds : array-like of shape (n_points,), optional
            Which bounds, for a ConstrainedClassifier, which fits a model for each.
        ax : matplotlib Axes, optional
            As in :meth:`plot`.
        name : str, optional
            As in :meth:`plot`.
        **kwargs
            As in :meth:`plot`.

        Returns
        -------
        TradeoffDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        TypeError
            If the estimator has no such path.
        """
        require_matplotlib(cls.__name__)
        if not hasattr(estimator, "pareto_path"):
            raise TypeError(
                f"{cls.__name__} draws the path of a GroupThresholdOptimizer or ConstrainedClassifier, got "
                f"{type(estimator).__name__}. Put one of these around the pipeline; of a search, give the "
                "best_estimator_."
            )
        chosen = {"n_points": n_points, "bounds": bounds}
        path = estimator.pareto_path(
            X,
            y,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            **{name: value for name, value in chosen.items() if value is not None},
        )
        return cls(path, name=name).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, *, name: str | None = None, **kwargs: Any) -> Self:
        """Draw the path.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default in a new figure.
        name : str, optional
            What the solid line is called in the legend, instead of the display's own name.
        **kwargs
            For matplotlib's ``plot``, for the solid line.

        Returns
        -------
        TradeoffDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        require_matplotlib(type(self).__name__)
        axes: Any = axes_for(ax)
        path = self.path
        name = self.name if name is None else name
        interval = _interval(path)
        # A choice of thresholds (or a model) serves every bound from its own disparity on, also beyond the
        # last: larger differences, smaller ratios.
        upwards = path.comparison == "difference"
        met = np.isfinite(path.disparity) & np.isfinite(path.value)
        order = np.flatnonzero(met)[np.argsort(path.disparity[met], kind="stable")]
        disparity, value = path.disparity[order], path.value[order]
        if interval is not None:  # models are not optima: a looser bound may have a worse one
            value = np.maximum.accumulate(value) if upwards else np.maximum.accumulate(value[::-1])[::-1]
        if len(order):
            end = len(order) if upwards else 0
            # A model may miss its bound, and lie beyond the loosest.
            disparities = np.append(path.bounds, disparity)
            loosest = disparities.max() if upwards else disparities.min()
            disparity, value = np.insert(disparity, end, loosest), np.insert(value, end, value[end - upwards])
        style = line_style(
            kwargs,
            label=self._label if name is None else literal(name),
            drawstyle="steps-post" if upwards else "steps-pre",
        )
        (line,) = axes.plot(disparity, value, **style)
        self.lines_, self.points_ = [line], None
        if interval is not None:
            label = _INTERVAL if name is None else f"{literal(name)}, {_INTERVAL}"
            self.points_ = self._draw_models(axes, interval, line.get_color(), label)
        if np.isfinite(path.best_mixture).any():
            self.lines_ += axes.plot(
                path.bounds,
                path.best_mixture,
                color=line.get_color(),
                linestyle="--",
                linewidth=1,
                label="best mixture" if name is None else f"{literal(name)}, best mixture",
            )
        held_out = "" if interval is None else ", held out"
        axes.set_xlabel(f"{words(path.constraint)} {path.comparison}{held_out}", usetex=False)
        axes.set_ylabel(words(path.objective), usetex=False)
        place_legend(axes, grow=ax is None)
        self.ax_, self.figure_ = axes, axes.figure
        return self

    def _draw_models(self, axes: Any, interval: Mapping[str, Floats], color: Any, label: str) -> Any:
        """Draw every model as a point, and the interval of its disparity."""
        path = self.path
        return axes.errorbar(
            path.disparity,
            path.value,
            xerr=[path.disparity - interval["low"], interval["high"] - path.disparity],
            fmt="o",
            color=color,
            markersize=4,
            elinewidth=0.8,
            capsize=2.5,
            alpha=0.8,
            label=label,
        )


def _interval(path: Any) -> dict[str, Floats] | None:
    """Return the ends of the interval for each disparity; None if the path has none."""
    if getattr(path, "low", None) is None:
        return None
    # An interval holds its point but for rounding, and matplotlib takes no negative lengths.
    low, high = np.minimum(path.low, path.disparity), np.maximum(path.high, path.disparity)
    return {"low": low, "high": high}
