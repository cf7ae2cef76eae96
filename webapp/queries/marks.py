"""The market beside a NAV curve: what holding would have been worth, and where the curve rests on old quotes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

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

_MARKS = """
    SELECT point.until, array_agg(symbol.name) AS symbols, array_agg(mark.mid) AS mids,
           array_agg(symbol.name ORDER BY symbol.name) FILTER (WHERE old.is_it) AS stale_for,
           min(mark.at) FILTER (WHERE old.is_it) AS marked_at
    FROM unnest(CAST(:symbols AS text[])) AS symbol (name)
    CROSS JOIN unnest(CAST(:untils AS timestamptz[]), CAST(:moments AS timestamptz[])) AS point (until, at)
    CROSS JOIN LATERAL ({newest}) AS mark
    CROSS JOIN LATERAL (
        SELECT symbol.name = ANY (CAST(:held AS text[])) AND point.at - mark.at > :stale_after AS is_it
    ) AS old
    GROUP BY point.until
"""
_FROM_CANDLES = text(
    _MARKS.format(
        newest="""
        SELECT close AS mid, last_at AS at FROM candles
        WHERE symbol = symbol.name AND width_seconds = :base AND bucket_at < point.until
        ORDER BY bucket_at DESC LIMIT 1"""
    )
)
_FROM_TICKS = text(
    _MARKS.format(
        newest="""
        SELECT mid_price AS mid, event_at AS at FROM market_ticks
        WHERE symbol = symbol.name AND event_at < point.until
        ORDER BY event_at DESC, tick_id DESC LIMIT 1"""
    )
)


@dataclass(frozen=True, slots=True)
class Market:
    """The symbols quoted in a stretch of time: first mid of each, and which of them the desk held meanwhile.

    A mark older than `stale_after`, which is what the policy in force says, is stale.
    """

    first: Mapping[str, Decimal]
    held: frozenset[str]
    stale_after: timedelta


@dataclass(frozen=True, slots=True)
class Marks:
    """The newest mids at the end of a column; which held symbols' marks were stale, and when the oldest was quoted."""

    mids: Mapping[str, Decimal]
    stale_for: tuple[str, ...] = ()
    marked_at: datetime | None = None


def market(session: Session, start: datetime, end: datetime) -> Market:
    """The market of [start, end): the first MOST_SYMBOLS by name of those that were quoted in it."""
    rows = session.execute(_SYMBOLS, {"start": start, "end": end, "most": MOST_SYMBOLS}).all()
    limit = rows[0].limits["stale_after_seconds"] if rows and rows[0].limits else Policy.default().stale_after_seconds
    held = frozenset(row.symbol for row in rows if row.held)
    return Market({row.symbol: row.mid for row in rows}, held, timedelta(seconds=limit))


def marks(
    session: Session, seen: Market, symbols: Sequence[str], points: Sequence[tuple[datetime, datetime]], width: int
) -> dict[datetime, Marks]:
    """The newest mids before each end of a column, with what was stale at a moment of it.

    `points` are (end, moment); the ends are whole multiples of `width` seconds. One probe for each symbol and point:
    the cost does not grow with the history.
    """
    base = base_width(width)
    if not symbols:
        return {}
    bounds = {
        "symbols": list(symbols),
        "untils": [until for until, _ in points],
        "moments": [at for _, at in points],
        "held": sorted(seen.held),
        "stale_after": seen.stale_after,
        "base": base,
    }
    rows = session.execute(_FROM_TICKS if base is None else _FROM_CANDLES, bounds)
    return {
        row.until: Marks(dict(zip(row.symbols, row.mids, strict=True)), tuple(row.stale_for or ()), row.marked_at)
        for row in rows
    }


def base_width(width: int) -> int | None:
    """The widest rollup that columns of `width` seconds can be made of; None when only the rows themselves will do."""
    return next((base for base in (DAY, HOUR, MINUTE) if width % base == 0), None)
