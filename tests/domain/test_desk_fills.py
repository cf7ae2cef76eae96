"""Orders meeting quotes on a desk: at once, later, in parts, never twice and never more than was ordered."""

from decimal import Decimal
from typing import Any

import pytest

from tests.domain.desks import BTC, SOL, after, buy, calm_floor, floor, quote, sell
from webapp.domain.errors import OutOfRange
from webapp.domain.records import Changes


def numbers(fills: list[Any]) -> list[tuple[Decimal, Decimal, int]]:
    return [(fill.qty, fill.fill_price, fill.slippage_bps) for fill in fills]


def test_market_order_fills_at_once_and_books_price_fee_and_position() -> None:
    made = floor()
    made.tick("99.9", "100.1")
    outcome = made.propose(buy(2))
    (fill,) = made.fills_of(outcome)
    assert outcome.outcome == "executed"
    assert (fill.qty, fill.fill_price, fill.fee, fill.slippage_bps) == (
        2,
        Decimal("100.12002"),
        Decimal("0.20024004"),
        2,
    )
    book = made.desk.book
    assert book.cash == 10_000 - Decimal("200.24004") - Decimal("0.20024004")
    assert book.position(SOL).qty == 2
    assert book.position(SOL).avg_entry_price == Decimal("100.12002")
    assert book.position(SOL).mark_price == 100
    assert made.status(outcome) == "executed"


def test_fill_keeps_the_quote_it_was_made_from_and_the_book_on_either_side_of_it() -> None:
    made = floor()
    made.tick("99.9", "100.1")
    made.propose(buy(2))
    receipt, fill = made.story.receipts[-1], made.story.fills[-1]
    assert (receipt.fill_id, receipt.tick_id) == (fill.fill_id, made.story.ticks[-1].tick_id)
    assert (receipt.bid_price, receipt.ask_price, receipt.quote_at) == (Decimal("99.9"), Decimal("100.1"), after(0))
    assert (receipt.position_qty_before, receipt.position_qty_after) == (0, 2)
    assert (receipt.avg_entry_before, receipt.avg_entry_after) == (0, Decimal("100.12002"))
    assert (receipt.cash_before, receipt.cash_after) == (10_000, Decimal("9799.55971996"))
    assert (receipt.nav_before, receipt.nav_after) == (10_000, Decimal("9999.55971996"))
    assert receipt.fee_bps == 10


def test_fill_takes_a_snapshot_of_its_moment() -> None:
    made = floor()
    made.tick("99.9", "100.1")
    made.propose(buy(2), at=5)
    (snapshot,) = made.story.snapshots
    assert (snapshot.captured_at, snapshot.nav) == (after(5), Decimal("9999.55971996"))
    assert snapshot.nav == 10_000 + snapshot.realized_pnl + snapshot.unrealized_pnl


def test_limit_order_out_of_reach_rests_and_fills_at_its_limit_on_a_later_quote() -> None:
    made = floor()
    made.tick("99.9", "100.1")
    outcome = made.propose(buy(2, "99.5"))
    assert (outcome.outcome, made.status(outcome)) == ("resting", "approved")
    assert made.tick("99.4", "99.6", at=1).fills == []
    made.tick("99.3", "99.5", at=2)
    assert numbers(made.fills_of(outcome)) == [(2, Decimal("99.5"), 0)]
    assert made.fills_of(outcome)[0].fee == Decimal("0.199")
    assert made.status(outcome) == "executed"


def test_resting_sale_fills_at_its_limit_when_the_bid_reaches_it() -> None:
    made = calm_floor()
    made.tick("99.9", "100.1")
    made.propose(buy(2))
    outcome = made.propose(sell(2, "101"))
    made.tick("100.9", "101.1", at=1)
    assert made.fills_of(outcome) == []
    made.tick("103", "103.2", at=2)
    assert numbers(made.fills_of(outcome)) == [(2, Decimal(101), 0)]


