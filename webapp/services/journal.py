"""The one writer of what the core decided: rows in, nothing decided here."""

import io
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from webapp.domain.book import Book
from webapp.domain.desk import Desk
from webapp.domain.money import ZERO, quantise
from webapp.domain.positions import Position as Holding
from webapp.domain.records import Changes
from webapp.models import (
    Account,
    Base,
    Cycle,
    Fill,
    FillReceipt,
    LateTick,
    MarketTick,
    Order,
    OrderTransition,
    PortfolioSnapshot,
    Position,
    PositionCost,
    RiskEvent,
    Signal,
)  # fmt: skip
from webapp.services.script import Script, adapted

COPY_FROM_ROWS = 100
"""From this many rows on, COPY is faster than INSERT."""


def write(session: Session, desk: Desk, changes: Changes, now: datetime) -> None:
    """Write one step's rows and the state of the book after it, in the caller's transaction."""
    script = Script(session)
    for table, rows in _tables(changes):
        if len(rows) < COPY_FROM_ROWS:
            script.insert(table, [vars(row) for row in rows])
        else:
            script.run()  # what the rows refer to comes before them
            copy_rows(session, table, [vars(row) for row in rows])
    for order_id, status in changes.statuses.items():
        script.add("UPDATE orders SET status = %s WHERE order_id = %s", (status, order_id))
    filled = {fill.symbol for fill in changes.fills}
    holdings = {desk.book.position(symbol): changes.marked[symbol] for symbol in sorted(changes.marked)}
    write_positions(script, holdings, filled)
    write_account(script, desk.book, now)
    script.run()


def _tables(changes: Changes) -> Iterable[tuple[Table, Sequence[Any]]]:
    """The rows table by table, referenced ones first."""
    for model, rows in (
        (MarketTick, changes.ticks),
        (LateTick, changes.late_ticks),
        (Signal, changes.signals),
        (Order, list(changes.orders.values())),
        (OrderTransition, changes.transitions),
        (RiskEvent, changes.risk_events),
        (Fill, changes.fills),
        (FillReceipt, changes.receipts),
        (PortfolioSnapshot, changes.snapshots),
        (Cycle, changes.cycles),
    ):
        if rows:
            yield table_of(model), rows


def table_of(model: type[Base]) -> Table:
    """The table of a model."""
    table = model.__table__
    assert isinstance(table, Table)
    return table


def copy_rows(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows by COPY, in the session's transaction; all of them must have the same columns."""
    columns = list(rows[0])
    lines = "".join("\t".join(_cell(row[column]) for column in columns) + "\n" for row in rows)
    with closing(session.connection().connection.cursor()) as cursor:
        cursor.copy_expert(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN", io.StringIO(lines))


def _cell(value: Any) -> str:
    """A value in COPY's text format."""
    if value is None:
        return "\\N"
    text = str(adapted(value))
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def write_positions(script: Script, holdings: Mapping[Holding, datetime], filled: set[str]) -> None:
    """Store holdings, each as of its time, rounded as the schema shows them, and the exact cost of the filled ones."""
    if holdings:
        shown = [{**position_columns(holding), "updated_at": at} for holding, at in holdings.items()]
        script.upsert(table_of(Position), shown, "symbol")
    costs = [_cost_columns(holding) for holding in holdings if holding.symbol in filled]
    if costs:
        script.upsert(table_of(PositionCost), costs, "symbol")


def position_columns(holding: Holding) -> dict[str, Any]:
    """A holding as the ``positions`` table shows it."""
    return {
        "symbol": holding.symbol,
        "qty": holding.qty,
        "avg_entry_price": quantise(holding.avg_entry_price),
        "mark_price": holding.mark_price,
        "unrealized_pnl": quantise(holding.unrealized_pnl if holding.qty else ZERO),
    }


def _cost_columns(holding: Holding) -> dict[str, Any]:
    return {
        "symbol": holding.symbol,
        "cost": holding.cost,
        "net_paid": holding.net_paid,
        "fees": holding.fees,
        "last_fill_at": holding.last_fill_at,
    }


def write_account(script: Script, book: Book, now: datetime) -> None:
    """Store cash, fees and the peak, exactly."""
    script.add(
        "UPDATE account SET"
        " starting_cash = %s, cash = %s, fees_paid = %s, peak_nav = %s, last_nav = %s, updated_at = %s",
        (book.starting_cash, book.cash, book.fees_paid, quantise(book.peak_nav), quantise(book.nav), now),
    )


def account_stamp(session: Session) -> Any:
    """A value that differs whenever somebody else has written to the book since it was last read."""
    return session.execute(select(Account.cash, Account.peak_nav, Account.updated_at)).one()
