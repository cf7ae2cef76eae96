"""What may be wrong with a login through an OpenID provider: nobody comes in, and the desk goes on."""

from __future__ import annotations

import hmac
import time

from joserfc import jwt
from joserfc.jwk import OctKey
from werkzeug.wrappers import Response

from tests.openid import (
    CLIENT,
    NAME,
    OLGA,
    SECRET,
    as_json,
    begin,
    come_back,
    encoded,
    is_in,
    leave,
    log_in,
    nothing,
    side_of,
)
from tests.support import PASSWORD, csrf_token
from webapp.web import provider as desk_side

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
    {"authorization_endpoint": "http://login.example/authorize"},
    {"token_endpoint": "http://login.example/token"},
    {"token_endpoint": "https://me@login.example"},
    {"jwks_uri": "http://login.example/jwks"},
    {"jwks_uri": 5},
)


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
            side_of(app)._known = None
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
