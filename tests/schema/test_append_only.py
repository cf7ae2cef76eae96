"""What may only be appended is refused any change by the database itself; an order only moves along its states."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, insert, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests import builders
from webapp.domain.orders import TRANSITIONS, OrderStatus
from webapp.models import Act, FillReceipt, KillSwitchEvent, OrderTransition

APPEND_ONLY, NO_SUCH_STEP = "PD001", "PD409"
TABLES = [
    *("risk_events", "kill_switch_events", "fills", "order_transitions", "policies", "fill_receipts", "acts"),
    "audit_chain",
]
UPDATE, DELETE, TRUNCATE = "UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"
CHANGES = [UPDATE, UPDATE + " WHERE false", DELETE, TRUNCATE]
STATUSES = list(OrderStatus)


@contextmanager
def refused(code: str) -> Iterator[None]:
    with pytest.raises(DBAPIError) as caught:
        yield
    assert caught.value.orig is not None
    assert caught.value.orig.pgcode == code


@pytest.fixture
def one_row_each(session: Session) -> None:
    """A row in every append-only table; a change of no rows would prove little."""
    order_id = builders.order(session)
    fill_id = builders.fill(session, order_id)
    builders.risk_event(session, order_id)
    builders.add(session, KillSwitchEvent, {"event_id": uuid4(), "enabled": False})
    step = {"transition_id": uuid4(), "order_id": order_id, "to_status": "executed", "actor": "test"}
    builders.add(session, OrderTransition, step)
    before_and_after = ("position_qty", "avg_entry", "cash", "nav")
    numbers = {f"{name}_{when}": 1 for name in before_and_after for when in ("before", "after")}
    builders.add(session, Act, {"act_id": uuid4(), "act": "login", "actor": "user:ada"})
    session.execute(insert(FillReceipt), [{"fill_id": fill_id, **numbers}])
    session.commit()


def key_of(engine: Engine, table: str) -> str:
    with engine.connect() as connection:
        rows = text("SELECT column_name FROM information_schema.columns WHERE table_name = :t AND ordinal_position = 1")
        return connection.execute(rows, {"t": table}).scalar_one()


@pytest.mark.parametrize("role", ["origin", "replica"])
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.usefixtures("one_row_each")
def test_append_only_table_refuses_every_change(engine: Engine, table: str, role: str) -> None:
    key = key_of(engine, table)
    with engine.connect() as connection:
        connection.execute(text(f"SET session_replication_role = {role}"))
        for change in CHANGES:
            with refused(APPEND_ONLY), connection.begin_nested():
                connection.execute(text(change.format(table, key)))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.usefixtures("one_row_each")
def test_without_its_trigger_the_row_could_be_changed(engine: Engine, table: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"DROP TRIGGER guard_append_only ON {table}"))
        key = key_of(engine, table)
        assert connection.execute(text(UPDATE.format(table, key))).rowcount >= 1


@pytest.mark.parametrize("role", ["origin", "replica"])
def test_orders_cannot_be_removed(engine: Engine, session: Session, role: str) -> None:
    builders.order(session, status="approved")
    with engine.connect() as connection:
        connection.execute(text(f"SET session_replication_role = {role}"))
        for change in (DELETE, TRUNCATE):
            with refused(APPEND_ONLY), connection.begin_nested():
                connection.execute(text(change.format("orders")))


@pytest.mark.parametrize("before", STATUSES)
def test_order_moves_only_along_the_transition_table(engine: Engine, session: Session, before: str) -> None:
    """By plain SQL, with the role that switches ordinary triggers off."""
    order_id = builders.order(session, status=before)
    move = text("UPDATE orders SET status = :status WHERE order_id = :id")
    with engine.connect() as connection:
        connection.execute(text("SET session_replication_role = replica"))
        for after in STATUSES:
            step = connection.begin_nested()
            if before == after or after in TRANSITIONS[OrderStatus(before)]:
                assert connection.execute(move, {"status": after, "id": order_id}).rowcount == 1
            else:
                with refused(NO_SUCH_STEP):
                    connection.execute(move, {"status": after, "id": order_id})
            step.rollback()


def test_order_may_be_inserted_in_any_state(session: Session) -> None:
    """The desk decides before it writes, so most orders are born in their last state."""
    for status in STATUSES:
        assert builders.order(session, status=status)


def test_nothing_but_the_state_of_an_order_changes(engine: Engine, session: Session) -> None:
    order_id = builders.order(session, status="approved")
    with engine.connect() as connection:
        for change in (
            "qty = qty * 2",
            "limit_price = 5",
            "side = 'sell'",
            "symbol = 'BTC-USDC'",
            "created_at = created_at + interval '1 second'",
            "cycle_id = gen_random_uuid()",
            "order_id = gen_random_uuid()",
            "risk_reason = 'because'",
            "status = 'executed', qty = qty * 2",
        ):
            with refused(APPEND_ONLY), connection.begin_nested():
                connection.execute(text(f"UPDATE orders SET {change} WHERE order_id = :id"), {"id": order_id})


def test_reason_of_an_order_changes_with_its_state(engine: Engine, session: Session) -> None:
    order_id = builders.order(session, status="proposed")
    with engine.begin() as connection:
        connection.execute(text("UPDATE orders SET status = 'rejected', risk_reason = 'MAX_ORDER_NOTIONAL'"))
        reason = text("SELECT risk_reason FROM orders WHERE order_id = :id")
        assert connection.execute(reason, {"id": order_id}).scalar_one() == "MAX_ORDER_NOTIONAL"


def test_without_its_trigger_an_executed_order_could_become_proposed(engine: Engine, session: Session) -> None:
    order_id: UUID = builders.order(session, status="executed")
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER guard_states ON orders"))
        back = text("UPDATE orders SET status = 'proposed', qty = 7 WHERE order_id = :id")
        assert connection.execute(back, {"id": order_id}).rowcount == 1


def test_every_trigger_of_the_desk_fires_for_replicas_too(engine: Engine) -> None:
    ordinary = text("""SELECT tgrelid::regclass::text, tgname FROM pg_trigger
        WHERE NOT tgisinternal AND tgenabled <> 'A'""")
    with engine.connect() as connection:
        assert connection.execute(ordinary).all() == []
