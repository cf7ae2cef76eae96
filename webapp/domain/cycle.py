"""One cycle: a proposal (somebody's or the desk's own strategy's) is judged, and what passes is filled.

Pure: the desk is changed in memory and the rows to write are collected; a blocked proposal leaves rows too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from webapp.domain.anomaly import judge_move, window_of
from webapp.domain.desk import Desk, RestingOrder
from webapp.domain.market import SeenTick
from webapp.domain.measure import context_for
from webapp.domain.moments import seconds
from webapp.domain.orders import OrderStatus, Proposal
from webapp.domain.records import Changes, CycleRow, OrderRow, RiskEventRow, SignalRow
from webapp.domain.risk import Judgement, evaluate, risk_events
from webapp.domain.risk.rules import freshness, switch
from webapp.domain.strategies import Strategy


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
    changes: Changes
    rule: str | None = None
    reason: str | None = None
    order_id: UUID | None = None
    judgement: Judgement | None = None


def run(desk: Desk, trigger: Trigger, now: datetime, changes: Changes) -> CycleOutcome:
    """Run one cycle at ``now``, adding its rows to ``changes``.

    Raises :class:`OutOfRange` if a result does not fit: then the desk holds what it held, and ``changes`` half a cycle
    that must not be written.
    """
    desk.roll_day(now)
    cycle_id = desk.ids.next(now)
    seen = desk.quote(trigger.symbol, now)
    proposal = trigger.proposal
    if proposal is None:
        closed = _closed(desk, seen, trigger.symbol, now)
        if closed is not None and closed.binding is not None:
            rule, why = closed.binding.rule, closed.binding.sentence
            blocked = CycleOutcome(cycle_id, "blocked", changes, rule, why, judgement=closed)
            return _record(desk, trigger, blocked, seen, None, now)
        proposal = ask(desk, trigger, now)
        if proposal is None:
            nothing = CycleOutcome(cycle_id, "no_signal", changes, reason="The strategy sees no trade.")
            return _record(desk, trigger, nothing, seen, None, now)
    return _propose(desk, trigger, proposal, cycle_id, seen, now, changes)


def judge(desk: Desk, symbol: str, proposal: Proposal, now: datetime) -> Judgement:
    """Every rule on a proposal as things stand; changes nothing."""
    return evaluate(context_for(desk, symbol, proposal, now))


def _closed(desk: Desk, newest: SeenTick | None, symbol: str, now: datetime) -> Judgement | None:
    """Why no strategy need be asked: the desk is halted or about to be, or there is nothing fresh to decide on."""
    if not desk.halted and desk.halt_due is None and newest is not None and desk.is_fresh(newest.tick, now):
        return None
    age = None if newest is None else seconds(now - newest.tick.event_at)
    return Judgement((switch(desk.halted, desk.halt_due), freshness(symbol, age, desk.policy.stale_after_seconds)))


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
        outcome = CycleOutcome(cycle_id, "blocked", changes, binding.rule, binding.sentence, order.order_id, judgement)
    else:
        done = _fill(desk, order, seen, now, changes)
        outcome = CycleOutcome(
            cycle_id, "executed" if done else "resting", changes, order_id=order.order_id, judgement=judgement
        )
    return _record(desk, trigger, outcome, seen, signal.signal_id, now)


def _anomaly_warning(desk: Desk, seen: SeenTick | None, order_id: UUID, now: datetime) -> Iterator[RiskEventRow]:
    """A move worth a warning, written down with the orders of as long a time as it was measured over."""
    if seen is None or seen.tick.event_at < now - timedelta(seconds=desk.policy.anomaly_window_seconds):
        return
    tick = seen.tick
    extremes = desk.tape(tick.symbol).extremes_since(window_of(tick, desk.policy))
    move = None if extremes is None else judge_move(tick, *extremes, desk.policy, desk.policy.anomaly_warn_pct)
    if move is not None:
        warning = move.breach
        yield RiskEventRow(
            desk.ids.next(now), order_id, "warned", warning.rule, {"sentence": f"{warning.reason}."}, now
        )


def _fill(desk: Desk, order: OrderRow, seen: SeenTick | None, now: datetime, changes: Changes) -> bool:
    """Fill what can be filled at once and let the rest wait; True when nothing waits."""
    waiting = RestingOrder(order, order.qty, now + timedelta(seconds=desk.policy.order_ttl_seconds))
    if seen is not None:
        desk.try_fill(waiting, seen, now, changes, resting=False)
    desk.activity.add(now)
    if changes.orders[order.order_id].status is OrderStatus.APPROVED:
        desk.rest(waiting)
    return waiting.remaining == 0


def _record(
    desk: Desk, trigger: Trigger, found: CycleOutcome, seen: SeenTick | None, signal_id: UUID | None, now: datetime
) -> CycleOutcome:
    """``found``, once its row is among the changes."""
    strategy = trigger.strategy.name if trigger.proposal is None and trigger.strategy is not None else None
    found.changes.cycles.append(
        CycleRow(
            found.cycle_id,
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
    return found
