"""Cycles that may not trade: halted, stale, without a policy; and cycles that break half way."""

from decimal import Decimal

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests.services.desks import (
    BOT,
    NOON,
    SOL,
    Opinion,
    counts,
    cycle,
    dump,
    grown,
    one,
    order,
    quote,
    take,
    tamper,
)
from webapp.domain.errors import Conflict, OutOfRange
from webapp.domain.market import Tick
from webapp.domain.orders import Proposal, Side
from webapp.services import books, kill_switch, market, trading
from webapp.services.trading import CycleRequest

CODES = 17
"""Rules evaluated for every order."""


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


# --- all of it or nothing ---
WRITTEN = (
    "signals", "orders", "order_transitions", "risk_events", "fills", "fill_receipts", "portfolio_snapshots", "cycles",
    "positions", "position_costs", "account", "idempotency_keys",
)  # fmt: skip
REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$disk full$$; END';
CREATE TRIGGER refuse AFTER INSERT OR UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse()
"""


@pytest.mark.parametrize("table", WRITTEN)
def test_cycle_that_cannot_write_one_of_its_tables_leaves_nothing_and_its_repetition_leaves_everything(
    session: Session, engine: Engine, table: str
) -> None:
    take(session, quote(100))
    untouched, before = dump(session), counts(session)
    tamper(engine, REFUSE.format(table=table))
    with pytest.raises(DBAPIError, match="disk full"):
        cycle(session, "buy", 2, key="k")
    assert dump(session) == untouched
    tamper(engine, "DROP FUNCTION refuse() CASCADE")
    assert cycle(session, "buy", 2, key="k").document["outcome"] == "executed"
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
