"""TrainingDisplay: it draws what the history says, and the bound where it is."""

from __future__ import annotations

import copy
import pickle
import sys
import warnings
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from toy_data import columns_of

from fairsk import ConstrainedRegressor, FairClassifier, SensitiveRouter
from fairsk.plotting import TrainingDisplay

DP, EO = "demographic_parity", "equalized_odds"
HOSTILE = ("$\\frac{", "_hidden", "<script>", "a$b", "", "\n", "n" * 500)


@pytest.fixture(autouse=True)
def plt():
    """Draw without a screen, and leave no figure open."""
    matplotlib.use("Agg", force=True)
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def history(epochs=8, *, constraints=(DP,), rates=("selection_rate",), groups=2, held_out=False, seed=0):
    """Return records as FairClassifier writes them."""
    rng = np.random.default_rng(seed)
    records = []
    for epoch in range(1, epochs + 1):
        record = {"epoch": epoch}
        for prefix in ("", "valid_") if held_out else ("",):
            task, fairness = rng.uniform(0.3, 0.7), rng.uniform(0, 0.1)
            found = {name: rng.uniform(0.02, 0.3) for name in constraints}
            record |= {
                f"{prefix}task_loss": task,
                f"{prefix}fairness": fairness,
                f"{prefix}loss": task + fairness,
                f"{prefix}disparity": max(found.values()),
                f"{prefix}disparities": found,
            }
        if rates:
            record["multipliers"] = {rate: rng.normal(size=groups).tolist() for rate in rates}
        records.append(record)
    return records


def held_out_history(steps=8, *, unit="round", constraints=(DP,), kept=(6,), seed=0):
    """Return records as ConstrainedClassifier writes them."""
    rng = np.random.default_rng(seed)
    records = []
    for step in range(1, steps + 1):
        found = {name: rng.uniform(0.02, 0.3) for name in constraints}
        records.append(
            {
                unit: step,
                "valid_acc": rng.uniform(0.8, 0.9),
                "valid_bounded_acc": rng.uniform(0.7, 0.8) if step > 2 else np.nan,
                "valid_disparity": max(found.values()),
                "valid_disparities": found,
                "multipliers": {"selection_rate": rng.normal(size=2).tolist()},
                "weight": (step in kept) / len(kept),
            }
        )
    return records


def points(line):
    return line.get_xydata().tolist()


def shaded(display, name):
    """Return from where to where it is shaded."""
    shade = display.shades_[name]
    box = shade.axes.transData.inverted().transform(shade.get_window_extent())
    return box[:, 1].tolist()


def shown_in(display, panel):
    """Return the entries of a panel's legend as they are shown: drawn, and with escapes taken away."""
    display.figure_.canvas.draw()
    texts = display.axes_[panel].get_legend().get_texts()
    return [text._preprocess_math(text.get_text())[0] for text in texts]


# --- what is drawn -------------------------------------------------------------------------------------


def test_every_curve_has_the_numbers_of_the_history():
    records = history(constraints=(DP, EO), rates=("true_positive_rate", "selection_rate"), held_out=True)
    display = TrainingDisplay(records, groups=["a", "b"]).plot()
    for name in ("task_loss", "loss", "valid_task_loss", "valid_loss"):
        assert points(display.loss_lines_[name]) == [[r["epoch"], r[name]] for r in records]
    for key, lines in (
        ("disparities", display.disparity_lines_),
        ("valid_disparities", display.valid_disparity_lines_),
    ):
        assert set(lines) == {DP, EO}
        for name, line in lines.items():
            assert points(line) == [[r["epoch"], r[key][name]] for r in records]
    for rate, lines in display.multiplier_lines_.items():
        for place, group in enumerate("ab"):
            assert points(lines[group]) == [[r["epoch"], r["multipliers"][rate][place]] for r in records]
    assert list(display.axes_) == [
        "loss",
        "difference",
        "multipliers of true_positive_rate",
        "multipliers of selection_rate",
    ]
    where = {
        "loss": display.loss_lines_,
        "difference": display.disparity_lines_ | display.valid_disparity_lines_,
        "multipliers of selection_rate": display.multiplier_lines_["selection_rate"],
    }
    for panel, lines in where.items():
        assert {line.axes for line in lines.values()} == {display.axes_[panel]}
    assert display.ax_ is display.axes_["loss"]
    assert display.ax_.figure is display.figure_


