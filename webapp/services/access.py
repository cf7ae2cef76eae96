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

from webapp.domain.acts import SERVER
from webapp.domain.errors import BadInput, Conflict, NotFound
from webapp.domain.people import ROLES, check_name, check_password, is_name
from webapp.models import User
from webapp.services import acts, passwords, sessions
from webapp.services.transaction import transaction


@dataclass(frozen=True)
class UserRecord:
    """A person who may log in."""

    user_id: UUID
    name: str
    role: str
    created_at: datetime
    disabled_at: datetime | None


def create_user(
    session: Session, name: str, password: str, role: str, now: datetime | None = None, by: str = SERVER, *,
    weak_too: bool = False,
) -> UserRecord:  # fmt: skip
    """A new person; the name must be free and the password, unless ``weak_too``, no obvious one."""
    check_name(name)
    if not weak_too:
        check_password(name, password)
    return _create(session, name, password, role, now, by)


def ensure_user(session: Session, name: str, password: str, role: str, by: str = "demo") -> UserRecord:
    """The person of that name with this password, whatever it is, and role, made or mended; for the demo's logins."""
    found = _user_row(session, User.name == check_name(name))
    if found is None:
        return _create(session, name, password, role, None, by)
    values: dict[str, Any] = {"role": _role(role), "disabled_at": None}
    if not passwords.matches(found["password_hash"], password):
        values["password_hash"] = passwords.hash_password(password)
    if changed := sorted(column for column, value in values.items() if found[column] != value):
        with transaction(session):
            session.execute(update(User).where(User.name == name).values(**values))
            sessions.end_all(session, found["user_id"], by)
            acts.record(session, "user_role", by, f"user:{name}", role=role, changed=changed)
    return _existing_user(session, name)


def set_role(session: Session, name: str, role: str, by: str, keep: UUID | None = None) -> UserRecord:
    """Give a person another role; their sessions end, but the one to keep. Somebody must stay admin."""
    with transaction(session):
        admins = _admins_locked(session)
        before = _locked(session, name)
        if before.role == _role(role):
            return before
        _keep_an_admin(admins, name)
        session.execute(update(User).where(User.name == name).values(role=role))
        ended = sessions.end_all(session, before.user_id, by, keep)
        acts.record(session, "user_role", by, f"user:{name}", role=role, was=before.role, sessions_ended=ended)
    return _existing_user(session, name)


def disable_user(session: Session, name: str, by: str) -> UserRecord:
    """Let somebody in no more; their sessions end at once. Somebody must stay admin. Again keeps the first time."""
    with transaction(session):
        admins = _admins_locked(session)
        before = _locked(session, name)
        if before.disabled_at is not None:
            return before
        _keep_an_admin(admins, name)
        session.execute(update(User).where(User.name == name).values(disabled_at=func.clock_timestamp()))
        ended = sessions.end_all(session, before.user_id, by)
        acts.record(session, "user_disabled", by, f"user:{name}", sessions_ended=ended)
    return _existing_user(session, name)


def enable_user(session: Session, name: str, by: str) -> UserRecord:
    """Let a disabled person in again, with a login of their own."""
    with transaction(session):
        if _locked(session, name).disabled_at is not None:
            session.execute(update(User).where(User.name == name).values(disabled_at=None))
            acts.record(session, "user_enabled", by, f"user:{name}")
    return _existing_user(session, name)


def set_password(session: Session, name: str, password: str, by: str, *, weak_too: bool = False) -> UserRecord:
    """Give somebody another password, no obvious one unless ``weak_too``; all their sessions end."""
    if not weak_too:
        check_password(name, password)
    hashed = passwords.hash_password(password)
    with transaction(session):
        person = _locked(session, name)
        session.execute(update(User).where(User.name == name).values(password_hash=hashed))
        ended = sessions.end_all(session, person.user_id, by)
        acts.record(session, "password_set", by, f"user:{name}", sessions_ended=ended)
    return _existing_user(session, name)


def change_password(session: Session, name: str, old: str, new: str, keep: UUID | None = None) -> int:
    """Change one's own password; how many other sessions ended by it. Raises :class:`BadInput` for a wrong old one."""
    found = _user_row(session, User.name == name)
    if found is None or not passwords.matches(found["password_hash"], old):
        raise BadInput("old_password", "is not the one you log in with")
    check_password(name, new, "new_password")
    if new == old:
        raise BadInput("new_password", "is the one you have")
    hashed = passwords.hash_password(new)
    by = f"user:{name}"
    with transaction(session):
        _locked(session, name)
        session.execute(update(User).where(User.name == name).values(password_hash=hashed))
        ended = sessions.end_all(session, found["user_id"], by, keep)
        acts.record(session, "password_changed", by, by, sessions_ended=ended)
    return ended


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


def vouched_for(session: Session, name: str) -> UserRecord | None:
    """The person of this name, of whom somebody else has made sure; nobody who is disabled."""
    found = _user_row(session, User.name == name, User.disabled_at.is_(None))
    return None if found is None else _user_record(found)


def _create(session: Session, name: str, password: str, role: str, now: datetime | None, by: str) -> UserRecord:
    row = {
        "user_id": uuid4(),
        "name": name,
        "password_hash": passwords.hash_password(password),
        "role": _role(role),
    }
    try:
        with transaction(session):
            session.execute(insert(User).values(**row, created_at=_clock(now)))
            acts.record(session, "user_created", by, f"user:{name}", role=role)
    except IntegrityError as error:
        raise Conflict(f"a user named {name} exists", field="name") from error
    return _existing_user(session, name)


def _locked(session: Session, name: str) -> UserRecord:
    """The person as they are until the caller's transaction ends. Raises :class:`NotFound`."""
    found = session.execute(select(*_USER_COLUMNS).where(User.name == name).with_for_update()).mappings().one_or_none()
    if found is None:
        raise NotFound(f"there is no user named {name}", field="name")
    return _user_record(found)


def _admins_locked(session: Session) -> set[str]:
    """Who is admin now, and until the caller's transaction ends: no two may take the role from each other at once."""
    admins = select(User.name).where(User.role == "admin", User.disabled_at.is_(None)).order_by(User.user_id)
    return set(session.execute(admins.with_for_update()).scalars())


def _keep_an_admin(admins: set[str], name: str) -> None:
    """Raises :class:`Conflict` when nobody else is admin."""
    if admins == {name}:
        raise Conflict(f"{name} is the last admin; make somebody else one first", field="name")


_USER_COLUMNS = (User.user_id, User.name, User.role, User.created_at, User.disabled_at, User.password_hash)


def _user_row(session: Session, *conditions: ColumnElement[bool]) -> RowMapping | None:
    return session.execute(select(*_USER_COLUMNS).where(*conditions)).mappings().one_or_none()


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
