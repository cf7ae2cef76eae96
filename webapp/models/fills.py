"""Simulated executions, and the arithmetic behind each."""

import uuid
from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.domain.orders import Side
from webapp.models.base import Base, not_nan, one_of


class Fill(Base):
    """One execution. The truth of the books: positions, cash and NAV are a fold of these. Append-only, chained."""

    __tablename__ = "fills"
    __table_args__ = (
        one_of("side", *Side),
        CheckConstraint("qty > 0", name="qty_positive"),
        CheckConstraint("slippage_bps >= 0", name="slippage_not_negative"),
        not_nan("qty", "fill_price", "fee"),
    )

    fill_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.order_id"))
    symbol: Mapped[str]
    side: Mapped[str]
    qty: Mapped[Decimal]
    fill_price: Mapped[Decimal]
    fee: Mapped[Decimal] = mapped_column(server_default=text("0"))
    slippage_bps: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    filled_at: Mapped[datetime]


Index("ix_fills_order_id_filled_at", Fill.order_id, Fill.filled_at.desc())
Index("ix_fills_symbol_filled_at", Fill.symbol, Fill.filled_at.desc())
Index("ix_fills_filled_at_fill_id", Fill.filled_at.desc(), Fill.fill_id.desc())


class FillReceipt(Base):
    """What a fill saw and what it changed. The quote is null on fills that another program wrote: it is not known."""

    __tablename__ = "fill_receipts"
    __table_args__ = (
        not_nan(
            "position_qty_before",
            "position_qty_after",
            "avg_entry_before",
            "avg_entry_after",
            "cash_before",
            "cash_after",
        ),
    )

    fill_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("fills.fill_id"), primary_key=True)
    tick_id: Mapped[uuid.UUID | None]
    bid_price: Mapped[Decimal | None]
    ask_price: Mapped[Decimal | None]
    quote_at: Mapped[datetime | None]
    fee_bps: Mapped[Decimal | None] = mapped_column(Numeric(18, 8))
    position_qty_before: Mapped[Decimal]
    position_qty_after: Mapped[Decimal]
    avg_entry_before: Mapped[Decimal]
    avg_entry_after: Mapped[Decimal]
    cash_before: Mapped[Decimal]
    cash_after: Mapped[Decimal]
    nav_before: Mapped[Decimal | None]
    nav_after: Mapped[Decimal | None]


Index("ix_fill_receipts_tick_id", FillReceipt.tick_id)
