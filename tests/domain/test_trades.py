"""Round trips: the fold of fills into closed trades, held against the accounting vectors and against the books."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.domain.execution import Execution
from webapp.domain.money import COST_UNIT
from webapp.domain.orders import Side
from webapp.domain.positions import Position
from webapp.domain.trades import Filled, OpenTrade, RoundTrip, Tally, book, tally_of

VECTORS: dict[str, Any] = json.loads(Path(__file__).parents[1].joinpath("data/accounting_vectors.json").read_text())
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def filled(number: int, side: str, qty: object, price: object, fee: object = 0, symbol: str = "SOL-USDC") -> Filled:
    at = NOON + timedelta(minutes=number)
    return Filled(UUID(int=number), symbol, Side(side), Decimal(str(qty)), Decimal(str(price)), Decimal(str(fee)), at)


def fold(fills: list[Filled]) -> tuple[dict[str, OpenTrade], list[RoundTrip], Tally]:
    open_trades: dict[str, OpenTrade] = {}
    closed, tally = [], Tally()
    for fill in fills:
        trade, trip = book(open_trades.pop(fill.symbol, None), fill)
        open_trades |= {fill.symbol: trade} if trade else {}
        closed += [trip] if trip else []
        tally += tally_of(fill, trip)
    return open_trades, closed, tally


def test_round_trip_goes_from_flat_to_flat_with_all_its_fills_and_fees() -> None:
    fills = [filled(0, "buy", 2, 100, 1), filled(1, "buy", 2, 110, 1), filled(5, "sell", 1, 120, 1)]
    open_trades, closed, _ = fold([*fills, filled(9, "sell", 3, 90, 3)])
    assert open_trades == {}
    (trip,) = closed
    assert (trip.side, trip.qty, trip.entered, trip.exited, trip.fees, trip.fills) == (Side.BUY, 4, 420, 390, 6, 4)
    assert (trip.gross, trip.net, trip.held) == (-30, -36, timedelta(minutes=9))


def test_short_that_falls_wins() -> None:
    _, (trip,), tally = fold([filled(0, "sell", 1, 100, "0.5"), filled(1, "buy", 1, 90, "0.5")])
    assert (trip.side, trip.gross, trip.net) == (Side.SELL, 10, 9)
    assert (tally.wins, tally.losses, tally.won) == (1, 0, 9)


def test_flip_closes_one_trade_and_opens_the_next_and_shares_the_fee_by_quantity() -> None:
    open_trades, (trip,), _ = fold([filled(0, "buy", 1, 100), filled(1, "sell", 3, 110, "0.3")])
    rest = open_trades["SOL-USDC"]
    assert (trip.net, trip.fees) == (Decimal("9.9"), Decimal("0.1"))
    assert (rest.side, rest.qty, rest.entered, rest.fees, rest.fills) == (Side.SELL, 2, 220, Decimal("0.2"), 1)
    assert rest.opened_at == trip.closed_at


def test_symbols_do_not_meet() -> None:
    fills = [filled(0, "buy", 1, 100), filled(1, "buy", 1, 5, symbol="JUP-USDC"), filled(2, "sell", 1, 101)]
    open_trades, closed, _ = fold(fills)
    assert [trip.symbol for trip in closed] == ["SOL-USDC"]
    assert list(open_trades) == ["JUP-USDC"]


def test_figures_of_three_trades_are_the_textbook_ones() -> None:
    fills = []
    for number, exit_price in enumerate((130, 90, 110)):
        fills += [filled(10 * number, "buy", 1, 100, 1), filled(10 * number + 3, "sell", 1, exit_price, 1)]
    _, _, tally = fold(fills)
    assert (tally.trades, tally.wins, tally.losses, tally.fills) == (3, 2, 1, 6)
    assert (tally.won, tally.lost, tally.fees, tally.turnover) == (36, 12, 6, 630)
    assert (tally.win_rate, tally.profit_factor, tally.expectancy) == (Decimal(2) / 3, 3, 8)
    assert (tally.average_win, tally.average_loss, tally.average_held) == (18, 12, timedelta(minutes=3))


def test_nothing_traded_leaves_every_ratio_undefined() -> None:
    empty = Tally()
    assert (empty.win_rate, empty.profit_factor, empty.expectancy, empty.average_held) == (None, None, None, None)
    _, _, only_won = fold([filled(0, "buy", 1, 100), filled(1, "sell", 1, 101)])
    assert (only_won.profit_factor, only_won.average_loss, only_won.win_rate) == (None, None, 1)


def test_trade_that_ends_where_it_began_is_neither_won_nor_lost() -> None:
    _, _, tally = fold([filled(0, "buy", 1, 100), filled(1, "sell", 1, 100)])
    assert (tally.trades, tally.wins, tally.losses, tally.win_rate, tally.profit_factor) == (1, 0, 0, 0, None)


def test_open_trade_survives_its_document() -> None:
    open_trades, _, _ = fold([filled(0, "sell", "0.00000001", "9999999999.99999999", "0.00000003")])
    trade = open_trades["SOL-USDC"]
    assert OpenTrade.from_document(json.loads(json.dumps(trade.to_document()))) == trade


@pytest.mark.parametrize("sequence", VECTORS["sequences"], ids=lambda sequence: sequence["id"])
def test_closed_trades_of_the_vectors_add_up_to_their_realized_profit_whenever_flat(sequence: dict[str, Any]) -> None:
    open_trades: dict[str, OpenTrade] = {}
    gross: dict[str, Decimal] = {}
    for row in sequence["fills"]:
        fill = filled(row["n"], row["side"].lower(), row["qty"], row["price"], row["fee"], row["symbol"])
        trade, trip = book(open_trades.pop(fill.symbol, None), fill)
        open_trades |= {fill.symbol: trade} if trade else {}
        gross[fill.symbol] = gross.get(fill.symbol, Decimal(0)) + (trip.gross if trip else 0)
        assert (trip is not None) is (row["effect"]["action"] in ("close", "flip"))
        expected = row["positions"][fill.symbol]
        assert (trade.qty * trade.side.sign if trade else 0) == Decimal(expected["qty"])
        if trade is None:
            assert gross[fill.symbol] == Decimal(expected["realized_pnl_gross"])


FILLS = st.lists(
    st.tuples(st.sampled_from(list(Side)), st.integers(1, 5), st.integers(90, 110), st.integers(0, 9)), max_size=40
)


@given(FILLS)
def test_trades_and_books_agree_on_quantity_fees_and_profit(drawn: list[tuple[Side, int, int, int]]) -> None:
    fills = [filled(i, side.value, qty, price, Decimal(fee) / 7) for i, (side, qty, price, fee) in enumerate(drawn)]
    fills = [fill._replace(fee=round(fill.fee, 8)) for fill in fills]
    open_trades, closed, tally = fold(fills)
    position = Position("SOL-USDC")
    for fill in fills:
        position = position.after(Execution(fill.side, fill.qty, fill.price, fill.fee, 0), fill.at)
    trade = open_trades.get("SOL-USDC") or OpenTrade("SOL-USDC", Side.BUY, NOON)

    assert trade.qty * trade.side.sign == position.qty == tally.net_qty
    assert sum((trip.fees for trip in closed), trade.fees) == position.fees == tally.fees
    assert tally.paid == position.net_paid + position.fees
    held = trade.qty * trade.side.sign
    open_gross = (trade.exited - trade.entered) * trade.side.sign + held * position.avg_entry_price
    whole = sum((trip.gross for trip in closed), open_gross)
    assert abs(whole - position.realized_pnl) <= 40 * COST_UNIT * 1000


@given(FILLS, FILLS)
def test_sums_of_parts_are_the_sums_of_the_whole(first: list[tuple], second: list[tuple]) -> None:
    fills = [filled(i, side.value, qty, price, fee) for i, (side, qty, price, fee) in enumerate([*first, *second])]
    state, _, before = fold(fills[: len(first)])
    rest, tally = dict(state), before
    for fill in fills[len(first) :]:
        trade, trip = book(rest.pop(fill.symbol, None), fill)
        rest |= {fill.symbol: trade} if trade else {}
        tally += tally_of(fill, trip)
    assert (rest, tally) == (fold(fills)[0], fold(fills)[2])
    assert replace(tally) == tally
