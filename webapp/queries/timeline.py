"""The lists of the desk: one keyset page, or a whole export, of any table, newest first.

A page never counts and never skips rows: it asks for one row more than it shows, so its cost does not grow with
the history. Rows carry every column of the table under its own name; where a table has no symbol or cycle of its
own, the order's are added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    FromClause,
    Integer,
    Numeric,
    RowMapping,
    Select,
    Table,
    Text,
    Uuid,
    select,
    tuple_,
)
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeEngine

from webapp.domain.acts import ACTS
from webapp.domain.orders import OrderStatus, Side
from webapp.domain.records import OUTCOMES, RISK_ACTIONS
from webapp.domain.risk import EVENT_RULES, RULE_CODES
from webapp.models import (
    Act,
    Cycle,
    DevnetSmokeRun,
    Fill,
    KillSwitchEvent,
    MarketTick,
    Order,
    PolicyVersion,
    PortfolioSnapshot,
    Position,
    RiskEvent,
    Signal,
)

SIDES = tuple(side.value for side in Side)
ORDER_STATUSES = tuple(status.value for status in OrderStatus)
SMOKE_STATUSES = ("passed", "failed")
ANY: tuple[str, ...] = ()
EXPORT_CHUNK = 1000


@dataclass(frozen=True)
class Listing:
    """One list: its table, its order (time then id, newest first) and the filters it takes.

    `filters` maps a filter's name to the only values it may have; ANY where its form alone decides (a symbol, an id,
    a time). Without a `time_column` the list is current state, ordered by its id, ascending.
    """

    name: str
    table: Table
    time_column: str | None
    id_column: str
    filters: Mapping[str, tuple[str, ...]]
    borrowed: tuple[str, ...] = ()
    """Columns taken from the row's order, because the table has none of its own."""
    aliases: Mapping[str, str] | None = None
    """Filters whose column has another name."""

    def key_names(self) -> tuple[str, ...]:
        """The columns that order the list and make a cursor."""
        return (self.time_column, self.id_column) if self.time_column else (self.id_column,)

    def key_columns(self) -> tuple[ColumnElement[Any], ...]:
        """The same, as columns of a statement."""
        return tuple(self.table.c[name] for name in self.key_names())

    def kinds(self) -> dict[str, tuple[str, bool]]:
        """What each column of a row holds, and whether it may be null: for those who describe the list to others."""
        columns = {column.name: column for column in (*self.table.c, *map(self.column, self.borrowed))}
        return {name: (_kind(column.type), bool(column.nullable)) for name, column in columns.items()}

    def column(self, name: str) -> Column[Any]:
        """The column a filter compares."""
        if name in self.borrowed:
            return _table(Order).c[name]
        return self.table.c[(self.aliases or {}).get(name, name)]


@dataclass(frozen=True)
class Page:
    """The rows of one page and the key to go on from; None when this was the last."""

    rows: list[RowMapping]
    next_key: tuple[Any, ...] | None


_KINDS: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (Uuid, "uuid"),
    (Numeric, "decimal"),
    (DateTime, "time"),
    (Integer, "integer"),
    (Boolean, "boolean"),
    (JSON, "document"),
    (Text, "text"),
)


def _kind(column_type: TypeEngine[Any]) -> str:
    return next(kind for sql, kind in _KINDS if isinstance(column_type, sql))


def _table(model: type[DeclarativeBase]) -> Table:
    table = model.__table__
    if not isinstance(table, Table):
        raise TypeError(f"{model.__name__} is not mapped to a plain table")
    return table


_SPAN: dict[str, tuple[str, ...]] = {"from": ANY, "to": ANY}
_TRADE: dict[str, tuple[str, ...]] = {"symbol": ANY, "side": SIDES, "cycle_id": ANY, **_SPAN}