def test_a_history_without_multipliers_or_held_out_rows_has_two_panels():
    display = TrainingDisplay(history(rates=())).plot()
    assert list(display.axes_) == ["loss", "difference"]
    assert set(display.loss_lines_) == {"task_loss", "loss"}
    assert display.valid_disparity_lines_ == display.multiplier_lines_ == display.bound_lines_ == {}
    assert display.shades_ == display.best_lines_ == {}
    assert shown_in(display, "loss") == ["task loss", "total loss"]
    assert shown_in(display, "difference") == ["Demographic parity"]


def test_the_bound_is_a_line_and_what_lies_beyond_is_shaded():
    display = TrainingDisplay(history(), bounds={DP: 0.05}).plot()
    axes = display.axes_["difference"]
    assert display.bound_lines_[DP].get_ydata() == [0.05, 0.05]
    low, high = axes.get_ylim()
    start, end = shaded(display, DP)
    assert start == pytest.approx(0.05)
    assert end >= high
    assert low < 0 < 0.05 < high < 1  # parity and the bound are on the axis, which is no longer than needed
    assert axes.get_ylabel() == "Difference"
    assert shown_in(display, "difference") == ["Demographic parity", "bound: at most 0.05"]


def test_a_bound_far_from_the_disparities_is_on_the_axis():
    display = TrainingDisplay(history(), bounds={DP: 0.6}).plot()
    assert display.axes_["difference"].get_ylim()[1] > 0.6
    nothing = [{**record, "disparities": {DP: np.nan}} for record in history()]
    display = TrainingDisplay(nothing, bounds={DP: 0.6}).plot()
    assert display.axes_["difference"].get_ylim()[1] > 0.6
    assert np.isnan(display.disparity_lines_[DP].get_ydata()).all()


def test_a_ratio_is_bounded_from_below():
    records = [{**r, "disparities": {DP: 1 - r["disparities"][DP]}} for r in history()]
    display = TrainingDisplay(records, bounds={DP: 0.8}, comparison="ratio").plot()
    axes = display.axes_["ratio"]
    assert display.bound_lines_[DP].get_ydata() == [0.8, 0.8]
    end, start = sorted(shaded(display, DP))
    assert end <= axes.get_ylim()[0]
    assert start == pytest.approx(0.8)
    assert axes.get_ylim()[1] > 1
    assert axes.get_ylabel() == "Ratio"
    assert shown_in(display, "ratio")[-1] == "bound: at least 0.8"


def test_differences_and_ratios_have_a_panel_each():
    records = history(constraints=(DP, EO), held_out=True)
    kinds = {DP: "difference", EO: "ratio"}
    display = TrainingDisplay(records, bounds={DP: 0.05, EO: 0.8}, comparison=kinds).plot()
    assert list(display.axes_) == ["loss", "difference", "ratio", "multipliers of selection_rate"]
    for name, limit in ((DP, 0.05), (EO, 0.8)):
        lines = (display.disparity_lines_, display.valid_disparity_lines_, display.bound_lines_)
        assert {line[name].axes for line in lines} == {display.axes_[kinds[name]]}
        assert display.bound_lines_[name].get_ydata() == [limit, limit]
    assert shown_in(display, "difference") == ["Demographic parity", "bound: at most 0.05", "held-out rows"]
    assert shown_in(display, "ratio") == ["Equalized odds", "bound: at least 0.8", "held-out rows"]
    assert {f"{DP}_difference", f"{EO}_ratio", f"valid_{EO}_ratio"} <= set(columns_of(display))
    assert f"bound: {EO}_ratio at least 0.8" in str(display)


