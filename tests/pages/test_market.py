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
    assert shown[0]["event_at"].startswith("silent 2 min")
    assert shown[1]["event_at"].startswith("fresh ")


def test_freshness_follows_the_policy(visit, quotes, session):
    builders.policy(session, stale_after_seconds=3600, auto_halt_stale_seconds=7200)
    page = visit("/market/")

    assert all(row["event_at"].startswith("fresh") for row in page.shown("ticks"))
    assert "older than 1 h;" in page.text


def test_filter_lists_every_quote_of_a_symbol_newest_first(visit, quotes):
    page = visit("/market/?symbol=SOL-USDC", title="Market: SOL-USDC")
    rows = page.table("ticks")
    twin = visit.client.get("/market.json?symbol=SOL-USDC").get_json()["items"]

    assert {row["symbol"] for row in rows} == {"SOL-USDC"}
    assert [row["id"] for row in rows] == [item["tick_id"] for item in twin]
    assert [row["event_at"] for row in rows] == sorted((row["event_at"] for row in rows), reverse=True)
    assert "/market/SOL-USDC" in [link["href"] for link in page.dom.all("a")]


def test_page_of_a_symbol_has_its_candles_its_quality_and_every_quote(visit, quotes, session):
    builders.late_tick(session, "SOL-USDC", 99)
    page = visit("/market/SOL-USDC", title="SOL-USDC")
    plot = page.dom.one(data_plot="")

    assert plot.one(role="img")["aria-label"].startswith("SOL-USDC in ")
    assert plot["data-points"] == "/market/SOL-USDC/candles.json"
    assert {row["symbol"] for row in page.table("ticks")} == {"SOL-USDC"}
    assert [page.dom.one("dd", data_quality=name).text.split()[0] for name in ("taken", "late", "repeated")] == [
        "91",
        "1",
        "0",
    ]
    assert page.dom.one(data_col="freshness").text.startswith("fresh")
    assert page.dom.one(class_="pager-twins").all("a")[0]["href"] == "/market.csv?symbol=SOL-USDC"


def test_silence_is_drawn_and_told_as_a_gap_the_one_until_now_included(visit, session):
    now = builders.now()
    minutes = [50, 49, 48, 30, 29, 28, 10]
    builders.ticks(session, "SOL-USDC", [(now - timedelta(minutes=n), 100) for n in minutes])
    page = visit("/market/SOL-USDC")

    assert page.dom.one("dd", data_quality="gaps").text.startswith("3 longest 18 min")
    assert len(page.dom.all("rect", class_="plot-band plot-band-gap")) == 3
    assert "Silent for longer than the 2 min" in page.text


def test_own_fills_are_marked_on_the_candles(visit, trader):
    trader.cycle("buy", "2")
    page = visit("/market/SOL-USDC")

    (mark,) = page.dom.all("svg", class_="plot-mark plot-mark-buy")
    assert mark.text == "Bought 2 at 100.0300"


def test_range_chooses_the_stretch_and_offers_those_around_it(visit, quotes):
    page = visit("/market/SOL-USDC?range=6h")
    chosen = [link.text for link in page.dom.one("nav", aria_label="Range of the chart").all("a", aria_current=None)]
    zoom = [link.get("aria-label") for link in page.dom.one("nav", aria_label="Move and zoom the chart").all("a")]

    assert chosen == ["6h"]
    assert "Zoom in" in zoom
    assert "candles of 2 min" in page.dom.one("figcaption").text


def test_stretch_of_ones_own_bounds_chart_and_list_alike(visit, quotes):
    since, until = (builders.NOON.strftime("%Y-%m-%dT%H:%M:%SZ"), quotes.strftime("%Y-%m-%dT%H:%M:%SZ"))
    page = visit(f"/market/SOL-USDC?from={since}&to={until}")

    assert all(row["event_at"] < quotes.isoformat() for row in page.table("ticks"))
    assert page.form("filters").one("input", name="from")["value"] == since
    assert "hx-get" not in page.dom.one(id="market-chart").attrs, "a stretch of the past does not change"


def test_market_that_fell_silent_long_ago_is_shown_where_it_ended(visit, session):
    builders.ticks(session, "SOL-USDC", [(builders.NOON + timedelta(minutes=n), 100 + n) for n in range(30)])
    page = visit("/market/SOL-USDC")

    assert "up to the newest quote" in page.dom.one("figcaption").text
    assert "plot" in page.dom.one(data_plot="").get("class")
    assert page.dom.one(data_col="freshness").text.startswith("silent")


def test_symbol_has_twins_at_its_own_address(client, quotes):
    rows = client.get("/market/BTC-USDC.json?limit=5", follow_redirects=True).get_json()["items"]

    assert [row["symbol"] for row in rows] == ["BTC-USDC"] * 5
    assert client.get("/market/btc.csv").status_code == 404


@pytest.mark.parametrize("path", ["/market/DOGE", "/market/sol-usdc", "/market/%00", f"/market/{'A' * 40}"])
def test_unknown_symbol_is_a_calm_404(visit, quotes, path):
    page = visit(path, status=404)

    assert "/market/" in [link["href"] for link in page.dom.all("a")]


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
    ("query", "field"),
    [
        ("range=2m", "range"),
        ("range=1h&range=1d", "range"),
        ("range=1h&from=2026-01-01", "range"),
        ("symbol=SOL-USDC", "symbol"),
        ("to=soon", "to"),
        ("limit=0", "limit"),
    ],
)
def test_bad_parameter_of_a_symbols_page_is_a_422_that_names_the_field(visit, quotes, query, field):
    assert field in visit(f"/market/SOL-USDC?{query}", status=422).text
    if field != "limit":
        assert visit.client.get(f"/market/SOL-USDC/candles.json?{query}").status_code == 422


def test_points_of_the_crosshair_are_those_of_the_candles_and_unchanged_ones_a_304(client, session, quotes):
    first = client.get("/market/SOL-USDC/candles.json")
    data = first.get_json()
    tag = {"If-None-Match": first.headers["ETag"]}

    assert data["width"] == 60
    assert sum(int(words[-1]) for _, _, _, words, _ in data["points"]) == 90
    assert Decimal(data["points"][-1][1][0]) == 100
    assert client.get("/market/SOL-USDC/candles.json", headers=tag).status_code == 304
    builders.tick(session, "SOL-USDC", 111)
    assert client.get("/market/SOL-USDC/candles.json", headers=tag).status_code == 200


def test_chart_is_a_live_block_of_its_own_and_a_page_for_those_who_open_it(visit, quotes):
    visit("/market/SOL-USDC?range=1d")
    asked = visit.client.get("/market/SOL-USDC/chart?range=1d", headers={"HX-Request": "true"})
    opened = visit.client.get("/market/SOL-USDC/chart?range=1d")

    assert asked.status_code == 200
    assert "<html" not in asked.text
    assert 'id="market-chart"' in asked.text
    assert (opened.status_code, opened.headers["Location"]) == (302, "/market/SOL-USDC?range=1d")


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
