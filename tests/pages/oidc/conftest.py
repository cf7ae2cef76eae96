"""A desk that people may log in to through a provider of this test's own."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from tests.openid import (
    OLGA,
    OpenIdProvider,
    failures,
    serving,
    settings_for,
)
from tests.support import PASSWORD
from webapp.pages.session import attempts, guesses
from webapp.services import access


@pytest.fixture(scope="module")
def one_provider():
    with serving() as provider:
        yield provider


@pytest.fixture
def provider(one_provider) -> OpenIdProvider:
    """An honest provider, until the test says otherwise."""
    one_provider.reset()
    return one_provider


@pytest.fixture
def settings(settings, provider):
    return settings.model_copy(update=settings_for(provider))


@pytest.fixture
def olga(session):
    return access.create_user(session, OLGA, PASSWORD, "operator")


@pytest.fixture
def wrong(app, session, provider):
    """`wrong(change, go)`: what came of a login that must not work, of a new browser that nobody tried from before."""
    return lambda change, go, said: outcome(app, session, provider, change, go, said)


def outcome(app, session, provider, change, go, said):
    """`400: 1 failed` and whatever else there should not be."""
    provider.reset()
    attempts.clear()
    guesses.clear()
    client = app.test_client()
    before = len(failures(session))
    change(provider)
    answer = go(client)
    found = [f"{answer.status_code}: {len(failures(session)) - before} failed"]
    with client.session_transaction() as kept:
        found += [f"{name} is kept" for name in kept if name not in ("csrf_token", "_fresh")]
    if session.execute(text("SELECT count(*) FROM sessions")).scalar_one():
        found.append("a session")
    if said not in answer.text or 'data-form="login"' not in answer.text:
        found.append(answer.text)
    return ", ".join(found)
