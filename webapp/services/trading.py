"""Trading: :func:`run_cycle` is the only door through which orders come to be."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from webapp.domain import cycle
from webapp.domain.cycle import CycleOutcome, Trigger
from webapp.domain.desk import Desk
from webapp.domain.errors import NotFound
from webapp.domain.orders import OrderStatus, Proposal, check_transition
from webapp.domain.reasons import check_reason
from webapp.domain.records import Changes, TransitionRow
from webapp.domain.risk import Judgement
from webapp.domain.risk.advice import next_step
from webapp.domain.strategies import Strategy
from webapp.domain.unacted import halt_due
from webapp.domain.wire import jsonable
from webapp.models import Account, Order, OrderTransition
from webapp.services import desk_state, idempotency, journal, monitors
from webapp.services.idempotency import StoredAnswer
from webapp.services.transaction import enter_gate, one_moment, transaction

CODES: Mapping[str, tuple[int, str]] = {
    "KILL_SWITCH_ACTIVE": (423, "KILL_SWITCH_ACTIVE"),
    "STALE_MARKET_DATA": (409, "STALE_MARKET_DATA"),
}
"""Status and error code of a blocked cycle by its binding rule; every other rule is RISK_BLOCKED."""
RISK_BLOCKED = (409, "RISK_BLOCKED")
PASSED = ("executed", "resting")
MADE_WAY = "made way for an order that stands alone"
"""Why an order is canceled for another of its symbol."""


@dataclass(frozen=True)
class CycleRequest:
    """A cycle as somebody asks for it; ``fingerprint`` is the SHA-256 of the request, bound to ``idempotency_key``.

    ``max_order_notional`` (USDC) is the asker's own cap, which can only be tighter than the policy's. ``alone`` judges
    it as if nothing of the symbol rested, and cancels what does once it has passed.
    """

    symbol: str
    trigger_source: str
    proposal: Proposal | None = None
    idempotency_key: str | None = None
    fingerprint: str = ""
    max_order_notional: Decimal | None = None
    alone: bool = False


@dataclass(frozen=True)
class CycleResult:
    """The answer to a cycle: HTTP status and JSON text, the very same text when it is replayed."""

    status_code: int
    body: str
    replayed: bool = False

    @property
    def document(self) -> dict[str, Any]:
        """The answer, parsed."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


def run_cycle(
    session: Session, request: CycleRequest, by: str, now: datetime | None = None, strategy: Strategy | None = None
) -> CycleResult:
    """Judge one proposal (the caller's, or what ``strategy`` says), fill what passes, store all of it: one transaction.

    Raises :class:`Conflict` when the idempotency key belongs to another request, :class:`OutOfRange` when a resulting
    amount would not fit; then nothing is stored.
    """
    with transaction(session):
        enter_gate(session)
        window = 0 if request.proposal is not None or strategy is None else strategy.window_seconds
        desk, at = desk_state.load(session, [request.symbol], by, now, window_seconds=window)
        known = replay(session, request, by)
        if known is not None:
            return known
        _tighten(desk, request)
        changes = Changes()
        _note_halt_due(desk, at, changes)
        set_aside = desk.resting.pop(request.symbol, []) if request.alone else []
        outcome = cycle.run(
            desk, Trigger(request.symbol, request.trigger_source, request.proposal, strategy), at, changes
        )
        if outcome.outcome in PASSED:
            for waiting in set_aside:
                desk.cancel(waiting, MADE_WAY, at, changes)
        journal.write(session, desk, changes, at)
        answer = _answer(outcome, changes, at)
        if request.idempotency_key is not None:
            idempotency.store(session, by, request.idempotency_key, request.fingerprint, answer, at)
    monitors.act_on(session, changes.breaches)
    return CycleResult(answer.status, answer.body)


def replay(session: Session, request: CycleRequest, by: str) -> CycleResult | None:
    """The answer given to this very request before, if there was one; decides and writes nothing."""
    if request.idempotency_key is None:
        return None
    known = idempotency.find(session, by, request.idempotency_key, request.fingerprint)
    return None if known is None else CycleResult(known.status, known.body, replayed=True)


def _note_halt_due(desk: Desk, at: datetime, changes: Changes) -> None:
    """Let nothing pass before a halt that is due, and see to it that it comes."""
    desk.halt_due = halt_due(desk, at)
    if desk.halt_due is not None:
        changes.breaches.append(desk.halt_due)


def _tighten(desk: Desk, request: CycleRequest) -> None:
    """Hold the asker's own cap against every order of this cycle."""
    cap = request.max_order_notional
    if cap is not None and cap < desk.policy.max_order_notional:
        desk.policy = replace(desk.policy, max_order_notional=cap.normalize())


def _answer(outcome: CycleOutcome, changes: Changes, at: datetime) -> StoredAnswer:
    if outcome.outcome == "blocked":
        status, document = blocked(outcome)
    else:
        status, document = 202, _accepted(outcome, changes, at)
    return StoredAnswer(status, json.dumps(jsonable(document), separators=(",", ":")))


