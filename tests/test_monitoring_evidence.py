"""Evidence of monitors: projections, what e-values promise, confidence sequences, pairs of groups."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import binom

from fairsk._core.bounds import Bound
from fairsk.monitoring._evidence import confidence_sequence as _confidence_sequence
from fairsk.monitoring._evidence import pairs as _pairs
from fairsk.monitoring._evidence.bands import Band, project
from fairsk.monitoring._evidence.confidence_sequence import PRECISION, ConfidenceSequence, pair_sequence
from fairsk.monitoring._evidence.e_process import MEMORIES, SHRINKAGE, EProcess, log_ratios
from fairsk.monitoring._evidence.pairs import all_pairs_within, compare_pairs
from fairsk.monitoring._evidence.two_groups import Batches, estimate, limits
from fairsk.rates import get_rate

RATE = get_rate("selection_rate")
#: All four kinds of band, with loose tolerances, tight ones, and parity.
BANDS = [
    *(Band(Bound(ratio=ratio), reference) for ratio in (0.01, 0.8, 1.0) for reference in (None, 1)),
    *(Band(Bound(difference=gap), reference) for gap in (0.0, 0.1, 0.9) for reference in (None, 1)),
]
FOUR_FIFTHS = Bound(ratio=0.8)
#: Each memory with each shrinkage.
FORECASTS = tuple(itertools.product((1.0, 0.98, 0.9), (4.0, 40.0)))
every_band = pytest.mark.parametrize("band", BANDS, ids=lambda band: f"{band.bound}, {band.reference}")
either_bound = pytest.mark.parametrize("bound", [Bound(ratio=0.8), Bound(difference=0.1)], ids=str)


def ends(band: Band, x: Any) -> tuple[Any, Any]:
    """Return the ends of a band as its table has them."""
    if band.bound.comparison == "ratio":
        return band.bound.value * x, x if band.reference is None else x / band.bound.value
    return x if band.reference is None else x - band.bound.value, x + band.bound.value


def divergence(t: Any, q: Any, n: Any) -> Any:
    """Return n times the divergence of Bernoulli distributions, summed over groups."""
    return np.sum(n * (t * np.log(t / q) + (1 - t) * np.log((1 - t) / (1 - q))), -1)


def random_forecasts(rng: np.random.Generator, n_lines: int, n_groups: int) -> tuple[Any, Any]:
    """Return forecasts, some near 0 or 1, and sizes, some 0 or 1."""
    t = rng.beta(0.4, 0.8, (n_lines, n_groups)).clip(1e-9, 1 - 1e-9)
    n = rng.choice([0, 1, 2, 30, 1000], (n_lines, n_groups)).astype(float)
    return t, n


# projections


@every_band
def test_no_rates_of_a_grid_are_nearer_than_the_projection(band: Band) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([np.geomspace(1e-10, 0.1, 3000), np.linspace(0.1, 1 - 1e-10, 6000)])[:, None]
    for n_groups in (2, 3, 6):
        t, n = random_forecasts(rng, 12, n_groups)
        for forecast, size, q in zip(t, n, project(t, n, band), strict=True):
            candidates = np.clip(forecast, *ends(band, x))
            if band.reference is not None:
                candidates[:, [band.reference]] = x
            nearest = divergence(forecast, candidates.clip(1e-12, 1 - 1e-12), size).min()
            assert divergence(forecast, q, size) <= nearest + 1e-9


@every_band
def test_the_projection_keeps_the_tolerance(band: Band) -> None:
    rng = np.random.default_rng(1)
    t, n = random_forecasts(rng, 200, 5)
    q = np.where(n > 0, project(t, n, band), np.nan)
    assert np.all(q > 0, where=n > 0)
    assert np.all(q < 1, where=n > 0)
    if band.reference is None:
        measured = (n > 0).any(1)
        low, high = np.nanmin(q[measured], 1), np.nanmax(q[measured], 1)
        x = high if band.bound.comparison == "ratio" else low
        slack = 1e-12
        assert (low >= ends(band, x)[0] - slack).all()
        assert (high <= ends(band, x)[1] + slack).all()
    else:
        with_reference = q[n[:, 1] > 0]
        low, high = ends(band, with_reference[:, [1]])
        others = np.nan_to_num(with_reference, nan=0.5), np.isnan(with_reference)
        assert ((others[0] >= low - 1e-12) | others[1]).all()
        assert ((others[0] <= high + 1e-12) | others[1]).all()


@pytest.mark.parametrize("band", [Band(Bound(ratio=0.8), None), Band(Bound(difference=0.1), 0)], ids=str)
def test_a_general_optimiser_finds_nothing_nearer(band: Band) -> None:
    rng = np.random.default_rng(2)
    for _ in range(3):
        t, n = rng.uniform(0.1, 0.9, 4), rng.integers(5, 50, 4).astype(float)
        within = [
            {"type": "ineq", "fun": lambda v: v[:-1] - ends(band, v[-1])[0]},
            {"type": "ineq", "fun": lambda v: ends(band, v[-1])[1] - v[:-1]},
        ]
        if band.reference is not None:
            within.append({"type": "eq", "fun": lambda v: v[band.reference] - v[-1]})
        found = minimize(
            lambda v, t=t, n=n: divergence(t, v[:-1], n),
            np.full(5, 0.5),
            bounds=[(0.01, 0.99)] * 5,
            constraints=within,
            options={"ftol": 1e-12, "maxiter": 500},
        )
        assert divergence(t, project(t, n, band), n) == pytest.approx(found.fun, abs=1e-6)
        assert project(t, n, band) == pytest.approx(found.x[:-1], abs=1e-3)


def test_forecasts_that_keep_the_tolerance_are_their_own_projection() -> None:
    t, n = np.array([0.5, 0.41, 0.2]), np.array([10.0, 10.0, 0.0])
    assert project(t, n, Band(Bound(ratio=0.8))).tolist() == t.tolist()  # the third group has no decisions
    assert project(t, n + 1, Band(Bound(ratio=0.8))).tolist() != t.tolist()


# what an e-value promises


def largest_mean(t: Any, q: Any, n: Any, band: Band) -> float:
    """Return the logarithm of the largest mean of E that rates which keep the tolerance have.

    Of a group's n decisions, each counted with probability p, E has the mean (p t/q + (1-p) (1-t)/(1-q))^n.
    It rises or falls with p, so that it is largest at an end of the band; its logarithm is concave in x.
    """
    rise, start = t / q - (1 - t) / (1 - q), (1 - t) / (1 - q)
    low, high = 1e-15, 1 - 1e-15
    for _ in range(4):
        x = np.linspace(low, high, 2001)[:, None]
        p = np.where(rise > 0, np.minimum(ends(band, x)[1], 1), np.maximum(ends(band, x)[0], 0))
        if band.reference is not None:
            p[:, [band.reference]] = x
        means = (n * np.log(start + rise * p)).sum(1)
        best = int(means.argmax())
        low, high = x[max(best - 1, 0), 0], x[min(best + 1, 2000), 0]
    return float(means.max())


@every_band
def test_the_mean_of_an_e_value_is_at_most_one_under_every_null(band: Band) -> None:
    rng = np.random.default_rng(3)
    for n_groups in (2, 3, 7):
        t, n = random_forecasts(rng, 15, n_groups)
        for forecast, size, q in zip(t, n, project(t, n, band), strict=True):
            assert largest_mean(forecast, q, size, band) <= 1e-9


@every_band
def test_the_mean_over_all_outcomes_is_at_most_one(band: Band) -> None:
    rng = np.random.default_rng(4)
    for _ in range(4):
        t, n = rng.beta(1, 1, 3).clip(0.01, 0.99), rng.integers(0, 4, 3)
        outcomes = np.array(list(itertools.product(*(range(size + 1) for size in n))), dtype=float)
        e_values = np.exp(log_ratios(outcomes, n.astype(float), t, band))
        for x in np.linspace(0.01, 0.99, 33):
            low, high = (float(np.clip(end, 0, 1)) for end in ends(band, x))
            corners = [(low, high) if group != band.reference else (x,) for group in range(3)]
            for p in itertools.product(*corners):
                chances = binom.pmf(outcomes, n, p).prod(1)
                assert chances @ e_values <= 1 + 1e-9


def test_a_batch_that_betrays_the_tolerance_is_evidence() -> None:
    band, t, n = Band(Bound(ratio=0.8)), np.array([0.5, 0.3]), np.array([100.0, 100.0])
    assert log_ratios(np.array([50.0, 30.0]), n, t, band) > 0
    assert log_ratios(np.array([50.0, 45.0]), n, t, band) < 0
    # By hand: (x, .8 x) is nearest at the smaller root of 1.6 x^2 - 2.5 x + .8.
    x = (2.5 - np.sqrt(2.5**2 - 4 * 1.6 * 0.8)) / 3.2
    by_hand = 50 * np.log(0.5 / x) + 50 * np.log(0.5 / (1 - x)) + 30 * np.log(0.3 / (0.8 * x))
    by_hand += 70 * np.log(0.7 / (1 - 0.8 * x))
    assert log_ratios(np.array([50.0, 30.0]), n, t, band) == pytest.approx(by_hand, abs=1e-10)


# forecasts, products and sums


def naive_forecasts(part: Any, size: Any) -> Any:
    """Return the forecasts of every batch by plain loops, of shape (n_batches, n_forecasts, n_groups)."""
    told = np.empty((len(part), len(FORECASTS), part.shape[1]))
    for f, (memory, shrinkage) in enumerate(FORECASTS):
        counted, seen = [0.0] * part.shape[1], [0.0] * part.shape[1]
        for batch in range(len(part)):
            pool = (sum(counted) + 0.5) / (sum(seen) + 1)
            for g in range(part.shape[1]):
                told[batch, f, g] = (counted[g] + shrinkage * pool) / (seen[g] + shrinkage)
            counted = [memory * c + k for c, k in zip(counted, part[batch], strict=True)]
            seen = [memory * s + n for s, n in zip(seen, size[batch], strict=True)]
    return told


def counts(
    rates: Any, sizes: Any, n_batches: int, seed: int = 0, n_strata: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return k of n decisions, both of shape (n_batches, n_strata, n_groups), of Poisson sizes."""
    rng = np.random.default_rng(seed)
    size = rng.poisson(sizes, (n_batches, n_strata, len(np.atleast_1d(sizes))))
    return rng.binomial(size, rates).astype(float), size.astype(float)


