"""The statistics against the vectors (relative 1e-9), and the edges the vectors leave out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.domain import analytics
from webapp.domain.analytics import Point, daily_closes, max_drawdown

VECTORS: dict[str, Any] = json.loads(Path(__file__).parents[1].joinpath("data/metrics_vectors.json").read_text())
TOLERANCE = Decimal("1e-9")
MIDNIGHT = datetime(2024, 3, 1, tzinfo=UTC)


def _points(rows: list[list[str]]) -> list[Point]:
    return [(datetime.fromisoformat(at), Decimal(nav)) for at, nav in rows]


def _close(got: Decimal | None, expected: str | None) -> bool:
    if got is None or expected is None:
        return got is None and expected is None
    return abs(got - Decimal(expected)) <= TOLERANCE * max(Decimal(1), abs(Decimal(expected)))


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _assert_expected(points: list[Point], periods_per_year: int, expected: dict[str, Any]) -> None:
    stats = analytics.statistics([nav for _, nav in points], periods_per_year)
    fall = max_drawdown(points)
    got = {name: getattr(stats, name) for name in stats.__slots__} | {"max_drawdown": fall.ratio}
    times = {"max_drawdown_peak_at": fall.peak_at, "max_drawdown_trough_at": fall.trough_at}
    for name, value in expected.items():
        if name in times:
            assert times[name] == _instant(value), name
        elif name == "n_returns":
            assert got[name] == value
        else:
            assert _close(got[name], value), f"{name}: {got[name]} instead of {value}"


@pytest.mark.parametrize("curve", VECTORS["curves"], ids=lambda curve: curve["id"])
def test_curve_of_the_vectors_gives_its_statistics(curve: dict[str, Any]) -> None:
    _assert_expected(_points(curve["nav"]), curve["periods_per_year"], curve["expected"])


@pytest.mark.parametrize("curve", VECTORS["irregular"], ids=lambda curve: curve["id"])
def test_irregular_snapshots_give_full_and_daily_statistics(curve: dict[str, Any]) -> None:
    points = _points(curve["nav"])
    _assert_expected(points, 365, curve["expected_full"])
    closes = daily_closes(points)
    assert [nav for _, nav in closes] == [Decimal(nav) for nav in curve["daily_nav"]]
    _assert_expected(closes, 365, curve["expected_daily"])


def test_empty_or_single_point_leaves_everything_undefined() -> None:
    for nav in ([], [Decimal(10000)]):
        stats = analytics.statistics(nav)
        assert stats.n_returns == 0
        assert (stats.cagr, stats.mean_return, stats.annual_volatility) == (None, None, None)
        assert (stats.sharpe, stats.sortino, stats.downside_deviation) == (None, None, None)
    assert analytics.total_return([]) is None
    assert analytics.total_return([Decimal(10000)]) == 0
    assert max_drawdown([]) == analytics.Drawdown(Decimal(0))


def test_wipe_out_is_minus_one_and_what_follows_has_no_return() -> None:
    wiped = [Decimal(100), Decimal(50), Decimal(0)]
    assert analytics.total_return(wiped) == -1
    assert analytics.cagr(wiped, 365) == -1
    assert analytics.mean_return(wiped) == Decimal("-0.75")
    assert max_drawdown([(MIDNIGHT + timedelta(days=i), nav) for i, nav in enumerate(wiped)]).ratio == -1
    assert analytics.statistics([*wiped, Decimal(0)]).sharpe is None


def test_debt_has_no_rate_of_growth() -> None:
    assert analytics.cagr([Decimal(100), Decimal(-1)], 365) is None
    assert analytics.returns([Decimal(-1), Decimal(1)]) is None


def test_growth_beyond_any_number_has_no_annual_rate() -> None:
    assert analytics.cagr([Decimal("0.01"), Decimal(10**9)], 525_600) is None


def test_equal_returns_have_zero_deviation_not_rounding_noise() -> None:
    nav = [Decimal(3) * Decimal("1.1") ** n for n in range(20)]
    assert analytics.annual_volatility(nav, 365) == 0
    assert analytics.sharpe(nav, 365) is None


def test_constant_fall_has_a_sortino_and_no_sharpe() -> None:
    nav = [Decimal(100), Decimal(50), Decimal(25)]
    assert analytics.sharpe(nav, 365) is None
    assert _close(analytics.sortino(nav, 365), str(-(Decimal(365).sqrt())))


def test_midnight_snapshot_belongs_to_the_day_that_begins_and_missing_days_carry() -> None:
    points = [
        (MIDNIGHT - timedelta(hours=1), Decimal(1)),
        (MIDNIGHT, Decimal(2)),
        (MIDNIGHT + timedelta(days=3, hours=5), Decimal(3)),
    ]
    assert [nav for _, nav in daily_closes(points)] == [Decimal(n) for n in (1, 1, 2, 2, 2, 3)]


def test_days_are_utc_whatever_zone_the_times_carry() -> None:
    tokyo = datetime.fromisoformat("2024-03-02T08:59:59+09:00")
    assert len(daily_closes([(MIDNIGHT, Decimal(1)), (tokyo, Decimal(2))])) == 2


@given(st.lists(st.decimals("0.01", "100000", places=2), min_size=1, max_size=40))
def test_drawdown_equals_the_comparison_of_every_pair(navs: list[Decimal]) -> None:
    points = [(MIDNIGHT + timedelta(minutes=i), nav) for i, nav in enumerate(navs)]
    pairs = [after / before - 1 for i, before in enumerate(navs) for after in navs[i:]]
    fall = max_drawdown(points)
    assert abs(fall.ratio - min([Decimal(0), *pairs])) < Decimal("1e-20")
    assert (fall.ratio < 0) == (fall.peak_at is not None)
