"""A causal language model on this machine as a scorer: it scores answers and texts, and writes."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, permutations
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from fairsk._core.messages import show
from fairsk._core.typing import Floats, Ints, RandomStateLike
from fairsk._core.validation import generator
from fairsk.rates import check_choice
from fairsk.text._llm.cost import RunCost, run_cost
from fairsk.text._local.encoding import StartToken, TextEncoder, TooLong, check_readable
from fairsk.text._local.model import LocalModel, first_rows
from fairsk.text._scorers.cache import AnswerCache, as_cache

if TYPE_CHECKING:
    import torch

    from fairsk.text._local.forward import CausalModel

__all__ = ["LocalScorer"]


class LocalScorer:
    r"""A causal language model on this machine, which scores answers to prompts.

    Called with prompts and answers it returns log-probabilities, which makes it a scorer of
    :class:`LLMClassifier`. It also gives the log-likelihood of texts, counts their tokens, and writes.
    Models are opened with transformers, which the extra ``text`` brings: ``pip install "fairsk[text]"``.

    Parameters
    ----------
    model : path-like, str or torch module
        A folder that holds a model and its tokenizer; a name, which transformers looks up and fetches if it
        is not on this machine; or a causal language model of transformers that is loaded. It is opened when
        it is first asked. A loaded model stays as it is, in training or not; it is asked without dropout.
    tokenizer : path-like, str or tokenizer, optional
        By default the one beside the model; a loaded model needs it.
    batch_size : int, default=16
        How many texts go through the model together. Numbers do not depend on it, beyond rounding.
    device : str or torch.device, optional
        Where a model that is opened goes, such as "cuda"; by default the CPU.
    dtype : str or torch.dtype, optional
        In which numbers it calculates, such as "float32"; by default in those that it was saved in.
    start_token : {"auto", "none"}, default="auto"
        What every prompt and text begins with: the tokenizer's token for the beginning of a text, or for
        its end where there is no other; or nothing, and then the first token of a text is given and not
        scored.
    chat : bool, default=False
        Whether each prompt is what a user says in the chat template of the tokenizer, as models that follow
        instructions expect.
    too_long : {"error", "truncate"}, default="error"
        What becomes of a prompt or a text that has more tokens than the model reads at once. Of a prompt
        those at the beginning are taken away; of a text every token is scored, given half of what the model
        reads or more. ``n_truncated`` counts them, and a warning says so.
    context : int, optional
        How many tokens the model reads at once; by default what its configuration says.
    cache : path-like or AnswerCache, optional
        Where answers are kept: a file, which later runs read as well; by default in memory.

    Attributes
    ----------
    n_calls : int
        How many prompts and texts went through the model; what the cache knew did not.
    n_truncated : int
        How many of them were too long.

    Raises
    ------
    TypeError
        If the model or the tokenizer is something else, or texts are no list of texts.
    ValueError
        If an option is not among those above.
    ImportError
        If transformers is not installed.
    FileNotFoundError
        If the folder is not there.

    Warns
    -----
    UserWarning
        If texts were too long and ``too_long="truncate"``.

    See Also
    --------
    LLMClassifier : A language model as a classifier.
    OpenAIScorer : The same for a model behind an endpoint.

    Notes
    -----
    The score of an answer is the log-probability of the whole answer, the sum over its tokens :math:`t_i`
    of :math:`\log p(t_i | t_1 \ldots t_{i-1})`. Tokens are those of the prompt and the answer read
    together, for many tokenizers join a blank with the word after it: after "Answer:" the answer " yes" is
    a token of its own. An answer begins where these tokens leave those of the prompt alone. If a prompt
    ends inside of a token (mostly in a blank, which belongs at the beginning of the answers), its end is
    scored together with the answers, for all answers to this prompt alike, so that their differences are
    right. The score is that of a text which begins with the answer, however it goes on: of two answers,
    none should begin with the other.

    What stands in a prompt is data: special tokens such as ``<eos>`` are read as any other characters. With
    ``chat=True`` they would be read as part of the template, so a prompt that holds one is refused.

    Each distinct prompt is asked once (with the same answers), however many clones of a classifier ask it:
    copies and clones of a scorer are the scorer itself. The cache holds digests of texts, of the options
    and of the weights; once the weights have changed, the same prompt is asked again. A pickle holds the
    name or the folder and no weights; a scorer of a loaded model cannot be pickled.

    Examples
    --------
    >>> from fairsk.text import LLMClassifier, LocalScorer
    >>> scorer = LocalScorer("models/gemma-3-270m")  # a folder; nothing is read yet
    >>> scorer
    LocalScorer('models/gemma-3-270m')
    >>> classifier = LLMClassifier(
    ...     scorer, prompt="Review: {text}\nIs the review good? Answer:", answers={0: " no", 1: " yes"}
    ... )
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | torch.nn.Module,
        tokenizer: Any = None,
        *,
        batch_size: int = 16,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        start_token: StartToken = "auto",
        chat: bool = False,
        too_long: TooLong = "error",
        context: int | None = None,
        cache: str | os.PathLike[str] | AnswerCache | None = None,
    ) -> None:
        check_choice("start_token", start_token, StartToken)
        check_choice("too_long", too_long, TooLong)
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = _positive("batch_size", batch_size)
        self.device = device
        self.dtype = dtype
        self.start_token = start_token
        self.chat = chat
        self.too_long = too_long
        # Below two there is no place for a token and one that it is given.
        self.context = None if context is None else _positive("context", context, least=2)
        self.cache = as_cache(cache)
        self._asked = LocalModel(self._open, self.cache, self.batch_size)

    def __repr__(self) -> str:
        name = show(str(self.model)) if self._is_named else type(self.model).__name__
        return f"LocalScorer({name})"

    def __copy__(self) -> LocalScorer:
        return self

    def __deepcopy__(self, memo: Any) -> LocalScorer:
        return self

    def __sklearn_clone__(self) -> LocalScorer:
        return self

    def __getstate__(self) -> dict[str, Any]:
        if not self._is_named or not (self.tokenizer is None or isinstance(self.tokenizer, str)):
            raise TypeError(
                "A LocalScorer over a model or a tokenizer that is loaded cannot be pickled, nor sent to "
                "another process: save both with save_pretrained(folder), and give LocalScorer the folder."
            )
        return {name: value for name, value in self.__dict__.items() if name != "_asked"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._asked = LocalModel(self._open, self.cache, self.batch_size)

    def __call__(self, prompts: Sequence[str], answers: Sequence[str]) -> Floats:
        """Return the log-probability of each answer to each prompt.

        Parameters
        ----------
        prompts : sequence of str of length n_prompts
            What the model reads.
        answers : sequence of str of length n_answers
            What it may go on with, beginning with a blank where one belongs between the two.

        Returns
        -------
        array of shape (n_prompts, n_answers)
            Log-probabilities of the whole answers.
        """
        prompts, answers = check_readable("prompts", prompts), check_readable("answers", answers)
        if not answers:
            raise ValueError("answers is empty: there is nothing to score.")

        def score(part: Sequence[str], rows: Sequence[int]) -> list[Floats]:
            passages = self._asked.encoder.answers(part, answers, rows)
            sums = self._asked.causal.sum_log_probs(list(chain.from_iterable(passages)), self.batch_size)
            return list(sums.reshape(len(part), len(answers)))

        rows = self._asked.numbers(prompts, score, kind="answers", answers=answers)
        return np.array(rows, dtype=float).reshape(len(prompts), len(answers))

    def check_answers(self, answers: Sequence[str]) -> None:
        """Refuse answers of which the tokens of one begin with those of another.

        Parameters
        ----------
        answers : sequence of str
            The answers.

        Raises
        ------
        ValueError
            If a text that goes on with one answer may go on with another, too.
        """
        answers = check_readable("answers", answers)
        encoded = self._asked.encoder.alone(answers)
        for (first, short), (second, long) in permutations(zip(answers, encoded, strict=True), 2):
            if long[: len(short)] == short:
                raise ValueError(
                    f"answers holds {show(first)} and {show(second)}, and the tokens of the second begin "
                    "with those of the first, which is then at least as likely, whatever the model says: "
                    "take other words."
                )

    def log_likelihood(self, texts: Sequence[str]) -> Floats:
        """Return the log-likelihood of texts: the sum of the log-probabilities of their tokens.

        Parameters
        ----------
        texts : sequence of str of length n_texts
            The texts.

        Returns
        -------
        array of shape (n_texts,)
            Natural logarithms; divided by :meth:`count_tokens`, the mean per token.
        """

        def score(part: Sequence[str], rows: Sequence[int]) -> list[Floats]:
            windows = self._asked.encoder.texts(part, rows)
            sums = self._asked.causal.sum_log_probs(list(chain.from_iterable(windows)), self.batch_size)
            ends = np.cumsum(list(map(len, windows)))[:-1]
            return [each.sum(keepdims=True) for each in np.split(sums, ends)]

        rows = self._asked.numbers(check_readable("texts", texts), score, kind="log_likelihood")
        return np.array(rows, dtype=float).reshape(len(rows))

    def count_tokens(self, texts: Sequence[str]) -> Ints:
        """Return how many tokens of each text :meth:`log_likelihood` adds up.

        Parameters
        ----------
        texts : sequence of str of length n_texts
            The texts.

        Returns
        -------
        array of int of shape (n_texts,)
            The numbers of tokens, without that for the beginning of a text.
        """
        return np.array(self._asked.encoder.count_tokens(check_readable("texts", texts)), dtype=np.intp)

    def generate(
        self,
        prompts: Sequence[str],
        n_samples: int = 1,
        random_state: RandomStateLike = None,
        *,
        max_tokens: int = 64,
        temperature: float = 1.0,
    ) -> list[list[str]]:
        """Return texts that the model writes behind prompts, sampled from its own distribution.

        Parameters
        ----------
        prompts : sequence of str of length n_prompts
            What the texts go on from; prompts that are equal share their texts.
        n_samples : int, default=1
            How many texts per prompt.
        random_state : int, Generator, RandomState or None, default=None
            With the same number come the same texts, whatever other prompts stand beside a prompt, and they
            are kept in the cache. None draws anew each time.
        max_tokens : int, default=64
            After so many tokens a text ends, if the model has not ended it before.
        temperature : float, default=1.0
            Logits are divided by it; at 0 each token is the likeliest one, and all samples are the same.

        Returns
        -------
        list of list of str
            For each prompt its texts, without the prompt.
        """
        from fairsk.text._local.sampling import write

        prompts = check_readable("prompts", prompts)
        options = _draws(n_samples, random_state, max_tokens, temperature)
        keys = self._asked.keys(prompts, kind="generate", **options)
        rows = first_rows(keys)

        def ask(missing: list[str]) -> Iterator[dict[str, list[str]]]:
            todo = [rows[key] for key in missing]
            asked = [prompts[row] for row in todo]
            with self._asked.counting(len(missing) * n_samples):
                for i, texts in write(
                    self._asked.causal,
                    self._asked.encoder,
                    asked,
                    todo,
                    batch_size=self.batch_size,
                    **options,
                ):
                    yield {missing[i]: texts}

        return (AnswerCache() if random_state is None else self.cache).answers(keys, ask)

    def cost(
        self,
        prompts: Sequence[str],
        answers: Sequence[str] = (),
        *,
        n_samples: int | None = None,
        random_state: RandomStateLike = None,
        max_tokens: int = 64,
        temperature: float = 1.0,
    ) -> RunCost:
        """Return what a run would cost, without asking anything.

        Parameters
        ----------
        prompts : sequence of str of length n_prompts
            The prompts.
        answers : sequence of str, default=()
            The answers that are scored.
        n_samples : int, optional
            Given: the cost of :meth:`generate` with these arguments.
        random_state : int, Generator, RandomState or None, default=None
            As in :meth:`generate`.
        max_tokens : int, default=64
            As in :meth:`generate`.
        temperature : float, default=1.0
            As in :meth:`generate`.

        Returns
        -------
        RunCost
            Distinct prompts, how many of them are known, and the tokens that the model reads and writes.
        """
        prompts, answers = check_readable("prompts", prompts), check_readable("answers", answers)
        if n_samples is None:
            keys = self._asked.keys(prompts, kind="answers", answers=answers)
        else:
            drawn = copy.deepcopy(random_state)  # to ask what it costs must not move a generator on
            options = _draws(n_samples, drawn, max_tokens, temperature)
            keys = self._asked.keys(prompts, kind="generate", **options)
        by_prompt = dict(zip(prompts, keys, strict=True))
        is_kept = n_samples is None or random_state is not None
        known = self.cache.known(keys) if is_kept else {}
        return run_cost(
            prompts,
            is_cached=lambda prompt: by_prompt[prompt] in known,
            count_tokens=lambda new: self._tokens_read(new, answers, max_tokens if n_samples else 0),
            calls_per_prompt=n_samples or 1,
            tokens_per_call=max_tokens if n_samples else 0,
        )

    @property
    def n_calls(self) -> int:
        """How many prompts and texts went through the model."""
        return self._asked.n_calls

    @property
    def n_truncated(self) -> int:
        """How many prompts and texts were too long so far."""
        return self._asked.n_truncated

    @property
    def _is_named(self) -> bool:
        return isinstance(self.model, str | os.PathLike)

    def _open(self) -> tuple[CausalModel, TextEncoder]:
        """Return the model, and what makes tokens for it."""
        from fairsk.text._local.forward import CausalModel
        from fairsk.text._local.loading import load

        module, tokenizer = load(self.model, self.tokenizer, device=self.device, dtype=self.dtype)
        causal = CausalModel(module)
        contexts = [n for n in (causal.context, self.context) if n is not None]
        return causal, TextEncoder(
            tokenizer,
            start_token=self.start_token,
            chat=self.chat,
            context=min(contexts, default=None),
            too_long=self.too_long,
        )

    def _tokens_read(self, prompts: Sequence[str], answers: Sequence[str], room: int) -> list[int]:
        """Return how many tokens the model reads of each prompt with its answers."""
        if room or not answers:
            return list(map(len, self._asked.encoder.prompts(prompts, room=room)))
        from fairsk.text._local.forward import inputs_of

        # What answers have in common is read once.
        read = map(inputs_of, self._asked.encoder.answers(prompts, answers))
        return [sum(map(len, set(hosts.values()))) for hosts in read]


def _draws(
    n_samples: Any, random_state: RandomStateLike, max_tokens: Any, temperature: Any
) -> dict[str, Any]:
    """Return what texts depend on beside model and prompt, checked."""
    if not isinstance(temperature, Real) or not 0 <= float(temperature) < np.inf:
        raise ValueError(f"temperature must be a number from 0 upwards; got {show(temperature)}.")
    return {
        "n_samples": _positive("n_samples", n_samples),
        "seed": int(generator(random_state).integers(2**62)),
        "max_tokens": _positive("max_tokens", max_tokens),
        "temperature": float(temperature),
    }


def _plain(values: Floats) -> list[float | None]:
    """Return numbers as JSON can hold them: a probability of 0 has no finite logarithm."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _positive(name: str, value: Any, least: int = 1) -> int:
    """Return a whole number that is large enough."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number from {least} upwards; got {show(value)}.")
    return int(value)
