"""Log-probabilities of tokens under a causal language model: in batches of texts about equally long."""

from __future__ import annotations

import hashlib
import inspect
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from fairsk._core.typing import Floats
from fairsk.text._local.encoding import Passage

__all__ = ["CausalModel", "inputs_of"]

#: So many logits (a number per token of the vocabulary and place) are in memory at once: 256 MB of them, and
#: with what is made of them three times that. A vocabulary may hold a quarter of a million tokens.
_MOST_LOGITS = 2**26
#: Results of one calculation in another place of a batch differ by no more roundings of the largest of them.
_MOST_ROUNDINGS = 8


class CausalModel:
    """A causal language model that is asked, and left as it was.

    Parameters
    ----------
    module : torch module
        Called with ``input_ids`` and ``attention_mask``, it returns ``logits``.

    Raises
    ------
    ValueError
        If what it says of a token depends on later ones.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module
        parameters = inspect.signature(module.forward).parameters
        self._keeps = "logits_to_keep" in parameters
        self._options = {"use_cache": False} if "use_cache" in parameters else {}
        self._tensors: tuple[tuple[int, int], ...] = ()
        self._digest = ""
        self._check_causal()

    @property
    def device(self) -> torch.device:
        """Where its first parameter is."""
        return next(self.module.parameters()).device

    @property
    def context(self) -> int | None:
        """How many tokens it reads at once, None if it does not say."""
        config: Any = getattr(self.module, "config", None)
        config = config.get_text_config() if hasattr(config, "get_text_config") else config
        positions = getattr(config, "max_position_embeddings", None)
        return None if positions is None else int(positions)

    def fingerprint(self) -> str:
        """Return a digest of the weights, which is made anew once they have changed."""
        tensors = self.module.state_dict(keep_vars=True)
        current = tuple((tensor.data_ptr(), _version(tensor)) for tensor in tensors.values())
        if not self._digest or current != self._tensors:
            self._digest, self._tensors = _digest(tensors), current
        return self._digest

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluate without dropout and gradients; afterwards all parts train that did before."""
        training = [part for part in self.module.modules() if part.training]
        self.module.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            for part in training:
                part.training = True

    def sum_log_probs(self, passages: Sequence[Passage], batch_size: int) -> Floats:
        """Return, per passage, the sum of the log-probabilities of its scored tokens.

        Passages that begin alike and differ in their last token, as short answers to one prompt do, take one
        pass together: what the model says at a place is the same, whatever follows.
        """
        self._check_known(max((max(passage.tokens) for passage in passages), default=0))
        hosts = inputs_of(passages)
        asked: dict[tuple[int, ...], list[int]] = {}
        for i, passage in enumerate(passages):
            asked.setdefault(hosts[passage.tokens[:-1]], []).append(i)
        sums = np.zeros(len(passages))
        with self.evaluating():
            for batch in _batches(asked, passages, batch_size, self._most_places()):
                which: list[int] = []
                rows: list[int] = []
                places: list[int] = []
                targets: list[int] = []
                for row, host in enumerate(batch):
                    for i in asked[host]:
                        passage = passages[i]
                        n = len(passage.tokens) - passage.first
                        which += [i] * n
                        rows += [row] * n
                        # What is said of a token stands at the place before it.
                        places += range(passage.first - 1, len(passage.tokens) - 1)
                        targets += passage.tokens[passage.first :]
                logs = self._log_probs(batch, np.array(rows), np.array(places), np.array(targets))
                np.add.at(sums, which, logs)
        return np.minimum(sums, 0.0)  # rounding may put a probability of one above it

    def _most_places(self) -> int:
        """Return at how many places the logits fit into memory at once."""
        vocabulary = getattr(getattr(self.module, "config", None), "vocab_size", None) or 2**15
        return max(1, _MOST_LOGITS // int(vocabulary))

    def _log_probs(self, batch: Sequence[tuple[int, ...]], rows: Any, places: Any, targets: Any) -> Floats:
        """Return the log-probabilities of targets, each at a place of a row."""
        first, last = int(places.min()), int(places.max()) + 1
        # A single long text may have more places than fit, and is then read several times.
        step = max(1, self._most_places() // len(batch))
        found = np.empty(len(rows))
        for begin in range(first, last, step):
            end = min(begin + step, last)
            logits = self._logits(batch, begin, end)
            here = np.flatnonzero((places >= begin) & (places < end))
            picked = logits[rows[here], places[here] - begin].float()
            at = torch.as_tensor(targets[here], device=picked.device)[:, None]
            logs = picked.gather(1, at)[:, 0] - picked.logsumexp(1)
            found[here] = logs.double().cpu().numpy()
        if np.isnan(found).any():
            raise ValueError(
                "The model gives log-probabilities that are NaN. Its weights may be damaged, or their type "
                "too narrow: try dtype='float32'."
            )
        return found

    def _logits(self, batch: Sequence[tuple[int, ...]], begin: int, end: int) -> torch.Tensor:
        """Return the logits of rows at the places from ``begin`` to before ``end``."""
        longest = max(map(len, batch))
        # What fills a row up stands behind it, where a causal model cannot see it from any place before,
        # however it counts positions and whatever it makes of masks.
        tokens = np.zeros((len(batch), longest), dtype=np.int64)
        mask = np.zeros_like(tokens)
        for row, host in enumerate(batch):
            tokens[row, : len(host)] = host
            mask[row, : len(host)] = 1
        device = self.device
        options: dict[str, Any] = dict(self._options)
        if self._keeps:
            options["logits_to_keep"] = torch.arange(begin, end, device=device)
        logits = self.module(
            input_ids=torch.as_tensor(tokens, device=device),
            attention_mask=torch.as_tensor(mask, device=device),
            **options,
        ).logits
        return logits if self._keeps else logits[:, begin:end]

    def _check_known(self, largest: int) -> None:
        """Refuse tokens that the model has no vector of."""
        embeddings = getattr(self.module, "get_input_embeddings", lambda: None)()
        known = getattr(embeddings, "num_embeddings", None)
        if known is not None and largest >= known:
            raise ValueError(
                f"The tokenizer gives the token {largest:,}, and the model knows {known:,} tokens, counted "
                "from 0: they do not belong together. Give the tokenizer that the model was trained with."
            )

    def _check_causal(self) -> None:
        """Refuse a model that looks ahead, as those that fill gaps do."""
        with self.evaluating():
            one, other = self._logits([(0, 0), (0, 1)], 0, 1)[:, 0]
        rounding = torch.finfo(one.dtype).eps * float(one.abs().max())
        if float((one - other).abs().max()) > _MOST_ROUNDINGS * rounding:
            raise ValueError(
                "The model is not causal: what it says of a token depends on the tokens after it, so its "
                "numbers are no log-probabilities of a text. Models such as BERT fill gaps; give one that "
                "continues texts."
            )


def inputs_of(passages: Sequence[Passage]) -> dict[tuple[int, ...], tuple[int, ...]]:
    """Return for what each passage reads (all but its last token) the longest input that begins with it."""
    hosts: dict[tuple[int, ...], tuple[int, ...]] = {}
    last: tuple[int, ...] = ()
    # In descending order, what begins with an input stands right before it.
    for tokens in sorted({passage.tokens[:-1] for passage in passages}, reverse=True):
        if last[: len(tokens)] != tokens:
            last = tokens
        hosts[tokens] = last
    return hosts


def _batches(
    asked: dict[tuple[int, ...], list[int]], passages: Sequence[Passage], batch_size: int, most_places: int
) -> Iterator[list[tuple[int, ...]]]:
    """Yield inputs together that are about equally long, no more than fit."""
    batch: list[tuple[int, ...]] = []
    begin = 0
    for host in sorted(asked, key=lambda tokens: (len(tokens), tokens)):
        first = min(passages[i].first - 1 for i in asked[host])
        begin = min(begin, first) if batch else first
        if batch and (len(batch) == batch_size or (len(batch) + 1) * (len(host) - begin) > most_places):
            yield batch
            batch, begin = [], first
        batch.append(host)
    if batch:
        yield batch


def _version(tensor: torch.Tensor) -> int:
    """Return how often a tensor was changed in place, as far as that is counted."""
    return 0 if tensor.is_inference() else tensor._version


def _digest(tensors: dict[str, torch.Tensor]) -> str:
    """Return a digest of names, types and values."""
    digest = hashlib.sha256()
    seen: set[int] = set()
    try:
        for name, tensor in sorted(tensors.items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            if tensor.data_ptr() not in seen:  # tied weights stand there under two names
                seen.add(tensor.data_ptr())
                digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    except (NotImplementedError, RuntimeError, TypeError):
        # Weights whose bytes cannot be read, as some quantised ones: nothing else has this name.
        return uuid.uuid4().hex
    return digest.hexdigest()
