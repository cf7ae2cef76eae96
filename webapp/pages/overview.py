"""The desk at a glance: what it is worth, how near its limits it is, what it did last, and how fresh all of that is."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from flask import Blueprint, Response, current_app

from webapp.domain.desk import SNAPSHOT_SECONDS
from webapp.extensions import db
from webapp.queries import market, overview
from webapp.queries.overview import Desk
from webapp.queries.system import SILENT_AFTER
from webapp.web import filters
from webapp.web.htmx import answer, unchanged, version_of
from webapp.web.svg import nav_picture

bp = Blueprint("overview", __name__)
TEMPLATES: Final = ("overview/index.html", "overview/_glance.html")
REDRAW_SECONDS: Final = 15
"""Sources go stale without any new row, so the live block is drawn again at least this often."""


class Source(NamedTuple):
    """One source of what the page shows: when it last spoke, and what that means in a word and a colour."""

    name: str
    at: datetime | None
    word: str
    tone: str
    note: str


@bp.get("/")
def index() -> Response:
    """One screen; the poll of a reader who has seen the newest quote costs one statement."""
    session = db.session()
    desk = overview.desk(session)
    version = version_of(desk.seen, int(desk.now.timestamp()) // REDRAW_SECONDS)
    if unchanged(version):
        return answer(*TEMPLATES, version=version)
    filters.measure_ages_at(desk.now)
    held = overview.holdings(session)
    book = overview.book(desk, held)
    stale_after = timedelta(seconds=desk.policy.stale_after_seconds if desk.policy else 0)
    quotes = market.newest_quotes(session, stale_after, desk.now, late=False)
    spoken = sources(desk, quotes)
    return answer(
        *TEMPLATES,
        version=version,
        state=state(desk, spoken),
        desk=desk,
        book=book,
        held=held,
        limits=overview.headroom(desk, book, held),
        cycles=[(row, told(row)) for row in overview.last_cycles(session)],
        hour=overview.last_hour(session, desk.now),
        sources=spoken,
        spark=nav_picture(overview.day_curve(session, desk.now)),
        checks=overview.self_checks(session),
    )


def state(desk: Desk, spoken: list[Source]) -> tuple[str, str]:
    """Whether the desk trades, in one sentence that does not let one good sign hide a bad one; with its colour."""
    if desk.halted:
        return "Halted: no order passes the gate until somebody releases the switch.", "bad"
    if desk.policy is None:
        return "No policy is in force, so the gate blocks every order.", "bad"
    quiet = [f"{source.name.lower()}: {source.word}" for source in spoken if source.tone == "bad"]
    if quiet:
        return f"The switch is off, yet nothing trades by itself now ({'; '.join(quiet)}).", "bad"
    odd = [f"{source.name.lower()}: {source.word}" for source in spoken if source.tone in ("warn", "mute")]
    if odd:
        return f"Trading, but look at {'; '.join(odd)}.", "warn"
    return "Trading: quotes are fresh and the engine beats.", "good"


def sources(desk: Desk, quotes: list[market.LatestQuote]) -> list[Source]:
    """Age and state of everything the page rests on, each by itself: one fresh source must not vouch for another."""
    stale = [str(quote.tick["symbol"]) for quote in quotes if quote.stale]
    config = current_app.config["PAPERDESK"]
    return [
        _quotes(desk, quotes, stale),
        _engine(desk),
        _judged("Last cycle", desk.cycle_at, desk.now, 3 * config.cycle_seconds, "each symbol in its turn"),
        _judged("Snapshots", desk.snapshot_at, desk.now, 3 * SNAPSHOT_SECONDS, "NAV on a fixed grid of time"),
        Source("Database", desk.now, "answering", "good", "all ages here are by its clock"),
    ]


def _quotes(desk: Desk, quotes: list[market.LatestQuote], stale: list[str]) -> Source:
    if not quotes:
        return Source("Quotes", None, "none yet", "mute", "nothing trades without one")
    if len(stale) == len(quotes):
        return Source("Quotes", desk.quote_at, "stale", "bad", "nothing trades on them")
    if stale:
        return Source("Quotes", desk.quote_at, f"{len(stale)} stale", "warn", ", ".join(stale[:4]))
    return Source("Quotes", desk.quote_at, "fresh", "good", f"{len(quotes)} symbols")


def _engine(desk: Desk) -> Source:
    """Halted is not dead: a halted engine beats, and says so."""
    if desk.engine_at is None:
        return Source("Engine", None, "never seen", "bad", "start it with: make engine")
    if desk.now - desk.engine_at > SILENT_AFTER:
        return Source("Engine", desk.engine_at, "silent", "bad", "no heartbeat: nothing trades by itself")
    if desk.halted:
        return Source("Engine", desk.engine_at, "beating, halted", "warn", "alive; the kill switch holds trading")
    return Source("Engine", desk.engine_at, "beating", "good", "trading")


def _judged(name: str, at: datetime | None, now: datetime, late_after: int, note: str) -> Source:
    if at is None:
        return Source(name, None, "none yet", "mute", note)
    if now - at > timedelta(seconds=late_after):
        return Source(name, at, "late", "warn", f"expected every {filters.duration(late_after // 3)}")
    return Source(name, at, "on time", "good", note)


def told(row: Any) -> str:
    """What came of a cycle, as a sentence with its numbers."""
    if row["outcome"] == "no_signal":
        return row["reason"] or "No signal: the strategy saw no reason to trade."
    if row["outcome"] == "blocked":
        rule = filters.words(row["risk_reason"] or row["reason"] or "a rule that is not recorded")
        return str(row["sentence"] or f"Blocked by {rule.lower()}.")
    if row["side"] is None:
        return filters.words(row["outcome"])
    if row["filled_qty"] is None:
        return _waiting(row, row["qty"])
    verb = "bought" if row["side"] == "buy" else "sold"
    verb = f"Rested, then {verb}" if row["outcome"] == "resting" else verb.capitalize()
    done = f"{verb} {filters.qty(row['filled_qty'])} at {filters.price(row['filled_price'])} USDC"
    rest: Decimal = row["qty"] - row["filled_qty"]
    return f"{done}." if not rest or row["status"] != "approved" else f"{done}; {filters.qty(rest)} still rests."


def _waiting(row: Any, qty: Decimal) -> str:
    limit = "" if row["limit_price"] is None else f" at {filters.price(row['limit_price'])} USDC"
    what = f"{row['side']} {filters.qty(qty)}{limit}"
    if row["status"] == "canceled":
        return f"Canceled unfilled: {what}."
    return f"Resting: {what}." if row["status"] == "approved" else filters.words(row["status"]) + f": {what}."


@bp.app_template_filter("limit_measure")
def limit_measure(value: Decimal, unit: str) -> str:
    """One side of a limit: USDC to the cent, counts whole."""
    return filters.money(value) if unit == "USDC" else filters.qty(value)
