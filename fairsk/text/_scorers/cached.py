"""CachedScorer: any scorer, asked once per distinct prompt."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if

from fairsk._core.messages import show
from fairsk._core.texts import check_texts
from fairsk._core.typing import Floats, RandomStateLike
from fairsk._core.validation import generator
from fairsk.text._generation.asking import written
from fairsk.text._llm.asking import answer_scores
from fairsk.text._llm.cost import NOTHING, RunCost, run_cost, tokens_of
from fairsk.text._scorers.cache import AnswerCache, as_cache, key_of
from fairsk.text._scorers.requests import check_whole

__all__ = ["CachedScorer"]

#: Prompts are handed over in lots of so many, each of which is kept when it is answered.
_LOT = 256


def _has(name: str) -> Callable[[CachedScorer], bool]:
    return lambda self: hasattr(self.scorer, name)


class CachedScorer:
    """Ask a scorer each distinct prompt once, whoever asks: clones, threads, worker processes.

    Parameters
    ----------
    scorer : callable
        ``scorer(prompts, answers)`` returns log-probabilities of shape (n_prompts, n_answers). Its methods
        ``generate``, ``log_likelihood``, ``count_tokens`` are there too, if it has them.
    name : str, optional
        What the answers depend on beside prompts and answers: the model, its version and options. It is part
        of the keys of the cache. Needed with ``cache``, in which answers of other scorers may stand.
    cache : path-like, or ``cache`` of another scorer, optional
        A file in which answers are kept; worker processes share it. In memory by default.

    Raises
    ------
    ValueError
        If there is a cache and no name.

    See Also
    --------
    OpenAIScorer : A scorer with a cache of its own.

    Notes
    -----
    Copies and clones are the scorer itself. A pickle takes the answers in memory along, or the path of the
    file. A key is a digest of name, prompt and answers: the same prompt with other answers is asked again.
    Prompts are handed over in lots of 256, each of which is kept when it is answered.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.text import CachedScorer
    >>> asked = []
    >>> def politeness(prompts, answers):
    ...     asked.extend(prompts)
    ...     return np.log([[0.8, 0.2] if "please" in prompt else [0.3, 0.7] for prompt in prompts])
    >>> scorer = CachedScorer(politeness, name="politeness, first version")
    >>> np.exp(scorer(["Go away", "please stay", "Go away"], ["polite", "rude"]))
    array([[0.3, 0.7],
           [0.8, 0.2],
           [0.3, 0.7]])
    >>> asked
    ['Go away', 'please stay']
    """

    def __init__(
        self,
        scorer: Callable[[Sequence[str], Sequence[str]], Any],
        *,
        name: str | None = None,
        cache: Any = None,
    ) -> None:
        if not callable(scorer):
            raise TypeError(f"scorer must be callable, as scorer(prompts, answers); got {show(scorer)}.")
        if name is not None and (not isinstance(name, str) or not name):
            raise TypeError(f"name must be a text that is not empty, or None; got {show(name)}.")
        if name is None and cache is not None:
            raise ValueError(
                "name must be given with cache: it says which model (version, options) the answers there are "
                "those of."
            )
        self.scorer = scorer
        self.name = name
        self.cache = as_cache(cache)
        self._begin()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "_spent")}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)
        self._begin()

    def _begin(self) -> None:
        self._spent = NOTHING
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        name = "" if self.name is None else f", name={show(self.name)}"
        cache = "" if self.cache.path is None else f", cache={show(self.cache.path)}"
        return f"CachedScorer({show(self.scorer)}{name}{cache})"

    def __copy__(self) -> CachedScorer:
        return self

    def __deepcopy__(self, memo: Any) -> CachedScorer:
        return self

    def __sklearn_clone__(self) -> CachedScorer:
        return self

    @property
    def spent(self) -> RunCost:
        """What the scorer was asked in this process: a call per text, or per sample of it, as it answered."""
        with self._lock:
            return self._spent

    def __call__(self, prompts: Sequence[str], answers: Sequence[str]) -> Floats:
        """Return the log-probability of each answer to each prompt.

        Parameters
        ----------
        prompts : sequence of str of length n_prompts
            The prompts; those that are not in the cache are asked.
        answers : sequence of str of length n_answers
            The answers.

        Returns
        -------
        array of shape (n_prompts, n_answers)
            What the scorer said.

        Raises
        ------
        TypeError
            If prompts or answers are no texts.
        ValueError
            If it returns another shape, NaN, or what is no log-probability.
        """
        prompts, answers = check_texts("prompts", prompts), check_texts("answers", answers)

        def ask(lot: list[str]) -> list[Any]:
            scores = answer_scores(self.scorer, lot, answers)
            return [[None if value == -math.inf else value for value in row] for row in scores.tolist()]

        rows = self._kept("score", prompts, ask, answers=answers)
        values = [[-math.inf if value is None else value for value in row] for row in rows]
        return np.array(values, dtype=float).reshape(len(rows), len(answers))

    @available_if(_has("log_likelihood"))
    def log_likelihood(self, texts: Sequence[str]) -> Floats:
        """Return the log-likelihood of each text.

        Parameters
        ----------
        texts : sequence of str of length n_texts
            The texts.

        Returns
        -------
        array of shape (n_texts,)
            What the scorer said.
        """

        def ask(lot: list[str]) -> list[Any]:
            returned: Any = self.scorer.log_likelihood(lot)  # type: ignore[attr-defined]
            values = np.asarray(returned, dtype=float)
            if values.shape != (len(lot),):
                raise ValueError(
                    f"scorer.log_likelihood must return an array of shape ({len(lot)},); it returned shape "
                    f"{values.shape}."
                )
            if (wrong := np.isnan(values) | np.isposinf(values)).any():
                raise ValueError(
                    f"scorer.log_likelihood returned {values[wrong][0]}: a text that cannot be has -inf."
                )
            return [None if value == -math.inf else value for value in values.tolist()]

        kept = self._kept("log-likelihood", check_texts("texts", texts), ask)
        return np.array([-math.inf if value is None else value for value in kept], dtype=float)

    @available_if(_has("count_tokens"))
    def count_tokens(self, texts: Sequence[str]) -> Any:
        """Return the number of tokens of each text, as the scorer counts them.

        Parameters
        ----------
        texts : sequence of str of length n_texts
            The texts.

        Returns
        -------
        array of shape (n_texts,)
            Numbers of tokens.
        """
        return self.scorer.count_tokens(texts)  # type: ignore[attr-defined]

    @available_if(_has("check_answers"))
    def check_answers(self, answers: Sequence[str]) -> None:
        """Refuse answers that the scorer cannot tell apart.

        Parameters
        ----------
        answers : sequence of str of length n_answers
            The answers.
        """
        self.scorer.check_answers(answers)  # type: ignore[attr-defined]

    @available_if(_has("generate"))
    def generate(
        self, prompts: Sequence[str], n_samples: int, random_state: RandomStateLike = None, **options: Any
    ) -> list[list[str | None]]:
        """Return texts that the model writes.

        Parameters
        ----------
        prompts : sequence of str of length n_prompts
            The prompts; equal ones share their texts.
        n_samples : int
            How many texts per prompt.
        random_state : int, Generator, RandomState or None, default=None
            The seed, which is part of the key; None draws anew each time, and keeps nothing.
        **options : value
            What else the scorer's method takes.

        Returns
        -------
        list of list of str
            What the scorer wrote; None where it wrote nothing.
        """
        seed = None if random_state is None else int(generator(random_state).integers(2**31))

        n_samples = check_whole("n_samples", n_samples, 1, 10**6)
        try:
            json.dumps(options, allow_nan=False)
        except (TypeError, ValueError):
            raise TypeError(
                f"options are part of a key, and must hold values that JSON has; got {show(options)}."
            ) from None

        def ask(lot: list[str]) -> list[Any]:
            texts = written(partial(self.scorer.generate, **options), lot, n_samples, seed)  # type: ignore[attr-defined]
            return [texts[prompt] for prompt in lot]

        cache = AnswerCache() if seed is None else self.cache
        prompts = check_texts("prompts", prompts)
        parts = {"n_samples": n_samples, "seed": seed, "options": options}
        return self._kept("text", prompts, ask, cache, **parts)

    def cost(self, prompts: Sequence[str], answers: Sequence[str] = ()) -> RunCost:
        """Return what it would cost to score these answers, without asking anything.

        Parameters
        ----------
        prompts : sequence of str of length n_prompts
            The prompts.
        answers : sequence of str, default=()
            The answers.

        Returns
        -------
        RunCost
            Calls and tokens.
        """
        parts = {"answers": check_texts("answers", answers)}
        keys = {prompt: self._key("score", prompt, parts) for prompt in check_texts("prompts", prompts)}
        known = self.cache.known(keys.values())
        return run_cost(
            keys,
            is_cached=lambda prompt: keys[prompt] in known,
            count_tokens=getattr(self.scorer, "count_tokens", None),
        )

    def _key(self, kind: str, text: str, parts: dict[str, Any]) -> str:
        return key_of(kind=kind, name=self.name, text=text, **parts)

    def _kept(
        self,
        kind: str,
        texts: list[str],
        ask: Callable[[list[str]], list[Any]],
        cache: AnswerCache | None = None,
        **parts: Any,
    ) -> list[Any]:
        """Return the value of each text, from the cache or the scorer."""
        keys = [self._key(kind, text, parts) for text in texts]
        by_key = dict(zip(keys, texts, strict=True))

        def ask_in_lots(missing: list[str]) -> Iterator[dict[str, Any]]:
            for start in range(0, len(missing), _LOT):
                lot = missing[start : start + _LOT]
                asked = [by_key[key] for key in lot]
                values = ask(asked)
                self._count(kind, asked, values)
                yield dict(zip(lot, values, strict=True))

        return (self.cache if cache is None else cache).answers(keys, ask_in_lots)

    def _count(self, kind: str, asked: list[str], values: list[Any]) -> None:
        """Count what was asked: one token comes back of a score, none of a log-likelihood, else texts."""
        count = getattr(self.scorer, "count_tokens", None)
        samples = max(map(len, values), default=1) if kind == "text" else 1
        cost = run_cost(
            asked, count_tokens=count, calls_per_prompt=samples, tokens_per_call=int(kind == "score")
        )
        if kind == "text":
            texts = [text for some in values for text in some if isinstance(text, str)]
            cost = replace(cost, tokens_out=tokens_of(texts, count))
        with self._lock:
            self._spent += cost
