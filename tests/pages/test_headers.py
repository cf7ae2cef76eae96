"""The same security headers on everything the desk answers."""

import json
import re

import pytest

from tests.pages.dom import parse
from webapp.web.headers import HEADERS

EVERYTHING = (
    *("/orders/", "/orders.csv", "/orders.json", "/nope", "/orders/?x=1", "/static/css/base.css", "/static/nope.css"),
    *("/healthz", "/login", "/v1/nope", "/v1/orders", "/kill-switch/state"),
)


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"allowed_hosts": ("localhost", "desk.example")})


def test_every_answer_carries_the_headers(client):
    for path in EVERYTHING:
        with client.get(path) as answer:
            assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path


def test_policy_allows_no_inline_code_and_no_other_host():
    policy = HEADERS["Content-Security-Policy"]

    assert "unsafe" not in policy
    assert "*" not in policy
    assert "http" not in policy
    assert "default-src 'none'" in policy


def test_static_files_under_their_content_address_are_kept_for_ever(client):
    page = client.get("/login").text
    address = re.search(r'"(/static/bundle/desk\.css\?v=[0-9a-f]+)"', page)[1]

    with client.get(address) as hashed, client.get("/static/bundle/desk.css") as plain:
        assert "immutable" in hashed.headers["Cache-Control"]
        assert "immutable" not in plain.headers.get("Cache-Control", "")


def test_pages_are_not_stored_by_caches(client):
    assert client.get("/login").headers["Cache-Control"] == "no-store"


def test_behind_https_cookies_are_secure_and_hsts_is_sent(client):
    plain = client.get("/login")
    secure = client.get("/login", base_url="https://desk.example")

    assert "Strict-Transport-Security" not in plain.headers
    assert "Strict-Transport-Security" in secure.headers
    for cookie in secure.headers.getlist("Set-Cookie"):
        assert "; Secure" in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie


class TestSecureCookies:
    """SECURE_COOKIES=yes: a proxy that forgets to say https changes nothing."""

    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"secure_cookies": True})

    def test_cookie_never_travels_without_https(self, client):
        (cookie,) = client.get("/login").headers.getlist("Set-Cookie")
        assert "; Secure" in cookie


def test_style_and_script_are_one_answer_each(client):
    page = client.get("/login").text

    assert len(re.findall('rel="stylesheet"', page)) == 1
    assert len(re.findall("<script ", page)) == 3, "htmx, its morph, and ours"
    for name in ("desk.css", "desk.js"):
        assert client.get(f"/static/bundle/{name}").status_code == 200
    assert client.get("/static/bundle/nope.js").status_code == 404


def test_htmx_runs_no_text_asks_no_other_host_and_keeps_no_page(client):
    """Where the content policy ends: what htmx itself would do with an attribute or a script it was sent."""
    told = json.loads(parse(client.get("/login").text).one("meta", name="htmx-config")["content"])

    assert told["allowEval"] is told["allowScriptTags"] is False
    assert told["selfRequestsOnly"] is True
    assert told["historyCacheSize"] == 0
