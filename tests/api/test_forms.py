"""The form of a request: what cannot be answered, or would be ignored in silence, is refused; a halt never is."""

import pytest
from apiflask import APIFlask
from sqlalchemy import event

from tests.api.conftest import Bot, refused
from webapp.api.calls import CALLS
from webapp.extensions import db


def test_an_answer_the_caller_cannot_take_is_406(bot: Bot) -> None:
    for accept in ("text/html", "application/xml, text/*;q=0.5", "application/json;q=0"):
        refused(bot.ask("GET", "/orders", Accept=accept), 406, "BAD_REQUEST")
        refused(bot.ask("POST", "/trade/cycle", {}, Accept=accept), 406, "BAD_REQUEST")
    for accept in ("*/*", "application/*", "text/html, */*;q=0.1", "application/json", ""):
        assert bot.ask("GET", "/orders", Accept=accept).status_code == 200
    assert bot.client.get("/v1/docs", headers={"Accept": "text/html"}).status_code == 200


def test_a_parameter_nobody_reads_is_refused_everywhere(app: APIFlask, bot: Bot) -> None:
    nobody = "00000000-0000-7000-8000-000000000000"
    for call in CALLS.values():
        path = call.path.replace("<uuid:order_id>", nobody).replace("<uuid:cycle_id>", nobody)
        if not call.urgent:
            refused(bot.ask(call.method, f"{path}?verbose=1", {}), 400, "BAD_REQUEST", "verbose")


def test_a_halt_is_refused_for_nothing_but_what_it_says(bot: Bot) -> None:
    answer = bot.ask("POST", "/kill-switch?now=yes", {"enabled": True}, Accept="text/html")
    assert (answer.status_code, answer.json["enabled"]) == (200, True)


def test_a_halt_works_while_every_connection_of_the_web_is_taken(app: APIFlask, bot: Bot) -> None:
    with app.app_context():
        pool = db.engine.pool

    def none_left(*_: object) -> None:
        raise TimeoutError("the pool was asked")

    event.listen(pool, "checkout", none_left)
    try:
        assert bot.post("/kill-switch", {"enabled": True}).status_code == 200
    finally:
        event.remove(pool, "checkout", none_left)


def test_options_tell_the_methods_without_a_token_and_head_is_a_get_without_a_body(bot: Bot, stranger: Bot) -> None:
    answer = stranger.ask("OPTIONS", "/risk/policy")
    assert (answer.status_code, answer.data) == (204, b"")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "PUT"}
    assert "Content-Type" not in answer.headers
    head, whole = bot.ask("HEAD", "/positions"), bot.get("/positions")
    assert (head.status_code, head.data, head.mimetype) == (200, b"", whole.mimetype)
    assert stranger.client.head("/v1/orders").status_code == 401


def test_a_slash_too_many_is_forgiven_and_nothing_is_ever_redirected(bot: Bot, stranger: Bot) -> None:
    assert bot.get("/orders/").status_code == 200
    assert stranger.client.get("/v1").json["openapi"] == "/v1/openapi.json"
    assert stranger.get("/").status_code == 200
    for path in ("//orders", "/orders//", "/./orders"):
        assert bot.get(path).status_code in (200, 404)


def test_the_same_key_is_the_same_with_a_slash_too_many(bot: Bot) -> None:
    body = {"symbol": "SOL-USDC", "trigger_source": "test", "idempotency_key": "k"}
    first = bot.post("/trade/cycle", body)
    assert bot.post("/trade/cycle/", body).data == first.data


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "identity, gzip"])
def test_a_body_that_is_packed_is_415(bot: Bot, coding: str) -> None:
    refused(bot.post("/trade/cycle", {}, **{"Content-Encoding": coding}), 415, "BAD_REQUEST")


def test_lists_and_states_say_in_their_body_too_that_they_are_paper_and_of_when(bot: Bot) -> None:
    for path in ("/orders", "/positions", "/bots", "/kill-switch", "/bot/status", "/health"):
        answer = bot.get(path)
        assert answer.json["mode"] == "paper"
        assert answer.json["as_of"].endswith("Z")


def test_every_error_says_what_to_do_next(bot: Bot, stranger: Bot) -> None:
    answers = [
        stranger.get("/orders"), bot.get("/nothing"), bot.ask("PATCH", "/orders"), bot.get("/orders?x=1"), bot.trade(),
        bot.post("/trade/cycle"), bot.post("/kill-switch", {"enabled": False, "reason": "x"}),
    ]  # fmt: skip
    assert {answer.status_code for answer in answers} == {400, 401, 404, 405, 409}
    for answer in answers:
        assert answer.json["error"]["details"]["next"]


def test_where_time_mends_a_refusal_the_header_says_in_how_many_seconds(bot: Bot) -> None:
    bot.quote()
    bot.trade()
    answer = bot.trade()
    details = refused(answer, 409, "RISK_BLOCKED")
    assert 50 < int(answer.headers["Retry-After"]) <= 60
    assert details["retry_at"] in details["next"]
    bigger = bot.trade(symbol="SOL-USDC", qty="100")
    assert "Retry-After" not in bigger.headers
