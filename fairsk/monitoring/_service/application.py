"""The application: which path is answered by what, and to whom."""

from __future__ import annotations

import logging
import math
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from fairsk._core.groups import format_group
from fairsk._core.messages import show
from fairsk.monitoring._concerns.concern import REASONS, STATES
from fairsk.monitoring._service.answers import Answer, Message, Refusal, Send, json_answer
from fairsk.monitoring._service.commits import GroupCommits
from fairsk.monitoring._service.concern_views import FormViews, JsonViews
from fairsk.monitoring._service.floods import TokenBuckets
from fairsk.monitoring._service.form import FormPages
from fairsk.monitoring._service.monitor_files import MonitorFiles
from fairsk.monitoring._service.monitor_views import MonitorViews
from fairsk.monitoring._service.openapi import openapi_document
from fairsk.monitoring._service.requests import Disconnected, Request
from fairsk.monitoring._service.texts import check_texts
from fairsk.monitoring._service.threads import OneThread

if TYPE_CHECKING:
    from fairsk.monitoring._concerns import ConcernLog

__all__ = ["Application", "app"]

_LOGGER = logging.getLogger("fairsk.monitoring")

_Handler: TypeAlias = Callable[[Request], Awaitable[Answer]]
#: The path of the form; whatever is refused there is told in a page.
_FORM, _STATUS_FORM = "/concerns/form", "/concerns/form/status"


def app(
    monitors: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    *,
    concerns: ConcernLog | None = None,
    title: str = "Fairness monitors",
    min_cell: int = 10,
    rate: float = 5.0,
    burst: int = 20,
    texts: Mapping[str, str] | None = None,
    language: str = "en",
) -> Application:
    """Make the service of monitors and concerns: an ASGI application for uvicorn, or any other server.

    Parameters
    ----------
    monitors : path, or sequence of paths, default=()
        State files of monitors; they are read again when they change. One that cannot be read is named on the
        dashboard, in ``/metrics`` and in ``/healthz``, and the others are shown.
    concerns : ConcernLog, optional
        Where concerns are stored; without it none are taken.
    title : str, default="Fairness monitors"
        The heading of the dashboard, and the title of the OpenAPI document.
    min_cell : int, default=10
        For ``/metrics``: see :func:`exposition`.
    rate : float, default=5.0
        How many requests that send something (POST) a sender may make per second, in the long run.
    burst : int, default=20
        How many may come at once.
    texts : mapping of str to str, optional
        Texts of the form in place of those in :data:`FORM_TEXTS`, such as translations. Names such as
        ``"category=other"``, ``"group=F"``, ``"state=received"`` and ``"reason=withdrawn"`` stand for what a
        category, a group, a state or a reason is called.
    language : str, default="en"
        The language of the texts.

    Returns
    -------
    Application
        An ASGI 3 callable.

    Raises
    ------
    ValueError
        If ``rate`` or ``burst`` is not positive, or there is no text of a name.
    TypeError
        If ``monitors`` holds something else than paths, or a text is none.

    See Also
    --------
    ConcernLog : What stores concerns.
    monitors_page : The dashboard.
    exposition : The metrics.

    Notes
    -----
    ``/`` is the dashboard, ``/metrics`` the text for Prometheus, ``/healthz`` says whether all can be read,
    ``/openapi.json`` describes the interface. ``POST /concerns`` takes a concern as JSON and acknowledges it
    when it is on disk, ``POST /concerns/status`` tells the holder of a ticket what became of it,
    ``GET /concerns/summary`` shows numbers, and ``/concerns/form`` is a form for people.

    A sender is the address that the server tells, of IPv6 its first half. Behind a proxy, the server must be
    told to believe the proxy (uvicorn: ``--proxy-headers --forwarded-allow-ips``): the application itself
    reads no header of that kind, for anybody can send one. No address is kept.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fairsk.monitoring import ConcernLog, app
    >>> log = ConcernLog(Path(tempfile.mkdtemp()) / "concerns.db", groups=("women", "men"))
    >>> application = app(concerns=log)  # uvicorn module:application --limit-concurrency 200 --no-access-log
    >>> sorted(application.openapi["paths"])
    ['/', '/concerns', '/concerns/status', '/concerns/summary', '/healthz', '/metrics', '/openapi.json']
    >>> log.close()
    """
    for name, value in {"rate": rate, "burst": burst}.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ValueError(f"{name} must be a positive number; got {show(value)}.")
    if burst < 1:
        raise ValueError(f"burst must be at least 1, for otherwise nothing is taken; got {show(burst)}.")
    views = MonitorViews(MonitorFiles(monitors), concerns, str(title), min_cell)
    pages = None if concerns is None else _form_pages(concerns, texts, language)
    return Application(views, pages, TokenBuckets(rate, burst))


