"""Budgets a minute: kept, told, given back; and what is never counted."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from apiflask import APIFlask
from sqlalchemy.orm import Session

from tests.api.conftest import Bot, cycle, refused
from webapp.api import pace
from webapp.api.errors import RateLimited
from webapp.api.pace import Limiter
from webapp.config import Config
from webapp.services import tokens
from webapp.services.tokens import Caps

READS, WRITES = 5, 3


@pytest.fixture
def settings(settings: Config) -> Config:
    return settings.model_copy(update={"rate_limit_reads": READS, "rate_limit_writes": WRITES})


@pytest.fixture
def minute(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The limiter's clock in seconds, to be turned by hand."""
    clock = [1000.0]
    monkeypatch.setitem(app.extensions, pace._KEY, Limiter(lambda: clock[0]))
    return clock


@pytest.mark.usefixtures("minute")
def test_every_answer_says_what_is_left_and_the_one_too_many_when_to_come_back(bot: Bot, minute: list[float]) -> None:
    for left in reversed(range(READS)):
        headers = bot.get("/orders?limit=nonsense").headers
        assert (headers["RateLimit-Limit"], headers["RateLimit-Remaining"]) == (str(READS), str(left))
        assert headers["RateLimit-Reset"] == "60"
    minute[0] += 20.5
    answer = bot.get("/orders")
    details = refused(answer, 429, "RATE_LIMITED")
    assert (details["rule"], details["budget"], details["limit"]) == ("RATE_LIMIT", "reads", READS)
    assert details["retry_after_seconds"] == 40
    assert "same idempotency_key" in details["next"]
    assert [answer.headers[name] for name in ("Retry-After", "RateLimit-Remaining")] == ["40", "0"]
    minute[0] += 40
    assert bot.get("/orders").status_code == 200


@pytest.mark.usefixtures("minute")
def test_reads_writes_and_cancellations_are_counted_apart_and_token_by_token(
    bot: Bot, bot_with: Callable[..., Bot]
) -> None:
    bot.quote()
    resting = bot.trade(limit_price="96").json["order"]
    while bot.trade().status_code != 429:
        pass
    refused(bot.post("/market/ticks", {"ticks": []}), 429, "RATE_LIMITED")
    assert bot.get("/health").status_code == 200
    assert bot.post("/risk/check", {"symbol": "SOL-USDC"}).status_code == 200
    assert bot.post(f"/orders/{resting['order_id']}/cancellation").status_code == 200
    assert bot_with("trade").trade().status_code == 409


@pytest.mark.usefixtures("minute")
def test_a_halt_is_never_counted(bot: Bot) -> None:
    while bot.trade().status_code != 429:
        pass
    for _ in range(20):
        answer = bot.post("/kill-switch", {"enabled": True, "reason": "test"})
        assert answer.status_code == 200
        assert "RateLimit-Limit" not in answer.headers
    assert bot.post("/kill-switch", {"enabled": False, "reason": "over"}).status_code == 200


@pytest.mark.usefixtures("minute")
def test_a_token_of_fewer_cycles_has_a_budget_of_its_own(bot: Bot, session: Session) -> None:
    (own,) = bot.get("/bots").json["items"]
    tokens.set_caps(session, own["name"], Caps(cycles_per_minute=2))
    for left in ("1", "0"):
        answer = bot.trade()
        assert (answer.status_code, answer.headers["RateLimit-Remaining"]) == (409, left)
        assert answer.headers["RateLimit-Limit"] == "2"
    assert refused(bot.trade(), 429, "RATE_LIMITED")["budget"] == "cycles"


@pytest.mark.usefixtures("minute")
def test_a_request_turned_away_is_carried_out_later_under_the_same_key(bot: Bot, minute: list[float]) -> None:
    bot.quote()
    while bot.trade(qty="100").status_code != 429:
        pass
    body = cycle()
    refused(bot.post("/trade/cycle", body), 429, "RATE_LIMITED")
    minute[0] += 60
    bot.quote()
    assert bot.post("/trade/cycle", body).status_code == 202


def test_with_a_limit_of_zero_nothing_is_counted(
    bot: Bot, app: APIFlask, settings: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "PAPERDESK", settings.model_copy(update={"rate_limit_reads": 0}))
    for _ in range(2 * READS):
        answer = bot.get("/health")
        assert (answer.status_code, "RateLimit-Limit" in answer.headers) == (200, False)


def test_refusals_are_told_at_most_every_ten_seconds_and_none_is_lost(minute: list[float], app: APIFlask) -> None:
    limiter, token = app.extensions[pace._KEY], uuid4()

    def flood() -> int:
        told = 0
        for _ in range(100):
            with pytest.raises(RateLimited):
                limiter.take(token, "reads", 0)
            told += limiter.to_tell(token)
        return int(told)

    first = flood()
    assert first == 1
    minute[0] += 10
    assert first + flood() + limiter.to_tell(token, at_once=True) == 200
    assert limiter.to_tell(token, at_once=True) == 0


def test_budgets_of_tokens_long_gone_are_forgotten(
    minute: list[float], app: APIFlask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "MOST_WINDOWS", 10)
    limiter = app.extensions[pace._KEY]
    for _ in range(10):
        limiter.take(uuid4(), "reads", 5)
    minute[0] += 61
    limiter.take(uuid4(), "reads", 5)
    assert len(limiter._windows) == 1
