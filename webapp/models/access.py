"""Who may come in: people with a role and their sessions, programs with scopes, guests with a link; and their acts."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, Text, func, text
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


class LoginSession(Base):
    """One browser that somebody is logged in with, kept as the SHA-256 (hex) of a random id that only its cookie has.

    `last_seen_at` is as exact as a minute. `browser` is its name in short, `address` where it logged in from.
    """

    __tablename__ = "sessions"

    session_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    secret_hash: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.user_id"))
    address: Mapped[str | None]
    browser: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]


Index("ix_sessions_user_id_created_at", LoginSession.user_id, LoginSession.created_at.desc())


class ShareLink(Base):
    """A link that shows the desk without a login, kept as the SHA-256 (hex) of a secret that was shown once."""

    __tablename__ = "share_links"

    link_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    label: Mapped[str]
    secret_hash: Mapped[str] = mapped_column(unique=True)
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None]


class Act(Base):
    """What somebody did to the doors of the desk: logins, people, tokens, links. Append-only, chained; no secrets."""

    __tablename__ = "acts"

    act_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    act: Mapped[str]
    actor: Mapped[str]
    subject: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    address: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


Index("ix_acts_created_at_act_id", Act.created_at.desc(), Act.act_id.desc())
for column in (Act.act, Act.actor):
    Index(f"ix_acts_{column.key}_created_at_act_id", column, Act.created_at.desc(), Act.act_id.desc())


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
