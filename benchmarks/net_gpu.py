"""Time epochs of many rows, and of a language model's fine-tuning, on whatever device is there.

Run: python benchmarks/net_gpu.py [--rows N] [--texts N] [--model DIR] [--device NAME] [--repeats N]

Rows: 10 million of 50 features in two groups unless told otherwise, layers of 64 and 64 units, batches of
65,536, Adam. Texts: made-up tokens through an encoder of MiniLM's size (12 layers of 384 units) with random
weights, or through the model in DIR; nothing is downloaded. The same net without a bound is trained by skorch
through fairsk's iterator, with its rows on the device and its losses read once per epoch, as here.

An epoch is the difference between a long and a short fit over the difference of their epochs, so what happens
once per fit does not count; the candidates take turns, and each fit counts with its least time. On an
accelerator that is wall time with the device waited for at the end of a fit, on a processor its own time in
one thread.

The roofline is the time that the device would take to move what an epoch of the plain net moves, at the
speed at which it copies an array of half a gigabyte (read and written). Counted are, in bytes per row: the
row read, written into its batch, and read by the first layer and again for its gradient; what every further
layer reads and writes forward, and about twice as much backward; and per step, what Adam reads and writes of
every parameter. All candidates are held against that same number: what a bound adds is not counted as work.
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from torch import nn

from fairsk import FairClassifier
from fairsk.neural._batches import Batches
from fairsk.neural._module import MLP
from fairsk.neural._net import labelled_net

N_FEATURES, LAYERS = 50, (64, 64)
#: What an epoch with a bound may take of one without, on an accelerator.
MAX_RATIO = 1.15
#: MiniLM-L12-H384, and the length of its vocabulary.
MINI_LM = {
    "vocab_size": 30_522,
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
}
FLOAT_BYTES, INDEX_BYTES = 4, 8
#: Adam reads a parameter, its gradient and its two moments, and writes all but the gradient.
ADAM_ACCESSES = 7
PLAIN = "the same net without it"
CASES: dict[str, dict[str, Any]] = {
    "penalty_weight=1": {"penalty_weight": 1.0},
    "max_difference=.05, bound_on='training'": {"max_difference": 0.05, "bound_on": "training"},
    "max_difference=.05": {"max_difference": 0.05},
}

#: A fit of so many epochs.
Fit = Callable[[int], Any]


class Encoder(nn.Module):
    """An encoder of token ids with a linear layer on the first token's output; 0 is no token."""

    def __init__(self, n_classes: int = 2, path: str | None = None) -> None:
        super().__init__()
        from transformers import AutoModel, BertConfig, BertModel

        if path is None:
            self.encoder = BertModel(BertConfig(**MINI_LM), add_pooling_layer=False)
        else:
            self.encoder = AutoModel.from_pretrained(path, local_files_only=True)
        self.head = nn.Linear(self.encoder.config.hidden_size, n_classes)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the logits of each text, of shape (n_samples, n_classes)."""
        outputs = self.encoder(input_ids=X, attention_mask=(X > 0).long())
        return self.head(outputs.last_hidden_state[:, 0])


def make_rows(n: int) -> tuple[Any, Any, Any]:
    """Return features, labels and groups; the groups differ in one feature, and so in their labels."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, N_FEATURES), dtype=np.float32)
    groups = rng.integers(0, 2, n)
    X[:, 0] += 0.5 * groups
    return X, (X[:, :4].sum(axis=1) > rng.logistic(size=n)).astype(np.int64), groups


def make_texts(n: int, n_tokens: int) -> tuple[Any, Any, Any]:
    """Return token ids, labels and groups."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 2, n)
    ids = rng.integers(1000, MINI_LM["vocab_size"], (n, n_tokens))
    ids[np.arange(n_tokens) >= rng.integers(n_tokens // 2, n_tokens + 1, n)[:, None]] = 0
    return ids, rng.integers(0, 2, n), groups


def fit_plain(X: Any, y: Any, device: torch.device, module: Any, **params: Any) -> Fit:
    """Return the training of a net without a fairness term."""

    def fit(epochs: int) -> Any:
        net = labelled_net(NeuralNet)(
            module,
            nn.CrossEntropyLoss,
            max_epochs=epochs,
            device=device,
            iterator_train=Batches,
            iterator_train__shuffle=True,
            iterator_valid=Batches,
            train_split=None,
            verbose=0,
            callbacks__print_log=None,
            **params,
        )
        net.labels_ = np.unique(y)
        return net.fit(X, y)

    return fit


def fit_fair(X: Any, y: Any, groups: Any, **settings: Any) -> Fit:
    """Return the training of a FairClassifier."""

    def fit(epochs: int) -> FairClassifier:
        classifier = FairClassifier(max_epochs=epochs, early_stopping=False, random_state=0, **settings)
        return classifier.fit(X, y, sensitive_features=groups)

    return fit


def wait(device: torch.device) -> None:
    """Wait until a device has done what it was told."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


