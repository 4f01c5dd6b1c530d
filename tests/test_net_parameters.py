"""FairClassifier and skorch: rows to validate on, loaders, callbacks, nested parameters, inputs."""

from __future__ import annotations

import datetime
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import BatchScoring, Callback, Checkpoint, EarlyStopping, EpochScoring, LRScheduler
from skorch.dataset import Dataset, ValidSplit
from skorch.helper import SliceDataset, predefined_split
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset, WeightedRandomSampler

from fairsk import FairClassifier
from fairsk.metrics import disparity
from fairsk.scoring import make_fair_scorer

FEW = {"max_epochs": 3, "batch_size": 50, "random_state": 0}
FIXED = {**FEW, "penalty_weight": 1.0}
BOUND_MAY_BE_MISSED = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
BOTH = pytest.mark.parametrize("params", [{}, {"penalty_weight": 1.0}], ids=["bound", "penalty"])
ON_TRAINING_ROWS = pytest.mark.parametrize(
    "params", [{"bound_on": "training"}, {"penalty_weight": 1.0}], ids=["bound", "penalty"]
)


def make_rows(n=400, seed=0):
    """Return X, labels "no" and "yes", and groups a and b, of which b is selected more often."""
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b"], n)
    X = rng.normal(size=(n, 3)) + 0.8 * (group[:, None] == "b") * [1, 0, 0]
    return X, np.where(X[:, 0] + X[:, 1] + rng.normal(size=n) > 0.4, "yes", "no"), group


def fit(data=None, **params):
    X, y, group = make_rows() if data is None else data
    return FairClassifier(**params).fit(X, y, sensitive_features=group)


def gap(y, predicted, groups):
    return disparity(
        y, predicted, sensitive_features=groups, pos_label="yes", constraint="demographic_parity"
    )


class Width(nn.Module):
    def __init__(self, n_features, width=4):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(n_features, width), nn.ReLU(), nn.Linear(width, 2))

    def forward(self, X):
        return self.layers(X)


class Seen(Callback):
    """Collect what a callback is called with; copies, which a classifier makes, share the lists."""

    def __init__(self):
        self.calls = []

    def __deepcopy__(self, memo):
        return self

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.calls.append(("train", y))

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        self.calls.append(("batch" if training else "valid batch", batch[1]))

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        self.calls.append(("epoch", (dataset_train, dataset_valid)))

    def seen(self, what):
        return [value for name, value in self.calls if name == what]


# --- rows to validate on --------------------------------------------------------------------------------


def as_values(X, y, group):
    return Dataset(X, {"y": y, "sensitive_features": group})


def as_values_with_weights(X, y, group):
    return Dataset(X, {"y": y, "sensitive_features": pd.Series(group), "sample_weight": np.ones(len(y))})


def as_target(X, y, group):
    return Dataset(
        X.astype(np.float32), {"y": (y == "yes").astype(np.int64), "group": torch.tensor(group == "b").long()}
    )


def as_subset(X, y, group):
    return Subset(as_values(np.tile(X, (2, 1)), np.tile(y, 2), np.tile(group, 2)), range(len(y)))


@BOUND_MAY_BE_MISSED
@BOTH
@pytest.mark.parametrize("make", [as_values, as_values_with_weights, as_target, as_subset])
def test_rows_of_ones_own_are_validated_on(make, params):
    group = make_rows()[2]
    own = make_rows(150, seed=1)
    classifier = fit(net_params={"train_split": predefined_split(make(*own))}, **FEW, **params)
    kept = classifier.history_[classifier.best_epoch_ - 1]
    predicted = classifier.predict(own[0])
    assert kept["valid_acc"] == pytest.approx(accuracy_score(own[1], predicted))
    of_own = gap(own[1], predicted, own[2])
    assert kept["valid_disparity"] == pytest.approx(of_own)
    # The bound, and the report, are for the rows of fit: out of fold.
    assert classifier.report_.counts.n.tolist() == [np.sum(group == "a"), np.sum(group == "b")]
    if not params:
        assert classifier.report_.disparity != of_own
        assert kept["disparity"] == pytest.approx(classifier.report_.disparity)
    state = len(pickle.dumps(classifier.net_))
    assert state < len(pickle.dumps(fit(make_rows(800), **FEW, **params).net_)) + 2000  # no rows are kept


