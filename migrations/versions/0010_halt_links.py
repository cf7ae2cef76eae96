"""A halt's place in the audit chain is looked up by its event; without this that reads the whole chain.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_audit_chain_kill_switch_events",
        "audit_chain",
        ["row_id"],
        postgresql_where=sa.text("source = 'kill_switch_events'"),
    )


def downgrade() -> None:
    op.drop_index("ix_audit_chain_kill_switch_events", "audit_chain")
