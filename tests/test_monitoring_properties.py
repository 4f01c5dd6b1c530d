"""What every monitor keeps: states that follow from logs, sums in any order, labels, containers."""

from __future__ import annotations

import copy
import datetime
import itertools
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairsk import Constraint, Rate
from fairsk.metrics import GroupCounts, ScoreHistograms
from fairsk.monitoring import FairnessMonitor

CELLS = ("tp", "fp", "fn", "tn")


def table(rng: np.random.Generator, groups: Any = ("a", "b"), strata: Any = None, **more: Any) -> GroupCounts:
    shape = (len(groups),) if strata is None else (len(groups), len(strata))
    cells = {cell: rng.integers(0, 12, shape) for cell in CELLS}
    return GroupCounts(groups, cells, strata=strata, **more)


def small() -> FairnessMonitor:
    rng, monitor = np.random.default_rng(0), FairnessMonitor(min_ratio=0.9, name="small")
    for batch in ("1", "2"):
        monitor.update(table(rng), batch=batch)
    return monitor


def rich() -> FairnessMonitor:
    """Return a monitor with all that one can have: strata, a reference, a prior, groups that come later."""
    rng = np.random.default_rng(1)
    prior = GroupCounts.from_predictions(
        [1, 0, 1, 0],
        [1, 1, 0, 0],
        sensitive_features=[1, 2, 1, 2],
        strata=list("xyxy"),
        sample_weight=[1.5, 1, 1, 1],
    )
    constraint = Constraint(
        "mine", ["true_positive_rate", Rate("missed", "fn", "tp+fn", lower_is_better=True)]
    )
    monitor = FairnessMonitor(
        constraint,
        max_difference=0.05,
        reference=2,
        alpha=0.3,
        mean_batches_between_false_alarms=5,
        prior=prior,
    )
    for batch, groups, strata in (("1", (1, 2), ("x", "y")), ("2", (2, 1, 3), ("y", "z"))):
        monitor.update(table(rng, groups, strata), batch=batch)
    return monitor


def scored() -> FairnessMonitor:
    monitor = FairnessMonitor(Rate("mine", "tp", "tp+fp"), min_ratio=0.5)
    rng = np.random.default_rng(2)
    for batch in ("1", "2"):
        y, score, sex = rng.integers(0, 2, 30), rng.random(30), rng.choice(["f", "m"], 30)
        monitor.update_predictions(
            (score > 0.4).astype(int), batch=batch, y_true=y, y_score=score, sensitive_features=sex
        )
    return monitor


MONITORS: dict[str, Callable[[], FairnessMonitor]] = {"small": small, "rich": rich, "scored": scored}
each_monitor = pytest.mark.parametrize("name", MONITORS)


