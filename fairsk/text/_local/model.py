"""A model and its tokenizer, opened when they are first asked, and what is kept of their answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fairsk._core.typing import Floats
from fairsk._core.warnings import warn_user
from fairsk.text._local.encoding import TextEncoder
from fairsk.text._scorers.cache import AnswerCache, key_of

if TYPE_CHECKING:
    from fairsk.text._local.forward import CausalModel

__all__ = ["LocalModel", "first_rows"]

#: Texts are scored in parts of so many batches, each of which is kept as soon as it is there: many enough
#: that texts of one length find each other.
_BATCHES_AT_ONCE = 8

#: ``score(texts, rows)``: the numbers of each text; rows say where the texts stood, for messages.
Score: TypeAlias = Callable[[Sequence[str], Sequence[int]], Sequence[Floats]]


class LocalModel:
    """What a scorer asks: one thread at a time, and each distinct question once.

    Parameters
    ----------
    load : callable
        Returns the model and the encoder of texts.
    cache : AnswerCache
        Where answers are kept.
    batch_size : int
        How many texts go through the model together.
    """

    def __init__(
        self, load: Callable[[], tuple[CausalModel, TextEncoder]], cache: AnswerCache, batch_size: int
    ) -> None:
        self._load = load
        self._cache = cache
        self._batch_size = batch_size
        self._lock = threading.RLock()
        #: How many texts went through the model.
        self.n_calls = 0

    @cached_property
    def _loaded(self) -> tuple[CausalModel, TextEncoder]:
        return self._load()

    @property
    def causal(self) -> CausalModel:
        """The model."""
        with self._lock:
            return self._loaded[0]

    @property
    def encoder(self) -> TextEncoder:
        """What makes tokens of texts."""
        with self._lock:
            return self._loaded[1]

    @property
    def n_truncated(self) -> int:
        """How many texts were too long so far."""
        return self.encoder.n_truncated if "_loaded" in self.__dict__ else 0

    @cached_property
    def _encoder_digest(self) -> str:
        return self.encoder.fingerprint()

    def keys(self, texts: Sequence[str], **parts: Any) -> list[str]:
        """Return the keys of what is asked of texts; they depend on the weights as they are now."""
        parts |= {"model": self.causal.fingerprint(), "tokenizer": self._encoder_digest}
        return [key_of(text=text, **parts) for text in texts]

    def numbers(self, texts: Sequence[str], score: Score, **parts: Any) -> list[list[float]]:
        """Return numbers of texts; those that the cache does not know are scored, the short ones first."""
        keys = self.keys(texts, **parts)
        rows = first_rows(keys)

        def ask(missing: list[str]) -> Iterator[dict[str, list[float | None]]]:
            missing = sorted(missing, key=lambda key: len(texts[rows[key]]))
            size = self._batch_size * _BATCHES_AT_ONCE
            with self.counting(len(missing)):
                for part in (missing[i : i + size] for i in range(0, len(missing), size)):
                    todo = [rows[key] for key in part]
                    found = score([texts[row] for row in todo], todo)
                    yield dict(zip(part, map(_plain, found), strict=True))

        found = self._cache.answers(keys, ask)
        return [[-np.inf if value is None else value for value in row] for row in found]

    @contextmanager
    def counting(self, n_calls: int) -> Iterator[None]:
        """Count what goes through the model, and say what was too long for it."""
        with self._lock:
            before = self.encoder.n_truncated
            self.n_calls += n_calls
            yield
            n_truncated = self.encoder.n_truncated - before
        if n_truncated:
            warn_user(
                f"{n_truncated:,} texts have more tokens than the {self.encoder.context:,} that the model "
                "reads at once: too_long='truncate' takes away the beginning of a prompt, and scores the "
                "tokens of a text given a part of those before them."
            )


def first_rows(keys: Sequence[str]) -> dict[str, int]:
    """Return where each key stands first."""
    return {key: row for row, key in reversed(list(enumerate(keys)))}


def _plain(values: Floats) -> list[float | None]:
    """Return numbers as JSON can hold them: a probability of 0 has no finite logarithm."""
    return [float(value) if np.isfinite(value) else None for value in values]
