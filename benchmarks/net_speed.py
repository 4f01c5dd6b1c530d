"""Time an epoch with and without the fairness term, predictions, penalties and sparse rows.

Run: OMP_NUM_THREADS=1 python benchmarks/net_speed.py [--repeats N]

30,000 rows of 50 features in two groups, layers of 64 and 64 units, batches of 1,024 rows, Adam, no rows
held out. The same net without a fairness term is a skorch NeuralNet with cross-entropy, fairsk's iterator of
batches and skorch's own callbacks. An epoch is the difference between a long and a short fit over the
difference of their epochs, so what happens once per fit does not count. The candidates take turns, and each
fit counts with its least time over the turns, all in one process and one thread; compare times within a run
only. It is processor time, so that waiting for other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import sparse
from skorch import NeuralNet
from torch import nn

from fairsk import FairClassifier, FairLoss
from fairsk.neural._batches import Batches
from fairsk.neural._module import MLP

N_ROWS, N_FEATURES, BATCH = 30_000, 50, 1024
LAYERS = (64, 64)
#: Like TF-IDF of short texts: rows, columns, entries per row.
N_TEXTS, N_WORDS, WORDS_PER_TEXT = 11_000, 20_000, 30
PENALTIES = (
    "squared_gap",
    "absolute_gap",
    "ermi",
    "mutual_information",
    "kl_projection",
    "hsic",
    "mmd",
    "wasserstein",
    "covariance",
)
#: This one is for nets without hidden layers.
LINEAR_ONLY = "covariance"

#: A fit of so many epochs.
Fit = Callable[[int], Any]


def make_rows() -> tuple[Any, Any, Any]:
    """Return features, labels and groups; the groups differ in some features, and so in their labels."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 2, N_ROWS)
    X = rng.normal(size=(N_ROWS, N_FEATURES))
    X[:, :5] += 0.3 * groups[:, None]
    y = (X[:, :8].sum(axis=1) + rng.normal(size=N_ROWS) > 1).astype(np.int64)
    return X.astype(np.float32), y, groups