def _form_pages(log: ConcernLog, texts: Mapping[str, str] | None, language: str) -> FormPages:
    groups = tuple(map(format_group, log.groups))
    kinds = {"category": log.categories, "group": groups, "state": STATES, "reason": REASONS}
    names = [f"{kind}={value}" for kind, values in kinds.items() for value in values]
    said = check_texts(texts, names)
    most_text = log.most_text if log.store_text else None
    return FormPages(said, language, log.categories, groups, most_text, log.takes_tickets)


class Application:
    """An ASGI application, as :func:`app` makes it.

    Parameters
    ----------
    views : MonitorViews
        What is said of monitors, and the log of concerns.
    pages : FormPages or None
        The pages of the form; None without a log of concerns.
    buckets : TokenBuckets
        How much may come from one sender.

    Attributes
    ----------
    openapi : dict
        The OpenAPI document.
    """

    def __init__(self, views: MonitorViews, pages: FormPages | None, buckets: TokenBuckets) -> None:
        self.views = views
        self.buckets = buckets
        self.openapi = openapi_document(views.title, views.concerns)
        # The dashboard may take seconds to draw. Neither a scrape nor a concern waits for it.
        painter, reader = OneThread("dashboard"), OneThread("reader")
        self._routes: dict[str, dict[str, _Handler]] = {
            "/": {"GET": _in(painter, views.page)},
            "/metrics": {"GET": _in(reader, views.metrics)},
            "/healthz": {"GET": _in(reader, views.health)},
            "/openapi.json": {"GET": self._openapi},
        }
        self._form: FormViews | None = None
        if views.concerns is not None and pages is not None:
            commits = GroupCommits(views.concerns)
            json = JsonViews(views.concerns, commits, reader)
            form = self._form = FormViews(views.concerns, commits, reader, pages)
            self._routes |= {
                "/concerns": {"POST": json.report},
                "/concerns/status": {"POST": json.status},
                "/concerns/summary": {"GET": _in(reader, views.summary)},
                _FORM: {"GET": form.form, "POST": form.report},
                _STATUS_FORM: {"GET": form.status_form, "POST": form.status},
            }

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        """Answer a request, as ASGI 3 has it."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            try:
                answer = await self._answer(Request(scope, receive))
            except Disconnected:
                return
            await answer.send(send, with_body=scope["method"] != "HEAD")

    async def _answer(self, request: Request) -> Answer:
        try:
            return await self._handler(request)(request)
        except Refusal as refusal:
            return self._refuse(request, refusal)
        except (sqlite3.Error, OSError) as error:
            _LOGGER.error("%s could not be answered: %s: %s", request.path, type(error).__name__, error)
            return self._refuse(request, Refusal(503, "It cannot be read now.", "busy", {"retry-after": "5"}))
        except Disconnected:
            raise
        except Exception:
            _LOGGER.exception("%s could not be answered.", request.path)
            return self._refuse(request, Refusal(500, "This is an error of the service.", "busy"))

    def _handler(self, request: Request) -> _Handler:
        """Return what answers a request, if its sender may make one now."""
        handlers = self._routes.get(request.path)
        if handlers is None:
            raise Refusal(404, "There is nothing here.")
        handler = handlers.get(request.method)
        if handler is None:
            allowed = ", ".join([*handlers, "HEAD"] if "GET" in handlers else handlers)
            raise Refusal(405, f"Here you can {allowed}.", headers={"allow": allowed})
        if request.method == "POST":
            seconds = self.buckets.wait(request.sender, time.monotonic())
            if seconds:
                sentence = f"Too many requests from this network; the next one in {seconds} s."
                raise Refusal(429, sentence, "too_many", {"retry-after": str(seconds)})
        return handler

    def _refuse(self, request: Request, refusal: Refusal) -> Answer:
        if self._form is not None and request.path in (_FORM, _STATUS_FORM):
            return self._form.refuse(refusal, at_status=request.path == _STATUS_FORM)
        return json_answer(refusal.status, {"error": refusal.sentence}, refusal.headers)

    async def _openapi(self, request: Request) -> Answer:
        document: dict[str, Any] = self.openapi
        if request.root:
            document = {**document, "servers": [{"url": request.root}]}
        return json_answer(200, document)


def _in(thread: OneThread, view: Callable[[], Answer]) -> _Handler:
    async def answer(_: Request) -> Answer:
        return await thread.run(view)

    return answer


async def _live(receive: Callable[[], Awaitable[Message]], send: Send) -> None:
    """Say that the application has started, and stopped: there is nothing to do for either."""
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
