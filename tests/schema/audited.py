"""The audited tables, and how somebody who has the keys of the database would change them."""

from uuid import UUID, uuid4

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests import builders
from webapp.models import Act, KillSwitchEvent, OrderTransition

KEYS = {
    "fills": "fill_id",
    "risk_events": "risk_event_id",
    "kill_switch_events": "event_id",
    "order_transitions": "transition_id",
    "policies": "policy_id",
    "acts": "act_id",
}
MOVE_HEAD = "UPDATE audit_head SET (seq, hash) = (SELECT seq, row_hash FROM audit_chain ORDER BY seq DESC LIMIT 1)"


def tamper(engine: Engine, *statements: str) -> None:
    """Change rows behind the triggers' back, as somebody with the keys of the database could."""
    with engine.begin() as connection:
        for table in [*KEYS, "audit_chain"]:
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in statements:
            assert connection.execute(text(statement)).rowcount > 0, statement
        for table in [*KEYS, "audit_chain"]:
            connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))


def seq_of(engine: Engine, row_id: UUID) -> int:
    with engine.connect() as connection:
        seq = text("SELECT seq FROM audit_chain WHERE row_id = :id")
        return connection.execute(seq, {"id": row_id}).scalar_one()


def two_more_each(session: Session) -> None:
    """Two further rows in every audited table, turn about, no two of a table the same."""
    for turn, step in enumerate(("proposed", "canceled")):
        order_id = builders.order(session, status=step, qty=100)
        builders.risk_event(session, order_id, rule=f"RULE_{turn}")
        builders.policy(session, version=10 + turn, max_trades_per_day=100 + turn)
        event = {"event_id": uuid4(), "enabled": bool(turn), "reason": f"turn {turn}", "actor": "bob"}
        builders.add(session, KillSwitchEvent, event)
        builders.fill(session, order_id, qty=70 + turn)
        row = {"transition_id": uuid4(), "order_id": order_id, "to_status": step, "actor": "test"}
        builders.add(session, OrderTransition, row)
        act = {"act_id": uuid4(), "act": "login", "actor": f"user:bob{turn}", "details": {"turn": turn}}
        builders.add(session, Act, act)


def chained(engine: Engine, table: str) -> list[UUID]:
    """The ids of a table's rows, in the order of the chain."""
    with engine.connect() as connection:
        ids = text("SELECT row_id FROM audit_chain WHERE source = :table ORDER BY seq")
        return list(connection.execute(ids, {"table": table}).scalars())


def after(engine: Engine, row_id: UUID) -> tuple[int, str, UUID]:
    """The link that follows that of a row: its number, and whose it is."""
    with engine.connect() as connection:
        link = text(
            "SELECT n.seq, n.source, n.row_id FROM audit_chain c JOIN audit_chain n ON n.seq = c.seq + 1 "
            "WHERE c.row_id = :id"
        )
        return tuple(connection.execute(link, {"id": row_id}).one())


def columns(engine: Engine, table: str) -> list[str]:
    """What may be swapped between two rows: everything but what names them."""
    with engine.connect() as connection:
        names = text("SELECT column_name FROM information_schema.columns WHERE table_name = :table ORDER BY 1")
        found = connection.execute(names, {"table": table}).scalars()
        return [name for name in found if name not in (KEYS[table], "version")]
