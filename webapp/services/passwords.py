"""Passwords: argon2id hashes, checked in the same time whoever asks."""

from __future__ import annotations

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from webapp.domain.errors import BadInput

MAX_PASSWORD = 1000
"""Characters; more only costs time to hash."""

# 24 ms here; the library's default is 172 ms, which a burst of logins would make the whole desk feel.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)


def hash_password(password: str) -> str:
    """The hash to keep, with its salt and parameters inside."""
    if not password or len(password) > MAX_PASSWORD:
        raise BadInput("password", f"must have 1 to {MAX_PASSWORD} characters")
    return _HASHER.hash(_bytes(password))


def matches(stored: str, password: str) -> bool:
    """Whether the password is the hashed one; one too long is hashed shortened, to cost the same and still fail."""
    try:
        return _HASHER.verify(stored, _bytes(password[:MAX_PASSWORD])) and len(password) <= MAX_PASSWORD
    except (VerificationError, InvalidHashError):
        return False


def outdated(stored: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(stored)


@cache
def nobody() -> str:
    """A hash that no password opens, verified in place of an unknown person's."""
    return _HASHER.hash(secrets.token_bytes(32))


def _bytes(password: str) -> bytes:
    """A terminal may hand over bytes that are no text; they hash like any others."""
    return password.encode("utf-8", "surrogatepass")
