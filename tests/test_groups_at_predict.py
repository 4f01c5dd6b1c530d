"""Groups after ``fit``: the same in any container, and what happens to those that ``fit`` did not have."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from fairsk import GroupCalibratedClassifier, GroupThresholdOptimizer, Reweigher, ScoreRepair

N = 240
RNG = np.random.default_rng(0)
CODES = RNG.integers(0, 2, N)
SKILL = RNG.normal(size=N) + CODES
X = np.column_stack([SKILL, RNG.normal(size=N)])
Y = (SKILL + RNG.normal(size=N) > 0.5).astype(int)

#: What the two groups are called.
NAMES = {"text": ["F", "Männer"], "numbers": [0, 1], "booleans": [False, True]}

#: Containers of the values of an array.
CONTAINERS = {
    "array": lambda v: v,
    "objects": lambda v: v.astype(object),
    "column": lambda v: v.reshape(-1, 1),
    "list": lambda v: v.tolist(),
    "tuple": lambda v: tuple(v.tolist()),
    "masked array without a mask": np.ma.masked_array,
    "pandas": pd.Series,
    "pandas with another index": lambda v: pd.Series(v, index=[f"row {i}" for i in range(len(v))]),
    "pandas column": lambda v: pd.DataFrame({"any name": v}),
    "pandas objects": lambda v: pd.Series(v, dtype=object),
    "pandas categories": lambda v: pd.Series(pd.Categorical(v)),
    "pandas nullable": lambda v: pd.Series(v).convert_dtypes(),
    "pandas on Arrow": lambda v: pd.Series(v).convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda v: pl.Series(v.tolist()),
    "polars column": lambda v: pl.DataFrame({"any name": v.tolist()}),
    "pyarrow": lambda v: pa.array(v.tolist()),
    "pyarrow dictionary": lambda v: pa.array(v.tolist()).dictionary_encode(),
    "pyarrow chunks": lambda v: pa.chunked_array([v[:1].tolist(), v[1:].tolist()]),
}

MODELS = {
    "thresholds": lambda: GroupThresholdOptimizer(LogisticRegression(), max_difference=0.2),
    "repair": lambda: ScoreRepair(LogisticRegression()),
    "calibration": lambda: GroupCalibratedClassifier(LogisticRegression(), shrinkage=5),
}


@cache
def fitted(model, kind, container, unknown_group="error"):
    who = CONTAINERS[container](np.array(NAMES[kind])[CODES])
    return MODELS[model]().set_params(unknown_group=unknown_group).fit(X, Y, sensitive_features=who)


def answers(model, X, who):
    """Return everything that depends on the groups."""
    found = [model.predict(X, sensitive_features=who), model.predict_proba(X, sensitive_features=who)]
    if hasattr(model, "decided_rows"):
        found.append(model.decided_rows(X, sensitive_features=who).codes)
    return found


@pytest.mark.parametrize("model", MODELS)
@given(
    kind=st.sampled_from(sorted(NAMES)),
    fitted_in=st.sampled_from(["array", "list", "pandas categories", "polars"]),
    container=st.sampled_from(sorted(CONTAINERS)),
    rows=st.lists(st.integers(0, N - 1), min_size=1, max_size=9),
)
@settings(max_examples=60)
def test_groups_are_the_same_in_any_container(model, kind, fitted_in, container, rows):
    names = np.array(NAMES[kind])
    expected = answers(fitted(model, kind, "array"), X, names[CODES])
    who = CONTAINERS[container](names[CODES[rows]])
    for all_rows, some in zip(expected, answers(fitted(model, kind, fitted_in), X[rows], who), strict=True):
        np.testing.assert_allclose(some, all_rows[rows], atol=1e-12)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", NAMES)
def test_weights_are_the_same_in_any_container(kind, container):
    values = np.array(NAMES[kind])[CODES]
    reweigher = Reweigher().fit(X, Y, sensitive_features=values)
    # By hand: P(s) P(y) / P(s, y), from the four cells.
    share = [[np.mean((s == CODES) & (label == Y)) for label in (0, 1)] for s in (0, 1)]
    by_hand = [
        np.mean(s == CODES) * np.mean(label == Y) / share[s][label] for s, label in zip(CODES, Y, strict=True)
    ]
    got = reweigher.sample_weight(Y, sensitive_features=CONTAINERS[container](values))
    np.testing.assert_allclose(got, by_hand)
