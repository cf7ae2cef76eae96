"""The whole story of one order or one cycle: what was seen, said, judged, done, and what it did to the book.

Rows of an adopted database may lack what this desk adds (a cycle, a receipt, transitions): those parts are None or
empty, and the rest is told all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, select
from sqlalchemy.orm import Session

from webapp.domain.money import exact
from webapp.models import Cycle, Fill, FillReceipt, MarketTick, Order, OrderTransition, RiskEvent, Signal


@dataclass(frozen=True)
class FillStory:
    """One fill with its arithmetic. Prices and money in USDC."""

    fill: RowMapping
    """The columns of `fills`, then those of its receipt (None where there is none)."""
    notional: Decimal
    """`qty * fill_price`, unrounded."""
    quoted_price: Decimal | None
    """The side of the quote the fill was made from: the ask of a buy, the bid of a sell."""
    cash_change: Decimal
    """What the fill did to the cash: the notional, with the side's sign, less the fee."""


@dataclass(frozen=True)
class Step:
    """One state of an order, and how long it was in it; None for the state it is still in."""

    row: RowMapping
    lasted: timedelta | None


@dataclass(frozen=True)
class BookSide:
    """The book before an order's first fill, or after its last."""

    position_qty: Decimal
    avg_entry: Decimal
    cash: Decimal
    nav: Decimal | None


@dataclass(frozen=True)
class OrderStory:
    """One order from the signal behind it to the book after it."""

    order: RowMapping
    signal: RowMapping
    cycle: RowMapping | None
    tick: RowMapping | None
    """The quote the decision was made on."""
    tick_is_guess: bool
    """Nobody recorded which quote it was: this is the newest one of that moment, by its own time."""
    decision: RowMapping | None
    """The risk event that decided; its details hold every rule."""
    rules: list[Mapping[str, Any]]
    """Every verdict, in the order in which the rules bind."""
    risk_events: list[RowMapping]
    transitions: list[RowMapping]
    fills: list[FillStory]
    before: BookSide | None
    after: BookSide | None

    @property
    def steps(self) -> list[Step]:
        """The states with their durations."""
        ends = [later["created_at"] - row["created_at"] for row, later in pairwise(self.transitions)]
        return [Step(row, lasted) for row, lasted in zip(self.transitions, [*ends, None], strict=False)]

    @property
    @exact
    def filled_qty(self) -> Decimal:
        """How much of the order has filled."""
        return sum((part.fill["qty"] for part in self.fills), Decimal(0))

    @property
    def ended_at(self) -> datetime:
        """When the newest thing happened to it."""
        moments: list[datetime] = [self.order["created_at"], *(row["created_at"] for row in self.transitions)]
        moments += [part.fill["filled_at"] for part in self.fills]
        return max(moments)


@dataclass(frozen=True)
class CycleStory:
    """One cycle: the quote it saw, what the strategy said, what became of it."""

    cycle_id: UUID
    cycle: RowMapping | None
    tick: RowMapping | None
    signals: list[RowMapping]
    orders: list[OrderStory]


def order_story(session: Session, order_id: UUID) -> OrderStory | None:
    """Everything about one order; None when there is no such order."""
    order = _one(session, select(*Order.__table__.c).where(Order.order_id == order_id))
    return None if order is None else _order_story(session, order, _cycle(session, order["cycle_id"]))


def cycle_story(session: Session, cycle_id: UUID) -> CycleStory | None:
    """Everything that carries this cycle's id; None when nothing does."""
    cycle = _cycle(session, cycle_id)
    signals = _all(session, select(*Signal.__table__.c).where(Signal.cycle_id == cycle_id).order_by(Signal.created_at))
    orders = _all(session, select(*Order.__table__.c).where(Order.cycle_id == cycle_id).order_by(Order.created_at))
    if cycle is None and not signals and not orders:
        return None
    return CycleStory(
        cycle_id=cycle_id,
        cycle=cycle,
        tick=_tick(session, cycle["tick_id"] if cycle else None),
        signals=signals,
        orders=[_order_story(session, order, cycle) for order in orders],
    )


