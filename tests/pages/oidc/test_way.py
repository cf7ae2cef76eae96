"""Logging in through an OpenID provider: the way there and back, who comes in, and the desk without one."""

from __future__ import annotations

import logging

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import RSAKey
from requests.adapters import HTTPAdapter
from sqlalchemy import select

from tests.openid import (
    CALLBACK,
    CLIENT,
    NAME,
    OLGA,
    SECRET,
    come_back,
    failures,
    hashed,
    leave,
    log_in,
    side_of,
)
from tests.support import PASSWORD, csrf_token
from webapp.models import Act
from webapp.services import access
from webapp.web import provider as desk_side


class TestTheWayThereAndBack:
    def test_leads_in_with_the_role_one_has_here_and_on_to_where_one_wanted(
        self, visit, client, provider, olga, session
    ):
        provider.claims |= {"role": "admin", "roles": ["admin"], "groups": ["admin"]}
        link = visit("/login?next=/orders/?status=rejected", title="Log in").dom.one(
            "a", href="/login/oidc?next=/orders/?status%3Drejected"
        )
        assert link.text == f"Log in with {NAME}"

        answer = log_in(client, "/orders/?status=rejected")

        assert (answer.status_code, answer.location) == (303, "/orders/?status=rejected")
        assert OLGA in client.get("/orders/").text
        assert client.get("/admin/").status_code == 403
        session.rollback()
        act = session.execute(select(Act).where(Act.act.like("login%"))).scalars().one()
        assert (act.act, act.actor, act.details["how"]) == ("login", f"user:{OLGA}", "oidc")

    def test_keeps_what_proves_it_to_this_browser_and_proves_it_with_pkce(self, client, provider, olga):
        there = client.get("/login/oidc")
        with client.session_transaction() as kept:
            begun = dict(kept["oidc"])
            kept["planted"] = "by somebody else"
        back = requests.get(there.location, allow_redirects=False, timeout=5).headers["Location"]
        assert come_back(client, back).status_code == 303

        (wish,) = provider.wishes
        assert wish == {
            "response_type": "code",
            "client_id": CLIENT,
            "redirect_uri": CALLBACK,
            "scope": "openid email",
            "state": begun["state"],
            "nonce": begun["nonce"],
            "code_challenge": hashed(begun["code_verifier"]),
            "code_challenge_method": "S256",
        }
        assert min(len(begun[name]) for name in ("state", "nonce", "code_verifier")) >= 20
        with client.session_transaction() as kept:
            assert not {"oidc", "planted"} & set(kept)

    def test_fetches_nothing_before_somebody_goes_and_never_waits_for_ever(self, client, provider, olga, monkeypatch):
        client.get("/login")
        assert provider.asked == []
        provider.metadata = {"client_id": "x", "default_timeout": None, "verify": False, "max_redirects": 9}
        patience = []
        send = HTTPAdapter.send

        def noted(self, request, **how):
            patience.append((request.url.removeprefix(provider.issuer), how["timeout"]))
            return send(self, request, **how)

        there = client.get("/login/oidc")
        back = requests.get(there.location, allow_redirects=False, timeout=5).headers["Location"]
        side_of(client.application)._known = None
        monkeypatch.setattr(HTTPAdapter, "send", noted)
        assert come_back(client, back).status_code == 303
        assert patience == [
            (path, desk_side.TIMEOUT) for path in ("/.well-known/openid-configuration", "/token", "/jwks")
        ]

    def test_writes_no_secret_into_the_log(self, client, provider, olga, caplog):
        caplog.set_level(logging.DEBUG)
        back = leave(client)
        with client.session_transaction() as kept:
            verifier = kept["oidc"]["code_verifier"]
        assert come_back(client, back).status_code == 303
        assert verifier not in caplog.text
        assert SECRET not in caplog.text

    def test_is_not_taken_by_who_is_in_already(self, logged_in, provider):
        answer = logged_in("viewer").get("/login/oidc?next=/orders/")
        assert (answer.status_code, answer.location, provider.asked) == (303, "/orders/", [])
        assert logged_in("viewer").get("/login/oidc?next=//evil.example").location == "/"

    def test_is_not_begun_by_another_sites_page(self, client, provider):
        for site in ("cross-site", "same-site"):
            answer = client.get("/login/oidc?next=/orders/", headers={"Sec-Fetch-Site": site})
            assert (answer.status_code, answer.location, provider.asked) == (303, "/login?next=/orders/", [])

    def test_never_leads_out_of_the_house(self, app, olga):
        for target in ("//evil.example", "https://evil.example", "/\\evil.example"):
            assert log_in(app.test_client(), target).location == "/"

    def test_follows_the_providers_keys(self, client, provider, olga, app, monkeypatch):
        """A new one is fetched when it is met; one that was withdrawn counts for no longer than its time."""
        assert log_in(client).status_code == 303
        provider.key = RSAKey.import_key(provider.keys["other"].as_dict(private=True) | {"kid": "two"})
        assert log_in(app.test_client()).status_code == 303
        provider.key = provider.keys["own"]
        stolen = provider.keys["other"]
        provider.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "two"}, claims, stolen)
        monkeypatch.setattr(desk_side, "FRESH", 0.0)
        assert log_in(app.test_client()).status_code == 400


