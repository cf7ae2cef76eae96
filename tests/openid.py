"""A small OpenID provider behind a real HTTP server, which can be told to be wrong in every way one can be."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import RSAKey
from pydantic import SecretStr
from sqlalchemy import select
from werkzeug.serving import make_server
from werkzeug.test import TestResponse
from werkzeug.wrappers import Request, Response

from webapp.models import Act

CLIENT = "desk"
SECRET = "what only desk and provider know"
NAME = "Example ID"
OLGA = "olga@example.com"
CALLBACK = "http://localhost/login/oidc/callback"


def encoded(part: bytes | dict[str, Any]) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def hashed(verifier: str) -> str:
    return encoded(hashlib.sha256(verifier.encode()).digest())


class OpenIdProvider:
    """`claims` are said of whoever comes; the other attributes change what is answered."""

    def __init__(self) -> None:
        self.keys = {name: RSAKey.generate_key(2048, {"kid": "one"}) for name in ("own", "other")}
        self.server = make_server("127.0.0.1", 0, self, threaded=True)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.reset()

    def reset(self) -> None:
        """As an honest provider is, which knows olga."""
        self.key = self.keys["own"]
        self.claims: dict[str, Any] = {"sub": "4711", "email": OLGA, "email_verified": True}
        self.metadata: dict[str, Any] = {}
        self.answers: dict[str, Response] = {}
        self.sign: Callable[[dict[str, Any]], Any] = self.signed
        self.asked: list[str] = []
        self.wishes: list[dict[str, str]] = []
        self.codes: dict[str, dict[str, str]] = {}

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        self.asked.append(request.path)
        view = {
            "/.well-known/openid-configuration": self.configuration,
            "/authorize": self.authorize,
            "/token": self.token,
            "/jwks": lambda _: as_json({"keys": [self.key.as_dict(private=False, kid=self.key.kid)]}),
        }.get(request.path)
        answer = self.answers.get(request.path) or (view(request) if view else Response(status=404))
        return answer(environ, start_response)

    def configuration(self, _request: Request) -> Response:
        ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
        # What many offer; the desk must not take the last two.
        algorithms = {"id_token_signing_alg_values_supported": ["RS256", "HS256", "none"]}
        known = {"issuer": self.issuer, **{name: f"{self.issuer}/{path}" for name, path in ends.items()}}
        return as_json(known | algorithms | self.metadata)

    def authorize(self, request: Request) -> Response:
        wish = request.args.to_dict()
        code = secrets.token_urlsafe()
        self.wishes.append(wish)
        self.codes[code] = wish
        query = urlencode({"code": code, "state": wish["state"]})
        return Response(status=302, headers={"Location": f"{wish['redirect_uri']}?{query}"})

    def token(self, request: Request) -> Response:
        wish = self.codes.pop(request.form["code"], None)  # good for once
        who = request.authorization
        if who is None or (who.username, who.password) != (CLIENT, SECRET):
            return as_json({"error": "invalid_client"}, 401)
        if wish is None or hashed(request.form["code_verifier"]) != wish["code_challenge"]:
            return as_json({"error": "invalid_grant"}, 400)
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": wish["nonce"]}
        token = self.sign({name: value for name, value in (usual | self.claims).items() if value is not None})
        return as_json({"access_token": "a", "token_type": "Bearer"} | ({} if token is None else {"id_token": token}))

    def signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)


def as_json(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content), status, mimetype="application/json")


@contextmanager
def serving() -> Iterator[OpenIdProvider]:
    provider = OpenIdProvider()
    thread = threading.Thread(target=provider.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield provider
    provider.server.shutdown()
    thread.join()
    provider.server.server_close()


def settings_for(provider: OpenIdProvider) -> dict[str, Any]:
    return {
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT,
        "oidc_client_secret": SecretStr(SECRET),
        "oidc_name": NAME,
    }


def leave(client: FlaskClient, target: str = "/") -> str:
    """Off to the provider and to the address it sends one back to, which is not visited yet."""
    there = client.get("/login/oidc", query_string={"next": target})
    assert there.status_code == 303, there.text
    back = requests.get(there.location, allow_redirects=False, timeout=5).headers["Location"]
    assert back.startswith(CALLBACK + "?")
    return back


def come_back(client: FlaskClient, back: str, **changed: str | None) -> TestResponse:
    """The visit of that address, with some of its parameters changed or left out."""
    query = dict(parse_qsl(urlsplit(back).query)) | changed
    return client.get("/login/oidc/callback", query_string={key: value for key, value in query.items() if value})


def log_in(client: FlaskClient, target: str = "/") -> TestResponse:
    return come_back(client, leave(client, target))


def begin(client: FlaskClient) -> TestResponse:
    """Only the first step."""
    return client.get("/login/oidc")


def nothing(_provider: OpenIdProvider) -> None:
    """Leave it as it is."""


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
