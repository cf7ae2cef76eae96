"""Secrets that are shown once and kept as their hash."""

from __future__ import annotations

import secrets
from hashlib import sha256


def new_secret() -> str:
    """256 random bits, as text that fits into an address."""
    return secrets.token_urlsafe(32)


def fingerprint(secret: str) -> str:
    """Plain SHA-256 is enough: a secret has 256 random bits, so there is nothing to guess."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