def state_of(monitor: FairnessMonitor) -> dict[str, Any]:
    return json.loads(json.dumps(monitor.to_state(), allow_nan=False))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield every part of a state with the way to it."""
    yield path, value
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(part, (*path, key))


def replaced(state: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(state)
    part = changed
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return changed


def other_values(leaf: Any) -> Iterator[Any]:
    if isinstance(leaf, bool):
        yield from (not leaf, int(leaf), None, str(leaf))
    elif isinstance(leaf, int | float):
        yield from (leaf + 1, leaf * 1.001 if leaf else 0.001, None, str(leaf), bool(leaf), -leaf - 1)
    elif leaf is None:
        yield from (0, False, "", "a", [])
    else:
        yield from (f"{leaf}x", leaf[:-1] if leaf else " ", None, 1, True)


# --- states ----------------------------------------------------------------------------------------


@each_monitor
def test_any_leaf_that_is_changed_is_refused(name: str) -> None:
    state = state_of(MONITORS[name]())
    assert FairnessMonitor.from_state(state).to_state() == state
    accepted, tried = [], 0
    for path, leaf in places(state):
        if isinstance(leaf, dict | list):
            continue
        for value in other_values(leaf):
            if isinstance(leaf, float) and isinstance(value, float) and abs(value - leaf) < 1e-12:
                continue  # evidence of rounding errors
            tried += 1
            try:
                FairnessMonitor.from_state(replaced(state, path, value))
            except ValueError as error:
                if len(str(error)) < 2_000:
                    continue
            accepted.append((path, leaf, value))
    assert accepted == []
    assert tried > 150


@each_monitor
def test_keys_and_entries_that_are_missing_or_added_are_refused(name: str) -> None:
    state = state_of(MONITORS[name]())
    accepted = []
    for path, part in places(state):
        changed: list[Any] = []
        if isinstance(part, dict):
            changed = [{k: v for k, v in part.items() if k != key} for key in part]
            changed += [{**part, "more": 1}, [], None]
        elif isinstance(part, list):
            changed = [part[:-1], part[1:], [*part, 1], [*part, *part[-1:]], {}, None]
            changed += [part[::-1]]
        for value in changed:
            if value == part:
                continue
            try:
                FairnessMonitor.from_state(replaced(state, path, value))
            except ValueError:
                continue
            accepted.append((path, value))
    assert accepted == []


@each_monitor
def test_a_restored_monitor_goes_on_alike(name: str) -> None:
    monitor = MONITORS[name]()
    restored = FairnessMonitor.from_state(state_of(monitor))
    groups, strata = monitor.groups, monitor.strata
    assert (restored.groups, restored.strata) == (groups, strata)
    for batch in ("8", "9"):
        counts = table(np.random.default_rng(int(batch)), groups, strata, names=monitor.names)
        one, two = (each.update(counts, batch=batch) for each in (monitor, restored))
        assert one.to_dict() == two.to_dict()
    assert state_of(restored) == state_of(monitor)


def test_a_batch_that_is_refused_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    histograms = ScoreHistograms.from_scores(
        [0, 1], [0.2, 0.7], sensitive_features={"sex": ["a", "b"]}["sex"]
    )
    wrong = ScoreHistograms.from_scores(
        [0, 1], [0.2, 0.7], sensitive_features=pd.DataFrame({"age": ["a", "b"]})
    )
    weighted = GroupCounts.from_predictions(
        [1, 0], [1, 1], sensitive_features=["a", "b"], sample_weight=[2, 1]
    )
    fresh = FairnessMonitor("equalized_odds", min_ratio=0.8)
    used = FairnessMonitor("equalized_odds", min_ratio=0.8)
    used.update(table(rng), batch="1", histograms=histograms)
    unlabelled = GroupCounts.from_predictions(None, [1, 0], sensitive_features=["a", "b"])
    others = ScoreHistograms.from_scores([0, 1], [0.2, 0.7], sensitive_features=["a", "z"])
    none, huge, infinite = (
        GroupCounts(["a", "b"][: len(cells)], dict.fromkeys(CELLS, cells))
        for cells in ([], [1, 1e19], [1, np.inf])
    )
    for monitor in (fresh, used):
        before = monitor.to_state()
        for counts, options in (
            (weighted, {}),
            (unlabelled, {}),
            (none, {}),
            (huge, {}),
            (infinite, {}),
            (table(rng), {"histograms": wrong}),
            (table(rng), {"histograms": others}),
            (table(rng), {"histograms": {}}),
            (table(rng), {"batch": ""}),
            (table(rng), {"batch": 7}),
            (table(rng), {"batch": "x" * 300}),
            (None, {}),
        ):
            with pytest.raises((ValueError, TypeError)) as caught:
                monitor.update(counts, **{"batch": "2", **options})
            assert len(str(caught.value)) < 2_000
            assert monitor.to_state() == before
        assert monitor.update(table(rng, names=("sensitive_features",)), batch="2").batch == "2"
    before = used.to_state()
    for counts, message in (
        (table(rng), "counted already"),
        (table(rng, names=("age",)), "same attributes"),
        (table(rng, strata=("x",)), "strata"),
    ):
        with pytest.raises(ValueError, match=message):
            used.update(counts, batch="2" if message == "counted already" else "3")
        assert used.to_state() == before


def test_a_state_holds_no_rows() -> None:
    rng = np.random.default_rng(4)
    sizes = []
    for n in (100, 2_000):
        monitor = FairnessMonitor("equal_opportunity", min_ratio=0.8)
        score = rng.random(n)
        monitor.update_predictions(
            (score > 0.5).astype(int),
            batch="1",
            y_true=rng.integers(0, 2, n),
            y_score=score,
            sensitive_features=rng.choice(["f", "m"], n),
            unit=[f"person-{i}" for i in range(n)],
        )
        text = json.dumps(monitor.to_state())
        assert "person" not in text
        assert not any(repr(each) in text for each in score)
        sizes.append(len(text))
    assert abs(sizes[1] - sizes[0]) < 100  # digits of counts


# --- evidence --------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["min_ratio", "max_difference"]), st.booleans())
def test_alarms_and_p_values_follow_from_the_evidence_of_steps(seed: int, kind: str, reference: bool) -> None:
    rng = np.random.default_rng(seed)
    monitor = FairnessMonitor(
        "demographic_parity",
        **{kind: 0.8 if kind == "min_ratio" else 0.1},
        reference="b" if reference else None,
        alpha=0.2,
        mean_batches_between_false_alarms=8,
    )
    rates, fed = rng.random(3), []
    for batch in range(6):
        size = rng.integers(0, 40, 3)
        part = rng.binomial(size, rates)
        counts = GroupCounts(
            ["a", "b", "c"], {"tp": [0] * 3, "fp": part, "fn": [0] * 3, "tn": size - part}, labelled=False
        )
        step = monitor.update(counts, batch=str(batch))
        assert step.to_dict() == monitor.steps[-1].to_dict()
        fed.append((part, size))
    steps = monitor.steps
    logs, changes = ([getattr(step, name) for step in steps] for name in ("log_e_value", "log_change_value"))
    for i, step in enumerate(steps):
        assert step.p_value == pytest.approx(min(1, math.exp(-max(logs[: i + 1]))))
        assert step.alarm == (max(logs[: i + 1]) >= math.log(5))
        assert step.change == (max(changes[: i + 1]) >= math.log(8))
        assert step.n == fed[i][1].sum()
    firsts = [
        next((str(i) for i, value in enumerate(values) if value >= line), None)
        for values, line in ((logs, math.log(5)), (changes, math.log(8)))
    ]
    assert [monitor.alarm, monitor.change] == firsts
    assert (monitor.since is None) == (firsts == [None, None])
    assert (monitor.outcome == "FAIL") == (firsts[0] is not None)
    columns = [monitor.groups.index(group) for group in ("a", "b", "c")]
    for ours, theirs in zip(monitor.shares(), zip(*fed, strict=True), strict=True):
        assert np.array_equal(ours[:, columns], theirs)


@pytest.mark.parametrize("selected", [(5, 5), (0, 0), (10, 10), (10, 0)])
@pytest.mark.parametrize("reference", [None, "b", "not seen"])
def test_groups_that_are_alike_can_be_shown(selected: tuple[int, int], reference: str | None) -> None:
    monitor = FairnessMonitor(min_ratio=0.8, reference=reference)
    said = [str(monitor)]
    for batch, of_b in (("1", selected[1]), ("2", 0)):
        size = [10, 10 if of_b or batch == "1" else 0]
        cells = {
            "tp": [0, 0],
            "fp": [selected[0], of_b],
            "fn": [0, 0],
            "tn": [size[0] - selected[0], size[1] - of_b],
        }
        monitor.update(GroupCounts(["a", "b"], cells, labelled=False), batch=batch)
        said += [
            str(monitor),
            repr(monitor),
            str(monitor.pairs()),
            str(monitor.confidence_sequence("a", "b")),
        ]
    assert all(said)
    json.dumps(monitor.to_dict(), allow_nan=False)


@pytest.mark.parametrize("alpha", [5e-324, 1e-17, 1 - 1e-12])
def test_any_alpha_can_be_shown(alpha: float) -> None:
    monitor = FairnessMonitor(max_difference=1e-9, alpha=alpha, mean_batches_between_false_alarms=1e308)
    for batch in ("1", "2", "3"):
        cells = {"tp": [0, 0], "fp": [90, 1], "fn": [0, 0], "tn": [10, 99]}
        monitor.update(GroupCounts(["a", "b"], cells, labelled=False), batch=batch)
        sequence = monitor.confidence_sequence("a", "b")
        assert (sequence.low <= 0.89).all()
        assert (sequence.high >= 0.89).all()
        assert FairnessMonitor.from_state(state_of(monitor)).to_state() == monitor.to_state()
        assert str(monitor)


def test_an_alarm_is_dated_once() -> None:
    monitor = FairnessMonitor(min_ratio=0.8)
    dates = []
    for batch in range(40):
        of_b = 50 if batch < 12 else 20
        cells = {"tp": [0, 0], "fp": [50, of_b], "fn": [0, 0], "tn": [50, 100 - of_b]}
        monitor.update(GroupCounts(["a", "b"], cells, labelled=False), batch=f"{batch:02}")
        dates.append(monitor.since)
    assert dates[:13] == [None] * 13
    # The forecast of the shortest memory, .9, leaves the tolerance after three unlike batches, and bets on
    # the next: .5 - (.5 - .2) (1 - .9^3) / (1 - .9^15) = .398 is below .8 times .5; after two it is .426.
    assert set(dates) == {None, "15"}
    assert dates[-1] == FairnessMonitor.from_state(state_of(monitor)).since


def test_groups_and_strata_that_come_later_were_empty_before() -> None:
    rng = np.random.default_rng(5)
    tables = [table(rng, ("a", "b"), ("x",)) for _ in range(3)]
    tables += [table(rng, ("a", "c", "b"), ("y", "x")) for _ in range(3)]
    empty = GroupCounts(["a", "b", "c"], {cell: np.zeros((3, 2)) for cell in CELLS}, strata=("x", "y"))
    later, always = (FairnessMonitor("equalized_odds", max_difference=0.1) for _ in range(2))
    for i, counts in enumerate(tables):
        one, two = later.update(counts, batch=str(i)), always.update(counts + empty, batch=str(i))
        assert one.log_e_value == pytest.approx(two.log_e_value, rel=1e-9, abs=1e-12)
        assert one.log_change_value == pytest.approx(two.log_change_value, rel=1e-9, abs=1e-12)
    assert later.log_e_value != 0
    assert set(later.groups) == {"a", "b", "c"}
    assert later.strata == ("x", "y")


def test_a_prior_warms_forecasts_and_adds_no_evidence() -> None:
    def batch(selected: list[int], n: int) -> GroupCounts:
        cells = {"tp": [0, 0], "fp": selected, "fn": [0, 0], "tn": [n - k for k in selected]}
        return GroupCounts(["a", "b"], cells, labelled=False)

    delays = {}
    for name, prior in (
        ("cold", None),
        ("true", batch([500, 300], 1000)),
        ("wrong", batch([300, 500], 1000)),
    ):
        monitor = FairnessMonitor(min_ratio=0.8, prior=prior)
        assert (monitor.n_batches, monitor.log_e_value, monitor.p_value, monitor.alarm) == (0, 0, 1, None)
        for i in range(60):
            monitor.update(batch([25, 15], 50), batch=f"{i:02}")
        delays[name] = int(monitor.alarm or 99)
        # The log holds batches alone.
        assert monitor.shares()[1].sum() == 60 * 100
    assert delays["true"] < delays["cold"] < delays["wrong"]
    fair = FairnessMonitor(min_ratio=0.8, prior=batch([500, 100], 1000))
    for i in range(30):
        fair.update(batch([25, 25], 50), batch=f"{i:02}")
    assert fair.alarm is None


# --- sums ------------------------------------------------------------------------------------------


def site(seed: int, name: str) -> tuple[FairnessMonitor, dict[str, GroupCounts]]:
    """Return a site's monitor, and what it was fed: batches of its own order, groups of its own."""
    rng = np.random.default_rng(seed)
    monitor = FairnessMonitor("predictive_equality", min_ratio=0.7, alpha=0.2, name=name)
    fed = {}
    for batch in rng.permutation(["01", "02", "03", "05", "08"])[:4]:
        groups = [str(group) for group in rng.permutation(["a", "b", "c", "d"])[: rng.integers(2, 5)]]
        fed[str(batch)] = table(rng, groups)
        monitor.update(fed[str(batch)], batch=str(batch))
    return monitor, fed


