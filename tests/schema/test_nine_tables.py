"""Migration 0001 is the schema as it was given: the nine tables and nothing else, read back from the catalogue."""

import pytest
from sqlalchemy import URL

from tests.schema import catalogue
from tests.schema.catalogue import migrate

UUID, TEXT, MONEY, TIME = "uuid", "text", "numeric(18,8)", "timestamp with time zone"
NOW, EMPTY = "now()", "'{}'::jsonb"
REQUIRED, OPTIONAL = "NO", "YES"

TABLES: dict[str, list[tuple[str, str, str, str | None]]] = {
    "market_ticks": [
        ("tick_id", UUID, REQUIRED, None),
        ("symbol", TEXT, REQUIRED, None),
        ("bid_price", MONEY, REQUIRED, None),
        ("ask_price", MONEY, REQUIRED, None),
        ("mid_price", MONEY, REQUIRED, None),
        ("spread_bps", "integer", REQUIRED, None),
        ("event_at", TIME, REQUIRED, None),
        ("created_at", TIME, REQUIRED, NOW),
    ],
    "signals": [
        ("signal_id", UUID, REQUIRED, None),
        ("cycle_id", UUID, REQUIRED, None),
        ("symbol", TEXT, REQUIRED, None),
        ("side", TEXT, REQUIRED, None),
        ("confidence", "numeric(6,5)", REQUIRED, None),
        ("strategy_payload", "jsonb", REQUIRED, EMPTY),
        ("created_at", TIME, REQUIRED, NOW),
    ],
    "orders": [
        ("order_id", UUID, REQUIRED, None),
        ("cycle_id", UUID, REQUIRED, None),
        ("signal_id", UUID, REQUIRED, None),
        ("symbol", TEXT, REQUIRED, None),
        ("side", TEXT, REQUIRED, None),
        ("qty", MONEY, REQUIRED, None),
        ("limit_price", MONEY, OPTIONAL, None),
        ("status", TEXT, REQUIRED, None),
        ("risk_reason", TEXT, OPTIONAL, None),
        ("created_at", TIME, REQUIRED, NOW),
    ],
    "fills": [
        ("fill_id", UUID, REQUIRED, None),
        ("order_id", UUID, REQUIRED, None),
        ("symbol", TEXT, REQUIRED, None),
        ("side", TEXT, REQUIRED, None),
        ("qty", MONEY, REQUIRED, None),
        ("fill_price", MONEY, REQUIRED, None),
        ("fee", MONEY, REQUIRED, "0"),
        ("slippage_bps", "integer", REQUIRED, "0"),
        ("filled_at", TIME, REQUIRED, None),
    ],
    "positions": [
        ("symbol", TEXT, REQUIRED, None),
        ("qty", MONEY, REQUIRED, None),
        ("avg_entry_price", MONEY, REQUIRED, None),
        ("mark_price", MONEY, REQUIRED, None),
        ("unrealized_pnl", MONEY, REQUIRED, None),
        ("updated_at", TIME, REQUIRED, NOW),
    ],
    "portfolio_snapshots": [
        ("snapshot_id", UUID, REQUIRED, None),
        ("nav", MONEY, REQUIRED, None),
        ("cash", MONEY, REQUIRED, None),
        ("realized_pnl", MONEY, REQUIRED, None),
        ("unrealized_pnl", MONEY, REQUIRED, None),
        ("captured_at", TIME, REQUIRED, None),
    ],
    "risk_events": [
        ("risk_event_id", UUID, REQUIRED, None),
        ("order_id", UUID, REQUIRED, None),
        ("action", TEXT, REQUIRED, None),
        ("rule", TEXT, REQUIRED, None),
        ("details", "jsonb", REQUIRED, EMPTY),
        ("created_at", TIME, REQUIRED, NOW),
    ],
    "kill_switch_events": [
        ("event_id", UUID, REQUIRED, None),
        ("enabled", "boolean", REQUIRED, None),
        ("reason", TEXT, OPTIONAL, None),
        ("actor", TEXT, OPTIONAL, None),
        ("created_at", TIME, REQUIRED, NOW),
    ],
    "devnet_smoke_runs": [
        ("run_id", UUID, REQUIRED, None),
        ("status", TEXT, REQUIRED, None),
        ("rpc_latency_ms", "integer", OPTIONAL, None),
        ("wallet_check", TEXT, OPTIONAL, None),
        ("tx_simulation", TEXT, OPTIONAL, None),
        ("ran_at", TIME, REQUIRED, None),
    ],
}

PRIMARY_KEYS = {
    "market_ticks": "tick_id",
    "signals": "signal_id",
    "orders": "order_id",
    "fills": "fill_id",
    "positions": "symbol",
    "portfolio_snapshots": "snapshot_id",
    "risk_events": "risk_event_id",
    "kill_switch_events": "event_id",
    "devnet_smoke_runs": "run_id",
}

