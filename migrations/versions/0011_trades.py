"""Closed trades and sums of them by hour and day, so that statistics cost the same on any desk.

They are what the domain's fold of fills makes, and are rolled up behind the trading, never in its way; `books rebuild`
makes them anew.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

AMOUNT = sa.Numeric(38, 16)
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "round_trips",
        sa.Column("fill_id", sa.Uuid(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT, nullable=False),
        sa.Column("qty", sa.Numeric(38, 8), nullable=False),
        sa.Column("entered", AMOUNT, nullable=False),
        sa.Column("exited", AMOUNT, nullable=False),
        sa.Column("fees", sa.Numeric(48, 24), nullable=False),
        sa.Column("net", sa.Numeric(48, 24), nullable=False),
        sa.Column("fills", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("side IN ('buy', 'sell')", name=op.f("ck_round_trips_side")),
        sa.PrimaryKeyConstraint("fill_id", name=op.f("pk_round_trips")),
    )
    op.create_index(
        "ix_round_trips_closed_at_fill_id", "round_trips", [sa.text("closed_at DESC"), sa.text("fill_id DESC")]
    )
    op.create_table(
        "trade_buckets",
        sa.Column("width_seconds", sa.Integer(), nullable=False),
        sa.Column("bucket_at", MOMENT, nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("fills", sa.BigInteger(), nullable=False),
        sa.Column("bought_qty", sa.Numeric(38, 8), nullable=False),
        sa.Column("sold_qty", sa.Numeric(38, 8), nullable=False),
        sa.Column("bought", AMOUNT, nullable=False),
        sa.Column("sold", AMOUNT, nullable=False),
        sa.Column("fees", AMOUNT, nullable=False),
        sa.Column("trades", sa.BigInteger(), nullable=False),
        sa.Column("wins", sa.BigInteger(), nullable=False),
        sa.Column("losses", sa.BigInteger(), nullable=False),
        sa.Column("won", sa.Numeric(48, 24), nullable=False),
        sa.Column("lost", sa.Numeric(48, 24), nullable=False),
        sa.Column("held_seconds", sa.Numeric(30, 6), nullable=False),
        sa.CheckConstraint("width_seconds IN (3600, 86400)", name=op.f("ck_trade_buckets_width")),
        sa.PrimaryKeyConstraint("width_seconds", "bucket_at", "symbol", name=op.f("pk_trade_buckets")),
    )
    op.create_table(
        "trade_rollup",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("filled_at", MOMENT, nullable=False),
        sa.Column("fill_id", sa.Uuid(), nullable=False),
        sa.Column("fills", sa.BigInteger(), nullable=False),
        sa.Column("open", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_trade_rollup_only_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trade_rollup")),
    )


def downgrade() -> None:
    op.drop_table("trade_rollup")
    op.drop_table("trade_buckets")
    op.drop_table("round_trips")
