"""Displays of monitors: they draw what the monitor says, and alarms where they were."""

from __future__ import annotations

import math
import pickle
import sys
from datetime import date, timedelta
from itertools import pairwise
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint
from toy_data import columns_of

from fairsk._core.bounds import Bound
from fairsk.metrics import GroupCounts
from fairsk.monitoring import FairnessMonitor
from fairsk.plotting import MonitorDisplay, ScoreTimelineDisplay
from fairsk.rates import get_constraint

HOSTILE = ("$\\frac{", "_hidden", "<script>", "\n\u202e", "n" * 500)
RATIO, DIFFERENCE = Bound(ratio=0.8), Bound(difference=0.1)


@pytest.fixture(autouse=True)
def plt():
    """Draw without a screen, and leave no figure open."""
    matplotlib.use("Agg", force=True)
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


class Monitor:
    """What a display needs of a FairnessMonitor, with numbers of the tests' choice."""

    name, alpha, reference, strata, scores, since = "", 0.05, None, None, None, None
    log_alarm_line, log_change_line = math.log(20), math.log(1_000)

    def __init__(self, part, size, *, bound=RATIO, constraint="demographic_parity", groups=None, **others):
        self.part, self.size = np.asarray(part), np.asarray(size)
        n_batches, n_groups = self.part.shape
        days = (date(2026, 1, 1) + timedelta(days=i) for i in range(n_batches))
        self.batches, self.bound = tuple(map(str, days)), bound
        self.groups = tuple(groups or "abcdefghij"[:n_groups])
        self.rates = get_constraint(constraint).rates
        self.test = self.change_values = np.zeros(n_batches)
        for name, value in others.items():
            setattr(self, name, value)

    @property
    def steps(self):
        rows = zip(self.test, self.change_values, strict=True)
        return tuple(SimpleNamespace(log_e_value=e, log_change_value=change) for e, change in rows)

    def _first(self, values, line):
        return next((batch for batch, value in zip(self.batches, values, strict=True) if value >= line), None)

    @property
    def alarm(self):
        return self._first(self.test, self.log_alarm_line)

    @property
    def change(self):
        return self._first(self.change_values, self.log_change_line)

    def shares(self, rate=None):
        return self.part, self.size

    def confidence_sequence(self, group, other, *, rate=None, confidence=None):
        self.asked = (group, other, rate.name, confidence)
        estimate = 0.7 + 0.01 * np.arange(len(self.batches))
        return SimpleNamespace(estimate=estimate, low=estimate - 0.2, high=estimate + 0.3)


