"""Journeys: an order watched until it fills, a policy changed with a look at it first, both also without a script."""

from __future__ import annotations

import re
from decimal import Decimal

from playwright.sync_api import Page, expect

from webapp.services import policy

PHONE = {"width": 320, "height": 700}


def test_open_order_is_seen_to_fill_without_losing_what_is_opened(page, trader):
    order_id = trader.cycle("buy", "1", limit="98")["order"]["order_id"]
    page.goto(f"/orders/{order_id}")
    expect(page.locator(".outcome")).to_contain_text("Resting: it fills at 98.0000 USDC")
    page.locator(".as-curl summary").click()
    trader.price = Decimal("97.5")
    trader.quote()

    expect(page.locator(".outcome")).to_contain_text("Filled in full", timeout=15_000)
    expect(page.locator("table[data-table=fills] tbody tr")).to_have_count(1, timeout=15_000)
    expect(page.locator(".fill-sums")).to_contain_text("the order's own limit = 98 USDC")
    assert page.locator(".as-curl[open]").count() == 1
    assert page.locator(".plot-mark-buy").count() == 1


def test_resting_order_is_canceled_on_a_phone_and_says_by_whom(page, log_in, trader):
    order_id = trader.cycle("buy", "1", limit="98")["order"]["order_id"]
    page.set_viewport_size(PHONE)
    log_in("operator")
    page.goto(f"/orders/{order_id}")
    page.get_by_label("Why cancel it").fill("changed my mind")
    page.get_by_role("button", name="Cancel this order").click()

    expect(page.get_by_text("The order is canceled.")).to_be_visible()
    expect(page.locator(".outcome")).to_contain_text(re.compile("Canceled by user:operator after .*: changed my mind"))


def change_largest_order(page: Page, *, script: bool) -> None:
    """From the form over the look at the change to the history."""
    page.goto("/risk/policy")
    page.get_by_label("Largest order").fill("750.5")
    page.get_by_label("Why the change").fill("calmer")
    if script:
        expect(page.locator("#policy-preview")).to_contain_text(re.compile("1,000.USDC.*750.5.USDC", re.DOTALL))
    page.get_by_role("button", name="Review it first").click()
    expect(page.locator("h1")).to_have_text("Review the change")
    expect(page.locator("table[data-table=policy_changes]")).to_contain_text("tighter")


def test_policy_is_changed_with_the_difference_in_view_before_and_after(page, log_in, axe, session):
    log_in("admin")
    change_largest_order(page, script=True)
    assert axe() == []
    page.get_by_role("button", name="Put version 2 in force").click()

    expect(page.get_by_text("Policy version 2 is in force.")).to_be_visible()
    newest = page.locator("table[data-table=policies] tbody tr").first
    expect(newest).to_contain_text("calmer")
    expect(newest).to_contain_text(re.compile("Largest order 1,000.USDC → 750.5.USDC"))
    assert str(policy.current(session).policy.max_order_notional) == "750.5"


def test_policy_is_put_in_force_in_one_step_by_who_has_seen_the_difference(page, log_in, session):
    log_in("admin")
    page.goto("/risk/policy")
    page.get_by_label("Largest order").fill("777")
    expect(page.locator("#policy-preview")).to_contain_text("777")
    page.locator("form[data-form=risk-policy] [type=submit]").first.click()

    expect(page.get_by_text("Policy version 2 is in force.")).to_be_visible()
    assert policy.current(session).policy.max_order_notional == 777


def test_policy_is_changed_without_a_script_too(plain, log_in, session):
    page = log_in("admin", plain)
    change_largest_order(page, script=False)
    page.get_by_role("button", name="Back to the form").click()
    expect(page.get_by_label("Largest order")).to_have_value("750.5")
    page.get_by_role("button", name="Review it first").click()
    page.get_by_role("button", name="Put version 2 in force").click()

    expect(page.get_by_text("Policy version 2 is in force.")).to_be_visible()
