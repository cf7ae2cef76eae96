"""The dead man's switch alive: the web server's own thread, which halts the desk when its engine falls silent."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests import builders
from tests.services.desks import one, rows
from tests.support import eventually
from webapp import dead_man
from webapp.config import Config
from webapp.services import heartbeats, kill_switch

NOW = datetime.now(UTC)


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Watchers that look often, and end with the test."""
    monkeypatch.setattr(dead_man, "LOOK_SECONDS", 0.05)
    event = Event()
    yield event
    event.set()


def watchers(config: Config, stopping: Event, count: int) -> None:
    for _ in range(count):
        assert dead_man.start(config, stopping) is not None


@pytest.fixture
def one_second(settings: Config) -> Config:
    return settings.model_copy(update={"dead_man_seconds": 1})


def test_silent_engine_halts_the_desk_once_however_many_servers_watch(
    session: Session, one_second: Config, stopping: Event
) -> None:
    builders.heartbeat(session, "engine", NOW - timedelta(hours=1))
    watchers(one_second, stopping, 3)
    assert eventually(lambda: is_halted(session))
    (event,) = rows(session, "SELECT * FROM kill_switch_events")
    assert (event["actor"], event["reason"].partition(":")[0]) == ("risk-engine", "ENGINE_LOST")
    assert eventually(lambda: one(session, "SELECT count(*) FROM heartbeats") == 0)


def test_released_desk_is_halted_again_only_when_an_engine_beat_anew(
    session: Session, engine: Engine, one_second: Config, stopping: Event
) -> None:
    builders.heartbeat(session, "engine", NOW - timedelta(hours=1))
    watchers(one_second, stopping, 2)
    assert eventually(lambda: one(session, "SELECT count(*) FROM heartbeats") == 0)
    kill_switch.release(engine, "without an engine", "user:ada")
    heartbeats.beat(session, "engine", NOW, {})
    assert not is_halted(session)
    assert eventually(lambda: is_halted(session))
    assert one(session, "SELECT count(*) FROM kill_switch_events") == 3


def test_watch_of_no_seconds_is_none(settings: Config) -> None:
    assert dead_man.start(settings.model_copy(update={"dead_man_seconds": 0})) is None


def is_halted(session: Session) -> bool:
    session.rollback()
    return kill_switch.state(session).enabled