def seconds(job: Callable[[], Any], device: torch.device) -> float:
    """Return how long a job takes: wall time on an accelerator, else the processor's."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    wait(device)
    begin = clock()
    job()
    wait(device)
    return clock() - begin


def seconds_per_epoch(
    fits: dict[str, Fit], few: int, many: int, repeats: int, device: torch.device
) -> dict[str, float]:
    """Return how long an epoch of each takes; every turn begins with another one."""
    least: dict[tuple[str, int], float] = {}
    for fit in fits.values():  # what is loaded and compiled on first use
        fit(1)
    jobs = list(itertools.product(fits, (few, many)))
    for turn in range(repeats):
        for name, epochs in jobs[turn % len(jobs) :] + jobs[: turn % len(jobs)]:
            spent = seconds(partial(fits[name], epochs), device)
            least[name, epochs] = min(spent, least.get((name, epochs), np.inf))
    return {name: (least[name, many] - least[name, few]) / (many - few) for name in fits}


def copy_bandwidth(device: torch.device) -> float:
    """Return how many bytes per second a device reads and writes when it copies an array."""
    array = torch.ones(2**27, device=device)  # of half a gigabyte
    copy, n_copies = torch.empty_like(array), 5
    copy.copy_(array)
    least = min(seconds(lambda: [copy.copy_(array) for _ in range(n_copies)], device) for _ in range(5))
    return 2 * array.nbytes * n_copies / least


def bytes_per_epoch(n: int, batch_size: int) -> float:
    """Return what an epoch of the plain net moves, counted as the head of this file says."""
    widths = [N_FEATURES, *LAYERS, 2]
    per_row = 2 * INDEX_BYTES + 4 * FLOAT_BYTES * N_FEATURES  # its number, its label, and the row four times
    for width in widths[1:]:
        # Forward a layer's sums are written, and read and written by ReLU, and read by the next layer; back
        # come as many gradients, each read for the weights and for the layer before.
        per_row += (4 + 8) * FLOAT_BYTES * width
    n_parameters = sum((before + 1) * after for before, after in itertools.pairwise(widths))
    return n * per_row + -(-n // batch_size) * ADAM_ACCESSES * FLOAT_BYTES * n_parameters


def print_epochs(seconds_of: dict[str, float], device: torch.device, least: float | None = None) -> None:
    """Print the table of one kind of rows."""
    roofline = (" roofline |", "---|") if least else ("", "")
    print(f"| | seconds per epoch | epochs per second | times the net without it |{roofline[0]}")
    print(f"|---|---|---|---|{roofline[1]}")
    for name, spent in seconds_of.items():
        ratio = spent / seconds_of[PLAIN]
        verdict = ""
        if "max_difference" in name and device.type != "cpu":
            verdict = f" (at most {MAX_RATIO}: {'met' if ratio <= MAX_RATIO else 'MISSED'})"
        share = f" {least / spent:.1%} |" if least else ""
        print(f"| {name} | {spent:.3f} | {1 / spent:.2f} | {ratio:.2f}{verdict} |{share}")


def time_rows(args: argparse.Namespace, device: torch.device) -> None:
    """Print what a penalty and a bound cost on many rows."""
    X, y, groups = make_rows(args.rows)
    shared: dict[str, Any] = {"batch_size": args.batch, "lr": 0.002, "device": device}
    plain: dict[str, Any] = {"module__n_features": N_FEATURES, "module__hidden_layer_sizes": LAYERS}
    fits = {PLAIN: fit_plain(X, y, module=MLP, optimizer=torch.optim.Adam, **shared, **plain)}
    for name, case in CASES.items():
        fits[name] = fit_fair(X, y, groups, hidden_layer_sizes=LAYERS, **shared, **case)
    seconds_of = seconds_per_epoch(fits, 1, 1 + args.epochs, args.repeats, device)
    bandwidth = copy_bandwidth(device)
    moved = bytes_per_epoch(args.rows, args.batch)
    print(f"\n{args.rows:,} rows of {N_FEATURES}, batches of {args.batch:,}")
    print(f"An epoch of the plain net moves {moved / 1e9:.2f} GB,", end=" ")
    print(f"and the device copies {bandwidth / 1e9:.1f} GB per second (read and written)\n")
    print_epochs(seconds_of, device, moved / bandwidth)


def time_texts(args: argparse.Namespace, device: torch.device) -> None:
    """Print what a bound costs when an encoder of texts is fine-tuned."""
    X, y, groups = make_texts(args.texts, args.tokens)
    shared: dict[str, Any] = {
        "batch_size": args.text_batch,
        "lr": 5e-5,
        "device": device,
        "optimizer": torch.optim.AdamW,
    }
    fits = {PLAIN: fit_plain(X, y, module=Encoder, module__path=args.model, **shared)}
    net_params = {"module__path": args.model}
    for name, case in CASES.items():
        if "max_difference" in name:
            fits[name] = fit_fair(
                X, y, groups, module=Encoder, dtype="int64", net_params=net_params, **shared, **case
            )
    seconds_of = seconds_per_epoch(fits, 1, 2, args.repeats, device)
    what = args.model or "an encoder of MiniLM's size with random weights"
    print(f"\n{args.texts:,} texts of up to {args.tokens} tokens, batches of {args.text_batch}; {what}\n")
    print_epochs(seconds_of, device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--batch", type=int, default=65_536, help="rows per step")
    parser.add_argument(
        "--epochs", type=int, default=3, help="how many epochs a long fit has more than a short one"
    )
    parser.add_argument("--texts", type=int, default=20_000, help="0 for none")
    parser.add_argument("--tokens", type=int, default=64, help="per text, at most")
    parser.add_argument("--text-batch", type=int, default=64)
    parser.add_argument("--model", help="a folder with a model of Hugging Face's")
    parser.add_argument("--repeats", type=int, default=2, help="how often each fit is timed")
    args = parser.parse_args()
    device = torch.device(args.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # short fits meet no bound, which is not the question here
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type}, one thread"
    print(f"{name}, torch {torch.__version__}, least of {args.repeats}")
    if args.rows:
        time_rows(args, device)
    if args.texts:
        time_texts(args, device)


if __name__ == "__main__":
    main()
