"""Answers already given: stored in the trade's own transaction, so a request and its answer live or die together."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from webapp.domain.errors import Conflict
from webapp.models import IdempotencyKey


@dataclass(frozen=True)
class StoredAnswer:
    """Status and bytes of an answer, as it was given the first time."""

    status: int
    body: str


def find(session: Session, actor: str, key: str, fingerprint: str) -> StoredAnswer | None:
    """The answer to this key, if it was used. Raises :class:`Conflict` when it was used for another request."""
    statement = select(IdempotencyKey.fingerprint, IdempotencyKey.status, IdempotencyKey.answer)
    row = session.execute(statement.where(IdempotencyKey.actor == actor, IdempotencyKey.key == key)).one_or_none()
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise Conflict(
            "this idempotency_key was already used for another request; use a new key", field="idempotency_key"
        )
    return StoredAnswer(row.status, row.answer)


def store(session: Session, actor: str, key: str, fingerprint: str, answer: StoredAnswer, now: datetime) -> None:
    """Remember an answer under its key."""
    row = {
        "actor": actor,
        "key": key,
        "fingerprint": fingerprint,
        "status": answer.status,
        "answer": answer.body,
        "created_at": now,
    }
    session.execute(insert(IdempotencyKey).values(row))
