"""Displays of groups: what they draw is what the library counts, and nothing is told by colour alone."""

from __future__ import annotations

import pickle
import sys
import warnings
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from toy_data import columns_of, logistic, people

from fairsk import GroupThresholdOptimizer, Rate
from fairsk.metrics import GroupAmounts, GroupCounts, GroupMetrics, group_metrics, one_vs_rest_counts
from fairsk.plotting import DisparityDisplay, GroupMetricDisplay
from fairsk.rates import CELLS, RATES
from fairsk.statistics import contrasts, rate_intervals, verdict

HOSTILE = ("$\\frac{", "_hidden", "<script>", "a$b", "\\$x$", "", " ", "\n", "\ud800", "n" * 500, "نساء")
BOTH = (GroupMetricDisplay, DisparityDisplay)


@pytest.fixture(autouse=True)
def plt():
    """Draw without a screen, and leave no figure open."""
    matplotlib.use("Agg", force=True)
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def table(**groups):
    """Return counts of groups, each given as its cells tp, fp, fn, tn."""
    return GroupCounts(list(groups), dict(zip(CELLS, np.transpose(list(groups.values())), strict=True)))


def many(names, seed=0):
    """Return counts of groups with these names, of 40 to 900 rows."""
    rng = np.random.default_rng(seed)
    rows = [rng.multinomial(n, rng.dirichlet([4, 2, 3, 6])) for n in rng.integers(40, 900, len(names))]
    return GroupCounts(names, dict(zip(CELLS, np.transpose(rows), strict=True)))


@pytest.fixture
def counts():
    """Return groups with enough rows, few rows, none that merit, and none selected; in no order."""
    return table(
        b=(30, 20, 30, 70), a=(50, 50, 20, 80), few=(3, 1, 2, 4), none=(0, 8, 0, 40), zero=(0, 0, 20, 60)
    )


def dot(point):
    """Return where a dot lies: its value and its line."""
    ((value, line),) = point.lines[0].get_xydata().tolist()
    return value, line


def bar(point):
    """Return the ends of a bar."""
    (segment,) = point.lines[2][0].get_segments()
    return segment[:, 0].tolist()


def marker(point):
    return point.lines[0].get_marker()


def shown(texts):
    """Return texts as they are shown, with escapes taken away."""
    return [text._preprocess_math(text.get_text())[0] for text in texts]


def numbers(display):
    """Return the numbers drawn, as text, for NaN equals nothing."""
    return repr(columns_of(display))


def names(ax):
    return shown(ax.get_yticklabels())


def legend(display):
    """Return the entries of the (only) legend of a display, drawn."""
    display.figure_.canvas.draw()
    (found,) = [ax.get_legend() for ax in display.figure_.axes if ax.get_legend() is not None]
    return shown(found.get_texts())


def notes(ax):
    """Return what is written on lines of the axes, by line."""
    return {int(text.get_position()[1]): text.get_text() for text in ax.texts}


def nothing_is_cut_off(figure):
    figure.canvas.draw()
    bounds, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    return bounds.x0 >= 0 and bounds.y0 >= 0 and bounds.x1 <= width and bounds.y1 <= height


def names_overlap(ax):
    boxes = sorted((text.get_window_extent() for text in ax.get_yticklabels()), key=lambda box: box.y0)
    return any(below.y1 > above.y0 for below, above in pairwise(boxes))


# --- GroupMetricDisplay --------------------------------------------------------------------------------


def test_dots_are_the_rates_and_bars_their_wilson_intervals(counts):
    display = GroupMetricDisplay.from_counts(counts, confidence=0.9)
    points = display.points_["selection_rate"]
    assert set(points) == set(counts.groups)
    for group, tp, fp, n in zip(counts.groups, counts.cells["tp"], counts.cells["fp"], counts.n, strict=True):
        assert dot(points[group])[0] == pytest.approx((tp + fp) / n)
        np.testing.assert_allclose(
            bar(points[group]), proportion_confint(tp + fp, n, 0.1, "wilson"), atol=1e-12
        )
    line = display.overall_lines_["selection_rate"]
    assert line.get_xdata() == pytest.approx([counts.overall().rate("selection_rate")[0]] * 2)
    assert display.ax_.get_xlabel() == "Selection rate"
    assert "rate, 90% interval" in legend(display)


def test_groups_stand_in_order_with_their_rows(counts):
    display = GroupMetricDisplay.from_counts(counts)
    display.figure_.canvas.draw()
    assert names(display.ax_) == [
        "a  (n = 200)",
        "few  (n = 10)",
        "b  (n = 150)",
        "none  (n = 48)",
        "zero  (n = 80)",
    ]
    drawn = [dot(point) for point in display.points_["selection_rate"].values()]
    assert [line for _, line in sorted(drawn, reverse=True)] == [0, 1, 2, 3, 4]
    bottom, top = display.ax_.get_ylim()
    assert bottom > top  # line 0 is on top
    display.plot(order="label")
    assert names(display.ax_)[:2] == ["b  (n = 150)", "a  (n = 200)"]
    assert dot(display.points_["selection_rate"]["zero"])[1] == 4
    with pytest.raises(ValueError, match="order must be one of 'rate', 'label'; got 'size'"):
        display.plot(order="size")


