"""The threads that watch outlive what nobody foresaw: one that died in silence would look like a desk that is well."""

from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

import pytest
import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.services.desks import SOL, one
from tests.support import eventually
from webapp import dead_man
from webapp.config import Config
from webapp.engine import roll_up, self_check, watchdog
from webapp.services import leadership, monitors, self_checks, trade_rollup


class Slip(Exception):
    """Nothing anybody has thought of."""


def slip_once(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[bool]:
    """Have a function of ``module`` fail at its first call as nobody foresaw; one entry for each call of it."""
    real, calls = getattr(module, name), []

    def slipping(*given: Any, **more: Any) -> Any:
        calls.append(bool(calls))
        if len(calls) == 1:
            raise Slip(name)
        return real(*given, **more)

    monkeypatch.setattr(module, name, slipping)
    return calls


def outlives_a_slip(calls: list[bool], thread: Thread, logged: list[Any]) -> None:
    assert eventually(lambda: len(calls) > 1), "it was not tried again"
    assert thread.is_alive()
    (entry,) = [entry for entry in logged if entry["log_level"] == "error"]
    assert entry["exc_info"], "the stack is not in the log"


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.fixture
def stopping() -> Iterator[Event]:
    event = Event()
    yield event
    event.set()


def test_watch_outlives_what_nobody_foresaw(
    engine: Engine, stopping: Event, monkeypatch: pytest.MonkeyPatch, logged: list[Any]
) -> None:
    monkeypatch.setattr(watchdog, "INTERVAL_SECONDS", 0.05)
    calls = slip_once(monkeypatch, monitors, "watch")
    outlives_a_slip(calls, watchdog.start(engine, [SOL], lambda: False, stopping), logged)


def test_self_check_outlives_what_nobody_foresaw(
    session: Session,
    engine: Engine,
    stopping: Event,
    monkeypatch: pytest.MonkeyPatch,
    logged: list[Any],
) -> None:
    calls = slip_once(monkeypatch, self_checks, "run")
    lease = leadership.take(session, "one")
    outlives_a_slip(calls, self_check.start(engine, lambda: lease, stopping), logged)
    assert eventually(lambda: one(session, "SELECT count(*) FROM self_checks") == 2), "nothing was checked"


def test_sums_of_trades_outlive_what_nobody_foresaw(
    session: Session,
    engine: Engine,
    stopping: Event,
    monkeypatch: pytest.MonkeyPatch,
    logged: list[Any],
) -> None:
    monkeypatch.setattr(roll_up, "EVERY_SECONDS", 0.05)
    calls = slip_once(monkeypatch, trade_rollup, "roll_up")
    lease = leadership.take(session, "one")
    outlives_a_slip(calls, roll_up.start(engine, lambda: lease, stopping), logged)


def test_dead_mans_switch_outlives_what_nobody_foresaw(
    settings: Config, stopping: Event, monkeypatch: pytest.MonkeyPatch, logged: list[Any]
) -> None:
    monkeypatch.setattr(dead_man, "LOOK_SECONDS", 0.05)
    calls = slip_once(monkeypatch, monitors, "engine_lost")
    thread = dead_man.start(settings.model_copy(update={"dead_man_seconds": 1}), stopping)
    assert thread is not None
    outlives_a_slip(calls, thread, logged)
