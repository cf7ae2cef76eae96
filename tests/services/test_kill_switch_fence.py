"""The switch when others hang, and the fence behind it: the gate, and the database that refuses by itself."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Timer

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from tests.services.desks import cycle, one, quote, take
from tests.support import eventually
from webapp.models import KillSwitchState
from webapp.models.locks import GATE, TURN
from webapp.services import kill_switch
from webapp.services.transaction import enter_gate, transaction

HALTED = "PD423"
A_FILL = "INSERT INTO fills SELECT gen_random_uuid(), order_id, symbol, side, qty, 99, 0, 0, now() FROM orders"
HERE = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
"""Other tests wait for the same locks at the same time, each in a database of its own."""
WAITING = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND {HERE} AND objid = :lock AND NOT granted"
HOLDERS = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = :gate
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def in_the_gate_alone(other: Session) -> None:
    """As another program would be: in the gate, whosever turn it is."""
    other.execute(text("SELECT pg_advisory_xact_lock_shared(:gate)"), {"gate": GATE})


def frozen_in_the_gate(engine: Engine) -> Session:
    """A process that stopped in the middle of a trade: it holds the gate, the account and an uncommitted fill."""
    frozen = Session(engine)
    enter_gate(frozen)
    frozen.execute(text("SELECT FROM account FOR UPDATE"))
    frozen.execute(text("UPDATE account SET cash = cash - 1"))
    return frozen


def test_halt_is_in_force_within_a_second_while_a_process_is_frozen_in_the_gate(
    session: Session, engine: Engine
) -> None:
    frozen = frozen_in_the_gate(engine)
    started = time.monotonic()
    receipt = kill_switch.halt(engine, "stop", "user:ada")
    took = time.monotonic() - started
    assert took < 1, f"the halt took {took:.2f} s"
    assert not receipt.already
    assert receipt.waited_ms >= kill_switch.PATIENCE_MS
    with pytest.raises(DBAPIError):
        frozen.execute(text("SELECT 1"))
    frozen.close()
    assert one(session, "SELECT cash FROM account") == 10_000


def test_halt_ends_every_process_that_is_frozen_in_the_gate(session: Session, engine: Engine) -> None:
    frozen = [Session(engine) for _ in range(5)]
    for other in frozen:
        in_the_gate_alone(other)
    kill_switch.halt(engine, "stop", "user:ada")
    for other in frozen:
        with pytest.raises(DBAPIError):
            other.execute(text("SELECT 1"))
        other.close()


def test_halt_does_not_touch_processes_outside_the_gate(session: Session, engine: Engine) -> None:
    with engine.connect() as idle, Session(engine) as frozen:
        idle.execute(text("SELECT 1"))
        enter_gate(frozen)
        kill_switch.halt(engine, "stop", "user:ada")
        assert idle.execute(text("SELECT 2")).scalar_one() == 2
        frozen.invalidate()


def test_halt_waits_for_a_trade_that_ends_in_time_instead_of_ending_it(session: Session, engine: Engine) -> None:
    trade = Session(engine)
    enter_gate(trade)
    trade.execute(text("UPDATE account SET updated_at = now()"))
    Timer(0.1, trade.commit).start()
    receipt = kill_switch.halt(engine, "stop", "user:ada")
    assert 50 <= receipt.waited_ms < kill_switch.PATIENCE_MS
    trade.close()


def test_halt_works_while_the_pool_of_connections_is_empty(session: Session, engine: Engine) -> None:
    pool = create_engine(engine.url, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.1)
    with pool.connect() as _:
        assert not kill_switch.halt(pool, "stop", "user:ada").already
    pool.dispose()
    assert kill_switch.state(session).enabled


def test_halt_from_inside_a_session_that_trades_elsewhere_uses_its_own_connection(
    session: Session, engine: Engine
) -> None:
    session.execute(text("SELECT 1"))
    kill_switch.halt(session.get_bind(), "stop", "user:ada")
    assert session.in_transaction()
    session.rollback()
    assert kill_switch.state(session).enabled


def test_trade_that_read_the_switch_before_the_halt_cannot_commit_a_fill_after_it(
    session: Session, engine: Engine
) -> None:
    """The fence is in the database: whoever has not entered the gate is refused, whatever they have read."""
    take(session, quote(100))
    cycle(session, "buy", 1, 99)
    with Session(engine) as late:
        assert late.execute(text("SELECT enabled FROM kill_switch")).scalar_one() is False
        kill_switch.halt(engine, "stop", "user:ada")
        with pytest.raises(DBAPIError) as caught:
            late.execute(text(A_FILL))
        assert caught.value.orig.pgcode == HALTED  # type: ignore[union-attr]


def test_trades_wait_for_their_turn_outside_the_gate_so_that_a_halt_waits_for_one_of_them(
    session: Session, engine: Engine
) -> None:
    first, second = Session(engine), Session(engine)
    enter_gate(first)
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(enter_gate, second)
        assert eventually(lambda: one(session, WAITING, lock=TURN) == 1)
        halting = pool.submit(kill_switch.halt, engine, "stop", "user:ada")
        assert eventually(lambda: one(session, WAITING, lock=GATE) == 1)
        first.commit()
        assert not halting.result(5).already
        waiting.result(5)
    assert second.execute(text("SELECT enabled FROM kill_switch")).scalar_one() is True
    for other in (first, second):
        other.close()


def test_gate_is_left_when_a_use_case_ends_well_or_badly(session: Session, engine: Engine) -> None:
    with transaction(session):
        enter_gate(session)
        with engine.connect() as other:
            assert other.execute(text(HOLDERS), {"gate": GATE}).scalar_one() == 1

    def fail_inside() -> None:
        with transaction(session):
            enter_gate(session)
            session.execute(text("SELECT 1 / 0"))

    with pytest.raises(DBAPIError):
        fail_inside()
    assert one(session, HOLDERS, gate=GATE) == 0


def test_use_case_in_a_session_with_unsaved_objects_is_refused(session: Session) -> None:
    session.add(KillSwitchState(id=1, enabled=True))
    with pytest.raises(RuntimeError), transaction(session):
        pass
    session.expunge_all()


def test_clock_of_the_halt_is_the_databases(session: Session, engine: Engine) -> None:
    receipt = kill_switch.halt(engine, "stop", "user:ada")
    assert abs(receipt.halted_at - one(session, "SELECT clock_timestamp()")) < timedelta(seconds=5)
