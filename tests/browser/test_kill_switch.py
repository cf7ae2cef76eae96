"""The kill switch in a real browser: nothing typed is lost, nothing unconfirmed looks done, no script is needed."""

import re

import pytest
from playwright.sync_api import expect

from webapp.services import kill_switch

PHONE = {"width": 320, "height": 640}
EVENTS = "/kill-switch.json"


def switch(page):
    return page.locator("[data-kill-switch]")


def press(page):
    page.get_by_role("button", name="Halt all trading").click()


def test_what_is_typed_into_the_release_stays_while_the_page_counts_refusals(page, log_in, trader, engine):
    kill_switch.halt(engine, "a drill", by="user:olga")
    log_in("operator")
    page.goto("/kill-switch/")
    refused = page.locator("[data-figure=refused]")
    expect(refused).to_have_attribute("data-value", "0")
    page.get_by_label("Why is it safe to trade again?").fill("because the quo")
    page.get_by_label("Type RELEASE").fill("REL")
    page.get_by_label("the peak it counts from now").check()
    trader.cycle("buy", "1")

    expect(refused).to_have_attribute("data-value", "1", timeout=15_000)
    expect(page.get_by_label("Why is it safe to trade again?")).to_have_value("because the quo")
    expect(page.get_by_label("Type RELEASE")).to_have_value("REL")
    expect(page.get_by_label("the peak it counts from now")).to_be_checked()


def test_halt_by_the_desk_itself_turns_an_open_page_over(page, log_in, engine):
    log_in("operator")
    page.goto("/kill-switch/")
    expect(page.get_by_role("button", name="Halt all trading")).to_be_visible()
    kill_switch.halt(engine, "MAX_DRAWDOWN: 12 of 10", by="risk-engine")

    expect(page.locator("form[data-form=kill-switch-off]")).to_be_visible(timeout=15_000)
    expect(page.locator("form[data-form=kill-switch-on]")).to_have_count(0)
    expect(page.locator("#halted-banner")).to_contain_text("The drawdown reached its limit: 12 of 10", timeout=15_000)
    expect(page).to_have_title(re.compile("^HALTED \u00b7 Kill switch"))
    kill_switch.release(engine, "it is over", by="user:olga")
    expect(page.get_by_role("button", name="Halt all trading")).to_be_visible(timeout=15_000)
    expect(page).to_have_title(re.compile("^Kill switch"), timeout=15_000)


@pytest.mark.parametrize("lost", ["request", "answer", "error"])
def test_lost_halt_says_that_trading_must_be_assumed_on_and_may_be_repeated(
    page, log_in, engine, session, complaints, lost
):
    """The answer gets lost with the deed done, or the request with the deed undone: the page cannot know which."""
    log_in("operator")
    page.goto("/kill-switch/#halt")
    page.get_by_label("Reason").fill("the quotes look wrong")

    def lose(route):
        if lost == "answer":
            route.fetch()
        if lost == "error":
            route.fulfill(status=502, body="bad gateway")
        else:
            route.abort()

    page.route("**/kill-switch/on", lose)
    press(page)
    expect(page.get_by_role("alert").get_by_text("Not confirmed: assume trading is ON.")).to_be_visible()
    assert "Trading is halted. " not in page.locator("main").inner_text()
    expect(page.get_by_label("Reason")).to_have_value("the quotes look wrong")

    page.unroute("**/kill-switch/on")
    press(page)
    expect(page.locator("#receipt")).to_be_visible()
    expect(switch(page)).to_have_attribute("data-kill-switch", "on")
    events = page.request.get(EVENTS).json()["items"]
    assert [(event["enabled"], event["reason"]) for event in events] == [(True, "the quotes look wrong")]
    complaints.clear()


def test_halting_needs_only_the_keyboard_and_no_reason(page, log_in):
    log_in("operator")
    page.goto("/orders/")
    page.get_by_role("link", name="Halt", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_label("Reason").focus()
    page.keyboard.press("Enter")

    expect(switch(page)).to_have_attribute("data-kill-switch", "on")
    expect(page.locator("#receipt")).to_be_visible()