def test_order_that_has_filled_does_not_fill_again() -> None:
    made = floor()
    made.tick("99.9", "100.1")
    made.propose(buy(2, "99.5"))
    made.tick("99", "99.2", at=1)
    made.tick("98", "98.2", at=2)
    assert sum(fill.qty for fill in made.story.fills) == 2
    assert made.desk.resting[SOL] == []


def test_orders_waiting_at_one_symbol_fill_in_the_order_of_their_arrival() -> None:
    made = calm_floor()
    made.tick(100)
    outcomes = [made.propose(buy(1, limit), at=number) for number, limit in enumerate((95, 97, 96))]
    changes = made.tick(94, at=10)
    assert [fill.order_id for fill in changes.fills] == [outcome.order_id for outcome in outcomes]


def test_quote_of_another_symbol_fills_nothing() -> None:
    made = calm_floor()
    made.tick(100)
    made.propose(buy(1, 95))
    assert made.tick(1, at=1, symbol=BTC).fills == []


# --- in parts -------------------------------------------------------------------------------------------------------
def test_market_order_larger_than_a_quote_holds_fills_in_parts_over_later_quotes() -> None:
    made = calm_floor(max_fill_notional=Decimal(250))
    made.tick(100)
    outcome = made.propose(buy(6))
    assert (outcome.outcome, made.status(outcome)) == ("resting", "approved")
    made.tick(125, at=1)
    made.tick(100, at=2)
    assert numbers(made.fills_of(outcome)) == [(Decimal("2.5"), 100, 0), (2, 125, 0), (Decimal("1.5"), 100, 0)]
    assert made.status(outcome) == "executed"


def test_limit_order_in_parts_fills_the_first_at_the_market_and_the_rest_at_its_limit() -> None:
    made = calm_floor(max_fill_notional=Decimal(250), slippage_bps=100)
    made.tick(100)
    outcome = made.propose(buy(4, 110))
    made.tick(100, at=1)
    assert numbers(made.fills_of(outcome)) == [(Decimal("2.47524752"), 101, 100), (Decimal("1.52475248"), 110, 0)]


def test_one_quote_fills_no_more_than_the_bound_over_all_orders_and_cycles() -> None:
    made = calm_floor(max_fill_notional=Decimal(250))
    made.tick(100)
    first, second, third = (made.propose(buy(1)) for _ in range(3))
    assert [first.outcome, second.outcome, third.outcome] == ["executed", "executed", "resting"]
    assert made.fills_of(third)[0].qty == Decimal("0.5")
    assert made.propose(buy(1)).outcome == "resting"
    assert sum(fill.qty * fill.fill_price for fill in made.story.fills) == 250


def test_bound_of_one_quote_is_that_of_its_symbol_alone() -> None:
    made = calm_floor(max_fill_notional=Decimal(100))
    made.tick(100)
    made.tick(100, symbol=BTC)
    assert made.propose(buy(1)).outcome == "executed"
    assert made.propose(buy(1), symbol=BTC).outcome == "executed"


def test_buys_and_sales_share_the_bound_of_one_quote() -> None:
    made = calm_floor(max_fill_notional=Decimal(150))
    made.tick(100)
    made.propose(buy(1))
    outcome = made.propose(sell(1))
    assert numbers(made.fills_of(outcome)) == [(Decimal("0.5"), 100, 0)]


def test_next_quote_brings_a_whole_bound_even_if_nothing_but_its_time_differs() -> None:
    made = calm_floor(max_fill_notional=Decimal(100))
    made.tick(100)
    outcome = made.propose(buy(3))
    made.tick(100, at=0)
    made.tick(100, at=0)
    assert [fill.qty for fill in made.fills_of(outcome)] == [1, 1, 1]


def test_late_quote_brings_no_bound_of_its_own() -> None:
    made = calm_floor(max_fill_notional=Decimal(100))
    made.tick(100, at=10)
    outcome = made.propose(buy(3), at=10)
    made.arrive(quote(100, at=5), at=11)
    assert len(made.fills_of(outcome)) == 1


