"""What the desk itself takes for a reason to halt: an anomaly that a second quote confirms, and a drawdown."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from tests.domain.desks import BTC, CALM, SOL, Floor, buy, calm_floor, floor, quote
from webapp.domain.book import Book
from webapp.domain.desk import drawdown_breach
from webapp.domain.policy import Policy

HALT = Decimal(10)


def watching(**limits: object) -> Floor:
    return floor(**{**CALM, "anomaly_halt_pct": HALT, "anomaly_warn_pct": Decimal(5), **limits})


def breaches(prices: Sequence[tuple[float, str | int]], **limits: object) -> list[float]:
    """At which seconds quotes of these mids call for a halt."""
    made = watching(**limits)
    return [at for at, price in prices if made.tick(price, at=at).breaches]


def test_move_over_the_window_that_the_next_quote_confirms_halts() -> None:
    assert breaches([(0, 100), (1, 112), (2, 112)]) == [2]
    assert breaches([(0, 100), (1, 88), (2, 88)]) == [2]


def test_move_without_a_second_quote_does_not_halt() -> None:
    assert breaches([(0, 100), (1, 112)]) == []


@pytest.mark.parametrize("bad", [1, 50, 88, 112, 150, 10_000])
def test_lone_bad_print_halts_nothing_when_the_market_is_back_with_the_next_quote(bad: int) -> None:
    assert breaches([(0, 100), (1, 100), (2, bad), (3, 100), (4, 100), (5, 101), (30, 100)]) == []


def test_two_bad_prints_on_either_side_halt_nothing() -> None:
    assert breaches([(0, 100), (1, 100), (2, 150), (3, 60), (4, 100), (5, 100)]) == []


def test_two_bad_prints_with_good_quotes_between_them_halt_nothing() -> None:
    assert breaches([(0, 100), (1, 150), (2, 100), (3, 150), (4, 100), (5, 100)]) == []


def test_move_by_small_steps_within_the_window_halts() -> None:
    steps = [(second, 100 + second // 4) for second in range(0, 60, 4)]
    assert breaches(steps)[0] == 44


def test_same_move_in_more_than_the_window_does_not_halt() -> None:
    assert breaches([(second * 10, 100 + second) for second in range(30)]) == []


def test_move_is_measured_from_the_extreme_of_the_window_not_from_its_first_quote() -> None:
    """First against last, 100 to 95 is a move of 5 %; from the high of 106 it is more than 10 %."""
    assert breaches([(0, 100), (20, 106), (40, 95), (41, 95)]) == [41]


def test_quote_that_left_the_window_no_longer_counts() -> None:
    assert breaches([(0, 100), (60.000001, 112), (61, 112)]) == []
    assert breaches([(0, 100), (60, 112), (60, 112)]) == [60]


@pytest.mark.parametrize(("second", "halts"), [(61, True), (120, True), (120.000001, False)])
def test_quote_confirms_a_move_whose_beginning_has_left_the_window_meanwhile(second: float, halts: bool) -> None:
    """Quotes that are half a window apart, or a whole one as one-minute bars are, would never halt anything else."""
    assert breaches([(0, 100), (60, 112), (second, 113)]) == ([second] if halts else [])


def test_quote_back_in_range_does_not_confirm_a_move_whose_beginning_has_left_the_window() -> None:
    assert breaches([(0, 100), (60, 112), (90, 105), (91, 105), (92, 112)]) == []
    assert breaches([(0, 100), (60, 112), (90, 80), (91, 80)]) == []


def test_breach_confirmed_late_tells_both_quotes() -> None:
    made = watching()
    made.tick(100)
    made.tick(112, at=50)
    (breach,) = made.tick(113, at=70).breaches
    for part in ("12.00 % within 60 s", "112.00000000 at 2026-03-02T12:00:50Z", "113.00000000 at 2026-03-02T12:01:10Z"):
        assert part in breach.reason


def test_breach_hardly_over_the_limit_does_not_say_that_it_is_at_it() -> None:
    made = watching(anomaly_halt_pct=Decimal("11.99999999"))
    made.tick(100)
    made.tick(112, at=1)
    (breach,) = made.tick(112, at=2).breaches
    assert "moved 12.00000000 %" in breach.reason
    assert "the limit is 11.99999999 %" in breach.reason


@pytest.mark.parametrize(("price", "halts"), [("109.99999999", False), ("110", True)])
def test_move_of_exactly_the_limit_halts_and_one_just_below_does_not(price: str, halts: bool) -> None:
    assert bool(breaches([(0, 100), (1, price), (2, price)])) is halts


def test_quotes_of_another_symbol_confirm_nothing() -> None:
    made = watching()
    made.tick(100)
    made.tick(100, symbol=BTC)
    assert made.tick(112, at=1).breaches == []
    assert made.tick(112, at=2, symbol=BTC).breaches == []


def test_late_quote_confirms_nothing() -> None:
    made = watching()
    made.tick(100, at=0)
    made.tick(112, at=10)
    assert made.arrive(quote(112, at=9), at=11).breaches == []


def test_second_quote_of_the_same_time_confirms() -> None:
    assert breaches([(0, 100), (1, 112), (1, 112)]) == [1]


def test_breach_names_symbol_move_window_and_both_quotes() -> None:
    made = watching()
    made.tick(100)
    made.tick(112, at=1)
    (breach,) = made.tick(113, at=2).breaches
    assert breach.rule == "PRICE_ANOMALY"
    for part in (SOL, "13.00 %", "60 s", "100.00000000", "113.00000000", "10.00 %", "12:00:02"):
        assert part in breach.reason


@pytest.mark.parametrize(("price", "warned"), [("104.99999999", False), (105, True)])
def test_move_worth_a_warning_is_written_down_with_the_next_order(price: str | int, warned: bool) -> None:
    made = watching()
    made.tick(100)
    made.tick(price, at=1)
    made.propose(buy(1), at=1)
    found = [event for event in made.story.risk_events if event.rule == "PRICE_ANOMALY"]
    assert [event.action for event in found] == (["warned"] if warned else [])


@pytest.mark.parametrize(("at", "warned"), [(61, True), (61.000001, False)])
def test_move_is_written_down_with_the_orders_of_one_window_after_it(at: float, warned: bool) -> None:
    made = watching()
    made.tick(100)
    made.tick(107, at=1)
    made.propose(buy(1), at=at)
    assert any(event.rule == "PRICE_ANOMALY" for event in made.story.risk_events) is warned


# --- drawdown -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("price", "halts"), [("50.00000001", False), (50, True), (49, True)])
def test_drawdown_that_reaches_its_limit_halts_and_one_just_below_does_not(price: str | int, halts: bool) -> None:
    made = calm_floor(max_drawdown=Decimal(500))
    made.tick(100)
    made.propose(buy(10))
    found = made.tick(price, at=1).breaches
    assert [breach.rule for breach in found] == (["MAX_DRAWDOWN"] if halts else [])


def test_drawdown_counts_from_the_peak_not_from_the_start() -> None:
    made = calm_floor(max_drawdown=Decimal(500))
    made.tick(100)
    made.propose(buy(10))
    made.tick(200, at=1)
    (breach,) = made.tick(150, at=2).breaches
    assert "500.00 USDC" in breach.reason


def test_drawdown_by_costs_of_trading_halts_as_well() -> None:
    made = calm_floor(max_drawdown=Decimal(1), fee_bps=Decimal(10))
    made.tick(100)
    assert [breach.rule for breach in made.propose(buy(10)).changes.breaches] == ["MAX_DRAWDOWN"]


def test_halted_desk_finds_no_further_drawdown() -> None:
    made = calm_floor(max_drawdown=Decimal(500))
    made.tick(100)
    made.propose(buy(10))
    made.desk.halted = True
    assert made.tick(10, at=1).breaches == []


@pytest.mark.parametrize(("price", "rule"), [(50, "MAX_DRAWDOWN"), (60, "PRICE_ANOMALY")])
def test_quote_that_calls_for_a_halt_fills_nothing_more(price: int, rule: str) -> None:
    """The halt comes after the step that found its cause; the orders that wait for it are not to be filled first."""
    made = watching(max_drawdown=Decimal(495), max_daily_loss=Decimal(5000))
    made.tick(100)
    made.propose(buy(10))
    made.tick(price + 1, at=1)
    waiting = made.propose(buy(1, price), at=1)
    changes = made.tick(price, at=2)
    assert changes.breaches[0].rule == rule
    assert (changes.fills, made.status(waiting)) == ([], "approved")


def test_fill_that_reaches_the_drawdown_is_the_last_of_its_quote() -> None:
    made = calm_floor(max_drawdown=Decimal("0.9"), fee_bps=Decimal(10))
    made.tick(100)
    first, second = made.propose(buy(10, 99)), made.propose(buy(10, 99))
    changes = made.tick(99, at=1)
    assert [fill.order_id for fill in changes.fills] == [first.order_id]
    assert made.status(second) == "approved"


def test_desk_that_holds_nothing_has_no_drawdown() -> None:
    made = calm_floor()
    made.tick(100)
    assert made.tick(1, at=1).breaches == []
    assert made.desk.book.drawdown == 0


@pytest.mark.parametrize(
    ("cash", "falls"),
    [("9.80000001", "0.19999999"), ("9.800000003", "0.2"), ("9.799999997", "0.2"), ("9.799999994", "0.20000001")],
)
def test_drawdown_is_held_against_its_limit_by_the_nav_that_is_shown(cash: str, falls: str) -> None:
    """What lies below the eighth decimal is seen by nobody, so it decides nothing."""
    book = Book(Decimal(10), Decimal(cash), peak_nav=Decimal(10))

    assert book.drawdown == Decimal(falls)
    assert (drawdown_breach(book, Policy(max_drawdown=Decimal("0.2"))) is not None) is (book.drawdown >= Decimal("0.2"))
