"""The kill switch page: halt in one step, release with care, see what it did."""

import json
import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from webapp.domain.errors import Unconfirmed
from webapp.services import kill_switch, sessions
from webapp.web.auth import ROLES


@pytest.fixture
def operator(logged_in):
    return logged_in("operator")


def halt(visit, client, **typed):
    page = visit("/kill-switch/", client=client)
    return client.post("/kill-switch/on", data=page.fill("kill-switch-on", **{"reason": "a drill", **typed}))


def release(visit, client, **typed):
    page = visit("/kill-switch/", client=client)
    form = page.fill("kill-switch-off", **{"reason": "drill is over", "confirm": "RELEASE", **typed})
    return client.post("/kill-switch/off", data=form)


def is_halted(session):
    session.rollback()
    return kill_switch.state(session).enabled


def test_halt_is_one_step_and_every_page_says_so(visit, operator, session):
    answer = halt(visit, operator)

    assert answer.status_code == 303
    assert is_halted(session)
    for path in ("/orders/", "/login", "/nope"):
        page = visit(path, status=404 if path == "/nope" else 200)
        assert page.dom.one(data_kill_switch=None)["data-kill-switch"] == "on"
        assert "Trading is halted" in page.text
        assert "a drill" in page.text


def test_page_says_who_why_and_since_when(visit, operator):
    halt(visit, operator, reason="quotes look wrong")
    page = visit("/kill-switch/", client=operator)

    card = page.dom.one("section", class_="card state-card state-on").text
    assert "user:operator" in card
    assert "quotes look wrong" in card
    assert "just now" in card or "s ago" in card
    (row,) = page.table("kill_switch_events")
    assert (row["enabled"], row["reason"], row["actor"]) == ("true", "quotes look wrong", "user:operator")


def test_preview_names_what_a_halt_would_touch(visit, operator, trader):
    trader.cycle("buy", "2")
    trader.cycle("buy", "1", limit="98", symbol="ETH-USDC")
    text_ = visit("/kill-switch/", client=operator).text

    assert "Resting orders 1, to be canceled" in text_
    assert "Open positions 1, kept as they are" in text_
    assert "Gross exposure 200.00 USDC" in text_


def test_receipt_tells_what_the_halt_did_and_has_kept_off(visit, operator, trader, session):
    filled = trader.cycle("buy", "2")["order"]["order_id"]
    trader.cycle("buy", "1", limit="98", symbol="ETH-USDC")
    halt(visit, operator)
    for _ in range(3):
        assert trader.cycle("buy", "1", symbol="BTC-USDC")["error"]["code"] == "KILL_SWITCH_ACTIVE"
    receipt = visit("/kill-switch/", client=operator).dom.one(id="receipt")

    assert "Orders canceled 1" in receipt.text
    assert f"/orders/{filled}" in [link["href"] for link in receipt.all("a")]
    assert "Fills since 0" in receipt.text
    assert "Proposals refused 3" in receipt.text


def test_halting_twice_keeps_the_first_halt(visit, operator, session):
    stale = visit("/kill-switch/", client=operator).fill("kill-switch-on", reason="second")
    halt(visit, operator, reason="first")
    answer = operator.post("/kill-switch/on", data=stale, follow_redirects=True)

    assert "halted before" in answer.text
    assert kill_switch.state(session).reason == "first"


@pytest.mark.parametrize("reason", ["", "   ", "x" * 5000, "a\x00b"])
def test_nothing_about_the_reason_keeps_the_desk_from_halting(visit, operator, session, reason):
    assert halt(visit, operator, reason=reason).status_code == 303
    assert is_halted(session)


def test_page_left_open_for_a_day_still_halts(visit, operator, session, monkeypatch):
    form = visit("/kill-switch/", client=operator).fill("kill-switch-on", reason="now")
    tomorrow = time.time() + 86_400
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: tomorrow)

    assert operator.post("/kill-switch/on", data=form).status_code == 303
    assert is_halted(session)


def test_unconfirmed_halt_never_looks_like_a_success(visit, operator, monkeypatch, session):
    def fail(*_args, **_more):
        raise Unconfirmed("no answer")

    form = visit("/kill-switch/", client=operator).fill("kill-switch-on", reason="now")
    monkeypatch.setattr(kill_switch, "halt", fail)
    page = visit("/kill-switch/on", client=operator, post=form, status=503)

    assert page.dom.one("h1").text == "Not confirmed: assume trading is ON"
    assert page.form("kill-switch-on").one("input", name="reason")["value"] == "now"


@pytest.mark.parametrize(
    ("typed", "field"),
    [({"confirm": "release"}, "confirm"), ({"confirm": ""}, "confirm"), ({"reason": " "}, "reason"),
     ({"reason": "x" * 501}, "reason"), ({"reason": "a\x00"}, "reason"),
     ({"confirm": "", "drawdown_base": "peak"}, "confirm")],
)  # fmt: skip
def test_release_without_the_word_or_a_reason_keeps_the_halt_and_what_was_typed(visit, operator, session, typed, field):
    halt(visit, operator)
    page = visit("/kill-switch/", client=operator)
    form = page.fill("kill-switch-off", **{"reason": "drill is over", "confirm": "RELEASE", **typed})
    refused = visit("/kill-switch/off", client=operator, post=form, status=422)

    assert is_halted(session)
    assert refused.dom.one("input", name=field)["aria-invalid"] == "true"
    for kept in ("reason", "confirm"):
        assert refused.dom.one("input", name=kept)["value"] == form[kept]
    chosen = [radio["value"] for radio in refused.dom.all("input", type="radio") if "checked" in radio.attrs]
    assert chosen == [form["drawdown_base"]]


