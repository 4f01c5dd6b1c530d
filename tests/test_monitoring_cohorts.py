"""Cohorts against row-by-row bookkeeping, units against a loop, and fleets against their definition."""

from __future__ import annotations

import datetime
import itertools
import json
import math
from collections import Counter, defaultdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairsk import Constraint, Rate
from fairsk.metrics import GroupAmounts, GroupCounts
from fairsk.monitoring import FairnessMonitor
from fairsk.monitoring._cohorts.cohorts import Cohorts
from fairsk.monitoring._evidence.fleet import e_bh, mean_e_value
from fairsk.monitoring._units import first_of_each, one_per_unit

CELLS = {(1, 1): "tp", (0, 1): "fp", (1, 0): "fn", (0, 0): "tn"}
#: group, label, decision
Row = tuple[Any, int, int]


def decisions(rows: list[Row], **more: Any) -> GroupCounts:
    return GroupCounts.from_predictions(
        None, [p for _, _, p in rows], sensitive_features=[g for g, _, _ in rows], **more
    )


def labels(rows: list[Row], **more: Any) -> GroupCounts:
    return GroupCounts.from_predictions(
        [y for _, y, _ in rows],
        [p for _, _, p in rows],
        sensitive_features=[g for g, _, _ in rows],
        **more,
    )


def tally(rows: list[Row]) -> dict[tuple[Any, str], int]:
    return dict(Counter((group, CELLS[y, p]) for group, y, p in rows))


def as_tally(counts: GroupCounts) -> dict[tuple[Any, str], int]:
    return {
        (group, cell): int(counts.cells[cell][g])
        for g, group in enumerate(counts.groups)
        for cell in counts.cells
        if counts.cells[cell][g]
    }


def pairs(*numbers: tuple[str, int, int], n: int = 20) -> list[Row]:
    """Return n rows of each (group, label, decision)."""
    return [number for number in numbers for _ in range(n)]


FOUR = [(g, y, y) for g in "ab" for y in (0, 1)]


# --- cohorts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_cohorts_close_as_row_by_row_bookkeeping_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    complete = float(rng.choice([0.8, 0.9, 0.95, 1.0]))
    most_missing = int(rng.integers(2))
    rows: dict[str, list[Row]] = {
        f"{b:02d}": [
            (str(rng.choice(["a", "b", "c"])), *map(int, rng.integers(2, size=2))) for _ in range(40)
        ]
        for b in range(6)
    }
    waiting = [(batch, i) for batch in rows for i in range(40)]
    rng.shuffle(waiting)
    cohorts = Cohorts(complete, most_missing=most_missing)
    for batch in rng.permutation(list(rows)):
        cohorts.decided(str(batch), decisions(rows[batch]))

    arrived: dict[str, set[int]] = defaultdict(set)
    expected: list[tuple[str, Any]] = []
    yielded: list[tuple[str, Any]] = []
    late: Counter[str] = Counter()
    while waiting:
        chunk, waiting = waiting[:11], waiting[11:]
        for batch in {batch for batch, _ in chunk}:
            new = [int(i) for b, i in chunk if b == batch]
            cohorts.labelled(batch, labels([rows[batch][i] for i in new]))
            if batch in dict(expected):
                late[batch] += len(new)
            arrived[batch] |= set(new)
        for batch in sorted(rows)[len(expected) :]:
            lacking = Counter((rows[batch][i][0], rows[batch][i][2]) for i in set(range(40)) - arrived[batch])
            sizes = Counter((group, p) for group, _, p in rows[batch])
            enough = (
                lacking[cell] <= most_missing or sizes[cell] - lacking[cell] >= complete * sizes[cell] - 1e-9
                for cell in sizes
            )
            if not all(enough):
                break
            expected.append((batch, tally([rows[batch][i] for i in arrived[batch]])))
        yielded += [(batch, as_tally(counts)) for batch, counts in cohorts.closed()]
        assert yielded == expected
        assert cohorts.late == dict(late)
        stored = json.loads(json.dumps(cohorts.to_state(), allow_nan=False))
        cohorts = Cohorts.from_state(stored)
        assert cohorts.to_state() == stored
    assert [batch for batch, _ in yielded] == sorted(rows)


