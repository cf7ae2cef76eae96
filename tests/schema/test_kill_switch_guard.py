"""While the switch is on, or its state unknown, no fill and no live order gets into the database, by any road."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import psycopg2
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from tests import builders
from webapp.models.locks import GATE

HALTED, SERIALIZATION_FAILURE, LOCK_TIMEOUT = "PD423", "40001", "55P03"
FILL = "INSERT INTO fills VALUES (gen_random_uuid(), :order_id, 'SOL-USDC', 'buy', 1, 100, 0, 0, now())"
ORDER = """INSERT INTO orders (order_id, cycle_id, signal_id, symbol, side, qty, status)
    SELECT gen_random_uuid(), cycle_id, signal_id, symbol, side, qty, :status FROM orders WHERE order_id = :order_id"""
SWITCH = "UPDATE kill_switch SET enabled = :on"


@contextmanager
def refused(*codes: str) -> Iterator[None]:
    """By the database, with one of these codes; COPY goes to the driver itself, whose error is not wrapped."""
    with pytest.raises((DBAPIError, psycopg2.Error)) as caught:
        yield
    assert getattr(caught.value, "orig", caught.value).pgcode in codes


@pytest.fixture
def order_id(session: Session) -> UUID:
    """An order that was resting when the switch went on."""
    return builders.order(session, status="approved", qty=1_000)


def turn(engine: Engine, on: bool | None) -> None:
    with engine.begin() as connection:
        if on is None:
            connection.execute(text("DELETE FROM kill_switch"))
        else:
            connection.execute(text(SWITCH), {"on": on})


def insert_fill(connection: Connection, order_id: UUID) -> None:
    connection.execute(text(FILL), {"order_id": order_id})


def copy_fills(connection: Connection, order_id: UUID) -> None:
    rows = "".join(f"{uuid4()}\t{order_id}\tSOL-USDC\tbuy\t1\t100\t0\t0\t2026-03-02 12:00+00\n" for _ in range(3))
    with connection.connection.cursor() as cursor:
        cursor.copy_expert("COPY fills FROM STDIN", io.StringIO(rows))


def copy_orders(connection: Connection, order_id: UUID) -> None:
    signal_id = connection.execute(text("SELECT signal_id FROM orders LIMIT 1")).scalar_one()
    row = f"{uuid4()}\t{uuid4()}\t{signal_id}\tSOL-USDC\tbuy\t1\t\\N\tapproved\t\\N\t2026-03-02 12:00+00\n"
    with connection.connection.cursor() as cursor:
        cursor.copy_expert("COPY orders FROM STDIN", io.StringIO(row))


def order_with(status: str) -> Callable[[Connection, UUID], None]:
    def insert(connection: Connection, order_id: UUID) -> None:
        connection.execute(text(ORDER), {"order_id": order_id, "status": status})

    return insert


def execute_order(connection: Connection, order_id: UUID) -> None:
    connection.execute(text("UPDATE orders SET status = 'executed' WHERE order_id = :id"), {"id": order_id})


def upsert_order(connection: Connection, order_id: UUID) -> None:
    connection.execute(
        text("""INSERT INTO orders SELECT * FROM orders WHERE order_id = :id
                ON CONFLICT (order_id) DO UPDATE SET status = 'executed'"""),
        {"id": order_id},
    )


# What is forbidden, and the trigger without which it would pass.
FORBIDDEN = {
    "fill": (insert_fill, "fills", "guard_kill_switch_insert"),
    "fills by COPY": (copy_fills, "fills", "guard_kill_switch_insert"),
    "proposed order": (order_with("proposed"), "orders", "guard_kill_switch_insert"),
    "approved order": (order_with("approved"), "orders", "guard_kill_switch_insert"),
    "executed order": (order_with("executed"), "orders", "guard_kill_switch_insert"),
    "orders by COPY": (copy_orders, "orders", "guard_kill_switch_insert"),
    "order executed": (execute_order, "orders", "guard_kill_switch_update"),
    "order executed by upsert": (upsert_order, "orders", "guard_kill_switch_update"),
}


@pytest.fixture(params=FORBIDDEN)
def forbidden(request: pytest.FixtureRequest) -> tuple:
    return FORBIDDEN[request.param]


def test_released_desk_lets_it_pass(engine: Engine, order_id: UUID, forbidden: tuple) -> None:
    with engine.begin() as connection:
        forbidden[0](connection, order_id)


@pytest.mark.parametrize("on", [True, None], ids=["on", "row missing"])
def test_halted_or_unknown_switch_refuses_it(engine: Engine, order_id: UUID, forbidden: tuple, on: bool | None) -> None:
    turn(engine, on)
    with engine.connect() as connection:
        for role in ("origin", "replica"):
            connection.execute(text(f"SET session_replication_role = {role}"))
            with refused(HALTED), connection.begin_nested():
                forbidden[0](connection, order_id)


def test_without_its_trigger_it_would_pass(engine: Engine, order_id: UUID, forbidden: tuple) -> None:
    """The test of the tests: each refusal above is the work of the trigger it names."""
    attempt, table, trigger = forbidden
    turn(engine, True)
    with engine.begin() as connection:
        connection.execute(text(f"DROP TRIGGER {trigger} ON {table}"))
        attempt(connection, order_id)


def test_null_state_counts_as_halted(engine: Engine, order_id: UUID) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE kill_switch ALTER enabled DROP NOT NULL"))
        connection.execute(text("UPDATE kill_switch SET enabled = NULL"))
    with engine.connect() as connection, refused(HALTED):
        insert_fill(connection, order_id)


def test_look_alike_table_does_not_deceive_the_guard(engine: Engine, order_id: UUID) -> None:
    turn(engine, True)
    with engine.connect() as connection:
        connection.execute(text("CREATE TEMP TABLE kill_switch (id smallint, enabled boolean)"))
        connection.execute(text("INSERT INTO pg_temp.kill_switch VALUES (1, false)"))
        with refused(HALTED):
            insert_fill(connection, order_id)


@pytest.mark.parametrize("status", ["rejected", "canceled"])
def test_halted_desk_stores_what_does_not_trade(engine: Engine, order_id: UUID, status: str) -> None:
    turn(engine, True)
    with engine.begin() as connection:
        order_with(status)(connection, order_id)


def test_halted_desk_lets_a_resting_order_be_canceled(engine: Engine, order_id: UUID) -> None:
    turn(engine, True)
    with engine.begin() as connection:
        connection.execute(text("UPDATE orders SET status = 'canceled' WHERE order_id = :id"), {"id": order_id})


def test_halted_desk_lets_a_statement_without_rows_pass(engine: Engine, order_id: UUID) -> None:
    """One statement writes a whole cycle; a rejected one inserts no fill with it."""
    turn(engine, True)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO fills SELECT * FROM fills WHERE false"))
        connection.execute(text("UPDATE orders SET status = status WHERE order_id = :id"), {"id": order_id})


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_fill_that_waited_for_a_halt_is_refused(engine: Engine, order_id: UUID, level: str) -> None:
    """It began before the halt committed: the switch must be read after the gate was granted, not with it."""
    outcome: list[str | None] = []

    def fill() -> None:
        with engine.connect().execution_options(isolation_level=level) as connection:
            connection.execute(text("SELECT count(*) FROM kill_switch"))  # takes the snapshot under REPEATABLE READ
            try:
                started.set()
                insert_fill(connection, order_id)
                connection.commit()
                outcome.append(None)
            except DBAPIError as error:
                outcome.append(error.orig.pgcode if error.orig else "?")

    started = threading.Event()
    with engine.begin() as halting:
        halting.execute(text("SELECT pg_advisory_xact_lock(:gate)"), {"gate": GATE})
        writer = threading.Thread(target=fill)
        writer.start()
        assert started.wait(10)
        wait_until_somebody_waits(engine)
        halting.execute(text(SWITCH), {"on": True})
    writer.join(10)
    assert outcome == [HALTED if level == "READ COMMITTED" else SERIALIZATION_FAILURE]


def wait_until_somebody_waits(engine: Engine) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for _ in range(1000):
            if connection.execute(waiting).scalar_one():
                return
            connection.execute(text("SELECT pg_sleep(0.01)"))
    raise AssertionError("nobody came to wait for the gate")


@pytest.mark.parametrize("attempt", [insert_fill, order_with("approved"), execute_order])
def test_switch_cannot_flip_while_a_trade_is_uncommitted(engine: Engine, order_id: UUID, attempt: Callable) -> None:
    """Plain SQL that flips the row waits like the service does: the trigger on the row takes the gate exclusively."""
    with engine.begin() as trading, engine.connect() as halting:
        attempt(trading, order_id)
        halting.execute(text("SET lock_timeout = '50ms'"))
        with refused(LOCK_TIMEOUT):
            halting.execute(text(SWITCH), {"on": True})


def test_without_its_trigger_the_switch_would_flip_under_a_trade(engine: Engine, order_id: UUID) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER guard_gate ON kill_switch"))
    with engine.begin() as trading, engine.begin() as halting:
        insert_fill(trading, order_id)
        halting.execute(text("SET lock_timeout = '50ms'"))
        halting.execute(text(SWITCH), {"on": True})


def test_writer_takes_the_gate_before_the_row_so_that_a_halt_can_cancel_it(engine: Engine, order_id: UUID) -> None:
    """Were the row locked first, the halt that holds the gate and wants the row would meet a deadlock."""
    outcome: list[str | None] = []

    def execute() -> None:
        try:
            with engine.begin() as connection:
                execute_order(connection, order_id)
        except DBAPIError as error:
            outcome.append(error.orig.pgcode if error.orig else "?")

    with engine.begin() as halting:
        halting.execute(text("SELECT pg_advisory_xact_lock(:gate)"), {"gate": GATE})
        writer = threading.Thread(target=execute)
        writer.start()
        wait_until_somebody_waits(engine)
        halting.execute(text("SET LOCAL lock_timeout = '2s'"))
        halting.execute(text(SWITCH), {"on": True})
        halting.execute(text("UPDATE orders SET status = 'canceled' WHERE status = 'approved'"))
    writer.join(10)
    assert outcome == ["PD409"]


def test_gate_that_cannot_be_had_in_time_refuses_the_fill(engine: Engine, order_id: UUID) -> None:
    with engine.begin() as halting, engine.connect() as trading:
        halting.execute(text("SELECT pg_advisory_xact_lock(:gate)"), {"gate": GATE})
        trading.execute(text("SET lock_timeout = '50ms'"))
        with pytest.raises(OperationalError, match="lock timeout"):
            insert_fill(trading, order_id)
