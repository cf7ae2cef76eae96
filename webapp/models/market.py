"""Quotes as they came in, and what is derived from them."""

import uuid
from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Index, Integer, func
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base, not_nan


class MarketTick(Base):
    """A raw quote. Many share (symbol, event_at); the later arrival has the greater id."""

    __tablename__ = "market_ticks"
    __table_args__ = (
        CheckConstraint("ask_price >= bid_price", name="ask_not_below_bid"),
        not_nan("bid_price", "ask_price", "mid_price"),
    )

    tick_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    symbol: Mapped[str]
    bid_price: Mapped[Decimal]
    ask_price: Mapped[Decimal]
    mid_price: Mapped[Decimal]
    spread_bps: Mapped[int] = mapped_column(Integer)
    event_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


Index("ix_market_ticks_symbol_event_at", MarketTick.symbol, MarketTick.event_at.desc())
Index("ix_market_ticks_event_at_tick_id", MarketTick.event_at.desc(), MarketTick.tick_id.desc())


class LateTick(Base):
    """Flags a tick that arrived after one with a later event_at: kept, but it never moved the mark."""

    __tablename__ = "late_ticks"

    tick_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    newest_at: Mapped[datetime]


class Candle(Base):
    """Mid prices of one symbol over one bucket (60, 3600 or 86400 seconds, from 00:00 UTC), kept by a trigger.

    First and last go by (event_at, tick_id), so deriving them anew gives the same row whatever the order of arrival.
    """

    __tablename__ = "candles"
    __table_args__ = (CheckConstraint("width_seconds IN (60, 3600, 86400)", name="width"),)

    symbol: Mapped[str] = mapped_column(primary_key=True)
    width_seconds: Mapped[int] = mapped_column(Integer, primary_key=True)
    bucket_at: Mapped[datetime] = mapped_column(primary_key=True)
    open: Mapped[Decimal]
    high: Mapped[Decimal]
    low: Mapped[Decimal]
    close: Mapped[Decimal]
    ticks: Mapped[int]
    first_at: Mapped[datetime]
    first_id: Mapped[uuid.UUID]
    last_at: Mapped[datetime]
    last_id: Mapped[uuid.UUID]
