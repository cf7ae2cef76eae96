"""NAV over time: what a range means, what thinning keeps, and statistics that equal those of every snapshot."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests import builders
from tests.builders import NOON
from webapp.domain import analytics
from webapp.domain.analytics import Point
from webapp.domain.drawdown import DAY
from webapp.queries import drawdown, portfolio
from webapp.queries.portfolio import MAX_COLUMNS, RANGES

VECTORS = json.loads(Path(__file__).parents[1].joinpath("data/metrics_vectors.json").read_text())


def walk(count: int, step: timedelta, seed: int = 7, end: datetime = NOON) -> list[Point]:
    """A random walk of NAV in whole cents, with many equal values, that ends at `end`."""
    dice = random.Random(seed)
    nav, points = Decimal(10_000), []
    for index in range(count):
        nav += Decimal(dice.choice((-500, -100, 0, 0, 100, 450))) / 100
        points.append((end - (count - 1 - index) * step, nav))
    return points


def inside(points: list[Point], view: portfolio.Window) -> list[Point]:
    return [(at, nav) for at, nav in points if view.start <= at < view.end]


def test_desk_without_snapshots_has_no_window(session: Session) -> None:
    assert portfolio.window(session, "all") is None


@pytest.mark.parametrize(("count", "step"), [(400, timedelta(seconds=7)), (900, timedelta(hours=1, seconds=13))])
def test_statistics_of_each_range_are_those_of_every_snapshot_in_it(
    session: Session, count: int, step: timedelta
) -> None:
    points = walk(count, step)
    builders.snapshots(session, points)
    for name in RANGES:
        view = portfolio.window(session, name, now=NOON + timedelta(seconds=1))
        assert view is not None
        found = portfolio.performance(session, view)

        whole = [(max(view.start, view.opening[0]), view.opening[1]), *inside(points, view)]
        assert found.max_drawdown.exact
        assert found.max_drawdown.drawdown == analytics.max_drawdown([view.opening, *inside(points, view)])
        assert found.daily == analytics.statistics([nav for _, nav in analytics.daily_closes(whole)])


@pytest.mark.parametrize("curve", VECTORS["irregular"], ids=lambda curve: curve["id"])
def test_irregular_curve_of_the_vectors_gives_its_statistics_from_the_database(session: Session, curve: dict) -> None:
    points = [(datetime.fromisoformat(at), Decimal(nav)) for at, nav in curve["nav"]]
    builders.snapshots(session, points)
    view = portfolio.window(session, "all")
    assert view is not None
    found = portfolio.performance(session, view)
    fall = found.max_drawdown.drawdown

    for name, expected in curve["expected_daily"].items():
        if hasattr(found.daily, name):
            assert abs(getattr(found.daily, name) - Decimal(expected)) <= Decimal("1e-9") * max(
                1, abs(Decimal(expected))
            )
    assert abs(fall.ratio - Decimal(curve["expected_full"]["max_drawdown"])) < Decimal("1e-9")
    assert fall.peak_at == datetime.fromisoformat(curve["expected_full"]["max_drawdown_peak_at"])
    assert fall.trough_at == datetime.fromisoformat(curve["expected_full"]["max_drawdown_trough_at"])


@pytest.mark.parametrize("seed", range(6))
def test_drawdown_between_any_two_moments_is_exact(session: Session, seed: int) -> None:
    dice = random.Random(seed)
    points = walk(2_000, timedelta(minutes=dice.choice((1, 7, 45)), seconds=11), seed)
    builders.snapshots(session, points)
    for _ in range(4):
        first, last = sorted(dice.sample(range(len(points)), 2))
        start, end = points[first][0] - timedelta(seconds=dice.randrange(9)), points[last][0] + timedelta(seconds=3)
        found = drawdown.max_drawdown(session, points[first], start, end)
        assert found == drawdown.Measured(analytics.max_drawdown(points[first : last + 1]), exact=True)


def test_drawdown_reads_a_bounded_number_of_rows(session: Session) -> None:
    builders.snapshots(session, walk(12_000, timedelta(seconds=20)))
    view = portfolio.window(session, "all")
    assert view is not None
    read = []
    tiles = drawdown._tiles

    def counted(*args: object) -> list:
        found = tiles(*args)
        read.append(len(found))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawdown, "_tiles", counted)
        drawdown.max_drawdown(session, view.opening, view.start, view.end)
    assert sum(read) < 1_000


def test_minute_answer_is_said_to_be_one_when_the_search_is_cut_short(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = NOON.replace(hour=0)
    builders.snapshots(session, [(start, 100), (start + timedelta(hours=1), 200), (start + timedelta(hours=2), 150)])
    builders.snapshots(session, [(start + timedelta(hours=3), 190)])
    whole = (session, (start, Decimal(100)), start, start + timedelta(days=1))
    assert drawdown.max_drawdown(*whole).drawdown.ratio == Decimal("-0.25")
    monkeypatch.setattr(drawdown, "ROUNDS", 0)
    cut = drawdown.max_drawdown(*whole)
    assert (cut.exact, cut.drawdown.ratio) == (False, Decimal("-0.05"))


def test_thinned_chart_keeps_first_last_and_extremes_in_few_even_columns(session: Session) -> None:
    points = walk(5_000, timedelta(seconds=200))
    builders.snapshots(session, points)
    for name in RANGES:
        view = portfolio.window(session, name, now=NOON + timedelta(seconds=1))
        assert view is not None
        drawn = portfolio.chart(session, view)
        navs = [nav for _, nav in inside(points, view)]

        assert 0 < len(drawn.columns) <= MAX_COLUMNS + 2
        assert all(c.at.timestamp() % drawn.width == 0 for c in drawn.columns)
        assert all(c.low <= min(c.first, c.last) and c.high >= max(c.first, c.last) for c in drawn.columns)
        assert drawn.columns[-1].last == navs[-1]
        assert min(c.low for c in drawn.columns) <= min(navs)
        assert max(c.high for c in drawn.columns) >= max(navs)


def test_column_shows_a_spike_that_lasted_one_snapshot(session: Session) -> None:
    points = [(NOON - timedelta(minutes=n), Decimal(10_000)) for n in range(3_000)]
    points[1_503] = (points[1_503][0], Decimal(12_345))
    builders.snapshots(session, points)
    view = portfolio.window(session, "all")
    assert view is not None
    spikes = [c for c in portfolio.chart(session, view).columns if c.high == 12_345]
    assert len(spikes) == 1
    assert (spikes[0].first, spikes[0].low, spikes[0].last) == (10_000, 10_000, 10_000)


def test_drawn_drawdown_never_claims_more_than_happened(session: Session) -> None:
    points = walk(3_000, timedelta(seconds=90))
    builders.snapshots(session, points)
    view = portfolio.window(session, "all")
    assert view is not None
    drawn = portfolio.chart(session, view)
    truth = analytics.max_drawdown(points).ratio
    assert truth <= min(c.drawdown for c in drawn.columns) <= 0


def test_snapshots_of_one_instant_are_ordered_by_their_ids(session: Session) -> None:
    for nav in (10_000, 11_000, 9_000):
        builders.snapshot(session, nav, NOON)
    ids = session.execute(text("SELECT nav FROM portfolio_snapshots ORDER BY snapshot_id")).scalars().all()
    view = portfolio.window(session, "all")
    assert view is not None
    assert (view.opening[1], view.closing[1]) == (ids[0], ids[-1])
    (column,) = portfolio.chart(session, view).columns
    assert (column.first, column.last) == (ids[0], ids[-1])


def test_stretch_without_a_snapshot_is_a_gap(session: Session) -> None:
    early = [(NOON - timedelta(hours=5) + timedelta(minutes=n), 10_000) for n in range(30)]
    late = [(NOON - timedelta(minutes=n), 10_100) for n in range(30)]
    builders.snapshots(session, early + late)
    view = portfolio.window(session, "1d", now=NOON + timedelta(seconds=1))
    assert view is not None
    assert portfolio.chart(session, view).gaps == [(early[-1][0], late[-1][0])]


def test_silence_at_either_end_of_the_range_is_a_gap_too_but_not_the_time_before_the_desk(session: Session) -> None:
    builders.snapshots(session, [(NOON - timedelta(minutes=n), 10_000) for n in (300, 299, 100, 99, 98)])
    own = {"start": NOON - timedelta(minutes=200), "end": NOON - timedelta(minutes=30)}
    view = portfolio.window(session, **own, now=NOON)
    assert view is not None
    inside = [(NOON - timedelta(minutes=a), NOON - timedelta(minutes=b)) for a, b in ((200, 100), (98, 30))]
    assert portfolio.chart(session, view).gaps == inside
    whole = portfolio.window(session, "7d", now=NOON - timedelta(minutes=97))
    assert whole is not None
    assert len(portfolio.chart(session, whole).gaps) == 1


def test_hold_is_the_opening_nav_spread_equally_at_the_first_mids(session: Session) -> None:
    minutes = [NOON - timedelta(minutes=n) for n in range(120, -1, -1)]
    builders.snapshots(session, [(at, 9_000) for at in minutes])
    builders.ticks(session, "SOL-USDC", [(at, 100 + n) for n, at in enumerate(minutes)])
    builders.ticks(session, "BTC-USDC", [(at, 50_000 - 100 * n) for n, at in enumerate(minutes[60:])])
    view = portfolio.window(session, "all")
    assert view is not None
    drawn = portfolio.chart(session, view)

    assert drawn.held == ["BTC-USDC", "SOL-USDC"]
    assert drawn.columns[0].hold == 9_000
    assert drawn.columns[50].hold == 4_500 + Decimal(4_500) * 150 / 100
    half_way = 4_500 * Decimal(220) / 100 + 4_500 * Decimal(44_000) / 50_000
    assert abs(drawn.columns[-1].hold - half_way) < Decimal("1e-20")
    assert portfolio.chart(session, view, hold=False).columns[-1].hold is None


def test_wide_columns_give_the_same_hold_as_the_quotes_themselves(session: Session) -> None:
    hours = [NOON - timedelta(hours=n) for n in range(24 * 30, -1, -1)]
    builders.snapshots(session, [(at, 10_000) for at in hours])
    builders.ticks(session, "SOL-USDC", [(at, 100 + n % 17) for n, at in enumerate(hours)])
    view = portfolio.window(session, "all")
    assert view is not None
    mids = {at: 100 + n % 17 for n, at in enumerate(hours)}
    for column in portfolio.chart(session, view).columns:
        assert column.hold == 10_000 * Decimal(mids[column.last_at]) / 100


def test_nav_on_old_quotes_of_what_is_held_is_stale_and_of_what_is_not_held_is_fine(session: Session) -> None:
    minutes = [NOON - timedelta(minutes=n) for n in range(60, -1, -1)]
    builders.snapshots(session, [(at, 10_000) for at in minutes])
    builders.ticks(session, "SOL-USDC", [(at, 100) for n, at in enumerate(minutes) if not 20 < n < 40])
    builders.ticks(session, "BTC-USDC", [(minutes[0], 50_000)])
    builders.position(session, "SOL-USDC")
    view = portfolio.window(session, "all")
    assert view is not None
    for hold in (False, True):
        stale = [column for column in portfolio.chart(session, view, hold=hold).columns if column.stale]
        assert [column.last_at for column in stale] == minutes[21:40]
        assert {column.stale_for for column in stale} == {("SOL-USDC",)}
        assert {column.marked_at for column in stale} == {minutes[20]}
    builders.policy(session, stale_after_seconds=3_600)
    assert not any(column.stale for column in portfolio.chart(session, view, hold=False).columns)


def test_desk_without_a_quote_has_no_benchmark(session: Session) -> None:
    builders.snapshots(session, [(NOON - timedelta(minutes=1), 10_000), (NOON, 10_001)])
    view = portfolio.window(session, "all")
    assert view is not None
    drawn = portfolio.chart(session, view)
    assert (drawn.held, drawn.columns[-1].hold) == ([], None)


def test_opening_is_the_snapshot_in_force_when_the_range_began(session: Session) -> None:
    builders.snapshots(session, [(NOON - timedelta(days=9), 9_000), (NOON - timedelta(days=1), 9_900), (NOON, 9_950)])
    view = portfolio.window(session, "7d", now=NOON + timedelta(seconds=1))
    assert view is not None
    assert (view.opening[1], view.closing[1], view.change) == (9_000, 9_950, 950)


def test_desk_that_stopped_long_ago_shows_its_last_days(session: Session) -> None:
    builders.snapshots(session, [(NOON - timedelta(hours=2), 9_000), (NOON, 9_100)])
    view = portfolio.window(session, "1d", now=NOON + timedelta(days=400))
    assert view is not None
    assert (view.end - NOON, view.change) == (timedelta(microseconds=1), 100)


def test_own_range_outside_the_history_is_empty_and_an_immense_one_is_everything(session: Session) -> None:
    builders.snapshots(session, [(NOON - timedelta(days=2), 9_000), (NOON, 9_100)])
    ancient, far = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    assert portfolio.window(session, start=ancient, end=ancient + timedelta(days=1)) is None
    assert portfolio.window(session, start=NOON, end=NOON) is None
    view = portfolio.window(session, start=ancient, end=far)
    assert view is not None
    assert (view.start, view.change) == (NOON - timedelta(days=2), 100)
    assert len(portfolio.chart(session, view).columns) == 2
    assert portfolio.performance(session, view).closes == 3


@pytest.mark.parametrize(
    ("length", "width"),
    [
        (timedelta(seconds=1), 10),
        (timedelta(hours=1), 10),
        (timedelta(days=1), 300),
        (timedelta(days=7), 1800),
        (timedelta(days=30), 7200),
        (timedelta(days=480), DAY),
        (timedelta(days=481), 2 * DAY),
        (timedelta(days=36_500), 77 * DAY),
    ],
)
def test_column_width_is_round_and_fits_the_screen(length: timedelta, width: int) -> None:
    assert portfolio.column_width(length) == width
    assert length / timedelta(seconds=width) <= MAX_COLUMNS