@pytest.mark.filterwarnings("ignore:true_positive_rate cannot be measured")
def test_few_rows_have_another_marker_and_are_named_in_the_legend(counts):
    display = GroupMetricDisplay.from_counts(counts, ["selection_rate", "true_positive_rate"])
    selected, recall = display.points_["selection_rate"], display.points_["true_positive_rate"]
    assert {group for group in selected if marker(selected[group]) == "D"} == {"few"}
    assert {group for group in recall if marker(recall[group]) == "D"} == {"few", "zero"}  # 20 merit
    assert marker(selected["a"]) == "o"
    assert selected["a"].lines[0].get_color() != selected["few"].lines[0].get_color()
    assert sorted(legend(display)) == ["measured on fewer than 30 rows", "overall", "rate, 95% interval"]
    unmarked = GroupMetricDisplay.from_counts(counts, min_group_size=1)
    assert sorted(legend(unmarked)) == ["overall", "rate, 95% interval"]


@pytest.mark.filterwarnings("ignore:true_positive_rate cannot be measured")
def test_few_rows_are_in_the_legend_also_if_only_the_first_panel_has_them(counts):
    display = GroupMetricDisplay.from_counts(
        counts, ["true_positive_rate", "selection_rate"], min_group_size=10
    )
    assert "measured on fewer than 10 rows" in legend(display)


def test_weighted_rows_count_by_their_effective_number():
    y = np.arange(200) % 2
    weights = np.where(np.arange(200) < 20, 100.0, 0.01)  # 200 rows that are worth 20
    display = GroupMetricDisplay.from_predictions(y, y, sensitive_features=["a"] * 200, sample_weight=weights)
    assert marker(display.points_["selection_rate"]["a"]) == "D"
    assert names(display.ax_) == ["a  (n = 2,001.8)"]
    equal = GroupMetricDisplay.from_predictions(
        y, y, sensitive_features=["a"] * 200, sample_weight=np.full(200, 0.01)
    )
    assert marker(equal.points_["selection_rate"]["a"]) == "o"


def test_a_group_without_the_rate_is_named_in_its_place_and_in_a_warning(counts):
    with pytest.warns(UserWarning, match=r"^true_positive_rate cannot be measured for: none\.") as caught:
        display = GroupMetricDisplay.from_counts(counts, "true_positive_rate")
    assert caught[0].filename == __file__
    assert names(display.ax_)[-1] == "none  (n = 48)"  # last, not dropped
    assert notes(display.ax_) == {4: "not measurable"}
    assert set(display.points_["true_positive_rate"]) == set(counts.groups) - {"none"}


def test_rates_that_nobody_has_are_drawn_as_such():
    empty = table(a=(0, 3, 0, 4), b=(0, 30, 0, 40))
    with pytest.warns(UserWarning, match="true_positive_rate cannot be measured for: a, b"):
        display = GroupMetricDisplay.from_counts(empty, "true_positive_rate")
    assert notes(display.ax_) == {0: "not measurable", 1: "not measurable"}
    assert display.overall_lines_ == {}
    display.figure_.canvas.draw()


def test_several_rates_share_the_groups_and_one_legend(counts):
    rates = ["selection_rate", "false_positive_rate", Rate("mine", "tp-fp", "n")]
    display = GroupMetricDisplay.from_counts(counts, rates)
    assert list(display.axes_) == ["selection_rate", "false_positive_rate", "mine"]
    assert display.ax_ is display.axes_["selection_rate"]
    assert [ax.get_xlabel() for ax in display.axes_.values()] == [
        "Selection rate",
        "False positive rate",
        "Mine",
    ]
    for group in counts.groups:  # on the same line everywhere
        assert len({dot(points[group])[1] for points in display.points_.values()}) == 1
    display.figure_.canvas.draw()
    assert [len(ax.get_yticklabels()) for ax in display.axes_.values()] == [5, 0, 0]
    assert display.axes_["mine"].get_xlim()[0] < -0.25  # negative values are not cut off
    legend(display)
    assert nothing_is_cut_off(display.figure_)


def test_shares_do_not_reach_beyond_0_and_1():
    display = GroupMetricDisplay.from_counts(table(a=(0, 0, 1, 1), b=(50, 50, 0, 0)))
    left, right = display.ax_.get_xlim()
    assert -0.03 < left < 0 < 1 < right < 1.03