def test_memories_and_shrinkage() -> None:
    # What the benchmarks were measured with: docs and states of monitors rely on them.
    assert MEMORIES == (1.0, 0.98, 0.9)
    assert SHRINKAGE == (4.0, 40.0)


def test_products_and_sums_are_those_of_plain_loops() -> None:
    part, size = counts([0.6, 0.3, 0.5], [20, 10, 3], 12)
    band, process = Band(Bound(ratio=0.8)), EProcess(Band(Bound(ratio=0.8)), (1, 1, 3))
    told = naive_forecasts(part[:, 0], size[:, 0])
    products, sums = [1.0] * 6, [0.0] * 6
    assert process.log_e_value == 0
    assert process.log_change_value == -np.inf
    for k, n, forecasts in zip(part, size, told, strict=True):
        process.update(k[None], n[None])
        for f, t in enumerate(forecasts):
            q = project(t, n[0], band)
            e_value = np.prod((t / q) ** k[0] * ((1 - t) / (1 - q)) ** (n[0] - k[0]))
            products[f], sums[f] = products[f] * e_value, (sums[f] + 1) * e_value
        assert process.log_e_value == pytest.approx(np.log(np.mean(products)), abs=1e-9)
        assert process.log_change_value == pytest.approx(np.log(np.mean(sums)), abs=1e-9)
    assert process.log_e_value > 1


