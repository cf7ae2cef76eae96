"""The first screen: does it trade, what is it worth, how near its limits are, how fresh all of it is."""

from __future__ import annotations

import gzip
import json
import time
from datetime import timedelta
from decimal import Decimal

import pytest

from tests import builders
from tests.pages.conftest import Visitor
from webapp.extensions import db
from webapp.models import SelfCheck
from webapp.pages import overview, standing
from webapp.services import kill_switch

QUERIES = 8
"""The budget of this page; it has no list and must stay cheap, because everybody leaves it open."""
FRAGMENT_BYTES = 6_000


@pytest.fixture
def alive(session):
    """Quotes, heartbeat, snapshot and a cycle of just now; books and audit checked."""
    for symbol in ("SOL-USDC", "BTC-USDC", "ETH-USDC"):
        builders.tick(session, symbol)
    builders.heartbeat(session)
    builders.snapshot(session)
    builders.cycle(session)
    checked(session)


def checked(session, **broken):
    now = builders.now()
    for name, rows in (("books", 12), ("audit", 340)):
        detail = broken.get(name)
        row = {"name": name, "ok": detail is None, "rows": rows, "detail": detail or "fine", "checked_at": now}
        builders.add(session, SelfCheck, row)


def figure(page, name):
    return Decimal(page.dom.one(data_figure=name)["data-value"])


def states(page):
    return {node["data-source"]: node["data-state"] for node in page.dom.all(data_source=None)}


def sentence(page):
    return page.dom.one(data_state_sentence="").text


def step(page):
    return page.dom.one("div", data_standing=None).text


def limit(page, code):
    return page.dom.one("li", data_limit=code)


def funnel(page):
    return {row["data-stage"]: [cell["data-value"] for cell in row.all("td")] for row in page.dom.all(data_stage=None)}


def test_new_desk_says_what_to_do_first(visit: Visitor):
    page = visit("/", title="Overview", queries=QUERIES)

    assert figure(page, "nav") == 10_000
    assert figure(page, "day_change") == 0
    assert states(page) == {
        "quotes": "none yet",
        "strategy": "none yet",
        "engine": "not running",
        "snapshots": "none yet",
        "database": "answering",
        "books": "not checked",
        "audit": "not checked",
    }
    assert sentence(page) == "A new desk: the switch is off and nothing has happened yet."
    assert "make engine" in page.dom.one(data_first_steps="").text
    assert page.dom.one(data_why="").text == "No fill in the last hour: no quote came, nobody looked."


def test_desk_that_trades_says_so_in_one_sentence(visit, alive):
    page = visit("/", queries=QUERIES)

    assert sentence(page) == "Trading: quotes are fresh, the engine beats, books and audit are whole."
    assert set(states(page).values()) == {"fresh", "on time", "beating", "answering", "reconciled", "whole"}
    assert page.dom.all(data_first_steps="") == []
    assert {node["data-quote"] for node in page.dom.all(data_quote=None)} == {"SOL-USDC", "BTC-USDC", "ETH-USDC"}


def test_halted_desk_is_not_drawn_as_a_dead_or_stale_one(app, visit, alive):
    with app.app_context():
        kill_switch.halt(db.engine, "a drill", by="user:ada")
    page = visit("/", queries=QUERIES)

    assert states(page)["engine"] == "halted, alive"
    assert sentence(page).startswith("Halted, and alive:")
    assert page.dom.one(data_kill_switch=None)["data-kill-switch"] == "on"
    signs = {node["class"].split()[-1] for node in page.dom.all("li", data_source=None)}
    assert signs == {"source-ok", "source-halted"}
    assert "halted for" in page.dom.one(class_="spark-note").text


def test_halted_desk_without_an_engine_says_both(app, visit, alive, session):
    with app.app_context():
        kill_switch.halt(db.engine, "a drill", by="user:ada")
    session.execute(db.text("DELETE FROM heartbeats"))
    session.commit()
    page = visit("/", queries=QUERIES)

    assert sentence(page) == "Halted, and not well besides: engine not running."
    assert "make engine" in step(page)


def test_silent_engine_and_stale_quotes_are_named_with_a_next_step(visit, session):
    then = builders.now() - timedelta(minutes=5)
    builders.heartbeat(session, beat_at=then)
    builders.tick(session, "SOL-USDC", at=then)
    builders.tick(session, "BTC-USDC", at=then)
    page = visit("/", queries=QUERIES)

    assert states(page)["engine"] == "silent"
    assert states(page)["quotes"] == "stale"
    assert "quotes stale, engine silent" in sentence(page)
    assert "make engine" in step(page)


