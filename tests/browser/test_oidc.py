"""Logging in through an OpenID provider in a real browser, which follows the link, the redirects and our headers."""

import pytest
from playwright.sync_api import expect

from tests.openid import NAME, OLGA, serving, settings_for
from tests.support import PASSWORD
from webapp.services import access


@pytest.fixture
def provider():
    with serving() as provider:
        yield provider


@pytest.fixture
def settings(settings, provider):
    return settings.model_copy(update={**settings_for(provider), "public_read": False})


def test_link_leads_to_the_provider_and_back_in(session, context, live_server, provider):
    access.create_user(session, OLGA, PASSWORD, "viewer")
    page = context.new_page()
    complaints = []
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.goto("/orders/")
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name=f"Log in with {NAME}").click()

    expect(page).to_have_url(f"{live_server}/orders/")
    expect(page.get_by_text(OLGA).first).to_be_attached()
    assert provider.wishes[0]["redirect_uri"] == f"{live_server}/login/oidc/callback"
    assert complaints == []
