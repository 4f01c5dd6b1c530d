"""Timelines of pages: what is drawn lies where the values are, stays small, and can be read."""

import importlib.util
import math
import re
from datetime import date, timedelta
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairsk._core.sections import Chart, Limit, Mark, Section, Series
from fairsk._core.timelines import axis_values, batches_named, furthest_apart, timeline, value_range
from fairsk._pages import charts as charts_module
from fairsk._pages.charts import MOST_TIMELINES, draw_charts, explain, is_inert
from fairsk._pages.html import render_page

HOSTILE = ["<script>alert(1)</script>", "$x_{", "a\u202eb", "long " + 10_000 * "x", "\x00\x1b[2J", "_hidden"]
DAYS = [str(date(2026, 1, 1) + timedelta(days=i)) for i in range(365)]
#: What a line may lie beside its values, in points, with the rounding of both of its ends.
WITHIN = 0.4 + 0.11


def drawn(chart):
    """Return a chart as an element, which is inert."""
    (svg,) = draw_charts([chart])
    assert is_inert(svg)
    return ElementTree.fromstring(svg)


def parts(path):
    """Return the corners of each part of a path."""
    found = []
    for start, steps in re.findall(r"M([^Ml]+?)(?:h0|l([^Mz]*)z?)(?=M|$)", path.get("d")):
        first, *others = (
            np.array(re.findall(r"-?(?:\d+\.\d|\.\d|\d+)", text), dtype=float).reshape(-1, 2)
            for text in (start, steps)
        )
        found.append(np.cumsum(np.concatenate([first, *others]), axis=0))
    return found


def lines(root):
    """Return the lines of the series, in the order of the series."""
    return [path for path in root.iter("path") if path.get("stroke-width") == "1.7"]


def texts(root, anchor):
    return {t.text: (float(t.get("x")), float(t.get("y"))) for t in root.iter("text")
            if t.get("text-anchor", "start") == anchor and t.get("x")}  # fmt: skip


def heights_of(root, read=float):
    """Return how a height is read as a value: by two of the numbers that are written on the axis."""
    written = [(read(text), y - 3.3) for text, (_, y) in texts(root, "end").items()]
    (low, bottom), (high, top) = written[0], written[-1]
    return lambda y: low + (y - bottom) * (high - low) / (top - bottom), (high - low) / (bottom - top)


def assert_near(root, values, path, read=float):
    """Check that the line of some values passes each of them."""
    value_at, point = heights_of(root, read)
    batch_width = 500 / len(values)
    measured = np.flatnonzero(np.isfinite(values))
    for part in parts(path):
        x, y = part.T
        inside = [i for i in measured if x[0] - 0.2 <= 48 + batch_width * (i + 0.5) <= x[-1] + 0.2]
        at = np.interp([48 + batch_width * (i + 0.5) for i in inside], x, y)
        np.testing.assert_allclose(value_at(at), values[inside], atol=1.2 * WITHIN * point)


def test_lines_pass_all_values():
    rng = np.random.default_rng(0)
    smooth = 0.5 + 0.2 * np.sin(np.arange(250) / 30)  # batches stand two points apart, which rounds nothing
    noisy = rng.random(250)
    noisy[50:60] = np.nan
    root = drawn(timeline("Rates", DAYS[:250], {"smooth": Series(smooth), "noisy": Series(noisy)}))
    first, second = lines(root)
    assert_near(root, smooth, first)
    assert_near(root, noisy, second)
    assert len(parts(first)) == 1
    assert len(parts(second)) == 2  # a gap is a gap
    assert len(parts(first)[0]) < 40 < 150 < sum(map(len, parts(second)))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(0, 1, width=16)), min_size=1, max_size=20))
def test_every_value_is_on_a_line_or_a_dot(values):
    values = np.array([math.nan if value is None else value for value in values])
    batches = [f"b{i}" for i in range(len(values))]
    chart = timeline("t", batches, {"a": Series(values), "b": Series(np.linspace(0, 1, len(values)))})
    root = drawn(chart)
    marks = [path for path in root.iter("path") if path.get("stroke-width") in ("1.7", "4.2")]
    marks = [path for path in marks if path.get("stroke") == "#3b82c4"]
    value_at, point = heights_of(root)
    step = 500 / len(values)
    for i in np.flatnonzero(np.isfinite(values)):
        x = 48 + step * (i + 0.5)
        found = [
            value_at(np.interp(x, part[:, 0], part[:, 1]))
            for mark in marks
            for part in parts(mark)
            if part[0, 0] - 0.2 <= x <= part[-1, 0] + 0.2
        ]
        assert any(abs(value - values[i]) <= 1.2 * WITHIN * point for value in found)


