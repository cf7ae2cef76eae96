"""Which processes run, and which engine leads."""

from datetime import datetime
from typing import Any

from sqlalchemy import Integer, SmallInteger, func, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base, only_row


class Heartbeat(Base):
    """The last sign of life of a process."""

    __tablename__ = "heartbeats"

    process: Mapped[str] = mapped_column(primary_key=True)
    pid: Mapped[int] = mapped_column(Integer)
    host: Mapped[str]
    started_at: Mapped[datetime]
    beat_at: Mapped[datetime] = mapped_column(server_default=func.now())
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))


class EngineLease(Base):
    """The fence: each new leader raises the epoch, and a write under an older one finds no row."""

    __tablename__ = "engine_lease"
    __table_args__ = (only_row("id"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    epoch: Mapped[int]
    holder: Mapped[str]
    beat_at: Mapped[datetime] = mapped_column(server_default=func.now())
