"""What went wrong, said on a page that still shows the switch."""

import pytest
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from webapp.domain.errors import BadInput, BadQuote, Conflict, InvalidPolicy, NotFound, OutOfRange, Unconfirmed
from webapp.queries import timeline
from webapp.services import kill_switch


def raising(error):
    def fail(*_args, **_more):
        raise error

    return fail


class Missing(Exception):
    pgcode = "42P01"


AWAY = OperationalError("SELECT 1", {}, Exception("connection refused"))


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (AWAY, 503, "database does not answer"),
        (PoolTimeout("QueuePool limit"), 503, "database does not answer"),
        (ProgrammingError("SELECT 1", {}, Missing()), 503, "not migrated"),
        (NotFound("there is no such thing"), 404, "there is no such thing"),
        (Conflict("not now"), 409, "not now"),
        (BadInput("qty", "must be a number"), 422, "qty must be a number"),
        (OutOfRange("nav does not fit"), 422, "nav does not fit"),
        (InvalidPolicy({"fee_bps": "is missing"}), 422, "fee_bps: is missing"),
        (BadQuote("crossed", "bid above ask"), 400, "bid above ask"),
        (Unconfirmed("assume trading is ON"), 503, "assume trading is ON"),
    ],
)
def test_error_becomes_a_page_with_its_status_and_sentence(visit, monkeypatch, error, status, said):
    monkeypatch.setattr(timeline, "page", raising(error))
    page = visit("/orders/", status=status)

    assert said in page.text
    assert page.dom.one(data_error=str(status))


def test_mistake_of_ours_is_a_500_page_without_its_details(visit, app, monkeypatch):
    app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setattr(timeline, "page", raising(ZeroDivisionError("secret detail")))
    page = visit("/orders/", status=500)

    assert "secret detail" not in page.text
    assert "The desk made a mistake" in page.text


def test_database_that_is_away_leaves_the_switch_unknown_and_asks_it_only_once(visit, monkeypatch):
    asked = []

    def refuse(_session):
        asked.append(1)
        raise AWAY

    monkeypatch.setattr(timeline, "page", raising(AWAY))
    monkeypatch.setattr(kill_switch, "state", refuse)
    page = visit("/orders/", status=503)

    assert page.dom.one(data_kill_switch="on")
    assert "state unknown" in page.text
    assert len(asked) == 0, "after a failure the page must not wait for the database again"


@pytest.mark.parametrize(("kind", "mimetype"), [("csv", "text/plain"), ("json", "application/json")])
def test_twin_of_a_list_fails_in_its_own_form(client, monkeypatch, kind, mimetype):
    monkeypatch.setattr(timeline, "page", raising(AWAY))
    answer = client.get(f"/orders.{kind}")

    assert answer.status_code == 503
    assert answer.mimetype == mimetype


def test_live_block_is_told_in_a_fragment(client, monkeypatch):
    monkeypatch.setattr(timeline, "page", raising(AWAY))
    answer = client.get("/orders/", headers={"HX-Request": "true"})

    assert answer.status_code == 503
    assert "<html" not in answer.text


def test_unknown_address_is_a_404_page(visit):
    page = visit("/no/such/page", status=404, title="There is nothing here")

    assert "No page has this address" in page.text


def test_wrong_method_is_a_405_page_that_names_the_right_ones(visit):
    page = visit("/kill-switch/on", status=405)

    assert "POST" in page.response.headers["Allow"]


def test_forged_form_is_a_400_page_and_does_nothing(visit):
    page = visit("/login", post={"username": "x", "password": "y"}, status=400)

    assert "nothing was done" in page.text