def test_strata_are_multiplied_and_rates_averaged() -> None:
    band = Band(Bound(difference=0.1))
    tables = [counts([0.6, 0.3], [20, 10], 15, seed, n_strata=3) for seed in (0, 1)]
    process = EProcess(band, (2, 3, 2))
    alone = [[EProcess(band, (1, 1, 2)) for _ in range(3)] for _ in range(2)]
    for batch in range(15):
        process.update(*(np.stack([table[i][batch] for table in tables]) for i in (0, 1)))
        for (part, size), strata in zip(tables, alone, strict=True):
            for stratum, one in enumerate(strata):
                one.update(part[batch, None, [stratum]], size[batch, None, [stratum]])
    products = [np.sum([one.log_products[0] for one in strata], 0) for strata in alone]
    assert process.log_e_value == pytest.approx(np.log(np.mean(np.exp(products))))


def test_runs_do_not_touch_each_other() -> None:
    band = Band(Bound(ratio=0.8))
    tables = [counts([0.6, 0.3], [20, 10], 8, seed) for seed in (0, 1, 2)]
    together = EProcess(band, (3, 1, 1, 2))
    for batch in range(8):
        together.update(*(np.stack([table[i][batch][None] for table in tables]) for i in (0, 1)))
    for run, (part, size) in enumerate(tables):
        alone = EProcess(band, (1, 1, 2))
        for k, n in zip(part, size, strict=True):
            alone.update(k[None], n[None])
        assert together.log_e_value[run] == pytest.approx(float(alone.log_e_value), abs=1e-12)


@every_band
def test_groups_and_strata_that_appear_later_had_no_decisions_before(band: Band) -> None:
    part, size = counts([0.6, 0.3, 0.1, 0.4, 0.4], [20, 10, 10, 4, 1], 10, n_strata=2)
    part[:5, :, 2:] = size[:5, :, 2:] = 0
    part[:5, 1] = size[:5, 1] = 0
    known, grown = EProcess(band, (1, 2, 5)), EProcess(band, (1, 1, 2))
    for batch, (k, n) in enumerate(zip(part, size, strict=True)):
        if batch == 5:
            grown.grow(2, 5)
        seen = (slice(None), slice(0, 1), slice(0, 2)) if batch < 5 else ...
        known.update(k[None], n[None])
        grown.update(k[None][seen], n[None][seen])
    assert grown.log_products == pytest.approx(known.log_products, abs=1e-12)
    assert np.isfinite(known.log_products).all()


def test_what_was_seen_before_is_no_evidence_and_warms_forecasts() -> None:
    band = Band(Bound(ratio=0.8))
    cold, warm = EProcess(band, (1, 1, 2)), EProcess(band, (1, 1, 2))
    warm.learn(np.array([[[500.0, 300.0]]]), np.array([[[1000.0, 1000.0]]]))
    assert warm.log_e_value == 0
    batch = np.array([[[50.0, 30.0]]]), np.array([[[100.0, 100.0]]])
    cold.update(*batch)
    warm.update(*batch)
    assert cold.log_e_value == 0  # of a first batch nothing was forecast but one rate for all
    assert warm.log_e_value > 0.5


@pytest.mark.parametrize(("rates", "alarms"), [((0.5, 0.4), False), ((0.5, 0.25), True)])
def test_alarms_at_the_limit_of_the_tolerance_and_far_beyond(rates: Any, alarms: bool) -> None:
    rng, runs = np.random.default_rng(5), 150
    process, largest = EProcess(Band(Bound(ratio=0.8)), (runs, 1, 1, 2)), np.zeros(runs)
    size = np.broadcast_to([70.0, 30.0], (runs, 1, 1, 2))
    for _ in range(80):
        process.update(rng.binomial(size.astype(int), rates).astype(float), size)
        largest = np.maximum(largest, process.log_e_value)
    share = np.mean(largest >= np.log(20))
    assert share == 1 if alarms else share <= 0.05


