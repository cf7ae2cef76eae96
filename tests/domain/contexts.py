"""One order against a book that lets everything pass, to be changed in one place at a time."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.domain.desks import NOON, SOL, buy
from webapp.domain.policy import Policy
from webapp.domain.risk import Judgement, RiskContext, Verdict, evaluate

CODES = (
    "KILL_SWITCH_ACTIVE",
    "STALE_MARKET_DATA",
    "MAX_ORDER_NOTIONAL",
    "MAX_POSITION_NOTIONAL",
    "MAX_GROSS_EXPOSURE",
    "MAX_OPEN_POSITIONS",
    "MAX_LOSS_PER_TRADE",
    "MAX_DAILY_LOSS",
    "MAX_DRAWDOWN",
    "COOLDOWN_SECONDS",
    "MAX_TRADES_PER_HOUR",
    "MAX_TRADES_PER_DAY",
    "MIN_CONFIDENCE",
    "MIN_PRICE_MOVE_5M",
    "PRICE_COLLAR",
    "INSUFFICIENT_CASH",
    "SHORT_NOT_ALLOWED",
)
"""The rules in the contract's order, which is the order in which they bind."""
ENTRY = {
    "MAX_POSITION_NOTIONAL",
    "MAX_GROSS_EXPOSURE",
    "MAX_OPEN_POSITIONS",
    "COOLDOWN_SECONDS",
    "MIN_CONFIDENCE",
    "MIN_PRICE_MOVE_5M",
    "MAX_TRADES_PER_HOUR",
    "MAX_TRADES_PER_DAY",
    "MAX_DAILY_LOSS",
}
"""What the contract exempts an exit from: size of position, exposure, open positions, cooldown, confidence, move, trade
counts, daily loss."""
TINY = Decimal("0.00000001")


def context(**changes: Any) -> RiskContext:
    """A buy of one unit at 100 by a rich and idle desk, under the default policy; `policy_*` changes a limit."""
    limits = {name.removeprefix("policy_"): changes.pop(name) for name in list(changes) if name.startswith("policy_")}
    base = RiskContext(
        policy=replace(Policy.default(), **limits),
        now=NOON,
        symbol=SOL,
        proposal=buy(1),
        halted=False,
        quote_age_seconds=Decimal(0),
        mid_price=Decimal(100),
        price=Decimal(100),
        round_trip_cost=Decimal("0.2"),
        fee=Decimal("0.1"),
        move_5m_pct=Decimal(1),
        position_qty=Decimal(0),
        qty_after=Decimal(1),
        exposure_elsewhere=Decimal(0),
        open_elsewhere=0,
        cash_available=Decimal(10_000),
        nav=Decimal(10_000),
        day_start_nav=Decimal(10_000),
        drawdown=Decimal(0),
        last_trade_at=None,
        trades_last_hour=0,
        hour_frees_at=None,
        trades_today=0,
    )
    return replace(base, **changes)


def verdict(rule: str, judgement: Judgement) -> Verdict:
    """What one rule said."""
    return next(found for found in judgement.verdicts if found.rule == rule)


def judged(rule: str, **changes: Any) -> Verdict:
    """What one rule says of an order in the changed context."""
    return verdict(rule, evaluate(context(**changes)))


def blocking(**changes: Any) -> list[str]:
    """The rules that block in the changed context, the binding one first."""
    return [found.rule for found in evaluate(context(**changes)).blocking]