def test_sums_do_not_depend_on_the_order_of_sites() -> None:
    for seed in range(3):
        sites, fed = zip(*(site(10 * seed + i, name) for i, name in enumerate("pqr")), strict=True)
        states = set()
        for a, b, c in itertools.permutations(sites):
            states |= {json.dumps(state_of(total), sort_keys=True) for total in (a + b + c, a + (b + c))}
        assert len(states) == 1
        total = FairnessMonitor.from_state(json.loads(states.pop()))
        # It is the monitor of the pooled counts, batch by batch in the order of names.
        pooled = FairnessMonitor("predictive_equality", min_ratio=0.7, alpha=0.2)
        for batch in sorted({batch for each in fed for batch in each}):
            pooled.update(sum(each[batch] for each in fed if batch in each), batch=batch)
        assert total.batches == pooled.batches
        assert [step.log_e_value for step in total.steps] == pytest.approx(
            [step.log_e_value for step in pooled.steps]
        )
        assert (total.alarm, total.change) == (pooled.alarm, pooled.change)
        again = sum(sites)
        assert state_of(again) == state_of(total)


def test_sums_of_strata_priors_and_scores_are_alike_in_any_order() -> None:
    one, two = rich(), rich()
    rng = np.random.default_rng(6)
    one.update(table(rng, (3, 1, 2), ("w", "x")), batch="3")
    two.update(table(rng, (4, 2), ("x",)), batch="25")
    assert state_of(one + two) == state_of(two + one)
    other = FairnessMonitor(Rate("mine", "tp", "tp+fp"), min_ratio=0.5)
    other.update(table(rng, ("f", "x")), batch="2")
    assert state_of(scored() + other) == state_of(other + scored())
    empty = FairnessMonitor(Rate("mine", "tp", "tp+fp"), min_ratio=0.5)
    assert state_of(empty + scored()) == state_of(scored() + empty) == state_of(scored())