# evidence of two groups


def nearest_on_line(t: Any, n: Any, value: Any, comparison: str) -> Any:
    """Return the least divergence of rates of that effect from forecasts, found by golden section.

    Along the line the divergence is convex. All arguments broadcast; the last axis of t and n is the groups.
    """
    low = np.maximum(0.0, -value) if comparison == "difference" else 0.0 * value
    high = np.minimum(1.0, 1 - value) if comparison == "difference" else np.minimum(1.0, 1 / value)
    shape = np.broadcast_shapes(t.shape[:-1], n.shape[:-1], np.shape(value))
    low, high = np.broadcast_to(low, shape) + 1e-15, np.broadcast_to(high, shape) - 1e-15
    shrink = (np.sqrt(5) - 1) / 2

    def at(x: Any) -> Any:
        first = value * x if comparison == "ratio" else x + value
        return divergence(t, np.stack([first, x], -1).clip(1e-300, 1 - 1e-16), n)

    for _ in range(90):
        left, right = high - shrink * (high - low), low + shrink * (high - low)
        is_left = at(left) < at(right)
        low, high = np.where(is_left, low, left), np.where(is_left, right, high)
    return at((low + high) / 2)


@pytest.mark.parametrize("comparison", ["ratio", "difference"])
def test_no_rates_of_that_effect_are_nearer(comparison: Any) -> None:
    rng = np.random.default_rng(6)
    # Pairs of groups whose forecasts are made of their counts: some rates near 0, some near 1.
    rates = np.concatenate(
        [rng.beta(0.5, 0.5, (40, 2)), rng.uniform(0, 0.01, (20, 2)), 1 - rng.uniform(0, 0.01, (20, 2))]
    )
    size = rng.integers(1, 5000, (1, 1, 160)).astype(float)
    part = rng.binomial(size.astype(int), rates.ravel()).astype(float)
    batches = Batches(part, size, comparison, prior=(part[0], size[0]))
    pairs = np.arange(160).reshape(80, 2)
    two = batches.pairs(pairs)
    t = np.stack(two._t, -1)[0, 0]
    n = size[0, 0][pairs][:, None]
    values = (
        [0.01, 0.5, 0.8, 1.0, 1.25, 3.0, 90.0]
        if comparison == "ratio"
        else [-0.9, -0.1, 0.0, 0.003, 0.5, 0.97]
    )
    for value in values:
        q = np.stack(two._on_line(value), -1)[0, 0]
        assert ((q > 0) & (q < 1)).all()
        nearest = nearest_on_line(t, n, np.array(value), comparison)
        assert (divergence(t, q, n) <= nearest * (1 + 1e-9) + 1e-9).all()


@pytest.mark.parametrize("comparison", ["ratio", "difference"])
def test_one_sided_e_values_have_a_mean_of_at_most_one(comparison: Any) -> None:
    rng = np.random.default_rng(7)
    size = rng.integers(1, 6, (1, 1, 20)).astype(float)
    before = rng.integers(0, 50, (1, 20)).astype(float), np.full((1, 20), 50.0)
    pairs, values = (
        np.arange(20).reshape(10, 2),
        [0.2, 0.8, 1.0, 2.5] if comparison == "ratio" else [-0.4, 0.0, 0.2],
    )
    p2 = np.linspace(0.001, 0.999, 199)
    for pair, value in itertools.product(pairs, values):
        n = size[0, 0, pair]
        line = value * p2 if comparison == "ratio" else p2 + value
        outcomes = list(itertools.product(range(int(n[0]) + 1), range(int(n[1]) + 1)))
        parts = np.array(outcomes, dtype=float)[:, None]
        e_values = [np.empty((len(outcomes), 6)) for _ in range(2)]
        for i, part in enumerate(parts):
            batches = Batches(part[None], n[None, None], comparison, (before[0][:, pair], before[1][:, pair]))
            for null, ratios in enumerate(batches.pairs(np.array([[0, 1]])).evidence(value)):
                e_values[null][i] = np.exp(ratios[0, 0, 0])
        chance2 = binom.pmf(parts[:, 0, [1]], n[1], p2)
        for null, furthest in enumerate(
            (np.zeros_like(p2), np.ones_like(p2))
        ):  # p1 = line, or further within
            for p1 in (line, (line + furthest) / 2, furthest):
                possible = (line > 0) & (line < 1)
                chances = binom.pmf(parts[:, 0, [0]], n[0], p1.clip(0, 1)) * chance2
                assert (e_values[null].T @ chances[:, possible]).max() <= 1 + 1e-9


