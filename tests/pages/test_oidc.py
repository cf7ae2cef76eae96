"""Logging in through an OpenID provider: the whole way there and back, and everything that may be wrong with it."""

from __future__ import annotations

import hmac
import logging
import time

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from requests.adapters import HTTPAdapter
from sqlalchemy import select, text
from werkzeug.wrappers import Response

from tests.openid import (
    CALLBACK,
    CLIENT,
    NAME,
    SECRET,
    OpenIdProvider,
    as_json,
    come_back,
    encoded,
    hashed,
    leave,
    log_in,
    serving,
    settings_for,
)  # fmt: skip
from tests.support import PASSWORD, csrf_token
from webapp.models import Act
from webapp.pages.session import attempts, guesses
from webapp.services import access
from webapp.web import provider as desk_side

OLGA = "olga@example.com"


@pytest.fixture(scope="module")
def one_provider():
    with serving() as provider:
        yield provider


@pytest.fixture
def provider(one_provider) -> OpenIdProvider:
    """An honest provider, until the test says otherwise."""
    one_provider.reset()
    return one_provider


@pytest.fixture
def settings(settings, provider):
    return settings.model_copy(update=settings_for(provider))


@pytest.fixture
def olga(session):
    return access.create_user(session, OLGA, PASSWORD, "operator")


def is_in(client):
    return "Log out" in client.get("/login", follow_redirects=True).text


def side_of(app):
    """The desk's side of it."""
    return app.extensions["paperdesk_oidc"]


def failures(session):
    """Of whom, as far as that is known."""
    session.rollback()
    found = session.execute(select(Act).where(Act.act.in_(("login_failed", "login_throttled"))))
    return [act.subject for act in found.scalars()]


@pytest.fixture
def wrong(app, session, provider):
    """`wrong(change, go)`: what came of a login that must not work, of a new browser that nobody tried from before."""
    return lambda change, go, said: outcome(app, session, provider, change, go, said)


def outcome(app, session, provider, change, go, said):
    """`400: 1 failed` and whatever else there should not be."""
    provider.reset()
    attempts.clear()
    guesses.clear()
    client = app.test_client()
    before = len(failures(session))
    change(provider)
    answer = go(client)
    found = [f"{answer.status_code}: {len(failures(session)) - before} failed"]
    with client.session_transaction() as kept:
        found += [f"{name} is kept" for name in kept if name not in ("csrf_token", "_fresh")]
    if session.execute(text("SELECT count(*) FROM sessions")).scalar_one():
        found.append("a session")
    if said not in answer.text or 'data-form="login"' not in answer.text:
        found.append(answer.text)
    return ", ".join(found)


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


LATER, EARLIER = 3_600, -3_600
WRONG_CLAIMS = {
    "another issuer": lambda now: {"iss": "https://evil.example"},
    "no issuer": lambda now: {"iss": None},
    "another audience": lambda now: {"aud": "another desk"},
    "another audience, for us": lambda now: {"aud": "another desk", "azp": CLIENT},
    "no audience": lambda now: {"aud": None},
    "many audiences, for another": lambda now: {"aud": [CLIENT, "another desk"], "azp": "another desk"},
    "expired": lambda now: {"iat": now + EARLIER, "exp": now - 120},
    "no expiry": lambda now: {"exp": None},
    "from the future": lambda now: {"iat": now + LATER, "exp": now + 2 * LATER},
    "another nonce": lambda now: {"nonce": "of another login"},
    "no nonce": lambda now: {"nonce": None},
    "no subject": lambda now: {"sub": None},
    "an expiry that is no number": lambda now: {"exp": "never"},
    "an issuer that is no text": lambda now: {"iss": ["x"]},
}


def unsigned(provider, header):
    return lambda claims: f"{encoded(header)}.{encoded(claims)}."


def signed_by(key, **header):
    return lambda provider: lambda claims: jwt.encode(header, claims, key(provider), algorithms=["RS256", "HS256"])


