"""The market beside a NAV curve: what holding would have been worth, and where the curve rests on old quotes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.domain.hold import Mark
from webapp.domain.moments import DAY, HOUR, MINUTE
from webapp.domain.policy import Policy

MOST_SYMBOLS = 12
"""A benchmark of more symbols than this would cost more than it says."""

# The symbols by jumps along the primary key; then one probe each.
_SYMBOLS = text("""
    WITH RECURSIVE listed AS (
        (SELECT symbol FROM candles ORDER BY symbol LIMIT 1)
        UNION ALL
        SELECT (SELECT c.symbol FROM candles AS c WHERE c.symbol > listed.symbol ORDER BY c.symbol LIMIT 1)
        FROM listed WHERE listed.symbol IS NOT NULL
    )
    SELECT listed.symbol, first.mid_price AS mid, policy.limits,
           coalesce(position.qty <> 0 OR cost.last_fill_at >= :start, false) AS held
    FROM listed
    CROSS JOIN LATERAL (
        SELECT mid_price FROM market_ticks
        WHERE symbol = listed.symbol AND event_at >= :start AND event_at < :end ORDER BY event_at, tick_id LIMIT 1
    ) AS first
    LEFT JOIN positions AS position ON position.symbol = listed.symbol
    LEFT JOIN position_costs AS cost ON cost.symbol = listed.symbol
    LEFT JOIN LATERAL (SELECT limits FROM policies ORDER BY version DESC LIMIT 1) AS policy ON true
    WHERE listed.symbol IS NOT NULL
    ORDER BY listed.symbol LIMIT :most
""")

_FROM_CANDLES = text("""
    SELECT symbol.name AS symbol, column_end.at, mark.close AS mid, mark.last_at AS mark_at
    FROM unnest(CAST(:symbols AS text[])) AS symbol (name)
    CROSS JOIN unnest(CAST(:ends AS timestamptz[])) AS column_end (at)
    CROSS JOIN LATERAL (
        SELECT close, last_at FROM candles
        WHERE symbol = symbol.name AND width_seconds = :base AND bucket_at < column_end.at
        ORDER BY bucket_at DESC LIMIT 1
    ) AS mark
""")

_FROM_TICKS = text("""
    SELECT symbol.name AS symbol, column_end.at, mark.mid_price AS mid, mark.event_at AS mark_at
    FROM unnest(CAST(:symbols AS text[])) AS symbol (name)
    CROSS JOIN unnest(CAST(:ends AS timestamptz[])) AS column_end (at)
    CROSS JOIN LATERAL (
        SELECT mid_price, event_at FROM market_ticks
        WHERE symbol = symbol.name AND event_at < column_end.at
        ORDER BY event_at DESC, tick_id DESC LIMIT 1
    ) AS mark
""")


@dataclass(frozen=True, slots=True)
class Market:
    """The symbols quoted in a stretch of time: first mid of each, and which of them the desk held meanwhile.

    A mark older than `stale_after`, which is what the policy in force says, is stale.
    """

    first: Mapping[str, Decimal]
    held: frozenset[str]
    stale_after: timedelta


def market(session: Session, start: datetime, end: datetime) -> Market:
    """The market of [start, end): the first MOST_SYMBOLS by name of those that were quoted in it."""
    rows = session.execute(_SYMBOLS, {"start": start, "end": end, "most": MOST_SYMBOLS}).all()
    limit = rows[0].limits["stale_after_seconds"] if rows and rows[0].limits else Policy.default().stale_after_seconds
    held = frozenset(row.symbol for row in rows if row.held)
    return Market({row.symbol: row.mid for row in rows}, held, timedelta(seconds=limit))


def marks(
    session: Session, symbols: Sequence[str], ends: Sequence[datetime], width: int
) -> dict[datetime, dict[str, Mark]]:
    """The newest mark of each symbol before each of `ends`, which are whole multiples of `width` seconds.

    One probe for each: the cost does not grow with the history.
    """
    base = base_width(width)
    statement = _FROM_TICKS if base is None else _FROM_CANDLES
    found: dict[datetime, dict[str, Mark]] = defaultdict(dict)
    if symbols:
        for row in session.execute(statement, {"symbols": list(symbols), "ends": list(ends), "base": base}):
            found[row.at][row.symbol] = Mark(row.mid, row.mark_at)
    return found


def base_width(width: int) -> int | None:
    """The widest rollup that columns of `width` seconds can be made of; None when only the rows themselves will do."""
    return next((base for base in (DAY, HOUR, MINUTE) if width % base == 0), None)


def stale_symbols(seen: Market, found: Mapping[str, Mark], at: datetime) -> list[str]:
    """The held symbols whose mark was older than allowed at this moment, by name."""
    return sorted(name for name, mark in found.items() if name in seen.held and at - mark.at > seen.stale_after)
