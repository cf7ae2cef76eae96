"""The search for the deepest drawdown: what tiles prove, what they may hide, and how a stretch of time is covered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from webapp.domain.analytics import Point, max_drawdown
from webapp.domain.drawdown import SNAPSHOT, Tile, cover, deepest
from webapp.domain.moments import DAY, HOUR, MINUTE, ceiling, floor

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=8)).map(lambda after: NOON + after)
NAVS = st.lists(st.integers(1, 60).map(Decimal), min_size=1, max_size=60)


def _tile(at: datetime, width: int, values: list[Decimal]) -> Tile:
    return Tile(width, at, values[0], min(values), max(values), values[-1])


def _raw(points: list[Point]) -> list[Tile]:
    return [_tile(at, SNAPSHOT, [nav]) for at, nav in points]


@given(MOMENTS, MOMENTS)
def test_cover_is_gapless_and_exactly_as_long_as_asked(start: datetime, end: datetime) -> None:
    spans = cover(start, end)
    if start >= end:
        assert spans == []
        return
    assert (spans[0].start, spans[-1].end) == (start, end)
    assert all(a.end == b.start for a, b in pairwise(spans))
    assert all(s.start < s.end for s in spans)
    assert all(floor(s.start, s.width) == s.start for s in spans if s.width)
    assert sum((s.end - s.start) // timedelta(seconds=s.width) for s in spans if s.width) <= 8 + 2 * 23 + 2 * 59


def test_cover_of_whole_days_reads_only_days() -> None:
    spans = cover(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC))
    assert [span.width for span in spans] == [DAY]


def test_rounding_keeps_what_is_round() -> None:
    assert ceiling(NOON, HOUR) == floor(NOON, HOUR) == NOON
    assert ceiling(NOON + timedelta(microseconds=1), MINUTE) == NOON + timedelta(minutes=1)


def test_fall_between_tiles_is_proven_without_opening_either() -> None:
    high = _tile(NOON, MINUTE, [Decimal(99), Decimal(100), Decimal(99)])
    low = _tile(NOON + timedelta(minutes=1), MINUTE, [Decimal(60), Decimal(50), Decimal(60)])
    fall, hiding = deepest([high, low])
    assert fall is not None
    assert (fall.ratio, fall.peak_tile, fall.trough_tile) == (Decimal("-0.5"), high, low)
    assert hiding == []


def test_tile_that_may_hide_a_deeper_fall_is_named() -> None:
    wild = _tile(NOON, HOUR, [Decimal(90), Decimal(100), Decimal(10), Decimal(95)])
    fall, hiding = deepest([wild])
    assert fall is not None
    assert fall.ratio == Decimal("-0.05")
    assert hiding == [wild]


def test_rise_from_low_to_high_needs_no_opening_when_the_first_value_is_the_low() -> None:
    calm = _tile(NOON, HOUR, [Decimal(10), Decimal(10)])
    assert deepest([calm]) == (None, [])


@given(NAVS)
def test_snapshots_alone_give_the_plain_maximum_drawdown(navs: list[Decimal]) -> None:
    points = [(NOON + timedelta(seconds=i), nav) for i, nav in enumerate(navs)]
    fall, hiding = deepest(_raw(points))
    plain = max_drawdown(points)
    assert hiding == []
    if fall is None:
        assert plain.ratio == 0
    else:
        assert (fall.ratio, fall.peak_tile.at, fall.trough_tile.at) == (plain.ratio, plain.peak_at, plain.trough_at)


@given(NAVS, st.integers(1, 9))
def test_summaries_never_claim_more_than_the_truth_and_opening_finds_it(navs: list[Decimal], size: int) -> None:
    points = [(NOON + timedelta(seconds=i), nav) for i, nav in enumerate(navs)]
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    tiles = [_tile(group[0][0], MINUTE, [nav for _, nav in group]) for group in groups]
    inside = {tile: _raw(group) for tile, group in zip(tiles, groups, strict=True)}
    plain = max_drawdown(points)

    fall, hiding = deepest(tiles)
    assert (fall.ratio if fall else Decimal(0)) >= plain.ratio
    while hiding:
        tiles = sorted([t for t in tiles if t is not hiding[0]] + inside[hiding[0]], key=lambda tile: tile.at)
        fall, hiding = deepest(tiles)
    assert (fall.ratio if fall else Decimal(0)) == plain.ratio
    if fall is not None:
        assert (fall.peak, fall.trough) == (plain.peak, plain.trough)
