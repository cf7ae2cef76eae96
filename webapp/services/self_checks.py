"""The desk checks itself: do the books follow from the fills, does the audit chain hold. What fails halts trading.

A whole check folds every fill and hashes every audited row, which takes a minute or more on a large desk. So most
checks go on from the mark that the last one left: they fold the fills and hash the rows that were chained since, and
hold the result against positions, exact costs, cash and NAV, all of them, and against the orders that moved since. A
desk that books wrongly, a chain that was cut, rewritten or wrongly gone on with is found by the next check, whichever
it is.

What such a check cannot see is a change behind the desk's back of what was checked before: a fill, an audited row or
its link edited or removed, an order's state turned back, a row slipped in without a link, the mark itself edited along
with the books. That is found by the whole check, when an engine begins to lead and once a day (:data:`WHOLE_EVERY`),
and by `books verify` and `audit verify` at any time. Whenever a check from the mark finds anything it would not pass,
the whole check follows at once, and its word is what counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from webapp.models import SelfCheck
from webapp.services import audit, books, checkpoint, folding, leadership, monitors
from webapp.services.checkpoint import Mark
from webapp.services.kill_switch import HaltReceipt
from webapp.services.leadership import Lease
from webapp.services.transaction import database_now, one_moment, transaction

EVERY = timedelta(minutes=10)
AGAIN = timedelta(seconds=30)
"""A check that failed is repeated this often, so that a repair is seen and the desk can be released."""
WHOLE_EVERY = timedelta(days=1)
OVERDUE = 3 * EVERY
"""A result older than this says nothing any more: whoever should check does not, or cannot."""
BOOKS_HOLD = "positions, cash and NAV follow from the fills to the last digit"
CHAIN_HOLDS = "the chain is whole"


@dataclass(frozen=True)
class Checked:
    """The result of one check: how many rows it read, and what it found, in one sentence."""

    name: str
    ok: bool
    rows: int
    detail: str


def run(session: Session, *, whole: bool = False, lease: Lease | None = None) -> HaltReceipt | None:
    """Run both checks, store what they found and the mark they leave, and halt for the first that failed.

    An engine names its ``lease``: :class:`Fenced` is raised when another one leads by now.
    """
    results, mark = (None if whole else _check_since(session)) or _check_whole(session)
    with transaction(session):
        leadership.hold(session, lease)
        for result in results:
            _store(session, result)
        if mark is not None:
            checkpoint.store(session, mark)
    failed = [monitors.check_breach(result.name, result.detail) for result in results if not result.ok]
    return monitors.act_on(session, failed)


def due(session: Session, now: datetime | None = None) -> bool:
    """Whether a check was never run, or its result is older than :data:`EVERY` (:data:`AGAIN` when one failed)."""
    result = select(func.count(), func.min(SelfCheck.checked_at), func.coalesce(func.bool_and(SelfCheck.ok), True))
    count, oldest, ok = session.execute(result).one()
    at = database_now(session) if now is None else now
    session.rollback()
    return bool(count < 2 or at - oldest >= (EVERY if ok else AGAIN))


def _check_since(session: Session) -> tuple[Sequence[Checked], Mark] | None:
    """Check what came since the mark; None when all must be looked at, be it only to say what is wrong."""
    with one_moment(session):
        mark = checkpoint.load(session)
        if mark is None or mark.whole_at is None or database_now(session) - mark.whole_at >= WHOLE_EVERY:
            return None
        report = audit.verify_since(session, mark.head)
        folded = folding.fold_on(session, mark.holdings, mark.head.seq) if report.ok else None
        if folded is None or report.head is None or books.drifts(session, folded[0], mark.head.seq):
            return None
    holdings, fills = folded
    since = f"since the whole check of {mark.whole_at:%Y-%m-%d %H:%M} UTC each check goes on from the one before it"
    results = (
        Checked("books", True, mark.fills + fills, f"{BOOKS_HOLD}; {since}"),
        Checked("audit", True, report.head.seq, f"{CHAIN_HOLDS}; {since}"),
    )
    return results, Mark(report.head, holdings, mark.fills + fills, mark.whole_at)


def _check_whole(session: Session) -> tuple[Sequence[Checked], Mark | None]:
    """Check everything, and that the chain still holds what it held at the mark."""
    with one_moment(session):
        at, before, head = database_now(session), checkpoint.load(session), audit.head(session)
        holdings, fills = folding.fold(session)
        drifts = books.drifts(session, holdings)
    report = audit.verify(session, None if before is None else before.head)
    results = (
        Checked("books", not drifts, fills, _drifted(drifts) if drifts else BOOKS_HOLD),
        Checked("audit", report.ok, report.rows, _faulty(report.first_bad) if report.first_bad else CHAIN_HOLDS),
    )
    if head is not None and all(result.ok for result in results):
        return results, Mark(head, holdings, fills, at)
    return results, None if before is None else replace(before, whole_at=None)


def _drifted(drifts: Sequence[books.Drift]) -> str:
    first = drifts[0]
    return f"{len(drifts)} drifts, first: {first.what} of {first.key} is {first.stored}, not {first.expected}"


def _faulty(fault: audit.Fault) -> str:
    row = fault.source if fault.row_id is None else f"{fault.source} {fault.row_id}"
    place = "no link" if fault.seq is None else f"link {fault.seq}"
    return f"the chain is broken: {fault.what} ({row}, {place})"


def _store(session: Session, result: Checked) -> None:
    row = insert(SelfCheck).values(**vars(result), checked_at=func.clock_timestamp())
    changed = {name: row.excluded[name] for name in ("ok", "rows", "detail", "checked_at")}
    session.execute(row.on_conflict_do_update(index_elements=["name"], set_=changed))
