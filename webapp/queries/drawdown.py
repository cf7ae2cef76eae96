"""Reads the tiles of `webapp.domain.drawdown` from the rollups and the snapshots, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.domain.analytics import Drawdown, Point
from webapp.domain.drawdown import SNAPSHOT, Fall, Span, Tile, cover, deepest
from webapp.domain.moments import MINUTE, floor
from webapp.domain.money import ZERO

OPENED_A_ROUND = 48
ROUNDS = 24
"""Real histories need three or four rounds; one made to defeat the search gets an answer to the minute instead."""

_TILES = text("""
    SELECT tile.width, tile.at, tile.first, tile.low, tile.high, tile.last
    FROM unnest(CAST(:widths AS int[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]))
        AS span (width, starts, ends)
    CROSS JOIN LATERAL (
        SELECT width_seconds AS width, bucket_at AS at, first_nav AS first, min_nav AS low, max_nav AS high,
               last_nav AS last, NULL::uuid AS id
        FROM nav_buckets
        WHERE width_seconds = span.width AND bucket_at >= span.starts AND bucket_at < span.ends
        UNION ALL
        SELECT 0, captured_at, nav, nav, nav, nav, snapshot_id
        FROM portfolio_snapshots
        WHERE span.width = 0 AND captured_at >= span.starts AND captured_at < span.ends
    ) AS tile
    ORDER BY tile.at, tile.id
""")

_FIRST_TIME = text("""
    SELECT snapshot.captured_at
    FROM nav_buckets AS bucket
    CROSS JOIN LATERAL (
        SELECT captured_at FROM portfolio_snapshots
        WHERE captured_at >= greatest(bucket.bucket_at, CAST(:after AS timestamptz))
          AND captured_at < bucket.bucket_at + interval '60 seconds' AND nav = :value
        ORDER BY captured_at LIMIT 1
    ) AS snapshot
    WHERE bucket.width_seconds = 60 AND bucket.bucket_at >= :start AND bucket.bucket_at < :end
      AND :value IN (bucket.min_nav, bucket.max_nav)
    ORDER BY bucket.bucket_at LIMIT 1
""")

# The first tile after the trough that reached the peak again; then the minute inside it, then the snapshot.
_RECOVERY = text("""
    WITH tile AS (
        SELECT found.width, found.at
        FROM unnest(CAST(:widths AS int[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]))
            AS span (width, starts, ends)
        CROSS JOIN LATERAL (
            (SELECT width_seconds AS width, bucket_at AS at FROM nav_buckets
             WHERE width_seconds = span.width AND bucket_at >= span.starts AND bucket_at < span.ends
               AND max_nav >= :peak ORDER BY bucket_at LIMIT 1)
            UNION ALL
            (SELECT 0, captured_at FROM portfolio_snapshots
             WHERE span.width = 0 AND captured_at > :trough_at AND captured_at >= span.starts
               AND captured_at < span.ends AND nav >= :peak ORDER BY captured_at LIMIT 1)
        ) AS found
        ORDER BY found.at LIMIT 1
    )
    SELECT CASE WHEN tile.width = 0 THEN tile.at ELSE (
        SELECT snapshot.captured_at
        FROM nav_buckets AS minute
        CROSS JOIN LATERAL (
            SELECT captured_at FROM portfolio_snapshots
            WHERE captured_at >= minute.bucket_at AND captured_at < minute.bucket_at + interval '60 seconds'
              AND nav >= :peak ORDER BY captured_at LIMIT 1
        ) AS snapshot
        WHERE minute.width_seconds = 60 AND minute.max_nav >= :peak AND minute.bucket_at >= tile.at
          AND minute.bucket_at < tile.at + make_interval(secs => tile.width)
        ORDER BY minute.bucket_at LIMIT 1
    ) END
    FROM tile
""")


@dataclass(frozen=True, slots=True)
class Measured:
    """A maximum drawdown, and whether it is known to the snapshot or only to a bucket of summaries."""

    drawdown: Drawdown
    exact: bool


def max_drawdown(session: Session, opening: Point, start: datetime, end: datetime) -> Measured:
    """The deepest fall of NAV in [start, end), the opening NAV counting as the first point.

    Reads a few dozen summaries and the snapshots of a few minutes, whatever the length of the history.
    """
    base = Tile(SNAPSHOT, opening[0], *[opening[1]] * 4)
    tiles = [base, *_tiles(session, cover(start, end))]
    fall, hiding = deepest(tiles)
    for _ in range(ROUNDS):
        if not hiding:
            break
        tiles = _opened(session, tiles, hiding[:OPENED_A_ROUND])
        fall, hiding = deepest(tiles)
    if fall is None:
        return Measured(Drawdown(ZERO), exact=not hiding)
    dated = _dated(session, fall)
    return Measured(replace(dated, recovered_at=_recovery(session, dated, end)), exact=not hiding)


def _tiles(session: Session, spans: Sequence[Span]) -> list[Tile]:
    if not spans:
        return []
    return [Tile(*row) for row in session.execute(_TILES, _arrays(spans))]


def _arrays(spans: Sequence[Span]) -> dict[str, Any]:
    """Spans as a statement takes them."""
    return {
        "widths": [span.width for span in spans],
        "starts": [span.start for span in spans],
        "ends": [span.end for span in spans],
    }


def _opened(session: Session, tiles: Sequence[Tile], chosen: Sequence[Tile]) -> list[Tile]:
    """`tiles` with the chosen ones replaced by what they are made of."""
    inside = _tiles(session, [tile.inside() for tile in chosen])
    opened = {(tile.width, tile.at) for tile in chosen}
    kept = [tile for tile in tiles if (tile.width, tile.at) not in opened]
    # Snapshots of one instant keep the order they were read in: sorting is stable and compares times only.
    return sorted([*kept, *inside], key=attrgetter("at"))


def _dated(session: Session, fall: Fall) -> Drawdown:
    """The moments of the peak and of the trough after it."""
    peak_at = _first_time(session, fall.peak_tile, fall.peak, fall.peak_tile.at)
    trough_at = _first_time(session, fall.trough_tile, fall.trough, peak_at)
    return Drawdown(fall.ratio, fall.peak, fall.trough, peak_at, trough_at)


def _first_time(session: Session, tile: Tile, value: Decimal, after: datetime) -> datetime:
    """When NAV first was `value` in this tile, not before `after`; the tile's own time if it is a snapshot."""
    if tile.width == SNAPSHOT:
        return tile.at
    start = max(tile.at, floor(after, MINUTE))
    found = session.execute(
        _FIRST_TIME,
        {"value": value, "after": after, "start": start, "end": tile.at + timedelta(seconds=tile.width)},
    ).scalar_one_or_none()
    return tile.at if found is None else found


def _recovery(session: Session, fall: Drawdown, end: datetime) -> datetime | None:
    """When NAV was first back at the peak, before `end`."""
    if fall.trough_at is None:
        return None
    found: datetime | None = session.execute(
        _RECOVERY, {**_arrays(cover(fall.trough_at, end)), "peak": fall.peak, "trough_at": fall.trough_at}
    ).scalar_one_or_none()
    return found
