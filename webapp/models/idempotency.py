"""Answers already given, so that a repeated request does nothing twice."""

from datetime import datetime

from sqlalchemy import Integer, func
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base


class IdempotencyKey(Base):
    """Key, fingerprint of the body (SHA-256 hex), and the answer's status and bytes; of the trade's transaction."""

    __tablename__ = "idempotency_keys"

    actor: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    status: Mapped[int] = mapped_column(Integer)
    answer: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
