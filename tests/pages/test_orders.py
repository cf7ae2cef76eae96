"""One order from the signal to the book, its cycle, and the button that cancels it."""

import json
from datetime import timedelta
from decimal import Decimal
from html import unescape
from uuid import uuid4

import pytest

from tests import builders
from webapp.domain.policy import Policy
from webapp.domain.strategies import get_strategy
from webapp.pages import story
from webapp.services import kill_switch, policy, trading
from webapp.services.trading import CycleRequest


def test_executed_order_tells_its_whole_story(visit, trader):
    answer = trader.cycle("buy", "2", payload={"strategy": "momentum", "bounds": {"low": "1"}, "seen": ["a", "b"]})
    order_id = answer["order"]["order_id"]
    page = visit(f"/orders/{order_id}", title="Buy 2 SOL-USDC")

    told = page.dom.one(class_="outcome outcome-good").text
    assert (
        "Filled in full, in 1 fill: 2 SOL-USDC at 100.0300 for 200.06 USDC and a fee of 0.2001 USDC, at once." in told
    )
    assert "Strategy momentum" in page.text
    assert "Low 1" in page.text
    assert "Seen a, b" in page.text
    assert len(page.table("rules")) == 17
    assert [step["to_status"] for step in page.table("transitions")] == ["proposed", "approved", "executed"]
    assert f"/cycles/{answer['cycle_id']}" in [link["href"] for link in page.dom.all("a", href=None)]


def test_fill_is_explained_by_sums_that_add_up(visit, trader):
    order_id = trader.cycle("buy", "2")["order"]["order_id"]
    page = visit(f"/orders/{order_id}")
    (fill,) = page.table("fills")
    sums = page.dom.one(id=f"fill-{fill['id']}").text

    price = Decimal("100.01") * (1 + Decimal(2) / 10000)
    assert Decimal(fill["fill_price"]) == price == Decimal("100.030002")
    assert "ask 100.01 × (1 + 2/10000) = 100.030002 USDC" in sums
    assert "2 × 100.030002 = 200.060004 USDC" in sums
    assert "200.060004 × 10/10000 = 0.20006 USDC" in sums
    assert "10,000 − 200.060004 − 0.20006 = 9,799.739936 USDC" in sums
    assert "0 + 2 = 2 SOL-USDC" in sums


def test_sale_is_explained_from_the_bid(visit, trader, session):
    policy.change(session, Policy.default().to_document() | {"cooldown_seconds": 0}, by="user:ada")
    trader.cycle("buy", "2")
    order_id = trader.cycle("sell", "1")["order"]["order_id"]
    page = visit(f"/orders/{order_id}")
    sums = page.dom.one(class_="fill-sums").text

    assert "bid 99.99 × (1 − 2/10000) = 99.970002 USDC" in sums
    assert "2 − 1 = 1 SOL-USDC" in sums


def test_limit_fill_says_it_filled_at_its_limit(visit, trader):
    order_id = trader.cycle("buy", "1", limit="98")["order"]["order_id"]
    resting = visit(f"/orders/{order_id}")
    trader.price = Decimal("97.5")
    trader.quote()
    filled = visit(f"/orders/{order_id}")

    assert (
        "Resting: it fills at 98.0000 USDC once the ask reaches it; the ask is 100.0100, 2.05 % above" in resting.text
    )
    assert "It expires" in resting.text
    assert "Nothing has filled." in resting.text
    assert resting.table("fills") == []
    assert "the order's own limit = 98 USDC" in filled.dom.one(class_="fill-sums").text


def test_book_before_and_after_matches_the_fills(visit, trader):
    order_id = trader.cycle("buy", "2")["order"]["order_id"]
    page = visit(f"/orders/{order_id}")
    book = [[cell.get("data-value") for cell in row.all("td")] for row in page.dom.one(class_="before-after").all("tr")]

    assert [Decimal(value) for value in book[1]] == [0, 2, 2]
    assert [Decimal(value) for value in book[3]] == [10_000, Decimal("9799.739936"), Decimal("-200.260064")]
    assert Decimal(book[4][0]) + Decimal(book[4][2]) == Decimal(book[4][1]) < 10_000


