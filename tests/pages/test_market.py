"""The market page: newest quotes with their age, every quote under filters, and candles."""

from __future__ import annotations

import csv
import io
import json
import time
from datetime import timedelta
from decimal import Decimal

import pytest

from tests import builders
from webapp.models import MarketTick
from webapp.pages import market


@pytest.fixture
def quotes(session):
    """SOL quoted until now, BTC until two minutes ago."""
    now = builders.now()
    builders.ticks(session, "SOL-USDC", [(now - timedelta(seconds=10 * n), 100 + n % 9) for n in range(90)])
    builders.ticks(session, "BTC-USDC", [(now - timedelta(seconds=120 + 10 * n), 60_000 + n) for n in range(20)])
    return now


def test_market_without_a_quote_says_where_quotes_come_from(visit):
    page = visit("/market/", title="Market")

    assert "No quotes yet" in page.text
    assert page.table("ticks") == []


def test_newest_quote_of_each_symbol_with_every_column_and_its_freshness(visit, quotes, session):
    builders.late_tick(session, "SOL-USDC", 99)
    page = visit("/market/")
    btc, sol = page.table("ticks")

    assert set(MarketTick.__table__.columns.keys()) <= set(btc)
    assert (btc["symbol"], btc["mid_price"], sol["mid_price"]) == ("BTC-USDC", "60000.00000000", "100.00000000")
    assert btc["id"] == btc["tick_id"]
    assert (sol["late_24h"], btc["late_24h"]) == ("1", "0")
    shown = page.shown("ticks")
    assert shown[0]["event_at"].startswith("stale 2 min")
    assert shown[1]["event_at"].startswith("fresh ")


def test_freshness_follows_the_policy(visit, quotes, session):
    builders.policy(session, stale_after_seconds=3600, auto_halt_stale_seconds=7200)
    page = visit("/market/")

    assert all(row["event_at"].startswith("fresh") for row in page.shown("ticks"))
    assert "older than 3600 s" in page.text


def test_symbol_lists_every_quote_of_it_newest_first_with_candles(visit, quotes):
    page = visit("/market/?symbol=SOL-USDC", title="Market: SOL-USDC")
    rows = page.table("ticks")
    twin = visit.client.get("/market.json?symbol=SOL-USDC").get_json()["items"]

    assert {row["symbol"] for row in rows} == {"SOL-USDC"}
    assert [row["id"] for row in rows] == [item["tick_id"] for item in twin]
    assert [row["event_at"] for row in rows] == sorted((row["event_at"] for row in rows), reverse=True)
    figure = page.dom.one("figure", data_chart="candles")
    assert figure["data-src"] == "/market/candles.json?symbol=SOL-USDC&interval=5m"
    assert figure.one("svg", role="img")["aria-label"].startswith("SOL-USDC in ")


def test_unknown_symbol_has_no_candles_and_no_rows(visit, quotes):
    page = visit("/market/?symbol=DOGE")

    assert page.dom.all("figure") == []
    assert "No quote passes these filters" in page.text


def test_pages_walk_through_all_quotes_once(visit, quotes):
    path, seen = "/market/?limit=40", []
    while path:
        page = visit(path)
        seen += [row["id"] for row in page.table("ticks")]
        older = page.dom.all("a", rel="next")
        path = older[0]["href"] if older else None

    assert len(seen) == len(set(seen)) == 110


def test_csv_has_every_quote_and_obeys_the_filters(client, quotes):
    everything = list(csv.DictReader(io.StringIO(client.get("/market.csv").text)))
    until = (quotes - timedelta(seconds=95)).isoformat().replace("+00:00", "Z")
    older = list(csv.DictReader(io.StringIO(client.get(f"/market.csv?symbol=SOL-USDC&to={until}").text)))

    assert (len(everything), len(older)) == (110, 80)
    assert list(everything[0]) == MarketTick.__table__.columns.keys()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("interval=2m", "interval"),
        ("interval=1m&interval=5m", "interval"),
        ("symbol=sol", "symbol"),
        ("symbol=%00", "symbol"),
        ("range=1d", "range"),
        ("limit=1000", "limit"),
        ("to=soon", "to"),
    ],
)
def test_bad_parameter_is_a_422_that_names_the_field(visit, query, field):
    assert field in visit(f"/market/?{query}", status=422).text


@pytest.mark.parametrize(
    "query", ["", "symbol=SOL-USDC&symbol=BTC-USDC", "symbol=a", "symbol=A&interval=7m", "symbol=A&limit=1"]
)
def test_candles_take_one_symbol_and_a_known_interval(client, query):
    assert client.get(f"/market/candles.json?{query}").status_code == 422


def test_candles_are_exact_and_unchanged_ones_a_304(client, session, quotes):
    first = client.get("/market/candles.json?symbol=SOL-USDC&interval=1m")
    data = first.get_json()
    tag = {"If-None-Match": first.headers["ETag"]}

    assert (data["width"], data["places"]) == (60, 4)
    assert sum(column[5] for column in data["columns"]) == 90
    assert data["columns"][-1][4] == "100"
    assert all(Decimal(low) <= Decimal(high) for _, _, high, low, _, _ in data["columns"])
    assert client.get("/market/candles.json?symbol=SOL-USDC&interval=1m", headers=tag).status_code == 304
    builders.tick(session, "SOL-USDC", 111)
    assert client.get("/market/candles.json?symbol=SOL-USDC&interval=1m", headers=tag).status_code == 200


def test_interval_is_kept_with_the_other_filters(visit, quotes):
    page = visit("/market/?symbol=SOL-USDC&interval=1h&limit=20")
    links = page.dom.one("nav", aria_label="Time a candle covers").all("a")

    assert [link.text for link in links if link.get("aria-current")] == ["1h"]
    assert links[0]["href"] == "/market/?symbol=SOL-USDC&limit=20&interval=1m"


def test_live_block_costs_one_statement_when_nothing_changed(visit, quotes, session, monkeypatch):
    monkeypatch.setattr(market, "REDRAW_SECONDS", 10**9)
    block = visit("/market/").dom.one(id="market")
    headers = {"HX-Request": "true", **json.loads(block["hx-headers"])}
    visit.statements.clear()

    assert visit.client.get("/market/", headers=headers).status_code == 204
    assert len(visit.statements) == 1
    builders.tick(session, "SOL-USDC", 105)
    again = visit.client.get("/market/", headers=headers)
    assert again.status_code == 200
    assert "<html" not in again.text


def test_live_block_is_drawn_again_in_time_although_nothing_came(visit, quotes, monkeypatch):
    monkeypatch.setattr(market, "REDRAW_SECONDS", 1)
    block = visit("/market/").dom.one(id="market")
    time.sleep(1.1)
    answer = visit.client.get("/market/", headers={"HX-Request": "true", **json.loads(block["hx-headers"])})

    assert answer.status_code == 200, "quotes go stale without any new row"
