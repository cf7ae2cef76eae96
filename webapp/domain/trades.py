"""Round trips: the fold of fills into closed trades, from flat to flat, and what they add up to.

A trade opens with the first fill of a flat symbol and closes with the one that makes it flat again; a fill that flips
the position closes one trade and opens the next, its fee shared by quantity. Money in USDC, exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from webapp.domain.moments import MICROSECOND
from webapp.domain.money import CONTEXT, COST_UNIT, ZERO, exact, plain
from webapp.domain.orders import Side


class Filled(NamedTuple):
    """A fill as far as trades are concerned."""

    fill_id: UUID
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    fee: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class OpenTrade:
    """A trade that is not closed yet. Quantities are unsigned: `side` says which way it was entered."""

    symbol: str
    side: Side
    opened_at: datetime
    qty: Decimal = ZERO
    entered_qty: Decimal = ZERO
    entered: Decimal = ZERO
    exited: Decimal = ZERO
    fees: Decimal = ZERO
    fills: int = 0

    def to_document(self) -> dict[str, Any]:
        """For JSON: decimals as strings."""
        document = {field.name: getattr(self, field.name) for field in fields(self)}
        document |= {name: plain(document[name]) for name in ("qty", "entered_qty", "entered", "exited", "fees")}
        return document | {"side": self.side.value, "opened_at": self.opened_at.isoformat()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> OpenTrade:
        """What :meth:`to_document` made."""
        numbers = {name: Decimal(document[name]) for name in ("qty", "entered_qty", "entered", "exited", "fees")}
        return cls(
            symbol=document["symbol"],
            side=Side(document["side"]),
            opened_at=datetime.fromisoformat(document["opened_at"]),
            fills=document["fills"],
            **numbers,
        )


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A closed trade, named after the fill that closed it. `entered` and `exited` are notionals."""

    fill_id: UUID
    symbol: str
    side: Side
    opened_at: datetime
    closed_at: datetime
    qty: Decimal
    entered: Decimal
    exited: Decimal
    fees: Decimal
    fills: int

    @property
    @exact
    def gross(self) -> Decimal:
        """Profit before fees."""
        return (self.exited - self.entered) * self.side.sign

    @property
    @exact
    def net(self) -> Decimal:
        """Profit after all fees of the trade."""
        return (self.exited - self.entered) * self.side.sign - self.fees

    @property
    def held(self) -> timedelta:
        """From the first fill to the last."""
        return self.closed_at - self.opened_at


@exact
def book(trade: OpenTrade | None, fill: Filled) -> tuple[OpenTrade | None, RoundTrip | None]:
    """The symbol's open trade after this fill, and the trade it closed, if any."""
    if trade is None or trade.side is fill.side:
        return _entered(trade or OpenTrade(fill.symbol, fill.side, fill.at), fill, fill.qty, fill.fee), None
    if fill.qty < trade.qty:
        exited = trade.exited + fill.qty * fill.price
        return replace(
            trade, qty=trade.qty - fill.qty, exited=exited, fees=trade.fees + fill.fee, fills=trade.fills + 1
        ), None
    rest = fill.qty - trade.qty
    fee = (fill.fee * trade.qty / fill.qty).quantize(COST_UNIT, context=CONTEXT) if rest else fill.fee
    closed = RoundTrip(
        fill.fill_id,
        fill.symbol,
        trade.side,
        trade.opened_at,
        fill.at,
        trade.entered_qty,
        trade.entered,
        trade.exited + trade.qty * fill.price,
        trade.fees + fee,
        trade.fills + 1,
    )
    opened = OpenTrade(fill.symbol, fill.side, fill.at)
    return (_entered(opened, fill, rest, fill.fee - fee) if rest else None), closed


def _entered(trade: OpenTrade, fill: Filled, qty: Decimal, fee: Decimal) -> OpenTrade:
    return replace(
        trade,
        qty=trade.qty + qty,
        entered_qty=trade.entered_qty + qty,
        entered=trade.entered + qty * fill.price,
        fees=trade.fees + fee,
        fills=trade.fills + 1,
    )


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over fills and over the trades they closed; a trade counts where it closed."""

    fills: int = 0
    bought_qty: Decimal = ZERO
    sold_qty: Decimal = ZERO
    bought: Decimal = ZERO
    sold: Decimal = ZERO
    fees: Decimal = ZERO
    trades: int = 0
    wins: int = 0
    losses: int = 0
    won: Decimal = ZERO
    lost: Decimal = ZERO
    held_seconds: Decimal = ZERO

    @classmethod
    @exact
    def total(cls, parts: Iterable[Tally]) -> Tally:
        """The sums of several parts."""
        columns: list[Any] = [sum(column) for column in zip(*map(_values, parts), strict=True)]
        return cls(*columns)

    def __add__(self, other: Tally) -> Tally:
        return Tally.total((self, other))

    @property
    @exact
    def turnover(self) -> Decimal:
        """Notional of all fills, both ways."""
        return self.bought + self.sold

    @property
    @exact
    def net_qty(self) -> Decimal:
        """By how much the position grew."""
        return self.bought_qty - self.sold_qty

    @property
    @exact
    def paid(self) -> Decimal:
        """What left the cash: notional bought less sold, and all fees."""
        return self.bought - self.sold + self.fees

    @property
    def win_rate(self) -> Decimal | None:
        """Trades that made money after fees, among all closed ones."""
        return Decimal(self.wins) / self.trades if self.trades else None

    @property
    @exact
    def profit_factor(self) -> Decimal | None:
        """What winning trades made over what losing ones lost; undefined without a loss."""
        return self.won / self.lost if self.lost else None

    @property
    @exact
    def expectancy(self) -> Decimal | None:
        """Profit after fees of an average trade."""
        return (self.won - self.lost) / self.trades if self.trades else None

    @property
    @exact
    def average_win(self) -> Decimal | None:
        """Profit of an average winning trade."""
        return self.won / self.wins if self.wins else None

    @property
    @exact
    def average_loss(self) -> Decimal | None:
        """Loss of an average losing trade, as a positive amount."""
        return self.lost / self.losses if self.losses else None

    @property
    def average_held(self) -> timedelta | None:
        """How long an average trade was open."""
        return timedelta(seconds=int(self.held_seconds / self.trades)) if self.trades else None


_values = attrgetter(*(field.name for field in fields(Tally)))


@exact
def tally_of(fill: Filled, closed: RoundTrip | None) -> Tally:
    """One fill and the trade it closed, as sums."""
    notional = fill.qty * fill.price
    way = (fill.qty, ZERO, notional, ZERO) if fill.side is Side.BUY else (ZERO, fill.qty, ZERO, notional)
    if closed is None:
        return Tally(1, *way, fill.fee)
    net = closed.net
    held = Decimal(closed.held // MICROSECOND).scaleb(-6)
    return Tally(1, *way, fill.fee, 1, int(net > 0), int(net < 0), max(net, ZERO), max(-net, ZERO), held)
