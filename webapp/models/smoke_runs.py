"""Operational checks against the Solana devnet, apart from trading."""

import uuid
from datetime import datetime

from sqlalchemy import Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base, one_of


class DevnetSmokeRun(Base):
    """One run of the checks; an unreachable node is a failed run with its reason. Latency in milliseconds."""

    __tablename__ = "devnet_smoke_runs"
    __table_args__ = (one_of("status", "passed", "failed"),)

    run_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    status: Mapped[str]
    rpc_latency_ms: Mapped[int | None] = mapped_column(Integer)
    wallet_check: Mapped[str | None]
    tx_simulation: Mapped[str | None]
    ran_at: Mapped[datetime]


Index("ix_devnet_smoke_runs_ran_at", DevnetSmokeRun.ran_at.desc())
Index("ix_devnet_smoke_runs_ran_at_run_id", DevnetSmokeRun.ran_at.desc(), DevnetSmokeRun.run_id.desc())