def test_intervals_can_be_left_out(counts):
    display = GroupMetricDisplay.from_counts(counts, confidence=None)
    assert all(not point.has_xerr for point in display.points_["selection_rate"].values())
    assert "rate" in legend(display)


def test_the_numbers_drawn_are_a_table(counts):
    display = GroupMetricDisplay.from_counts(counts, min_group_size=5)
    columns = columns_of(display)
    assert columns["group"] == [*counts.groups, "overall"]
    for group, value, low, high in zip(
        *list(columns.values())[:1], *list(columns.values())[2:5], strict=True
    ):
        if group != "overall":
            point = display.points_["selection_rate"][group]
            assert [dot(point)[0], *bar(point)] == pytest.approx([value, low, high])
    assert display.frame("polars").columns == list(columns)
    assert str(display) == str(display.metrics).partition("\n\n")[0]
    assert "<table>" in display._repr_html_()


@pytest.mark.parametrize("display", BOTH)
def test_the_frame_is_of_the_library_of_the_data(display, library):
    X, y = people(library)
    drawn = display.from_predictions(y, y, sensitive_features=X["sex"], pos_label="yes")
    assert type(drawn.frame()).__module__.startswith(library)
    model = logistic().fit(*people())
    if library == "pandas":
        assert type(display.from_estimator(model, X, y, sensitive_features="sex").frame()) is type(X)


def test_what_cannot_be_drawn_is_refused(counts):
    with pytest.raises(ValueError, match="name at least one rate"):
        GroupMetricDisplay.from_counts(counts, [])
    with pytest.raises(ValueError, match="Unknown rate 'selction_rate'"):
        GroupMetricDisplay.from_counts(counts, "selction_rate")
    with pytest.raises(ValueError, match="give 2, not 1, as ax="):
        GroupMetricDisplay.from_counts(counts, ["selection_rate", "accuracy"], ax=object())


def three_classes():
    """Return counts of three classes: b is given the second less often, and the third more often."""
    answers = np.repeat(["no", "later", "yes", "no", "later", "yes"], [40, 40, 20, 40, 28, 32])
    return one_vs_rest_counts(None, answers, sensitive_features=np.repeat(["a", "b"], 100))


def test_several_classes_are_drawn_side_by_side_or_the_worst_of_them():
    counts = three_classes()
    each = GroupMetricDisplay.from_counts(counts)
    assert list(each.points_) == [f"selection_rate ({label})" for label in ("later", "no", "yes")]
    low, high = rate_intervals(counts, "selection_rate")
    for place, points in enumerate(each.points_.values()):
        for line, group in enumerate("ab"):
            assert dot(points[group])[0] == counts.rate("selection_rate")[line, place]
            assert bar(points[group]) == pytest.approx((low[line, place], high[line, place]))
    assert set(names(each.ax_)) == {"a  (n = 100)", "b  (n = 100)"}
    assert "selection_rate (yes)" in str(each)
    worst = GroupMetricDisplay.from_counts(counts, strata="worst")
    assert list(worst.points_) == ["selection_rate (later)"]
    with pytest.raises(ValueError, match="strata must be one of 'each', 'worst'"):
        GroupMetricDisplay.from_counts(counts, strata="best")
    rates = ["selection_rate", *[Rate(f"rate_{k}", "tp+fp", "n") for k in range(4)]]
    with pytest.raises(ValueError, match="15 panels are too many"):
        GroupMetricDisplay.from_counts(counts, rates)


def test_charts_of_grades_say_so_and_agree_wherever_the_counts_come_from():
    rng = np.random.default_rng(0)
    group, score = np.repeat(["a", "b"], 100), rng.normal(size=200)
    y = np.digitize(score + rng.normal(size=200), [-0.5, 0.5])
    X = np.column_stack([score, group == "a"])
    order = [2, 1, 0]
    model = GroupThresholdOptimizer(LogisticRegression(), sensitive_features=1, grades=order, cv=2).fit(X, y)
    given = model.predict(X)
    drawn = [
        GroupMetricDisplay.from_estimator(model, X, y),
        GroupMetricDisplay.from_predictions(y, given, sensitive_features=X[:, 1], grades=order),
        GroupMetricDisplay.from_counts(
            one_vs_rest_counts(y, given, sensitive_features=X[:, 1], grades=order)
        ),
    ]
    for display in drawn:
        assert list(display.points_) == ["selection_rate (1 or better)", "selection_rate (0 or better)"]
        for line, part in enumerate([given[group == "b"], given[group == "a"]]):
            shares = [values[line] for values in display.metrics.rates.values()]
            assert shares == pytest.approx([(part < 2).mean(), (part < 1).mean()])
    (name,) = GroupMetricDisplay.from_estimator(model, X, y, pos_label=[0]).points_
    assert name == "selection_rate (0 or better)"
    each = GroupMetricDisplay.from_predictions(y, given, sensitive_features=group, pos_label=[2, 1])
    assert list(each.points_) == ["selection_rate (2)", "selection_rate (1)"]
    assert DisparityDisplay.from_estimator(model, X, y).rate_name in drawn[0].points_
    found = verdict(model.report_.counts, "demographic_parity", max_difference=0.05)
    assert found.rate in drawn[0].points_
    assert "1 or better" in str(GroupMetrics(model.report_.counts, "selection_rate"))