def test_several_bounds_have_the_colours_of_their_constraints():
    records = history(constraints=(DP, EO))
    display = TrainingDisplay(records, bounds={DP: 0.05, EO: 0.1}).plot()
    for name, limit in ((DP, 0.05), (EO, 0.1)):
        assert display.bound_lines_[name].get_ydata() == [limit, limit]
        assert display.bound_lines_[name].get_color() == display.disparity_lines_[name].get_color()
        assert shaded(display, name)[0] == pytest.approx(limit)
    assert shown_in(display, "difference")[2:] == [
        "bound of demographic parity: at most 0.05",
        "bound of equalized odds: at most 0.1",
    ]
    shared = TrainingDisplay(records, bounds={DP: 0.05, EO: 0.05}).plot()
    assert shared.bound_lines_[DP] is shared.bound_lines_[EO]
    assert shown_in(shared, "difference")[2:] == ["bound: at most 0.05"]
    one = TrainingDisplay(records, bounds={EO: 0.05}).plot()
    assert shown_in(one, "difference")[2:] == ["bound of equalized odds: at most 0.05"]
    assert set(one.bound_lines_) == {EO}


def test_rows_held_out_are_dashed_in_the_same_colour():
    display = TrainingDisplay(history(held_out=True)).plot()
    pairs = [
        (display.loss_lines_["task_loss"], display.loss_lines_["valid_task_loss"]),
        (display.loss_lines_["loss"], display.loss_lines_["valid_loss"]),
        (display.disparity_lines_[DP], display.valid_disparity_lines_[DP]),
    ]
    for trained, held_out in pairs:
        assert (trained.get_linestyle(), held_out.get_linestyle()) == ("-", "--")
        assert trained.get_color() == held_out.get_color()
        assert trained.get_marker() == held_out.get_marker()
    assert shown_in(display, "loss") == ["task loss", "total loss", "held-out rows"]
    assert shown_in(display, "difference") == ["Demographic parity", "held-out rows"]
    assert "held-out rows" not in shown_in(display, "multipliers of selection_rate")


def test_the_kept_epoch_is_marked_in_every_panel():
    display = TrainingDisplay(history(), best_epoch=6).plot()
    assert set(display.best_lines_) == set(display.axes_)
    for panel, line in display.best_lines_.items():
        assert line.get_xdata() == [6, 6]
        assert line.axes is display.axes_[panel]
    assert "kept: epoch 6" in shown_in(display, "loss")
    assert shown_in(display, "difference") == ["Demographic parity"]


@pytest.mark.parametrize("unit", ["round", "model"])
def test_a_history_of_held_out_rows_has_accuracies(unit):
    records = held_out_history(unit=unit, constraints=(DP, EO))
    display = TrainingDisplay(records, bounds={DP: 0.05}, groups=["a", "b"], best_epoch=6).plot()
    assert list(display.axes_) == ["accuracy", "difference", "multipliers of selection_rate"]
    for name, line in display.loss_lines_.items():
        drawn = [[r[unit], r[name]] for r in records]
        np.testing.assert_array_equal(points(line), drawn)
    assert set(display.loss_lines_) == {"valid_acc", "valid_bounded_acc"}
    assert display.disparity_lines_ == {}
    for name, line in display.valid_disparity_lines_.items():
        assert points(line) == [[r[unit], r["valid_disparities"][name]] for r in records]
        assert line.get_linestyle() == "-"  # there are no others to be told apart from
    assert set(display.valid_disparity_lines_) == {DP, EO}
    colour = display.valid_disparity_lines_[DP].get_color()
    assert display.bound_lines_[DP].get_ydata() == [0.05, 0.05]
    assert display.bound_lines_[DP].get_color() == colour
    assert shown_in(display, "accuracy") == [
        "at even odds",
        "best threshold within the bound",
        f"kept: {unit} 6",
    ]
    named = ["Demographic parity, at even odds", "Equalized odds, at even odds"]
    assert shown_in(display, "difference")[:2] == named
    labels = [axes.get_ylabel() for axes in display.axes_.values()]
    assert labels == ["Held-out accuracy", "Held-out difference", "Multiplier"]
    assert list(display.axes_.values())[-1].get_xlabel() == unit.capitalize()
    text = str(display)
    assert text.startswith(f"rows held out\n{unit}  valid_acc  valid_bounded_acc  valid_{DP}_difference")
    assert "\n6* " in text
    assert f"bound: {DP}_difference at most 0.05" in text
    columns = columns_of(display)
    assert columns[unit] == list(range(1, 9))
    assert columns["valid_acc"] == [r["valid_acc"] for r in records]


