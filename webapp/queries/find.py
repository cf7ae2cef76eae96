"""Whatever carries an id: found by the whole of it anywhere, or by its last digits among the newest rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CompoundSelect, Label, Select, Text, cast, literal, select, union_all
from sqlalchemy.orm import Session, aliased

from webapp.models import Cycle, Fill, KillSwitchEvent, MarketTick, Order, RiskEvent, Signal

LOOKED_BACK: Final = 5_000
"""Rows of each table that are searched by their ending: no index helps there, and people ask for what they just saw."""


@dataclass(frozen=True)
class Found:
    """Something that carries the id: what it is, and the id of the page that shows it."""

    kind: str
    row_id: UUID
    shown_on: UUID
    at: datetime


def by_id(session: Session, row_id: UUID) -> list[Found]:
    """What has exactly this id; an order and its own cycle may."""
    return _read(session, _everything(lambda table, name: select(table).where(getattr(table, name) == row_id)))


def by_ending(session: Session, ending: str) -> list[Found]:
    """Newest rows whose id ends like this, as the lists show ids."""

    def newest(table: Any, name: str) -> Select[Any]:
        recent = select(table).order_by(TIMES[table].desc()).limit(LOOKED_BACK).subquery()
        row = aliased(table, recent)
        return select(row).where(cast(getattr(row, name), Text).endswith(ending, autoescape=True))

    return _read(session, _everything(newest))


def first_symbol(session: Session, start: str) -> str | None:
    """The first symbol ever quoted that begins like this: one probe of the index, however many quotes there are."""
    name = MarketTick.symbol
    first = session.scalar(select(name).where(name >= start).order_by(name).limit(1))
    return first if first is not None and first.startswith(start) else None


TIMES: Final[dict[Any, Any]] = {
    Order: Order.created_at,
    Cycle: Cycle.created_at,
    Signal: Signal.created_at,
    Fill: Fill.filled_at,
    RiskEvent: RiskEvent.created_at,
    KillSwitchEvent: KillSwitchEvent.created_at,
}
PLACES: Final = (
    ("order", Order, "order_id", "order_id"),
    ("cycle", Cycle, "cycle_id", "cycle_id"),
    ("cycle", Order, "cycle_id", "cycle_id"),
    ("cycle", Signal, "cycle_id", "cycle_id"),
    ("signal", Signal, "signal_id", "cycle_id"),
    ("fill", Fill, "fill_id", "order_id"),
    ("decision", RiskEvent, "risk_event_id", "order_id"),
    ("turn of the switch", KillSwitchEvent, "event_id", "event_id"),
)
"""What it is, its table, the column searched and the one that names the page. Cycles of another program have no row of
their own, so they are found by their orders and signals too."""


def _everything(rows: Callable[[Any, str], Select[Any]]) -> CompoundSelect[Any]:
    return union_all(*(_part(rows, *place) for place in PLACES))


def _part(rows: Callable[[Any, str], Select[Any]], kind: str, table: Any, name: str, shown_on: str) -> Select[Any]:
    found = rows(table, name).subquery()
    label: Label[Any] = literal(kind, Text).label("kind")
    times = found.c[TIMES[table].key]
    return select(label, found.c[name].label("row_id"), found.c[shown_on].label("shown_on"), times.label("at"))


def _read(session: Session, statement: CompoundSelect[Any]) -> list[Found]:
    rows = (Found(*row) for row in session.execute(statement))
    return list(_once(sorted(rows, key=lambda found: found.at, reverse=True)))


def _once(rows: list[Found]) -> Iterator[Found]:
    seen: set[tuple[str, UUID]] = set()
    for row in rows:
        if (row.kind, row.row_id) not in seen:
            seen.add((row.kind, row.row_id))
            yield row
