"""Whatever goes wrong below /v1 is one shape, and never a 500."""

import json
from collections.abc import Callable
from io import BytesIO

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from sqlalchemy.exc import InternalError, OperationalError

from tests.api.conftest import Bot, refused
from webapp.extensions import db


def test_an_unknown_address_is_404(stranger: Bot) -> None:
    refused(stranger.get("/nothing/here"), 404, "NOT_FOUND")
    refused(stranger.get("//orders"), 404, "NOT_FOUND")


def test_a_wrong_method_is_405_and_says_which_are_right(stranger: Bot) -> None:
    answer = stranger.ask("DELETE", "/orders")
    refused(answer, 405, "BAD_REQUEST")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize(
    "text", ["abc", "1", "../../etc/passwd", "%00", "0190a6f27c1e7d3a9b526f1c2d3e4f50", "' or 1=1 --"]
)
def test_an_id_that_is_none_is_404(bot: Bot, text: str) -> None:
    refused(bot.get(f"/orders/{text}"), 404, "NOT_FOUND")
    refused(bot.get(f"/cycles/{text}"), 404, "NOT_FOUND")


def test_an_order_or_cycle_that_does_not_exist_is_404(bot: Bot) -> None:
    nobody = "00000000-0000-7000-8000-000000000000"
    assert refused(bot.get(f"/orders/{nobody}"), 404, "NOT_FOUND")["order_id"] == nobody
    assert refused(bot.get(f"/cycles/{nobody}"), 404, "NOT_FOUND")["cycle_id"] == nobody
    refused(bot.post(f"/orders/{nobody}/cancellation"), 404, "NOT_FOUND")


BROKEN = {
    "nothing": b"",
    "no json": b"hello",
    "cut off": b'{"symbol": "SOL',
    "two documents": b"{} {}",
    "a list": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "trailing comma": b'{"symbol": "X",}',
    "single quotes": b"{'symbol': 'X'}",
    "no utf-8": b'{"symbol": "\xff\xfe"}',
    "utf-16": '{"symbol": "X"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"symbol": "X"}',
    "NaN": b'{"proposal": {"qty": NaN}}',
    "Infinity": b'{"proposal": {"qty": Infinity}}',
    "-Infinity": b'{"proposal": {"qty": -Infinity}}',
    "deep lists": b"[" * 100_000,
    "deep lists, closed": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep payload": b'{"proposal": {"payload": ' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}}",
    "huge whole number": b'{"symbol": ' + b"9" * 5000 + b"}",
    "huge fraction": b'{"symbol": 0.' + b"9" * 5000 + b"}",
    "huge exponent": b'{"symbol": 1e999999999}',
    "tiny exponent": b'{"symbol": 1e-99999999999999999999}',
    "name twice": b'{"symbol": "A", "symbol": "B"}',
    "name twice, deep": b'{"proposal": {"payload": {"a": {"b": 1, "b": 1}}}}',
    "NUL": b'{"symbol": "A\\u0000"}',
    "NUL in a name": b'{"sym\\u0000bol": "A"}',
    "raw control character": b'{"symbol": "A\x01"}',
    "half a surrogate pair": b'{"trigger_source": "\\ud800"}',
    "half a pair, deep": b'{"proposal": {"payload": {"a": ["\\udfff"]}}}',
}


TAKE_A_BODY = (
    ("POST", "/trade/cycle"),
    ("POST", "/risk/check"),
    ("POST", "/market/ticks"),
    ("POST", "/kill-switch"),
    ("PUT", "/risk/policy"),
)


def test_a_broken_body_is_400_for_every_call_that_takes_one(bot: Bot) -> None:
    for case, raw in BROKEN.items():
        for method, path in TAKE_A_BODY:
            details = refused(bot.ask(method, path, raw=raw), 400, "BAD_REQUEST")
            assert details["field"], (case, path)
    assert bot.get("/orders").json["items"] == []
    assert bot.get("/kill-switch").json["enabled"] is False


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json;"]
)
def test_another_content_type_is_415(bot: Bot, kind: str) -> None:
    answer = bot.ask("POST", "/trade/cycle", raw=b"{}", **{"Content-Type": kind})
    refused(answer, 415, "BAD_REQUEST")


