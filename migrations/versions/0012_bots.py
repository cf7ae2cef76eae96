"""Bots one by one: a token may be paused and have limits of its own, and what it did can be counted.

Counts of what leaves no row (answers given again, requests turned away) are kept with the token; the rest is counted
from the cycles, by an index over those that tokens asked for.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

COUNTS = ("replays", "limited", "refused")


def upgrade() -> None:
    for column in (
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_by", sa.Text(), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("max_order_notional", sa.Numeric(18, 8), nullable=True),
        sa.Column("cycles_per_minute", sa.Integer(), nullable=True),
        *(sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False) for name in COUNTS),
    ):
        op.add_column("api_tokens", column)
    op.create_check_constraint(
        op.f("ck_api_tokens_caps"),
        "api_tokens",
        "max_order_notional > 0 AND max_order_notional <> 'NaN'::numeric AND cycles_per_minute > 0",
    )
    op.create_index(
        "ix_cycles_of_tokens",
        "cycles",
        ["actor", sa.text("created_at DESC")],
        postgresql_include=["outcome", "reason", "strategy"],
        postgresql_where=sa.text("actor LIKE 'token:%'"),
    )


def downgrade() -> None:
    op.drop_index("ix_cycles_of_tokens", "cycles")
    op.drop_constraint(op.f("ck_api_tokens_caps"), "api_tokens")
    for name in (
        *reversed(COUNTS),
        "cycles_per_minute",
        "max_order_notional",
        "pause_reason",
        "paused_by",
        "paused_at",
        "revoked_by",
    ):
        op.drop_column("api_tokens", name)
