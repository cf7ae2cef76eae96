"""The first screen in a real browser: what is seen without scrolling, on any screen, and how it keeps up."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from tests import builders
from tests.trader import Trader
from webapp.models import SelfCheck
from webapp.services import kill_switch

FIRST_LOAD_BYTES = 80_000


@pytest.fixture
def busy(session: Session) -> Session:
    """A day of NAV, some trades and some blocked ones, an engine that beats, checks that passed."""
    now = builders.now()
    curve = [(now - timedelta(minutes=5 * n), Decimal(10_000) + (n * 37) % 101) for n in range(1, 288)]
    builders.snapshots(session, curve)
    trader = Trader(session)
    for side, qty in (("buy", "4"), ("buy", "2"), ("buy", "50")):
        trader.cycle(side, qty)
    trader.quote("BTC-USDC", Decimal(60_000))
    trader.quote("ETH-USDC", Decimal(3_000))
    builders.heartbeat(session)
    for name in ("books", "audit"):
        row = {"name": name, "ok": True, "rows": 12, "detail": "fine", "checked_at": now}
        builders.add(session, SelfCheck, row)
    return session


def below(page: Page, selector: str) -> float:
    """Where the element ends, in pixels from the top of the window."""
    box = page.locator(selector).first.bounding_box()
    assert box is not None, f"{selector} is not drawn"
    return box["y"] + box["height"]


IMPORTANT = (
    "[data-state-sentence]",
    "[data-figure=nav]",
    "[data-figure=drawdown]",
    "svg.spark",
    "[data-source=audit]",
    "[data-limit]",
    "[data-why]",
    "tr[data-stage=Filled]",
    ".holding",
    ".cycle",
)


def test_a_desktop_shows_everything_important_without_scrolling(page: Page, busy: Session) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/")
    assert {selector: below(page, selector) for selector in IMPORTANT if below(page, selector) > 900} == {}


def test_a_phone_shows_the_switch_and_nav_first_also_while_halted(page: Page, busy: Session) -> None:
    kill_switch.halt(busy.get_bind(), "a drill", by="user:ada")
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/")
    expect(page.locator("[data-kill-switch=on]")).to_be_visible()
    assert below(page, "[data-figure=nav]") < 500


def test_it_keeps_up_by_itself(page: Page, session: Session) -> None:
    page.goto("/")
    engine = page.locator("[data-source=engine]")
    expect(engine).to_have_attribute("data-state", "not running")
    expect(page.locator("[data-first-steps]")).to_be_visible()
    builders.heartbeat(session)
    builders.tick(session)
    expect(engine).to_have_attribute("data-state", "beating", timeout=8_000)
    expect(page.locator("[data-first-steps]")).to_have_count(0)


@pytest.mark.usefixtures("busy")
def test_it_is_whole_without_a_script(plain: Page) -> None:
    plain.goto("/")
    expect(plain.locator("svg.spark")).to_be_visible()
    expect(plain.locator("[data-standing=ok]")).to_be_visible()
    expect(plain.locator("[data-limit=MAX_ORDER_NOTIONAL]")).to_contain_text("of 1,000")
    plain.locator("tr[data-stage='cooldown seconds'] a").first.click()
    expect(plain.locator("table[data-table=orders] tbody tr")).to_have_count(1)


def test_first_load_is_light_with_everything_included(page: Page, busy: Session) -> None:
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")
    sizes: list[float] = []
    wire.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto("/", wait_until="networkidle")
    assert len(sizes) >= 4, "the page, its style, its scripts"
    assert sum(sizes) <= FIRST_LOAD_BYTES
    print(f"first load: {len(sizes)} answers, {sum(sizes):.0f} bytes")
