"""The desk checks itself: do the books follow from the fills, does the audit chain hold. What fails halts trading."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from webapp.models import SelfCheck
from webapp.services import audit, books, monitors
from webapp.services.kill_switch import HaltReceipt
from webapp.services.transaction import database_now, transaction

EVERY = timedelta(minutes=10)
AGAIN = timedelta(seconds=30)
"""A check that failed is repeated this often, so that a repair is seen and the desk can be released."""


@dataclass(frozen=True)
class Checked:
    """The result of one check: how many rows it read, and what it found, in one sentence."""

    name: str
    ok: bool
    rows: int
    detail: str


def run(session: Session) -> HaltReceipt | None:
    """Run every check, store what it found, and halt for the first that failed."""
    results = list(_checks(session))
    with transaction(session):
        for result in results:
            _store(session, result)
    failed = [monitors.check_breach(result.name, result.detail) for result in results if not result.ok]
    return monitors.act_on(session, failed)


def due(session: Session, now: datetime | None = None) -> bool:
    """Whether a check was never run, or its result is older than :data:`EVERY` (:data:`AGAIN` when one failed)."""
    result = select(func.count(), func.min(SelfCheck.checked_at), func.coalesce(func.bool_and(SelfCheck.ok), True))
    count, oldest, ok = session.execute(result).one()
    at = database_now(session) if now is None else now
    session.rollback()
    return bool(count < 2 or at - oldest >= (EVERY if ok else AGAIN))


def _checks(session: Session) -> Iterator[Checked]:
    found = books.verify(session)
    if found.drifts:
        first = found.drifts[0]
        said = f"{len(found.drifts)} drifts, first: {first.what} of {first.key} is {first.stored}, not {first.expected}"
        yield Checked("books", False, found.fills, said)
    else:
        yield Checked("books", True, found.fills, "positions, cash and NAV follow from the fills to the last digit")
    report = audit.verify(session)
    session.rollback()
    detail = "the chain is whole" if report.ok else f"the chain is broken: {_said(report.first_bad)}"
    yield Checked("audit", report.ok, report.rows, detail)


def _said(fault: audit.Fault | None) -> str:
    if fault is None:
        return "nothing"
    place = "no link" if fault.seq is None else f"link {fault.seq}"
    return f"{fault.what} ({fault.source} {fault.row_id or ''}, {place})"


def _store(session: Session, result: Checked) -> None:
    row = insert(SelfCheck).values(**vars(result), checked_at=func.clock_timestamp())
    changed = {name: row.excluded[name] for name in ("ok", "rows", "detail", "checked_at")}
    session.execute(row.on_conflict_do_update(index_elements=["name"], set_=changed))
