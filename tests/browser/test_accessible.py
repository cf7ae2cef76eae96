"""axe-core finds no fault on any page in either theme, and none scrolls sideways, wide or on a phone."""

import re

import pytest

from tests import builders
from tests.trader import Trader
from webapp.models import DevnetSmokeRun
from webapp.services import kill_switch


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"public_read": True})


@pytest.fixture
def trader(session):
    return Trader(session)


@pytest.fixture
def everything(trader, session, engine):
    """A desk on which every page has something to show."""
    executed = trader.cycle("buy", "2")
    refused = trader.cycle("buy", "50", symbol="ETH-USDC")["error"]["details"]
    resting = trader.cycle("buy", "1", limit="98", symbol="BTC-USDC")
    builders.heartbeat(session)
    at = builders.now()
    for latency in (80, 95):
        run = {"run_id": builders.new_id(at), "status": "passed", "rpc_latency_ms": latency, "ran_at": at}
        builders.add(session, DevnetSmokeRun, run)
    kill_switch.halt(engine, "a drill", by="user:olga")
    kill_switch.release(engine, "it is over", by="user:olga")
    return [
        *("/", "/portfolio/", "/market/", "/market/SOL-USDC", "/market/?symbol=SOL-USDC"),
        *("/orders/", "/signals/", "/fills/", "/cycles/", "/positions/", "/risk/", "/risk/policy", "/kill-switch/"),
        *("/smoke-runs/", "/system/", "/logout", "/find", "/find?q=sol", "/offline", "/v1/docs"),
        *(
            f"/orders/{order_id}"
            for order_id in (executed["order"]["order_id"], refused["order_id"], resting["order"]["order_id"])
        ),
        *(f"/cycles/{cycle_id}" for cycle_id in (executed["cycle_id"], refused["cycle_id"])),
        *("/no/such/page", "/find?q=zzzz", "/orders/?status=bought"),
    ]


# The theme decides contrast and the width what is shown: each page is seen in both of each.
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 320)])
def test_no_page_has_an_accessibility_fault_or_scrolls_sideways(
    page, log_in, everything, axe, complaints, theme, width
):
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 800})
    told = []
    for path in ["/login", *everything]:
        if path == everything[0]:
            log_in("admin")
        page.goto(path)
        told += [f"{path}: {fault}" for fault in axe()]
        beyond = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if beyond > 0:
            told.append(f"{path} scrolls sideways by {beyond} px")
    # The error pages at the end are errors, and the browser says so.
    complaints[:] = [text for text in complaints if not re.search(r"status of (404|422)", text)]

    assert told == []


def test_what_lies_over_a_page_is_accessible_too(page, axe):
    page.goto("/orders/")
    page.keyboard.press("?")
    told = axe()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    told += axe()
    page.keyboard.press("Escape")
    page.evaluate("() => { document.getElementById('away').hidden = false; }")

    assert told + axe() == []


def test_halted_desk_is_accessible_too(page, log_in, engine, axe):
    kill_switch.halt(engine, "a drill", by="user:olga")
    log_in("admin")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.goto("/kill-switch/")
        assert axe() == []
