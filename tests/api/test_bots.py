"""One bot alone: its caps, its pause, its score."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.api.conftest import ALL, Bot, cycle, refused
from webapp.queries import bots
from webapp.services import tokens
from webapp.services.tokens import Caps


@pytest.fixture
def name(bot: Bot) -> str:
    """The bot's own name."""
    return str(bot.get("/bots").json["items"][0]["name"])


def test_a_paused_bot_may_read_ask_cancel_and_halt_and_nothing_else(bot: Bot, name: str, session: Session) -> None:
    bot.quote()
    resting = bot.trade(limit_price="96").json["order"]["order_id"]
    tokens.pause_token(session, name, "user:olga", "runs wild")
    details = refused(bot.trade(), 403, "FORBIDDEN")
    assert (details["rule"], details["paused_by"], details["reason"]) == ("BOT_PAUSED", "user:olga", "runs wild")
    assert "resumes" in details["next"]
    for method, path in (("POST", "/market/ticks"), ("PUT", "/risk/policy"), ("POST", "/devnet/smoke-runs")):
        assert refused(bot.ask(method, path, {}), 403, "FORBIDDEN")["rule"] == "BOT_PAUSED"
    assert bot.get("/orders").status_code == 200
    assert bot.post("/risk/check", {"symbol": "SOL-USDC"}).status_code == 200
    assert bot.post(f"/orders/{resting}/cancellation").status_code == 200
    assert bot.post("/kill-switch", {"enabled": True}).status_code == 200
    assert (
        refused(bot.post("/kill-switch", {"enabled": False, "reason": "x"}), 403, "FORBIDDEN")["rule"] == "BOT_PAUSED"
    )
    assert bot.get("/kill-switch").json["enabled"] is True
    assert session.execute(text("SELECT count(*) FROM orders")).scalar_one() == 1


def test_a_pause_stops_one_bot_alone_and_ends(
    bot: Bot, name: str, bot_with: Callable[..., Bot], session: Session
) -> None:
    bot.quote()
    tokens.pause_token(session, name, "user:olga", "test")
    assert bot_with("trade").trade().status_code == 202
    tokens.resume_token(session, name)
    assert bot.trade(side="sell").status_code == 202


def test_a_paused_bot_still_learns_what_became_of_what_it_did(bot: Bot, name: str, session: Session) -> None:
    bot.quote()
    body = cycle()
    first = bot.post("/trade/cycle", body)
    tokens.pause_token(session, name, "user:olga", "test")
    again = bot.post("/trade/cycle", body)
    assert (again.status_code, again.data, again.headers["Idempotent-Replayed"]) == (202, first.data, "true")
    refused(bot.post("/trade/cycle", body | {"symbol": "BTC-USDC"}), 409, "CONFLICT")


def test_a_bots_own_cap_of_an_order_tightens_the_rule_and_never_loosens_it(
    bot: Bot, name: str, bot_with: Callable[..., Bot], session: Session
) -> None:
    bot.quote()
    tokens.set_caps(session, name, Caps(Decimal("50.5")))
    for answer in (bot.trade(), bot.post("/risk/check", cycle())):
        details = answer.json["error"]["details"] if answer.status_code == 409 else answer.json
        assert (details["rule"], details["limit"]) == ("MAX_ORDER_NOTIONAL", "50.5")
        assert "smaller quantity" in details["next"]
    assert bot.trade(qty="0.5").status_code == 202
    tokens.set_caps(session, name, Caps(Decimal(5000)))
    assert refused(bot_with("trade").trade(qty="15"), 409, "RISK_BLOCKED")["limit"] == "1000"
    assert refused(bot.trade(qty="15"), 409, "RISK_BLOCKED")["limit"] == "1000"


def test_the_score_counts_what_was_proposed_blocked_replayed_and_turned_away(
    bot: Bot, name: str, bot_with: Callable[..., Bot], session: Session
) -> None:
    bot.quote()
    traded = cycle()
    for body in (traded, traded, traded, cycle(), cycle(qty="50"), cycle(qty="50"), cycle(limit_price="96")):
        bot.post("/trade/cycle", body)
    own_strategy = cycle()
    del own_strategy["proposal"]
    bot.post("/trade/cycle", own_strategy)
    tokens.pause_token(session, name, "user:olga", "test")
    bot.trade()
    bot_with("trade").trade(qty="50")
    quiet, own = bot.get("/bots").json["items"]
    assert (own["name"], own["state"], own["scopes"]) == (name, "paused", list(ALL))
    counted = {
        key: own[key] for key in ("cycles", "proposals", "accepted", "blocked", "no_signal", "replays", "refused")
    }
    assert counted == {
        "cycles": 6, "proposals": 5, "accepted": 1, "blocked": 4, "no_signal": 1, "replays": 2, "refused": 1
    }  # fmt: skip
    assert own["blocked_by"] == {"MAX_ORDER_NOTIONAL": 2, "COOLDOWN_SECONDS": 2}
    assert own["last_cycle_at"] <= own["last_seen_at"]
    assert (quiet["cycles"], quiet["blocked_by"]) == (1, {"MAX_ORDER_NOTIONAL": 1})
    since = bot.get("/bots?from=2100-01-01").json["items"]
    assert [one["cycles"] for one in since] == [0, 0]
    assert bot.get("/bots?to=2100-01-01").json["items"][1]["cycles"] == 6
    (alone,) = bots.scoreboard(session, name)
    assert (alone.cycles, dict(alone.blocked_by)) == (6, own["blocked_by"])


def test_what_is_asked_of_the_score_is_checked(bot: Bot) -> None:
    refused(bot.get("/bots?from=yesterday"), 400, "BAD_REQUEST", "from")
    refused(bot.get("/bots?from=2026-01-02&to=2026-01-01"), 400, "BAD_REQUEST", "from")
    refused(bot.get("/bots?limit=5"), 400, "BAD_REQUEST", "limit")
    refused(bot.get("/bots?to=2026-01-02&to=2026-01-03"), 400, "BAD_REQUEST", "to")


def test_no_secret_and_no_hash_is_told(bot: Bot, session: Session) -> None:
    told = bot.get("/bots").get_data(as_text=True)
    assert bot.headers["Authorization"].removeprefix("Bearer ") not in told
    assert session.execute(text("SELECT token_hash FROM api_tokens")).scalar_one() not in told


def test_states_are_told_apart(bot: Bot, session: Session) -> None:
    for name, change in (
        ("gone", "revoked_at = now(), paused_at = now()"),
        ("old", "expires_at = now() - interval '1 s'"),
        ("calm", "paused_at = now()"),
    ):
        tokens.create_token(session, name, ["read"], "test")
        session.execute(text(f"UPDATE api_tokens SET {change} WHERE name = :name"), {"name": name})
        session.commit()
    found = {one["name"]: one["state"] for one in bot.get("/bots").json["items"]}
    assert [found[name] for name in ("gone", "old", "calm")] == ["revoked", "expired", "paused"]
