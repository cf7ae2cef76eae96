"""The rules, by their stable codes, in the order in which they bind (CONTRACT section 5).

Each measures a value, holds it against a limit of the policy and says so in one sentence with numbers. A value that
cannot be computed blocks: unknown means no.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from webapp.domain.moments import midnight, seconds
from webapp.domain.money import HUNDRED, ZERO, exact, short
from webapp.domain.orders import Side
from webapp.domain.risk.context import RiskContext
from webapp.domain.risk.verdict import Verdict

Rule = Callable[[RiskContext], Verdict]


def _at_most(
    rule: str, value: Decimal | None, limit: Decimal, unit: str, what: str, **more: datetime | None
) -> Verdict:
    """A rule with a greatest value."""
    if value is None:
        return _unknown(rule, limit, unit, what)
    ok = value <= limit
    relation = "is within" if ok else "is above"
    sentence = f"{what} {_measure(value, unit)} {relation} the limit of {_measure(limit, unit)}."
    return Verdict(rule, ok, value, limit, unit, sentence, retry_at=None if ok else more.get("retry_at"))


def _at_least(
    rule: str, value: Decimal | None, limit: Decimal, unit: str, what: str, **more: datetime | None
) -> Verdict:
    """A rule with a least value."""
    if value is None:
        return _unknown(rule, limit, unit, what)
    ok = value >= limit
    relation = "reaches" if ok else "is below"
    sentence = f"{what} {_measure(value, unit)} {relation} the least of {_measure(limit, unit)}."
    return Verdict(rule, ok, value, limit, unit, sentence, floor=True, retry_at=None if ok else more.get("retry_at"))


def _unknown(rule: str, limit: Decimal, unit: str, what: str) -> Verdict:
    return Verdict(
        rule, False, None, limit, unit, f"{what} cannot be computed without a quote, so the order is blocked."
    )


def _measure(value: Decimal, unit: str) -> str:
    places = 0 if unit in ("positions", "trades") else 2
    number = short(value, places)
    return f"{number} %" if unit == "%" else number if unit == "ratio" else f"{number} {unit}"


def kill_switch_active(ctx: RiskContext) -> Verdict:
    """While the desk is halted nothing trades."""
    return switch(ctx.halted)


def switch(halted: bool) -> Verdict:
    """The kill switch's verdict, which needs no order."""
    sentence = "Trading is halted by the kill switch." if halted else "The kill switch is off."
    return Verdict("KILL_SWITCH_ACTIVE", not halted, Decimal(halted), ZERO, "bool", sentence)


def stale_market_data(ctx: RiskContext) -> Verdict:
    """No quote, or one older than the policy allows, blocks."""
    return freshness(ctx.symbol, ctx.quote_age_seconds, ctx.policy.stale_after_seconds)


def freshness(symbol: str, age: Decimal | None, stale_after_seconds: int) -> Verdict:
    """The verdict on the newest quote, which needs no order."""
    limit = Decimal(stale_after_seconds)
    if age is None:
        return Verdict("STALE_MARKET_DATA", False, None, limit, "s", f"There is no quote of {symbol} yet.")
    return _at_most("STALE_MARKET_DATA", age, limit, "s", f"The newest quote of {symbol} is old:")


def _notional(ctx: RiskContext, qty: Decimal) -> Decimal | None:
    return None if ctx.price is None else abs(qty) * ctx.price


def max_order_notional(ctx: RiskContext) -> Verdict:
    """Quantity times expected fill price."""
    value = _notional(ctx, ctx.proposal.qty)
    return _at_most("MAX_ORDER_NOTIONAL", value, ctx.policy.max_order_notional, "USDC", "The order's notional of")


def max_position_notional(ctx: RiskContext) -> Verdict:
    """The position in the symbol once the order is filled."""
    value = _notional(ctx, ctx.qty_after)
    return _at_most(
        "MAX_POSITION_NOTIONAL", value, ctx.policy.max_position_notional, "USDC", f"A {ctx.symbol} position of"
    )


