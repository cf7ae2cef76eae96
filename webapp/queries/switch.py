"""What a halt would stop, and what it did: the figures before and after the kill switch is thrown."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import RowMapping, ScalarSelect, func, select, text
from sqlalchemy.orm import Session

from webapp.domain.money import ZERO, short
from webapp.models import (
    Fill,
    KillSwitchEvent,
    KillSwitchState,
    Order,
    OrderTransition,
    Position,
    ReleaseRequest,
    RiskEvent,
    SelfCheck,
)

MOST_COUNTED = 1000
"""Attempts refused are counted up to this; beyond it, more of them changes nothing for the reader."""


@dataclass(frozen=True)
class Preview:
    """What is at stake now. Money in USDC."""

    resting_orders: int
    open_positions: int
    gross_exposure: Decimal
    unrealized_pnl: Decimal


@dataclass(frozen=True)
class Receipt:
    """What the halt in force did and has kept from happening since."""

    event: RowMapping
    orders_canceled: int
    last_fill_before: RowMapping | None
    fills_since: int
    refused_since: int
    refused_is_more: bool


def preview(session: Session) -> Preview:
    """Orders a halt would cancel, and positions it would leave as they are."""
    held = select(
        func.count().filter(Position.qty != 0).label("open_positions"),
        func.coalesce(func.sum(func.abs(Position.qty * Position.mark_price)), ZERO).label("gross_exposure"),
        func.coalesce(func.sum(Position.unrealized_pnl), ZERO).label("unrealized_pnl"),
        select(func.count()).where(Order.status == "approved").scalar_subquery().label("resting_orders"),
    )
    row = session.execute(held).mappings().one()
    return Preview(row["resting_orders"], row["open_positions"], row["gross_exposure"], row["unrealized_pnl"])


def receipt(session: Session) -> Receipt | None:
    """The receipt of the halt in force; None while the desk trades, or when the halt left no event."""
    event = session.execute(
        select(*KillSwitchEvent.__table__.c)
        .join(KillSwitchState, KillSwitchState.event_id == KillSwitchEvent.event_id)
        .where(KillSwitchState.enabled)
    )
    found = event.mappings().one_or_none()
    if found is None:
        return None
    at: datetime = found["created_at"]
    counts = session.execute(
        select(_canceled(at).label("canceled"), _fills_since(at).label("fills"), _refused(at).label("refused"))
    ).one()
    last = session.execute(
        select(*Fill.__table__.c)
        .where(Fill.filled_at <= at)
        .order_by(Fill.filled_at.desc(), Fill.fill_id.desc())
        .limit(1)
    )
    return Receipt(
        event=found,
        orders_canceled=counts.canceled,
        last_fill_before=last.mappings().one_or_none(),
        fills_since=counts.fills,
        refused_since=min(counts.refused, MOST_COUNTED),
        refused_is_more=counts.refused > MOST_COUNTED,
    )


def _canceled(at: datetime) -> ScalarSelect[int]:
    """Resting orders the halt itself canceled: their step bears its time."""
    return (
        select(func.count())
        .select_from(OrderTransition)
        .where(OrderTransition.to_status == "canceled", OrderTransition.created_at == at)
        .scalar_subquery()
    )


def _fills_since(at: datetime) -> ScalarSelect[int]:
    """Always 0: shown because the reader should not have to believe it."""
    return select(func.count()).select_from(Fill).where(Fill.filled_at > at).scalar_subquery()


def _refused(at: datetime) -> ScalarSelect[int]:
    """Proposals blocked by the switch since."""
    some = (
        select(RiskEvent.risk_event_id)
        .where(RiskEvent.created_at >= at, RiskEvent.rule == "KILL_SWITCH_ACTIVE", RiskEvent.action == "blocked")
        .limit(MOST_COUNTED + 1)
        .subquery()
    )
    return select(func.count()).select_from(some).scalar_subquery()


@dataclass(frozen=True)
class ReleaseCheck:
    """One thing to look at before trading goes on: fine or not, in a sentence."""

    ok: bool
    sentence: str


_CHECKS = """
SELECT p.limits, a.peak_nav - a.cash - coalesce((SELECT sum(qty * mark_price) FROM positions), 0) AS drawdown,
  (SELECT max(event_at) FROM market_ticks) AS quote_at, clock_timestamp() AS now
FROM account a CROSS JOIN LATERAL (SELECT limits FROM policies ORDER BY version DESC LIMIT 1) p
"""


def release_checks(session: Session) -> list[ReleaseCheck]:
    """Is the market's data fresh, the drawdown within its limit, and are books and audit clean?"""
    row = session.execute(text(_CHECKS)).one_or_none()
    found = [] if row is None else [_freshness(row), _drawdown(row)]
    results = {check.name: check for check in session.execute(select(SelfCheck.__table__))}
    for name, what in (("books", "The books"), ("audit", "The audit chain")):
        result = results.get(name)
        said = "were never checked" if result is None else result.detail
        found.append(ReleaseCheck(result is not None and result.ok, f"{what}: {said}."))
    return found


def pending_release(session: Session) -> RowMapping | None:
    """The release that one of two people has asked for, if any."""
    return session.execute(select(ReleaseRequest.__table__)).mappings().one_or_none()


def _freshness(row: Any) -> ReleaseCheck:
    if row.quote_at is None:
        return ReleaseCheck(False, "There is no quote yet.")
    age = int((row.now - row.quote_at).total_seconds())
    limit = row.limits["stale_after_seconds"]
    return ReleaseCheck(age <= limit, f"The newest quote is {age} s old; from {limit} s on nothing trades.")


def _drawdown(row: Any) -> ReleaseCheck:
    limit = Decimal(row.limits["max_drawdown"])
    said = f"The drawdown is {short(max(ZERO, row.drawdown))} of {short(limit)} USDC."
    return ReleaseCheck(row.drawdown < limit, said)
