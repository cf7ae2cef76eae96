"""Who may call what: the table of the contract, call by call, closed where nothing is said."""

from collections.abc import Callable

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from tests.api.conftest import Bot, refused
from webapp.api.calls import CALLS
from webapp.domain.people import SCOPES
from webapp.services import tokens

NONE = "00000000-0000-7000-8000-000000000000"
TABLE = {
    "GET /v1/health": "read",
    "GET /v1/bot/status": "read",
    "GET /v1/market/ticks": "read",
    "GET /v1/signals": "read",
    "GET /v1/orders": "read",
    f"GET /v1/orders/{NONE}": "read",
    "GET /v1/fills": "read",
    "GET /v1/positions": "read",
    "GET /v1/portfolio/snapshots": "read",
    "GET /v1/risk/events": "read",
    "GET /v1/devnet/smoke-runs": "read",
    f"GET /v1/cycles/{NONE}": "read",
    "POST /v1/market/ticks": "trade",
    "POST /v1/trade/cycle": "trade",
    f"POST /v1/orders/{NONE}/cancellation": "trade",
    "POST /v1/risk/check": "read",
    "GET /v1/risk/policy": "read",
    "PUT /v1/risk/policy": "admin",
    "GET /v1/kill-switch": "read",
    "POST /v1/kill-switch on": "halt",
    "POST /v1/kill-switch off": "admin",
    "POST /v1/devnet/smoke-runs": "admin",
    "GET /v1/bots": "read",
    "GET /v1": None,
    "GET /v1/openapi.json": None,
    "GET /v1/docs": None,
}
BODIES = {"on": {"enabled": True, "reason": "test"}, "off": {"enabled": False}}


def ask(bot: Bot, line: str) -> tuple[int, str]:
    """Status and challenge of one line of the table, with a body that is refused only after the scope was checked."""
    method, path, *variant = line.split()
    body = BODIES[variant[0]] if variant else {"nonsense": 1} if method != "GET" else None
    answer = bot.ask(method, path.removeprefix("/v1"), body)
    return answer.status_code, answer.headers.get("WWW-Authenticate", "")


def test_every_call_lets_in_its_scope_and_no_other(bot_with: Callable[..., Bot], stranger: Bot) -> None:
    bots = {scope: bot_with(scope) for scope in SCOPES}
    for line, wanted in TABLE.items():
        status, challenge = ask(stranger, line)
        assert (status == 401) == (wanted is not None), line
        assert (challenge == 'Bearer realm="paperdesk"') == (wanted is not None), line
        for scope, bot in bots.items():
            status, challenge = ask(bot, line)
            assert (status == 403) == (wanted is not None and scope != wanted), f"{scope}: {line} -> {status}"
            if status == 403:
                assert 'error="insufficient_scope"' in challenge


def test_the_table_covers_every_address_below_v1(app: APIFlask) -> None:
    known = {tuple(line.split()[:2]) for line in TABLE}
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/v1"):
            path = rule.rule.replace("<uuid:order_id>", NONE).replace("<uuid:cycle_id>", NONE)
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                assert (method, path) in known


def test_a_call_that_declares_nothing_is_never_answered(
    app: APIFlask, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(CALLS, "api.get_health")
    answer = bot.client.get("/v1/health", headers=bot.headers)
    assert answer.status_code == 500
    assert "ok" not in answer.json


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwdw==",
        "Token abc",
        "Bearer a b",
        "Bearer \x01",
        "Bearer é",
        "bearer",
        f"Bearer {'x' * 5000}",
    ],
)
def test_what_is_no_token_is_401(client: FlaskClient, header: str) -> None:
    answer = client.get("/v1/orders", headers={"Authorization": header.encode("latin-1")} if header else {})
    refused(answer, 401, "UNAUTHORIZED")


def test_an_unknown_or_revoked_token_says_so(bot: Bot, session: Session) -> None:
    assert bot.get("/health").status_code == 200
    (own,) = bot.get("/bots").json["items"]
    tokens.revoke_token(session, own["name"], "test")
    answer = bot.get("/health")
    refused(answer, 401, "UNAUTHORIZED")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_missing_scope_is_named(bot_with: Callable[..., Bot]) -> None:
    details = refused(bot_with("read", "halt").post("/trade/cycle", {}), 403, "FORBIDDEN")
    assert (details["scope"], details["granted"]) == ("trade", ["read", "halt"])


def test_a_login_cookie_is_no_token(logged_in: Callable[[str], FlaskClient]) -> None:
    refused(logged_in("admin").get("/v1/orders"), 401, "UNAUTHORIZED")


def test_bots_need_no_csrf_token(bot: Bot) -> None:
    bot.quote()
