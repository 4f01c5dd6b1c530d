"""Displays: what they draw is what the library counts, whatever the groups are called."""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import auc, roc_auc_score, roc_curve
from toy_data import ScoreColumn, columns_of, logistic, people

from fairsk import GroupThresholdOptimizer
from fairsk.metrics import GroupCounts
from fairsk.plotting import ThresholdDisplay, TradeoffDisplay
from fairsk.plotting._drawing import literal, words
from fairsk.rates import RATES

HOSTILE = ("$\\frac{", "_hidden", "<script>", "a$b", "\\$x$", "", " ", "\n", "\ud800", "n" * 500)


@pytest.fixture(autouse=True)
def plt():
    """Draw without a screen, and leave no figure open."""
    matplotlib.use("Agg", force=True)
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def optimizer(**options):
    return GroupThresholdOptimizer(logistic(), **{"sensitive_features": "sex", "cv": 3, **options})


@pytest.fixture(scope="module")
def fitted():
    return optimizer().fit(*people(seed=1))


def named(names, n=400, **options):
    """Return an optimizer whose groups have these names, with rows, labels and groups."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, 1)), rng.integers(0, 2, n)
    groups = np.array(names, dtype=object)[np.arange(n) % len(names)]
    model = FrozenEstimator(ScoreColumn().fit(X, y))
    return GroupThresholdOptimizer(model, **options).fit(X, y, sensitive_features=groups), X, y, groups


def point(line):
    return line.get_xydata().tolist()


def expected(counts, group):
    """Return the rates that the counts give a group, as the only point of a line."""
    at = counts.groups.index(group)
    return [[counts.rate(RATES[name])[at] for name in ("false_positive_rate", "true_positive_rate")]]


def legend_texts(display):
    """Return the entries of the legend as they are shown: drawn, and with escapes taken away."""
    display.figure_.canvas.draw()
    texts = display.ax_.get_legend().get_texts()
    return [text._preprocess_math(text.get_text())[0] for text in texts]


# --- ThresholdDisplay ----------------------------------------------------------------------------------


def test_points_are_the_rates_of_the_predictions(fitted, library):
    X, y = people(library, seed=2)
    display = ThresholdDisplay.from_estimator(fitted, X, y)
    counts = GroupCounts.from_predictions(
        y, fitted.predict(X), sensitive_features=X["sex"], pos_label=fitted.report_.pos_label
    )
    assert set(display.points_) == {"F", "M"}
    for group, drawn in display.points_.items():
        assert point(drawn) == expected(counts, group)
        assert point(drawn)[0] in point(display.lines_[group])  # a threshold's point lies on the curve


def test_curves_are_those_of_scikit_learn(fitted):
    X, y = people(seed=2)
    display = ThresholdDisplay.from_estimator(fitted, X, y)
    for group, line in display.lines_.items():
        own = X["sex"] == group
        scores = fitted.predict_proba(X[own])[:, 1]
        fpr, tpr, _ = roc_curve(y[own] == "yes", scores, drop_intermediate=False)
        np.testing.assert_allclose(line.get_xdata(), fpr)
        np.testing.assert_allclose(line.get_ydata(), tpr)
        assert auc(line.get_xdata(), line.get_ydata()) == pytest.approx(
            roc_auc_score(y[own] == "yes", scores)
        )


def test_weights_count(fitted):
    X, y = people(seed=2)
    weights = np.random.default_rng(0).integers(0, 4, len(y))
    display = ThresholdDisplay.from_estimator(fitted, X, y, sample_weight=weights)
    repeated = np.repeat(np.arange(len(y)), weights)
    other = ThresholdDisplay.from_estimator(fitted, X.iloc[repeated], y[repeated])
    for group in display.lines_:
        assert point(display.points_[group]) == point(other.points_[group])
        rows = {tuple(row) for row in point(other.lines_[group])}
        assert rows == {tuple(row) for row in point(display.lines_[group])}


def test_axes_figure_and_legend(fitted, plt):
    X, y = people(seed=2)
    display = ThresholdDisplay.from_estimator(fitted, X, y)
    assert display.ax_.figure is display.figure_
    assert display.ax_.get_xlabel() == "False positive rate (positive label: yes)"
    assert display.ax_.get_ylabel() == "True positive rate (positive label: yes)"
    assert display.ax_.get_aspect() == 1
    assert display.ax_.get_legend().get_title().get_text() == "sex"
    assert legend_texts(display) == ["F", "M", "chance", "chosen"]
    assert point(display.chance_level_) == [[0, 0], [1, 1]]
    assert display.mixed_lines_ == {}
    inside = display.ax_.get_window_extent()
    assert display.ax_.get_legend().get_window_extent().x0 > inside.x1  # beside the data
    bounds = display.figure_.get_tightbbox()  # nothing is cut off at the edges
    width, height = display.figure_.get_size_inches()
    assert bounds.x0 >= 0
    assert bounds.y0 >= 0
    assert bounds.x1 <= width
    assert bounds.y1 <= height


def test_drawing_on_given_axes_and_again(fitted, plt):
    X, y = people(seed=2)
    figure, (left, right) = plt.subplots(1, 2)
    display = ThresholdDisplay.from_estimator(fitted, X, y, ax=left, name="test", c="k", lw=3)
    assert (display.ax_, display.figure_) == (left, figure)
    assert plt.get_fignums() == [figure.number]
    assert {line.get_color() for line in display.lines_.values()} == {"k"}
    assert {line.get_linewidth() for line in display.lines_.values()} == {3}
    assert legend_texts(display) == ["test: F", "test: M", "chance", "chosen"]
    legend = left.get_legend().get_window_extent()
    assert left.get_window_extent().x1 > legend.x1  # in its axes, not over the neighbour
    again = display.plot(right, name="again", plot_chance_level=False)
    assert again is display
    assert display.ax_ is right
    assert display.chance_level_ is None
    assert legend_texts(display) == ["again: F", "again: M", "chosen"]
    figure, ax = plt.subplots(layout="constrained")
    display.plot(ax)
    figure.canvas.draw()
    assert ax.get_legend().get_window_extent().x0 > ax.get_window_extent().x1  # the layout makes room


def test_both_channels(fitted):
    X, y = people(seed=2)
    column = ThresholdDisplay.from_estimator(fitted, X, y)
    metadata = ThresholdDisplay.from_estimator(
        fitted, X.drop(columns="sex"), y, sensitive_features=X["sex"].to_numpy()
    )
    assert metadata.chosen == column.chosen
    bare = optimizer(sensitive_features=None).fit(X, y, sensitive_features=X["sex"])
    assert set(ThresholdDisplay.from_estimator(bare, X, y, sensitive_features=X["sex"]).lines_) == {"F", "M"}
    with pytest.raises(ValueError, match="Which column is sensitive"):
        ThresholdDisplay.from_estimator(bare, X, y)


def test_intersections(plt):
    X, y = people(n=600)
    model = optimizer(sensitive_features=["sex", "race"], max_difference=0.2).fit(X, y)
    display = ThresholdDisplay.from_estimator(model, X, y)
    assert set(display.lines_) == set(model.groups_)
    assert display.ax_.get_legend().get_title().get_text() == "sex & race"
    assert legend_texts(display)[0] == "F & b"


def test_the_estimator_is_not_changed(fitted):
    X, y = people(seed=2)
    before = pickle.dumps(fitted)
    ThresholdDisplay.from_estimator(fitted, X, y)
    assert pickle.dumps(fitted) == before


def test_mixtures_show_the_expected_point_and_what_is_mixed():
    X, y = people(seed=1)
    model = optimizer(constraint="equalized_odds", max_difference=0.0, policy="randomized").fit(X, y)
    X, y = people(n=2000, seed=3)
    display = ThresholdDisplay.from_estimator(model, X, y)
    scores = model.predict_proba(X)[:, 1]
    chance = np.zeros(len(y))
    for group, pairs in model.thresholds_.items():
        for threshold, probability in pairs:
            chance += probability * ((scores >= threshold) & (X["sex"] == group))
    counts = GroupCounts.from_probabilities(
        y, chance.clip(0, 1), sensitive_features=X["sex"], pos_label="yes"
    )
    drawn = GroupCounts.from_predictions(y, model.predict(X), sensitive_features=X["sex"], pos_label="yes")
    assert any(len(pairs) > 1 for pairs in model.thresholds_.values())
    for group, pairs in model.thresholds_.items():
        np.testing.assert_allclose(point(display.points_[group]), expected(counts, group))
        np.testing.assert_allclose(point(display.points_[group]), expected(drawn, group), atol=0.06)
        parts = np.array(point(display.mixed_lines_[group]))
        assert len(parts) == len(pairs)
        np.testing.assert_allclose([p for _, p in pairs] @ parts, point(display.points_[group])[0])
        on_curve = {tuple(np.round(row, 9)) for row in point(display.lines_[group])}
        assert {tuple(np.round(row, 9)) for row in parts} <= on_curve
        assert display.mixed_lines_[group].get_markersize() < display.points_[group].get_markersize()
    assert legend_texts(display)[-2:] == ["chosen", "mixed thresholds"]


def test_a_rule_that_is_no_threshold_is_shown_by_its_predictions(fitted):
    """Predictions decide where the points stand, so that any policy can be drawn."""
    X, y = people(seed=2)

    class Blind(GroupThresholdOptimizer):
        def predict(self, X, sensitive_features=None):
            return np.where(X["skill"] > X["age"] / 40, "yes", "no")

    model = pickle.loads(pickle.dumps(fitted))
    model.__class__ = Blind
    del model.thresholds_
    display = ThresholdDisplay.from_estimator(model, X, y)
    counts = GroupCounts.from_predictions(y, model.predict(X), sensitive_features=X["sex"], pos_label="yes")
    for group, drawn in display.points_.items():
        assert point(drawn) == expected(counts, group)


def test_exempt_groups_are_dashed_and_labelled():
    X, y = people()
    X.loc[:9, "sex"] = "X"
    with pytest.warns(UserWarning, match="X"):
        model = optimizer().fit(X, y)
    display = ThresholdDisplay.from_estimator(model, X, y)
    assert {group: line.get_linestyle() for group, line in display.lines_.items()} == {
        "F": "-",
        "M": "-",
        "X": "--",
    }
    assert legend_texts(display)[:3] == ["F", "M", "X (exempt)"]


def test_groups_without_a_curve_are_named_and_left_out(fitted):
    X, y = people(seed=2)
    y = np.where(X["sex"] == "F", "no", y)
    with pytest.warns(UserWarning, match=r"no positives or no negatives in the rows: F\. They are left out"):
        display = ThresholdDisplay.from_estimator(fitted, X, y)
    assert set(display.lines_) == set(display.points_) == {"M"}
    weights = np.where((X["sex"] == "M") & (y == "yes"), 0, 1)  # weightless positives are none
    with pytest.raises(ValueError, match=r"in the rows: F, M\. There is no other one to draw"):
        ThresholdDisplay.from_estimator(fitted, X, y, sample_weight=weights)
    with pytest.warns(UserWarning, match=r"in the rows: F\."):  # it has no rows at all
        ThresholdDisplay.from_estimator(fitted, X[X["sex"] == "M"], y[X["sex"] == "M"])


def test_rows_of_unknown_groups_are_refused_or_left_out(fitted):
    X, y = people(seed=2)
    X.loc[:4, "sex"] = "X"
    with pytest.raises(ValueError, match="did not occur in fit: X"):
        ThresholdDisplay.from_estimator(fitted, X, y)
    model = optimizer(unknown_group="overall").fit(*people(seed=1))
    with pytest.warns(UserWarning, match=r"5 of 400 rows belong to groups that did not occur in fit"):
        display = ThresholdDisplay.from_estimator(model, X, y)
    known = ThresholdDisplay.from_estimator(model, X[5:], y[5:])
    assert display.chosen == known.chosen


def test_what_cannot_be_drawn_is_refused(fitted):
    X, y = people(seed=2)
    with pytest.raises(NotFittedError):
        ThresholdDisplay.from_estimator(optimizer(), X, y)
    with pytest.raises(TypeError, match="a fitted GroupThresholdOptimizer, got LogisticRegression"):
        ThresholdDisplay.from_estimator(LogisticRegression().fit(X[["skill"]], y), X, y)
    with pytest.raises(ValueError, match="labels that did not occur in fit: 'maybe'"):
        ThresholdDisplay.from_estimator(fitted, X, np.where(np.arange(len(y)) == 0, "maybe", y))


def test_hostile_names_are_written_as_they_are():
    model, X, y, groups = named(HOSTILE, n=1000, policy="threshold", max_difference=0.3)
    display = ThresholdDisplay.from_estimator(model, X, y, sensitive_features=groups)
    shown = legend_texts(display)
    assert len(shown) == len(HOSTILE) + 2
    for name in ("$\\frac{", " _hidden", "<script>", "a$b", "\\$x$", "''", "' '", r"'\n'", r"'\ud800'"):
        assert name in shown
    assert max(map(len, shown)) < 50
    display.figure_.legend()  # one that the user asks for holds the names too
    display.figure_.canvas.draw()
    display.plot(name="$x$")
    assert "$x$: $\\frac{" in legend_texts(display)


def test_hostile_attributes_and_labels(plt):
    X, y = people()
    X = X.rename(columns={"sex": "$\\sqrt{"})
    y = np.where(y == "yes", "z$\\bad{$", "a")
    display = ThresholdDisplay.from_estimator(
        optimizer(sensitive_features="$\\sqrt{").fit(X, y), X, y, name="_n$"
    )
    assert legend_texts(display)[0] == " _n$: F"
    title = display.ax_.get_legend().get_title()
    assert title._preprocess_math(title.get_text()) == ("$\\sqrt{", False)
    label = display.ax_.xaxis.label
    assert label._preprocess_math(label.get_text())[0].endswith("(positive label: z$\\bad{$)")
    with plt.rc_context({"text.usetex": True}):  # names are no TeX programs
        display.plot(ax=display.ax_)
    texts = [*display.ax_.get_legend().get_texts(), title, label]
    assert not any(text.get_usetex() for text in texts)


def test_many_groups_do_not_squeeze_the_axes(plt):
    names = [f"a group with quite a long name, number {i}" for i in range(30)]
    model, X, y, groups = named(names, n=1500, min_group_size=1, max_difference=0.3)
    display = ThresholdDisplay.from_estimator(model, X, y, sensitive_features=groups)
    display.figure_.canvas.draw()
    assert display.ax_.get_window_extent().width / display.figure_.dpi > 3.5
    looks = {(line.get_color(), line.get_marker()) for line in display.points_.values()}
    assert len(looks) == 30


def test_displays_can_be_pickled(fitted):
    X, y = people(seed=2)
    display = pickle.loads(pickle.dumps(ThresholdDisplay.from_estimator(fitted, X, y)))
    assert legend_texts(display) == ["F", "M", "chance", "chosen"]
    plain = ThresholdDisplay(fpr=display.fpr, tpr=display.tpr, chosen=display.chosen)
    copied = pickle.loads(pickle.dumps(plain)).plot()
    assert legend_texts(copied) == legend_texts(display)
    assert copied.ax_.get_xlabel() == "False positive rate"


# --- TradeoffDisplay -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Path:
    """Looks like a ParetoPath."""

    constraint: str = "demographic_parity"
    comparison: str = "difference"
    objective: str = "balanced_accuracy"
    bounds: np.ndarray = field(default_factory=lambda: np.array([0.0, 0.1, 0.2, 0.3]))
    disparity: np.ndarray = field(default_factory=lambda: np.array([np.nan, 0.08, 0.2, 0.25]))
    value: np.ndarray = field(default_factory=lambda: np.array([np.nan, 0.7, 0.75, 0.8]))
    best_mixture: np.ndarray = field(default_factory=lambda: np.array([0.65, 0.71, 0.76, 0.8]))
    thresholds: dict = field(default_factory=dict)


def steps(display, at):
    """Return the height of the drawn step line at some disparities."""
    line = display.lines_[0]
    x, y = line.get_xdata(), line.get_ydata()
    side = {"steps-post": "right", "steps-pre": "left"}[line.get_drawstyle()]
    place = np.searchsorted(x, at, side=side) - (side == "right")
    return y[place].tolist()


@dataclass(frozen=True)
class PathOfClasses(Path):
    """Looks like a ClassParetoPath."""

    offsets: dict = field(default_factory=dict)


def test_tradeoff_says_what_each_group_has():
    assert TradeoffDisplay(Path()).plot().lines_[0].get_label() == "one threshold per group"
    assert TradeoffDisplay(PathOfClasses()).plot().lines_[0].get_label() == "one vector of offsets per group"


def test_tradeoff_is_a_step_line_under_a_dashed_one():
    display = TradeoffDisplay(Path()).plot()
    line, mixture = display.lines_
    # the bound that cannot be met is left out, and the last choice serves all looser bounds
    assert point(line) == [[0.08, 0.7], [0.2, 0.75], [0.25, 0.8], [0.3, 0.8]]
    assert steps(display, [0.08, 0.19, 0.2, 0.24, 0.3]) == [0.7, 0.7, 0.75, 0.75, 0.8]
    assert point(mixture) == [[0, 0.65], [0.1, 0.71], [0.2, 0.76], [0.3, 0.8]]
    assert (mixture.get_linestyle(), mixture.get_color()) == ("--", line.get_color())
    assert mixture.get_linewidth() < line.get_linewidth()
    assert display.ax_.get_xlabel() == "Demographic parity difference"
    assert display.ax_.get_ylabel() == "Balanced accuracy"
    assert legend_texts(display) == ["one threshold per group", "best mixture"]
    assert display.ax_.figure is display.figure_


def test_tradeoff_of_ratios_steps_the_other_way():
    path = Path(
        comparison="ratio",
        bounds=np.array([0.9, 0.8, 0.5]),
        disparity=np.array([0.95, 0.8, 0.6]),
        value=np.array([0.7, 0.75, 0.8]),
        best_mixture=np.full(3, np.nan),
    )
    display = TradeoffDisplay(path).plot()
    (line,) = display.lines_
    assert point(line) == [[0.5, 0.8], [0.6, 0.8], [0.8, 0.75], [0.95, 0.7]]
    # thresholds with a ratio of 0.8 serve every bound up to 0.8
    assert steps(display, [0.55, 0.6, 0.7, 0.8, 0.9]) == [0.8, 0.8, 0.75, 0.75, 0.7]
    assert display.ax_.get_xlabel() == "Demographic parity ratio"


def test_tradeoff_on_given_axes_with_names(plt):
    figure, ax = plt.subplots()
    display = TradeoffDisplay(Path(), name="$\\frac{").plot(ax, color="r", lw=4)
    assert (display.ax_, display.figure_) == (ax, figure)
    assert (display.lines_[0].get_color(), display.lines_[0].get_linewidth()) == ("r", 4)
    assert legend_texts(display) == ["$\\frac{", "$\\frac{, best mixture"]
    display.plot(ax, name="_other")
    assert legend_texts(display)[2:] == [" _other", " _other, best mixture"]
    assert legend_texts(pickle.loads(pickle.dumps(display))) == legend_texts(display)
    hostile = TradeoffDisplay(Path(constraint="_$\\frac{", objective="$$")).plot()
    hostile.figure_.canvas.draw()


def test_tradeoff_that_no_threshold_can_meet():
    nothing = np.full(4, np.nan)
    display = TradeoffDisplay(Path(disparity=nothing, value=nothing)).plot()
    assert point(display.lines_[0]) == []
    legend_texts(display)


def test_a_path_of_models_has_points_with_intervals():
    path = Path(
        disparity=np.array([0.02, 0.08, 0.2, 0.25]),
        value=np.array([0.72, 0.70, 0.75, 0.74]),
        best_mixture=np.full(4, np.nan),
    )
    models = SimpleNamespace(**vars(path), low=path.disparity - 0.02, high=path.disparity + 0.04)
    display = TradeoffDisplay(models).plot()
    (line,) = display.lines_
    # the line is the best within a disparity: a worse model under a looser bound does not lower it
    assert point(line) == [[0.02, 0.72], [0.08, 0.72], [0.2, 0.75], [0.25, 0.75], [0.3, 0.75]]
    points, _, (bars,) = display.points_
    assert point(points) == [[0.02, 0.72], [0.08, 0.70], [0.2, 0.75], [0.25, 0.74]]
    np.testing.assert_allclose([s[:, 0] for s in bars.get_segments()], np.c_[models.low, models.high])
    assert points.get_color() == line.get_color()
    assert sorted(legend_texts(display)) == ["95% interval", "one model per bound"]
    assert display.ax_.get_xlabel() == "Demographic parity difference, held out"
    assert list(columns_of(display))[-2:] == ["low", "high"]
    assert display.to_dict()["path"]["high"] == models.high.tolist()
    ratios = SimpleNamespace(
        **(vars(models) | {"comparison": "ratio", "bounds": np.array([0.2, 0.1, 0.05, 0.0])})
    )
    (line,) = TradeoffDisplay(ratios).plot().lines_
    drawn = [[0.0, 0.75], [0.02, 0.75], [0.08, 0.75], [0.2, 0.75], [0.25, 0.74]]
    assert point(line) == drawn  # a greater ratio serves smaller ones
    assert TradeoffDisplay(Path()).plot().points_ is None
    missed = SimpleNamespace(**(vars(models) | {"bounds": np.array([0.01, 0.02, 0.03, 0.04])}))
    (line,) = TradeoffDisplay(missed).plot().lines_
    assert line.get_xdata().tolist() == [0.02, 0.08, 0.2, 0.25, 0.25]  # never back


def test_tradeoff_asks_the_optimizer_for_its_path():
    asked = {}

    def pareto_path(X, y, **options):
        asked.update(X=X, y=y, **options)
        return Path()

    display = TradeoffDisplay.from_estimator(
        SimpleNamespace(pareto_path=pareto_path), "X", "y", sensitive_features="s", n_points=7, name="n"
    )
    assert asked == {"X": "X", "y": "y", "sensitive_features": "s", "sample_weight": None, "n_points": 7}
    assert legend_texts(display) == ["n", "n, best mixture"]
    asked.clear()
    TradeoffDisplay.from_estimator(SimpleNamespace(pareto_path=pareto_path), "X", "y", bounds=(0.1, 0.2))
    assert asked == {
        "X": "X",
        "y": "y",
        "sensitive_features": None,
        "sample_weight": None,
        "bounds": (0.1, 0.2),
    }


# --- matplotlib ----------------------------------------------------------------------------------------


def test_without_matplotlib_the_error_names_the_extra(fitted, monkeypatch):
    X, y = people(seed=2)
    drawn = ThresholdDisplay.from_estimator(fitted, X, y)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (
        drawn.plot,
        TradeoffDisplay(Path()).plot,
        lambda: ThresholdDisplay.from_estimator(fitted, X, y),
        lambda: TradeoffDisplay.from_estimator(fitted, X, y),
    ):
        with pytest.raises(ImportError, match=r'Display draws with .*pip install "fairsk\[plots\]"'):
            draw()


def test_import_does_not_load_matplotlib():
    import subprocess

    code = "import sys, fairsk, fairsk.plotting; print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_names_as_labels():
    assert words("fdr_parity") == "Fdr parity"
    assert literal("plain") == "plain"
    long = literal("x" * 40 + "y" * 40)
    assert len(long) == 48
    assert long.startswith("xxx")
    assert long.endswith("yyy")


def test_a_blind_optimizer_over_an_array_is_drawn():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(500, 2)), rng.integers(0, 2, 500)])
    y = (X[:, 0] + X[:, 2] + rng.normal(size=500) > 0.5).astype(int)
    model = GroupThresholdOptimizer(LogisticRegression(), sensitive_features=2, policy="blind").fit(X, y)
    display = ThresholdDisplay.from_estimator(model, X, y)
    assert set(display.points_) == {0.0, 1.0}


def test_a_tradeoff_of_something_else_is_refused():
    X, y = people(n=100)
    with pytest.raises(TypeError, match="Put one of these around the pipeline"):
        TradeoffDisplay.from_estimator(logistic(), X, y)
