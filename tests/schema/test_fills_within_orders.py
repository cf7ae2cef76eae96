"""Never more than was ordered, nothing for an order that was rejected or canceled, no quote twice: whoever writes."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from uuid import UUID, uuid4

import psycopg2
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests import builders
from webapp.models import OrderTransition

REFUSED, SERIALIZATION_FAILURE = "PD409", "40001"
FILL = "INSERT INTO fills VALUES (gen_random_uuid(), :order_id, 'SOL-USDC', 'buy', :qty, 100, 0, 0, now())"
RECEIPT = """INSERT INTO fill_receipts (fill_id, tick_id, position_qty_before, position_qty_after, avg_entry_before,
    avg_entry_after, cash_before, cash_after) VALUES (:fill_id, :tick_id, 0, 0, 0, 0, 0, 0)"""
Fills = Callable[[Connection, UUID, list[str]], None]


@contextmanager
def refused(code: str = REFUSED) -> Iterator[None]:
    """COPY goes to the driver itself, whose error is not wrapped."""
    with pytest.raises((DBAPIError, psycopg2.Error)) as caught:
        yield
    assert getattr(caught.value, "orig", caught.value).pgcode == code


def one_by_one(connection: Connection, order_id: UUID, quantities: list[str]) -> None:
    for qty in quantities:
        connection.execute(text(FILL), {"order_id": order_id, "qty": qty})


def by_copy(connection: Connection, order_id: UUID, quantities: list[str]) -> None:
    rows = "".join(f"{uuid4()}\t{order_id}\tSOL-USDC\tbuy\t{qty}\t100\t0\t0\tnow\n" for qty in quantities)
    with connection.connection.cursor() as cursor:
        cursor.copy_expert("COPY fills FROM STDIN", io.StringIO(rows))


@pytest.fixture
def order_id(session: Session) -> UUID:
    """An order of three units."""
    return builders.order(session, status="approved", qty=Decimal(3))


@pytest.fixture(params=[one_by_one, by_copy])
def fill(request: pytest.FixtureRequest) -> Fills:
    return request.param


def record(session: Session, order_id: UUID, status: str) -> None:
    """A step of the order, in a transaction of its own."""
    step = {"transition_id": uuid4(), "order_id": order_id, "to_status": status, "actor": "test"}
    builders.add(session, OrderTransition, step)


def test_order_may_be_filled_to_its_last_digit(engine: Engine, order_id: UUID, fill: Fills) -> None:
    with engine.begin() as connection:
        fill(connection, order_id, ["1", "0.00000001", "1.99999999"])


@pytest.mark.parametrize("role", ["origin", "replica"])
def test_more_than_was_ordered_is_refused(engine: Engine, order_id: UUID, fill: Fills, role: str) -> None:
    with engine.begin() as connection:
        fill(connection, order_id, ["1"])
    with engine.connect() as connection:
        connection.execute(text(f"SET session_replication_role = {role}"))
        with refused():
            fill(connection, order_id, ["1", "1.00000001"])


def test_one_order_too_full_among_many_is_found(engine: Engine, session: Session) -> None:
    orders = [builders.order(session, qty=Decimal(1)) for _ in range(20)]
    both = text("INSERT INTO fills SELECT gen_random_uuid(), order_id, symbol, side, qty, 1, 0, 0, now() FROM orders")
    with engine.begin() as connection:
        connection.execute(both)
    with engine.connect() as connection, refused():
        connection.execute(
            text("INSERT INTO fills SELECT gen_random_uuid(), :id, 'SOL-USDC', 'buy', 0.5, 1, 0, 0, now()"),
            {"id": orders[13]},
        )


def test_rejected_order_is_never_filled(engine: Engine, session: Session, fill: Fills) -> None:
    order_id = builders.order(session, status="rejected")
    with engine.connect() as connection, refused():
        fill(connection, order_id, ["0.1"])


def test_order_that_was_canceled_before_is_not_filled(
    engine: Engine, session: Session, order_id: UUID, fill: Fills
) -> None:
    with engine.begin() as connection:
        fill(connection, order_id, ["1"])
        connection.execute(text("UPDATE orders SET status = 'canceled'"))
    record(session, order_id, "canceled")
    with engine.connect() as connection, refused():
        fill(connection, order_id, ["1"])


def test_order_written_with_its_whole_life_may_end_canceled(engine: Engine, session: Session, fill: Fills) -> None:
    """As a replay writes it: the order as it ended, then how it came to that."""
    order_id = builders.order(session, status="canceled")
    with engine.begin() as connection:
        step = "INSERT INTO order_transitions VALUES (gen_random_uuid(), :id, 'approved', 'canceled', 'test')"
        connection.execute(text(step), {"id": order_id})
        fill(connection, order_id, ["0.5"])


def test_canceled_order_of_another_program_brings_its_fills(engine: Engine, session: Session, fill: Fills) -> None:
    order_id = builders.order(session, status="canceled")
    with engine.begin() as connection:
        fill(connection, order_id, ["0.5"])


@pytest.mark.parametrize(("level", "code"), [("READ COMMITTED", REFUSED), ("REPEATABLE READ", SERIALIZATION_FAILURE)])
def test_two_that_fill_one_order_at_once_do_not_fill_it_twice(
    engine: Engine, order_id: UUID, level: str, code: str
) -> None:
    outcome: list[str | None] = []
    started = threading.Event()

    def second() -> None:
        with engine.connect().execution_options(isolation_level=level) as connection:
            connection.execute(text("SELECT count(*) FROM fills"))
            started.set()
            try:
                one_by_one(connection, order_id, ["2"])
                connection.commit()
                outcome.append(None)
            except DBAPIError as error:
                outcome.append(error.orig.pgcode if error.orig else "?")

    with engine.begin() as connection:
        one_by_one(connection, order_id, ["2"])
        thread = threading.Thread(target=second)
        thread.start()
        assert started.wait(10)
        wait_until_somebody_waits(connection)
    thread.join(10)
    assert outcome == [code]


def wait_until_somebody_waits(connection: Connection) -> None:
    """For the transaction of this connection, which holds the head of the audit chain."""
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
    for _ in range(1000):
        if connection.execute(waiting).scalar_one():
            return
        connection.execute(text("SELECT pg_sleep(0.01)"))
    raise AssertionError("nobody came to wait")


def receipt(session: Session, order_id: UUID, tick_id: UUID | None) -> None:
    fill_id = builders.fill(session, order_id)
    session.execute(text(RECEIPT), {"fill_id": fill_id, "tick_id": tick_id})
    session.commit()


def test_quote_fills_an_order_once(session: Session, order_id: UUID) -> None:
    tick_id = uuid4()
    receipt(session, order_id, tick_id)
    with refused():
        receipt(session, order_id, tick_id)


def test_other_quotes_other_orders_and_unknown_quotes_fill(session: Session, order_id: UUID) -> None:
    tick_id, other = uuid4(), builders.order(session)
    for order, tick in ((order_id, tick_id), (other, tick_id), (order_id, uuid4()), (order_id, None)):
        receipt(session, order, tick)


def test_two_receipts_of_one_statement_are_held_against_each_other(session: Session, order_id: UUID) -> None:
    fills = [builders.fill(session, order_id) for _ in range(2)]
    with refused():
        session.execute(
            text("""INSERT INTO fill_receipts (fill_id, tick_id, position_qty_before, position_qty_after,
                avg_entry_before, avg_entry_after, cash_before, cash_after)
                SELECT unnest(CAST(:fills AS uuid[])), CAST(:tick_id AS uuid), 0, 0, 0, 0, 0, 0"""),
            {"fills": fills, "tick_id": uuid4()},
        )


@pytest.mark.parametrize(
    ("trigger", "table"), [("keep_within_orders", "fills"), ("keep_once_a_quote", "fill_receipts")]
)
def test_without_its_trigger_it_would_pass(
    engine: Engine, session: Session, order_id: UUID, trigger: str, table: str
) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"DROP TRIGGER {trigger} ON {table}"))
    tick_id = uuid4()
    if table == "fills":
        with engine.begin() as connection:
            one_by_one(connection, order_id, ["3", "3"])
    else:
        receipt(session, order_id, tick_id)
        receipt(session, order_id, tick_id)
