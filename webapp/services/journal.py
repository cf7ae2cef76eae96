"""The one writer of what the core decided: rows in, nothing decided here."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import Table, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from webapp.domain.book import Book
from webapp.domain.desk import Desk
from webapp.domain.money import ZERO, quantise
from webapp.domain.positions import Position as Holding
from webapp.domain.records import Changes
from webapp.domain.wire import jsonable
from webapp.models import (
    Account,
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

COPY_FROM_ROWS = 100
"""From this many rows on, COPY is faster than INSERT."""


def write(session: Session, desk: Desk, changes: Changes, now: datetime) -> None:
    """Write one step's rows and the state of the book after it, in the caller's transaction."""
    for table, rows in _tables(changes):
        _add(session, table, rows)
    for order_id, status in changes.statuses.items():
        session.execute(update(Order).where(Order.order_id == order_id).values(status=status))
    filled = {fill.symbol for fill in changes.fills}
    holdings = {desk.book.position(symbol): changes.marked[symbol] for symbol in sorted(changes.marked)}
    write_positions(session, holdings, filled)
    write_account(session, desk.book, now)


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
            yield model.__table__, rows  # type: ignore[misc]  # declarative types it as FromClause


def _add(session: Session, table: Table, rows: Sequence[Any]) -> None:
    if len(rows) < COPY_FROM_ROWS:
        session.execute(insert(table), [vars(row) for row in rows])
    else:
        copy_rows(session, table, [vars(row) for row in rows])


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
    if isinstance(value, Mapping):
        value = json.dumps(jsonable(value))
    elif isinstance(value, Enum):
        value = value.value
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def write_positions(session: Session, holdings: Mapping[Holding, datetime], filled: set[str]) -> None:
    """Store holdings, each as of its time, rounded as the schema shows them, and the exact cost of the filled ones."""
    if not holdings:
        return
    shown = upsert(Position).values(
        [{**position_columns(holding), "updated_at": at} for holding, at in holdings.items()]
    )
    session.execute(
        shown.on_conflict_do_update(
            index_elements=["symbol"],
            set_={
                name: shown.excluded[name]
                for name in ("qty", "avg_entry_price", "mark_price", "unrealized_pnl", "updated_at")
            },
        )
    )
    costs = [_cost_columns(holding) for holding in holdings if holding.symbol in filled]
    if costs:
        exact = upsert(PositionCost).values(costs)
        session.execute(
            exact.on_conflict_do_update(
                index_elements=["symbol"],
                set_={name: exact.excluded[name] for name in ("cost", "net_paid", "fees", "last_fill_at")},
            )
        )


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


def write_account(session: Session, book: Book, now: datetime) -> None:
    """Store cash, fees and the peak, exactly."""
    session.execute(
        update(Account).values(
            starting_cash=book.starting_cash,
            cash=book.cash,
            fees_paid=book.fees_paid,
            peak_nav=quantise(book.peak_nav),
            last_nav=quantise(book.nav),
            updated_at=now,
        )
    )


def account_stamp(session: Session) -> Any:
    """A value that differs whenever somebody else has written to the book since it was last read."""
    return session.execute(select(Account.cash, Account.peak_nav, Account.updated_at)).one()
