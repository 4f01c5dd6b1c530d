"""False alarms and delays of monitors, beside the rules that dashboards alarm by.

Run: OMP_NUM_THREADS=1 python benchmarks/monitor_alarms.py [--only PART ...] [--runs N] [--batches N]

Parts, each a table beside the bars that it is held to:

- means: the largest mean that an e-value has while the tolerance is kept, over 1,000 random settings of each
  kind of band, and how much nearer than the projection the nearest of a grid is.
- nulls: how often the test ever alarms, and the change detector, while the tolerance is kept.
- delays: batches until both alarm, where it is not.
- peers: on the same streams, common rules for batches.
- sequences: how often the confidence sequence of two groups ever misses.
- broken: what breaks the promise: decisions that are copies of each other.

Batches are of 70 and 30 decisions unless others are named, the tolerance is min_ratio=0.8, alpha = .05, and
1,000 batches lie between two false alarms of the change detector.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from fairsk._core.bounds import Bound
from fairsk.monitoring._evidence.bands import Band, project
from fairsk.monitoring._evidence.confidence_sequence import pair_sequence
from fairsk.monitoring._evidence.e_process import EProcess
from fairsk.rates import get_rate

FOUR_FIFTHS = Bound(ratio=0.8)
ALPHA, BETWEEN = 0.05, 1000
TWO, FIVE, TWENTY = (70, 30), (50, 30, 10, 6, 4), (10,) * 20
Rates = Callable[[int], Any]


def constant(*rates: float) -> Rates:
    """Return rates that stay."""
    return lambda batch: np.array(rates)


def shift(before: tuple[float, ...], after: tuple[float, ...], at: int = 180) -> Rates:
    """Return rates that change at a batch."""
    return lambda batch: np.array(before if batch < at else after)


def drift(ratio: float) -> Rates:
    """Return rates that move between .1 and .8 together."""
    return lambda batch: (0.45 + 0.35 * np.sin(2 * np.pi * batch / 60)) * np.array([1, ratio])


@dataclass(frozen=True)
class Setting:
    """A stream of batches, and in how many batches both alarms should come."""

    name: str
    rates: Rates
    sizes: tuple[int, ...] = TWO
    poisson: bool = False
    begins: int = 0
    test_bar: int | None = None
    change_bar: int | None = None
    prior: tuple[Any, Any] | None = None
    copies: int = 1


NULLS = (
    Setting("parity .3/.3", constant(0.3, 0.3)),
    Setting("boundary .5/.4", constant(0.5, 0.4)),
    Setting("boundary .05/.04", constant(0.05, 0.04)),
    Setting("common rate drifts .1 to .8, ratio .8", drift(0.8)),
    Setting("common rate drifts .1 to .8, parity", drift(1.0)),
    Setting("boundary .5/.4, batches of 10,000", constant(0.5, 0.4), (7000, 3000)),
    Setting("5 groups, parity .3", constant(*[0.3] * 5), FIVE),
    Setting("5 groups at the boundary, the smallest low", constant(0.5, 0.5, 0.5, 0.5, 0.4), FIVE),
    Setting("5 groups at the boundary, three low", constant(0.5, 0.4, 0.5, 0.4, 0.4), FIVE),
    Setting("20 groups of 10, parity .2", constant(*[0.2] * 20), TWENTY),
    Setting("20 groups of 10, half at the boundary", constant(*[0.5, 0.4] * 10), TWENTY),
    Setting("tiny: Poisson 2 + 1, .5/.4", constant(0.5, 0.4), (2, 1), poisson=True),
    Setting(
        "tiny: five of Poisson 1 each, .5 and .4", constant(0.5, 0.4, 0.4, 0.5, 0.4), (1,) * 5, poisson=True
    ),
)
AUDIT = np.array([[1400.0, 600.0]])
ALTERNATIVES = (
    Setting(".5/.35 from the first batch", constant(0.5, 0.35), test_bar=40),
    Setting(".5/.3 from the first batch", constant(0.5, 0.3), test_bar=12),
    Setting(".5/.35, 10 times the volume", constant(0.5, 0.35), (700, 300), test_bar=6),
    Setting(".5/.35, 100 times the volume", constant(0.5, 0.35), (7000, 3000)),
    Setting(
        "after 180 fair batches .5/.35",
        shift((0.5, 0.5), (0.5, 0.35)),
        begins=180,
        test_bar=65,
        change_bar=45,
    ),
    Setting("after 180 fair batches .5/.25", shift((0.5, 0.5), (0.5, 0.25)), begins=180),
    Setting(
        ".5/.35, warm from a true audit of 2,000",
        constant(0.5, 0.35),
        test_bar=25,
        prior=(AUDIT * [0.5, 0.35], AUDIT),
    ),
    Setting(".5/.35, warm from one that was fair", constant(0.5, 0.35), prior=(AUDIT * 0.5, AUDIT)),
    Setting("common rate drifts, ratio .6", drift(0.6)),
    Setting("5 groups, the smallest at .3", constant(0.5, 0.5, 0.5, 0.5, 0.3), FIVE, test_bar=75),
    Setting("5 groups, two at .3", constant(0.5, 0.3, 0.5, 0.3, 0.5), FIVE, test_bar=13),
    Setting("20 groups of 10, one at .25", constant(*[0.5] * 19, 0.25), TWENTY, test_bar=18),
    Setting("20 groups of 10, half at .35", constant(*[0.5, 0.35] * 10), TWENTY, test_bar=38),
    Setting("200 groups of 10, one at .2", constant(*[0.5] * 199, 0.2), (10,) * 200, test_bar=28),
    Setting("tiny: Poisson 2 + 1, .5/.25", constant(0.5, 0.25), (2, 1), poisson=True),
)


def draw(setting: Setting, batch: int, n_runs: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return k of n decisions of a batch, of shape (n_runs, n_groups)."""
    shape = (n_runs, len(setting.sizes))
    size = rng.poisson(setting.sizes, shape) if setting.poisson else np.broadcast_to(setting.sizes, shape)
    people = size // setting.copies  # each with as many decisions, all the same
    return rng.binomial(people, setting.rates(batch)) * setting.copies, people * setting.copies


