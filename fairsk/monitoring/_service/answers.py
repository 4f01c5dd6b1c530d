"""Answers to requests: status, headers and body, with the headers that keep a browser from doing harm."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = ["Answer", "Message", "Refusal", "Send", "html_answer", "json_answer", "text_answer"]

Message: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

#: Nothing may be loaded, run or framed: the policy of whatever is no page.
_NOTHING = "default-src 'none'; frame-ancestors 'none'"
#: What every answer says. Nothing is stored on the way, guessed at, or told to the next site.
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True)
class Answer:
    """What is sent back.

    Parameters
    ----------
    status : int
        The status of HTTP.
    body : bytes
        The body.
    content_type : str
        What the body is.
    policy : str
        The content security policy.
    headers : mapping of str to str
        Further headers.
    """

    status: int
    body: bytes
    content_type: str
    policy: str = _NOTHING
    headers: Mapping[str, str] = field(default_factory=dict)

    async def send(self, send: Send, *, with_body: bool) -> None:
        """Send it; without its body to whoever asked by HEAD."""
        said = {
            "content-type": self.content_type,
            "content-length": str(len(self.body)),
            "content-security-policy": self.policy,
            **_ALWAYS,
            **self.headers,
        }
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in said.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body if with_body else b""})


class Refusal(Exception):
    """A request that is not answered as it was meant.

    Parameters
    ----------
    status : int
        The status of HTTP.
    sentence : str
        Why, in words that may be shown to the sender.
    text : str, default="not_understood"
        Which of the texts of the form says so to people.
    headers : mapping of str to str, optional
        Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        sentence: str,
        text: str = "not_understood",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.text, self.headers = status, sentence, text, dict(headers or {})


def json_answer(status: int, data: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with JSON."""
    body = json.dumps(data, ensure_ascii=False, allow_nan=False).encode("utf-8")
    return Answer(status, body, "application/json", headers=headers or {})


def text_answer(status: int, text: str, content_type: str) -> Answer:
    """Answer with text."""
    return Answer(status, text.encode("utf-8"), content_type)


def html_answer(status: int, page: str, policy: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with a page, under its own policy; no other page may frame it."""
    policy = f"{policy}; frame-ancestors 'none'"
    return Answer(status, page.encode("utf-8"), "text/html; charset=utf-8", policy, headers or {})