def test_a_cohort_waits_for_each_decision_of_each_group() -> None:
    rows = pairs(*FOUR)  # 20 selected and 20 rejected, of a and of b
    early = [row for row in rows if row != ("b", 0, 0)]
    cohorts = Cohorts(0.7)  # of b, half the labels are missing; of all, a quarter
    cohorts.decided("1", decisions(rows))
    cohorts.labelled("1", labels(early))
    assert list(cohorts.closed()) == []
    cohorts.labelled("1", labels([("b", 0, 0)] * 13))
    assert list(cohorts.closed()) == []
    table = cohorts.incomplete()
    assert table.groups == ("a", "b")
    assert table.decided.tolist() == [40, 40]
    assert table.labelled.tolist() == [40, 33]
    assert table.share.tolist() == [1, 33 / 40]
    assert table.lowest_share.tolist() == [1, 13 / 20]
    assert table.needed.tolist() == [0, 1]
    assert "1 open, 0 closed" in str(table)
    cohorts.labelled("1", labels([("b", 0, 0)]))
    [(batch, counts)] = cohorts.closed()
    assert batch == "1"
    assert as_tally(counts) == {("a", "tp"): 20, ("a", "tn"): 20, ("b", "tp"): 20, ("b", "tn"): 14}
    assert list(cohorts.closed()) == []
    assert cohorts.incomplete().batches == ()
    assert str(cohorts) == "Cohorts: 1 closed, 0 open."


@pytest.mark.parametrize(
    ("complete", "n", "allowed"), [(0.95, 20, 1), (0.95, 19, 0), (0.9, 10, 1), (1, 5, 0)]
)
def test_the_share_is_read_to_the_label(complete: float, n: int, allowed: int) -> None:
    rows = pairs(("a", 1, 1), n=n)
    for n_missing, closes in ((allowed, True), (allowed + 1, False)):
        cohorts = Cohorts(complete)
        cohorts.decided("1", decisions(rows))
        cohorts.labelled("1", labels(rows[n_missing:]))
        assert bool(list(cohorts.closed())) is closes


def test_a_complete_cohort_waits_for_an_earlier_one() -> None:
    rows = pairs(*FOUR)
    cohorts = Cohorts(max_age=2)
    for batch in ("2", "1", "3"):  # sorted by id, in whatever order they come
        cohorts.decided(batch, decisions(rows))
    for batch in ("2", "3"):
        cohorts.labelled(batch, labels(rows))
    assert list(cohorts.closed()) == []
    table = cohorts.incomplete()
    assert table.waiting == ("2", "3")
    assert table.age.tolist() == [2, 2, 1, 1, 0, 0]
    assert "waiting for earlier ones" in str(table)
    cohorts.decided("4", decisions(rows))  # now the first is older than max_age
    assert [batch for batch, _ in cohorts.closed()] == ["2", "3"]
    assert cohorts.passed_over == ("1",)
    assert cohorts.open == ("4",)
    assert cohorts.n_closed == 2
    cohorts.labelled("1", labels(rows[:30]))  # reported, and not counted
    assert cohorts.late == {"1": 30}
    assert list(cohorts.closed()) == []
    assert "passed over: 1" in str(cohorts)
    shown = str(cohorts.incomplete())
    assert "Too old, and not counted: 1." in shown
    assert "30, of 1." in shown
    with pytest.raises(ValueError, match="counted twice"):
        cohorts.labelled("1", labels(rows))


def test_a_cohort_whose_counting_fails_is_yielded_again() -> None:
    rows = pairs(*FOUR)
    cohorts = Cohorts()
    for batch in ("1", "2"):
        cohorts.decided(batch, decisions(rows))
        cohorts.labelled(batch, labels(rows))

    def count() -> None:
        for batch, _ in cohorts.closed():
            if batch == "2":
                raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk"):
        count()
    assert [batch for batch, _ in cohorts.closed()] == ["2"]


def test_labels_that_come_while_a_cohort_is_counted_are_late() -> None:
    rows = pairs(*FOUR)
    cohorts = Cohorts()
    cohorts.decided("1", decisions(rows))
    cohorts.labelled("1", labels(rows[1:]))
    for batch, counts in cohorts.closed():
        cohorts.labelled(batch, labels(rows[:1]))
        assert counts.n.sum() == len(rows) - 1
    assert cohorts.late == {"1": 1}
    assert cohorts.missing("accuracy").labelled.sum() == len(rows) - 1


