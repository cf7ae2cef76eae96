"""The kill switch, the policy, the status and smoke runs, over the API."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Bot, refused
from webapp.domain.policy import FIELDS, Policy
from webapp.smoke.localnode import LocalNode
from webapp.version import VERSION


def test_halting_is_one_step_cancels_and_is_safe_to_repeat(bot: Bot, bot_with: Callable[..., Bot]) -> None:
    bot.quote()
    resting = bot.trade(limit_price="96").json["order"]["order_id"]
    first = bot_with("halt").post("/kill-switch", {"enabled": True, "reason": "  looks wrong  "})
    assert first.status_code == 200
    assert first.json["enabled"] is True
    assert (first.json["orders_canceled"], first.json["already"], first.json["reason"]) == (1, False, "looks wrong")
    assert bot.get(f"/orders/{resting}").json["status"] == "canceled"
    again = bot.post("/kill-switch", {"enabled": True})
    assert (again.status_code, again.json["already"]) == (200, True)
    state = bot.get("/kill-switch").json
    assert (state["enabled"], state["known"], state["reason"]) == (True, True, "looks wrong")
    assert state["actor"].startswith("token:bot-")
    assert bot.get("/bot/status").json["state"] == "halted"


def test_a_halt_needs_no_reason_but_a_release_does(bot: Bot) -> None:
    assert bot.post("/kill-switch", {"enabled": True}).status_code == 200
    for reason in ({}, {"reason": ""}, {"reason": "   "}, {"reason": None}):
        refused(bot.post("/kill-switch", {"enabled": False, **reason}), 400, "BAD_REQUEST", "reason")
    answer = bot.post("/kill-switch", {"enabled": False, "reason": "checked"})
    assert (answer.status_code, answer.json["enabled"]) == (200, False)
    refused(bot.post("/kill-switch", {"enabled": False, "reason": "again"}), 409, "CONFLICT")


def test_who_may_halt_may_not_release_and_the_other_way_round(bot_with: Callable[..., Bot]) -> None:
    halter, admin = bot_with("halt"), bot_with("admin")
    refused(admin.post("/kill-switch", {"enabled": True, "reason": "x"}), 403, "FORBIDDEN")
    assert halter.post("/kill-switch", {"enabled": True}).status_code == 200
    refused(halter.post("/kill-switch", {"enabled": False, "reason": "x"}), 403, "FORBIDDEN")
    assert admin.post("/kill-switch", {"enabled": False, "reason": "x"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "enabled"),
        ({"enabled": "true"}, "enabled"),
        ({"enabled": 1}, "enabled"),
        ({"enabled": None}, "enabled"),
        ({"enabled": True, "reason": 5}, "reason"),
        ({"enabled": True, "reason": "x" * 501}, "reason"),
        ({"enabled": True, "confirm": "RELEASE"}, "confirm"),
    ],
)
def test_a_switch_that_is_not_plainly_set_stays_as_it_is(bot: Bot, body: dict[str, Any], field: str) -> None:
    refused(bot.post("/kill-switch", body), 400, "BAD_REQUEST", field)
    assert bot.get("/kill-switch").json["enabled"] is False


def test_status_says_what_the_desk_is_worth_and_whether_it_may_trade(bot: Bot) -> None:
    empty = bot.get("/bot/status").json
    assert (empty["mode"], empty["state"], empty["kill_switch"], empty["market_data_stale"]) == (
        "paper",
        "stale",
        False,
        True,
    )
    assert (empty["nav"], empty["drawdown"]) == ("10000.00000000", "0.00000000")
    assert (empty["last_tick_at"], empty["last_cycle_at"]) == (None, None)
    bot.quote()
    bot.trade()
    found = bot.get("/bot/status").json
    assert (found["state"], found["market_data_stale"]) == ("running", False)
    assert found["nav"] == bot.get("/portfolio/snapshots?limit=1").json["items"][0]["nav"]
    assert found["drawdown"].startswith("0.1")
    assert found["last_cycle_at"].endswith("Z")


def test_health_is_ok_and_names_the_version(bot: Bot) -> None:
    answer = bot.get("/health")
    assert answer.json == {"status": "ok", "mode": "paper", "version": VERSION, "as_of": answer.headers["X-As-Of"]}


def test_the_policy_can_be_read_edited_and_put_back(bot: Bot) -> None:
    policy = bot.get("/risk/policy").json
    assert {name: policy[name] for name in FIELDS} == Policy.default().to_document()
    policy |= {"max_order_notional": "250.5", "max_open_positions": 3, "reason": "a calm week"}
    answer = bot.put("/risk/policy", policy)
    assert answer.status_code == 200
    assert answer.json["version"] == policy["version"] + 1
    assert answer.json["difference"] == {"max_order_notional": ["1000", "250.5"], "max_open_positions": [5, 3]}
    assert answer.json["reason"] == "a calm week"
    assert bot.get("/risk/policy").json == answer.json
    bot.quote()
    assert refused(bot.trade(qty="3"), 409, "RISK_BLOCKED")["limit"] == "250.5"


def test_a_policy_that_changes_nothing_stays_the_version_it_is(bot: Bot) -> None:
    policy = bot.get("/risk/policy").json
    assert bot.put("/risk/policy", policy).json["version"] == policy["version"]


def test_a_policy_put_on_an_overtaken_version_is_a_conflict_when_the_version_is_said(bot: Bot) -> None:
    policy = bot.get("/risk/policy").json
    tighter = bot.ask("PUT", "/risk/policy", policy | {"max_order_notional": "10"}, **{"If-Match": '"1"'}).json
    assert tighter["version"] == 2
    mine = policy | {"cooldown_seconds": 61}
    details = refused(bot.ask("PUT", "/risk/policy", mine, **{"If-Match": "1"}), 409, "CONFLICT")
    assert details["version"] == 2
    assert bot.get("/risk/policy").json == tighter
    again = tighter | {"cooldown_seconds": 61}
    assert bot.ask("PUT", "/risk/policy", again, **{"If-Match": "2"}).json["max_order_notional"] == "10"
    assert bot.put("/risk/policy", mine).json["max_order_notional"] == "1000", "unsaid, it replaces what is in force"


@pytest.mark.parametrize("written", ["", "*", "x", "-1", "1.0", '"1', "1, 2", "W/1", "1" * 10, "\u0661"])
def test_a_version_that_is_none_is_refused_by_the_name_of_its_header(bot: Bot, written: str) -> None:
    policy = bot.get("/risk/policy").json
    refused(bot.ask("PUT", "/risk/policy", policy, **{"If-Match": written}), 400, "BAD_REQUEST", "If-Match")


def test_the_limits_may_stand_in_an_object_of_their_own(bot: Bot) -> None:
    limits = Policy.default().to_document() | {"cooldown_seconds": 5}
    assert bot.put("/risk/policy", {"policy": limits, "reason": "r"}).json["cooldown_seconds"] == 5
    refused(bot.put("/risk/policy", {"policy": limits, "cooldown_seconds": 6}), 400, "BAD_REQUEST", "policy")
    refused(bot.put("/risk/policy", {"policy": 5}), 400, "BAD_REQUEST", "policy")


def test_numbers_of_a_policy_may_be_json_numbers(bot: Bot) -> None:
    limits = Policy.default().to_document() | {"max_order_notional": 250.25, "fee_bps": 7}
    found = bot.put("/risk/policy", limits).json
    assert (found["max_order_notional"], found["fee_bps"]) == ("250.25", "7")


HOSTILE_LIMITS: list[tuple[str, Any]] = [
    ("max_order_notional", "NaN"),
    ("max_order_notional", "-1"),
    ("max_order_notional", "1e3"),
    ("max_order_notional", None),
    ("max_order_notional", []),
    ("max_order_notional", True),
    ("max_order_notional", 1e300),
    ("max_open_positions", "five"),
    ("max_open_positions", 1.5),
    ("min_confidence", "1.5"),
    ("allow_short", "yes"),
    ("slippage_bps", 10**30),
    ("stale_after_seconds", 0),
    ("colour", "red"),
    ("reason", "x" * 501),
    ("reason", 5),
]


def test_no_hostile_limit_does_more_than_a_400(bot: Bot) -> None:
    good = bot.get("/risk/policy").json
    for name, value in HOSTILE_LIMITS:
        details = refused(bot.put("/risk/policy", good | {name: value}), 400, "BAD_REQUEST", name)
        assert details, name
    for name in FIELDS:
        partial = {key: value for key, value in good.items() if key != name}
        refused(bot.put("/risk/policy", partial), 400, "BAD_REQUEST", name)
    assert bot.get("/risk/policy").json == good


def test_a_smoke_run_is_recorded_and_listed(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalNode() as node:
        config = bot.client.application.config["PAPERDESK"].model_copy(update={"solana_rpc_url": node.url})
        monkeypatch.setitem(bot.client.application.config, "PAPERDESK", config)
        answer = bot.post("/devnet/smoke-runs")
    assert answer.status_code == 201
    assert answer.json["status"] == "passed"
    assert bot.get("/devnet/smoke-runs").json["items"] == [answer.json]
    refused(bot.post("/devnet/smoke-runs", {"url": "http://evil"}), 400, "BAD_REQUEST", "url")