def test_all_that_decides_is_marked():
    records = held_out_history(30, unit="model")
    for kept, words in (
        ([2, 5], "kept: models 2 and 5"),
        ([4, 2, 9], "kept: models 2, 4 and 9"),
        (range(20, 31), "kept: models 20 to 30"),
    ):
        display = TrainingDisplay(records, best_epoch=kept).plot()
        assert shown_in(display, "accuracy")[-1] == words
        for panel, line in display.best_lines_.items():
            assert line.axes is display.axes_[panel]
            at, height = (np.reshape([*data, np.nan], (-1, 3)).T for data in line.get_data())
            assert at[0].tolist() == at[1].tolist() == sorted(kept)
            assert (height[0] == 0).all()
            assert (height[1] == 1).all()
    assert "\n30*" in str(display)
    with pytest.raises(ValueError, match=r"best_epoch=\[2, 31\] is not one of the models of the history"):
        TrainingDisplay(records, best_epoch=[2, 31])


@pytest.mark.parametrize("epochs", [1, 2, 300])
def test_the_epochs_are_whole_numbers(epochs):
    display = TrainingDisplay(history(epochs, held_out=True), best_epoch=epochs).plot()
    display.figure_.canvas.draw()
    low, high = display.ax_.get_xlim()
    assert low < 1 <= epochs < high
    ticks = [tick for tick in display.ax_.get_xticks() if low <= tick <= high]
    assert ticks
    assert all(float(tick).is_integer() for tick in ticks)
    for line in (*display.loss_lines_.values(), *display.multiplier_lines_["selection_rate"].values()):
        start, step = line.get_markevery()
        assert min(epochs, 11) <= len(range(start, epochs, step)) <= 12  # also a single epoch can be seen


def test_records_need_no_number():
    records = [{key: value for key, value in r.items() if key != "epoch"} for r in history()]
    display = TrainingDisplay(records, best_epoch=3).plot()
    assert display.loss_lines_["loss"].get_xdata().tolist() == list(range(1, 9))
    part = TrainingDisplay(history()[4:], best_epoch=6).plot()  # without the first epochs
    assert part.loss_lines_["loss"].get_xdata().tolist() == [5, 6, 7, 8]


def test_a_number_that_some_epochs_lack_is_a_gap():
    records = history(held_out=True)
    del records[2]["multipliers"], records[3]["valid_loss"]
    records[4]["disparities"] = {}
    display = TrainingDisplay(records).plot()
    gaps = [
        np.flatnonzero(np.isnan(line.get_ydata())).tolist()
        for line in (
            display.multiplier_lines_["selection_rate"][0],
            display.loss_lines_["valid_loss"],
            display.disparity_lines_[DP],
        )
    ]
    assert gaps == [[2], [3], [4]]


# --- groups --------------------------------------------------------------------------------------------


def test_groups_look_the_same_in_every_panel_and_different_from_each_other():
    records = history(rates=("true_positive_rate", "false_positive_rate"), groups=10)
    groups = [(race, sex) for race in "abcde" for sex in "fm"]
    display = TrainingDisplay(records, groups=groups).plot()
    first, second = display.multiplier_lines_.values()
    assert list(first) == list(second) == groups
    looks = {group: (line.get_color(), line.get_marker()) for group, line in first.items()}
    assert looks == {group: (line.get_color(), line.get_marker()) for group, line in second.items()}
    assert len({color for color, _ in looks.values()}) == len({marker for _, marker in looks.values()}) == 10
    assert shown_in(display, "multipliers of true_positive_rate")[0] == "a & f"
    titles = [display.axes_[f"multipliers of {rate}"].get_title("left") for rate in records[0]["multipliers"]]
    assert titles == ["True positive rate", "False positive rate"]


def test_of_many_groups_those_that_are_pulled_most_have_names():
    records = history(rates=("true_positive_rate", "false_positive_rate"), groups=40)
    for record in records:
        record["multipliers"]["false_positive_rate"][7] = -50.0
    display = TrainingDisplay(records).plot()
    for rate, lines in display.multiplier_lines_.items():
        assert set(lines) == set(range(40))  # nobody is left out
        assert points(lines[39])[0] == [1, records[0]["multipliers"][rate][39]]
        texts = shown_in(display, f"multipliers of {rate}")
        assert len(texts) == 10
        assert texts[-1] == "31 other groups"
        assert "7" in texts
        grey = {group for group, line in lines.items() if line.get_color() == "0.75"}
        assert {str(group) for group in lines if group not in grey} == set(texts[:-1])
    peaks = np.max([np.abs(list(r["multipliers"].values())) for r in records], axis=(0, 1))
    assert set(texts[:-1]) == set(map(str, np.argsort(-peaks)[:9]))