@BOUND_MAY_BE_MISSED
def test_rows_of_ones_own_may_have_the_column_that_the_constructor_names():
    X, y, group = make_rows()
    frame = pd.DataFrame(X, columns=list("uvw")).assign(sex=group)
    own, own_y, own_group = make_rows(150, seed=1)
    rows = Dataset(pd.DataFrame(own, columns=list("uvw")).assign(sex=own_group), own_y)
    net_params = {"train_split": predefined_split(rows)}
    classifier = FairClassifier(sensitive_features="sex", net_params=net_params, **FEW).fit(frame, y)
    kept = classifier.history_[classifier.best_epoch_ - 1]
    assert kept["valid_acc"] == pytest.approx(accuracy_score(own_y, classifier.predict(rows.X)))


def own_rows(**change):
    X, y, group = make_rows(50, seed=1)
    return Dataset(X, {**{"y": y, "sensitive_features": group}, **change})


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (predefined_split(Dataset(make_rows(50)[0], make_rows(50)[1])), "has no 'sensitive_features'"),
        (
            predefined_split(own_rows(y=np.full(50, "maybe"))),
            "label 'maybe', which is not one of",
        ),
        (
            predefined_split(own_rows(sensitive_features=np.full(50, "z"))),
            "50 of 50 rows that train_",
        ),
        (predefined_split(own_rows(sex=np.full(50, "z"))), "Rows of your own .* are a Dataset.*has 'sex'"),
        (predefined_split(TensorDataset(torch.zeros(5, 3))), "to validate on, it returned TensorDataset"),
        (predefined_split(Dataset(np.zeros((5, 3)))), "to validate on, it returned Dataset without y"),
        (lambda dataset, y: dataset, "train_split returns the dataset.*it returned Dataset"),
        (lambda dataset, y: (own_rows(), None), "to train on, it returned Dataset of other rows"),
        (
            predefined_split(Dataset(np.zeros((5, 3)), {"y": np.full(5, 2), "group": np.zeros(5, int)})),
            "as the target of FairLoss, its 'y' holds whole numbers from 0 to 1",
        ),
    ],
)
def test_splits_that_cannot_be_used_are_named(split, message):
    with pytest.raises(ValueError, match=message):
        fit(net_params={"train_split": split}, **FIXED)


@BOUND_MAY_BE_MISSED
def test_a_split_of_the_user_sees_labels_and_may_leave_rows_out():
    seen = Seen()

    class Rows(Callback):
        def on_epoch_end(self, net, **kwargs):
            [update] = [each for _, each in net.callbacks_ if type(each).__name__ == "MultiplierUpdate"]
            sums = update.sums_
            seen.calls.append(
                ("n", [sums.trained.row_weight, sums.held_out.row_weight, sums.every_row.row_weight])
            )

    data = make_rows()
    cv = ShuffleSplit(1, train_size=0.5, test_size=0.25, random_state=0)
    fit(data, max_difference=0.9, net_params={"train_split": ValidSplit(cv)}, callbacks=[Rows()], **FEW)
    assert seen.seen("n") == 3 * [[200.0, 100.0, 400.0]]

    def split(dataset, y):
        assert y.tolist() == data[1].tolist()
        return Subset(dataset, np.flatnonzero(y == "yes")), None

    assert "valid_acc" not in fit(data, net_params={"train_split": split}, **FIXED).history_[0]
    stratified = fit(data, net_params={"train_split": ValidSplit(4, stratified=True)}, **FIXED)
    assert "valid_acc" in stratified.history_[0]


def test_a_split_of_none_holds_nothing_out():
    assert "valid_acc" not in fit(early_stopping=True, net_params={"train_split": None}, **FIXED).history_[0]


# --- loaders --------------------------------------------------------------------------------------------


def batch_sizes(**net_params):
    seen = Seen()
    named = {f"iterator_train__{name}": value for name, value in net_params.items()}
    fit(callbacks=[seen], net_params=named, **{**FIXED, "max_epochs": 1, "batch_size": 150})
    return [len(y) for y in seen.seen("batch")]


