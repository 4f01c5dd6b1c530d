"""Classifiers of texts for tests: what stands in for a language model, texts about people, and containers."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from fairsk.text import CounterfactualAverager, LLMClassifier, english_gender

GENDER = english_gender()
WORDS = ("left", "came", "late", "again", "rude", "kind", "tired", "at noon")
#: The column of the texts where they come in a frame.
COLUMN = "comment"


def people(n: int = 60, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Return texts about men, women, both and nobody, and labels that depend on the words and on who."""
    rng = np.random.default_rng(seed)
    who = np.array(["He", "She", "The man", "His mother", "It"])[rng.integers(0, 5, n)]
    first, second = rng.integers(0, len(WORDS), (2, n))
    y = (first + second + 3 * (who == "She") + rng.normal(0, 2, n) > 7).astype(int)
    return [f"{w} {WORDS[i]} {WORDS[j]}." for w, i, j in zip(who, first, second, strict=True)], y


def stub_scorer(prompts: Any, answers: Any) -> np.ndarray:
    """Give each answer a log-probability, as a language model that sees bad signs in some words and "she"."""
    texts = [prompt.lower().replace(".", " ").split() for prompt in prompts]
    signs = np.array([2.0 * ("late" in t) + 1.5 * ("rude" in t) + 0.8 * ("she" in t) - 1 for t in texts])
    scores = np.outer(signs, np.arange(len(answers)))
    return scores - np.logaddexp.reduce(scores, axis=1)[:, None]


def words(text: str | None, classifier: Any) -> Any:
    """Return a pipeline on the words of texts, or of a column of a frame."""
    count = CountVectorizer()
    return make_pipeline(count if text is None else make_column_transformer((count, text)), classifier)


def language_model(text: str | None, **params: Any) -> LLMClassifier:
    return LLMClassifier(stub_scorer, prompt=f"{{{text or 'text'}}}", answers={0: "no", 1: "yes"}, **params)


#: Every kind of classifier of texts: what makes one, given the column of the texts.
CLASSIFIERS = {
    "averager": lambda text=None: CounterfactualAverager(
        words(text, LogisticRegression()), GENDER, text=text
    ),
    "averager of decision scores": lambda text=None: CounterfactualAverager(
        words(text, LinearSVC()), GENDER, response_method="decision_function", text=text
    ),
    "averager of a language model": lambda text=None: CounterfactualAverager(
        language_model(text), GENDER, text=text
    ),
    "language model": lambda text=None: language_model(text),
    "language model, fitted map": lambda text=None: language_model(text, calibrate="fit"),
}
#: A parameter of each, with two values, the second of which changes predictions.
GRIDS = {
    "averager": ("estimator__logisticregression__C", 1.0, 1e-3),
    "averager of decision scores": ("estimator__linearsvc__C", 1.0, 1e-4),
    "averager of a language model": ("estimator__calibrate", "none", "content_free"),
    "language model": ("calibrate", "none", "content_free"),
    "language model, fitted map": ("C", 1.0, 1e-4),
}

#: Texts in each container, and the name of their column where they are in a frame.
CONTAINERS = {
    "list": (list, None),
    "array of objects": (partial(np.array, dtype=object), None),
    "array of str": (np.array, None),
    "pandas Series": (pd.Series, None),
    "pandas strings": (partial(pd.Series, dtype="string"), None),
    "polars Series": (pl.Series, None),
    "pandas frame": (lambda texts: pd.DataFrame({"row": range(len(texts)), COLUMN: texts}), COLUMN),
    "polars frame": (lambda texts: pl.DataFrame({"row": range(len(texts)), COLUMN: texts}), COLUMN),
}


def mentioned(text: str | None) -> Any:
    """Return the selector of who is mentioned."""
    return GENDER.mentioned if text is None else partial(GENDER.mentioned, text=text)
