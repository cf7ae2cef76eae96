"""The kill switch page as evidence: what a halt would do, what each one did, what would halt the desk by itself."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from tests import builders
from tests.services.desks import limits
from webapp.domain.halts import ACTOR, CAUSES
from webapp.models import SelfCheck
from webapp.models.locks import GATE
from webapp.services import kill_switch, self_checks


@pytest.fixture
def operator(logged_in):
    return logged_in("operator")


def stop(engine, reason="a drill", by="user:olga"):
    return kill_switch.halt(engine, reason, by).event_id


def go_on(engine, reason="it is over", **more):
    return kill_switch.release(engine, reason, "user:olga", **more)


def hrefs(node):
    return [link["href"] for link in node.all("a", href=None)]


def check(page, code):
    return page.dom.one("li", data_cause=code)


# --- before a halt --------------------------------------------------------------------------------------------------
def test_preview_lists_each_order_and_position_with_a_link(visit, trader):
    trader.cycle("buy", "2")
    order_id = trader.cycle("buy", "1", limit="98", symbol="ETH-USDC")["order"]["order_id"]
    page = visit("/kill-switch/")

    assert f"/orders/{order_id}" in hrefs(page.dom.one(id="switch-now"))
    assert "/positions/?symbol=SOL-USDC" in hrefs(page.dom.one(id="switch-now"))
    assert "buy 1 ETH-USDC at 98.0000" in page.text
    assert "2 SOL-USDC 200.00 USDC" in page.text


def test_preview_counts_the_trades_that_are_in_the_gate_at_this_moment(visit, engine):
    assert "Inside the gate now no trade." in visit("/kill-switch/").text
    with engine.begin() as trade:
        trade.execute(text("SELECT pg_advisory_xact_lock_shared(:gate)"), {"gate": GATE})
        assert re.search(r"Inside the gate now 1 trade, for \d+ ms", visit("/kill-switch/").text)


def test_preview_of_many_orders_lists_some_and_says_how_many_more(visit, trader, session):
    limits(session, cooldown_seconds=0)
    for _ in range(10):
        trader.cycle("buy", "0.1", limit="98")
    page = visit("/kill-switch/")

    assert page.text.count("buy 0.1 SOL-USDC") == 8
    assert "and 2 more" in page.text


# --- the receipt of any halt ----------------------------------------------------------------------------------------
def test_receipt_of_a_past_halt_stays_what_it_was(visit, trader, engine, operator):
    filled = trader.cycle("buy", "2")["order"]["order_id"]
    resting = trader.cycle("buy", "1", limit="98", symbol="ETH-USDC")["order"]["order_id"]
    event_id = stop(engine)
    for _ in range(3):
        trader.cycle("buy", "1", symbol="BTC-USDC")
    go_on(engine)
    trader.cycle("sell", "2")
    stop(engine, "another one")
    trader.cycle("buy", "1", symbol="BTC-USDC")
    page = visit(f"/kill-switch/events/{event_id}", client=operator)

    receipt = page.dom.one(id="receipt")
    assert {f"/orders/{filled}", f"/orders/{resting}"} <= set(hrefs(receipt))
    for part in ("Orders canceled 1", "Fills since 0", "Proposals refused 3", "2 SOL-USDC 200.00 USDC", "Audit head "):
        assert part in receipt.text
    assert "It lasted" in page.text
    assert "Released by user:olga : it is over" in page.text
    assert "a drill" in page.text


def test_receipt_tells_how_long_the_halt_waited_for_the_gate(visit, engine, session):
    trade = engine.connect()
    trade.execute(text("SELECT pg_advisory_xact_lock_shared(:gate)"), {"gate": GATE})
    receipt = kill_switch.halt(engine, "a drill", "user:olga")
    assert receipt.cut_off == 1
    trade.invalidate()
    said = re.search(r"Waited for the gate (\d\.\d{3}) s", visit(f"/kill-switch/events/{receipt.event_id}").text)

    assert said is not None
    assert kill_switch.PATIENCE_MS / 1000 <= float(said[1]) <= receipt.took_ms / 1000


def test_receipt_names_the_head_of_the_audit_as_the_halt_itself_did(visit, trader, engine):
    trader.cycle("buy", "1")
    receipt = kill_switch.halt(engine, "a drill", "user:olga")
    trader.cycle("buy", "1")

    assert receipt.audit_head in visit("/kill-switch/").text


def test_receipt_for_programs_has_every_figure(client, trader, engine):
    trader.cycle("buy", "2")
    event_id = stop(engine)
    trader.cycle("buy", "1", symbol="BTC-USDC")
    found = client.get(f"/kill-switch/events/{event_id}.json").json

    assert (found["event_id"], found["enabled"], found["reason"]) == (str(event_id), True, "a drill")
    assert (found["canceled"], found["fills_since"], found["refused"], found["after_at"]) == (0, 0, 1, None)
    assert [row["qty"] for row in found["positions_left"]] == ["2.00000000"]


def test_release_has_a_page_too_that_leads_to_what_it_ended(visit, engine):
    halt_id = stop(engine)
    release_id = go_on(engine).event_id
    page = visit(f"/kill-switch/events/{release_id}")

    assert f"/kill-switch/events/{halt_id}" in hrefs(page.dom.one("main"))
    assert "it is over" in page.text


def test_unknown_event_is_a_404(visit):
    visit(f"/kill-switch/events/{uuid4()}", status=404)
    visit("/kill-switch/events/1", status=404)


def test_history_tells_how_long_each_halt_lasted_and_what_it_refused(visit, trader, engine):
    first = stop(engine)
    for _ in range(2):
        trader.cycle("buy", "1")
    go_on(engine)
    second = stop(engine, "another one")
    trader.cycle("buy", "1")
    rows = {row["event_id"]: row for row in visit("/kill-switch/").table("kill_switch_events")}

    assert [rows[str(one)]["refused"] for one in (first, second)] == ["2", "1"]
    assert 0 < float(rows[str(first)]["lasted"]) < 60
    assert rows[str(second)]["lasted"] == ""
    shown = visit("/kill-switch/").shown("kill_switch_events")
    assert [row["lasted"] for row in shown][:2] == ["in force", "\u2013"]


# --- what would halt it, and what ends it ---------------------------------------------------------------------------
def test_desk_that_trades_says_how_near_each_halt_is(visit, trader, session):
    self_checks.run(session)
    builders.heartbeat(session, "engine", builders.now())
    for symbol in ("SOL-USDC", "BTC-USDC", "ETH-USDC"):
        trader.quote(symbol)
    page = visit("/kill-switch/")

    assert "What would halt it by itself all fine" in page.text
    assert "the oldest of 3 symbols" in check(page, "STALE_MARKET_DATA").text
    assert "halts after 120 s" in check(page, "STALE_MARKET_DATA").text
    assert "0.00 USDC: NAV 10,000.00, peak 10,000.00" in check(page, "MAX_DRAWDOWN").text
    assert "halts at 1,000.00 USDC" in check(page, "MAX_DRAWDOWN").text


def test_one_symbol_that_fell_silent_is_named_though_others_are_fresh(visit, trader):
    trader.quote("SOL-USDC")
    trader.quote("BTC-USDC", at=builders.now() - timedelta(seconds=70))
    found = check(visit("/kill-switch/"), "STALE_MARKET_DATA")

    assert found["data-ok"] == "no"
    assert "BTC-USDC, the oldest of 2 symbols, 1 min" in found.text.replace("\u00a0", " ")


def test_symbol_of_the_feed_that_was_never_quoted_is_named(visit, trader):
    trader.quote("SOL-USDC")
    trader.quote("BTC-USDC")
    found = check(visit("/kill-switch/"), "STALE_MARKET_DATA")

    assert found["data-ok"] == "no"
    assert "no quote yet of ETH-USDC; " in found.text


def test_price_that_jumped_is_told(visit, trader):
    trader.quote("SOL-USDC")
    trader.quote("SOL-USDC", trader.price + 13)
    found = check(visit("/kill-switch/"), "PRICE_ANOMALY")

    assert (found["data-ok"], "SOL-USDC 13.00 % within 60 s" in found.text) == ("no", True)


def test_drawdown_beyond_its_limit_is_told_with_what_ends_it(visit, trader, session, engine):
    trader.cycle("buy", "9")
    limits(session, max_drawdown="0.5")
    stop(engine)
    found = check(visit("/kill-switch/"), "MAX_DRAWDOWN")

    assert found["data-ok"] == "no"
    assert "A new base for the drawdown" in found.text


@pytest.mark.parametrize(("name", "code"), [("books", "BOOKS_BROKEN"), ("audit", "AUDIT_BROKEN")])
def test_check_that_failed_is_told_with_what_ends_it(visit, session, engine, name, code):
    builders.add(session, SelfCheck, {"name": name, "ok": False, "rows": 3, "detail": "something is off"})
    stop(engine)
    found = check(visit("/kill-switch/"), code)

    assert found["data-ok"] == "no"
    assert "something is off" in found.text
    assert "halts again within a second" in found.text


@pytest.mark.parametrize(("late", "ok"), [(timedelta(minutes=1), "no"), (timedelta(minutes=-1), "yes")])
def test_check_that_is_overdue_is_not_shown_as_fine(visit, session, late, ok):
    at = builders.now() - self_checks.OVERDUE - late
    row = {"name": "books", "ok": True, "rows": 3, "detail": "NAV follows", "checked_at": at}
    builders.add(session, SelfCheck, row)
    found = check(visit("/kill-switch/"), "BOOKS_BROKEN")

    assert found["data-ok"] == ok
    assert ("overdue" in found.text) is (ok == "no")


def test_silent_engine_is_told(visit, session):
    assert "no engine runs" in check(visit("/kill-switch/"), "ENGINE_LOST").text
    builders.heartbeat(session, "engine", builders.now() - timedelta(seconds=31))
    assert check(visit("/kill-switch/"), "ENGINE_LOST")["data-ok"] == "no"


def test_desk_without_an_account_still_shows_the_switch(visit, session):
    session.execute(text("DELETE FROM account"))
    session.commit()

    assert "Trading is on" in visit("/kill-switch/").text


@pytest.mark.parametrize("code", CAUSES)
def test_automatic_halt_names_its_cause_and_what_ends_it_on_every_page(visit, engine, code):
    stop(engine, f"{code}: 12 of 10", by=ACTOR)
    cause = CAUSES[code]

    assert f"{cause.title}: 12 of 10" in visit("/orders/").dom.one(id="halted-banner").text
    card = visit("/kill-switch/").dom.one("section", class_="card state-card state-on").text
    assert f"{cause.title}: 12 of 10." in card
    assert cause.clears.replace("`", "").split(".")[-2].strip() in card


# --- two people -----------------------------------------------------------------------------------------------------
class TestReleaseByTwoPeople:
    """RELEASE_PEOPLE=2."""

    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"release_people": 2})

    def ask(self, visit, client, **typed):
        form = visit("/kill-switch/", client=client).fill("kill-switch-off", reason="it is over", confirm="RELEASE")
        return client.post("/kill-switch/off", data=form | typed, follow_redirects=True).text

    def test_first_one_waits_for_a_second_who_sees_it_and_releases(self, visit, logged_in, engine, session):
        olga, adam = logged_in("operator"), logged_in("admin")
        stop(engine)
        assert "stays halted until a second person asks for it too" in self.ask(visit, olga)
        assert "user:operator asked for a release" in visit("/kill-switch/", client=adam).text
        assert "stays halted until a second person" in self.ask(visit, olga)
        assert kill_switch.state(session).enabled
        assert "Trading is on again" in self.ask(visit, adam)
        session.rollback()
        assert not kill_switch.state(session).enabled

    def test_wish_that_is_too_old_no_longer_counts_and_that_is_said(self, visit, logged_in, engine, session):
        olga, adam = logged_in("operator"), logged_in("admin")
        stop(engine)
        self.ask(visit, olga)
        session.execute(text("UPDATE release_requests SET requested_at = now() - interval '16 minutes'"))
        session.commit()
        assert "no longer counts" in visit("/kill-switch/", client=adam).text
        assert "stays halted" in self.ask(visit, adam)
        session.rollback()
        assert kill_switch.state(session).enabled


def test_chosen_base_of_the_drawdown_is_put_in_force_and_told(visit, operator, trader, engine):
    trader.cycle("buy", "9")
    trader.quote("SOL-USDC", trader.price - 5)
    stop(engine)
    form = visit("/kill-switch/", client=operator).fill("kill-switch-off", reason="on", confirm="RELEASE")
    told = operator.post("/kill-switch/off", data=form | {"drawdown_base": "peak"}, follow_redirects=True).text
    assert "Drawdown still counts from the peak of 10,000.00 USDC." in told

    stop(engine)
    form = visit("/kill-switch/", client=operator).fill("kill-switch-off", reason="on", confirm="RELEASE")
    told = operator.post("/kill-switch/off", data=form | {"drawdown_base": "nav"}, follow_redirects=True).text
    assert "Drawdown counts anew, from a NAV of 9,95" in told
