"""Models and tokenizers, opened from a folder or by name, or checked if they are loaded already."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from fairsk._core.messages import list_texts, show

__all__ = ["is_named", "load"]

_NOT_INSTALLED = (
    "LocalScorer opens models with transformers, which is not installed: it comes with "
    'pip install "fairsk[text]".'
)


def is_named(model: Any) -> bool:
    """Tell whether a model is named, by a folder or otherwise, rather than loaded."""
    return isinstance(model, str | os.PathLike)


def load(model: Any, tokenizer: Any, *, device: Any, dtype: Any) -> tuple[torch.nn.Module, Any]:
    """Return the model and its tokenizer.

    Parameters
    ----------
    model : path-like, str or torch module
        A folder, a name that transformers looks up, or the model itself.
    tokenizer : path-like, str, tokenizer or None
        The same of the tokenizer; None stands for the one beside the model.
    device : str, torch device or None
        Where a named model goes; one that is loaded stays where it is.
    dtype : str, torch dtype or None
        In which numbers a named model calculates; None stands for the type that it was saved in.
    """
    if not is_named(model):
        _check_loaded(model, tokenizer, device, dtype)
        return model, _tokenizer(tokenizer) if is_named(tokenizer) else tokenizer
    return _model(model, device, dtype), (
        tokenizer if tokenizer is not None and not is_named(tokenizer) else _tokenizer(tokenizer or model)
    )


def _check_loaded(model: Any, tokenizer: Any, device: Any, dtype: Any) -> None:
    """Refuse what cannot be asked, and options that would change it."""
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"model must be a folder, a name, or a causal language model; got {show(model)}.")
    if tokenizer is None:
        raise TypeError("tokenizer is missing: of a model that is loaded it must be given too.")
    if given := [name for name, value in (("device", device), ("dtype", dtype)) if value is not None]:
        raise ValueError(
            f"{' and '.join(given)} cannot be set for a model that is loaded, for it is not changed: move it "
            "with model.to(...) before."
        )


def _where(name: str | os.PathLike[str], what: str) -> tuple[str, bool]:
    """Return what transformers is told, and whether it is a folder, for which nothing is looked up."""
    text = os.fspath(name)
    path = Path(text).expanduser()
    if path.is_dir():
        return str(path), True
    # A name may hold one slash, so this alone tells a folder that is missing from a model that is not here.
    looks_like_path = (
        isinstance(name, os.PathLike) or text.startswith((".", "~", os.sep)) or text.count("/") > 1
    )
    if looks_like_path or path.is_file():
        state = "is a file" if path.is_file() else "is not there"
        raise FileNotFoundError(f"{what} must be a folder that holds it; {show(text)} {state}.")
    return text, False


def _model(name: str | os.PathLike[str], device: Any, dtype: Any) -> torch.nn.Module:
    try:
        from transformers import AutoModelForCausalLM
    except ImportError as error:
        raise ImportError(_NOT_INSTALLED) from error
    where, is_folder = _where(name, "model")
    model, found = AutoModelForCausalLM.from_pretrained(
        where,
        dtype="auto" if dtype is None else dtype,
        local_files_only=is_folder,
        output_loading_info=True,
    )
    if missing := sorted(found["missing_keys"]):
        # transformers fills them with random numbers, as those of an encoder without a head are.
        raise ValueError(
            f"model={show(where)} has no weights for {len(missing):,} parts of a causal language model: "
            f"{list_texts(missing, 3)}. It was trained for something else."
        )
    model.eval()
    return model if device is None else model.to(device)


def _tokenizer(name: str | os.PathLike[str]) -> Any:
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise ImportError(_NOT_INSTALLED) from error
    where, is_folder = _where(name, "tokenizer")
    return AutoTokenizer.from_pretrained(where, local_files_only=is_folder)
