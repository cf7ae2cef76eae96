"""Indexes for reading newest first across symbols, and checks that keep NaN out.

`CHECK (x > 0)` lets NaN in, because PostgreSQL sorts it above every number. Infinities need no check:
NUMERIC with a precision cannot hold them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NEWEST_FIRST = (
    ("market_ticks", "event_at", "tick_id"),
    ("signals", "created_at", "signal_id"),
    ("orders", "created_at", "order_id"),
    ("fills", "filled_at", "fill_id"),
    ("portfolio_snapshots", "captured_at", "snapshot_id"),
    ("risk_events", "created_at", "risk_event_id"),
    ("kill_switch_events", "created_at", "event_id"),
    ("devnet_smoke_runs", "ran_at", "run_id"),
)

NUMBERS = {
    "market_ticks": ("bid_price", "ask_price", "mid_price"),
    "orders": ("qty", "limit_price"),
    "fills": ("qty", "fill_price", "fee"),
    "positions": ("qty", "avg_entry_price", "mark_price", "unrealized_pnl"),
    "portfolio_snapshots": ("nav", "cash", "realized_pnl", "unrealized_pnl"),
    "account": ("starting_cash", "cash", "fees_paid", "peak_nav", "last_nav"),
    "position_costs": ("cost", "net_paid", "fees"),
    "fill_receipts": (
        "position_qty_before",
        "position_qty_after",
        "avg_entry_before",
        "avg_entry_after",
        "cash_before",
        "cash_after",
    ),
}


def upgrade() -> None:
    for table, time, key in NEWEST_FIRST:
        op.create_index(f"ix_{table}_{time}_{key}", table, [sa.text(f"{time} DESC"), sa.text(f"{key} DESC")])
    op.create_index("ix_orders_signal_id", "orders", ["signal_id"])
    op.create_index("ix_orders_resting_symbol", "orders", ["symbol"], postgresql_where=sa.text("status = 'approved'"))
    for table, columns in NUMBERS.items():
        condition = " AND ".join(f"{column} <> 'NaN'::numeric" for column in columns)
        op.create_check_constraint(op.f(f"ck_{table}_not_nan"), table, condition)


def downgrade() -> None:
    for table in reversed(NUMBERS):
        op.drop_constraint(f"ck_{table}_not_nan", table)
    op.drop_index("ix_orders_resting_symbol", "orders")
    op.drop_index("ix_orders_signal_id", "orders")
    for table, time, key in reversed(NEWEST_FIRST):
        op.drop_index(f"ix_{table}_{time}_{key}", table)
