"""Requests: path, headers, and bodies of limited length, read strictly."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from fairsk._core.canonical import parse
from fairsk.monitoring._service.answers import Message, Refusal

__all__ = ["MOST_BYTES", "Disconnected", "Request"]

#: A body of JSON may be so long: a text of 2,000 characters in UTF-8 takes 8,000 bytes at most.
MOST_BYTES = 16_384
#: Whoever sends a body more slowly than that, in seconds, is not waited for.
_MOST_SECONDS = 10.0
#: The forms here have 5 fields.
_MOST_FIELDS = 16
#: Of an address of IPv6, the first half: one household has all the others.
_IPV6_NETWORK = 64


class Disconnected(Exception):
    """The sender has gone."""


@dataclass(frozen=True)
class Request:
    """A request of HTTP.

    Parameters
    ----------
    scope : mapping
        What ASGI says of it.
    receive : callable
        What gives the parts of its body.
    """

    scope: Message
    receive: Callable[[], Awaitable[Message]]

    @property
    def method(self) -> str:
        """The method, GET where HEAD is asked for."""
        return "GET" if self.scope["method"] == "HEAD" else self.scope["method"]

    @property
    def root(self) -> str:
        """The path under which a proxy or another application has put this one."""
        return self.scope.get("root_path", "").rstrip("/")

    @property
    def path(self) -> str:
        """The path below the root."""
        path: str = self.scope["path"]
        root = self.root
        return path[len(root) :] if root and path.startswith(f"{root}/") else path

    def header(self, name: str) -> str:
        """Return a header; empty if it was not sent."""
        wanted = name.encode("latin-1")
        return next((value.decode("latin-1") for key, value in self.scope["headers"] if key == wanted), "")

    @property
    def sender(self) -> str:
        """The network that the request comes from, as the server knows it, which reads headers of proxies."""
        address = (self.scope.get("client") or ("",))[0]
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return str(address)
        if isinstance(found, ipaddress.IPv4Address):
            return str(found)
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found), _IPV6_NETWORK), strict=False))

    def query(self) -> dict[str, str]:
        """Return the fields behind the question mark; of those that stand twice, the first."""
        text = self.scope.get("query_string", b"").decode("latin-1")
        try:
            pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=_MOST_FIELDS)
        except ValueError:
            return {}
        return dict(reversed(pairs))

    async def json(self) -> Any:
        """Read a body of JSON.

        Raises
        ------
        Refusal
            If it is something else (415), too long (413), too slow (408), or no JSON (422).
        Disconnected
            If the sender has gone.
        """
        self._check_type("application/json")
        document, findings = parse(await self._body(MOST_BYTES))
        if findings:
            sentence = findings[0].sentence.partition(": ")[2]
            raise Refusal(422, f"The body is no JSON that is read here: {sentence}")
        return document

    async def form(self, most_bytes: int) -> dict[str, str]:
        """Read the fields of a form.

        Parameters
        ----------
        most_bytes : int
            How long the body may be.

        Raises
        ------
        Refusal
            If it is no form (415), too long (413), too slow (408), or cannot be read (422).
        Disconnected
            If the sender has gone.
        """
        self._check_type("application/x-www-form-urlencoded")
        body = await self._body(most_bytes)
        try:
            pairs = parse_qsl(
                body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
            )
        except ValueError:  # as is a UnicodeDecodeError
            raise Refusal(422, "The form is not in UTF-8, or has too many fields.") from None
        if len(dict(pairs)) < len(pairs):
            raise Refusal(422, "A field of the form stands twice.")
        return dict(pairs)

    def _check_type(self, wanted: str) -> None:
        kind, *options = (part.strip().lower() for part in self.header("content-type").split(";"))
        plain = all(option.replace('"', "") in ("", "charset=utf-8") for option in options)
        if kind != wanted or not plain or self.header("content-encoding") not in ("", "identity"):
            raise Refusal(415, f"The body must be {wanted}, in UTF-8.", "wrong_kind")

    async def _body(self, most_bytes: int) -> bytes:
        too_long = Refusal(413, f"The body may have {most_bytes:,} bytes.", "too_long")
        length = self.header("content-length")
        if length.isdecimal() and (len(length) > len(str(most_bytes)) or int(length) > most_bytes):
            raise too_long
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                while more:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        raise Disconnected
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > most_bytes:
                        raise too_long
        except TimeoutError:
            raise Refusal(408, f"The body did not come within {_MOST_SECONDS:.0f} seconds.") from None
        return bytes(body)
