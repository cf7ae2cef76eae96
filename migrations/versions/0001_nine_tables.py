"""The nine tables, exactly as the schema gives them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MONEY = sa.Numeric(18, 8)
TIME = sa.DateTime(timezone=True)
SIDES = "side IN ('buy', 'sell')"
STATUSES = "status IN ('proposed', 'approved', 'rejected', 'executed', 'canceled')"


def now(name: str) -> sa.Column:
    return sa.Column(name, TIME, server_default=sa.text("now()"), nullable=False)


def document(name: str) -> sa.Column:
    return sa.Column(name, postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False)


def money(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, MONEY, nullable=nullable)


def key(name: str) -> sa.Column:
    return sa.Column(name, sa.Uuid(), nullable=False)


def words(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=nullable)


def create_market_ticks() -> None:
    op.create_table(
        "market_ticks",
        key("tick_id"),
        words("symbol"),
        money("bid_price"),
        money("ask_price"),
        money("mid_price"),
        sa.Column("spread_bps", sa.Integer(), nullable=False),
        sa.Column("event_at", TIME, nullable=False),
        now("created_at"),
        sa.PrimaryKeyConstraint("tick_id", name="pk_market_ticks"),
        sa.CheckConstraint("ask_price >= bid_price", name=op.f("ck_market_ticks_ask_not_below_bid")),
    )
    op.create_index("ix_market_ticks_symbol_event_at", "market_ticks", ["symbol", sa.text("event_at DESC")])


def create_signals() -> None:
    op.create_table(
        "signals",
        key("signal_id"),
        key("cycle_id"),
        words("symbol"),
        words("side"),
        sa.Column("confidence", sa.Numeric(6, 5), nullable=False),
        document("strategy_payload"),
        now("created_at"),
        sa.PrimaryKeyConstraint("signal_id", name="pk_signals"),
        sa.CheckConstraint(SIDES, name=op.f("ck_signals_side")),
        sa.CheckConstraint("confidence >= 0 AND confidence <= 1", name=op.f("ck_signals_confidence_range")),
    )
    op.create_index("ix_signals_cycle_id", "signals", ["cycle_id"])
    op.create_index("ix_signals_symbol_created_at", "signals", ["symbol", sa.text("created_at DESC")])


def create_orders() -> None:
    op.create_table(
        "orders",
        key("order_id"),
        key("cycle_id"),
        key("signal_id"),
        words("symbol"),
        words("side"),
        money("qty"),
        money("limit_price", nullable=True),
        words("status"),
        words("risk_reason", nullable=True),
        now("created_at"),
        sa.PrimaryKeyConstraint("order_id", name="pk_orders"),
        sa.ForeignKeyConstraint(["signal_id"], ["signals.signal_id"], name="fk_orders_signal_id_signals"),
        sa.CheckConstraint(SIDES, name=op.f("ck_orders_side")),
        sa.CheckConstraint(STATUSES, name=op.f("ck_orders_status")),
        sa.CheckConstraint("qty > 0", name=op.f("ck_orders_qty_positive")),
    )
    op.create_index("ix_orders_cycle_id", "orders", ["cycle_id"])
    op.create_index("ix_orders_symbol_created_at", "orders", ["symbol", sa.text("created_at DESC")])
    op.create_index("ix_orders_status_created_at", "orders", ["status", sa.text("created_at DESC")])


def create_fills() -> None:
    op.create_table(
        "fills",
        key("fill_id"),
        key("order_id"),
        words("symbol"),
        words("side"),
        money("qty"),
        money("fill_price"),
        sa.Column("fee", MONEY, server_default=sa.text("0"), nullable=False),
        sa.Column("slippage_bps", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("filled_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("fill_id", name="pk_fills"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name="fk_fills_order_id_orders"),
        sa.CheckConstraint(SIDES, name=op.f("ck_fills_side")),
        sa.CheckConstraint("qty > 0", name=op.f("ck_fills_qty_positive")),
        sa.CheckConstraint("slippage_bps >= 0", name=op.f("ck_fills_slippage_not_negative")),
    )
    op.create_index("ix_fills_order_id_filled_at", "fills", ["order_id", sa.text("filled_at DESC")])
    op.create_index("ix_fills_symbol_filled_at", "fills", ["symbol", sa.text("filled_at DESC")])


def create_positions() -> None:
    op.create_table(
        "positions",
        words("symbol"),
        money("qty"),
        money("avg_entry_price"),
        money("mark_price"),
        money("unrealized_pnl"),
        now("updated_at"),
        sa.PrimaryKeyConstraint("symbol", name="pk_positions"),
    )


def create_portfolio_snapshots() -> None:
    op.create_table(
        "portfolio_snapshots",
        key("snapshot_id"),
        money("nav"),
        money("cash"),
        money("realized_pnl"),
        money("unrealized_pnl"),
        sa.Column("captured_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("snapshot_id", name="pk_portfolio_snapshots"),
    )
    op.create_index("ix_portfolio_snapshots_captured_at", "portfolio_snapshots", [sa.text("captured_at DESC")])


def create_risk_events() -> None:
    op.create_table(
        "risk_events",
        key("risk_event_id"),
        key("order_id"),
        words("action"),
        words("rule"),
        document("details"),
        now("created_at"),
        sa.PrimaryKeyConstraint("risk_event_id", name="pk_risk_events"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name="fk_risk_events_order_id_orders"),
        sa.CheckConstraint("action IN ('blocked', 'allowed', 'warned')", name=op.f("ck_risk_events_action")),
    )
    op.create_index("ix_risk_events_order_id_created_at", "risk_events", ["order_id", sa.text("created_at DESC")])
    op.create_index("ix_risk_events_created_at", "risk_events", [sa.text("created_at DESC")])


def create_kill_switch_events() -> None:
    op.create_table(
        "kill_switch_events",
        key("event_id"),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        words("reason", nullable=True),
        words("actor", nullable=True),
        now("created_at"),
        sa.PrimaryKeyConstraint("event_id", name="pk_kill_switch_events"),
    )


def create_devnet_smoke_runs() -> None:
    op.create_table(
        "devnet_smoke_runs",
        key("run_id"),
        words("status"),
        sa.Column("rpc_latency_ms", sa.Integer(), nullable=True),
        words("wallet_check", nullable=True),
        words("tx_simulation", nullable=True),
        sa.Column("ran_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_devnet_smoke_runs"),
        sa.CheckConstraint("status IN ('passed', 'failed')", name=op.f("ck_devnet_smoke_runs_status")),
    )
    op.create_index("ix_devnet_smoke_runs_ran_at", "devnet_smoke_runs", [sa.text("ran_at DESC")])


def upgrade() -> None:
    create_market_ticks()
    create_signals()
    create_orders()
    create_fills()
    create_positions()
    create_portfolio_snapshots()
    create_risk_events()
    create_kill_switch_events()
    create_devnet_smoke_runs()


def downgrade() -> None:
    for table in (
        "devnet_smoke_runs",
        "kill_switch_events",
        "risk_events",
        "portfolio_snapshots",
        "positions",
        "fills",
        "orders",
        "signals",
        "market_ticks",
    ):
        op.drop_table(table)