def test_of_several_classes_the_worst_ratio_is_drawn_with_an_interval_for_all_of_them():
    counts = three_classes()
    display = DisparityDisplay.from_counts(counts, reference="b")
    assert display.rate_name == "selection_rate (yes)"
    alone = contrasts(
        counts.stratum("yes"),
        "selection_rate",
        method="to_reference",
        reference="b",
        comparison="ratio",
        confidence=1 - 0.05 / 3,
    )
    assert (display.ratios[0], display.low[0], display.high[0]) == (0.625, alone.low[0], alone.high[0])
    assert "for all strata together" in str(display)


def test_means_of_amounts_are_drawn_with_their_intervals():
    rng = np.random.default_rng(0)
    group = np.repeat(["a", "b", "c"], [60, 40, 1])
    wages = rng.normal(50_000, 9_000, 101)
    data = {"y_true": wages, "y_pred": wages + rng.normal(0, 900, 101), "sensitive_features": group}
    amounts = GroupAmounts.from_predictions(**data)
    display = GroupMetricDisplay.from_counts(amounts)
    assert list(display.points_) == ["mean_prediction", "mean_absolute_error"]
    for name, points in display.points_.items():
        low, high = amounts.intervals(name)
        for place, label in enumerate("ab"):
            assert dot(points[label])[0] == pytest.approx(amounts.rate(name)[place])
            assert bar(points[label]) == pytest.approx((low[place], high[place]))
        assert marker(points["c"]) == "D"  # one row: no interval
        assert display.overall_lines_[name].get_xdata()[0] == pytest.approx(amounts.overall().rate(name)[0])
    assert "mean, 95% interval" in legend(display)
    again = GroupMetricDisplay.from_predictions(**data, rate="mean_error")
    assert list(again.points_) == ["mean_error"]
    ratios = DisparityDisplay.from_counts(amounts, reference="a")
    assert ratios.ratios[1] == pytest.approx(
        amounts.rate("mean_prediction")[1] / amounts.rate("mean_prediction")[0]
    )
    model = LinearRegression().fit(wages[:, None], wages)
    fitted = GroupMetricDisplay.from_estimator(model, wages[:, None], wages, sensitive_features=group)
    assert dot(fitted.points_["mean_prediction"]["b"])[0] == pytest.approx(wages[60:100].mean())
    with pytest.raises(ValueError, match="depends on the labels"):
        GroupMetricDisplay.from_counts(
            GroupAmounts.from_predictions(None, wages, sensitive_features=group), "mean_error"
        )


def test_an_estimator_of_several_classes_is_drawn_class_by_class():
    X = np.linspace(0, 1, 60)[:, None]
    y = np.repeat(["bad", "fair", "good"], 20)
    model = LogisticRegression(C=100).fit(X, y)
    display = GroupMetricDisplay.from_estimator(model, X, y, sensitive_features=np.tile([0, 1], 30))
    assert list(display.points_) == [f"selection_rate ({label})" for label in ("bad", "fair", "good")]
    one = GroupMetricDisplay.from_estimator(
        model, X, y, sensitive_features=np.tile([0, 1], 30), pos_label="good"
    )
    assert list(one.points_) == ["selection_rate"]


# --- DisparityDisplay ----------------------------------------------------------------------------------


def test_dots_are_the_ratios_to_the_reference(counts):
    display = DisparityDisplay.from_counts(counts, reference="b")
    assert set(display.points_) == {"a", "few", "none", "zero"}
    for group in ("a", "few", "none"):
        rate = dict(zip(counts.groups, counts.rate("selection_rate"), strict=True))
        assert dot(display.points_[group])[0] == pytest.approx(rate[group] / rate["b"])
    assert display.reference_point_.get_xydata().tolist() == [[1, 2]]
    assert names(display.ax_)[2] == "b  (n = 150)"
    assert "reference: b" in legend(display)
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_xlabel() == "Selection rate, ratio to the reference"


def test_bars_agree_with_the_score_interval_where_rows_are_many():
    display = DisparityDisplay.from_counts(
        table(a=(500, 300, 400, 800), b=(300, 200, 500, 700)), reference="a"
    )
    limits = confint_proportions_2indep(500, 1700, 800, 2000, compare="ratio", method="score")
    np.testing.assert_allclose(bar(display.points_["b"]), limits, rtol=0.005)