def by_public_key(provider):
    """The oldest trick: what everybody may read taken for a shared secret. Libraries no longer sign so."""
    secret = provider.keys["own"].as_pem(private=False)

    def sign(claims):
        signed = f"{encoded({'alg': 'HS256', 'kid': 'one'})}.{encoded(claims)}"
        return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), 'sha256'))}"

    return sign


WRONG_TOKENS = {
    "unsigned": lambda provider: unsigned(provider, {"alg": "none"}),
    "unsigned, of our key": lambda provider: unsigned(provider, {"alg": "none", "kid": "one"}),
    "unsigned, says signed": lambda provider: unsigned(provider, {"alg": "RS256", "kid": "one"}),
    "of another key": signed_by(lambda provider: provider.keys["other"], alg="RS256", kid="one"),
    "of a key nobody knows": signed_by(lambda provider: provider.keys["other"], alg="RS256", kid="two"),
    "of the shared secret": signed_by(lambda _: OctKey.import_key(SECRET), alg="HS256", kid="one"),
    "of the public key as a secret": by_public_key,
    "none": lambda _: lambda claims: None,
    "no text": lambda _: lambda claims: 5,
    "a list": lambda _: lambda claims: ["x"],
    "an object": lambda _: lambda claims: {"a": 1},
    "empty": lambda _: lambda claims: "",
    "one part": lambda _: lambda claims: "token",
    "three parts of nothing": lambda _: lambda claims: "..",
    "three parts of noise": lambda _: lambda claims: "é.\x00.☃",
    "a list inside": lambda provider: lambda claims: f"{encoded({'alg': 'RS256'})}.{encoded(b'[1]')}.AA",
    "a header that is a list": lambda provider: lambda claims: f"{encoded(b'[1]')}.{encoded(claims)}.AA",
    "an algorithm that is a list": lambda provider: lambda claims: f"{encoded({'alg': []})}.{encoded(claims)}.AA",
    "a key that is a list": lambda _: lambda claims: f"{encoded({'alg': 'RS256', 'kid': []})}.{encoded(claims)}.AA",
}


def nothing(_provider):
    """Leave it as it is."""


WRONG_ANSWERS = (
    {"state": "of another login"},
    {"state": "☃\x00"},
    {"state": None},
    {"code": None},
    {"code": None, "error": "access_denied", "error_description": "line\r\nline\x00"},
    {"error": "server_error"},
    {"iss": "https://evil.example"},
    {"code": "made up"},
    {"code": "☃\x00\r\n"},
    {"code": "x" * 5_000},
)


class TestWhatProvesNothing:
    """400, no session, and nothing is kept but that a login failed."""

    SAID = f"The login through {NAME} did not work"

    def test_claims(self, wrong, olga):
        now = int(time.time())
        for name, claims in WRONG_CLAIMS.items():
            found = wrong(lambda provider, claims=claims: provider.claims.update(claims(now)), log_in, self.SAID)
            assert found == "400: 1 failed", name

    def test_token(self, wrong, olga):
        for name, sign in WRONG_TOKENS.items():
            found = wrong(lambda provider, sign=sign: setattr(provider, "sign", sign(provider)), log_in, self.SAID)
            assert found == "400: 1 failed", name

    def test_answer(self, wrong, provider, olga):
        for changed in WRONG_ANSWERS:
            go = lambda client, changed=changed: come_back(client, leave(client), **changed)  # noqa: E731
            assert wrong(nothing, go, self.SAID) == "400: 1 failed", changed
            assert ("/token" in provider.asked) == (set(changed) == {"code"} and changed["code"] is not None), changed

    def test_answer_to_a_login_of_another_browser(self, wrong, app, olga):
        found = wrong(nothing, lambda client: come_back(client, leave(app.test_client())), self.SAID)
        assert found == "400: 1 failed"

    def test_answer_to_what_began_too_long_ago_or_otherwise(self, wrong, olga):
        for changed in ({"at": time.time() - desk_side.PATIENCE - 1}, {"code_verifier": "x" * 48}, {"nonce": "x" * 20}):

            def go(client, changed=changed):
                back = leave(client)
                with client.session_transaction() as kept:
                    kept["oidc"] = kept["oidc"] | changed
                return come_back(client, back)

            assert wrong(nothing, go, self.SAID) == "400: 1 failed", changed

    def test_answer_that_failed_before(self, wrong, olga):
        def go(client):
            back = leave(client)
            come_back(client, back, code="guess")
            return come_back(client, back)

        assert wrong(nothing, go, self.SAID) == "400: 2 failed"

    def test_answer_that_was_used(self, app, client, olga):
        """Neither by this browser, nor with the cookie it had before: the provider takes a code once."""
        back = leave(client)
        cookie = client.get_cookie("session").value
        assert come_back(client, back).status_code == 303
        assert come_back(client, back).status_code == 400
        thief = app.test_client()
        thief.set_cookie("session", cookie)
        assert come_back(thief, back).status_code == 400
        assert not is_in(thief)


