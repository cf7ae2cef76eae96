"""Sessions: which browser is logged in as whom, and ending that on the server.

A session is kept as the SHA-256 of a random secret that only the browser's cookie has, so a cookie is worth nothing
once its session has ended, whoever has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.orm import Session

from webapp.domain.errors import NotFound
from webapp.models import LoginSession
from webapp.services import acts
from webapp.services.secrecy import fingerprint, new_secret
from webapp.services.transaction import database_now, transaction

LONGEST = timedelta(days=7)
IDLE = timedelta(hours=24)
"""A session ends after LONGEST, or after nobody was seen in it for IDLE."""
SEEN_SECONDS = 60
"""`last_seen_at` is as exact as this, so that reading does not become writing."""
KEPT = timedelta(days=30)
"""What has ended is shown for as long; the acts stay for good."""
LONGEST_TEXT = 100

_WHO = """
SELECT s.session_id, u.user_id, u.name, u.role,
       clock_timestamp() - s.last_seen_at > make_interval(secs => :seen) AS unseen
FROM sessions s JOIN users u USING (user_id)
WHERE s.secret_hash = :fingerprint AND s.ended_at IS NULL AND u.disabled_at IS NULL
  AND s.expires_at > clock_timestamp() AND s.last_seen_at > clock_timestamp() - CAST(:idle AS interval)
"""
_FORGET_OLD = "DELETE FROM sessions WHERE user_id = :user_id AND coalesce(ended_at, expires_at) < :before"
# A neighbour that is noting it right now is not waited for.
_SEEN = """
UPDATE sessions SET last_seen_at = clock_timestamp()
WHERE session_id IN (SELECT session_id FROM sessions WHERE session_id = :session_id FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True)
class Visitor:
    """Who is logged in, and in which session."""

    session_id: UUID
    user_id: UUID
    name: str
    role: str


def open_session(
    session: Session,
    user_id: UUID,
    name: str,
    *,
    address: str | None = None,
    browser: str | None = None,
    how: str | None = None,
    instead_of: str | None = None,
) -> str:
    """A new session and its secret, which only the browser may have; the one it had before is ended.

    ``how``: by what they came in, if not by a password.
    """
    secret = new_secret()
    at = database_now(session)
    row = {
        "session_id": uuid4(),
        "secret_hash": fingerprint(secret),
        "user_id": user_id,
        "address": None if address is None else address[:LONGEST_TEXT],
        "browser": None if browser is None else browser[:LONGEST_TEXT],
        "created_at": at,
        "last_seen_at": at,
        "expires_at": at + LONGEST,
    }
    with transaction(session):
        session.execute(text(_FORGET_OLD), {"user_id": user_id, "before": at - KEPT})
        if instead_of is not None:
            _end(session, f"user:{name}", LoginSession.secret_hash == fingerprint(instead_of))
        session.execute(insert(LoginSession).values(**row))
        acts.record(session, "login", f"user:{name}", address=address, at=at, browser=row["browser"], how=how)
    return secret


def visitor(session: Session, secret: str, *, note: bool = True) -> Visitor | None:
    """Whose session this is, if it is in force. One statement, and once a minute another that notes the visit."""
    asked = {"fingerprint": fingerprint(secret), "seen": SEEN_SECONDS, "idle": IDLE}
    row = session.execute(text(_WHO), asked).one_or_none()
    if row is None:
        return None
    if row.unseen and note:
        with transaction(session):
            session.execute(text(_SEEN), {"session_id": row.session_id})
    return Visitor(row.session_id, row.user_id, row.name, row.role)


def log_out(session: Session, secret: str, address: str | None = None) -> None:
    """End the session with this secret; one that has ended is left as it is."""
    who = visitor(session, secret, note=False)
    if who is None:
        return
    with transaction(session):
        if _end(session, f"user:{who.name}", LoginSession.session_id == who.session_id):
            acts.record(session, "logout", f"user:{who.name}", address=address)


def end_session(session: Session, session_id: UUID, of: UUID, by: str) -> None:
    """End one session of the person ``of``. Raises :class:`NotFound` when they have none of this id."""
    with transaction(session):
        mine = select(LoginSession.session_id).where(LoginSession.session_id == session_id, LoginSession.user_id == of)
        if session.execute(mine).one_or_none() is None:
            raise NotFound("there is no such session", field="session_id")
        if _end(session, by, LoginSession.session_id == session_id):
            acts.record(session, "session_ended", by, _name_of(session, of), sessions=1)


def end_others(session: Session, of: UUID, by: str, keep: UUID | None = None) -> int:
    """End every session of a person but the one to keep; how many there were."""
    with transaction(session):
        count = end_all(session, of, by, keep)
        if count:
            acts.record(session, "session_ended", by, _name_of(session, of), sessions=count)
    return count


def end_all(session: Session, of: UUID, by: str, keep: UUID | None = None) -> int:
    """The same within the caller's transaction, which records what it ended them for."""
    return _end(session, by, LoginSession.user_id == of, LoginSession.session_id.is_distinct_from(keep))


def _end(session: Session, by: str, *conditions: Any) -> int:
    ended = session.execute(
        update(LoginSession)
        .where(*conditions, LoginSession.ended_at.is_(None), LoginSession.expires_at > func.clock_timestamp())
        .values(ended_at=func.clock_timestamp(), ended_by=by)
        .returning(LoginSession.session_id)
    )
    return len(ended.all())


def _name_of(session: Session, user_id: UUID) -> str:
    name: str = session.execute(text("SELECT name FROM users WHERE user_id = :id"), {"id": user_id}).scalar_one()
    return f"user:{name}"
