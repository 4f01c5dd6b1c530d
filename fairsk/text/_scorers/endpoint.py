"""Endpoint over HTTP: what is tried again, how long is waited, and what an error says."""

from __future__ import annotations

import functools
import hashlib
import http.client
import ipaddress
import json
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

from fairsk._core.messages import shorten, show
from fairsk._core.results import printable
from fairsk._core.version import __version__
from fairsk._core.warnings import warn_user
from fairsk.text._scorers.credentials import Credentials, EndpointError

__all__ = ["FILTERED", "Endpoint", "Interrupted", "pause"]

#: What endpoints call the error that a prompt did not pass their filter: a refusal, not a failure.
FILTERED = frozenset({"content_filter", "content_policy_violation"})
#: A 429 that waiting does not cure.
_NO_QUOTA = "insufficient_quota"

#: Statuses of a server that may do better later; 529 is what some call overloaded.
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504, 529})
#: Seconds before the second attempt, which double with each further one, up to the most.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
#: Who is told to wait for longer gives up at once, and says so.
_LONGEST_WAIT = 120.0
#: A reply with 20 log-probabilities has about 2 kB, and one with a hundred long texts less than 1 MB.
_LARGEST_REPLY = 8 * 2**20
#: So much of a reply that is an error is read, and so much of it is shown.
_LARGEST_ERROR, _LONGEST_WORDS = 2**14, 300
_BLOCK = 2**16

#: What to do about a status.
_ADVICE = {
    400: "It does not accept this request: see its words.",
    401: "It wants a (valid) key: give api_key_variable='...', or headers.",
    403: "The key does not allow this.",
    404: "Look at base_url, which often ends with /v1, and at the name of the model.",
    405: "Look at base_url, which often ends with /v1.",
    413: "A prompt is too long.",
    422: "It does not accept this request: see its words.",
    429: "Lower concurrency, or try later.",
}
#: Words of an endpoint that does not take a part of the request, and what to do about it.
_HINTS = {
    "max_completion_tokens": "token_limit='max_completion_tokens' names the limit as it wants.",
    "logprob": "If it gives no log-probabilities (or fewer: top), samples=n draws n samples instead.",
    "temperature": "extra={'temperature': None} sends no temperature.",
    "seed": "extra={'seed': None} sends no seed.",
}


class Interrupted(Exception):
    """Another request of the run has failed, or the user has stopped it."""


class _Transient(Exception):
    """A failure that may pass.

    Parameters
    ----------
    what : str
        What happened.
    status : int, optional
        The HTTP status.
    wait : float, optional
        How many seconds the endpoint wants to be left alone.
    """

    def __init__(self, what: str, status: int | None = None, wait: float | None = None) -> None:
        super().__init__(what)
        self.what, self.status, self.wait = what, status, wait


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follow none: a key would go to another host, and urllib makes a GET of a POST."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Return nothing, by which the redirect becomes an error with its status."""


@functools.lru_cache(maxsize=8)
def _opener(proxy: str | None) -> urllib.request.OpenerDirector:
    """Return what opens URLs; with no proxy but the one that is named."""
    proxies = {} if proxy is None else {"http": proxy, "https": proxy}
    return urllib.request.build_opener(urllib.request.ProxyHandler(proxies), _NoRedirects())


def pause(seconds: float, stop: threading.Event) -> None:
    """Wait, unless the run stops meanwhile."""
    stop.wait(seconds)


