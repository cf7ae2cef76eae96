"""Ending an order's waiting, asking the gate without trading, and letting time pass."""

from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.services.desks import (
    BOT,
    NOON,
    SOL,
    after,
    counts,
    cycle,
    dump,
    grown,
    limits,
    one,
    quote,
    rows,
    take,
    tamper,
    wish,
)
from webapp.domain.errors import Conflict, NotFound
from webapp.services import books, desk_state, kill_switch, trading
from webapp.services.trading import CycleRequest, CycleResult


def waiting(session: Session, limit: int = 99, qty: int = 1) -> UUID:
    take(session, quote(100))
    return UUID(cycle(session, "buy", qty, limit).document["order"]["order_id"])


# --- cancel ---------------------------------------------------------------------------------------------------------
def test_cancel_of_a_resting_order_ends_its_waiting(session: Session) -> None:
    order_id = waiting(session)
    before = counts(session)
    document = trading.cancel(session, order_id, "user:ada", "changed my mind", after(5))
    assert (document["order_id"], document["status"]) == (order_id, "canceled")
    assert grown(session, before) == {"order_transitions": 1, "audit_chain": 1}
    (step,) = rows(session, "SELECT * FROM order_transitions WHERE to_status = 'canceled'")
    assert (step["from_status"], step["actor"], step["reason"], step["created_at"]) == (
        "approved", "user:ada", "changed my mind", after(5),
    )  # fmt: skip
    take(session, quote(90, at=6))
    assert one(session, "SELECT count(*) FROM fills") == 0


def test_cancel_of_a_partly_filled_order_keeps_what_has_filled(session: Session) -> None:
    limits(session, max_fill_notional="100", slippage_bps=0)
    take(session, quote(100))
    order_id = UUID(cycle(session, "buy", 3).document["order"]["order_id"])
    trading.cancel(session, order_id, BOT, now=after(1))
    assert one(session, "SELECT qty FROM positions") == 1
    assert one(session, "SELECT status FROM orders") == "canceled"
    assert books.verify(session).drifts == []


@pytest.mark.parametrize("status", ["executed", "rejected", "canceled"])
def test_cancel_of_an_order_that_no_longer_waits_is_a_conflict_and_changes_nothing(
    session: Session, status: str
) -> None:
    take(session, quote(100))
    answer = cycle(session, "buy", 100 if status == "rejected" else 1, 99 if status == "canceled" else None)
    order_id = one(session, "SELECT order_id FROM orders")
    assert answer.status_code in (202, 409)
    if status == "canceled":
        trading.cancel(session, order_id, BOT, now=NOON)
    before = dump(session)
    with pytest.raises(Conflict):
        trading.cancel(session, order_id, BOT, now=NOON)
    assert dump(session) == before


def test_cancel_of_an_order_that_does_not_exist_is_not_found(session: Session) -> None:
    with pytest.raises(NotFound):
        trading.cancel(session, uuid4(), BOT)


def test_cancel_is_allowed_while_the_desk_counts_as_halted(session: Session, engine: Engine) -> None:
    """A halt cancels by itself; a switch that is lost does not, and its owner must still get out of the orders."""
    order_id = waiting(session)
    tamper(engine, "DELETE FROM kill_switch")
    assert trading.cancel(session, order_id, BOT, now=after(1))["status"] == "canceled"
    assert one(session, "SELECT status FROM orders") == "canceled"


# --- check ----------------------------------------------------------------------------------------------------------
def asked(session: Session, side: str = "buy", qty: int = 1, seconds: float = 0, symbol: str = SOL) -> dict:
    return trading.check(session, CycleRequest(symbol, "test", wish(side, qty)), BOT, after(seconds))


