"""What a strategy said, and the cycle it said it in."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Index, Integer, Numeric, func, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.domain.orders import Side
from webapp.domain.records import OUTCOMES
from webapp.models.base import Base, one_of


class Signal(Base):
    """What a strategy said, before risk and execution. `cycle_id` groups rows; it is no foreign key."""

    __tablename__ = "signals"
    __table_args__ = (
        one_of("side", *Side),
        CheckConstraint("confidence >= 0 AND confidence <= 1", name="confidence_range"),
    )

    signal_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    cycle_id: Mapped[uuid.UUID]
    symbol: Mapped[str]
    side: Mapped[str]
    confidence: Mapped[Decimal] = mapped_column(Numeric(6, 5))
    strategy_payload: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


Index("ix_signals_cycle_id", Signal.cycle_id)
Index("ix_signals_symbol_created_at", Signal.symbol, Signal.created_at.desc())
Index("ix_signals_created_at_signal_id", Signal.created_at.desc(), Signal.signal_id.desc())


class Cycle(Base):
    """One run of the trade cycle, whatever came of it: also the ones that decided nothing leave a row."""

    __tablename__ = "cycles"
    __table_args__ = (one_of("outcome", *OUTCOMES),)

    cycle_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    symbol: Mapped[str]
    trigger_source: Mapped[str]
    strategy: Mapped[str | None]
    actor: Mapped[str]
    outcome: Mapped[str]
    tick_id: Mapped[uuid.UUID | None]
    order_id: Mapped[uuid.UUID | None]
    signal_id: Mapped[uuid.UUID | None]
    policy_version: Mapped[int | None] = mapped_column(Integer)
    reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


Index("ix_cycles_created_at_cycle_id", Cycle.created_at.desc(), Cycle.cycle_id.desc())
Index("ix_cycles_symbol_created_at", Cycle.symbol, Cycle.created_at.desc())
Index("ix_cycles_outcome_created_at", Cycle.outcome, Cycle.created_at.desc(), Cycle.cycle_id.desc())
Index(
    "ix_cycles_of_tokens",
    Cycle.actor,
    Cycle.created_at.desc(),
    postgresql_where=text("actor LIKE 'token:%'"),
    postgresql_include=["outcome", "reason", "strategy"],
)
