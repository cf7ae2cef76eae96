"""Charts in a real browser: read by mouse and keys, zoomed, kept up to date; and what stands there without a script."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy.orm import Session

from tests import builders

STROKE = "(path) => getComputedStyle(path).stroke"


@pytest.fixture
def history(session: Session) -> list[tuple]:
    """A day of NAV with a gap, an hour of quotes of one symbol."""
    now = builders.now()
    minutes = [n for n in range(1_200, -1, -5) if not 400 < n < 520]
    curve = [(now - timedelta(minutes=n), Decimal(10_000 + n % 97 - n // 9)) for n in minutes]
    builders.snapshots(session, curve)
    builders.ticks(session, "SOL-USDC", [(now - timedelta(seconds=20 * n), 150 + n % 13) for n in range(180)])
    return curve


def reader(page: Page) -> Locator:
    return page.locator("[data-plot-reader]")


def said(page: Page) -> Locator:
    return page.locator("[data-plot-readout]")


def spoken(at: datetime, nav: Decimal) -> re.Pattern[str]:
    """How a point begins that is read aloud."""
    return re.compile(rf"^{at:%d %b %Y %H:%M:%S} UTC: NAV {nav:,}\.00, from ")


def test_pointing_at_the_chart_reads_the_nearest_point_out(page: Page, history: list[tuple]) -> None:
    page.goto("/portfolio/?range=1d")
    expect(said(page)).to_contain_text("Point at the chart")
    reader(page).hover(position={"x": 1, "y": 60})
    at, nav = history[0]
    expect(said(page)).to_contain_text(f"{at:%d %b %Y %H:%M:%S} UTC")
    expect(said(page)).to_contain_text(f"NAV {nav:,}.00")
    expect(said(page)).to_contain_text(re.compile(r"drawdown [−\d.]+.%"))
    expect(page.locator(".plot-hair")).to_be_visible()
    page.mouse.move(0, 0)
    expect(said(page)).to_contain_text("Point at the chart")
    expect(page.locator(".plot-hair")).to_have_count(0)


def test_keys_read_the_chart_and_say_it_to_a_screen_reader(page: Page, history: list[tuple]) -> None:
    page.goto("/portfolio/?range=1d")
    slider = page.get_by_role("slider", name=re.compile("Read the chart: NAV"))
    slider.focus()
    at, nav = history[-1]
    expect(slider).to_have_attribute(
        "aria-valuetext", re.compile(rf"^{at:%d %b %Y %H:%M:%S} UTC: NAV {nav:,}\.00, from ")
    )
    page.keyboard.press("ArrowLeft")
    at, nav = history[-2]
    expect(slider).to_have_attribute(
        "aria-valuetext", re.compile(rf"^{at:%d %b %Y %H:%M:%S} UTC: NAV {nav:,}\.00, from ")
    )
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuenow", "0")
    expect(said(page)).to_contain_text(f"{history[0][0]:%d %b %Y %H:%M:%S}")


def test_dragging_zooms_into_an_address_and_back_leads_back(page: Page, history: list[tuple]) -> None:
    page.goto("/portfolio/?range=1d")
    expect(reader(page)).to_be_visible()
    box = reader(page).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60, steps=4)
    expect(page.locator(".plot-chosen")).to_be_visible()
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"/portfolio/\?from=\d{4}-.*Z&to=\d{4}-.*Z$"))
    expect(page.locator("[name=from]")).to_have_value(re.compile(r"^\d{4}-\d\d-\d\dT.*Z$"))
    newest = page.locator("table[data-table=snapshots] tbody tr [data-col=captured_at]").first
    assert str(newest.get_attribute("data-value")) < page.locator("[name=to]").input_value()
    page.go_back()
    expect(page).to_have_url(re.compile(r"range=1d$"))
    expect(page.get_by_role("link", name="1d", exact=True)).to_have_attribute("aria-current", "true")
    reader(page).hover(position={"x": 1, "y": 60})
    expect(said(page)).to_contain_text(f"{history[0][0]:%d %b %Y %H:%M:%S}")


def test_enter_twice_zooms_to_what_lies_between_and_minus_zooms_out(page: Page, history: list[tuple]) -> None:
    page.goto("/portfolio/?range=1d")
    reader(page).focus()
    expect(said(page)).to_contain_text("NAV")
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("PageDown")
    expect(reader(page)).to_have_attribute("aria-valuetext", re.compile(f"^{history[-31][0]:%d %b %Y %H:%M:%S}"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"from={history[-31][0]:%Y-%m-%dT%H%%3A%M%%3A%S}Z"))
    expect(page.locator("[data-plot]")).not_to_have_attribute("aria-busy", "true")
    expect(reader(page)).to_be_focused()
    zoomed = page.url
    page.keyboard.press("-")
    page.wait_for_url(lambda url: url != zoomed)
    expect(reader(page)).to_be_focused()


def test_picture_follows_the_theme_without_being_loaded_anew(page: Page, history: list[tuple]) -> None:
    page.emulate_media(color_scheme="light")
    page.goto("/portfolio/?range=1d")
    line = page.locator("path.plot-line")
    light = line.evaluate(STROKE)
    page.emulate_media(color_scheme="dark")
    assert line.evaluate(STROKE) != light


def test_new_snapshot_reaches_an_open_chart_by_itself(page: Page, session: Session, history: list[tuple]) -> None:
    page.clock.install()
    page.goto("/portfolio/?range=1d")
    headline = page.locator("[data-chart-nav]")
    reader(page).focus()
    expect(said(page)).to_contain_text("NAV")
    builders.snapshot(session, Decimal("12345.67"))
    page.clock.run_for(16_000)
    expect(headline).to_have_text("12,345.67")
    expect(page.locator("[data-chart-change]")).to_contain_text("+")
    page.keyboard.press("End")
    expect(said(page)).to_contain_text("NAV 12,345.67")


def test_candles_are_read_by_keys(page: Page, history: list[tuple]) -> None:
    page.goto("/market/SOL-USDC")
    expect(page.locator("path.plot-wick")).to_be_visible()
    reader(page).focus()
    expect(reader(page)).to_have_attribute("aria-valuetext", re.compile(r"UTC: close 1\d\d\.\d+, open 1"))


def test_without_a_script_the_chart_is_whole_and_zoomed_by_links(plain: Page, history: list[tuple]) -> None:
    plain.goto("/portfolio/?range=1d")
    expect(plain.get_by_role("img", name=re.compile("^NAV from "))).to_be_visible()
    expect(plain.locator("rect.plot-band-gap")).to_have_count(2)
    expect(reader(plain)).to_be_hidden()
    plain.get_by_text("The chart as a table").click()
    expect(plain.locator("table[data-table=nav_columns] tbody tr").first).to_be_visible()
    plain.get_by_role("link", name="Zoom in").click()
    expect(plain).to_have_url(re.compile(r"\?from=.*&to="))
    plain.get_by_role("link", name="Earlier").click()
    expect(plain.get_by_role("img", name=re.compile("^NAV from "))).to_be_visible()
    expect(plain.locator("table[data-table=snapshots] tbody tr").first).to_be_visible()
