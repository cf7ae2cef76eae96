"""Pictures the server draws: nothing lost, nothing outside the frame, nothing that is not a number."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from webapp.queries.market import Candle
from webapp.queries.portfolio import Column
from webapp.web.svg import FALL_HEIGHT, NAV_HEIGHT, WIDTH, candle_picture, nav_picture

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NAV = st.decimals("-100", "1e9", places=2)
POINT = re.compile(r"[ML](-?[\d.]+) (-?[\d.]+)")


def column(minute: int, *navs: Decimal | int, fall: str = "0") -> Column:
    values = [Decimal(nav) for nav in navs]
    at = NOON + timedelta(minutes=minute)
    return Column(at, values[0], min(values), max(values), values[-1], at, at, Decimal(fall))


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in POINT.findall(path)]


def test_no_column_is_no_picture() -> None:
    assert nav_picture([]) is None
    assert candle_picture([], 60) is None


@given(st.lists(st.lists(NAV, min_size=1, max_size=4), min_size=1, max_size=12))
def test_every_line_stays_inside_its_frame(navs: list[list[Decimal]]) -> None:
    picture = nav_picture([column(i, *values, fall="-0.1" if i % 2 else "0") for i, values in enumerate(navs)])
    assert picture is not None
    for path, height in ((picture.line, NAV_HEIGHT), (picture.area, NAV_HEIGHT), (picture.fall, FALL_HEIGHT)):
        assert "nan" not in path.lower()
        assert "inf" not in path.lower()
        assert all(0 <= x <= WIDTH and 0 <= y <= height for x, y in points(path))
    assert (picture.low, picture.high) == (min(map(min, navs)), max(map(max, navs)))


def test_spike_inside_a_column_is_drawn() -> None:
    picture = nav_picture([column(0, 100), column(1, 100, 500, 20, 100), column(2, 100)])
    assert picture is not None
    heights = [y for _, y in points(picture.line)]
    assert (min(heights), max(heights)) == (8.0, NAV_HEIGHT - 8.0)


def test_column_that_closes_below_its_open_goes_to_its_high_first() -> None:
    picture = nav_picture([column(0, 100, 90, 120, 95)])
    assert picture is not None
    heights = [y for _, y in points(picture.line)]
    assert heights[1] == min(heights)
    assert heights[2] == max(heights)


def test_gap_breaks_the_line_and_is_bridged_by_another() -> None:
    columns = [column(0, 100), column(1, 101), column(50, 102), column(51, 103)]
    picture = nav_picture(columns, [(columns[1].last_at, columns[2].first_at)])
    assert picture is not None
    assert picture.line.count("M") == picture.area.count("M") == 2
    assert picture.bridges.count("M") == 1


def test_lone_snapshot_is_a_dot() -> None:
    picture = nav_picture([column(0, 100)])
    assert picture is not None
    assert len(points(picture.line)) == 2


def test_candles_rise_fall_and_leave_room_for_missing_ones() -> None:
    up = Candle(NOON, Decimal(10), Decimal(14), Decimal(9), Decimal(12), 3)
    down = Candle(NOON + timedelta(minutes=3), Decimal(12), Decimal(12), Decimal(8), Decimal(9), 2)
    picture = candle_picture([up, down], 60)
    assert picture is not None
    assert (picture.rises.count("z"), picture.falls.count("z"), picture.wicks.count("V")) == (1, 1, 2)
    (first, _), (second, _) = points(picture.wicks)
    assert second - first == WIDTH * 3 / 4
    assert (picture.low, picture.high) == (8, 14)