def first_alarms(setting: Setting, n_runs: int, n_batches: int, seed: int = 1) -> tuple[Any, Any]:
    """Return after how many batches the test and the change detector alarm; infinity if they do not."""
    rng = np.random.default_rng(seed)
    process = EProcess(Band(FOUR_FIFTHS), (n_runs, 1, 1, len(setting.sizes)))
    if setting.prior is not None:
        process.learn(*(table[None, None] for table in setting.prior))
    test, change = np.full((2, n_runs), np.inf)
    for batch in range(n_batches):
        k, n = draw(setting, batch, n_runs, rng)
        process.update(k[:, None, None].astype(float), n[:, None, None].astype(float))
        for first, value, line in (
            (test, process.log_e_value, -np.log(ALPHA)),
            (change, process.log_change_value, np.log(BETWEEN)),
        ):
            first[(value >= line) & np.isinf(first)] = batch + 1
        if np.isfinite(test).all() and np.isfinite(change).all():
            break
    return test, change


def met(is_met: bool) -> str:
    """Write whether a bar is met."""
    return "met" if is_met else "**missed**"


def head(*names: str) -> None:
    """Print the head of a table."""
    print(f"\n| {' | '.join(names)} |\n|{'---|' * len(names)}", flush=True)


def line(*cells: str) -> None:
    """Print a line of a table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def means(options: argparse.Namespace) -> None:
    """Print the largest means of e-values."""
    head("band", "largest mean of E, minus 1", "bar", "nearest of a grid, nearer than the projection by")
    rng = np.random.default_rng(0)
    for comparison in ("ratio", "difference"):
        for reference in (None, 0):
            worst, nearer = -np.inf, -np.inf
            for _ in range(options.settings // 10):
                n_groups = int(rng.integers(2, 9))
                value = rng.choice([rng.uniform(0.05, 1), 0.8, 1.0])
                value = 1 - value if comparison == "difference" else value
                band = Band(Bound(**{comparison: float(value)}), reference)
                t = rng.beta(0.5, 1.5, (10, n_groups)).clip(1e-9, 1 - 1e-9)
                n = rng.choice([0, 1, 2, 10, 100, 1000], (10, n_groups)).astype(float)
                q = project(t, n, band)
                worst = max(worst, np.expm1(largest_means(t, q, n, band)).max())
                nearer = max(nearer, (divergence(t, q, n) - nearest_of_grid(t, n, band)).max())
            name = "min_ratio" if comparison == "ratio" else "max_difference"
            compared = name if reference is None else f"{name}, to a reference"
            line(compared, f"{worst:.1e}", f"<= 1e-9: {met(worst <= 1e-9)}", f"{max(nearer, 0):.1e}")


def band_at(x: Any, band: Band) -> tuple[Any, Any]:
    """Return the ends of a band, of shape (..., 1), within 0 and 1."""
    low, high = band.ends(x)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def largest_means(t: Any, q: Any, n: Any, band: Band) -> Any:
    """Return the logarithm of the largest mean of E that rates which keep the tolerance have, of each line.

    It is the product of (p t/q + (1-p) (1-t)/(1-q))^n over groups: at an end of the band for each x, and its
    logarithm is concave in x.
    """
    rise, start = (t / q - (1 - t) / (1 - q))[:, None], ((1 - t) / (1 - q))[:, None]
    low, high = np.full((len(t), 1), 1e-15), np.full((len(t), 1), 1 - 1e-15)
    for _ in range(4):
        x = low + (high - low) * np.linspace(0, 1, 401)
        ends = band_at(x[..., None], band)
        p = np.where(rise > 0, ends[1], ends[0])
        if band.reference is not None:
            p[..., band.reference] = x
        with np.errstate(divide="ignore"):
            logs = (n[:, None] * np.log(start + rise * p)).sum(-1)
        best = logs.argmax(1)[:, None]
        low, high = (np.take_along_axis(x, np.clip(best + step, 0, 400), 1) for step in (-1, 1))
    return logs.max(1)


def divergence(t: Any, q: Any, n: Any) -> Any:
    """Return the weighted divergence of q from t."""
    return (n * (t * np.log(t / q) + (1 - t) * np.log((1 - t) / (1 - q)))).sum(-1)


def nearest_of_grid(t: Any, n: Any, band: Band) -> Any:
    """Return the least divergence of 4,000 rates of the band."""
    x = np.concatenate([np.geomspace(1e-9, 0.05, 1000), np.linspace(0.05, 1 - 1e-9, 3000)])[:, None]
    least = []
    for forecast, size in zip(t, n, strict=True):
        q = np.clip(forecast, *band_at(x, band)).clip(1e-12, 1 - 1e-12)
        if band.reference is not None:
            q[:, [band.reference]] = x
        least.append(divergence(forecast, q, size).min())
    return np.array(least)


def nulls(options: argparse.Namespace) -> None:
    """Print how often a kept tolerance alarms."""
    allowed = options.batches / BETWEEN
    print(f"\n{options.runs} runs of {options.batches} batches")
    head("the tolerance is kept", "test", "change", f"bars: 5%, {allowed:.1%}")
    for setting in NULLS:
        test, change = (
            np.isfinite(first).mean() for first in first_alarms(setting, options.runs, options.batches)
        )
        line(setting.name, f"{test:.1%}", f"{change:.1%}", met(test <= ALPHA and change <= allowed))
    runs, batches = max(options.runs // 5, 1), 4 * BETWEEN
    _, change = first_alarms(NULLS[1], runs, batches, seed=2)
    mean = np.minimum(change, batches).sum() / max(np.isfinite(change).sum(), 1)
    said = f"mean batches until the change detector alarms, {NULLS[1].name} ({runs} runs of {batches:,})"
    print(f"\n{said}: {mean:,.0f}; bar: >= {BETWEEN:,}: {met(mean >= BETWEEN)}")


def delays(options: argparse.Namespace) -> None:
    """Print how long a broken tolerance takes to be seen."""
    one_sided = (norm.ppf(0.95) + norm.ppf(0.8)) ** 2 * (0.35 * 0.65 / 30 + 0.64 * 0.25 / 70) / 0.05**2
    print(
        f"\n{options.delay_runs} runs of at most {options.batches} batches. A design that looks once, after "
        f"as many batches as were fixed before, needs {one_sided:.0f} for .5/.35 (one-sided, 80% power)"
    )
    head("the tolerance is not kept", "test: median batches (ever)", "change", "bars")
    for setting in ALTERNATIVES:
        test, change = first_alarms(setting, options.delay_runs, options.batches)
        bars = [
            f"{name} <= {bar}: {met(median(first, setting.begins) <= bar)}"
            for name, first, bar in (("test", test, setting.test_bar), ("change", change, setting.change_bar))
            if bar is not None
        ]
        line(
            setting.name, *(delay(first, setting.begins) for first in (test, change)), "; ".join(bars) or "-"
        )


def median(first: Any, begins: int) -> float:
    """Return the median batches from when it begins; alarms before that are none of it."""
    return float(np.quantile(np.where(first > begins, first - begins, np.inf), 0.5, method="higher"))


def delay(first: Any, begins: int) -> str:
    """Write the median delay, and the share of runs with an alarm."""
    middle, share = median(first, begins), np.isfinite(first).mean()
    return f"{middle:.0f} ({share:.0%})" if np.isfinite(middle) else f"- ({share:.0%})"


STREAMS = (
    ("parity .3/.3", constant(0.3, 0.3), True),
    ("parity .5/.5", constant(0.5, 0.5), True),
    ("boundary .5/.4", constant(0.5, 0.4), True),
    ("constant .5/.35", constant(0.5, 0.35), False),
    ("after 180 fair batches .5/.35", shift((0.5, 0.5), (0.5, 0.35)), False),
)


def z_of_parity(k: Any, n: Any) -> Any:
    """Return the z of two equal rates, pooled."""
    pool = k.sum(-1) / n.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (k[..., 1] / n[..., 1] - k[..., 0] / n[..., 0]) / np.sqrt(pool * (1 - pool) * (1 / n).sum(-1))


def z_of_ratio(k: Any, n: Any) -> Any:
    """Return the z of the lower rate against .8 times the higher one, either way; below 0 is beyond."""
    p = k / n
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = p * (1 - p) / n
        return np.minimum(
            (p[..., 1] - 0.8 * p[..., 0]) / np.sqrt(variance[..., 1] + 0.64 * variance[..., 0]),
            (p[..., 0] - 0.8 * p[..., 1]) / np.sqrt(variance[..., 0] + 0.64 * variance[..., 1]),
        )


def ratio(k: Any, n: Any) -> Any:
    """Return the lower rate over the higher."""
    p = k / n
    with np.errstate(invalid="ignore"):
        return p.min(-1) / p.max(-1)


def windows(table: Any, width: int) -> Any:
    """Return sums over the last batches."""
    total = table.cumsum(1)
    total[:, width:] = total[:, width:] - total[:, :-width]
    return total


def peer_rules(k: Any, n: Any) -> dict[str, Any]:
    """Return where each rule alarms, of shape (n_runs, n_batches)."""
    total, week = (k.cumsum(1), n.cumsum(1)), (windows(k, 7), windows(n, 7))
    gap = k[..., 1] / n[..., 1] - k[..., 0] / n[..., 0]
    middle, spread = gap[:, :60].mean(1, keepdims=True), gap[:, :60].std(1, ddof=1, keepdims=True)
    beyond = np.abs(gap - middle) > 3 * spread
    beyond[:, :60] = False
    full_week = np.arange(k.shape[1]) >= 6
    return {
        "ratio of the batch < .8": ratio(k, n) < 0.8,
        "and z of parity beyond 1.96": (ratio(k, n) < 0.8) & (np.abs(z_of_parity(k, n)) > 1.96),
        "z of parity, all so far, beyond 1.96": np.abs(z_of_parity(*total)) > 1.96,
        "z of ratio >= .8, all so far, < -1.645": z_of_ratio(*total) < -1.645,
        "z of ratio >= .8, the last 7, < -1.645": (z_of_ratio(*week) < -1.645) & full_week,
        "gap beyond mean +- 3 sd of the first 60": beyond,
    }


def adwin_alarms(k: Any, n: Any) -> Any:
    """Return where river's ADWIN sees a drift of the gap."""
    from river.drift import ADWIN

    gap, alarms = k[..., 1] / n[..., 1] - k[..., 0] / n[..., 0], np.zeros(k.shape[:2], bool)
    for run, values in enumerate(gap):
        detector = ADWIN()
        for batch, value in enumerate(values):
            detector.update(float(value))
            alarms[run, batch] = detector.drift_detected
    return alarms