def test_the_reference_is_the_highest_rate_measured_on_enough_rows():
    lucky = table(b=(30, 20, 30, 70), a=(50, 50, 20, 80), lucky=(3, 1, 0, 0))
    display = DisparityDisplay.from_counts(lucky)
    assert display.reference == "a"
    assert "reference: a,\nhighest rate on 30 rows or more" in legend(display)
    assert "reference: a, highest rate on 30 rows or more" in str(display)
    assert marker(display.points_["lucky"]) == "D"
    all_few = DisparityDisplay.from_counts(lucky, min_group_size=1000)
    assert all_few.reference == "lucky"
    assert "reference: lucky,\nhighest rate,\nmeasured on fewer than 1000 rows" in legend(all_few)
    assert DisparityDisplay.from_counts(lucky, min_group_size=4).reference == "lucky"


def test_a_reference_chosen_for_its_rate_gets_intervals_that_hold_for_all_pairs(counts):
    chosen = DisparityDisplay.from_counts(counts)
    named = DisparityDisplay.from_counts(counts, reference=chosen.reference)
    single = DisparityDisplay.from_counts(counts, reference=chosen.reference, confidence=1 - 0.05 / 10)
    np.testing.assert_allclose(chosen.low, single.low)
    np.testing.assert_allclose(chosen.high, single.high)
    others = [i for i, group in enumerate(counts.groups) if group != chosen.reference]
    assert (chosen.high[others] > named.high[others]).all()
    assert "ratio, 95% interval (for all pairs together)" in legend(chosen)
    assert "ratio, 95% interval" in legend(named)


def test_simultaneous_bars_cover_the_true_ratios_to_the_luckiest_group():
    """With ten equal groups each bar by itself misses 1 too often, for the highest of ten rates is chance."""

    class Undrawn(DisparityDisplay):
        def plot(self, ax=None, **options):
            return self

    rng = np.random.default_rng(0)
    misses = np.zeros(2)
    for _ in range(400):
        tp = rng.binomial(100, 0.4, 10)
        counts = GroupCounts(range(10), {"tp": tp, "fp": 0 * tp, "fn": 0 * tp, "tn": 100 - tp})
        chosen = Undrawn.from_counts(counts)
        named = Undrawn.from_counts(counts, reference=chosen.reference)
        misses += [np.nanmin(display.high) < 1 for display in (chosen, named)]
    assert misses[0] / 400 <= 0.05
    assert misses[1] / 400 > 0.2


def test_the_band_is_that_of_the_four_fifths_rule_or_ones_own(counts):
    display = DisparityDisplay.from_counts(counts)
    edges = display.band_.get_extents().transformed(display.ax_.transData.inverted())
    assert (edges.x0, edges.x1) == pytest.approx((0.8, 1.25))
    assert "four-fifths band (0.8 to 1.25)" in legend(display)
    assert "band (0.9 to 1.11)" in legend(DisparityDisplay.from_counts(counts, band=(0.9, 1 / 0.9)))
    without = display.plot(band=None)
    assert without.band_ is None
    assert not any("band" in entry for entry in legend(without))
    for bad in ((0, 1), (1.25, 0.8), (0.8, np.inf)):
        with pytest.raises(ValueError, match="band must be two ratios above 0"):
            display.plot(band=bad)


def test_what_lies_beyond_the_axis_ends_in_an_arrow():
    counts = table(a=(50, 50, 20, 80), b=(30, 20, 30, 70), zero=(0, 0, 40, 60), tiny=(1, 0, 3, 40))
    display = DisparityDisplay.from_counts(counts)
    left, right = display.ax_.get_xlim()
    (arrow,) = display.arrows_["zero"]
    assert arrow.get_xydata().tolist() == [[left, 3]]
    assert "ratio of 0" in legend(display)
    assert display.arrows_["b"] == []
    for group in ("b", "tiny", "zero"):
        at = counts.groups.index(group)
        ends = {float(arrow.get_xdata()[0]) for arrow in display.arrows_[group]}
        assert ends == {
            end
            for end, beyond in ((left, display.low[at] < left), (right, display.high[at] > right))
            if beyond
        }
    tiny = DisparityDisplay.from_counts(counts, reference="tiny")
    left, right = tiny.ax_.get_xlim()
    assert [arrow.get_xdata()[0] for arrow in tiny.arrows_["a"]] == [right]
    assert tiny.high[0] > right


def test_a_group_without_the_rate_has_no_ratio(counts):
    with pytest.warns(UserWarning, match="true_positive_rate cannot be measured for: none"):
        display = DisparityDisplay.from_counts(counts, "true_positive_rate")
    assert names(display.ax_)[-1] == "none  (n = 48)"
    assert notes(display.ax_) == {4: "not measurable"}
    assert np.isnan(display.ratios[counts.groups.index("none")])


