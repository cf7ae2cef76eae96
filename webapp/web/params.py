"""What a list may be asked: every parameter from an allow-list, every value checked before a query sees it.

Nothing is ignored in silence: an unknown name, a repeated or malformed value is a BadInput that names the field.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from flask import current_app
from itsdangerous import BadData, URLSafeSerializer
from werkzeug.datastructures import MultiDict

from webapp.domain.errors import BadInput
from webapp.domain.market import check_symbol

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_TEXT = 512
"""Longest value any list parameter may have, in characters; a cursor is the longest of them."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_ACTOR = re.compile(r"[a-z-]{1,20}(:[A-Za-z0-9][A-Za-z0-9._@-]{0,63})?", re.ASCII)
_LIMIT = re.compile(r"[0-9]{1,3}", re.ASCII)
_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}([Tt](?P<clock>\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)(?P<zone>[Zz]|[+ -]\d{2}:\d{2})?)?",
    re.ASCII,
)


class ListingLike(Protocol):
    """As much of a listing as its parameters need."""

    @property
    def name(self) -> str: ...
    @property
    def time_column(self) -> str | None: ...
    @property
    def filters(self) -> Mapping[str, tuple[str, ...]]: ...


@dataclass(frozen=True)
class ListParams:
    """One list request, checked: typed filters, page size and the key to go on after."""

    filters: dict[str, Any]
    limit: int = DEFAULT_LIMIT
    after: tuple[Any, ...] | None = None


def list_params(
    args: MultiDict[str, str], listing: ListingLike, *, also: Collection[str] = (), blank_ok: bool = True
) -> ListParams:
    """Read a list's query. `also` names parameters the caller reads itself; `blank_ok` takes an empty value as not
    given, as an HTML form sends it."""
    given: dict[str, str] = {}
    for name, values in args.lists():
        if name in also:
            continue
        if name not in ("limit", "cursor") and name not in listing.filters:
            raise BadInput(printable(name), "is not a parameter of this list")
        if len(values) > 1:
            raise BadInput(name, "is given more than once")
        if values[0] == "" and blank_ok:
            continue
        if len(values[0]) > MAX_TEXT:
            raise BadInput(name, f"is longer than {MAX_TEXT} characters")
        given[name] = values[0]
    limit = read_limit(given.pop("limit", str(DEFAULT_LIMIT)))
    cursor = given.pop("cursor", None)
    after = None if cursor is None else _cursor_key(listing, cursor)
    return ListParams(_filters(given, listing), limit, after)


def cursor_text(listing: ListingLike, key: tuple[Any, ...] | None) -> str | None:
    """The opaque, signed text that names a place in this list; None at its end."""
    if key is None:
        return None
    parts = [part.astimezone(UTC).isoformat() if isinstance(part, datetime) else str(part) for part in key]
    text = _serializer(listing).dumps(parts)
    return text.decode() if isinstance(text, bytes) else text


def read_limit(text: str, field: str = "limit") -> int:
    """Rows a page may have, 1 to 200."""
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= MAX_LIMIT:
        raise BadInput(field, f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def read_uuid(text: str, field: str) -> UUID:
    """An id in the usual text form with hyphens; other spellings Python would take are refused."""
    if not _UUID.fullmatch(text):
        raise BadInput(field, "must be a UUID such as 0190a6f2-7c1e-7d3a-9b52-6f1c2d3e4f50")
    return UUID(text)


def read_time(text: str, field: str) -> datetime:
    """An ISO-8601 time with its zone, or a date (its 00:00 UTC, which is where the desk's days begin).

    A `+` left bare in a URL arrives as a space, so a space before the offset is read as one.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise BadInput(field, "must be an ISO-8601 time such as 2026-01-31T09:30:00Z")
    if match["clock"] and match["zone"] is None:
        raise BadInput(field, "must name its zone, as in 2026-01-31T09:30:00Z")
    whole = text.upper().replace(" ", "+") if match["clock"] else f"{text}T00:00:00Z"
    try:
        return datetime.fromisoformat(whole).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadInput(field, "is not a time of the calendar") from error


def _filters(given: Mapping[str, str], listing: ListingLike) -> dict[str, Any]:
    filters = {name: _READERS[name](text, name, listing) for name, text in given.items()}
    if "from" in filters and "to" in filters and filters["from"] > filters["to"]:
        raise BadInput("from", "is after `to`")
    return filters


def _choice(text: str, field: str, listing: ListingLike) -> str:
    choices = listing.filters[field]
    if text not in choices:
        raise BadInput(field, f"must be one of {', '.join(choices)}")
    return text


def _actor(text: str, field: str) -> str:
    """Somebody as the audit names them, such as user:olga, token:bot or cli."""
    if not _ACTOR.fullmatch(text):
        raise BadInput(field, "must be a name as it stands in the list, such as user:olga or token:my-bot")
    return text


_READERS: Mapping[str, Callable[[str, str, ListingLike], Any]] = {
    "symbol": lambda text, field, _: check_symbol(text, field),
    "cycle_id": lambda text, field, _: read_uuid(text, field),
    "from": lambda text, field, _: read_time(text, field),
    "to": lambda text, field, _: read_time(text, field),
    "status": _choice,
    "side": _choice,
    "rule": _choice,
    "action": _choice,
    "act": _choice,
    "actor": lambda text, field, _: _actor(text, field),
}


def _serializer(listing: ListingLike) -> URLSafeSerializer:
    """Salted with the list's name, so that a cursor of one list is not one of another."""
    secret = current_app.secret_key
    if not secret:
        raise RuntimeError("SECRET_KEY is not set: cursors cannot be signed")
    return URLSafeSerializer(
        secret, salt=f"paperdesk.cursor.{listing.name}", signer_kwargs={"digest_method": hashlib.sha256}
    )


def _cursor_key(listing: ListingLike, text: str) -> tuple[Any, ...]:
    """The key inside a cursor that this desk signed for this list."""
    try:
        parts = _serializer(listing).loads(text)
        if listing.time_column is None:
            (symbol,) = parts
            return (str(symbol),)
        moment, row_id = parts
        return (datetime.fromisoformat(moment), UUID(row_id))
    except (BadData, ValueError, TypeError, AttributeError) as error:
        raise BadInput("cursor", "is not a cursor of this list") from error


def printable(name: str) -> str:
    """A name somebody sent as an error may repeat it: printable and short."""
    return "".join(char if char.isprintable() else "?" for char in name[:64]) or "(empty)"
