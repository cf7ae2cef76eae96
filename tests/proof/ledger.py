"""A third bookkeeping, in whole numbers: fast enough for a million fills, and sharing no line with the desk's.

Amounts are counted in units of 1e-8, costs in units of 1e-60, so that a million partial exits lose less than 1e-53.
"""

from dataclasses import dataclass

UNIT = 10**8
FINE = 10**60
PRODUCT = FINE // UNIT**2


def rounded(fine: int, per: int = 1) -> int:
    """`fine` / `per`, given in 1e-60, as whole units of 1e-8: nearest, ties to the even one."""
    whole, rest = divmod(fine, per * (FINE // UNIT))
    twice = 2 * rest - per * (FINE // UNIT)
    return whole + (twice > 0 or (twice == 0 and whole % 2))


@dataclass
class Line:
    """One symbol. `qty`, `price`, `fee` and `mark` in 1e-8; `cost`, `won` in 1e-60."""

    qty: int = 0
    cost: int = 0
    won: int = 0
    fees: int = 0
    traded: int = 0
    flips: int = 0

    def book(self, signed: int, price: int, fee: int) -> None:
        """A fill of `signed` units."""
        self.fees += fee
        self.traded += signed * price
        if self.qty and (self.qty > 0) != (signed > 0):
            closing = min(abs(signed), abs(self.qty))
            part = self.cost if closing == abs(self.qty) else self.cost * closing // abs(self.qty)
            direction = 1 if self.qty > 0 else -1
            self.won += direction * closing * price * PRODUCT - part
            self.cost -= part
            self.qty -= direction * closing
            signed += direction * closing
            if signed:
                self.flips += 1
        if signed:
            self.qty += signed
            self.cost += signed * price * PRODUCT

    def average(self) -> int:
        """Rounded, in 1e-8."""
        return rounded(abs(self.cost) * UNIT, abs(self.qty)) if self.qty else 0

    def unrealized(self, mark: int) -> int:
        """Not rounded, in 1e-60."""
        return self.qty * mark * PRODUCT - self.cost
