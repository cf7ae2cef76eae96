"""The audit chain, read and checked.

Triggers append every risk event, kill switch event, fill, order state and policy to a chain of SHA-256 hashes; the
functions that hash a row are the database's own, so what is checked here is what was written there. A chain can be cut
at its end without a trace inside it: `head` is what to keep outside, and what `verify` takes back as the anchor.
"""

import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.services import recorded_switch
from webapp.services.progress import Progress, silent
from webapp.services.transaction import enter_gate, one_moment

GENESIS_HASH = "0" * 64


@dataclass(frozen=True)
class Head:
    """The end of the chain: how many links it has, and the hash of the last one."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, written: str) -> "Head":
        """`seq:hash`, as `str` writes it. Raises ValueError on anything else."""
        found = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", written.strip())
        if found is None:
            raise ValueError("an anchor is written SEQ:HASH, with 64 hexadecimal digits")
        return cls(int(found[1]), found[2])


START = Head(0, GENESIS_HASH)
"""The end of a chain without links."""


@dataclass(frozen=True)
class Fault:
    """The first place where the chain does not hold. `seq` is None for a row that no link speaks of."""

    source: str
    row_id: UUID | None
    seq: int | None
    what: str


@dataclass(frozen=True)
class AuditReport:
    """What a check found: `rows` audited rows, the first fault or none, and the head to anchor outside."""

    rows: int
    head: Head | None
    first_bad: Fault | None

    @property
    def ok(self) -> bool:
        return self.first_bad is None


PIECE = 100_000
"""Links in one statement: its memory is bounded, and a progress bar moves."""

# The text of a row is asked for link by link, which goes by the primary key of the one table that the link names.
_BAD_LINK = """
SELECT seq, source, row_id, CASE
    WHEN seq <> seq_before + 1 THEN 'the link before it is missing'
    WHEN previous_hash <> hash_before THEN 'it is not bound to the link before it'
    WHEN EXISTS (SELECT FROM public.audit_rows r WHERE r.source = c.source AND r.row_id = c.row_id)
        THEN 'the row is not what was recorded'
    ELSE 'the row is gone' END AS what
