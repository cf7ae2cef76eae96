"""How the desk is doing, in one round trip: what a bot asks before it trades."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import RowMapping, Select, func, select
from sqlalchemy.orm import Session

from webapp.domain.money import ZERO, exact, quantise
from webapp.domain.policy import Policy
from webapp.models import Account, Cycle, KillSwitchState, MarketTick, PolicyVersion, Position

RUNNING, HALTED, STALE = "running", "halted", "stale"


@dataclass(frozen=True)
class BotStatus:
    """The desk at one moment of the database's clock. `nav` and `drawdown` in USDC, ages in seconds."""

    state: str
    """`halted` before `stale` before `running`."""
    kill_switch: bool
    """Also True when the state of the switch is not known: unknown means no."""
    kill_switch_reason: str | None
    kill_switch_actor: str | None
    kill_switch_changed_at: datetime | None
    last_cycle_at: datetime | None
    last_tick_at: datetime | None
    market_data_age_seconds: Decimal | None
    market_data_stale: bool
    nav: Decimal
    peak_nav: Decimal
    drawdown: Decimal
    """Highest NAV since the last release less NAV now; never below zero."""
    as_of: datetime


def bot_status(session: Session) -> BotStatus:
    """State, books and ages."""
    row = session.execute(_statement()).mappings().one()
    policy = _policy(row)
    age = None if row["last_tick_at"] is None else row["as_of"] - row["last_tick_at"]
    stale = age is None or age > timedelta(seconds=policy.stale_after_seconds)
    # An adopted database may have no row yet: then nothing is known to be off.
    halted = row["enabled"] is not False
    nav, peak = _books(row, policy)
    return BotStatus(
        state=HALTED if halted else STALE if stale else RUNNING,
        kill_switch=halted,
        kill_switch_reason=row["reason"],
        kill_switch_actor=row["actor"],
        kill_switch_changed_at=row["changed_at"],
        last_cycle_at=row["last_cycle_at"],
        last_tick_at=row["last_tick_at"],
        market_data_age_seconds=None if age is None else Decimal(age // timedelta(milliseconds=1)) / 1000,
        market_data_stale=stale,
        nav=nav,
        peak_nav=peak,
        drawdown=peak - nav,
        as_of=row["as_of"],
    )


def _statement() -> Select[*tuple[Any, ...]]:
    newest_policy = select(PolicyVersion.limits).order_by(PolicyVersion.version.desc()).limit(1)
    clock = select(func.clock_timestamp().label("as_of")).subquery()
    return (
        select(
            clock.c.as_of,
            KillSwitchState.enabled,
            KillSwitchState.reason,
            KillSwitchState.actor,
            KillSwitchState.changed_at,
            Account.cash,
            Account.peak_nav,
            select(func.sum(Position.qty * Position.mark_price)).scalar_subquery().label("held"),
            select(func.max(MarketTick.event_at)).scalar_subquery().label("last_tick_at"),
            select(func.max(Cycle.created_at)).scalar_subquery().label("last_cycle_at"),
            newest_policy.scalar_subquery().label("limits"),
        )
        .select_from(clock)
        .outerjoin(KillSwitchState, KillSwitchState.id == 1)
        .outerjoin(Account, Account.account_id == 1)
    )


def _policy(row: RowMapping) -> Policy:
    """The policy in force; the default before anybody has set one."""
    return Policy.default() if row["limits"] is None else Policy.from_document(row["limits"])


@exact
def _books(row: RowMapping, policy: Policy) -> tuple[Decimal, Decimal]:
    """NAV and its peak, which a NAV above it raises. An adopted database without an account has its starting cash."""
    if row["cash"] is None:
        return quantise(policy.starting_cash), quantise(policy.starting_cash)
    nav = quantise(row["cash"] + (row["held"] or ZERO), "nav")
    return nav, max(row["peak_nav"], nav)
