"""What every list page does alike: columns, filters, pages, fragments, twins."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests import builders
from webapp.models import DevnetSmokeRun, KillSwitchEvent
from webapp.queries.timeline import LISTINGS

LISTS = {
    "orders": "/orders/",
    "signals": "/signals/",
    "fills": "/fills/",
    "cycles": "/cycles/",
    "positions": "/positions/",
    "risk_events": "/risk/",
    "policies": "/risk/policy",
    "kill_switch_events": "/kill-switch/",
    "smoke_runs": "/smoke-runs/",
}
TWINS = {name: path.rstrip("/") for name, path in LISTS.items()}


@pytest.fixture
def one_of_each(session):
    """A row in every table."""
    order_id = builders.order(session, status="executed")
    builders.fill(session, order_id)
    builders.risk_event(session, order_id)
    builders.cycle(session)
    builders.position(session)
    at = builders.now()
    builders.add(session, KillSwitchEvent, {"event_id": builders.new_id(at), "enabled": False, "created_at": at})
    run = {"run_id": builders.new_id(at), "status": "failed", "rpc_latency_ms": None, "ran_at": at}
    builders.add(session, DevnetSmokeRun, run)


@pytest.mark.parametrize("name", LISTS)
def test_list_shows_every_column_of_its_table_with_exact_values(visit, one_of_each, name):
    row = visit(LISTS[name]).table(name)[0]

    assert set(LISTINGS[name].table.c.keys()) <= set(row)
    twin = visit.client.get(f"{TWINS[name]}.json").get_json()["items"][0]
    for column, value in twin.items():
        if column in row and not isinstance(value, dict):
            wired = "" if value is None else value if isinstance(value, str) else json.dumps(value)
            assert row[column] == wired, column


@pytest.mark.parametrize("name", sorted(set(LISTS) - {"policies"}))
def test_empty_list_says_why_and_what_to_do(visit, name):
    page = visit(LISTS[name])

    assert page.table(name) == []
    (empty,) = page.dom.all("div", class_="empty")
    assert len(empty.text) > 40


@pytest.mark.parametrize("name", sorted(set(LISTS) - {"positions"}))
def test_filters_that_match_nothing_say_so_and_offer_a_way_back(visit, one_of_each, name):
    page = visit(f"{LISTS[name]}?to=2001-01-01T00:00:00Z")

    assert page.table(name) == []
    (empty,) = page.dom.all("div", class_="empty")
    assert LISTS[name] in [link["href"] for link in empty.all("a")]
    assert page.form("filters").one("input", name="to")["value"] == "2001-01-01T00:00:00Z"


@pytest.mark.parametrize("name", LISTS)
def test_htmx_gets_the_fragment_and_history_the_whole_page(visit, one_of_each, name):
    fragment = visit.client.get(LISTS[name], headers={"HX-Request": "true"})
    restored = visit.client.get(LISTS[name], headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})

    assert "<html" not in fragment.text
    assert f'data-table="{name}"' in fragment.text
    assert "HX-Request" in fragment.vary
    assert "<html" in restored.text


@pytest.mark.parametrize("name", LISTS)
def test_unchanged_list_costs_the_live_block_a_204(visit, one_of_each, name, session):
    seen = version_shown(visit(LISTS[name]), name)
    asking = {"HX-Request": "true", "X-Seen": seen}

    assert visit.client.get(LISTS[name], headers=asking).status_code == 204
    assert visit.client.get(LISTS[name], headers=asking | {"X-Seen": "older"}).status_code == 200
    assert visit.client.get(LISTS[name], headers={"X-Seen": seen}).status_code == 200


def version_shown(page, name):
    table = page.dom.one("table", data_table=name)
    block = next(node for node in page.dom.all(class_="live") if table in list(node.walk()))
    return json.loads(block["hx-headers"])["X-Seen"]


def test_new_row_changes_the_version(visit, session):
    builders.order(session)
    before = version_shown(visit("/orders/"), "orders")
    builders.order(session)

    asking = {"HX-Request": "true", "X-Seen": before}
    answer = visit.client.get("/orders/", headers=asking)

    assert answer.status_code == 200
    assert answer.text.count(" data-id=") == 2


BAD = (
    ("nonsense=1", "nonsense"),
    ("limit=0", "limit"),
    ("limit=201", "limit"),
    ("limit=1e20", "limit"),
    ("cursor=abc", "cursor"),
    ("limit=5&limit=6", "limit"),
    ("symbol=%00", "symbol"),
)


@pytest.mark.parametrize("name", LISTS)
def test_bad_parameter_is_a_422_page_that_names_the_field(visit, name):
    for query, field in BAD:
        assert field in visit(f"{LISTS[name]}?{query}", status=422).text, query


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_twin_refuses_bad_parameters_too(client, kind):
    answer = client.get(f"/orders.{kind}?status=bought")

    assert answer.status_code == 422
    assert "status" in answer.text
    assert "<html" not in answer.text


def test_older_and_newest_walk_through_all_rows_once(visit, session):
    made = [builders.order(session, at=builders.NOON + timedelta(seconds=n)) for n in range(5)]
    path, seen, pages = "/orders/?limit=2&symbol=SOL-USDC", [], 0
    while path:
        page = visit(path)
        seen += [row["id"] for row in page.table("orders")]
        older = page.dom.all("a", rel="next")
        assert bool(page.dom.all("a", rel="first")) == (pages > 0)
        path, pages = older[0]["href"] if older else None, pages + 1

    assert seen == [str(order_id) for order_id in reversed(made)]
    assert pages == 3


def test_only_the_first_page_is_live(visit, session):
    for n in range(3):
        builders.order(session, at=builders.NOON + timedelta(seconds=n))
    first = visit("/orders/?limit=2")
    second = visit(first.dom.one("a", rel="next")["href"])

    assert first.dom.one(id="orders").get("hx-trigger").startswith("every ")
    assert "hx-get" not in second.dom.one(id="orders").attrs


def test_filters_stay_in_the_form_the_pages_and_the_twins(visit, session):
    builders.order(session, status="rejected", risk_reason="MAX_DRAWDOWN")
    builders.order(session, status="executed")
    page = visit("/orders/?status=rejected&symbol=&limit=50")

    assert [row["status"] for row in page.table("orders")] == ["rejected"]
    chosen = [option["value"] for option in page.form("filters").all("option", selected="")]
    assert "rejected" in chosen
    assert page.dom.one(id="orders")["hx-get"] == "/orders/?status=rejected&limit=50"
    assert "/orders.csv?status=rejected&limit=50" in [link["href"] for link in page.dom.all("a", href=None)]
    assert page.dom.all("a", class_="clear")[0]["href"] == "/orders/"


def test_time_filter_includes_its_beginning_and_not_its_end(visit, session):
    made = [builders.order(session, at=builders.NOON + timedelta(hours=n)) for n in range(3)]
    page = visit("/orders/?from=2026-03-02T12:00:00Z&to=2026-03-02T14:00:00Z")

    assert [row["id"] for row in page.table("orders")] == [str(made[1]), str(made[0])]


def test_csv_has_all_rows_and_the_page_only_its_own(visit, session):
    for n in range(60):
        builders.order(session, at=builders.NOON + timedelta(seconds=n))
    rows = list(csv.DictReader(io.StringIO(visit.client.get("/orders.csv").text)))
    limited = visit.client.get("/orders.csv?limit=7").text

    assert len(rows) == 60
    assert len(visit("/orders/").table("orders")) == 50
    assert len(limited.splitlines()) == 8


def test_csv_is_a_download_that_spreadsheets_do_not_execute(client, session):
    order_id = builders.order(session)
    bad = ["=1+1", "+cmd", "-2+3", "@x", "\tx", "\rx", 'a "quoted", one']
    for reason in bad:
        at = builders.now()
        event = {"event_id": builders.new_id(at), "enabled": True, "reason": reason, "actor": "x", "created_at": at}
        builders.add(session, KillSwitchEvent, event)
    answer = client.get("/kill-switch.csv")
    reasons = [row["reason"] for row in csv.DictReader(io.StringIO(answer.text, newline=""))]

    assert sorted(reasons) == sorted([*(f"'{text}" for text in bad[:6]), bad[6]])
    assert answer.mimetype == "text/csv"
    assert 'filename="kill-switch.csv"' in answer.headers["Content-Disposition"]
    assert order_id is not None


def test_csv_leaves_negative_numbers_numbers(client, session):
    builders.position(session, qty=-2, avg=100, mark=110)
    (row,) = csv.DictReader(io.StringIO(client.get("/positions.csv").text))

    assert Decimal(row["qty"]) == -2
    assert Decimal(row["unrealized_pnl"]) == -20


def test_json_pages_with_a_cursor_and_ends_with_null(client, session):
    made = [str(builders.order(session, at=builders.NOON + timedelta(seconds=n))) for n in range(3)]
    first = client.get("/orders.json?limit=2").get_json()
    second = client.get(f"/orders.json?limit=2&cursor={first['next_cursor']}").get_json()

    assert [item["order_id"] for item in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None
    assert first["items"][0]["qty"] == "1.00000000"
    assert datetime.fromisoformat(first["items"][0]["created_at"]).tzinfo == UTC


def test_stored_text_is_only_ever_text(visit, session):
    order_id = builders.order(session)
    texts = ["<script>alert(1)</script>", '"><img src=x>', "{{ 7*7 }}", "' onmouseover='x"]
    for text in texts:
        at = builders.now()
        builders.risk_event(session, order_id, details={"sentence": text})
        builders.signal(session, strategy_payload={text: text})
        event = {"event_id": builders.new_id(at), "enabled": True, "reason": text, "actor": text, "created_at": at}
        builders.add(session, KillSwitchEvent, event)

    for path in ("/risk/", "/signals/", "/kill-switch/"):
        page = visit(path)
        assert [text for text in texts if text not in page.text] == []
        assert not page.dom.all("img")
