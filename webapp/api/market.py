"""Quotes in: many at once, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any

from flask import Response, g

from webapp.api.answers import AcceptedOut
from webapp.api.calls import call
from webapp.api.kinds import amount_text
from webapp.api.schemas import MAX_TICKS, TicksIn
from webapp.api.wire import answer
from webapp.domain.errors import BadInput, BadQuote
from webapp.domain.market import Tick, parse_tick
from webapp.extensions import db
from webapp.services import market
from webapp.web.params import printable

MAX_BODY = 4 * 1024 * 1024
"""Bytes: 10,000 quotes take about 1.2 million, pretty-printed twice that."""
FIELDS = ("symbol", "bid_price", "ask_price", "event_at")


@call(
    "POST",
    "/market/ticks",
    scopes=("trade",),
    body=TicksIn,
    max_body=MAX_BODY,
    answer=AcceptedOut,
    status=201,
    errors=(400,),
)
def post_ticks(body: TicksIn) -> Response:
    """Store quotes

    All are taken or none. A quote that is from more than 2 s ahead, crossed, not above zero or malformed refuses the
    whole batch, naming its index and field. One that is older than the newest of its symbol is kept and flagged as
    late; it never moves a mark.
    """
    if not 1 <= len(body.ticks) <= MAX_TICKS:
        raise BadInput("ticks", f"must hold 1 to {MAX_TICKS:,} quotes")
    accepted = market.accept(db.session(), list(_ticks(body.ticks)), by=g.actor)
    return answer({"accepted": accepted.count, "late": accepted.late}, 201)


def _ticks(entries: list[Any]) -> Iterator[Tick]:
    for index, entry in enumerate(entries):
        try:
            yield _tick(entry)
        except BadQuote as error:
            raise BadQuote(error.reason, error.message, index=index, field=error.field) from error


def _tick(entry: Any) -> Tick:
    if not isinstance(entry, dict):
        raise BadQuote("bad_shape", "must be an object")
    if len(entry) != len(FIELDS) or any(name not in entry for name in FIELDS):
        raise _misshapen(entry)
    symbol, event_at = entry["symbol"], entry["event_at"]
    if not isinstance(event_at, str):
        raise BadQuote("bad_time", "event_at must be a text", field="event_at")
    tick = parse_tick(symbol, amount_text(entry["bid_price"]), amount_text(entry["ask_price"]), event_at)
    if tick.event_at.tzinfo is UTC:
        return tick
    try:
        return Tick(tick.symbol, tick.bid_price, tick.ask_price, tick.event_at.astimezone(UTC))
    except OverflowError as error:
        raise BadQuote("bad_time", "event_at is not a time of the calendar", field="event_at") from error


def _misshapen(entry: Mapping[str, Any]) -> BadQuote:
    missing = next((name for name in FIELDS if name not in entry), None)
    if missing:
        return BadQuote("bad_shape", f"{missing} is missing", field=missing)
    unknown = printable(next(name for name in entry if name not in FIELDS))
    return BadQuote("bad_shape", f"{unknown} is not a field of a quote", field=unknown)
