"""The interface as an OpenAPI document: what is taken, and every answer that is given."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fairsk._core.groups import format_group
from fairsk._core.version import __version__
from fairsk.monitoring._concerns.concern import REASONS, STATES
from fairsk.monitoring._service.requests import MOST_BYTES

if TYPE_CHECKING:
    from fairsk.monitoring._concerns import ConcernLog

__all__ = ["KEY", "TICKET", "openapi_document"]

_Plain = dict[str, Any]
KEY = "[A-Za-z0-9_.:-]{1,64}"
#: The form of a ticket: decision, batch, and the code that only the holder of the secret can make.
TICKET = f"{KEY}~({KEY})?~[0-9a-f]{{32}}"
_EXAMPLE_KEY = "2f1c9a52-0b7e-4d0c-9d53-8f4a2c1e7b60"


def openapi_document(title: str, concerns: ConcernLog | None) -> _Plain:
    """Return the OpenAPI 3.1 document of a service.

    Parameters
    ----------
    title : str
        What the service is called.
    concerns : ConcernLog or None
        The log that it writes to; without one, it takes no concerns.

    Returns
    -------
    dict
        Plain data.
    """
    paths: _Plain = {
        "/": _get(
            "The dashboard of all monitors.", {"200": _content("A page.", "text/html", {"type": "string"})}
        ),
        "/metrics": _get(
            "What the monitors say, for Prometheus.",
            {"200": _content("Text, version 0.0.4.", "text/plain", {"type": "string"})},
        ),
        "/healthz": _get(
            "Whether the state files and the log of concerns can be read.",
            {"200": _json("All can be read.", "Health"), "503": _json("Some cannot be read.", "Health")},
        ),
        "/openapi.json": _get(
            "This document.", {"200": _content("OpenAPI 3.1.", "application/json", {"type": "object"})}
        ),
    }
    schemas: _Plain = {"Problem": _object({"error": {"type": "string"}}), "Health": _HEALTH}
    if concerns is not None:
        paths |= _concern_paths()
        schemas |= _concern_schemas(concerns)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": schemas},
    }


_DESCRIPTION = (
    "Monitors of the fairness of decisions, and concerns about them. No address is kept, no cookie is set. "
    "A concern is acknowledged once it is on disk; sent again with the same key, it is not counted again."
)


def _ref(name: str) -> _Plain:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(description: str, kind: str, schema: Mapping[str, Any]) -> _Plain:
    return {"description": description, "content": {kind: {"schema": schema}}}


def _json(description: str, name: str) -> _Plain:
    return _content(description, "application/json", _ref(name))


def _object(properties: Mapping[str, Any], optional: Sequence[str] = ()) -> _Plain:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _get(summary: str, responses: Mapping[str, Any]) -> _Plain:
    return {"get": {"summary": summary, "responses": responses}}


def _post(summary: str, body: str, responses: Mapping[str, Any]) -> _Plain:
    content = {"application/json": {"schema": _ref(body)}}
    post = {"summary": summary, "requestBody": {"required": True, "content": content}}
    return {"post": {**post, "responses": {**responses, **_REFUSALS}}}


def _retry(description: str) -> _Plain:
    header = {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
    return {**_json(description, "Problem"), "headers": {"Retry-After": header}}


#: What may come back of any body.
_REFUSALS = {
    "408": _json("The body came too slowly.", "Problem"),
    "413": _json(f"The body is longer than {MOST_BYTES:,} bytes.", "Problem"),
    "415": _json("The body is not declared as JSON in UTF-8.", "Problem"),
    "422": _json("The body is no JSON, or has a field that is not as it should be.", "Problem"),
    "429": _retry("Too many requests from this network."),
    "503": _retry("Not stored, or not read. Send it again, a concern with the same key."),
}
_HEALTH = _object(
    {
        "ok": {"type": "boolean"},
        "monitors": {"type": "integer", "minimum": 0},
        "failures": {"type": "array", "items": {"type": "string"}},
    }
)


def _concern_paths() -> _Plain:
    return {
        "/concerns": _post(
            "Report a concern.",
            "Concern",
            {
                "201": _json("Stored.", "Receipt"),
                "200": _json("Stored before, under this key or with this ticket.", "Receipt"),
                "403": _json("The ticket is not one of ours.", "Problem"),
            },
        ),
        "/concerns/status": _post(
            "Look up what became of a concern.",
            "Ticket",
            {
                "200": _json("What became of it.", "Status"),
                "404": _json("There is no concern with this ticket.", "Problem"),
            },
        ),
        "/concerns/summary": _get(
            "Numbers of concerns; small ones are hidden.",
            {
                "200": _content("Numbers of concerns.", "application/json", {"type": "object"}),
                "503": _retry("The log cannot be read."),
            },
        ),
    }


def _concern_schemas(concerns: ConcernLog) -> _Plain:
    number = {"type": "integer", "minimum": 1}
    group: _Plain = {"enum": ["", None]}  # nothing, for it is not asked for
    text: _Plain = {"enum": ["", None]}
    if concerns.groups:
        group = {"enum": [*_written(concerns.groups), "", None]}
    if concerns.store_text:
        text = {"type": ["string", "null"], "maxLength": concerns.most_text}
    concern = {
        "key": {"type": "string", "pattern": f"^{KEY}$", "examples": [_EXAMPLE_KEY]},
        "ticket": {"type": ["string", "null"], "pattern": f"^({TICKET})?$"},
        "category": {"type": "string", "enum": list(concerns.categories)},
        "group": group,
        "text": text,
    }
    status = {
        "number": number,
        "state": {"enum": list(STATES)},
        "reason": {"enum": [*REASONS, None]},
        "since": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:00Z$"},
    }
    return {
        "Concern": _object(concern, optional=("ticket", "group", "text")),
        "Ticket": _object({"ticket": {"type": "string", "pattern": f"^{TICKET}$"}}),
        "Receipt": _object({"number": number, "is_new": {"type": "boolean"}, "note": {"type": "string"}}),
        "Status": _object(status),
    }


def _written(groups: Iterable[Hashable]) -> list[Any]:
    """Return the ways in which groups may be written: as text, and numbers as numbers too."""
    texts: list[Any] = [format_group(group) for group in groups]
    return texts + [group for group in groups if isinstance(group, int | float)]
