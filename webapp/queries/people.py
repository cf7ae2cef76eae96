"""Who may come in, which browsers are in now, and who looks on through a link."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

_PEOPLE = """
SELECT u.user_id, u.name, u.role, u.created_at, u.disabled_at, s.last_seen_at, coalesce(s.open, 0) AS sessions
FROM users u LEFT JOIN (
    SELECT user_id, max(last_seen_at) AS last_seen_at, count(*) FILTER (
        WHERE ended_at IS NULL AND expires_at > clock_timestamp()
        AND last_seen_at > clock_timestamp() - CAST(:idle AS interval)) AS open
    FROM sessions GROUP BY user_id
) s USING (user_id)
WHERE u.name = coalesce(:name, u.name)
ORDER BY u.disabled_at IS NOT NULL, u.name
"""
_SESSIONS = """
SELECT session_id, address, browser, created_at, last_seen_at, expires_at FROM sessions
WHERE user_id = :user_id AND ended_at IS NULL AND expires_at > clock_timestamp()
  AND last_seen_at > clock_timestamp() - CAST(:idle AS interval)
ORDER BY last_seen_at DESC, session_id
"""
_LINKS = """
SELECT link_id, label, created_by, created_at, expires_at, last_used_at, revoked_at, revoked_by,
       CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= clock_timestamp() THEN 'expired'
            ELSE 'active' END AS status
FROM share_links ORDER BY created_at DESC, link_id DESC LIMIT :most
"""
MOST_LINKS = 200
"""The newest; older ones have long expired, and their acts are in the audit."""


@dataclass(frozen=True)
class Person:
    """Somebody who may log in, and how many browsers they are logged in with now."""

    user_id: UUID
    name: str
    role: str
    created_at: datetime
    disabled_at: datetime | None
    last_seen_at: datetime | None
    sessions: int


@dataclass(frozen=True)
class OpenSession:
    """A browser that is logged in."""

    session_id: UUID
    address: str | None
    browser: str | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class SharedLink:
    """A link that shows the desk; `status` is active, expired or revoked."""

    link_id: UUID
    label: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    status: str


def people(session: Session, idle: timedelta, name: str | None = None) -> list[Person]:
    """Everybody, or the one of that name; those disabled last. `idle`: unseen for longer, a session is over."""
    return [Person(**row) for row in session.execute(text(_PEOPLE), {"name": name, "idle": idle}).mappings()]


def sessions(session: Session, user_id: UUID, idle: timedelta) -> list[OpenSession]:
    """The sessions of a person that are in force, the one seen last first."""
    rows = session.execute(text(_SESSIONS), {"user_id": user_id, "idle": idle}).mappings()
    return [OpenSession(**row) for row in rows]


def share_links(session: Session) -> list[SharedLink]:
    """The newest links, newest first."""
    return [SharedLink(**row) for row in session.execute(text(_LINKS), {"most": MOST_LINKS}).mappings()]
