"""The limits in force, and all that were."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, func, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base


class PolicyVersion(Base):
    """A whole policy; the one with the greatest version is in force. Decimals are strings. Append-only, chained."""

    __tablename__ = "policies"

    policy_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, unique=True)
    limits: Mapped[dict[str, Any]]
    difference: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    actor: Mapped[str]
    reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
