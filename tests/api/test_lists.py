"""The lists: every column under its own name, cursors that hold, and no hostile value that does more than a 400."""

from datetime import timedelta
from itertools import product
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from tests import builders
from tests.api.conftest import Bot, refused
from webapp.api.lists import SUMMARIES
from webapp.models import DevnetSmokeRun, Position
from webapp.queries.timeline import LISTINGS

PATHS = {name: texts[0] for name, texts in SUMMARIES.items()}
NOON = builders.NOON

HOSTILE: dict[str, list[str]] = {
    "limit": [
        "0",
        "-1",
        "201",
        "1e20",
        "1.5",
        "0x10",
        "１０",
        "99999999999999999999",
        "NaN",
        "10 ",
        " 10",
        "+5",
        "",
        "abc",
    ],
    "cursor": ["abc", "e30.e30", "../../etc/passwd", "\x00", "x" * 2000, "0", "null", "[]", ".", "", "é"],
    "from": [
        "2026-03-02T09:30:00",
        "yesterday",
        "0",
        "-1",
        "\x00",
        "2026-02-30",
        "",
        "9" * 400,
        "9999-12-31T23:59:59-12:00",
    ],
    "to": ["infinity", "now()", "epoch", "0001-01-01T00:00:00+14:00", "2026-03-02\r\nX: y", "''"],
    "symbol": [
        "sol-usdc",
        "A" * 33,
        "-A",
        "A B",
        "' OR 1=1 --",
        "<script>",
        "\x00",
        "A\n",
        "",
        "😀",
        "А",
        "A%",
        "../A",
    ],
    "side": ["BUY", "hold", "", "buy,sell", "\x00", "buy "],
    "status": ["all", "EXECUTED", "", "1", "executed\x00", "passed;drop"],
    "rule": ["MAX", "max_drawdown", "", "*", "%"],
    "action": ["deleted", "", "BLOCKED", "blocked|allowed"],
    "cycle_id": [
        "1",
        "",
        "0" * 32,
        "{0190a6f2-7c1e-7d3a-9b52-6f1c2d3e4f50}",
        "urn:uuid:x",
        "0190a6f2-7c1e-7d3a-9b52-6f1c2d3e4f5g",
    ],
    "offset": ["5"],
    "page": ["2"],
    "Limit": ["5"],
    "limit[]": ["5"],
    "__proto__": ["x"],
    "": ["x"],
    "\x00": ["x"],
    "x" * 3000: ["x"],
}


def test_no_hostile_value_of_any_parameter_does_more_than_a_400(bot: Bot) -> None:
    for path in PATHS.values():
        for parameter, values in HOSTILE.items():
            for value in values:
                answer = bot.get(f"{path}?{urlencode({parameter: value})}")
                details = refused(answer, 400, "BAD_REQUEST")
                expected = parameter if parameter.isprintable() and 0 < len(parameter) < 65 else details["field"]
                assert details["field"] == expected, (path, parameter, value)


BROKEN_QUERIES = ["limit=%ff", "limit=%00", "%ff=1", "symbol=%ed%a0%80", "limit", "=", "a=1&a=2", "limit=1&limit=2"]


def test_no_malformed_query_does_more_than_a_400(bot: Bot) -> None:
    for query, path in product(BROKEN_QUERIES, PATHS.values()):
        refused(bot.get(f"{path}?{query}"), 400, "BAD_REQUEST")


def test_a_filter_that_a_list_does_not_take_is_refused(bot: Bot) -> None:
    good = {
        "symbol": "SOL-USDC",
        "side": "buy",
        "status": "executed",
        "rule": "MAX_DRAWDOWN",
        "action": "blocked",
        "cycle_id": str(builders.new_id(NOON)),
        "from": "2026-03-02T00:00:00Z",
        "to": "2026-03-03T00:00:00Z",
    }
    for name, (parameter, value) in product(PATHS, good.items()):
        if name == "smoke_runs" and parameter == "status":
            value = "passed"  # noqa: PLW2901  # smoke runs have statuses of their own
        answer = bot.get(f"{PATHS[name]}?{urlencode({parameter: value})}")
        if parameter in LISTINGS[name].filters:
            assert answer.status_code == 200, (name, parameter)
        else:
            refused(answer, 400, "BAD_REQUEST", parameter)


