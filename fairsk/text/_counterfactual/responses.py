"""Responses: the score and the decision that a model gives each text, or neither where it does not answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.validation import check_is_fitted

from fairsk._core.columns import as_array
from fairsk._core.factorize import code_array, is_missing
from fairsk._core.labels import positive_class
from fairsk._core.messages import list_labels, show
from fairsk._core.texts import naming_the_table, per_column, read_texts
from fairsk._core.typing import Bools, Floats
from fairsk._core.validation import check_choice
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.routing import call, positive_scores, response_of
from fairsk.text._calling import call_with_all
from fairsk.text._counterfactual.language_models import answering, unanswered_rows

__all__ = ["Respondent", "Responses", "TextResponse", "read_model"]

#: Where scores of texts come from: as elsewhere, or 1 for the positive label and 0 for any other.
TextResponse: TypeAlias = Literal["auto", "predict_proba", "decision_function", "predict"]
#: What turns probabilities into decisions where a callable gives no decisions.
_HALF = 0.5
#: Sums of probabilities miss 1 by rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Responses:
    """What a model says of some rows.

    Parameters
    ----------
    scores : array of shape (n_rows,), optional
        Its scores; NaN where it does not answer. None if they were not asked for.
    decisions : array of shape (n_rows,), optional
        1 for the positive decision, 0 for any other, NaN where it does not answer. None if there are none.
    threshold : float, optional
        The score from which on a decision is positive, if that is how decisions are made.
    """

    scores: Floats | None
    decisions: Floats | None
    threshold: float | None = None

    def followed_by(self, other: Responses) -> Responses:
        """Return these and those of further rows."""
        return Responses(
            _joined(self.scores, other.scores), _joined(self.decisions, other.decisions), self.threshold
        )


def _joined(first: Floats | None, second: Floats | None) -> Floats | None:
    return None if first is None or second is None else np.concatenate([first, second])


@dataclass(frozen=True)
class Respondent:
    """A model, and how it is asked.

    Parameters
    ----------
    model : estimator or callable
        What is asked.
    method : {"predict_proba", "decision_function", "predict", "callable"}
        Where its scores come from.
    is_regressor : bool
        Whether it predicts numbers, and no classes.
    positive : label
        The positive label; None if its answers are no labels.
    threshold : float, optional
        The user's threshold.
    """

    model: Any
    method: str
    is_regressor: bool
    positive: Any
    threshold: float | None

    @property
    def is_callable(self) -> bool:
        """Whether it is a function of texts, which sees nothing else of X."""
        return self.method == "callable"

    def respond(self, X: Any, text: str | int | None, *, scores: bool, decisions: bool) -> Responses:
        """Ask about the rows of X, each method once; what is not needed is asked only if it costs nothing."""
        if num_samples(X) == 0:  # models refuse to be asked about nothing
            return Responses(np.empty(0), np.empty(0), self.threshold)
        if self.is_callable:
            return self._of_callable(read_texts(X, text))
        with naming_the_table("The model", X, text):
            return self._of_estimator(X, text, scores=scores, decisions=decisions)

    def _of_estimator(self, X: Any, text: str | int | None, *, scores: bool, decisions: bool) -> Responses:
        """Ask an estimator, which sees all columns."""
        n_rows = num_samples(X)
        if self.is_regressor:
            predicted = self._answers_of(self.model, X, text)
            return self._decided(_numbers("model.predict", predicted, n_rows))
        model = answering(self.model)
        silent = unanswered_rows(model, X, n_rows)
        if self.threshold is not None:
            return self._decided(np.where(silent, np.nan, self._scores(model, X)))
        chosen = self._predicted(model, X, text, silent) if decisions or self.method == "predict" else None
        if self.method == "predict":
            return Responses(chosen, chosen)
        return Responses(np.where(silent, np.nan, self._scores(model, X)) if scores else None, chosen)

    def _scores(self, model: Any, X: Any) -> Floats:
        """Return the scores of the positive label; NaN is no answer."""
        method: Any = self.method
        return positive_scores(model, X, method, self.positive, may_be_missing=True)

    def _answers_of(self, model: Any, X: Any, text: str | int | None) -> NDArray[Any]:
        """Return what ``predict`` says, one answer per row."""
        predicted, n_rows = call(model, "predict", X), num_samples(X)
        hint = per_column(X, text, as_array(predicted).shape, n_rows)
        return _answers("model.predict", predicted, n_rows, hint)

    def _predicted(self, model: Any, X: Any, text: str | int | None, silent: Bools) -> Floats:
        """Return the decisions of ``predict``; what is none of the classes is no answer."""
        labels = self._answers_of(model, X, text)
        known = set(np.asarray(model.classes_).tolist())
        return np.where(silent, np.nan, _positives(labels, self.positive, known))

    def _decided(self, scores: Floats) -> Responses:
        """Return scores and what the threshold makes of them."""
        if self.threshold is None:
            return Responses(scores, None)
        decisions = np.where(np.isnan(scores), np.nan, (scores >= self.threshold).astype(float))
        return Responses(scores, decisions, self.threshold)

    def _of_callable(self, texts: list[str]) -> Responses:
        """Ask a callable, which may give scores, truth values or labels."""
        values = _answers("model", call_with_all("model", self.model, "texts", texts), len(texts))
        known = [value for value in values.tolist() if not is_missing(value)]
        if self.positive is None and not any(isinstance(value, str | bool | np.bool_) for value in known):
            scores = _numbers("model", values, len(texts))
            within = bool(np.all(np.isnan(scores) | (np.abs(scores - _HALF) <= _HALF + _ROUNDING)))
            if self.threshold is None and within:
                return Respondent(self.model, self.method, False, None, _HALF)._decided(scores)
            return self._decided(scores)
        if self.threshold is not None:
            raise ValueError(
                f"threshold={show(self.threshold)} is for scores, and the model gives labels, "
                f"{list_labels(sorted(set(known), key=repr))}: leave it out; or pos_label, of scores."
            )
        chosen = self._labelled(values, known)
        return Responses(chosen, chosen)

    def _labelled(self, values: NDArray[Any], known: list[Any]) -> Floats:
        """Return which of a callable's labels are positive."""
        labels = sorted(set(known), key=repr)
        positive = self.positive
        if positive is None:
            if not all(isinstance(label, bool | np.bool_) for label in labels):
                raise ValueError(
                    f"The model gives labels, {list_labels(labels)}: name the positive one with pos_label=."
                )
            positive = True
        elif known and positive not in labels:
            raise ValueError(
                f"pos_label={show(positive)} never occurs: the model's labels are {list_labels(labels)}."
            )
        return _positives(values, positive, set(labels))


