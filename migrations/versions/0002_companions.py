"""Companion tables: what the desk needs beside the nine.

The kill switch begins off and the audit chain empty, as rows: a missing row means halted, so it must be there.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MONEY = sa.Numeric(18, 8)
EXACT = sa.Numeric(38, 16)
TIME = sa.DateTime(timezone=True)
STATUS_VALUES = "('proposed', 'approved', 'rejected', 'executed', 'canceled')"
GENESIS_HASH = "0" * 64


def now(name: str) -> sa.Column:
    return sa.Column(name, TIME, server_default=sa.text("now()"), nullable=False)


def time(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, TIME, nullable=nullable)


def document(name: str) -> sa.Column:
    return sa.Column(name, postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False)


def money(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, MONEY, nullable=nullable)


def exact(name: str) -> sa.Column:
    return sa.Column(name, EXACT, nullable=False)


def key(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Uuid(), nullable=nullable)


def words(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=nullable)


def number(name: str, kind: type = sa.Integer, nullable: bool = False, default: str | None = None) -> sa.Column:
    """Numbered by the desk, never by a sequence: an integer primary key would otherwise become a SERIAL."""
    server_default = sa.text(default) if default else None
    return sa.Column(name, kind(), nullable=nullable, server_default=server_default, autoincrement=False)


def create_policies() -> None:
    op.create_table(
        "policies",
        key("policy_id"),
        number("version"),
        sa.Column("limits", postgresql.JSONB(), nullable=False),
        document("difference"),
        words("actor"),
        words("reason", nullable=True),
        now("created_at"),
        sa.PrimaryKeyConstraint("policy_id", name="pk_policies"),
        sa.UniqueConstraint("version", name="uq_policies_version"),
    )


def create_account() -> None:
    op.create_table(
        "account",
        number("account_id", sa.SmallInteger),
        money("starting_cash"),
        exact("cash"),
        exact("fees_paid"),
        money("peak_nav"),
        time("peak_since"),
        money("last_nav"),
        now("updated_at"),
        sa.PrimaryKeyConstraint("account_id", name="pk_account"),
        sa.CheckConstraint("account_id = 1", name=op.f("ck_account_only_row")),
    )


def create_position_costs() -> None:
    op.create_table(
        "position_costs",
        words("symbol"),
        sa.Column("cost", sa.Numeric(60, 24), nullable=False),
        exact("net_paid"),
        exact("fees"),
        time("last_fill_at", nullable=True),
        sa.PrimaryKeyConstraint("symbol", name="pk_position_costs"),
    )


def create_cycles() -> None:
    op.create_table(
        "cycles",
        key("cycle_id"),
        words("symbol"),
        words("trigger_source"),
        words("strategy", nullable=True),
        words("actor"),
        words("outcome"),
        key("tick_id", nullable=True),
        key("order_id", nullable=True),
        key("signal_id", nullable=True),
        number("policy_version", nullable=True),
        words("reason", nullable=True),
        now("created_at"),
        sa.PrimaryKeyConstraint("cycle_id", name="pk_cycles"),
        sa.CheckConstraint(
            "outcome IN ('executed', 'resting', 'no_signal', 'blocked')", name=op.f("ck_cycles_outcome")
        ),
    )
    op.create_index("ix_cycles_created_at_cycle_id", "cycles", [sa.text("created_at DESC"), sa.text("cycle_id DESC")])
    op.create_index("ix_cycles_symbol_created_at", "cycles", ["symbol", sa.text("created_at DESC")])


def create_order_transitions() -> None:
    op.create_table(
        "order_transitions",
        key("transition_id"),
        key("order_id"),
        words("from_status", nullable=True),
        words("to_status"),
        words("actor"),
        words("reason", nullable=True),
        now("created_at"),
        sa.PrimaryKeyConstraint("transition_id", name="pk_order_transitions"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name="fk_order_transitions_order_id_orders"),
        sa.CheckConstraint(f"from_status IN {STATUS_VALUES}", name=op.f("ck_order_transitions_from_status")),
        sa.CheckConstraint(f"to_status IN {STATUS_VALUES}", name=op.f("ck_order_transitions_to_status")),
    )
    op.create_index("ix_order_transitions_order_id_created_at", "order_transitions", ["order_id", "created_at"])


def create_fill_receipts() -> None:
    op.create_table(
        "fill_receipts",
        key("fill_id"),
        key("tick_id", nullable=True),
        money("bid_price", nullable=True),
        money("ask_price", nullable=True),
        time("quote_at", nullable=True),
        money("fee_bps", nullable=True),
        money("position_qty_before"),
        money("position_qty_after"),
        money("avg_entry_before"),
        money("avg_entry_after"),
        money("cash_before"),
        money("cash_after"),
        money("nav_before", nullable=True),
        money("nav_after", nullable=True),
        sa.PrimaryKeyConstraint("fill_id", name="pk_fill_receipts"),
        sa.ForeignKeyConstraint(["fill_id"], ["fills.fill_id"], name="fk_fill_receipts_fill_id_fills"),
    )


def create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        words("actor"),
        words("key"),
        words("fingerprint"),
        number("status"),
        words("answer"),
        now("created_at"),
        sa.PrimaryKeyConstraint("actor", "key", name="pk_idempotency_keys"),
    )


def create_kill_switch() -> None:
    op.create_table(
        "kill_switch",
        number("id", sa.SmallInteger),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        words("reason", nullable=True),
        words("actor", nullable=True),
        key("event_id", nullable=True),
        now("changed_at"),
        sa.PrimaryKeyConstraint("id", name="pk_kill_switch"),
        sa.CheckConstraint("id = 1", name=op.f("ck_kill_switch_only_row")),
    )
    op.execute("INSERT INTO kill_switch (id, enabled) VALUES (1, false)")


def create_late_ticks() -> None:
    op.create_table(
        "late_ticks",
        key("tick_id"),
        time("newest_at"),
        sa.PrimaryKeyConstraint("tick_id", name="pk_late_ticks"),
    )


def create_replay_runs() -> None:
    op.create_table(
        "replay_runs",
        key("replay_id"),
        words("fingerprint"),
        sa.Column("files", postgresql.JSONB(), nullable=False),
        number("rows_read", sa.BigInteger, default="0"),
        number("rows_taken", sa.BigInteger, default="0"),
        document("refused"),
        now("started_at"),
        time("finished_at", nullable=True),
        sa.PrimaryKeyConstraint("replay_id", name="pk_replay_runs"),
        sa.UniqueConstraint("fingerprint", name="uq_replay_runs_fingerprint"),
    )


def create_access() -> None:
    op.create_table(
        "users",
        key("user_id"),
        words("name"),
        words("password_hash"),
        words("role"),
        now("created_at"),
        time("disabled_at", nullable=True),
        sa.PrimaryKeyConstraint("user_id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'admin')", name=op.f("ck_users_role")),
    )
    op.create_table(
        "api_tokens",
        key("token_id"),
        words("name"),
        words("token_hash"),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        words("created_by"),
        now("created_at"),
        time("expires_at", nullable=True),
        time("last_used_at", nullable=True),
        time("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("token_id", name="pk_api_tokens"),
        sa.UniqueConstraint("name", name="uq_api_tokens_name"),
        sa.UniqueConstraint("token_hash", name="uq_api_tokens_token_hash"),
        sa.CheckConstraint("scopes <@ ARRAY['read', 'trade', 'halt', 'admin']", name=op.f("ck_api_tokens_scopes")),
    )


def create_processes() -> None:
    op.create_table(
        "heartbeats",
        words("process"),
        number("pid"),
        words("host"),
        time("started_at"),
        now("beat_at"),
        document("details"),
        sa.PrimaryKeyConstraint("process", name="pk_heartbeats"),
    )
    op.create_table(
        "engine_lease",
        number("id", sa.SmallInteger),
        number("epoch", sa.BigInteger),
        words("holder"),
        now("beat_at"),
        sa.PrimaryKeyConstraint("id", name="pk_engine_lease"),
        sa.CheckConstraint("id = 1", name=op.f("ck_engine_lease_only_row")),
    )


def create_audit() -> None:
    op.create_table(
        "audit_chain",
        number("seq", sa.BigInteger),
        words("source"),
        key("row_id"),
        words("previous_hash"),
        words("row_hash"),
        now("recorded_at"),
        sa.PrimaryKeyConstraint("seq", name="pk_audit_chain"),
        sa.CheckConstraint("seq > 0", name=op.f("ck_audit_chain_seq_positive")),
    )
    op.create_table(
        "audit_head",
        number("id", sa.SmallInteger),
        number("seq", sa.BigInteger),
        words("hash"),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_head_only_row")),
    )
    op.execute(f"INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '{GENESIS_HASH}')")


def create_rollups() -> None:
    op.create_table(
        "nav_buckets",
        number("width_seconds"),
        time("bucket_at"),
        money("first_nav"),
        money("min_nav"),
        money("max_nav"),
        money("last_nav"),
        time("first_at"),
        key("first_id"),
        time("last_at"),
        key("last_id"),
        sa.PrimaryKeyConstraint("width_seconds", "bucket_at", name="pk_nav_buckets"),
        sa.CheckConstraint("width_seconds IN (60, 3600, 86400)", name=op.f("ck_nav_buckets_width")),
    )
    op.create_table(
        "candles",
        words("symbol"),
        number("width_seconds"),
        time("bucket_at"),
        money("open"),
        money("high"),
        money("low"),
        money("close"),
        number("ticks", sa.BigInteger),
        time("first_at"),
        key("first_id"),
        time("last_at"),
        key("last_id"),
        sa.PrimaryKeyConstraint("symbol", "width_seconds", "bucket_at", name="pk_candles"),
        sa.CheckConstraint("width_seconds IN (60, 3600, 86400)", name=op.f("ck_candles_width")),
    )


def upgrade() -> None:
    create_policies()
    create_account()
    create_position_costs()
    create_cycles()
    create_order_transitions()
    create_fill_receipts()
    create_idempotency_keys()
    create_kill_switch()
    create_late_ticks()
    create_replay_runs()
    create_access()
    create_processes()
    create_audit()
    create_rollups()


def downgrade() -> None:
    for table in (
        "candles",
        "nav_buckets",
        "audit_head",
        "audit_chain",
        "engine_lease",
        "heartbeats",
        "api_tokens",
        "users",
        "replay_runs",
        "late_ticks",
        "kill_switch",
        "idempotency_keys",
        "fill_receipts",
        "order_transitions",
        "cycles",
        "position_costs",
        "account",
        "policies",
    ):
        op.drop_table(table)
