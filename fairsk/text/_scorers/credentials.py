"""Headers and keys of an endpoint, which nothing shows: no print, no pickle, no message, no cache."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fairsk._core.messages import list_labels, show

__all__ = ["Credentials", "EndpointError"]

#: What stands in place of a secret.
_HIDDEN = "***"
#: An endpoint may repeat a part of a key; so many characters of it in a row are taken for one.
_PART = 8
#: From so many characters on, a value is a key, and not a word that a model could answer.
_KEY = 16
#: The characters of a header's name, and (beside others that are no letters) those of no value.
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
#: Headers that follow from the request.
_OURS = frozenset(
    {"content-length", "content-type", "host", "transfer-encoding", "connection", "accept-encoding"}
)


class EndpointError(RuntimeError):
    """An endpoint did not answer, or not in a way that can be used.

    Parameters
    ----------
    message : str
        What happened, and what to do.
    status : int, optional
        The HTTP status, if there was one.
    code : str, default=""
        What the endpoint calls its error, if it does.

    See Also
    --------
    OpenAIScorer : Raises it.

    Examples
    --------
    >>> from fairsk.text import EndpointError, OpenAIScorer
    >>> scorer = OpenAIScorer("http://127.0.0.1:9/v1", "a-model", retries=0)
    >>> try:
    ...     scorer(["Is the sky blue?"], ["yes", "no"])
    ... except EndpointError as error:
    ...     print(error)
    http://127.0.0.1:9/v1: nothing listens there (...). Is the server running, and base_url right?
    """

    def __init__(self, message: str, status: int | None = None, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.status, self.code)


class Credentials:
    """What a request needs beside its body.

    Parameters
    ----------
    headers : mapping of str to str or None
        Headers of every request.
    api_key_variable : str or None
        The environment variable that holds a key, which is read when it is needed.
    """

    def __init__(self, headers: Mapping[str, str] | None, api_key_variable: str | None) -> None:
        self.names, values = _check_headers(headers)
        self._values: dict[str, str] | None = values
        self.variable = api_key_variable
        if self.variable is None:
            return
        if not isinstance(self.variable, str) or not self.variable or "=" in self.variable:
            # Whoever gives the key itself must not read it in a message.
            raise ValueError(
                "api_key_variable must be the name of an environment variable, such as 'OPENAI_API_KEY' "
                "(the name, not the key)."
            )
        if "authorization" in map(str.lower, self.names):
            raise ValueError("Give either api_key_variable or the header Authorization, not both.")

    def __repr__(self) -> str:
        return "<hidden>"

    def __getstate__(self) -> dict[str, Any]:
        return {"names": self.names, "variable": self.variable}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.names, self.variable = state["names"], state["variable"]
        self._values = None if self.names else {}

    @property
    def is_set(self) -> bool:
        """Whether there are headers, or a key."""
        return bool(self.names) or self.variable is not None

    def headers(self) -> dict[str, str]:
        """Return the headers, with the key as it is now.

        Raises
        ------
        EndpointError
            If they stayed behind when the scorer was pickled, or the variable is not set.
        """
        if self.variable is None and self._values is None:
            raise EndpointError(
                f"The headers of this scorer ({list_labels(self.names)}) are not here: a pickle takes none "
                "along, nor does a worker process get them. Give api_key_variable='...' instead of headers, "
                "which is read wherever it is needed, or make the scorer anew; answers that are in its cache "
                "can be had without."
            )
        values = dict(self._values or {})
        if self.variable is not None:
            values["Authorization"] = f"Bearer {self._key()}"
        return values

    def _key(self) -> str:
        key = os.environ.get(self.variable or "", "").strip()
        if not key:
            raise EndpointError(
                f"The environment variable {show(self.variable)} (api_key_variable) is not set, or empty. "
                "Set it before Python starts, also for worker processes."
            )
        if not key.isascii() or not key.isprintable():
            raise EndpointError(
                f"The environment variable {show(self.variable)} (api_key_variable) holds characters that no "
                "header can: look for line breaks and quotes."
            )
        return key

    def scrubbed(self, words: str) -> str:
        """Return an endpoint's words without any header, key, or larger part of one."""
        lower = words.lower()
        lower = lower if len(lower) == len(words) else words
        hidden = bytearray(len(words))
        for piece in {piece for secret in self._secrets() for piece in _pieces(secret)}:
            piece = piece.lower() if lower is not words else piece
            at = lower.find(piece)
            while at >= 0:
                hidden[at : at + len(piece)] = b"\1" * len(piece)
                at = lower.find(piece, at + 1)
        if not any(hidden):
            return words
        shown = "".join("\0" if is_hidden else char for char, is_hidden in zip(words, hidden, strict=True))
        return re.sub("\0+", _HIDDEN, shown)

    def without_keys(self, reply: str) -> str:
        """Return a reply without the keys that it may repeat; words that a model could say stay."""
        for secret in self._secrets():
            if len(secret) >= _KEY:
                reply = reply.replace(secret, _HIDDEN)
        return reply

    def _secrets(self) -> set[str]:
        """Return what must not be shown: values, words of them such as the key after Bearer, encoded too."""
        values = list((self._values or {}).values())
        key = os.environ.get(self.variable, "").strip() if self.variable is not None else ""
        values += [f"Bearer {key}", key] if key else []
        parts = {part for value in values for part in (value, *value.split()) if part.strip()}
        encoded = {base64.b64encode(part.encode()).decode().rstrip("=") for part in parts}
        return (
            parts
            | encoded
            | {quote(part, safe="") for part in parts}
            | {json.dumps(part)[1:-1] for part in parts}
        )


def _pieces(secret: str) -> set[str]:
    width = min(_PART, len(secret))
    return {secret[start : start + width] for start in range(len(secret) - width + 1)}


def _check_headers(headers: Any) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return names and values; no message holds a value, for http.client would put one into its own."""
    if headers is None:
        return (), {}
    if not isinstance(headers, Mapping):
        raise TypeError("headers must be a mapping from names to values, such as {'api-key': '...'}.")
    values: dict[str, str] = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError("headers has a name that is none of HTTP: letters, digits and hyphens.")
        if name.lower() in _OURS:
            raise ValueError(f"headers must not set {show(name)}: that follows from the request.")
        if not isinstance(value, str) or not value.isascii() or _CONTROL.search(value):
            raise ValueError(
                f"headers[{show(name)}] must be a text of ASCII characters, without line breaks (a key that "
                "was read from a file may end with one)."
            )
        values[name] = value.strip()
    if len({name.lower() for name in values}) < len(values):
        raise ValueError("headers has a name twice, in other letters.")
    return tuple(values), values