def test_a_body_too_large_is_413(bot: Bot) -> None:
    refused(bot.ask("POST", "/trade/cycle", raw=b" " * (1024 * 1024 + 1)), 413, "BAD_REQUEST")
    refused(bot.ask("POST", "/market/ticks", raw=b" " * (4 * 1024 * 1024 + 1)), 413, "BAD_REQUEST")


def test_a_chunked_body_too_large_is_413_and_not_cut_off(bot: Bot) -> None:
    body = b'{"symbol": "SOL-USDC"}' + b" " * 1024 * 1024
    answer = bot.client.open(
        "/v1/risk/check",
        method="POST",
        headers=bot.headers | {"Content-Type": "application/json"},
        input_stream=BytesIO(body),
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
    )
    refused(answer, 413, "BAD_REQUEST")


def test_an_unknown_field_is_named_and_all_others_are_listed(bot: Bot) -> None:
    answer = bot.post("/trade/cycle", {"symbol": 5, "colour": "red", "proposal": {"side": "hold", "payload": []}})
    problems = refused(answer, 400, "BAD_REQUEST", "symbol")["problems"]
    assert problems["colour"] == "is not a field of this call"
    assert problems["idempotency_key"] == "is missing"
    assert {"proposal.side", "proposal.qty", "proposal.payload"} <= set(problems)


def test_the_request_id_is_echoed_when_it_is_harmless(stranger: Bot) -> None:
    assert stranger.ask("GET", "/nothing", **{"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    assert stranger.ask("GET", "/nothing", **{"X-Request-Id": "<script>"}).headers["X-Request-Id"] != "<script>"


def test_a_database_that_is_away_is_503_and_says_when_to_come_back(
    app: APIFlask, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("select", {}, Exception("connection refused"))

    with app.app_context():
        monkeypatch.setattr(db.engine.pool, "connect", away)
    for method, path in (("GET", "/health"), ("GET", "/orders"), ("POST", "/trade/cycle")):
        answer = bot.ask(method, path, {})
        assert "same idempotency_key" in refused(answer, 503, "UNAVAILABLE")["next"]
        assert int(answer.headers["Retry-After"]) >= 1
    # A halt has its own connections, also to find out who asks.
    assert bot.post("/kill-switch", {"enabled": True}).status_code == 200


def test_a_halt_that_the_database_does_not_confirm_is_503_and_says_so(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("select", {}, Exception("connection refused"))

    monkeypatch.setattr("webapp.services.kill_switch.aside", away)
    answer = bot.post("/kill-switch", {"enabled": True})
    refused(answer, 503, "UNAVAILABLE")
    assert "Nothing was confirmed" in answer.json["error"]["details"]["next"]


def test_the_halt_of_the_database_itself_is_423(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(Exception):
        pgcode = "PD423"

    def trigger(*_: object, **__: object) -> None:
        raise InternalError("insert", {}, Refused())

    monkeypatch.setattr("webapp.services.trading.check", trigger)
    body = {"symbol": "SOL-USDC"}
    refused(bot.post("/risk/check", body), 423, "KILL_SWITCH_ACTIVE")


def test_a_mistake_of_ours_is_500_without_a_traceback(
    client: FlaskClient, bearer: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistake(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("webapp.api.desk.bot_status", mistake)
    client.application.config["PROPAGATE_EXCEPTIONS"] = False
    answer = client.get("/v1/bot/status", headers=bearer("read"))
    assert answer.status_code == 500
    assert json.loads(answer.data)["error"]["code"] == "INTERNAL_ERROR"
    assert b"secret" not in answer.data
