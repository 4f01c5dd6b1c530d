"""Losses in loops that are not ours: torch, accelerate, and the Trainer of transformers (docs/loops.md)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from skorch import NeuralNet

from fairsk import FairLoss
from fairsk.metrics import (
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
)
from fairsk.neural import BoundedLoss, _bounded_loss, _loss

PAGE = (Path(__file__).parents[1] / "docs" / "loops.md").read_text()
WITH_TORCH = ("The target", "A penalty", "A bound", "On rows held out")
WITH_MORE = ("accelerate", "Hugging Face's Trainer")
NO_ACCELERATE = "accelerate is no dependency: what is shown with it runs where it is installed"


def blocks(section):
    """Return the code of a section of the page."""
    [text] = re.findall(rf"^##+ {re.escape(section)}\n(.*?)(?=^##|\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture(scope="module")
def page():
    """Return the names of the page once all has run that torch alone is needed for."""
    names: dict = {}
    for section in WITH_TORCH:
        for block in blocks(section):
            exec(block, names)
    return names


def draw_rows(n=1500, n_groups=2, seed=4):
    """Return features, the second of which tells of the group, and the target."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, n_groups, n)
    X = rng.normal(size=(n, 3))
    X[:, 1] += 1.2 * group / (n_groups - 1)
    y = X[:, 0] + X[:, 1] + rng.normal(size=n) > 0.6
    return torch.tensor(X).float(), {"y": torch.tensor(y).long(), "group": torch.tensor(group)}


