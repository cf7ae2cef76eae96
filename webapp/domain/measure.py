"""Measuring: a proposal held against the desk of this moment gives everything the rules look at."""

from datetime import datetime, timedelta
from decimal import Decimal

from webapp.domain.desk import Desk, RestingOrder
from webapp.domain.execution import market_price, round_trip_cost, terms
from webapp.domain.market import Tick, move_pct
from webapp.domain.moments import seconds
from webapp.domain.money import BPS, CONTEXT, UNIT, ZERO, exact
from webapp.domain.orders import Proposal, Side
from webapp.domain.policy import Policy
from webapp.domain.risk import RiskContext

MOVE_WINDOW = timedelta(minutes=5)


@exact
def context_for(desk: Desk, symbol: str, proposal: Proposal, now: datetime) -> RiskContext:
    """Everything the rules look at, for one proposal at ``now``."""
    tape, book, policy = desk.tape(symbol), desk.book, desk.policy
    seen = desk.quote(symbol, now)
    tick = None if seen is None else seen.tick
    price = None if tick is None else _expected_price(proposal, tick, desk.policy)
    base = tape.first_since(now - MOVE_WINDOW)
    position = book.position(symbol)
    claimed = sum(
        (waiting.remaining for waiting in desk.resting.get(symbol, ()) if waiting.order.side is proposal.side), ZERO
    )
    hour, hour_frees_at = desk.activity.last_hour(now, policy.max_trades_per_hour)
    exposure, open_count = _elsewhere(desk, symbol)
    return RiskContext(
        policy=policy,
        now=now,
        symbol=symbol,
        proposal=proposal,
        halted=desk.halted,
        quote_age_seconds=None if tick is None else max(ZERO, seconds(now - tick.event_at)),
        mid_price=None if tick is None else tick.mid_price,
        price=price,
        round_trip_cost=None if tick is None else round_trip_cost(proposal.qty, tick, policy),
        fee=None if price is None else CONTEXT.quantize(proposal.qty * price * policy.fee_bps / BPS, UNIT),
        move_5m_pct=None if tick is None else move_pct(tick.mid_price, base.mid_price if base else tick.mid_price),
        position_qty=position.qty,
        qty_after=position.qty + (claimed + proposal.qty) * proposal.side.sign,
        exposure_elsewhere=exposure,
        open_elsewhere=open_count,
        cash_available=book.cash - _reserved_cash(desk),
        nav=book.stored_nav,
        day_start_nav=desk.day_start_nav,
        drawdown=book.drawdown,
        last_trade_at=position.last_fill_at,
        trades_last_hour=hour,
        hour_frees_at=hour_frees_at,
        trades_today=desk.activity.today(now),
        halt_due=desk.halt_due,
    )


def _expected_price(proposal: Proposal, tick: Tick, policy: Policy) -> Decimal | None:
    """What the order would fill at: the marketable price now, or its limit if it would rest."""
    at = terms(proposal.side, proposal.limit_price, tick, policy, resting=False)
    return at.price if at is not None else proposal.limit_price


def _resting_price(waiting: RestingOrder, desk: Desk) -> Decimal:
    """What a waiting order is expected to fill at, in USDC: its limit, or the market for the rest of a market order."""
    if waiting.order.limit_price is not None:
        return waiting.order.limit_price
    seen = desk.tape(waiting.order.symbol).newest
    if seen is None:
        return desk.book.position(waiting.order.symbol).mark_price
    return market_price(waiting.order.side, seen.tick, desk.policy.slippage_bps)


def _reserved_cash(desk: Desk) -> Decimal:
    """Cash that waiting buys will need, fees included."""
    return sum(
        (
            waiting.remaining * _resting_price(waiting, desk) * (1 + desk.policy.fee_bps / 10_000)
            for queue in desk.resting.values()
            for waiting in queue
            if waiting.order.side is Side.BUY
        ),
        ZERO,
    )


def _elsewhere(desk: Desk, symbol: str) -> tuple[Decimal, int]:
    """Gross exposure and open positions in the other symbols, at the worst their waiting orders could make of it."""
    exposure, count = ZERO, 0
    for other in {position.symbol for position in desk.book.held()} | {s for s, queue in desk.resting.items() if queue}:
        if other == symbol:
            continue
        value = desk.book.position(other).value
        notional = dict.fromkeys(Side, ZERO)
        for waiting in desk.resting.get(other, ()):
            notional[waiting.order.side] += waiting.remaining * _resting_price(waiting, desk)
        exposure += max(abs(value), abs(value + notional[Side.BUY]), abs(value - notional[Side.SELL]))
        count += 1
    return exposure, count
