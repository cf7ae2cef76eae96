"""The policy in force and its history: every change is a new version with who, when, why and the difference."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from webapp.domain.errors import Conflict, InvalidPolicy, NotFound
from webapp.domain.ids import TimeOrderedIds
from webapp.domain.money import ZERO
from webapp.domain.policy import Policy
from webapp.domain.reasons import check_reason
from webapp.models import Account, Fill, PolicyVersion, PortfolioSnapshot
from webapp.services.transaction import database_now, enter_gate, transaction


@dataclass(frozen=True)
class PolicyRecord:
    """One version of the policy; ``difference`` maps each changed field to its value before and after."""

    version: int
    policy: Policy
    actor: str
    reason: str | None
    created_at: datetime
    difference: Mapping[str, Any]


def current(session: Session) -> PolicyRecord:
    """The policy in force. Raises :class:`NotFound` when the desk was never set up."""
    statement = select(PolicyVersion.__table__).order_by(PolicyVersion.version.desc()).limit(1)
    row = session.execute(statement).one_or_none()
    if row is None:
        raise NotFound("no policy is in force, so nothing may trade; run: flask --app wsgi db upgrade")
    return PolicyRecord(
        row.version, Policy.from_document(row.limits), row.actor, row.reason, row.created_at, row.difference
    )


def change(
    session: Session,
    document: Mapping[str, Any],
    by: str,
    reason: str | None = None,
    now: datetime | None = None,
    *,
    based_on: int | None = None,
) -> PolicyRecord:
    """Put a whole policy in force; a document that changes nothing leaves the version as it is.

    ``based_on`` is the version that whoever wrote the document had read; without it the document replaces whichever
    is in force. Raises :class:`Conflict` when another version is in force by now, :class:`InvalidPolicy` naming each
    bad field, also when the starting cash would change after a first fill.
    """
    wanted = Policy.from_document(document)
    why = check_reason(reason, required=False)
    with transaction(session):
        enter_gate(session)
        before = current(session)
        # Here, where nobody else can put one in force: compared before the gate, a version could still come between.
        if based_on is not None and before.version != based_on:
            raise Conflict(f"policy version {before.version} is in force, not {based_on}", version=before.version)
        difference = before.policy.difference(wanted)
        if not difference:
            return before
        at = database_now(session) if now is None else now
        if "starting_cash" in difference:
            _restart_with(session, wanted, at)
        record = PolicyRecord(before.version + 1, wanted, by, why, at, difference)
        _store(session, record)
        # Whoever keeps a desk in memory, as a replay does, looks here for whether it still holds.
        session.execute(update(Account).values(updated_at=database_now(session)))
    return record


def _restart_with(session: Session, wanted: Policy, at: datetime) -> None:
    """An untouched desk may begin with other cash; one that has traded may not, or its history would be wrong."""
    if session.execute(select(Fill.fill_id).limit(1)).first() is not None:
        raise InvalidPolicy({"starting_cash": "cannot change once there is a fill"})
    cash = wanted.starting_cash
    session.execute(
        update(Account).values(
            starting_cash=cash, cash=cash, peak_nav=cash, last_nav=cash, peak_since=at, opened_at=at, updated_at=at
        )
    )
    snapshot_id = TimeOrderedIds(os.urandom(16)).next(at)
    value = {"nav": cash, "cash": cash, "realized_pnl": ZERO, "unrealized_pnl": ZERO, "captured_at": at}
    session.execute(insert(PortfolioSnapshot).values(snapshot_id=snapshot_id, **value))


def _store(session: Session, record: PolicyRecord) -> None:
    row = {
        "policy_id": TimeOrderedIds(os.urandom(16)).next(record.created_at),
        "version": record.version,
        "limits": record.policy.to_document(),
        "difference": dict(record.difference),
        "actor": record.actor,
        "reason": record.reason,
        "created_at": record.created_at,
    }
    session.execute(insert(PolicyVersion).values(row))
