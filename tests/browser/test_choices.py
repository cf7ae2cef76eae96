"""The theme changes at once and is kept; times are shown by the visitor's own clock when they want that."""

import re

from playwright.sync_api import expect

from tests import builders


def paper(page):
    return page.evaluate("() => getComputedStyle(document.body).backgroundColor")


def test_chosen_theme_shows_at_once_and_on_the_next_page(page):
    page.emulate_media(color_scheme="light")
    page.goto("/orders/")
    light = paper(page)
    page.get_by_role("button", name="Theme: Dark").click()
    dark = paper(page)
    page.goto("/fills/")

    assert dark != light
    assert paper(page) == dark
    expect(page.get_by_role("button", name="Theme: Dark")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Theme: As the system").click()
    assert paper(page) == light


def test_times_follow_the_visitors_clock_and_keep_following_it_in_live_rows(new_context, live_server, session):
    builders.order(session, at=builders.NOON)
    page = new_context(base_url=live_server, timezone_id="Asia/Tokyo", locale="en-GB").new_page()
    page.goto("/orders/")
    expect(page.locator("td[data-col=created_at]").first).to_have_text(re.compile("12:00:00"))
    page.get_by_role("button", name="Times in: My own zone").click()
    time = page.locator("td[data-col=created_at]")
    expect(time.first).to_have_text(re.compile("21:00:00"))
    expect(page.locator("th.is-time")).to_have_text("Time, JST")
    builders.order(session, at=builders.NOON.replace(minute=5))

    expect(time).to_have_count(2)
    expect(time.first).to_have_text(re.compile("21:05:00"))
    time.first.hover()
    expect(time.first).to_have_attribute("title", re.compile(r"^2026-03-02 12:05:00 UTC = .*21:05:00"))


def test_without_a_script_a_theme_is_chosen_too(plain):
    plain.goto("/orders/?status=rejected")
    plain.get_by_role("button", name="Theme: Dark").click()

    expect(plain.locator("html")).to_have_attribute("data-theme", "dark")
    expect(plain).to_have_url(re.compile(r"/orders/\?status=rejected$"))
