"""PredictionRepair on 100,000 fresh rows: how equal distributions are, and what that costs.

Run: OMP_NUM_THREADS=1 python benchmarks/prediction_repair.py [--rows N] [--tools NAME ...] [--levels]

What to mind:

- Amounts are drawn, so that the chance of each group is known: wages follow skill, and the group does. The
  regressor and the model of the groups are fitted to the rows, in five folds, and predict together.
- "KS" is the Kolmogorov-Smirnov distance of the two groups furthest apart, on the fresh rows. "Chance" is
  what two samples of their sizes from one distribution have in the mean; "limit" is ``report_.ks_limit``,
  of the population.
- "Excess" is the squared error beyond that of the regressor, as a share of the variance of its predictions.
- Another tool is a function of the rows to fit and the fresh ones that returns predictions: see ``TOOLS``.
- ``--levels`` shows what the number of levels of a blind repair does, with the true chances.
- Seconds are of the processor, of the fit.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression

from fairsk import PredictionRepair
from fairsk.calibration._equal_levels import fit_equal_levels
from fairsk.metrics import ks_distance

FRESH = 100_000
FEATURES = ["skill", "years"]


def staff(n: int, n_groups: int, skewed: bool, seed: int) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Return rows with their group and its chances, and wages; groups of unequal size, by their skill."""
    rng = np.random.default_rng(seed)
    skill, years = rng.normal(size=(2, n))
    places = np.linspace(0, 1, n_groups)
    chances = np.exp(2.4 * skill[:, None] * places - 0.9 * places)
    chances /= chances.sum(1, keepdims=True)
    group = (chances.cumsum(1) < rng.random((n, 1))).sum(1)
    wage = skill + years + rng.normal(scale=0.5, size=n)
    frame = pd.DataFrame({"skill": skill, "years": years, "group": group})
    frame[[f"chance {g}" for g in range(n_groups)]] = chances
    return frame, np.exp(wage) if skewed else wage


def models(skewed: bool) -> tuple[Any, Any]:
    """Return a regressor and a model of the groups."""
    if skewed:
        return HistGradientBoostingRegressor(random_state=0), HistGradientBoostingClassifier(random_state=0)
    return LinearRegression(), LogisticRegression()


def plain(rows: pd.DataFrame, wage: NDArray[Any], fresh: pd.DataFrame, skewed: bool) -> NDArray[Any]:
    """The regressor as it is."""
    return models(skewed)[0].fit(rows[FEATURES], wage).predict(fresh[FEATURES])


def aware(rows: pd.DataFrame, wage: NDArray[Any], fresh: pd.DataFrame, skewed: bool) -> NDArray[Any]:
    """PredictionRepair with the groups."""
    model = PredictionRepair(models(skewed)[0])
    model.fit(rows[FEATURES], wage, sensitive_features=rows["group"])
    print(f"{'':14}limit {model.report_.ks_limit:.4f}")
    return model.predict(fresh[FEATURES], sensitive_features=fresh["group"])


def one_model(rows: pd.DataFrame, wage: NDArray[Any], fresh: pd.DataFrame, skewed: bool) -> NDArray[Any]:
    """PredictionRepair with the groups, of one model: half of the rows are for it, half for its repair."""
    model = PredictionRepair(models(skewed)[0], cv=0.5, random_state=0)
    model.fit(rows[FEATURES], wage, sensitive_features=rows["group"])
    print(f"{'':14}limit {model.report_.ks_limit:.4f}")
    return model.predict(fresh[FEATURES], sensitive_features=fresh["group"])


def blind(rows: pd.DataFrame, wage: NDArray[Any], fresh: pd.DataFrame, skewed: bool) -> NDArray[Any]:
    """PredictionRepair blind to the groups of the fresh rows."""
    regressor, of_groups = models(skewed)
    model = PredictionRepair(regressor, policy="blind", group_estimator=of_groups)
    model.fit(rows[FEATURES], wage, sensitive_features=rows["group"])
    print(f"{'':14}limit {model.report_.ks_limit:.4f}")
    return model.predict(fresh[FEATURES])


#: What is compared: functions of rows, wages, fresh rows, and whether wages are skewed.
TOOLS: dict[str, Callable[..., NDArray[Any]]] = {
    "regressor": plain,
    "aware": aware,
    "one model": one_model,
    "blind": blind,
}


def chance(sizes: NDArray[Any]) -> float:
    """Return the mean Kolmogorov-Smirnov distance of samples of the two smallest sizes."""
    smallest = np.sort(sizes)[:2]
    return float(0.8687 * np.sqrt((1 / smallest).sum()))


def problems(n: int) -> Iterator[tuple[str, tuple[Any, Any], tuple[Any, Any], bool]]:
    """Yield the name of each problem, its rows, its fresh rows, and whether wages are skewed."""
    for n_groups in (2, 4):
        for skewed in (False, True):
            name = f"{n_groups} groups, {'skewed' if skewed else 'normal'}"
            yield name, staff(n, n_groups, skewed, 0), staff(FRESH, n_groups, skewed, 1), skewed


def compare(n: int, names: list[str]) -> None:
    """Print how the tools of these names do."""
    for name, (rows, wage), (fresh, _), skewed in problems(n):
        sizes = np.bincount(fresh["group"])
        print(f"{name}: {n:,} rows; chance {chance(sizes):.4f}")
        before = plain(rows, wage, fresh, skewed)
        for title in names:
            start = time.process_time()
            predicted = TOOLS[title](rows, wage, fresh, skewed)
            seconds = time.process_time() - start
            distance = ks_distance(predicted, sensitive_features=fresh["group"])
            excess = np.mean((predicted - before) ** 2) / before.var()
            print(f"  {title:12}KS {distance:.4f}  excess {excess:.3f}  {seconds:.1f} s")


def compare_levels(n: int) -> None:
    """Print what the number of levels does."""
    for name, (rows, wage), (fresh, amounts), _ in problems(n):
        known = [column for column in rows if str(column).startswith("chance")]
        for n_levels in (16, 32, 64, 128):
            start = time.process_time()
            found = fit_equal_levels(wage, rows[known].to_numpy(), np.ones(n), n_levels=n_levels)
            seconds = time.process_time() - start
            predicted = found.moved(amounts, fresh[known].to_numpy(), 1.0)
            distance = ks_distance(predicted, sensitive_features=fresh["group"])
            excess = np.mean((predicted - amounts) ** 2) / amounts.var()
            print(f"{name}: {n_levels:4} levels  KS {distance:.4f}  excess {excess:.3f}  {seconds:.1f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--tools", nargs="+", default=[*TOOLS], choices=[*TOOLS])
    parser.add_argument("--levels", action="store_true")
    arguments = parser.parse_args()
    if arguments.levels:
        compare_levels(arguments.rows)
    else:
        compare(arguments.rows, arguments.tools)
