"""The portfolio page: NAV over a range as picture, sentence, statistics and table; and the chart's own data."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from decimal import Decimal

import pytest

from tests import builders
from webapp.domain.analytics import max_drawdown

STATISTICS = {
    "total_return",
    "cagr",
    "annual_volatility",
    "downside_deviation",
    "sharpe",
    "sortino",
    "mean_return",
    "max_drawdown",
    "change",
}


@pytest.fixture
def curve(session):
    """Three days of NAV, a snapshot every ten minutes, up and down."""
    now = builders.now()
    points = [(now - timedelta(minutes=10 * n), Decimal(10_000 - n + 40 * (n % 7))) for n in range(432, -1, -1)]
    builders.snapshots(session, points)
    return points


def statistics(page):
    return {node["data-stat"]: node["data-value"] for node in page.dom.all(data_stat=None)}


def test_empty_desk_says_why_there_is_no_chart(visit):
    page = visit("/portfolio/", title="Portfolio")

    assert "No snapshots yet" in page.text
    assert page.dom.all("figure") == []
    assert visit.client.get("/portfolio/chart.json").get_json()["columns"] == []


def test_page_shows_chart_sentence_statistics_and_table(visit, curve):
    page = visit("/portfolio/", title="Portfolio")

    figure = page.dom.one("figure", data_chart="nav")
    assert figure["data-src"] == "/portfolio/chart.json"
    assert len(figure.all("svg", role="img")) == 2
    assert figure.one(data_chart_canvas="")["aria-label"].startswith("NAV from ")
    assert "https://www.tradingview.com/" in [link["href"] for link in figure.all("a")]
    assert len(page.table("snapshots")) == 50
    assert page.table("snapshots")[0]["nav"] == f"{curve[-1][1]}.00000000"
    assert set(statistics(page)) == STATISTICS
    assert "daily close" in page.text


def test_statistics_are_exact_and_undefined_ones_say_so(visit, session):
    now = builders.now()
    builders.snapshots(session, [(now - timedelta(minutes=2), 100), (now - timedelta(minutes=1), 80), (now, 90)])
    page = visit("/portfolio/?range=1h")
    found = statistics(page)

    assert Decimal(found["total_return"]) == Decimal("-0.1")
    assert Decimal(found["max_drawdown"]) == Decimal("-0.2")
    assert Decimal(found["change"]) == -10
    assert (found["sharpe"], found["annual_volatility"], found["cagr"]) == ("", "", "")
    assert page.dom.one(data_stat="sharpe").text == "n/a"


@pytest.mark.parametrize("name", ["1h", "1d", "7d", "30d", "all"])
def test_range_bounds_chart_table_and_twins_alike(visit, curve, name):
    page = visit(f"/portfolio/?range={name}")
    link = page.dom.one("nav", aria_label="Range of the chart").one("a", aria_current="true")
    rows = page.table("snapshots")
    twin = list(csv.DictReader(io.StringIO(visit.client.get(f"/portfolio.csv?range={name}").text)))
    chart = visit.client.get(f"/portfolio/chart.json?range={name}").get_json()

    assert link.text == name
    assert page.dom.one("figure", data_chart="nav")["data-src"] == f"/portfolio/chart.json?range={name}"
    assert [row["id"] for row in rows] == [row["snapshot_id"] for row in twin[:50]]
    assert len(twin) == {"1h": 6, "1d": 144}.get(name, 433)
    assert Decimal(chart["columns"][-1][4]) == curve[-1][1]


def test_own_range_bounds_chart_and_table(visit, curve):
    begin, end = (curve[index][0].isoformat().replace("+00:00", "Z") for index in (100, 130))
    page = visit(f"/portfolio/?from={begin}&to={end}")

    assert len(page.table("snapshots")) == 30
    assert page.dom.one("nav", aria_label="Range of the chart").all("a", aria_current="true") == []
    fall = max_drawdown(curve[99:130])
    assert Decimal(statistics(page)["max_drawdown"]) == round(fall.ratio, 18)


def test_range_without_a_snapshot_offers_everything(visit, curve):
    page = visit("/portfolio/?to=2001-01-01")

    assert "No snapshot in this range" in page.text
    assert "/portfolio/?range=all" in [link["href"] for link in page.dom.all("a")]
    assert page.dom.all("figure") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("range=2d", "range"),
        ("range=7D", "range"),
        ("range=1h&range=7d", "range"),
        ("range=7d&from=2026-01-01", "range"),
        ("from=yesterday", "from"),
        ("from=2026-01-02&to=2026-01-01", "from"),
        ("symbol=SOL-USDC", "symbol"),
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
    ],
)
def test_bad_parameter_is_a_422_that_names_the_field(visit, curve, query, field):
    assert field in visit(f"/portfolio/?{query}", status=422).text
    for path in ("/portfolio.csv", "/portfolio.json", "/portfolio/chart.json"):
        answer = visit.client.get(f"{path}?{query}")
        assert answer.status_code == 422
        assert field in answer.text


@pytest.mark.parametrize("query", ["limit=5", "cursor=x", "nonsense=1"])
def test_chart_takes_nothing_but_its_range(client, query):
    assert client.get(f"/portfolio/chart.json?{query}").status_code == 422


def test_pages_walk_through_all_snapshots_of_a_range_once(visit, curve):
    path, seen = "/portfolio/?range=1d&limit=100", []
    while path:
        page = visit(path)
        seen += [row["captured_at"] for row in page.table("snapshots")]
        older = page.dom.all("a", rel="next")
        path = older[0]["href"] if older else None

    assert len(seen) == len(set(seen)) == 144


def test_chart_data_are_exact_strings_in_columns_of_one_width(client, curve):
    data = client.get("/portfolio/chart.json?range=1d").get_json()

    assert data["width"] == 300
    assert {column[0] % 300 for column in data["columns"]} == {0}
    assert all(isinstance(value, str) for column in data["columns"] for value in column[1:])
    assert all(Decimal(low) <= Decimal(first) <= Decimal(high) for _, first, low, high, _, _ in data["columns"])
    assert Decimal(data["exact"]) == curve[-1][1]


def test_unchanged_chart_is_a_304_and_a_new_snapshot_is_not(client, session, curve):
    first = client.get("/portfolio/chart.json?range=all")
    tag = {"If-None-Match": first.headers["ETag"]}
    again = client.get("/portfolio/chart.json?range=all", headers=tag)
    builders.snapshot(session, 12_000)

    assert (again.status_code, again.data) == (304, b"")
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert client.get("/portfolio/chart.json?range=all", headers=tag).status_code == 200


def test_live_block_costs_two_statements_when_nothing_changed(visit, curve, session):
    block = visit("/portfolio/").dom.one(id="portfolio")
    seen = json.loads(block["hx-headers"])
    visit.statements.clear()
    unchanged = visit.client.get(block["hx-get"], headers={"HX-Request": "true", **seen})

    assert unchanged.status_code == 204
    assert len(visit.statements) <= 2

    builders.snapshot(session, 12_000)
    fragment = visit.client.get(block["hx-get"], headers={"HX-Request": "true", **seen})
    assert fragment.status_code == 200
    assert "<html" not in fragment.text
    assert "<figure" not in fragment.text
    assert "12,000.00" in fragment.text


def test_gap_is_told_and_drawn(visit, session):
    now = builders.now()
    builders.snapshots(session, [(now - timedelta(minutes=n), 10_000) for n in (200, 199, 2, 1)])
    page = visit("/portfolio/?range=1d")

    assert "Nothing was recorded in 1 stretch, the longest of 3 h 17 min" in page.text
    assert page.dom.all("path", class_="chart-bridge")
    assert len(visit.client.get("/portfolio/chart.json?range=1d").get_json()["gaps"]) == 1


def test_desk_worth_nothing_is_drawn_without_a_ratio(visit, session):
    now = builders.now()
    builders.snapshots(session, [(now - timedelta(minutes=1), 0), (now, -5)])
    page = visit("/portfolio/?range=1h")

    assert statistics(page)["total_return"] == ""
    assert "−5.00" in page.text
