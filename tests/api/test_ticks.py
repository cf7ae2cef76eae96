"""Quotes in: exact, all or nothing, the bad one named by its index and field."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tests.api.conftest import Bot, refused
from webapp.models import MarketTick


def quote(**changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {"symbol": "SOL-USDC", "bid_price": "99.99", "ask_price": "100.01", "event_at": now} | changes


def test_mid_and_spread_are_computed_and_text_and_numbers_are_equally_exact(bot: Bot) -> None:
    raw = json.dumps({"ticks": [quote(bid_price="0.1", ask_price="BARE")]}).replace('"BARE"', "0.10000003").encode()
    assert bot.ask("POST", "/market/ticks", raw=raw).json == {"accepted": 1, "late": 0}
    item = bot.get("/market/ticks").json["items"][0]
    assert item["bid_price"] == "0.10000000"
    assert item["ask_price"] == "0.10000003"
    assert item["mid_price"] == "0.10000002"
    assert item["spread_bps"] == 0


def test_whole_numbers_are_taken_too(bot: Bot) -> None:
    assert bot.post("/market/ticks", {"ticks": [quote(bid_price=99, ask_price=101)]}).status_code == 201
    assert bot.get("/market/ticks").json["items"][0]["spread_bps"] == 200


def test_a_late_quote_is_kept_and_counted_as_late(bot: Bot) -> None:
    bot.quote()
    earlier = (datetime.now(UTC) - timedelta(seconds=20)).isoformat()
    answer = bot.post("/market/ticks", {"ticks": [quote(event_at=earlier)]})
    assert answer.json == {"accepted": 1, "late": 1}
    assert len(bot.get("/market/ticks").json["items"]) == 2


def in_time(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


BAD: dict[str, tuple[Any, str | None]] = {
    "not an object": ("x", None),
    "a list": ([], None),
    "null": (None, None),
    "symbol missing": ({"bid_price": "1", "ask_price": "1", "event_at": "x"}, "symbol"),
    "a field too many": (quote(mid_price="1"), "mid_price"),
    "a field spelt wrong": ({**{k: v for k, v in quote().items() if k != "ask_price"}, "ask": "1"}, "ask_price"),
    "symbol in lower case": (quote(symbol="sol-usdc"), "symbol"),
    "symbol a number": (quote(symbol=5), "symbol"),
    "symbol too long": (quote(symbol="A" * 33), "symbol"),
    "symbol with markup": (quote(symbol="<b>"), "symbol"),
    "bid zero": (quote(bid_price="0"), "bid_price"),
    "bid negative": (quote(bid_price="-1"), "bid_price"),
    "bid above ask": (quote(bid_price="101"), "bid_price"),
    "bid null": (quote(bid_price=None), "bid_price"),
    "bid true": (quote(bid_price=True), "bid_price"),
    "bid a list": (quote(bid_price=["1"]), "bid_price"),
    "bid NaN": (quote(bid_price="NaN"), "bid_price"),
    "bid with exponent": (quote(bid_price="1e2"), "bid_price"),
    "bid with separators": (quote(bid_price="1_000"), "bid_price"),
    "bid full-width": (quote(bid_price="１"), "bid_price"),
    "bid hex": (quote(bid_price="0x1F"), "bid_price"),
    "bid blank": (quote(bid_price=" 1"), "bid_price"),
    "bid empty": (quote(bid_price=""), "bid_price"),
    "ask too large": (quote(ask_price="10000000000"), "ask_price"),
    "ask too fine": (quote(ask_price="100.000000001"), "ask_price"),
    "ask infinite": (quote(ask_price="Infinity"), "ask_price"),
    "time missing its zone": (quote(event_at="2026-03-02T12:00:00"), "event_at"),
    "time no time": (quote(event_at="yesterday"), "event_at"),
    "time a number": (quote(event_at=1772442000), "event_at"),
    "time before the calendar": (quote(event_at="0001-01-01T00:00:00+14:00"), "event_at"),
    "time after the calendar": (quote(event_at="9999-12-31T23:59:59-14:00"), "event_at"),
}


def test_one_bad_quote_refuses_all_and_is_named(bot: Bot, session: Session) -> None:
    for case, (entry, field) in BAD.items():
        answer = bot.post("/market/ticks", {"ticks": [quote(), quote(), entry, quote()]})
        details = refused(answer, 400, "BAD_REQUEST")
        assert (details["index"], details.get("field")) == (2, field), case
        assert "ticks[2]" in answer.json["error"]["message"]
    assert session.execute(select(func.count()).select_from(MarketTick)).scalar() == 0


def test_a_quote_of_the_future_is_refused_beyond_two_seconds(bot: Bot) -> None:
    details = refused(bot.post("/market/ticks", {"ticks": [quote(), quote(event_at=in_time(5))]}), 400, "BAD_REQUEST")
    assert (details["index"], details["field"]) == (1, "event_at")
    assert bot.post("/market/ticks", {"ticks": [quote(event_at=in_time(1))]}).status_code == 201


def test_a_batch_has_one_to_ten_thousand(bot: Bot) -> None:
    one = quote()
    refused(bot.post("/market/ticks", {"ticks": []}), 400, "BAD_REQUEST", "ticks")
    refused(bot.post("/market/ticks", {"ticks": [one] * 10_001}), 400, "BAD_REQUEST", "ticks")
    refused(bot.post("/market/ticks", {"ticks": {}}), 400, "BAD_REQUEST", "ticks")
    refused(bot.post("/market/ticks", {}), 400, "BAD_REQUEST", "ticks")
    assert bot.post("/market/ticks", {"ticks": [one] * 10_000}).json["accepted"] == 10_000
