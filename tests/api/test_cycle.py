"""Cycles as a bot sees them: traded, resting, blocked, halted, stale, repeated."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tests.api.conftest import ALL, Bot, cycle, refused
from webapp.domain.risk.rules import RULES
from webapp.domain.strategies import deal
from webapp.models import Fill, Order, Position, Signal

DETAILS = {"cycle_id", "order_id", "rule", "limit", "value", "rules"}


def count(session: Session, model: Any) -> int:
    session.rollback()
    return session.execute(select(func.count()).select_from(model)).scalar_one()


def test_a_market_order_is_executed_and_its_whole_story_can_be_read(bot: Bot) -> None:
    bot.quote()
    answer = bot.trade(qty="2.5", payload={"model": "m-1", "score": 0.25})
    assert answer.status_code == 202
    made = answer.json
    assert set(made) >= {"cycle_id", "accepted", "queued_at", "outcome", "order", "fills", "risk"}
    assert (made["accepted"], made["outcome"], made["order"]["status"]) == (True, "executed", "executed")
    assert made["fills"][0]["fill_price"] == "100.03000200"
    assert made["fills"][0]["fee"] == "0.25007500"  # half-even of 0.250075005
    assert {rule["rule"] for rule in made["risk"]} == {rule.__name__.upper() for rule in RULES}
    order = bot.get(f"/orders/{made['order']['order_id']}").json
    assert order["signal"]["strategy_payload"] == {"model": "m-1", "score": 0.25}
    assert [step["to_status"] for step in order["transitions"]] == ["proposed", "approved", "executed"]
    assert order["fills"][0]["notional"] == "250.0750050000000000"
    assert (order["before"]["nav"], order["after"]["position_qty"]) == ("10000.00000000", "2.50000000")
    whole = bot.get(f"/cycles/{made['cycle_id']}").json
    assert whole["orders"] == [order]
    assert whole["outcome"] == "executed"
    assert whole["tick"]["ask_price"] == "100.01000000"
    assert bot.get("/positions").json["items"][0]["qty"] == "2.50000000"


def test_a_limit_order_rests_and_can_be_canceled_once(bot: Bot) -> None:
    bot.quote()
    made = bot.trade(limit_price="95.5").json
    assert (made["outcome"], made["order"]["status"], made["fills"]) == ("resting", "approved", [])
    path = f"/orders/{made['order']['order_id']}/cancellation"
    assert bot.post(path, {"reason": "changed my mind"}).json["status"] == "canceled"
    refused(bot.post(path), 409, "CONFLICT")
    steps = bot.get(f"/orders/{made['order']['order_id']}").json["transitions"]
    assert (steps[-1]["to_status"], steps[-1]["reason"]) == ("canceled", "changed my mind")
    assert steps[-1]["actor"].startswith("token:bot-")


def test_a_blocked_order_names_the_rule_and_is_stored(bot: Bot, session: Session) -> None:
    bot.quote()
    details = refused(bot.trade(qty="20"), 409, "RISK_BLOCKED")
    assert set(details) >= DETAILS
    assert (details["rule"], details["limit"]) == ("MAX_ORDER_NOTIONAL", "1000")
    assert float(details["value"]) > 2000
    assert len(details["rules"]) == len(RULES)
    order = bot.get(f"/orders/{details['order_id']}").json
    assert (order["status"], order["risk_reason"]) == ("rejected", "MAX_ORDER_NOTIONAL")
    events = bot.get(f"/risk/events?cycle_id={details['cycle_id']}&action=blocked").json["items"]
    assert {event["rule"] for event in events} == {"MAX_ORDER_NOTIONAL"}
    assert (count(session, Signal), count(session, Fill)) == (1, 0)


def test_without_a_quote_or_on_an_old_one_it_is_stale_and_stored_the_same_way(bot: Bot) -> None:
    for prepare in (lambda: None, lambda: bot.quote(ago=31)):
        prepare()
        details = refused(bot.trade(), 409, "STALE_MARKET_DATA")
        assert set(details) >= DETAILS
        assert bot.get(f"/orders/{details['order_id']}").json["risk_reason"] == "STALE_MARKET_DATA"


def test_while_halted_it_is_423_and_stored_but_a_cancel_passes(bot: Bot) -> None:
    bot.quote()
    bot.post("/kill-switch", {"enabled": True, "reason": "test"})
    details = refused(bot.trade(), 423, "KILL_SWITCH_ACTIVE")
    assert set(details) >= DETAILS
    assert details["rule"] == "KILL_SWITCH_ACTIVE"
    order = bot.get(f"/orders/{details['order_id']}").json
    assert order["status"] == "rejected"
    refused(bot.post(f"/orders/{order['order_id']}/cancellation"), 409, "CONFLICT")


def test_without_a_proposal_the_desks_own_strategy_may_see_nothing(bot: Bot, session: Session) -> None:
    bot.quote()
    body = cycle()
    del body["proposal"]
    answer = bot.post("/trade/cycle", body)
    assert answer.status_code == 202
    assert (answer.json["outcome"], answer.json["order"], answer.json["fills"]) == ("no_signal", None, [])
    config = bot.client.application.config["PAPERDESK"]
    own = deal(config.strategies, config.symbols)["SOL-USDC"].name
    assert bot.get(f"/cycles/{answer.json['cycle_id']}").json["strategy"] == own
    assert bot.post("/trade/cycle", body | {"proposal": None, "idempotency_key": "other"}).status_code == 202
    assert count(session, Order) == 0


def test_without_a_proposal_a_halt_or_an_old_quote_answers_with_value_and_limit_and_leaves_no_order(bot: Bot) -> None:
    body = cycle()
    del body["proposal"]
    bot.quote(ago=31)
    stale = refused(bot.post("/trade/cycle", body), 409, "STALE_MARKET_DATA")
    assert (stale["order_id"], stale["limit"], float(stale["value"]) > 30) == (None, "30", True)
    bot.post("/kill-switch", {"enabled": True, "reason": "test"})
    halted = refused(bot.post("/trade/cycle", body | {"idempotency_key": "other"}), 423, "KILL_SWITCH_ACTIVE")
    assert (halted["limit"], halted["value"]) == ("0", "1")
    assert [(rule["rule"], rule["ok"]) for rule in halted["rules"]] == [
        ("KILL_SWITCH_ACTIVE", False),
        ("STALE_MARKET_DATA", False),
    ]
    assert bot.get(f"/cycles/{halted['cycle_id']}").json["outcome"] == "blocked"


def test_the_same_key_and_body_gives_the_same_bytes_and_trades_once(bot: Bot, session: Session) -> None:
    bot.quote()
    body = cycle(payload={"b": 1, "a": 0.1})
    first = bot.post("/trade/cycle", body)
    assert "Idempotent-Replayed" not in first.headers
    spaced = json.dumps({name: body[name] for name in reversed(body)}, indent=3).encode()
    for again in (bot.post("/trade/cycle", body), bot.ask("POST", "/trade/cycle", raw=spaced)):
        assert again.headers["Idempotent-Replayed"] == "true"
        assert (again.status_code, again.data) == (202, first.data)
    assert count(session, Fill) == 1


def test_a_blocked_answer_is_replayed_too_even_when_it_could_pass_by_now(bot: Bot, session: Session) -> None:
    body = cycle()
    first = bot.post("/trade/cycle", body)
    refused(first, 409, "STALE_MARKET_DATA")
    bot.quote()
    again = bot.post("/trade/cycle", body)
    assert (again.status_code, again.data, again.headers["Idempotent-Replayed"]) == (409, first.data, "true")
    assert count(session, Order) == 1


def test_the_same_key_with_another_body_is_a_conflict(bot: Bot, session: Session) -> None:
    bot.quote()
    body = cycle()
    bot.post("/trade/cycle", body)
    body["proposal"]["qty"] = "1.0"
    refused(bot.post("/trade/cycle", body), 409, "CONFLICT", "idempotency_key")
    assert count(session, Order) == 1


def test_keys_of_two_bots_do_not_meet(bot: Bot, bot_with: Callable[..., Bot], session: Session) -> None:
    bot.quote()
    body = cycle()
    assert bot.post("/trade/cycle", body).status_code == 202
    other = bot_with("trade").post("/trade/cycle", body)
    assert "Idempotent-Replayed" not in other.headers
    assert count(session, Order) == 2


def test_many_threads_with_one_key_trade_once_and_hear_the_same(
    app: APIFlask, bearer: Callable[..., dict[str, str]], session: Session
) -> None:
    headers = bearer(*ALL)
    Bot(app.test_client(), headers).quote()
    body = cycle()

    def send(_: int) -> tuple[int, bytes]:
        answer = Bot(app.test_client(), headers).post("/trade/cycle", body)
        return answer.status_code, answer.data

    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(send, range(12)))
    assert len(answers) == 1
    assert count(session, Fill) == 1


def test_a_check_gives_the_verdict_and_writes_nothing(bot: Bot, session: Session) -> None:
    bot.quote()
    good = bot.post("/risk/check", cycle()).json
    assert (good["allowed"], good["outcome"], len(good["rules"])) == (True, "would_pass", len(RULES))
    bad = bot.post("/risk/check", {"symbol": "SOL-USDC", "proposal": cycle(qty="20")["proposal"]}).json
    assert (bad["allowed"], bad["rule"]) == (False, "MAX_ORDER_NOTIONAL")
    assert bot.post("/risk/check", {"symbol": "SOL-USDC"}).json["allowed"] is None
    assert [count(session, model) for model in (Signal, Order, Fill, Position)] == [0, 0, 0, 0]


def test_the_larger_of_expected_loss_and_round_trip_is_judged(bot: Bot) -> None:
    bot.quote()
    details = refused(bot.trade(expected_loss="100.5"), 409, "RISK_BLOCKED")
    assert (details["rule"], details["value"]) == ("MAX_LOSS_PER_TRADE", "100.5")


def change(path: str, value: Any) -> dict[str, Any]:
    """A good cycle with one field set (or, with `...`, left out)."""
    body = cycle()
    *parents, name = path.split(".")
    place = body
    for parent in parents:
        place = place[parent]
    if value is ...:
        place.pop(name)
    else:
        place[name] = value
    return body


AMOUNTS = [
    "NaN", "Infinity", "-Infinity", "1e3", "1_000", "1,000", "0x1F", "１", " 1", "1 ", "1.", ".5", "+1", "--1", "",
    "10000000000", "99999999999999999999", "1.123456789", "1\n", None, True, [], {}, "1'; drop table fills; --",
]  # fmt: skip
HOSTILE: dict[str, list[Any]] = {
    "symbol": [..., "", "sol", "A" * 33, "A B", "<b>", 5, None, [], {}, True, "A\n", "\U0001f600", "А", "' or 1=1"],
    "trigger_source": [..., "", "  ", "x" * 65, 5, None, [], "a\nb", "a\x1b[31m", "a\u202eb"],
    "idempotency_key": [..., "", "x" * 201, "a b", "a\n", "é", 5, None, [], {}, " "],
    "proposal": ["buy", [], 5, True, {}],
    "proposal.side": [..., "BUY", "hold", "", None, 1, ["buy"]],
    "proposal.qty": [..., 0, "0", "0.00000000", -1, "-0.5", *AMOUNTS],
    "proposal.limit_price": [0, "0", "-1", *(value for value in AMOUNTS if value is not None)],
    "proposal.confidence": [..., "1.1", "-0.1", 2, "0.123456", *AMOUNTS],
    "proposal.expected_loss": ["-1", -1, *(value for value in AMOUNTS if value is not None)],
    "proposal.payload": ["x", [], 5, None, {"a": "x" * 17_000}, {"a": "\x00"}, {"\x00": 1}, {"a": ["\ud800"]}],
    "proposal.leverage": ["10"],
    "proposal.__class__": ["x"],
    "colour": ["red"],
}


def test_no_hostile_value_of_any_field_does_more_than_a_400(bot: Bot, session: Session) -> None:
    bot.quote()
    for path, values in HOSTILE.items():
        for value in values:
            answer = bot.post("/trade/cycle", change(path, value))
            details = refused(answer, 400, "BAD_REQUEST")
            assert details["field"].startswith(path), (path, value, details)
    assert [count(session, model) for model in (Signal, Order, Fill)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("value", "stored"), [("0", "0.00000"), ("1", "1.00000"), (0.12345, "0.12345"), ("0.5", "0.50000")]
)
def test_a_confidence_keeps_five_decimals(bot: Bot, value: Any, stored: str) -> None:
    bot.quote()
    bot.trade(confidence=value)
    assert bot.get("/signals").json["items"][0]["confidence"] == stored


def test_the_longest_key_and_the_largest_payload_are_taken(bot: Bot) -> None:
    bot.quote()
    body = cycle(payload={"why": "x" * 16_000, "deep": [[[[{"a": [1, 2.5, None, True, "é"]}]]]]})
    body["idempotency_key"] = "k" * 200
    assert bot.post("/trade/cycle", body).status_code == 202


def test_amounts_that_do_not_fit_when_multiplied_are_refused_and_leave_nothing(bot: Bot, session: Session) -> None:
    bot.quote("9999999998", "9999999999")
    answer = bot.trade(qty="9999999999")
    assert answer.status_code in (400, 409)
    assert count(session, Fill) == 0


def test_ids_are_uuids_and_times_end_with_z(client: FlaskClient, bearer: Callable[..., dict[str, str]]) -> None:
    bot = Bot(client, bearer(*ALL))
    bot.quote()
    made = bot.trade().json
    assert UUID(made["cycle_id"]).version == 7
    assert made["queued_at"].endswith("Z")
    assert made["order"]["created_at"].endswith("Z")
