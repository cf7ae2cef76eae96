"""Who may do what: people with a role and a password, bots with a token and its scopes.

Passwords are kept as argon2id hashes, tokens as the SHA-256 of their secret; neither can be read back. Whether a name
or a secret is unknown, wrong, disabled, revoked or expired looks and costs the same from outside.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from webapp.domain.errors import BadInput, Conflict, NotFound
from webapp.domain.people import ROLES, SCOPES
from webapp.models import ApiToken, User
from webapp.services import passwords
from webapp.services.transaction import transaction

TOUCH_SECONDS = 60
"""`last_used_at` is as exact as this, so that reading does not become writing."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
_SECRET = re.compile(r"[!-~]{1,200}", re.ASCII)


@dataclass(frozen=True)
class UserRecord:
    """A person who may log in."""

    user_id: UUID
    name: str
    role: str
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True)
class TokenRecord:
    """A bot's key, without its secret."""

    token_id: UUID
    name: str
    scopes: tuple[str, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


def create_user(session: Session, name: str, password: str, role: str, now: datetime | None = None) -> UserRecord:
    """A new person; the name must be free."""
    row = {
        "user_id": uuid4(),
        "name": _name(name),
        "password_hash": passwords.hash_password(password),
        "role": _role(role),
    }
    try:
        with transaction(session):
            session.execute(insert(User).values(**row, created_at=_clock(now)))
    except IntegrityError as error:
        raise Conflict(f"a user named {name} exists", field="name") from error
    return _existing_user(session, name)


def ensure_user(session: Session, name: str, password: str, role: str) -> UserRecord:
    """The person of that name with this password and role, made or mended; for the demo's fixed logins."""
    found = _user_row(session, User.name == _name(name))
    if found is None:
        return create_user(session, name, password, role)
    values: dict[str, Any] = {"role": _role(role), "disabled_at": None}
    if not passwords.matches(found["password_hash"], password):
        values["password_hash"] = passwords.hash_password(password)
    if any(found[column] != value for column, value in values.items()):
        with transaction(session):
            session.execute(update(User).where(User.name == name).values(**values))
    return _existing_user(session, name)


def authenticate(session: Session, name: str, password: str) -> UserRecord | None:
    """The person, if the password is theirs. An unknown name costs as much time as a wrong password."""
    found = _user_row(session, User.name == name) if _NAME.fullmatch(name) else None
    stored = found["password_hash"] if found else passwords.nobody()
    if not passwords.matches(stored, password) or found is None or found["disabled_at"] is not None:
        return None
    if passwords.outdated(stored):
        with transaction(session):
            session.execute(
                update(User).where(User.name == name).values(password_hash=passwords.hash_password(password))
            )
    return _user_record(found)


def user(session: Session, user_id: UUID) -> UserRecord | None:
    """The person with this id, unless disabled: asked on every request, so that disabling ends their sessions."""
    found = _user_row(session, User.user_id == user_id)
    return None if found is None or found["disabled_at"] is not None else _user_record(found)


def create_token(
    session: Session,
    name: str,
    scopes: Collection[str],
    by: str,
    *,
    secret: str | None = None,
    expires_at: datetime | None = None,
    now: datetime | None = None,
) -> tuple[TokenRecord, str]:
    """A new token and its secret, which is never to be seen again. `secret` fixes it, for a demo."""
    chosen = _secret(secret)
    row = {
        "token_id": uuid4(),
        "name": _name(name),
        "token_hash": _fingerprint(chosen),
        "scopes": _scopes(scopes),
        "created_by": by,
        "expires_at": expires_at,
    }
    try:
        with transaction(session):
            session.execute(insert(ApiToken).values(**row, created_at=_clock(now)))
    except IntegrityError as error:
        raise Conflict(f"a token named {name}, or with that secret, exists", field="name") from error
    return _existing_token(session, name), chosen


def ensure_token(session: Session, name: str, scopes: Collection[str], by: str, *, secret: str) -> TokenRecord:
    """The token of that name with this secret and these scopes, made or mended and in force; for the demo."""
    found = _token_row(session, ApiToken.name == _name(name))
    if found is None:
        return create_token(session, name, scopes, by, secret=secret)[0]
    values: dict[str, Any] = {
        "token_hash": _fingerprint(_secret(secret)),
        "scopes": _scopes(scopes),
        "expires_at": None,
        "revoked_at": None,
    }
    if any(found[column] != value for column, value in values.items()):
        try:
            with transaction(session):
                session.execute(update(ApiToken).where(ApiToken.name == name).values(**values))
        except IntegrityError as error:
            raise Conflict("another token has that secret", field="secret") from error
    return _existing_token(session, name)


def token_for(session: Session, secret: str) -> TokenRecord | None:
    """The token in force with this secret. Looked up by its hash, so timing tells nothing about other secrets."""
    if not _SECRET.fullmatch(secret):
        return None
    clock = func.clock_timestamp()
    found = _token_row(
        session,
        ApiToken.token_hash == _fingerprint(secret),
        ApiToken.revoked_at.is_(None),
        or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > clock),
    )
    if found is None:
        return None
    if found["stale"]:
        _touch(session, found["token_id"])
    return _token_record(found)


