"""The full score of MDN's HTTP Observatory, recomputed here, for every kind of answer the desk gives."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError

from tests.support import csrf_token
from tests.web.observatory import BEST, BEST_WITH_COOKIES, directives, score
from webapp.queries import timeline
from webapp.web.headers import HEADERS

SECURE = "https://localhost"
KINDS = {
    "a page": ("GET", "/orders/", 200),
    "the front page": ("GET", "/", 200),
    "the login": ("GET", "/login", 200),
    "the reference": ("GET", "/v1/docs", 200),
    "a fragment": ("HX", "/orders/", 200),
    "JSON of a page": ("GET", "/orders.json", 200),
    "CSV": ("GET", "/orders.csv", 200),
    "JSON of the API": ("GET", "/v1/openapi.json", 200),
    "a style": ("GET", "/static/bundle/desk.css", 200),
    "a script": ("GET", "/static/bundle/desk.js", 200),
    "the worker": ("GET", "/static/js/sw.js", 200),
    "a picture": ("GET", "/static/img/icons.svg", 200),
    "a probe": ("GET", "/healthz", 200),
    "metrics": ("GET", "/metrics", 200),
    "only the head": ("HEAD", "/orders/", 200),
    "what may be asked": ("OPTIONS", "/orders/", 200),
    "a slash too few": ("GET", "/orders", 308),
    "a way to the login": ("POST+", "/risk/policy", 303),
    "a forged form": ("POST", "/kill-switch/on", 400),
    "another host": ("HOST", "/orders/", 400),
    "no token": ("GET", "/v1/orders", 401),
    "nothing here": ("GET", "/nope", 404),
    "no such file": ("GET", "/static/nope.css", 404),
    "no such call": ("GET", "/v1/nope", 404),
    "a wrong method": ("GET", "/kill-switch/on", 405),
    "too much": ("BIG", "/login", 413),
    "a bad filter": ("GET", "/orders/?status=x", 422),
    "a bad filter of a twin": ("GET", "/orders.csv?status=x", 422),
}


def ask(client, kind, path):
    if kind in ("POST+", "BIG"):
        with client.get("/login", base_url=SECURE) as page:
            form = {"csrf_token": csrf_token(page.text), **({"reason": "x" * 70_000} if kind == "BIG" else {})}
        return client.post(path, base_url=SECURE, data=form, headers={"Referer": f"{SECURE}/"})
    headers = {"HX": {"HX-Request": "true"}, "HOST": {"Host": "evil.example"}}.get(kind, {})
    method = kind if kind in ("POST", "HEAD", "OPTIONS") else "GET"
    return client.open(path, method=method, base_url=SECURE, headers=headers)


def full_score(answer):
    found, made = score(answer)
    wanted = BEST_WITH_COOKIES if answer.headers.getlist("Set-Cookie") else BEST
    assert found == wanted, made
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_every_kind_of_answer_has_the_full_score(client):
    for case, (kind, path, status) in KINDS.items():
        with ask(client, kind, path) as answer:
            assert answer.status_code == status, case
            full_score(answer)


def test_refusal_of_a_role_and_a_login_that_sets_cookies_have_it_too(logged_in, client):
    viewer = logged_in("viewer")
    viewer_cookie = viewer.get_cookie("session").value
    client.set_cookie("session", viewer_cookie, secure=True)
    page = client.get("/logout", base_url=SECURE)
    form = {"csrf_token": csrf_token(page.text), "theme": "dark"}
    forbidden = client.post("/risk/policy", base_url=SECURE, data=form, headers={"Referer": f"{SECURE}/"})
    chosen = client.post("/choices", base_url=SECURE, data=form, headers={"Referer": f"{SECURE}/"})

    assert (forbidden.status_code, chosen.status_code) == (403, 303)
    assert chosen.headers.getlist("Set-Cookie")
    for answer in (page, forbidden, chosen):
        full_score(answer)


@pytest.mark.parametrize(
    ("error", "status"), [(ZeroDivisionError("x"), 500), (OperationalError("x", {}, Exception("away")), 503)]
)
def test_failures_have_it_too(app, client, monkeypatch, error, status):
    def fail(*_, **__):
        raise error

    app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setattr(timeline, "page", fail)
    for path in ("/orders/", "/orders.csv", "/orders.json"):
        answer = client.get(path, base_url=SECURE)
        assert answer.status_code == status
        full_score(answer)


def test_too_many_requests_have_it_too(app, settings, client, bearer):
    app.config["PAPERDESK"] = settings.model_copy(update={"rate_limit_reads": 1})
    token = bearer("read")
    answers = [client.get("/v1/orders", base_url=SECURE, headers=token) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    for answer in answers:
        full_score(answer)


def test_policy_allows_nothing_but_what_the_pages_are_made_of():
    rules = directives(HEADERS["Content-Security-Policy"])
    assert rules.pop("default-src") == {"'none'"}
    assert rules.pop("base-uri") == rules.pop("frame-ancestors") == {"'none'"}
    assert set(rules) == {"script-src", "style-src", "font-src", "img-src", "connect-src", "worker-src", "form-action"}
    assert all(sources == {"'self'"} for sources in rules.values())


def test_graders_own_rules_find_what_is_missing(client):
    """The score must fall for each header that is taken away, or it proves nothing."""
    whole = client.get("/login", base_url=SECURE)
    best = score(whole)[0]
    counted = (
        "Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Resource-Policy",
        "Strict-Transport-Security",
    )  # fmt: skip
    for name in counted:
        answer = client.get("/login", base_url=SECURE)
        del answer.headers[name]
        assert score(answer)[0] < best, name
    for flag in ("; Secure", "; HttpOnly", "; SameSite=Lax"):
        answer = client.get("/login", base_url=SECURE)
        kept = [line.replace(flag, "") for line in whole.headers.getlist("Set-Cookie")]
        answer.headers.setlist("Set-Cookie", kept)
        assert score(answer)[0] < best, flag
