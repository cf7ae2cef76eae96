"""Tokens: which secret opens what, for how long, and how one bot is stopped alone."""

from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tests import builders
from webapp.domain.errors import BadInput, Conflict, NotFound
from webapp.domain.people import SCOPES
from webapp.models import ApiToken
from webapp.services import tokens
from webapp.services.tokens import Caps


def last_used(session: Session) -> datetime | None:
    session.rollback()
    return session.execute(select(ApiToken.last_used_at)).scalar_one()


def test_a_token_opens_by_its_secret_which_is_not_stored(session: Session) -> None:
    made, secret = tokens.create_token(session, "bot", ["trade", "read"], "user:olga")
    assert secret.startswith("pd_")
    assert len(secret) == 46
    assert made.scopes == ("read", "trade")
    found = tokens.token_for(session, secret)
    assert found is not None
    assert found.token_id == made.token_id
    assert session.execute(select(ApiToken.token_hash)).scalar_one() == sha256(secret.encode()).hexdigest()
    for wrong in (secret[:-1], secret + "x", "", "bot", "é" * 10, "x" * 5000, "a b"):
        assert tokens.token_for(session, wrong) is None


def test_a_revoked_or_expired_token_opens_nothing(session: Session) -> None:
    _, old = tokens.create_token(session, "old", ["read"], "t", expires_at=builders.now() + timedelta(hours=1))
    session.execute(update(ApiToken).values(expires_at=builders.now() - timedelta(seconds=1)))
    session.commit()
    _, new = tokens.create_token(session, "new", ["read"], "t", expires_at=builders.now() + timedelta(hours=1))
    assert tokens.token_for(session, old) is None
    assert tokens.token_for(session, new) is not None
    first = tokens.revoke_token(session, "new", "t").revoked_at
    assert tokens.token_for(session, new) is None
    assert tokens.revoke_token(session, "new", "t").revoked_at == first
    with pytest.raises(NotFound):
        tokens.revoke_token(session, "nobody", "t")


def test_last_use_is_noted_once_a_minute_not_at_every_request(session: Session) -> None:
    _, secret = tokens.create_token(session, "bot", ["read"], "t")
    tokens.token_for(session, secret)
    first = last_used(session)
    assert first is not None
    tokens.token_for(session, secret)
    assert last_used(session) == first
    session.execute(update(ApiToken).values(last_used_at=first - timedelta(seconds=61)))
    session.commit()
    tokens.token_for(session, secret)
    again = last_used(session)
    assert again is not None
    assert again >= first


@pytest.mark.parametrize("scopes", [[], ["root"], ["read", "write"]])
def test_scopes_that_do_not_exist_are_refused(session: Session, scopes: list[str]) -> None:
    with pytest.raises(BadInput) as caught:
        tokens.create_token(session, "bot", scopes, "t")
    assert caught.value.field == "scopes"


def test_ensuring_a_token_keeps_its_secret_and_puts_it_back_in_force(session: Session) -> None:
    first = tokens.ensure_token(session, "demo", SCOPES, "demo", secret="demo-token")
    assert tokens.ensure_token(session, "demo", SCOPES, "demo", secret="demo-token") == first
    tokens.revoke_token(session, "demo", "t")
    tokens.ensure_token(session, "demo", ["read"], "demo", secret="other")
    assert tokens.token_for(session, "demo-token") is None
    found = tokens.token_for(session, "other")
    assert found is not None
    assert found.scopes == ("read",)


def test_two_tokens_never_share_a_name_or_a_secret(session: Session) -> None:
    tokens.create_token(session, "one", ["read"], "t", secret="same")
    with pytest.raises(Conflict):
        tokens.create_token(session, "one", ["read"], "t")
    with pytest.raises(Conflict):
        tokens.create_token(session, "two", ["read"], "t", secret="same")
    tokens.create_token(session, "two", ["read"], "t")
    with pytest.raises(Conflict):
        tokens.ensure_token(session, "two", ["read"], "t", secret="same")


def test_a_token_that_has_expired_before_it_was_made_is_refused(session: Session) -> None:
    with pytest.raises(BadInput) as caught:
        tokens.create_token(session, "bot", ["read"], "t", expires_at=builders.now() - timedelta(seconds=1))
    assert caught.value.field == "expires_at"


def test_pausing_says_who_and_why_keeps_the_first_and_can_be_undone_once(session: Session) -> None:
    tokens.create_token(session, "bot", ["trade"], "t")
    tokens.create_token(session, "other", ["trade"], "t")
    first = tokens.pause_token(session, "bot", "user:olga", "  runs wild ")
    assert (first.paused_by, first.pause_reason) == ("user:olga", "runs wild")
    assert tokens.pause_token(session, "bot", "user:ada", "again") == first
    assert tokens.resume_token(session, "bot").paused_at is None
    for name, error in (("bot", Conflict), ("other", Conflict), ("nobody", NotFound)):
        with pytest.raises(error):
            tokens.resume_token(session, name)
    with pytest.raises(NotFound):
        tokens.pause_token(session, "nobody", "user:ada", "why not")
    with pytest.raises(BadInput):
        tokens.pause_token(session, "bot", "user:ada", " ")


@pytest.mark.parametrize(
    "caps", [Caps(Decimal(0)), Caps(Decimal(-1)), Caps(None, 0), Caps(None, -1), Caps(None, 10**7)]
)
def test_a_cap_that_is_no_limit_is_refused(session: Session, caps: Caps) -> None:
    tokens.create_token(session, "bot", ["trade"], "t")
    with pytest.raises(BadInput):
        tokens.set_caps(session, "bot", caps)
    with pytest.raises(BadInput):
        tokens.create_token(session, "new", ["trade"], "t", caps=caps)


def test_caps_are_given_and_taken_away(session: Session) -> None:
    made, secret = tokens.create_token(session, "bot", ["trade"], "t", caps=Caps(Decimal("50.5"), 6))
    assert (made.max_order_notional, made.cycles_per_minute) == (Decimal("50.5"), 6)
    tokens.set_caps(session, "bot", Caps(None, 7))
    found = tokens.token_for(session, secret)
    assert found is not None
    assert (found.max_order_notional, found.cycles_per_minute) == (None, 7)