NAMELESS = f"{NAME} vouches for no email"
STRANGERS = (
    ({"email": "eve@example.com"}, "Nobody here is called eve@example.com: ask an admin"),
    ({"email": "OLGA@example.com"}, "Nobody here is called OLGA@example.com: ask an admin"),
    ({"email": "olaf@example.com"}, "Nobody here is called olaf@example.com: ask an admin"),
    ({"email_verified": False}, NAMELESS),
    ({"email_verified": None}, NAMELESS),
    ({"email_verified": "true"}, NAMELESS),
    ({"email": None, "preferred_username": OLGA}, NAMELESS),
    ({"email": [OLGA]}, NAMELESS),
    ({"email": f"{OLGA}\n"}, NAMELESS),
    ({"email": "<script>alert(1)</script>"}, NAMELESS),
)


def test_nobody_comes_in_who_is_unknown_or_disabled_here(wrong, olga, session):
    access.create_user(session, "olaf@example.com", PASSWORD, "operator")
    access.disable_user(session, "olaf@example.com", "test")
    for claims, said in STRANGERS:
        found = wrong(lambda provider, claims=claims: provider.claims.update(claims), log_in, said)
        assert found == "403: 1 failed", claims
    assert set(failures(session)) == {None, "user:olaf@example.com"}


def test_another_claim_names_people_where_it_is_set(app, provider, session):
    access.create_user(session, "ada", PASSWORD, "viewer")
    for claim, scope in (("preferred_username", "openid profile"), ("sub", "openid")):
        provider.reset()
        provider.claims |= {claim: "ada", "email": OLGA}
        side_of(app).claim, side_of(app)._known = claim, None
        client = app.test_client()
        assert log_in(client).status_code == 303
        assert provider.wishes[0]["scope"] == scope
        assert "ada" in client.get("/orders/").text


def test_fifth_failure_closes_this_door_from_here_only(app, client, provider, olga, session):
    for _ in range(5):
        assert client.get("/login/oidc/callback").status_code == 400
    back = leave(client)
    answer = come_back(client, back)

    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert "/token" not in provider.asked
    elsewhere = {"environ_base": {"REMOTE_ADDR": "10.0.0.9"}}
    assert client.get(back.removeprefix("http://localhost"), **elsewhere).status_code == 303
    other = app.test_client()
    token = csrf_token(other.get("/login").text)
    assert other.post("/login", data={"username": OLGA, "password": PASSWORD, "csrf_token": token}).status_code == 303


def test_page_of_a_failure_leads_back_to_the_login_and_not_to_what_failed(visit, client, provider):
    page = visit("/login/oidc/callback?state=x&code=secret", status=400)
    assert "secret" not in page.response.text
    assert "callback" not in page.response.text


class TestOff:
    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"oidc_issuer": None})

    def test_there_is_no_button_and_nothing_behind_it(self, visit, provider):
        assert "Log in with" not in visit("/login").text
        for path in ("/login/oidc", "/login/oidc/callback", "/login/oidc/callback?code=x&state=y"):
            visit(path, status=404)
        assert provider.asked == []
