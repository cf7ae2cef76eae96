"""Forms that another site's page sends, and addresses that lead to another site: refused, and nothing done."""

from __future__ import annotations

from urllib.parse import quote, urljoin, urlsplit

import pytest
from sqlalchemy import text

from tests.support import PASSWORD, csrf_token
from tests.web.test_limits import FORMS
from webapp.services import access, kill_switch

HERE = "http://localhost"
FILLED = {"reason": "x", "confirm": "RELEASE", "username": "admin", "password": PASSWORD, "theme": "dark"}
ELSEWHERE = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:8000"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "https://evil.example", "Referer": f"{HERE}/"},
    {"Origin": "file://localhost"},
    {"Origin": "http://[localhost"},
    {"Referer": "https://evil.example/?http://localhost/"},
    {"Referer": "https://localhost@evil.example/"},
    {"Referer": "about:blank"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": HERE},
    {"Sec-Fetch-Site": "nonsense"},
)
OWN = (
    {"Sec-Fetch-Site": "same-origin", "Origin": HERE},
    {"Sec-Fetch-Site": "none"},
    {"Origin": HERE},
    {"Origin": "http://localhost:80"},
    {"Referer": f"{HERE}/orders/"},
    {},
)


@pytest.fixture
def rows(engine):
    """`rows()`: how many rows the desk has in the tables that forms write to."""

    def count():
        tables = ("policies", "kill_switch_events", "devnet_smoke_runs", "orders", "users", "sessions", "share_links",
                  "api_tokens", "acts")  # fmt: skip
        with engine.connect() as connection:
            return [connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in tables]

    return count


def cookies(answer):
    return [line for line in answer.headers.getlist("Set-Cookie") if line.startswith(("theme=", "remember"))]


def test_form_without_a_token_of_its_own_session_does_nothing(app, logged_in, rows, session):
    admin, before = logged_in("admin"), rows()
    theirs = csrf_token(app.test_client().get("/login").text)
    own = csrf_token(admin.get("/logout").text)
    for path in FORMS:
        for token in ({}, {"csrf_token": ""}, {"csrf_token": "x"}, {"csrf_token": theirs}, {"csrf_token": own[:-1]}):
            answer = admin.post(path, data=FILLED | token)
            assert answer.status_code == 400, (path, token)
            assert cookies(answer) == []
        assert admin.post(f"{path}?csrf_token={own}", data=FILLED).status_code == 400, path
    assert rows() == before
    assert not kill_switch.state(session).enabled
    assert "Log out" in admin.get("/orders/").text


def test_form_from_another_sites_page_does_nothing_whatever_it_knows(logged_in, rows, session):
    admin, before = logged_in("admin"), rows()
    token = csrf_token(admin.get("/logout").text)
    for path in FORMS:
        for number, headers in enumerate(ELSEWHERE):
            more = {"HX-Request": "true"} if number % 2 else {}
            answer = admin.post(path, data=FILLED | {"csrf_token": token}, headers=headers | more)
            assert answer.status_code == 400, (path, headers)
            assert cookies(answer) == []
    assert rows() == before
    assert not kill_switch.state(session).enabled
    assert "Log out" in admin.get("/orders/").text


def test_form_of_our_own_page_is_taken_whatever_its_browser_tells_of_it(logged_in):
    admin = logged_in("admin")
    token = csrf_token(admin.get("/logout").text)
    for headers in OWN:
        answer = admin.post("/choices", data={"csrf_token": token, "theme": "dark"}, headers=headers)
        assert answer.status_code == 303, headers


def test_behind_a_proxy_with_tls_the_origin_is_that_of_the_public_name(settings, app, logged_in):
    app.config["PAPERDESK"] = settings
    admin = logged_in("admin")
    token = csrf_token(admin.get("/logout").text)
    headers = {"Origin": "https://localhost", "Referer": "https://localhost/orders/"}
    assert admin.post("/choices", data={"csrf_token": token, "theme": "dark"}, headers=headers).status_code == 303


def test_no_act_is_done_by_reading(logged_in, rows, session):
    admin, before = logged_in("admin"), rows()
    for path in FORMS:
        for method in ("GET", "HEAD"):
            admin.open(path, method=method, query_string=FILLED)
    assert rows() == before
    assert not kill_switch.state(session).enabled
    assert "Log out" in admin.get("/orders/").text


def test_other_methods_are_no_way_around_it(logged_in, rows):
    admin, before = logged_in("admin"), rows()
    for path in FORMS:
        for method in ("PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "X"):
            answer = admin.open(path, method=method, data=FILLED, headers={"X-HTTP-Method-Override": "POST"})
            assert answer.status_code in (400, 405), (method, path)
    assert rows() == before


OUTSIDE = (
    *("//evil.example", "///evil.example", "////evil", "/\\evil.example", "\\/evil.example", "\\\\evil.example"),
    *("https://evil.example", "HTTPS://evil.example", "https:evil.example", "https:/evil.example", "http:///evil.example"),
    *("javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x"),
    *("evil.example", ".evil.example", "@evil.example", "?next=//evil.example", "#//evil.example", "", " "),
    *(" //evil.example", "/ /evil.example", "\u2028//evil.example", "\u3000//evil.example", "/\u00a0/evil.example"),
    *("http://localhost@evil.example", "http://localhost\\@evil.example", "http://[::1]@evil.example", "//[::1"),
    *("/%2f/evil.example/..//", "%2f%2fevil.example", "ftp://evil.example", "file:///etc/passwd", "blob:https://evil.example"),
    *("／／evil.example", "/／evil.example", "https：//evil.example", "//evil。example", "//localhost", "http://localhost/x"),
)  # fmt: skip


def stays(location):
    """Whether a browser that is sent there stays at this desk."""
    parts = urlsplit(urljoin(f"{HERE}/login", location))
    return f"{parts.scheme}://{parts.netloc}" == HERE and location[:1] == "/" and location[1:2] not in ("/", "\\")


def test_no_address_leads_out_of_the_house_after_a_form_or_a_login(app, session, logged_in):
    access.ensure_user(session, "olga", PASSWORD, "operator")
    inside = logged_in("admin")
    choosing = csrf_token(inside.get("/logout").text)
    for target in OUTSIDE:
        client = app.test_client()
        page = client.get("/login", query_string={"next": target})
        form = {"username": "olga", "password": PASSWORD, "next": target, "csrf_token": csrf_token(page.text)}
        answers = [
            client.post("/login", data=form),
            inside.get("/login", query_string={"next": target}),
            inside.post("/choices", data={"csrf_token": choosing, "next": target}),
            inside.post("/choices", data={"csrf_token": choosing, "next": target}, headers={"HX-Request": "true"}),
        ]
        for answer in answers:
            assert answer.status_code in (204, 303, 422), target
            if answer.status_code != 422:
                location = answer.headers.get("HX-Redirect") or answer.location
                assert stays(location), (target, location)
                assert location == "/" or target.startswith("/"), (target, location)


def test_no_address_of_the_house_itself_redirects_out_of_it(client):
    for path in (
        "//evil.example/",
        "//evil.example/%2e%2e",
        "//evil.example//orders",
        "/orders//",
        "///",
        "/.//evil.example",
    ):
        answer = client.get(path, base_url=HERE)
        location = answer.headers.get("Location", "/")
        assert stays(location), (path, location)
    for path in ("/find?q=%2F%2Fevil.example", f"/market?symbol={quote('//evil.example')}"):
        assert "evil.example" not in client.get(path).headers.get("Location", "").partition("?")[0]
