"""The book: cash and positions of the one account, and what follows from them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from webapp.domain.errors import OutOfRange
from webapp.domain.execution import Execution
from webapp.domain.money import ZERO, exact, quantise
from webapp.domain.positions import Position


@dataclass(frozen=True)
class Valuation:
    """A snapshot's four columns, as stored: ``nav == starting cash + realized_pnl + unrealized_pnl``, exactly."""

    nav: Decimal
    cash: Decimal
    realized_pnl: Decimal
    unrealized_pnl: Decimal


@dataclass
class Book:
    """Exact state of the account; money in USDC. ``peak_nav`` is the highest NAV since the last release."""

    starting_cash: Decimal
    cash: Decimal
    fees_paid: Decimal = ZERO
    peak_nav: Decimal = ZERO
    positions: dict[str, Position] = field(default_factory=dict)

    @classmethod
    def opened_with(cls, starting_cash: Decimal) -> "Book":
        """A book nobody has traded in."""
        return cls(starting_cash, starting_cash, peak_nav=starting_cash)

    def position(self, symbol: str) -> Position:
        """The holding of ``symbol``, an empty one when it was never traded."""
        return self.positions.get(symbol) or Position(symbol)

    def held(self) -> Iterable[Position]:
        """The positions that are not flat."""
        return (position for position in self.positions.values() if position.qty)

    @property
    @exact
    def nav(self) -> Decimal:
        """``cash + sum(qty * mark)``, exact."""
        return self.cash + sum((position.value for position in self.held()), ZERO)

    @property
    def stored_nav(self) -> Decimal:
        """NAV as it is written down and shown, to 8 decimals; limits are held against it, so everybody can check them.

        Raises :class:`OutOfRange` when it would not fit.
        """
        return quantise(self.nav, "nav")

    @property
    @exact
    def gross_exposure(self) -> Decimal:
        """Sum of all positions' values without their signs."""
        return sum((abs(position.value) for position in self.held()), ZERO)

    @property
    @exact
    def drawdown(self) -> Decimal:
        """How far NAV is below its peak since the last release, in USDC; never below zero."""
        return max(ZERO, self.peak_nav - self.stored_nav)

    @exact
    def apply(self, symbol: str, fill: Execution, at: datetime, mark_price: Decimal) -> None:
        """Book a fill and mark its symbol. Raises :class:`OutOfRange`, changing nothing, if a result would not fit."""
        position = self.position(symbol).marked(mark_price).after(fill, at)
        cash = self.cash - fill.qty * fill.side.sign * fill.price - fill.fee
        check_position(position)
        quantise(cash, "cash")
        before = self.positions.get(symbol), self.cash, self.fees_paid
        self.positions[symbol], self.cash, self.fees_paid = position, cash, self.fees_paid + fill.fee
        try:
            self.valuation()
        except OutOfRange:
            _restore(self, symbol, *before)
            raise

    @exact
    def mark(self, symbol: str, mid_price: Decimal) -> None:
        """Move the mark of ``symbol``. Raises :class:`OutOfRange`, changing nothing, if a value would not fit."""
        position = self.positions.get(symbol)
        if position is None:
            return
        moved = position.marked(mid_price)
        check_position(moved)
        self.positions[symbol] = moved
        try:
            self.valuation()
        except OutOfRange:
            self.positions[symbol] = position
            raise

    def note_peak(self) -> None:
        """Remember the highest NAV seen, as it is stored; to be called after each mark and fill."""
        self.peak_nav = max(self.peak_nav, self.stored_nav)

    @exact
    def valuation(self) -> Valuation:
        """NAV, cash and profit as a snapshot stores them.

        Realized profit (net of all fees) is what remains of NAV, so that the stored columns add up to the last digit.
        """
        unrealized = quantise(sum((position.unrealized_pnl for position in self.held()), ZERO), "unrealized_pnl")
        nav = self.stored_nav
        realized = quantise(nav - self.starting_cash - unrealized, "realized_pnl")
        return Valuation(nav, quantise(self.cash, "cash"), realized, unrealized)


def check_position(position: Position) -> None:
    """Raise :class:`OutOfRange` unless everything a position stores fits its columns."""
    quantise(position.qty, "position")
    quantise(position.avg_entry_price, "avg_entry_price")
    quantise(position.value, "position value")
    quantise(position.unrealized_pnl, "unrealized_pnl")


def _restore(book: Book, symbol: str, position: Position | None, cash: Decimal, fees_paid: Decimal) -> None:
    if position is None:
        del book.positions[symbol]
    else:
        book.positions[symbol] = position
    book.cash, book.fees_paid = cash, fees_paid
