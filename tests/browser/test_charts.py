"""Charts in a real browser: drawn, read, recoloured, kept up to date; and what stands there without a script."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy.orm import Session

from tests import builders
from webapp.config import Config

PIXEL = """(canvas) => {
  // How many pixels of the picture are not transparent.
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let drawn = 0;
  for (let i = 3; i < data.length; i += 4) if (data[i]) drawn += 1;
  return drawn;
}"""
COLOURS = """(figure) => {
  // The colours that occur in the chart, most frequent first.
  const seen = {};
  for (const canvas of figure.querySelectorAll('canvas')) {
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] < 250) continue;
      const key = [data[i], data[i + 1], data[i + 2]].join(',');
      seen[key] = (seen[key] || 0) + 1;
    }
  }
  return Object.entries(seen).sort((a, b) => b[1] - a[1]).slice(0, 12).map(([key]) => key);
}"""


@pytest.fixture
def settings(settings: Config) -> Config:
    """A desk that everybody may read."""
    return settings.model_copy(update={"public_read": True})


@pytest.fixture
def history(session: Session) -> list[tuple]:
    """A day of NAV with a gap, an hour of quotes of one symbol."""
    now = builders.now()
    minutes = [n for n in range(1_200, -1, -5) if not 400 < n < 520]
    curve = [(now - timedelta(minutes=n), Decimal(10_000 + n % 97 - n // 9)) for n in minutes]
    builders.snapshots(session, curve)
    builders.ticks(session, "SOL-USDC", [(now - timedelta(seconds=20 * n), 150 + n % 13) for n in range(180)])
    return curve


@pytest.fixture
def plain(new_context: Callable[..., BrowserContext], live_server: str) -> Page:
    """A browser without scripts."""
    return new_context(base_url=live_server, java_script_enabled=False).new_page()


def drawn(page: Page) -> int:
    """Pixels on all canvases of the chart."""
    return sum(canvas.evaluate(PIXEL) for canvas in page.locator("[data-chart-canvas] canvas").element_handles())


def test_nav_chart_takes_the_place_of_the_still_picture(page: Page, history: list[tuple]) -> None:
    page.goto("/portfolio/?range=1d")
    figure = page.locator("figure[data-chart=nav]")
    expect(figure.locator("canvas").first).to_be_visible()
    expect(figure.locator("[data-chart-still]")).to_be_hidden()
    assert drawn(page) > 3_000
    expect(figure.get_by_role("link", name="www.tradingview.com")).to_be_visible()


def test_candles_are_drawn_for_the_chosen_symbol(page: Page, history: list[tuple]) -> None:
    page.goto("/market/?symbol=SOL-USDC&interval=1m")
    expect(page.locator("figure[data-chart=candles] canvas").first).to_be_visible()
    assert drawn(page) > 1_000
    page.get_by_role("link", name="15m").click()
    expect(page).to_have_url(re.compile("interval=15m"))
    expect(page.locator("figure[data-chart=candles] canvas").first).to_be_visible()


def test_pointing_at_the_chart_reads_it_out(page: Page, history: list[tuple]) -> None:
    page.goto("/portfolio/?range=1d")
    canvas = page.locator("[data-chart-canvas]")
    expect(canvas).to_be_visible()
    readout = page.locator("[data-chart-readout]")
    canvas.hover(position={"x": 30, "y": 60})
    expect(readout).to_have_text(re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC: NAV [\d,.]+ USDC.*; drawdown "))
    box = canvas.bounding_box()
    assert box is not None
    canvas.hover(position={"x": (box["width"] - 70) * 0.62, "y": 60})
    expect(readout).to_have_text(re.compile("nothing was recorded"))


def test_chart_follows_the_theme_without_being_loaded_anew(page: Page, history: list[tuple]) -> None:
    page.emulate_media(color_scheme="light")
    page.goto("/portfolio/?range=1d")
    figure = page.locator("figure[data-chart=nav]")
    expect(figure.locator("canvas").first).to_be_visible()
    page.wait_for_timeout(300)
    light = figure.evaluate(COLOURS)
    page.get_by_role("button", name="Dark or light").click()
    page.wait_for_timeout(300)
    dark = figure.evaluate(COLOURS)
    # --accent of tokens.css in its two themes: the line is drawn in it.
    assert "10,85,102" in light
    assert "116,203,217" in dark
    assert "10,85,102" not in dark


def test_new_snapshot_reaches_an_open_chart_by_itself(page: Page, session: Session, history: list[tuple]) -> None:
    page.clock.install()
    page.goto("/portfolio/?range=1d")
    headline = page.locator("[data-chart-nav]")
    expect(page.locator("[data-chart-canvas] canvas").first).to_be_visible()
    builders.snapshot(session, Decimal("12345.67"))
    page.clock.run_for(11_000)
    expect(headline).to_have_text("12,345.67")
    expect(page.locator("[data-chart-change]")).to_contain_text("+")


def test_ranges_are_links_that_choose(page: Page, history: list[tuple]) -> None:
    page.goto("/portfolio/")
    page.get_by_role("navigation", name="Range of the chart").get_by_role("link", name="1h").click()
    expect(page).to_have_url(re.compile(r"range=1h$"))
    chosen = page.get_by_role("navigation", name="Range of the chart").locator("[aria-current=true]")
    expect(chosen).to_have_text("1h")


def test_without_a_script_the_still_picture_and_the_table_say_the_same(plain: Page, history: list[tuple]) -> None:
    plain.goto("/portfolio/?range=1d")
    still = plain.locator("[data-chart-still]")
    expect(still.get_by_role("img", name=re.compile("^NAV from "))).to_be_visible()
    expect(still.locator("path.chart-bridge")).to_have_count(1)
    expect(plain.locator("[data-chart-canvas]")).to_be_hidden()
    expect(plain.locator("table[data-table=snapshots] tbody tr").first).to_be_visible()
    plain.goto("/market/?symbol=SOL-USDC")
    expect(plain.get_by_role("img", name=re.compile("^SOL-USDC in "))).to_be_visible()


@pytest.mark.parametrize("path", ["/portfolio/?range=1d", "/market/", "/market/?symbol=SOL-USDC"])
def test_page_fits_any_screen_and_is_accessible_in_both_themes(
    page: Page, session: Session, history: list[tuple], axe: Callable[[], list[str]], path: str
) -> None:
    builders.position(session)
    builders.cycle(session)
    for scheme, width in (("light", 320), ("dark", 320), ("light", 1280), ("dark", 1280)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(path)
        page.wait_for_timeout(300)
        beyond = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 0, f"{beyond} px too wide at {width}"
        assert axe() == []
