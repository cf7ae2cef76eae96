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

from webapp.services.transaction import enter_gate

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


# One statement, hence one snapshot: rows that are being written meanwhile are seen with their link or not at all.
# The links' order is checked apart from the rows' content, so that neither needs to sort the other.
_FAULTS = """
WITH links AS (
    SELECT seq, source, row_id, previous_hash,
        lag(seq, 1, 0::bigint) OVER chain AS seq_before, lag(row_hash, 1, :genesis) OVER chain AS hash_before
    FROM public.audit_chain WINDOW chain AS (ORDER BY seq)
), faults AS (
    SELECT seq, source, row_id,
        CASE WHEN seq <> seq_before + 1 THEN 'the link before it is missing'
             ELSE 'it is not bound to the link before it' END AS what
    FROM links WHERE seq <> seq_before + 1 OR previous_hash <> hash_before
    UNION ALL
    SELECT c.seq, coalesce(c.source, r.source), coalesce(c.row_id, r.row_id),
        CASE WHEN r.row_id IS NULL THEN 'the row is gone'
             WHEN c.seq IS NULL THEN 'the row is not in the chain'
             ELSE 'the row is not what was recorded' END
    FROM public.audit_chain c FULL JOIN public.audit_rows r ON r.source = c.source AND r.row_id = c.row_id
    WHERE c.seq IS NULL OR r.row_id IS NULL
        OR c.row_hash <> public.audit_hash(c.previous_hash, c.source, c.row_id, c.recorded_at, r.content)
    UNION ALL
    SELECT greatest(h.seq, last.seq), 'audit_head', NULL,
        'the head says ' || coalesce(h.seq::text, 'nothing') || ', the last link is ' || last.seq
    FROM (SELECT coalesce(max(seq), 0) AS seq FROM public.audit_chain) last
    LEFT JOIN public.audit_head h ON h.id = 1
    LEFT JOIN public.audit_chain c ON c.seq = last.seq
    WHERE h.seq IS DISTINCT FROM last.seq OR h.hash IS DISTINCT FROM coalesce(c.row_hash, :genesis)
), first_bad AS (
    SELECT * FROM faults ORDER BY seq NULLS LAST, source, row_id LIMIT 1
)
SELECT f.*, f.what IS NOT NULL AS bad, (SELECT count(*) FROM public.audit_chain) AS links,
    (SELECT count(*) FROM public.audit_rows) AS rows, h.seq AS head_seq, h.hash AS head_hash
FROM (SELECT) one LEFT JOIN first_bad f ON true LEFT JOIN public.audit_head h ON h.id = 1
"""
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
    GROUP BY order_id, steps
) r USING (order_id)
WHERE o.status <> r.steps[r.rung] ORDER BY o.order_id LIMIT 1
"""


def verify(session: Session, anchor: Head | None = None) -> AuditReport:
    """Check every audited row and every link; with an anchor, also that the chain still holds what it held then.

    Finds an edited, deleted, swapped or unchained row at that row, a broken sequence, what was cut off after the
    anchor, and an order whose row shows another state than was recorded. Reads about 100,000 rows a second, in a
    transaction of its own, without locking anybody out.
    """
    session.rollback()
    try:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        session.execute(text("SET LOCAL work_mem = '64MB'"))
        found = session.execute(text(_FAULTS), {"genesis": GENESIS_HASH}).one()
        head = None if found.head_seq is None else Head(found.head_seq, found.head_hash)
        fault = Fault(found.source, found.row_id, found.seq, found.what) if found.bad else None
        if fault is None and found.links != found.rows:
            fault = Fault(**session.execute(text(_TWICE)).mappings().one())
        if fault is None and anchor is not None:
            fault = _missing_anchor(session, anchor)
        if fault is None:
            fault = _unrecorded_state(session)
        return AuditReport(found.rows, head, fault)
    finally:
        session.rollback()


def _unrecorded_state(session: Session) -> Fault | None:
    """The first order that shows another state than the last one recorded; None when there is none."""
    row = session.execute(text(_STATES)).one_or_none()
    if row is None:
        return None
    return Fault("orders", row.order_id, None, f"it is shown as {row.status}, recorded is {row.recorded}")


def _missing_anchor(session: Session, anchor: Head) -> Fault | None:
    """None when the chain contains the anchor; what came after it may only have been appended."""
    if anchor == Head(0, GENESIS_HASH):
        return None
    link = session.execute(
        text("SELECT source, row_id, row_hash FROM public.audit_chain WHERE seq = :seq"), {"seq": anchor.seq}
    ).one_or_none()
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
    session.execute(text(_ADOPT), {"seq": end.seq, "hash": end.hash})
    # The count, not rowcount: psycopg2's says -1 after some statements, and here it decides what the head becomes.
    moved = text("""
        UPDATE public.audit_head h SET seq = c.seq, hash = c.row_hash FROM public.audit_chain c
        WHERE h.id = 1 AND c.seq = (SELECT max(seq) FROM public.audit_chain) AND c.seq > h.seq RETURNING c.seq""")
    new_seq: int = session.execute(moved).scalar_one_or_none() or end.seq
    return new_seq - end.seq
