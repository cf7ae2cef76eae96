"""Everything without a mouse: single keys where nobody types, and one palette for pages, ids and actions."""

import re

from playwright.sync_api import expect

from tests import builders


def arrived(page, heading):
    """The page of that heading, with its scripts at work: a key before that is a key for nobody."""
    expect(page.locator("h1")).to_have_text(heading)
    page.wait_for_load_state()


def focused(page, what):
    return page.evaluate(f"() => document.activeElement.{what}")


def test_keys_go_to_pages_rows_and_filters_and_never_take_what_is_typed(page, session):
    orders = [str(builders.order(session)) for _ in range(3)][::-1]
    page.goto("/")
    page.keyboard.press("g")
    page.keyboard.press("o")
    arrived(page, "Orders")

    for key, row in (("j", 0), ("j", 1), ("j", 2), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        assert focused(page, "dataset.id") == orders[row]
    page.keyboard.press("/")
    page.keyboard.type("gj?/k")
    assert page.get_by_label("Symbol").input_value() == "gj?/k"
    expect(page.locator("dialog[open]")).to_have_count(0)

    page.get_by_label("Symbol").blur()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Kill switch")
    page.keyboard.press("g")
    page.keyboard.press("f")
    expect(page.locator("h1")).to_have_text("Orders"), "keys rest while a dialog is open"
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/orders/{orders[0]}$"))


LEAVES_A_KEY = """() => {
    const dialog = document.getElementById("keys");
    const field = dialog.querySelector("input");
    dialog.showModal();
    dialog.close();
    field.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true }));
}"""


def test_key_that_still_goes_to_the_field_of_a_closed_dialog_is_not_lost(page, session):
    order_id = str(builders.order(session))
    page.goto("/orders/")
    page.evaluate(LEAVES_A_KEY)
    assert focused(page, "dataset.id") == order_id


def test_single_keys_can_be_switched_off(page, session):
    page.goto("/orders/")
    page.keyboard.press("?")
    page.get_by_label("Single keys").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("f")
    page.keyboard.press("?")
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.reload()
    page.keyboard.press("?")

    expect(page.locator("dialog[open]")).to_have_count(0)
    assert page.url.endswith("/orders/")


def test_palette_finds_pages_and_ids_and_leads_to_a_halt_without_making_one(page, log_in, session):
    order_id = builders.order(session)
    log_in("operator")
    posts = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.goto("/orders/")
    page.get_by_label("Symbol").focus()
    page.keyboard.press("Control+k")
    page.keyboard.type("ri au")
    expect(page.locator("dialog [role=option][aria-selected=true]")).to_have_text("Risk audit")
    page.keyboard.press("Enter")
    arrived(page, "Risk audit")

    page.keyboard.press("Control+k")
    page.keyboard.type(str(order_id))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/orders/{order_id}$"))
    page.wait_for_load_state()

    page.keyboard.press("Control+k")
    page.keyboard.type("halt")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/kill-switch/#halt$"))
    expect(page.locator("form[data-form=kill-switch-on]")).to_be_visible()
    assert posts == []
    expect(page.locator("[data-kill-switch]")).to_have_attribute("data-kill-switch", "off")


def test_without_a_script_the_same_things_are_found(plain, session):
    order_id = builders.order(session)
    plain.goto("/fills/")
    box = plain.locator(".top form[data-form=find] input")
    box.fill(str(order_id)[-8:])
    box.press("Enter")

    expect(plain).to_have_url(re.compile(f"/orders/{order_id}$"))
    expect(plain.locator("dialog, .copy:visible")).to_have_count(0)


def test_row_and_command_are_copied(page, context, session):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    order_id = str(builders.order(session))
    page.goto("/orders/?symbol=SOL-USDC")
    page.keyboard.press("j")
    page.keyboard.press("y")
    expect(page.locator("#said")).to_have_text("Copied.")
    assert page.evaluate("() => navigator.clipboard.readText()") == order_id

    page.locator("td[data-col=cycle_id] .id").hover()
    page.get_by_role("button", name="Copy this id").click()
    cycle_id = page.locator("td[data-col=cycle_id]").get_attribute("data-value")
    page.wait_for_function("id => navigator.clipboard.readText().then(text => text === id)", arg=cycle_id)

    page.locator("details.as-curl summary").click()
    page.get_by_role("button", name="Copy this command").click()
    page.wait_for_function(
        "() => navigator.clipboard.readText().then(text => text.endsWith('/v1/orders?symbol=SOL-USDC\"'))"
    )
