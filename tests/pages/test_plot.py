"""Drawn charts: round numbers on the axes, nothing lost, nothing outside the frame, nothing that is not a number."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.queries.portfolio import Column
from webapp.web.plot import paths
from webapp.web.plot.candles import Level, Noted, candle_figure
from webapp.web.plot.figure import HEIGHT, WIDTH, Figure
from webapp.web.plot.nav import nav_figure
from webapp.web.plot.scales import TIME_TICKS, Moments, Values, band, round_step

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NAV = st.decimals("-9999999999", "9999999999", places=8)
STEP = re.compile(r"([MlhvHVZz])(-?\d+)?(?: ?(-?\d+))?")


def column(minute: int, *navs: Decimal | int, fall: str = "0", stale: bool = False, hold: int | None = None) -> Column:
    values = [Decimal(nav) for nav in navs]
    at = NOON + timedelta(minutes=minute)
    names = ("SOL-USDC",) if stale else ()
    held = None if hold is None else Decimal(hold)
    return Column(at, values[0], min(values), max(values), values[-1], at, at, Decimal(fall), held, names)


def spots(path: str) -> list[tuple[int, int]]:
    """Where a path goes, step by step."""
    x = y = 0
    found = []
    for kind, first, second in STEP.findall(path):
        if kind == "M":
            x, y = int(first), int(second)
        elif kind == "l":
            x, y = x + int(first), y + int(second)
        elif kind in "hv":
            x, y = (x + int(first), y) if kind == "h" else (x, y + int(first))
        elif kind in "HV":
            x, y = (int(first), y) if kind == "H" else (x, int(first))
        found.append((x, y))
    return found


def drawn(figure: Figure, kind: str) -> str:
    return next(stroke.path for pane in figure.panes for stroke in pane.strokes if stroke.kind == kind)


def figure(columns: list[Column], **more: object) -> Figure:
    return nav_figure(columns, columns[0].first_at, columns[-1].last_at + timedelta(minutes=1), **more)


@given(st.lists(st.tuples(st.integers(0, WIDTH), st.integers(0, HEIGHT)), min_size=1, max_size=9))
def test_path_goes_exactly_where_it_was_told(told: list[tuple[int, int]]) -> None:
    moved = [spot for index, spot in enumerate(told) if index == 0 or spot != told[index - 1]]
    assert spots(paths.line(told)) == (moved if len(moved) > 1 else moved * 2)


def test_lone_spot_is_a_dot() -> None:
    assert paths.line([(7, 9)]) == "M7 9h0"


@given(st.lists(st.lists(NAV, min_size=1, max_size=4), min_size=1, max_size=12))
def test_every_line_stays_inside_its_frame_whatever_nav_is(navs: list[list[Decimal]]) -> None:
    found = figure([column(i, *values, fall="-0.1" if i % 2 else "0") for i, values in enumerate(navs)])
    for pane in found.panes:
        for stroke in pane.strokes:
            assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in spots(stroke.path)), stroke
        assert all(0 <= float(tick.at.rstrip("%")) <= 100 for tick in pane.ticks)


def test_spike_inside_a_column_is_drawn_to_its_full_height() -> None:
    found = figure([column(0, 100), column(1, 100, 500, 20, 100), column(2, 100)])
    heights = [y for _, y in spots(drawn(found, "line"))]
    y = Values(Decimal(20), Decimal(500))
    assert (min(heights), max(heights)) == (y.y(Decimal(500)), y.y(Decimal(20)))


def test_gap_breaks_line_area_and_benchmark() -> None:
    columns = [column(0, 100, hold=100), column(1, 101, hold=99), column(50, 102, hold=98), column(51, 103, hold=97)]
    found = figure(columns, broken_after=[columns[1].last_at])
    assert [drawn(found, kind).count("M") for kind in ("line", "area", "hold", "fall")] == [2, 2, 2, 2]


def test_stale_stretch_is_another_line_that_begins_where_the_fresh_one_ended() -> None:
    old = [column(minute, 101, stale=True) for minute in (2, 3)]
    found = figure([column(0, 100), column(1, 101), *old, column(4, 99)])
    fresh, stale = drawn(found, "line"), drawn(found, "stale")
    assert (fresh.count("M"), stale.count("M")) == (2, 1)
    assert spots(stale)[0] in spots(fresh)
    assert spots(stale)[-1] == spots(fresh[fresh.rindex("M") :])[0]


def test_flat_nav_lies_in_the_middle_of_a_scale_with_labels() -> None:
    nav, _ = figure([column(0, 10_000), column(1, 10_000)]).panes
    assert {y for _, y in spots(nav.strokes[-1].path)} == {HEIGHT // 2}
    assert len(nav.ticks) >= 3


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        ("9950", "10080", ["9,950", "10,000", "10,050"]),
        ("-0.00000003", "0.00000002", ["−0.00000002", "0.00000000", "0.00000002"]),
        ("1200000", "2600000", ["1.5\u00a0M", "2.0\u00a0M", "2.5\u00a0M"]),
        ("9999999990", "9999999999", ["9,999,999,990", "9,999,999,995"]),
        ("-600", "900", ["−500", "0", "500"]),
    ],
)
def test_labels_are_round_and_tell_neighbours_apart(low: str, high: str, labels: list[str]) -> None:
    found = [tick.label for tick in Values(Decimal(low), Decimal(high)).ticks()]
    assert set(labels) <= set(found)
    assert len(set(found)) == len(found)


@given(st.decimals("0.00000001", "99999999999", places=8))
def test_step_is_the_next_round_number(least: Decimal) -> None:
    step = round_step(least)
    assert step >= least
    assert step.normalize().as_tuple().digits in ((1,), (2,), (5,))
    assert step <= least * Decimal("2.5") or step <= Decimal("2e-8")


def test_label_under_the_tag_is_left_out_and_its_line_stays() -> None:
    ticks = Values(Decimal(0), Decimal(100)).ticks(tag=Decimal(51))
    assert [tick.label for tick in ticks if tick.at == Values(Decimal(0), Decimal(100)).at(Decimal(50))] == [""]


@given(st.timedeltas(timedelta(seconds=1), timedelta(days=40_000)), st.timedeltas(timedelta(0), timedelta(days=9_000)))
def test_moments_are_few_round_in_order_and_inside(span: timedelta, after: timedelta) -> None:
    start = NOON - timedelta(days=12_000) + after
    ticks = Moments(start, start + span).ticks()
    places = [float(tick.at.rstrip("%")) for tick in ticks]
    assert len(ticks) <= TIME_TICKS + 2
    assert places == sorted(places)
    assert all(0 < place < 100 for place in places)


def test_new_day_is_told_from_an_hour_and_a_narrow_screen_keeps_the_days() -> None:
    ticks = Moments(NOON, NOON + timedelta(days=2)).ticks()
    assert [tick.label for tick in ticks if tick.kind == "major"] == ["3 Mar", "4 Mar"]
    assert {tick.kind for tick in ticks if ":" in tick.label} == {"minor"}


def test_years_of_history_are_labelled_by_months_and_years() -> None:
    labels = [tick.label for tick in Moments(NOON - timedelta(days=900), NOON).ticks()]
    assert "2025" in labels
    assert "Jul" in labels


def test_shading_is_never_too_thin_to_see() -> None:
    x = Moments(NOON, NOON + timedelta(days=30))
    assert band(x, "halt", NOON, NOON + timedelta(seconds=1), "halted").width == "0.20%"


def test_no_candle_is_no_figure() -> None:
    assert candle_figure([], 60) is None


class Bar:
    """A candle."""

    def __init__(self, minute: int, *prices: int) -> None:
        self.at = NOON + timedelta(minutes=minute)
        self.open, self.high, self.low, self.close = map(Decimal, prices)


def test_candles_rise_fall_leave_room_for_missing_ones_and_carry_marks() -> None:
    notes = [
        Noted("buy", NOON + timedelta(seconds=30), Decimal(11), "Bought 1 at 11"),
        Noted("sell", NOON + timedelta(minutes=9), Decimal(11), "outside"),
    ]
    found = candle_figure(
        [Bar(0, 10, 14, 9, 12), Bar(3, 12, 12, 8, 9)], 60, notes, level=Level(Decimal(13), "limit 13")
    )
    assert found is not None
    (pane,) = found.panes
    assert [drawn(found, kind).count("z") for kind in ("rise", "drop")] == [1, 1]
    first, second = (int(x) for x in re.findall(r"M(\d+)", drawn(found, "wick")))
    assert second - first == WIDTH * 3 // 4
    assert [(mark.kind, mark.x, mark.title) for mark in pane.marks] == [("buy", "12.50%", "Bought 1 at 11")]
    assert pane.level is not None
