"""Closing a position from its page: look first, once per form, and a plain word on whatever stands in the way."""

import re
from decimal import Decimal
from uuid import uuid4

import pytest

from tests.support import csrf_token
from webapp.domain.policy import Policy
from webapp.services import kill_switch, policy

PATH = "/positions/SOL-USDC/closing"


def press(visit, client, form):
    """Send the form and look at the page it leads to."""
    answer = client.post(PATH, data=form)
    assert answer.status_code == 303
    return visit(answer.location, client=client, queries=15)


def test_position_is_closed_by_the_form_of_its_page(visit, logged_in, trader):
    trader.cycle("buy", "2")
    olga = logged_in("operator")
    positions = visit("/positions/", client=olga)
    page = visit(PATH, client=olga, title="Close SOL-USDC")
    form = page.fill("close-position")
    order = press(visit, olga, form)

    assert PATH in [link["href"] for link in positions.dom.all("a", href=None)]
    assert "Order sell 2 SOL-USDC at the market" in page.text
    assert "Worth about 199.94 USDC, before the fee" in page.text
    assert "Remains nothing" in page.text
    assert "All 17 rules" not in page.text
    assert len(page.table("rules")) == 17
    assert "Done: sell 2 SOL-USDC." in order.text
    (row,) = visit("/positions/", client=olga).table("positions")
    assert Decimal(row["qty"]) == 0


def test_form_sent_twice_trades_once(visit, logged_in, trader):
    trader.cycle("buy", "2")
    olga = logged_in("operator")
    form = visit(PATH, client=olga).fill("close-position")
    first = olga.post(PATH, data=form)
    again = olga.post(PATH, data=form)

    assert first.status_code == again.status_code == 303
    assert first.location == again.location
    assert len(visit("/fills/", client=olga).table("fills")) == 2


def test_way_out_is_shown_only_to_those_who_may_take_it(visit, logged_in, trader):
    trader.cycle("buy", "2")
    (open_to_all,) = visit("/positions/").table("positions")
    (to_operators,) = visit("/positions/", client=logged_in("operator")).table("positions")

    assert "closing" not in open_to_all
    assert to_operators["closing"]


def test_large_position_says_what_remains(visit, logged_in, trader, session):
    policy.change(session, Policy.default().to_document() | {"cooldown_seconds": 0}, by="user:ada")
    trader.cycle("buy", "9")
    trader.cycle("buy", "9")
    page = visit(PATH, client=logged_in("operator"))

    assert re.search(r"Remains 8\.\d+ SOL-USDC", page.text)


def test_closing_while_halted_has_no_button_and_says_why(visit, logged_in, trader, engine):
    trader.cycle("buy", "2")
    kill_switch.halt(engine, "a drill", by="user:olga")
    page = visit(PATH, client=logged_in("operator"))

    assert not page.has_form("close-position")
    assert "Nothing now. Trading is halted by the kill switch." in page.text


def test_halt_between_the_look_and_the_press_refuses_it(visit, logged_in, trader, engine):
    trader.cycle("buy", "2")
    olga = logged_in("operator")
    form = visit(PATH, client=olga).fill("close-position")
    kill_switch.halt(engine, "a drill", by="user:ada")
    page = press(visit, olga, form)

    assert "Not closed: " in page.text
    assert len(visit("/fills/", client=olga).table("fills")) == 1


def test_nothing_held_is_not_found_and_a_position_gone_meanwhile_trades_nothing(visit, logged_in, trader, session):
    policy.change(session, Policy.default().to_document() | {"cooldown_seconds": 0}, by="user:ada")
    olga = logged_in("operator")
    visit(PATH, client=olga, status=404)
    trader.cycle("buy", "2")
    form = visit(PATH, client=olga).fill("close-position")
    trader.cycle("sell", "2")
    page = press(visit, olga, form)

    assert "Nothing of SOL-USDC was held any more" in page.text


def test_form_without_its_key_trades_nothing(visit, logged_in, trader):
    trader.cycle("buy", "2")
    olga = logged_in("operator")
    form = visit(PATH, client=olga).fill("close-position", key="twice")
    page = press(visit, olga, form)

    assert "Nothing was traded" in page.text
    assert len(visit("/fills/", client=olga).table("fills")) == 1


def test_part_of_a_position_is_closed_when_a_quantity_is_asked_for(visit, logged_in, trader):
    trader.cycle("buy", "2")
    olga = logged_in("operator")
    page = visit(f"{PATH}?qty=0.5", client=olga)
    order = press(visit, olga, page.fill("close-position"))

    assert "Remains 1.5 SOL-USDC" in page.text
    assert order.dom.one("h1").text == "Sell 0.5 SOL-USDC"


@pytest.mark.parametrize("typed", ["0", "-1", "a lot", "1e3", "1,5"])
def test_quantity_that_is_none_is_refused_beside_its_field_and_kept(visit, logged_in, trader, typed):
    trader.cycle("buy", "2")
    page = visit(f"{PATH}?qty={typed}", client=logged_in("operator"), status=422)
    field = page.form("closing-quantity").one("input", name="qty")

    assert (field["value"], field["aria-invalid"]) == (typed, "true")
    assert not page.has_form("close-position")


def test_quantity_that_a_form_made_up_is_refused_and_trades_nothing(visit, logged_in, trader):
    trader.cycle("buy", "2")
    olga = logged_in("operator")
    form = visit(PATH, client=olga).fill("close-position", qty="all")

    visit(PATH, client=olga, post=form, status=422)
    assert len(visit("/fills/", client=olga).table("fills")) == 1


def test_order_that_rests_is_canceled_with_it_and_said_before(visit, logged_in, trader):
    trader.cycle("buy", "2")
    waiting = trader.cycle("sell", "2", limit="104")["order"]["order_id"]
    olga = logged_in("operator")
    page = visit(PATH, client=olga)
    press(visit, olga, page.fill("close-position"))

    assert "Resting orders 1 of SOL-USDC, canceled with it" in page.text
    (order,) = (row for row in visit("/orders/", client=olga).table("orders") if row["id"] == waiting)
    assert order["status"] == "canceled"


def test_policy_that_lets_no_order_pass_is_said_and_not_taken_for_an_old_quote(visit, logged_in, trader, session):
    trader.cycle("buy", "2")
    policy.change(session, Policy.default().to_document() | {"max_order_notional": "0"}, by="user:ada")
    page = visit(PATH, client=logged_in("operator"))

    assert "Nothing now. The order's notional of 199.94 USDC is above the limit of 0.00" in page.text
    assert "no fresh quote" not in page.text


@pytest.mark.parametrize("symbol", ["a%00b", "foo%20bar", "%0d%0aX", "x" * 33, "<b>"])
def test_text_that_is_no_symbol_is_not_found_and_stores_nothing(visit, logged_in, symbol):
    olga = logged_in("operator")
    form = {"csrf_token": csrf_token(olga.get("/logout").text), "key": str(uuid4()), "qty": ""}
    path = f"/positions/{symbol}/closing"

    assert (olga.get(path).status_code, olga.post(path, data=form).status_code) == (404, 404)
    assert visit("/cycles/", client=olga).table("cycles") == []
