"""Who may come in: people with a role, programs with scopes."""

import uuid
from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Integer, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from webapp.domain.people import ROLES, SCOPES
from webapp.models.base import Base, one_of


class User(Base):
    """A person. The password is kept only as an argon2id hash."""

    __tablename__ = "users"
    __table_args__ = (one_of("role", *ROLES),)

    user_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    role: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    disabled_at: Mapped[datetime | None]


class ApiToken(Base):
    """A program's key, kept as the SHA-256 (hex) of a secret that was shown once.

    `replays`, `limited` and `refused` count what leaves no row of its own: answers given again, requests that came too
    fast, and what was turned away while the token was paused.
    """

    __tablename__ = "api_tokens"
    __table_args__ = (
        CheckConstraint(f"scopes <@ ARRAY{list(SCOPES)}", name="scopes"),
        CheckConstraint(
            "max_order_notional > 0 AND max_order_notional <> 'NaN'::numeric AND cycles_per_minute > 0", name="caps"
        ),
    )

    token_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None]
    paused_at: Mapped[datetime | None]
    paused_by: Mapped[str | None]
    pause_reason: Mapped[str | None]
    max_order_notional: Mapped[Decimal | None]
    cycles_per_minute: Mapped[int | None] = mapped_column(Integer)
    replays: Mapped[int] = mapped_column(server_default=text("0"))
    limited: Mapped[int] = mapped_column(server_default=text("0"))
    refused: Mapped[int] = mapped_column(server_default=text("0"))
