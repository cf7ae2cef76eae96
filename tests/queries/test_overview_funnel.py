"""Why the desk trades or does not: every cycle of the last day stands in exactly one place of the funnel."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from tests import builders
from webapp.queries import funnel, recent


def proposal(session: Session, outcome: str, status: str, **more: object) -> None:
    at = more.pop("at", builders.now())
    reason = more.get("reason")
    order_id = builders.order(session, status=status, risk_reason=reason, at=at)
    builders.cycle(session, outcome=outcome, order_id=order_id, signal_id=builders.new_id(at), at=at, **more)


def test_every_cycle_is_counted_once_from_quote_to_fill(session: Session) -> None:
    now = builders.now()
    minute = now.replace(second=0, microsecond=0) - timedelta(minutes=5)
    builders.ticks(session, "SOL-USDC", [(minute + timedelta(seconds=n), 100) for n in range(7)])
    for _ in range(3):
        builders.cycle(session, at=now)
    builders.cycle(session, outcome="blocked", reason="KILL_SWITCH_ACTIVE", at=now)
    proposal(session, "blocked", "rejected", reason="COOLDOWN_SECONDS", at=now)
    proposal(session, "executed", "executed", at=now)
    for status in ("executed", "approved", "canceled"):
        proposal(session, "resting", status, at=now)
    found = funnel.traffic(session, builders.now())

    for span in (found.hour, found.day):
        assert (span.cycles, span.silent, span.closed.total()) == (9, 3, 1)
        assert (span.proposals, span.allowed, span.blocked) == (5, 4, {"COOLDOWN_SECONDS": 1})
        assert (span.filled, span.resting, span.canceled) == (2, 1, 1)
        assert not span.at_least
    assert (found.hour.quotes, found.day.quotes) == (7, 7)


def test_last_hour_and_last_day_are_counted_apart_and_older_ones_not_at_all(session: Session) -> None:
    now = builders.now()
    for hours in (0.5, 5, 23, 25):
        proposal(session, "executed", "executed", at=now - timedelta(hours=hours))
        builders.cycle(session, at=now - timedelta(hours=hours))
    found = funnel.traffic(session, now)
    assert (found.hour.filled, found.hour.silent) == (1, 1)
    assert (found.day.filled, found.day.silent) == (3, 3)


def test_counting_has_an_end_and_says_so(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(funnel, "MOST_SILENT", 3)
    for _ in range(5):
        builders.cycle(session)
    found = funnel.traffic(session, builders.now())
    assert (found.day.silent, found.day.at_least) == (3, True)


def test_bots_are_told_apart_by_actor_and_strategy_the_latest_first(session: Session) -> None:
    now = builders.now()
    proposal(session, "executed", "executed", at=now - timedelta(minutes=9))
    proposal(session, "blocked", "rejected", reason="COOLDOWN_SECONDS", at=now - timedelta(minutes=8))
    bot = {"actor": "token:ada", "strategy": None}
    for minutes in (7, 6):
        at = now - timedelta(minutes=minutes)
        proposal(session, "blocked", "rejected", reason="MIN_CONFIDENCE", at=at, **bot)
    builders.cycle(session, actor="token:silent", strategy=None)
    found = funnel.traffic(session, now)
    told = [(bot.actor, bot.strategy, bot.accepted, bot.blocked, bot.last_at) for bot in found.bots]
    assert told == [
        ("token:ada", None, 0, {"MIN_CONFIDENCE": 2}, now - timedelta(minutes=6)),
        ("engine", "momentum", 1, {"COOLDOWN_SECONDS": 1}, now - timedelta(minutes=8)),
    ]


def test_last_cycles_are_the_newest_and_those_that_led_to_an_order(session: Session) -> None:
    now = builders.now()
    filled = builders.order(session, at=now - timedelta(minutes=50))
    builders.fill(session, filled, qty="0.25", fill_price=100)
    builders.fill(session, filled, qty="0.75", fill_price=104)
    acted = builders.cycle(session, outcome="executed", at=now - timedelta(minutes=50), order_id=filled)
    builders.cycle(session, outcome="blocked", reason="KILL_SWITCH_ACTIVE", at=now - timedelta(minutes=40))
    silent = [builders.cycle(session, at=now - timedelta(minutes=n)) for n in range(5, 0, -1)]
    rows = recent.last_cycles(session)
    assert [row["cycle_id"] for row in rows] == [*silent[:1:-1], acted]
    assert (rows[-1]["filled_qty"], rows[-1]["filled_price"]) == (1, 103)


def test_blocked_cycle_carries_its_refusal_and_only_the_newest_order_all_its_verdicts(session: Session) -> None:
    now = builders.now()
    for minutes in (2, 1):
        at = now - timedelta(minutes=minutes)
        order_id = builders.order(session, status="rejected", risk_reason="MAX_DRAWDOWN", at=at)
        for rule, sentence in (("COOLDOWN_SECONDS", "Too soon."), ("MAX_DRAWDOWN", "Too deep.")):
            details = {"sentence": sentence, "rules": [{"rule": rule}]}
            builders.risk_event(session, order_id, "blocked", rule, details=details, at=at)
        builders.cycle(session, outcome="blocked", order_id=order_id, reason="MAX_DRAWDOWN", at=at)
    rows = recent.last_cycles(session)
    assert [row["refusal"] for row in rows] == [{"sentence": "Too deep."}] * 2
    assert [row["rules"] for row in rows] == [[{"rule": "MAX_DRAWDOWN"}], None]
