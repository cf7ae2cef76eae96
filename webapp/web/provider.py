"""One OpenID provider: sending somebody there, and making sure of what comes back (code flow, PKCE, signed token)."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any, Final

from authlib.integrations.flask_client import OAuth, OAuthError
from flask import Flask
from joserfc.errors import JoseError
from requests import RequestException

from webapp.domain.oidc import SCOPES, SIGNATURES, is_confidential
from webapp.web.oidc import AwayError, RefusedError

log = logging.getLogger(__name__)
TIMEOUT: Final = (3.0, 5.0)
"""Seconds to be connected, and between two bytes of an answer."""
MOST_AT_ONCE: Final = 4
"""Threads that may wait for the provider, so that one that hangs does not take the desk's web server with it."""
FRESH: Final = 600.0
"""Seconds for which the provider's addresses and keys are believed; a key it has withdrawn counts no longer."""
PATIENCE: Final = 600.0
"""Seconds somebody may take to log in over there."""
LEEWAY: Final = 60
"""Seconds by which its clock may differ from ours."""
ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
NONSENSE: Final = (AttributeError, KeyError, TypeError, ValueError)
"""What the libraries raise for answers that are JSON, but not of the shape they must have."""

# It writes the secret half of PKCE at debug.
logging.getLogger("authlib").setLevel(logging.INFO)


class Provider:
    """The provider in the settings. Nothing is fetched before somebody wants to log in."""

    def __init__(self, app: Flask) -> None:
        config = app.config["PAPERDESK"]
        self._app = app
        self._issuer: str = config.oidc_issuer
        self._id: str = config.oidc_client_id
        self._secret: str = config.oidc_client_secret.get_secret_value()
        self.name: str = config.oidc_name
        self.claim: str = config.oidc_claim
        self._known: tuple[float, Any] | None = None
        self._lines = BoundedSemaphore(MOST_AT_ONCE)

    def begin(self, back: str) -> tuple[str, dict[str, Any]]:
        """Where to send somebody who shall come back to the address `back`, and what their session must keep."""
        with self._line():
            begun = self._client().create_authorization_url(back)
        kept = {name: begun[name] for name in ("state", "nonce", "code_verifier")}
        return begun["url"], {**kept, "back": back, "at": time.time()}

    def finish(self, kept: Mapping[str, Any] | None, answer: Mapping[str, str]) -> Mapping[str, Any]:
        """What the provider says of whoever came back. Raises :class:`RefusedError` or :class:`AwayError`."""
        begun, code = self._code(kept, answer)
        with self._line():
            client = self._client()
            token = client.fetch_access_token(begun["back"], code=code, code_verifier=begun["code_verifier"])
            client.fetch_jwk_set()
            return self._claims(client, token, begun["nonce"])

    def _code(self, kept: Mapping[str, Any] | None, answer: Mapping[str, str]) -> tuple[Mapping[str, Any], str]:
        """What was begun and the code for it, if this browser began it lately and the answer is to that."""
        if kept is None or not secrets.compare_digest(kept["state"].encode(), answer.get("state", "").encode()):
            raise RefusedError("it does not belong to a login that began in this browser")
        if time.time() - kept["at"] > PATIENCE:
            raise RefusedError("it took too long")
        if answer.get("iss", self._issuer) != self._issuer:
            raise RefusedError("another provider answered")
        if "error" in answer or not answer.get("code"):
            raise RefusedError(f"the provider said {answer.get('error', 'nothing')[:100]}")
        return kept, answer["code"]

    def _claims(self, client: Any, token: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        wanted = {
            "iss": {"essential": True, "values": [self._issuer]},
            "aud": {"essential": True, "values": [self._id]},
        }
        try:
            claims: Mapping[str, Any] | None = client.parse_id_token(token, nonce, claims_options=wanted, leeway=LEEWAY)
        except NONSENSE as error:
            if isinstance(error, RequestException):
                raise
            raise RefusedError(f"the token cannot be read: {error!r}") from error
        if claims is None:
            raise RefusedError("there is no token that says who it is")
        return claims

    def _client(self) -> Any:
        """Authlib's client, which knows the provider's addresses and keys as they were at most FRESH seconds ago."""
        if self._known is None or time.monotonic() - self._known[0] > FRESH:
            client = self._registered()
            metadata = client.load_server_metadata()
            self._check(metadata)
            # No more of it: the client takes what else is there as its own settings, `verify` and time limits included,
            # and from the provider's list of algorithms it would take `none`.
            known = {name: metadata[name] for name in ("_loaded_at", "issuer", *ENDPOINTS)}
            client.server_metadata = known | {"id_token_signing_alg_values_supported": list(SIGNATURES)}
            self._known = (time.monotonic(), client)
        return self._known[1]

    def _registered(self) -> Any:
        return OAuth(self._app).register(
            "oidc",
            client_id=self._id,
            client_secret=self._secret,
            server_metadata_url=f"{self._issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": SCOPES[self.claim],
                "code_challenge_method": "S256",
                "default_timeout": TIMEOUT,
                "max_redirects": 0,
            },
        )

    def _check(self, metadata: Mapping[str, Any]) -> None:
        if metadata.get("issuer") != self._issuer:
            raise AwayError(f"it calls itself {metadata.get('issuer')!r}, and OIDC_ISSUER is {self._issuer!r}")
        if unsafe := [name for name in ENDPOINTS if not is_confidential(metadata.get(name))]:
            raise AwayError(f"it has no safe address as {unsafe[0]}")

    @contextmanager
    def _line(self) -> Iterator[None]:
        """Speak with the provider; whatever comes of it is one of our two errors."""
        if not self._lines.acquire(blocking=False):
            raise AwayError(f"{MOST_AT_ONCE} others are waiting for it")
        try:
            yield
        except (OAuthError, JoseError) as error:
            raise RefusedError(repr(error)) from error
        except (RequestException, *NONSENSE) as error:
            raise AwayError(repr(error)) from error
        finally:
            self._lines.release()
