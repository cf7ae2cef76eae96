"""Hostile values in every field and parameter: refused by name or taken harmlessly, and never an answer of 5xx."""

import copy
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote as quoted
from urllib.parse import urlencode

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.api.conftest import Bot, cycle
from tests.api.hostile import OTHERS, TEXTS
from webapp.api.openapi import document
from webapp.config import Config
from webapp.domain.errors import InvalidPolicy
from webapp.domain.policy import FIELDS, Policy
from webapp.services import books

NOBODY = "00000000-0000-7000-8000-000000000000"
QUOTE = {"symbol": "SOL-USDC", "bid_price": "99.99", "ask_price": "100.01", "event_at": "2026-01-31T09:30:00Z"}
WHOLE = cycle(limit_price="100", expected_loss="1", payload={"model": {"name": "m"}})
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/trade/cycle"): WHOLE,
    ("POST", "/risk/check"): WHOLE,
    ("POST", "/market/ticks"): {"ticks": [QUOTE]},
    ("POST", "/kill-switch"): {"enabled": True, "reason": "test"},
    ("POST", f"/orders/{NOBODY}/cancellation"): {"reason": "test"},
}
REFUSALS = {400, 404, 409, 423}


@pytest.fixture
def settings(settings: Config) -> Config:
    """No pace: these are more requests than a bot sends in a minute."""
    return settings.model_copy(update={"rate_limit_reads": 0, "rate_limit_writes": 0})


def test_the_table_is_long_enough() -> None:
    assert len(TEXTS) >= 60


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside a JSON document, of containers as well."""
    if path:
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in inside:
        yield from places(child, (*path, name))


def replaced(whole: Any, path: tuple[Any, ...], value: Any) -> Any:
    made = copy.deepcopy(whole)
    place = made
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return made


@pytest.mark.parametrize(("method", "path"), BODIES, ids=lambda part: part.removesuffix(NOBODY)[:20])
def test_in_every_field_of_a_body(bot: Bot, session: Session, method: str, path: str) -> None:
    bot.quote()
    seen: Counter[int] = Counter()
    for place in places(BODIES[method, path]):
        for value in (*TEXTS.values(), *OTHERS.values()):
            body = replaced(BODIES[method, path], place, value)
            answer = bot.ask(method, path, body)
            assert answer.status_code in {200, 201, 202} | REFUSALS, (place, value)
            seen[answer.status_code] += 1
    assert seen[400] >= 20
    assert books.verify(session).drifts == []


def test_in_every_name_of_a_body(bot: Bot) -> None:
    for (method, path), whole in list(BODIES.items())[::3]:
        for name in TEXTS.values():
            details = bot.ask(method, path, {**whole, name: 1}).json["error"]["details"]
            assert details["field"].isprintable()


def test_in_every_limit_of_the_policy(bot: Bot) -> None:
    good = Policy.default().to_document()
    for name in FIELDS:
        for value in (*TEXTS.values(), *OTHERS.values()):
            with suppress(InvalidPolicy):
                Policy.from_document(good | {name: value})
    names = list(FIELDS)
    for number, value in enumerate((*TEXTS.values(), *OTHERS.values())):
        for name in (names[number % len(names)], "reason", value if isinstance(value, str) else "version"):
            assert bot.put("/risk/policy", good | {name: value}).status_code in (200, 400), (name, value)


@pytest.mark.parametrize("path", ["/orders", "/risk/events", "/bots"])
def test_in_every_parameter_of_a_list(bot: Bot, path: str) -> None:
    described = document()["paths"][f"/v1{path}"]["get"]["parameters"]
    for parameter in [one["name"] for one in described if one["in"] == "query"]:
        for value in TEXTS.values():
            answer = bot.get(f"{path}?{urlencode({parameter: value})}")
            assert answer.status_code in (200, 400), (parameter, value)
            if answer.status_code == 400:
                assert answer.json["error"]["details"]["field"] == parameter


PATHS = (("GET", "/orders/{}"), ("GET", "/cycles/{}"), ("POST", "/orders/{}/cancellation"))


def test_in_every_path(bot: Bot) -> None:
    for method, path in PATHS:
        for value in TEXTS.values():
            answer = bot.ask(method, path.format(quoted(value, safe="")))
            assert answer.status_code in (200, 400, 404, 405), (path, value)


HEADERS = ("Authorization", "X-Request-Id", "Accept", "Content-Type", "Content-Encoding", "Host", "X-Forwarded-For")


def test_in_every_header(bot: Bot) -> None:
    for name in HEADERS:
        for value in TEXTS.values():
            if "\r" in value or "\n" in value:
                continue  # no server hands these on
            answer = bot.ask("POST", "/risk/check", {}, **{name: value.encode().decode("latin-1")})
            assert answer.status_code in (400, 401, 406, 415), (name, value)


def test_what_was_taken_is_told_again_as_it_was_sent(bot: Bot, engine: Engine) -> None:
    """Stored text is neither cut, escaped nor run: it comes back as JSON holds it."""
    bot.quote()
    for value in TEXTS.values():
        body = cycle(payload={"note": value[:5000]}, qty="100")
        answer = bot.post("/trade/cycle", body)
        if answer.status_code == 409:
            order = bot.get(f"/orders/{answer.json['error']['details']['order_id']}").json
            assert order["signal"]["strategy_payload"] == {"note": value[:5000]}
        else:
            assert answer.status_code == 400
            assert "\x00" in value
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM signals")).scalar_one() == len(TEXTS) - 2
