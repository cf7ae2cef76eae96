"""Writing down what is done to the doors of the desk. No secret and no password ever goes in here."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.orm import Session

from webapp.domain.acts import NOBODY
from webapp.domain.ids import TimeOrderedIds
from webapp.domain.wire import jsonable
from webapp.models import Act, User
from webapp.services.transaction import database_now, transaction


def record(
    session: Session | Connection,
    act: str,
    by: str,
    subject: str | None = None,
    *,
    address: str | None = None,
    at: datetime | None = None,
    **details: Any,
) -> None:
    """Append an act in the caller's transaction, as its last statement: the chain's head is the last of all locks."""
    moment = database_now(session) if at is None else at
    row = {
        "act_id": TimeOrderedIds(os.urandom(16)).next(moment),
        "act": act,
        "actor": by,
        "subject": subject,
        "details": jsonable({name: value for name, value in details.items() if value is not None}),
        "address": address,
        "created_at": moment,
    }
    session.execute(insert(Act).values(**row))


def record_failed_login(
    session: Session, name: str | None, address: str | None, *, times: int, throttled: bool
) -> None:
    """One row for that many guesses, with the name if somebody has it: what else is typed there may be a password."""
    with transaction(session):
        known = None
        if name is not None:
            known = session.execute(select(User.name).where(User.name == name)).scalar_one_or_none()
        subject = None if known is None else f"user:{known}"
        act = "login_throttled" if throttled else "login_failed"
        record(session, act, NOBODY, subject, address=address, times=times)
