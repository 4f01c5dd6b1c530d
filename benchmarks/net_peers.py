"""FairClassifier on Adult beside other ways to a fair classifier: an adversary, reductions, thresholds.

Run: OMP_NUM_THREADS=1 python benchmarks/net_peers.py

Sex, three 70/30 splits, all methods on the same encoded columns; means over the splits, of training disparity
and unseen disparity the worst too, of seconds of the processor the median. What to mind:

- fairlearn's AdversarialFairnessClassifier takes no bound, so its settings are listed; where a disparity ends
  is found by trial. As it comes (0.15, torch), the projection in its step is wrong for layers with more than
  one unit, and its random state is not used: all fits begin with the same weights. "Mended" is the same
  method with the right projection. It gets a net of the same size, and its own defaults: Adam, batches of 32
  (with larger ones many of its nets end at a disparity of 1).
- ExponentiatedGradient bounds the distance of a group to all rows; its bound is scaled so that two groups
  differ by at most ours. Its predictions are drawn, here with a fixed seed. scikit-learn's MLPClassifier
  has the size, learning rate and epochs of our net, and fewer rounds, as each trains a net anew.
- Thresholds by group need the sensitive attribute to predict; the net and the other two do not.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from fairlearn.adversarial import AdversarialFairnessClassifier
from fairlearn.adversarial._pytorch_engine import PytorchEngine
from fairlearn.reductions import DemographicParity, EqualizedOdds, ExponentiatedGradient
from net_adult import SEEDS, load, make_encoder
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from thresholds_unseen import scaled_bound

from fairsk import FairClassifier, GroupThresholdOptimizer
from fairsk.metrics import GroupCounts

Array = NDArray[Any]
#: A function of rows and their groups that returns labels.
Predict = Callable[[Array, Array], Array]
#: A function of training rows, labels, groups and a seed.
Fit = Callable[[Array, Array, Array, int], Predict]

CASES = (("demographic_parity", 0.05), ("demographic_parity", 0.02), ("equalized_odds", 0.05))
MOMENTS = {"demographic_parity": DemographicParity, "equalized_odds": EqualizedOdds}
#: FairClassifier's defaults on these rows, which MLPClassifier gets too; the adversary gets the width.
WIDTH, BATCH, LR, EPOCHS = 64, 790, 0.002, 25
#: The weight of the adversary (alpha), and epochs.
ADVERSARIES = ((0.3, 15), (1.0, 5), (1.0, 15))
#: ExponentiatedGradient's rounds at most.
ROUNDS_LINEAR, ROUNDS_NET = 50, 10


class MendedEngine(PytorchEngine):
    """The step of adversarial training with a projection that is one for matrices, too."""

    def train_step(self, X: torch.Tensor, Y: torch.Tensor, A: torch.Tensor) -> tuple[float, float]:
        """Move the predictor along the task's gradient, less what helps the adversary; move the latter."""
        parameters = list(self.predictor_model.parameters())
        decided = self.predictor_model(X)
        task = self.predictor_loss(decided, Y)
        task_gradient = torch.autograd.grad(task, parameters, retain_graph=True)
        self.predictor_optimizer.zero_grad()
        self.adversary_optimizer.zero_grad()
        adversary_loss = self.adversary_loss(
            self.adversary_model(torch.cat((decided, Y), dim=1) if self.base.pass_y_ else decided), A
        )
        adversary_loss.backward()
        for parameter, gradient in zip(parameters, task_gradient, strict=True):
            adversary_gradient = parameter.grad
            unit = adversary_gradient / adversary_gradient.norm().clamp_min(
                torch.finfo(adversary_gradient.dtype).tiny
            )
            parameter.grad = gradient - (unit * gradient).sum() * unit - self.base.alpha * adversary_gradient
        self.predictor_optimizer.step()
        self.adversary_optimizer.step()
        return task.item(), adversary_loss.item()


def fair_net(**settings: Any) -> Fit:
    def fit(X: Array, y: Array, groups: Array, seed: int) -> Predict:
        net = FairClassifier(random_state=seed, **settings).fit(X, y, sensitive_features=groups)
        return lambda X, groups: net.predict(X)

    return fit


def thresholds(constraint: str, bound: float, **settings: Any) -> Fit:
    def fit(X: Array, y: Array, groups: Array, seed: int) -> Predict:
        net = FairClassifier(penalty_weight=0.0, random_state=seed)
        optimizer = GroupThresholdOptimizer(net, constraint=constraint, max_difference=bound, **settings)
        optimizer.fit(X, y, sensitive_features=groups)
        return lambda X, groups: optimizer.predict(X, sensitive_features=groups)

    return fit