def test_rates_of_different_groups():
    records = history(rates=())
    for record in records:
        record["multipliers"] = {"rate of sex": [0.1, 0.2], "rate of race": [1.0, 2.0, 3.0]}
    groups = {"rate of sex": ["f", "m"], "rate of race": ["a", "b", "c"]}
    display = TrainingDisplay(records, groups=groups).plot()
    assert {rate: list(lines) for rate, lines in display.multiplier_lines_.items()} == groups
    assert shown_in(display, "multipliers of rate of race") == ["a", "b", "c"]
    with pytest.raises(ValueError, match=r"3 of rate of race; got 2: f, m\. .* give a dict"):
        TrainingDisplay(records, groups=["f", "m"])
    numbered = TrainingDisplay(records).plot()
    assert list(numbered.multiplier_lines_["rate of race"]) == [0, 1, 2]


def test_of_many_rates_those_with_the_largest_multipliers_are_drawn():
    records = history(rates=[f"rate of class {i}" for i in range(9)])
    for record in records:
        for i in (0, 4, 8):
            record["multipliers"][f"rate of class {i}"] = [0.0, 0.0]
    display = TrainingDisplay(records)
    with pytest.warns(UserWarning, match="Of 9 rates, the 6 whose multipliers grew largest are drawn"):
        display.plot()
    assert list(display.multiplier_lines_) == [f"rate of class {i}" for i in (1, 2, 3, 5, 6, 7)]


def test_hostile_names_are_written_as_they_are(plt):
    records = history(constraints=HOSTILE, rates=HOSTILE[:3], groups=len(HOSTILE), held_out=True)
    with plt.rc_context({"text.usetex": True}):  # names are no TeX programs
        display = TrainingDisplay(records, bounds=dict.fromkeys(HOSTILE, 0.1), groups=HOSTILE)
        assert "<script>" not in display._repr_html_()
        assert "\n" not in columns_of(display)
    display.plot()
    shown = ["$\\frac{", " _hidden", "<script>", "a$b", "''", r"'\n'"]
    assert shown_in(display, "multipliers of $\\frac{")[:-1] == shown
    texts = shown_in(display, "difference")
    assert texts[0] == "$\\frac{"
    assert texts[2] == "<script>"
    assert len(texts) == len(HOSTILE) + 2
    title = display.axes_["multipliers of $\\frac{"]._left_title
    assert title._preprocess_math(title.get_text()) == ("$\\frac{", False)
    bounds = {name: 0.1 + i / 100 for i, name in enumerate(HOSTILE)}
    TrainingDisplay(records, bounds=bounds, groups=HOSTILE).plot().figure_.canvas.draw()
    for axes in display.axes_.values():
        legend = axes.get_legend()
        assert not any(text.get_usetex() for text in (legend.get_title(), *legend.get_texts()))


# --- figures -------------------------------------------------------------------------------------------


def test_panels_of_a_new_figure_share_the_epochs_and_nothing_is_cut_off(plt):
    records = history(constraints=(DP, EO), groups=10, held_out=True)
    display = TrainingDisplay(
        records, bounds={DP: 0.05, EO: 0.1}, groups=["g" * 30 + str(i) for i in range(10)]
    )
    display.plot()
    display.figure_.canvas.draw()
    panels = list(display.axes_.values())
    assert [axes.get_xlabel() for axes in panels] == ["", "", "Epoch"]
    panels[0].set_xlim(2, 4)
    assert panels[2].get_xlim() == (2, 4)
    for axes in panels:
        legend, box = axes.get_legend().get_window_extent(), axes.get_window_extent()
        assert legend.x0 > box.x1  # beside the data
        assert box.width / display.figure_.dpi > 4
        assert box.height / display.figure_.dpi > 1
    extents = [axes.get_legend().get_window_extent() for axes in panels]
    assert extents[1].y0 > extents[2].y1  # legends do not lie on each other
    bounds, (width, height) = display.figure_.get_tightbbox(), display.figure_.get_size_inches()
    assert min(bounds.x0, bounds.y0) >= 0
    assert bounds.x1 <= width
    assert bounds.y1 <= height