def test_logarithms_are_written_as_what_they_are_the_logarithms_of():
    logs = np.log(np.array([1.0, 10.0, 1_000.0, 100_000.0]))
    chart = timeline(
        "Evidence",
        list("abcd"),
        {"test": Series(logs)},
        log=True,
        limits=[Limit(math.log(20), "alarms at 20")],
    )
    root = drawn(chart)
    assert list(texts(root, "end")) == ["1", "10", "100", "1,000", "10⁴", "10⁵"]
    number = {"1,000": 1e3, "10⁴": 1e4, "10⁵": 1e5}
    assert_near(root, logs, lines(root)[0], lambda text: math.log(number.get(text) or float(text)))
    value_at, _ = heights_of(root, lambda text: math.log(number.get(text) or float(text)))
    (limit,) = [path for path in root.iter("path") if path.get("stroke") == "currentColor"
                and len(parts(path)[0]) == 2]  # fmt: skip
    assert value_at(parts(limit)[0][0, 1]) == pytest.approx(math.log(20), abs=0.05)
    assert texts(root, "start")["alarms at 20"][1] == pytest.approx(parts(limit)[0][0, 1] + 3.3, abs=1)


def test_intervals_and_bands_lie_where_their_ends_are():
    values = np.array([0.5, 0.6, 0.4])
    one = Series(values, values - np.array([0.1, 0.2, 0.1]), values + 0.1)
    root = drawn(timeline("t", ["a", "b", "c"], {"g": one}, band=(0.45, math.inf)))
    value_at, _ = heights_of(root)
    (area,) = [path for path in root.iter("path") if path.get("fill") == "#3b82c4"]
    np.testing.assert_allclose(value_at(parts(area)[0][:, 1]), [0.6, 0.7, 0.5, 0.3, 0.4, 0.4], atol=0.002)
    (band,) = root.iter("rect")
    y, height = float(band.get("y")), float(band.get("height"))
    assert value_at(y + height) == pytest.approx(0.45, abs=0.002)
    assert y == pytest.approx(8, abs=0.1)  # up to the edge


@pytest.mark.parametrize(("n_batches", "n_groups"), [(365, 5), (3_000, 6), (365, 200), (1, 40)])
@pytest.mark.parametrize("present", [1.0, 0.5])
def test_timelines_are_small_however_noisy(n_batches, n_groups, present):
    rng = np.random.default_rng(0)
    values = np.where(rng.random((n_batches, n_groups)) < present, rng.random((n_batches, n_groups)), np.nan)
    values[0] = 0.5
    series = {f"group {j}": Series(v, v - 0.1, v + 0.1) for j, v in enumerate(values.T)}
    chart = timeline("t", [f"2026-{i}" for i in range(n_batches)], series)
    (svg,) = draw_charts([chart])
    assert 1_000 < len(svg) < 18_000
    if present == 1:
        assert ("lowest and the highest value of every" in explain(chart)) == (n_batches > 1)


@pytest.mark.parametrize("window", [28, 365])
def test_a_year_of_five_groups_is_less_than_15_kb(window):
    rng = np.random.default_rng(0)
    hired = rng.binomial(40, [0.5, 0.45, 0.4, 0.55, 0.3], (365, 5)) / 40
    rates = np.array([hired[max(0, i + 1 - window) : i + 1].mean(axis=0) for i in range(365)])
    series = {f"group {j}": Series(rates[:, j], rates[:, j] - 0.05, rates[:, j] + 0.05) for j in range(5)}
    chart = timeline("t", DAYS, series)
    if window == 365:  # cumulated rates are smooth: their lines pass all values
        assert "lowest and the highest" not in explain(chart)
    assert len(draw_charts([chart])[0]) < 15_000


def test_extremes_of_dense_values_are_drawn():
    values = 0.5 + 0.1 * np.random.default_rng(0).random(3_000)
    values[1_234], values[2_345] = 0.9, 0.1
    root = drawn(timeline("t", [str(i) for i in range(3_000)], {"a": Series(values)}))
    value_at, point = heights_of(root)
    shown = value_at(np.concatenate(parts(lines(root)[0]))[:, 1])
    assert shown.max() == pytest.approx(0.9, abs=2 * point)
    assert shown.min() == pytest.approx(0.1, abs=2 * point)


