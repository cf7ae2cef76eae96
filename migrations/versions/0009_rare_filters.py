"""Indexes for what is rare: the few rows of one rule, action or outcome among millions of others.

Newest first is quick only while what is looked for is common; without these, a list filtered by a rule that seldom
speaks reads its whole table. The fills made from one quote, and the orders that one halt canceled, are looked up too.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def newest_first(table: str, column: str, key: str, where: str | None = None) -> None:
    columns = [column, sa.text("created_at DESC"), sa.text(f"{key} DESC")]
    only = sa.text(where) if where else None
    op.create_index(f"ix_{table}_{column}_created_at", table, columns, postgresql_where=only)


def upgrade() -> None:
    newest_first("risk_events", "rule", "risk_event_id")
    newest_first("risk_events", "action", "risk_event_id")
    newest_first("orders", "risk_reason", "order_id", where="risk_reason IS NOT NULL")
    newest_first("cycles", "outcome", "cycle_id")
    op.create_index("ix_fill_receipts_tick_id", "fill_receipts", ["tick_id"])
    op.create_index(
        "ix_order_transitions_canceled_at",
        "order_transitions",
        ["created_at"],
        postgresql_where=sa.text("to_status = 'canceled'"),
    )


def downgrade() -> None:
    op.drop_index("ix_order_transitions_canceled_at", "order_transitions")
    op.drop_index("ix_fill_receipts_tick_id", "fill_receipts")
    op.drop_index("ix_cycles_outcome_created_at", "cycles")
    op.drop_index("ix_orders_risk_reason_created_at", "orders")
    op.drop_index("ix_risk_events_action_created_at", "risk_events")
    op.drop_index("ix_risk_events_rule_created_at", "risk_events")
