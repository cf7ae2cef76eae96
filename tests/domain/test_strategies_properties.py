"""What holds for every strategy on every market, however strange."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal, getcontext, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.domain.errors import OutOfRange
from webapp.domain.execution import market_price
from webapp.domain.market import Quote, Tick
from webapp.domain.money import fits
from webapp.domain.orders import Side
from webapp.domain.policy import Policy
from webapp.domain.strategies import STRATEGIES, Closing, get_strategy
from webapp.domain.strategies.sizing import LOT

START = datetime(2025, 11, 20, tzinfo=UTC)
UNITS = 10**8
STORED_ROUNDING = Decimal("0.000000005")
"""A fill price is rounded to 8 decimals, so an order at the very limit may pass it by this much a unit."""

prices = st.integers(1, 10**18 - 1)
gaps = st.integers(0, 10**8)
microseconds = st.integers(0, 200 * 10**6)
wild = st.lists(st.tuples(prices, gaps, microseconds), max_size=60)


@st.composite
def walks(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Markets that could be real: a price and up to eighty steps of at most three percent."""
    price = draw(st.integers(10**3, 10**15))
    steps = draw(st.lists(st.tuples(st.integers(-300, 300), st.integers(0, 20), microseconds), max_size=80))
    rows = []
    for basis_points, width, wait in steps:
        price = max(1, price * (10_000 + basis_points) // 10_000)
        rows.append((price, price * width // 10_000, wait))
    return rows


def window_of(rows: list[tuple[int, int, int]]) -> list[Quote]:
    at, quotes = START, []
    for price, width, wait in rows:
        at += timedelta(microseconds=wait)
        tick = Tick("X", Decimal(price).scaleb(-8), Decimal(min(price + width, 10**18 - 1)).scaleb(-8), at)
        quotes.append(Quote(at, tick.bid_price, tick.ask_price, tick.mid_price))
    return quotes


windows = st.one_of(wild, walks()).map(window_of)
positions = st.one_of(st.just(0), st.integers(-(10**18) + 1, 10**18 - 1)).map(lambda units: Decimal(units).scaleb(-8))
policies = st.builds(
    Policy,
    max_order_notional=st.integers(0, 10**18 - 1).map(lambda units: Decimal(units).scaleb(-8)),
    max_position_notional=st.integers(0, 10**18 - 1).map(lambda units: Decimal(units).scaleb(-8)),
    fee_bps=st.integers(0, 5000).map(Decimal),
    slippage_bps=st.integers(0, 5000),
)
either_policy = st.one_of(st.just(Policy.default()), policies)


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=300, deadline=None)
@given(window=windows, position=positions, policy=either_policy)
def test_any_window_gives_an_order_that_can_be_stored_or_none(
    name: str, window: list[Quote], position: Decimal, policy: Policy
) -> None:
    proposal = get_strategy(name).decide(window, position, policy)
    if proposal is None:
        return
    assert proposal.qty > 0
    assert fits(proposal.qty)
    assert 0 <= proposal.confidence <= 1
    assert proposal.confidence == proposal.confidence.quantize(Decimal("0.00001"))
    json.dumps(proposal.payload)
    assert all(isinstance(value, str) and "E" not in value for value in proposal.payload.values())
    if proposal.side is Side.SELL:
        assert proposal.qty <= position
    else:
        assert position == 0 or name == "rebalance"
        cost = proposal.qty * window[-1].ask_price
        assert cost <= policy.max_order_notional
        assert cost <= policy.max_position_notional
        assert proposal.expected_loss is not None
        assert fits(proposal.expected_loss)
        assert proposal.expected_loss >= 0
        assert proposal.limit_price in (None, window[-1].bid_price)


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=100, deadline=None)
@given(window=windows, position=positions)
def test_same_window_gives_the_same_answer_in_any_decimal_context(
    name: str, window: list[Quote], position: Decimal
) -> None:
    strategy, policy = get_strategy(name), Policy.default()
    first = strategy.decide(window, position, policy)
    with localcontext() as context:
        context.prec, context.rounding = 5, ROUND_DOWN
        second = strategy.decide(window, position, policy)
    assert first == second
    assert getcontext().prec == 28


def test_a_strategy_is_standard_library_and_decimal_only() -> None:
    for name in STRATEGIES:
        strategy = get_strategy(name)
        assert strategy.name == name
        assert strategy.window_seconds > 0


@settings(max_examples=300, deadline=None)
@given(window=windows, position=positions, policy=either_policy)
def test_closing_only_ever_reduces_and_stays_within_the_largest_order(
    window: list[Quote], position: Decimal, policy: Policy
) -> None:
    proposal = Closing(60).decide(window, position, policy)
    if proposal is None:
        return
    assert proposal.side is (Side.SELL if position > 0 else Side.BUY)
    assert 0 < proposal.qty <= abs(position)
    newest = window[-1]
    tick = Tick("X", newest.bid_price, newest.ask_price, newest.event_at)
    with suppress(OutOfRange):
        price = market_price(proposal.side, tick, policy.slippage_bps)
        if policy.max_order_notional > 2 * LOT * price:  # else nothing fits, and the gate is asked for all of it
            assert proposal.qty * price <= policy.max_order_notional + proposal.qty * STORED_ROUNDING


def test_closing_without_a_position_or_a_quote_proposes_nothing() -> None:
    window = window_of([(10**10, 0, 0)])
    assert Closing(60).decide(window, Decimal(0), Policy.default()) is None
    assert Closing(60).decide([], Decimal(1), Policy.default()) is None