def _accepted(outcome: CycleOutcome, changes: Changes, at: datetime) -> dict[str, Any]:
    return {
        "cycle_id": outcome.cycle_id,
        "accepted": True,
        "queued_at": at,
        "outcome": outcome.outcome,
        "order": None if outcome.order_id is None else vars(changes.orders[outcome.order_id]),
        "fills": [vars(fill) for fill in changes.fills],
        "risk": [] if outcome.judgement is None else outcome.judgement.documents(),
    }


def blocked(outcome: CycleOutcome) -> tuple[int, dict[str, Any]]:
    """Status and error document of a cycle the gate stopped."""
    rule = outcome.rule or ""
    status, code = CODES.get(rule, RISK_BLOCKED)
    rules = [] if outcome.judgement is None else outcome.judgement.documents()
    binding: dict[str, Any] = next((entry for entry in rules if entry["binding"]), {})
    details = {
        "cycle_id": outcome.cycle_id,
        "order_id": outcome.order_id,
        "rule": rule,
        "limit": binding.get("limit"),
        "value": binding.get("value"),
        "retry_at": None if outcome.judgement is None else outcome.judgement.retry_at,
        "next": None if outcome.judgement is None else next_step(outcome.judgement),
        "rules": rules,
    }
    return status, {"error": {"code": code, "message": outcome.reason, "details": details}}


def check(
    session: Session, request: CycleRequest, by: str, now: datetime | None = None, strategy: Strategy | None = None
) -> dict[str, Any]:
    """What the gate would say of a cycle as things stand. Writes nothing and locks nothing."""
    window = 0 if strategy is None else strategy.window_seconds
    with one_moment(session):
        desk, at = desk_state.load(session, [request.symbol], by, now, window_seconds=window)
    _tighten(desk, request)
    if request.alone:
        desk.resting.pop(request.symbol, None)
    desk.halt_due = halt_due(desk, at)
    proposal = request.proposal
    if proposal is None and strategy is not None:
        proposal = cycle.ask(desk, Trigger(request.symbol, request.trigger_source, None, strategy), at)
    if proposal is None:
        return {"allowed": None, "outcome": "no_signal", "proposal": None, "as_of": at, "rules": []}
    return _checked(cycle.judge(desk, request.symbol, proposal, at), proposal, at)


def _checked(judgement: Judgement, proposal: Proposal, at: datetime) -> dict[str, Any]:
    binding = judgement.binding
    return {
        "allowed": binding is None,
        "outcome": "would_pass" if binding is None else "would_be_blocked",
        "rule": None if binding is None else binding.rule,
        "limit": None if binding is None else binding.limit,
        "value": None if binding is None else binding.value,
        "sentence": f"All {len(judgement.verdicts)} rules would let it pass." if binding is None else binding.sentence,
        "retry_at": judgement.retry_at,
        "next": next_step(judgement),
        "as_of": at,
        "proposal": vars(proposal),
        "rules": judgement.documents(),
    }


def cancel(
    session: Session, order_id: UUID, by: str, reason: str | None = None, now: datetime | None = None
) -> dict[str, Any]:
    """Cancel a resting order; allowed while halted too. Its columns once canceled.

    Raises :class:`NotFound`, :class:`Conflict` when it no longer rests, :class:`BadInput` for an overlong reason.
    """
    why = check_reason(reason, required=False) or "canceled on request"
    with transaction(session):
        enter_gate(session)
        desk, at = desk_state.load(session, [], by, now)
        order = session.execute(select(Order.__table__).where(Order.order_id == order_id)).mappings().one_or_none()
        if order is None:
            raise NotFound("there is no such order", order_id=str(order_id))
        check_transition(OrderStatus(order["status"]), OrderStatus.CANCELED)
        _store_cancel(session, desk, order_id, why, at)
    return {**order, "status": OrderStatus.CANCELED}


def _store_cancel(session: Session, desk: Desk, order_id: UUID, reason: str, at: datetime) -> None:
    session.execute(update(Order).where(Order.order_id == order_id).values(status=OrderStatus.CANCELED))
    step = TransitionRow(
        desk.ids.next(at), order_id, OrderStatus.APPROVED, OrderStatus.CANCELED, desk.actor, reason, at
    )
    session.execute(OrderTransition.__table__.insert().values(vars(step)))  # type: ignore[attr-defined]  # a Table
    # By the real clock, whatever time this happened in: it tells who keeps a desk in memory that it holds no longer.
    session.execute(update(Account).values(updated_at=func.clock_timestamp()))


def advance(session: Session, by: str, now: datetime | None = None) -> int:
    """Let time pass: resting orders expire and the grid takes its snapshot. How many orders expired."""
    with transaction(session):
        enter_gate(session)
        desk, at = desk_state.load(session, [], by, now)
        changes = Changes()
        desk.advance(at, changes)
        if changes.snapshots or changes.transitions:
            journal.write(session, desk, changes, at)
    return len(changes.transitions)