def test_a_day_without_decisions_holds_nothing_up() -> None:
    cohorts = Cohorts()
    cohorts.decided("1", GroupCounts(["a"], {cell: [0] for cell in CELLS.values()}, labelled=False))
    cohorts.decided("2", {"a": 0})
    cohorts.decided("3", {"a": 1})
    cohorts.labelled("3", labels([("a", 1, 0)]))
    assert [batch for batch, _ in cohorts.closed()] == ["3"]
    assert Cohorts.from_state(cohorts.to_state()).to_state() == cohorts.to_state()


def test_the_state_of_a_closed_cohort_holds_what_is_missing_alone() -> None:
    groups = [f"group {i}" for i in range(50)]
    rows = [(group, y, y) for group in groups for y in (0, 1)]
    cohorts, sizes = Cohorts(most_missing=1), []
    for month in range(12):
        cohorts.decided(f"{month:02}", decisions(rows))
        cohorts.labelled(f"{month:02}", labels(rows[1:]))
        assert len(list(cohorts.closed())) == 1
        sizes.append(len(json.dumps(cohorts.to_state())))
    assert sizes[-1] - sizes[-2] < 500
    cohorts.labelled("03", labels(rows[:1]))
    with pytest.raises(ValueError, match="groups that await none: group 1"):
        cohorts.labelled("04", labels(rows[2:3]))
    assert cohorts.late == {"03": 1}
    assert cohorts.missing("accuracy").late.sum() == 1
    assert cohorts.missing("accuracy").decided.tolist() == [24] * 50


def test_strata_are_complete_one_by_one() -> None:
    rows, strata = pairs(*FOUR), ["x", "y"] * 40
    cohorts = Cohorts(1.0)
    cohorts.decided("1", decisions(rows, strata=strata))
    cohorts.labelled("1", labels(rows[1:], strata=strata[1:]))
    assert list(cohorts.closed()) == []
    assert cohorts.incomplete().needed.tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"1 more labels of rejected rows .* group 'a', stratum 'y'"):
        cohorts.labelled("1", labels(rows[:1], strata=["y"]))
    cohorts = Cohorts.from_state(json.loads(json.dumps(cohorts.to_state())))
    cohorts.labelled("1", labels(rows[:1], strata=strata[:1]))
    [(_, counts)] = cohorts.closed()
    assert counts == labels(rows, strata=strata)
    assert cohorts.missing("accuracy").labelled.tolist() == [40, 40]


def test_numbers_of_decisions_do_for_completeness_by_group() -> None:
    rows = pairs(("a", 1, 1), ("a", 0, 0), ("b", 1, 1), ("b", 0, 0), n=10)
    cohorts = Cohorts(0.9)
    cohorts.decided("1", {"b": 20, "a": np.int64(20)})
    cohorts.labelled("1", labels(rows[:38]))  # half of the rejected of b are still enough
    [(_, counts)] = cohorts.closed()
    assert counts == labels(rows[:38])
    missing = cohorts.missing("true_positive_rate")
    assert missing.decided.tolist() == [20, 20]
    assert missing.high.tolist() == [1, 1]
    assert missing.low.tolist() == [1, 10 / 12]  # both were positives that were rejected
    with pytest.raises(ValueError, match="has strata"):
        cohorts.decided("2", decisions(rows, strata=["x"] * 40))


def test_a_monitor_of_whole_cohorts_knows_what_one_of_all_labels_does() -> None:
    rng = np.random.default_rng(0)
    cohorts, late, at_once = (
        Cohorts(1.0),
        *(FairnessMonitor("equal_opportunity", min_ratio=0.8) for _ in "12"),
    )
    rows = {
        f"{day:02}": [(str(rng.choice(["a", "b"])), *map(int, rng.integers(0, 2, 2))) for _ in range(60)]
        for day in range(8)
    }
    for day, of_day in rows.items():
        at_once.update(labels(of_day), batch=day)
        cohorts.decided(day, decisions(of_day))
    for place in range(0, 60, 12):  # labels of the last day arrive first
        for day in sorted(rows, reverse=True):
            cohorts.labelled(day, labels(rows[day][place : place + 12]))
        for batch, counts in cohorts.closed():
            late.update(counts, batch=batch)
    assert late.to_state() == at_once.to_state()


