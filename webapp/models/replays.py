"""Replays of recorded quotes."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base


class ReplayRun(Base):
    """One replay: which files, how many rows were read and taken, how many refused by reason. Unfinished while null."""

    __tablename__ = "replay_runs"

    replay_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(unique=True)
    files: Mapped[Any] = mapped_column(JSONB, nullable=False)
    rows_read: Mapped[int] = mapped_column(server_default=text("0"))
    rows_taken: Mapped[int] = mapped_column(server_default=text("0"))
    refused: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
