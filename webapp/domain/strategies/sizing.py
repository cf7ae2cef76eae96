"""From an opinion to an order that fits the policy: what to buy, and how to be rid of what is held."""

from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal

from webapp.domain.market import Quote
from webapp.domain.money import BPS, CONTEXT, ZERO, exact, plain, quantise
from webapp.domain.orders import Proposal, Side
from webapp.domain.policy import Policy

WORTH_TRADING = Decimal("0.6")
"""Confidence of a signal that just pays for itself."""
LOT = Decimal("0.000001")
LARGEST_QTY = Decimal(9_999_999_999)
CONFIDENCE_STEP = Decimal("0.00001")
LARGEST_SHARE = Decimal("0.8")
"""Of the largest order allowed: the price may move before the order is judged."""


@exact
def confidence_of(strength: Decimal) -> Decimal:
    """Confidence for a strength of which 1 just pays: in proportion below that, then rising towards 1."""
    value = WORTH_TRADING * strength if strength < 1 else 1 - (1 - WORTH_TRADING) / strength
    return max(ZERO, value).quantize(CONFIDENCE_STEP, rounding=ROUND_DOWN)


@exact
def buy(
    quote: Quote,
    confidence: Decimal,
    policy: Policy,
    *,
    risk: Decimal,
    payload: Mapping[str, str],
    limit_price: Decimal | None = None,
) -> Proposal | None:
    """An opening buy, the larger the surer, within the largest order and position; None when nothing fits."""
    notional = min(policy.max_order_notional, policy.max_position_notional) * min(confidence, LARGEST_SHARE)
    return buy_for(quote, notional, confidence, risk=risk, payload=payload, limit_price=limit_price)


@exact
def buy_for(
    quote: Quote,
    notional: Decimal,
    confidence: Decimal,
    *,
    risk: Decimal,
    payload: Mapping[str, str],
    limit_price: Decimal | None = None,
) -> Proposal | None:
    """A buy for so many USDC; None when that is nothing.

    ``risk`` is the fraction of the notional a normal move against the position would lose.
    """
    qty = min(lots(notional / quote.ask_price), LARGEST_QTY)
    if qty <= 0:
        return None
    loss = quantise(min(qty * quote.ask_price * min(risk, Decimal(1)), LARGEST_QTY), "expected loss")
    return Proposal(Side.BUY, qty, confidence, limit_price, loss, dict(payload))


@exact
def leave(
    quote: Quote, confidence: Decimal, policy: Policy, *, held: Decimal, payload: Mapping[str, str]
) -> Proposal | None:
    """Out of all that is held, long or short, or of as much as one order may be; None when that is nothing."""
    most = policy.max_order_notional / (quote.ask_price * (1 + Decimal(policy.slippage_bps) / BPS))
    qty = abs(held) if abs(held) <= most else lots(most)
    return Proposal(way_out(held), qty, confidence, payload=dict(payload)) if qty > 0 else None


def way_out(held: Decimal) -> Side:
    """Which way an order goes that reduces what is held."""
    return Side.SELL if held > 0 else Side.BUY


def lots(qty: Decimal) -> Decimal:
    """A quantity cut to what is worth asking for: six decimals."""
    return qty.quantize(LOT, rounding=ROUND_DOWN, context=CONTEXT)


def shown(value: Decimal, places: int = 4) -> str:
    """A number as the payload explains it: plain notation, rounded half-even."""
    return plain(CONTEXT.quantize(value, Decimal(1).scaleb(-places)))


def percent(fraction: Decimal) -> str:
    """A fraction in percent, as the payload explains it."""
    return shown(fraction * 100)
