"""Time error-parity and OxonFair on the scores that threshold_speed.py saved; print all tools in one table.

Run, on one machine in one session:
    OMP_NUM_THREADS=1 python benchmarks/threshold_speed.py --dump scores.npz
    OMP_NUM_THREADS=1 PEERS/bin/python benchmarks/threshold_peers.py scores.npz

PEERS is an environment made from benchmarks/requirements-peers.txt; it needs no fairsk. Milliseconds are
the least of several fits; a fit that takes longer than two minutes or more than 12 GiB is stopped. Accuracy
and disparity (the largest gap between two groups) are those of the predictions on the rows of the fit.
OxonFair bounds ``.max_diff``, the largest gap; its ``.diff`` is an average.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from error_parity import RelaxedThresholdOptimizer
from numpy.typing import NDArray
from oxonfair import DataDict, FairPredictor
from oxonfair import group_metrics as metrics

Array = NDArray[Any]

#: What one fit may take.
TIME_OUT = 120.0
MAX_GIB = 12
ERROR_PARITY = {"equal_opportunity": "true_positive_rate_parity"}
OXONFAIR = {
    "demographic_parity": metrics.pos_pred_rate.max_diff,
    "equal_opportunity": metrics.recall.max_diff,
    "equalized_odds": metrics.equalized_odds_max,
}


def fit_error_parity(
    scores: Array, y: Array, groups: Array, constraint: str, bound: float
) -> Callable[[], Array]:
    X = scores[:, None]
    model = RelaxedThresholdOptimizer(
        predictor=lambda rows: rows[:, 0],
        constraint=ERROR_PARITY.get(constraint, constraint),
        tolerance=bound,
        seed=0,
    )
    model.fit(X, y, group=groups)
    return lambda: model(X, group=groups)


def fit_oxonfair(
    scores: Array, y: Array, groups: Array, constraint: str, bound: float
) -> Callable[[], Array]:
    data = DataDict(y, scores[:, None], groups)
    model = FairPredictor(lambda columns: np.column_stack((1 - columns[:, 0], columns[:, 0])), data)
    model.fit(metrics.accuracy, OXONFAIR[constraint], bound)
    return lambda: model.predict(data)


PEERS = {"error-parity": fit_error_parity, "OxonFair": fit_oxonfair}


def disparity(y: Array, predicted: Array, groups: Array, constraint: str) -> float:
    """Return the largest gap between groups in the rates of the constraint."""
    conditions = {
        "demographic_parity": [np.ones(len(y), dtype=bool)],
        "equal_opportunity": [y == 1],
        "equalized_odds": [y == 1, y == 0],
    }
    return max(
        np.ptp([predicted[rows & (groups == group)].mean() for group in np.unique(groups)])
        for rows in conditions[constraint]
    )


def measure(sender: Connection, fit: Callable[..., Any], *arguments: Any) -> None:
    """Send the cells of the table after a fit, and again after each repetition."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_GIB << 30, MAX_GIB << 30))
    scores, y, groups, constraint, bound = arguments
    times: list[float] = []
    while len(times) < 2 or (len(times) < 7 and sum(times) < 8):
        start = time.perf_counter()
        try:
            predict = fit(scores, y, groups, constraint, bound)
        except MemoryError:
            sender.send(f"needs more than {MAX_GIB} GiB | - | -")
            return
        times.append(time.perf_counter() - start)
        if len(times) == 1:
            predicted = np.asarray(predict())
            quality = f"{np.mean(predicted == y):.4f} | {disparity(y, predicted, groups, constraint):.4f}"
        sender.send(f"{1e3 * min(times):.0f} | {quality}")


def run(fit: Callable[..., Any], *arguments: Any) -> str:
    """Fit in a process of its own, which is ended when its time is out, and return the cells of the table."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.Process(target=measure, args=(sender, fit, *arguments))
    child.start()
    sender.close()
    cells = f"above {1e3 * TIME_OUT:.0f} | - | -"
    try:
        while receiver.poll(TIME_OUT):
            cells = receiver.recv()
    except EOFError:  # the child has ended
        child.join()
        cells = cells if child.exitcode == 0 else "failed | - | -"
    child.kill()
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scores", metavar="FILE", help="what threshold_speed.py --dump wrote")
    saved = np.load(parser.parse_args().scores)
    warnings.filterwarnings("ignore", message="invalid value encountered", category=RuntimeWarning)
    results = json.loads(str(saved["results"]))
    print("| constraint | bound | groups | tool | fit ms | accuracy | disparity |")
    print("|---|---|---|---|---|---|---|")
    for constraint, bound, name in dict.fromkeys((r["constraint"], r["bound"], r["groups"]) for r in results):
        case = f"| {constraint} | {bound} | {name} |"
        for row in results:
            if (row["constraint"], row["bound"], row["groups"]) == (constraint, bound, name):
                numbers = f"{row['ms']:.0f} | {row['accuracy']:.4f} | {row['disparity']:.4f}"
                print(f"{case} {row['tool']} | {numbers} |")
        for tool, fit in PEERS.items():
            given = (saved["scores"], saved["y"], saved[f"groups {name}"], constraint, bound)
            print(f"{case} {tool} | {run(fit, *given)} |", flush=True)


if __name__ == "__main__":
    main()
