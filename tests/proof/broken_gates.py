"""Gates that look right and are not, as test doubles: RELIABILITY section 1 measured each of them.

Each says how a writer asks whether it may trade, and how a halt is made against it. `RIGHT` is the desk's own way, said
in the same words, so that what catches the others is known to let the right one pass. The steps are generators: where
one yields, the other side may run, which forces the interleaving that breaks it instead of waiting for luck.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from webapp.models.locks import GATE

Steps = Iterator[None]
_READ = "SELECT enabled FROM kill_switch WHERE id = 1"
_SHARED = f"SELECT pg_advisory_xact_lock_shared({GATE})"
_EXCLUSIVE = f"SELECT pg_advisory_xact_lock({GATE})"
_FILL = """
INSERT INTO fills SELECT :fill_id, order_id, symbol, side, 1, 100, 0, 0, clock_timestamp()
FROM orders WHERE order_id = :order_id
"""


@dataclass(frozen=True)
class Gate:
    """One way to keep trades and halts apart."""

    name: str
    writer: Callable[[Connection, UUID], Steps]
    halt: Callable[[Connection], Steps]
    isolation: str = "READ COMMITTED"
    fails_by: str = "late fill"


# --- halts ----------------------------------------------------------------------------------------------------------
def flip(connection: Connection, enabled: bool) -> None:
    """The switch and its event."""
    values = {"id": uuid4(), "on": enabled}
    connection.execute(text("UPDATE kill_switch SET enabled = :on, event_id = :id"), values)
    event = "INSERT INTO kill_switch_events (event_id, enabled, actor, created_at) VALUES (:id, :on, 'test', now())"
    connection.execute(text(event), values)


def cancel_orders(connection: Connection) -> None:
    connection.execute(text("UPDATE orders SET status = 'canceled' WHERE status = 'approved'"))


def just_flip(connection: Connection) -> Steps:
    """A halt that trusts the writers to look."""
    flip(connection, True)
    yield


def gate_then_flip(connection: Connection) -> Steps:
    """The desk's own order: gate, switch, orders."""
    connection.execute(text(_EXCLUSIVE))
    yield
    flip(connection, True)
    cancel_orders(connection)


def cancel_then_gate(connection: Connection) -> Steps:
    """The orders first, which a writer inside the gate may be waiting for."""
    cancel_orders(connection)
    yield
    connection.execute(text(_EXCLUSIVE))
    flip(connection, True)


# --- writers --------------------------------------------------------------------------------------------------------
def fill(connection: Connection, order_id: UUID) -> None:
    connection.execute(text(_FILL), {"fill_id": uuid4(), "order_id": order_id})


def looking(*statements: str) -> Callable[[Connection, UUID], Steps]:
    """A writer that looks at the switch by the last of these statements, and fills if it is off."""

    def write(connection: Connection, order_id: UUID) -> Steps:
        for statement in statements:
            found = connection.execute(text(statement))
        if found.scalar_one() is not False:
            return
        yield
        fill(connection, order_id)

    return write


def not_looking(connection: Connection, order_id: UUID) -> Steps:
    yield
    fill(connection, order_id)


def letting_go_early(connection: Connection, order_id: UUID) -> Steps:
    """The gate is held while looking, and no longer."""
    connection.execute(text(f"SELECT pg_advisory_lock_shared({GATE})"))
    on = connection.execute(text(_READ)).scalar_one()
    connection.execute(text(f"SELECT pg_advisory_unlock_shared({GATE})"))
    if on is not False:
        return
    yield
    fill(connection, order_id)


def remembering(connection: Connection, order_id: UUID) -> Steps:
    """What was read in a transaction before is believed once the gate is held."""
    on = connection.execute(text(_READ)).scalar_one()
    connection.rollback()
    yield
    connection.execute(text(_SHARED))
    if on is False:
        fill(connection, order_id)


def gate_then_order(connection: Connection, order_id: UUID) -> Steps:
    """The desk's own order, for a writer that executes what rests: gate, switch, order."""
    connection.execute(text(_SHARED))
    if connection.execute(text(_READ)).scalar_one() is not False:
        return
    yield
    execute_order(connection, order_id)


def order_then_gate(connection: Connection, order_id: UUID) -> Steps:
    """The order's row first, the gate last."""
    execute_order(connection, order_id)
    yield
    connection.execute(text(_SHARED))
    connection.execute(text(_READ))


def execute_order(connection: Connection, order_id: UUID) -> None:
    change = "UPDATE orders SET status = 'executed' WHERE order_id = :id AND status = 'approved'"
    if connection.execute(text(change), {"id": order_id}).rowcount:
        fill(connection, order_id)


RIGHT = [
    Gate("gate, then the flag in a second statement", looking(_SHARED, _READ), gate_then_flip),
    Gate("gate, then the flag, then the order", gate_then_order, gate_then_flip),
]
BROKEN = [
    Gate("no gate at all", not_looking, just_flip),
    Gate("plain read of the flag", looking(_READ), just_flip),
    Gate("FOR KEY SHARE", looking(f"{_READ} FOR KEY SHARE"), just_flip),
    Gate("lock and flag in one statement", looking(f"{_READ} AND ({_SHARED}) IS NOT NULL"), gate_then_flip),
    Gate("REPEATABLE READ", looking(_SHARED, _READ), gate_then_flip, "REPEATABLE READ"),
    Gate("SERIALIZABLE alone", looking(_READ), just_flip, "SERIALIZABLE"),
    Gate("the gate let go before the commit", letting_go_early, gate_then_flip),
    Gate("the flag read before the gate", remembering, gate_then_flip),
    Gate("orders canceled before the flag", gate_then_order, cancel_then_gate, fails_by="deadlock"),
    Gate("gate taken last by the writer", order_then_gate, gate_then_flip, fails_by="deadlock"),
]