def test_overlong_reason_of_a_release_is_told_by_how_much(visit, operator):
    halt(visit, operator)
    form = visit("/kill-switch/", client=operator).fill("kill-switch-off", reason="x" * 612, confirm="RELEASE")
    refused = visit("/kill-switch/off", client=operator, post=form, status=422)

    assert "A reason must not be longer than 500 characters; it has 612." in refused.text


def test_overlong_reason_of_a_halt_is_cut_and_that_is_said(visit, operator, session):
    halt(visit, operator, reason="x" * 612)

    assert len(kill_switch.state(session).reason) == 500
    assert "Its reason was longer than 500 characters" in visit("/kill-switch/", client=operator).text


def test_release_lets_the_desk_trade_and_is_written_down(visit, operator, session, trader):
    halt(visit, operator)
    answer = release(visit, operator)
    page = visit("/kill-switch/", client=operator)

    assert answer.status_code == 303
    assert not is_halted(session)
    assert [row["enabled"] for row in page.table("kill_switch_events")] == ["false", "true"]
    assert trader.cycle("buy")["outcome"] == "executed"


def test_releasing_what_is_not_halted_changes_nothing(visit, operator, session):
    halt(visit, operator)
    form = visit("/kill-switch/", client=operator).fill("kill-switch-off", reason="r", confirm="RELEASE")
    release(visit, operator)
    answer = operator.post("/kill-switch/off", data=form, follow_redirects=True)

    assert "Nothing was released" in answer.text


@pytest.mark.parametrize("role", ROLES)
def test_forms_are_there_for_those_who_may(visit, logged_in, engine, role):
    client, may = logged_in(role), role != "viewer"
    assert visit("/kill-switch/", client=client).has_form("kill-switch-on") is may
    assert ("Halt" in visit("/orders/", client=client).dom.one(id="desk-state").text) is may

    kill_switch.halt(engine, "x", by="test")
    assert visit("/kill-switch/", client=client).has_form("kill-switch-off") is may


class TestReleaseByAdminsOnly:
    """RELEASE_ROLE=admin."""

    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"release_role": "admin"})

    def test_operator_may_halt_but_not_release(self, visit, operator, session):
        halt(visit, operator)
        page = visit("/kill-switch/", client=operator)
        form = {"csrf_token": page.dom.all("input", name="csrf_token")[0]["value"], "reason": "x", "confirm": "RELEASE"}

        assert not page.has_form("kill-switch-off")
        assert "Releasing needs the role admin" in page.text
        assert operator.post("/kill-switch/off", data=form).status_code == 403
        assert is_halted(session)

    def test_admin_may(self, visit, operator, logged_in, session):
        halt(visit, operator)
        release(visit, logged_in("admin"))

        assert not is_halted(session)


@pytest.mark.parametrize("statement", ["DELETE FROM kill_switch", "DROP TABLE kill_switch CASCADE"])
def test_state_that_cannot_be_read_is_drawn_as_on_and_says_unknown(visit, operator, session, statement):
    session.execute(text(statement))
    session.commit()
    page = visit("/orders/", client=operator)

    assert page.dom.one(data_kill_switch="on")
    assert "state unknown" in page.text
    assert "assume trading is ON" in page.text
    assert "Trades are refused" in page.text


def test_state_that_claims_to_be_off_but_is_not_known_counts_as_on(visit, monkeypatch):
    monkeypatch.setattr(kill_switch, "state", lambda _session: kill_switch.SwitchState(enabled=False, known=False))

    assert visit("/orders/").dom.one(data_kill_switch=None)["data-kill-switch"] == "on"


def test_halt_works_while_the_pool_is_empty(visit, operator, session, monkeypatch):
    """Who was seen a moment ago may halt even when the database cannot say who they are."""
    form = visit("/kill-switch/", client=operator).fill("kill-switch-on", reason="now")
    monkeypatch.setattr(sessions, "visitor", pool_is_empty)
    answer = operator.post("/kill-switch/on", data=form)

    assert answer.status_code == 303
    assert is_halted(session)


def test_nothing_but_halting_is_done_on_a_remembered_role(visit, operator, session, monkeypatch):
    halt(visit, operator)
    form = visit("/kill-switch/", client=operator).fill("kill-switch-off", reason="r", confirm="RELEASE")
    monkeypatch.setattr(sessions, "visitor", pool_is_empty)

    assert operator.post("/kill-switch/off", data=form).status_code == 503
    assert is_halted(session)


def pool_is_empty(*_args, **_more):
    raise PoolTimeout("QueuePool limit reached")


def test_badge_refreshes_for_204_until_the_state_changes(visit, operator, engine):
    page = visit("/orders/", client=operator)
    seen = json.loads(page.dom.one(id="desk-state")["hx-headers"])
    asking = {"HX-Request": "true", **seen}
    assert operator.get("/kill-switch/state", headers=asking).status_code == 204

    kill_switch.halt(engine, "x", by="test")
    answer = operator.get("/kill-switch/state", headers=asking)
    assert answer.status_code == 200
    assert 'data-kill-switch="on"' in answer.text
    assert 'id="halted-banner" hx-swap-oob="true"' in answer.text
