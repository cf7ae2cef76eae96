"""A bot that talks to the API, and the small steps every test of it takes."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

ALL = ("read", "trade", "halt", "admin")


class Bot:
    """A client with a token. Every answer is checked for what all answers of /v1 have in common."""

    def __init__(self, client: FlaskClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers

    def ask(self, method: str, path: str, body: Any = None, raw: bytes | None = None, **headers: str) -> TestResponse:
        """Send JSON (or the raw bytes given) and check the frame of what comes back."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        more = {"Content-Type": "application/json"} if data is not None else {}
        answer = self.client.open(f"/v1{path}", method=method, data=data, headers=self.headers | more | headers)
        check_frame(answer)
        return answer

    def get(self, path: str) -> TestResponse:
        return self.ask("GET", path)

    def post(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        return self.ask("POST", path, body, **headers)

    def put(self, path: str, body: Any) -> TestResponse:
        return self.ask("PUT", path, body)

    def quote(self, bid: str = "99.99", ask: str = "100.01", symbol: str = "SOL-USDC", ago: float = 0) -> None:
        """A quote of now."""
        event_at = (datetime.now(UTC) - timedelta(seconds=ago)).isoformat()
        tick = {"symbol": symbol, "bid_price": bid, "ask_price": ask, "event_at": event_at}
        assert self.post("/market/ticks", {"ticks": [tick]}).status_code == 201

    def trade(self, **proposal: Any) -> TestResponse:
        """A cycle with a new key: one unit bought at the market unless said."""
        return self.post("/trade/cycle", cycle(**proposal))


def cycle(**proposal: Any) -> dict[str, Any]:
    """The body of a cycle."""
    base = {"side": "buy", "qty": "1", "confidence": "0.9"}
    key = f"test-{uuid4()}"
    return {"symbol": "SOL-USDC", "trigger_source": "test", "idempotency_key": key, "proposal": base | proposal}


def check_frame(answer: TestResponse) -> None:
    """What every answer has, good or bad."""
    assert answer.status_code < 500 or answer.status_code == 503, answer.get_data(as_text=True)
    assert answer.headers["X-Paperdesk-Mode"] == "paper"
    assert answer.headers["X-As-Of"].endswith("Z")
    assert answer.headers["X-Request-Id"]
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    if answer.status_code >= 400:
        assert answer.mimetype == "application/json"
        error = answer.json["error"]
        assert set(answer.json) == {"error"}
        assert set(error) == {"code", "message", "details"}
        assert error["message"]


def refused(answer: TestResponse, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """Assert an error and give its details."""
    assert answer.status_code == status, answer.get_data(as_text=True)
    error = answer.json["error"]
    assert error["code"] == code
    if field is not None:
        assert error["details"]["field"] == field, error
    return error["details"]


@pytest.fixture
def bot_with(client: FlaskClient, bearer: Callable[..., dict[str, str]]) -> Callable[..., Bot]:
    """`bot_with("read")`: a bot whose token has those scopes."""
    return lambda *scopes: Bot(client, bearer(*scopes))


@pytest.fixture
def bot(bot_with: Callable[..., Bot]) -> Bot:
    """A bot that may do everything."""
    return bot_with(*ALL)


@pytest.fixture
def stranger(client: FlaskClient) -> Bot:
    """Somebody without a token."""
    return Bot(client, {})
