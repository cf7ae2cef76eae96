"""axe-core finds no fault on any page in either theme, and none scrolls sideways, wide or on a phone."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest

from tests import builders
from webapp.models import DevnetSmokeRun
from webapp.services import kill_switch


@pytest.fixture
def everything(trader, session, engine):
    """The pages of a desk on which each has something to show."""
    now = builders.now()
    minutes = [n for n in range(1_200, 1, -5) if not 400 < n < 520]
    builders.snapshots(session, [(now - timedelta(minutes=n), Decimal(10_000 + n % 97)) for n in minutes])
    quotes = [(now - timedelta(seconds=20 * n), 100 + n % 3) for n in range(1, 90)]
    builders.ticks(session, "SOL-USDC", quotes)
    executed = trader.cycle("buy", "2")
    refused = trader.cycle("buy", "50", symbol="ETH-USDC")["error"]["details"]
    trader.cycle("buy", "1", limit="98", symbol="BTC-USDC")
    builders.heartbeat(session)
    at = builders.now()
    for latency in (80, 95):
        run = {"run_id": builders.new_id(at), "status": "passed", "rpc_latency_ms": latency, "ran_at": at}
        builders.add(session, DevnetSmokeRun, run)
    halt = kill_switch.halt(engine, "a drill " + "x" * 200, by="user:olga").event_id
    kill_switch.release(engine, "it is over", by="user:olga")
    return [
        *("/", "/portfolio/?range=1d", "/market/", "/market/SOL-USDC", "/market/?symbol=SOL-USDC"),
        *("/orders/", "/signals/", "/fills/", "/cycles/", "/risk/", "/risk/policy"),
        *("/positions/", "/positions/SOL-USDC/closing"),
        *("/kill-switch/", f"/kill-switch/events/{halt}"),
        *("/smoke-runs/", "/system/", "/logout", "/find?q=sol", "/offline", "/v1/docs"),
        *(f"/orders/{order_id}" for order_id in (executed["order"]["order_id"], refused["order_id"])),
        f"/cycles/{refused['cycle_id']}",
        *("/no/such/page", "/find?q=zzzz", "/orders/?status=bought"),
    ]


@pytest.mark.timeout(300)
def test_no_page_has_an_accessibility_fault_or_scrolls_sideways(log_in, everything, faults, complaints):
    told = faults("/login")
    log_in("admin")
    for path in everything:
        told += faults(path)
    # The error pages at the end are errors, and the browser says so.
    complaints[:] = [text for text in complaints if not re.search(r"status of (404|422)", text)]

    assert "\n".join(told) == ""


def test_no_page_of_a_desk_in_trouble_has_a_fault_either(log_in, trader, session, engine, faults):
    """Halted, stale, over a limit, without an engine: every sign and every tone."""
    trader.cycle("buy", "2")
    trader.cycle("buy", "1", limit="98", symbol="ETH-USDC")
    builders.policy(session, max_daily_loss="1", stale_after_seconds=1, auto_halt_stale_seconds=2)
    builders.account(session, cash=Decimal(9_000))
    kill_switch.halt(engine, "a drill", by="user:olga")
    trader.cycle("buy", "1")
    log_in("admin")

    assert [fault for path in ("/", "/kill-switch/", "/system/") for fault in faults(path)] == []


def test_no_page_of_an_empty_desk_has_a_fault_either(faults):
    assert [fault for path in ("/", "/portfolio/") for fault in faults(path)] == []


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