@either_bound
def test_evidence_of_a_pair_is_that_of_a_monitor_of_two_groups(bound: Bound) -> None:
    part, size = counts([0.6, 0.3, 0.5, 0.05], [20, 10, 3, 1], 40, n_strata=2)
    pairs = np.array([[0, 1], [2, 0], [3, 2]])
    ratios = Batches(part, size, bound.comparison).pairs(pairs).evidence_against(*limits(bound))
    logs = ratios.sum(1).cumsum(0)
    process = EProcess(Band(bound), (3, 1, 2, 2))
    for batch, (k, n) in enumerate(zip(part, size, strict=True)):
        process.update(*(np.moveaxis(table[:, pairs], 1, 0)[:, None] for table in (k, n)))
        assert logs[batch] == pytest.approx(process.log_products[:, 0], abs=1e-9)


# confidence sequences


def sequence(part: Any, size: Any, bound: Bound, confidence: float = 0.95, **more: Any) -> ConfidenceSequence:
    batches = [f"day {day}" for day in range(len(part))]
    told: dict[str, Any] = {"rate": RATE, "groups": ("b", "a"), "batches": batches, **more}
    return pair_sequence(part, size, bound=bound, confidence=confidence, **told)


def naive_survivors(part: Any, size: Any, values: Any, bound: Bound, confidence: float) -> Any:
    """Return which values neither of whose nulls is refuted after each batch, by loops over batches."""
    logs, is_left = np.zeros((2, len(FORECASTS), len(values))), []
    told = [naive_forecasts(part[:, s], size[:, s]) for s in range(part.shape[1])]
    seen = np.zeros((len(FORECASTS), part.shape[1], 2))
    alive = np.ones(len(values), bool)
    for batch in range(len(part)):
        for s, (f, (memory, _)) in itertools.product(range(part.shape[1]), enumerate(FORECASTS)):
            k, n, t = part[batch, s], size[batch, s], told[s][batch, f]
            if (n > 0).all() and (seen[f, s] >= n).all():
                # log E = log likelihood of t - that of the nearest q: found as rates, to weigh k by them.
                q = golden_rates(t, n, values, bound.comparison)
                ratio = (k * np.log(t / q) + (n - k) * np.log((1 - t) / (1 - q))).sum(-1)
                beyond = t[0] > values * t[1] if bound.comparison == "ratio" else t[0] > t[1] + values
                logs[0, f] += np.where(beyond, ratio, 0)
                logs[1, f] += np.where(beyond, 0, ratio)
            seen[f, s] = memory * seen[f, s] + n
        alive &= (np.exp(np.minimum(logs, 700)).mean(1) < 2 / (1 - confidence)).all(0)
        is_left.append(alive.copy())
    return np.array(is_left)


def golden_rates(t: Any, n: Any, values: Any, comparison: str) -> Any:
    """Return the rates of each effect nearest to a forecast, by bisection on the sign of a small step."""
    low = np.maximum(0.0, -values) if comparison == "difference" else np.zeros(len(values))
    high = np.minimum(1.0, 1 - values) if comparison == "difference" else np.minimum(1.0, 1 / values)
    for _ in range(60):
        x = (low + high) / 2
        first, speed = (values * x, values) if comparison == "ratio" else (x + values, 1.0)
        pull = n[0] * speed * (first - t[0]) / (first * (1 - first)) + n[1] * (x - t[1]) / (x * (1 - x))
        low, high = np.where(pull < 0, x, low), np.where(pull < 0, high, x)
    return np.stack([first, x], -1)


@pytest.mark.parametrize(
    ("bound", "rates", "sizes", "n_strata"),
    [
        (Bound(ratio=0.8), [0.4, 0.5], [60, 140], 1),
        (Bound(difference=0.1), [0.4, 0.5], [60, 140], 1),
        (Bound(ratio=0.9), [0.02, 0.6], [30, 3], 1),
        (Bound(ratio=0.8), [0.5, 0.4], [20, 40], 2),
        (Bound(difference=0.3), [0.98, 0.1], [30, 30], 2),
    ],
    ids=str,
)
def test_limits_are_those_of_loops_over_values(bound: Bound, rates: Any, sizes: Any, n_strata: int) -> None:
    part, size = counts(rates, sizes, 25, n_strata=n_strata)
    size[3, 0, 0] = part[3, 0, 0] = 0  # a batch without one of the groups
    values = np.geomspace(1 / 40, 40, 300) if bound.comparison == "ratio" else np.linspace(-0.99, 0.99, 300)
    found = sequence(part, size, bound)
    is_left = naive_survivors(part, size, values, bound, 0.95)
    scale = np.log2 if bound.comparison == "ratio" else np.asarray
    spacing = np.diff(scale(values)).max()
    for low, high, alive in zip(found.low, found.high, is_left, strict=True):
        assert (values[alive] >= low).all()
        assert (values[alive] <= high).all()
        if alive[0] or alive[-1]:  # open ends
            continue
        width = float(scale(high) - scale(low))
        first, last = scale(values[alive])[[0, -1]]
        assert 0 <= first - scale(low) <= PRECISION * width + spacing
        assert 0 <= scale(high) - last <= PRECISION * width + spacing
    assert found.low[-1] < estimate(part.sum(0), size.sum(0), bound.comparison) < found.high[-1]


