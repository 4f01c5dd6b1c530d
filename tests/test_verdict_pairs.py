"""Verdicts over all pairs beside a loop over the pairs that is written from the formulas."""

from __future__ import annotations

import itertools
import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from fairsk._core.counts import GroupCounts
from fairsk.rates import CELLS, get_constraint
from fairsk.statistics._verdicts import measure_disparity

#: The part and the whole of the rates of the criteria, by hand.
PARTS = {
    "selection_rate": (("tp", "fp"), CELLS),
    "true_positive_rate": (("tp",), ("tp", "fn")),
    "false_positive_rate": (("fp",), ("fp", "tn")),
    "precision": (("tp",), ("tp", "fp")),
}
CRITERIA = {
    "demographic_parity": ("selection_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "predictive_parity": ("precision",),
}


def wilson(k: float, n: float, z: float) -> tuple[float, float]:
    p = k / n
    center = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return min(p, center - half), max(p, center + half)


def difference(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, float, float]:
    """Return the absolute difference of two rates, each with its interval, and Newcombe's interval."""
    (p, lp, up), (q, lq, uq) = a, b
    low = p - q - math.sqrt((p - lp) ** 2 + (uq - q) ** 2)
    high = p - q + math.sqrt((up - p) ** 2 + (q - lq) ** 2)
    inside = low <= 0 <= high
    return abs(p - q), 0.0 if inside else min(abs(low), abs(high)), max(abs(low), abs(high))


def ratio(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, float, float]:
    """Return the smaller over the larger rate, and the interval by MOVER-R in both directions."""

    def one_way(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, float]:
        (p, lp, up), (q, lq, uq) = a, b
        lower, upper = 0.0, math.inf
        if lp * (2 * p - lp) > 0:
            root = (p * q) ** 2 - lp * (2 * p - lp) * uq * (2 * q - uq)
            lower = lp * (2 * p - lp) / (p * q + math.sqrt(max(0, root)))
        if lq * (2 * q - lq) > 0:
            root = (p * q) ** 2 - up * (2 * p - up) * lq * (2 * q - lq)
            upper = (p * q + math.sqrt(max(0, root))) / (lq * (2 * q - lq))
        return max(0.0, min(1.0, lower)), max(0.0, min(1.0, upper))

    ways = one_way(a, b), one_way(b, a)
    value = 1.0 if a[0] == b[0] == 0 else min(a[0], b[0]) / max(a[0], b[0])
    return value, min(way[0] for way in ways), min(way[1] for way in ways)


def loop(
    table: dict[str, list[int]], criterion: str, comparison: str, bound: float, reference: int | None
) -> dict[str, Any]:
    """Return what a verdict says, pair by pair."""
    n_groups = len(table["tp"])
    pairs = [
        pair for pair in itertools.combinations(range(n_groups), 2) if reference is None or reference in pair
    ]
    names = CRITERIA[criterion]
    z = norm.ppf(0.5 + (1 - 0.05 / (len(pairs) * len(names))) / 2)
    lines: list[tuple[Any, ...]] = []
    without, compared = set(), set()
    for name in names:
        part, whole = PARTS[name]
        counted = [(sum(table[c][g] for c in part), sum(table[c][g] for c in whole)) for g in range(n_groups)]
        without |= {(name, g) for g, (_, n) in enumerate(counted) if n == 0}
        for a, b in pairs:
            if counted[a][1] and counted[b][1]:
                compared.add(name)
                sides = [(k / n, *wilson(k, n, z)) for k, n in (counted[a], counted[b])]
                value, low, high = (difference if comparison == "difference" else ratio)(*sides)
                lowest, highest = (a, b) if sides[0][0] <= sides[1][0] else (b, a)
                mildest, worst = (low, high) if comparison == "difference" else (high, low)
                sign = 1 if comparison == "difference" else -1
                outcome = "INCONCLUSIVE"
                if sign * (worst - bound) <= 1e-9:
                    outcome = "PASS"
                elif sign * (mildest - bound) > 1e-9:
                    outcome = "FAIL"
                gap = abs(sides[0][0] - sides[1][0])
                lines.append((name, lowest, highest, value, low, high, outcome, gap))
    outcomes = {line[6] for line in lines}
    known = compared == set(names)
    overall = "INCONCLUSIVE"
    if "FAIL" in outcomes:
        overall = "FAIL"
    elif known and not without and outcomes == {"PASS"}:
        overall = "PASS"
    pick = max if comparison == "difference" else min
    return {
        "outcome": overall,
        "lines": lines,
        "value": pick(line[3] for line in lines) if known else math.nan,
        "low": pick(line[4] for line in lines) if known else math.nan,
        "high": pick(line[5] for line in lines) if known else math.nan,
        "furthest": pick((line[3] for line in lines), default=math.nan),
        "unmeasured": without,
    }


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[int]]:
    n_groups = draw(st.integers(2, 6))
    largest = draw(st.sampled_from([2, 30, 20_000]))
    one = st.lists(st.integers(0, largest), min_size=n_groups, max_size=n_groups)
    return {cell: draw(one) for cell in CELLS}


