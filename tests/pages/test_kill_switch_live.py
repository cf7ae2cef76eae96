"""The kill switch page alive: its live parts, what they cost, and how every page announces a halt."""

import json

import pytest

from tests.services.desks import tamper
from webapp.services import kill_switch

HOSTILE = "<script>alert(1)</script>\"'>{{7*7}}<img src=x onerror=alert(2)>\u202egnp"


@pytest.fixture
def operator(logged_in):
    return logged_in("operator")


def stop(engine, reason="a drill", by="user:olga"):
    return kill_switch.halt(engine, reason, by).event_id


def live(client, path="/kill-switch/now", **headers):
    return client.get(path, headers={"HX-Request": "true", **headers})


def seen(page):
    return json.loads(page.dom.one(id="switch-now")["hx-headers"])


def test_live_part_is_204_until_something_changed_and_leaves_the_forms_alone(visit, operator, trader, engine):
    stop(engine)
    page = visit("/kill-switch/", client=operator)
    assert live(operator, **seen(page)).status_code == 204

    trader.cycle("buy", "1")
    answer = live(operator, **seen(page))
    assert answer.status_code == 200
    assert "Proposals refused" in answer.text
    assert "<form" not in answer.text


def test_live_part_brings_the_other_form_when_the_switch_was_turned(visit, operator, engine):
    page = visit("/kill-switch/", client=operator)
    stop(engine)
    answer = live(operator, **seen(page))

    assert 'id="release-slot" hx-swap-oob="true"' in answer.text
    assert 'data-form="kill-switch-off"' in answer.text
    assert 'data-form="kill-switch-on"' not in answer.text


def test_live_part_opened_as_a_page_leads_to_the_page(client):
    assert client.get("/kill-switch/now").headers["Location"] == "/kill-switch/"


@pytest.mark.parametrize("halted", [False, True])
def test_page_and_its_live_part_cost_few_statements(visit, operator, trader, engine, halted):
    trader.cycle("buy", "2")
    trader.cycle("buy", "1", limit="98", symbol="ETH-USDC")
    if halted:
        stop(engine)
    page = visit("/kill-switch/", client=operator, queries=13)
    visit.statements.clear()
    live(operator, **seen(page))

    assert len(visit.statements) <= 11, "\n".join(visit.statements)
    assert len(live(operator).data) <= 14_000


def test_answer_to_a_halt_by_htmx_loads_the_page_anew_even_at_the_same_address(visit, operator):
    form = visit("/kill-switch/", client=operator).fill("kill-switch-on", reason="now")
    answer = operator.post("/kill-switch/on", data=form, headers={"HX-Request": "true"})

    assert answer.status_code == 204
    assert (answer.headers["HX-Redirect"], answer.headers["HX-Refresh"]) == ("/kill-switch/#receipt", "true")


# --- announced everywhere -------------------------------------------------------------------------------------------
def test_every_pages_name_says_that_the_desk_is_halted(visit, engine, session):
    assert visit("/orders/").dom.one("head").one("title").text == "Orders \u00b7 Paperdesk"
    stop(engine)
    assert visit("/orders/").dom.one("head").one("title").text == "HALTED \u00b7 Orders \u00b7 Paperdesk"
    tamper(engine, "DELETE FROM kill_switch")
    assert visit("/orders/").dom.one("head").one("title").text == "SWITCH UNKNOWN \u00b7 Orders \u00b7 Paperdesk"


def test_banner_is_a_live_region_whose_ticking_age_is_not_read_out(visit, engine):
    stop(engine)
    (region,) = visit("/orders/").dom.all("div", aria_live="assertive")

    assert region.one(id="halted-banner").one("span", aria_live="off").all("time", data_age=None)


@pytest.mark.parametrize("path", ["/kill-switch/", "/orders/", "/", "event"])
def test_hostile_words_of_actor_and_reason_are_shown_and_never_run(visit, engine, path):
    event_id = stop(engine, HOSTILE, by=f"token:{HOSTILE}")
    page = visit(f"/kill-switch/events/{event_id}" if path == "event" else path)

    assert "<img src=x" not in page.response.text
    assert "<script>alert" not in page.response.text
    assert "{{7*7}}" in page.text
    assert "49" not in page.dom.one(id="halted-banner").text
