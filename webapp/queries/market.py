"""Quotes for one screen: the newest of each symbol, candles of one, and what arrived late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from webapp.domain.moments import DAY, HOUR, MICROSECOND, MINUTE, floor
from webapp.domain.money import exact

CANDLES = 240
"""Candles drawn at most: beyond that a body is thinner than a pixel."""
INTERVALS: Mapping[str, int] = MappingProxyType(
    {"1m": 60, "5m": 300, "15m": 900, "1h": HOUR, "4h": 4 * HOUR, "1d": DAY}
)
DEFAULT_INTERVAL = "5m"
LATE_LOOKED_AT = 1_000

# The symbols by jumps along the index (symbol, event_at DESC), then one probe each: DISTINCT ON would read every tick.
_NEWEST = text("""
    WITH RECURSIVE listed AS (
        (SELECT symbol FROM market_ticks ORDER BY symbol LIMIT 1)
        UNION ALL
        SELECT (SELECT t.symbol FROM market_ticks AS t WHERE t.symbol > listed.symbol ORDER BY t.symbol LIMIT 1)
        FROM listed WHERE listed.symbol IS NOT NULL
    )
    SELECT newest.*, clock_timestamp() AS now, day.open AS day_open, day.high AS day_high, day.low AS day_low,
           coalesce(day.ticks, 0) AS day_ticks
    FROM listed
    CROSS JOIN LATERAL (
        SELECT tick_id, symbol, bid_price, ask_price, mid_price, spread_bps, event_at, created_at
        FROM market_ticks WHERE symbol = listed.symbol
        ORDER BY event_at DESC, tick_id DESC LIMIT 1
    ) AS newest
    LEFT JOIN candles AS day
        ON day.symbol = newest.symbol AND day.width_seconds = 86400
        AND day.bucket_at = date_trunc('day', newest.event_at, 'UTC')
    WHERE listed.symbol IS NOT NULL
    ORDER BY newest.symbol
""")

_LATE = text("""
    SELECT tick.symbol, count(*) AS late
    FROM (SELECT tick_id FROM late_ticks ORDER BY tick_id DESC LIMIT :most) AS newest
    JOIN market_ticks AS tick USING (tick_id)
    WHERE tick.created_at >= clock_timestamp() - interval '24 hours'
    GROUP BY tick.symbol
""")

_CANDLES = text("""
    SELECT date_bin(make_interval(secs => :width), bucket_at, timestamptz '1970-01-01 00:00Z') AS at,
           (array_agg(open ORDER BY bucket_at))[1] AS open, max(high) AS high, min(low) AS low,
           (array_agg(close ORDER BY bucket_at DESC))[1] AS close, sum(ticks)::bigint AS ticks
    FROM candles
    WHERE symbol = :symbol AND width_seconds = :base AND bucket_at >= :start AND bucket_at < :end
    GROUP BY 1 ORDER BY 1
""")

_NEWEST_TICK = text("""
    SELECT clock_timestamp() AS now,
           (SELECT tick_id FROM market_ticks ORDER BY event_at DESC, tick_id DESC LIMIT 1) AS tick_id
""")

_LAST_CANDLE = text("""
    SELECT bucket_at FROM candles WHERE symbol = :symbol AND width_seconds = :base ORDER BY bucket_at DESC LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class LatestQuote:
    """The newest quote of one symbol, its age by the database's clock, and its UTC day so far (mid prices)."""

    tick: RowMapping
    age: timedelta
    stale: bool
    day_open: Decimal | None
    day_high: Decimal | None
    day_low: Decimal | None
    day_ticks: int
    late_24h: int

    @property
    @exact
    def day_change(self) -> Decimal | None:
        """How far the mid has come since the first quote of its UTC day, as a ratio."""
        return None if not self.day_open else self.tick["mid_price"] / self.day_open - 1


@dataclass(frozen=True, slots=True)
class Candle:
    """Mid prices of one bucket."""

    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    ticks: int


def newest_quotes(
    session: Session, stale_after: timedelta, now: datetime | None = None, *, late: bool = True
) -> list[LatestQuote]:
    """One row a symbol that ever had a quote; the cost grows with the symbols, not with the ticks.

    `late`: count the late arrivals of the last 24 hours too (among the newest LATE_LOOKED_AT late ones).
    """
    counted = session.execute(_LATE, {"most": LATE_LOOKED_AT}) if late else ()
    late_by_symbol = {row.symbol: row.late for row in counted}
    rows = session.execute(_NEWEST).mappings()
    return [_latest(row, stale_after, now or row["now"], late_by_symbol.get(row["symbol"], 0)) for row in rows]


def _latest(row: RowMapping, stale_after: timedelta, now: datetime, late: int) -> LatestQuote:
    age = max(now - row["event_at"], timedelta(0))
    day = (row["day_open"], row["day_high"], row["day_low"], row["day_ticks"])
    return LatestQuote(row, age, age > stale_after, *day, late)


def candles(
    session: Session, symbol: str, interval: str = DEFAULT_INTERVAL, end: datetime | None = None
) -> list[Candle]:
    """The last CANDLES buckets of `interval` up to `end` (the newest quote when not given), empty ones left out."""
    width = INTERVALS[interval]
    base = next(base for base in (DAY, HOUR, MINUTE) if width % base == 0)
    if end is None:
        last: datetime | None = session.execute(_LAST_CANDLE, {"symbol": symbol, "base": base}).scalar_one_or_none()
        if last is None:
            return []
        end = last + timedelta(seconds=base)
    last_bucket = floor(end - MICROSECOND, width)
    start = last_bucket - timedelta(seconds=(CANDLES - 1) * width)
    bounds = {"symbol": symbol, "width": width, "base": base, "start": start, "end": end}
    return [Candle(*row) for row in session.execute(_CANDLES, bounds)]


def newest_tick(session: Session) -> tuple[datetime, object]:
    """The database's clock and the id of the quote that is newest by its own time: what a live block compares."""
    row = session.execute(_NEWEST_TICK).one()
    return row.now, row.tick_id
