"""What one cycle leaves behind, table by table, for each of its outcomes, and what it answers."""

from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from tests.services.desks import (
    BOT,
    NOON,
    SOL,
    Opinion,
    counts,
    cycle,
    grown,
    one,
    order,
    quote,
    rows,
    take,
)
from webapp.domain.orders import Proposal, Side
from webapp.services import journal, trading
from webapp.services.trading import CycleRequest

CODES = 17
"""Rules evaluated for every order."""


def test_executed_cycle_leaves_its_whole_story(session: Session) -> None:
    take(session, quote("99.9", "100.1"))
    before = counts(session)
    answer = cycle(session, "buy", 2, key="k1")
    assert answer.status_code == 202
    assert grown(session, before) == {
        "signals": 1,
        "orders": 1,
        "order_transitions": 3,
        "risk_events": 1,
        "fills": 1,
        "fill_receipts": 1,
        "portfolio_snapshots": 1,
        "positions": 1,
        "position_costs": 1,
        "cycles": 1,
        "idempotency_keys": 1,
        "audit_chain": 5,
    }


def test_executed_cycle_answers_as_the_contract_says(session: Session) -> None:
    take(session, quote("99.9", "100.1"))
    document = cycle(session, "buy", 2).document
    assert set(document) == {"cycle_id", "accepted", "queued_at", "outcome", "order", "fills", "risk"}
    assert (document["accepted"], document["outcome"], document["queued_at"]) == (
        True,
        "executed",
        "2026-03-02T12:00:00Z",
    )
    assert document["order"]["status"] == "executed"
    assert [(fill["qty"], fill["fill_price"], fill["fee"]) for fill in document["fills"]] == [
        ("2", "100.12002000", "0.20024004")
    ]
    assert len(document["risk"]) == CODES
    assert one(session, "SELECT count(*) FROM cycles WHERE cycle_id = :id", id=UUID(document["cycle_id"])) == 1


def test_rows_copied_in_bulk_keep_every_character(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "COPY_FROM_ROWS", 1)
    take(session, quote(100))
    payload = {"why": 'a\\b "c"\td\ne\r', "path": "C:\\new\\table", "none": "\\N"}
    cycle(session, "buy", 1, payload=payload)
    assert one(session, "SELECT strategy_payload FROM signals") == payload


def test_executed_cycle_stores_what_it_answered(session: Session) -> None:
    take(session, quote("99.9", "100.1"))
    answer = cycle(session, "buy", 2, payload={"why": "because", "n": 1})
    stored = order(session, answer)
    assert (stored["status"], stored["qty"], stored["side"], stored["risk_reason"]) == ("executed", 2, "buy", None)
    (fill,) = rows(session, "SELECT * FROM fills")
    assert (fill["fill_price"], fill["fee"], fill["slippage_bps"], fill["filled_at"]) == (
        Decimal("100.12002"), Decimal("0.20024004"), 2, NOON,
    )  # fmt: skip
    (signal,) = rows(session, "SELECT * FROM signals")
    assert (signal["strategy_payload"], signal["confidence"]) == ({"why": "because", "n": 1}, Decimal("0.9"))
    (position,) = rows(session, "SELECT * FROM positions")
    assert (position["qty"], position["avg_entry_price"], position["mark_price"], position["unrealized_pnl"]) == (
        2, Decimal("100.12002"), 100, Decimal("-0.24004"),
    )  # fmt: skip
    (account,) = rows(session, "SELECT * FROM account")
    assert (account["cash"], account["fees_paid"], account["last_nav"]) == (
        Decimal("9799.55971996"), Decimal("0.20024004"), Decimal("9999.55971996"),
    )  # fmt: skip
    (snapshot,) = rows(session, "SELECT * FROM portfolio_snapshots ORDER BY snapshot_id DESC LIMIT 1")
    assert snapshot["nav"] == 10_000 + snapshot["realized_pnl"] + snapshot["unrealized_pnl"]
    (kept,) = rows(session, "SELECT * FROM cycles")
    assert (kept["outcome"], kept["actor"], kept["trigger_source"], kept["policy_version"]) == (
        "executed",
        BOT,
        "test",
        1,
    )
    assert kept["order_id"] == stored["order_id"] == fill["order_id"]
    assert (
        kept["tick_id"]
        == one(session, "SELECT tick_id FROM fill_receipts")
        == one(session, "SELECT tick_id FROM market_ticks")
    )


