"""A small made-up table of people, and the pieces that tests build models of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

FRAMES = {"pandas": pd.DataFrame, "polars": pl.DataFrame}


def make_people(n: int = 400, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return columns of people and whether they got a job ("yes" or "no"), with a gap between the sexes."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["F", "M"], n)
    columns = {
        "age": rng.integers(20, 65, n),
        "skill": rng.normal(size=n) + 0.4 * (sex == "M"),
        "town": rng.choice(["north", "south"], n),
        "sex": sex,
        "race": rng.choice(["b", "w"], n, p=[0.4, 0.6]),
    }
    chance = 1 / (1 + np.exp(-1.5 * columns["skill"] - 0.8 * (sex == "M") + 0.4))
    return columns, np.where(rng.random(n) < chance, "yes", "no")


def people(library: str = "pandas", n: int = 400, seed: int = 0) -> tuple[Any, np.ndarray]:
    """Return the people as a frame of that library, and their labels."""
    columns, y = make_people(n, seed)
    return FRAMES[library](columns), y


def prepare() -> Any:
    """Return a transformer of the people that drops the sensitive columns."""
    return make_column_transformer(
        (StandardScaler(), ["age", "skill"]), (OneHotEncoder(sparse_output=False), ["town"])
    )


def logistic() -> Any:
    """Return a plain pipeline on the people."""
    return make_pipeline(prepare(), LogisticRegression())


class ScoreColumn(ClassifierMixin, BaseEstimator):
    """A classifier whose score is the first column of X."""

    def fit(self, X: Any, y: Any) -> ScoreColumn:
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        return np.asarray(X)[:, 0].astype(float)

    def predict(self, X: Any) -> np.ndarray:
        return self.classes_[(self.decision_function(X) >= 0.5).astype(int)]


def columns_of(result: Any) -> dict[str, list[Any]]:
    """Return the columns of the table that a result becomes as a frame."""
    return result.frame("polars").to_dict(as_series=False)


class FirstColumnPositive:
    """Group rows by the sign of the first column: a selector for scikit-learn's estimator checks."""

    def __call__(self, X: Any) -> np.ndarray:
        X = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
        if X.ndim != 2:
            raise ValueError("Expected 2D array. Reshape your data.")
        if X.shape[1] == 0:
            raise ValueError(f"0 feature(s) (shape={X.shape}) while a minimum of 1 is required.")
        # A missing number joins the positive ones, which there are in all data of the checks: so it is the
        # estimator that must refuse it.
        return (~(np.real(X[:, 0]).astype(float) <= 0)).astype(int)

    def __repr__(self) -> str:  # the same in every process, so that test names are
        return "first_column_positive"


first_column_positive = FirstColumnPositive()