# --- selective labels ------------------------------------------------------------------------------


def test_labels_of_selected_decisions_alone_are_never_counted() -> None:
    rows = pairs(*FOUR)
    selected = [row for row in rows if row[2]]
    for counts in (decisions(rows), {"a": 20, "b": 20}):
        cohorts = Cohorts(max_age=1)
        cohorts.decided("1", counts)
        cohorts.labelled("1", labels(selected))
        with pytest.warns(UserWarning, match=r"No rejected decision has a label .*constraint=.precision"):
            assert list(cohorts.closed()) == []
        assert list(cohorts.closed()) == []  # and no second warning
        assert cohorts.incomplete().selective == ("1",)
        for batch in ("2", "3"):
            cohorts.decided(batch, counts)
        assert list(cohorts.closed()) == []
        assert cohorts.passed_over == ("1",)


def test_of_a_rate_within_the_selected_their_labels_are_enough() -> None:
    rows = pairs(*FOUR)
    for constraint in ("precision", "predictive_parity", Rate("ppv", "tp", "tp+fp")):
        cohorts = Cohorts(constraint=constraint)
        cohorts.decided("1", decisions(rows))
        cohorts.labelled("1", labels(rows[1:30]))
        assert list(cohorts.closed()) == []
        cohorts = Cohorts.from_state(json.loads(json.dumps(cohorts.to_state())))
        cohorts.labelled("1", labels([row for row in rows[30:] if row[2]]))
        [(_, counts)] = cohorts.closed()
        # What is known of rejected rows is left out: it is no sample of them.
        assert as_tally(counts) == {("a", "tp"): 20, ("b", "tp"): 20}
        with pytest.raises(ValueError, match="true_positive_rate needs labels of rejected decisions"):
            cohorts.missing("true_positive_rate")
    for constraint in ("demographic_parity", "selection_rate"):
        with pytest.raises(ValueError, match="needs no labels"):
            Cohorts(constraint=constraint)


# --- what was not counted --------------------------------------------------------------------------


@pytest.mark.parametrize("rate", ["true_positive_rate", "precision", "accuracy", "f1", "base_rate"])
def test_the_range_of_a_rate_is_that_over_all_labels_that_could_have_come(rate: str) -> None:
    known = [("a", 1, 1), ("a", 0, 1), ("a", 0, 0), ("a", 1, 0), ("a", 1, 1)] * 3
    late = [("a", 0, 1), ("a", 1, 0)]
    decided_later = [1, 1, 0, 0, 0]
    formula = {
        "true_positive_rate": lambda tp, fp, fn, tn: tp / (tp + fn),
        "precision": lambda tp, fp, fn, tn: tp / (tp + fp),
        "accuracy": lambda tp, fp, fn, tn: (tp + tn) / (tp + fp + fn + tn),
        "f1": lambda tp, fp, fn, tn: 2 * tp / (2 * tp + fp + fn),
        "base_rate": lambda tp, fp, fn, tn: (tp + fn) / (tp + fp + fn + tn),
    }[rate]

    def value(rows: list[Row]) -> float:
        counted = Counter(CELLS[y, p] for _, y, p in rows)
        return formula(*(counted[cell] for cell in ("tp", "fp", "fn", "tn")))

    cohorts = Cohorts(0.5)
    assert len(cohorts.missing(rate).groups) == 0
    cohorts.decided("1", decisions([*known, *late, *(("a", 0, p) for p in decided_later)]))
    cohorts.labelled("1", labels(known))
    assert len(list(cohorts.closed())) == 1
    cohorts.labelled("1", labels(late))
    possible = [
        value([*known, *late, *(("a", y, p) for y, p in zip(ys, decided_later, strict=True))])
        for ys in itertools.product((0, 1), repeat=5)
    ]
    missing = cohorts.missing(rate)
    assert (missing.decided[0], missing.labelled[0], missing.late[0]) == (22, 15, 2)
    assert missing.estimate[0] == pytest.approx(value(known))
    assert missing.with_late[0] == pytest.approx(value([*known, *late]))
    assert missing.low[0] == pytest.approx(min(possible))
    assert missing.high[0] == pytest.approx(max(possible))
    json.dumps(missing.to_dict(), allow_nan=False)


