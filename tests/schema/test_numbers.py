"""Money in the database is a number: NaN and infinities are refused, and so is what does not fit."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests import builders

NUMERIC = text("""
    SELECT c.table_name, c.column_name FROM information_schema.columns c JOIN information_schema.tables t
    USING (table_schema, table_name)
    WHERE table_schema = 'public' AND data_type = 'numeric' AND table_type = 'BASE TABLE'
    AND table_name IN ('market_ticks', 'signals', 'orders', 'fills', 'positions', 'portfolio_snapshots')""")


@pytest.fixture
def rows(session: Session) -> None:
    """A row in each of the tables with numbers."""
    builders.tick(session)
    builders.fill(session, builders.order(session, status="approved", limit_price=3))
    builders.position(session)
    builders.snapshot(session)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "10000000000"])
@pytest.mark.usefixtures("rows")
def test_number_column_refuses_what_is_no_amount(engine: Engine, value: str) -> None:
    """By UPDATE with the triggers off, so that it is the column's own refusal that is seen."""
    with engine.connect() as connection:
        columns = connection.execute(NUMERIC).all()
        assert len(columns) == 17
        for table, column in columns:
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
            with pytest.raises(DBAPIError) as caught, connection.begin_nested():
                connection.execute(text(f"UPDATE {table} SET {column} = '{value}'"))
            assert caught.value.orig is not None
            assert caught.value.orig.pgcode in ("23514", "22003"), (table, column)


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("market_ticks", "ask_price = bid_price - 1"),
        ("signals", "confidence = 1.00001"),
        ("signals", "confidence = -0.00001"),
        ("signals", "side = 'hold'"),
        ("orders", "qty = 0"),
        ("orders", "side = 'BUY'"),
        ("orders", "status = 'cancelled'"),
        ("fills", "qty = -1"),
        ("fills", "slippage_bps = -1"),
        ("fills", "side = ''"),
    ],
)
@pytest.mark.usefixtures("rows")
def test_value_outside_the_schema_is_refused(engine: Engine, table: str, change: str) -> None:
    with engine.connect() as connection:
        connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        with pytest.raises(DBAPIError) as caught:
            connection.execute(text(f"UPDATE {table} SET {change}"))
        assert caught.value.orig is not None
        assert caught.value.orig.pgcode == "23514"