def max_gross_exposure(ctx: RiskContext) -> Verdict:
    """All positions without their signs once the order is filled."""
    here = _notional(ctx, ctx.qty_after)
    value = None if here is None else here + ctx.exposure_elsewhere
    return _at_most("MAX_GROSS_EXPOSURE", value, ctx.policy.max_gross_exposure, "USDC", "A gross exposure of")


def max_open_positions(ctx: RiskContext) -> Verdict:
    """Symbols held once the order is filled."""
    value = Decimal(ctx.open_elsewhere + (1 if ctx.qty_after else 0))
    return _at_most("MAX_OPEN_POSITIONS", value, Decimal(ctx.policy.max_open_positions), "positions", "Holding")


def _projected_loss(ctx: RiskContext) -> Decimal | None:
    """The larger of what the proposer expects to lose and what a round trip costs."""
    if ctx.round_trip_cost is None:
        return None
    return max(ctx.proposal.expected_loss or ZERO, ctx.round_trip_cost)


def max_loss_per_trade(ctx: RiskContext) -> Verdict:
    """What this one order may lose."""
    return _at_most(
        "MAX_LOSS_PER_TRADE", _projected_loss(ctx), ctx.policy.max_loss_per_trade, "USDC", "A projected loss of"
    )


def max_daily_loss(ctx: RiskContext) -> Verdict:
    """NAV at 00:00 UTC less NAV now, plus the projected loss."""
    loss = _projected_loss(ctx)
    value = None if loss is None else ctx.day_start_nav - ctx.nav + loss
    limit = ctx.policy.max_daily_loss
    return _at_most("MAX_DAILY_LOSS", value, limit, "USDC", "A loss today of", retry_at=_next_midnight(ctx.now))


def max_drawdown(ctx: RiskContext) -> Verdict:
    """Reaching the limit halts, so being at it blocks already."""
    value, limit = ctx.drawdown, ctx.policy.max_drawdown
    ok = value < limit
    relation = "is below" if ok else "has reached"
    sentence = (
        f"The drawdown of {short(value)} USDC since the last release {relation} the limit of {short(limit)} USDC."
    )
    return Verdict("MAX_DRAWDOWN", ok, value, limit, "USDC", sentence)


def cooldown_seconds(ctx: RiskContext) -> Verdict:
    """Time since the last trade of the symbol."""
    limit = Decimal(ctx.policy.cooldown_seconds)
    if ctx.last_trade_at is None:
        sentence = f"{ctx.symbol} was never traded, so no cooldown runs."
        return Verdict("COOLDOWN_SECONDS", True, None, limit, "s", sentence, floor=True)
    ends_at = ctx.last_trade_at + timedelta(seconds=ctx.policy.cooldown_seconds)
    passed = seconds(ctx.now - ctx.last_trade_at)
    ok = passed >= limit
    sentence = f"{ctx.symbol} last traded {short(passed)} s ago; the cooldown is {short(limit, 0)} s."
    if not ok:
        sentence += f" It ends in {short(limit - passed)} s."
    retry_at = None if ok else ends_at
    return Verdict("COOLDOWN_SECONDS", ok, passed, limit, "s", sentence, floor=True, retry_at=retry_at)


def max_trades_per_hour(ctx: RiskContext) -> Verdict:
    """Orders let through in the last 60 minutes, this one included."""
    value, limit = Decimal(ctx.trades_last_hour + 1), Decimal(ctx.policy.max_trades_per_hour)
    return _at_most(
        "MAX_TRADES_PER_HOUR",
        value,
        limit,
        "trades",
        "With this order, a count this hour of",
        retry_at=ctx.hour_frees_at,
    )


def max_trades_per_day(ctx: RiskContext) -> Verdict:
    """Orders let through since 00:00 UTC, this one included."""
    value, limit = Decimal(ctx.trades_today + 1), Decimal(ctx.policy.max_trades_per_day)
    return _at_most(
        "MAX_TRADES_PER_DAY",
        value,
        limit,
        "trades",
        "With this order, a count today of",
        retry_at=_next_midnight(ctx.now),
    )