def test_parts_of_an_order_never_add_up_to_more_than_was_ordered() -> None:
    made = calm_floor(max_fill_notional=Decimal("33.33333333"))
    made.tick("7.77777777")
    outcome = made.propose(buy("20.00000001"))
    for second in range(1, 12):
        made.tick("7.77777777", at=second)
    assert sum(fill.qty for fill in made.fills_of(outcome)) == Decimal("20.00000001")
    assert made.status(outcome) == "executed"


# --- a quote that must not fill -------------------------------------------------------------------------------------
@pytest.mark.parametrize(("age", "filled"), [(29.999, True), (30, True), (30.000001, False)])
def test_resting_order_fills_only_on_a_quote_that_is_fresh_when_it_arrives(age: float, filled: bool) -> None:
    made = floor()
    made.tick(100, at=0)
    outcome = made.propose(buy(1, 99))
    made.arrive(quote(98, at=1), at=1 + age)
    assert bool(made.fills_of(outcome)) is filled


def test_stale_quote_moves_the_mark_although_it_fills_nothing() -> None:
    made = calm_floor(stale_after_seconds=30)
    made.tick(100)
    made.propose(buy(1))
    made.arrive(quote(90, at=1), at=100)
    assert made.desk.book.position(SOL).mark_price == 90


def test_proposal_on_a_stale_quote_is_blocked_and_stored() -> None:
    made = floor()
    made.tick(100)
    outcome = made.propose(buy(1), at=30.5)
    assert (outcome.outcome, outcome.rule, made.status(outcome)) == ("blocked", "STALE_MARKET_DATA", "rejected")
    assert len(made.story.signals) == len(made.story.orders) == len(made.story.cycles) == 1


def test_late_quote_is_kept_and_flagged_and_moves_nothing() -> None:
    made = calm_floor()
    made.tick(100, at=10)
    made.propose(buy(1), at=10)
    outcome = made.propose(buy(1, 95), at=10)
    before = made.desk.book.valuation()
    changes = made.arrive(quote(90, at=9), at=11)
    assert len(changes.ticks) == 1
    assert [(late.tick_id, late.newest_at) for late in changes.late_ticks] == [(changes.ticks[0].tick_id, after(10))]
    assert made.fills_of(outcome) == []
    assert made.desk.book.valuation() == before
    assert changes.marked == {}
    assert len(made.desk.tape(SOL).window(after(0))) == 1


def test_quotes_of_one_time_count_in_the_order_of_their_arrival() -> None:
    made = calm_floor()
    made.tick(100, at=10)
    made.propose(buy(1), at=10)
    changes = made.tick(101, at=10)
    assert changes.late_ticks == []
    assert made.desk.book.position(SOL).mark_price == 101
    assert made.propose(sell(1), at=10).changes.fills[0].fill_price == 101


def test_halted_desk_fills_nothing_but_is_still_marked() -> None:
    made = calm_floor()
    made.tick(100)
    made.propose(buy(1))
    outcome = made.propose(buy(1, 95))
    made.desk.halted = True
    changes = made.tick(94, at=1)
    assert (changes.fills, made.fills_of(outcome)) == ([], [])
    assert made.desk.book.position(SOL).mark_price == 94
    assert made.propose(sell(1), at=2).rule == "KILL_SWITCH_ACTIVE"


# --- what may have changed since an order passed --------------------------------------------------------------------
def test_waiting_buy_that_the_cash_no_longer_covers_is_canceled_not_filled() -> None:
    made = calm_floor(max_fill_notional=Decimal(6000))
    made.tick(100)
    outcome = made.propose(buy(90))
    made.tick(150, at=1)
    assert [fill.qty for fill in made.fills_of(outcome)] == [60]
    assert made.status(outcome) == "canceled"
    assert made.story.transitions[-1].reason == "the book can no longer carry it"
    assert made.desk.book.cash == 4000


