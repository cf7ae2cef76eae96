"""What is believed of an OpenID provider: where it may live, and by which claim somebody there is somebody here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from webapp.domain.people import is_name

SCOPES: Final = {"email": "openid email", "preferred_username": "openid profile", "sub": "openid"}
"""What is asked for, by the claim that names somebody."""
SIGNATURES: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""How a token may be signed: by a key that only the provider has. Not `none`, and not by a secret that is shared."""
LOCAL: Final = ("localhost", "127.0.0.1")


def is_confidential(address: object) -> bool:
    """Whether nobody on the way can read or change what is said there: https, or this machine alone."""
    if not isinstance(address, str) or not address.isprintable() or " " in address:
        return False
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in LOCAL)


def is_issuer(address: str) -> bool:
    """The same for what a provider calls itself, which has no query."""
    return is_confidential(address) and "?" not in address and "#" not in address


def name_in(claims: Mapping[str, Any], claim: str) -> str | None:
    """Who that would be here. An address counts only where the provider says that it made sure of it."""
    if claim == "email" and claims.get("email_verified") is not True:
        return None
    value = claims.get(claim)
    return value if isinstance(value, str) and is_name(value) else None