def monitor_of(n_batches=40, n_groups=2, seed=0, n=50, **others):
    """Return a monitor of random batches, whose groups are selected less and less often."""
    rng = np.random.default_rng(seed)
    size = rng.integers(n // 2, n, (n_batches, n_groups))
    part = rng.binomial(size, np.linspace(0.6, 0.3, n_groups))
    return Monitor(part, size, **others)


def shown(texts):
    """Return texts as they are shown, with escapes taken away."""
    return [text._preprocess_math(text.get_text())[0] for text in texts]


def legend(display, panel):
    """Return the entries of a panel's legend as they are shown, drawn."""
    display.figure_.canvas.draw()
    return shown(display.axes_[panel].get_legend().get_texts())


def edges(area):
    """Return the corners of an area, as x and y."""
    return np.concatenate([path.vertices for path in area.get_paths()]).T


def nothing_is_cut_off(figure):
    figure.canvas.draw()
    bounds, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    return bounds.x0 >= 0 and bounds.y0 >= 0 and bounds.x1 <= width and bounds.y1 <= height


def moving(values, window):
    """Return the sums over so many rows before and with each row, one by one."""
    return np.array([values[max(0, i + 1 - window) : i + 1].sum(axis=0) for i in range(len(values))])


def test_a_real_monitor_is_drawn():
    rng = np.random.default_rng(0)
    monitor = FairnessMonitor("demographic_parity", min_ratio=0.8, name="Hiring")
    for day in range(30):
        n = rng.poisson(60, 2)
        hired = rng.binomial(n, [0.5, 0.45 if day < 15 else 0.15])
        nothing = np.zeros(2)
        cells = {"tp": nothing, "fp": hired, "fn": nothing, "tn": n - hired}
        monitor.update(GroupCounts(["a", "b"], cells, labelled=False), batch=f"2026-06-{day + 1:02}")
    display = monitor.plot(window=5)
    assert display.alarms == {"test": monitor.alarm, "change": monitor.change}
    assert monitor.batches[15] < display.alarms["change"] < monitor.batches[29]
    assert monitor.batches[10] < display.since <= display.alarms["change"]
    sequence = monitor.confidence_sequence("b", "a")
    np.testing.assert_array_equal(columns_of(display)["ratio_high"], sequence.high)
    assert display.log_evidence["test"][-1] == monitor.log_e_value
    assert display.ax_.get_title(loc="left") == "Hiring"
    monitor.update(GroupCounts(["a", "b"], cells, labelled=False), batch="2026-07-01")
    assert len(display.batches) == 30


# --- rates -----------------------------------------------------------------------------------------------


def test_rates_are_drawn_over_the_window_with_their_intervals_and_single_batches():
    monitor = monitor_of(n_groups=3)
    display = MonitorDisplay.from_monitor(monitor, window=7, confidence=0.9)
    part, size = moving(monitor.part, 7), moving(monitor.size, 7)
    for j, group in enumerate("abc"):
        x, y = display.rate_lines_[group].get_data()
        np.testing.assert_array_equal(x, np.arange(40))
        np.testing.assert_allclose(y, part[:, j] / size[:, j])
        np.testing.assert_allclose(display.dots_[group].get_ydata(), monitor.part[:, j] / monitor.size[:, j])
        low, high = proportion_confint(part[:, j], size[:, j], 0.1, "wilson")
        x, y = edges(display.interval_bands_[group])
        for i in (0, 20, 39):
            np.testing.assert_allclose([y[x == i].min(), y[x == i].max()], [low[i], high[i]], atol=1e-9)
    assert display.ax_.get_ylabel() == "Selection rate\nover 7 batches"
    assert legend(display, "rates") == [
        "a",
        "b",
        "c",
        "a × 0.8",  # noqa: RUF001
        "90% interval",
        "single batches, some beyond",
    ]
    assert display.others_ is None
    (limit,) = display.limit_lines_
    np.testing.assert_allclose(limit.get_ydata(), 0.8 * part[:, 0] / size[:, 0])
    assert {line.axes for line in (*display.rate_lines_.values(), limit)} == {display.axes_["rates"]}


def test_the_window_is_a_thirteenth_of_the_batches_or_all():
    monitor = monitor_of(n_batches=39)
    assert MonitorDisplay(monitor).window == 3
    assert MonitorDisplay(monitor_of(n_batches=5)).window == 1
    everything = MonitorDisplay(monitor, window=1_000)
    assert everything.window == 39
    np.testing.assert_allclose(everything.rates[-1], monitor.part.sum(0) / monitor.size.sum(0))
    single = MonitorDisplay.from_monitor(monitor, window=1)
    np.testing.assert_allclose(single.rate_lines_["a"].get_ydata(), monitor.part[:, 0] / monitor.size[:, 0])
    assert single.dots_ == {}
    assert single.ax_.get_ylabel() == "Selection rate\nof a batch"


def test_limits_stand_on_both_sides_of_a_reference():
    monitor = monitor_of(n_groups=3, reference="b", bound=DIFFERENCE)
    display = MonitorDisplay.from_monitor(monitor, window=40)
    assert display.pair == ("c", "b")  # of .6, .45, .3 by chance the one further from b
    rate = moving(monitor.part, 40)[:, 1] / moving(monitor.size, 40)[:, 1]
    low, high = display.limit_lines_
    np.testing.assert_allclose(low.get_ydata(), rate - 0.1, atol=1e-9)
    np.testing.assert_allclose(high.get_ydata(), rate + 0.1, atol=1e-9)
    assert "b - 0.1, b + 0.1" in legend(display, "rates")


def test_a_group_that_is_absent_has_a_gap_and_one_seen_now_and_then_has_dots():
    part, size = np.full((12, 2), 5), np.full((12, 2), 10)
    part[:, 1] = size[:, 1] = 0
    part[::4, 1], size[::4, 1] = 2, 10
    display = MonitorDisplay.from_monitor(Monitor(part, size), window=1)
    line = display.rate_lines_["b"]
    np.testing.assert_array_equal(np.isnan(line.get_ydata()), np.arange(12) % 4 > 0)
    assert line.get_marker() == "o"
    assert np.isnan(columns_of(display)["b"][1])


def test_of_many_groups_those_at_the_ends_have_lines():
    monitor = monitor_of(n_batches=200, n_groups=30, n=40, groups=[f"g{j:02}" for j in range(30)])
    display = MonitorDisplay.from_monitor(monitor, window=200)
    assert set(display.named) >= set(display.pair)
    assert 4 <= len(display.named) <= 6
    assert {"g00", "g29"} <= set(display.named)
    others = [j for j, group in enumerate(monitor.groups) if group not in display.named]
    rates = monitor.part.sum(0) / monitor.size.sum(0)
    x, y = edges(display.others_)
    np.testing.assert_allclose(
        [y[x == 199].min(), y[x == 199].max()], [rates[others].min(), rates[others].max()]
    )
    assert f"{len(others)} other groups, lowest to highest" in legend(display, "rates")
    assert len(display.interval_bands_) == 2
    assert "95% interval of the outermost" in legend(display, "rates")
    looks = {(line.get_color(), str(line._dash_pattern)) for line in display.rate_lines_.values()}
    assert len({dashes for _, dashes in looks}) == len(display.named)
    assert nothing_is_cut_off(display.figure_)


# --- disparity -------------------------------------------------------------------------------------------


def test_the_pair_furthest_apart_is_compared_and_the_tolerance_shaded():
    monitor = monitor_of(n_groups=3)
    display = MonitorDisplay.from_monitor(monitor)
    assert display.pair == ("c", "a")
    assert monitor.asked == ("c", "a", "selection_rate", 0.95)
    estimate = 0.7 + 0.01 * np.arange(40)
    np.testing.assert_allclose(display.sequence_line_.get_ydata(), estimate)
    x, y = edges(display.sequence_band_)
    for i in (0, 10, 39):
        assert [y[x == i].min(), y[x == i].max()] == pytest.approx([estimate[i] - 0.2, estimate[i] + 0.3])
    axes = display.axes_["disparity"]
    box = axes.transData.inverted().transform(display.tolerance_.get_window_extent())
    assert box[:, 1].tolist() == pytest.approx([0.8, 1.25])
    assert axes.get_yscale() == "log"
    assert axes.get_ylim()[0] < 0.8 < 1.25 < axes.get_ylim()[1]
    assert axes.get_ylabel() == "Ratio\nso far"
    assert legend(display, "disparity") == ["95% confidence sequence", "c / a", "tolerance (0.8 to 1.25)"]
    numbers = dict(zip(shown(axes.get_yticklabels()), axes.get_yticks(), strict=True))
    assert numbers == pytest.approx({"0.75": 0.75, "1.00": 1.0, "1.25": 1.25})


def test_a_pair_can_be_named_and_differences_are_on_a_plain_axis():
    monitor = monitor_of(n_groups=3, bound=DIFFERENCE)
    display = MonitorDisplay.from_monitor(monitor, pair=("a", "b"), confidence=0.5)
    assert monitor.asked == ("a", "b", "selection_rate", 0.5)
    axes = display.axes_["disparity"]
    assert axes.get_yscale() == "linear"
    box = axes.transData.inverted().transform(display.tolerance_.get_window_extent())
    assert box[:, 1].tolist() == pytest.approx([-0.1, 0.1])
    assert "a - b" in legend(display, "disparity")


def test_ends_at_0_and_infinity_go_beyond_the_axes():
    class Unsure(Monitor):
        def confidence_sequence(self, *pair, **others):
            estimate = np.array([math.nan, 0.0, math.inf, *np.full(37, 0.9)])
            low, high = (
                np.append(np.zeros(20), np.full(20, 0.8)),
                np.append(np.full(20, np.inf), np.full(20, 1.0)),
            )
            return SimpleNamespace(estimate=estimate, low=low, high=high)

    plain = monitor_of()
    display = MonitorDisplay.from_monitor(Unsure(plain.part, plain.size))
    low, high = display.axes_["disparity"].get_ylim()
    x, y = edges(display.sequence_band_)
    assert 0 < y[x == 5].min() < low < high < y[x == 5].max() < math.inf
    assert low > 0.5
    assert high < 2
    display.figure_.canvas.draw()


@pytest.mark.parametrize(
    ("part", "size", "said"),
    [
        ([[5], [4]], [[10], [10]], "one group: nothing to compare"),
        ([[5, 0], [4, 0]], [[10, 0], [10, 0]], "one group: nothing to compare"),
        ([[5, 4]], [[10, 10]], None),
    ],
)
def test_one_group_and_one_batch_can_be_drawn(part, size, said):
    display = MonitorDisplay.from_monitor(Monitor(part, size))
    assert (display.sequence_line_ is None) == (said is not None)
    assert [text.get_text() for text in display.axes_["disparity"].texts] == ([said] if said else [])
    assert display.rate_lines_["a"].get_marker() == "o"
    assert nothing_is_cut_off(display.figure_)


# --- evidence --------------------------------------------------------------------------------------------


def test_evidence_is_on_a_logarithmic_axis_with_its_alarms():
    monitor = monitor_of()
    monitor.test = np.linspace(0, 5, 40)
    monitor.change_values = np.linspace(-20, 9, 40)
    monitor.since = monitor.batches[10]
    display = MonitorDisplay.from_monitor(monitor)
    axes = display.axes_["evidence"]
    np.testing.assert_allclose(display.evidence_lines_["test"].get_ydata(), monitor.test)
    np.testing.assert_allclose(
        display.evidence_lines_["change"].get_ydata(), np.maximum(monitor.change_values, math.log(1e-3))
    )
    assert display.alarm_lines_["test"].get_ydata() == [math.log(20)] * 2
    assert display.alarm_lines_["change"].get_ydata() == [math.log(1_000)] * 2
    # 5 i / 39 >= log 20 from i = 24 on, 29 i / 39 - 20 >= log 1000 from i = 37 on
    assert display.alarms == {"test": "2026-01-25", "change": "2026-02-07"}
    assert display.alarm_marks_["test"].get_xdata() == [24]
    assert display.alarm_marks_["change"].get_xdata() == [37]
    assert display.since_mark_.get_xydata().tolist() == [[10, pytest.approx(50 / 39)]]
    assert legend(display, "evidence") == [
        "test: 148 now",
        "test alarms at 20",
        "change: 8,103 now",
        "change alarms at 1,000",
        "test alarm: 2026-01-25",
        "change alarm: 2026-02-07",
        "evidence grows since: 2026-01-11",
    ]
    numbers = dict(zip(shown(axes.get_yticklabels()), axes.get_yticks(), strict=True))
    assert numbers == pytest.approx(
        {"0.01": math.log(0.01), "1": 0, "100": math.log(100), "10⁴": math.log(1e4)}
    )
    for panel in display.axes_.values():
        upright = [
            line for line in panel.lines if len({*line.get_xdata()}) == 1 and len(line.get_xdata()) == 2
        ]
        assert sorted({line.get_xdata()[0] for line in upright}) == [24, 37]
        assert len({line.get_linestyle() for line in upright}) == 2


def test_alarms_can_be_seen_however_great_the_evidence():
    monitor = monitor_of()
    monitor.test = np.linspace(0, 2_000, 40)
    display = MonitorDisplay.from_monitor(monitor)
    low, high = display.axes_["evidence"].get_ylim()
    assert high < math.log(1e14)
    assert (math.log(20) - low) / (high - low) > 0.1
    assert legend(display, "evidence")[0] == "test: 3.9e+868 now"


def test_evidence_grows_since_a_batch_of_the_line_that_alarmed_first():
    monitor = monitor_of()
    monitor.change_values, monitor.since = np.linspace(0, 20, 40), monitor.batches[39]
    display = MonitorDisplay.from_monitor(monitor)
    assert list(display.alarm_marks_) == ["change"]
    assert display.since_mark_.get_xydata().tolist() == [[39, 20]]


# --- names, arrangement, tables ---------------------------------------------------------------------------


def test_names_are_shown_as_they_are_and_days_by_month():
    monitor = monitor_of(
        n_groups=5, groups=HOSTILE, name="$\\frac{_", constraint="equalized_odds", strata=("s",)
    )
    monitor.batches = tuple(f"_{HOSTILE[i % 5]}{i}" for i in range(40))
    monitor.test = np.full(40, 5.0)
    display = MonitorDisplay.from_monitor(monitor)
    names = legend(display, "rates")
    assert {"$\\frac{", " _hidden", "<script>", "'\\n\\u202e'"} <= set(names)
    assert max(map(len, names)) < 60
    assert shown([display.ax_.title, display.ax_._left_title])[1] == "$\\frac{_"
    assert display.ax_.get_ylabel() == "True positive rate\nover 3 batches,\nall strata together"
    assert display.axes_["evidence"].get_ylabel() == "Evidence\nof 2 rates\n(e-value)"
    assert nothing_is_cut_off(display.figure_)
    dates = MonitorDisplay.from_monitor(monitor_of(n_batches=365))
    dates.figure_.canvas.draw()
    ticks = dates.axes_["evidence"].get_xticklabels()
    assert shown(ticks) == [f"2026-{month:02}-01" for month in (3, 5, 7, 9, 11)]
    assert dates.axes_["evidence"].get_xticks().tolist() == [59, 120, 181, 243, 304]
    boxes = [text.get_window_extent() for text in ticks]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_axes_and_style_are_the_users(plt):
    figure, axes = plt.subplots(3, 1, layout="constrained")
    display = MonitorDisplay(monitor_of()).plot(axes, color="k", lw=3)
    assert display.figure_ is figure
    assert list(display.axes_.values()) == list(axes)
    assert {line.get_color() for line in display.rate_lines_.values()} == {"k"}
    assert display.rate_lines_["a"].get_linewidth() == 3
    assert [one.get_xlabel() for one in axes] == ["Batch"] * 3
    with pytest.raises(ValueError, match="give 3, not 1, as ax=, for rates, disparity, evidence"):
        display.plot(axes[0])


def test_a_display_prints_the_numbers_drawn_and_is_not_changed_by_later_batches():
    monitor = monitor_of(n_batches=50, groups=("1", 1))
    monitor.test = np.linspace(0, 5, 50)
    display = pickle.loads(pickle.dumps(MonitorDisplay(monitor)))
    columns = columns_of(display)
    assert columns["batch"] == list(monitor.batches)
    part, size = moving(monitor.part, 4), moving(monitor.size, 4)
    np.testing.assert_allclose(columns["1"], part[:, 0] / size[:, 0])
    np.testing.assert_allclose(columns["1 (2)"], part[:, 1] / size[:, 1])
    np.testing.assert_allclose(columns["ratio_low"], 0.5 + 0.01 * np.arange(50))
    np.testing.assert_allclose(columns["log_test"], monitor.test)
    lines = str(display).splitlines()
    assert lines[0].split() == ["batch", "1", "1", "(2)", "ratio", "test", "change"]
    assert "1.190 [0.990, 1.490]" in next(line for line in lines if line.startswith(monitor.batches[-1]))
    # 5 i / 49 >= log 20 from i = 30 on
    assert [line.split()[0] for line in lines if "*" in line] == [monitor.batches[30], "*"]
    assert "selection_rate over 4 batches, 95% intervals" in lines
    said = display.to_dict()
    assert said["alarms"] == {"test": monitor.batches[30], "change": None}
    assert said["rates"][0] == pytest.approx((part[0] / size[0]).tolist())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"rate": "recall"}, "no rate 'recall'; its rates are: selection_rate"),
        ({"pair": ("a", "z")}, r"two groups of the monitor; got \('a', 'z'\). Its groups are: a, b"),
        ({"pair": ("a", "a")}, "two groups of the monitor"),
        ({"pair": "ab"}, "two groups of the monitor"),
        ({"window": 0}, "window must be a whole number of batches from 1; got 0"),
        ({"window": 2.5}, "window must be a whole number"),
        ({"window": True}, "window must be a whole number"),
        ({"confidence": 1}, "confidence must lie between 0 and 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, error):
    with pytest.raises(ValueError, match=error):
        MonitorDisplay.from_monitor(monitor_of(), **options)


def test_what_cannot_be_drawn_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="no batches yet"):
        MonitorDisplay.from_monitor(monitor_of(n_batches=0))
    with pytest.raises(ValueError, match="compares groups with 'a' only: name it as one of the pair"):
        MonitorDisplay.from_monitor(monitor_of(n_groups=3, reference="a"), pair=("b", "c"))
    with pytest.raises(TypeError, match="draws a FairnessMonitor; got 'monitor'"):
        MonitorDisplay.from_monitor("monitor")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="MonitorDisplay draws with matplotlib"):
        MonitorDisplay.from_monitor(monitor_of())