PAGE = Response("<h1>Sorry</h1>", mimetype="text/html")
BROKEN = Response("<h1>Sorry</h1>", 500)
MOVED = Response(status=302, headers={"Location": "/jwks"})
CONFIGURATION = "/.well-known/openid-configuration"


UNSAFE = (
    {"issuer": "https://evil.example"},
    {"issuer": None},
    {"client_id": "x"},
    {"authorization_endpoint": "http://login.example/authorize"},
    {"token_endpoint": "http://login.example/token"},
    {"token_endpoint": "https://me@login.example"},
    {"jwks_uri": "http://login.example/jwks"},
    {"jwks_uri": 5},
)


def begin(client):
    return client.get("/login/oidc")


class TestProviderThatIsAway:
    """503 in a calm page, no failure on anybody's account, and passwords open the door as ever."""

    SAID = f"{NAME} does not answer as it should"

    def test_when_a_login_begins(self, wrong, app, client, olga):
        for answer in (BROKEN, PAGE, MOVED, *map(as_json, ([], 5, None, {}))):
            found = wrong(
                lambda provider, answer=answer: provider.answers.update({CONFIGURATION: answer}), begin, self.SAID
            )
            assert found == "503: 0 failed", answer.get_data()
        for metadata in UNSAFE:
            found = wrong(lambda provider, metadata=metadata: provider.metadata.update(metadata), begin, self.SAID)
            assert found == "503: 0 failed", metadata
        side_of(app)._issuer = "http://127.0.0.1:1"
        assert wrong(nothing, begin, self.SAID) == "503: 0 failed"

    def test_when_a_login_ends(self, wrong, app, olga):
        for path, answers in (
            ("/token", (BROKEN, PAGE, MOVED, as_json([]), as_json(5))),
            ("/jwks", (BROKEN, PAGE, MOVED)),
        ):
            for answer in answers:
                side_of(app)._known = None
                change = lambda provider, path=path, answer=answer: provider.answers.update({path: answer})  # noqa: E731
                assert wrong(change, log_in, self.SAID) == "503: 0 failed", (path, answer.get_data())

    def test_leaves_passwords_as_they_are_and_works_again_by_itself(self, app, client, provider, olga):
        provider.answers[CONFIGURATION] = BROKEN
        answer = begin(client)
        form = {"username": OLGA, "password": PASSWORD, "csrf_token": csrf_token(answer.text)}
        assert client.post("/login", data=form).status_code == 303
        assert is_in(client)
        del provider.answers[CONFIGURATION]
        assert log_in(app.test_client()).status_code == 303

    def test_holds_no_more_than_a_few_threads(self, wrong, app, provider, olga):
        lines = side_of(app)._lines
        for _ in range(desk_side.MOST_AT_ONCE):
            assert lines.acquire(blocking=False)
        assert wrong(nothing, begin, self.SAID) == "503: 0 failed"
        assert provider.asked == []
        lines.release()
        assert log_in(app.test_client()).status_code == 303


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
