"""NAV and PnL over time, and the account they are about."""

import uuid
from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Index, Integer, Numeric, SmallInteger, func
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base, not_nan, only_row


class PortfolioSnapshot(Base):
    """The book at one moment. `realized_pnl` is net of all fees."""

    __tablename__ = "portfolio_snapshots"
    __table_args__ = (not_nan("nav", "cash", "realized_pnl", "unrealized_pnl"),)

    snapshot_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    nav: Mapped[Decimal]
    cash: Mapped[Decimal]
    realized_pnl: Mapped[Decimal]
    unrealized_pnl: Mapped[Decimal]
    captured_at: Mapped[datetime]


Index("ix_portfolio_snapshots_captured_at", PortfolioSnapshot.captured_at.desc())
Index(
    "ix_portfolio_snapshots_captured_at_snapshot_id",
    PortfolioSnapshot.captured_at.desc(),
    PortfolioSnapshot.snapshot_id.desc(),
)


class NavBucket(Base):
    """NAV over one bucket (60, 3600 or 86400 seconds, from 00:00 UTC), kept by a trigger on the snapshots."""

    __tablename__ = "nav_buckets"
    __table_args__ = (CheckConstraint("width_seconds IN (60, 3600, 86400)", name="width"),)

    width_seconds: Mapped[int] = mapped_column(Integer, primary_key=True)
    bucket_at: Mapped[datetime] = mapped_column(primary_key=True)
    first_nav: Mapped[Decimal]
    min_nav: Mapped[Decimal]
    max_nav: Mapped[Decimal]
    last_nav: Mapped[Decimal]
    first_at: Mapped[datetime]
    first_id: Mapped[uuid.UUID]
    last_at: Mapped[datetime]
    last_id: Mapped[uuid.UUID]


class Account(Base):
    """The one account's exact cash and its peak. `opened_at`: since when it has its starting cash; None is for ever."""

    __tablename__ = "account"
    __table_args__ = (only_row("account_id"), not_nan("starting_cash", "cash", "fees_paid", "peak_nav", "last_nav"))

    account_id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    starting_cash: Mapped[Decimal]
    cash: Mapped[Decimal] = mapped_column(Numeric(38, 16))
    fees_paid: Mapped[Decimal] = mapped_column(Numeric(38, 16))
    peak_nav: Mapped[Decimal]
    peak_since: Mapped[datetime]
    last_nav: Mapped[Decimal]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    opened_at: Mapped[datetime | None]
