"""A second, independent bookkeeping: one fold over fills in exact fractions, written without looking at the first.

It keeps a signed quantity and an average price as `Fraction` and knows nothing of cost bases, roundings or ranges.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

UNIT = Fraction(1, 10**8)
"""The last digit of a stored amount."""


def stored(value: Fraction) -> Fraction:
    """`value` as NUMERIC(18,8) would show it: whole units, ties to the even one."""
    units = value / UNIT
    floor = units.numerator // units.denominator
    rest = units - floor
    if rest > Fraction(1, 2) or (rest == Fraction(1, 2) and floor % 2):
        floor += 1
    return floor * UNIT


@dataclass
class Holding:
    """One symbol: what is held at which average, and what has been won and paid so far."""

    qty: Fraction = Fraction(0)
    average: Fraction = Fraction(0)
    realized: Fraction = Fraction(0)
    fees: Fraction = Fraction(0)

    def fill(self, signed: Fraction, price: Fraction, fee: Fraction) -> None:
        """Average cost, fees excluded: opening sets, adding averages, reducing keeps, flipping restarts."""
        self.fees += fee
        closing = Fraction(0)
        if self.qty * signed < 0:
            closing = min(abs(self.qty), abs(signed))
            direction = 1 if self.qty > 0 else -1
            self.realized += direction * closing * (price - self.average)
            self.qty -= direction * closing
            signed += direction * closing
        if signed:
            self.average = (self.qty * self.average + signed * price) / (self.qty + signed)
            self.qty += signed
        if not self.qty:
            self.average = Fraction(0)


@dataclass
class Account:
    """Cash and holdings of one account."""

    start: Fraction
    cash: Fraction = field(init=False)
    holdings: dict[str, Holding] = field(default_factory=dict)
    marks: dict[str, Fraction] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cash = self.start

    def fill(self, symbol: str, side: str, qty: Decimal, price: Decimal, fee: Decimal) -> None:
        """Book one fill and take its price's symbol as known."""
        signed = Fraction(qty) if side == "buy" else -Fraction(qty)
        self.holdings.setdefault(symbol, Holding()).fill(signed, Fraction(price), Fraction(fee))
        self.cash -= signed * Fraction(price) + Fraction(fee)

    @property
    def nav(self) -> Fraction:
        return self.cash + sum(h.qty * self.marks[s] for s, h in self.holdings.items())

    @property
    def realized_net(self) -> Fraction:
        return sum((h.realized - h.fees for h in self.holdings.values()), Fraction(0))

    @property
    def unrealized(self) -> Fraction:
        return sum((h.qty * (self.marks[s] - h.average) for s, h in self.holdings.items() if h.qty), Fraction(0))
