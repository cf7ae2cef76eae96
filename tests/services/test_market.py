"""Taking quotes in: all or none, marks that move, orders that fill, late ones kept and flagged."""

from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from tests.services.desks import BOT, BTC, SOL, after, counts, cycle, dump, grown, limits, one, quote, rows, take
from webapp.domain.errors import BadQuote
from webapp.services import books, desk_state, journal, market


def test_quotes_are_stored_with_mid_spread_and_both_times(session: Session) -> None:
    assert take(session, quote("99.9", "100.1", at=-1), at=0) == market.Accepted(1, 0)
    (tick,) = rows(session, "SELECT * FROM market_ticks")
    assert (tick["bid_price"], tick["ask_price"]) == (Decimal("99.9"), Decimal("100.1"))
    assert (tick["mid_price"], tick["spread_bps"]) == (100, 20)
    assert (tick["event_at"], tick["created_at"]) == (after(-1), after(0))


def test_no_quotes_change_nothing(session: Session) -> None:
    before = dump(session)
    assert market.accept(session, [], BOT) == market.Accepted(0, 0)
    assert dump(session) == before


def test_one_quote_from_the_future_refuses_all_of_them_and_is_named(session: Session) -> None:
    before = dump(session)
    with pytest.raises(BadQuote) as caught:
        take(session, quote(100), quote(101), quote(102, at=2.000001), at=0)
    assert (caught.value.reason, caught.value.index, caught.value.field) == ("future", 2, "event_at")
    assert dump(session) == before


def test_quote_of_a_clock_two_seconds_ahead_is_taken(session: Session) -> None:
    assert take(session, quote(100, at=2), at=0).count == 1


def test_one_quote_at_which_the_book_does_not_fit_refuses_all_of_them_and_is_named(session: Session) -> None:
    take(session, quote(1))
    assert cycle(session, "buy", 900).status_code == 202
    halting = ("kill_switch", "kill_switch_events", "audit_chain", "audit_head", "account")
    before = dump(session, halting)
    with pytest.raises(BadQuote) as caught:
        take(session, quote("1.01", at=1), quote(9_999_999_999, at=2))
    assert (caught.value.reason, caught.value.index) == ("out_of_range", 1)
    assert dump(session, halting) == before


def test_quote_at_which_the_book_does_not_fit_halts_the_desk(session: Session) -> None:
    take(session, quote(1))
    cycle(session, "buy", 900)
    with pytest.raises(BadQuote):
        take(session, quote(9_999_999_999, at=2))
    (event,) = rows(session, "SELECT * FROM kill_switch_events")
    assert (event["enabled"], event["actor"]) == (True, "risk-engine")
    assert event["reason"].startswith("OUT_OF_RANGE")
    assert f"{SOL} at a mid of" in event["reason"], "which quote it was"


def test_many_quotes_at_once_are_the_same_rows_as_one_by_one(session: Session) -> None:
    """From a hundred rows on they are copied in, below that inserted."""
    assert journal.COPY_FROM_ROWS <= 150
    quotes = [
        quote(f"{100 + n / 100:.2f}", f"{100.5 + n / 100:.2f}", at=n, symbol=[SOL, BTC][n % 2]) for n in range(150)
    ]
    take(session, *quotes, at=150)
    stored = rows(session, "SELECT symbol, bid_price, ask_price, mid_price, spread_bps, event_at FROM market_ticks")
    assert {tuple(row.values()) for row in stored} == {
        (tick.symbol, tick.bid_price, tick.ask_price, tick.mid_price, tick.spread_bps, tick.event_at) for tick in quotes
    }


def test_quote_moves_the_mark_of_what_is_held_and_of_nothing_else(session: Session) -> None:
    take(session, quote(100), quote(50, symbol=BTC))
    cycle(session, "buy", 2)
    cycle(session, "buy", 1, symbol=BTC)
    take(session, quote("109", "111", at=1))
    marks = {row["symbol"]: row for row in rows(session, "SELECT * FROM positions")}
    assert (marks[SOL]["mark_price"], marks[SOL]["unrealized_pnl"]) == (110, 2 * (110 - marks[SOL]["avg_entry_price"]))
    assert marks[BTC]["mark_price"] == 50
    nav = one(session, "SELECT cash + (SELECT sum(qty * mark_price) FROM positions) FROM account")
    assert one(session, "SELECT last_nav FROM account") == nav


def test_quote_of_a_symbol_nobody_holds_changes_no_position(session: Session) -> None:
    before = counts(session)
    take(session, quote(100))
    assert grown(session, before) == {"market_ticks": 1, "candles": 3, "portfolio_snapshots": 1, "nav_buckets": 3}