def peers(options: argparse.Namespace) -> None:
    """Print how often, and when, common rules alarm on the same streams."""
    runs, batches = options.peer_runs, options.batches
    print(f"\n{runs} runs of {batches} batches: share of runs that ever alarm, and the median batch")
    columns: dict[str, list[str]] = {}
    for place, (name, rates, _) in enumerate(STREAMS):
        setting, rng = Setting(name, rates), np.random.default_rng(10 + place)
        drawn = [draw(setting, batch, runs, rng) for batch in range(batches)]
        k, n = (np.stack([pair[i] for pair in drawn], 1).astype(float) for i in (0, 1))
        process, logs = EProcess(Band(FOUR_FIFTHS), (runs, 1, 1, 2)), []
        for batch in range(batches):
            process.update(k[:, batch, None, None], n[:, batch, None, None])
            logs.append((process.log_e_value, process.log_change_value))
        test, change = (np.stack([pair[i] for pair in logs], 1) for i in (0, 1))
        found = {"**test**": test >= -np.log(ALPHA), "**change detector**": change >= np.log(BETWEEN)}
        found |= peer_rules(k, n)
        if importlib.util.find_spec("river") is not None:
            found["river's ADWIN on the gap"] = adwin_alarms(k, n)
        for rule, alarms in found.items():
            ever, first = alarms.any(1), alarms.argmax(1) + 1
            said = f"{ever.mean():.0%}" + (f", {np.median(first[ever]):.0f}" if ever.any() else "")
            columns.setdefault(rule, []).append(said)
    head("rule", *(f"{name} ({'kept' if kept else 'not kept'})" for name, _, kept in STREAMS))
    for rule, cells in columns.items():
        line(rule, *cells)