@pytest.mark.filterwarnings("ignore:true_positive_rate cannot be measured")
def test_references_that_nothing_can_be_divided_by_are_refused(counts):
    with pytest.raises(ValueError, match="no ratios to 'zero': its selection_rate is 0"):
        DisparityDisplay.from_counts(counts, reference="zero")
    with pytest.raises(ValueError, match="no ratios to 'none': its true_positive_rate cannot be measured"):
        DisparityDisplay.from_counts(counts, "true_positive_rate", reference="none")
    with pytest.raises(ValueError, match="reference group 'c' is not one of the groups: 'b', 'a'"):
        DisparityDisplay.from_counts(counts, reference="c")
    with pytest.raises(ValueError, match="its selection_rate is 0"):
        DisparityDisplay.from_counts(table(a=(0, 0, 50, 50), b=(0, 0, 40, 40)))
    with pytest.raises(ValueError, match="its true_positive_rate cannot be measured"):
        DisparityDisplay.from_counts(table(a=(0, 4, 0, 50), b=(0, 3, 0, 40)), "true_positive_rate")
    with pytest.raises(ValueError, match="'net' is not defined: 'net' can be negative"):
        DisparityDisplay.from_counts(counts, Rate("net", "tp-fp", "n"), reference="b")
    with pytest.raises(ValueError, match="order must be one of 'ratio', 'label'; got 'rate'"):
        DisparityDisplay.from_counts(counts, order="rate")


def test_false_and_zero_can_be_references():
    counts = GroupCounts([False, True], {"tp": [40, 50], "fp": [0, 0], "fn": [60, 50], "tn": [0, 0]})
    assert DisparityDisplay.from_counts(counts, reference=False).reference is False
    assert dot(DisparityDisplay.from_counts(counts, reference=0).points_[True])[0] == pytest.approx(1.25)


def test_one_group_alone_is_its_own_reference():
    with pytest.warns(UserWarning, match="Fewer than two groups can be compared"):
        display = DisparityDisplay.from_counts(table(a=(5, 5, 5, 5)))
    assert display.points_ == {}
    assert "reference: a" in legend(display)[0]


def test_the_ratios_drawn_are_a_table(counts):
    display = DisparityDisplay.from_counts(counts, reference="b")
    columns = columns_of(display)
    assert list(columns) == ["group", "n", "selection_rate", "ratio", "ratio_low", "ratio_high", "few_rows"]
    assert columns["group"] == list(counts.groups)
    assert columns["few_rows"] == [False, False, True, False, False]
    at = counts.groups.index("a")
    drawn = [dot(display.points_["a"])[0], *bar(display.points_["a"])]
    assert drawn == pytest.approx([columns[name][at] for name in ("ratio", "ratio_low", "ratio_high")])
    assert display.frame("pandas").shape == (5, 7)
    lines = str(display).splitlines()
    assert lines[2].split() == ["b", "150", "0.333", "reference"]
    assert lines[-3:] == ["reference: b", "intervals: 95%", "* measured on fewer than 30 rows"]
    assert "&lt;script&gt;" in DisparityDisplay.from_counts(many(["<script>", "b"]))._repr_html_()


def test_a_tick_never_covers_its_neighbour():
    for seed in range(8):
        display = DisparityDisplay.from_counts(many(list("abcde"), seed), "false_positive_rate")
        display.figure_.canvas.draw()
        boxes = [tick.get_window_extent() for tick in display.ax_.get_xticklabels()]
        boxes.sort(key=lambda box: box.x0)
        assert len(boxes) >= 3
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
        assert "1" in {tick.get_text() for tick in display.ax_.get_xticklabels()}


@pytest.mark.parametrize(
    "ratio", [0.001, 0.013, 0.1, 0.308, 0.35, 0.45, 0.62, 0.7, 0.85, 1.4, 2.6, 3.4, 7.7, 18.0, 450.0]
)
@pytest.mark.parametrize("band", [(0.8, 1.25), (0.95, 1.05), (0.31, 3.1), None])
def test_ticks_cover_the_axis(ratio, band):
    n = 1e6
    drawn = table(a=(n / 1000, 0, n - n / 1000, 0), b=(n * ratio / 1000, 0, n - n * ratio / 1000, 0))
    ax = DisparityDisplay.from_counts(drawn, "selection_rate", reference="a", band=band).ax_
    ends, ticks = np.log(ax.get_xlim()), np.log(sorted(ax.get_xticks()))
    gaps = np.diff(np.concatenate([ends[:1], ticks, ends[1:]])) / np.ptp(ends)
    assert gaps.max() < 0.45
    assert max(gaps[0], gaps[-1]) < 0.22


@pytest.mark.parametrize("rate", [["selection_rate"], ("recall", "precision")])
def test_a_display_of_ratios_draws_one_rate(rate, counts):
    with pytest.raises(TypeError, match=r"draws one rate.* side by side with GroupMetricDisplay"):
        DisparityDisplay.from_counts(counts, rate)


