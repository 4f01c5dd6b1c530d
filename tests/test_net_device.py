"""Nets on an accelerator: rows, decisions and counts stay there, and no step waits for it.

No accelerator is needed: what would wait is looked for on the processor, and torch's "meta" device, which has
shapes but no numbers, refuses whatever depends on a number.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from skorch.dataset import Dataset
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.data import Subset, WeightedRandomSampler

from fairsk import FairClassifier, FairLoss
from fairsk.neural import BoundedLoss, _batches, _confusion, _loss
from fairsk.neural._batches import Batches
from fairsk.neural._comparisons import GroupComparison
from fairsk.neural._confusion import ConfusionTables
from fairsk.neural._decisions import Decisions
from fairsk.neural._evaluation import EvaluationSums
from fairsk.neural._net import LabelledNet
from fairsk.rates import CELLS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

#: Operations that a program has to wait for, since a number or a shape depends on what is on the device.
WAITING = {
    "_local_scalar_dense",
    "_unique2",
    "bincount",
    "equal",
    "masked_select",
    "nonzero",
    "unique_consecutive",
    "unique_dim",
}
#: Methods that bring numbers over, which are no operation where tensors are in the processor's memory.
READING = ("cpu", "numpy", "tolist")


class Watch(TorchDispatchMode):
    """Note what an accelerator would be waited for."""

    def __init__(self, monkeypatch):
        super().__init__()
        self.waits = Counter()
        for name in READING:
            method = getattr(torch.Tensor, name)

            def noted(tensor, *args, _name=name, _method=method, **kwargs):
                self.waits[_name] += self.active
                return _method(tensor, *args, **kwargs)

            monkeypatch.setattr(torch.Tensor, name, noted)
        self.active = False

    def __enter__(self):
        self.active = True
        return super().__enter__()

    def __exit__(self, *error):
        self.active = False
        return super().__exit__(*error)

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation.__name__.partition(".")[0]
        by_mask = name in ("index", "index_put", "index_put_") and any(
            each is not None and each.dtype in (torch.bool, torch.uint8) for each in args[1]
        )
        if name in WAITING or by_mask:
            self.waits[name] += 1
        return operation(*args, **(kwargs or {}))


def make_rows(n=600, seed=0):
    """Return features, labels that depend on the group, and groups."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)).astype(np.float32)
    group = rng.integers(0, 3, n)
    y = (X[:, 0] + 0.8 * (group > 0) > rng.logistic(size=n)).astype(np.int64)
    return X, y, group


def waits_of_epochs(monkeypatch, settings, **given):
    """Return what the steps of a training wait for, as it would run on an accelerator."""
    watch, original = Watch(monkeypatch), LabelledNet.run_single_epoch

    def watched(self, *args, **kwargs):
        with watch:
            return original(self, *args, **kwargs)

    monkeypatch.setattr(LabelledNet, "run_single_epoch", watched)
    for module in (_confusion, _loss):
        monkeypatch.setattr(module, "on_host", lambda values: False)
    X, y, group = make_rows()
    given = {"sensitive_features": group, **given}
    # Twelve steps in an epoch, and two updates among them; SGD, since Adam counts its steps in the
    # processor's memory.
    settings = {
        "bound_on": "training",
        "batch_size": 50,
        "max_epochs": 2,
        "optimizer": torch.optim.SGD,
        "lr": 0.1,
        **settings,
    }
    FairClassifier(random_state=0, **settings).fit(X, y, **given)
    return +watch.waits


