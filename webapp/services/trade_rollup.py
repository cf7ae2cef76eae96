"""Closed trades and their sums, rolled up from the fills behind the trading and never in its way.

The domain's fold goes on from the last fill it has seen. Pages read these tables, and fold what came after by the same
fold, so that what they show is complete whether or not this has run.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from webapp.domain.moments import DAY, HOUR, floor
from webapp.domain.orders import Side
from webapp.domain.trades import Filled, OpenTrade, RoundTrip, Tally, book, tally_of
from webapp.models import RoundTrip as RoundTripRow
from webapp.models import TradeBucket, TradeRollup
from webapp.services import leadership
from webapp.services.leadership import Lease
from webapp.services.transaction import database_now, transaction

BATCH = 5_000
BEHIND = timedelta(seconds=30)
"""Fills younger than this are left for later: one with an earlier time may still be on its way to its commit."""

_FILLS = text("""
    SELECT fill_id, symbol, side, qty, fill_price, fee, filled_at FROM fills
    WHERE filled_at <= :until AND (CAST(:at AS timestamptz) IS NULL OR (filled_at, fill_id) > (:at, CAST(:id AS uuid)))
    ORDER BY filled_at, fill_id LIMIT :batch
""")

Buckets = dict[tuple[int, datetime, str], Tally]


def roll_up(session: Session, until: datetime | None = None, lease: Lease | None = None) -> int:
    """Fold every fill up to `until` (by default: up to a moment ago) that was not folded yet; how many there were.

    An engine names its ``lease``: :class:`Fenced` is raised when another one leads by now.
    """
    total = 0
    while count := _batch(session, until, lease):
        total += count
    return total


def rebuild(session: Session) -> int:
    """Fold all fills anew, for a desk whose fills another program wrote. How many there were."""
    with transaction(session):
        for table in (TradeRollup, TradeBucket, RoundTripRow):
            session.execute(delete(table))
    return roll_up(session, datetime.max.replace(tzinfo=database_now(session).tzinfo))


def _batch(session: Session, until: datetime | None, lease: Lease | None) -> int:
    with transaction(session):
        leadership.hold(session, lease)
        # One at a time: whoever comes second goes on from where the first one ended.
        session.execute(text("LOCK TABLE trade_rollup IN SHARE ROW EXCLUSIVE MODE"))
        head = session.execute(select(TradeRollup.__table__)).one_or_none()
        at, last_id = (head.filled_at, head.fill_id) if head else (None, None)
        limit = database_now(session) - BEHIND if until is None else until
        bounds = {"until": limit, "at": at, "id": last_id, "batch": BATCH}
        fills = [Filled(*row)._replace(side=Side(row.side)) for row in session.execute(_FILLS, bounds)]
        if fills:
            open_trades = {s: OpenTrade.from_document(d) for s, d in head.open.items()} if head else {}
            closed, buckets = _fold(open_trades, fills)
            _store(session, closed, buckets)
            _move(session, open_trades, fills[-1], len(fills) + (head.fills if head else 0))
    return len(fills)


def _fold(open_trades: dict[str, OpenTrade], fills: Sequence[Filled]) -> tuple[list[RoundTrip], Buckets]:
    """Book the fills into the open trades, in place; the trades they closed, and the sums by bucket."""
    closed: list[RoundTrip] = []
    parts: dict[tuple[datetime, str], list[Tally]] = defaultdict(list)
    for fill in fills:
        trade, trip = book(open_trades.get(fill.symbol), fill)
        if trade is None:
            del open_trades[fill.symbol]
        else:
            open_trades[fill.symbol] = trade
        closed += [trip] if trip else []
        parts[floor(fill.at, HOUR), fill.symbol].append(tally_of(fill, trip))
    return closed, _bucketed(parts)


def _bucketed(parts: Mapping[tuple[datetime, str], Sequence[Tally]]) -> Buckets:
    """Hours, and days made of them."""
    days: dict[tuple[datetime, str], list[Tally]] = defaultdict(list)
    buckets: Buckets = {}
    for (at, symbol), tallies in parts.items():
        hour = buckets[HOUR, at, symbol] = Tally.total(tallies)
        days[floor(at, DAY), symbol].append(hour)
    return buckets | {(DAY, at, symbol): Tally.total(hours) for (at, symbol), hours in days.items()}


def _store(session: Session, closed: Sequence[RoundTrip], buckets: Buckets) -> None:
    if closed:
        session.execute(insert(RoundTripRow), [_trip_row(trip) for trip in closed])
    rows = [
        {"width_seconds": width, "bucket_at": at, "symbol": symbol, **asdict(tally)}
        for (width, at, symbol), tally in sorted(buckets.items())
    ]
    statement = upsert(TradeBucket)
    table = TradeBucket.__table__
    added = {name: table.c[name] + statement.excluded[name] for name in asdict(Tally())}
    session.execute(statement.on_conflict_do_update(index_elements=table.primary_key, set_=added), rows)


def _trip_row(trip: RoundTrip) -> dict[str, Any]:
    # Not asdict, which copies every value deeply: a third of the time of a rebuild.
    return {field.name: getattr(trip, field.name) for field in fields(RoundTrip)} | {"net": trip.net}


def _move(session: Session, open_trades: dict[str, OpenTrade], last: Filled, fills: int) -> None:
    """Remember how far the fold has come."""
    document = {symbol: trade.to_document() for symbol, trade in open_trades.items()}
    row: dict[str, datetime | UUID | int | dict[str, Any]] = {
        "filled_at": last.at,
        "fill_id": last.fill_id,
        "fills": fills,
        "open": document,
    }
    statement = upsert(TradeRollup).values(id=1, **row)
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))
