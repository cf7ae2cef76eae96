"""One box for everything: a whole id, the end of one, a symbol or the name of a page. One match is gone to at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, render_template, request

from webapp.domain.errors import BadInput
from webapp.domain.market import check_symbol
from webapp.extensions import db
from webapp.queries import find
from webapp.queries.find import Found
from webapp.web import FOR_ADMINS, SECTIONS
from webapp.web.auth import has_role
from webapp.web.htmx import see_other

bp = Blueprint("find", __name__)
HEX: Final = r"[0-9a-f]"
WHOLE: Final = re.compile(rf"{HEX}{{8}}-?{HEX}{{4}}-?{HEX}{{4}}-?{HEX}{{4}}-?{HEX}{{12}}", re.ASCII)
ENDING: Final = re.compile(rf"{HEX}{{6,12}}", re.ASCII)
LONGEST: Final = 64


@dataclass(frozen=True)
class Match:
    """Something found: what it is, how it is called, and where it is shown."""

    what: str
    name: str
    href: str
    found: Found | None = None


@bp.get("/find")
def index() -> Any:
    """Go to the only match, or show them all."""
    asked = request.args.get("q", "").strip()[:LONGEST]
    matches = [*by_id(asked.lower()), *by_symbol(asked.upper()), *by_page(asked.lower())] if asked else []
    if len(matches) == 1:
        return see_other(matches[0].href)
    return render_template("find/index.html", asked=asked, matches=matches), 404 if asked and not matches else 200


def by_id(text: str) -> list[Match]:
    """Rows with this id, or one that ends like it."""
    if WHOLE.fullmatch(text):
        found = find.by_id(db.session(), UUID(text))
    elif ENDING.fullmatch(text):
        found = find.by_ending(db.session(), text)
    else:
        return []
    return [Match(row.kind, str(row.row_id), address(row), row) for row in found]


def address(row: Found) -> str:
    """The page that shows it."""
    if row.kind == "fill":
        return f"/orders/{row.shown_on}#fill-{row.row_id}"
    if row.kind == "turn of the switch":
        return f"/kill-switch/events/{row.shown_on}"
    return f"/orders/{row.shown_on}" if row.kind in ("order", "decision") else f"/cycles/{row.shown_on}"


def by_symbol(text: str) -> list[Match]:
    """What there is of the first symbol that begins like this."""
    try:
        symbol = find.first_symbol(db.session(), check_symbol(text))
    except BadInput:
        return []
    if symbol is None:
        return []
    query = urlencode({"symbol": symbol})
    pages = (("market", "/market/"), ("orders", "/orders/"), ("fills", "/fills/"), ("risk audit", "/risk/"))
    return [Match(page, symbol, f"{path}?{query}") for page, path in pages]


def by_page(text: str) -> list[Match]:
    """Pages whose name begins like this."""
    sections = (*SECTIONS, FOR_ADMINS) if has_role("admin") else SECTIONS
    links = (link for _, links in sections for link in links)
    return [Match("page", link.text, link.href) for link in links if link.text.lower().startswith(text)]
