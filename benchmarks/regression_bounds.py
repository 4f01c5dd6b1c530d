"""ConstrainedRegressor: against a frontier in closed form, and wages of Adult beside fairlearn.

Run: OMP_NUM_THREADS=1 python benchmarks/regression_bounds.py [--rows N] [--adult FILE] [--splits N]

**The frontier.** Two groups of equal size, s = -1 and s = 1. Given s, ``x_1 ~ N(s d, 1)`` and the other
features are standard normal; ``y = b'x + noise`` with variance v. The best prediction is ``m(x) = b'x``, its
gap of means ``2 d b_1``, its loss v. With a multiplier on the gap, the Lagrangian is least at
``f = m - c h``, where ``h(x) = E(s|x) = tanh(d x_1)`` (the odds of s = 1 are ``exp(2 d x_1)``). With
``T = E h^2``:

- the gap of h is ``E(h|1) - E(h|-1) = 2 E(h s) = 2 E h^2 = 2T``, so that of f is ``2 (d b_1 - c T)``;
- the loss of f is ``v + c^2 T``, for m is the conditional mean.

So the least loss at a gap D is ``v + (d b_1 - D/2)^2 / T``. Among linear functions h is its best linear
approximation ``d x_1 / (1 + d^2)``, and T is ``d^2 / (1 + d^2)``. T is integrated numerically. Losses and
gaps are measured on 100,000 fresh rows, and the frontier is taken at the gap that is reached there.

**Wages.** Adult's hours per week times years of education; features are what is left. fairlearn is asked to
lower the loss of the worst group, on the rows that it is fitted to, by a share of what is possible there.
ConstrainedRegressor is asked for more and more, until its worst loss on unseen rows is at most that of
fairlearn. Of fairlearn's random choice among its models, losses are the expected ones. All fits are counted,
those of folds among them; of ConstrainedRegressor those of the bound that is shown.
"""

from __future__ import annotations

import argparse
import functools
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from fairsk import ConstrainedRegressor

Array = NDArray[Any]
FRESH = 100_000
SHIFT, SLOPES, NOISE = 1.0, np.array([1.0, 0.5, -0.5]), 0.5


def draw(n: int, seed: int) -> tuple[Array, Array, Array]:
    """Return rows, amounts and groups."""
    rng = np.random.default_rng(seed)
    side = rng.choice([-1, 1], n)
    X = rng.normal(size=(n, 3))
    X[:, 0] += SHIFT * side
    return X, X @ SLOPES + rng.normal(scale=np.sqrt(NOISE), size=n), side


def best_loss(gap: float, *, linear: bool) -> float:
    """Return the least loss at a gap."""
    points = np.linspace(-12, 12, 100_001)
    density = np.exp(-((points - SHIFT) ** 2) / 2) / np.sqrt(2 * np.pi)
    told = SHIFT**2 / (1 + SHIFT**2)
    if not linear:  # E tanh^2 is even, so that the rows of either group have the same
        told = float((np.tanh(SHIFT * points) ** 2 * density).sum() * (points[1] - points[0]))
    return NOISE + max(0.0, SHIFT * SLOPES[0] - gap / 2) ** 2 / told


