"""What may be taken as a quote, what is derived from it, and what the tape of recent quotes remembers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.desks import NOON, SOL, after, calm_floor, quote
from tests.domain.oracle import stored
from webapp.domain.errors import BadInput, BadQuote
from webapp.domain.market import WINDOW_CAP, SeenTick, Tape, Tick, check_symbol, move_pct, parse_tick
from webapp.domain.records import Changes

AT = "2024-08-08T23:54:14.087891Z"


def refused(symbol: object = "A", bid: object = "1", ask: object = "2", at: object = AT) -> tuple[str, str | None]:
    with pytest.raises(BadQuote) as caught:
        parse_tick(symbol, bid, ask, at)  # type: ignore[arg-type]  # what JSON and CSV may hold
    return caught.value.reason, caught.value.field


@pytest.mark.parametrize("symbol", ["SOL-USDC", "BTCUSDT_PERP", "A", "9", "1INCH.X", "A" * 32])
def test_symbol_of_the_allowed_letters_is_taken(symbol: str) -> None:
    assert check_symbol(symbol) == symbol


@pytest.mark.parametrize(
    "symbol",
    [
        "",
        "a",
        "sol-usdc",
        "-SOL",
        ".SOL",
        "_SOL",
        "A" * 33,
        "SOL USDC",
        "SOL/USDC",
        "SOL\n",
        "ＳＯＬ",
        "SOL\x00",
        "S'",
        None,
        1,
    ],
)
def test_symbol_of_anything_else_is_refused(symbol: object) -> None:
    with pytest.raises(BadInput):
        check_symbol(symbol)  # type: ignore[arg-type]
    assert refused(symbol=symbol) == ("bad_symbol", "symbol")


@pytest.mark.parametrize(
    "price", ["", "NaN", "inf", "1e5", "+1", " 1", "1_000", "0x1F", "１", "12345678901", "0.123456789", None]
)
def test_price_that_is_no_amount_is_refused_by_its_field(price: object) -> None:
    assert refused(bid=price) == ("bad_number", "bid_price")
    assert refused(ask=price) == ("bad_number", "ask_price")


@pytest.mark.parametrize("price", ["0", "0.00000000", "-0", "-1", "-0.00000001"])
def test_price_of_nothing_or_less_is_refused(price: str) -> None:
    assert refused(bid=price) == ("not_positive", "bid_price")
    assert refused(ask=price) == ("not_positive", "ask_price")


def test_bid_above_ask_is_crossed_and_refused() -> None:
    assert refused(bid="1.00000001", ask="1") == ("crossed", "bid_price")


def test_bid_equal_to_ask_is_taken_with_no_spread() -> None:
    tick = parse_tick("A", "219.6", "219.6", AT)
    assert (tick.mid_price, tick.spread_bps) == (Decimal("219.6"), 0)


@pytest.mark.parametrize(
    "at",
    [
        "",
        "now",
        "1723161254",
        "2024-08-08",
        "2024-08-08T23:54:14",
        "2024-13-08T23:54:14Z",
        "2024-08-08T25:00:00Z",
        None,
        1723161254,
    ],
)
def test_time_that_is_none_or_has_no_zone_is_refused(at: object) -> None:
    assert refused(at=at) == ("bad_time", "event_at")


@pytest.mark.parametrize(
    "at", ["2024-08-08T23:54:14.087891Z", "2024-08-09T01:54:14.087891+02:00", "2024-08-08T23:54:14.087891+00:00"]
)
def test_time_in_any_zone_is_the_same_instant(at: str) -> None:
    assert parse_tick("A", "1", "2", at).event_at == datetime(2024, 8, 8, 23, 54, 14, 87891, UTC)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "0001-01-01T00:30:00Z"])
def test_quote_from_the_beginning_of_time_is_refused_or_taken_but_breaks_nothing(at: str) -> None:
    """Ages, windows and days reach back from it, and nothing can be before year one."""
    try:
        tick = parse_tick(SOL, "1", "2", at)
    except BadQuote:
        return
    floor = calm_floor()
    floor.desk.take_tick(tick, NOON, Changes())
    floor.desk.advance(tick.event_at, Changes())


@pytest.mark.parametrize(
    ("bid", "ask", "mid"),
    [
        ("1", "2", "1.5"),
        ("0.00000001", "0.00000002", "0.00000002"),
        ("0.00000002", "0.00000003", "0.00000002"),
        ("0.00000003", "0.00000004", "0.00000004"),
        ("9999999999.99999998", "9999999999.99999999", "9999999999.99999998"),
        ("9999999999.99999999", "9999999999.99999999", "9999999999.99999999"),
    ],
)
def test_mid_is_halfway_rounded_half_even(bid: str, ask: str, mid: str) -> None:
    assert quote(bid, ask).mid_price == Decimal(mid)


@pytest.mark.parametrize(
    ("bid", "ask", "bps"),
    [
        ("9999", "10001", 2),
        ("9999.5", "10000.5", 1),
        ("9999.75", "10000.25", 0),
        ("9999.25", "10000.75", 2),
        ("9998.75", "10001.25", 2),
        ("9999.74", "10000.26", 1),
        ("0.00000001", "9999999999.99999999", 20000),
    ],
)
def test_spread_is_whole_basis_points_of_the_mid_rounded_half_even(bid: str, ask: str, bps: int) -> None:
    assert quote(bid, ask).spread_bps == bps


@given(st.integers(1, 10**18 - 1), st.integers(0, 10**17))
def test_mid_of_any_quote_lies_between_bid_and_ask(low: int, width: int) -> None:
    bid, ask = (Decimal(units).scaleb(-8) for units in (low, min(low + width, 10**18 - 1)))
    tick = Tick(SOL, bid, ask, NOON)
    assert bid <= tick.mid_price <= ask
    assert Fraction(tick.mid_price) == stored((Fraction(bid) + Fraction(ask)) / 2)
    assert 0 <= tick.spread_bps <= 20_000


def test_move_has_no_sign_and_is_measured_from_where_it_began() -> None:
    assert move_pct(Decimal(110), Decimal(100)) == 10
    assert move_pct(Decimal(90), Decimal(100)) == 10
    assert move_pct(Decimal(100), Decimal(110)) == pytest.approx(Decimal("9.0909"), abs=Decimal("0.0001"))


# --- the tape -------------------------------------------------------------------------------------------------------
def tape(*quotes: tuple[float, str | int], keep: int = 3600) -> Tape:
    made = Tape(timedelta(seconds=keep))
    for number, (at, price) in enumerate(quotes):
        made.add(SeenTick(UUID(int=number), quote(price, at=at)))
    return made


def test_tick_older_than_the_newest_is_late_and_one_of_the_same_time_is_not() -> None:
    seen = tape((0, 1), (10, 2))
    assert seen.is_late(quote(3, at=9.999999))
    assert not seen.is_late(quote(3, at=10))
    assert not tape().is_late(quote(3, at=-1000))


def test_tape_of_two_quotes_at_one_time_keeps_the_later_arrival_as_the_newest() -> None:
    seen = tape((0, 1), (0, 2))
    assert seen.newest is not None
    assert seen.newest.tick.mid_price == 2
    assert [entry.mid_price for entry in seen.window(NOON)] == [1, 2]


def test_window_is_oldest_first_and_includes_its_beginning() -> None:
    seen = tape((0, 1), (5, 2), (10, 3))
    assert [entry.mid_price for entry in seen.window(after(5))] == [2, 3]
    assert seen.window(after(11)) == []


def test_window_of_very_many_quotes_holds_the_newest_ones() -> None:
    seen = tape(*((number / 10, number + 1) for number in range(WINDOW_CAP + 50)))
    window = seen.window(NOON)
    assert len(window) == WINDOW_CAP
    assert (window[0].mid_price, window[-1].mid_price) == (51, WINDOW_CAP + 50)


def test_first_quote_since_a_moment_is_found_between_and_at_and_beyond_the_quotes() -> None:
    seen = tape((0, 1), (5, 2), (10, 3))
    found = [seen.first_since(after(second)) for second in (-1, 0, 1, 5, 10, 11)]
    assert [entry and entry.mid_price for entry in found] == [1, 1, 2, 2, 3, None]


def test_tape_forgets_what_is_out_of_reach() -> None:
    seen = tape((0, 1), (10, 2), (21, 3), keep=11)
    assert [entry.mid_price for entry in seen.window(NOON)] == [2, 3]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 50)), min_size=1, max_size=60), st.integers(1, 100))
def test_lowest_and_highest_of_a_moving_window_equal_those_of_a_plain_search(
    steps: list[tuple[int, int]], window: int
) -> None:
    seen, known, at = Tape(timedelta(hours=1)), [], 0
    for step, price in steps:
        at += step
        seen.add(SeenTick(UUID(int=at), quote(price, at=at)))
        known.append((at, price))
        within = [value for when, value in known if when >= at - window]
        extremes = seen.extremes_since(after(at - window))
        assert extremes is not None
        assert [entry.mid_price for entry in extremes] == [min(within), max(within)]
