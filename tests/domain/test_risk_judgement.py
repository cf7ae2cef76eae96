"""The whole judgement: exits are not held back, the first rule binds, and the audit keeps all of it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.domain.contexts import CODES, ENTRY, blocking, context, judged
from tests.domain.desks import NOON, after, buy, sell
from webapp.domain.ids import TimeOrderedIds
from webapp.domain.records import Breach, RiskEventRow
from webapp.domain.risk import ALL_RULES, evaluate, risk_events

ORDER = UUID(int=7)
HELD = Decimal(100)

ENTRY_RULES_ALL_BROKEN: dict[str, Any] = {
    "qty_after": Decimal(90),
    "exposure_elsewhere": Decimal(50_000),
    "open_elsewhere": 20,
    "nav": Decimal(5000),
    "last_trade_at": NOON,
    "trades_last_hour": 5000,
    "trades_today": 5000,
    "move_5m_pct": Decimal(0),
    "policy_min_price_move_5m_pct": Decimal(3),
}


def leaving(qty: int = 10, **changes: Any) -> dict[str, Any]:
    """A sale of `qty` out of a hundred held."""
    proposal = sell(qty, confidence=Decimal(0))
    return {"proposal": proposal, "position_qty": HELD, "qty_after": HELD - qty, **changes}


def test_exit_is_held_back_by_no_entry_rule() -> None:
    judgement = evaluate(context(**{**leaving(), **ENTRY_RULES_ALL_BROKEN}))
    assert judgement.binding is None
    for found in judgement.verdicts:
        assert found.applies is (found.rule not in ENTRY), found.rule
        assert found.retry_at is None
    assert [found.rule for found in judgement.verdicts] == list(CODES)


def test_entry_of_the_same_desk_is_held_back_by_all_of_them() -> None:
    entering = {**ENTRY_RULES_ALL_BROKEN, "proposal": buy(1, confidence=Decimal(0)), "position_qty": HELD}
    assert set(blocking(**entering)) == ENTRY


def test_exit_from_a_short_is_an_exit_as_well() -> None:
    covering = {"proposal": buy(10, confidence=Decimal(0)), "position_qty": -HELD, "qty_after": Decimal(-90)}
    assert blocking(**{**ENTRY_RULES_ALL_BROKEN, **covering}) == []


def test_exit_of_everything_is_an_exit_as_well() -> None:
    everything = {"proposal": sell(10, confidence=Decimal(0)), "position_qty": Decimal(10), "qty_after": Decimal(0)}
    assert blocking(**{**ENTRY_RULES_ALL_BROKEN, **everything}) == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"halted": True}, "KILL_SWITCH_ACTIVE"),
        ({"quote_age_seconds": Decimal(31)}, "STALE_MARKET_DATA"),
        ({"quote_age_seconds": None}, "STALE_MARKET_DATA"),
        ({"price": Decimal(94)}, "PRICE_COLLAR"),
        ({"price": Decimal(101)}, "MAX_ORDER_NOTIONAL"),
        ({"round_trip_cost": Decimal(101)}, "MAX_LOSS_PER_TRADE"),
        ({"drawdown": Decimal(1000)}, "MAX_DRAWDOWN"),
    ],
)
def test_exit_is_never_exempt_from_the_other_rules(changes: dict[str, Any], rule: str) -> None:
    assert blocking(**{**ENTRY_RULES_ALL_BROKEN, **leaving(), **changes}) == [rule]


def test_halt_that_is_due_holds_everything_back_as_the_halt_itself_will() -> None:
    due = evaluate(context(halt_due=Breach("PRICE_ANOMALY", "it moved"))).binding
    halted = evaluate(context(halted=True)).binding
    assert due is not None
    assert halted is not None
    assert replace(due, sentence=halted.sentence) == halted
    assert due.sentence == "Trading is being halted by the kill switch: it moved."


def test_flip_through_zero_is_no_exit() -> None:
    flipping = {**leaving(10), "position_qty": Decimal(9), "qty_after": Decimal(-1), "policy_allow_short": True}
    assert "MIN_CONFIDENCE" in blocking(**flipping)


def test_exit_that_resting_orders_have_already_taken_is_no_exit() -> None:
    """Nine of ten are being sold by a resting order; selling five more would go short."""
    second = {**leaving(5), "position_qty": Decimal(10), "qty_after": Decimal(-4)}
    assert {"MIN_CONFIDENCE", "SHORT_NOT_ALLOWED"} <= set(blocking(**second))


def test_first_trade_of_a_flat_symbol_is_no_exit() -> None:
    assert "MIN_CONFIDENCE" in blocking(proposal=buy(1, confidence=Decimal(0)))


def test_exempt_rule_still_tells_value_and_limit() -> None:
    found = judged("MAX_DAILY_LOSS", **{**leaving(), **ENTRY_RULES_ALL_BROKEN})
    assert (found.ok, found.applies, found.value) == (True, False, Decimal("5000.2"))
    assert "only reduces" in found.sentence
    assert not found.warns


# --- binding --------------------------------------------------------------------------------------------------------
def test_rules_bind_in_the_order_of_the_contract() -> None:
    judgement = evaluate(
        context(
            halted=True,
            quote_age_seconds=Decimal(99),
            proposal=buy(500, confidence=Decimal(0)),
            cash_available=Decimal(0),
        )
    )
    failed = [found.rule for found in judgement.blocking]
    assert failed == [code for code in CODES if code in failed]
    assert failed[:3] == ["KILL_SWITCH_ACTIVE", "STALE_MARKET_DATA", "MAX_ORDER_NOTIONAL"]
    assert judgement.binding is judgement.blocking[0]
    assert [entry["rule"] for entry in judgement.documents() if entry["binding"]] == ["KILL_SWITCH_ACTIVE"]


def test_judgement_that_passes_marks_nothing_as_binding() -> None:
    assert not any(entry["binding"] for entry in evaluate(context()).documents())


# --- what is kept ---------------------------------------------------------------------------------------------------
def audited(**changes: Any) -> list[RiskEventRow]:
    return list(risk_events(evaluate(context(**changes)), ORDER, 3, TimeOrderedIds(b"test"), NOON))


def test_order_that_passes_leaves_one_event_with_every_verdict() -> None:
    (event,) = audited()
    assert (event.action, event.rule, event.order_id, event.created_at) == ("allowed", ALL_RULES, ORDER, NOON)
    assert [entry["rule"] for entry in event.details["rules"]] == list(CODES)
    assert event.details["policy_version"] == 3
    assert "17 rules" in event.details["sentence"]


def test_order_that_nearly_uses_limits_leaves_a_warning_for_each() -> None:
    events = audited(proposal=buy(9), open_elsewhere=3)
    assert [(event.action, event.rule) for event in events] == [
        ("allowed", ALL_RULES),
        ("warned", "MAX_ORDER_NOTIONAL"),
        ("warned", "MAX_OPEN_POSITIONS"),
    ]
    assert events[1].details["usage"] == "0.9000"
    assert Decimal(events[1].details["headroom"]) == 100


def test_order_that_is_blocked_leaves_an_event_for_each_failing_rule_the_binding_one_first() -> None:
    events = audited(drawdown=Decimal(1500), last_trade_at=after(-1))
    assert [(event.action, event.rule) for event in events] == [
        ("blocked", "MAX_DRAWDOWN"),
        ("blocked", "COOLDOWN_SECONDS"),
    ]
    assert len(events[0].details["rules"]) == 17
    assert (events[0].details["value"], events[0].details["limit"]) == ("1500", "1000")
    assert events[0].details["binding"] is True
    assert events[1].details["binding"] is False
    assert events[1].details["retry_at"] == "2026-03-02T12:00:59Z"


def test_events_of_one_judgement_have_ids_of_their_own() -> None:
    events = audited(**{**ENTRY_RULES_ALL_BROKEN, "proposal": buy(1, confidence=Decimal(0)), "position_qty": HELD})
    assert len({event.risk_event_id for event in events}) == len(events) == 9


def test_verdict_as_a_document_has_plain_digits_only() -> None:
    found = replace(judged("MAX_ORDER_NOTIONAL"), value=Decimal("1E+3"), limit=Decimal("0.333333333333"))
    document = found.document()
    assert (document["value"], document["limit"]) == ("1000", "0.33333333")
    assert set(document) == {
        "rule", "ok", "applies", "value", "limit", "unit", "headroom", "usage", "binding", "sentence", "retry_at",
    }  # fmt: skip
