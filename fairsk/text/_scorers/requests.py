"""Requests of chat completions: what their bodies hold, and what an answer depends on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, TypeAlias

import numpy as np

from fairsk._core.messages import list_labels, show
from fairsk._core.texts import check_texts
from fairsk._core.typing import RandomStateLike
from fairsk._core.validation import check_choice, generator
from fairsk.text._scorers.cache import key_of

__all__ = ["Request", "RequestForm", "TokenLimit", "check_seconds", "check_whole", "seed_of"]

TokenLimit: TypeAlias = Literal["max_tokens", "max_completion_tokens"]

#: The format of what is kept: another one is asked for again.
_FORMAT = 1
#: OpenAI's API shows no more tokens than this.
MOST_TOP = 20
#: A sampled answer is cut after so many tokens: an answer is a word or a few.
_SAMPLE_TOKENS = 16
_MOST_SAMPLES = 10_000
#: What ``extra`` must not change, for it would change what an answer means.
_FIXED = frozenset({"model", "messages", "n", "stream", "logprobs", "top_logprobs"})


@dataclass(frozen=True)
class Request:
    """What is asked of an endpoint.

    Parameters
    ----------
    prompt : str
        The prompt.
    body : dict
        The body, without a number of samples.
    samples : int
        How many texts are drawn; 0 for the log-probabilities of the first token.
    limit : int
        The most tokens of an answer.
    keeps_refusals : bool
        Whether the words of a refusal are a text.
    """

    prompt: str
    body: dict[str, Any]
    samples: int
    limit: int
    keeps_refusals: bool = False

    def key(self, base_url: str) -> str:
        """Return the digest of all that the answer depends on."""
        rest = {"samples": self.samples, "keeps_refusals": self.keeps_refusals}
        return key_of(format=_FORMAT, base_url=base_url, body=self.body, **rest)


class RequestForm:
    """What all requests of a scorer have in common.

    Parameters
    ----------
    model : str
        The name of the model.
    top : int
        Of how many tokens log-probabilities are asked for.
    samples : int or None
        How many texts are drawn instead.
    extra : mapping or None
        Further fields of bodies.
    token_limit : {"max_tokens", "max_completion_tokens"}
        How the endpoint calls the largest number of tokens.
    """

    def __init__(self, model: Any, top: Any, samples: Any, extra: Any, token_limit: Any) -> None:
        if not isinstance(model, str) or not model:
            raise TypeError(f"model must be the name of a model; got {show(model)}.")
        check_choice("token_limit", token_limit, TokenLimit)
        self.model: str = model
        self.top = check_whole("top", top, 1, MOST_TOP)
        self.samples = None if samples is None else check_whole("samples", samples, 1, _MOST_SAMPLES)
        self.extra = _check_extra(extra)
        self.token_limit: TokenLimit = token_limit

    def questions(self, prompts: Any) -> list[Request]:
        """Return the requests that score answers."""
        if self.samples is not None:
            limit, options = _SAMPLE_TOKENS, {"temperature": 1.0}
        else:
            limit, options = 1, {"temperature": 0.0, "logprobs": True, "top_logprobs": self.top}
        return [
            Request(prompt, self._body(prompt, limit, options), self.samples or 0, limit)
            for prompt in check_texts("prompts", prompts)
        ]

    def generations(
        self, prompts: Any, n_samples: Any, random_state: RandomStateLike, max_tokens: Any, temperature: Any
    ) -> list[Request]:
        """Return the requests that ask for texts; each prompt has a seed of its own, if there is one."""
        n_samples = check_whole("n_samples", n_samples, 1, _MOST_SAMPLES)
        limit = check_whole("max_tokens", max_tokens, 1, 10**6)
        is_number = isinstance(temperature, Real) and not isinstance(temperature, bool)
        if not is_number or not 0 <= temperature <= 2:
            raise ValueError(f"temperature must be a number from 0 to 2; got {show(temperature)}.")
        seed = None if random_state is None else int(generator(random_state).integers(2**53))
        requests = []
        for prompt in check_texts("prompts", prompts):
            seeded = {} if seed is None else {"seed": seed_of(seed, prompt)}
            body = self._body(prompt, limit, {"temperature": float(temperature), **seeded})
            requests.append(Request(prompt, body, n_samples, limit, keeps_refusals=True))
        return requests

    def _body(self, prompt: str, limit: int, options: Mapping[str, Any]) -> dict[str, Any]:
        messages = [{"role": "user", "content": prompt}]
        body = {"model": self.model, "messages": messages, self.token_limit: limit, **options}
        return {name: value for name, value in (body | (self.extra or {})).items() if value is not None}


def seed_of(seed: int, what: str) -> int:
    """Return a seed of a prompt or a sample that has nothing in common with those of the others."""
    return int(key_of(seed=seed, what=what)[:8], 16) >> 1  # 31 bits, which all endpoints take


def check_whole(name: str, value: Any, least: int, most: int) -> int:
    """Return a whole number within bounds."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number from {least:,} to {most:,}; got {show(value)}.")
    return int(value)


def check_seconds(timeout: Any) -> float:
    """Return a time-out of no more than a day."""
    is_number = isinstance(timeout, Real) and not isinstance(timeout, bool)
    if not is_number or not 0 < timeout <= 86_400:
        raise ValueError(f"timeout must be a number of seconds, more than 0; got {show(timeout)}.")
    return float(timeout)


def _check_extra(extra: Any) -> dict[str, Any] | None:
    if extra is None:
        return None
    if not isinstance(extra, Mapping) or not all(isinstance(name, str) for name in extra):
        raise TypeError(f"extra must be a mapping from names of fields to values; got {show(extra)}.")
    if fixed := sorted(_FIXED & set(extra)):
        raise ValueError(f"extra must not set {list_labels(fixed)}: an answer would mean something else.")
    try:
        return json.loads(json.dumps(dict(extra), allow_nan=False))
    except (TypeError, ValueError):
        raise TypeError(f"extra must hold values that JSON has; got {show(extra)}.") from None
