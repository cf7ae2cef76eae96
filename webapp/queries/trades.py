"""Fills and closed trades of a stretch of time, summed: from the roll-up, and from what has filled since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from webapp.domain.drawdown import cover
from webapp.domain.moments import DAY, HOUR
from webapp.domain.orders import Side
from webapp.domain.trades import Filled, OpenTrade, RoundTrip, Tally, book, tally_of

MOST_SINCE = 4_000
"""Fills folded for one page. The roll-up runs every few seconds; only on a desk without an engine are there more."""

# Whole hours and days from the buckets; what sticks out at both ends from the rows themselves. OFFSET 0: one look into
# the index for each of the few spans, where the planner expects many and would read the whole table.
_SUMS = text("""
    WITH span AS (
        SELECT * FROM unnest(CAST(:widths AS int[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]))
            AS span (width, starts, ends)
    ), part AS (
        SELECT b.* FROM span CROSS JOIN LATERAL (
            SELECT fills, bought_qty, sold_qty, bought, sold, fees, trades, wins, losses, won, lost, held_seconds
            FROM trade_buckets
            WHERE width_seconds = span.width AND bucket_at >= span.starts AND bucket_at < span.ends OFFSET 0
        ) AS b
        UNION ALL
        SELECT 1, CASE WHEN f.side = 'buy' THEN f.qty ELSE 0 END, CASE WHEN f.side = 'sell' THEN f.qty ELSE 0 END,
               CASE WHEN f.side = 'buy' THEN f.qty * f.fill_price ELSE 0 END,
               CASE WHEN f.side = 'sell' THEN f.qty * f.fill_price ELSE 0 END, f.fee, 0, 0, 0, 0, 0, 0
        FROM trade_rollup AS head CROSS JOIN span
        JOIN fills AS f ON f.filled_at >= span.starts AND f.filled_at < span.ends
        WHERE span.width = 0 AND (f.filled_at, f.fill_id) <= (head.filled_at, head.fill_id)
        UNION ALL
        SELECT 0, 0, 0, 0, 0, 0, 1, (t.net > 0)::int, (t.net < 0)::int, greatest(t.net, 0), greatest(-t.net, 0),
               extract(epoch FROM t.closed_at - t.opened_at)
        FROM span JOIN round_trips AS t ON t.closed_at >= span.starts AND t.closed_at < span.ends WHERE span.width = 0
    )
    SELECT total.*, head.filled_at AS head_at, head.fill_id AS head_id, head.open AS head_open
    FROM (
        SELECT coalesce(sum(fills), 0)::bigint AS fills, coalesce(sum(bought_qty), 0) AS bought_qty,
               coalesce(sum(sold_qty), 0) AS sold_qty, coalesce(sum(bought), 0) AS bought,
               coalesce(sum(sold), 0) AS sold, coalesce(sum(fees), 0) AS fees,
               coalesce(sum(trades), 0)::bigint AS trades, coalesce(sum(wins), 0)::bigint AS wins,
               coalesce(sum(losses), 0)::bigint AS losses, coalesce(sum(won), 0) AS won,
               coalesce(sum(lost), 0) AS lost, coalesce(sum(held_seconds), 0) AS held_seconds
        FROM part
    ) AS total
    LEFT JOIN trade_rollup AS head ON head.id = 1
""")

_SINCE = text("""
    SELECT fill_id, symbol, side, qty, fill_price, fee, filled_at FROM fills
    WHERE CAST(:at AS timestamptz) IS NULL OR (filled_at, fill_id) > (:at, CAST(:id AS uuid))
    ORDER BY filled_at, fill_id LIMIT :most
""")


@dataclass(frozen=True, slots=True)
class Since:
    """What filled after the roll-up, folded here. `complete_to` is where even that ends; None when it is complete."""

    fills: Sequence[tuple[Filled, RoundTrip | None]]
    complete_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Traded:
    """The sums of one stretch of time, over all symbols; `since` is also what other sums have to add."""

    tally: Tally
    since: Since


def traded(session: Session, start: datetime, end: datetime) -> Traded:
    """Fills and closed trades in [start, end). What a roll-up commits meanwhile is counted once: its state is read
    together with its sums."""
    spans = cover(start, end, (DAY, HOUR))
    bounds = {"widths": [s.width for s in spans], "starts": [s.start for s in spans], "ends": [s.end for s in spans]}
    row = session.execute(_SUMS, bounds).one()
    since = _since(session, row)
    tally = Tally(*(getattr(row, field.name) for field in fields(Tally)))
    for fill, trip in since.fills:
        if start <= fill.at < end:
            tally += tally_of(fill, trip)
    return Traded(tally, since)


def _since(session: Session, head: Row[Any]) -> Since:
    bounds = {"at": head.head_at, "id": head.head_id, "most": MOST_SINCE + 1}
    rows = [Filled(*row)._replace(side=Side(row.side)) for row in session.execute(_SINCE, bounds)]
    open_trades: dict[str, OpenTrade | None] = {
        symbol: OpenTrade.from_document(document) for symbol, document in (head.head_open or {}).items()
    }
    folded = []
    for fill in rows[:MOST_SINCE]:
        open_trades[fill.symbol], trip = book(open_trades.get(fill.symbol), fill)
        folded.append((fill, trip))
    return Since(folded, rows[MOST_SINCE].at if len(rows) > MOST_SINCE else None)