# --- what is refused -------------------------------------------------------------------------------

A = labels([("a", 1, 1)])
AMOUNTS = GroupAmounts.from_predictions([1.5, 2], [1, 2], sensitive_features=["a", "b"])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda c: c.decided("1", decisions([("a", 1, 1)])), ValueError, "given already"),
        (lambda c: c.decided("0", decisions([("a", 1, 1)])), ValueError, "'0' come too late.*'1' is closed"),
        (lambda c: c.decided("2", A), ValueError, "has labels already"),
        (lambda c: c.decided("2", [1, 0]), TypeError, "GroupCounts"),
        (lambda c: c.decided("2", AMOUNTS), TypeError, "fairsk.statistics.verdict judges amounts"),
        (lambda c: c.decided(2, decisions([("a", 1, 1)])), TypeError, "batch must be text"),
        (
            lambda c: c.decided("", decisions([("a", 1, 1)])),
            ValueError,
            "batch must have 1 to 200 characters",
        ),
        (lambda c: c.decided("2", {"a": 1.5}), ValueError, "whole number"),
        (lambda c: c.decided("2", {"\ud800": 1}), ValueError, "JSON writes otherwise"),
        (lambda c: c.decided("2", {math.nan: 1}), ValueError, "is NaN"),
        (lambda c: c.decided("2", {datetime.date(2026, 1, 1): 1}), TypeError, "text or numbers"),
        (lambda c: c.decided("2", decisions([(datetime.date(2026, 1, 1), 1, 1)])), TypeError, "text or"),
        (lambda c: c.decided("2", {"a": True}), ValueError, "whole number"),
        (
            lambda c: c.decided(
                "2", GroupCounts.from_predictions(None, [1], sensitive_features={"sex": ["a"]})
            ),
            (ValueError, TypeError),
            "sex|dict",
        ),
        (
            lambda c: c.decided("2", decisions([("a", 1, 1)], sample_weight=[2.0])),
            ValueError,
            "it has weights",
        ),
        (lambda c: c.labelled("2", A), ValueError, "has no decisions"),
        (lambda c: c.labelled("1", A), ValueError, r"1 more labels of selected rows .* group 'a'"),
        (lambda c: c.labelled("1", labels([("c", 1, 1)])), ValueError, "groups that await none: c"),
        (lambda c: c.labelled("1", decisions([("a", 1, 1)])), ValueError, "has no labels"),
        (lambda c: c.labelled("1", labels([("a", 1, 1)], sample_weight=[0.5])), ValueError, "weights"),
        (lambda _: Cohorts(0), ValueError, "complete must be a share"),
        (lambda _: Cohorts(95), ValueError, "complete must be a share"),
        (lambda _: Cohorts(True), ValueError, "complete must be a share"),
        (lambda _: Cohorts(max_age=0), ValueError, "max_age must be a whole number, at least 1"),
        (lambda _: Cohorts(most_missing=-1), ValueError, "most_missing"),
    ],
)
def test_what_is_refused(call: Any, error: Any, message: str) -> None:
    cohorts = Cohorts()
    cohorts.decided("1", decisions([("a", 1, 1)]))
    cohorts.labelled("1", A)
    assert len(list(cohorts.closed())) == 1
    before = cohorts.to_state()
    with pytest.raises(error, match=message):
        call(cohorts)
    assert cohorts.to_state() == before


def test_messages_stay_short_whatever_comes_in() -> None:
    rows = [("x" * 5_000 + str(i), 1, 1) for i in range(300)]
    cohorts = Cohorts()
    cohorts.decided("1" * 200, decisions(rows[:1]))
    for call in (
        lambda: cohorts.labelled("1" * 200, labels(rows)),
        lambda: cohorts.labelled("2" * 200, labels(rows)),
        lambda: cohorts.decided("1" * 200, decisions(rows)),
    ):
        with pytest.raises(ValueError, match=r"\.\.\.") as caught:
            call()
        assert len(str(caught.value)) < 2_000


