"""One cycle: a proposal (somebody's or the desk's own strategy's) is judged, and what passes is filled.

Pure: the desk is changed in memory and the rows to write are collected; a blocked proposal leaves rows too.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from webapp.domain.anomaly import judge_move
from webapp.domain.desk import Desk, RestingOrder
from webapp.domain.execution import market_price, round_trip_cost, terms
from webapp.domain.market import SeenTick, Tick, move_pct
from webapp.domain.moments import seconds
from webapp.domain.money import BPS, CONTEXT, UNIT, ZERO, exact
from webapp.domain.orders import OrderStatus, Proposal, Side
from webapp.domain.policy import Policy
from webapp.domain.records import Changes, CycleRow, OrderRow, RiskEventRow, SignalRow
from webapp.domain.risk import Judgement, RiskContext, evaluate, risk_events
from webapp.domain.strategies import Strategy

MOVE_WINDOW = timedelta(minutes=5)


@dataclass(frozen=True)
class Trigger:
    """Who asks for a cycle of which symbol, and what they propose; without a proposal ``strategy`` decides."""

    symbol: str
    source: str
    proposal: Proposal | None = None
    strategy: Strategy | None = None


@dataclass(frozen=True)
class CycleOutcome:
    """What became of a cycle: ``executed``, ``resting``, ``no_signal``, or ``blocked`` by ``rule``."""

    cycle_id: UUID
    outcome: str
    rule: str | None = None
    reason: str | None = None
    order_id: UUID | None = None
    judgement: Judgement | None = None
    changes: Changes = field(default_factory=Changes)


def run(desk: Desk, trigger: Trigger, now: datetime, changes: Changes) -> CycleOutcome:
    """Run one cycle at ``now``, adding its rows to ``changes``. Raises :class:`OutOfRange` if a result does not fit."""
    desk.roll_day(now)
    cycle_id = desk.ids.next(now)
    seen = desk.quote(trigger.symbol, now)
    proposal = trigger.proposal
    if proposal is None:
        closed = _closed(desk, seen, trigger.symbol, now)
        if closed is not None:
            return _record(desk, trigger, cycle_id, closed, seen, None, now, changes)
        proposal = ask(desk, trigger, now)
        if proposal is None:
            nothing = CycleOutcome(cycle_id, "no_signal", reason="The strategy sees no trade.", changes=changes)
            return _record(desk, trigger, cycle_id, nothing, seen, None, now, changes)
    return _propose(desk, trigger, proposal, cycle_id, seen, now, changes)


def judge(desk: Desk, symbol: str, proposal: Proposal, now: datetime) -> Judgement:
    """Every rule on a proposal as things stand; changes nothing."""
    return evaluate(context_for(desk, symbol, proposal, now))


def _closed(desk: Desk, newest: SeenTick | None, symbol: str, now: datetime) -> CycleOutcome | None:
    """The outcome of asking no strategy at all: the desk is halted, or there is nothing fresh to decide on."""
    placeholder = UUID(int=0)
    if desk.halted:
        return CycleOutcome(placeholder, "blocked", "KILL_SWITCH_ACTIVE", "Trading is halted by the kill switch.")
    if newest is None:
        return CycleOutcome(placeholder, "blocked", "STALE_MARKET_DATA", f"There is no quote of {symbol} yet.")
    if not desk.is_fresh(newest.tick, now):
        age = seconds(now - newest.tick.event_at)
        return CycleOutcome(
            placeholder, "blocked", "STALE_MARKET_DATA", f"The newest quote of {symbol} is {age} s old."
        )
    return None


def ask(desk: Desk, trigger: Trigger, now: datetime) -> Proposal | None:
    """What the desk's own strategy proposes at ``now``; None when it sees no trade."""
    if trigger.strategy is None:
        return None
    window = desk.tape(trigger.symbol).window(now - timedelta(seconds=trigger.strategy.window_seconds))
    position = desk.book.position(trigger.symbol)
    return trigger.strategy.decide(window, position.qty, desk.policy)


