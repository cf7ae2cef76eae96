"""Which engine leads: one advisory lock, one lease with an epoch, and a fence for whoever had led before.

The lock lives as long as its connection. A leader writes on that very connection, so when it loses the lock its writes
fail too. A leader that is frozen keeps the lock but stops beating; after :data:`FROZEN_AFTER` another engine ends its
connection and leads.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.models.locks import ENGINE_LEADER

FROZEN_AFTER = timedelta(seconds=5)

_END_FROZEN = """
SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks l, engine_lease e
WHERE l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.classid = 0 AND l.objid = :lock AND l.objsubid = 1 AND l.granted AND l.pid <> pg_backend_pid()
  AND e.beat_at < clock_timestamp() - CAST(:patience AS interval)
"""
_NEW_EPOCH = """
INSERT INTO engine_lease (id, epoch, holder, beat_at) VALUES (1, 1, :holder, clock_timestamp())
ON CONFLICT (id) DO UPDATE SET epoch = engine_lease.epoch + 1, holder = excluded.holder, beat_at = excluded.beat_at
RETURNING epoch
"""
_BEAT = "UPDATE engine_lease SET beat_at = clock_timestamp() WHERE id = 1 AND epoch = :epoch RETURNING epoch"
_HOLD = "SELECT epoch FROM engine_lease WHERE id = 1 AND epoch = :epoch FOR SHARE"


class Fenced(Exception):
    """Another engine leads now; nothing of this one may be written any more."""


@dataclass(frozen=True)
class Lease:
    """The right to trade, until somebody leads under a later epoch."""

    epoch: int
    holder: str


def take(session: Session, holder: str) -> Lease | None:
    """Lead, if nobody else does; the lock then lasts as long as the session's connection. None to stand by."""
    if not session.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": ENGINE_LEADER}).scalar_one():
        session.execute(text(_END_FROZEN), {"lock": ENGINE_LEADER, "patience": FROZEN_AFTER})
        session.commit()
        return None
    epoch = session.execute(text(_NEW_EPOCH), {"holder": holder}).scalar_one()
    session.commit()
    return Lease(epoch, holder)


def beat(session: Session, lease: Lease) -> None:
    """Say that this leader lives. Raises :class:`Fenced` when a later one has taken over."""
    found = session.execute(text(_BEAT), {"epoch": lease.epoch}).scalar_one_or_none()
    session.commit()
    if found is None:
        raise Fenced(f"epoch {lease.epoch} is over")


def hold(session: Session, lease: Lease | None) -> None:
    """Keep anybody else from leading until the caller's transaction ends, for what the leader writes on the side.

    Without a lease there is nothing to hold: whoever asks is no engine. Raises :class:`Fenced` when a later one has
    taken over.
    """
    if lease is not None and session.execute(text(_HOLD), {"epoch": lease.epoch}).one_or_none() is None:
        raise Fenced(f"epoch {lease.epoch} is over")


def give_up(session: Session) -> None:
    """Let another engine lead at once instead of after the connection is gone."""
    session.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": ENGINE_LEADER})
    session.commit()
