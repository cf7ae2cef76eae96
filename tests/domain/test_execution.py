"""Fill prices, fees and quantities, worked out by hand."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.desks import NOON, SOL, quote
from webapp.domain.errors import OutOfRange
from webapp.domain.execution import Terms, execute, fee_of, is_marketable, market_price, round_trip_cost, terms
from webapp.domain.market import Tick
from webapp.domain.money import exact
from webapp.domain.orders import Side
from webapp.domain.policy import Policy

BUY, SELL = Side.BUY, Side.SELL
POLICY = Policy.default()
prices = st.integers(1, 10**14).map(lambda units: Decimal(units).scaleb(-8))


def offered(side: Side, limit: str | None, bid: str, ask: str, *, resting: bool = False) -> Terms | None:
    return terms(side, None if limit is None else Decimal(limit), quote(bid, ask), POLICY, resting=resting)


@pytest.mark.parametrize(
    ("side", "bps", "price"),
    [
        (BUY, 2, "100.12002"),
        (SELL, 2, "99.88002"),
        (BUY, 0, "100.1"),
        (SELL, 0, "99.9"),
        (BUY, 5000, "150.15"),
        (SELL, 5000, "49.95"),
    ],
)
def test_market_order_pays_the_touch_and_the_slippage(side: Side, bps: int, price: str) -> None:
    assert market_price(side, quote("99.9", "100.1"), bps) == Decimal(price)


def test_market_order_without_a_limit_is_always_marketable_and_says_what_slippage_was_applied() -> None:
    assert offered(BUY, None, "99.9", "100.1") == Terms(Decimal("100.12002"), 2)
    assert offered(SELL, None, "99.9", "100.1") == Terms(Decimal("99.88002"), 2)


def test_fill_price_is_rounded_half_even_to_eight_decimals() -> None:
    assert market_price(BUY, quote("0.00000001", "0.00002500"), 2) == Decimal("0.00002500")
    assert market_price(BUY, quote("0.00000001", "0.00007500"), 2) == Decimal("0.00007502")
    assert market_price(SELL, quote("0.00002500", "1"), 2) == Decimal("0.00002500")


def test_fill_price_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OutOfRange):
        market_price(BUY, quote("1", "9999999999"), 2)


@pytest.mark.parametrize(
    ("side", "limit", "marketable"),
    [
        (BUY, "100.1", True),
        (BUY, "100.09999999", False),
        (SELL, "99.9", True),
        (SELL, "99.90000001", False),
        (BUY, None, True),
        (SELL, None, True),
    ],
)
def test_limit_order_is_marketable_when_the_other_side_of_the_quote_reaches_it(
    side: Side, limit: str | None, marketable: bool
) -> None:
    assert is_marketable(side, None if limit is None else Decimal(limit), quote("99.9", "100.1")) is marketable


@pytest.mark.parametrize(
    ("side", "limit", "price", "bps"),
    [
        (BUY, "105", "100.12002", 2),
        (BUY, "100.12002", "100.12002", 2),
        (BUY, "100.12001999", "100.12001999", 2),
        (BUY, "100.11", "100.11", 1),
        (BUY, "100.1", "100.1", 0),
        (SELL, "95", "99.88002", 2),
        (SELL, "99.89", "99.89", 1),
        (SELL, "99.9", "99.9", 0),
    ],
)
def test_marketable_limit_order_fills_like_the_market_but_never_worse_than_its_limit(
    side: Side, limit: str, price: str, bps: int
) -> None:
    assert offered(side, limit, "99.9", "100.1") == Terms(Decimal(price), bps)


@pytest.mark.parametrize(("side", "limit"), [(BUY, "100.09"), (SELL, "99.91")])
def test_limit_order_that_is_not_reached_does_not_fill(side: Side, limit: str) -> None:
    assert offered(side, limit, "99.9", "100.1") is None
    assert offered(side, limit, "99.9", "100.1", resting=True) is None


@pytest.mark.parametrize(("side", "limit"), [(BUY, "105"), (BUY, "100.1"), (SELL, "95"), (SELL, "99.9")])
def test_resting_order_that_is_reached_fills_at_its_limit_without_slippage(side: Side, limit: str) -> None:
    assert offered(side, limit, "99.9", "100.1", resting=True) == Terms(Decimal(limit), 0)


def test_rest_of_a_market_order_fills_at_the_market_of_the_later_quote() -> None:
    assert offered(BUY, None, "99.9", "100.1", resting=True) == Terms(Decimal("100.12002"), 2)


@given(st.sampled_from(list(Side)), prices, prices, prices, st.integers(0, 5000), st.booleans())
def test_limit_order_of_any_price_never_fills_worse_than_its_limit(
    side: Side, one: Decimal, other: Decimal, limit: Decimal, slippage: int, resting: bool
) -> None:
    tick = Tick(SOL, min(one, other), max(one, other), NOON)
    policy = Policy(slippage_bps=slippage)
    found = terms(side, limit, tick, policy, resting=resting)
    if found is None:
        assert not is_marketable(side, limit, tick)
        return
    assert (found.price - limit) * side.sign <= 0
    assert found.slippage_bps == 0 if resting else 0 <= found.slippage_bps <= slippage


@pytest.mark.parametrize(
    ("qty", "price", "bps", "fee"),
    [
        ("3", "100", "10", "0.3"),
        ("0.00000001", "0.00000001", "10", "0"),
        ("1", "0.000005", "10", "0.00000000"),
        ("1", "0.000015", "10", "0.00000002"),
        ("1", "0.000005001", "10", "0.00000001"),
        ("2", "100", "0", "0"),
        ("1", "1", "0.5", "0.00005"),
    ],
)
def test_fee_is_charged_on_the_notional_rounded_half_even(qty: str, price: str, bps: str, fee: str) -> None:
    assert fee_of(Decimal(qty), Decimal(price), Decimal(bps)) == Decimal(fee)


def test_fee_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OutOfRange):
        fee_of(Decimal(10**9), Decimal(10**9), Decimal(10))


@pytest.mark.parametrize(
    ("remaining", "budget", "filled"),
    [
        ("5", None, "5"),
        ("5", "500", "5"),
        ("5", "250", "2.5"),
        ("5", "0.00000099", None),
        ("5", "0", None),
        ("5", "-1", None),
    ],
)
def test_execution_fills_no_more_than_remains_and_than_the_budget_allows(
    remaining: str, budget: str | None, filled: str | None
) -> None:
    made = execute(BUY, Decimal(remaining), Terms(Decimal(100), 2), POLICY, None if budget is None else Decimal(budget))
    assert (made and made.qty) == (filled and Decimal(filled))
    if made:
        assert (made.price, made.fee, made.slippage_bps) == (100, made.qty * Decimal("0.1"), 2)


@given(prices, prices, prices)
def test_partial_execution_never_exceeds_its_budget_by_a_unit(
    remaining: Decimal, price: Decimal, budget: Decimal
) -> None:
    @exact
    def check() -> None:
        made = execute(BUY, remaining, Terms(price, 0), Policy(fee_bps=Decimal(0)), budget)
        spent = made.qty * made.price if made else Decimal(0)
        assert spent <= budget
        assert made is None or made.qty <= remaining
        if made is None or made.qty < remaining:
            assert spent + Decimal("0.00000001") * price > budget, "more could have been filled"

    check()


def test_round_trip_of_a_quote_without_costs_costs_nothing() -> None:
    assert round_trip_cost(Decimal(5), quote(100), Policy(slippage_bps=0, fee_bps=Decimal(0))) == 0
    assert round_trip_cost(Decimal(5), quote(99, 101), Policy(slippage_bps=0, fee_bps=Decimal(0))) == 10
