"""What the rules are shown of a real desk: prices, exposure with all that waits, free cash, the day, the counts."""

from datetime import timedelta, timezone
from decimal import Decimal

import pytest

from tests.domain.contexts import verdict
from tests.domain.desks import BTC, NOON, SOL, Floor, after, buy, calm_floor, floor, quote, sell
from webapp.domain.cycle import context_for, judge
from webapp.domain.orders import Proposal
from webapp.domain.risk import RiskContext, Verdict


def measured(made: Floor, proposal: Proposal, at: float = 0, symbol: str = SOL) -> RiskContext:
    return context_for(made.desk, symbol, proposal, after(at))


def said(made: Floor, rule: str, proposal: Proposal, at: float = 0, symbol: str = SOL) -> Verdict:
    return verdict(rule, judge(made.desk, symbol, proposal, after(at)))


def test_price_of_a_market_order_is_the_touch_moved_by_the_slippage() -> None:
    made = floor()
    made.tick("99.9", "100.1")
    assert measured(made, buy(1)).price == Decimal("100.12002")
    assert measured(made, sell(1)).price == Decimal("99.88002")


def test_price_of_an_order_that_would_rest_is_its_limit() -> None:
    made = floor()
    made.tick("99.9", "100.1")
    assert measured(made, buy(1, "99")).price == 99
    assert measured(made, sell(1, "101")).price == 101


def test_price_of_a_marketable_limit_order_is_never_beyond_its_limit() -> None:
    made = floor()
    made.tick("99.9", "100.1")
    assert measured(made, buy(1, "100.11")).price == Decimal("100.11")
    assert measured(made, buy(1, "105")).price == Decimal("100.12002")


def test_age_of_a_quote_from_a_clock_ahead_is_nothing() -> None:
    made = floor()
    made.arrive(quote(100, at=1.5), 0)
    assert measured(made, buy(1)).quote_age_seconds == 0


def test_round_trip_costs_spread_slippage_and_fees_both_ways() -> None:
    made = floor()
    made.tick("99.9", "100.1")
    bought, sold = Decimal("100.12002"), Decimal("99.88002")
    cost = 3 * (bought - sold) + 3 * (bought + sold) * Decimal("0.001")
    assert measured(made, buy(3)).round_trip_cost == cost
    assert measured(made, sell(3)).round_trip_cost == cost


def test_move_in_five_minutes_is_from_the_oldest_quote_of_them() -> None:
    made = floor(min_price_move_5m_pct=Decimal(1))
    made.tick(50, at=-301)
    made.tick(100, at=-300)
    made.tick(90, at=-100)
    made.tick(102, at=0)
    assert measured(made, buy(1)).move_5m_pct == 2
    assert measured(made, buy(1), at=0.1).move_5m_pct == pytest.approx(Decimal("13.333"), abs=Decimal("0.001"))


def test_move_with_one_quote_in_five_minutes_is_none_at_all() -> None:
    made = floor()
    made.tick(100)
    assert measured(made, buy(1)).move_5m_pct == 0


def test_position_after_the_order_counts_what_rests_on_its_side() -> None:
    made = calm_floor()
    made.tick(100)
    made.propose(buy(10))
    made.propose(buy(5, 90))
    made.propose(sell(4, 110))
    assert measured(made, buy(1)).qty_after == 16
    assert measured(made, sell(1)).qty_after == 5


def test_second_sale_of_what_a_resting_sale_has_claimed_would_go_short_and_is_blocked() -> None:
    made = calm_floor()
    made.tick(100)
    made.propose(buy(10))
    made.propose(sell(10, 110))
    blocked = made.propose(sell(1))
    assert (blocked.outcome, blocked.rule) == ("blocked", "SHORT_NOT_ALLOWED")


def test_exposure_elsewhere_is_the_worst_that_waiting_orders_could_make_of_it() -> None:
    made = calm_floor()
    made.tick(100)
    made.tick(1000, symbol=BTC)
    made.propose(buy(2), symbol=BTC)
    made.propose(buy(1, 900), symbol=BTC)
    seen = measured(made, buy(1))
    assert (seen.exposure_elsewhere, seen.open_elsewhere) == (2900, 1)


def test_symbol_with_nothing_but_a_resting_order_counts_as_an_open_position() -> None:
    made = calm_floor(max_open_positions=1)
    made.tick(100)
    made.tick(1000, symbol=BTC)
    made.propose(buy(1, 900), symbol=BTC)
    assert not said(made, "MAX_OPEN_POSITIONS", buy(1)).ok
    assert said(made, "MAX_OPEN_POSITIONS", buy(1, 900), symbol=BTC).ok


def test_free_cash_is_what_no_waiting_buy_has_claimed() -> None:
    made = calm_floor(fee_bps=Decimal(10))
    made.tick(100)
    made.propose(buy(10, 90))
    made.propose(sell(1, 110))
    assert measured(made, buy(1)).cash_available == 10_000 - 900 - Decimal("0.9")


