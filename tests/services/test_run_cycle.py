"""What one cycle leaves behind, table by table, for each of its outcomes, and that it leaves all of it or nothing."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from tests.services.desks import (
    BOT,
    NOON,
    SOL,
    counts,
    cycle,
    dump,
    grown,
    one,
    order,
    quote,
    rows,
    take,
    tamper,
)
from webapp.domain.errors import Conflict, OutOfRange
from webapp.domain.market import Quote, Tick
from webapp.domain.orders import Proposal, Side
from webapp.domain.policy import Policy
from webapp.services import books, kill_switch, market, trading
from webapp.services.trading import CycleRequest

CODES = 17
"""Rules evaluated for every order."""


class Opinion:
    """A strategy that always says the same."""

    name = "opinion"
    window_seconds = 600

    def __init__(self, proposal: Proposal | None = None) -> None:
        self.proposal = proposal
        self.seen: Sequence[Quote] = ()

    def decide(self, window: Sequence[Quote], position_qty: Decimal, policy: Policy) -> Proposal | None:
        self.seen = window
        return self.proposal


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


# --- halted, stale, missing -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("seconds", "status", "code"),
    [(30, 202, None), (30.000001, 409, "STALE_MARKET_DATA"), (9999, 409, "STALE_MARKET_DATA")],
)
def test_cycle_on_an_old_quote_is_blocked_as_stale(
    session: Session, seconds: float, status: int, code: str | None
) -> None:
    take(session, quote(100))
    answer = cycle(session, at=seconds)
    assert answer.status_code == status
    if code:
        assert answer.document["error"]["code"] == code
        assert order(session, answer)["risk_reason"] == code


def test_cycle_of_a_symbol_without_a_quote_is_blocked_as_stale_and_stored(session: Session) -> None:
    before = counts(session)
    answer = cycle(session, key="k")
    assert (answer.status_code, answer.document["error"]["code"]) == (409, "STALE_MARKET_DATA")
    blocked = [entry["rule"] for entry in answer.document["error"]["details"]["rules"] if not entry["ok"]]
    assert grown(session, before) == {
        "signals": 1,
        "orders": 1,
        "order_transitions": 2,
        "risk_events": len(blocked),
        "cycles": 1,
        "idempotency_keys": 1,
        "audit_chain": 2 + len(blocked),
    }


def test_cycle_while_halted_is_423_with_the_same_details_and_stored(session: Session, engine: Engine) -> None:
    take(session, quote(100))
    kill_switch.halt(engine, "stop", "user:ada")
    before = counts(session)
    answer = cycle(session)
    details = answer.document["error"]["details"]
    assert (answer.status_code, answer.document["error"]["code"]) == (423, "KILL_SWITCH_ACTIVE")
    assert {"cycle_id", "order_id", "rule", "limit", "value", "rules"} <= set(details)
    assert len(details["rules"]) == CODES
    assert grown(session, before) == {
        "signals": 1,
        "orders": 1,
        "order_transitions": 2,
        "risk_events": 1,
        "cycles": 1,
        "audit_chain": 3,
    }
    assert order(session, answer)["status"] == "rejected"


def test_strategys_cycle_while_halted_asks_nobody_and_is_423(session: Session, engine: Engine) -> None:
    take(session, quote(100))
    kill_switch.halt(engine, "stop", "user:ada")
    opinion = Opinion(Proposal(Side.BUY, Decimal(1), Decimal("0.9")))
    answer = trading.run_cycle(session, CycleRequest(SOL, "schedule"), "engine", NOON, opinion)
    assert answer.status_code == 423
    assert opinion.seen == ()
    assert one(session, "SELECT outcome FROM cycles") == "blocked"


@pytest.mark.parametrize("how", ["DELETE FROM kill_switch", "TRUNCATE kill_switch"])
def test_cycle_of_a_desk_whose_switch_is_lost_is_blocked_as_halted(session: Session, engine: Engine, how: str) -> None:
    take(session, quote(100))
    tamper(engine, how)
    answer = cycle(session)
    assert (answer.status_code, answer.document["error"]["code"]) == (423, "KILL_SWITCH_ACTIVE")
    assert one(session, "SELECT count(*) FROM fills") == 0


def test_cycle_of_a_desk_without_a_policy_is_refused_and_stores_nothing(session: Session, engine: Engine) -> None:
    take(session, quote(100))
    tamper(engine, "DELETE FROM policies")
    before = dump(session)
    with pytest.raises(Conflict):
        cycle(session)
    assert dump(session) == before


def test_proposal_made_while_halted_is_not_executed_after_the_release(session: Session, engine: Engine) -> None:
    take(session, quote(100))
    kill_switch.halt(engine, "stop", "user:ada")
    cycle(session)
    cycle(session, "buy", 1, 101)
    kill_switch.release(engine, "go on", "user:ada")
    take(session, quote(99, at=1))
    assert one(session, "SELECT count(*) FROM fills") == 0


# --- all of it or nothing -------------------------------------------------------------------------------------------
class Cut(Exception):
    """The connection breaks."""


def fail_at(engine: Engine, number: int) -> Any:
    """Break at the `number`-th statement that writes, counted from one."""
    seen = {"writes": 0}

    def before_write(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().upper().startswith(("INSERT", "UPDATE", "COPY")):
            seen["writes"] += 1
            if seen["writes"] == number:
                raise Cut

    event.listen(engine, "before_cursor_execute", before_write)
    return lambda: event.remove(engine, "before_cursor_execute", before_write)


def test_cycle_broken_at_any_of_its_writes_leaves_nothing_and_its_repetition_leaves_everything(
    session: Session, engine: Engine
) -> None:
    take(session, quote(100))
    untouched, before, broken = dump(session), counts(session), 0
    while True:
        stop = fail_at(engine, broken + 1)
        try:
            answer = cycle(session, "buy", 2, key="k")
            break
        except Cut:
            broken += 1
            assert dump(session) == untouched, f"broken at write {broken}"
        finally:
            stop()
    assert broken >= 12
    assert answer.document["outcome"] == "executed"
    assert grown(session, before)["fills"] == 1
    assert books.verify(session).drifts == []


def test_cycle_whose_result_does_not_fit_stores_nothing(session: Session) -> None:
    take(session, quote(9_999_999_999))
    before = dump(session)
    with pytest.raises(OutOfRange):
        cycle(session, "buy", 1, key="k")
    assert dump(session) == before


def test_cycle_without_a_given_time_is_stamped_by_the_databases_clock(session: Session) -> None:
    start = one(session, "SELECT clock_timestamp()")
    market.accept(session, [Tick(SOL, Decimal(100), Decimal(100), start)], BOT)
    answer = cycle(session, at=None)
    assert answer.document["outcome"] == "executed"
    assert start < order(session, answer)["created_at"] < one(session, "SELECT clock_timestamp()")