def _propose(
    desk: Desk,
    trigger: Trigger,
    proposal: Proposal,
    cycle_id: UUID,
    seen: SeenTick | None,
    now: datetime,
    changes: Changes,
) -> CycleOutcome:
    signal = SignalRow(
        desk.ids.next(now), cycle_id, trigger.symbol, proposal.side, proposal.confidence, dict(proposal.payload), now
    )
    judgement = judge(desk, trigger.symbol, proposal, now)
    binding = judgement.binding
    order = OrderRow(
        desk.ids.next(now),
        cycle_id,
        signal.signal_id,
        trigger.symbol,
        proposal.side,
        proposal.qty,
        proposal.limit_price,
        OrderStatus.APPROVED if binding is None else OrderStatus.REJECTED,
        None if binding is None else binding.rule,
        now,
    )
    changes.signals.append(signal)
    changes.orders[order.order_id] = order
    changes.risk_events.extend(risk_events(judgement, order.order_id, desk.policy_version, desk.ids, now))
    changes.risk_events.extend(_anomaly_warning(desk, seen, order.order_id, now))
    desk.move(order.order_id, None, OrderStatus.PROPOSED, None, now, changes)
    reason = None if binding is None else binding.rule
    desk.move(order.order_id, OrderStatus.PROPOSED, order.status, reason, now, changes)
    if binding is not None:
        outcome = CycleOutcome(cycle_id, "blocked", binding.rule, binding.sentence, order.order_id, judgement, changes)
    else:
        done = _fill(desk, order, seen, now, changes)
        outcome = CycleOutcome(
            cycle_id, "executed" if done else "resting", None, None, order.order_id, judgement, changes
        )
    return _record(desk, trigger, cycle_id, outcome, seen, signal.signal_id, now, changes)


def _anomaly_warning(desk: Desk, seen: SeenTick | None, order_id: UUID, now: datetime) -> Iterator[RiskEventRow]:
    """A move worth a warning, written down with the first orders it may have influenced."""
    if seen is None:
        return
    tick = seen.tick
    extremes = desk.tape(tick.symbol).extremes_since(
        tick.event_at - timedelta(seconds=desk.policy.anomaly_window_seconds)
    )
    warning = None if extremes is None else judge_move(tick, *extremes, desk.policy, desk.policy.anomaly_warn_pct)
    if warning is not None:
        yield RiskEventRow(
            desk.ids.next(now), order_id, "warned", warning.rule, {"sentence": f"{warning.reason}."}, now
        )


def _fill(desk: Desk, order: OrderRow, seen: SeenTick | None, now: datetime, changes: Changes) -> bool:
    """Fill what can be filled at once and let the rest wait; True when nothing waits."""
    waiting = RestingOrder(order, order.qty, now + timedelta(seconds=desk.policy.order_ttl_seconds))
    desk.activity.add(now)
    desk.rest(waiting)
    if seen is not None:
        desk.try_fill(waiting, seen, now, changes, resting=False)
    return waiting.remaining == 0


def _record(
    desk: Desk,
    trigger: Trigger,
    cycle_id: UUID,
    found: CycleOutcome,
    seen: SeenTick | None,
    signal_id: UUID | None,
    now: datetime,
    changes: Changes,
) -> CycleOutcome:
    strategy = trigger.strategy.name if trigger.proposal is None and trigger.strategy is not None else None
    changes.cycles.append(
        CycleRow(
            cycle_id,
            trigger.symbol,
            trigger.source,
            strategy,
            desk.actor,
            found.outcome,
            None if seen is None else seen.tick_id,
            found.order_id,
            signal_id,
            desk.policy_version,
            found.rule or found.reason,
            now,
        )
    )
    return CycleOutcome(cycle_id, found.outcome, found.rule, found.reason, found.order_id, found.judgement, changes)


# --- what the rules look at ---
@exact
def context_for(desk: Desk, symbol: str, proposal: Proposal, now: datetime) -> RiskContext:
    """Measure everything the rules look at, for one proposal at ``now``."""
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
        nav=book.nav,
        day_start_nav=desk.day_start_nav,
        drawdown=book.drawdown,
        last_trade_at=position.last_fill_at,
        trades_last_hour=hour,
        hour_frees_at=hour_frees_at,
        trades_today=desk.activity.today(now),
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