# --- both ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("display", BOTH)
def test_predictions_are_counted(display):
    X, y = people()
    predicted = np.where(X["skill"] > 0.3, "yes", "no")
    options = {"sensitive_features": X[["sex", "race"]], "sample_weight": X["age"], "pos_label": "yes"}
    drawn = display.from_predictions(y, predicted, rate="recall", **options)
    counts = GroupCounts.from_predictions(y, predicted, **options)
    assert numbers(drawn) == numbers(display.from_counts(counts, "recall"))
    assert any(name.startswith("F & b") for name in names(drawn.ax_))


@pytest.mark.parametrize("display", BOTH)
def test_groups_of_an_estimator_come_from_a_column_or_as_values(display, library):
    X, y = people(library, seed=2)
    model = logistic().fit(*people(library, seed=1))
    counts = GroupCounts.from_predictions(y, model.predict(X), sensitive_features=X["sex"], pos_label="yes")
    expected = numbers(display.from_counts(counts))
    for given in ("sex", 3, lambda X: X["sex"], [lambda X: X["sex"]], X["sex"], X["sex"].to_list()):
        assert numbers(display.from_estimator(model, X, y, sensitive_features=given)) == expected
    both = columns_of(display.from_estimator(model, X, y, sensitive_features=["sex", "race"]))
    assert "M & w" in both["group"]
    with pytest.raises(
        ValueError, match=r"Pipeline names no sensitive column\. Give sensitive_features=: the name"
    ):
        display.from_estimator(model, X, y)
    with pytest.raises(ValueError, match="'sxe' is not in X"):
        display.from_estimator(model, X, y, sensitive_features="sxe")
    with pytest.raises(ValueError, match="has 3 rows where 400 are expected"):
        display.from_estimator(model, X, y, sensitive_features=[0, 1, 0])


@pytest.mark.parametrize("display", BOTH)
def test_an_estimator_that_names_its_column_is_asked_for_it(display, routing):
    X, y = people(seed=2)
    model = GroupThresholdOptimizer(logistic(), sensitive_features="sex", cv=3).fit(*people(seed=1))
    before = pickle.dumps(model)
    drawn = display.from_estimator(model, X, y)
    assert numbers(drawn) == numbers(display.from_estimator(model, X, y, sensitive_features=X["sex"]))
    assert pickle.dumps(model) == before
    by_race = display.from_estimator(model, X, y, sensitive_features="race")  # still decided by sex
    counts = GroupCounts.from_predictions(y, model.predict(X), sensitive_features=X["race"], pos_label="yes")
    assert numbers(by_race) == numbers(display.from_counts(counts))


@pytest.mark.parametrize("display", BOTH)
def test_an_estimator_that_needs_the_values_is_handed_them(display):
    X, y = people(seed=2)
    train, labels = people(seed=1)
    model = GroupThresholdOptimizer(logistic(), cv=3).fit(train, labels, sensitive_features=train["sex"])
    drawn = display.from_estimator(model, X, y, sensitive_features=X["sex"])
    predicted = model.predict(X, sensitive_features=X["sex"])
    counts = GroupCounts.from_predictions(y, predicted, sensitive_features=X["sex"], pos_label="yes")
    assert numbers(drawn) == numbers(display.from_counts(counts))


@pytest.mark.parametrize("display", BOTH)
def test_a_search_and_an_array_can_be_drawn(display):
    X, y = people()
    values = X[["age", "skill"]].to_numpy()
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=2).fit(values, y)
    drawn = display.from_estimator(search, values, y, sensitive_features=X["sex"], pos_label="no")
    counts = GroupCounts.from_predictions(
        y, search.predict(values), sensitive_features=X["sex"], pos_label="no"
    )
    assert numbers(drawn) == numbers(display.from_counts(counts))


def test_rows_without_a_positive_label_have_a_rate_of_0():
    X, y = people(seed=2)
    model = logistic().fit(*people(seed=1))
    turned_down = (y == "no") & (model.predict(X) == "no")
    drawn = GroupMetricDisplay.from_estimator(model, X[turned_down], y[turned_down], sensitive_features="sex")
    assert columns_of(drawn)["selection_rate"] == [0, 0, 0]


@pytest.mark.parametrize("display", BOTH)
def test_nothing_is_cut_off_and_the_figure_grows_with_the_groups(display):
    heights = []
    for groups in (["F", "M"], list("abcde"), [f"a long name of group number {i}" for i in range(20)]):
        drawn = display.from_counts(many(groups))
        legend(drawn)
        assert nothing_is_cut_off(drawn.figure_)
        assert not names_overlap(drawn.ax_)
        assert drawn.ax_.get_window_extent().width / drawn.figure_.dpi > 2.8  # long names do not squeeze it
        heights.append(drawn.figure_.get_figheight())
    assert heights == sorted(set(heights))
    assert heights[-1] > 2 * heights[0]


