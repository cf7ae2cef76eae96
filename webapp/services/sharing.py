"""Share links: the desk to look at without a login, for a while, until somebody revokes it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.orm import Session

from webapp.domain.errors import BadInput, NotFound
from webapp.models import ShareLink
from webapp.services import acts
from webapp.services.secrecy import fingerprint, new_secret
from webapp.services.transaction import database_now, transaction

SHORTEST, LONGEST = timedelta(hours=1), timedelta(days=30)
LONGEST_LABEL = 80
USED_SECONDS = 60
"""`last_used_at` is as exact as this, so that looking does not become writing."""

_IN_FORCE = """
SELECT link_id, label, expires_at,
       coalesce(clock_timestamp() - last_used_at > make_interval(secs => :seconds), true) AS unused
FROM share_links WHERE {which} AND revoked_at IS NULL AND expires_at > clock_timestamp()
"""
_USED = """
UPDATE share_links SET last_used_at = clock_timestamp()
WHERE link_id IN (SELECT link_id FROM share_links WHERE link_id = :link_id FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True)
class Link:
    """A link, without its secret."""

    link_id: UUID
    label: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None


@dataclass(frozen=True)
class Guest:
    """Somebody who looks at the desk through a link, and until when they may."""

    link_id: UUID
    label: str
    expires_at: datetime


def create_link(session: Session, label: str, span: timedelta, by: str) -> tuple[Link, str]:
    """A new link and its secret, which is never to be seen again."""
    cleaned = " ".join(label.split())
    if not cleaned or len(cleaned) > LONGEST_LABEL or not cleaned.isprintable():
        raise BadInput("label", f"must be 1 to {LONGEST_LABEL} characters that say who it is for")
    if not SHORTEST <= span <= LONGEST:
        raise BadInput("span", "must be from one hour to 30 days")
    secret, link_id, at = new_secret(), uuid4(), database_now(session)
    row = {"link_id": link_id, "label": cleaned, "secret_hash": fingerprint(secret), "created_by": by}
    with transaction(session):
        session.execute(insert(ShareLink).values(**row, created_at=at, expires_at=at + span))
        acts.record(session, "share_created", by, f"share:{cleaned}", at=at, link_id=link_id, expires_at=at + span)
    return _link(session, link_id), secret


def revoke_link(session: Session, link_id: UUID, by: str) -> Link:
    """Close a link for everybody who came by it, at once; again keeps the first time."""
    with transaction(session):
        revoked = session.execute(
            update(ShareLink)
            .where(ShareLink.link_id == link_id, ShareLink.revoked_at.is_(None))
            .values(revoked_at=func.clock_timestamp(), revoked_by=by)
            .returning(ShareLink.label)
        ).scalar_one_or_none()
        if revoked is not None:
            acts.record(session, "share_revoked", by, f"share:{revoked}", link_id=link_id)
    return _link(session, link_id)


def guest_by_secret(session: Session, secret: str) -> Guest | None:
    """Who comes by this secret, if its link is in force."""
    return _guest(session, "secret_hash = :key", fingerprint(secret))


def guest_by_link(session: Session, link_id: UUID) -> Guest | None:
    """Who came by this link before, if it still is. One statement, and once a minute another that notes the visit."""
    return _guest(session, "link_id = :key", link_id)


def _guest(session: Session, which: str, key: str | UUID) -> Guest | None:
    asked = {"key": key, "seconds": USED_SECONDS}
    row = session.execute(text(_IN_FORCE.format(which=which)), asked).one_or_none()
    if row is None:
        return None
    if row.unused:
        with transaction(session):
            session.execute(text(_USED), {"link_id": row.link_id})
    return Guest(row.link_id, row.label, row.expires_at)


def _link(session: Session, link_id: UUID) -> Link:
    columns = [getattr(ShareLink, field.name) for field in fields(Link)]
    found = session.execute(select(*columns).where(ShareLink.link_id == link_id)).mappings().one_or_none()
    if found is None:
        raise NotFound("there is no such link", field="link_id")
    return Link(**found)