def test_only_states_of_cohorts_are_read() -> None:
    rows = pairs(*FOUR)
    cohorts = Cohorts(0.9, 3, constraint=Constraint("mine", [Rate("r", "tp", "tp+fn")]))
    for batch in ("1", "2"):
        cohorts.decided(batch, decisions(rows))
    cohorts.labelled("1", labels(rows[2:]))
    assert len(list(cohorts.closed())) == 1
    state = cohorts.to_state()
    restored = Cohorts.from_state(json.loads(json.dumps(state)))
    assert restored.constraint == cohorts.constraint
    for key, value in (
        ("schema", "fairsk cohorts 2"),
        ("complete", 2),
        ("max_age", "3"),
        ("open", [state["open"][0], state["open"][0]]),
        ("open", [{**state["open"][0], "batch": "0"}]),
        ("open", [{**state["open"][0], "labelled": state["counted"]}, None]),
        ("closed", [{**state["closed"][0], "counted": 1}]),
        ("open", [{**state["open"][0], "decided": None}]),
        ("constraint", {"name": "mine"}),
        ("counted", {**state["counted"], "cells": {"tp": [-1, 0]}}),
        ("counted", 3),
    ):
        with pytest.raises(ValueError, match="no state of Cohorts"):
            Cohorts.from_state({**state, key: value})
    for broken in ({}, {**state, "more": 1}, None, [], "x"):
        with pytest.raises(ValueError, match="no state of Cohorts"):
            Cohorts.from_state(broken)  # type: ignore[arg-type]


# --- one decision per unit -------------------------------------------------------------------------

CONTAINERS: dict[str, Any] = {
    "list": list,
    "array": np.array,
    "objects": lambda values: np.array(values, dtype=object),
    "pandas": pd.Series,
    "categorical": lambda values: pd.Series(values, dtype="category"),
    "polars": pl.Series,
    "pyarrow": lambda values: pa.chunked_array([pa.array(values)]),
    "frame": lambda values: pd.DataFrame({"person": values}),
}

units = st.one_of(
    st.lists(st.integers(-3, 3), min_size=1, max_size=12),
    st.lists(
        st.sampled_from(["", "1", "a", "A", "\N{LATIN SMALL LETTER E WITH ACUTE}"]), min_size=1, max_size=12
    ),
)


@settings(max_examples=25)
@given(units, st.sampled_from(sorted(CONTAINERS)))
def test_the_first_row_of_each_unit_stays(values: list[Any], kind: str) -> None:
    expected = [i for i, value in enumerate(values) if value not in values[:i]]
    assert one_per_unit(CONTAINERS[kind](values), len(values)).tolist() == expected


@pytest.mark.parametrize("kind", sorted(CONTAINERS))
def test_everything_of_a_row_goes_with_its_unit(kind: str) -> None:
    unit, decided, groups = ["x", "y", "x", "z"], [1, 0, 0, 1], ["a", "b", "b", "a"]
    made = CONTAINERS[kind]
    y_pred, groups, y_true, y_score, strata = first_of_each(
        made(unit), np.array(decided), made(groups), None, made([0.1, 0.2, 0.3, 0.4]), None
    )
    assert list(y_pred) == [1, 0, 1]
    assert np.asarray(groups).ravel().tolist() == ["a", "b", "a"]
    assert np.asarray(y_score).ravel().tolist() == [0.1, 0.2, 0.4]
    assert y_true is None
    assert strata is None


def test_rows_of_units_must_fit_each_other() -> None:
    with pytest.raises(ValueError, match="sensitive_features has 4 rows where 3"):
        first_of_each([1, 2, 3], [0, 1, 0], ["a", "b", "c", "d"], None, None, None)
    frame = pd.DataFrame({"who": [1, 2, 3], "sex": ["a", "b", "b"]})
    with pytest.raises(ValueError, match="sensitive_features has the index of unit in another order"):
        first_of_each(frame["who"], [0, 1, 0], frame["sex"][::-1], None, None, None)


def test_several_columns_make_a_unit() -> None:
    frame = pd.DataFrame({"household": [1, 1, 2, 1, 2], "person": ["x", "y", "x", "x", "x"]})
    assert one_per_unit(frame, 5).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "unit",
    [[1.0, float("nan")], ["a", None], pd.Series(["a", pd.NA], dtype="string"), pl.Series(["a", None])],
    ids=["NaN", "None", "NA", "null"],
)
def test_a_unit_that_is_missing_is_an_error(unit: Any) -> None:
    with pytest.raises(ValueError, match="unit is missing in 1 of 2 rows"):
        one_per_unit(unit, 2)


