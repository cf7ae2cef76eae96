"""Tokens: the keys of bots and agents, what each may do, and stopping one of them alone.

A token is kept as the SHA-256 of its secret, which is shown once and cannot be read back. Whether a secret is unknown,
revoked or expired looks and costs the same from outside.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from webapp.domain.acts import SERVER
from webapp.domain.errors import BadInput, Conflict, NotFound
from webapp.domain.people import SCOPES, check_name
from webapp.domain.reasons import check_reason
from webapp.models import ApiToken
from webapp.services import acts
from webapp.services.secrecy import fingerprint, new_secret
from webapp.services.transaction import database_now, transaction

TOUCH_SECONDS = 60
"""`last_used_at` is as exact as this, so that reading does not become writing."""
MOST_CYCLES_PER_MINUTE = 1_000_000

_SECRET = re.compile(r"[!-~]{1,200}", re.ASCII)


@dataclass(frozen=True)
class Caps:
    """What one bot may do at most, beside the desk's own policy; None: no more than the policy says.

    ``max_order_notional`` in USDC only ever tightens the rule of that name; ``cycles_per_minute`` counts trade cycles.
    """

    max_order_notional: Decimal | None = None
    cycles_per_minute: int | None = None


NO_CAPS = Caps()


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
    revoked_by: str | None
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None
    max_order_notional: Decimal | None
    cycles_per_minute: int | None

    @property
    def actor(self) -> str:
        """The name its acts are recorded under."""
        return f"token:{self.name}"


def create_token(
    session: Session,
    name: str,
    scopes: Collection[str],
    by: str,
    *,
    secret: str | None = None,
    expires_at: datetime | None = None,
    caps: Caps = NO_CAPS,
    now: datetime | None = None,
) -> tuple[TokenRecord, str]:
    """A new token and its secret, which is never to be seen again. `secret` fixes it, for a demo."""
    chosen = _secret(secret)
    at = database_now(session) if now is None else now
    if expires_at is not None and expires_at <= at:
        raise BadInput("expires_at", "has passed already")
    row = {
        "token_id": uuid4(),
        "name": check_name(name),
        "token_hash": fingerprint(chosen),
        "scopes": _scopes(scopes),
        "created_by": by,
        "created_at": at,
        "expires_at": expires_at,
        **_caps(caps),
    }
    try:
        with transaction(session):
            session.execute(insert(ApiToken).values(**row))
            told = {"scopes": row["scopes"], "expires_at": expires_at, **_caps(caps)}
            acts.record(session, "token_created", by, f"token:{name}", at=at, **told)
    except IntegrityError as error:
        raise Conflict(f"a token named {name}, or with that secret, exists", field="name") from error
    return _existing(session, name), chosen


def ensure_token(session: Session, name: str, scopes: Collection[str], by: str, *, secret: str) -> TokenRecord:
    """The token of that name with this secret and these scopes, made or mended and in force; for the demo."""
    found = _row(session, ApiToken.name == check_name(name))
    if found is None:
        return create_token(session, name, scopes, by, secret=secret)[0]
    values: dict[str, Any] = {
        "token_hash": fingerprint(_secret(secret)),
        "scopes": _scopes(scopes),
        "expires_at": None,
        "revoked_at": None,
        "revoked_by": None,
    }
    if changed := sorted(column for column, value in values.items() if found[column] != value):
        try:
            _change(session, name, "token_changed", by, values, told={"changed": changed, "scopes": values["scopes"]})
        except IntegrityError as error:
            raise Conflict("another token has that secret", field="secret") from error
    return _existing(session, name)


def token_for(session: Session, secret: str) -> TokenRecord | None:
    """The token in force with this secret. Looked up by its hash, so timing tells nothing about other secrets."""
    if not _SECRET.fullmatch(secret):
        return None
    found = _row(
        session,
        ApiToken.token_hash == fingerprint(secret),
        ApiToken.revoked_at.is_(None),
        or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > func.clock_timestamp()),
    )
    if found is None:
        return None
    if found["stale"]:
        _touch(session, found["token_id"])
    return _record(found)


def revoke_token(session: Session, name: str, by: str, now: datetime | None = None) -> TokenRecord:
    """Take a token out of force for good; revoking twice keeps the first time."""
    at = database_now(session) if now is None else now
    _change(session, name, "token_revoked", by, {"revoked_at": at, "revoked_by": by}, ApiToken.revoked_at.is_(None))
    return _existing(session, name)


def pause_token(session: Session, name: str, by: str, reason: str, now: datetime | None = None) -> TokenRecord:
    """Stop one bot: until resumed it may read, cancel its orders and halt, and nothing else. Again keeps the first."""
    why = check_reason(reason, required=True)
    at = database_now(session) if now is None else now
    values = {"paused_at": at, "paused_by": by, "pause_reason": why}
    _change(session, name, "token_paused", by, values, ApiToken.paused_at.is_(None), told={"reason": why})
    return _existing(session, name)


def resume_token(session: Session, name: str, by: str = SERVER) -> TokenRecord:
    """Let a paused bot go on. Raises :class:`Conflict` when it is not paused."""
    values = {"paused_at": None, "paused_by": None, "pause_reason": None}
    changed = _change(session, name, "token_resumed", by, values, ApiToken.paused_at.is_not(None))
    record = _existing(session, name)
    if not changed:
        raise Conflict(f"the token {name} is not paused", field="name")
    return record


def set_caps(session: Session, name: str, caps: Caps, by: str = SERVER) -> TokenRecord:
    """Give a bot other limits of its own, from its next request on."""
    _change(session, name, "token_capped", by, _caps(caps), told=_caps(caps))
    return _existing(session, name)


def count(session: Session, token_id: UUID, *, replays: int = 0, limited: int = 0, refused: int = 0) -> None:
    """Add to the counts of what a bot did that left no row."""
    with transaction(session):
        session.execute(
            update(ApiToken)
            .where(ApiToken.token_id == token_id)
            .values(
                replays=ApiToken.replays + replays,
                limited=ApiToken.limited + limited,
                refused=ApiToken.refused + refused,
            )
        )


_COLUMNS = tuple(getattr(ApiToken, field.name) for field in fields(TokenRecord))


def _row(session: Session, *conditions: ColumnElement[bool]) -> RowMapping | None:
    stale = func.coalesce(func.clock_timestamp() - ApiToken.last_used_at > _age(TOUCH_SECONDS), True)
    statement = select(*_COLUMNS, ApiToken.token_hash, stale.label("stale")).where(*conditions)
    return session.execute(statement).mappings().one_or_none()


def _existing(session: Session, name: str) -> TokenRecord:
    found = session.execute(select(*_COLUMNS).where(ApiToken.name == name)).mappings().one_or_none()
    if found is None:
        raise NotFound(f"there is no token named {name}", field="name")
    return _record(found)


def _record(row: RowMapping) -> TokenRecord:
    values = {field.name: row[field.name] for field in fields(TokenRecord)}
    return TokenRecord(**{**values, "scopes": tuple(row["scopes"])})


def _change(
    session: Session,
    name: str,
    act: str,
    by: str,
    values: dict[str, Any],
    *conditions: ColumnElement[bool],
    told: Mapping[str, Any] = MappingProxyType({}),
) -> bool:
    """Whether there was a token of that name for which the conditions held; then it was changed, and that recorded."""
    with transaction(session):
        changed = session.execute(
            update(ApiToken).where(ApiToken.name == name, *conditions).values(**values).returning(ApiToken.token_id)
        ).one_or_none()
        if changed is not None:
            acts.record(session, act, by, f"token:{name}", **told)
    return changed is not None


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


def _scopes(scopes: Collection[str]) -> list[str]:
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise BadInput("scopes", f"must be one or more of {', '.join(SCOPES)}")
    return [scope for scope in SCOPES if scope in scopes]


def _caps(caps: Caps) -> dict[str, Any]:
    """The columns of these caps. Raises :class:`BadInput` for one that is no limit."""
    most, pace = caps.max_order_notional, caps.cycles_per_minute
    if most is not None and most <= 0:
        raise BadInput("max_order_notional", "must be above zero; pause the bot to stop it")
    if pace is not None and not 1 <= pace <= MOST_CYCLES_PER_MINUTE:
        raise BadInput("cycles_per_minute", f"must be from 1 to {MOST_CYCLES_PER_MINUTE:,}; pause the bot to stop it")
    return {"max_order_notional": most, "cycles_per_minute": pace}


def _secret(given: str | None) -> str:
    secret = f"pd_{new_secret()}" if given is None else given
    if not _SECRET.fullmatch(secret):
        raise BadInput("secret", "must be 1 to 200 visible ASCII characters")
    return secret