@pytest.mark.parametrize(
    ("qty", "seconds", "symbol", "rule"),
    [
        (1, 0, SOL, None),
        (100, 0, SOL, "MAX_ORDER_NOTIONAL"),
        (1, 99, SOL, "STALE_MARKET_DATA"),
        (1, 0, "X", "STALE_MARKET_DATA"),
    ],
)
def test_check_says_what_a_cycle_would_say_and_writes_nothing(
    session: Session, qty: int, seconds: float, symbol: str, rule: str | None
) -> None:
    take(session, quote(100))
    before = dump(session)
    said = asked(session, "buy", qty, seconds, symbol)
    written = session.execute(text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")).scalar_one()
    assert not written, "the check began to write"
    assert dump(session) == before
    assert (said["allowed"], said["rule"]) == (rule is None, rule)
    assert len(said["rules"]) == 17
    answer = cycle(session, "buy", qty, at=seconds, symbol=symbol)
    rules = answer.document["risk"] if rule is None else answer.document["error"]["details"]["rules"]
    assert said["rules"] == rules


def test_check_while_halted_says_so(session: Session, engine: Engine) -> None:
    take(session, quote(100))
    kill_switch.halt(engine, "stop", "user:ada")
    assert asked(session)["rule"] == "KILL_SWITCH_ACTIVE"


def test_check_waits_for_nobody_who_holds_the_book(session: Session, engine: Engine) -> None:
    take(session, quote(100))
    with engine.connect() as holder:
        holder.execute(text("SELECT FROM account FOR UPDATE"))
        session.execute(text("SET lock_timeout = '100ms'"))
        assert asked(session)["allowed"] is True
    session.rollback()


def test_check_without_a_proposal_or_a_strategy_has_nothing_to_judge(session: Session) -> None:
    take(session, quote(100))
    assert trading.check(session, CycleRequest(SOL, "test"), BOT, NOON)["outcome"] == "no_signal"


def test_check_reads_one_state_of_the_books_even_while_somebody_trades(
    session: Session, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cash from before a sale and positions from after it would make a loss that never was."""
    buy_and_hold(session)
    trade_between_the_reads(engine, monkeypatch)
    said = asked(session, "buy", 1, 1)
    drawdown = next(entry for entry in said["rules"] if entry["rule"] == "MAX_DRAWDOWN")
    assert Decimal(drawdown["value"]) < 10


def buy_and_hold(session: Session) -> None:
    limits(session, cooldown_seconds=0)
    take(session, quote(100))
    assert cycle(session, "buy", 9).status_code == 202


def trade_between_the_reads(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[CycleResult]:
    """Somebody sells everything after the cash has been read and before the positions are."""
    whole, sold = desk_state._load_positions, []

    def load_after_a_sale(*args: object) -> None:
        monkeypatch.undo()
        with Session(engine) as other:
            sold.append(cycle(other, "sell", 9, at=1))
        assert sold[0].status_code == 202
        whole(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(desk_state, "_load_positions", load_after_a_sale)
    return sold


# --- time -----------------------------------------------------------------------------------------------------------
def test_time_that_passes_expires_orders_and_takes_snapshots(session: Session) -> None:
    waiting(session)
    assert trading.advance(session, "engine", after(299)) == 0
    before = counts(session)
    assert trading.advance(session, "engine", after(301)) == 1
    assert grown(session, before) == {
        "order_transitions": 1,
        "audit_chain": 1,
        "portfolio_snapshots": 1,
        "nav_buckets": 1,
    }
    assert one(session, "SELECT max(captured_at) FROM portfolio_snapshots") == after(300)
    assert one(session, "SELECT reason FROM order_transitions WHERE to_status = 'canceled'") == "expired"


def test_order_expires_when_its_time_is_up_and_not_at_the_next_snapshot(session: Session) -> None:
    limits(session, order_ttl_seconds=30)
    waiting(session)
    trading.advance(session, "engine", after(1))
    before = counts(session)
    assert trading.advance(session, "engine", after(30)) == 1
    assert grown(session, before) == {"order_transitions": 1, "audit_chain": 1}
    assert one(session, "SELECT status FROM orders") == "canceled"


def test_time_without_anything_due_writes_nothing(session: Session) -> None:
    trading.advance(session, "engine", after(1))
    before = dump(session)
    assert trading.advance(session, "engine", after(2)) == 0
    assert dump(session) == before


def test_order_at_the_end_of_its_life_expires_before_a_quote_can_fill_it(session: Session) -> None:
    waiting(session)
    take(session, quote(90, at=300))
    assert one(session, "SELECT status FROM orders") == "canceled"
    assert one(session, "SELECT count(*) FROM fills") == 0


def test_time_passes_while_halted_as_well(session: Session, engine: Engine) -> None:
    kill_switch.halt(engine, "stop", "user:ada")
    trading.advance(session, "engine", after(61))
    assert one(session, "SELECT max(captured_at) FROM portfolio_snapshots") == after(60)


def test_day_loss_counts_from_the_last_snapshot_before_midnight_as_stored(session: Session) -> None:
    limits(session, slippage_bps=0, fee_bps="0", stale_after_seconds=86_400, auto_halt_stale_seconds=86_400)
    take(session, quote(100))
    cycle(session, "buy", 9)
    take(session, quote(95, at=60))
    trading.advance(session, "engine", after(120))
    take(session, quote(90, at=43_300))
    said = trading.check(session, CycleRequest(SOL, "test", wish("buy", 1)), BOT, after(43_300))
    loss = next(entry for entry in said["rules"] if entry["rule"] == "MAX_DAILY_LOSS")
    assert Decimal(loss["value"]) == 45