def train(criterion, X, target, n_steps=300, batch_size=150):
    """Train a net with a criterion, and tell this of the decisions about each batch if it listens."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    for _ in range(n_steps):
        rows = torch.randint(len(X), (batch_size,))
        logits, of_batch = net(X[rows]), {name: values[rows] for name, values in target.items()}
        criterion(logits, of_batch).backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if hasattr(criterion, "update"):
            criterion.update(logits, of_batch)
    return net


def measure(metric, net, X, target):
    decisions = net(X).argmax(1).numpy()
    return metric(target["y"].numpy(), decisions, sensitive_features=target["group"].numpy(), pos_label=1)


# --- the page --------------------------------------------------------------------------------------------


def test_every_block_of_the_page_runs_here():
    known = [block for section in WITH_TORCH + WITH_MORE for block in blocks(section)]
    assert known == re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_a_penalty_and_a_bound_in_a_plain_loop(page):
    gap, X, target = (page[name] for name in ("gap", "X", "target"))
    assert gap(page["penalized"], X, target) < 0.2
    assert gap(page["bounded"], X, target) < 0.07


def test_a_bound_on_rows_held_out_holds_better_on_new_ones(page):
    gap, X, target = (page[name] for name in ("gap", "X_new", "target_new"))
    assert gap(page["bounded"], X, target) > 0.1
    assert gap(page["keeping"], X, target) < 0.07


@pytest.fixture
def accelerate(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return pytest.importorskip("accelerate", reason=NO_ACCELERATE)


def test_accelerate(page, accelerate, tmp_path):
    names = dict(page)
    for block in blocks("accelerate"):
        exec(block, names)
    assert page["gap"](names["net"], page["X"], page["target"]) < 0.07
    accelerator, criterion = names["accelerator"], names["criterion"]
    multipliers = criterion.multipliers.clone()
    accelerator.save_state(str(tmp_path / "checkpoint"))
    criterion.multipliers.zero_()
    accelerator.load_state(str(tmp_path / "checkpoint"))
    assert multipliers.any()
    torch.testing.assert_close(criterion.multipliers, multipliers)


@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true but no accelerator is found")
def test_the_trainer_of_transformers(page, accelerate, capsys):
    transformers = pytest.importorskip("transformers", reason="transformers is an extra, text")
    names = dict(page)
    torch.manual_seed(0)
    for block in blocks("Hugging Face's Trainer"):
        exec(block, names)
    y, group = names["y"], names["group"]
    assert y[group == 1].mean() - y[group == 0].mean() > 0.2
    assert names["reached"]["eval_difference"] < 0.1
    assert names["reached"]["eval_accuracy"] > 0.75
    # With the callback the bound hears of rows held out, after every step; these are of one group and class.
    criterion = BoundedLoss(max_difference=0.05, n_updates=3)
    held_out = {"y": torch.ones(100).long(), "group": torch.ones(100).long()}
    callback = names["StepBound"](criterion, torch.tensor(names["tokens"][:100]), held_out)
    arguments = transformers.TrainingArguments("run", max_steps=3, report_to="none", disable_tqdm=True)
    names["trainer"] = transformers.Trainer(
        names["model"],
        arguments,
        train_dataset=names["rows"],
        compute_loss_func=lambda outputs, labels, num_items_in_batch: criterion(
            outputs.logits, {"y": labels[:, 0], "group": labels[:, 1]}
        ),
        callbacks=[callback],
    )
    names["trainer"].train()
    tp, fp, fn, tn = criterion.counts[0]
    assert float((tp + fn)[1]) == 64.0  # as many as one call has: of three updates, one is remembered
    assert not torch.stack([fp, tn]).any()
    capsys.readouterr()


# --- loops -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "metric", "reached"),
    [
        ({"min_ratio": 0.8}, demographic_parity_ratio, lambda value: value > 0.72),
        (
            {"constraint": "equal_opportunity", "max_difference": 0.05},
            equal_opportunity_difference,
            lambda value: value < 0.08,
        ),
        ({"n_groups": 3, "max_difference": 0.05}, demographic_parity_difference, lambda value: value < 0.08),
    ],
    ids=["ratio", "equal opportunity", "three groups"],
)
def test_the_bound_is_reached_in_a_loop_of_torch(params, metric, reached):
    X, target = draw_rows(n_groups=params.get("n_groups", 2))
    free = train(lambda logits, target: torch.nn.functional.cross_entropy(logits, target["y"]), X, target)
    bound = train(BoundedLoss(n_updates=300, **params), X, target)
    assert not reached(measure(metric, free, X, target))
    assert reached(measure(metric, bound, X, target))


@pytest.mark.parametrize("n_announced", [30, 600])
def test_fewer_updates_may_be_announced_than_are_made_or_twice_as_many(n_announced):
    X, target = draw_rows()
    net = train(BoundedLoss(max_difference=0.05, n_updates=n_announced), X, target)
    assert measure(demographic_parity_difference, net, X, target) < 0.1


def test_ten_times_the_updates_that_are_made_come_too_late():
    X, target = draw_rows()
    net = train(BoundedLoss(max_difference=0.05, n_updates=3000), X, target)
    assert measure(demographic_parity_difference, net, X, target) > 0.15


@pytest.mark.parametrize("make", [FairLoss, lambda: BoundedLoss(max_difference=0.02, n_updates=20)])
def test_a_loss_goes_on_where_its_state_was_kept(make):
    X, target = draw_rows(200)
    logits = X[:, :2]
    one, other = make(), make()

    def step(loss, rows):
        part = {name: values[rows] for name, values in target.items()}
        value = loss(logits[rows], part)
        if hasattr(loss, "update"):
            loss.update(logits[rows], part)
        return value

    for start in range(0, 100, 20):
        step(one, slice(start, start + 20))
    other.load_state_dict(one.state_dict())
    for start in range(100, 200, 20):
        rows = slice(start, start + 20)
        torch.testing.assert_close(step(other, rows), step(one, rows))


# --- what is done wrongly --------------------------------------------------------------------------------


def test_a_bound_that_hears_of_no_decision_says_so_once():
    X, target = draw_rows(60)
    loss = BoundedLoss(max_difference=0.1, n_updates=3)
    loss.eval()
    for _ in range(5):
        loss(X[:, :2], target)
    loss.train()
    for _ in range(2):
        loss(X[:, :2], target)
    with pytest.warns(UserWarning, match=r"called 3 times in training, and its update\(\) never"):
        loss(X[:, :2], target)
    for _ in range(5):
        loss(X[:, :2], target)


def test_a_bound_that_is_told_in_time_does_not_warn():
    X, target = draw_rows(60)
    loss = BoundedLoss(max_difference=0.1, n_updates=3)
    for _ in range(2):
        loss(X[:, :2], target)
    loss.update(X[:, :2], target)
    for _ in range(5):
        loss(X[:, :2], target)


def test_a_bound_as_a_criterion_of_skorch_is_not_held_and_says_so():
    X, target = draw_rows(60)
    net = NeuralNet(
        torch.nn.Linear,
        module__in_features=3,
        module__out_features=2,
        criterion=BoundedLoss,
        criterion__max_difference=0.1,
        train_split=None,
        max_epochs=2,
        verbose=0,
    )
    with pytest.warns(UserWarning, match="no n_updates.*criterion.update") as caught:
        net.fit(X.numpy(), {name: values.numpy() for name, values in target.items()})
    assert [Path(each.filename).name for each in caught] == ["test_loops.py"]


def test_updates_without_their_number_are_refused():
    X, target = draw_rows(60)
    with pytest.raises(ValueError, match="give n_updates to the loss"):
        BoundedLoss(max_difference=0.1).update(X[:, :2], target)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda target: target["y"], "must be a dict of 'y'.*got Tensor"),
        (lambda target: {"y": target["y"]}, "it has no 'group'"),
        (
            lambda target: {**target, "group": target["group"].numpy()},
            "'group' is a ndarray: make it a tensor",
        ),
        (lambda target: {**target, "group": target["group"] / 2}, "'group' holds fractions"),
        (lambda target: {**target, "group": target["group"][:, None]}, r"'y' \(60,\), 'group' \(60, 1\)"),
        (lambda target: {**target, "group": target["group"] + 1}, "the group 2, but n_groups is 2"),
        (lambda target: {**target, "group": target["group"] - 1}, "the group -1, but n_groups is 2"),
        (lambda target: {**target, "y": target["y"] + 1}, "the class 2, but n_classes is 2"),
        (
            lambda target: {**target, "y": target["y"].where(target["group"] > 0, -100)},
            "the class -100, but n",
        ),
    ],
)
@pytest.mark.parametrize("call", ["forward", "update"])
def test_targets_that_a_bound_cannot_hear_of(change, message, call):
    X, target = draw_rows(60)
    loss = BoundedLoss(max_difference=0.1, n_updates=5)
    with pytest.raises(ValueError, match=message):
        getattr(loss, call)(X[:, :2], change(target))
    assert not loss.counts.any()  # nothing of it is remembered


@pytest.mark.parametrize(
    "make",
    [FairLoss, lambda: FairLoss(penalty="hsic"), lambda: BoundedLoss(max_difference=0.1, n_updates=9)],
    ids=["prices", "no prices", "bound"],
)
def test_on_an_accelerator_codes_are_read_back_once(make, monkeypatch):
    read = []
    for module in (_loss, _bounded_loss):
        monkeypatch.setattr(module, "on_host", lambda tensor: False)
    monkeypatch.setattr(_loss, "check_codes", lambda target, *sizes: read.append(target))
    X, target = draw_rows(60)
    loss = make()
    for _ in range(3):
        loss(X[:, :2], target)
        if hasattr(loss, "update"):
            loss.update(X[:, :2], target)
    assert len(read) == 1


def test_outputs_instead_of_their_logits_are_named():
    X, target = draw_rows(60)
    with pytest.raises(ValueError, match="it returned dict"):
        BoundedLoss(n_updates=5)({"logits": X[:, :2]}, target)
    with pytest.raises(ValueError, match="it returned dict"):
        BoundedLoss(n_updates=5).update({"logits": X[:, :2]}, target)