def test_limits_far_from_the_tolerance_are_not_cut() -> None:
    part, size = counts([0.9, 0.002], [100, 2000], 30)
    ratio = sequence(part, size, Bound(ratio=0.8))
    assert ratio.low[-1] > 100
    assert ratio.low[-1] < ratio.estimate[-1] < ratio.high[-1] < 2000
    assert ratio.outcome == "FAIL"
    gap = sequence(part, size, Bound(difference=0.05))
    assert 0.8 < gap.low[-1] < gap.high[-1] < 0.95


def test_of_nothing_nothing_is_known() -> None:
    part = size = np.zeros((3, 1, 2))
    assert sequence(part, size, Bound(ratio=0.8)).low.tolist() == [0, 0, 0]
    assert sequence(part, size, Bound(ratio=0.8)).high.tolist() == [np.inf] * 3
    assert sequence(part, size, Bound(difference=0.1)).low.tolist() == [-1, -1, -1]
    assert np.isnan(sequence(part, size, Bound(difference=0.1)).estimate).all()
    none = sequence(part[:0], size[:0], Bound(ratio=0.8), batches=())
    assert none.outcome == "INCONCLUSIVE"
    assert none.changed is None
    one_group = sequence(*counts([0.5, 0.5], [100, 0], 10), Bound(ratio=0.8))
    assert (one_group.low[-1], one_group.high[-1]) == (0, np.inf)


@either_bound
def test_limits_only_close_in_and_turn_with_the_groups(bound: Bound) -> None:
    part, size = counts([0.4, 0.5], [60, 140], 30)
    found, turned = sequence(part, size, bound), sequence(part[..., ::-1], size[..., ::-1], bound)
    assert (found.low[1:] >= found.low[:-1]).all()
    assert (found.high[1:] <= found.high[:-1]).all()
    if bound.comparison == "ratio":
        with np.errstate(divide="ignore"):
            assert turned.low == pytest.approx(1 / found.high)
    else:
        assert turned.low == pytest.approx(-found.high)
    assert found.estimate[-1] == pytest.approx(
        part[:, 0, 0].sum() / size[:, 0, 0].sum() / (part[:, 0, 1].sum() / size[:, 0, 1].sum())
        if bound.comparison == "ratio"
        else part[:, 0, 0].sum() / size[:, 0, 0].sum() - part[:, 0, 1].sum() / size[:, 0, 1].sum()
    )


@either_bound
def test_a_finer_grid_moves_no_limit_by_more_than_its_precision(bound: Bound, monkeypatch: Any) -> None:
    part, size = counts([0.4, 0.5], [60, 140], 20)
    found = sequence(part, size, bound)
    monkeypatch.setattr(_confidence_sequence, "PRECISION", PRECISION / 20)
    finer = sequence(part, size, bound)
    scale = np.log2 if bound.comparison == "ratio" else np.asarray
    closed = np.isfinite(found.high) & (found.low > (0 if bound.comparison == "ratio" else -1))
    width = scale(found.high[closed]) - scale(found.low[closed])
    assert closed.sum() > 15
    for ours, limit in ((found.low, finer.low), (-found.high, -finer.high)):
        moved = np.abs(scale(np.abs(limit[closed])) - scale(np.abs(ours[closed])))
        assert (limit[closed] >= ours[closed] - 1e-12).all()
        assert (moved <= PRECISION * width * 1.1).all()


def test_a_value_that_changes_fits_no_limits() -> None:
    before, after = counts([0.5, 0.5], [200, 200], 30), counts([0.3, 0.5], [200, 200], 30, seed=1)
    part, size = (np.concatenate(tables) for tables in zip(before, after, strict=True))
    found = sequence(part, size, Bound(ratio=0.8))
    assert found.outcome == "CHANGED"
    assert np.isnan(found.low[-1])
    assert np.isnan(found.high[-1])
    assert 30 < int(str(found.changed).removeprefix("day ")) < 45
    assert "Since batch day" in str(found)
    fair = sequence(*before, Bound(ratio=0.8))
    assert (fair.changed, fair.outcome) == (None, "PASS")


def test_a_sequence_is_a_result() -> None:
    found = sequence(*counts([0.35, 0.5], [60, 140], 40), Bound(ratio=0.8), groups=("b", ("a", 1)))
    record = json.loads(json.dumps(found.to_dict()))
    assert record["outcome"] == found.outcome
    assert record["groups"] == ["b", ["a", 1]]
    assert (record["low"][0], record["high"][0]) == (0, "inf")
    assert len(found.frame("pandas")) == 40
    text = str(found)
    assert "selection_rate: b / a & 1" in text
    assert "day 39" in text  # the latest batches are shown
    assert "day 20" not in text
    assert "... and 30 more lines" in text


def test_earlier_counts_warm_the_forecasts_of_a_sequence() -> None:
    part, size = counts([0.4, 0.5], [60, 140], 8)
    cold = sequence(part, size, Bound(ratio=0.8))
    warm = sequence(part, size, Bound(ratio=0.8), prior=(np.array([[400.0, 500.0]]), np.full((1, 2), 1000.0)))
    assert cold.low[0] == 0  # nothing was forecast, so nothing was bet
    assert warm.low[0] > 0
    assert warm.high[-1] / warm.low[-1] < cold.high[-1] / cold.low[-1]