def min_confidence(ctx: RiskContext) -> Verdict:
    """How sure the proposer is."""
    return _at_least("MIN_CONFIDENCE", ctx.proposal.confidence, ctx.policy.min_confidence, "ratio", "A confidence of")


def min_price_move_5m(ctx: RiskContext) -> Verdict:
    """How far the mid moved in the last five minutes, either way."""
    return _at_least(
        "MIN_PRICE_MOVE_5M", ctx.move_5m_pct, ctx.policy.min_price_move_5m_pct, "%", "The move in 5 minutes of"
    )


def price_collar(ctx: RiskContext) -> Verdict:
    """How far the order's price is from the mid, either way."""
    price = ctx.proposal.limit_price if ctx.proposal.limit_price is not None else ctx.price
    value = None if price is None or ctx.mid_price is None else abs(price - ctx.mid_price) / ctx.mid_price * HUNDRED
    return _at_most("PRICE_COLLAR", value, ctx.policy.price_collar_pct, "%", "The price's distance from the mid of")


def insufficient_cash(ctx: RiskContext) -> Verdict:
    """A buy needs its notional and fee in cash that no resting order has claimed; a sale brings cash in."""
    if ctx.proposal.side is Side.SELL:
        return Verdict("INSUFFICIENT_CASH", True, ZERO, ctx.cash_available, "USDC", "A sale needs no cash.")
    notional = _notional(ctx, ctx.proposal.qty)
    value = None if notional is None or ctx.fee is None else notional + ctx.fee
    if value is None:
        return _unknown("INSUFFICIENT_CASH", ctx.cash_available, "USDC", "The cost of the order")
    ok = value <= ctx.cash_available
    relation = "is covered by" if ok else "is more than"
    sentence = (
        f"The cost of {short(value)} USDC, fee included, {relation} the free cash of {short(ctx.cash_available)} USDC."
    )
    return Verdict("INSUFFICIENT_CASH", ok, value, ctx.cash_available, "USDC", sentence)


def short_not_allowed(ctx: RiskContext) -> Verdict:
    """Selling more than is held, resting sales included, needs the policy's leave."""
    goes_short = ctx.proposal.side is Side.SELL and ctx.qty_after < 0
    ok = ctx.policy.allow_short or not goes_short
    sentence = "The order does not sell more than is held."
    if goes_short:
        leave = "which the policy allows" if ok else "and short positions are not allowed"
        sentence = f"The order would leave {ctx.symbol} at {format(ctx.qty_after.normalize(), 'f')}, {leave}."
    return Verdict("SHORT_NOT_ALLOWED", ok, ctx.qty_after, ZERO, "qty", sentence, floor=True)


def _next_midnight(now: datetime) -> datetime:
    return midnight(now) + timedelta(days=1)


RULES: tuple[Rule, ...] = tuple(
    exact(rule)
    for rule in (
        kill_switch_active,
        stale_market_data,
        max_order_notional,
        max_position_notional,
        max_gross_exposure,
        max_open_positions,
        max_loss_per_trade,
        max_daily_loss,
        max_drawdown,
        cooldown_seconds,
        max_trades_per_hour,
        max_trades_per_day,
        min_confidence,
        min_price_move_5m,
        price_collar,
        insufficient_cash,
        short_not_allowed,
    )
)

RULE_CODES = tuple(rule.__name__.upper() for rule in RULES)
"""The rules' stable codes: each is called as its function is."""

ENTRY_RULES = frozenset(
    {
        "MAX_POSITION_NOTIONAL",
        "MAX_GROSS_EXPOSURE",
        "MAX_OPEN_POSITIONS",
        "MAX_DAILY_LOSS",
        "COOLDOWN_SECONDS",
        "MAX_TRADES_PER_HOUR",
        "MAX_TRADES_PER_DAY",
        "MIN_CONFIDENCE",
        "MIN_PRICE_MOVE_5M",
    }
)
"""An order that only reduces a position is exempt from these: nobody may be kept from getting out."""
