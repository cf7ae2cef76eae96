"""The exact deepest drawdown of a long history, found in summaries first and in snapshots only where it matters.

A tile summarises the NAV over a stretch of time: its first, lowest, highest and last value. A fall from a peak in an
earlier tile to the low of a later one is a fact; a fall inside one tile is only bounded, because a tile does not say
whether its high came before its low. Tiles whose bound is deeper than every fact are opened; the others never need be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from webapp.domain.moments import DAY, HOUR, MINUTE, ceiling, floor
from webapp.domain.money import ZERO, exact

SNAPSHOT = 0
WIDTHS = (DAY, HOUR, MINUTE)
"""Seconds of the summaries that are kept, widest first; 0 stands for a single snapshot."""


@dataclass(frozen=True, slots=True)
class Span:
    """Tiles of one width from `start` (included) to `end` (excluded)."""

    width: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Tile:
    """NAV from `at` on for `width` seconds (0: the snapshot taken at `at`)."""

    width: int
    at: datetime
    first: Decimal
    low: Decimal
    high: Decimal
    last: Decimal

    def inside(self) -> Span:
        """The same stretch in tiles of the next finer width."""
        finer = {DAY: HOUR, HOUR: MINUTE, MINUTE: SNAPSHOT}[self.width]
        return Span(finer, self.at, self.at + timedelta(seconds=self.width))


@dataclass(frozen=True, slots=True)
class Fall:
    """A fall that is known to have happened, and the tiles in which its ends lie."""

    ratio: Decimal
    peak: Decimal
    trough: Decimal
    peak_tile: Tile
    trough_tile: Tile


def cover(start: datetime, end: datetime, widths: Sequence[int] = WIDTHS) -> list[Span]:
    """The fewest spans that hold exactly [start, end), in order of time: coarse in the middle, fine at both ends."""
    if start >= end:
        return []
    if not widths:
        return [Span(SNAPSHOT, start, end)]
    width, finer = widths[0], widths[1:]
    body_start, body_end = ceiling(start, width), floor(end, width)
    if body_start >= body_end:
        return cover(start, end, finer)
    body = Span(width, body_start, body_end)
    return [*cover(start, body_start, finer), body, *cover(body_end, end, finer)]


@exact
def deepest(tiles: Sequence[Tile]) -> tuple[Fall | None, list[Tile]]:
    """The deepest fall these tiles prove, and the tiles that may hide a deeper one, most promising first."""
    best: Fall | None = None
    bounds: list[tuple[Decimal, Tile]] = []
    peak: Tile | None = None
    for tile in tiles:
        for fall in _proven(peak, tile):
            if best is None or fall.ratio < best.ratio:
                best = fall
        # Only falls from a high inside the tile can hide: one from an earlier peak to its low is proven already.
        if tile.width and tile.high > 0:
            bounds.append((tile.low / tile.high - 1, tile))
        if peak is None or tile.high > peak.high:
            peak = tile
    depth = best.ratio if best else ZERO
    # At the same depth the earliest minimum counts, so an equal bound is opened too unless it is the fact itself.
    hiding = [(b, t) for b, t in bounds if b < depth or (best and b == depth and t.at < best.trough_tile.at)]
    return best, [tile for _, tile in sorted(hiding, key=lambda pair: pair[0])]


def _proven(peak: Tile | None, tile: Tile) -> list[Fall]:
    """Falls into `tile` whose order in time is certain: from an earlier peak, from its first value, from its high."""
    falls = []
    if peak is not None and peak.high > 0 and tile.low < peak.high:
        falls.append(Fall(tile.low / peak.high - 1, peak.high, tile.low, peak, tile))
    above = peak is None or tile.high > peak.high
    if above and tile.high > 0 and tile.last < tile.high:
        falls.append(Fall(tile.last / tile.high - 1, tile.high, tile.last, tile, tile))
    if tile.first == tile.high and above and tile.high > 0 and tile.low < tile.high:
        falls.append(Fall(tile.low / tile.high - 1, tile.high, tile.low, tile, tile))
    return falls
