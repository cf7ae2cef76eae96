"""Latest holdings per symbol, and their exact cost."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Numeric, func
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base, not_nan


class Position(Base):
    """What is held of one symbol, marked at the newest mid. A cache of the fold of fills."""

    __tablename__ = "positions"
    __table_args__ = (not_nan("qty", "avg_entry_price", "mark_price", "unrealized_pnl"),)

    symbol: Mapped[str] = mapped_column(primary_key=True)
    qty: Mapped[Decimal]
    avg_entry_price: Mapped[Decimal]
    mark_price: Mapped[Decimal]
    unrealized_pnl: Mapped[Decimal]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PositionCost(Base):
    """The exact cost basis beside a position: `avg_entry_price`, rounded to 8 places, is only its shadow."""

    __tablename__ = "position_costs"
    __table_args__ = (not_nan("cost", "net_paid", "fees"),)

    symbol: Mapped[str] = mapped_column(primary_key=True)
    cost: Mapped[Decimal] = mapped_column(Numeric(60, 24))
    net_paid: Mapped[Decimal] = mapped_column(Numeric(38, 16))
    fees: Mapped[Decimal] = mapped_column(Numeric(38, 16))
    last_fill_at: Mapped[datetime | None]