def fill_desk(session: Session) -> dict[str, Any]:
    """One row of each list; gives their ids."""
    order_id = builders.order(session, at=NOON, limit_price=100)
    flat = {"symbol": "SOL-USDC", "qty": 1, "avg_entry_price": 100, "mark_price": 101, "unrealized_pnl": 1}
    run_id = builders.new_id(NOON)
    builders.add(session, Position, flat)
    builders.add(session, DevnetSmokeRun, {"run_id": run_id, "status": "failed", "ran_at": NOON})
    return {
        "orders": order_id,
        "positions": "SOL-USDC",
        "smoke_runs": run_id,
        "ticks": builders.tick(session, at=NOON),
        "signals": builders.signal(session, "SOL-USDC", "buy", NOON + timedelta(seconds=1)),
        "fills": builders.fill(session, order_id, NOON),
        "snapshots": builders.snapshot(session, at=NOON),
        "risk_events": builders.risk_event(session, order_id, at=NOON),
    }


def test_every_column_is_there_under_its_own_name_decimals_as_text_and_times_with_a_z(
    bot: Bot, session: Session
) -> None:
    made = fill_desk(session)
    forms = {"uuid": str, "text": str, "decimal": str, "time": str, "integer": int, "boolean": bool, "document": dict}
    for name, path in PATHS.items():
        item = bot.get(f"{path}?limit=1").json["items"][0]
        listing = LISTINGS[name]
        assert item[listing.id_column] == str(made[name])
        assert list(item) == list(listing.kinds())
        for column, (kind, nullable) in listing.kinds().items():
            value = item[column]
            assert isinstance(value, forms[kind]) or (value is None and nullable), (name, column, value)
            if kind == "time":
                assert value.endswith("Z")
    order = bot.get("/orders").json["items"][0]
    assert (order["qty"], order["created_at"]) == ("1.00000000", "2026-03-02T12:00:00Z")


def test_following_cursors_gives_every_row_once_newest_first(bot: Bot, session: Session) -> None:
    moments = [NOON + timedelta(seconds=second // 3) for second in range(10)]
    made = set(builders.ticks(session, "SOL-USDC", [(at, 100) for at in moments]))
    found: list[dict[str, Any]] = []
    query = {"limit": 3, "symbol": "SOL-USDC"}
    while True:
        page = bot.get(f"/market/ticks?{urlencode(query)}").json
        found += page["items"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
        builders.tick(session, at=NOON + timedelta(hours=1))
    assert len(found) == 10
    assert {item["tick_id"] for item in found} == {str(tick_id) for tick_id in made}
    keys = [(item["event_at"], item["tick_id"]) for item in found]
    assert keys == sorted(keys, reverse=True)


def test_a_cursor_of_one_list_does_not_open_another(bot: Bot, session: Session) -> None:
    builders.ticks(session, "SOL-USDC", [(NOON, 100), (NOON, 101)])
    cursor = bot.get("/market/ticks?limit=1").json["next_cursor"]
    assert bot.get(f"/market/ticks?cursor={cursor}").status_code == 200
    refused(bot.get(f"/signals?cursor={cursor}"), 400, "BAD_REQUEST", "cursor")


def test_a_page_has_fifty_rows_unless_said(bot: Bot, session: Session) -> None:
    builders.ticks(session, "SOL-USDC", [(NOON + timedelta(seconds=second), 100) for second in range(201)])
    assert len(bot.get("/market/ticks").json["items"]) == 50
    assert len(bot.get("/market/ticks?limit=200").json["items"]) == 200


def test_from_is_included_and_to_is_not(bot: Bot, session: Session) -> None:
    made = builders.ticks(session, "SOL-USDC", [(NOON + timedelta(seconds=second), 100) for second in range(3)])
    answer = bot.get("/market/ticks?from=2026-03-02T12:00:00Z&to=2026-03-02T12:00:02Z")
    assert [item["tick_id"] for item in answer.json["items"]] == [str(made[1]), str(made[0])]


def test_a_list_with_a_body_or_as_head_is_the_same_list(bot: Bot) -> None:
    assert bot.ask("GET", "/orders", {"limit": 5}).status_code == 200
    assert bot.client.head("/v1/orders", headers=bot.headers).status_code == 200