def test_waiting_sale_of_what_is_no_longer_held_is_canceled_not_filled() -> None:
    made = calm_floor(allow_short=True)
    made.tick(100)
    made.propose(buy(1))
    outcome = made.propose(sell(2, 110))
    made.desk.policy = calm_floor().desk.policy
    made.tick(111, at=1)
    assert (made.fills_of(outcome), made.status(outcome)) == ([], "canceled")
    assert made.desk.book.position(SOL).qty == 1


def test_short_sale_allowed_by_the_policy_flips_the_position_at_the_fill_price() -> None:
    made = calm_floor(allow_short=True)
    made.tick(100)
    made.propose(buy(2))
    made.tick(110, at=1)
    made.propose(sell(5), at=1)
    position = made.desk.book.position(SOL)
    assert (position.qty, position.avg_entry_price, position.realized_pnl) == (-3, 110, 20)


# --- a quote at which the book would not fit ------------------------------------------------------------------------
def test_quote_at_which_the_position_does_not_fit_is_refused_and_changes_nothing() -> None:
    made = calm_floor()
    made.tick(1)
    made.propose(buy(900))
    tape, desk = made.desk.tape(SOL), made.desk
    before = (desk.book.valuation(), dict(desk.book.positions), tape.newest, len(tape.window(after(-100))))
    changes = Changes()
    with pytest.raises(OutOfRange):
        desk.take_tick(quote(9_999_999_999, at=1), after(1), changes)
    assert (desk.book.valuation(), dict(desk.book.positions), tape.newest, len(tape.window(after(-100)))) == before
    assert made.propose(sell(1), at=2).changes.fills[0].fill_price == 1


def test_quote_at_which_all_positions_together_do_not_fit_is_refused_and_changes_nothing() -> None:
    """Each of them fits; what they are worth together has eleven digits."""
    made = calm_floor()
    for symbol in (SOL, BTC):
        made.tick(1, symbol=symbol)
        made.propose(buy(900), symbol=symbol)
    made.tick(9_000_000, at=1)
    desk, before = made.desk, (made.desk.book.valuation(), dict(made.desk.book.positions), made.desk.book.peak_nav)
    changes = Changes()
    with pytest.raises(OutOfRange):
        desk.take_tick(quote(9_000_000, at=1, symbol=BTC), after(1), changes)
    assert (desk.book.valuation(), dict(desk.book.positions), desk.book.peak_nav) == before
    assert (changes.marked, changes.breaches, desk.tape(BTC).newest.tick.mid_price) == ({}, [], 1)


def test_waiting_order_that_cannot_be_booked_any_more_is_canceled_and_the_quote_is_kept() -> None:
    made = calm_floor(allow_short=True, starting_cash=Decimal(9_999_999_000))
    made.tick(100)
    impossible, possible = made.propose(sell(11, 101)), made.propose(sell(1, 101))
    changes = made.tick(101, at=1)
    assert [fill.order_id for fill in changes.fills] == [possible.order_id]
    assert (made.status(impossible), made.status(possible)) == ("canceled", "executed")
    assert made.desk.tape(SOL).newest.tick_id == changes.ticks[0].tick_id
    assert made.desk.book.cash == 9_999_999_101


def test_price_that_slippage_makes_nothing_of_is_refused() -> None:
    made = calm_floor(slippage_bps=5000, allow_short=True, max_fill_notional=Decimal(1))
    made.tick("0.00000001", 1)
    with pytest.raises(OutOfRange, match="smallest amount"):
        made.propose(sell(1))


def test_cycle_whose_fill_does_not_fit_leaves_the_desk_as_it_was() -> None:
    made = calm_floor(allow_short=True, starting_cash=Decimal(9_999_999_000))
    made.tick(100)
    desk = made.desk
    with pytest.raises(OutOfRange):
        made.propose(sell(11))
    assert (desk.resting, desk.activity.trades, desk.book.cash, desk.quote_used) == ({}, [], 9_999_999_000, {})
    assert made.propose(sell(1)).outcome == "executed"
