"""The portfolio page: NAV over a range as picture, sentence, statistics and table; and the chart's own data."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests import builders
from webapp.domain.analytics import max_drawdown
from webapp.domain.policy import Policy
from webapp.models import KillSwitchEvent, PolicyVersion

VECTORS = json.loads(Path(__file__).parents[1].joinpath("data/metrics_vectors.json").read_text())
STATISTICS = {
    *("change", "total_return", "cagr", "mean_return"),
    *("annual_volatility", "downside_deviation", "sharpe", "sortino", "max_drawdown"),
    *("trades", "win_rate", "profit_factor", "expectancy", "average_win", "average_loss", "average_holding"),
    *("fees", "turnover", "fee_rate", "fills"),
    "month",
}
PAGE_QUERIES = 22
"""Window, chart (NAV, symbols, marks, events), closes, drawdown in a few rounds, trades, calendar, table."""


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
    assert visit.client.get("/portfolio/chart.json").get_json()["points"] == []
    assert visit.client.get("/portfolio/chart").location == "/portfolio/"


def test_page_shows_chart_sentence_statistics_and_tables(visit, curve):
    page = visit("/portfolio/", title="Portfolio", queries=PAGE_QUERIES)

    figure = page.dom.one("figure", data_chart="nav")
    plot = figure.one("div", id="nav-plot")
    assert plot["data-points"] == "/portfolio/chart.json"
    assert figure.one("div", role="img")["aria-label"].startswith("NAV from ")
    assert [node["data-plot-pane"] for node in figure.all("svg", data_plot_pane=None)] == ["nav", "fall"]
    assert len(page.table("snapshots")) == 50
    assert page.table("snapshots")[0]["nav"] == f"{curve[-1][1]}.00000000"
    assert set(statistics(page)) == STATISTICS
    for basis in ("daily close", "Drawdown from every snapshot", "from flat to flat", "From every fill"):
        assert basis in page.text


def test_table_beside_the_chart_says_what_the_chart_does(visit, curve):
    page = visit("/portfolio/?range=all", queries=PAGE_QUERIES)
    rows = page.table("nav_columns")

    assert 20 <= len(rows) <= 32
    assert Decimal(rows[0]["last_nav"]) == curve[-1][1]
    assert Decimal(rows[-1]["first_nav"]) == curve[0][1]
    assert max(Decimal(row["max_nav"]) for row in rows) == max(nav for _, nav in curve)
    assert min(Decimal(row["min_nav"]) for row in rows) == min(nav for _, nav in curve)


def test_statistics_are_exact_and_undefined_ones_say_so(visit, session):
    now = builders.now()
    builders.snapshots(session, [(now - timedelta(minutes=2), 100), (now - timedelta(minutes=1), 80), (now, 90)])
    page = visit("/portfolio/?range=1h", queries=PAGE_QUERIES)
    found = statistics(page)

    assert Decimal(found["total_return"]) == Decimal("-0.1")
    assert Decimal(found["max_drawdown"]) == Decimal("-0.2")
    assert Decimal(found["change"]) == -10
    assert (found["sharpe"], found["annual_volatility"], found["cagr"]) == ("", "", "")
    assert page.dom.one(data_stat="sharpe").text == "n/a"


@pytest.mark.parametrize("vector", VECTORS["irregular"], ids=lambda vector: vector["id"])
def test_page_says_what_the_vectors_expect_of_their_snapshots(visit, session, vector):
    builders.snapshots(session, [(datetime.fromisoformat(at), Decimal(nav)) for at, nav in vector["nav"]])
    found = statistics(visit("/portfolio/?range=all", queries=PAGE_QUERIES))

    names = STATISTICS & set(vector["expected_daily"])
    assert {"total_return", "cagr", "annual_volatility", "sharpe", "sortino", "max_drawdown"} <= names
    for name in names:
        whole = vector["expected_full"] if name == "max_drawdown" else vector["expected_daily"]
        expected = Decimal(whole[name])
        assert abs(Decimal(found[name]) - expected) <= Decimal("1e-9") * max(1, abs(expected)), name


@pytest.mark.parametrize("name", ["1h", "1d", "7d", "30d", "all"])
def test_range_bounds_chart_table_and_twins_alike(visit, curve, name):
    page = visit(f"/portfolio/?range={name}", queries=PAGE_QUERIES)
    link = page.dom.one("nav", aria_label="Range of the chart").one("a", aria_current="true")
    rows = page.table("snapshots")
    twin = list(csv.DictReader(io.StringIO(visit.client.get(f"/portfolio.csv?range={name}").text)))
    chart = visit.client.get(f"/portfolio/chart.json?range={name}").get_json()

    assert link.text == name
    assert page.dom.one("div", id="nav-plot")["data-points"] == f"/portfolio/chart.json?range={name}"
    assert [row["id"] for row in rows] == [row["snapshot_id"] for row in twin[:50]]
    assert len(twin) == {"1h": 6, "1d": 144}.get(name, 433)
    assert Decimal(chart["points"][-1][1][0]) == curve[-1][1]


def test_own_range_bounds_chart_and_table(visit, curve):
    begin, end = (curve[index][0].isoformat().replace("+00:00", "Z") for index in (100, 130))
    page = visit(f"/portfolio/?from={begin}&to={end}", queries=PAGE_QUERIES)

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
        ("hold=maybe", "hold"),
        ("month=2026-13", "month"),
        ("month=2026-1", "month"),
        ("month=0000-01", "month"),
        ("month=2026-01&month=2026-02", "month"),
        ("pnl=sol", "pnl"),
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
        page = visit(path, queries=PAGE_QUERIES)
        seen += [row["captured_at"] for row in page.table("snapshots")]
        older = page.dom.all("a", rel="next")
        path = older[0]["href"] if older else None

    assert len(seen) == len(set(seen)) == 144


def test_points_carry_exact_heights_and_the_words_of_the_page(client, curve):
    data = client.get("/portfolio/chart.json?range=1d").get_json()
    seconds, heights, time, words, note = data["points"][-1]

    assert (data["width"], data["unit"]) == (300, "USDC")
    assert data["fields"] == ["NAV", "from", "to", "drawdown"]
    assert abs(seconds - curve[-1][0].timestamp()) < 0.001
    assert Decimal(heights[0]) == curve[-1][1]
    assert time == f"{curve[-1][0]:%d %b %Y %H:%M:%S} UTC"
    assert words[0] == f"{curve[-1][1]:,}.00"
    assert note == ""


def test_unchanged_chart_is_a_304_and_a_new_snapshot_is_not(client, session, curve):
    first = client.get("/portfolio/chart.json?range=all")
    tag = {"If-None-Match": first.headers["ETag"]}
    again = client.get("/portfolio/chart.json?range=all", headers=tag)
    builders.snapshot(session, 12_000)

    assert (again.status_code, again.data) == (304, b"")
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert client.get("/portfolio/chart.json?range=all", headers=tag).status_code == 200


def test_live_block_costs_two_statements_when_nothing_changed(visit, curve, session):
    block = visit("/portfolio/", queries=PAGE_QUERIES).dom.one(id="portfolio")
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
    page = visit("/portfolio/?range=1d", queries=PAGE_QUERIES)

    assert len(page.dom.all("rect", class_="plot-band plot-band-gap")) == 2
    (event,) = page.dom.all("li", data_event="gap")
    assert "for 3 h 17 min" in event.text
    assert "nothing recorded" in page.text


def test_halts_and_policy_edits_stand_on_the_chart_and_in_words(visit, session, curve):
    begin = curve[-60][0]
    for minutes, enabled in ((0, True), (25, False)):
        at = begin + timedelta(minutes=minutes)
        row = {"event_id": builders.new_id(at), "enabled": enabled, "actor": "user:olga", "created_at": at}
        builders.add(session, KillSwitchEvent, row | {"reason": "a <drill>" if enabled else "passed"})
    edit = {"policy_id": builders.new_id(begin), "version": 2, "limits": Policy.default().to_document()}
    edit |= {"difference": {"fee_bps": ["10", "12"]}, "actor": "user:ada", "created_at": curve[-9][0]}
    builders.add(session, PolicyVersion, edit)
    page = visit("/portfolio/?range=1d", queries=PAGE_QUERIES)

    assert len(page.dom.all("rect", class_="plot-band plot-band-halt")) == 2
    assert [text.text for text in page.dom.one("svg", data_plot_pane="nav").all("text")] == ["H", "P"]
    (halted,) = page.dom.all("li", data_event="halt")
    assert "for 25 min" in halted.text
    assert "“a <drill>”, by user:olga; released by user:olga (“passed”)" in halted.text
    (edited,) = page.dom.all("li", data_event="policy")
    assert "fee bps 10 → 12" in edited.text
    note = visit.client.get("/portfolio/chart.json?range=1d").get_json()["points"][-59][4]
    assert note == "halted"


def test_benchmark_is_drawn_with_its_basis_and_can_be_taken_away(visit, session, curve):
    builders.ticks(session, "SOL-USDC", [(curve[0][0] + timedelta(seconds=5), 100), (curve[-1][0], 110)])
    page = visit("/portfolio/?range=all", queries=PAGE_QUERIES)
    away = page.dom.one("figure").one("a", data_zoom_link="")["href"]
    without = visit(away, queries=PAGE_QUERIES)

    assert "spread equally over SOL-USDC, bought at the first mid of the range and kept, without fees" in page.text
    assert "hold 10,744.80 (+10.00" in page.text
    assert len(page.dom.all("path", class_="plot-hold")) == 1
    assert away == "/portfolio/?range=all&hold=off"
    assert without.dom.all("path", class_="plot-hold") == []
    assert (
        without.dom.one("nav", aria_label="Range of the chart").all("a")[0]["href"] == "/portfolio/?range=1h&hold=off"
    )


def test_chart_is_moved_and_zoomed_by_plain_links(visit, curve):
    def links(page):
        nav = page.dom.one("nav", aria_label="Move and zoom the chart")
        return {node["title"]: node["href"] for node in nav.all("a")}

    assert set(links(visit("/portfolio/?range=all", queries=PAGE_QUERIES))) == {"Zoom in"}
    day = links(visit("/portfolio/?range=1d", queries=PAGE_QUERIES))
    assert set(day) == {"Earlier", "Zoom in", "Zoom out"}
    zoomed = visit(day["Zoom in"], queries=PAGE_QUERIES)
    assert 70 <= len(visit.client.get(day["Zoom in"].replace("/?", ".json?") + "&limit=200").get_json()["items"]) <= 74
    assert set(links(zoomed)) == {"Earlier", "Zoom in", "Zoom out", "Later"}


def test_trades_costs_and_calendar_come_from_the_fills(visit, session, curve):
    at = curve[-40][0]
    for minutes, side, price in ((0, "buy", 100), (30, "sell", 110)):
        order = builders.order(session, side=side, at=at)
        builders.fill(session, order, at + timedelta(minutes=minutes), side=side, fill_price=price, fee=Decimal("0.5"))
    builders.tick(session, "SOL-USDC", 105, at)
    page = visit("/portfolio/?range=all", queries=PAGE_QUERIES)
    found = statistics(page)

    assert Decimal(found["expectancy"]) == Decimal(found["average_win"]) == 9
    assert (found["trades"], found["fills"], found["average_holding"], found["profit_factor"]) == ("1", "2", "1800", "")
    assert (Decimal(found["win_rate"]), Decimal(found["fees"]), Decimal(found["turnover"])) == (1, 1, 210)
    (sol,) = page.table("pnl_by_symbol")
    assert (sol["symbol"], sol["fills"], sol["trades"]) == ("SOL-USDC", "2", "1")


def test_calendar_has_each_day_with_its_change_and_leads_to_its_orders(visit, session):
    noon = builders.now().replace(day=15, hour=12) - timedelta(days=40)
    builders.snapshots(session, [(noon, 10_000), (noon + timedelta(days=1), 10_030), (noon + timedelta(days=3), 9_990)])
    page = visit(f"/portfolio/?range=all&month={noon:%Y-%m}", queries=PAGE_QUERIES)
    days = page.dom.one("section", id="calendar").all("a", data_day=None)

    assert [Decimal(day["data-value"]) for day in days] == [0, 30, -40]
    assert [day.one("span", class_="day-pnl-whole").text for day in days] == ["0.00", "+30.00", "−40.00"]
    last = (noon + timedelta(days=3)).date()
    assert days[2]["href"] == f"/orders/?from={last}&to={last + timedelta(days=1)}"
    assert days[2]["data-day"] == str(last)
    visit(days[2]["href"])
    assert Decimal(statistics(page)["month"]) == -10
    assert "Nothing is known of the desk" in visit("/portfolio/?month=1999-01", queries=PAGE_QUERIES).text


@pytest.mark.parametrize(
    "navs",
    [
        [10_000],
        [10_000, 10_000, 10_000],
        [0, -5],
        [-1, 2, -3],
        ["9999999999.99999999", "0.00000001", "9999999999.99999999"],
        ["0.00000001", "0.00000002"],
    ],
)
def test_any_nav_is_drawn(visit, session, navs):
    now = builders.now()
    builders.snapshots(session, [(now - timedelta(minutes=len(navs) - n), nav) for n, nav in enumerate(navs)])
    for name in ("1h", "all"):
        page = visit(f"/portfolio/?range={name}", queries=PAGE_QUERIES)
        assert page.dom.one("path", class_="plot-line")["d"].startswith("M")
        points = visit.client.get(f"/portfolio/chart.json?range={name}").get_json()["points"]
        assert Decimal(points[-1][1][0]) == Decimal(navs[-1])
        assert "None" not in page.text
        assert "nan" not in page.text.lower().replace("finance", "")


def test_desk_worth_nothing_has_no_ratio(visit, session):
    now = builders.now()
    builders.snapshots(session, [(now - timedelta(minutes=1), 0), (now, -5)])
    page = visit("/portfolio/?range=1h", queries=PAGE_QUERIES)

    assert statistics(page)["total_return"] == ""
    assert "−5.00" in page.text
