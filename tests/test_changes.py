"""Changes between two tables: hand-computed intervals, and exact coverage."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, norm

from fairsk._core.counts import GroupCounts
from fairsk.rates import get_constraint, get_rate
from fairsk.statistics._changes import disparity_change, disparity_direction, movement, rate_changes
from fairsk.statistics._verdicts import measure_disparity

RATE = get_rate("selection_rate")
PARITY = get_constraint("demographic_parity")


def selections(groups: dict[Any, tuple[float, float]]) -> GroupCounts:
    """Return counts of groups of whom (selected, n) were selected."""
    selected, n = np.array(list(groups.values()), dtype=float).reshape(-1, 2).T
    nobody = np.zeros_like(n)
    return GroupCounts(list(groups), {"tp": selected, "fp": nobody, "fn": nobody, "tn": n - selected})


# --- rates --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "then", "interval"),
    [  # Newcombe 1998, table II, method 10
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ],
)
def test_the_change_of_a_rate_has_the_published_interval(now: Any, then: Any, interval: Any) -> None:
    changes = rate_changes(selections({"a": now}), selections({"a": then}), RATE)
    assert changes.change.value[0] == pytest.approx(now[0] / now[1] - then[0] / then[1])
    assert (changes.change.low[0], changes.change.high[0]) == pytest.approx(interval, abs=5e-5)
    assert changes.level == 0.95


def test_groups_are_matched_by_label_and_all_intervals_hold_together() -> None:
    now = selections({"a": (40, 100), "new": (1, 2), "b": (700, 1000), "c": (0, 0)})
    then = selections({"b": (500, 1000), "c": (3, 9), "a": (41, 100), "gone": (5, 9)})
    changes = rate_changes(now, then, RATE, n_rates=2)
    assert changes.groups == ("a", "b", "c")
    assert changes.now.tolist()[:2] == [0.4, 0.7]
    assert changes.then.tolist() == [0.41, 0.5, 3 / 9]
    assert (changes.n_now.tolist(), changes.n_then.tolist()) == ([100, 1000, 0], [100, 1000, 9])
    assert changes.level == pytest.approx(1 - 0.05 / 6)
    moved = list(map(movement, changes.change.low, changes.change.high))
    assert moved == ["not told apart", "higher", "not known"]
    alone = rate_changes(
        selections({"b": (700, 1000)}), selections({"b": (500, 1000)}), RATE, confidence=1 - 0.05 / 6
    )
    assert changes.change.low[1] == pytest.approx(alone.change.low[0])
    back = rate_changes(then, now, RATE, n_rates=2)
    assert back.groups[0] == "b"
    assert movement(back.change.low[0], back.change.high[0]) == "lower"
    assert np.sort(-back.change.low).tolist()[:2] == pytest.approx(np.sort(changes.change.high).tolist()[:2])


def test_weights_make_a_change_less_certain() -> None:
    cells = {"tp": [30.0], "fp": [0.0], "fn": [0.0], "tn": [70.0]}
    heavy = GroupCounts("a", cells, {cell: np.multiply(values, 4.0) for cell, values in cells.items()})
    plain = GroupCounts("a", cells)
    width = [float(np.ptp(rate_changes(table, table, RATE).change[1:])) for table in (plain, heavy)]
    assert width[1] == pytest.approx(2 * width[0], rel=0.05)  # a quarter of the effective rows


def test_groups_in_neither_or_one_table_change_nothing() -> None:
    changes = rate_changes(selections({"a": (1, 2)}), selections({"b": (1, 2)}), RATE)
    assert (changes.groups, len(changes.change.value)) == ((), 0)
    strata = GroupCounts.from_predictions([1, 0], [1, 0], sensitive_features=["a", "b"], strata=["x", "y"])
    with pytest.raises(ValueError, match="without strata"):
        rate_changes(strata, strata, RATE)


# --- disparities --------------------------------------------------------------------------------------


def test_the_change_of_a_difference_by_hand() -> None:
    """Two groups far apart, where no interval comes near parity: Zou and Donner's formula twice."""
    tables = ({"a": (800, 1000), "b": (300, 1000)}, {"a": (700, 1000), "b": (400, 1000)})
    z, parts = norm.ppf(0.975), []
    for table in tables:
        ends = []
        for k, n in table.values():
            p = k / n
            center, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
            ends.append((p, (center - half) / (1 + z**2 / n), (center + half) / (1 + z**2 / n)))
        (p, lp, up), (q, lq, uq) = ends
        gap = p - q
        parts.append((gap, gap - np.hypot(p - lp, uq - q), gap + np.hypot(up - p, q - lq)))
    (x, lx, ux), (y, ly, uy) = parts
    measured = [measure_disparity(selections(table), PARITY, "difference") for table in tables]
    change = disparity_change(*measured)
    assert change == pytest.approx(
        (x - y, x - y - np.hypot(x - lx, uy - y), x - y + np.hypot(ux - x, y - ly))
    )
    assert disparity_direction(change, "difference") == "worse"
    assert disparity_direction(disparity_change(*measured[::-1]), "difference") == "better"