def frontier(n: int) -> dict[str, float]:
    """Print how far losses on fresh rows lie above the frontier; return the most of each learner."""
    most: dict[str, float] = {}
    X, y, side = draw(n, 0)
    fresh, paid, who = draw(FRESH, 1)
    learners: dict[str, tuple[Any, bool]] = {
        "linear": (LinearRegression(), True),
        "splines": (make_pipeline(SplineTransformer(6), LinearRegression()), False),
        "boosting": (HistGradientBoostingRegressor(max_iter=50, random_state=0), False),
    }
    try:
        from lightgbm import LGBMRegressor

        learners["LightGBM"] = LGBMRegressor(n_estimators=50, random_state=0, verbose=-1), False
    except ImportError:
        pass
    print(f"Frontier, {n:,} rows: loss on fresh rows over the least one at their gap (target 1.02)")
    print("learner    asked   gap    loss    least   ratio  fits  seconds")
    for gap in (0.0, 0.5, 1.0, 1.5):
        for name, (learner, is_linear) in learners.items():
            start = time.process_time()
            model = ConstrainedRegressor(learner, max_difference=gap, random_state=0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(X, y, sensitive_features=side)
            seconds = time.process_time() - start
            predicted = model.predict(fresh)
            loss = float(np.mean((predicted - paid) ** 2))
            reached = float(predicted[who == 1].mean() - predicted[who == -1].mean())
            least = best_loss(reached, linear=is_linear)
            most[name] = max(most.get(name, 0.0), loss / least)
            print(
                f"{name:9}  {gap:5.2f}  {reached:5.2f}  {loss:6.3f}  {least:6.3f}  {loss / least:6.3f}  "
                f"{model.report_.n_models:4}  {seconds:7.1f}"
            )
    return most


class Fits:
    """Counts the fits of a class of estimators while it is entered."""

    def __init__(self, cls: type) -> None:
        self.cls: Any = cls
        self.n = 0

    def __enter__(self) -> Fits:
        self.original = original = self.cls.fit

        @functools.wraps(original)
        def fit(estimator: Any, *args: Any, **params: Any) -> Any:
            self.n += 1
            return original(estimator, *args, **params)

        self.cls.fit = fit
        return self

    def __exit__(self, *_: object) -> None:
        self.cls.fit = self.original


#: How much more ConstrainedRegressor is asked for than fairlearn, until it reaches as low a loss.
FACTORS = (1.0, 1.5, 2.0, 2.5, 3.0)


def wages(path: str, splits: int) -> list[float]:
    """Print fits, seconds and losses of the worst group of both; return its share of the fits."""
    shares: list[float] = []
    from fairlearn.reductions import BoundedGroupLoss, ExponentiatedGradient, SquareLoss

    frame = pd.read_csv(path)
    y = (frame["hours-per-week"] * frame["education-num"]).to_numpy(float) / 10
    dropped = ["hours-per-week", "education", "education-num", "fnlwgt", "salary", "sex", "native-country"]
    numbers = make_column_selector(dtype_include="number")
    encode = make_column_transformer(
        (StandardScaler(), numbers), remainder=OneHotEncoder(sparse_output=False), sparse_threshold=0
    )
    X, sex = encode.fit_transform(frame.drop(columns=dropped)), frame["sex"].to_numpy(str)

    def worst(predicted: Array, rows: Array, who: Array) -> float:
        return max(float(np.mean((predicted - y[rows])[who == g] ** 2)) for g in np.unique(who))

    print(
        "\nWages of Adult by sex: loss of the worst group, and of all, on unseen rows (target: half the fits)"
    )
    print("learner  asked  tool        fits  seconds  worst   all")
    kinds: dict[str, tuple[type, dict[str, Any]]] = {
        "linear": (LinearRegression, {}),
        "tree": (DecisionTreeRegressor, {"max_depth": 7, "min_samples_leaf": 50, "random_state": 0}),
    }
    for name, (cls, params) in kinds.items():
        for asked in (0.3, 0.6):
            rows: dict[str, list[list[float]]] = {"plain": [], "fairlearn": [], "fairsk": []}
            for seed in range(splits):
                order = np.random.default_rng(seed).permutation(len(y))
                fit, new = order[:10_000], order[10_000:]
                who, whom = sex[fit], sex[new]
                plain = cls(**params).fit(X[fit], y[fit])
                groups = np.unique(who)
                losses = [np.mean((plain.predict(X[fit]) - y[fit])[who == g] ** 2) for g in groups]
                hardest = who == groups[int(np.argmax(losses))]
                best = cls(**params).fit(X[fit][hardest], y[fit][hardest])
                least = float(np.mean((best.predict(X[fit][hardest]) - y[fit][hardest]) ** 2))
                drop = asked * (max(losses) - least)
                predicted = plain.predict(X[new])
                rows["plain"].append(
                    [1, 0.0, worst(predicted, new, whom), float(np.mean((predicted - y[new]) ** 2))]
                )

                start = time.process_time()
                peer = ExponentiatedGradient(
                    cls(**params),
                    BoundedGroupLoss(SquareLoss(y.min(), y.max()), upper_bound=max(losses) - drop),
                )
                with Fits(cls) as fits:
                    peer.fit(pd.DataFrame(X[fit]), y[fit], sensitive_features=who)
                seconds = time.process_time() - start
                chances = np.asarray(peer.weights_)
                each = np.array([(p.predict(X[new]) - y[new]) ** 2 for p in peer.predictors_])
                expected = chances @ each
                rows["fairlearn"].append(
                    [
                        fits.n,
                        seconds,
                        max(float(expected[whom == g].mean()) for g in groups),
                        float(expected.mean()),
                    ]
                )

                free = ConstrainedRegressor(
                    cls(**params), constraint="bounded_group_loss", max_loss=np.inf, random_state=0
                ).fit(X[fit], y[fit], sensitive_features=who)
                for factor in FACTORS:
                    limit, start = free.report_.disparity - factor * drop, time.process_time()
                    model = clone(free).set_params(max_loss=limit)
                    with warnings.catch_warnings(), Fits(cls) as fits:
                        warnings.simplefilter("ignore")
                        model.fit(X[fit], y[fit], sensitive_features=who)
                    seconds = time.process_time() - start
                    assert fits.n == model.report_.n_models
                    predicted = model.predict(X[new])
                    at_worst = worst(predicted, new, whom)
                    if at_worst <= rows["fairlearn"][-1][2]:
                        break
                rows["fairsk"].append([fits.n, seconds, at_worst, float(np.mean((predicted - y[new]) ** 2))])
            shares.append(np.mean(rows["fairsk"], axis=0)[0] / np.mean(rows["fairlearn"], axis=0)[0])
            for tool, values in rows.items():
                n_fits, seconds, at_worst, overall = np.mean(values, axis=0)
                print(
                    f"{name:7}  {asked:5.1f}  {tool:10}  {n_fits:4.1f}  {seconds:7.1f}  {at_worst:6.2f}  "
                    f"{overall:6.2f}"
                )
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--adult", metavar="FILE")
    parser.add_argument("--splits", type=int, default=3)
    options = parser.parse_args()
    frontier(options.rows)
    if options.adult:
        wages(options.adult, options.splits)


if __name__ == "__main__":
    main()