def make_texts() -> tuple[Any, Any, Any]:
    """Return a sparse matrix like TF-IDF, labels and groups."""
    rng = np.random.default_rng(0)
    words = rng.integers(0, N_WORDS, (N_TEXTS, WORDS_PER_TEXT))
    values = rng.random((N_TEXTS, WORDS_PER_TEXT), dtype=np.float32)
    rows = np.repeat(np.arange(N_TEXTS), WORDS_PER_TEXT)
    X = sparse.csr_matrix((values.ravel(), (rows, words.ravel())), shape=(N_TEXTS, N_WORDS))
    y = (words < N_WORDS // 2).mean(axis=1) > 0.5
    return X, y.astype(np.int64), rng.integers(0, 2, N_TEXTS)


def plain_net(criterion: type[nn.Module], layers: tuple[int, ...] = LAYERS, **params: Any) -> NeuralNet:
    """Return a net of the same kind and size as FairClassifier's, through fairsk's iterator of batches."""
    defaults = {
        "module__n_features": N_FEATURES,
        "module__hidden_layer_sizes": layers,
        "optimizer": torch.optim.Adam,
        "lr": 0.002,
        "batch_size": BATCH,
        "iterator_train": Batches,
        "iterator_train__shuffle": True,
        "iterator_valid": Batches,
        "train_split": None,
        "verbose": 0,
    }
    return NeuralNet(MLP, criterion, **{**defaults, **params})


def fit_plain(X: Any, target: Any, *args: Any, **params: Any) -> Fit:
    return lambda epochs: plain_net(*args, max_epochs=epochs, **params).fit(X, target)


def fit_fair(X: Any, y: Any, groups: Any, **settings: Any) -> Fit:
    def fit(epochs: int) -> FairClassifier:
        classifier = FairClassifier(
            max_epochs=epochs,
            random_state=0,
            early_stopping=False,
            **{"hidden_layer_sizes": LAYERS, "batch_size": BATCH, **settings},
        )
        return classifier.fit(X, y, sensitive_features=groups)

    return fit


def take_turns(jobs: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Return the least seconds of each job; every turn starts with another one."""
    seconds = dict.fromkeys(jobs, np.inf)
    names = list(jobs)
    for turn in range(repeats):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            begin = time.process_time()
            jobs[name]()
            seconds[name] = min(seconds[name], time.process_time() - begin)
    return seconds


def seconds_per_epoch(fits: dict[str, Fit], few: int, many: int, repeats: int) -> dict[str, float]:
    """Return how long an epoch of each takes."""
    jobs = {
        f"{name}, {epochs}": lambda fit=fit, epochs=epochs: fit(epochs)
        for name, fit in fits.items()
        for epochs in (few, many)
    }
    seconds = take_turns(jobs, repeats)
    return {name: (seconds[f"{name}, {many}"] - seconds[f"{name}, {few}"]) / (many - few) for name in fits}


def verdict(met: bool) -> str:
    """Return how a target is called that is met, or is not."""
    return "met" if met else "MISSED"


def time_training(repeats: int) -> None:
    """Print what the fairness term costs in its two modes, and what the iterator of batches saves."""
    X, y, groups = make_rows()
    target = {"y": y, "group": groups, "weight": np.ones(N_ROWS, np.float32)}
    stock = {"iterator_train": torch.utils.data.DataLoader, "iterator_valid": torch.utils.data.DataLoader}
    plain, fixed, bounded, loss_only, loader = (
        "the same net without it",
        "FairClassifier, penalty_weight",
        "FairClassifier, max_difference",
        "FairLoss in a plain net, fairsk's iterator",
        "FairLoss in a plain net, stock DataLoader",
    )
    fits = {
        plain: fit_plain(X, y, nn.CrossEntropyLoss),
        fixed: fit_fair(X, y, groups, penalty_weight=1.0),
        bounded: fit_fair(X, y, groups, max_difference=0.05),
        f"{bounded}, equalized odds": fit_fair(
            X, y, groups, max_difference=0.05, constraint="equalized_odds"
        ),
        loss_only: fit_plain(X, target, FairLoss),
        loader: fit_plain(X, target, FairLoss, **stock),
    }
    seconds_of = seconds_per_epoch(fits, few=2, many=32, repeats=repeats)
    max_ratio = {fixed: 1.3, bounded: 2.0}
    print("\n| an epoch of 30,000 rows | ms | times the plain net | target |\n|---|---|---|---|")
    for name, seconds in seconds_of.items():
        ratio, target_ = seconds / seconds_of[plain], max_ratio.get(name)
        target_text = f"at most {target_}: {verdict(ratio <= target_)}" if target_ else "-"
        print(f"| {name} | {1e3 * seconds:.1f} | {ratio:.2f} | {target_text} |")
    for name in (fixed, loss_only):
        faster = seconds_of[loader] / seconds_of[name]
        print(f"\n{name}: {faster:.1f} times as fast as DataLoader (at least 2: {verdict(faster >= 2)})")


def time_penalties(repeats: int) -> None:
    """Print what every penalty costs; that for linear nets beside a linear net."""
    X, y, groups = make_rows()
    fits = {
        "none": fit_plain(X, y, nn.CrossEntropyLoss),
        "none, linear": fit_plain(X, y, nn.CrossEntropyLoss, ()),
    }
    for name in PENALTIES:
        layers = () if name == LINEAR_ONLY else LAYERS
        fits[name] = fit_fair(X, y, groups, penalty=name, penalty_weight=1.0, hidden_layer_sizes=layers)
    seconds_of = seconds_per_epoch(fits, few=2, many=6, repeats=repeats)
    print("\n| penalty | ms per epoch | times the plain net |\n|---|---|---|")
    for name, seconds in seconds_of.items():
        plain = "none, linear" if "linear" in name or name == LINEAR_ONLY else "none"
        label = f"{name}, linear net" if name == LINEAR_ONLY else name
        print(f"| {label} | {1e3 * seconds:.1f} | {seconds / seconds_of[plain]:.2f} |")


def time_prediction(repeats: int) -> None:
    """Print how long 30,000 predictions take, with all that either tool does to its input."""
    X, y, groups = make_rows()
    fair = fit_fair(X, y, groups, penalty_weight=1.0)(1)
    stock = NeuralNet(
        MLP, nn.CrossEntropyLoss, module__n_features=N_FEATURES, module__hidden_layer_sizes=LAYERS
    ).initialize()
    large = plain_net(
        nn.CrossEntropyLoss, iterator_valid=torch.utils.data.DataLoader, batch_size=N_ROWS
    ).initialize()
    fairsk_name, default, at_once = "fairsk", "skorch as it comes", "skorch, all rows in one batch"
    jobs = {
        fairsk_name: lambda: fair.predict_proba(X),
        default: lambda: stock.predict_proba(X),
        at_once: lambda: large.predict_proba(X),
    }
    seconds_of = take_turns(jobs, 3 * repeats)
    print("\n| predict_proba of 30,000 rows | ms | fairsk is faster by | target |\n|---|---|---|---|")
    for name, seconds in seconds_of.items():
        faster = seconds / seconds_of[fairsk_name]
        target_text = f"at least 10: {verdict(faster >= 10)}" if name == default else "-"
        print(f"| {name} | {1e3 * seconds:.1f} | {faster:.1f} | {target_text} |")


def time_sparse(repeats: int) -> None:
    """Print an epoch on rows like TF-IDF, sparse and dense."""
    X, y, groups = make_texts()
    dense = X.toarray()
    sizes = {"sparse": X.data.nbytes + X.indices.nbytes + X.indptr.nbytes, "dense": dense.nbytes}
    fits = {
        name: fit_fair(size, y, groups, hidden_layer_sizes=(64,), max_difference=0.05)
        for name, size in (("sparse", X), ("dense", dense))
    }
    seconds_of = seconds_per_epoch(fits, few=1, many=3, repeats=repeats)
    size = f"{N_TEXTS:,} x {N_WORDS:,}, {WORDS_PER_TEXT} entries a row"
    print(f"\n| a bound on {size} | ms per epoch | X in MiB |\n|---|---|---|")
    for name, seconds in seconds_of.items():
        print(f"| {name} | {1e3 * seconds:.0f} | {sizes[name] / 2**20:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=7, help="how often each fit is timed")
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # short fits meet no bound, which is not the question here
    print(f"{N_ROWS:,} x {N_FEATURES}, layers {LAYERS}, batches of {BATCH:,}, one thread, least of {repeats}")
    time_training(repeats)
    time_penalties(repeats)
    time_prediction(repeats)
    time_sparse(min(repeats, 3))


if __name__ == "__main__":
    main()