def test_drawing_on_given_axes_and_again(plt):
    figure, axes = plt.subplots(1, 3, figsize=(12, 3))
    display = TrainingDisplay(history(), bounds={DP: 0.05})
    assert display.plot(axes, linewidth=3, c="k") is display
    assert list(display.axes_.values()) == axes.tolist()
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    curves = [*display.loss_lines_.values(), *display.multiplier_lines_["selection_rate"].values()]
    assert {(line.get_color(), line.get_linewidth()) for line in curves} == {("k", 3)}
    assert [ax.get_xlabel() for ax in axes] == ["Epoch"] * 3
    for ax in axes:
        assert ax.get_window_extent().x1 > ax.get_legend().get_window_extent().x1  # not over the neighbour
    with pytest.raises(ValueError, match=r"give 3, not 1, as ax=, for loss, difference, multipliers of"):
        display.plot(axes[0])


def test_nothing_that_was_given_is_changed_and_displays_can_be_pickled():
    records, bounds, groups = history(held_out=True), {DP: 0.05}, ["a", "b"]
    before = copy.deepcopy((records, bounds, groups))
    display = TrainingDisplay(records, bounds=bounds, groups=groups, best_epoch=2).plot()
    str(display)
    assert (records, bounds, groups) == before
    copied = pickle.loads(pickle.dumps(display))
    assert shown_in(copied, "difference") == shown_in(display, "difference")


# --- the table -----------------------------------------------------------------------------------------


def test_the_table_has_every_epoch_and_prints_some():
    records = history(90, held_out=True)
    display = TrainingDisplay(records, bounds={DP: 0.05}, best_epoch=47)
    columns = columns_of(display)
    assert columns["epoch"] == list(range(1, 91))
    for name in ("task_loss", "loss", "valid_task_loss", "valid_loss"):
        assert columns[name] == [record[name] for record in records]
    assert columns[f"{DP}_difference"] == [record["disparities"][DP] for record in records]
    assert columns[f"valid_{DP}_difference"] == [record["valid_disparities"][DP] for record in records]
    assert display.frame("pandas").shape == (90, 7)
    trained, held_out = str(display).split("\n\n")
    assert trained.startswith("rows trained on\nepoch  task_loss")
    assert held_out.startswith("rows held out\nepoch  valid_task_loss")
    for text in (trained, held_out):
        first = [line.split()[0] for line in text.splitlines()[3:] if line[0].isdigit()]
        assert first[:2] == ["1", "6"]
        assert "47*" in first
        assert "90" in first
        assert len(first) <= 23
    assert held_out.splitlines()[-3:] == [
        "* the epoch whose weights were kept",
        f"bound: {DP}_difference at most 0.05",
        "20 of 90 epochs; frame() has all",
    ]
    assert "at least" in str(TrainingDisplay(records, bounds={DP: 0.8}, comparison="ratio"))


# --- from an estimator ---------------------------------------------------------------------------------


def rows(n=300):
    rng = np.random.default_rng(0)
    group = rng.choice(["a", "b"], n)
    X = rng.normal(size=(n, 2)) + (group == "a")[:, None]
    return X, (X.sum(1) + rng.normal(size=n) > 1).astype(int), group


class Trained(ClassifierMixin, BaseEstimator):
    """Says of its training what a FairClassifier does."""

    __metadata_request__fit = {"sensitive_features": True}

    def __init__(self, epochs=3, combine="intersection"):
        self.epochs = epochs
        self.combine = combine

    def fit(self, X, y, sensitive_features=None):
        self.classes_ = np.unique(y)
        self.history_ = history(self.epochs)
        held = SimpleNamespace(constraint=DP, bound=0.05, comparison="difference")
        self.report_ = SimpleNamespace(constraints=(held,))
        self.groups_, self.best_epoch_ = ("a", "b"), 2
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