SEQUENCES = (
    Setting("boundary .5/.4, 70 + 30", constant(0.5, 0.4)),
    Setting("rare .05/.04, 70 + 30", constant(0.05, 0.04)),
    Setting("parity .3/.3, 70 + 30", constant(0.3, 0.3)),
    Setting("common rate drifts, ratio .8", drift(0.8)),
    Setting("boundary .5/.4, batches of 10,000", constant(0.5, 0.4), (7000, 3000)),
    Setting("tiny: Poisson 2 + 1, .5/.4", constant(0.5, 0.4), (2, 1), poisson=True),
)


def sequences(options: argparse.Namespace) -> None:
    """Print how often confidence sequences ever miss, how wide they are, and how long they take."""
    runs, batches = options.sequence_runs, 150
    print(f"\n{runs} runs of {batches} batches, confidence .95")
    head("stream", "of", "ever missed", "bar", "median limits at the end", "median s")
    rate = get_rate("selection_rate")
    days = list(map(str, range(batches)))
    for setting in SEQUENCES:
        for bound in (FOUR_FIFTHS, Bound(difference=0.1)):
            if bound.comparison == "difference" and setting.name.startswith("common"):
                continue  # it is the ratio that stays
            first, second = setting.rates(7)
            value = second / first if bound.comparison == "ratio" else second - first
            missed, last, seconds, rng = 0, [], [], np.random.default_rng(3)
            for _ in range(runs):
                drawn = [draw(setting, batch, 1, rng) for batch in range(batches)]
                k, n = (np.stack([pair[i] for pair in drawn])[..., ::-1] for i in (0, 1))
                start = time.perf_counter()
                found = pair_sequence(
                    k, n, bound=bound, confidence=0.95, rate=rate, groups=("b", "a"), batches=days
                )
                seconds.append(time.perf_counter() - start)
                missed += not ((found.low <= value) & (value <= found.high)).all()
                last.append((found.low[-1], found.high[-1]))
            low, high = np.median(last, 0)
            share = missed / runs
            line(
                setting.name,
                f"{bound.comparison} {value:g}",
                f"{share:.1%}",
                f"<= 5%: {met(share <= 0.05)}",
                f"{low:.3f} to {high:.3f}",
                f"{np.median(seconds):.3f}",
            )


def broken(options: argparse.Namespace) -> None:
    """Print what decisions that are copies of each other do."""
    head("boundary .5/.4", "test", "change")
    for copies in (1, 2, 5):
        setting = Setting(f"each person decided {copies} times alike", constant(0.5, 0.4), copies=copies)
        found = first_alarms(setting, options.runs, options.batches)
        line(setting.name, *(f"{np.isfinite(first).mean():.1%}" for first in found))


PARTS = {
    "means": means,
    "nulls": nulls,
    "delays": delays,
    "peers": peers,
    "sequences": sequences,
    "broken": broken,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--batches", type=int, default=365)
    parser.add_argument("--delay-runs", type=int, default=200)
    parser.add_argument("--peer-runs", type=int, default=300)
    parser.add_argument("--sequence-runs", type=int, default=180)
    parser.add_argument("--settings", type=int, default=1000)
    options = parser.parse_args()
    for name in options.only:
        start = time.perf_counter()
        PARTS[name](options)
        print(f"\n[{name}: {time.perf_counter() - start:.0f} s]", flush=True)


if __name__ == "__main__":
    main()
