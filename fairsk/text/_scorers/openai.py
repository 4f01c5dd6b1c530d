"""OpenAIScorer: answers of a language model behind any endpoint that speaks as OpenAI's does."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairsk._core.messages import show
from fairsk._core.typing import Floats, RandomStateLike
from fairsk.text._llm.cost import RunCost, run_cost
from fairsk.text._scorers.cache import AnswerCache, as_cache
from fairsk.text._scorers.calls import Calls
from fairsk.text._scorers.coverage import AnswerCoverage
from fairsk.text._scorers.credentials import Credentials
from fairsk.text._scorers.endpoint import Endpoint
from fairsk.text._scorers.replies import FirstTokens, Meanings, SampledTexts, check_answers
from fairsk.text._scorers.requests import MOST_TOP, RequestForm, TokenLimit, check_seconds, check_whole

__all__ = ["OpenAIScorer"]


class OpenAIScorer:
    """Score answers by a language model behind an HTTP endpoint, each distinct prompt once.

    Any endpoint with OpenAI's chat completions does, a server on this machine as well (vLLM, llama.cpp,
    Ollama). One token is asked for, and the log-probabilities of the likeliest ones (``top``) are compared
    with the answers. It is a scorer of :class:`LLMClassifier`, and needs no package beside the standard
    library.

    Parameters
    ----------
    base_url : str
        Where the API begins, such as ``"https://api.openai.com/v1"`` or ``"http://127.0.0.1:8000/v1"``.
    model : str
        The name by which the endpoint knows the model.
    headers : mapping of str to str, optional
        Headers of every request. They are never shown, kept or pickled: a worker process asks without them,
        by ``api_key_variable`` alone, or not at all if there is none.
    api_key_variable : str, optional
        The environment variable that holds the key, such as ``"OPENAI_API_KEY"``. It is read at each call,
        also in worker processes, and sent as ``Authorization: Bearer``.
    top : int, default=20
        Of how many tokens log-probabilities are asked for, 1 to 20.
    samples : int, optional
        For endpoints without log-probabilities: draw so many samples per prompt at temperature 1, and take
        smoothed frequencies instead.
    extra : mapping, optional
        Fields to put into the body of each request, in place of ours if they are there; None takes one out,
        as in ``{"temperature": None}``.
    token_limit : {"max_tokens", "max_completion_tokens"}, default="max_tokens"
        How the endpoint calls the largest number of tokens; newer ones want the latter.
    timeout : float, default=60
        Seconds that an attempt may take.
    retries : int, default=5
        How often a request is repeated after a failure that may pass: status 408, 429, 500, 502, 503, 504,
        529, a time-out, a connection that is cut.
    concurrency : int, default=8
        How many requests are on their way at a time.
    cache : path-like, or ``cache`` of another scorer, optional
        A file in which answers are kept; worker processes share it. In memory by default.
    max_calls : int, optional
        How many calls this object, which clones are too, may make in this process: a run that needs more than
        are left is refused before it starts. It can be set later: ``scorer.max_calls = 5_000``. What is
        unpickled, as in a worker process, counts anew.
    progress : bool, default=False
        Whether a progress bar is shown, on stderr.
    proxy : str, optional
        URL of a proxy. Those of environment variables are not used, so prompts go where ``base_url`` says.

    See Also
    --------
    LLMClassifier : A classifier over a scorer.
    CachedScorer : The same cache for any scorer.

    Notes
    -----
    **Log-probabilities.** A token stands for an answer if, without blanks around it and in lower case, it is
    the answer or its first word, or a piece of three or more characters that the answer, and no other one,
    begins with (``"pos"`` for ``"positive"``). Probabilities of several such tokens add up. An answer that is
    not among the ``top`` tokens is censored: it has the most that it could have, which is the probability of
    the least likely one of them, or what they leave of 1 if that is less. :meth:`coverage` counts these. If
    none of the answers is among them, or the endpoint refuses (a refusal, a content filter), all of the row
    is -inf. Answers must differ in their first token, of which nothing is known before it comes, so one whose
    first word begins like another one is refused. Letters (A, B) that the prompt explains always work.

    **Samples.** Of n samples, c of which begin with an answer, its probability is
    (c + 1/2) / (n + (k + 1) / 2) for k answers: the mean under Jeffreys' prior, with all other texts as one
    more answer. A row without any of the answers is -inf. With 20 samples no probability is below .02.

    **Repetition.** Copies and clones are the scorer itself, so a search asks each distinct prompt once.
    A pickle takes the answers in memory along, or the path of the file, and no header; calls that were made
    are not counted where it is loaded. A key of the cache is
    a digest of URL, body and prompt; its values are tokens with log-probabilities, or texts that the model
    wrote.

    Examples
    --------
    >>> from fairsk.text import OpenAIScorer
    >>> scorer = OpenAIScorer(
    ...     "https://api.openai.com/v1", "gpt-4o-mini", api_key_variable="OPENAI_API_KEY", retries=8
    ... )
    >>> scorer
    OpenAIScorer('https://api.openai.com/v1', 'gpt-4o-mini', api_key_variable='OPENAI_API_KEY', retries=8)
    >>> scorer.cost(["Is this comment rude? Answer yes or no. Comment: Nice!"])
    1 distinct prompt: 1 call, about 14 tokens in (4 characters each), at most 1 out.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        headers: Mapping[str, str] | None = None,
        api_key_variable: str | None = None,
        top: int = MOST_TOP,
        samples: int | None = None,
        extra: Mapping[str, Any] | None = None,
        token_limit: TokenLimit = "max_tokens",
        timeout: float = 60.0,
        retries: int = 5,
        concurrency: int = 8,
        cache: Any = None,
        max_calls: int | None = None,
        progress: bool = False,
        proxy: str | None = None,
    ) -> None:
        self._form = RequestForm(model, top, samples, extra, token_limit)
        endpoint = Endpoint(
            base_url,
            Credentials(headers, api_key_variable),
            timeout=check_seconds(timeout),
            retries=check_whole("retries", retries, 0, 100),
            proxy=proxy,
        )
        self._calls = Calls(endpoint, concurrency=concurrency, max_calls=max_calls, progress=progress)
        self._cache = as_cache(cache)

    def __setattr__(self, name: str, value: Any) -> None:
        # An attribute that nothing reads would be set without a word.
        if name in _PARAMETERS and name != "max_calls":
            raise AttributeError(
                f"{name} of an OpenAIScorer cannot be set: make another scorer, OpenAIScorer(..., {name}=..."
                + (")." if name == "cache" else ", cache=scorer.cache), which keeps the answers so far.")
            )
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        form, calls, endpoint = self._form, self._calls, self._calls.endpoint
        options = {
            "api_key_variable": endpoint.credentials.variable,
            "top": form.top,
            "samples": form.samples,
            "extra": form.extra,
            "token_limit": form.token_limit,
            "timeout": endpoint.timeout,
            "retries": endpoint.retries,
            "concurrency": calls.concurrency,
            "cache": self.cache.path,
            "max_calls": calls.max_calls,
            "progress": calls.progress,
            "proxy": endpoint.proxy,
        }
        defaults = type(self).__init__.__kwdefaults__ or {}
        shown = [show(self.base_url), show(self.model)]
        shown += ["headers=<hidden>"] if endpoint.credentials.names else []
        shown += [f"{name}={show(value)}" for name, value in options.items() if value != defaults[name]]
        return f"OpenAIScorer({', '.join(shown)})"

    def __copy__(self) -> OpenAIScorer:
        return self

    def __deepcopy__(self, memo: Any) -> OpenAIScorer:
        return self

    def __sklearn_clone__(self) -> OpenAIScorer:
        return self

    @property
    def base_url(self) -> str:
        """Where the API begins."""
        return self._calls.endpoint.base_url

    @property
    def model(self) -> str:
        """The name of the model."""
        return self._form.model

    @property
    def cache(self) -> AnswerCache:
        """The answers so far; another scorer takes them over as its ``cache``."""
        return self._cache

    @property
    def max_calls(self) -> int | None:
        """How many calls may be made in this process, from the first one on; None if any number."""
        return self._calls.max_calls

    @max_calls.setter
    def max_calls(self, max_calls: int | None) -> None:
        self._calls.limit(max_calls)

    @property
    def spent(self) -> RunCost:
        """What was asked in this process, with tokens as the endpoint counts them, if it says."""
        return self._calls.spent

    def __call__(self, prompts: Sequence[str], answers: Sequence[str]) -> Floats:
        """Return the log-probability of each answer to each prompt.

        Parameters
        ----------
        prompts : sequence of str of length n_prompts
            The prompts; each distinct one that is not in the cache is asked.
        answers : sequence of str of length n_answers
            The answers.

        Returns
        -------
        array of shape (n_prompts, n_answers)
            Log-probabilities; a row of -inf where none of the answers was given.

        Raises
        ------
        EndpointError
            If the endpoint fails; what it had answered is in the cache.
        ValueError
            If answers cannot be told apart, or the run needs more calls than ``max_calls`` leaves.
        """
        rows = [one.row for one in self._read(prompts, answers)]
        return np.array(rows, dtype=float).reshape(len(rows), len(answers))

    def check_answers(self, answers: Sequence[str]) -> None:
        """Refuse answers that could not be told apart, as :class:`LLMClassifier` does before it asks.

        Parameters
        ----------
        answers : sequence of str of length n_answers
            The answers.

        Raises
        ------
        ValueError
            If the first word of one begins like another one, or two are the same. Only samples are compared
            as a whole.
        """
        check_answers(answers, by_first_token=self._form.samples is None)

    def coverage(self, prompts: Sequence[str], answers: Sequence[str]) -> AnswerCoverage:
        """Return how many prompts are answered with each answer, with none of them, or refused.

        Parameters
        ----------
        prompts : sequence of str of length n_prompts
            The prompts, for instance those of one group.
        answers : sequence of str of length n_answers
            The answers.

        Returns
        -------
        AnswerCoverage
            Counts; what is in the cache is not asked again.
        """
        read = self._read(prompts, answers)
        given = np.array([one.is_given for one in read], dtype=bool).reshape(len(read), len(answers))
        is_answered = given.any(axis=1)
        form = self._form
        return AnswerCoverage(
            basis="first_token" if form.samples is None else "samples",
            size=form.top if form.samples is None else form.samples,
            answers=tuple(answers),
            prompts=len(read),
            given=tuple(given.sum(axis=0).tolist()),
            censored=tuple((~given[is_answered]).sum(axis=0).tolist()),
            unanswered=int((~is_answered).sum()),
            refused=sum(one.is_refused for one in read),
        )

    def generate(
        self,
        prompts: Sequence[str],
        n_samples: int,
        random_state: RandomStateLike = None,
        *,
        max_tokens: int = 64,
        temperature: float = 1.0,
    ) -> list[list[str | None]]:
        """Return texts that the model writes.

        Parameters
        ----------
        prompts : sequence of str of length n_prompts
            The prompts.
        n_samples : int
            How many texts per prompt; asked for in one request, or in as many where the endpoint gives one
            at a time.
        random_state : int, Generator, RandomState or None, default=None
            The seed: a seed of each prompt and sample that follows from it is sent along (endpoints need not
            heed it), and the texts are kept in the cache. None draws anew each time, and keeps nothing.
        max_tokens : int, default=64
            The most tokens of a text.
        temperature : float, default=1.0
            How freely the model chooses, 0 to 2.

        Returns
        -------
        list of list of str
            ``n_samples`` texts per prompt; prompts that are equal share theirs. A refusal counts as
            written, if the endpoint gives its words; None stands for a text that a filter held back.

        Raises
        ------
        EndpointError
            If the endpoint fails.
        ValueError
            If the run needs more calls than ``max_calls`` leaves.
        """
        requests = self._form.generations(prompts, n_samples, random_state, max_tokens, temperature)
        cache = AnswerCache() if random_state is None else self.cache
        return [list(value["texts"]) for value in self._calls.values(requests, cache)]

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
            Not needed: a call brings the log-probabilities of all answers.
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
            Calls and tokens, at 4 characters a token. An endpoint that gives one sample per request takes as
            many calls as samples, which is known from the first answer on.
        """
        if n_samples is None:
            requests = self._form.questions(prompts)
        else:
            drawn = copy.deepcopy(random_state)  # to ask what it costs must not move a generator on
            requests = self._form.generations(prompts, n_samples, drawn, max_tokens, temperature)
        keys = {request.prompt: request.key(self.base_url) for request in requests}
        is_kept = n_samples is None or random_state is not None
        known = self.cache.known(keys.values()) if is_kept else {}
        draws = max((request.samples for request in requests), default=0)
        limit = max((request.limit for request in requests), default=1)
        calls = draws if draws and self._calls.one_at_a_time else 1
        return run_cost(
            keys,
            is_cached=lambda prompt: keys[prompt] in known,
            calls_per_prompt=calls,
            tokens_per_call=limit * max(draws, 1) // calls,
        )

    def _read(self, prompts: Any, answers: Any) -> list[FirstTokens] | list[SampledTexts]:
        """Return what each prompt is answered with."""
        by_first_token = self._form.samples is None
        compared = check_answers(answers, by_first_token=by_first_token)
        values = self._calls.values(self._form.questions(prompts), self.cache)
        if by_first_token:
            meanings = Meanings(compared)  # most tokens stand in many replies
            return [FirstTokens(value, meanings) for value in values]
        return [SampledTexts(value["texts"], compared) for value in values]


#: What an OpenAIScorer is made with.
_PARAMETERS = frozenset({"base_url", "model", *(OpenAIScorer.__init__.__kwdefaults__ or {})})
