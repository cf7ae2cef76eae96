"""Mid prices over time for a chart of one symbol: candles of any width that days divide into, and the gaps in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.domain.moments import DAY, HOUR, MICROSECOND, MINUTE, floor

WIDTHS: Final = (
    *(MINUTE * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(HOUR * hours for hours in (1, 2, 4, 12)),
    *(DAY * days for days in (1, 7, 28)),
)
"""What one candle may cover, in seconds."""
MOST: Final = 200
"""Candles drawn at most: beyond that a body is thinner than a pixel."""
LEAST_GAP: Final = timedelta(seconds=MINUTE)
"""A longer silence always crosses a full minute, so the minutes' first and last quotes show its exact ends."""

_CANDLES = text("""
    SELECT date_bin(make_interval(secs => :width), bucket_at, timestamptz '1970-01-01 00:00Z') AS at,
           (array_agg(open ORDER BY bucket_at))[1] AS open, max(high) AS high, min(low) AS low,
           (array_agg(close ORDER BY bucket_at DESC))[1] AS close, sum(ticks)::bigint AS ticks
    FROM candles
    WHERE symbol = :symbol AND width_seconds = :base AND bucket_at >= :start AND bucket_at < :end
    GROUP BY 1 ORDER BY 1
""")

_FIRST = text("""
    SELECT first_at FROM candles WHERE symbol = :symbol AND width_seconds = 86400 ORDER BY bucket_at LIMIT 1
""")

# The last candle before the window tells since when it has been silent at its beginning.
_GAPS = text("""
    SELECT last_at AS since, next_at AS until FROM (
        SELECT last_at, lead(first_at) OVER (ORDER BY bucket_at) AS next_at
        FROM candles
        WHERE symbol = :symbol AND width_seconds = :base AND bucket_at < :end AND bucket_at >= coalesce(
            (SELECT bucket_at FROM candles
             WHERE symbol = :symbol AND width_seconds = :base AND bucket_at < :start
             ORDER BY bucket_at DESC LIMIT 1), :start)
    ) AS spoken
    WHERE next_at - last_at > make_interval(secs => :base) ORDER BY last_at
""")


@dataclass(frozen=True, slots=True)
class Candle:
    """Mid prices of one bucket in USDC, and how many quotes it has."""

    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    ticks: int


@dataclass(frozen=True, slots=True)
class Gap:
    """A silence between two quotes."""

    since: datetime
    until: datetime

    @property
    def lasted(self) -> timedelta:
        """How long nothing was said."""
        return self.until - self.since


def width_for(span: timedelta) -> int:
    """The narrowest candle, in seconds, of which a chart of this span needs no more than MOST."""
    return next((width for width in WIDTHS if span <= timedelta(seconds=width * MOST)), WIDTHS[-1])


def between(session: Session, symbol: str, start: datetime, end: datetime, width: int) -> list[Candle]:
    """The candles from the one that holds `start` up to `end`, at most MOST of them, empty ones left out."""
    last = floor(end - MICROSECOND, width)
    first = max(floor(start, width), last - timedelta(seconds=(MOST - 1) * width))
    bounds = {"symbol": symbol, "width": width, "base": _base(width), "start": first, "end": end}
    return [Candle(*row) for row in session.execute(_CANDLES, bounds)]


def gaps(session: Session, symbol: str, start: datetime, end: datetime, width: int) -> list[Gap]:
    """Silences of more than a minute (of more than an hour where candles are hours or wider), oldest first."""
    bounds = {"symbol": symbol, "base": min(_base(width), HOUR), "start": start, "end": end}
    return [Gap(*row) for row in session.execute(_GAPS, bounds)]


def first_at(session: Session, symbol: str) -> datetime | None:
    """When the symbol was first quoted; None when it never was."""
    found: datetime | None = session.execute(_FIRST, {"symbol": symbol}).scalar_one_or_none()
    return found


def _base(width: int) -> int:
    """The widest stored candle that this one is made of."""
    return next(base for base in (DAY, HOUR, MINUTE) if width % base == 0)