def test_batches_hear_the_parameters_of_a_loader():
    assert batch_sizes() == [133, 133, 134]
    assert batch_sizes(drop_last=True) == [150, 150]
    assert batch_sizes(batch_size=100) == 4 * [100]
    assert batch_sizes(num_workers=0, pin_memory=False, collate_fn=None, sampler=None) == [133, 133, 134]
    assert batch_sizes(sampler=range(10)) == [10]


@BOUND_MAY_BE_MISSED
@ON_TRAINING_ROWS
@pytest.mark.parametrize("loader", [None, DataLoader], ids=["ours", "torch's"])
def test_a_sampler_draws_the_rows(loader, params):
    seen = Seen()
    data = make_rows()
    net_params = {
        "iterator_train__sampler": WeightedRandomSampler((data[1] == "yes").astype(float), 100),
        **({} if loader is None else {"iterator_train": loader}),
    }
    fit(data, callbacks=[seen], net_params=net_params, **FEW, **params)
    batches = seen.seen("batch")
    assert [len(y) for y in batches] == 6 * [50]
    assert all((np.asarray(y) == "yes").all() for y in batches)


def test_rows_may_come_in_their_own_order_from_any_loader():
    class Halves:
        """A loader that knows nothing but its rows."""

        def __init__(self, dataset, batch_size):
            self.dataset = dataset

        def __len__(self):
            return 2

        def __iter__(self):
            loader = DataLoader(self.dataset, batch_size=len(self.dataset) // 2)
            return iter(loader)

    _, y, _ = make_rows()
    for net_params in (
        {"iterator_train__shuffle": False},
        {"iterator_train": Halves},
        {"iterator_train": DataLoader, "iterator_train__shuffle": False, "iterator_train__num_workers": 0},
    ):
        seen = Seen()
        fit(callbacks=[seen], net_params=net_params, **FIXED)
        assert np.concatenate(seen.seen("batch")).tolist() == 3 * y.tolist()


@pytest.mark.parametrize(
    ("net_params", "message"),
    [
        (
            {"iterator_train__num_workers": 2},
            "'iterator_train__num_workers', which is about",
        ),
        ({"iterator_valid__pin_memory": True}, r"'iterator_valid__pin_memory'.*\{'iterator_valid': torch"),
        ({"iterator_train__batch_sampler": [[0]]}, "'iterator_train__batch_sampler', which is about rows"),
        (
            {"iterator_train__shufle": True},
            "which is no parameter of a loader. .* batch_size, shuff",
        ),
        ({"iterator_valid__shuffle": True}, "'iterator_valid__shuffle', but predictions go through"),
        ({"iterator_valid": DataLoader, "iterator_valid__drop_last": True}, "but predictions go through"),
        ({"iterator_train__drop_last": True, "iterator_train__batch_size": 500}, "leaves no batch: 400 rows"),
        ({"iterator_train__sampler": [0], "iterator_train__shuffle": True}, "Give a sampler or shuffle=True"),
        ({"iterator_train__sampler": [400]}, "draws rows up to 400, but 400 rows are trained on"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_parameters_of_loaders_that_are_not_heard_are_named(net_params, message):
    with pytest.raises(ValueError, match=message):
        fit(net_params=net_params, **FIXED)


# --- callbacks ------------------------------------------------------------------------------------------


@BOUND_MAY_BE_MISSED
@BOTH
def test_scores_by_name_are_those_of_scikit_learn(params):
    X, y, _ = make_rows()
    callbacks = [
        ("acc", EpochScoring("accuracy", lower_is_better=False, name="valid_accuracy")),
        ("uncached", EpochScoring("accuracy", name="uncached", use_caching=False)),
        ("auc", EpochScoring("roc_auc", on_train=True, use_caching=False)),
        ("batches", BatchScoring("accuracy", name="of_batches")),
        ("own", EpochScoring(None, name="score")),
    ]
    own = make_rows(100, seed=1)
    split = predefined_split(as_values(*own))
    classifier = fit(
        callbacks=callbacks, net_params={"train_split": split}, **{**FEW, "max_epochs": 1}, **params
    )
    last = classifier.net_.history[-1]
    expected = accuracy_score(own[1], classifier.predict(own[0]))
    for name in ("valid_accuracy", "uncached", "of_batches", "score", "valid_acc"):
        assert last[name] == pytest.approx(expected), name
    assert last["valid_acc_best"]
    assert last["valid_accuracy_best"]
    assert last["roc_auc"] == pytest.approx(roc_auc_score(y == "yes", classifier.predict_proba(X)[:, 1]))


@BOUND_MAY_BE_MISSED
@ON_TRAINING_ROWS
@pytest.mark.parametrize("columns", [1, 2])
def test_fair_scores_of_every_epoch(columns, params):
    X, y, group = make_rows()
    other = np.where(np.random.default_rng(2).random(400) < 0.5, "u", "v")
    values = group if columns == 1 else np.column_stack([group, other])
    scoring = EpochScoring(make_fair_scorer("equal_opportunity"), lower_is_better=False)
    trained = EpochScoring(make_fair_scorer("equal_opportunity"), name="of_training", on_train=True)
    params = {**FEW, **params, "constraint": "equal_opportunity", "early_stopping": True, "max_epochs": 1}
    classifier = FairClassifier(
        callbacks=[("valid", scoring), ("train", trained)], min_group_size=1, **params
    )
    classifier.set_params(callbacks__train__use_caching=False)
    last = classifier.fit(X, y, sensitive_features=values).net_.history[-1]
    assert last["make_fair_scorer('equal_opportunity')"] == pytest.approx(-last["valid_disparity"])
    if "penalty_weight" not in params:  # with a penalty, rows are measured while the net goes over them
        assert last["of_training"] == pytest.approx(-last["disparity"])


@pytest.mark.parametrize("labels", [["no", "yes"], [3, 7], [False, True]], ids=str)
def test_callbacks_see_labels(labels):
    X, y, group = make_rows()
    y = np.where(y == "yes", labels[1], labels[0])
    seen = Seen()
    fit((X, y, group), callbacks=[seen], early_stopping=True, **FIXED)
    [of_all] = seen.seen("train")
    assert np.array_equal(of_all, y)
    trained, held_out = seen.seen("epoch")[0]
    rows = [*trained.indices, *held_out.indices]
    assert sorted(rows) == list(range(400))
    assert [dataset[i][1] for dataset in (trained, held_out) for i in range(3)] == [
        y[rows[i]] for i in (0, 1, 2, 360, 361, 362)
    ]
    assert all(isinstance(each, torch.Tensor) == (labels[0] != "no") for each in seen.seen("batch"))
    first_epoch = np.concatenate(seen.seen("batch")[:8])
    assert sorted(first_epoch.tolist()) == sorted(y[trained.indices].tolist())


def test_callbacks_monitor_the_accuracy(tmp_path, capsys):
    stop = EarlyStopping("valid_acc", lower_is_better=False, patience=2, sink=lambda *_: None)
    best = Checkpoint(dirname=tmp_path, monitor="valid_acc_best", f_history=None)
    slower = LRScheduler("ReduceLROnPlateau", monitor="valid_loss", patience=0, threshold=10.0)
    params = {**FIXED, "max_epochs": 100, "lr": 0.05, "early_stopping": True, "verbose": 1}
    classifier = fit(callbacks=[stop, best, slower], **params)
    accuracies = [epoch["valid_acc"] for epoch in classifier.history_]
    assert len(accuracies) == 1 + int(np.argmax(accuracies)) + 2 < 100
    assert (tmp_path / "params.pt").exists()
    rates = classifier.net_.history[:, "event_lr"]
    assert rates[-1] < rates[0] == 0.05
    assert "valid_acc" in capsys.readouterr().out


def test_the_net_predicts_labels():
    X, y, _ = make_rows()
    classifier = fit(**FIXED)
    for net in (classifier.net_, pickle.loads(pickle.dumps(classifier.net_))):
        assert np.array_equal(net.predict(X.astype(np.float32)), classifier.predict(X))
        assert net.score(X.astype(np.float32), y) == classifier.score(X, y)


# --- nested parameters ----------------------------------------------------------------------------------


def test_nested_parameters_are_set_and_kept_and_heard():
    given = {"optimizer__weight_decay": 0.1}
    scheduler = LRScheduler("StepLR", step_size=1, gamma=0.9)
    classifier = FairClassifier(Width, callbacks=[("schedule", scheduler)], net_params=given, **FIXED)
    nested = {
        "module__width": 6,
        "optimizer__weight_decay": 0.2,
        "callbacks__schedule__gamma": 0.5,
        "iterator_train__drop_last": True,
    }
    assert classifier.set_params(**nested, lr=0.01) is classifier
    assert given == {"optimizer__weight_decay": 0.1}
    assert classifier.net_params == nested
    copied = clone(classifier)
    for each in (classifier, copied, pickle.loads(pickle.dumps(classifier))):
        params = each.get_params()
        assert {name: params[name] for name in nested} == nested
        assert not nested.keys() & each.get_params(deep=False).keys()
    X, y, group = make_rows()
    net = copied.fit(X, y, sensitive_features=group).net_
    assert net.module_.layers[0].out_features == 6
    assert net.optimizer_.param_groups[0]["weight_decay"] == 0.2
    assert np.allclose(net.history[:, "event_lr"], [0.01, 0.005, 0.0025])
    assert scheduler.gamma == 0.9
    assert "module__width" in copied._repr_html_()
    again = copied.net_params
    assert copied.set_params(**copied.get_params()).net_params is again


def test_nested_parameters_win_over_others():
    net = fit(hidden_layer_sizes=(3,), lr=0.1, net_params={"module__hidden_layer_sizes": (7,)}, **FIXED).net_
    assert net.module_.layers[0].out_features == 7
    slow = fit(lr=0.1, net_params={"optimizer__lr": 0.01}, **{**FIXED, "max_epochs": 1}).net_
    assert slow.optimizer_.param_groups[0]["lr"] <= 0.01


def test_searches_over_nested_parameters(routing):
    X, y, group = make_rows()
    pipeline = make_pipeline(StandardScaler(), FairClassifier(Width, **FIXED))
    grid = {
        "fairclassifier__module__width": [1, 8],
        "fairclassifier__optimizer__weight_decay": [0.0, 10.0],
        "fairclassifier__net_params": [None],
    }
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise")
    given = {"sensitive_features" if routing else "fairclassifier__sensitive_features": group}
    search.fit(X, y, **given)
    assert search.best_params_["fairclassifier__optimizer__weight_decay"] == 0.0
    width = search.best_params_["fairclassifier__module__width"]
    assert search.best_estimator_[-1].net_.module_.layers[0].out_features == width


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("modul__width", "'modul__width' for FairClassifier. Did you mean 'module__width'"),
        ("net_params__width", "Nested parameters begin with module__, .* kept in net_params"),
        ("module__", "Nested parameters begin with"),
        ("train_split", "other parameters of the skorch net go into net_params"),
        ("max_epoch", "Did you mean 'max_epochs'"),
    ],
)
def test_parameters_that_there_are_not(name, message):
    classifier = FairClassifier()
    with pytest.raises(ValueError, match=message):
        classifier.set_params(**{name: 1})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("criterion__penalty", "FairClassifier decides: give penalty= to it instead"),
        ("criterion__comparisons", "'criterion__comparisons', which FairClassifier decides."),
        ("callbacks__schedul__gamma", "no callback of that name; there are: epoch_timer, .* lr_decay"),
    ],
)
def test_parameters_that_the_net_does_not_take(name, message):
    with pytest.raises(ValueError, match=message):
        fit(net_params={name: 1}, **FIXED)