def test_refused_order_says_why_in_one_sentence_and_marks_the_rule(visit, trader):
    answer = trader.cycle("buy", "50")
    page = visit(f"/orders/{answer['error']['details']['order_id']}")
    rules = {row["id"]: row for row in page.table("rules")}
    shown = {row["rule"]: row for row in page.shown("rules")}

    assert (
        "Refused by max order notional. The order's notional of 5,001.50 USDC is above the limit of 1,000.00"
        in page.text
    )
    assert rules["MAX_ORDER_NOTIONAL"]["ok"] == "false"
    assert rules["KILL_SWITCH_ACTIVE"]["ok"] == "true"
    assert "Max order notional binds" in shown
    assert shown["Max order notional binds"]["limit"] == "1,000.00 USDC"


def test_rule_bars_show_how_much_of_each_limit_is_used(visit, trader):
    order_id = trader.cycle("buy", "5")["order"]["order_id"]
    page = visit(f"/orders/{order_id}")
    row = page.dom.one("tr", data_id="MAX_ORDER_NOTIONAL")

    assert row.one("td", data_col="usage").text == "50 %"
    assert row.one("svg", role="img")["aria-label"].replace("\u202f", " ") == "50 % of the way to the limit"
    assert row.one("rect", class_="meter-fill")["width"] == "50.0"


def test_order_of_another_program_is_shown_with_what_is_known(visit, session):
    order_id = builders.order(session)
    builders.fill(session, order_id)
    page = visit(f"/orders/{order_id}")

    assert "No verdict was recorded" in page.text
    assert "as another program recorded it" in page.text
    assert "The book around these fills was not recorded" in page.text


@pytest.mark.parametrize("path", ["/orders/", "/cycles/"])
def test_unknown_id_is_404_and_nonsense_too(visit, path):
    visit(f"{path}{uuid4()}", status=404)
    visit(f"{path}nonsense", status=404)


def test_resting_order_can_be_canceled_by_an_operator(visit, trader, logged_in):
    operator = logged_in("operator")
    order_id = trader.cycle("buy", "1", limit="98")["order"]["order_id"]
    page = visit(f"/orders/{order_id}", client=operator)
    operator.post(f"/orders/{order_id}/cancellation", data=page.fill("cancel-order"))
    after = visit(f"/orders/{order_id}", client=operator)

    assert after.table("transitions")[-1]["to_status"] == "canceled"
    assert after.table("transitions")[-1]["actor"] == "user:operator"
    assert not after.has_form("cancel-order")
    assert not visit(f"/orders/{order_id}").has_form("cancel-order")


def test_canceling_what_no_longer_rests_changes_nothing_and_says_so(visit, trader, logged_in, engine):
    operator = logged_in("operator")
    order_id = trader.cycle("buy", "1", limit="98")["order"]["order_id"]
    form = visit(f"/orders/{order_id}", client=operator).fill("cancel-order")
    kill_switch.halt(engine, "x", by="test")
    answer = operator.post(f"/orders/{order_id}/cancellation", data=form, follow_redirects=True)

    assert "Not canceled" in answer.text
    steps = visit(f"/orders/{order_id}").table("transitions")
    assert [step["to_status"] for step in steps].count("canceled") == 1


def test_only_a_resting_order_is_refreshed(visit, trader):
    resting = trader.cycle("buy", "1", limit="98")["order"]["order_id"]
    done = trader.cycle("buy", "1", symbol="ETH-USDC")["order"]["order_id"]

    waits, ended = visit(f"/orders/{resting}").dom, visit(f"/orders/{done}").dom
    assert "hx-get" in waits.one(id="order-story").attrs
    assert waits.one(id=f"fills-{resting}")["hx-get"] == f"/orders/{resting}/fills"
    assert "hx-get" not in ended.one(id="order-story").attrs
    assert "hx-get" not in ended.one(id=f"fills-{done}").attrs


def test_resting_order_is_drawn_again_only_when_something_happened(visit, trader, monkeypatch):
    monkeypatch.setattr(story, "REDRAW_SECONDS", 10**9)
    order_id = trader.cycle("buy", "1", limit="98")["order"]["order_id"]
    block = visit(f"/orders/{order_id}").dom.one(id=f"fills-{order_id}")
    asking = {"HX-Request": "true", **json.loads(block["hx-headers"])}
    path = f"/orders/{order_id}/fills"

    assert visit.client.get(path, headers=asking).status_code == 204
    assert visit.client.get(path).headers["Location"] == f"/orders/{order_id}"
    trader.price = Decimal("97.5")
    trader.quote()
    filled = visit.client.get(path, headers=asking)
    assert filled.status_code == 200
    assert "the order's own limit" in unescape(filled.text)
    assert "<html" not in filled.text


