"""How good the quotes are: how many were taken, late or said twice, and what replays refused.

Every figure has an end to what it reads, so a desk of any size answers alike; the figures say how far they looked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from webapp.domain.moments import HOUR, MINUTE

LOOKED_AT: Final = 5_000
"""Newest quotes of a symbol that are searched for repetitions, and newest late ones of the desk that are counted."""
BY_MINUTES: Final = timedelta(days=8)
REPLAYS: Final = 3

# A repetition is a quote that says what one before it said: same symbol, time, bid and ask.
_QUALITY = text("""
    SELECT taken.quotes AS taken, late.quotes AS late, late.latest, newest.repeated, newest.looked_at
    FROM (
        SELECT coalesce(sum(ticks), 0)::bigint AS quotes FROM candles
        WHERE symbol = :symbol AND width_seconds = :width AND bucket_at >= :since AND bucket_at < :until
    ) AS taken CROSS JOIN (
        SELECT count(*) AS looked_at, count(*) - count(DISTINCT (event_at, bid_price, ask_price)) AS repeated
        FROM (
            SELECT event_at, bid_price, ask_price FROM market_ticks
            WHERE symbol = :symbol AND event_at >= :since AND event_at < :until ORDER BY event_at DESC LIMIT :most
        ) AS recent
    ) AS newest CROSS JOIN (
        SELECT count(*) AS quotes, max(flagged.newest_at - tick.event_at) AS latest
        FROM (SELECT tick_id, newest_at FROM late_ticks ORDER BY tick_id DESC LIMIT :most) AS flagged
        JOIN market_ticks AS tick USING (tick_id)
        WHERE tick.symbol = :symbol AND tick.event_at >= :since AND tick.event_at < :until
    ) AS late
""")
_REPLAYS = text("""
    SELECT replay_id, files, rows_read, rows_taken, refused, started_at, finished_at FROM replay_runs
    ORDER BY started_at DESC LIMIT :most
""")
_MINUTES = text("""
    SELECT symbol, low, high, close, first_at, last_at FROM candles
    WHERE symbol = ANY(:symbols) AND width_seconds = 60 AND bucket_at >= :since AND bucket_at < :until
    ORDER BY symbol, bucket_at
""")
_ENGINE = text("SELECT started_at, beat_at, details FROM heartbeats WHERE process = 'engine'")
_FILLS = text("""
    SELECT order_id, side, qty, fill_price, filled_at FROM fills
    WHERE symbol = :symbol AND filled_at >= :since AND filled_at < :until ORDER BY filled_at DESC LIMIT :most
""")


@dataclass(frozen=True, slots=True)
class Quality:
    """The quotes of one symbol in a stretch of time. `repeated` counts among the newest `looked_at`."""

    taken: int
    late: int
    latest: timedelta | None
    """The farthest that one came behind a newer quote."""
    repeated: int
    looked_at: int


@dataclass(frozen=True, slots=True)
class Minute:
    """The mids of one minute with quotes in it."""

    low: Decimal
    high: Decimal
    last: Decimal
    first_at: datetime
    last_at: datetime


def of(session: Session, symbol: str, since: datetime, until: datetime) -> Quality:
    """Counts for the stretch; what was taken is counted by whole minutes, over more than a week by whole hours."""
    width = MINUTE if until - since <= BY_MINUTES else HOUR
    about = {"symbol": symbol, "since": since, "until": until, "width": width, "most": LOOKED_AT}
    return Quality(*session.execute(_QUALITY, about).one())


def replays(session: Session) -> Sequence[RowMapping]:
    """The newest replays: what was read, taken, and refused by reason."""
    return session.execute(_REPLAYS, {"most": REPLAYS}).mappings().all()


def engine(session: Session) -> RowMapping | None:
    """What the engine says it has taken and been refused since it began; None when it never ran."""
    return session.execute(_ENGINE).mappings().one_or_none()


def minutes(session: Session, symbols: Sequence[str], since: datetime, until: datetime) -> Mapping[str, list[Minute]]:
    """The minutes of a stretch, by symbol."""
    found: dict[str, list[Minute]] = {symbol: [] for symbol in symbols}
    for row in session.execute(_MINUTES, {"symbols": list(symbols), "since": since, "until": until}):
        found[row.symbol].append(Minute(row.low, row.high, row.close, row.first_at, row.last_at))
    return found


def fills(session: Session, symbol: str, since: datetime, until: datetime, most: int) -> Sequence[RowMapping]:
    """The desk's own newest fills in the stretch, for the marks on a chart."""
    about = {"symbol": symbol, "since": since, "until": until, "most": most}
    return session.execute(_FILLS, about).mappings().all()