# --- inputs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda X: TensorDataset(torch.as_tensor(X)),
        lambda X: Dataset(X, np.zeros(len(X))),
        lambda X: DataLoader(TensorDataset(torch.as_tensor(X))),
        lambda X: Subset(Dataset(X), range(len(X))),
    ],
)
def test_datasets_and_loaders_of_torch_are_named(make):
    X, y, group = make_rows(60)
    with pytest.raises(
        TypeError, match=r"X is a torch Data(set|Loader) \(.*pass the arrays or tensors in it"
    ):
        FairClassifier().fit(make(X), y, sensitive_features=group)
    with pytest.raises(TypeError, match=r"X is a torch Data(set|Loader)"):
        fit(**FIXED).predict(make(X))


@pytest.mark.parametrize(
    "make",
    [
        lambda X: list(torch.tensor(X, requires_grad=True)),
        lambda X: torch.tensor(X).to_sparse(),
        lambda X: torch.tensor(X).to_sparse_csr(),
        lambda X: X.astype(object),
        lambda X: pd.DataFrame(X).astype("Float64"),
        lambda X: pd.DataFrame(X).convert_dtypes(dtype_backend="pyarrow"),
        lambda X: pd.DataFrame.sparse.from_spmatrix(sparse.csr_matrix(X)),
        lambda X: pl.DataFrame(X),
        lambda X: pa.table({str(j): X[:, j] for j in range(3)}),
        lambda X: sparse.dok_array(X),
        lambda X: SliceDataset(Dataset(X)),
    ],
    ids=list(range(11)),
)
@pytest.mark.filterwarnings("ignore:.*Sparse CSR tensor support is in beta:UserWarning")
def test_numbers_in_any_container_are_numbers(make):
    X, y, group = make_rows(80)
    plain = FairClassifier(**FIXED).fit(X, y, sensitive_features=group).predict_proba(X)
    classifier = FairClassifier(**FIXED).fit(make(X), list(y), sensitive_features=group)
    assert np.allclose(classifier.predict_proba(make(X)), plain, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda n: pd.DataFrame({"x": np.ones(n), "town": "north"}),
            "column 'town' of X holds text, such as 'n",
        ),
        (lambda n: pl.DataFrame({"x": np.ones(n), "town": n * ["north"]}), "column 'town' of X holds text"),
        (lambda n: pa.table({"town": n * ["north"]}), "column 'town' of X holds text"),
        (lambda n: np.array(n * [["1.5", "north"]]), "column 1 of X holds text, such as 'north'"),
        (lambda n: pd.DataFrame({"c": pd.Categorical(n * ["north"])}), "column 'c' of X holds text"),
        (
            lambda n: pd.DataFrame({"x": np.ones(n), "born": pd.Timestamp(datetime.date(2000, 1, 1))}),
            "column 'born' of X holds dates or times",
        ),
        (lambda n: n * ["some text"], r"X holds texts, such as 'some text'.*TfidfVectorizer"),
        (lambda n: pd.Series(n * ["some text"]), "X holds texts"),
        (lambda n: pd.DataFrame({"t" * 5000: n * ["x" * 5000]}), "holds text"),
    ],
)
def test_texts_and_dates_are_named(make, message):
    _, y, group = make_rows(60)
    with pytest.raises(ValueError, match=message) as caught:
        FairClassifier().fit(make(60), y, sensitive_features=group)
    assert len(str(caught.value)) < 2000