def test_monitors_that_were_asked_something_else_do_not_add_up() -> None:
    asked: dict[str, Any] = {"min_ratio": 0.8}
    one = FairnessMonitor(**asked)
    for other in (
        FairnessMonitor("equalized_odds", **asked),
        FairnessMonitor(min_ratio=0.7),
        FairnessMonitor(max_difference=0.2),
        FairnessMonitor(**asked, alpha=0.1),
        FairnessMonitor(**asked, reference="a"),
        FairnessMonitor(**asked, prior=table(np.random.default_rng(0))),
    ):
        with pytest.raises(ValueError, match="asked the same"):
            one + other
    with pytest.raises(TypeError):
        one + 1  # type: ignore[operator]


# --- labels and containers -------------------------------------------------------------------------

HOSTILE: dict[str, list[Any]] = {
    "half characters": ["\ud800", "a\udfff", "b"],
    "control characters": ["\x00", "a\nb", "\u202e</script>", "\x1b[31m"],
    "very long": ["x" * 100_000, "x" * 100_000 + "y"],
    "tuples": [("a", 1), ("a", 2), ("b\x00", 1)],
    "composed and decomposed": ["\u00e9", "e\u0301"],
    "numbers": [0, 1, 2.5, -1],
    "numpy numbers": [np.int64(3), np.float64(0.1), np.str_("z")],
    "large numbers": [2**63, -(2**60), 1e300],
    "booleans": [True, False],
    "1 and its text": [1, "1", "True"],
    "looks like JSON": ["null", '{"a": 1}', "[]", ""],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_labels_survive_json(kind: str) -> None:
    labels = HOSTILE[kind]
    rng = np.random.default_rng(7)
    names = ("x", "y\ud800") if kind == "tuples" else ("x\x00",)
    for strata in (None, labels):
        monitor = FairnessMonitor(
            "equalized_odds", max_difference=0.3, reference=labels[0], name="n\ud800\x00"
        )
        monitor.update(table(rng, labels, strata, names=names), batch="b\ud800")
        text = json.dumps(monitor.to_state(), ensure_ascii=False, allow_nan=False)
        restored = FairnessMonitor.from_state(json.loads(text.encode("utf-8")))
        assert restored.to_state() == monitor.to_state()
        assert [(type(g), g) for g in restored.groups] == [(type(g), g) for g in monitor.groups]
        again = table(rng, labels[::-1], strata, names=names)
        for each in (monitor, restored):
            each.update(again, batch="2")
            assert len(each.groups) == len(labels)  # no label has become another one
            with pytest.raises(ValueError, match="counted already"):
                each.update(again, batch="b\ud800")
        assert restored.to_state() == monitor.to_state()
        str(monitor), repr(monitor), monitor.to_dict(), monitor.frame()


def test_labels_that_json_does_not_have_are_refused_before_anything_is_counted() -> None:
    rng, monitor = np.random.default_rng(8), FairnessMonitor(min_ratio=0.8)
    before = monitor.to_state()
    for labels in ([datetime.date(2026, 1, 1), "b"], [float("nan"), "b"], [None, "b"], ["\ud800", "\ud801"]):
        with pytest.raises((TypeError, ValueError)) as caught:
            monitor.update(table(rng, labels), batch="1")
        assert len(str(caught.value)) < 2_000
        assert monitor.to_state() == before
    step = monitor.update(table(rng), batch=datetime.date(2026, 1, 1))  # type: ignore[arg-type]
    assert step.batch == "2026-01-01"


CONTAINERS: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "lists": lambda columns: columns,
    "arrays": lambda columns: {name: np.array(values) for name, values in columns.items()},
    "objects": lambda columns: {name: np.array(values, dtype=object) for name, values in columns.items()},
    "pandas": pd.DataFrame,
    "categories": lambda columns: pd.DataFrame(columns).astype("category"),
    "pyarrow in pandas": lambda columns: pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype),
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
}
#: Names of columns come from frames alone.
COLUMNS = ("decided", "label", "score", "sex", "area", "person")


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.integers(0, 1),
            st.sampled_from([0.25, 0.5, 1.0]),
            st.sampled_from(["f", "m", "x"]),
            st.sampled_from(["n", "s"]),
            st.integers(0, 9),
        ),
        min_size=1,
        max_size=25,
    )
)
def test_every_container_gives_the_same_state(rows: list[tuple[Any, ...]]) -> None:
    columns = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    first = [i for i, row in enumerate(rows) if row[-1] not in {other[-1] for other in rows[:i]}]
    kept = {name: [values[i] for i in first] for name, values in columns.items()}
    decided, label, sex, area = (np.array(kept[name]) for name in ("decided", "label", "sex", "area"))
    counts = {
        (g, s): [
            int(((sex == g) & (area == s) & (label == y) & (decided == p)).sum())
            for y, p in ((1, 1), (0, 1), (1, 0), (0, 0))
        ]
        for g in set(kept["sex"])
        for s in set(kept["area"])
    }
    states = set()
    for make in CONTAINERS.values():
        data, monitor = make(columns), FairnessMonitor("equalized_odds", min_ratio=0.8)
        monitor.update_predictions(
            data["decided"],
            batch="1",
            y_true=data["label"],
            sensitive_features=data["sex"],
            strata=data["area"],
            unit=data["person"],
        )
        state = state_of(monitor)
        state["results"]["names"] = state["log"][0]["names"] = None  # lists have none
        states.add(json.dumps({**state, "head": None}, sort_keys=True))
        for rate, (k, n) in (("true_positive_rate", (0, 2)), ("false_positive_rate", (1, 3))):
            part, size = monitor.shares(rate)
            for place, group in enumerate(monitor.groups):
                cells = np.sum([counts[group, s] for s in set(kept["area"])], axis=0)
                assert (part[0, place], size[0, place]) == (cells[k], cells[k] + cells[n])
    assert len(states) == 1