class Endpoint:
    """Where requests go.

    Parameters
    ----------
    base_url : str
        Where the paths of the API begin.
    credentials : Credentials
        Headers and key.
    timeout : float
        Seconds that an attempt may take to connect, and then for the reply.
    retries : int
        How often a request is repeated.
    proxy : str or None
        The proxy to go through.
    """

    def __init__(
        self, base_url: str, credentials: Credentials, *, timeout: float, retries: int, proxy: str | None
    ) -> None:
        parts = _check_url("base_url", base_url)
        if proxy is not None:
            _check_url("proxy", proxy)
        self.base_url = base_url.rstrip("/")
        self.credentials = credentials
        self.timeout = timeout
        self.retries = retries
        self.proxy = proxy
        if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
            what = "prompts and keys" if credentials.is_set else "prompts"
            warn_user(f"base_url is {show(self.base_url)}: {what} travel unencrypted. Use https.")

    def post(self, path: str, body: Mapping[str, Any], stop: threading.Event) -> Any:
        """Return the reply to a request, as JSON says it.

        Parameters
        ----------
        path : str
            What follows the base URL.
        body : mapping
            The request.
        stop : threading.Event
            Set when the run is to end.

        Raises
        ------
        EndpointError
            If there is no reply, or none that is JSON.
        Interrupted
            If the run is to end before there is one.
        """
        data = json.dumps(body).encode("ascii")
        for attempt in range(self.retries + 1):
            if stop.is_set():
                raise Interrupted
            try:
                return self._once(path, data)
            except _Transient as error:
                failure = error
            if failure.wait is not None and failure.wait > _LONGEST_WAIT:
                raise self.error(
                    f"{failure.what} It asks to be left alone for {failure.wait:,.0f} seconds, and no longer "
                    f"than {_LONGEST_WAIT:,.0f} are waited for: try later.",
                    failure.status,
                )
            if attempt < self.retries:
                pause(_delay(data, attempt, failure.wait), stop)
        times = "once" if self.retries == 0 else f"{self.retries + 1} times"
        advice = _ADVICE.get(failure.status or 0, "Try later, or with a longer timeout or more retries.")
        raise self.error(f"{failure.what} It was asked {times}. {advice}", failure.status)

    def _once(self, path: str, data: bytes) -> Any:
        """Return the reply of one attempt."""
        headers = {"User-Agent": f"fairsk/{__version__}", "Accept": "application/json"}
        headers |= self.credentials.headers() | {"Content-Type": "application/json"}
        request = urllib.request.Request(self.base_url + path, data, headers, method="POST")
        try:
            with _opener(self.proxy).open(request, timeout=self.timeout) as response:
                return self._parsed(self._read(response), response.headers.get("Content-Type", ""))
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error) from None
        except urllib.error.URLError as error:
            raise self._unreachable(error.reason) from None
        except http.client.IncompleteRead:
            raise _Transient("the connection was cut before the reply was complete.") from None
        except OSError as error:
            raise self._unreachable(error) from None
        except http.client.HTTPException as error:
            raise self.error(f"what answers does not speak HTTP ({type(error).__name__}).") from None

    def _read(self, response: Any) -> bytes:
        """Return the reply, if it is there in time and not larger than any that could be meant."""
        deadline = time.monotonic() + self.timeout
        blocks, size = [], 0
        while block := response.read1(_BLOCK):
            blocks.append(block)
            size += len(block)
            if size > _LARGEST_REPLY:
                raise self.error(f"the reply is larger than {_LARGEST_REPLY / 2**20:g} MB, and was not read.")
            if time.monotonic() > deadline:
                raise TimeoutError
        if response.length:  # of what was announced
            raise http.client.IncompleteRead(b"")
        return b"".join(blocks)

    def _parsed(self, reply: bytes, kind: str) -> Any:
        try:
            text = self.credentials.without_keys(reply.decode("utf-8-sig"))
            return json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):  # neither UTF-8 nor JSON, or NaN, which JSON does not have
            words = self._words(reply.decode("utf-8", "replace"))
            kind = shorten(printable(self.credentials.scrubbed(kind)))
            raise self.error(
                f"the reply is no JSON{f' but {kind}' if kind and 'json' not in kind else ''}: {words} Does "
                "base_url lead to an OpenAI-compatible API (it often ends with /v1)?"
            ) from None

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        """Return what a status other than 200 means."""
        try:
            content = error.read(_LARGEST_ERROR).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            content = ""
        said, code = _said(content)
        words, status = self._words(said), error.code
        if 300 <= status < 400:
            target = self._words(error.headers.get("Location", ""))
            return self.error(
                f"it redirects (status {status}) to {target} Redirects are not followed, because a key would "
                "go along: if you trust that address, make it the base_url.",
                status,
            )
        what = f"status {status}: {words}"
        if status in _TRANSIENT and code != _NO_QUOTA:
            return _Transient(what, status, _seconds(error.headers.get("Retry-After")))
        advice = _ADVICE.get(status, "")
        hints = [hint for word, hint in _HINTS.items() if status in (400, 422) and word in said.lower()]
        return self.error(" ".join(filter(None, [what, advice, *hints[:1]])), status, code)

    def _unreachable(self, reason: Any) -> Exception:
        """Return what it means that there is no connection, or none any more."""
        if isinstance(reason, TimeoutError):
            return _Transient(f"there was no reply within {self.timeout:g} seconds (timeout).")
        if isinstance(reason, ConnectionRefusedError):
            return self.error(
                "nothing listens there (connection refused). Is the server running, and base_url right?"
            )
        if isinstance(reason, ConnectionError | ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return _Transient("the connection was cut.")
        if isinstance(reason, socket.gaierror):
            return self.error("there is no such host, or no network. Is base_url right?")
        if isinstance(reason, ssl.SSLError):
            return self.error(f"no encrypted connection can be made: {self._words(str(reason))}")
        return self.error(f"no connection can be made: {self._words(str(reason))}")

    def _words(self, text: str) -> str:
        """Return an endpoint's words: without secrets, markup and control characters, shortened."""
        # Secrets go first: what shortens or breaks a text could leave a part of one.
        text = self.credentials.scrubbed(text[:_LARGEST_ERROR])
        text = re.sub(r"(?is)<(script|style)\b.*?(</\1\s*>|$)|<[^>]*>", " ", text)
        words = printable(" ".join(text.split()))
        return f"{words[:_LONGEST_WORDS]}..." if len(words) > _LONGEST_WORDS else f"{words or '(no words)'}."

    def error(self, what: str, status: int | None = None, code: str = "") -> EndpointError:
        """Return an error that names the endpoint; its code is as much an endpoint's words as any."""
        if code not in (*FILTERED, _NO_QUOTA):
            code = shorten(printable(self.credentials.scrubbed(code)))
        return EndpointError(f"{shorten(self.base_url, 120)}: {what}", status, code)


def _said(content: str) -> tuple[str, str]:
    """Return what an error says, and what it is called, as far as it has a form that is known."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return content, ""
    error = document.get("error", document) if isinstance(document, dict) else document
    if isinstance(error, str):
        return error, ""
    if not isinstance(error, dict):
        return content, ""
    said = next(
        (error[key] for key in ("message", "detail", "error") if isinstance(error.get(key), str)), content
    )
    code = error.get("code") if isinstance(error.get("code"), str) else error.get("type")
    return said, code if isinstance(code, str) else ""


def _seconds(retry_after: str | None) -> float | None:
    """Return how many seconds a Retry-After asks for: a number, or a date."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    date = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return max((date - datetime.now(UTC)).total_seconds(), 0.0)


def _delay(data: bytes, attempt: int, wait: float | None) -> float:
    """Return how long to wait: twice as long each time, at least what was asked for, and not all at once.

    The jitter follows from the request, so that a run can be repeated.
    """
    digest = hashlib.sha256(b"%d:%s" % (attempt, data)).digest()
    jitter = int.from_bytes(digest[:4], "big") / 2**32
    longer = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE) * (1 + jitter) / 2
    return longer if wait is None else max(longer, wait * (1 + jitter / 10))


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _check_url(name: str, url: Any) -> SplitResult:
    """Return the parts of a URL; no message shows one that may hold a password."""
    example = "such as 'https://api.openai.com/v1' or 'http://127.0.0.1:8000/v1'"
    if not isinstance(url, str):
        raise TypeError(f"{name} must be a URL, {example}; got {type(url).__name__}.")
    try:
        parts = urlsplit(url)
        is_sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{name} must be an http or https URL, {example}.")
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            f"{name} must not hold a name or a password: give headers, or api_key_variable; these are hidden."
        )
    if parts.query or parts.fragment:
        raise ValueError(
            f"{name} must end with a path, {example}: what follows '?' may be a key, and would be shown. "
            "Give headers, or api_key_variable."
        )
    return parts


def _is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