LISTINGS: Mapping[str, Listing] = {
    listing.name: listing
    for listing in (
        Listing("ticks", _table(MarketTick), "event_at", "tick_id", {"symbol": ANY, **_SPAN}),
        Listing("signals", _table(Signal), "created_at", "signal_id", _TRADE),
        Listing(
            "orders",
            _table(Order),
            "created_at",
            "order_id",
            {**_TRADE, "status": ORDER_STATUSES, "rule": RULE_CODES},
            aliases={"rule": "risk_reason"},
        ),
        Listing("fills", _table(Fill), "filled_at", "fill_id", _TRADE, borrowed=("cycle_id",)),
        Listing("positions", _table(Position), None, "symbol", {"symbol": ANY}),
        Listing("snapshots", _table(PortfolioSnapshot), "captured_at", "snapshot_id", _SPAN),
        Listing(
            "risk_events",
            _table(RiskEvent),
            "created_at",
            "risk_event_id",
            {"symbol": ANY, "rule": EVENT_RULES, "action": RISK_ACTIONS, "cycle_id": ANY, **_SPAN},
            borrowed=("symbol", "cycle_id"),
        ),
        Listing("kill_switch_events", _table(KillSwitchEvent), "created_at", "event_id", _SPAN),
        Listing("smoke_runs", _table(DevnetSmokeRun), "ran_at", "run_id", {"status": SMOKE_STATUSES, **_SPAN}),
        Listing("acts", _table(Act), "created_at", "act_id", {"act": ACTS, "actor": ANY, **_SPAN}),
        Listing("policies", _table(PolicyVersion), "created_at", "policy_id", _SPAN),
        Listing(
            "cycles",
            _table(Cycle),
            "created_at",
            "cycle_id",
            {"symbol": ANY, "status": OUTCOMES, "cycle_id": ANY, **_SPAN},
            aliases={"status": "outcome"},
        ),
    )
}


def page(
    session: Session, listing: Listing, filters: Mapping[str, Any], limit: int, after: tuple[Any, ...] | None = None
) -> Page:
    """Up to `limit` rows that pass the filters, beginning after the key of the row before."""
    statement = _ordered(listing, _filtered(listing, filters), after).limit(limit + 1)
    rows = list(session.execute(statement).mappings())
    if len(rows) <= limit:
        return Page(rows, None)
    last = rows[limit - 1]
    return Page(rows[:limit], tuple(last[name] for name in listing.key_names()))


def stream(session: Session, listing: Listing, filters: Mapping[str, Any]) -> Iterator[RowMapping]:
    """Every row that passes the filters, read in chunks so that an export of any size needs little memory."""
    after: tuple[Any, ...] | None = None
    while True:
        chunk = page(session, listing, filters, EXPORT_CHUNK, after)
        yield from chunk.rows
        if chunk.next_key is None:
            return
        after = chunk.next_key


def one(session: Session, listing: Listing, row_id: Any) -> RowMapping | None:
    """The row with this primary key, with the same columns as in the list."""
    statement = _select(listing).where(listing.table.c[listing.id_column] == row_id)
    return session.execute(statement).mappings().one_or_none()


def _select(listing: Listing) -> Select[Any]:
    """Every column of the table, and those of its order where it has none of its own."""
    source: FromClause = listing.table
    if listing.borrowed:
        orders = _table(Order)
        source = listing.table.join(orders, listing.table.c.order_id == orders.c.order_id)
    columns = [*listing.table.c, *(listing.column(name) for name in listing.borrowed)]
    return select(*columns).select_from(source)


def _filtered(listing: Listing, filters: Mapping[str, Any]) -> Select[Any]:
    """The list's rows under every filter given; a filter it does not take is a caller's mistake."""
    statement = _select(listing)
    for name, value in filters.items():
        if name not in listing.filters:
            raise KeyError(f"{listing.name} has no filter {name}")
        statement = statement.where(_condition(listing, name, value))
    return statement


def _condition(listing: Listing, name: str, value: Any) -> ColumnElement[bool]:
    """`from <= t < to`, or equality."""
    if name in ("from", "to"):
        time: Column[datetime] = listing.table.c[listing.time_column or ""]
        within: ColumnElement[bool] = time >= value if name == "from" else time < value
        return within
    matches: ColumnElement[bool] = listing.column(name) == value
    return matches


def _ordered(listing: Listing, statement: Select[Any], after: tuple[Any, ...] | None) -> Select[Any]:
    """Newest first with the id as tie-break, from behind the key of the last row seen."""
    keys = listing.key_columns()
    if listing.time_column is None:
        statement = statement.order_by(*keys)
        return statement if after is None else statement.where(keys[0] > after[0])
    statement = statement.order_by(*(key.desc() for key in keys))
    return statement if after is None else statement.where(tuple_(*keys) < after)