# pairs of groups


def compare(part: Any, size: Any, bound: Bound = FOUR_FIFTHS, alpha: float = 0.05, **more: Any) -> Any:
    groups = [f"g{g}" for g in range(part.shape[-1])]
    return compare_pairs(part, size, rate=RATE, groups=groups, bound=bound, alpha=alpha, **more)


def test_pairs_with_evidence_of_their_own_are_named() -> None:
    part, size = counts([0.5, 0.5, 0.2], [100, 60, 60], 30)
    found = compare(part, size)
    assert found.n_pairs == 3
    assert {groups for groups, is_named in zip(found.groups, found.named, strict=True) if is_named} == {
        ("g2", "g0"),
        ("g2", "g1"),
    }
    assert found.furthest in (("g2", "g0"), ("g2", "g1"))
    processes = {}
    for group, other in found.groups:
        pair = [int(group[1:]), int(other[1:])]
        process, largest = EProcess(Band(Bound(ratio=0.8)), (1, 1, 2)), 0.0
        for k, n in zip(part, size, strict=True):
            process.update(k[None][..., pair], n[None][..., pair])
            largest = max(largest, float(process.log_e_value))
        processes[group, other] = float(process.log_e_value), largest
    for line, groups in enumerate(found.groups):
        now, largest = processes[groups]
        assert found.log_e_values[line] == pytest.approx(now, abs=1e-9)
        assert found.p_values[line] == pytest.approx(min(1, 3 * np.exp(-largest)))
        assert found.named[line] == (largest >= np.log(3 / 0.05))
    assert (np.diff(found.log_e_values) <= 0).all()
    total = part.sum((0, 1)) / size.sum((0, 1))
    assert found.rates == pytest.approx([total[int(g[1:])] for g, _ in found.groups])
    assert found.other_rates == pytest.approx([total[int(g[1:])] for _, g in found.groups])
    assert found.values == pytest.approx(found.rates / found.other_rates)
    assert (found.values <= 1).all()


def test_naming_asks_for_more_the_more_pairs_and_rates_there_are() -> None:
    part, size = counts([0.5, 0.3], [70, 30], 20)
    alone, one_of_many = compare(part, size), compare(part, size, n_rates=1000)
    assert alone.named.all()
    assert not one_of_many.named.any()
    assert one_of_many.n_pairs == 1000
    assert one_of_many.p_values == pytest.approx(np.minimum(1, 1000 * alone.p_values))
    assert "Furthest apart by estimate: g1 and g0" in str(one_of_many)
    assert "Furthest" not in str(alone)


def test_of_many_pairs_few_are_followed_and_all_are_counted(monkeypatch: Any) -> None:
    part, size = counts([0.5] * 7 + [0.2], [40] * 8, 20)
    everything = compare(part, size)
    monkeypatch.setattr(_pairs, "MOST_PAIRS", 4)
    few = compare(part, size)
    assert (len(everything), len(few)) == (28, 4)
    assert few.n_pairs == everything.n_pairs == 28
    assert all("g7" in groups for groups in few.groups)
    assert few.furthest == everything.furthest
    assert few.furthest in few.groups
    again = dict(zip(everything.groups, everything.p_values, strict=True))
    assert few.p_values == pytest.approx([again[groups] for groups in few.groups])


@either_bound
def test_with_a_reference_all_are_compared_with_it(bound: Bound) -> None:
    part, size = counts([0.5, 0.4, 0.6], [100, 60, 60], 20)
    found = compare(part, size, bound, reference=1)
    assert set(found.groups) == {("g0", "g1"), ("g2", "g1")}
    assert found.n_pairs == 2
    assert (found.values > (1 if bound.comparison == "ratio" else 0)).all()


def test_pairs_of_few_groups_and_of_unknown_rates() -> None:
    one = compare(*counts([0.5], [10], 5))
    assert (len(one), one.furthest) == (0, None)
    assert "no two groups" in str(one)
    unknown = compare(*counts([0.5, 0.5], [10, 0], 5))
    assert unknown.furthest is None
    assert unknown.log_e_values.tolist() == [0]
    assert np.isnan(unknown.values).all()
    nothing = compare(np.zeros((0, 1, 3)), np.zeros((0, 1, 3)))
    assert nothing.p_values.tolist() == [1, 1, 1]
    assert len(compare(np.zeros((0, 1, 0)), np.zeros((0, 1, 0)))) == 0
    never = compare(*(np.array([[[0, 10]] * 1] * 3), np.array([[[20, 20]]] * 3)))
    assert never.values.tolist() == [0]
    assert never.furthest == ("g0", "g1")


def test_strata_count_together() -> None:
    # By hand: 0.2 x 0.5 and 0.6 x 0.5 in both strata of equal weight; pooled, sizes would hide it.
    part = np.array([[[10.0, 40.0], [54.0, 12.0]]])
    size = np.array([[[100.0, 200.0], [180.0, 20.0]]])
    assert estimate(part, size, "ratio") == pytest.approx(
        (10 * 200 / 300 + 54 * 20 / 200) / (40 * 100 / 300 + 12 * 180 / 200)
    )
    assert estimate(part, size, "difference") == pytest.approx(
        (100 * 200 / 300 * (0.1 - 0.2) + 180 * 20 / 200 * (0.3 - 0.6)) / (100 * 200 / 300 + 180 * 20 / 200)
    )
    assert part.sum((0, 1)) == pytest.approx([64, 52])
    assert compare(part, size).values == pytest.approx([0.5])