def test_of_many_groups_the_outermost_have_names():
    levels = {f"g{j:02}": np.full(5, 0.3 + 0.01 * j) for j in range(20)}
    series = {group: Series(level, level - 0.1, level + 0.1) for group, level in levels.items()}
    series = {**series, "few": Series(np.full(5, 0.95), np.full(5, 0.05), np.full(5, 1.0))}
    chart = timeline("t", list("abcde"), series, reference="g10")
    named = ["g00", "g01", "g10", "g18", "g19"]
    assert [g for g in furthest_apart(series, always="g10") if g in named] == named
    assert "few" not in furthest_apart(series, always="g10")
    root = drawn(chart)
    assert len(lines(root)) == 6
    assert "15 others" in texts(root, "start")
    value_at, _ = heights_of(root)
    (area,) = [path for path in root.iter("path") if path.get("fill") == "#808080"]
    ends = value_at(parts(area)[0][:, 1])
    assert [ends.min(), ends.max()] == pytest.approx([0.32, 0.95], abs=0.01)
    assert "the 15 other groups" in explain(chart)
    assert "of the two outermost" in explain(chart)
    assert list(chart.table.columns) == ["batch", *furthest_apart(series, always="g10")]


def test_looks_differ_and_names_stand_at_the_ends_apart_from_each_other():
    series = {f"g{j}": Series(np.array([0.1 * j, 0.5 + 0.001 * j])) for j in range(6)}
    chart = timeline("t", ["a", "b"], series, limits=[Limit(0.5, "limit"), Limit(0.501, "other limit")])
    root = drawn(chart)
    looks = {(line.get("stroke"), line.get("stroke-dasharray")) for line in lines(root)}
    assert len(looks) == len({color for color, _ in looks}) == len({dashes for _, dashes in looks}) == 6
    names = texts(root, "start")
    assert set(names) >= {*series, "limit", "other limit"}
    heights = sorted(names[name][1] for name in (*series, "limit", "other limit"))
    assert np.diff(heights).min() >= 11.9
    assert sorted(series, key=lambda name: -names[name][1]) == list(series)


def test_no_mark_goes_through_a_name():
    names = {3: "change alarm", 40: "evidence grows", 42: "test alarm", 90: "change alarm", 99: "end"}
    marks = [Mark(f"b{place}", name) for place, name in names.items()]
    marks += [Mark("b42", "second"), Mark("nowhere", "absent")]
    series = {"a": Series(np.linspace(0, 1, 100))}
    root = drawn(timeline("t", [f"b{i}" for i in range(100)], series, marks=marks))
    written = texts(root, "start")
    assert {"test alarm · second", "evidence grows"} <= set(written)
    assert "absent" not in " ".join(written)
    upright = [parts(path)[0] for path in root.iter("path") if path.get("stroke-width") == "1.1"]
    np.testing.assert_allclose([p[0, 0] for p in upright], [48 + 5 * (i + 0.5) for i in names], atol=0.1)
    boxes = [(x, x + 5 * len(name), y - 8, y) for name, (x, y) in written.items() if name != "a"]
    for left, right, top, bottom in boxes:
        for line in upright:
            crosses = left < line[0, 0] < right and line[:, 1].min() < bottom and line[:, 1].max() > top
            assert not crosses
    for i, (left, right, _, y) in enumerate(boxes):
        assert all(right < a or left > b or abs(y - other) > 9 for a, b, _, other in boxes[i + 1 :])
    width = float(root.get("viewBox").split()[2])
    assert width > max(right for _, right, _, _ in boxes)


def test_labels_do_nothing_and_are_shown_as_they_are():
    series = {label: Series(np.array([0.1, 0.2]) + 0.1 * i) for i, label in enumerate(HOSTILE)}
    marks, limits = [Mark(HOSTILE[0], HOSTILE[3])], [Limit(0.3, HOSTILE[2])]
    chart = timeline(HOSTILE[0], HOSTILE[:2], series, axis=HOSTILE[1], marks=marks, limits=limits)
    page = render_page("t", [Section("s", (), [chart])])
    root = drawn(chart)
    said = [text.text for text in root.iter("text")]
    assert {HOSTILE[0], "$x_{", "_hidden", "a\N{REPLACEMENT CHARACTER}b"} <= set(said)
    assert "<script" not in page
    assert max(map(len, said)) <= 60
    assert all(char.isprintable() or char == "\n" for char in page)


