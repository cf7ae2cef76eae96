"""NAV buckets and candles: kept as rows come in, in whatever order, and equal to what is derived from the rows anew."""

import random
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests import builders
from webapp.models import Candle, MarketTick, NavBucket, PortfolioSnapshot
from webapp.services import rollups

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def candles(session: Session, symbol: str = "SOL-USDC") -> dict[tuple[int, datetime], tuple]:
    rows = session.execute(select(Candle.__table__).where(Candle.symbol == symbol)).all()
    session.rollback()
    return {(row.width_seconds, row.bucket_at): (row.open, row.high, row.low, row.close, row.ticks) for row in rows}


def nav_buckets(session: Session) -> dict[tuple[int, datetime], tuple]:
    rows = session.execute(select(NavBucket.__table__)).all()
    session.rollback()
    return {(row.width_seconds, row.bucket_at): (row.first_nav, row.min_nav, row.max_nav, row.last_nav) for row in rows}


def test_ticks_of_two_minutes_make_candles_of_every_width(session: Session) -> None:
    noon = DAY + timedelta(hours=12)
    quotes = [(0, 100), (10, 105), (59.999999, 101), (60, 90), (61, 95)]
    builders.ticks(session, "SOL-USDC", [(noon + timedelta(seconds=second), mid) for second, mid in quotes])
    assert candles(session) == {
        (60, noon): (100, 105, 100, 101, 3),
        (60, noon + timedelta(minutes=1)): (90, 95, 90, 95, 2),
        (3600, noon): (100, 105, 90, 95, 5),
        (86400, DAY): (100, 105, 90, 95, 5),
    }


def test_snapshots_of_two_hours_make_buckets_of_every_width(session: Session) -> None:
    start = DAY + timedelta(hours=1, minutes=59, seconds=30)
    builders.snapshots(session, [(start, 10), (start + timedelta(seconds=20), 7), (start + timedelta(seconds=30), 9)])
    assert nav_buckets(session) == {
        (60, DAY + timedelta(hours=1, minutes=59)): (10, 7, 10, 7),
        (60, DAY + timedelta(hours=2)): (9, 9, 9, 9),
        (3600, DAY + timedelta(hours=1)): (10, 7, 10, 7),
        (3600, DAY + timedelta(hours=2)): (9, 9, 9, 9),
        (86400, DAY): (10, 7, 10, 9),
    }


def test_late_quote_moves_the_open_and_never_the_close(session: Session) -> None:
    builders.tick(session, mid=100, at=DAY + timedelta(seconds=30))
    builders.tick(session, mid=120, at=DAY + timedelta(seconds=10))
    assert candles(session)[60, DAY] == (120, 120, 100, 100, 2)


def test_equal_times_are_ordered_by_id_whatever_came_first(session: Session) -> None:
    early, late = UUID(int=1), UUID(int=2)
    builders.tick(session, mid=102, at=DAY, tick_id=late)
    builders.tick(session, mid=101, at=DAY, tick_id=early)
    assert candles(session)[60, DAY] == (101, 102, 101, 102, 2)


def test_buckets_of_one_symbol_know_nothing_of_another(session: Session) -> None:
    builders.tick(session, "SOL-USDC", 100, DAY)
    builders.tick(session, "BTC-USDC", 60_000, DAY)
    assert candles(session, "BTC-USDC")[86400, DAY] == (60_000, 60_000, 60_000, 60_000, 1)


moments = st.integers(0, 3 * 86_400).map(lambda second: DAY + timedelta(seconds=second // 7 * 7))
series = st.lists(st.tuples(moments, st.integers(1, 200)), min_size=1, max_size=40)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(quotes=series, batch=st.integers(1, 40))
def test_rollups_equal_what_is_derived_from_the_rows_in_any_order_and_batches(
    engine: Engine, quotes: list[tuple[datetime, int]], batch: int
) -> None:
    with Session(engine) as session:
        for start in range(0, len(quotes), batch):
            part = quotes[start : start + batch]
            builders.ticks(session, random.choice(["SOL-USDC", "BTC-USDC"]), part)
            builders.snapshots(session, part)
        assert rollups.verify(session) == []


def test_rebuild_restores_buckets_that_were_changed_lost_or_invented(engine: Engine, session: Session) -> None:
    quotes = [(DAY + timedelta(minutes=minute), 100 + minute % 7) for minute in range(200)]
    builders.ticks(session, "SOL-USDC", quotes)
    builders.snapshots(session, quotes)
    whole = candles(session), nav_buckets(session)
    with engine.begin() as connection:
        connection.execute(text("UPDATE candles SET high = high + 1 WHERE width_seconds = 3600"))
        connection.execute(text("DELETE FROM candles WHERE width_seconds = 86400"))
        connection.execute(text("UPDATE nav_buckets SET bucket_at = bucket_at - interval '9 days'"))
    assert {stale.rollup for stale in rollups.verify(session)} == {"candles", "nav_buckets"}
    session.rollback()

    rebuilt = rollups.rebuild(session)
    session.commit()

    assert (candles(session), nav_buckets(session)) == whole
    assert rollups.verify(session) == []
    assert (rebuilt.candles, rebuilt.nav_buckets) == (len(whole[0]), len(whole[1]))


def test_writers_of_the_same_buckets_lose_nothing(engine: Engine, session: Session) -> None:
    errors: list[Exception] = []

    def write(seed: int) -> None:
        dice = random.Random(seed)
        try:
            with Session(engine) as mine:
                for _ in range(20):
                    at = DAY + timedelta(seconds=dice.randrange(7200))
                    builders.ticks(mine, dice.choice(["A", "B"]), [(at, 100), (at + timedelta(hours=1), 101)])
                    builders.snapshot(mine, dice.randrange(1, 100), at)
        except DBAPIError as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert not errors
    assert rollups.verify(session) == []
    assert (
        sum(row[4] for row in candles(session, "A").values()) + sum(row[4] for row in candles(session, "B").values())
        == 3 * 160
    )


@pytest.mark.parametrize(
    ("table", "rollup"), [(MarketTick.__tablename__, "candles"), (PortfolioSnapshot.__tablename__, "nav_buckets")]
)
def test_without_its_trigger_the_rollup_falls_behind(engine: Engine, session: Session, table: str, rollup: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"DROP TRIGGER keep_rollup ON {table}"))
    builders.tick(session, mid=Decimal(100), at=DAY)
    builders.snapshot(session, 10_000, DAY)
    assert {stale.rollup for stale in rollups.verify(session)} == {rollup}


def test_replica_role_keeps_the_rollups_too(engine: Engine, session: Session) -> None:
    session.execute(text("SET session_replication_role = replica"))
    builders.tick(session, mid=100, at=DAY)
    builders.snapshot(session, 10_000, DAY)
    assert candles(session)[86400, DAY] == (100, 100, 100, 100, 1)
    assert nav_buckets(session)[86400, DAY] == (10_000, 10_000, 10_000, 10_000)