def read_model(
    model: Any, response_method: TextResponse, pos_label: Any, threshold: float | None
) -> Respondent:
    """Return how a model is asked; see :func:`counterfactual_audit`."""
    check_choice("response_method", response_method, TextResponse)
    if threshold is not None and (
        not isinstance(threshold, Real) or isinstance(threshold, bool) or not np.isfinite(float(threshold))
    ):
        raise ValueError(f"threshold must be a finite number or None; got {show(threshold)}.")
    number = None if threshold is None else float(threshold)
    if not hasattr(model, "predict"):
        if not callable(model):
            raise TypeError(
                "model must be a fitted classifier or regressor of texts, or a callable that returns a score "
                f"per text; got {show(model)}."
            )
        if response_method != "auto":
            raise ValueError(
                f"response_method={show(response_method)} is for estimators, and model is a callable: leave "
                "it out."
            )
        return Respondent(model, "callable", False, pos_label, number)
    if hasattr(model, "classes_"):
        positive = positive_class(np.asarray(model.classes_), pos_label)
        method = _method_of(model, response_method)
        if method == "predict" and number is not None:
            raise ValueError(
                f"threshold={show(threshold)} needs scores, and response_method='predict' gives labels: "
                "leave out one of the two."
            )
        return Respondent(model, method, False, positive, number)
    if is_regressor(model):
        if pos_label is not None or response_method not in ("auto", "predict"):
            raise ValueError(
                "A regressor has no classes: leave out pos_label and response_method. Give a threshold to "
                "make decisions of what it predicts."
            )
        return Respondent(model, "predict", True, None, number)
    if is_classifier(model):
        check_is_fitted(model)
    raise TypeError(
        f"model must be a fitted classifier (with classes_), a regressor, or a callable; got {show(model)}. "
        "A function of texts that calls it will do."
    )


def _method_of(model: Any, response_method: TextResponse) -> str:
    """Return where the scores of a classifier come from."""
    if response_method == "predict":
        return response_method
    method = response_of(model, response_method)
    if method is not None:
        return method
    if response_method == "auto":
        return "predict"
    raise ValueError(f"{type(model).__name__} has no method {response_method}.")


def _answers(name: str, values: Any, n_rows: int, hint: str = "") -> NDArray[Any]:
    """Return one answer per row, as an array of one dimension."""
    array = as_array(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (n_rows,):
        if array.ndim == 2:
            hint = " Of two columns of probabilities, return one."
        raise ValueError(
            f"{name} returned an array of shape {array.shape} for {n_rows:,} texts: it must return a score "
            f"or a label per text.{hint}"
        )
    return array


def _numbers(name: str, values: Any, n_rows: int) -> Floats:
    """Return one number per row, NaN where there is none."""
    array = _answers(name, values, n_rows)
    try:
        numbers = np.array([np.nan if is_missing(v) else float(v) for v in array.tolist()], dtype=float)
    except (TypeError, ValueError):
        other = next(v for v in array.tolist() if not isinstance(v, Real) and not is_missing(v))
        raise TypeError(
            f"{name} must return a number or a label per text; it returned {show(other)}, of type "
            f"{type(other).__name__}."
        ) from None
    if np.isinf(numbers).any():
        raise ValueError(
            f"{name} returned infinite scores for {np.isinf(numbers).sum():,} of {n_rows:,} texts, which "
            "have no mean: return probabilities, or NaN where there is no answer."
        )
    return numbers


def _positives(labels: NDArray[Any], positive: Any, known: set[Any]) -> Floats:
    """Return 1 for the positive label, 0 for other known ones, NaN for what is none."""
    coded = code_array(labels)
    value_of: Callable[[Any], float] = lambda label: (  # noqa: E731
        np.nan if is_missing(label) or label not in known else float(label == positive)
    )
    return np.array([value_of(label) for label in coded.values], dtype=float)[coded.codes]
