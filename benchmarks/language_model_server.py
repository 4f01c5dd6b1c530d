"""Serve a local language model as OpenAI-compatible chat completions, on this machine only.

A stand-in for vLLM or llama.cpp, which language_model.py asks over HTTP: it answers with the
log-probabilities of the likeliest next tokens, and computes them itself, with no line of fairsk.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch


class Completions(BaseHTTPRequestHandler):
    """Answer POST /v1/chat/completions."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer with the next token, and the likeliest ones."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = request["messages"][-1]["content"]
        with self.server.lock:
            self.server.n_requests += 1
            top = self.server.next_tokens(prompt, request.get("top_logprobs", 1))
        content = [{**top[0], "top_logprobs": top}]
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": top[0]["token"], "refusal": None},
            "finish_reason": "length",
            "logprobs": {"content": content, "refusal": None},
        }
        body = json.dumps({"object": "chat.completion", "model": request["model"], "choices": [choice]})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A model behind a port of this machine."""

    daemon_threads = True

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__(("127.0.0.1", 0), Completions)
        self.model, self.tokenizer = model, tokenizer
        self.lock, self.n_requests = threading.Lock(), 0

    @torch.no_grad()
    def next_tokens(self, prompt: str, top: int) -> list[dict[str, Any]]:
        """Return the likeliest tokens that may follow a prompt, with their log-probabilities."""
        tokens = self.tokenizer(prompt, return_tensors="pt")["input_ids"]
        logs = self.model(input_ids=tokens, logits_to_keep=1).logits[0, -1].float().log_softmax(0)
        values, ids = logs.topk(top)
        return [
            {"token": self.tokenizer.decode([number]), "logprob": value, "bytes": None}
            for value, number in zip(values.tolist(), ids.tolist(), strict=True)
        ]


@contextmanager
def serving(model: Any, tokenizer: Any) -> Iterator[tuple[str, Server]]:
    """Serve until the block ends; yield the base URL, and the server."""
    server = Server(model, tokenizer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