# --- scores ----------------------------------------------------------------------------------------------


def scores_of(n_batches=26, n_groups=2, seed=0):
    rng = np.random.default_rng(seed)
    measures = {"mean_score": rng.random((n_batches, n_groups)), "auc": rng.random((n_batches, n_groups))}
    measures["auc"][3, 0] = np.nan
    groups = tuple(f"g{j}" for j in range(n_groups))
    return SimpleNamespace(batches=tuple(map(str, range(n_batches))), groups=groups, measures=measures)


def test_scores_are_means_over_the_window_beside_single_batches():
    scores = scores_of()
    display = ScoreTimelineDisplay.from_monitor(Monitor([[1]], [[1]], scores=scores))
    assert list(display.axes_) == ["mean_score", "auc"]
    for name, values in scores.measures.items():
        expected = [np.nanmean(values[max(0, i - 1) : i + 1], axis=0) for i in range(26)]
        for j, group in enumerate(scores.groups):
            np.testing.assert_allclose(display.lines_[name][group].get_ydata(), np.array(expected)[:, j])
            np.testing.assert_array_equal(display.dots_[name][group].get_ydata(), values[:, j])
    assert display.axes_["auc"].get_ylabel() == "AUC\nmean of 2 batches"
    assert "shown, and not tested" in str(display)
    assert columns_of(display)["auc of g1"] == scores.measures["auc"][:, 1].tolist()
    single = ScoreTimelineDisplay.from_monitor(
        Monitor([[1]], [[1]], scores=scores), measures=["auc"], window=1
    )
    np.testing.assert_array_equal(single.lines_["auc"]["g0"].get_ydata(), scores.measures["auc"][:, 0])
    assert single.ax_.get_ylabel() == "AUC"