def test_the_display_finds_what_was_trained():
    X, y, group = rows()
    both = np.column_stack([X, group == "a"])
    net = Trained().fit(X, y)
    models = [
        net,
        make_pipeline(StandardScaler(), net),
        FrozenEstimator(net),
        SensitiveRouter(make_pipeline(StandardScaler(), Trained()), sensitive_features=2).fit(both, y),
        GridSearchCV(make_pipeline(StandardScaler(), Trained()), {"trained__epochs": [3]}, cv=2).fit(X, y),
    ]
    for model in models:
        display = TrainingDisplay.from_estimator(model, linewidth=2)
        assert points(display.loss_lines_["loss"]) == points(
            TrainingDisplay(history(3)).plot().loss_lines_["loss"]
        )
        assert display.loss_lines_["loss"].get_linewidth() == 2
        assert display.bound_lines_[DP].get_ydata() == [0.05, 0.05]
        assert display.best_lines_["loss"].get_xdata() == [2, 2]
        assert list(display.multiplier_lines_["selection_rate"]) == ["a", "b"]


class Constrained(Trained):
    """Says of its rounds what a ConstrainedClassifier does, of two constraints of one name."""

    def fit(self, X, y):
        names = [f"{DP} difference", f"{DP} ratio"]
        self.history_ = held_out_history(constraints=names, kept=(3, 4))
        held = [
            SimpleNamespace(constraint=DP, bound=bound, comparison=comparison)
            for bound, comparison in ((0.05, "difference"), (0.8, "ratio"))
        ]
        self.report_ = SimpleNamespace(constraints=held)
        self.classes_, self.groups_ = np.unique(y), ("a", "b")
        return self


def test_rounds_under_a_bound_are_found_as_epochs_are():
    X, y, _ = rows()
    model = Constrained().fit(X, y)
    for found in (model, make_pipeline(StandardScaler(), model), FrozenEstimator(model)):
        display = TrainingDisplay.from_estimator(found)
        assert list(display.axes_)[:3] == ["accuracy", "difference", "ratio"]
        assert display.bound_lines_[f"{DP} difference"].get_ydata() == [0.05, 0.05]
        assert display.bound_lines_[f"{DP} ratio"].get_ydata() == [0.8, 0.8]
        assert shown_in(display, "accuracy")[-1] == "kept: rounds 3 and 4"
        assert list(display.multiplier_lines_["selection_rate"]) == ["a", "b"]


def test_a_real_training_is_drawn():
    X, y, sex = rows()
    net = FairClassifier(max_difference=0.1, early_stopping=True, random_state=0, hidden_layer_sizes=())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # whether the bound is met is not asked here
        net.fit(X, y, sensitive_features=sex)
    display = TrainingDisplay.from_estimator(net)
    assert len(display.loss_lines_["valid_loss"].get_xdata()) == net.n_iter_
    assert display.bound_lines_[DP].get_ydata() == [0.1, 0.1]
    assert display.best_lines_["loss"].get_xdata() == [net.best_epoch_] * 2
    assert list(display.multiplier_lines_["selection_rate"]) == list(net.groups_)
    for place, group in enumerate(net.groups_):
        drawn = display.multiplier_lines_["selection_rate"][group].get_ydata()
        assert drawn.tolist() == [r["multipliers"]["selection_rate"][place] for r in net.history_]
    fixed = FairClassifier(penalty_weight=1.0, max_epochs=2, random_state=0)
    fixed.fit(X, y, sensitive_features=sex)
    display = TrainingDisplay.from_estimator(make_pipeline("passthrough", fixed))
    assert list(display.axes_) == ["loss", "difference"]
    assert display.bound_lines_ == {}
    totals = [record["task_loss"] + record["fairness"] for record in fixed.history_]
    assert display.loss_lines_["loss"].get_ydata().tolist() == pytest.approx(totals)


def test_separate_columns_have_the_values_of_their_column_for_groups():
    net = Trained(combine="separate").fit(*rows()[:2])
    net.groups_ = (("a_race", "a"), ("a_race", "b"), ("a_race", "c"), ("sex", "f"), ("sex", "m"))
    for record in net.history_:
        record["multipliers"] = {"selection_rate, a_race": [1.0, 2.0], "selection_rate, sex": [3.0, 4.0]}
    display = TrainingDisplay.from_estimator(net)
    lines = display.multiplier_lines_
    assert list(lines["selection_rate, sex"]) == ["f", "m"]
    assert list(lines["selection_rate, a_race"]) == ["a", "b"]  # c, the last, is too small to take part
    assert lines["selection_rate, sex"]["m"].get_ydata().tolist() == [4.0] * 3
    title = display.axes_["multipliers of selection_rate, a_race"].get_title("left")
    assert title == "Selection rate, a_race"


