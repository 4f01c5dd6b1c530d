"""Concerns: as JSON for programs, and as a form for people."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fairsk._core.messages import shorten
from fairsk._core.results import printable
from fairsk.monitoring._service.answers import Answer, Refusal, html_answer, json_answer
from fairsk.monitoring._service.commits import GroupCommits
from fairsk.monitoring._service.form import FormPages
from fairsk.monitoring._service.openapi import KEY, TICKET
from fairsk.monitoring._service.requests import Request
from fairsk.monitoring._service.threads import OneThread

if TYPE_CHECKING:
    from fairsk.monitoring._concerns import ConcernLog, ConcernStatus

__all__ = ["FormViews", "JsonViews"]

_KEY, _TICKET = re.compile(KEY), re.compile(TICKET)
#: The fields of a form, and there are no others.
_FIELDS = ("key", "ticket", "category", "group", "text")
#: A character of a text takes up to 12 bytes in a form, four of UTF-8 with three signs each.
_BYTES_PER_CHARACTER = 12
#: What the other fields of a form take at most.
_BYTES_OF_FIELDS = 4_096
_LONGEST_SENTENCE = 200


class JsonViews:
    """Concerns from programs.

    Parameters
    ----------
    log : ConcernLog
        Where they are stored.
    commits : GroupCommits
        What stores them.
    reader : OneThread
        Where the log is read.
    """

    def __init__(self, log: ConcernLog, commits: GroupCommits, reader: OneThread) -> None:
        self.log, self.commits, self.reader = log, commits, reader

    async def report(self, request: Request) -> Answer:
        """Take a concern."""
        body = await request.json()
        try:
            receipt = await self.commits.add(body)
        except ValueError as error:
            ticket = body.get("ticket") if isinstance(body, dict) else None
            # Well formed, but not made by us: this is no error of form, which a program could avoid.
            is_forged = _field(error) == "ticket" and isinstance(ticket, str) and _TICKET.fullmatch(ticket)
            sentence = shorten(printable(str(error)), _LONGEST_SENTENCE)
            raise Refusal(403 if is_forged else 422, sentence) from None
        return json_answer(201 if receipt.is_new else 200, asdict(receipt))

    async def status(self, request: Request) -> Answer:
        """Look up a concern; unknown tickets and forged ones get the same answer."""
        body = await request.json()
        ticket = body.get("ticket") if isinstance(body, dict) and len(body) == 1 else None
        if not isinstance(ticket, str) or not _TICKET.fullmatch(ticket):
            raise Refusal(422, "ticket: the only field, and the whole of what came with the decision")
        found = await self.reader.run(lambda: self.log.status(ticket))
        if found is None:
            raise Refusal(404, "There is no concern with this ticket.")
        return json_answer(200, asdict(found))


class FormViews:
    """Concerns from people.

    Parameters
    ----------
    log : ConcernLog
        Where they are stored.
    commits : GroupCommits
        What stores them.
    reader : OneThread
        Where the log is read.
    pages : FormPages
        The pages.
    """

    def __init__(self, log: ConcernLog, commits: GroupCommits, reader: OneThread, pages: FormPages) -> None:
        self.log, self.commits, self.reader, self.pages = log, commits, reader, pages
        text = log.most_text * _BYTES_PER_CHARACTER if log.store_text else 0
        self._most_bytes = _BYTES_OF_FIELDS + text

    async def form(self, request: Request) -> Answer:
        """Show the form, with the ticket of the link that came with the decision."""
        return self._page(
            200, self.pages.concern({"key": _new_key(), "ticket": request.query().get("ticket", "")})
        )

    async def report(self, request: Request) -> Answer:
        """Take the form."""
        values = await self._values(request, _FIELDS)
        if not _KEY.fullmatch(values.get("key", "")):
            values["key"] = _new_key()
            return self._page(422, self.pages.concern(values, alert="new_key"))
        body = {name: value for name, value in values.items() if value}
        try:
            receipt = await self.commits.add(body)
        except Refusal as refusal:
            page = self.pages.concern(values, alert="not_stored")
            return self._page(refusal.status, page, refusal.headers)
        except ValueError:
            wrong = await self.reader.run(lambda: wrong_fields(self.log.check, body, self.log.categories[0]))
            return self._page(422, self.pages.concern(values, wrong))
        page = self.pages.receipt(receipt.number, receipt.is_new, body.get("ticket", ""))
        return self._page(201 if receipt.is_new else 200, page)

    async def status_form(self, request: Request) -> Answer:
        """Show the form that looks up a concern."""
        return self._page(200, self.pages.status(request.query().get("ticket", "")))

    async def status(self, request: Request) -> Answer:
        """Look up a concern."""
        ticket = (await self._values(request, ("ticket",))).get("ticket", "")
        if not ticket:
            return self._page(422, self.pages.status(error="status_missing"))
        found: ConcernStatus | None = await self.reader.run(lambda: self.log.status(ticket))
        if found is None:
            return self._page(404, self.pages.status(ticket, "status_unknown"))
        return self._page(200, self.pages.status(ticket, found=found))

    def refuse(self, refusal: Refusal, *, at_status: bool) -> Answer:
        """Answer a request that was refused."""
        page = self.pages.refusal(refusal.text, at_status=at_status)
        return self._page(refusal.status, page, refusal.headers)

    async def _values(self, request: Request, fields: tuple[str, ...]) -> dict[str, str]:
        # A browser says where a form was sent from. No cookie is set, so another site gains nothing but the
        # addresses of its visitors, by which floods are told. What sends no such header is no browser.
        if request.header("sec-fetch-site") == "cross-site":
            raise Refusal(403, "The form was sent from another site.", "elsewhere")
        values = await request.form(self._most_bytes)
        if not all(name in fields for name in values):
            raise Refusal(422, "There is a field that is not taken.")
        values = {name: value.replace("\r\n", "\n").strip() for name, value in values.items()}
        # A ticket that was copied from a letter may hold a line break.
        return values | {"ticket": "".join(values.get("ticket", "").split())}

    def _page(self, status: int, page: str, headers: dict[str, str] | None = None) -> Answer:
        return html_answer(status, page, self.pages.policy, headers)


def wrong_fields(check: Callable[[dict[str, Any]], object], body: dict[str, str], category: str) -> list[str]:
    """Return which fields of a form are not as they should be.

    Parameters
    ----------
    check : callable
        The ``check`` of a log, whose errors begin with the field that they are about.
    body : dict
        The fields.
    category : str
        A category that is taken.

    Returns
    -------
    list of str
        The fields, in the order in which they stand.
    """
    body, wrong = dict(body), set[str]()
    for _ in _FIELDS:
        try:
            check(body)
            break
        except ValueError as error:
            name = _field(error)
            if name not in _FIELDS[1:]:
                raise Refusal(422, "The form has a field that is not as it should be.") from None
            wrong.add(name)
            body.pop(name, None)
            if name == "category":
                body[name] = category
    return [name for name in _FIELDS if name in wrong]


def _field(error: ValueError) -> str:
    """Return the field that an error is about."""
    return str(error).partition(":")[0]


def _new_key() -> str:
    """Return a key that makes sending a form twice the same as sending it once."""
    return f"form-{secrets.token_urlsafe(16)}"