def stages(page):
    """The way as {station: (how it went, what it says)}."""
    return {
        stage.one("p", class_="stage-name").text: (
            stage["class"].removeprefix("stage stage-"),
            stage.one("p", class_="stage-head").text,
        )
        for stage in page.dom.one("ol", class_="stages").all("li")
    }


def test_way_of_an_order_says_how_far_it_came(visit, trader):
    done = visit(f"/orders/{trader.cycle('buy', '2')['order']['order_id']}")
    refused = visit(f"/orders/{trader.cycle('buy', '50', symbol='ETH-USDC')['error']['details']['order_id']}")

    assert stages(done) == {
        "Quote": ("good", "100.0000"),
        "Signal": ("good", "buy"),
        "Gate": ("good", "all 17 pass"),
        "Order": ("good", "executed"),
        "Fills": ("good", "2 at 100.0300"),
        "Book": ("good", "0 → 2"),
    }
    assert stages(refused)["Gate"] == ("bad", "2 of 17 block")
    assert stages(refused)["Fills"] == ("none", "none")


def test_refusal_that_time_mends_names_the_moment_and_others_what_it_takes(visit, trader):
    trader.cycle("buy", "1")
    waits = trader.cycle("buy", "1")["error"]["details"]
    large = trader.cycle("buy", "12", symbol="ETH-USDC")["error"]["details"]
    cooling = visit(f"/orders/{waits['order_id']}")
    too_much = visit(f"/orders/{large['order_id']}")

    (moment,) = cooling.dom.one(class_="outcome outcome-bad").all("time")
    assert moment["datetime"] == waits["retry_at"]
    assert "It could pass from" in cooling.text
    assert "It is 200.36 USDC too much: at this price up to 9.99700069 would pass." in too_much.text


def test_states_say_how_long_each_lasted(visit, trader):
    at = builders.now()
    order_id = trader.cycle("buy", "1", limit="98", now=at)["order"]["order_id"]
    trading.cancel(trader.session, order_id, "user:olga", "changed my mind", at + timedelta(seconds=75))
    page = visit(f"/orders/{order_id}")

    assert [row["lasted"] for row in page.shown("transitions")] == ["0 ms", "1 min 15 s", "for good"]
    assert "Canceled by user:olga after 1 min 15 s: changed my mind. Nothing had filled." in page.text


def test_chart_around_an_order_has_its_marks(visit, trader):
    order_id = trader.cycle("buy", "1", limit="98")["order"]["order_id"]
    trader.price = Decimal("97.5")
    trader.quote()
    plot = visit(f"/orders/{order_id}").dom.one(data_plot="")

    assert [mark.text.split(" at ")[0] for mark in plot.all("svg") if "plot-mark" in mark.get("class")] == [
        "Buy 1 asked for",
        "Bought 1",
    ]
    assert plot.all("line", class_="plot-level")


def test_orders_of_a_symbol_lead_to_each_other(visit, trader, session):
    policy.change(session, Policy.default().to_document() | {"cooldown_seconds": 0}, by="user:ada")
    first, second, third = (trader.cycle("buy", "1")["order"]["order_id"] for _ in range(3))
    trader.cycle("buy", "1", symbol="ETH-USDC")
    page = visit(f"/orders/{second}")

    assert page.dom.one("a", rel="prev")["href"] == f"/orders/{first}"
    assert page.dom.one("a", rel="next")["href"] == f"/orders/{third}"
    assert not visit(f"/orders/{first}").dom.all("a", rel="prev")


def test_verdicts_of_another_program_are_read_as_far_as_they_go(visit, session):
    order_id = builders.order(session, status="rejected", risk_reason="MAX_DRAWDOWN")
    rules = [{"rule": "ODD"}, {"ok": True}, {"rule": "TEXT", "ok": "yes", "value": "lots", "retry_at": "soon"}, "none"]
    builders.risk_event(session, order_id, "blocked", "MAX_DRAWDOWN", details={"rules": rules})
    page = visit(f"/orders/{order_id}")

    assert [(row["rule"], row["ok"], row["value"]) for row in page.table("rules")] == [
        ("ODD", "false", ""),
        ("TEXT", "false", ""),
    ]


def test_order_of_another_program_is_held_against_the_quote_of_its_moment(visit, session):
    at = builders.now() - timedelta(seconds=5)
    builders.ticks(session, "SOL-USDC", [(at - timedelta(seconds=2), 99), (at + timedelta(seconds=2), 101)])
    page = visit(f"/orders/{builders.order(session, at=at)}")

    assert page.dom.one("dd", data_col="mid_price")["data-value"] == "99.00000000"
    assert "Nobody recorded which quote it was" in page.text


