"""Positions: the fold of fills, by average cost without fees: opening sets, adding averages, reducing keeps, flipping
restarts.

An average rounded to 8 decimals drifts, so a position keeps what is exact: ``cost``, the signed cost of what is held,
and ``net_paid``, everything paid less everything received for the symbol. Realized profit is then ``cost - net_paid``,
and ``cash + sum(qty * mark)`` equals ``starting cash + realized - fees + unrealized`` term by term, however many fills.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from webapp.domain.execution import Execution
from webapp.domain.money import CONTEXT, COST_UNIT, ZERO, exact


@dataclass(frozen=True)
class Position:
    """What is held of one symbol. ``qty`` is signed: long above zero, short below; money in USDC."""

    symbol: str
    qty: Decimal = ZERO
    cost: Decimal = ZERO
    net_paid: Decimal = ZERO
    fees: Decimal = ZERO
    mark_price: Decimal = ZERO
    last_fill_at: datetime | None = None

    @exact
    def after(self, fill: Execution, at: datetime) -> "Position":
        """The position once ``fill`` is booked."""
        signed = fill.qty * fill.side.sign
        notional = signed * fill.price
        qty = self.qty + signed
        return replace(
            self,
            qty=qty,
            cost=self._cost_after(signed, qty, notional, fill.price),
            net_paid=self.net_paid + notional,
            fees=self.fees + fill.fee,
            last_fill_at=at,
        )

    def _cost_after(self, signed: Decimal, qty: Decimal, notional: Decimal, price: Decimal) -> Decimal:
        return cost_after(self.qty, self.cost, signed, qty, notional, price)

    @exact
    def after_all(self, fills: Iterable[tuple[Decimal, Decimal, Decimal, datetime]]) -> "Position":
        """The position once fills (signed quantity, price, fee, time) are booked in this order.

        What :meth:`after` makes of each, without a position for each: a million fills in a second.
        """
        held, cost, net_paid, fees, last_fill_at = self.qty, self.cost, self.net_paid, self.fees, self.last_fill_at
        for signed, price, fee, at in fills:
            notional = signed * price
            qty = held + signed
            cost = cost_after(held, cost, signed, qty, notional, price)
            held = qty
            net_paid += notional
            fees += fee
            last_fill_at = at
        return replace(self, qty=held, cost=cost, net_paid=net_paid, fees=fees, last_fill_at=last_fill_at)

    def marked(self, mark_price: Decimal) -> "Position":
        """The same holding at another mark."""
        return replace(self, mark_price=mark_price)

    @property
    @exact
    def avg_entry_price(self) -> Decimal:
        """Average cost of what is held, not rounded; zero when flat."""
        return self.cost / self.qty if self.qty else ZERO

    @property
    @exact
    def value(self) -> Decimal:
        """``qty * mark_price``, signed."""
        return self.qty * self.mark_price

    @property
    @exact
    def unrealized_pnl(self) -> Decimal:
        """``qty * (mark_price - avg_entry_price)``, without rounding the average."""
        return self.qty * self.mark_price - self.cost

    @property
    @exact
    def realized_pnl(self) -> Decimal:
        """Profit of all closed quantity since the first fill, before fees."""
        return self.cost - self.net_paid


def cost_after(
    held: Decimal, cost: Decimal, signed: Decimal, qty: Decimal, notional: Decimal, price: Decimal
) -> Decimal:
    """The signed cost of ``qty``, which was ``held`` at ``cost`` before ``signed`` more of it changed hands."""
    if qty == 0:
        return ZERO
    if held * signed >= 0:
        return cost + notional
    if held * qty > 0:
        return (cost * qty / held).quantize(COST_UNIT, context=CONTEXT)
    return qty * price