def test_a_query_gives_the_same_state_as_rows() -> None:
    duckdb = pytest.importorskip("duckdb")
    rng = np.random.default_rng(9)
    frame = pd.DataFrame({"decided": rng.integers(0, 2, 60), "sex": rng.choice(["f", "m"], 60)})
    one, two = (FairnessMonitor(min_ratio=0.8) for _ in range(2))
    one.update_predictions(frame["decided"], batch="1", sensitive_features=frame[["sex"]])
    connection = duckdb.connect()  # a relation does not keep it open
    two.update(
        GroupCounts.from_frame(connection.from_df(frame), y_pred="decided", sensitive_features="sex"),
        batch="1",
    )
    assert state_of(one) == state_of(two)


def test_a_reference_that_never_comes_is_told() -> None:
    monitor = FairnessMonitor(min_ratio=0.8, reference="woman")
    monitor.update(table(np.random.default_rng(9), ("women", "men")), batch="1")
    assert "No decision of the reference group, woman, has been counted" in str(monitor)
    monitor.update(table(np.random.default_rng(9), ("woman", "men")), batch="2")
    assert "reference group" not in str(monitor)


def test_scores_of_a_log_are_of_its_groups() -> None:
    state = state_of(scored())
    state["log"][0]["scores"]["mean_score"].append(0.5)
    with pytest.raises(ValueError, match="scores are measured of each group"):
        FairnessMonitor.from_state(state)