def adversary(constraint: str, alpha: float, epochs: int, engine: Any, layers: list[Any]) -> Fit:
    def fit(X: Array, y: Array, groups: Array, seed: int) -> Predict:
        net = AdversarialFairnessClassifier(
            backend=engine,
            predictor_model=layers,
            adversary_model=[],
            constraints=constraint,
            alpha=alpha,
            epochs=epochs,
            shuffle=True,
            random_state=seed,
        )
        net.fit(X, y, sensitive_features=groups)
        return lambda X, groups: net.predict(X)

    return fit


def reduction(constraint: str, bound: float, model: Any, rounds: int) -> Fit:
    def fit(X: Array, y: Array, groups: Array, seed: int) -> Predict:
        scaled = scaled_bound(constraint, bound, y, groups)
        gradient = ExponentiatedGradient(
            model(seed), MOMENTS[constraint](difference_bound=scaled), max_iter=rounds
        )
        gradient.fit(X, y, sensitive_features=groups)
        return lambda X, groups: gradient.predict(X, random_state=seed)

    return fit


def logistic(seed: int) -> Any:
    return LogisticRegression(max_iter=500)


def perceptron(seed: int) -> Any:
    return MLPClassifier(
        (WIDTH,), learning_rate_init=LR, batch_size=BATCH, max_iter=EPOCHS, random_state=seed
    )


def methods() -> Iterator[tuple[str, str, float, str, Fit]]:
    """Yield constraint, how a line shows its bound, the bound, a method's name and the method."""
    for constraint, bound in CASES:
        case = constraint, f"{bound:.2f}", bound
        yield *case, "FairClassifier", fair_net(constraint=constraint, max_difference=bound)
        yield *case, "FairClassifier unconstrained, thresholds", thresholds(constraint, bound)
        yield *case, "the same, policy='blind'", thresholds(constraint, bound, policy="blind")
        for name, model, rounds in (
            ("logistic regression", logistic, ROUNDS_LINEAR),
            ("MLPClassifier", perceptron, ROUNDS_NET),
        ):
            yield *case, f"ExponentiatedGradient, {name}", reduction(constraint, bound, model, rounds)
    for constraint in MOMENTS:
        case = constraint, "-", np.nan
        yield *case, "FairClassifier, unconstrained", fair_net(constraint=constraint, penalty_weight=0.0)
        for engine, name in (("torch", "as it comes"), (MendedEngine, "mended")):
            for alpha, epochs in ADVERSARIES:
                label = f"AdversarialFairnessClassifier {name}, alpha {alpha:g}, {epochs} epochs"
                yield *case, label, adversary(constraint, alpha, epochs, engine, [WIDTH, "relu"])
        label = "AdversarialFairnessClassifier, linear, alpha 1, 15 epochs"
        yield *case, label, adversary(constraint, 1.0, 15, "torch", [])


def measure(fit: Fit, constraint: str, seed: int) -> tuple[float, float, float, float]:
    """Return training disparity, unseen disparity, unseen accuracy and seconds."""
    X, labels = load()
    y, groups = (labels == ">50K").astype(int), np.asarray(X["sex"], dtype=str)
    train, test = train_test_split(np.arange(len(y)), test_size=0.3, stratify=y, random_state=seed)
    encoder = make_encoder().fit(X.iloc[train])
    training, unseen = encoder.transform(X.iloc[train]), encoder.transform(X.iloc[test])
    start = time.process_time()
    predict = fit(training, y[train], groups[train], seed)
    seconds = time.process_time() - start

    def decide(rows: Array, indices: Array) -> tuple[Array, float]:
        predicted = np.asarray(predict(rows, groups[indices])).ravel().astype(int)
        counts = GroupCounts.from_predictions(y[indices], predicted, sensitive_features=groups[indices])
        return predicted, float(counts.compare(constraint))

    predicted, disparity = decide(unseen, test)
    return decide(training, train)[1], disparity, float(np.mean(predicted == y[test])), seconds


def main() -> None:
    warnings.simplefilter("ignore")  # nets that stop early, bounds that are not met: the table says how far
    print("Adult, sex, 70/30 splits, seeds", *SEEDS, end="\n\n")
    print("| constraint | bound | method | training: mean, worst | unseen: mean, worst | accuracy | fit s |")
    print("|---|---|---|---|---|---|---|")
    for constraint, bound_label, _, name, fit in methods():
        training, unseen, accuracy, seconds = np.transpose([measure(fit, constraint, seed) for seed in SEEDS])
        cells = [
            constraint,
            bound_label,
            name,
            f"{training.mean():.4f}, {training.max():.4f}",
            f"{unseen.mean():.4f}, {unseen.max():.4f}",
            f"{accuracy.mean():.4f}",
            f"{np.median(seconds):.1f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
