"""The leader keeps the sums of trades current; who stands by leaves them alone."""

from __future__ import annotations

import time
from threading import Event

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.queries.trading import made_up, stored
from webapp.engine import roll_up


def folded(session: Session) -> int | None:
    count: int | None = session.execute(text("SELECT fills FROM trade_rollup")).scalar_one_or_none()
    session.rollback()
    return count


def test_only_the_leader_sums_trades_and_it_does_so_by_itself(
    session: Session, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roll_up, "EVERY_SECONDS", 0.02)
    stored(session, made_up(9))
    looked, leading, stopping = Event(), Event(), Event()

    def leads() -> bool:
        looked.set()
        return leading.is_set()

    thread = roll_up.start(engine, leads, stopping)
    assert looked.wait(20)
    assert folded(session) is None
    leading.set()
    deadline = time.monotonic() + 20
    while folded(session) != 9 and time.monotonic() < deadline:
        time.sleep(0.05)
    stopping.set()
    thread.join(20)
    assert folded(session) == 9
