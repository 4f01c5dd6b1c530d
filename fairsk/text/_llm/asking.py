"""Asking a scorer: each distinct prompt once, and an answer that keeps the contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from fairsk._core.messages import show
from fairsk._core.typing import Bools, Floats
from fairsk.text._calling import call_with_all

__all__ = ["Scorer", "answer_scores", "is_silent"]

#: ``scorer(prompts, answers)`` returns an array of shape (n_prompts, n_answers): the log-probability of each
#: answer to each prompt; -inf in all of a row where none of them was given.
Scorer: TypeAlias = Callable[[Sequence[str], Sequence[str]], Any]

#: A probability of one may come as a logarithm slightly above zero, by rounding in single precision.
_ROUNDING = 1e-6


def answer_scores(scorer: Scorer, prompts: Sequence[str], answers: Sequence[str]) -> Floats:
    """Return the log-probability of each answer to each prompt.

    Parameters
    ----------
    scorer : callable
        What answers.
    prompts : sequence of str of length n_samples
        The prompts, with repeats.
    answers : sequence of str of length n_answers
        The answers.

    Returns
    -------
    array of shape (n_samples, n_answers)
        What the scorer said, checked.

    Raises
    ------
    ValueError
        If the scorer breaks its contract.
    """
    places: dict[str, int] = {}
    rows = np.array([places.setdefault(prompt, len(places)) for prompt in prompts], dtype=np.intp)
    if not places:
        return np.zeros((0, len(answers)))
    returned = call_with_all("scorer", scorer, "prompts, answers", list(places), list(answers))
    return _checked(scorer, returned, (len(places), len(answers)))[rows]


def is_silent(scores: Floats) -> Bools:
    """Return which rows were not answered: none of the answers was given, or it was refused."""
    return np.all(np.isneginf(scores), axis=1)


def _checked(scorer: Scorer, returned: Any, shape: tuple[int, int]) -> Floats:
    """Return what a scorer returned as an array, if it keeps the contract."""
    name = type(scorer).__name__ if not hasattr(scorer, "__name__") else scorer.__name__
    wanted = (
        f"scorer ({name:.60}) must return an array of shape {shape} of log-probabilities, a row per prompt "
        "and a column per answer"
    )
    try:
        array = np.asarray(returned)
        if array.dtype.kind not in "biufO":  # a text such as "0.5" would be converted without a word
            raise TypeError
        scores = array.astype(float)
    except (TypeError, ValueError):
        raise ValueError(
            f"{wanted}; it returned {show(returned)}, which is not an array of numbers."
        ) from None
    if scores.shape != shape:
        raise ValueError(f"{wanted}; it returned an array of shape {scores.shape}.")
    for is_wrong, what in ((np.isnan(scores), "NaN"), (np.isposinf(scores), "infinity")):
        if is_wrong.any():
            raise ValueError(
                f"{wanted}; {np.count_nonzero(is_wrong.any(axis=1)):,} of {shape[0]:,} rows hold {what}. A "
                "prompt without an answer is a row of -inf."
            )
    most = scores.max()
    if most > _ROUNDING:
        hint = (
            " These look like probabilities: return their logarithms."
            if most <= 1 and scores.min() >= 0
            else " Logits become log-probabilities by scipy.special.log_softmax, over all tokens."
        )
        raise ValueError(f"{wanted}; one is {most:.3g}, but a log-probability is at most 0.{hint}")
    return scores
