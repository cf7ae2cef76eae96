"""Share links: open for whoever has one, for as long as was said, and closed at once."""

from datetime import timedelta
from hashlib import sha256
from uuid import uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webapp.domain.errors import BadInput, NotFound
from webapp.models import Act, ShareLink
from webapp.services import sharing

HOUR = timedelta(hours=1)


def test_link_opens_by_its_secret_which_is_not_stored(session: Session) -> None:
    link, secret = sharing.create_link(session, " the  judges ", HOUR, "user:olga")
    assert (link.label, link.expires_at - link.created_at, link.last_used_at) == ("the judges", HOUR, None)
    assert session.execute(select(ShareLink.secret_hash)).scalar_one() == sha256(secret.encode()).hexdigest()
    guest = sharing.guest_by_secret(session, secret)
    assert guest is not None
    assert sharing.guest_by_link(session, link.link_id) == guest
    session.rollback()
    assert session.execute(select(ShareLink.last_used_at)).scalar_one() is not None
    for wrong in (secret[:-1], "", "x" * 5000, str(link.link_id), "\ud800"):
        assert sharing.guest_by_secret(session, wrong) is None


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_link_that_ended_opens_nothing_and_closes_for_those_inside(session: Session, end: str) -> None:
    link, secret = sharing.create_link(session, "judges", HOUR, "user:olga")
    if end == "revoked":
        first = sharing.revoke_link(session, link.link_id, "user:ada")
        assert sharing.revoke_link(session, link.link_id, "user:bob") == first
        assert first.revoked_by == "user:ada"
    else:
        session.execute(update(ShareLink).values(expires_at=ShareLink.created_at - HOUR))
        session.commit()
    assert sharing.guest_by_secret(session, secret) is None
    assert sharing.guest_by_link(session, link.link_id) is None


def test_links_are_in_the_audit_without_what_opens_them(session: Session) -> None:
    link, secret = sharing.create_link(session, "judges", HOUR, "user:olga")
    sharing.revoke_link(session, link.link_id, "user:ada")
    rows = session.execute(select(Act).order_by(Act.created_at)).scalars().all()
    assert [(act.act, act.actor, act.subject) for act in rows] == [
        ("share_created", "user:olga", "share:judges"),
        ("share_revoked", "user:ada", "share:judges"),
    ]
    assert secret not in str([act.details for act in rows])


@pytest.mark.parametrize(
    ("label", "span", "field"),
    [
        ("", HOUR, "label"),
        (" ", HOUR, "label"),
        ("x" * 81, HOUR, "label"),
        ("a\x00b", HOUR, "label"),
        ("a\u202eb", HOUR, "label"),
        ("judges", timedelta(minutes=59), "span"),
        ("judges", timedelta(days=31), "span"),
    ],
)
def test_link_that_makes_no_sense_is_refused(session: Session, label: str, span: timedelta, field: str) -> None:
    with pytest.raises(BadInput) as caught:
        sharing.create_link(session, label, span, "user:olga")
    assert caught.value.field == field


def test_link_nobody_made_cannot_be_revoked(session: Session) -> None:
    with pytest.raises(NotFound):
        sharing.revoke_link(session, uuid4(), "user:ada")
