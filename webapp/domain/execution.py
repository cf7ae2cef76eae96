"""The paper broker: at which price and how much an order fills against a quote.

Prices (CONTRACT section 5): a market order buys at ``ask * (1 + slippage_bps/10000)`` and sells at
``bid * (1 - slippage_bps/10000)``; a limit order that is marketable does the same, never worse than its limit; a
resting one fills at its limit, without slippage, once the opposite side of a later quote reaches it.
"""

from dataclasses import dataclass
from decimal import Decimal

from webapp.domain.errors import OutOfRange
from webapp.domain.market import Tick
from webapp.domain.money import BPS, ZERO, exact, quantise, round_down
from webapp.domain.orders import Side
from webapp.domain.policy import Policy


@dataclass(frozen=True)
class Terms:
    """What a fill would be made at: price in USDC, slippage in whole basis points."""

    price: Decimal
    slippage_bps: int


@dataclass(frozen=True)
class Execution:
    """One fill before it is booked: quantity, price and fee are already rounded as they are stored."""

    side: Side
    qty: Decimal
    price: Decimal
    fee: Decimal
    slippage_bps: int


def touch(side: Side, tick: Tick) -> Decimal:
    """The side of the quote an order trades against: the ask for a buy, the bid for a sell."""
    return tick.ask_price if side is Side.BUY else tick.bid_price


def is_marketable(side: Side, limit_price: Decimal | None, tick: Tick) -> bool:
    """Whether the opposite side of the quote reaches the limit; a market order always is."""
    if limit_price is None:
        return True
    return tick.ask_price <= limit_price if side is Side.BUY else tick.bid_price >= limit_price


@exact
def market_price(side: Side, tick: Tick, slippage_bps: int) -> Decimal:
    """The touch moved against the order by the slippage, rounded half-even to 8 decimals.

    Raises :class:`OutOfRange` when that does not fit, or leaves nothing to trade at.
    """
    price = quantise(touch(side, tick) * (1 + side.sign * slippage_bps / BPS), "fill price")
    if not price:
        raise OutOfRange("the fill price is less than the smallest amount, 0.00000001", what="fill price")
    return price


def terms(side: Side, limit_price: Decimal | None, tick: Tick, policy: Policy, *, resting: bool) -> Terms | None:
    """The price an order would get from ``tick``; None when it does not reach its limit."""
    if not is_marketable(side, limit_price, tick):
        return None
    if limit_price is not None and resting:
        return Terms(limit_price, 0)
    price = market_price(side, tick, policy.slippage_bps)
    if limit_price is not None and (price - limit_price) * side.sign > 0:
        return Terms(limit_price, applied_slippage(side, limit_price, tick))
    return Terms(price, policy.slippage_bps)


@exact
def applied_slippage(side: Side, price: Decimal, tick: Tick) -> int:
    """How far ``price`` is from the touch, against the order, in whole basis points (half-even)."""
    moved = (price - touch(side, tick)) * side.sign * BPS / touch(side, tick)
    return max(0, int(moved.quantize(Decimal(1))))


@exact
def fee_of(qty: Decimal, price: Decimal, fee_bps: Decimal) -> Decimal:
    """``qty * price * fee_bps / 10000``, rounded half-even to 8 decimals."""
    return quantise(qty * price * fee_bps / BPS, "fee")


@exact
def execute(side: Side, remaining: Decimal, at: Terms, policy: Policy, budget: Decimal | None) -> Execution | None:
    """As much of ``remaining`` as ``budget`` (USDC of notional this quote may still fill) allows; None when nothing."""
    qty = remaining if budget is None else min(remaining, round_down(max(ZERO, budget) / at.price))
    if qty <= 0:
        return None
    return Execution(side, qty, at.price, fee_of(qty, at.price, policy.fee_bps), at.slippage_bps)


@exact
def round_trip_cost(qty: Decimal, tick: Tick, policy: Policy) -> Decimal:
    """What buying and at once selling ``qty`` would lose: spread, slippage and fees both ways, in USDC."""
    bought = market_price(Side.BUY, tick, policy.slippage_bps)
    sold = market_price(Side.SELL, tick, policy.slippage_bps)
    return qty * (bought - sold) + qty * (bought + sold) * policy.fee_bps / BPS
