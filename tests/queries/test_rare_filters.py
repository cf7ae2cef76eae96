"""Filters whose value may be rare are answered from an index: on a table of millions nothing else is quick enough."""

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from webapp.queries import timeline
from webapp.queries.timeline import LISTINGS


@pytest.mark.parametrize(
    ("name", "filter_", "value", "column"),
    [
        ("orders", "rule", "MAX_DRAWDOWN", "risk_reason"),
        ("orders", "status", "proposed", "status"),
        ("orders", "symbol", "SOL-USDC", "symbol"),
        ("risk_events", "rule", "MAX_DRAWDOWN", "rule"),
        ("risk_events", "action", "warned", "action"),
        ("cycles", "status", "resting", "outcome"),
        ("cycles", "symbol", "SOL-USDC", "symbol"),
        ("signals", "symbol", "SOL-USDC", "symbol"),
        ("fills", "symbol", "SOL-USDC", "symbol"),
        ("ticks", "symbol", "SOL-USDC", "symbol"),
    ],
)
def test_rare_value_is_found_by_index(session: Session, name: str, filter_: str, value: str, column: str) -> None:
    listing = LISTINGS[name]
    statement = timeline._ordered(listing, timeline._filtered(listing, {filter_: value}), None).limit(51)
    compiled = statement.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    session.execute(text("SET LOCAL enable_seqscan = off"))
    session.execute(text("SET LOCAL enable_bitmapscan = off"))
    plan = "\n".join(session.connection().exec_driver_sql(f"EXPLAIN {compiled}").scalars())
    assert f"Index Cond: ({column} = '{value}'::text)" in plan
