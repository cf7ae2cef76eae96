"""People: who may log in, with which role. Bots have tokens, see :mod:`webapp.services.tokens`.

Passwords are kept as argon2id hashes and cannot be read back. Whether a name is unknown, disabled, or its password
wrong looks and costs the same from outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from webapp.domain.errors import BadInput, Conflict
from webapp.domain.people import ROLES, check_name, is_name
from webapp.models import User
from webapp.services import passwords
from webapp.services.transaction import transaction


@dataclass(frozen=True)
class UserRecord:
    """A person who may log in."""

    user_id: UUID
    name: str
    role: str
    created_at: datetime
    disabled_at: datetime | None


def create_user(session: Session, name: str, password: str, role: str, now: datetime | None = None) -> UserRecord:
    """A new person; the name must be free."""
    row = {
        "user_id": uuid4(),
        "name": check_name(name),
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
    found = _user_row(session, User.name == check_name(name))
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
    found = _user_row(session, User.name == name) if is_name(name) else None
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


_USER_COLUMNS = (User.user_id, User.name, User.role, User.created_at, User.disabled_at, User.password_hash)


def _user_row(session: Session, condition: ColumnElement[bool]) -> RowMapping | None:
    return session.execute(select(*_USER_COLUMNS).where(condition)).mappings().one_or_none()


def _existing_user(session: Session, name: str) -> UserRecord:
    return _user_record(session.execute(select(*_USER_COLUMNS).where(User.name == name)).mappings().one())


def _user_record(row: RowMapping) -> UserRecord:
    return UserRecord(row["user_id"], row["name"], row["role"], row["created_at"], row["disabled_at"])


def _clock(now: datetime | None) -> Any:
    return func.clock_timestamp() if now is None else now


def _role(role: str) -> str:
    if role not in ROLES:
        raise BadInput("role", f"must be one of {', '.join(ROLES)}")
    return role
