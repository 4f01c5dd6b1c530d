"""Asking for log-likelihoods and numbers of tokens: each distinct text once, and numbers that are numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from fairsk._core.messages import show
from fairsk._core.typing import Floats
from fairsk.text._calling import call_with_all

__all__ = ["LikelihoodOf", "TokensOf", "log_likelihoods", "token_counts"]

#: ``(texts) -> (n_texts,)`` log-probabilities of whole texts, or a scorer with the method ``log_likelihood``.
LikelihoodOf: TypeAlias = Callable[[Sequence[str]], Any] | Any
#: ``(texts) -> (n_texts,)`` numbers of tokens.
TokensOf: TypeAlias = Callable[[Sequence[str]], Any] | None

#: A probability of one may come as a logarithm slightly above zero, by rounding in single precision.
_ROUNDING = 1e-6


def log_likelihoods(log_likelihood: LikelihoodOf, texts: Sequence[str]) -> dict[str, float]:
    """Return the log-likelihood of each distinct text.

    Raises
    ------
    TypeError
        If what is asked can give none.
    ValueError
        If it does not give a number per text.
    """
    ask = getattr(log_likelihood, "log_likelihood", log_likelihood)
    if not callable(ask):
        raise TypeError(
            "log_likelihood is a function of texts that returns the log-probability of each, or a scorer "
            f"with a method log_likelihood, such as LocalScorer; got {show(log_likelihood)}."
        )
    values = _numbers("log_likelihood", ask, texts)
    if above := {text: value for text, value in values.items() if value > _ROUNDING}:
        text, value = next(iter(above.items()))
        raise ValueError(
            f"log_likelihood returned {value:.4g} for {show(text)}: the logarithm of a probability is not "
            "above 0. If that is a loss, return minus the loss."
        )
    return values


def token_counts(
    count_tokens: TokensOf, log_likelihood: LikelihoodOf, texts: Sequence[str]
) -> dict[str, float] | None:
    """Return the number of tokens of each distinct text; None if nothing counts them.

    A scorer that has the method ``count_tokens`` counts its own.
    """
    count = getattr(log_likelihood, "count_tokens", None) if count_tokens is None else count_tokens
    if count is None:
        return None
    if not callable(count):
        raise TypeError(f"count_tokens is a function of texts that returns numbers; got {show(count)}.")
    values = _numbers("count_tokens", count, texts)
    if below := [text for text, value in values.items() if value < 1]:
        raise ValueError(f"count_tokens returned less than one token for {show(below[0])}.")
    return values


def _numbers(name: str, ask: Callable[[Sequence[str]], Any], texts: Sequence[str]) -> dict[str, float]:
    distinct = list(dict.fromkeys(texts))
    returned = call_with_all(name, ask, "texts", list(distinct))
    try:
        values: Floats = np.asarray(returned, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must return a number per text; got {show(returned)} for {len(distinct):,} texts."
        ) from None
    if values.shape != (len(distinct),):
        raise ValueError(
            f"{name} returned an array of shape {values.shape} for {len(distinct):,} texts: "
            f"({len(distinct)},) is expected."
        )
    if (lacking := ~np.isfinite(values)).any():
        text = distinct[int(np.flatnonzero(lacking)[0])]
        raise ValueError(
            f"{name} returned no finite number for {int(lacking.sum()):,} of {len(distinct):,} texts, such "
            f"as {show(text)}. Leave out texts that cannot be scored, and say how many."
        )
    return dict(zip(distinct, values.tolist(), strict=True))
