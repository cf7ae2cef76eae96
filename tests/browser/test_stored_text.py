"""Hostile text in every column there is, and every page opened on it: nothing of it runs, and none of it is markup."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from tests import builders
from tests.browser import poison
from tests.support import PASSWORD
from tests.trader import Trader
from webapp.domain.policy import Policy
from webapp.models import DevnetSmokeRun, Heartbeat, SelfCheck
from webapp.services import access, kill_switch, policy, sharing, tokens, trading

REPORT = """
for (const name of ['pwned', 'alert', 'confirm', 'prompt', 'print', 'open'])
  window[name] = (...what) => console.error('RAN ' + name + ' ' + what);
"""
MARKUP = f"[{poison.MARK}], base, iframe, object, embed, [onerror], [onload], [srcdoc], [href^='javascript:' i], style"
FRAGMENT = """async () => {
  await htmx.ajax('GET', location.pathname + location.search, {target: '#content', swap: 'innerHTML'});
}"""


@pytest.fixture
def settings(settings):
    """Two people to release, so that a release that waits for the second is there to be drawn."""
    return settings.model_copy(update={"public_read": True, "release_people": 2})


def seed(session, engine: Engine) -> None:
    """A desk on which something of everything happened."""
    trader = Trader(session)
    filled = trader.cycle("buy", "1", payload={"strategy": "by hand", "note": "why", "deep": {"list": ["a", 1]}})
    resting = trader.cycle("sell", "1", limit="104")
    trader.cycle("buy", "500")
    trader.cycle("buy", "2", symbol="ETH-USDC")
    assert {filled["outcome"], resting["outcome"]} == {"executed", "resting"}
    trading.cancel(session, resting["order"]["order_id"], by="user:olga", reason="changed my mind")
    policy.change(session, Policy.default().to_document() | {"max_open_positions": 4}, by="user:olga", reason="calmer")
    access.create_user(session, "olga", PASSWORD, "viewer")
    for name, scope in (("olga", "trade"), ("bot", "read")):
        tokens.create_token(session, name, (scope,), "user:olga")
        tokens.pause_token(session, name, "user:olga", "runs wild")
    sharing.create_link(session, "the judges", sharing.SHORTEST, "user:olga")
    now = builders.now()
    run = {"status": "failed", "wallet_check": "failed: no node", "tx_simulation": "not run", "ran_at": now}
    builders.add(session, DevnetSmokeRun, {"run_id": uuid4(), "rpc_latency_ms": None, **run})
    builders.add(session, Heartbeat, {"process": "engine", "pid": 1, "host": "h", "started_at": now, "beat_at": now,
                                      "details": {"version": "one"}})  # fmt: skip
    builders.add(session, SelfCheck, {"name": "books", "ok": False, "rows": 1, "detail": "drift", "checked_at": now})
    builders.snapshots(session, [(now - timedelta(hours=hours), 10_000 + hours) for hours in (30, 5, 1)])
    kill_switch.halt(engine, "drill", by="user:olga")
    kill_switch.release(engine, "over", by="user:olga", people=2)


NO_PAGES = (
    "/login/oidc",
    "/login/oidc/callback",
    "/share/<secret>",
    "/metrics",
    "/readyz",
    "/healthz",
    "/kill-switch/state",
    "/v1",
)
ROWS = {
    "order_id": "SELECT order_id FROM orders ORDER BY created_at",
    "cycle_id": "SELECT cycle_id FROM cycles ORDER BY created_at LIMIT 1",
    "event_id": "SELECT event_id FROM kill_switch_events WHERE enabled LIMIT 1",
    "symbol": "SELECT 'ETH-USDC'",
    "name": "SELECT 'olga'",
}


def give_names_back(engine: Engine) -> None:
    """One person and one bot are called as before, for their names are the addresses of their pages."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE users SET name = 'olga' WHERE role = 'viewer'"))
        connection.execute(text("UPDATE api_tokens SET name = 'olga' WHERE 'trade' = ANY (scopes)"))


def addresses(app: Flask, engine: Engine) -> Iterator[str]:
    """Every page there is, on a row that is there."""
    with engine.connect() as connection:
        values = {name: connection.execute(text(query)).scalars().all() for name, query in ROWS.items()}
    for rule in app.url_map.iter_rules():
        no_page = rule.endpoint in ("static", "bundle") or rule.rule in NO_PAGES or rule.rule.startswith("/v1/")
        if no_page or "GET" not in rule.methods or rule.rule.endswith((".csv", ".json", ":kind>")):
            continue
        for value in values[next(iter(rule.arguments))] if rule.arguments else [None]:
            yield rule.build({name: str(value) for name in rule.arguments})[1]


def test_stored_text_is_never_markup_and_nothing_of_it_runs(app, page, log_in, session, engine, complaints):
    seed(session, engine)
    log_in("admin")
    assert poison.everywhere(engine) > 50
    give_names_back(engine)
    page.add_init_script(REPORT)
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    page.on("popup", lambda popup: complaints.append(f"window: {popup.url}"))
    shown = []
    for address in addresses(app, engine):
        answer = page.goto(address, wait_until="load")
        where = f"{address}: {answer.status}"
        assert answer.status < 500, where
        assert page.locator(MARKUP).count() == 0, where
        if "pwned(3)" in page.content():
            shown.append(address)
        if page.evaluate("() => 'htmx' in window"):
            page.evaluate(FRAGMENT)
            assert page.locator(MARKUP).count() == 0, f"fragment of {where}"
        assert complaints == [], where
    assert len(shown) >= 20, shown
