"""The audited tables, and how somebody who has the keys of the database would change them."""

from uuid import UUID

from sqlalchemy import Engine, text

KEYS = {
    "fills": "fill_id",
    "risk_events": "risk_event_id",
    "kill_switch_events": "event_id",
    "order_transitions": "transition_id",
    "policies": "policy_id",
}


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
