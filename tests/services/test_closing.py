"""Out of a position on a person's word: all of it or as much as an order may be, once, and never while halted."""

from decimal import Decimal

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.services.desks import BTC, SOL, after, cycle, dump, limits, one, order, quote, rows, take
from webapp.domain.errors import Conflict
from webapp.services import books, closing, kill_switch

ADA = "user:ada"
STRICT = {"min_confidence": "1", "cooldown_seconds": 3600, "max_trades_per_day": 0, "max_daily_loss": "0"}
"""Limits that would hold up every entry."""


def held(session: Session, side: str = "buy", qty: int = 4) -> None:
    """A position of so many at 100, and a quote of a moment later."""
    limits(session, allow_short=True, slippage_bps=2, cooldown_seconds=0, price_collar_pct="100")
    take(session, quote(100))
    assert cycle(session, side, qty).status_code == 202
    take(session, quote(101, at=5))


def position(session: Session) -> Decimal:
    found: Decimal = one(session, "SELECT qty FROM positions WHERE symbol = :symbol", symbol=SOL)
    return found


@pytest.mark.parametrize(("side", "out"), [("buy", "sell"), ("sell", "buy")])
def test_closing_trades_out_of_all_that_is_held_whatever_entries_may_do(session: Session, side: str, out: str) -> None:
    held(session, side)
    limits(session, **STRICT)
    done = closing.close(session, SOL, ADA, "once", now=after(6))

    assert (done.status_code, done.document["outcome"]) == (202, "executed")
    assert (done.document["order"]["side"], done.document["order"]["qty"]) == (out, "4.00000000")
    assert position(session) == 0
    (kept,) = rows(session, "SELECT strategy, trigger_source, actor FROM cycles WHERE actor = 'user:ada'")
    assert kept == {"strategy": "close", "trigger_source": "closing", "actor": ADA}
    assert books.verify(session).drifts == []


def test_closing_sent_twice_trades_once(session: Session) -> None:
    held(session)
    first = closing.close(session, SOL, ADA, "once", now=after(6))
    again = closing.close(session, SOL, ADA, "once", now=after(7))

    assert again.replayed
    assert again.body == first.body
    assert one(session, "SELECT count(*) FROM fills") == 2


def test_position_larger_than_an_order_may_be_is_closed_in_parts(session: Session) -> None:
    held(session, qty=9)
    limits(session, max_order_notional="400")
    sizes = []
    for turn in range(3):
        done = closing.close(session, SOL, ADA, f"part {turn}", now=after(6 + turn))
        sizes.append(Decimal(done.document["order"]["qty"]))

    assert sum(sizes) == 9
    assert len(sizes) == 3
    assert max(sizes) * 101 <= 400
    assert position(session) == 0


def test_closing_while_halted_is_refused_and_fills_nothing(session: Session, engine: Engine) -> None:
    held(session)
    kill_switch.halt(engine, "a drill", ADA)
    done = closing.close(session, SOL, ADA, "once", now=after(6))

    assert (done.status_code, done.document["error"]["code"]) == (423, "KILL_SWITCH_ACTIVE")
    assert position(session) == 4


def test_closing_on_an_old_quote_is_refused(session: Session) -> None:
    held(session)
    limits(session, stale_after_seconds=10)
    done = closing.close(session, SOL, ADA, "once", now=after(16))

    assert (done.status_code, done.document["error"]["code"]) == (409, "STALE_MARKET_DATA")
    assert position(session) == 4


def test_closing_of_nothing_trades_nothing(session: Session) -> None:
    take(session, quote(100))
    done = closing.close(session, SOL, ADA, "once", now=after(1))

    assert done.document["outcome"] == "no_signal"
    assert one(session, "SELECT count(*) FROM orders") == 0


def test_looking_writes_nothing_and_says_what_closing_does(session: Session) -> None:
    held(session)
    before = dump(session)
    seen = closing.look(session, SOL, ADA, now=after(6))

    assert dump(session) == before
    assert seen["allowed"] is True
    assert (seen["proposal"]["side"], seen["proposal"]["qty"]) == ("sell", 4)
    assert {rule["rule"] for rule in seen["rules"] if not rule["applies"]} >= {"COOLDOWN_SECONDS", "MIN_CONFIDENCE"}


def test_resting_orders_of_the_symbol_make_way_so_that_nothing_is_sold_twice(session: Session) -> None:
    held(session)
    limits(session, allow_short=True)
    take_profit = order(session, cycle(session, "sell", 4, 150, at=5))
    again = order(session, cycle(session, "buy", 1, 50, at=5))
    take(session, quote(100, at=5, symbol=BTC))
    other = order(session, cycle(session, "buy", 1, 50, at=5, symbol=BTC))
    assert closing.look(session, SOL, ADA, now=after(6))["proposal"]["qty"] == 4
    closing.close(session, SOL, ADA, "once", now=after(6))
    take(session, quote(160, at=7))

    assert position(session) == 0
    states = {row["order_id"]: row["status"] for row in rows(session, "SELECT order_id, status FROM orders")}
    assert [states[row["order_id"]] for row in (take_profit, again, other)] == ["canceled", "canceled", "approved"]
    assert books.verify(session).drifts == []


def test_closing_that_is_refused_leaves_what_rests(session: Session) -> None:
    held(session)
    waiting = order(session, cycle(session, "sell", 4, 150, at=5))
    limits(session, max_order_notional="0")
    done = closing.close(session, SOL, ADA, "once", now=after(6))

    assert done.document["error"]["details"]["rule"] == "MAX_ORDER_NOTIONAL"
    assert one(session, "SELECT status FROM orders WHERE order_id = :id", id=waiting["order_id"]) == "approved"


def test_part_that_one_quote_filled_is_not_sold_again_by_a_second_closing(session: Session) -> None:
    held(session, qty=9)
    limits(session, max_fill_notional="300")
    closing.close(session, SOL, ADA, "once", now=after(6))
    take(session, quote(101, at=7))
    closing.close(session, SOL, ADA, "twice", now=after(8))
    for moment in range(9, 15):
        take(session, quote(101, at=moment))

    assert position(session) == 0
    assert one(session, "SELECT count(*) FROM orders WHERE status = 'approved'") == 0


def test_no_more_is_closed_than_was_asked_for(session: Session) -> None:
    held(session)
    closing.close(session, SOL, ADA, "once", Decimal("1.5"), now=after(6))

    assert position(session) == Decimal("2.5")


def test_key_of_another_closing_is_a_conflict(session: Session) -> None:
    held(session)
    closing.close(session, SOL, ADA, "once", Decimal(1), now=after(6))
    with pytest.raises(Conflict):
        closing.close(session, SOL, ADA, "once", Decimal(2), now=after(7))