def test_what_has_no_training_to_draw_is_refused():
    X, y, _ = rows()
    for unfitted in (FairClassifier(), make_pipeline(StandardScaler(), FairClassifier())):
        with pytest.raises(NotFittedError):
            TrainingDisplay.from_estimator(unfitted)
    logistic = LogisticRegression().fit(X, y)
    for other in (logistic, make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)):
        with pytest.raises(TypeError, match=rf"ends in one; {type(other).__name__} does not"):
            TrainingDisplay.from_estimator(other)
    amounts = ConstrainedRegressor(LinearRegression(), max_difference=9, cv=2)
    amounts.fit(X, np.arange(len(y)), sensitive_features=y)
    with pytest.raises(TypeError, match=r"the history of a ConstrainedRegressor: see it as a table"):
        TrainingDisplay.from_estimator(amounts)
    search = GridSearchCV(Trained(), {"epochs": [3]}, cv=2, refit=False).fit(X, y)
    with pytest.raises(TypeError, match="fit it with refit=True"):
        TrainingDisplay.from_estimator(search)
    with pytest.raises(TypeError, match="not an estimator"):
        TrainingDisplay.from_estimator("net")


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (
        TrainingDisplay(history()).plot,
        lambda: TrainingDisplay.from_estimator(SimpleNamespace()),
    ):
        with pytest.raises(ImportError, match=r'TrainingDisplay draws .*pip install "fairsk\[plots\]"'):
            draw()


# --- what is no history --------------------------------------------------------------------------------


def test_what_is_no_history_is_refused():
    with pytest.raises(ValueError, match="The history has no epochs"):
        TrainingDisplay([])
    for other in ("loss", {"loss": [1.0]}, [0.3, 0.2], None):
        with pytest.raises(TypeError, match="a list of one dict per epoch"):
            TrainingDisplay(other)
    with pytest.raises(TypeError, match=r"TrainingDisplay\.from_estimator"):
        TrainingDisplay(FairClassifier())
    with pytest.raises(ValueError, match=r"Record 1 of the history lacks 'task_loss' and 'loss' and 'disp"):
        TrainingDisplay([{"epoch": 1, "train_loss": 0.2}])
    records = history()
    del records[3]["loss"]
    with pytest.raises(
        ValueError, match=r"Record 4 of the history lacks 'loss'\. Give the history_ of a Fair"
    ):
        TrainingDisplay(records)
    with pytest.raises(ValueError, match="The epochs of the history must be in order, each of them once"):
        TrainingDisplay([*history(), *history()])
    with pytest.raises(ValueError, match="The rounds of the history must be in order, each of them once"):
        TrainingDisplay([*held_out_history(), *held_out_history()])
    with pytest.raises(ValueError, match=r"Record 2 of the history lacks 'valid_disparities'\."):
        TrainingDisplay([held_out_history()[0], {"round": 2, "valid_acc": 0.8}])
    with pytest.raises(TypeError, match="'disparities' of record 1 must be a dict"):
        TrainingDisplay([{**history()[0], "disparities": 0.1}])


def test_what_does_not_belong_to_the_history_is_refused():
    with pytest.raises(
        ValueError, match=r"no disparity named 'parity' to bound; it has: 'demographic_parity'"
    ):
        TrainingDisplay(history(), bounds={"parity": 0.1})
    with pytest.raises(ValueError, match="must be a finite number; got inf"):
        TrainingDisplay(history(), bounds={DP: np.inf})
    for comparison in ("gap", {DP: "gap"}, {EO: "ratio"}):
        with pytest.raises(ValueError, match="comparison must be 'difference' or 'ratio', or a dict"):
            TrainingDisplay(history(), comparison=comparison)
    for groups in (["a", "b", "c"], ["a", "a"]):
        with pytest.raises(ValueError, match=f"each once: 2 of selection_rate; got {len(groups)}: a, "):
            TrainingDisplay(history(), groups=groups)
    with pytest.raises(ValueError, match="best_epoch=9 is not one of the epochs"):
        TrainingDisplay(history(), best_epoch=9)
