"""The hash chain over everything that may only be appended."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, Index, SmallInteger, func
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base, only_row


class AuditLink(Base):
    """One audited row's place in the chain. `source` is its table, the hashes are SHA-256 in hex."""

    __tablename__ = "audit_chain"
    __table_args__ = (CheckConstraint("seq > 0", name="seq_positive"),)

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    source: Mapped[str]
    row_id: Mapped[uuid.UUID]
    previous_hash: Mapped[str]
    row_hash: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
    """When the transaction began that wrote the row."""


Index(
    "ix_audit_chain_kill_switch_events",
    AuditLink.row_id,
    postgresql_where=AuditLink.source == "kill_switch_events",
)


class AuditHead(Base):
    """The end of the chain; its row lock orders the writers and comes last of all locks."""

    __tablename__ = "audit_head"
    __table_args__ = (only_row("id"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int]
    hash: Mapped[str]