STRATA = {"strata": np.arange(600) % 4}
WEIGHTS = {"sample_weight": 1.0 + np.arange(600) % 3}
COLUMNS = {"sensitive_features": np.column_stack([make_rows()[2], np.arange(600) % 2])}
TRAININGS = {
    "penalty": ({"penalty_weight": 1.0}, {}),
    "penalty, strata": ({"penalty_weight": 1.0}, STRATA),
    "penalty on odds, weights": ({"penalty_weight": 1.0, "constraint": "equalized_odds"}, WEIGHTS),
    "distributions": ({"penalty_weight": 1.0, "penalty": "mmd"}, STRATA),
    "divergence": ({"penalty_weight": 1.0, "penalty": "kl_projection"}, {}),
    "areas": ({"penalty_weight": 1.0, "penalty": "wasserstein"}, WEIGHTS),
    "bound": ({"max_difference": 0.05}, {}),
    "bound, weights": ({"max_difference": 0.05, "constraint": "equalized_odds"}, WEIGHTS),
    "bound, class weights": ({"max_difference": 0.05, "class_weight": "balanced"}, {}),
    "bound, strata": ({"max_difference": 0.05}, STRATA),
    "bound, columns": ({"max_difference": 0.05, "combine": "separate"}, COLUMNS),
    "ratio, small group": ({"min_ratio": 0.8, "min_group_size": 190}, WEIGHTS),
    "many epochs": ({"max_difference": 0.05, "max_epochs": 25}, {}),
    "rows held out": ({"max_difference": 0.05, "early_stopping": True}, {}),
    "folds": ({"max_difference": 0.05, "bound_on": "held_out"}, WEIGHTS),
}


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.filterwarnings("ignore:Fewer than min_group_size")
@pytest.mark.filterwarnings("ignore:.*rests on few rows")
def test_no_step_waits_for_a_device(training, monkeypatch):
    settings, given = TRAININGS[training]
    n_passes = settings.get("max_epochs", 2) * (2 if settings.get("early_stopping") else 1)
    # The losses of all batches are read at once, after the last of them.
    assert waits_of_epochs(monkeypatch, settings, **given) == {"tolist": n_passes}


