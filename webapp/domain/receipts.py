"""What a fill leaves behind: its row, and the receipt that lets anybody check its arithmetic."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from webapp.domain.book import Book
from webapp.domain.execution import Execution
from webapp.domain.market import SeenTick
from webapp.domain.money import quantise
from webapp.domain.records import FillRow, OrderRow, ReceiptRow


@dataclass(frozen=True)
class Standing:
    """One holding, cash and NAV at a moment, rounded as a receipt shows them; money in USDC."""

    qty: Decimal
    avg_entry_price: Decimal
    cash: Decimal
    nav: Decimal

    @classmethod
    def of(cls, book: Book, symbol: str) -> "Standing":
        """Where ``book`` stands now, with its holding of ``symbol``."""
        holding = book.position(symbol)
        return cls(holding.qty, quantise(holding.avg_entry_price), quantise(book.cash), quantise(book.nav))


def fill_row(fill_id: UUID, order: OrderRow, execution: Execution, at: datetime) -> FillRow:
    """The row of a fill of ``order``."""
    return FillRow(
        fill_id,
        order.order_id,
        order.symbol,
        order.side,
        execution.qty,
        execution.price,
        execution.fee,
        execution.slippage_bps,
        at,
    )


def receipt_row(fill_id: UUID, seen: SeenTick, fee_bps: Decimal, before: Standing, after: Standing) -> ReceiptRow:
    """The quote a fill was made from and the book on either side of it."""
    return ReceiptRow(
        fill_id,
        seen.tick_id,
        seen.tick.bid_price,
        seen.tick.ask_price,
        seen.tick.event_at,
        fee_bps,
        before.qty,
        after.qty,
        before.avg_entry_price,
        after.avg_entry_price,
        before.cash,
        after.cash,
        before.nav,
        after.nav,
    )