def test_one_stale_symbol_does_not_hide_behind_a_fresh_one(visit, alive, session):
    builders.tick(session, "DOGE-USDC", at=builders.now() - timedelta(minutes=5))
    assert states(visit("/"))["quotes"] == "fresh", "nobody waits for a symbol that the desk neither holds nor is fed"
    builders.position(session, "DOGE-USDC")
    page = visit("/", queries=QUERIES)

    assert states(page)["quotes"] == "1 stale"
    assert "DOGE-USDC" in page.dom.one("li", data_source="quotes").text
    assert sentence(page) == "Trading, but look at quotes 1 stale."


def test_snapshots_and_cycles_that_stopped_coming_are_late(visit, session):
    then = builders.now() - timedelta(minutes=4)
    builders.snapshot(session, at=then)
    builders.cycle(session, at=then)
    page = visit("/", queries=QUERIES)

    assert states(page)["snapshots"] == "late"
    assert states(page)["strategy"] == "late"


def test_a_database_that_answers_late_is_slow(visit, alive, monkeypatch):
    monkeypatch.setattr(standing, "SLOW_SECONDS", 0.0)
    page = visit("/", queries=QUERIES)

    assert states(page)["database"] == "slow"
    assert sentence(page) == "Trading, but look at database slow."


def test_books_that_do_not_add_up_are_the_first_thing_said(visit, session):
    builders.tick(session)
    builders.heartbeat(session)
    checked(session, books="1 drift, first: cash")
    page = visit("/", queries=QUERIES)

    assert states(page)["books"] == "BROKEN"
    assert "1 drift, first: cash" in page.dom.one("li", data_source="books").text
    assert "books BROKEN" in sentence(page)
    assert "books rebuild" in step(page)
    assert "difference found" in limit(page, "SELF_CHECKS").text


def test_figures_come_from_the_books(visit, alive, session):
    builders.account(session, cash=Decimal(9_000), peak_nav=Decimal(10_400), fees_paid=Decimal("3.5"))
    builders.position(session, "SOL-USDC", qty=10, avg=100, mark=110)
    page = visit("/", queries=QUERIES)

    assert figure(page, "nav") == 10_100
    assert figure(page, "day_change") == 100
    assert figure(page, "drawdown") == 300
    for text in ("300.00", "halts at 1,000", "9,000.00", "10.9 %", "1,100.00", "+100.00", "after 3.50 of fees"):
        assert text in page.text.replace("\u202f", " ")
    (holding,) = page.dom.all("li", class_="holding")
    assert (holding["data-id"], holding.one(class_="holding-value")["data-value"]) == (
        "SOL-USDC",
        "1100.0000000000000000",
    )


def test_limits_are_listed_nearest_first_with_value_limit_unit_and_share(visit, alive, session):
    builders.policy(session, max_daily_loss="100", max_trades_per_day=100)
    builders.account(session, cash=Decimal(8_910))
    builders.position(session, "SOL-USDC", qty=10, avg=100, mark=100)
    page = visit("/", queries=QUERIES)
    limits = page.dom.all("li", data_limit=None)

    assert [node["data-limit"] for node in limits[:2]] == ["MAX_DAILY_LOSS", "MAX_POSITION_NOTIONAL"]
    assert limits[0].text.startswith("Daily loss today, UTC 90.00 of 100 USDC 90")
    assert limits[0].all("svg", role="img")
    assert "limit-warn" in limits[0]["class"]


def test_limit_that_is_reached_says_so(visit, alive, session):
    builders.policy(session, max_drawdown="60")
    builders.account(session, cash=Decimal(9_940))
    first = visit("/", queries=QUERIES).dom.all("li", data_limit=None)[0]

    assert first["data-limit"] == "MAX_DRAWDOWN"
    assert "reached" in first.text


def test_each_orders_limits_are_as_the_last_order_measured(visit, trader):
    trader.cycle(qty="9", confidence="0.65")
    page = visit("/", queries=QUERIES)

    assert "of 1,000 USDC" in limit(page, "MAX_ORDER_NOTIONAL").text
    assert "0.65, at least 0.6" in limit(page, "MIN_CONFIDENCE").text
    assert "limit-warn" in limit(page, "MIN_CONFIDENCE")["class"]