def test_a_smaller_ratio_is_worse() -> None:
    now, then = (
        measure_disparity(selections({"a": (500, 1000), "b": (k, 1000)}), PARITY, "ratio") for k in (200, 450)
    )
    change = disparity_change(now, then)
    assert change.value == pytest.approx(0.4 - 0.9)
    assert disparity_direction(change, "ratio") == "worse"
    assert disparity_direction(disparity_change(then, now), "ratio") == "better"
    assert disparity_direction(disparity_change(now, now), "ratio") == "not told apart"
    assert disparity_change(now, now).value == 0


def test_what_is_not_measured_has_no_known_change() -> None:
    one = measure_disparity(selections({"a": (1, 2)}), PARITY, "difference")
    two = measure_disparity(selections({"a": (1, 2), "b": (1, 2)}), PARITY, "difference")
    for pair in ((one, two), (two, one), (one, one)):
        change = disparity_change(*pair)
        assert np.isnan(change).all()
        assert disparity_direction(change, "difference") == "not known"


@pytest.mark.parametrize("n_groups", [2, 5, 12])
@pytest.mark.parametrize("comparison", ["difference", "ratio"])
def test_intervals_hold_the_change_and_change_their_sign_with_it(n_groups: int, comparison: Any) -> None:
    rng = np.random.default_rng(n_groups)
    for largest in (3, 40, 5000):
        n = rng.integers(1, largest + 1, (2, n_groups))
        k = rng.binomial(n, rng.uniform(0, 1, (2, n_groups)))
        now, then = (
            measure_disparity(
                selections(dict(enumerate(zip(k[i].tolist(), n[i].tolist(), strict=True)))),
                PARITY,
                comparison,
            )
            for i in (0, 1)
        )
        change, back = disparity_change(now, then), disparity_change(then, now)
        assert change.low <= change.value <= change.high
        assert back == pytest.approx((-change.value, -change.high, -change.low))
        if comparison == "ratio":
            assert -1 <= change.low <= change.high <= 1


SETTINGS = [(p, q) for p, q in itertools.product((0.2, 0.5, 0.6, 0.9), repeat=2) if p <= q]


def ends_of_all_tables(n: int, comparison: Any) -> tuple[Any, Any]:
    """Return the disparity of two groups of n with its ends, for every outcome: unfolded, and as reported."""
    unfolded, reported = [], []
    for j, k in itertools.product(range(n + 1), repeat=2):
        measured = measure_disparity(selections({"a": (j, n), "b": (k, n)}), PARITY, comparison)
        unfolded.append(measured.unfolded())
        reported.append((measured.value, measured.low, measured.high))
    return np.array(unfolded).T, np.array(reported).T


def coverage(now: Any, then: Any, n: Sequence[int], rates: Any, comparison: Any) -> float:
    """Return the exact probability that the interval holds the true change."""
    truths = [abs(p - q) if comparison == "difference" else min(p, q) / max(p, q) for p, q in rates]
    probabilities = [
        np.outer(binom.pmf(range(size + 1), size, p), binom.pmf(range(size + 1), size, q)).ravel()
        for size, (p, q) in zip(n, rates, strict=True)
    ]
    (x, lx, ux), (y, ly, uy) = (
        part[:, :, None] if i == 0 else part[:, None, :] for i, part in enumerate((now, then))
    )
    low, high = x - y - np.hypot(x - lx, uy - y), x - y + np.hypot(ux - x, y - ly)
    truth = truths[0] - truths[1]
    return float(probabilities[0] @ ((low <= truth + 1e-12) & (truth - 1e-12 <= high)) @ probabilities[1])


@pytest.mark.parametrize("comparison", ["difference", "ratio"])
def test_the_interval_covers_as_often_as_it_says(comparison: Any) -> None:
    """Exactly, over all outcomes of two groups of 15 and of 15 later ones: 16^4 tables in each setting."""
    ends, reported = ends_of_all_tables(15, comparison)
    shares = {
        rates: coverage(ends, ends, (15, 15), rates, comparison)
        for rates in itertools.combinations_with_replacement(SETTINGS, 2)
    }
    assert min(shares.values()) > 0.92
    assert 0.94 < np.mean(list(shares.values())) < 0.99
    # Ends that stop at parity would seem to know disparities near it better than they do.
    later_ends, later_reported = ends_of_all_tables(25, comparison)
    setting = (15, 25), ((0.5, 0.5), (0.3, 0.6)), comparison
    assert coverage(reported, later_reported, *setting) < 0.88
    assert coverage(ends, later_ends, *setting) > 0.93
