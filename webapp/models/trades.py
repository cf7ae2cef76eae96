"""Closed trades, and sums of fills and trades: the fold of fills as far as the roll-up has come."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Index, Integer, Numeric, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.domain.orders import Side
from webapp.models.base import Base, one_of, only_row

AMOUNT = Numeric(38, 16)
"""A sum of products of two stored amounts."""


class RoundTrip(Base):
    """One closed trade, from flat to flat, named after the fill that closed it. `entered` and `exited` in USDC."""

    __tablename__ = "round_trips"
    __table_args__ = (one_of("side", *Side),)

    fill_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    symbol: Mapped[str]
    side: Mapped[str]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime]
    qty: Mapped[Decimal] = mapped_column(Numeric(38, 8))
    entered: Mapped[Decimal] = mapped_column(AMOUNT)
    exited: Mapped[Decimal] = mapped_column(AMOUNT)
    fees: Mapped[Decimal] = mapped_column(Numeric(48, 24))
    net: Mapped[Decimal] = mapped_column(Numeric(48, 24))
    fills: Mapped[int]


Index("ix_round_trips_closed_at_fill_id", RoundTrip.closed_at.desc(), RoundTrip.fill_id.desc())


class TradeBucket(Base):
    """Fills and closed trades of one symbol in one bucket (3600 or 86400 seconds, from 00:00 UTC)."""

    __tablename__ = "trade_buckets"
    __table_args__ = (CheckConstraint("width_seconds IN (3600, 86400)", name="width"),)

    width_seconds: Mapped[int] = mapped_column(Integer, primary_key=True)
    bucket_at: Mapped[datetime] = mapped_column(primary_key=True)
    symbol: Mapped[str] = mapped_column(primary_key=True)
    fills: Mapped[int]
    bought_qty: Mapped[Decimal] = mapped_column(Numeric(38, 8))
    sold_qty: Mapped[Decimal] = mapped_column(Numeric(38, 8))
    bought: Mapped[Decimal] = mapped_column(AMOUNT)
    sold: Mapped[Decimal] = mapped_column(AMOUNT)
    fees: Mapped[Decimal] = mapped_column(AMOUNT)
    trades: Mapped[int]
    wins: Mapped[int]
    losses: Mapped[int]
    won: Mapped[Decimal] = mapped_column(Numeric(48, 24))
    lost: Mapped[Decimal] = mapped_column(Numeric(48, 24))
    held_seconds: Mapped[Decimal] = mapped_column(Numeric(30, 6))


class TradeRollup(Base):
    """How far the fold has come: the last fill in it, and the trades that were open after it, by symbol."""

    __tablename__ = "trade_rollup"
    __table_args__ = (only_row("id"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    filled_at: Mapped[datetime]
    fill_id: Mapped[uuid.UUID]
    fills: Mapped[int]
    open: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