def test_messages_stay_short_with_many_groups_classes_and_entries():
    n = 2400
    X = np.random.default_rng(0).normal(size=(n, 2))
    group = np.array([f"group{i % 60}" for i in range(n)])
    y = np.array([f"{'label' * 20}{i % 30}" for i in range(n)])
    classifier = FairClassifier(
        pos_label=y[0], warm_start=True, penalty_weight=0.0, max_epochs=1, batch_size=-1
    )
    classifier.fit(X, y, sensitive_features=group)
    entries = {f"{'entry' * 20}{i}": X[:, 0] for i in range(200)}
    calls = [
        lambda: classifier.fit(X, y, sensitive_features=np.char.upper(group)),
        lambda: classifier.partial_fit(X[:1], ["x" * 5000], sensitive_features=group[:1]),
        lambda: classifier.partial_fit(X, y, classes=np.arange(5000), sensitive_features=group),
        lambda: classifier.predict(entries),
        lambda: clone(classifier).set_params(pos_label="x").fit(X, y, sensitive_features=group),
    ]
    for call in calls:
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the length is what counts
            call()
        assert len(str(caught.value)) < 2000


# --- records of batches ---------------------------------------------------------------------------------


@BOTH
@BOUND_MAY_BE_MISSED
def test_records_of_batches_are_kept_if_asked_for(params):
    asked = {"callbacks__history__keep_batches": True}
    kept = fit(**{**FEW, **params}, net_params=asked).net_.history
    losses = kept[:, "batches", :, "train_loss"]
    assert np.shape(losses) == (3, 8)  # epochs, and batches of 50 of 400 rows
    assert np.isfinite(losses).all()
    assert kept[:, "batches", :, "train_batch_size"] == [[50] * 8] * 3
    dropped = fit(**{**FEW, **params}).net_.history
    assert [len(epoch["batches"]) for epoch in dropped] == [1, 1, 1]
    searched = FairClassifier(**FEW, **params).set_params(**asked)
    assert searched.net_params == asked