FROM (
    SELECT l.*, lag(seq, 1, :seq) OVER chain AS seq_before, lag(row_hash, 1, :hash) OVER chain AS hash_before,
        public.audit_hash(previous_hash, source, row_id, recorded_at, (
            SELECT r.content FROM public.audit_rows r WHERE r.source = l.source AND r.row_id = l.row_id)) AS hash_now
    FROM public.audit_chain l WHERE seq > :seq AND seq <= :last WINDOW chain AS (ORDER BY seq)
) c
WHERE seq <> seq_before + 1 OR previous_hash <> hash_before OR row_hash IS DISTINCT FROM hash_now
ORDER BY seq LIMIT 1
"""
_NEXT_PIECE = """
SELECT count(*) AS links, max(seq) AS last FROM (
    SELECT seq FROM public.audit_chain WHERE seq > :seq ORDER BY seq LIMIT :piece
) piece
"""
_LINK = "SELECT source, row_id, row_hash FROM public.audit_chain WHERE seq = :seq"
# Counted, because the one row asked for by LIMIT would be looked for row by row. The rows' texts are not made for it.
_UNCHAINED = """
SELECT count(*) AS rows, min(r.source || ' ' || r.row_id) AS first FROM public.audit_rows r
WHERE NOT EXISTS (SELECT FROM public.audit_chain c WHERE c.source = r.source AND c.row_id = r.row_id)
"""
_COUNT_ROWS = "SELECT count(*) FROM public.audit_rows"
_TWICE = """
SELECT max(seq) AS seq, source, row_id, 'the row is in the chain twice' AS what
FROM public.audit_chain GROUP BY source, row_id HAVING count(*) > 1 ORDER BY 1 LIMIT 1
"""

# An order's own row shows its state a second time. Orders whose states nobody recorded are another program's.
_STATES = """
SELECT o.order_id, o.status, r.steps[r.rung] AS recorded
FROM public.orders o JOIN (
    SELECT order_id, steps, max(array_position(steps, to_status)) AS rung
    FROM public.order_transitions, (VALUES (ARRAY['proposed', 'approved', 'rejected', 'executed', 'canceled'])) v(steps)
    WHERE {which}
    GROUP BY order_id, steps
) r USING (order_id)
WHERE o.status <> r.steps[r.rung] ORDER BY o.order_id LIMIT 1
"""
_ALL_ORDERS = "true"
_NEW_ORDERS = """order_id IN (SELECT t.order_id FROM public.order_transitions t JOIN public.audit_chain c
    ON c.source = 'order_transitions' AND c.row_id = t.transition_id AND c.seq > :seq)"""


def verify(session: Session, anchor: Head | None = None, progress: Progress = silent) -> AuditReport:
    """Check every audited row and every link; with an anchor, also that the chain still holds what it held then.

    Finds an edited, deleted, swapped or unchained row at that row, a broken sequence, what was cut off after the
    anchor, an order whose row shows another state than was recorded, and a kill switch that stands otherwise than its
    newest event says. Reads about 100,000 rows a second, in a transaction of its own, without locking anybody out.
    """
    with one_moment(session):
        session.execute(text("SET LOCAL statement_timeout = 0"))
        session.execute(text("SET LOCAL work_mem = '64MB'"))
        links, fault = _bad_link(session, START, progress)
        fault = fault or _lost_head(session) or _uncounted(session, links)
        if fault is None and anchor is not None:
            fault = _missing_anchor(session, anchor)
        rows: int = session.execute(text(_COUNT_ROWS)).scalar_one()
        return AuditReport(rows, head(session), fault or _unrecorded_state(session) or _unrecorded_switch(session))


def verify_since(session: Session, since: Head) -> AuditReport:
    """Check the links after ``since`` with their rows, and that the chain still holds what it held then.

    In the caller's transaction, which should see one moment. What it cannot see, :func:`verify` does: a row changed or
    removed whose link is older, and one slipped in without a link.
    """
    fault = _missing_anchor(session, since)
    if fault is not None:
        return AuditReport(0, head(session), fault)
    links, fault = _bad_link(session, since, silent)
    fault = fault or _lost_head(session) or _unrecorded_state(session, since.seq) or _unrecorded_switch(session)
    return AuditReport(links, head(session), fault)


def size(session: Session) -> int:
    """How many links there are to check."""
    count: int = session.execute(text("SELECT count(*) FROM public.audit_chain")).scalar_one()
    return count


def _bad_link(session: Session, since: Head, progress: Progress) -> tuple[int, Fault | None]:
    """How many links come after ``since``, and the first of them that does not hold, if any."""
    links, after = 0, since
    while (piece := session.execute(text(_NEXT_PIECE), {"seq": after.seq, "piece": PIECE}).one()).links:
        bounds = {"seq": after.seq, "hash": after.hash, "last": piece.last}
        bad = session.execute(text(_BAD_LINK), bounds).mappings().one_or_none()
        if bad is not None:
            return links, Fault(**bad)
        links += piece.links
        after = Head(piece.last, session.execute(text(_LINK), {"seq": piece.last}).one().row_hash)
        progress(piece.links)
    return links, None


def _lost_head(session: Session) -> Fault | None:
    """A fault when the head is not the last link."""
    last = text("SELECT seq, row_hash FROM public.audit_chain ORDER BY seq DESC LIMIT 1")
    link = session.execute(last).one_or_none()
    end, kept = START if link is None else Head(link.seq, link.row_hash), head(session)
    if kept == end:
        return None
    says = "nothing" if kept is None else kept.seq
    seq = end.seq if kept is None else max(kept.seq, end.seq)
    return Fault("audit_head", None, seq, f"the head says {says}, the last link is {end.seq}")


def _uncounted(session: Session, links: int) -> Fault | None:
    """The first row that no link speaks of, or two do, given that each of the ``links`` speaks of one."""
    unchained = session.execute(text(_UNCHAINED)).one()
    if unchained.rows:
        source, row_id = unchained.first.split(" ")
        return Fault(source, UUID(row_id), None, "the row is not in the chain")
    if links != session.execute(text(_COUNT_ROWS)).scalar_one():
        return Fault(**session.execute(text(_TWICE)).mappings().one())
    return None


def _unrecorded_state(session: Session, since: int | None = None) -> Fault | None:
    """The first order (of those moved after link ``since``) that shows another state than the last one recorded."""
    which = text(_STATES.format(which=_ALL_ORDERS if since is None else _NEW_ORDERS))
    row = session.execute(which, {} if since is None else {"seq": since}).one_or_none()
    if row is None:
        return None
    return Fault("orders", row.order_id, None, f"it is shown as {row.status}, recorded is {row.recorded}")


def _unrecorded_switch(session: Session) -> Fault | None:
    """A fault when the switch stands otherwise than its newest event says."""
    what = recorded_switch.difference(session)
    return None if what is None else Fault("kill_switch", None, None, what)


def _missing_anchor(session: Session, anchor: Head) -> Fault | None:
    """None when the chain contains the anchor; what came after it may only have been appended."""
    if anchor == START:
        return None
    link = session.execute(text(_LINK), {"seq": anchor.seq}).one_or_none()
    if link is None:
        return Fault("audit_chain", None, anchor.seq, "the chain was cut before the anchor")
    if link.row_hash != anchor.hash:
        return Fault(link.source, link.row_id, anchor.seq, "the chain was rewritten before the anchor")
    return None


def head(session: Session) -> Head | None:
    """The end of the chain as it is now, to be kept outside the database; None when it has been lost."""
    row = session.execute(text("SELECT seq, hash FROM public.audit_head WHERE id = 1")).one_or_none()
    return None if row is None else Head(row.seq, row.hash)


_ADOPT = """
INSERT INTO public.audit_chain (seq, source, row_id, previous_hash, row_hash, recorded_at)
SELECT :seq + place, source, row_id, lag(row_hash, 1, :hash) OVER (ORDER BY place), row_hash, now()
FROM (
    SELECT source, row_id, row_number() OVER story AS place,
        public.audit_fold(:hash, source, row_id, now(), content) OVER story AS row_hash
    FROM (
        SELECT * FROM public.audit_rows r
        WHERE NOT EXISTS (SELECT FROM public.audit_chain c WHERE c.source = r.source AND c.row_id = r.row_id)
    ) unchained
    WINDOW story AS (ORDER BY happened_at, source, row_id ROWS UNBOUNDED PRECEDING)
) hashed
"""


def adopt(session: Session) -> int:
    """Append the rows that no link speaks of, oldest first, in the caller's transaction; how many there were.

    For a database whose rows were written before the triggers were there. It adds links and repairs none: a chain that
    `verify` found broken stays broken. Raises RuntimeError when the head is lost.
    """
    enter_gate(session)
    session.execute(text("SELECT FROM public.audit_head WHERE id = 1 FOR UPDATE"))
    end = head(session)
    if end is None:
        raise RuntimeError("the audit chain has lost its head")
    if not session.execute(text(_UNCHAINED)).one().rows:
        return 0
    session.execute(text(_ADOPT), {"seq": end.seq, "hash": end.hash})
    # The count, not rowcount: psycopg2's says -1 after some statements, and here it decides what the head becomes.
    moved = text("""
        UPDATE public.audit_head h SET seq = c.seq, hash = c.row_hash FROM public.audit_chain c
        WHERE h.id = 1 AND c.seq = (SELECT max(seq) FROM public.audit_chain) AND c.seq > h.seq RETURNING c.seq""")
    new_seq: int = session.execute(moved).scalar_one_or_none() or end.seq
    return new_seq - end.seq