FOREIGN_KEYS = {
    ("orders", "FOREIGN KEY (signal_id) REFERENCES signals(signal_id)"),
    ("fills", "FOREIGN KEY (order_id) REFERENCES orders(order_id)"),
    ("risk_events", "FOREIGN KEY (order_id) REFERENCES orders(order_id)"),
}

_SIDE = "CHECK ((side = ANY (ARRAY['buy'::text, 'sell'::text])))"
_STATUS = (
    "CHECK ((status = ANY (ARRAY['proposed'::text, 'approved'::text, 'rejected'::text, "
    "'executed'::text, 'canceled'::text])))"
)
CHECKS = {
    ("market_ticks", "CHECK ((ask_price >= bid_price))"),
    ("signals", _SIDE),
    ("signals", "CHECK (((confidence >= (0)::numeric) AND (confidence <= (1)::numeric)))"),
    ("orders", _SIDE),
    ("orders", "CHECK ((qty > (0)::numeric))"),
    (
        "orders",
        _STATUS,
    ),
    ("fills", _SIDE),
    ("fills", "CHECK ((qty > (0)::numeric))"),
    ("fills", "CHECK ((slippage_bps >= 0))"),
    ("risk_events", "CHECK ((action = ANY (ARRAY['blocked'::text, 'allowed'::text, 'warned'::text])))"),
    ("devnet_smoke_runs", "CHECK ((status = ANY (ARRAY['passed'::text, 'failed'::text])))"),
}

INDEXES = {
    "market_ticks USING btree (symbol, event_at DESC)",
    "signals USING btree (cycle_id)",
    "signals USING btree (symbol, created_at DESC)",
    "orders USING btree (cycle_id)",
    "orders USING btree (symbol, created_at DESC)",
    "orders USING btree (status, created_at DESC)",
    "fills USING btree (order_id, filled_at DESC)",
    "fills USING btree (symbol, filled_at DESC)",
    "portfolio_snapshots USING btree (captured_at DESC)",
    "risk_events USING btree (order_id, created_at DESC)",
    "risk_events USING btree (created_at DESC)",
    "devnet_smoke_runs USING btree (ran_at DESC)",
}


@pytest.fixture
def first_migration(empty_database_url: URL) -> URL:
    migrate(empty_database_url, "0001")
    return empty_database_url


def test_first_migration_makes_the_nine_tables_column_by_column(first_migration: URL) -> None:
    found: dict[str, list] = {}
    for table, column, _, kind, nullable, default, identity in catalogue.columns(first_migration):
        found.setdefault(table, []).append((column, kind, nullable, default))
        assert identity == "NO"
    assert found == TABLES


def test_first_migration_makes_the_keys_and_checks_and_no_other(first_migration: URL) -> None:
    by_kind: dict[str, set] = {"p": set(), "f": set(), "c": set(), "u": set(), "x": set()}
    for table, _, kind, definition in catalogue.constraints(first_migration):
        by_kind[kind].add((table, definition))
    assert by_kind["p"] == {(table, f"PRIMARY KEY ({column})") for table, column in PRIMARY_KEYS.items()}
    assert by_kind["f"] == FOREIGN_KEYS
    assert by_kind["c"] == CHECKS
    assert not by_kind["u"] | by_kind["x"]


def test_first_migration_makes_the_twelve_indexes_and_no_other(first_migration: URL) -> None:
    keys = {name for _, name, kind, _ in catalogue.constraints(first_migration) if kind == "p"}
    found = [
        definition.split(" ON public.")[1]
        for _, name, definition in catalogue.indexes(first_migration)
        if name not in keys
    ]
    assert len(found) == 12
    assert set(found) == INDEXES


def test_first_migration_makes_nothing_but_tables(first_migration: URL) -> None:
    assert catalogue.rest(first_migration) == set()


def test_later_migrations_change_no_column_of_the_nine_tables(database_url: URL) -> None:
    found: dict[str, list] = {}
    for table, column, _, kind, nullable, default, _ in catalogue.columns(database_url):
        if table in TABLES:
            found.setdefault(table, []).append((column, kind, nullable, default))
    assert found == TABLES


def test_later_migrations_keep_every_key_check_and_index_of_the_nine_tables(database_url: URL) -> None:
    constraints = {(table, definition) for table, _, _, definition in catalogue.constraints(database_url)}
    assert constraints >= FOREIGN_KEYS | CHECKS
    assert {definition.split(" ON public.")[1] for _, _, definition in catalogue.indexes(database_url)} >= INDEXES
    assert not any("FOREIGN KEY (cycle_id)" in definition for _, definition in constraints)
