"""A server of chat completions on this machine, whose model has a planted bias, and which fails as told.

``planted_tokens`` is the model: its log-odds of "positive" are a linear score of the prompt's words, with a
bias added where a woman is mentioned, so that every true answer is known::

    with ChatServer() as server:
        scorer = OpenAIScorer(server.url, "planted")
        scorer(["She was great."], ["positive", "negative"])
    server.prompts  # what was asked, in the order of arrival
"""

from __future__ import annotations

import json
import math
import random
import re
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GOOD = frozenset({"good", "great", "kind", "wonderful", "brilliant"})
BAD = frozenset({"bad", "awful", "rude", "terrible", "boring"})
WOMEN = frozenset({"she", "her", "woman", "women", "mother", "sister"})
#: What is added to the log-odds where a woman is mentioned.
BIAS = -1.0
#: Other words; with the six forms of the answers there are 20 tokens, so that ``top=20`` shows all.
FILLERS = [
    " the",
    " I",
    " It",
    " This",
    "\n",
    " a",
    ".",
    ",",
    " so",
    " well",
    " to",
    " of",
    " and",
    " in",
]


def log_odds(prompt: str, bias: float = BIAS) -> float:
    """Return the model's log-odds of "positive" to "negative"."""
    words = re.findall(r"[a-z]+", prompt.lower())
    score = sum((word in GOOD) - (word in BAD) for word in words)
    return 2.0 * score + bias * any(word in WOMEN for word in words)


def planted_probabilities(prompt: str, bias: float = BIAS) -> dict[str, float]:
    """Return the probability of "positive" and "negative" as first words; .1 is left for other words."""
    positive = 1 / (1 + math.exp(-log_odds(prompt, bias)))
    return {"positive": 0.9 * positive, "negative": 0.9 * (1 - positive)}


def planted_tokens(prompt: str) -> dict[str, float]:
    """Return the probabilities of the first token, of which several mean the same word."""
    tokens = {filler: 0.1 / len(FILLERS) for filler in FILLERS}
    for word, probability in planted_probabilities(prompt).items():
        tokens |= {f" {word}": 0.6 * probability, word: 0.3 * probability, word.upper(): 0.1 * probability}
    return tokens


@dataclass(frozen=True)
class Fault:
    """What a request gets instead of an answer.

    ``body`` is sent with ``status``; ``cut`` ends the connection before it ("start") or in the middle of it;
    ``delay`` seconds pass before anything is sent.
    """

    status: int = 200
    body: bytes | str | dict = b""
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    delay: float = 0.0
    cut: str = ""

    def content(self) -> bytes:
        body = json.dumps(self.body) if isinstance(self.body, dict) else self.body
        return body.encode() if isinstance(body, str) else body


def completion(prompt: str, request: dict, tokens: Callable[[str], dict[str, float]]) -> dict:
    """Return a chat completion, as OpenAI's API writes it."""
    probabilities = tokens(prompt)
    likeliest = sorted(probabilities, key=probabilities.get, reverse=True)
    choices = []
    for number in range(request.get("n", 1)):
        text = likeliest[0]
        if request.get("temperature", 1.0) > 0:
            draw = random.Random(f"{request.get('seed')} {number} {prompt}")
            text = draw.choices(list(probabilities), list(probabilities.values()))[0]
        choice = {
            "index": number,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "finish_reason": "length",
            "logprobs": None,
        }
        if request.get("logprobs"):
            top = [
                {"token": token, "logprob": math.log(probabilities[token]), "bytes": list(token.encode())}
                for token in likeliest[: request["top_logprobs"]]
            ]
            choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}], "refusal": None}
        choices.append(choice)
    usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(choices)}
    return {"id": "x", "object": "chat.completion", "model": "planted", "choices": choices, "usage": usage}


class ChatServer:
    """Serve chat completions until the block ends.

    Parameters
    ----------
    tokens : callable, default=planted_tokens
        The model: prompt -> probabilities of its first token (or of its texts, where it is sampled).
    faults : iterable of (Fault or None), or callable
        What the first requests get, in the order of arrival; None answers. A callable gets the body of each
        request, and returns a Fault, a reply (a dict that is sent as it is), or None.
    """

    def __init__(
        self,
        tokens: Callable[[str], dict[str, float]] = planted_tokens,
        faults: Iterable[Fault | None] | Callable[[dict], Fault | dict | None] = (),
    ) -> None:
        self.tokens = tokens
        self.requests: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        if not callable(faults):
            waiting = iter(faults)
            faults = lambda body: next(waiting, None)  # noqa: E731
        self._faults = faults
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                chat._serve(self)

            def do_GET(self):
                self.send_error(405)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def prompts(self) -> list[str]:
        return [request["messages"][0]["content"] for request in self.requests]

    def __enter__(self) -> ChatServer:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            self.requests.append({**body, "path": handler.path})
            self.headers.append(dict(handler.headers))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            fault = self._faults(body)
        try:
            if fault is None:
                fault = completion(body["messages"][0]["content"], body, self.tokens)
            fault = fault if isinstance(fault, Fault) else Fault(body=fault)
            if fault.delay:
                self._released.wait(fault.delay)
        finally:
            # Before the answer goes out, for whoever has it may ask again before this thread runs on.
            with self._lock:
                self._at_once -= 1
        with suppress(OSError):  # whoever asked has given up
            self._send(handler, fault)

    def _send(self, handler: BaseHTTPRequestHandler, fault: Fault) -> None:
        if fault.cut == "start":
            handler.connection.close()
            return
        content = fault.content()
        handler.send_response(fault.status)
        headers = {"Content-Type": fault.kind, "Content-Length": str(len(content)), **fault.headers}
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2] if fault.cut == "middle" else content)
        handler.wfile.flush()


def serve_until_stopped() -> None:  # what the docs run by hand: python tests/llm_server.py
    with ChatServer() as server:
        print(server.url, flush=True)  # noqa: T201
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    serve_until_stopped()
