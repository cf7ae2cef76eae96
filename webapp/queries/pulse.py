"""The newest quote of each symbol with what is measured from it: its age, its move, and when the symbol last traded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.domain.market import move_pct

# Watched as the automatic halt watches them (webapp/services/monitors.py): what the engine is fed with, what is held,
# what an order waits for. Others, such as a bot's own, are found by jumps along the index (symbol, event_at DESC).
_QUOTES = text("""
    WITH RECURSIVE listed AS (
        (SELECT symbol FROM market_ticks ORDER BY symbol LIMIT 1)
        UNION ALL
        SELECT (SELECT t.symbol FROM market_ticks AS t WHERE t.symbol > listed.symbol ORDER BY t.symbol LIMIT 1)
        FROM listed WHERE listed.symbol IS NOT NULL
    ), named AS (
        SELECT symbol, false AS watched FROM listed WHERE symbol IS NOT NULL
        UNION ALL SELECT unnest(CAST(:symbols AS text[])), true
        UNION ALL SELECT symbol, true FROM positions WHERE qty <> 0
        UNION ALL SELECT symbol, true FROM orders WHERE status = 'approved'
    )
    SELECT name.symbol, name.watched, newest.event_at, newest.mid_price, span.low, span.high, cost.last_fill_at
    FROM (SELECT symbol, bool_or(watched) AS watched FROM named GROUP BY symbol) AS name
    LEFT JOIN LATERAL (
        SELECT event_at, mid_price FROM market_ticks
        WHERE symbol = name.symbol ORDER BY event_at DESC, tick_id DESC LIMIT 1
    ) AS newest ON true
    LEFT JOIN LATERAL (
        SELECT min(mid_price) AS low, max(mid_price) AS high FROM market_ticks
        WHERE symbol = name.symbol AND event_at >= newest.event_at - CAST(:window AS interval)
          AND event_at <= newest.event_at
    ) AS span ON true
    LEFT JOIN position_costs AS cost ON cost.symbol = name.symbol
    WHERE name.watched OR newest.event_at >= CAST(:now AS timestamptz) - CAST(:recent AS interval)
    ORDER BY name.symbol
""")
RECENT = timedelta(hours=24)
"""A symbol that nobody watches is shown for as long as this after its last quote."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """One symbol. `age` since its newest quote, None without one; `move_pct` is the widest within the anomaly window.

    `watched`: the desk halts itself when its quotes stop coming.
    """

    symbol: str
    watched: bool
    at: datetime | None
    age: timedelta | None
    move_pct: Decimal | None
    last_fill_at: datetime | None


def pulses(session: Session, symbols: Sequence[str], window: timedelta, now: datetime) -> list[Pulse]:
    """Every watched symbol and whatever else was quoted lately; the cost grows with the symbols, not with the ticks."""
    bounds = {"symbols": list(symbols), "window": window, "now": now, "recent": RECENT}
    found = []
    for row in session.execute(_QUOTES, bounds):
        age = None if row.event_at is None else max(now - row.event_at, timedelta(0))
        move = None
        if row.event_at is not None:
            move = max(move_pct(row.mid_price, row.low), move_pct(row.mid_price, row.high))
        found.append(Pulse(row.symbol, row.watched, row.event_at, age, move, row.last_fill_at))
    return found
