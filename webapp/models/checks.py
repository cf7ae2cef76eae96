"""What the desk found out about itself and from where it goes on, and a release that waits for a second person."""

from datetime import datetime
from typing import Any

from sqlalchemy import SmallInteger, func
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base, only_row


class SelfCheck(Base):
    """The newest result of one check of the desk on itself: `books` or `audit`."""

    __tablename__ = "self_checks"

    name: Mapped[str] = mapped_column(primary_key=True)
    ok: Mapped[bool]
    rows: Mapped[int]
    detail: Mapped[str]
    checked_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SelfCheckMark(Base):
    """How far the checks have come: the fold of all fills up to a link of the audit chain, which is its anchor too.

    `whole_at` is when everything was last looked at; without it, that is what the next check does.
    """

    __tablename__ = "self_check_mark"
    __table_args__ = (only_row("id"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int]
    hash: Mapped[str]
    fills: Mapped[int]
    holdings: Mapped[dict[str, Any]]
    whole_at: Mapped[datetime | None]


class ReleaseRequest(Base):
    """A release that one person asked for; it takes effect when another one asks for it too."""

    __tablename__ = "release_requests"
    __table_args__ = (only_row("id"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    actor: Mapped[str]
    reason: Mapped[str]
    requested_at: Mapped[datetime] = mapped_column(server_default=func.now())
