"""The rules, by their stable codes, in the order in which they bind (CONTRACT section 5).

Each measures a value, holds it against a limit of the policy and says so in one sentence with numbers. A value that
cannot be computed blocks: unknown means no.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from webapp.domain.moments import midnight, seconds
from webapp.domain.money import HUNDRED, ZERO, exact, plain, short, telling
from webapp.domain.orders import Side
from webapp.domain.records import Breach
from webapp.domain.risk.context import RiskContext
from webapp.domain.risk.saying import at_least, at_most, measure, unknown
from webapp.domain.risk.verdict import Verdict

Rule = Callable[[RiskContext], Verdict]


def kill_switch_active(ctx: RiskContext) -> Verdict:
    """While the desk is halted nothing trades, nor between a reason to halt and the halt."""
    return switch(ctx.halted, ctx.halt_due)


def switch(halted: bool, due: Breach | None = None) -> Verdict:
    """The kill switch's verdict, which needs no order; ``due`` is what the desk is about to be halted for."""
    sentence = "Trading is halted by the kill switch." if halted else "The kill switch is off."
    if due is not None and not halted:
        sentence = f"Trading is being halted by the kill switch: {due.reason}."
    active = halted or due is not None
    return Verdict("KILL_SWITCH_ACTIVE", not active, Decimal(active), ZERO, "bool", sentence)


def stale_market_data(ctx: RiskContext) -> Verdict:
    """No quote, or one older than the policy allows, blocks."""
    return freshness(ctx.symbol, ctx.quote_age_seconds, ctx.policy.stale_after_seconds)


def freshness(symbol: str, age: Decimal | None, stale_after_seconds: int) -> Verdict:
    """The verdict on the newest quote, which needs no order."""
    limit = Decimal(stale_after_seconds)
    if age is None:
        return Verdict("STALE_MARKET_DATA", False, None, limit, "s", f"There is no quote of {symbol} yet.")
    age_of = f"The age of the newest quote of {symbol}"
    return at_most("STALE_MARKET_DATA", age, limit, "s", age_of, lead=f"The newest quote of {symbol} is {{}} old")


def _notional(ctx: RiskContext, qty: Decimal) -> Decimal | None:
    return None if ctx.price is None else abs(qty) * ctx.price


def max_order_notional(ctx: RiskContext) -> Verdict:
    """Quantity times expected fill price."""
    value = _notional(ctx, ctx.proposal.qty)
    return at_most("MAX_ORDER_NOTIONAL", value, ctx.policy.max_order_notional, "USDC", "The order's notional")


def max_position_notional(ctx: RiskContext) -> Verdict:
    """The position in the symbol once the order is filled."""
    value = _notional(ctx, ctx.qty_after)
    limit, position = ctx.policy.max_position_notional, f"The {ctx.symbol} position"
    what, lead = f"{position} after the order", f"{position} would be worth {{}}"
    return at_most("MAX_POSITION_NOTIONAL", value, limit, "USDC", what, lead=lead)


def max_gross_exposure(ctx: RiskContext) -> Verdict:
    """All positions without their signs once the order is filled."""
    here = _notional(ctx, ctx.qty_after)
    value = None if here is None else here + ctx.exposure_elsewhere
    limit, what = ctx.policy.max_gross_exposure, "The gross exposure after the order"
    return at_most("MAX_GROSS_EXPOSURE", value, limit, "USDC", what, lead="The gross exposure would be {}")


def max_open_positions(ctx: RiskContext) -> Verdict:
    """Symbols held once the order is filled."""
    value = Decimal(ctx.open_elsewhere + (1 if ctx.qty_after else 0))
    limit, what = Decimal(ctx.policy.max_open_positions), "The number of positions after the order"
    return at_most("MAX_OPEN_POSITIONS", value, limit, "positions", what, lead="The desk would hold {}")


def _projected_loss(ctx: RiskContext) -> Decimal | None:
    """The larger of what the proposer expects to lose and what a round trip costs."""
    if ctx.round_trip_cost is None:
        return None
    return max(ctx.proposal.expected_loss or ZERO, ctx.round_trip_cost)


def max_loss_per_trade(ctx: RiskContext) -> Verdict:
    """What this one order may lose."""
    value, limit = _projected_loss(ctx), ctx.policy.max_loss_per_trade
    return at_most("MAX_LOSS_PER_TRADE", value, limit, "USDC", "The order's projected loss")


def max_daily_loss(ctx: RiskContext) -> Verdict:
    """NAV at 00:00 UTC less NAV now, plus the projected loss; a new day forgives the former, never the latter."""
    rule, limit, projected = "MAX_DAILY_LOSS", ctx.policy.max_daily_loss, _projected_loss(ctx)
    if projected is None:
        return unknown(rule, limit, "USDC", "The loss of the day")
    value = ctx.day_start_nav - ctx.nav + projected
    lead = f"The day's loss is {{}}, {measure(projected, 'USDC')} of a projected loss included"
    if value < 0:
        gain, allowed = measure(-value, "USDC"), measure(limit, "USDC")
        sentence = f"The day's gain is {gain} even after the projected loss; a loss of {allowed} is the limit."
        return Verdict(rule, True, value, limit, "USDC", sentence)
    retry_at = _next_midnight(ctx.now) if projected <= limit else None
    return at_most(rule, value, limit, "USDC", "The loss of the day", lead=lead, retry_at=retry_at)


