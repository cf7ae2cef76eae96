"""The OpenAPI 3.1 document, made from the declarations that guard and check the calls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from flask import Response
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from webapp.api import answers
from webapp.api.answers import AMOUNT, ErrorOut
from webapp.api.calls import CALLS, Call, call
from webapp.api.errors import CODES
from webapp.api.kinds import FREE_FORM, SYMBOL
from webapp.api.schemas import TickIn
from webapp.api.wire import answer
from webapp.queries.timeline import Listing
from webapp.version import VERSION
from webapp.web.params import DEFAULT_LIMIT, MAX_LIMIT, MAX_TEXT

Document = dict[str, Any]

INFO = {
    "title": "Paperdesk API",
    "version": VERSION,
    "description": (
        "A paper-trading desk for bots and agents: simulated money, real rules. Decimals are strings, times are "
        "ISO-8601 in UTC with a Z, ids are UUIDs. Every error has the same shape, and a blocked trade names the rule, "
        "its value, its limit and, where there is one, the moment to try again."
    ),
}
MEANINGS: Mapping[int, str] = {
    400: "The request is not right; `details.field` names where.",
    401: "No token, or one that is not in force.",
    403: "The token lacks the scope this call needs.",
    404: "There is no such thing.",
    405: "The address has no such method; `Allow` lists those it has.",
    406: "The `Accept` header does not allow the only form this answer has.",
    409: "It cannot be done as things stand.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    423: "Trading is halted.",
    429: "The token has used up its requests of this minute.",
    503: "The database does not answer; nothing was confirmed.",
}
KINDS: Mapping[str, Document] = {
    "uuid": {"type": "string", "format": "uuid"},
    "decimal": {"type": "string", "pattern": AMOUNT},
    "time": {"type": "string", "format": "date-time"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "document": {"type": "object"},
    "text": {"type": "string"},
}
WHOLE: Document = {"type": "string", "pattern": "^[0-9]+$"}
HEADERS: Mapping[str, Document] = {
    "X-Request-Id": {
        "description": "The request's own id if it sent one, else a new one.",
        "schema": {"type": "string"},
    },
    "X-Paperdesk-Mode": {"description": "Simulated money.", "schema": {"const": "paper"}},
    "X-As-Of": {
        "description": "UTC; what is told was read at this moment or later.",
        "schema": {"type": "string", "format": "date-time"},
    },
    "WWW-Authenticate": {"description": "What kind of token or which scope is wanted.", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "Seconds to wait; not there when waiting alone does not help.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "RateLimit-Limit": {"description": "Requests a minute of the budget this one counts in.", "schema": WHOLE},
    "RateLimit-Remaining": {"description": "Requests left of it.", "schema": WHOLE},
    "RateLimit-Reset": {"description": "Seconds until it is whole again.", "schema": WHOLE},
    "Idempotent-Replayed": {
        "description": "`true` when this answer was given before under the same key; nothing was done again.",
        "schema": {"const": "true"},
    },
}
REQUEST_ID: Document = {
    "name": "X-Request-Id",
    "in": "header",
    "required": False,
    "description": "A name for this request, echoed and written into the desk's log.",
    "schema": {"type": "string", "maxLength": 128},
}
ALWAYS = ("X-Request-Id", "X-Paperdesk-Mode", "X-As-Of")
BUDGET = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
EXTRA: Mapping[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    429: ("Retry-After", *BUDGET),
    503: ("Retry-After",),
}
TAGS = {
    "market": "Quotes in and out.",
    "trade": "Propose a trade and see what became of it.",
    "risk": "The rules, their limits, and what they said.",
    "kill-switch": "Stop everything at once.",
    "portfolio": "What the desk holds and is worth.",
    "desk": "Health, status, devnet checks, this document.",
}
TAG_OF = {
    "market": "market",
    "trade": "trade",
    "orders": "trade",
    "fills": "trade",
    "signals": "trade",
    "cycles": "trade",
    "risk": "risk",
    "kill-switch": "kill-switch",
    "positions": "portfolio",
    "portfolio": "portfolio",
}


@call("GET", "/openapi.json", scopes=(), answer=answers.Out)
def get_openapi() -> Response:
    """This document

    OpenAPI 3.1, made from the declarations that guard and check the calls.
    """
    return answer(document())


@cache
def document() -> Document:
    """The whole document; the same one every time, not to be changed."""
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "headers": dict(HEADERS),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token made by `flask tokens create`."}
            },
        },
    }


def _paths() -> Document:
    paths: Document = {}
    for one in CALLS.values():
        path = "/v1" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", one.path)
        paths.setdefault(path, {})[one.method.lower()] = _operation(one)
    return dict(sorted(paths.items()))


def _operation(call: Call) -> Document:
    operation: Document = {
        "operationId": call.name,
        "summary": call.summary,
        "description": _description(call),
        "tags": [TAG_OF.get(call.path.strip("/").partition("/")[0], "desk")],
        "parameters": _parameters(call),
        "responses": _responses(call),
        "security": [{"token": [scope]} for scope in call.scopes],
    }
    if call.body is not None:
        content = {"application/json": {"schema": _ref(call.body)}}
        operation["requestBody"] = {"required": not call.body_optional, "content": content}
    return operation


def _description(call: Call) -> str:
    scope = f"Scope: {' or '.join(f'`{scope}`' for scope in call.scopes)}." if call.scopes else "Open to all."
    return f"{call.description} {scope}".strip()


def _parameters(call: Call) -> list[Document]:
    found: list[Document] = [
        {"name": name, "in": "path", "required": True, "schema": KINDS["uuid"]}
        for name in re.findall(r"<uuid:(\w+)>", call.path)
    ]
    if call.listing is not None and call.method == "GET":
        found += [_query(name, schema) for name, schema in _list_parameters(call.listing).items()]
    found += [_query(name, dict(schema)) for name, schema in call.query.items()]
    found += [{"name": name, "in": "header", "required": False, **said} for name, said in call.takes.items()]
    return [*found, REQUEST_ID]


def _query(name: str, schema: Document) -> Document:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _list_parameters(listing: Listing) -> dict[str, Document]:
    by_form: Mapping[str, Document] = {
        "symbol": {"type": "string", "pattern": SYMBOL},
        "cycle_id": KINDS["uuid"],
        "from": {**KINDS["time"], "description": "This moment or later."},
        "to": {**KINDS["time"], "description": "Before this moment."},
    }
    filters = {
        name: {"type": "string", "enum": list(values)} if values else by_form[name]
        for name, values in listing.filters.items()
    }
    return {
        **filters,
        "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        "cursor": {"type": "string", "maxLength": MAX_TEXT, "description": "`next_cursor` of the page before."},
    }


def _responses(call: Call) -> Document:
    statuses = {*call.errors, 503}
    if call.scopes:
        statuses |= {401, 403}
    if call.pace:
        statuses |= {429}
    if not call.urgent:
        statuses |= {400, 406}
    if call.body is not None:
        statuses |= {400, 413, 415}
    always = (*ALWAYS, *(BUDGET if call.pace else ()))
    good: Document = {"description": call.summary, "headers": _headers(*always, *call.headers)}
    if schema := _answer_schema(call):
        good["content"] = {call.mimetype: {"schema": schema}}
    found = {str(call.status): good}
    blocked = (*call.headers, "Retry-After") if "Idempotent-Replayed" in call.headers else ()
    for status in sorted(statuses):
        headers = [*ALWAYS, *EXTRA.get(status, ()), *(blocked if status in (409, 423) else ())]
        found[str(status)] = _error(status, headers)
    return found


def _error(status: int, headers: list[str]) -> Document:
    codes = [code for code, own in CODES.items() if own == status]
    return {
        "description": f"{MEANINGS[status]} Code: {' or '.join(codes) or 'BAD_REQUEST'}.",
        "headers": _headers(*headers),
        "content": {"application/json": {"schema": _ref(ErrorOut)}},
    }


def _headers(*names: str) -> Document:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _answer_schema(call: Call) -> Document | None:
    if call.listing is not None:
        item = {"$ref": f"#/components/schemas/{_item_name(call.listing)}"}
        return _page_of(item) if call.method == "GET" else item
    if call.answer is not None:
        return _ref(call.answer)
    return {"type": "string"}


def _page_of(item: Document) -> Document:
    return {
        "type": "object",
        "required": ["items", "next_cursor", "mode", "as_of"],
        "properties": {
            "items": {"type": "array", "items": item},
            "next_cursor": {"type": ["string", "null"]},
            "mode": {"const": "paper"},
            "as_of": KINDS["time"],
        },
    }


def _item_name(listing: Listing) -> str:
    """`risk_events` -> `RiskEventRow`."""
    return "".join(word.title() for word in listing.name.removesuffix("s").split("_")) + "Row"


def _item(listing: Listing) -> Document:
    """A row, from the table's own columns."""
    columns = listing.kinds()
    properties = {
        name: {"anyOf": [KINDS[kind], {"type": "null"}]} if nullable else KINDS[kind]
        for name, (kind, nullable) in columns.items()
    }
    return {"type": "object", "required": list(columns), "properties": properties}


def _ref(model: type[BaseModel]) -> Document:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _schemas() -> Document:
    taken: set[type[BaseModel]] = {one.body for one in CALLS.values() if one.body is not None} | {TickIn, *FREE_FORM}
    given: set[type[BaseModel]] = {one.answer for one in CALLS.values() if one.answer is not None} | {ErrorOut}
    models = sorted(taken | given, key=lambda model: model.__name__)
    _, found = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    schemas: Document = dict(found["$defs"])
    for one in CALLS.values():
        if one.listing is not None:
            schemas[_item_name(one.listing)] = _item(one.listing)
    return dict(sorted(schemas.items()))
