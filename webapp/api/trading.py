"""Cycles and orders: propose, ask first, cancel, and read what became of it."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID

from flask import Response, current_app, g

from webapp.api import answers, wire
from webapp.api.calls import call
from webapp.api.guard import refuse_paused, tally
from webapp.api.schemas import CancelIn, CheckIn, CycleIn, ProposalIn
from webapp.api.wire import answer, stamped
from webapp.domain.errors import NotFound
from webapp.domain.orders import Proposal, Side
from webapp.domain.strategies import Strategy, deal, get_strategy
from webapp.extensions import db
from webapp.queries import lineage
from webapp.services import trading
from webapp.services.trading import CycleRequest


@call(
    "POST",
    "/trade/cycle",
    scopes=("trade",),
    body=CycleIn,
    answer=answers.CycleResultOut,
    status=202,
    errors=(400, 409, 423),
    headers=("Idempotent-Replayed",),
    pace="cycles",
    while_paused=True,
)
def post_cycle(body: CycleIn) -> Response:
    """Run one trade cycle

    The proposal, or what the desk's own strategy says, is judged by every rule; what passes is filled or rests. A
    blocked one is 409 RISK_BLOCKED (423 KILL_SWITCH_ACTIVE while halted, 409 STALE_MARKET_DATA without a fresh quote)
    with every rule's value and limit; it is stored too. The same key and body again: the same answer with the header
    Idempotent-Replayed, and nothing new is written. The same key with another body: 409 CONFLICT. Where time alone
    mends a refusal, Retry-After says in how many seconds to propose it again, under a new key. A token's own cap of an
    order counts as MAX_ORDER_NOTIONAL.
    """
    request = _request(body, wire.fingerprint(wire.read_object()))
    if g.token.paused_at is not None:
        result = trading.replay(db.session(), request, by=g.actor) or _paused()
    else:
        result = trading.run_cycle(db.session(), request, by=g.actor, strategy=_strategy(body))
    response = Response(result.body + "\n", result.status_code, mimetype="application/json")
    if result.replayed:
        response.headers["Idempotent-Replayed"] = "true"
        tally(replays=1)
    if result.status_code == 409 and (retry_at := result.document["error"]["details"].get("retry_at")):
        _say_when(response, datetime.fromisoformat(retry_at))
    return response


def _paused() -> NoReturn:
    refuse_paused()
    raise AssertionError("a bot that is not paused was taken for a paused one")


def _say_when(response: Response, retry_at: datetime) -> None:
    """Seconds from now, as long as there are any: an answer given again may be old."""
    seconds = math.ceil((retry_at - datetime.now(UTC)).total_seconds())
    if seconds > 0:
        response.headers["Retry-After"] = str(seconds)


@call("POST", "/risk/check", scopes=("read",), body=CheckIn, answer=answers.CheckOut, errors=(400,))
def post_risk_check(body: CheckIn) -> Response:
    """Ask the risk gate

    The same body as a cycle and the full verdict as things stand now. Writes nothing.
    """
    request = _request(body, "")
    return answer(stamped({}) | trading.check(db.session(), request, by=g.actor, strategy=_strategy(body)))


@call(
    "POST",
    "/orders/<uuid:order_id>/cancellation",
    scopes=("trade",),
    body=CancelIn,
    body_optional=True,
    answer=answers.CanceledOut,
    errors=(400, 404, 409),
    pace="cancellations",
    while_paused=True,
)
def post_cancellation(order_id: UUID, body: CancelIn) -> Response:
    """Cancel a resting order

    Always allowed, also while halted, to a paused bot, and to one that has used up its other requests. 409 CONFLICT
    when the order no longer rests.
    """
    return answer(trading.cancel(db.session(), order_id, by=g.actor, reason=body.reason))


@call("GET", "/orders/<uuid:order_id>", scopes=("read",), answer=answers.OrderOut, errors=(404,))
def get_order(order_id: UUID) -> Response:
    """One order with its whole lineage

    Signal, quote, every rule's value and limit, states, fills with their arithmetic, the book before and after.
    """
    story = lineage.order_story(db.session(), order_id)
    if story is None:
        raise NotFound("There is no such order.", order_id=str(order_id))
    return answer(_order(story))


@call("GET", "/cycles/<uuid:cycle_id>", scopes=("read",), answer=answers.CycleOut, errors=(404,))
def get_cycle(cycle_id: UUID) -> Response:
    """One cycle with its whole lineage

    The quote it saw, what the strategy said, what the gate said, what was done.
    """
    story = lineage.cycle_story(db.session(), cycle_id)
    if story is None:
        raise NotFound("There is no such cycle.", cycle_id=str(cycle_id))
    orders = [_order(order) for order in story.orders]
    return answer(
        {"cycle_id": cycle_id, **(story.cycle or {}), "tick": story.tick, "signals": story.signals, "orders": orders}
    )


def _request(body: CycleIn | CheckIn, fingerprint: str) -> CycleRequest:
    proposal = None if body.proposal is None else _proposal(body.proposal)
    cap = g.token.max_order_notional
    return CycleRequest(body.symbol, body.trigger_source, proposal, body.idempotency_key, fingerprint, cap)


def _proposal(given: ProposalIn) -> Proposal:
    return Proposal(
        side=Side(given.side),
        qty=given.qty,
        limit_price=given.limit_price,
        confidence=given.confidence,
        expected_loss=given.expected_loss,
        payload=given.payload,
    )


def _strategy(body: CycleIn | CheckIn) -> Strategy | None:
    """The desk's own strategy for the symbol, asked only when the caller proposes nothing."""
    if body.proposal is not None:
        return None
    config = current_app.config["PAPERDESK"]
    return deal(config.strategies, config.symbols).get(body.symbol) or get_strategy(config.strategies[0])


def _order(story: lineage.OrderStory) -> dict[str, Any]:
    fills = [
        {**fill.fill, "notional": fill.notional, "quoted_price": fill.quoted_price, "cash_change": fill.cash_change}
        for fill in story.fills
    ]
    return {
        **story.order,
        "signal": story.signal,
        "cycle": story.cycle,
        "tick": story.tick,
        "rules": story.rules,
        "risk_events": story.risk_events,
        "transitions": story.transitions,
        "fills": fills,
        "before": story.before,
        "after": story.after,
    }
