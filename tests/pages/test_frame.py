"""What stands around every page: the mode, the ways to everything, filters, the same list for programs."""

import re

import pytest

from tests import builders
from webapp.config import ROOT
from webapp.pages.filtering import API

LISTED = {"orders": "/orders/", "signals": "/signals/", "fills": "/fills/", "positions": "/positions/",
          "risk_events": "/risk/", "smoke_runs": "/smoke-runs/"}  # fmt: skip


@pytest.fixture
def icons():
    """The names in the one set of icons."""
    return set(re.findall(r'<symbol id="([\w-]+)"', (ROOT / "static/img/icons.svg").read_text()))


def test_every_page_says_that_the_money_is_not_real(visit):
    for path in ("/", "/login", "/nope"):
        page = visit(path, status=404 if path == "/nope" else 200)
        assert page.dom.one("p", class_="mode").text == "PAPER simulated money"


def test_places_have_keys_of_their_own_and_icons_that_exist(visit, icons):
    links = visit("/orders/").dom.one(id="nav").all("a", data_key=None)

    keys = [link["data-key"] for link in links]
    assert len(set(keys)) == len(keys) == 13
    assert "g" not in keys
    for link in links:
        assert link.all("use")[0]["href"].split("#")[1] in icons


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/", "Overview"),
        ("/positions/SOL-USDC/closing", "Positions"),
        ("/risk/", "Risk audit"),
        ("/risk/policy", "Policy"),
        ("/admin/people/admin", "Admin"),
        ("/admin/acts/", "Acts"),
    ],
)
def test_page_is_marked_in_the_navigation_as_the_place_it_belongs_to(visit, logged_in, trader, path, place):
    trader.cycle("buy", "1")
    nav = visit(path, client=logged_in("admin")).dom.one(id="nav")

    assert [link.text for link in nav.all("a", aria_current="page")] == [place]


def test_page_of_no_place_marks_none(visit):
    assert visit("/no/such/page", status=404).dom.one(id="nav").all("a", aria_current="page") == []


def test_every_icon_used_in_a_template_exists(icons):
    used = {
        name
        for folder, pattern, call in (
            ("templates", "*.html", r'icon\("([\w-]+)"\)'),
            ("static/js", "*.js", r'icon\("([\w-]+)"\)'),
        )
        for file in (ROOT / folder).rglob(pattern)
        for name in re.findall(call, file.read_text())
    }

    assert used
    assert used <= icons


def test_filters_in_force_are_chips_that_take_themselves_away(visit, session):
    builders.order(session, status="rejected")
    page = visit("/orders/?status=rejected&symbol=SOL-USDC&limit=20")
    chips = {link.text: link["href"] for link in page.dom.all("a", class_="chip")}

    assert chips == {
        "Symbol SOL-USDC": "/orders/?status=rejected&limit=20",
        "Status Rejected": "/orders/?symbol=SOL-USDC&limit=20",
    }
    assert not visit("/orders/").dom.all("a", class_="chip")


@pytest.mark.parametrize(
    ("query", "field", "kept"),
    [
        ("status=bought&symbol=SOL-USDC", "status", "symbol"),
        ("from=yesterday&symbol=SOL-USDC", "from", "symbol"),
        ("cycle_id=12&symbol=SOL-USDC", "cycle_id", "symbol"),
    ],
)
def test_refused_filter_is_marked_in_the_form_that_is_still_filled(visit, query, field, kept):
    page = visit(f"/orders/?{query}", status=422)
    form = page.form("filters")
    wrong = form.one(id=f"filter-{field}")

    assert wrong["aria-invalid"] == "true"
    assert form.one(id=f"filter-{field}-note").text.startswith("Must be ")
    assert page.fill("filters")[kept] == "SOL-USDC"
    assert page.fill("filters")[field] == query.partition("&")[0].partition("=")[2]
    assert page.dom.one(data_error="422")["data-field"] == field


@pytest.mark.parametrize("path", ["/market/", "/portfolio/", "/kill-switch/", "/risk/policy"])
def test_pages_that_draw_themselves_keep_their_form_too(visit, path):
    page = visit(f"{path}?from=yesterday", status=422)

    assert page.fill("filters")["from"] == "yesterday"


@pytest.mark.parametrize(
    ("name", "path"), [*LISTED.items(), ("ticks", "/market/?from=2026-01-01"), ("snapshots", "/portfolio/")]
)
def test_curl_reads_the_same_rows_from_the_api(visit, client, bearer, session, name, path):
    order_id = builders.order(session)
    builders.fill(session, order_id)
    builders.risk_event(session, order_id)
    builders.signal(session)
    builders.position(session)
    builders.tick(session)
    builders.snapshot(session)
    page = visit(f"{path}{'&' if '?' in path else '?'}limit=7", queries=25)
    found = page.dom.all("details", class_="as-curl")
    if not page.table(name):
        assert not found
        return
    command = found[0].one("code").text
    address = re.fullmatch(r'curl -H "Authorization: Bearer \$TOKEN" "http://localhost(/v1/[^"]+)"', command)[1]
    items = client.get(address, headers=bearer("read")).get_json()["items"]

    assert address == f"{API[name]}?{path.partition('?')[2]}&limit=7".replace("?&", "?")
    assert [str(item[key]) for item in items for key in (next(iter(item)),)] == [row["id"] for row in page.table(name)]


def test_fragment_leaves_titles_to_the_script_and_the_page_has_them(client, session):
    order_id = builders.order(session)
    page = client.get("/orders/").text
    fragment = client.get("/orders/", headers={"HX-Request": "true"}).text

    assert f'title="{order_id}"' in page
    assert f'title="{order_id}"' not in fragment
    assert fragment.count(f'data-value="{order_id}"') == 1


FRAGMENT_BYTES = 6_000
FRAGMENT = {"HX-Request": "true", "Accept-Encoding": "gzip, deflate, br"}


FULL = ("/orders/", "/signals/", "/cycles/", "/risk/", "/positions/", "/fills/")


def test_fragment_of_a_full_page_is_small_on_the_wire(client, session):
    for _ in range(50):
        cycle_id = builders.cycle(session)
        order_id = builders.order(session, cycle_id=cycle_id, qty="3.28194700")
        builders.fill(session, order_id, qty="3.28194700", fill_price="142.81937465", fee="0.46872591")
        builders.risk_event(session, order_id)
    answers = {path: client.get(path, headers=FRAGMENT) for path in FULL}

    assert {answer.headers["Content-Encoding"] for answer in answers.values()} == {"br"}
    assert {path: len(answer.data) for path, answer in answers.items() if len(answer.data) > FRAGMENT_BYTES} == {}


def test_error_page_gives_its_request_a_name_the_log_knows(client):
    answer = client.get("/nope", headers={"X-Request-Id": "look-for-me"})

    assert answer.headers["X-Request-Id"] == "look-for-me"
    assert "look-for-me" in answer.text


def test_page_kept_for_when_nobody_answers_knows_nothing(visit):
    page = visit("/offline")

    assert page.dom.one(data_kill_switch="on")
    assert "Switch unknown" in page.text
    assert "flask --app wsgi halt" in page.text
    assert "may not have arrived" in visit("/offline?sent=yes").text


def test_worker_may_look_after_every_page(client):
    with client.get("/static/js/sw.js") as answer:
        assert answer.headers["Service-Worker-Allowed"] == "/"
