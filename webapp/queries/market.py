"""Quotes for one screen: the newest of each symbol with its UTC day, and what arrived late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from webapp.domain.money import exact

LATE_LOOKED_AT = 1_000
MOST_SYMBOLS = 200
"""Symbols listed at most, by name."""

_NEWEST_OF = """
    SELECT newest.*, clock_timestamp() AS now, day.open AS day_open, day.high AS day_high, day.low AS day_low,
           coalesce(day.ticks, 0) AS day_ticks
    FROM ({symbols}) AS listed
    CROSS JOIN LATERAL (
        SELECT tick_id, symbol, bid_price, ask_price, mid_price, spread_bps, event_at, created_at
        FROM market_ticks WHERE symbol = listed.symbol
        ORDER BY event_at DESC, tick_id DESC LIMIT 1
    ) AS newest
    LEFT JOIN candles AS day
        ON day.symbol = newest.symbol AND day.width_seconds = 86400
        AND day.bucket_at = date_trunc('day', newest.event_at, 'UTC')
    ORDER BY newest.symbol
"""
# The symbols by jumps along the index (symbol, event_at DESC), then one probe each: DISTINCT ON would read every tick.
_JUMPS = """
    WITH RECURSIVE jumps AS (
        (SELECT symbol FROM market_ticks ORDER BY symbol LIMIT 1)
        UNION ALL
        SELECT (SELECT t.symbol FROM market_ticks AS t WHERE t.symbol > jumps.symbol ORDER BY t.symbol LIMIT 1)
        FROM jumps WHERE jumps.symbol IS NOT NULL
    )
"""
_NEWEST = text(_JUMPS + _NEWEST_OF.format(symbols="SELECT symbol FROM jumps WHERE symbol IS NOT NULL LIMIT :most"))
_NEWEST_OF_ONE = text(_NEWEST_OF.format(symbols="SELECT CAST(:symbol AS text) AS symbol"))

_LATE = text("""
    SELECT tick.symbol, count(*) AS late
    FROM (SELECT tick_id FROM late_ticks ORDER BY tick_id DESC LIMIT :most) AS newest
    JOIN market_ticks AS tick USING (tick_id)
    WHERE tick.created_at >= clock_timestamp() - interval '24 hours'
    GROUP BY tick.symbol
""")

_NEWEST_TICK = text("""
    SELECT clock_timestamp() AS now,
           (SELECT tick_id FROM market_ticks ORDER BY event_at DESC, tick_id DESC LIMIT 1) AS tick_id
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


def newest_quotes(
    session: Session, stale_after: timedelta, now: datetime | None = None, *, late: bool = True
) -> list[LatestQuote]:
    """One row a symbol that ever had a quote; the cost grows with the symbols, not with the ticks.

    `late`: count the late arrivals of the last 24 hours too (among the newest LATE_LOOKED_AT late ones).
    """
    counted = session.execute(_LATE, {"most": LATE_LOOKED_AT}) if late else ()
    late_by_symbol = {row.symbol: row.late for row in counted}
    rows = session.execute(_NEWEST, {"most": MOST_SYMBOLS}).mappings()
    return [_latest(row, stale_after, now or row["now"], late_by_symbol.get(row["symbol"], 0)) for row in rows]


def _latest(row: RowMapping, stale_after: timedelta, now: datetime, late: int) -> LatestQuote:
    age = max(now - row["event_at"], timedelta(0))
    day = (row["day_open"], row["day_high"], row["day_low"], row["day_ticks"])
    return LatestQuote(row, age, age > stale_after, *day, late)


def newest_quote(
    session: Session, symbol: str, stale_after: timedelta, now: datetime | None = None
) -> LatestQuote | None:
    """The newest quote of one symbol; None when it never had one."""
    row = session.execute(_NEWEST_OF_ONE, {"symbol": symbol}).mappings().one_or_none()
    return None if row is None else _latest(row, stale_after, now or row["now"], 0)


def newest_tick(session: Session) -> tuple[datetime, object]:
    """The database's clock and the id of the quote that is newest by its own time: what a live block compares."""
    row = session.execute(_NEWEST_TICK).one()
    return row.now, row.tick_id
