"""One box for everything: ids, the ends of ids, symbols, pages."""

from uuid import uuid4

import pytest

from tests import builders
from webapp.models import KillSwitchEvent, RiskEvent


@pytest.fixture
def story(trader, session):
    """Everything one trade leaves behind, by kind."""
    answer = trader.cycle("buy", "1")
    order = answer["order"]
    decision = session.query(RiskEvent).one()
    return {
        "order": (order["order_id"], f"/orders/{order['order_id']}"),
        "cycle": (answer["cycle_id"], f"/cycles/{answer['cycle_id']}"),
        "signal": (order["signal_id"], f"/cycles/{answer['cycle_id']}"),
        "fill": (answer["fills"][0]["fill_id"], f"/orders/{order['order_id']}#fill-{answer['fills'][0]['fill_id']}"),
        "decision": (str(decision.risk_event_id), f"/orders/{order['order_id']}"),
    }


def asked(client, text):
    return client.get("/find", query_string={"q": text})


@pytest.mark.parametrize("kind", ["order", "cycle", "signal", "fill", "decision"])
def test_whole_id_or_its_end_leads_to_the_page_that_shows_it(client, story, kind):
    row_id, address = story[kind]

    for text in (row_id, row_id.upper(), f"  {row_id} ", row_id.replace("-", ""), row_id[-8:]):
        answer = asked(client, text)
        assert (answer.status_code, answer.location) == (303, address), text


def test_turn_of_the_switch_is_found_too(client, session):
    at = builders.now()
    event_id = builders.new_id(at)
    builders.add(session, KillSwitchEvent, {"event_id": event_id, "enabled": True, "created_at": at})

    assert asked(client, str(event_id)).location == f"/kill-switch/events/{event_id}"


def test_cycle_of_another_program_is_found_by_its_order(client, session):
    cycle_id = uuid4()
    builders.order(session, cycle_id=cycle_id)

    assert asked(client, str(cycle_id)).location == f"/cycles/{cycle_id}"


def test_end_that_several_share_lists_them_all(visit, session):
    for start in ("01a20524-44e0-7c34-8000-1111", "01a20524-44e0-7c34-8000-2222"):
        builders.order(session, order_id=f"{start}deadbeef")
    page = visit("/find?q=deadbeef", title="Find")

    assert len(page.dom.one("ul", class_="found card").all("li")) == 2
    assert page.dom.one(id="find-here")["value"] == "deadbeef"


def test_symbol_lists_what_there_is_of_it_and_a_page_is_gone_to(visit, client, session):
    builders.tick(session, "SOL-USDC")
    links = [link["href"] for link in visit("/find?q=sol").dom.one("ul", class_="found card").all("a")]

    assert "/orders/?symbol=SOL-USDC" in links
    assert asked(client, "smoke").location == "/smoke-runs/"


@pytest.mark.parametrize("text", ["zzzz", "%", "_______", "'; DROP TABLE orders", "0" * 36, "é" * 90, "deadbeef"])
def test_what_is_nowhere_is_a_404_that_keeps_what_was_asked(visit, text):
    response = asked(visit.client, text)

    assert response.status_code == 404
    assert "Nothing here is called" in response.text


def test_nothing_asked_is_the_box_alone(visit):
    page = visit("/find", title="Find")

    assert "is called" not in page.text