def test_a_monitor_without_groups_has_no_pairs() -> None:
    assert len(FairnessMonitor(min_ratio=0.8).pairs()) == 0


def test_underflows_that_a_program_forbids_are_none_of_its_evidence() -> None:
    part, size = np.array([50, 5]), np.array([100, 100])
    counts = GroupCounts(["a", "b"], {"tp": part, "fp": 0 * part, "fn": 0 * part, "tn": size - part})
    monitors = [FairnessMonitor(min_ratio=0.8) for _ in range(2)]
    for batch in map(str, range(60)):  # after 35, e-values lie further apart than by the smallest float
        monitors[0].update(counts, batch=batch)
        with np.errstate(all="raise"):
            monitors[1].update(counts, batch=batch)
    assert monitors[0].to_state() == monitors[1].to_state()


def test_a_reference_that_never_comes_is_said_after_every_batch() -> None:
    monitor = FairnessMonitor("demographic_parity", min_ratio=0.8, reference="White")
    for batch in ("1", "2"):
        step = monitor.update_predictions([1, 0, 1], batch=batch, sensitive_features=["white", "b", "b"])
        assert "nothing is compared, for no decision of White has been counted" in step.sentence
    step = monitor.update_predictions([1, 0], batch="3", sensitive_features=["White", "b"])
    assert "nothing is compared" not in step.sentence
    assert FairnessMonitor.from_state(monitor.to_state()).is_reference_counted
