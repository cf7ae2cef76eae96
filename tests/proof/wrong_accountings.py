"""Bookkeepings that look right and are not, as test doubles: other systems' real mistakes, and roundings.

Each is a :class:`Position` that goes wrong in one place, or a :class:`Patch` of something outside it.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from webapp.domain.execution import Execution
from webapp.domain.money import ZERO, exact, quantise, round_down
from webapp.domain.positions import Position


class FirstInFirstOut(Position):
    """What is sold is what was bought first, not an equal part of everything."""

    lots: tuple[tuple[Decimal, Decimal], ...] = ()
    next_out = 0

    @exact
    def after(self, fill: Execution, at: datetime) -> Position:
        left, lots = fill.qty * fill.side.sign, list(self.lots)
        while left and lots and lots[0][0] * left < 0:
            qty, price = lots.pop(self.next_out)
            if abs(qty) > abs(left):
                lots.insert(self.next_out if self.next_out == 0 else len(lots), (qty + left, price))
                left = ZERO
            else:
                left += qty
        if left:
            lots.append((left, fill.price))
        booked = replace(super().after(fill, at), cost=sum((qty * price for qty, price in lots), ZERO))
        object.__setattr__(booked, "lots", tuple(lots))
        return booked

    def marked(self, mark_price: Decimal) -> Position:
        moved = super().marked(mark_price)
        object.__setattr__(moved, "lots", self.lots)
        return moved


class LastInFirstOut(FirstInFirstOut):
    """What is sold is what was bought last."""

    next_out = -1


class FeeInTheAverage(Position):
    """Fees are paid once from cash and once more through the average."""

    @exact
    def after(self, fill: Execution, at: datetime) -> Position:
        booked = super().after(fill, at)
        opened = self.qty * fill.side.sign >= 0
        return replace(booked, cost=booked.cost + fill.fee) if opened else booked


class FlipKeepsTheAverage(Position):
    """Through zero and out on the other side at the old average."""

    def _cost_after(self, signed: Decimal, qty: Decimal, notional: Decimal, price: Decimal) -> Decimal:
        flips = self.qty * qty < 0
        return qty * self.cost / self.qty if flips else super()._cost_after(signed, qty, notional, price)


class FlipMixesTheOldLeg(Position):
    """A purchase that covers a short and goes long takes the short's negative cost into the new average."""

    def _cost_after(self, signed: Decimal, qty: Decimal, notional: Decimal, price: Decimal) -> Decimal:
        flips = self.qty * qty < 0
        return self.cost + notional if flips else super()._cost_after(signed, qty, notional, price)


class ShortEnlargedKeepsTheAverage(Position):
    """The average moves for purchases only."""

    def _cost_after(self, signed: Decimal, qty: Decimal, notional: Decimal, price: Decimal) -> Decimal:
        enlarges = self.qty < 0 and signed < 0
        return qty * self.cost / self.qty if enlarges else super()._cost_after(signed, qty, notional, price)


class ReductionMovesTheAverage(Position):
    """What a sale brought in is taken from the cost of what remains."""

    def _cost_after(self, signed: Decimal, qty: Decimal, notional: Decimal, price: Decimal) -> Decimal:
        return self.cost + notional if qty else ZERO


class Floats(Position):
    """Binary fractions."""

    def after(self, fill: Execution, at: datetime) -> Position:
        signed = float(fill.qty) * fill.side.sign
        qty = float(self.qty) + signed
        cost = Position._cost_after(self, fill.qty * fill.side.sign, Decimal(qty), Decimal(signed) * fill.price, ZERO)
        paid = float(self.net_paid) + signed * float(fill.price)
        fees = float(self.fees) + float(fill.fee)
        return replace(
            self, qty=Decimal(qty), cost=cost, net_paid=Decimal(paid), fees=Decimal(fees), last_fill_at=at
        )  # fmt: skip


class Truncated(Position):
    """Costs cut to eight decimals after each fill."""

    @exact
    def after(self, fill: Execution, at: datetime) -> Position:
        booked = super().after(fill, at)
        return replace(booked, cost=round_down(booked.cost))


class AverageRoundedEachStep(Position):
    """The average is stored with eight decimals, and the next one is made from it."""

    @exact
    def after(self, fill: Execution, at: datetime) -> Position:
        booked = super().after(fill, at)
        return replace(booked, cost=booked.qty * quantise(booked.avg_entry_price))


class RealizedOnOpening(Position):
    """Opening counts as profit already: what was paid for it is forgotten."""

    @exact
    def after(self, fill: Execution, at: datetime) -> Position:
        booked = super().after(fill, at)
        return replace(booked, net_paid=self.net_paid) if not self.qty else booked


class RealizedNever(Position):
    """Sales book no profit: what they leave out of cost they leave out of what was paid."""

    @exact
    def after(self, fill: Execution, at: datetime) -> Position:
        booked = super().after(fill, at)
        return replace(booked, net_paid=booked.cost)


class SalesAdd(Position):
    """A sign slips: a sale is booked as a purchase."""

    @exact
    def after(self, fill: Execution, at: datetime) -> Position:
        return super().after(replace(fill, side=type(fill.side).BUY), at)


class ShortsHaveNoProfit(Position):
    """Unrealized profit as if everything held were long."""

    @property
    @exact
    def unrealized_pnl(self) -> Decimal:
        return abs(self.qty) * self.mark_price - abs(self.cost)


class FeesForgotten(Position):
    """Fees leave cash, and no profit ever mentions them."""

    @exact
    def after(self, fill: Execution, at: datetime) -> Position:
        return replace(super().after(fill, at), fees=ZERO)


WRONG_POSITIONS: tuple[type[Position], ...] = (
    FirstInFirstOut,
    LastInFirstOut,
    FeeInTheAverage,
    FlipKeepsTheAverage,
    FlipMixesTheOldLeg,
    ShortEnlargedKeepsTheAverage,
    ReductionMovesTheAverage,
    Floats,
    Truncated,
    AverageRoundedEachStep,
    RealizedOnOpening,
    RealizedNever,
    SalesAdd,
    ShortsHaveNoProfit,
    FeesForgotten,
)


# --- wrong outside a position ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Patch:
    """One wrong thing put in the place of a right one: `target` as a dotted name."""

    name: str
    target: str
    wrong: Any


def _fee_cut(qty: Decimal, price: Decimal, fee_bps: Decimal) -> Decimal:
    return (qty * price * fee_bps / 10_000).quantize(Decimal("0.00000001"), rounding=ROUND_DOWN)


def _free_slippage(side: Any, tick: Any, slippage_bps: int) -> Decimal:
    return Decimal(tick.ask_price if side.sign > 0 else tick.bid_price)


WRONG_ELSEWHERE = (
    Patch("marked at the bid", "webapp.domain.market.Tick.mid_price", property(lambda tick: tick.bid_price)),
    Patch("marked at the ask", "webapp.domain.market.Tick.mid_price", property(lambda tick: tick.ask_price)),
    Patch("fee cut, not rounded", "webapp.domain.execution.fee_of", _fee_cut),
    Patch("slippage kept out of the price", "webapp.domain.execution.market_price", _free_slippage),
)
