"""The leader keeps the sums of trades current; who stands by leaves them alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.queries.trading import made_up, stored
from webapp.engine import roll_up
from webapp.services import self_checks, trade_rollup
from webapp.services.leadership import Fenced, Lease

NOW, BEFORE = Lease(2, "here"), Lease(1, "was frozen")


def leads(session: Session, lease: Lease) -> None:
    row = {"epoch": lease.epoch, "holder": lease.holder}
    session.execute(
        text("INSERT INTO engine_lease (id, epoch, holder, beat_at) VALUES (1, :epoch, :holder, now())"), row
    )
    session.commit()


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

    def lease() -> Lease | None:
        looked.set()
        return NOW if leading.is_set() else None

    leads(session, NOW)
    thread = roll_up.start(engine, lease, stopping)
    assert looked.wait(20)
    assert folded(session) is None
    leading.set()
    deadline = time.monotonic() + 20
    while folded(session) != 9 and time.monotonic() < deadline:
        time.sleep(0.05)
    stopping.set()
    thread.join(20)
    assert folded(session) == 9


@pytest.mark.parametrize("write", [trade_rollup.roll_up, self_checks.run])
def test_engine_that_led_before_writes_nothing_on_the_side(session: Session, write: Callable[..., object]) -> None:
    stored(session, made_up(9))
    leads(session, NOW)
    with pytest.raises(Fenced):
        write(session, lease=BEFORE)
    session.rollback()
    assert folded(session) is None
    assert session.execute(text("SELECT count(*) FROM self_checks")).scalar_one() == 0
    session.rollback()
    write(session, lease=NOW)
