"""Calibration: from the log-probabilities of answers to probabilities of classes.

Every map first limits how far an answer may lie below the best one of its row (:data:`WIDEST`), so that
an answer of probability zero has a logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_softmax, logsumexp
from sklearn.linear_model import LogisticRegression

from fairsk._core.typing import Floats, Ints

__all__ = ["CONTENT_FREE", "WIDEST", "AnswerOffsets", "LogisticMap", "content_free_offsets"]

#: Inputs that say nothing, of Zhao et al. (2021).
CONTENT_FREE = ("N/A", "", "[MASK]")
#: How far an answer may lie below the best one, as a logarithm: odds of e^30, about 10^13, beyond which no
#: model can be right about its own certainty.
WIDEST = 30.0
#: Most steps of the solver, and how small its gradient must become: six digits of probabilities are settled.
_MOST_STEPS, _GRADIENT = 1_000, 1e-7


@dataclass(frozen=True)
class AnswerOffsets:
    """Softmax over the answers, after an offset of each is subtracted.

    Parameters
    ----------
    offsets : array of shape (n_classes,)
        What is subtracted; zeros for none.
    """

    offsets: Floats

    def log_proba(self, scores: Floats) -> Floats:
        """Return log-probabilities of classes, of shape (n_samples, n_classes)."""
        return log_softmax(_limited(scores) - self.offsets, axis=1)


@dataclass(frozen=True)
class LogisticMap:
    """A multinomial logistic map of log-probabilities.

    Its inputs are the logarithms of every answer's share and of the probability of all answers together, each
    with its mean taken off and divided by its standard deviation.

    Parameters
    ----------
    mean, scale : array of shape (n_classes + 1,)
        Of the inputs.
    coef : array of shape (n_classes, n_classes + 1), or (1, 3) of two classes
        Slopes.
    intercept : array of shape (n_classes,), or (1,) of two classes
        Intercepts.
    """

    mean: Floats
    scale: Floats
    coef: Floats
    intercept: Floats

    @classmethod
    def fit(cls, scores: Floats, codes: Ints, weights: Floats | None, C: float) -> LogisticMap:
        """Learn the map.

        Parameters
        ----------
        scores : array of shape (n_samples, n_classes)
            Log-probabilities of the answers.
        codes : array of shape (n_samples,)
            The class of each row, by its position; every class has a row.
        weights : array of shape (n_samples,) or None
            The weight of each row.
        C : float
            Inverse of the penalty on squared slopes.
        """
        inputs = _inputs(scores)
        mean = np.average(inputs, axis=0, weights=weights)
        scale = np.sqrt(np.average((inputs - mean) ** 2, axis=0, weights=weights))
        # What does not vary tells nothing: rounding errors must not become an input of variance one.
        scale[scale <= 1e-9 * np.maximum(1, np.abs(mean))] = np.inf
        model = LogisticRegression(C=C, max_iter=_MOST_STEPS, tol=_GRADIENT)
        model.fit((inputs - mean) / scale, codes, sample_weight=weights)
        return cls(mean, scale, model.coef_, model.intercept_)

    def log_proba(self, scores: Floats) -> Floats:
        """Return log-probabilities of classes, of shape (n_samples, n_classes)."""
        logits = (_inputs(scores) - self.mean) / self.scale @ self.coef.T + self.intercept
        if logits.shape[1] == 1:  # of two classes, the log-odds of the second
            logits = np.hstack([np.zeros_like(logits), logits])
        return log_softmax(logits, axis=1)


def content_free_offsets(scores: Floats) -> Floats:
    """Return the logarithm of each answer's share in the answers to inputs that say nothing.

    Parameters
    ----------
    scores : array of shape (n_inputs, n_classes)
        Log-probabilities of the answers to each such input; a row counts for as much as any other.
    """
    shares = log_softmax(_limited(scores), axis=1)
    return logsumexp(shares, axis=0) - np.log(len(shares))


def _limited(scores: Floats) -> Floats:
    """Return scores none of which lies further than :data:`WIDEST` below the best of its row."""
    return np.maximum(scores, scores.max(axis=1, keepdims=True, initial=-np.inf) - WIDEST)


def _inputs(scores: Floats) -> Floats:
    """Return the inputs of the logistic map."""
    limited = _limited(scores)
    everything: Any = logsumexp(limited, axis=1, keepdims=True)
    return np.hstack([limited - everything, everything])