def max_drawdown(ctx: RiskContext) -> Verdict:
    """Reaching the limit halts, so being at it blocks already."""
    value, limit = ctx.drawdown, ctx.policy.max_drawdown
    ok = value < limit
    relation, places = "is below" if ok else "has reached", telling(value, limit, 2)
    drawdown, allowed = short(value, places), short(limit, places)
    sentence = f"The drawdown of {drawdown} USDC since the last release {relation} the limit of {allowed} USDC."
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
    places = telling(passed, limit, 2)
    sentence = f"{ctx.symbol} last traded {short(passed, places)} s ago; the cooldown is {short(limit, 0)} s."
    if not ok:
        sentence += f" It ends in {short(limit - passed, places)} s."
    retry_at = None if ok else ends_at
    return Verdict("COOLDOWN_SECONDS", ok, passed, limit, "s", sentence, floor=True, retry_at=retry_at)


def max_trades_per_hour(ctx: RiskContext) -> Verdict:
    """Orders let through in the last 60 minutes, this one included."""
    value, limit = Decimal(ctx.trades_last_hour + 1), Decimal(ctx.policy.max_trades_per_hour)
    lead = "With this order it would be {} in 60 minutes"
    return at_most("MAX_TRADES_PER_HOUR", value, limit, "trades", "", lead=lead, retry_at=ctx.hour_frees_at)


def max_trades_per_day(ctx: RiskContext) -> Verdict:
    """Orders let through since 00:00 UTC, this one included."""
    value, limit = Decimal(ctx.trades_today + 1), Decimal(ctx.policy.max_trades_per_day)
    lead = "With this order it would be {} since 00:00 UTC"
    retry_at = _next_midnight(ctx.now) if limit else None
    return at_most("MAX_TRADES_PER_DAY", value, limit, "trades", "", lead=lead, retry_at=retry_at)


def min_confidence(ctx: RiskContext) -> Verdict:
    """How sure the proposer is."""
    return at_least("MIN_CONFIDENCE", ctx.proposal.confidence, ctx.policy.min_confidence, "ratio", "A confidence")


def min_price_move_5m(ctx: RiskContext) -> Verdict:
    """How far the mid moved in the last five minutes, either way."""
    value, limit = ctx.move_5m_pct, ctx.policy.min_price_move_5m_pct
    return at_least("MIN_PRICE_MOVE_5M", value, limit, "%", "A move in 5 minutes")


def price_collar(ctx: RiskContext) -> Verdict:
    """How far the order's price is from the mid, either way."""
    price = ctx.proposal.limit_price if ctx.proposal.limit_price is not None else ctx.price
    value = None if price is None or ctx.mid_price is None else abs(price - ctx.mid_price) / ctx.mid_price * HUNDRED
    limit, what = ctx.policy.price_collar_pct, "The distance of the order's price from the mid"
    return at_most("PRICE_COLLAR", value, limit, "%", what, lead="The order's price is {} from the mid")


def insufficient_cash(ctx: RiskContext) -> Verdict:
    """A buy needs its notional and fee in cash that no resting order has claimed; a sale brings cash in."""
    if ctx.proposal.side is Side.SELL:
        return Verdict("INSUFFICIENT_CASH", True, ZERO, ctx.cash_available, "USDC", "A sale needs no cash.")
    notional = _notional(ctx, ctx.proposal.qty)
    value = None if notional is None or ctx.fee is None else notional + ctx.fee
    if value is None:
        return unknown("INSUFFICIENT_CASH", ctx.cash_available, "USDC", "The cost of the order")
    ok = value <= ctx.cash_available
    relation, places = "is covered by" if ok else "is more than", telling(value, ctx.cash_available, 2)
    cost, cash = short(value, places), short(ctx.cash_available, places)
    sentence = f"The cost of {cost} USDC, fee included, {relation} the free cash of {cash} USDC."
    return Verdict("INSUFFICIENT_CASH", ok, value, ctx.cash_available, "USDC", sentence)


def short_not_allowed(ctx: RiskContext) -> Verdict:
    """Selling more than is held, resting sales included, needs the policy's leave."""
    goes_short = ctx.proposal.side is Side.SELL and ctx.qty_after < 0
    ok = ctx.policy.allow_short or not goes_short
    sentence = "The order does not sell more than is held."
    if goes_short:
        leave = "which the policy allows" if ok else "and short positions are not allowed"
        sentence = f"The order would leave {ctx.symbol} at {plain(ctx.qty_after.normalize())}, {leave}."
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