def test_order_that_takes_the_last_cent_of_free_cash_passes_and_one_more_unit_does_not() -> None:
    made = calm_floor(fee_bps=Decimal(0))
    made.tick(100)
    made.propose(buy(90, 90))
    assert made.propose(buy("19.00000001")).rule == "INSUFFICIENT_CASH"
    assert made.propose(buy(19)).outcome == "executed"
    assert made.desk.book.cash == 8100


def test_order_that_is_let_through_at_the_edge_of_the_cash_is_executed_not_canceled_at_once() -> None:
    """The fee that is judged must be the fee that is charged, its rounding included."""
    made = calm_floor(starting_cash=Decimal("13.34093261"), fee_bps=Decimal(10))
    made.tick("1.64878248")
    outcome = made.propose(buy("8.08330096"))
    assert (outcome.outcome, outcome.rule) == ("blocked", "INSUFFICIENT_CASH")
    assert made.propose(buy("8.08330095")).outcome == "executed"


def test_day_begins_with_the_last_snapshot_before_midnight() -> None:
    made = calm_floor()
    made.tick(100)
    made.propose(buy(10))
    made.tick(90, at=100)
    made.time(120)
    made.tick(80, at=43_190)
    made.time(43_300)
    assert measured(made, buy(1), at=43_300).day_start_nav == 9900
    assert measured(made, buy(1), at=43_300).nav == 9800


def test_day_of_a_desk_without_a_snapshot_begins_with_its_starting_cash() -> None:
    made = floor()
    made.time(0)
    assert made.desk.day_start_nav == 10_000


def test_trades_are_the_orders_the_gate_let_through_filled_or_not() -> None:
    made = calm_floor(min_confidence=Decimal("0.6"))
    made.tick(100)
    made.propose(buy(1))
    made.propose(buy(1, 90))
    made.propose(buy(1, confidence=Decimal("0.1")))
    seen = measured(made, buy(1))
    assert (seen.trades_last_hour, seen.trades_today) == (2, 2)


def test_trade_of_exactly_an_hour_ago_no_longer_counts_and_the_gate_says_when() -> None:
    made = calm_floor(max_trades_per_hour=2)
    made.tick(100)
    made.propose(buy(1), at=0)
    made.propose(buy(1), at=10)
    blocked = said(made, "MAX_TRADES_PER_HOUR", buy(1), at=3599)
    assert (blocked.ok, blocked.value, blocked.retry_at) == (False, 3, after(3600))
    assert said(made, "MAX_TRADES_PER_HOUR", buy(1), at=3600).ok


def test_moment_promised_by_the_hour_is_one_at_which_the_order_passes_also_under_a_lowered_limit() -> None:
    made = calm_floor()
    made.tick(100)
    for second in range(5):
        made.propose(buy(1), at=second)
    made.desk.policy = calm_floor(max_trades_per_hour=2).desk.policy
    blocked = said(made, "MAX_TRADES_PER_HOUR", buy(1), at=10)
    assert blocked.retry_at is not None
    then = (blocked.retry_at - NOON).total_seconds()
    assert said(made, "MAX_TRADES_PER_HOUR", buy(1), at=then).ok
    assert not said(made, "MAX_TRADES_PER_HOUR", buy(1), at=then - 0.5).ok


def test_trades_of_yesterday_count_for_the_hour_but_not_for_the_day() -> None:
    made = calm_floor(max_trades_per_day=2)
    made.tick(100)
    made.propose(buy(1), at=43_190)
    seen = measured(made, buy(1), at=43_210)
    assert (seen.trades_last_hour, seen.trades_today) == (1, 0)


@pytest.mark.parametrize("offset", [-12, -5, 0, 5.5, 14])
def test_day_turns_at_midnight_utc_in_whatever_zone_the_clock_speaks(offset: float) -> None:
    made = calm_floor()
    made.tick(100)
    made.propose(buy(10))
    made.time(0)
    made.tick(90, at=43_000)
    made.time(43_020)
    zone = timezone(timedelta(hours=offset))
    made.desk.roll_day(after(43_199).astimezone(zone))
    assert made.desk.day_start_nav == 10_000
    made.desk.roll_day(after(43_200).astimezone(zone))
    assert made.desk.day_start_nav == 9900
    judged = judge(made.desk, SOL, buy(1), after(43_201).astimezone(zone))
    assert verdict("MAX_TRADES_PER_DAY", judged).value == 1


def test_cooldown_runs_from_the_last_fill_not_from_the_last_order() -> None:
    made = calm_floor(cooldown_seconds=60)
    made.tick(100)
    made.propose(buy(1, 95), at=0)
    assert said(made, "COOLDOWN_SECONDS", buy(1), at=1).ok
    made.tick(94, at=30)
    found = said(made, "COOLDOWN_SECONDS", buy(1), at=31)
    assert (found.ok, found.value, found.retry_at) == (False, 1, after(90))


def test_drawdown_is_measured_from_the_highest_nav() -> None:
    made = calm_floor()
    made.tick(100)
    made.propose(buy(10))
    made.tick(150, at=1)
    made.tick(120, at=2)
    assert measured(made, buy(1), at=2).drawdown == 300