def test_scores_of_many_groups_and_of_none():
    scores = scores_of(n_groups=40)
    display = ScoreTimelineDisplay(scores.batches, scores.groups, scores.measures).plot()
    assert len(display.named) == len(display.lines_["auc"]) == 6
    assert "34 other groups, lowest to highest" in legend(display, "auc")
    assert nothing_is_cut_off(display.figure_)
    assert max(map(len, str(display).splitlines())) < 80
    assert len(columns_of(display)) == 1 + 2 * 40
    nothing = {"auc": np.full((26, 40), np.nan)}
    ScoreTimelineDisplay(scores.batches, scores.groups, nothing).plot().figure_.canvas.draw()
    with pytest.raises(ValueError, match="told nothing of scores: give update"):
        ScoreTimelineDisplay.from_monitor(Monitor([[1]], [[1]]))
    with pytest.raises(ValueError, match="'brier' was not measured; there are: mean_score, auc"):
        ScoreTimelineDisplay.from_monitor(Monitor([[1]], [[1]], scores=scores), measures=["brier"])
    with pytest.raises(ValueError, match=r"'auc' must have a number per batch and group, shape \(26, 2\)"):
        ScoreTimelineDisplay(scores.batches, ["a", "b"], nothing)
    with pytest.raises(ValueError, match="no measures"):
        ScoreTimelineDisplay(scores.batches, ["a", "b"], {})