@pytest.mark.parametrize("display", BOTH)
def test_hostile_names_are_written_as_they_are(display, plt):
    drawn = display.from_counts(many(HOSTILE))
    drawn.figure_.canvas.draw()
    written = [name.rpartition("  (n = ")[0] for name in names(drawn.ax_)]
    for name in (
        "$\\frac{",
        " _hidden",
        "<script>",
        "a$b",
        "\\$x$",
        "''",
        "' '",
        r"'\n'",
        r"'\ud800'",
        "نساء",
    ):
        assert name in written
    assert max(map(len, written)) <= 50
    assert nothing_is_cut_off(drawn.figure_)
    for name in HOSTILE:
        single = display.from_counts(many([name, "x"]), **({} if display is BOTH[0] else {"reference": name}))
        legend(single)
    with plt.rc_context({"text.usetex": True}):  # names are no TeX programs
        drawn.plot(ax=drawn.ax_)
    texts = [*drawn.ax_.get_yticklabels(), drawn.ax_.xaxis.label, *drawn.ax_.get_legend().get_texts()]
    assert not any(text.get_usetex() for text in texts)


@pytest.mark.parametrize("display", BOTH)
def test_drawing_on_given_axes_and_in_the_users_style(display, counts, plt):
    figure, (left, right) = plt.subplots(1, 2, figsize=(16, 4), layout="constrained")
    drawn = display.from_counts(counts, ax=left, color="r", ms=9, lw=3, capsize=0)
    assert (drawn.ax_, drawn.figure_) == (left, figure)
    assert plt.get_fignums() == [figure.number]
    points = drawn.points_["selection_rate"] if display is GroupMetricDisplay else drawn.points_
    assert points["a" if display is GroupMetricDisplay else "b"].lines[0].get_markersize() == 9
    assert len({point.lines[0].get_color() for point in points.values()}) == 1
    assert drawn.plot(right) is drawn
    assert drawn.ax_ is right
    figure.canvas.draw()
    assert right.get_legend().get_window_extent().x0 > right.get_window_extent().x1


def test_several_rates_on_given_axes_name_the_groups_once(counts, plt):
    _, axes = plt.subplots(2, 1)
    display = GroupMetricDisplay.from_counts(counts, ["selection_rate", "accuracy"], ax=axes)
    assert display.axes_ == {"selection_rate": axes[0], "accuracy": axes[1]}
    assert [ax.yaxis.get_tick_params()["labelleft"] for ax in axes] == [True, False]


@pytest.mark.parametrize("display", BOTH)
def test_dark_figures_keep_their_contrast(display, counts, plt):
    with plt.style.context("dark_background"):
        drawn = display.from_counts(counts)
        drawn.figure_.canvas.draw()
        pixels = np.asarray(drawn.figure_.canvas.buffer_rgba())[..., :3].mean(2)
    assert np.median(pixels) < 60
    assert pixels.max() > 200


@pytest.mark.parametrize("display", BOTH)
def test_displays_can_be_pickled_and_do_not_change_the_counts(display, counts):
    before = counts.to_state()
    drawn = display.from_counts(counts)
    copied = pickle.loads(pickle.dumps(drawn))
    assert numbers(copied) == numbers(drawn)
    assert legend(copied.plot()) == legend(drawn)
    assert counts.to_state() == before


@pytest.mark.parametrize("display", BOTH)
def test_no_warning_without_a_reason(display, counts):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display.from_counts(counts).figure_.canvas.draw()


@pytest.mark.parametrize("display", BOTH)
def test_without_matplotlib_the_error_names_the_extra(display, counts, monkeypatch):
    drawn = display.from_counts(counts)
    X, y = people(n=50)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (
        drawn.plot,
        lambda: display.from_counts(counts),
        lambda: display.from_predictions(y, y, sensitive_features=y, pos_label="yes"),
        lambda: display.from_estimator(None, X, y),
    ):
        with pytest.raises(ImportError, match=r'Display draws with .*pip install "fairsk\[plots\]"'):
            draw()


def test_the_table_of_rates_draws_itself(counts):
    y = np.arange(100) % 2
    metrics = group_metrics(
        y, y, sensitive_features=y, metrics=["selection_rate", "accuracy"], confidence=0.8
    )
    display = metrics.plot(order="label")
    assert list(display.axes_) == ["selection_rate", "accuracy"]
    assert "rate, 80% interval" in legend(display)


@pytest.mark.parametrize("rate", RATES)
def test_every_built_in_rate_can_be_drawn(rate):
    counts = many(list("abc"))
    legend(GroupMetricDisplay.from_counts(counts, rate))
    legend(DisparityDisplay.from_counts(counts, rate))