def test_pairs_are_a_result() -> None:
    found = compare(*counts([0.5, 0.5, 0.2], [100, 60, 60], 30))
    record = json.loads(json.dumps(found.to_dict()))
    assert record["n_pairs"] == 3
    assert sum(record["named"]) == 2
    assert found.frame("pandas")["group"].tolist()[0] == "g2"
    assert "A pair is named if its own log e-value reached 4.1, that of 3 pairs / 0.05" in str(found)


# all pairs within the tolerance


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    n_groups=st.integers(2, 4),
    spread=st.sampled_from([0.0, 0.05, 0.3]),
    size=st.sampled_from([20, 200]),
    bound=st.sampled_from([Bound(ratio=0.7), Bound(difference=0.2)]),
    with_reference=st.booleans(),
)
def test_all_pass_where_every_sequence_lies_within(
    seed: int, n_groups: int, spread: float, size: int, bound: Bound, with_reference: bool
) -> None:
    rng = np.random.default_rng(seed)
    rates = 0.6 - spread * rng.random(n_groups)
    part, sizes = counts(rates, [size] * n_groups, 12, seed)
    pairs = [pair for pair in itertools.combinations(range(n_groups), 2) if not with_reference or 0 in pair]
    outcomes = {sequence(part[..., pair], sizes[..., pair], bound, 0.9).outcome for pair in pairs}
    reference = 0 if with_reference else None
    within = all_pairs_within(part, sizes, bound=bound, alpha=0.1, reference=reference)
    assert within == (outcomes == {"PASS"})


def test_many_pairs_are_asked_in_parts(monkeypatch: Any) -> None:
    part, size = counts([0.5] * 12, [50] * 12, 40)
    low = counts([0.5] * 11 + [0.35], [50] * 12, 40)
    for asked, batches in ((1, 1), (7, 3), (1000, 32)):
        monkeypatch.setattr(_pairs, "_THEN_ASKED", asked)
        monkeypatch.setattr(_pairs, "_BATCHES_AT_ONCE", batches)
        assert all_pairs_within(part, size, bound=Bound(ratio=0.7), alpha=0.05)
        assert not all_pairs_within(part[:4], size[:4], bound=Bound(ratio=0.7), alpha=0.05)
        assert not all_pairs_within(*low, bound=Bound(ratio=0.8), alpha=0.05)


def test_nothing_passes_unseen() -> None:
    bound = Bound(ratio=0.8)
    assert not all_pairs_within(*counts([0.5], [1000], 30), bound=bound, alpha=0.05)
    assert not all_pairs_within(*counts([0.5] * 3, [1000, 1000, 0], 30), bound=bound, alpha=0.05)
    assert not all_pairs_within(np.zeros((0, 1, 2)), np.zeros((0, 1, 2)), bound=bound, alpha=0.05)
    assert all_pairs_within(*counts([0.5] * 2, [1000, 1000], 30), bound=bound, alpha=0.05)


def test_a_large_stratum_does_not_speak_for_a_small_one() -> None:
    bound = Bound(ratio=0.8)
    large, small = counts([0.5, 0.5], [1000, 1000], 30), counts([0.5, 0.25], [30, 30], 30, 1)
    part, size = (np.concatenate(tables, 1) for tables in zip(large, small, strict=True))
    assert all_pairs_within(*large, bound=bound, alpha=0.05)
    assert not all_pairs_within(part, size, bound=bound, alpha=0.05)


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), n_strata=st.integers(2, 3), with_reference=st.booleans())
def test_all_pass_where_they_do_in_each_stratum(seed: int, n_strata: int, with_reference: bool) -> None:
    rng, reference = np.random.default_rng(seed), 0 if with_reference else None
    more: dict[str, Any] = {"bound": Bound(difference=0.2), "alpha": 0.1, "reference": reference}
    strata = [counts(0.6 - 0.05 * rng.random(3), [150] * 3, 12, seed + s) for s in range(n_strata)]
    prior = rng.integers(0, 9, (n_strata, 3)).astype(float)
    told = [
        all_pairs_within(*stratum, prior=(prior[[s]], prior[[s]] + 9), **more)
        for s, stratum in enumerate(strata)
    ]
    part, size = (np.concatenate(tables, 1) for tables in zip(*strata, strict=True))
    assert all_pairs_within(part, size, prior=(prior, prior + 9), **more) == all(told)


def test_a_stratum_without_one_of_two_groups_has_nothing_to_compare() -> None:
    bound = Bound(ratio=0.8)
    both, one = counts([0.5, 0.5], [1000, 1000], 30), counts([0.5, 0.5], [1000, 0], 30)
    part, size = (np.concatenate(tables, 1) for tables in zip(both, one, strict=True))
    assert all_pairs_within(part, size, bound=bound, alpha=0.05)
    assert not all_pairs_within(*one, bound=bound, alpha=0.05)
