"""The doors in a real browser: an admin lets somebody in and out, and a link shows the desk until it is revoked."""

import pytest
from playwright.sync_api import expect

NEW = "four other words entirely"
LOOKED_AT = ("/admin/bots/my-bot", "/admin/people/olga", "/admin/acts/", "/account/", "/shares/")


@pytest.fixture
def settings(settings):
    """A desk that is closed to strangers."""
    return settings.model_copy(update={"public_read": False})


def stranger(new_context, live_server):
    """Another browser, with nobody logged in."""
    return new_context(base_url=live_server, viewport={"width": 320, "height": 700}).new_page()


def test_admin_lets_somebody_in_and_out_and_makes_a_token_that_is_shown_once(log_in, axe, new_context, live_server):
    page = log_in("admin")
    page.locator("#nav a[href='/admin/']").click()
    page.get_by_text("Let somebody in", exact=True).click()
    form = page.locator("form[data-form=user-create]")
    form.locator("[name=name]").fill("olga")
    form.locator("[name=role]").select_option("operator")
    form.locator("[name=password]").fill(NEW)
    form.locator("[type=submit]").click()
    expect(page.locator(".flash")).to_contain_text("olga may log in as operator.")
    assert axe() == []

    olga = stranger(new_context, live_server)
    olga.goto("/login?next=/account/")
    olga.locator("[name=username]").fill("olga")
    olga.locator("[name=password]").fill(NEW)
    olga.locator("form[data-form=login] [type=submit]").click()
    expect(olga.locator("[data-table=sessions] tbody tr")).to_have_count(1)
    assert olga.evaluate("document.documentElement.scrollWidth <= innerWidth")

    page.locator("[data-table=users] a", has_text="olga").click()
    page.locator("form[data-form=user-disable] button").click()
    expect(page.locator(".flash")).to_contain_text("olga is out")
    olga.goto("/account/")
    expect(olga).to_have_url(f"{live_server}/login?next=%2Faccount%2F")

    page.goto("/admin/")
    page.get_by_text("Make a token", exact=True).click()
    page.locator("form[data-form=token-create] [name=name]").fill("my-bot")
    page.locator("form[data-form=token-create] [type=submit]").click()
    expect(page.locator("[data-secret]")).to_contain_text("pd_")
    page.get_by_role("link", name="On to my-bot").click()
    expect(page.locator("[data-bot=my-bot]")).to_have_attribute("data-state", "active")
    page.set_viewport_size({"width": 320, "height": 700})
    for path, scheme in zip(LOOKED_AT, ("dark", "light") * len(LOOKED_AT), strict=False):
        page.emulate_media(color_scheme=scheme)
        page.goto(path)
        assert axe() == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_link_shows_the_desk_to_a_stranger_until_it_is_revoked(log_in, new_context, live_server):
    page = log_in("operator")
    page.goto("/shares/")
    page.locator("[name=label]").fill("the judges")
    page.locator("form[data-form=share-create] [type=submit]").click()
    link = page.locator("[data-secret]").inner_text()

    judge = stranger(new_context, live_server)
    judge.goto("/orders/")
    expect(judge.locator("form[data-form=login]")).to_be_visible()
    judge.goto(link)
    expect(judge).to_have_url(f"{live_server}/")
    expect(judge.locator(".shared-view")).to_contain_text("Shared view until")
    assert judge.evaluate("document.documentElement.scrollWidth <= innerWidth")
    judge.goto("/kill-switch/")
    expect(judge.locator("form[data-form=kill-switch-on]")).to_have_count(0)

    page.goto("/shares/")
    page.locator("form[data-form=share-revoke] button").click()
    expect(page.locator("[data-table=share_links] [data-col=status]")).to_have_text("revoked")
    judge.goto("/orders/")
    expect(judge.locator("form[data-form=login]")).to_be_visible()