def test_line_of_the_audit_says_how_near_a_limit_was_and_when_it_could_pass(visit, trader):
    trader.cycle("buy", "9")
    waits = trader.cycle("buy", "1")["error"]["details"]
    page = visit("/risk/")
    lines = {(row["action"], row["rule"]): row["details"] for row in page.shown("risk_events")}

    assert lines["warned", "Max order notional"].endswith("limit of 1,000.00 USDC. 90 % of it is used.")
    assert "Could pass from" in lines["blocked", "Cooldown seconds"]
    assert waits["retry_at"] in [moment["datetime"] for moment in page.dom.all("time")]


def test_cycle_tells_what_it_saw_what_was_said_and_done(visit, trader):
    answer = trader.cycle("buy", "2")
    page = visit(f"/cycles/{answer['cycle_id']}", title="Cycle of SOL-USDC")

    assert page.dom.one("dd", data_col="ask_price")["data-value"] == "100.01000000"
    assert page.dom.one("dd", data_col="confidence")["data-value"] == "0.90000"
    assert len(page.table("rules")) == 17
    assert "ask 100.01 × (1 + 2/10000)" in page.text
    assert f"/orders/{answer['order']['order_id']}" in [link["href"] for link in page.dom.all("a", href=None)]


def test_blocked_cycle_has_the_same_page(visit, trader):
    answer = trader.cycle("sell", "1")
    page = visit(f"/cycles/{answer['error']['details']['cycle_id']}")

    assert page.dom.one("dd", data_col="outcome")["data-value"] == "blocked"
    assert "Refused by short not allowed" in page.text


def test_cycle_without_a_signal_says_that_nothing_was_seen(visit, session):
    cycle_id = builders.cycle(session, reason="The mean is flat.")
    page = visit(f"/cycles/{cycle_id}")

    assert "The mean is flat." in page.text
    assert "Nothing: no order came of it." in page.text


def test_cycle_that_was_not_asked_names_the_halt(visit, trader, engine, session):
    trader.quote()
    kill_switch.halt(engine, "a drill", by="user:olga")
    request = CycleRequest("SOL-USDC", "test")
    document = trading.run_cycle(session, request, by="engine", strategy=get_strategy("momentum")).document
    page = visit(f"/cycles/{document['error']['details']['cycle_id']}")

    assert "The desk was halted, so nobody was asked. It had been since" in page.text
    assert "by user:olga: “a drill”." in page.text
    assert stages(page)["Gate"] == ("bad", "blocked")


def test_cycle_on_an_old_quote_says_how_old_it_was_and_might_have_been(visit, trader, session):
    at = builders.now()
    trader.quote(at=at - timedelta(seconds=45))
    document = trading.run_cycle(session, CycleRequest("SOL-USDC", "test"), by="engine", now=at).document
    page = visit(f"/cycles/{document['error']['details']['cycle_id']}")

    assert "The newest quote of SOL-USDC was 45 s old; the limit was 30 s, so nobody was asked." in page.text


def test_cycle_known_only_by_its_rows_is_told_all_the_same(visit, session):
    cycle_id = uuid4()
    builders.order(session, cycle_id=cycle_id)
    page = visit(f"/cycles/{cycle_id}")

    assert "written by another program" in page.text


def test_payload_is_read_to_its_depth_and_one_without_end_harms_nothing(visit, trader):
    deep: dict = {"end": 1}
    for _ in range(60):
        deep = {"in": deep}
    said = {"levels": [{"price": "99", "size": 2}, {"price": "98"}], "deep": deep}
    order_id = trader.cycle("buy", "1", payload=said)["order"]["order_id"]
    page = visit(f"/orders/{order_id}")

    assert "Levels Size 2 Price 99 Price 98" in page.text


@pytest.mark.parametrize("text", ["<img src=x>", "</dd><script>alert(1)</script>"])
def test_what_a_bot_said_is_only_ever_text(visit, trader, text):
    order_id = trader.cycle("buy", "1", payload={"why": text, "deep": {text: [text]}})["order"]["order_id"]
    page = visit(f"/orders/{order_id}")

    assert page.text.count(text) >= 2
    assert not page.dom.all("img")
    assert len(page.dom.all("script")) == len(visit("/orders/").dom.all("script"))
