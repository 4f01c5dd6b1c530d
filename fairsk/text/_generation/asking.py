"""Asking a model to write and a judge to score: each distinct prompt, and each distinct text, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from fairsk._core.factorize import is_missing
from fairsk._core.messages import list_labels, show
from fairsk._core.typing import Floats
from fairsk.text._calling import call_with_all

__all__ = ["Generate", "Judges", "named_judges", "scores_of", "written"]

#: ``(prompts, n_samples, random_state) -> list of lists of str``, or a scorer with the method ``generate``.
Generate: TypeAlias = Callable[[Sequence[str], int, int | None], Any] | Any
#: ``(texts) -> (n_texts,)`` scores, or several such by name.
Judges: TypeAlias = Callable[[Sequence[str]], Any] | Mapping[str, Callable[[Sequence[str]], Any]]


def written(
    generate: Generate, prompts: Sequence[str], n_samples: int, random_state: int | None
) -> dict[str, list[str | None]]:
    """Return what is written on each distinct prompt, None where nothing was.

    Raises
    ------
    TypeError
        If what is asked cannot write, or does not take what it gets.
    ValueError
        If it does not return as many texts as it was asked for.
    """
    ask = getattr(generate, "generate", generate)
    if not callable(ask):
        raise TypeError(
            "generate is a function (prompts, n_samples, random_state) that returns a list of texts per "
            f"prompt, or a scorer with a method generate; got {show(generate)}."
        )
    distinct = list(dict.fromkeys(prompts))
    returned = call_with_all(
        "generate", ask, "prompts, n_samples, random_state", list(distinct), n_samples, random_state
    )
    if isinstance(returned, str) or not isinstance(returned, Sequence | np.ndarray):
        raise ValueError(f"generate must return a list of texts per prompt; got {show(returned)}.")
    if len(returned) != len(distinct):
        raise ValueError(
            f"generate returned {len(returned):,} lists for {len(distinct):,} prompts: one per prompt is "
            "expected."
        )
    texts = {}
    for prompt, samples in zip(distinct, returned, strict=True):
        if isinstance(samples, str) or len(samples) != n_samples:
            raise ValueError(
                f"generate returned {show(samples)} for {show(prompt)}: a list of {n_samples} texts is "
                "expected, with None where nothing was written."
            )
        texts[prompt] = [_text(sample, prompt) for sample in samples]
    return texts


def _text(sample: Any, prompt: str) -> str | None:
    if sample is not None and not isinstance(sample, str):
        raise ValueError(f"generate must return texts; got {show(sample)} for {show(prompt)}.")
    return None if sample is None else str(sample)


def named_judges(judge: Judges) -> dict[str, Callable[[Sequence[str]], Any]]:
    """Return the judges by name.

    Raises
    ------
    TypeError
        If a judge cannot be called.
    """
    if not isinstance(judge, Mapping):
        name = getattr(judge, "__name__", "score")
        judge = {name if name.isidentifier() else "score": judge}
    if not judge:
        raise ValueError("judge is empty: give a function of texts that returns a score for each.")
    for name, function in judge.items():
        if not callable(function) or not isinstance(name, str):
            raise TypeError(
                "judge is a function of texts that returns a score for each, or several by name, "
                f'{{"toxicity": ..., "refusal": ...}}; got {show(name)}: {show(function)}.'
            )
    return dict(judge)


def scores_of(name: str, judge: Callable[[Sequence[str]], Any], texts: Sequence[str | None]) -> Floats:
    """Return the score of each text, NaN where there is none: of no text, or where the judge has none.

    Raises
    ------
    ValueError
        If the judge does not return a number, or None, per text.
    """
    distinct = list(dict.fromkeys(text for text in texts if text is not None))
    returned: Any = []
    if distinct:
        returned = call_with_all(f"The judge {show(name)}", judge, "texts", list(distinct))
    try:
        scores = np.asarray(
            [np.nan if is_missing(value) else value for value in returned]
            if isinstance(returned, list | tuple)
            else returned,
            dtype=float,
        )
    except (TypeError, ValueError):
        raise ValueError(f"The judge {show(name)} must return numbers; got {show(returned)}.") from None
    if scores.shape != (len(distinct),):
        raise ValueError(
            f"The judge {show(name)} returned an array of shape {scores.shape} for {len(distinct):,} texts: "
            f"a number per text is expected, or None where it has none."
        )
    if (infinite := np.isinf(scores)).any():
        found = list_labels(distinct[i] for i in np.flatnonzero(infinite)[:3])
        raise ValueError(f"The judge {show(name)} returned an infinite score, for {found}.")
    by_text = dict(zip(distinct, scores.tolist(), strict=True))
    return np.array([float("nan") if text is None else by_text[text] for text in texts])
