"""What the same cash would be worth if it had simply been held: the benchmark every strategy has to beat."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from webapp.domain.money import ZERO, exact


@dataclass(frozen=True, slots=True)
class Hold:
    """`cash` (USDC) spread equally over the symbols, each bought at its `first` mid, without fees, and kept."""

    cash: Decimal
    first: Mapping[str, Decimal]

    @exact
    def worth(self, mids: Mapping[str, Decimal]) -> Decimal | None:
        """The value at these mids; a symbol without one is still the cash it was to be bought with.

        None without a symbol, or where one began at no price: nothing could have been bought.
        """
        if not self.first or not all(self.first.values()):
            return None
        growth = sum((mids[symbol] / first - 1 for symbol, first in self.first.items() if symbol in mids), ZERO)
        return self.cash * (1 + growth / len(self.first))
