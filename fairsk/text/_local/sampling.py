"""Texts that a causal language model writes: each with random numbers of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from fairsk.text._local.encoding import TextEncoder
from fairsk.text._local.forward import CausalModel

__all__ = ["write"]


class _Draw:
    """Draw the next token of each row, and leave it as the only one that can be chosen.

    Parameters
    ----------
    generators : sequence of Generator
        One per row, so that no row depends on the others, nor on torch's own random numbers.
    temperature : float
        Logits are divided by it; 0 takes the likeliest token.
    """

    def __init__(self, generators: Sequence[np.random.Generator], temperature: float) -> None:
        self._generators = generators
        self._temperature = temperature

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self._temperature == 0:
            return scores
        shares = (scores.double() / self._temperature).softmax(-1).cumsum(-1)
        draws = [generator.random() for generator in self._generators]
        # Below the total, which rounding may leave under 1, so that the draw always falls on a token.
        at = torch.as_tensor(draws, device=scores.device)[:, None] * shares[:, -1:]
        chosen = torch.searchsorted(shares, at, right=True).clamp(max=scores.shape[-1] - 1)
        return torch.full_like(scores, -torch.inf).scatter(1, chosen, 0.0)


def write(
    model: CausalModel,
    encoder: TextEncoder,
    prompts: Sequence[str],
    rows: Sequence[int],
    *,
    n_samples: int,
    seed: int,
    max_tokens: int,
    temperature: float,
    batch_size: int,
) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of a prompt and its texts.

    ``rows`` says where the prompts stood, for messages. Those of one length go together, so that no row is
    filled up, and the random numbers of a text depend on seed, prompt and sample alone.
    """
    tokens = encoder.prompts(prompts, rows, room=max_tokens)
    drafts = [(len(tokens[i]), i, sample) for i in range(len(prompts)) for sample in range(n_samples)]
    written: dict[int, list[str]] = {}
    for batch in _equally_long(sorted(drafts), batch_size):
        generators = [_generator(seed, prompts[i], sample) for _, i, sample in batch]
        given = [tokens[i] for _, i, _ in batch]
        for (_, i, _), text in zip(
            batch, _continued(model, encoder, given, generators, max_tokens, temperature), strict=True
        ):
            texts = written.setdefault(i, [])
            texts.append(text)
            if len(texts) == n_samples:
                yield i, written.pop(i)


def _equally_long(rows: Sequence[tuple[int, int, int]], batch_size: int) -> Iterator[list[Any]]:
    """Yield rows together whose prompts have the same number of tokens."""
    batch: list[tuple[int, int, int]] = []
    for row in rows:
        if batch and (len(batch) == batch_size or batch[0][0] != row[0]):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _generator(seed: int, prompt: str, sample: int) -> np.random.Generator:
    """Return the random numbers of one text."""
    digest = int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:16], "big")
    return np.random.default_rng([seed, digest, sample])


def _continued(
    model: CausalModel,
    encoder: TextEncoder,
    given: Sequence[tuple[int, ...]],
    generators: Sequence[np.random.Generator],
    max_tokens: int,
    temperature: float,
) -> list[str]:
    """Return what is written behind prompts of one length."""
    from transformers import GenerationConfig, LogitsProcessorList

    # Named one by one, for what is not named is taken from the model's own settings, which may forbid
    # repetitions or leave out unlikely tokens; what is sampled here is the model itself.
    config = GenerationConfig(
        max_new_tokens=max_tokens,
        do_sample=False,
        num_beams=1,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        pad_token_id=0,
        eos_token_id=_end_tokens(model, encoder),
    )
    batch = torch.tensor(given, device=model.device)
    with model.evaluating():
        whole = model.module.generate(  # type: ignore[operator]
            input_ids=batch,
            attention_mask=torch.ones_like(batch),
            generation_config=config,
            logits_processor=LogitsProcessorList([_Draw(generators, temperature)]),
        ).tolist()
    ends = set(config.eos_token_id or ())
    return [encoder.decode(_up_to_end(tokens, len(given[0]), ends), len(given[0])) for tokens in whole]


def _end_tokens(model: CausalModel, encoder: TextEncoder) -> list[int] | None:
    """Return the tokens that end a text."""
    settings = getattr(model.module, "generation_config", None)
    ends = getattr(settings, "eos_token_id", None)
    ends = encoder.tokenizer.eos_token_id if ends is None else ends
    return None if ends is None else [ends] if isinstance(ends, int) else list(ends)


def _up_to_end(tokens: list[int], given: int, ends: set[int]) -> list[int]:
    """Return tokens up to the first one behind those given that ends a text."""
    for i in range(given, len(tokens)):
        if tokens[i] in ends:
            return tokens[:i]
    return tokens
