"""The filter form of a list: its fields, what stands in them, and what is in force as chips to take away."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from flask import request
from werkzeug.datastructures import MultiDict

from webapp.queries.timeline import LISTINGS, Listing
from webapp.web.columns import column
from webapp.web.filters import words

PLACEHOLDERS: Final = {
    "symbol": "SOL-USDC",
    "cycle_id": "whole id",
    "actor": "user:olga",
    "from": "2026-01-31T09:30Z",
    "to": "2026-02-01",
}
LABELS: Final = {
    "from": "From (UTC)",
    "to": "Before (UTC)",
    "status": "Status",
    "rule": "Rule",
    "action": "Action",
    "act": "Act",
}
FIELD_ORDER: Final = ("act", "actor", "symbol", "side", "status", "action", "rule", "cycle_id", "from", "to")
API: Final = {
    "ticks": "/v1/market/ticks",
    "signals": "/v1/signals",
    "orders": "/v1/orders",
    "fills": "/v1/fills",
    "positions": "/v1/positions",
    "snapshots": "/v1/portfolio/snapshots",
    "risk_events": "/v1/risk/events",
    "smoke_runs": "/v1/devnet/smoke-runs",
}
"""Where bots read the same list."""
_pages: dict[str, str] = {}


def remember(url: str, name: str) -> None:
    """Note which list lives at an address, so that an error there can show its form again."""
    _pages[url] = name


def form_here() -> Mapping[str, Any] | None:
    """The filter form of the list at this request's address, filled as asked; None where there is no list."""
    name = _pages.get(request.path)
    return None if name is None else form_of(LISTINGS[name], request.path)


def form_of(listing: Listing, url: str) -> Mapping[str, Any]:
    """What the form's template needs, from the request as it is: also from one that was refused."""
    return {
        "filter_action": url,
        "filter_fields": _fields(listing),
        "filter_values": {name: request.args.get(name, "") for name in (*listing.filters, "limit")},
        "filter_choices": _choices(listing),
        "chips": _chips(listing, url),
    }


def curl_of(listing: Listing) -> str:
    """A command that reads the same rows from the API; empty where the API has no such list."""
    if listing.name not in API:
        return ""
    kept = MultiDict((name, value) for name, value in request.args.items() if name in (*listing.filters, "limit"))
    return f'curl -H "Authorization: Bearer $TOKEN" "{request.host_url.rstrip("/")}{address(API[listing.name], kept)}"'


def address(path: str, args: MultiDict[str, str], cursor: str | None = None) -> str:
    """`path` with the filters in force; empty fields and the old cursor are left out."""
    pairs = [(name, value) for name, value in args.items() if value and name != "cursor"]
    if cursor:
        pairs.append(("cursor", cursor))
    return f"{path}?{urlencode(pairs)}" if pairs else path


def _fields(listing: Listing) -> list[tuple[str, str, str]]:
    return [(name, _label(name), PLACEHOLDERS.get(name, "")) for name in _names(listing)]


def _choices(listing: Listing) -> dict[str, list[tuple[str, str]]]:
    return {
        name: [("", "Any"), *((value, words(value)) for value in allowed)]
        for name, allowed in listing.filters.items()
        if allowed
    }


def _chips(listing: Listing, url: str) -> list[tuple[str, str, str]]:
    """Label, value and the address without it, of every filter in force."""
    chips = []
    for name in _names(listing):
        if value := request.args.get(name):
            others = MultiDict((other, kept) for other, kept in request.args.items() if other != name)
            chips.append((_label(name), words(value) if listing.filters[name] else value, address(url, others)))
    return chips


def _names(listing: Listing) -> list[str]:
    return sorted(listing.filters, key=FIELD_ORDER.index)


def _label(name: str) -> str:
    return LABELS.get(name) or column(name).label
