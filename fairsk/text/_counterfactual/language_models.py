"""Classifiers over language models: asked once for all that is to be known, and free not to answer."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from fairsk._core.typing import Bools
from fairsk.text._llm.classifier import LLMClassifier

__all__ = ["abstains_inside", "answering", "unanswered_rows"]


#: How many estimators inside one another are looked through: an object may have any attribute, without end.
_DEEPEST = 20


class _LastAnswers:
    """A scorer that remembers the last prompts, so that further methods of a classifier cost no calls."""

    def __init__(self, scorer: Any) -> None:
        self._scorer = scorer
        self._known: dict[tuple[tuple[str, ...], tuple[str, ...]], Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scorer, name)

    def __call__(self, prompts: Sequence[str], answers: Sequence[str]) -> Any:
        key = tuple(prompts), tuple(answers)
        if key not in self._known:
            self._known = {key: self._scorer(prompts, answers)}
        return self._known[key]


def answering(model: Any) -> Any:
    """Return a model, or in place of a fitted :class:`LLMClassifier` one that asks once and never refuses.

    An audit counts the texts that are not answered, whatever the classifier makes of them elsewhere.
    """
    inner = model
    while isinstance(inner, FrozenEstimator):
        inner = inner.estimator
    if not isinstance(inner, LLMClassifier):
        return model
    asked = copy(inner)
    asked.scorer = _LastAnswers(inner.scorer)
    asked.unanswered = "abstain"
    return asked


def abstains_inside(model: Any) -> bool:
    """Tell whether a model wraps an :class:`LLMClassifier` whose refusals look like answers from outside.

    One that is asked itself, by :func:`answering`, hides none.
    """
    is_wrapped = False
    for _ in range(_DEEPEST):
        if isinstance(model, LLMClassifier):
            return is_wrapped and model.unanswered == "abstain"
        if isinstance(model, FrozenEstimator):  # its other attributes are those of what it holds
            model = model.estimator
            continue
        is_wrapped = True
        inner = getattr(model, "estimator_", None)
        model = getattr(model, "estimator", None) if inner is None else inner
    return False


def unanswered_rows(model: Any, X: Any, n_rows: int) -> Bools:
    """Tell which rows a model does not answer, of one that can say so."""
    return model.is_unanswered(X) if isinstance(model, LLMClassifier) else np.zeros(n_rows, dtype=bool)
