"""Messages about rows to validate on, datasets as X, and callbacks of a net."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from skorch.callbacks import Checkpoint, EarlyStopping, LRScheduler
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch.utils.data import DataLoader, TensorDataset

from fairsk import (
    ConstrainedClassifier,
    FairClassifier,
    GroupCalibratedClassifier,
    GroupThresholdOptimizer,
    ReweightedClassifier,
    ScoreRepair,
    SensitiveRouter,
)

FIXED = {"max_epochs": 3, "batch_size": 50, "penalty_weight": 1.0, "random_state": 0}


def rows(n=120):
    """Return X, labels and groups."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int), rng.choice(["a", "b"], n)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((4, 5)), r"In the rows that train_split brings .*: X has 5 features.*transformed by"),
        (
            np.array([["a", "b", "c"]] * 4),
            r"In the rows that train_split brings .*: The column 0 of X holds text",
        ),
    ],
)
def test_errors_in_rows_to_validate_on_say_that_it_is_these(X, message):
    own = Dataset(X, {"y": np.array([0, 1, 0, 1]), "sensitive_features": np.array(list("abab"))})
    classifier = FairClassifier(**FIXED, net_params={"train_split": predefined_split(own)})
    features, y, group = rows()
    with pytest.raises(ValueError, match=message):
        classifier.fit(features, y, sensitive_features=group)


def test_a_split_that_is_no_function_is_refused():
    X, y, group = rows()
    classifier = FairClassifier(**FIXED, net_params={"train_split": (X, y)})
    with pytest.raises(TypeError, match=r"train_split must be a function .* got tuple.*predefined_split"):
        classifier.fit(X, y, sensitive_features=group)


@pytest.mark.parametrize("kind", ["Dataset", "DataLoader"])
@pytest.mark.parametrize(
    "make",
    [
        GroupThresholdOptimizer,
        ReweightedClassifier,
        ScoreRepair,
        GroupCalibratedClassifier,
        lambda inner: ConstrainedClassifier(inner, cv=2, max_difference=0.9),
        lambda inner: SensitiveRouter(ReweightedClassifier(inner)),
        lambda inner: FairClassifier(**FIXED),
    ],
)
def test_datasets_of_torch_are_refused_as_X(make, kind):
    X, y, group = rows()
    dataset = TensorDataset(torch.tensor(X), torch.tensor(y))
    given = dataset if kind == "Dataset" else DataLoader(dataset)
    model = make(LogisticRegression())
    with pytest.raises(TypeError, match=rf"X is a torch {kind} \(.*pass the arrays or tensors in it"):
        model.fit(given, y, sensitive_features=group)
    model.fit(X, y, sensitive_features=group)
    with pytest.raises(TypeError, match=f"X is a torch {kind}"):
        model.predict(given)


@pytest.mark.parametrize(
    "callback",
    [
        EarlyStopping(monitor="valid_acc", lower_is_better=False),
        Checkpoint(
            monitor="valid_acc_best", f_params=None, f_optimizer=None, f_criterion=None, f_history=None
        ),
        LRScheduler("ReduceLROnPlateau", monitor="valid_acc"),
    ],
    ids=lambda callback: type(callback).__name__,
)
def test_a_monitored_measure_needs_rows_to_validate_on(callback):
    X, y, group = rows()
    with pytest.raises(
        ValueError, match=r"monitors 'valid_acc.*no rows to validate on: give early_stopping=True"
    ):
        FairClassifier(**FIXED, callbacks=[callback]).fit(X, y, sensitive_features=group)
    FairClassifier(**FIXED, callbacks=[callback], early_stopping=True).fit(X, y, sensitive_features=group)


def test_a_measure_that_there_never_is_comes_with_those_that_there_are():
    X, y, group = rows()
    with pytest.raises(ValueError, match=r"monitors 'accuracy'.*there are: acc, disparity"):
        FairClassifier(**FIXED, callbacks=[EarlyStopping(monitor="accuracy")]).fit(
            X, y, sensitive_features=group
        )


def test_a_missed_bound_names_the_callback_that_ended_training():
    X, y, group = rows(n=300)
    y = np.where(np.arange(300) % 10, group == "a", y).astype(int)
    X[:, 0] += 3 * (group == "a")
    stop = EarlyStopping(monitor="disparity", patience=1, threshold=1e9, threshold_mode="abs")
    classifier = FairClassifier(max_difference=0.01, random_state=0, callbacks=[stop])
    message = (
        r"ended by the callback EarlyStopping after 2 of \d+ epochs\. Leave it out, give a margin, loosen"
    )
    with pytest.warns(ConvergenceWarning, match=message):
        classifier.fit(X, y, sensitive_features=group)


@pytest.mark.parametrize(
    "model",
    [
        FairClassifier(**FIXED),
        GroupThresholdOptimizer(LogisticRegression()),
        ConstrainedClassifier(LogisticRegression()),
    ],
)
def test_strata_that_are_the_groups_are_refused(model):
    X, y, group = rows()
    with pytest.raises(ValueError, match="strata and sensitive_features are the same values"):
        model.fit(X, y, sensitive_features=group, strata=group.tolist())


def test_a_feature_that_is_missing_at_predict_is_named():
    """Such a frame has as many columns as the net was trained on, with the sensitive one among them."""
    X, y, group = rows(n=100)
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]).assign(group=group)
    net = FairClassifier(sensitive_features="group", max_epochs=2, penalty_weight=1.0).fit(frame, y)
    assert len(net.predict(frame)) == len(net.predict(frame.drop(columns="group"))) == 100
    with pytest.raises(ValueError, match="seen at fit time, yet now missing:\n- x0"):
        net.predict(frame.drop(columns="x0"))