def test_resting_order_is_filled_by_a_later_quote_with_all_its_rows(session: Session) -> None:
    take(session, quote(100))
    cycle(session, "buy", 2, 99)
    before = counts(session)
    take(session, quote(98, at=5))
    assert grown(session, before) == {
        "market_ticks": 1,
        "fills": 1,
        "fill_receipts": 1,
        "positions": 1,
        "position_costs": 1,
        "order_transitions": 1,
        "portfolio_snapshots": 1,
        "audit_chain": 2,
    }
    (fill,) = rows(session, "SELECT * FROM fills")
    assert (fill["fill_price"], fill["slippage_bps"], fill["filled_at"]) == (99, 0, after(5))
    assert one(session, "SELECT status FROM orders") == "executed"
    assert one(session, "SELECT quote_at FROM fill_receipts") == after(5)
    assert one(session, "SELECT actor FROM order_transitions WHERE to_status = 'executed'") == BOT


def test_quotes_that_come_together_fill_in_their_order(session: Session) -> None:
    limits(session, max_fill_notional="100", slippage_bps=0, fee_bps="0")
    take(session, quote(100))
    cycle(session, "buy", 3)
    take(session, quote(50, at=1), quote(100, at=2), quote(200, at=3))
    assert [(row["qty"], row["fill_price"]) for row in rows(session, "SELECT * FROM fills ORDER BY fill_id")] == [
        (1, 100),
        (2, 50),
    ]


def test_bound_of_one_quote_holds_over_several_transactions(session: Session) -> None:
    limits(session, max_fill_notional="150", slippage_bps=0, fee_bps="0", cooldown_seconds=0)
    take(session, quote(100))
    assert [cycle(session, "buy", 1).document["outcome"] for _ in range(3)] == ["executed", "resting", "resting"]
    assert one(session, "SELECT sum(qty * fill_price) FROM fills") == 150


def test_stale_quote_fills_nothing(session: Session) -> None:
    take(session, quote(100))
    cycle(session, "buy", 1, 99)
    take(session, quote(90, at=1), at=32)
    assert one(session, "SELECT count(*) FROM fills") == 0
    assert one(session, "SELECT count(*) FROM market_ticks") == 2


def test_late_quote_is_kept_and_flagged_and_moves_nothing(session: Session) -> None:
    take(session, quote(100, at=10))
    cycle(session, "buy", 1, at=10)
    cycle(session, "buy", 1, 95, at=10)
    before, position = counts(session), rows(session, "SELECT * FROM positions")
    assert take(session, quote(90, at=9), at=11) == market.Accepted(1, 1)
    assert grown(session, before) == {"market_ticks": 1, "late_ticks": 1}
    (late,) = rows(session, "SELECT l.newest_at, t.mid_price FROM late_ticks l JOIN market_ticks t USING (tick_id)")
    assert (late["newest_at"], late["mid_price"]) == (after(10), 90)
    assert rows(session, "SELECT * FROM positions") == position


def test_late_quote_is_seen_by_no_strategy_and_no_rule_afterwards(session: Session) -> None:
    take(session, quote(100, at=10), quote(100, at=20))
    take(session, quote(1, at=15), at=21)
    desk, _ = desk_state.load(session, [SOL], BOT, after(22), window_seconds=600)
    assert [entry.mid_price for entry in desk.tape(SOL).window(after(0))] == [100, 100]
    assert desk.suspects == {}


def test_quotes_of_one_time_count_in_the_order_of_their_arrival(session: Session) -> None:
    take(session, quote(100, at=10), quote(101, at=10))
    take(session, quote(102, at=10), at=11)
    take(session, quote(99, at=10), at=12)
    assert one(session, "SELECT count(*) FROM late_ticks") == 0
    assert cycle(session, at=12).document["fills"][0]["fill_price"] == "99.01980000"


def test_quote_twice_is_kept_twice(session: Session) -> None:
    take(session, quote(100))
    take(session, quote(100), at=1)
    assert one(session, "SELECT count(*) FROM market_ticks") == 2


def test_thousands_of_quotes_in_one_request_all_fit_even_when_each_fills_a_little(session: Session) -> None:
    limits(session, max_fill_notional="0.01", slippage_bps=0, fee_bps="0", order_ttl_seconds=86_400)
    take(session, quote(100))
    cycle(session, "buy", 9)
    assert take(session, *[quote(100, at=1 + n / 1000) for n in range(6_000)], at=12).count == 6_000
    assert one(session, "SELECT count(*) FROM fills") == 6_001


def test_books_after_quotes_and_fills_of_all_kinds_have_no_drift(session: Session) -> None:
    limits(session, max_fill_notional="77.77777777", cooldown_seconds=0, allow_short=True)
    take(session, quote("33.33333333", "33.33333334"), quote("0.00000007", "0.00000008", symbol=BTC))
    cycle(session, "buy", "3.00000001")
    cycle(session, "sell", "11.11111111")
    cycle(session, "buy", "9999999.00000003", symbol=BTC)
    take(session, quote("30.00000001", at=1), quote("0.00000011", at=1, symbol=BTC))
    cycle(session, "sell", "9999999.00000003", symbol=BTC, at=1)
    take(session, quote("29.99999999", at=2), quote("0.00000011", at=2, symbol=BTC))
    assert one(session, "SELECT count(*) FROM fills") >= 5
    assert books.verify(session).drifts == []