def test_batches_that_are_days_are_named_by_month():
    assert batches_named(["a", "b"], 5) == [0, 1]
    assert [DAYS[i] for i in batches_named(DAYS, 12)] == [f"2026-{m:02}-01" for m in range(2, 13)]
    assert [DAYS[i] for i in batches_named(DAYS, 4)] == ["2026-04-01", "2026-07-01", "2026-10-01"]
    years = [f"{2000 + i // 12}-{i % 12 + 1:02}-01" for i in range(240)]
    assert [years[i][:4] for i in batches_named(years, 5)] == ["2005", "2010", "2015"]
    assert batches_named(DAYS[:20], 6) == [0, 5, 10, 15]  # within a month, by steps
    assert batches_named(DAYS[:80], 6) == [0, 20, 40, 60]  # two months begin in them
    assert batches_named([f"week {i}" for i in range(100)], 7) == [0, 20, 40, 60, 80]
    assert batches_named(["x"] * 10, 1) == [0]


@pytest.mark.parametrize(
    ("ends", "log", "written"),
    [
        ((0.0, 1.0), False, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ((0.3, 0.52), False, ["0.30", "0.35", "0.40", "0.45", "0.50"]),
        ((-0.1, 0.1), False, ["-0.10", "-0.05", "0.00", "0.05", "0.10"]),
        ((0, 1.06e6), False, ["0", "2e5", "4e5", "6e5", "8e5", "1e6"]),
        ((0, 3e-7), False, ["0", "5e-8", "1e-7", "1.5e-7", "2e-7", "2.5e-7", "3e-7"]),
        ((0, 40_000), False, ["0", "10,000", "20,000", "30,000", "40,000"]),
        ((math.log(0.78), math.log(1.3)), True, ["0.8", "0.9", "1.0", "1.1", "1.2", "1.3"]),
        ((math.log(0.1), math.log(10)), True, ["0.1", "0.2", "0.5", "1", "2", "5", "10"]),
        ((math.log(0.01), math.log(1e9)), True, ["0.01", "1", "100", "10⁴", "10⁶", "10⁸"]),
        ((math.log(1e-30), math.log(10)), True, ["10⁻³⁰", "10⁻²⁰", "10⁻¹⁰", "1"]),
    ],
)
def test_axes_have_few_plain_numbers(ends, log, written):
    values = axis_values(*ends, log=log)
    assert list(values.values()) == written
    assert all(ends[0] - 1e-9 <= value <= ends[1] + 1e-9 for value in values)


def test_rates_of_few_rows_at_the_start_do_not_stretch_the_axis():
    values = np.full(100, 0.5)
    values[:3] = [0.0, 1.0, 0.1]
    one = Series(values, values - 0.1, values + 0.1)
    low, high = value_range({"a": one}, ["a"], [0.45])
    assert (low, high) == pytest.approx((0.4 - 0.012, 0.6 + 0.012))
    assert value_range({"a": Series(np.array([0.5]))}, [], []) == pytest.approx((0.475, 0.525))
    assert value_range({"a": Series(np.array([1e-300, 0.0]))}, [], []) == pytest.approx((0, 0.01))
    assert value_range({"a": Series(np.array([0.0, 1.0]))}, [], [])[0] == 0  # shares have natural ends
    with pytest.raises(ValueError, match="nothing to draw"):
        value_range({"a": Series(np.array([math.nan]))}, [], [0.5])


def test_the_table_has_some_of_the_batches_and_the_last_one():
    values = np.arange(365) / 365
    chart = timeline(
        "t", DAYS, {"a": Series(values, values - 0.1, values + 0.1), 1: Series(values), "1": Series(values)}
    )
    lines_of_table = chart.table.cells()
    assert lines_of_table[0] == ["batch", "a", "1", "1 (3)"]
    assert lines_of_table[-1] == [DAYS[-1], "0.997 [0.897, 1.097]", "0.997", "0.997"]
    assert len(lines_of_table) == 1 + 23
    assert chart.table.notes == ["Every 16th batch of 365."]
    assert chart.folded
    nothing = timeline("t", [], {})
    assert draw_charts([nothing]) == [""]


def test_timelines_need_no_matplotlib_and_have_room_of_their_own(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        charts_module.importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name)
    )
    chart = timeline("t", ["a"], {"a": Series(np.array([0.5]))})
    other = Chart("rates", "t", chart.table)
    found = draw_charts([other, *[chart] * (MOST_TIMELINES + 1)])
    assert list(map(bool, found)) == [False, *[True] * MOST_TIMELINES, False]
    assert draw_charts([timeline("t", ["a"], {"a": Series(np.array([math.nan]))})]) == [""]