def test_states_of_an_executed_order_are_told_with_who_and_when(session: Session) -> None:
    take(session, quote(100))
    cycle(session)
    steps = rows(session, "SELECT * FROM order_transitions ORDER BY transition_id")
    assert [(step["from_status"], step["to_status"]) for step in steps] == [
        (None, "proposed"),
        ("proposed", "approved"),
        ("approved", "executed"),
    ]
    assert {(step["actor"], step["created_at"]) for step in steps} == {(BOT, NOON)}


def test_resting_cycle_leaves_an_approved_order_and_no_fill(session: Session) -> None:
    take(session, quote(100))
    before = counts(session)
    answer = cycle(session, "buy", 2, 99)
    assert (answer.status_code, answer.document["outcome"], answer.document["fills"]) == (202, "resting", [])
    assert grown(session, before) == {
        "signals": 1,
        "orders": 1,
        "order_transitions": 2,
        "risk_events": 1,
        "cycles": 1,
        "audit_chain": 3,
    }
    assert (order(session, answer)["status"], order(session, answer)["limit_price"]) == ("approved", 99)


def test_cycle_of_a_strategy_that_sees_nothing_leaves_a_cycle_alone(session: Session) -> None:
    take(session, quote(100))
    before = counts(session)
    answer = trading.run_cycle(session, CycleRequest(SOL, "schedule"), "engine", NOON, Opinion())
    assert answer.status_code == 202
    assert (answer.document["outcome"], answer.document["order"], answer.document["fills"]) == ("no_signal", None, [])
    assert grown(session, before) == {"cycles": 1}
    (kept,) = rows(session, "SELECT * FROM cycles")
    assert (kept["outcome"], kept["strategy"], kept["order_id"], kept["signal_id"]) == (
        "no_signal",
        "opinion",
        None,
        None,
    )


def test_cycle_of_a_strategy_that_trades_tells_its_name_and_shows_it_the_window(session: Session) -> None:
    take(session, quote(99, at=-700), quote(99, at=-500), quote(100, at=0))
    opinion = Opinion(Proposal(Side.BUY, Decimal(1), Decimal("0.9"), payload={"because": "always"}))
    answer = trading.run_cycle(session, CycleRequest(SOL, "schedule"), "engine", NOON, opinion)
    assert answer.document["outcome"] == "executed"
    assert [entry.mid_price for entry in opinion.seen] == [99, 100]
    assert one(session, "SELECT strategy FROM cycles") == "opinion"
    assert one(session, "SELECT strategy_payload FROM signals") == {"because": "always"}


def test_blocked_cycle_leaves_signal_rejected_order_and_events(session: Session) -> None:
    take(session, quote(100))
    before = counts(session)
    answer = cycle(session, "buy", 11, confidence="0.1", key="k")
    assert answer.status_code == 409
    assert grown(session, before) == {
        "signals": 1,
        "orders": 1,
        "order_transitions": 2,
        "risk_events": 2,
        "cycles": 1,
        "idempotency_keys": 1,
        "audit_chain": 4,
    }
    stored = order(session, answer)
    assert (stored["status"], stored["risk_reason"]) == ("rejected", "MAX_ORDER_NOTIONAL")
    assert [
        (row["action"], row["rule"]) for row in rows(session, "SELECT * FROM risk_events ORDER BY risk_event_id")
    ] == [
        ("blocked", "MAX_ORDER_NOTIONAL"),
        ("blocked", "MIN_CONFIDENCE"),
    ]


def test_blocked_cycle_answers_as_the_contract_says(session: Session) -> None:
    take(session, quote(100))
    error = cycle(session, "buy", 11, confidence="0.1").document["error"]
    assert error["code"] == "RISK_BLOCKED"
    details = error["details"]
    assert {"cycle_id", "order_id", "rule", "limit", "value", "rules"} <= set(details)
    assert (details["rule"], details["limit"]) == ("MAX_ORDER_NOTIONAL", "1000")
    assert Decimal(details["value"]) == Decimal("1100.22")
    assert [entry["rule"] for entry in details["rules"] if not entry["ok"]] == ["MAX_ORDER_NOTIONAL", "MIN_CONFIDENCE"]
    assert len(details["rules"]) == CODES


def test_order_that_nearly_uses_a_limit_leaves_a_warning(session: Session) -> None:
    take(session, quote(100))
    cycle(session, "buy", 9)
    assert [
        (row["action"], row["rule"]) for row in rows(session, "SELECT * FROM risk_events ORDER BY risk_event_id")
    ] == [
        ("allowed", "ALL_RULES"),
        ("warned", "MAX_ORDER_NOTIONAL"),
    ]
