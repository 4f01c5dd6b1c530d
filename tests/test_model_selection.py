from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score

from fairsk.model_selection import GroupStratifiedKFold
from fairsk.scoring import make_fair_scorer


def cells(n: int = 600, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"x": rng.normal(size=n), "sex": rng.choice(["f", "m"], n, p=[0.2, 0.8])})
    return X, np.where(rng.random(n) < np.where(X["sex"] == "f", 0.1, 0.5), "yes", "no")


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("n_splits", [2, 5])
def test_every_fold_has_the_same_share_of_every_cell(shuffle: bool, n_splits: int) -> None:
    X, y = cells()
    sizes = pd.crosstab(X["sex"], y)
    splitter = GroupStratifiedKFold(
        n_splits, sensitive_features="sex", shuffle=shuffle, random_state=0 if shuffle else None
    )
    for _, test in splitter.split(X, y):
        assert (abs(pd.crosstab(X["sex"].iloc[test], y[test]) - sizes / n_splits) < 1).all(axis=None)


def test_folds_are_a_partition() -> None:
    X, y = cells()
    folds = list(GroupStratifiedKFold(4, sensitive_features="sex").split(X, y))
    assert len(folds) == GroupStratifiedKFold(4).get_n_splits() == 4
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(len(y)))
    for train, test in folds:
        assert sorted([*train, *test]) == list(range(len(y)))


def test_plain_stratification_can_leave_a_group_out_of_a_fold() -> None:
    sex, y = np.repeat(["f", "m"], [20, 60]), np.tile([0, 1], 40)  # the women come first
    for splitter, women in ((StratifiedKFold(4), 0), (GroupStratifiedKFold(4, sensitive_features=0), 5)):
        assert min((sex[test] == "f").sum() for _, test in splitter.split(sex[:, None], y)) == women


def test_a_cell_smaller_than_the_folds_is_spread_with_the_rest_of_its_label() -> None:
    sex, y = np.repeat(["f", "m"], [13, 20]), np.array([1] + [0] * 12 + [0, 1] * 10)  # one positive woman
    tests = [test for _, test in GroupStratifiedKFold(5, sensitive_features=0).split(sex[:, None], y)]
    assert {int(y[test].sum()) for test in tests} <= {2, 3}
    assert {int((sex[test] == "f").sum()) for test in tests} <= {2, 3, 4}


def test_the_seed_decides_the_shuffle() -> None:
    X, y = cells()

    def first(seed: int) -> list[int]:
        splitter = GroupStratifiedKFold(sensitive_features="sex", shuffle=True, random_state=seed)
        return next(splitter.split(X, y))[1].tolist()

    assert first(0) == first(0) != first(1)


@pytest.mark.parametrize("selector", [["sex"], 1, lambda X: X["sex"]])
def test_the_column_may_be_selected_or_given(selector: Any) -> None:
    X, y = cells()
    expected = [test.tolist() for _, test in GroupStratifiedKFold(sensitive_features="sex").split(X, y)]
    for folds in (
        GroupStratifiedKFold(sensitive_features=selector).split(X, y),
        GroupStratifiedKFold().split(X, y, groups=X["sex"]),
        GroupStratifiedKFold(sensitive_features="x").split(X, y, groups=X["sex"]),
    ):
        assert [test.tolist() for _, test in folds] == expected


def test_it_serves_a_search(routing: bool) -> None:
    X, y = cells()
    splitter = clone(GroupStratifiedKFold(3, sensitive_features=lambda X: X["x"] > 0), safe=False)
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=splitter).fit(X[["x"]], y)
    assert search.n_splits_ == 3


def test_it_takes_the_sensitive_features_as_metadata() -> None:
    X, y = cells()
    with sklearn.config_context(enable_metadata_routing=True):
        scores = cross_val_score(
            LogisticRegression(),
            X[["x"]],
            y,
            cv=GroupStratifiedKFold(3),
            scoring=make_fair_scorer("demographic_parity"),
            params={"sensitive_features": X["sex"]},
        )
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("column", "y", "message"),
    [
        (None, list("aabb"), "Which column is sensitive"),
        ("sx", list("aabb"), "'sx' is not in X.*Did you mean 'sex'"),
        ("sex", None, "pass y to split"),
        ("sex", list("aab"), "X has 4 rows and y 3: inconsistent numbers of samples"),
        ("sex", list("abcd"), "n_splits=2 cannot be greater than the number of members in each class"),
        ("town", list("aabb"), "'town' is missing .* in 1 of 4 rows"),
    ],
)
def test_mistakes_are_told(column: Any, y: Any, message: str) -> None:
    X = pd.DataFrame({"sex": list("fmfm"), "town": ["n", None, "s", "s"]})
    with pytest.raises(ValueError, match=message):
        next(GroupStratifiedKFold(2, sensitive_features=column).split(X, y))


def test_it_shows_how_it_was_made() -> None:
    assert "sensitive_features='sex'" in repr(GroupStratifiedKFold(3, sensitive_features="sex"))