def tokens(session: Session) -> list[TokenRecord]:
    """Every token there ever was, newest first."""
    statement = select(*_TOKEN_COLUMNS).order_by(ApiToken.created_at.desc(), ApiToken.token_id.desc())
    return [_token_record(row) for row in session.execute(statement).mappings()]


def revoke_token(session: Session, name: str, now: datetime | None = None) -> TokenRecord:
    """Take a token out of force for good; revoking twice keeps the first time."""
    with transaction(session):
        session.execute(
            update(ApiToken).where(ApiToken.name == name, ApiToken.revoked_at.is_(None)).values(revoked_at=_clock(now))
        )
    if (found := _token_row(session, ApiToken.name == name)) is None:
        raise NotFound(f"there is no token named {name}", field="name")
    return _token_record(found)


_USER_COLUMNS = (User.user_id, User.name, User.role, User.created_at, User.disabled_at, User.password_hash)
_TOKEN_COLUMNS = (
    ApiToken.token_id,
    ApiToken.name,
    ApiToken.scopes,
    ApiToken.created_by,
    ApiToken.created_at,
    ApiToken.expires_at,
    ApiToken.last_used_at,
    ApiToken.revoked_at,
    ApiToken.token_hash,
)


def _user_row(session: Session, condition: ColumnElement[bool]) -> RowMapping | None:
    return session.execute(select(*_USER_COLUMNS).where(condition)).mappings().one_or_none()


def _existing_user(session: Session, name: str) -> UserRecord:
    return _user_record(session.execute(select(*_USER_COLUMNS).where(User.name == name)).mappings().one())


def _user_record(row: RowMapping) -> UserRecord:
    return UserRecord(row["user_id"], row["name"], row["role"], row["created_at"], row["disabled_at"])


def _token_row(session: Session, *conditions: ColumnElement[bool]) -> RowMapping | None:
    stale = func.coalesce(func.clock_timestamp() - ApiToken.last_used_at > _age(TOUCH_SECONDS), True)
    statement = select(*_TOKEN_COLUMNS, stale.label("stale")).where(*conditions)
    return session.execute(statement).mappings().one_or_none()


def _existing_token(session: Session, name: str) -> TokenRecord:
    return _token_record(session.execute(select(*_TOKEN_COLUMNS).where(ApiToken.name == name)).mappings().one())


def _token_record(row: RowMapping) -> TokenRecord:
    return TokenRecord(
        row["token_id"],
        row["name"],
        tuple(row["scopes"]),
        row["created_by"],
        row["created_at"],
        row["expires_at"],
        row["last_used_at"],
        row["revoked_at"],
    )


def _touch(session: Session, token_id: UUID) -> None:
    """Note the use, unless a neighbour is noting it right now."""
    free = select(ApiToken.token_id).where(ApiToken.token_id == token_id).with_for_update(skip_locked=True)
    with transaction(session):
        session.execute(
            update(ApiToken)
            .where(ApiToken.token_id.in_(free.scalar_subquery()))
            .values(last_used_at=func.clock_timestamp())
        )


def _age(seconds: int) -> ColumnElement[Any]:
    return func.make_interval(0, 0, 0, 0, 0, 0, seconds)


def _clock(now: datetime | None) -> Any:
    return func.clock_timestamp() if now is None else now


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadInput("name", "must be 1 to 64 of A-Z a-z 0-9 . _ @ -, beginning with a letter or digit")
    return name


def _role(role: str) -> str:
    if role not in ROLES:
        raise BadInput("role", f"must be one of {', '.join(ROLES)}")
    return role


def _scopes(scopes: Collection[str]) -> list[str]:
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise BadInput("scopes", f"must be one or more of {', '.join(SCOPES)}")
    return [scope for scope in SCOPES if scope in scopes]


def _secret(given: str | None) -> str:
    secret = f"pd_{secrets.token_urlsafe(32)}" if given is None else given
    if not _SECRET.fullmatch(secret):
        raise BadInput("secret", "must be 1 to 200 visible ASCII characters")
    return secret


def _fingerprint(secret: str) -> str:
    """Plain SHA-256 is enough: a secret has 256 random bits, so there is nothing to guess."""
    return sha256(secret.encode()).hexdigest()