def test_units_are_one_per_row() -> None:
    with pytest.raises(ValueError, match="unit has 2 rows where 3 are expected"):
        one_per_unit([1, 2], 3)
    with pytest.raises(TypeError, match="unit takes values"):
        one_per_unit("person", 3)
    with pytest.raises(TypeError, match="name nobody"):
        one_per_unit(np.array([{}, {}], dtype=object), 2)


# --- fleets ----------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    st.lists(st.one_of(st.floats(-5, 8), st.just(-math.inf), st.just(math.inf)), min_size=1, max_size=8),
    st.sampled_from([0.01, 0.05, 0.2]),
)
def test_alarms_are_the_largest_set_that_the_definition_allows(logs: list[float], alpha: float) -> None:
    named = {f"m{i}": value for i, value in enumerate(logs)}
    largest: set[str] = set()
    for i in range(1, len(logs) + 1):
        top = sorted(named, key=lambda name: (-named[name], name))[:i]
        if all(named[name] >= math.log(len(logs) / (i * alpha)) for name in top):
            largest = set(top)
    result = e_bh(named, alpha)
    assert set(result.alarms) == largest
    backwards = e_bh(dict(reversed(named.items())), alpha)
    assert set(backwards.alarms) == largest
    monitors = [SimpleNamespace(name=name, log_e_value=np.float64(value)) for name, value in named.items()]
    assert e_bh(monitors, alpha).alarms == result.alarms
    json.dumps(result.to_dict(), allow_nan=False)


def test_a_fleet_of_one_is_the_monitor_alone() -> None:
    assert e_bh({"only": math.log(20)}).alarms == ("only",)
    assert e_bh({"only": math.log(19.99)}).alarms == ()
    assert "No monitor alarms" in str(e_bh({"only": 0.0}))
    assert "only did not keep the tolerance" in str(e_bh({"only": 9.0}))


def test_monitors_are_asked_for_the_evidence_of_now() -> None:
    fleet = {"loans": (10, 2), "cards": (10, 9), "rent": (10, 10)}
    monitors = [FairnessMonitor(min_ratio=0.8, name=name) for name in fleet]
    for day in range(12):
        for monitor, selected in zip(monitors, fleet.values(), strict=True):
            rows = [
                (group, 0, int(i < k)) for group, k in zip("ab", selected, strict=True) for i in range(20)
            ]
            monitor.update(decisions(rows), batch=f"{day:02}")
    result = e_bh(monitors)
    assert result.alarms == ("loans",)
    assert result.log_e_values[0] == monitors[0].log_e_value
    assert mean_e_value(monitors).is_alarm
    assert not mean_e_value(monitors[1:]).is_alarm


def test_the_mean_of_e_values_tests_all_sites() -> None:
    sites = {"north": math.log(58), "south": math.log(0.5), "west": math.log(1.5)}
    test = mean_e_value(sites)
    assert test.log_e_value == pytest.approx(math.log(20))
    assert test.p_value == pytest.approx(0.05)
    assert mean_e_value({**sites, "west": math.log(3)}).is_alarm
    assert not mean_e_value({**sites, "west": math.log(1)}).is_alarm
    assert mean_e_value({"a": -math.inf, "b": -math.inf}).p_value == 1
    assert "mean log e-value" in str(test)


@pytest.mark.parametrize(
    ("monitors", "alpha", "error", "message"),
    [
        ({}, 0.05, ValueError, "empty"),
        ({"a": math.nan}, 0.05, ValueError, "NaN: a"),
        ({"a": 1.0}, 5, ValueError, "alpha must be a probability"),
        ([1.0, 2.0], 0.05, TypeError, "several FairnessMonitor"),
        (3, 0.05, TypeError, "several FairnessMonitor"),
        ([SimpleNamespace(name="", log_e_value=1.0)], 0.05, ValueError, "names"),
        ([SimpleNamespace(name="x", log_e_value=1.0)] * 2, 0.05, ValueError, "not told apart: 'x'"),
    ],
)
def test_what_is_no_fleet(monitors: Any, alpha: Any, error: type[Exception], message: str) -> None:
    for function in (e_bh, mean_e_value):
        with pytest.raises(error, match=message):
            function(monitors, alpha)