def test_funnel_counts_what_the_desk_did_and_leads_to_the_lists(visit, trader):
    trader.cycle()
    trader.cycle()
    trader.cycle(qty="50")
    page = visit("/", queries=QUERIES)

    assert funnel(page)["Proposals"] == ["3", "3"]
    assert funnel(page)["Filled"] == ["1", "1"]
    assert funnel(page)["cooldown seconds"] == ["1", "1"]
    assert page.dom.one(data_why="").text == (
        "1 of 3 proposals filled in the last hour; 2 blocked, most by cooldown seconds (1)."
    )
    row = page.dom.one("tr", data_stage="cooldown seconds")
    listed = visit(row.all("a")[0]["href"], queries=20)
    assert len(listed.table("orders")) == 1


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ([], "No fill in the last hour: quotes came, but no cycle ran; the engine runs them."),
        (
            [("no_signal", None)] * 2,
            "No fill in the last hour: 2 cycles looked, and the strategies saw no trade worth its costs in any.",
        ),
        (
            [("no_signal", None), ("blocked", "STALE_MARKET_DATA")],
            "No fill in the last hour: in 1 of 2 cycles quotes were stale.",
        ),
    ],
)
def test_running_but_not_trading_is_answered(visit, session, outcomes, said):
    builders.tick(session)
    for outcome, reason in outcomes:
        builders.cycle(session, outcome=outcome, reason=reason)

    assert visit("/", queries=QUERIES).dom.one(data_why="").text == said


def test_who_proposed_is_told_with_what_came_of_it(visit, trader):
    trader.cycle()
    trader.cycle()
    page = visit("/", queries=QUERIES)
    (bot,) = page.dom.all("li", data_bot=None)

    assert bot["data-bot"] == "token:bot"
    assert "1 accepted, 1 blocked, most by cooldown seconds" in bot.text


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
        ({"status": "rejected", "risk_reason": "MAX_DRAWDOWN"}, [], "blocked", "Buy 1 blocked by max drawdown."),
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

    assert text.startswith("Buy 50 blocked: the order's notional of 5,0")
    assert text.endswith("is above the limit of 1,000.00 USDC.")


@pytest.mark.parametrize(("seconds_ago", "said"), [(20, "has"), (90, "had")])
def test_a_cooldown_is_told_as_of_now(visit, session, seconds_ago, said):
    then = builders.now() - timedelta(seconds=seconds_ago)
    order_id = builders.order(session, status="rejected", risk_reason="COOLDOWN_SECONDS", at=then)
    details = {"rule": "COOLDOWN_SECONDS", "value": "10", "limit": "60", "sentence": "It ends in 50 s."}
    details["retry_at"] = (then + timedelta(seconds=50)).isoformat()
    builders.risk_event(session, order_id, "blocked", "COOLDOWN_SECONDS", details=details, at=then)
    builders.cycle(session, outcome="blocked", order_id=order_id, reason="COOLDOWN_SECONDS", at=then)
    text = visit("/").dom.one("p", class_="cycle-text").text

    assert text.startswith(f"Buy 1 blocked: the cooldown of 60 s {said} ")
    assert text.endswith("50 s left." if said == "had" else "s left.")


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


def test_fragment_of_a_busy_desk_stays_small_on_the_wire(visit, alive, session, trader):
    now = builders.now()
    builders.snapshots(
        session, [(now - timedelta(minutes=5 * n), Decimal(10_000) + (n * 37) % 101) for n in range(1, 288)]
    )
    for side, qty in (("buy", "1"), ("buy", "2"), ("buy", "50"), ("sell", "9"), ("buy", "3"), ("buy", "4")):
        trader.cycle(side, qty)
    for number in range(8):
        builders.position(session, f"COIN{number}-USDC", qty=number + 1, avg=100, mark=101)
    answer = visit.client.get("/", headers={"HX-Request": "true", "Accept-Encoding": "gzip"})

    assert len(answer.data) <= FRAGMENT_BYTES
    assert "glance" in gzip.decompress(answer.data).decode()


def test_stored_text_is_only_ever_text(visit, session):
    builders.cycle(session, reason="<script>alert(1)</script>")

    assert "<script>alert(1)</script>" in visit("/").text