def _order_story(session: Session, order: RowMapping, cycle: RowMapping | None) -> OrderStory:
    order_id = order["order_id"]
    signal = session.execute(select(*Signal.__table__.c).where(Signal.signal_id == order["signal_id"])).mappings().one()
    risk_events = _all(session, _oldest_first(RiskEvent, RiskEvent.risk_event_id, order_id))
    fills = [_fill_story(row) for row in _all(session, _fills(order_id))]
    decision = _decision(order, risk_events)
    tick_id = _tick_id(cycle, fills)
    return OrderStory(
        order=order,
        signal=signal,
        cycle=cycle,
        tick=_tick(session, tick_id) if cycle or tick_id else _newest_tick(session, order),
        tick_is_guess=cycle is None and tick_id is None,
        decision=decision,
        rules=_rules(decision),
        risk_events=risk_events,
        transitions=_all(session, _oldest_first(OrderTransition, OrderTransition.transition_id, order_id)),
        fills=fills,
        before=_side(fills[:1], "before"),
        after=_side(fills[-1:], "after"),
    )


def _oldest_first(
    model: type[RiskEvent] | type[OrderTransition], key: ColumnElement[UUID] | Any, order_id: UUID
) -> Select[Any]:
    """An order's rows of one table in the order in which they came to be."""
    return select(*model.__table__.c).where(model.order_id == order_id).order_by(model.created_at, key)


def _fills(order_id: UUID) -> Select[Any]:
    receipt = [column for column in FillReceipt.__table__.c if column.name != "fill_id"]
    return (
        select(*Fill.__table__.c, *receipt)
        .outerjoin_from(Fill, FillReceipt, Fill.fill_id == FillReceipt.fill_id)
        .where(Fill.order_id == order_id)
        .order_by(Fill.filled_at, Fill.fill_id)
    )


@exact
def _fill_story(fill: RowMapping) -> FillStory:
    buy = fill["side"] == "buy"
    notional = fill["qty"] * fill["fill_price"]
    return FillStory(
        fill=fill,
        notional=notional,
        quoted_price=fill["ask_price"] if buy else fill["bid_price"],
        cash_change=(-notional if buy else notional) - fill["fee"],
    )


def _decision(order: RowMapping, events: Iterable[RowMapping]) -> RowMapping | None:
    """The event that carries the whole verdict; failing that, the one whose rule the order names as its reason."""
    for event in events:
        if isinstance(event["details"].get("rules"), list):
            return event
    return next((event for event in events if event["rule"] == order["risk_reason"]), None)


def _rules(decision: RowMapping | None) -> list[Mapping[str, Any]]:
    rules = decision["details"].get("rules") if decision else None
    return [rule for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []


def _side(fills: list[FillStory], which: str) -> BookSide | None:
    if not fills or fills[0].fill["cash_before"] is None:
        return None
    row = fills[0].fill
    return BookSide(row[f"position_qty_{which}"], row[f"avg_entry_{which}"], row[f"cash_{which}"], row[f"nav_{which}"])


def _tick_id(cycle: RowMapping | None, fills: list[FillStory]) -> UUID | None:
    """The cycle's own quote, else that of the first fill."""
    if cycle is not None and cycle["tick_id"] is not None:
        return UUID(str(cycle["tick_id"]))
    return fills[0].fill["tick_id"] if fills else None


def _cycle(session: Session, cycle_id: UUID) -> RowMapping | None:
    return _one(session, select(*Cycle.__table__.c).where(Cycle.cycle_id == cycle_id))


def _tick(session: Session, tick_id: UUID | None) -> RowMapping | None:
    if tick_id is None:
        return None
    return _one(session, select(*MarketTick.__table__.c).where(MarketTick.tick_id == tick_id))


def _newest_tick(session: Session, order: RowMapping) -> RowMapping | None:
    """The newest quote of the order's symbol when it was made."""
    known = (MarketTick.symbol == order["symbol"], MarketTick.event_at <= order["created_at"])
    newest = select(*MarketTick.__table__.c).where(*known).order_by(MarketTick.event_at.desc()).limit(1)
    return _one(session, newest)


def _one(session: Session, statement: Select[Any]) -> RowMapping | None:
    return session.execute(statement).mappings().one_or_none()


def _all(session: Session, statement: Select[Any]) -> list[RowMapping]:
    return list(session.execute(statement).mappings())
