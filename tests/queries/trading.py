"""Fills made up for tests of what is summed from them: many, of several symbols, with trades that close and flip."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from tests import builders
from tests.builders import NOON
from webapp.domain.orders import Side
from webapp.domain.trades import Filled, OpenTrade, Tally, book, tally_of

SYMBOLS = ("BTC-USDC", "ETH-USDC", "SOL-USDC")


def made_up(count: int, end: datetime = NOON, seed: int = 5, step: timedelta = timedelta(minutes=37)) -> list[Filled]:
    """`count` fills that end at `end`, oldest first; about every third closes a trade."""
    dice = random.Random(seed)
    fills = []
    for index in range(count):
        at = end - (count - 1 - index) * step
        side, qty = dice.choice(list(Side)), Decimal(dice.randint(1, 3))
        price, fee = Decimal(dice.randint(9_000, 11_000)) / 100, Decimal(dice.randint(0, 9_999_999)).scaleb(-8)
        fills.append(Filled(builders.new_id(at), dice.choice(SYMBOLS), side, qty, price, fee, at))
    return fills


def stored(session: Session, fills: list[Filled]) -> list[Filled]:
    """The fills, stored under one order of their symbol each."""
    orders = {
        symbol: builders.order(session, symbol, qty=1_000_000, at=fills[0].at)
        for symbol in sorted({f.symbol for f in fills})
    }
    rows = [
        {
            "fill_id": fill.fill_id,
            "order_id": orders[fill.symbol],
            "symbol": fill.symbol,
            "side": fill.side.value,
            "qty": fill.qty,
            "fill_price": fill.price,
            "fee": fill.fee,
            "slippage_bps": 0,
            "filled_at": fill.at,
        }
        for fill in fills
    ]
    builders.add(session, builders.Fill, *rows)
    return fills


def counted(fills: list[Filled], start: datetime, end: datetime, symbol: str | None = None) -> Tally:
    """What the plain fold of all fills says of [start, end)."""
    open_trades: dict[str, OpenTrade | None] = {}
    tally = Tally()
    for fill in sorted(fills, key=lambda fill: (fill.at, fill.fill_id)):
        open_trades[fill.symbol], trip = book(open_trades.get(fill.symbol), fill)
        if start <= fill.at < end and symbol in (None, fill.symbol):
            tally += tally_of(fill, trip)
    return tally
