"""Calls of an endpoint: how many may be made, what they gave, and what has been spent."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from fairsk.text._llm.cost import NOTHING, RunCost, number_of, run_cost
from fairsk.text._scorers.cache import AnswerCache
from fairsk.text._scorers.credentials import EndpointError
from fairsk.text._scorers.endpoint import FILTERED, Endpoint
from fairsk.text._scorers.pool import in_parallel
from fairsk.text._scorers.replies import read_texts, read_top
from fairsk.text._scorers.requests import Request, check_whole, seed_of

__all__ = ["Calls"]

T = TypeVar("T")

#: What a pickle leaves behind: a process counts its own calls.
_OF_THIS_PROCESS = frozenset({"_lock", "_reserved", "_spent"})


class Calls:
    """Ask an endpoint what a cache does not have.

    Parameters
    ----------
    endpoint : Endpoint
        Where requests go.
    concurrency : int
        How many of them are on their way at a time.
    max_calls : int or None
        How many calls may be made in all, in this process: what is unpickled has made none.
    progress : bool
        Whether a bar is shown.
    """

    def __init__(self, endpoint: Endpoint, *, concurrency: Any, max_calls: Any, progress: bool) -> None:
        self.endpoint = endpoint
        self.concurrency = check_whole("concurrency", concurrency, 1, 1_000)
        self.limit(max_calls)
        self.progress = bool(progress)
        #: Whether the endpoint gives one sample per request, as far as is known.
        self.one_at_a_time = False
        self._begin()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _OF_THIS_PROCESS}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)
        self._begin()

    def _begin(self) -> None:
        self._reserved = 0
        self._spent = NOTHING
        self._lock = threading.Lock()

    def limit(self, max_calls: Any) -> None:
        """Say how many calls may be made in all, those that were made already among them."""
        self.max_calls = None if max_calls is None else check_whole("max_calls", max_calls, 0, 10**9)

    @property
    def spent(self) -> RunCost:
        """What has been answered so far, with tokens as the endpoint counts them, if it says."""
        with self._lock:
            return self._spent

    def values(self, requests: Sequence[Request], cache: AnswerCache) -> list[Any]:
        """Return the value of each request, from the cache or the endpoint.

        Raises
        ------
        EndpointError
            If the endpoint fails; what it had answered is in the cache.
        ValueError
            If that takes more calls than are left.
        """
        keys = [request.key(self.endpoint.base_url) for request in requests]
        by_key = dict(zip(keys, requests, strict=True))
        return cache.answers(keys, lambda missing: self._run({key: by_key[key] for key in missing}))

    def _run(self, tasks: Mapping[str, Request]) -> Iterator[dict[str, Any]]:
        """Yield the values of requests as they arrive."""
        each = max((request.samples for request in tasks.values()), default=0) if self.one_at_a_time else 1
        each = max(each, 1)
        self._reserve([request.prompt for request in tasks.values()], each)
        begun: list[None] = []

        def do(request: Request, stop: threading.Event) -> dict[str, Any]:
            begun.append(None)
            return self._value(request, each, stop)

        try:
            yield from in_parallel(
                tasks, do, concurrency=self.concurrency, progress=self.progress, unit="prompts"
            )
        finally:
            with self._lock:  # what was not even begun can be asked later
                self._reserved -= (len(tasks) - len(begun)) * each

    def _reserve(self, prompts: Sequence[str], calls_per_prompt: int = 1) -> None:
        """Count calls before they are made, or refuse them all."""
        calls = len(prompts) * calls_per_prompt
        with self._lock:
            made, most = self._reserved, self.max_calls
            if most is None or made + calls <= most:
                self._reserved += calls
                return
        cost = run_cost(prompts, calls_per_prompt=calls_per_prompt)
        raise ValueError(
            f"max_calls={most:,} leaves {number_of(max(most - made, 0), 'call')}, and {calls:,} more "
            f"{'is' if calls == 1 else 'are'} needed, so none was made. The cost: {cost} "
            "Ask for less, or allow more: scorer.max_calls = "
            f"{made + calls} on the very scorer (clones and fitted models share it), or "
            "set_params(scorer=...) with another one whose cache=scorer.cache has the answers so far."
        )

    def _value(self, request: Request, reserved: int, stop: threading.Event) -> dict[str, Any]:
        """Return what the endpoint says, as it is kept; so many calls are reserved for it."""
        try:
            if request.samples:
                return {"texts": self._texts(request, reserved, stop)}
            return self._read(read_top, self._reply(request, request.body, stop))
        except EndpointError as error:
            if error.code not in FILTERED:
                raise
            # A prompt that the endpoint does not let through is not answered, and no failure.
            return {"texts": [None] * request.samples} if request.samples else {"refused": error.code}

    def _texts(self, request: Request, reserved: int, stop: threading.Event) -> list[str | None]:
        """Draw texts in one request, or in as many as it takes."""
        texts: list[str | None] = []
        if request.samples > 1 and not self.one_at_a_time:
            try:
                texts = self._drawn(request, request.body | {"n": request.samples}, stop)
                reserved -= 1
            except EndpointError as error:  # some endpoints know no n, or none but 1
                if error.status not in (400, 422) or error.code in FILTERED:
                    raise
        if (missing := request.samples - len(texts)) > reserved:
            self._reserve([request.prompt], missing - reserved)
        while len(texts) < request.samples:
            # The same seed would draw the same text.
            body = request.body
            if "seed" in body:
                body = body | {"seed": seed_of(body["seed"], str(len(texts)))}
            texts += self._drawn(request, body, stop)[:1]
            self.one_at_a_time = self.one_at_a_time or request.samples > 1
        return texts[: request.samples]

    def _drawn(self, request: Request, body: dict[str, Any], stop: threading.Event) -> list[str | None]:
        read = functools.partial(read_texts, keep_refusals=request.keeps_refusals)
        return self._read(read, self._reply(request, body, stop))

    def _read(self, read: Callable[[Any], T], reply: Any) -> T:
        """Read a reply; an error says whose it is, and nothing that is secret."""
        try:
            return read(reply)
        except EndpointError as error:
            raise self.endpoint.error(self.endpoint.credentials.scrubbed(str(error))) from None

    def _reply(self, request: Request, body: dict[str, Any], stop: threading.Event) -> Any:
        """Return a reply, and count its tokens."""
        reply = self.endpoint.post("/chat/completions", body, stop)
        usage = reply.get("usage") if isinstance(reply, dict) else None
        tokens_in, tokens_out = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
        estimate = run_cost([request.prompt], tokens_per_call=request.limit * body.get("n", 1))
        with self._lock:
            self._spent += RunCost(
                prompts=1,
                cached=0,
                calls=1,
                tokens_in=estimate.tokens_in if tokens_in is None else tokens_in,
                tokens_out=estimate.tokens_out if tokens_out is None else tokens_out,
                estimated=tokens_in is None or tokens_out is None,
            )
        return reply


def _count(usage: Any, name: str) -> int | None:
    """Return a number of tokens, if the endpoint says one that can be."""
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else None