@given(
    tables(),
    st.sampled_from(sorted(CRITERIA)),
    st.sampled_from([("difference", 0.05), ("difference", 0.3), ("ratio", 0.8), ("ratio", 0.3)]),
    st.sampled_from([None, 0, 1]),
)
@settings(max_examples=150, derandomize=True)
def test_all_pairs_at_once_say_what_a_loop_over_them_says(
    table: dict[str, list[int]], criterion: str, tolerance: Any, reference: int | None
) -> None:
    comparison, bound = tolerance
    expected = loop(table, criterion, comparison, bound, reference)
    groups = [("f", i) if i % 2 else ("m", i) for i in range(len(table["tp"]))]
    label = None if reference is None else groups[reference]
    counts = GroupCounts(groups, table, names=("sex", "id"))
    found = measure_disparity(counts, get_constraint(criterion), comparison, bound, reference=label)
    close = {"rel": 1e-12, "abs": 1e-12, "nan_ok": True}
    assert found.outcome == expected["outcome"]
    for name in ("value", "low", "high"):
        assert getattr(found, name) == pytest.approx(expected[name], **close), name
    by_pair = {
        (rate, frozenset((low, high))): (low, *numbers)
        for rate, low, high, *numbers in zip(
            found.pairs.rates,
            found.pairs.lowest,
            found.pairs.highest,
            found.pairs.values.tolist(),
            found.pairs.low.tolist(),
            found.pairs.high.tolist(),
            found.pairs.outcomes,
            strict=True,
        )
    }
    assert len(by_pair) == len(expected["lines"])
    for rate, lowest, highest, value, low, high, outcome, gap in expected["lines"]:
        mine = by_pair[rate, frozenset((groups[lowest], groups[highest]))]
        assert mine[1:4] == pytest.approx((value, low, high), **close)
        assert mine[4] == outcome
        assert gap == 0 or mine[0] == groups[lowest]
    if expected["lines"]:
        lowest, highest = found.group_rates
        gap = abs(lowest - highest) if comparison == "difference" else lowest / highest if highest else 1.0
        assert gap == pytest.approx(expected["furthest"], **close)
    unmeasured = {(rate, group) for rate, groups in found.unmeasured.items() for group in groups}
    assert unmeasured == {(rate, groups[g]) for rate, g in expected["unmeasured"]}


def test_labels_are_kept_once_and_read_late() -> None:
    n = 200
    rng = np.random.default_rng(0)
    cells = {cell: rng.integers(100, 900, n) for cell in CELLS}
    counts = GroupCounts([f"group {'x' * 1000} {g}" for g in range(n)], cells)
    pairs = measure_disparity(counts, get_constraint("equalized_odds"), "ratio", 0.8).pairs
    assert len(pairs) == 2 * n * (n - 1) // 2
    assert len(pickle.dumps(pairs)) < 12 * 8 * len(pairs)  # numbers, and not 79,600 long labels
    again = pickle.loads(pickle.dumps(pairs))
    assert again.lowest == pairs.lowest
    assert again.outcomes == pairs.outcomes
    assert pairs.lowest is pairs.lowest
