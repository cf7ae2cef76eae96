"""Journeys through the pages in a real browser, with and without its scripts."""

import re

from playwright.sync_api import expect

from tests import builders
from webapp.services import kill_switch

PHONE = {"width": 320, "height": 640}


def switch(page):
    return page.locator("[data-kill-switch]")


def test_without_scripts_one_finds_an_order_and_reads_its_story(plain, trader):
    answer = trader.cycle("buy", "50")
    trader.cycle("buy", "1", symbol="ETH-USDC")
    plain.goto("/orders/")
    form = plain.locator("form[data-form=filters]")
    form.get_by_label("Status").select_option("rejected")
    form.get_by_role("button", name="Filter").click()

    expect(plain.locator("table[data-table=orders] tbody tr")).to_have_count(1)
    plain.locator("td[data-col=order_id] a").click()
    expect(plain.locator("h1")).to_have_text("Buy 50 SOL-USDC")
    expect(plain.locator("tr[data-id=MAX_ORDER_NOTIONAL] [data-col=ok]")).to_have_text("blocks")
    plain.get_by_role("link", name="Its cycle").click()
    expect(plain).to_have_url(re.compile(answer["error"]["details"]["cycle_id"]))


def test_without_scripts_an_operator_halts_and_releases(plain, log_in):
    log_in("operator", plain)
    plain.get_by_role("link", name="Halt", exact=True).click()
    halt = plain.locator("form[data-form=kill-switch-on]")
    halt.locator("[name=reason]").fill("quotes look wrong")
    halt.get_by_role("button").click()
    expect(switch(plain)).to_have_attribute("data-kill-switch", "on")
    expect(plain.locator("#receipt")).to_be_visible()

    release = plain.locator("form[data-form=kill-switch-off]")
    release.locator("[name=reason]").fill("they are fine")
    release.locator("[name=confirm]").fill("release")
    release.get_by_role("button").click()
    expect(plain.get_by_text("Type RELEASE in capital letters.")).to_be_visible()
    release.locator("[name=confirm]").fill("RELEASE")
    release.get_by_role("button").click()
    expect(switch(plain)).to_have_attribute("data-kill-switch", "off")


def test_without_scripts_an_operator_closes_a_position(plain, log_in, trader):
    trader.cycle("buy", "2")
    log_in("operator", plain)
    plain.goto("/positions/")
    plain.get_by_role("link", name="Close …").click()
    expect(plain.locator("h1")).to_have_text("Close SOL-USDC")
    plain.get_by_role("button", name="Sell 2 SOL-USDC now").click()

    expect(plain.locator("h1")).to_have_text("Sell 2 SOL-USDC")
    expect(plain.get_by_text("Done: sell 2 SOL-USDC.")).to_be_visible()
    plain.goto("/positions/")
    expect(plain.get_by_role("link", name="Close …")).to_have_count(0)


def test_operator_halts_from_a_phone_with_a_thumb(page, log_in):
    page.set_viewport_size(PHONE)
    log_in("operator")
    page.goto("/orders/")
    button = page.get_by_role("link", name="Halt", exact=True)
    assert button.bounding_box()["height"] >= 36
    button.click()
    page.get_by_label("Reason").fill("now")
    page.get_by_role("button", name="Halt all trading").click()

    expect(switch(page)).to_have_attribute("data-kill-switch", "on")
    expect(switch(page)).to_be_in_viewport()
    expect(page.get_by_text("Trading is halted. 0 resting orders canceled.")).to_be_visible()


def test_new_order_appears_by_itself_and_nothing_typed_is_lost(page, trader):
    trader.cycle("buy", "1")
    page.goto("/orders/")
    rows = page.locator("table[data-table=orders] tbody tr")
    expect(rows).to_have_count(1)
    page.get_by_label("Symbol").fill("half typ")
    first = rows.first.element_handle()
    trader.cycle("buy", "1", symbol="ETH-USDC")

    expect(rows).to_have_count(2)
    expect(page.get_by_label("Symbol")).to_have_value("half typ")
    assert first.evaluate("row => row.isConnected"), "the old row must be moved, not drawn anew"


def test_open_details_stay_open_while_the_list_is_refreshed(page, session):
    builders.policy(session, version=2, max_drawdown="900")
    page.goto("/risk/policy")
    page.locator("table[data-table=policies] summary").first.click()
    with page.expect_response(lambda answer: "/risk/policy" in answer.url and answer.status == 200):
        builders.policy(session, version=3, max_drawdown="800")

    expect(page.locator("table[data-table=policies] tbody tr")).to_have_count(3)
    assert page.locator("table[data-table=policies] details[open]").count() == 1


def test_halt_by_somebody_else_shows_on_an_open_page(page, engine):
    page.goto("/orders/")
    expect(switch(page)).to_have_attribute("data-kill-switch", "off")
    kill_switch.halt(engine, "drawdown", by="risk-engine")

    expect(switch(page)).to_have_attribute("data-kill-switch", "on", timeout=15_000)
    expect(page.locator("#halted-banner")).to_contain_text(re.compile("drawdown.* by risk-engine"))


def test_hidden_page_asks_for_nothing_and_catches_up_when_seen(page, trader):
    page.add_init_script(
        "Object.defineProperty(document, 'hidden', {get: () => window.away === true, configurable: true});"
    )
    trader.cycle("buy", "1")
    page.goto("/orders/")
    page.evaluate("() => { window.away = true; }")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    trader.cycle("buy", "1", symbol="ETH-USDC")
    page.wait_for_timeout(6_000)
    assert asked == []

    page.evaluate("() => { window.away = false; document.dispatchEvent(new Event('visibilitychange')); }")
    expect(page.locator("table[data-table=orders] tbody tr")).to_have_count(2, timeout=3_000)


def test_ages_tick_without_asking_the_server(page, session):
    builders.heartbeat(session)
    page.goto("/system/")
    age = page.locator("td[data-col=beat_at] time")
    before = age.inner_text()

    expect(age).not_to_have_text(before, timeout=4_000)


def test_menu_of_a_phone_opens_and_leads_on(page):
    page.set_viewport_size(PHONE)
    page.goto("/orders/")
    expect(page.get_by_role("link", name="Smoke runs")).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Smoke runs").click()

    expect(page.locator("h1")).to_have_text("Smoke runs")


def test_keyboard_reaches_the_content_first(page):
    page.goto("/orders/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator("main")).to_be_focused()


def test_impatient_clicks_halt_once(page, log_in, session):
    log_in("operator")
    page.goto("/kill-switch/")
    page.get_by_label("Reason").fill("now")
    posts = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.get_by_role("button", name="Halt all trading").dblclick()
    expect(switch(page)).to_have_attribute("data-kill-switch", "on")

    assert len(posts) == 1
