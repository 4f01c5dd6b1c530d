"""Messages about amounts: what is wrong, how much of it, and what to use instead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from fairsk import ConstrainedRegressor, PredictionRepair
from fairsk.metrics import GroupAmounts

RNG = np.random.default_rng(0)
GROUPS = np.tile(["a", "b"], 60)
X = RNG.normal(size=(120, 2))
Y = X[:, 0] + (GROUPS == "a") + RNG.normal(size=120)


def with_at(values, value, *rows):
    values = np.array(values)
    values[list(rows)] = value
    return values


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (with_at(Y, np.nan, 3, 5), "y must .*: 2 missing of 120. Drop these rows, or impute"),
        (with_at(with_at(Y, np.inf, 1), np.nan, 3), ": 1 missing and 1 infinite of 120"),
        (Y.astype(str), "y holds text, such as '"),
        (pd.Series(Y.astype(str), dtype=object), "y holds text, such as '"),
        (pd.Series(Y.astype(str), dtype="string"), "y holds text, such as '"),
        (pd.Series([*Y[:-1], "12"], dtype=object), "y holds text, such as '12'"),
    ],
)
def test_amounts_that_are_none_are_counted_and_text_is_refused(y, match):
    for model in (
        ConstrainedRegressor(LinearRegression(), max_difference=1),
        PredictionRepair(LinearRegression()),
    ):
        with pytest.raises(ValueError, match=match):
            model.fit(X, y, sensitive_features=GROUPS)
    with pytest.raises(ValueError, match=match.replace("y ", "y_true ")):
        GroupAmounts.from_predictions(y, Y, sensitive_features=GROUPS)


def test_one_group_alone_is_named_and_the_column_questioned():
    one = GROUPS == "a"
    with pytest.warns(
        UserWarning, match="only one group, a: .* Check that sensitive_features names the right"
    ):
        ConstrainedRegressor(LinearRegression(), max_difference=1, cv=2).fit(
            X[one], Y[one], sensitive_features=GROUPS[one]
        )
