"""A browser on the test's own desk that fails the test when the page complains."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request
from sqlalchemy.orm import Session

from tests.support import PASSWORD
from webapp.config import ROOT, Config
from webapp.services import access

REPORT_VIOLATIONS = """
document.addEventListener('securitypolicyviolation',
  event => console.error('CSP ' + event.effectiveDirective + ' ' + event.blockedURI + ' ' + event.sourceFile));
"""


@pytest.fixture
def settings(settings: Config) -> Config:
    """A desk that everybody may read, as the demo is."""
    return settings.model_copy(update={"public_read": True})


@pytest.fixture
def context(new_context: Callable[..., BrowserContext], live_server: str) -> BrowserContext:
    """Pages open paths of this test's server: `page.goto("/orders/")`. Dates and times read as in UTC."""
    context = new_context(base_url=live_server, timezone_id="UTC", locale="en-GB")
    context.add_init_script(REPORT_VIOLATIONS)
    context.set_default_timeout(10_000)
    return context


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about so far; a test that provokes an error clears it."""
    return []


@pytest.fixture
def page(context: BrowserContext, complaints: list[str], live_server: str) -> Iterator[Page]:
    """A page whose console errors, script errors, CSP reports and requests to other hosts fail the test."""
    page = context.new_page()

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(f"console: {message.text}")

    def on_request(request: Request) -> None:
        if not request.url.startswith((live_server, "data:", "blob:")):
            complaints.append(f"request to another host: {request.url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
    page.on("request", on_request)
    yield page
    assert complaints == []


@pytest.fixture
def plain(new_context: Callable[..., BrowserContext], live_server: str) -> Page:
    """A page in a browser that runs no script at all."""
    context = new_context(base_url=live_server, java_script_enabled=False)
    context.set_default_timeout(10_000)
    return context.new_page()


@pytest.fixture
def log_in(page: Page, session: Session) -> Callable[..., Page]:
    """`log_in("operator")`: the page (or the one given), with a person of that role logged in through the form."""

    def enter(role: str, page: Page = page) -> Page:
        access.ensure_user(session, role, PASSWORD, role)
        page.goto("/login")
        form = page.locator("form[data-form=login]")
        form.locator("[name=username]").fill(role)
        form.locator("[name=password]").fill(PASSWORD)
        form.locator("[type=submit]").click()
        page.wait_for_url("**/")
        return page

    return enter


AXE = ROOT / "tests" / "vendor" / "axe.min.js"
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
# Only what is wrong leaves the browser: all that is right is megabytes of a page.
FAULTS = """rules => axe.run(document, rules).then(found =>
    found.violations.flatMap(fault => fault.nodes.map(node => `${fault.id}: ${node.html.slice(0, 160)}`)))"""
LOOKS = (("light", 1280), ("dark", 320))
"""The theme decides contrast and the width what is shown: a page is seen in both of each."""
BEYOND = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def axe(page: Page) -> Callable[[], list[str]]:
    """`axe()`: what axe-core finds wrong with the page as it stands, one line a fault."""

    def run() -> list[str]:
        if page.evaluate("() => typeof axe") == "undefined":
            page.evaluate(AXE.read_text())
        told: list[str] = page.evaluate(FAULTS, RULES)
        return told

    return run


@pytest.fixture
def faults(page: Page, axe: Callable[[], list[str]]) -> Callable[[str], list[str]]:
    """`faults("/orders/")`: what is wrong with the page, details opened, for whoever cannot see or has a phone."""

    def look(path: str) -> list[str]:
        page.emulate_media(reduced_motion="reduce")
        page.goto(path)
        page.evaluate("() => document.querySelectorAll('main details').forEach((node) => { node.open = true; })")
        told = []
        for theme, width in LOOKS:
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            page.set_viewport_size({"width": width, "height": 800})
            told += [f"{path} in {theme} at {width}: {fault}" for fault in axe()]
            if (beyond := page.evaluate(BEYOND)) > 0:
                told.append(f"{path} scrolls sideways by {beyond} px at {width}")
        return told

    return look
