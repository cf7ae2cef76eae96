"""A day ends at 00:00 UTC, wherever the database session and the process believe to be."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from tests.services.desks import CALM, NOON, cycle, limits, one, quote, rows, take
from webapp.services import trading

MIDNIGHT = 12 * 3600
"""In seconds after noon, as the helpers count."""
MOMENT = 0.000001
ZONES = ["UTC", "America/Los_Angeles", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Marquesas"]
"""Behind and ahead of UTC, by whole hours and not: -8, +5:45, +14, -9:30."""


@pytest.fixture(params=ZONES)
def zone(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def process_zone(zone: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process lives in the next zone of the list, so that two wrongs make no right."""
    monkeypatch.setenv("TZ", ZONES[ZONES.index(zone) - 1])
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def engine(database_url: URL, zone: str) -> Iterator[Engine]:
    """Connections that live in another zone than the desk's own."""
    engine = create_engine(database_url, poolclass=NullPool, connect_args={"options": f"-c TimeZone={zone}"})
    with engine.connect() as connection:
        assert connection.execute(text("SHOW TimeZone")).scalar_one() == zone
    yield engine
    engine.dispose()


def local_midnight(zone: str, engine: Engine) -> float:
    """When the day of the zone ends, in seconds after noon UTC: the next time it does before UTC's own day ends."""
    query = text("SELECT extract(epoch FROM (CAST(:at AS timestamptz) AT TIME ZONE :zone)::time)")
    with engine.connect() as connection:
        since = float(connection.execute(query, {"at": NOON - timedelta(hours=12), "zone": zone}).scalar_one())
    return (86_400 - since) % 86_400 - MIDNIGHT


def binding(session: Session, at: float) -> str | None:
    """Which rule stops a small purchase at that moment; None when it trades."""
    answer = cycle(session, "buy", 1, at=at)
    return None if answer.status_code == 202 else answer.document["error"]["details"]["rule"]


def test_trades_are_counted_from_midnight_utc(session: Session, engine: Engine, zone: str) -> None:
    limits(session, **CALM, max_trades_per_day=2)
    local = local_midnight(zone, engine)
    assert -MIDNIGHT <= local < MIDNIGHT
    begin = -MIDNIGHT
    take(session, quote(100, at=begin))
    assert [binding(session, begin), binding(session, begin + MOMENT)] == [None, None]
    for at in sorted({begin + 2 * MOMENT, local + 1, 0, MIDNIGHT - MOMENT}):
        assert binding(session, at) == "MAX_TRADES_PER_DAY", at
    take(session, quote(100, at=MIDNIGHT))
    assert binding(session, MIDNIGHT) is None
    assert one(session, "SELECT max(created_at) FROM orders WHERE status = 'executed'") == datetime(
        2026, 3, 3, tzinfo=UTC
    )
    assert binding(session, MIDNIGHT + MOMENT) is None
    assert binding(session, MIDNIGHT + 2 * MOMENT) == "MAX_TRADES_PER_DAY"


def test_loss_is_counted_from_midnight_utc(session: Session, engine: Engine, zone: str) -> None:
    limits(session, **CALM, max_daily_loss="50")
    local = local_midnight(zone, engine)
    begin = -MIDNIGHT
    take(session, quote(100, at=begin))
    cycle(session, "buy", 6, at=begin)
    take(session, quote(90, at=begin + 1))
    for at in sorted({begin + 2, local + 3, 0, MIDNIGHT - MOMENT}):
        trading.advance(session, "engine", NOON + timedelta(seconds=at))
        assert binding(session, at) == "MAX_DAILY_LOSS", at
    assert rows(session, "SELECT nav FROM portfolio_snapshots ORDER BY captured_at DESC LIMIT 1") == [{"nav": 9940}]
    assert binding(session, MIDNIGHT) is None
    take(session, quote(81, at=MIDNIGHT + 1))
    assert binding(session, MIDNIGHT + 1) == "MAX_DAILY_LOSS"