SLIPS = {
    "_local_scalar_dense": lambda p, g: float(p.detach().sum()) + bool(p[0] > 0),
    "nonzero": lambda p, g: p[(g == 1).nonzero()].sum(),
    "index": lambda p, g: p[g == 1].sum(),
    "masked_select": lambda p, g: p.masked_select(g == 1).sum(),
    "_unique2": lambda p, g: g.unique().sum(),
    "bincount": lambda p, g: g.bincount().sum(),
    "cpu": lambda p, g: p.cpu().sum(),
    "numpy": lambda p, g: p.detach().numpy().sum(),
    "tolist": lambda p, g: sum(p.tolist()),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_step_that_waits_is_noticed(slip, monkeypatch):
    def waiting(probabilities, labels, groups):
        SLIPS[slip](probabilities, groups)
        return probabilities.mean() ** 2

    waits = waits_of_epochs(monkeypatch, {"penalty_weight": 1.0, "penalty": waiting})
    assert waits[slip] > 2


class OnOneDevice(TorchDispatchMode):
    """Refuse operations to which the processor's memory has to send more than a number."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        sent = [each for each in tensors if each.device.type == "cpu" and each.ndim]
        assert not sent, f"{operation} is sent {len(sent)} tensors"
        return operation(*args, **(kwargs or {}))


SOME_GROUPS = (GroupComparison(1, (0, 1, -1)),)
IN_STRATA = (GroupComparison(1, (0, -1, 1, -1), stratum=0), GroupComparison(1, (-1, 0, -1, 1), stratum=1))
COMPARED = {
    "all groups": (GroupComparison.all_groups(3, (1,)), 2),
    "some groups": (SOME_GROUPS, 2),
    "strata": (IN_STRATA, 2),
    "classes": (GroupComparison.all_groups(2, (0, 1, 2)), 3),
}


def on_meta(n, n_classes, *, weights):
    """Return outputs of a net and a target that have shapes only."""
    target = {name: torch.zeros(n, dtype=torch.int64, device="meta") for name in ("y", "group", "row")}
    if weights:
        target["weight"] = torch.zeros(n, device="meta")
    return torch.zeros(n, n_classes, device="meta", requires_grad=True), target


@pytest.mark.parametrize("weights", [False, True], ids=["", "weights"])
@pytest.mark.parametrize("compared", COMPARED)
def test_losses_and_decisions_stay_on_the_device(compared, weights):
    comparisons, n_classes = COMPARED[compared]
    logits, target = on_meta(40, n_classes, weights=weights)
    settings = {"comparisons": comparisons, "n_classes": n_classes}
    bounded = BoundedLoss("equalized_odds", max_difference=0.1, n_updates=10, **settings).to("meta")
    fair = [FairLoss(penalty=penalty, **settings).to("meta") for penalty in ("squared_gap", "mmd", "ermi")]
    for loss in (bounded, *fair):
        loss.codes_are_known = True
    bounded.update_multipliers(torch.zeros(len(comparisons), 4, bounded.confusion.n_groups).to("meta"), 0.1)
    decisions = Decisions(bounded.confusion, target, n_remembered=3)
    with OnOneDevice():
        for loss in (bounded, *fair):
            loss(logits, target).backward()
            EvaluationSums.from_logits(loss, logits, target)
        predicted = _confusion.predicted_class(logits)
        decisions.note(target["row"], predicted)
        bounded.update_multipliers(decisions.tables(), 0.1)
        decisions.note(target["row"], predicted)
        bounded.update_multipliers(decisions.tables_of_all(), 0.1)
        bounded.update(logits, target)


# --- what is counted -------------------------------------------------------------------------------------


def expected_tables(comparisons, rows, target, predicted):
    """Count decisions about some rows one by one, of shape (n_comparisons, 4, n_groups)."""
    n_groups = max(each.n_groups for each in comparisons)
    tables = np.zeros((len(comparisons), 4, n_groups))
    for row in rows:
        for table, comparison in zip(tables, comparisons, strict=True):
            group = comparison.group_index[target["group"][row]]
            actual, decided = (each[row] == comparison.class_index for each in (target["y"], predicted))
            cell = {(1, 1): "tp", (0, 1): "fp", (1, 0): "fn", (0, 0): "tn"}[actual, decided]
            if group >= 0:
                table[CELLS.index(cell), group] += target["weight"][row] if "weight" in target else 1
    return tables


def make_target(comparisons, n_classes, n, *, weights):
    rng = np.random.default_rng(0)
    target = {
        "y": rng.integers(0, n_classes, n),
        "group": rng.integers(0, len(comparisons[0].group_index), n),
    }
    if weights:
        target["weight"] = rng.integers(1, 5, n) / 4
    return rng, target


@pytest.mark.parametrize("weights", [False, True], ids=["", "weights"])
@pytest.mark.parametrize("n_remembered", [None, 1, 3])
@pytest.mark.parametrize("compared", COMPARED)
def test_the_latest_decision_about_every_row_is_counted_while_it_is_remembered(
    compared, n_remembered, weights
):
    comparisons, n_classes = COMPARED[compared]
    n = 30
    rng, target = make_target(comparisons, n_classes, n, weights=weights)
    tensors = {name: torch.as_tensor(values) for name, values in target.items()}
    decisions = Decisions(ConfusionTables(comparisons, n_classes), tensors, n_remembered)
    latest, made_in = np.zeros(n, int), np.full(n, -100)
    for update in range(9):
        whole = update in (3, 7)
        if whole:  # what waits does not count
            decisions.note(torch.arange(n), torch.as_tensor(latest))
            decisions.clear()
        for size in (n,) if whole else (8, 5):
            rows = rng.permutation(n)[:size]  # the second time, perhaps some of the first
            predicted = rng.integers(0, n_classes, size)
            decisions.note(torch.as_tensor(rows), torch.as_tensor(predicted))
            latest[rows], made_in[rows] = predicted, update
        tables = decisions.tables_of_all() if whole else decisions.tables()
        oldest = 0 if n_remembered is None else update - n_remembered + 1
        expected = expected_tables(comparisons, np.flatnonzero(made_in >= oldest), target, latest)
        np.testing.assert_allclose(tables.numpy(), expected, atol=1e-12)


def test_rates_of_rows_that_weigh_next_to_nothing_do_not_fall_below_zero():
    confusion = ConfusionTables(GroupComparison.all_groups(1, (0, 1, 2)), 3)
    weight = torch.tensor([0.1, 0.2, 0.3, 0.7], dtype=torch.float64)
    target = {"y": torch.tensor([0, 1, 2, 0]), "group": torch.zeros(4, dtype=torch.int64), "weight": weight}
    tables = confusion.tables(confusion.count(target, torch.tensor([0, 0, 1, 0])))
    assert tables.min() >= 0


# --- where rows are --------------------------------------------------------------------------------------


def test_parts_of_a_split_share_the_rows():
    data = Dataset(np.arange(12.0).reshape(6, 2), {"y": np.arange(6)})
    whole = Batches(data)
    for rows in ([5, 1, 3], [0, 2]):
        part = Batches(Subset(data, rows), batch_size=2)
        assert part.X.data_ptr() == whole.X.data_ptr()
        assert [row for _, y in part for row in y["y"].tolist()] == rows
        assert part.take(torch.tensor([1]))[1]["y"].tolist() == [rows[1]]
        assert part.take(slice(0, 1))[1]["y"].tolist() == [rows[0]]


def test_rows_move_to_the_device_once_if_half_of_it_holds_them(monkeypatch):
    data = Dataset(np.zeros((10, 4), np.float32), {"y": np.zeros(10, np.int64)})  # of 160 and 80 bytes
    for free, moves in ((479, False), (480, True)):
        monkeypatch.setattr(_batches, "free_memory", lambda device, free=free: free)
        part, other = (Batches(Subset(data, rows)).on("meta") for rows in ([1, 2], [0, 3]))
        for each in (part.X, part.y["y"], part.take(slice(0, 1))[0]):
            assert (each.device.type == "meta") == moves
        assert (part.X is other.X) == moves
        assert part.X.shape == (10, 4)
    assert Batches(data).on("cpu").X.device.type == Batches(data).on(None).X.device.type == "cpu"
    monkeypatch.undo()
    assert _batches.free_memory(torch.device("meta")) == 0  # nothing is known of its memory


@pytest.mark.parametrize("drawn", ["shuffled", "by a generator", "by a sampler"])
def test_the_order_of_an_epoch_goes_to_the_device_at_once(drawn, monkeypatch):
    monkeypatch.setattr(_batches, "free_memory", lambda device: 10**6)
    data = Dataset(np.zeros((10, 4), np.float32), {"y": np.zeros(10, np.int64)})
    how = {
        "shuffled": {"shuffle": True},
        "by a generator": {"shuffle": True, "generator": torch.Generator()},
        "by a sampler": {"sampler": WeightedRandomSampler(np.ones(6), 6)},
    }[drawn]
    batches = Batches(Subset(data, range(2, 8)), batch_size=2, **how).on("meta")
    assert batches._order().device.type == "meta"
    with OnOneDevice():
        assert batches.take(slice(0, 2))[0].shape == (2, 4)


class SeesLosses(Callback):
    """Look at the loss of every batch as it ends."""

    def __init__(self):
        self.losses = []

    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            self.losses.append(net.history[-1, "batches", -1, "train_loss"])


def test_losses_of_batches_are_read_at_the_end_of_an_epoch_or_when_a_callback_looks(monkeypatch):
    X, y, group = make_rows()
    watch, reads = Watch(monkeypatch), []
    original = LabelledNet.run_single_epoch

    def watched(self, *args, **kwargs):
        with watch:
            original(self, *args, **kwargs)
        reads.append(watch.waits["_local_scalar_dense"])
        self.losses_of_epoch = self.history[-1, "batches", :, "train_loss"]

    monkeypatch.setattr(LabelledNet, "run_single_epoch", watched)
    losses = []
    for callbacks in ([], [SeesLosses()]):
        settings = {"penalty_weight": 1.0, "max_epochs": 1, "batch_size": 100, "optimizer": torch.optim.SGD}
        net = FairClassifier(random_state=0, callbacks=callbacks, **settings)
        net.fit(X, y, sensitive_features=group)
        losses.append(net.net_.losses_of_epoch)
        assert net.net_.history[-1, "train_loss"] == pytest.approx(np.mean(losses[-1]))
    assert len(losses[0]) == 6
    assert losses[0] == losses[1]
    assert reads[0] == 0 < 6 <= reads[-1]


class Interrupted(torch.nn.Linear):
    """A module whose training is interrupted as the first decisions about rows are made."""

    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes)
        self.n_calls = 0

    def forward(self, X):
        self.n_calls += 1
        if self.n_calls == 2:  # the first is the trial of a few rows
            raise KeyboardInterrupt
        return super().forward(X)


def test_a_training_that_is_interrupted_at_once_leaves_a_net_that_predicts():
    X, y, group = make_rows()
    net = FairClassifier(Interrupted, max_difference=0.1, bound_on="training", random_state=0)
    net.fit(X, y, sensitive_features=group)
    assert not net.history_
    assert len(net.predict(X)) == len(X)


def test_adam_steps_in_one_operation_unless_the_user_or_torch_has_it_otherwise(monkeypatch):
    X, y, group = make_rows()

    def weights(**net_params):
        net = FairClassifier(penalty_weight=1.0, max_epochs=2, random_state=0, net_params=net_params)
        net = net.fit(X, y, sensitive_features=group).net_
        [one] = {each["fused"] for each in net.optimizer_.param_groups}
        return one, [each.detach().numpy() for each in net.module_.parameters()]

    fused, by_default = weights()
    each, one_by_one = weights(optimizer__foreach=False)
    assert (fused, each) == (True, None)
    for ours, theirs in zip(by_default, one_by_one, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)

    class OldAdam(torch.optim.Adam):
        def __init__(self, params, fused=None, **kwargs):
            if fused:
                raise RuntimeError("`fused=True` requires all the params to be floating point on cuda")
            super().__init__(params, **kwargs)

    monkeypatch.setattr(torch.optim, "Adam", OldAdam)
    assert weights()[0] is None
