"""The simulated market: the same for everyone, never absurd, and lively enough to trade."""

from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from itertools import groupby, islice, pairwise
from time import process_time
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.domain.market import SeenTick, Tape, Tick
from webapp.domain.orders import Side
from webapp.domain.policy import Policy
from webapp.domain.strategies import get_strategy
from webapp.feeds.price_path import PricePath, base_price, tick_units
from webapp.feeds.simulated import SimulatedFeed

START = datetime(2025, 11, 20, tzinfo=UTC)
SYMBOLS = ("SOL-USDC", "BTC-USDC", "ETH-USDC")
DAY = 86_400


@cache
def days(symbol: str, count: int, seed: int = 7, step: int = 10) -> list[Tick]:
    return list(SimulatedFeed([symbol], seed).history(START, START + timedelta(days=count), step))


def test_same_seed_gives_the_same_market_and_another_seed_another() -> None:
    end = START + timedelta(hours=1)
    first, again, other = (list(SimulatedFeed(SYMBOLS, seed).history(START, end, 5)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_one_quote_is_what_it_always_was() -> None:
    """A change here changes everybody's demo history: it should be meant."""
    tick = next(SimulatedFeed(["SOL-USDC"], 7).history(START, START + timedelta(seconds=1), 1))
    assert (str(tick.bid_price), str(tick.ask_price)) == ("142.62200000", "142.65500000")


def test_history_is_every_symbol_on_the_grid_in_time_order_without_the_end() -> None:
    ticks = list(SimulatedFeed(SYMBOLS).history(START + timedelta(seconds=3), START + timedelta(seconds=20), 5))
    assert [(tick.event_at.second, tick.symbol) for tick in ticks] == [
        (s, name) for s in (5, 10, 15) for name in SYMBOLS
    ]


def test_live_quotes_go_on_where_history_ends_also_after_a_restart() -> None:
    end = START + timedelta(minutes=10)
    whole = list(SimulatedFeed(SYMBOLS).history(START, end + timedelta(minutes=1), 1))
    feed, live = SimulatedFeed(SYMBOLS), list(SimulatedFeed(SYMBOLS).history(START, end, 1))
    for second in range(60):
        if second == 30:
            feed = SimulatedFeed(SYMBOLS)
        live += feed.poll(end + timedelta(seconds=second, microseconds=400_000))
    assert live == whole


def test_poll_gives_one_tick_a_symbol_a_second_and_never_goes_back() -> None:
    feed = SimulatedFeed(SYMBOLS)
    first = feed.poll(START + timedelta(seconds=1, microseconds=10))
    assert [tick.symbol for tick in first] == list(SYMBOLS)
    assert all(tick.event_at == START + timedelta(seconds=1) for tick in first)
    assert feed.poll(START + timedelta(seconds=1, microseconds=999_999)) == ()
    assert feed.poll(START) == ()
    assert len(feed.poll(START + timedelta(seconds=9))) == 3


def test_poll_in_any_time_zone_asks_for_the_same_second() -> None:
    local = START.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert SimulatedFeed(SYMBOLS).poll(local) == SimulatedFeed(SYMBOLS).poll(START)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_quotes_are_around_the_real_price_exact_and_a_few_basis_points_wide(symbol: str) -> None:
    ticks = days(symbol, 1)
    base = base_price(symbol)
    step = Decimal(tick_units(base)).scaleb(-8)
    for tick in ticks:
        assert tick.bid_price.as_tuple().exponent == tick.ask_price.as_tuple().exponent == -8
        assert tick.bid_price % step == 0
        assert 0.75 < float(tick.mid_price) / base < 1.25
    spreads = [tick.spread_bps for tick in ticks]
    assert 1 <= sum(spreads) / len(spreads) <= 4
    assert max(spreads) <= 10
    assert len(set(spreads)) > 1


@pytest.mark.parametrize("seed", [1, 7, 42])
@pytest.mark.parametrize("symbol", [*SYMBOLS, "WIF-USDC"])
def test_no_minute_moves_so_far_that_the_desk_would_halt(symbol: str, seed: int) -> None:
    path = PricePath(seed, symbol)
    first = int(START.timestamp())
    window: deque[int] = deque(maxlen=13)
    for second in range(first, first + DAY, 5):
        window.append(sum(path.quote_at(second)))
        assert max(window) / min(window) < 1.04


def test_no_second_jumps_not_even_between_regimes() -> None:
    path = PricePath(7, "SOL-USDC")
    first = int(START.timestamp())
    mids = [sum(path.quote_at(second)) for second in range(first, first + DAY // 2)]
    assert max(abs(after / before - 1) for before, after in pairwise(mids)) < 0.001


def test_every_regime_comes_every_day() -> None:
    for symbol in SYMBOLS:
        path = PricePath(7, symbol)
        seen = Counter(path.regime_at(int(START.timestamp()) + second) for second in range(0, DAY, 600))
        assert set(seen) == {"trend", "chop", "spike", "calm"}


def test_symbols_do_not_move_together() -> None:
    moves = []
    for symbol in SYMBOLS:
        hours = days(symbol, 2, step=3600)
        moves.append([after.mid_price > before.mid_price for before, after in pairwise(hours)])
    assert moves[0] != moves[1] != moves[2]


@given(
    symbol=st.from_regex(r"[A-Z0-9][A-Z0-9._-]{0,31}", fullmatch=True), second=st.integers(0, 2**33), seed=st.integers()
)
@settings(max_examples=300, deadline=None)
def test_any_symbol_at_any_time_has_a_storable_quote(symbol: str, second: int, seed: int) -> None:
    bid, ask = PricePath(seed, symbol).quote_at(second)
    assert 0 < bid < ask < 10**18


def test_unknown_symbol_gets_a_price_from_its_name() -> None:
    prices = {base_price(name) for name in ("WIF-USDC", "JUP-USDC", "BONK-USDC")}
    assert len(prices) == 3
    assert all(0.5 <= price <= 500 for price in prices)


def round_trips(name: str, ticks: Sequence[Tick], cycle_seconds: int) -> int:
    """How often the strategy gets out of what it bought, filled at the touch."""
    strategy, policy, tape = get_strategy(name), Policy.default(), Tape(timedelta(hours=1))
    held, trips, due = Decimal(0), 0, START
    for tick in ticks:
        tape.add(SeenTick(UUID(int=0), tick))
        if tick.event_at < due:
            continue
        due = tick.event_at + timedelta(seconds=cycle_seconds)
        proposal = strategy.decide(
            tape.window(tick.event_at - timedelta(seconds=strategy.window_seconds)), held, policy
        )
        if proposal is None or proposal.confidence < policy.min_confidence:
            continue
        if proposal.side is Side.BUY and (proposal.limit_price is None or tick.ask_price <= proposal.limit_price):
            held += proposal.qty
        elif proposal.side is Side.SELL:
            held -= proposal.qty
            trips += not held
    return trips


@pytest.mark.parametrize("name", ["mean_reversion", "momentum"])
@pytest.mark.parametrize("cycle_seconds", [60, 120])
def test_three_days_give_each_strategy_with_an_opinion_dozens_of_round_trips(name: str, cycle_seconds: int) -> None:
    ticks = [days(symbol, 3, step=30) for symbol in SYMBOLS]
    assert sum(round_trips(name, of_one, cycle_seconds) for of_one in ticks) >= 36


def test_days_of_history_come_quickly() -> None:
    """A demo begins with days of history. A third of what was measured: a busy machine must not fail the suite."""
    history = SimulatedFeed(SYMBOLS).history(START, START + timedelta(days=30), 5)
    start = process_time()
    ticks = list(islice(history, 60_000))
    assert len(ticks) / (process_time() - start) > 30_000
    assert all(len(list(group)) == 3 for _, group in groupby(ticks, key=lambda tick: tick.event_at))
