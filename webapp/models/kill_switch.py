"""The kill switch: its history, and where it stands now."""

import uuid
from datetime import datetime

from sqlalchemy import Index, SmallInteger, func
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base, only_row


class KillSwitchEvent(Base):
    """One flip of the switch: which way, who, why. Append-only, chained."""

    __tablename__ = "kill_switch_events"

    event_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    enabled: Mapped[bool]
    reason: Mapped[str | None]
    actor: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


Index("ix_kill_switch_events_created_at_event_id", KillSwitchEvent.created_at.desc(), KillSwitchEvent.event_id.desc())


class KillSwitchState(Base):
    """The one row every trade reads. Latched: only a release turns it off; no row at all means halted."""

    __tablename__ = "kill_switch"
    __table_args__ = (only_row("id"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    enabled: Mapped[bool]
    reason: Mapped[str | None]
    actor: Mapped[str | None]
    event_id: Mapped[uuid.UUID | None]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
