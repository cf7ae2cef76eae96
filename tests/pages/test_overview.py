"""The first screen: what the desk is worth, how near its limits are, what it did, and how fresh all of it is."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from decimal import Decimal

import pytest

from tests import builders
from tests.pages.conftest import Visitor
from webapp.extensions import db
from webapp.pages import overview
from webapp.services import kill_switch

QUERIES = 8
"""The budget of this page; it has no list and must stay cheap, because everybody leaves it open."""


@pytest.fixture
def alive(session):
    """Quotes, heartbeat, snapshot and a cycle of just now."""
    builders.tick(session)
    builders.heartbeat(session)
    builders.snapshot(session)
    builders.cycle(session)


def figure(page, name):
    return Decimal(page.dom.one(data_figure=name)["data-value"])


def states(page):
    return {node["data-source"]: node["data-state"] for node in page.dom.all(data_source=None)}


def sentence(page):
    return page.dom.one(data_state_sentence="").text


def test_new_desk_reads_as_one_that_has_not_begun(visit: Visitor):
    page = visit("/", title="Overview", queries=QUERIES)

    assert figure(page, "nav") == 10_000
    assert figure(page, "day_change") == 0
    assert states(page) == {
        "quotes": "none yet",
        "engine": "never seen",
        "last cycle": "none yet",
        "snapshots": "none yet",
        "database": "answering",
    }
    assert sentence(page).startswith("The switch is off, yet nothing trades by itself now (engine: never seen)")


def test_desk_that_trades_says_so_in_one_sentence(visit, alive):
    page = visit("/", queries=QUERIES)

    assert sentence(page) == "Trading: quotes are fresh and the engine beats."
    assert set(states(page).values()) == {"fresh", "beating", "on time", "answering"}


def test_halted_desk_is_not_drawn_as_a_dead_one(app, visit, alive):
    with app.app_context():
        kill_switch.halt(db.engine, "a drill", by="user:ada")
    page = visit("/", queries=QUERIES)

    assert states(page)["engine"] == "beating, halted"
    assert sentence(page).startswith("Halted:")
    assert page.dom.one(data_kill_switch=None)["data-kill-switch"] == "on"


def test_silent_engine_and_stale_quotes_are_named(visit, session):
    then = builders.now() - timedelta(minutes=5)
    builders.heartbeat(session, beat_at=then)
    builders.tick(session, "SOL-USDC", at=then)
    builders.tick(session, "BTC-USDC", at=then)
    page = visit("/", queries=QUERIES)

    assert states(page)["engine"] == "silent"
    assert states(page)["quotes"] == "stale"
    assert "quotes: stale; engine: silent" in sentence(page)


def test_one_stale_symbol_does_not_hide_behind_a_fresh_one(visit, alive, session):
    builders.tick(session, "BTC-USDC", at=builders.now() - timedelta(minutes=5))
    page = visit("/", queries=QUERIES)

    assert states(page)["quotes"] == "1 stale"
    assert "BTC-USDC" in page.dom.one(data_source="quotes").text
    assert sentence(page) == "Trading, but look at quotes: 1 stale."


def test_snapshots_and_cycles_that_stopped_coming_are_late(visit, session):
    then = builders.now() - timedelta(minutes=4)
    builders.snapshot(session, at=then)
    builders.cycle(session, at=then)
    page = visit("/", queries=QUERIES)

    assert states(page)["snapshots"] == "late"
    assert states(page)["last cycle"] == "late"


def test_figures_come_from_the_books(visit, alive, session):
    builders.account(session, cash=Decimal(9_000), peak_nav=Decimal(10_400), fees_paid=Decimal("3.5"))
    builders.position(session, "SOL-USDC", qty=10, avg=100, mark=110)
    page = visit("/", queries=QUERIES)

    assert figure(page, "nav") == 10_100
    assert figure(page, "day_change") == 100
    for text in ("300.00", "10,400.00", "9,000.00", "1,100.00", "+100.00", "after 3.50 of fees"):
        assert text in page.text
    (holding,) = page.table("holdings")
    assert (holding["id"], Decimal(holding["market_value"])) == ("SOL-USDC", 1_100)


def test_limits_are_listed_nearest_first_with_value_limit_and_share(visit, alive, session):
    builders.policy(session, max_daily_loss="100", max_trades_per_day=100)
    builders.account(session, cash=Decimal(8_910))
    builders.position(session, "SOL-USDC", qty=10, avg=100, mark=100)
    page = visit("/", queries=QUERIES)
    limits = page.dom.all("li", data_limit=None)

    assert [limit["data-limit"] for limit in limits[:2]] == ["MAX_DAILY_LOSS", "MAX_POSITION_NOTIONAL"]
    assert limits[0].text.startswith("Daily loss since 00:00 UTC 90.00 of 100.00 USDC 90 %")
    assert limits[0].all("svg", role="img")


def test_limit_that_is_reached_says_so(visit, alive, session):
    builders.policy(session, max_drawdown="50")
    builders.account(session, cash=Decimal(9_940))
    first = visit("/", queries=QUERIES).dom.all("li", data_limit=None)[0]

    assert first["data-limit"] == "MAX_DRAWDOWN"
    assert "reached" in first.text


@pytest.mark.parametrize(
    ("order", "fills", "outcome", "said"),
    [
        ({"status": "executed"}, [1], "executed", "Bought 1 at 100.0000 USDC."),
        ({"status": "executed", "side": "sell"}, [1], "executed", "Sold 1 at 100.0000 USDC."),
        ({"status": "executed"}, [1], "resting", "Rested, then bought 1 at 100.0000 USDC."),
        ({"status": "approved"}, ["0.25"], "executed", "Bought 0.25 at 100.0000 USDC; 0.75 still rests."),
        ({"status": "approved", "limit_price": Decimal(90)}, [], "resting", "Resting: buy 1 at 90.0000 USDC."),
        (
            {"status": "canceled", "limit_price": Decimal(90)},
            [],
            "resting",
            "Canceled unfilled: buy 1 at 90.0000 USDC.",
        ),
        ({"status": "rejected", "risk_reason": "MAX_DRAWDOWN"}, [], "blocked", "Blocked by max drawdown."),
    ],
)
def test_cycle_is_told_in_words(visit, session, order, fills, outcome, said):
    order_id = builders.order(session, **order)
    for qty in fills:
        builders.fill(session, order_id, qty=Decimal(qty), side=order.get("side", "buy"))
    builders.cycle(session, outcome=outcome, order_id=order_id)

    assert visit("/", queries=QUERIES).dom.one("p", class_="cycle-text").text == said


def test_a_real_block_is_told_with_its_numbers(visit, trader):
    trader.cycle(qty="50")
    text = visit("/", queries=QUERIES).dom.one("p", class_="cycle-text").text

    assert "5,0" in text
    assert "1,000.00 USDC" in text


def test_live_block_costs_one_statement_when_nothing_changed(visit, alive, session, monkeypatch):
    monkeypatch.setattr(overview, "REDRAW_SECONDS", 10**9)
    block = visit("/").dom.one(id="glance")
    headers = {"HX-Request": "true", **json.loads(block["hx-headers"])}
    visit.statements.clear()

    assert visit.client.get("/", headers=headers).status_code == 204
    assert len(visit.statements) == 1
    builders.tick(session, "SOL-USDC", 105)
    again = visit.client.get("/", headers=headers)
    assert again.status_code == 200
    assert "<html" not in again.text


def test_live_block_is_drawn_again_in_time_although_nothing_came(visit, alive, monkeypatch):
    monkeypatch.setattr(overview, "REDRAW_SECONDS", 1)
    block = visit("/").dom.one(id="glance")
    time.sleep(1.1)
    answer = visit.client.get("/", headers={"HX-Request": "true", **json.loads(block["hx-headers"])})

    assert answer.status_code == 200, "quotes go stale without any new row"


def test_stored_text_is_only_ever_text(visit, session):
    builders.cycle(session, reason="<script>alert(1)</script>")

    assert "<script>alert(1)</script>" in visit("/").text
