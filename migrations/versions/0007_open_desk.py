"""Open the desk: the default policy as version 1, and the account with its starting cash.

A desk without a policy lets nothing pass, so a new database has one from the start. The numbers are copies, because a
migration must not change when the defaults in the code do.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

POLICY = """{
"starting_cash": "10000", "slippage_bps": 2, "fee_bps": "10", "max_fill_notional": null, "order_ttl_seconds": 300,
"stale_after_seconds": 30, "auto_halt_stale_seconds": 120, "max_order_notional": "1000",
"max_position_notional": "5000", "max_gross_exposure": "8000", "max_open_positions": 5,
"max_loss_per_trade": "100", "max_daily_loss": "300", "max_drawdown": "1000", "cooldown_seconds": 60,
"max_trades_per_hour": 100, "max_trades_per_day": 1200, "min_confidence": "0.6", "min_price_move_5m_pct": "0",
"price_collar_pct": "5", "anomaly_window_seconds": 60,
"anomaly_warn_pct": "5", "anomaly_halt_pct": "10", "allow_short": false
}"""


def upgrade() -> None:
    # No colons may stand before a word here: SQLAlchemy would take them for parameters, hence exec_driver_sql.
    connection = op.get_bind()
    connection.exec_driver_sql(
        "INSERT INTO policies (policy_id, version, limits, actor, reason) "
        "VALUES ('00000000-0000-7000-8000-000000000001', 1, %(limits)s::jsonb, 'migration', 'the default policy') "
        "ON CONFLICT DO NOTHING",
        {"limits": POLICY},
    )
    connection.exec_driver_sql(
        "INSERT INTO account (account_id, starting_cash, cash, fees_paid, peak_nav, peak_since, last_nav) "
        "VALUES (1, 10000, 10000, 0, 10000, now(), 10000) ON CONFLICT DO NOTHING"
    )


def downgrade() -> None:
    """Nothing: the policies cannot be deleted, by design, and both rows go with their tables."""
