"""The kill switch. Once :func:`halt` has returned, no fill is committed until somebody releases.

Every trading transaction holds the gate, shared; halt and release take it exclusively, so they wait for the trades
inside and the next ones wait for them. A connection of its own lets a halt through when the web's pool is empty.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from threading import Event, Thread
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from webapp.domain.errors import Conflict, Unconfirmed
from webapp.domain.ids import TimeOrderedIds
from webapp.domain.money import quantise
from webapp.domain.reasons import check_reason
from webapp.models.locks import GATE
from webapp.services import second_person
from webapp.services.deadline import bound
from webapp.services.second_person import Asked
from webapp.services.transaction import database_now

PATIENCE_MS = 250
"""How long a halt waits for the trades inside the gate before it ends their connections."""
LONGEST_WAIT_MS = 5 * PATIENCE_MS
"""Ended connections are gone within milliseconds, on a machine without a breath left within a second."""
ANSWER_SECONDS = 8.0
"""After this a server that says nothing is given up, and the halt is told as not confirmed."""
R = TypeVar("R")

_END_HOLDERS = """
SELECT pid, pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND classid = 0 AND objid = :gate AND objsubid = 1 AND granted AND pid = ANY(pg_blocking_pids(:waiting))
"""
_STATE = "SELECT enabled, reason, actor, event_id, changed_at FROM kill_switch"
_SET_STATE = """
INSERT INTO kill_switch (id, enabled, reason, actor, event_id, changed_at)
VALUES (1, :enabled, :reason, :actor, :event_id, :at)
ON CONFLICT (id) DO UPDATE SET enabled = excluded.enabled, reason = excluded.reason, actor = excluded.actor,
  event_id = excluded.event_id, changed_at = excluded.changed_at
"""
_ADD_EVENT = """
INSERT INTO kill_switch_events (event_id, enabled, reason, actor, created_at)
VALUES (:event_id, :enabled, :reason, :actor, :at)
"""
_ADD_STEP = """
INSERT INTO order_transitions (transition_id, order_id, from_status, to_status, actor, reason, created_at)
VALUES (:transition_id, :order_id, 'approved', 'canceled', :actor, 'the desk was halted', :at)
"""
_NAV = "SELECT cash + coalesce((SELECT sum(qty * mark_price) FROM positions), 0) FROM account"
_NEW_PEAK = "UPDATE account SET peak_since = :at, updated_at = clock_timestamp(), peak_nav = :nav RETURNING peak_nav"
_KEEP_PEAK = "UPDATE account SET updated_at = clock_timestamp() RETURNING peak_nav"
_HEAD = "SELECT seq || ':' || hash FROM audit_head"


@dataclass(frozen=True)
class SwitchState:
    """Where the switch stands. ``known`` is False when that could not be read: such a desk refuses to trade."""

    enabled: bool
    reason: str | None = None
    actor: str | None = None
    changed_at: datetime | None = None
    known: bool = True


@dataclass(frozen=True)
class HaltReceipt:
    """What a halt did. ``already`` tells that the desk was halted before and nothing changed.

    ``waited_ms`` is how long it waited for the trades inside the gate, ``cut_off`` how many of them it ended, and
    ``took_ms`` how long all of it took until it was committed. ``audit_head`` is what to keep outside the database.
    """

    event_id: UUID | None
    halted_at: datetime
    reason: str | None
    actor: str | None
    orders_canceled: int
    last_fill_at: datetime | None
    waited_ms: int
    already: bool
    cut_off: int = 0
    took_ms: int = 0
    audit_head: str | None = None


@dataclass(frozen=True)
class ReleaseReceipt:
    """What a release did; drawdown counts from ``peak_nav`` (USDC) on, which is new unless ``kept_peak``."""

    event_id: UUID
    released_at: datetime
    reason: str
    actor: str
    peak_nav: str
    kept_peak: bool = False


@dataclass(frozen=True)
class ReleasePending:
    """One of two people has asked for the release; the desk stays halted until another one does."""

    actor: str
    reason: str
    requested_at: datetime


def state(session: Session) -> SwitchState:
    """Where the switch stands now; a missing row counts as halted."""
    row = session.execute(text(_STATE)).one_or_none()
    if row is None or row.enabled is None:
        return SwitchState(True, "the switch has no state", None, None, known=False)
    return SwitchState(row.enabled, row.reason, row.actor, row.changed_at)


def halt(
    bind: Engine | Connection, reason: str | None, by: str, now: datetime | None = None, seed: bytes | None = None
) -> HaltReceipt:
    """Stop trading: shut the gate, flip the switch, cancel every resting order, write it down. Safe to repeat.

    Raises :class:`BadInput` for an overlong reason, and :class:`Unconfirmed` when the database did not confirm: then
    trading must be assumed to be on.
    """
    text_reason = check_reason(reason, required=False)
    started = time.monotonic()
    try:
        with _gate_shut(bind) as (connection, cut_off):
            waited_ms = int((time.monotonic() - started) * 1000)
            receipt = _halt(connection, text_reason, by, now, seed, waited_ms)
    except SQLAlchemyError as error:
        raise Unconfirmed("the halt was not confirmed: assume trading is ON, and try again") from error
    return replace(receipt, cut_off=len(cut_off), took_ms=int((time.monotonic() - started) * 1000))


def release(
    bind: Engine | Connection,
    reason: str | None,
    by: str,
    now: datetime | None = None,
    seed: bytes | None = None,
    *,
    people: int = 1,
    keep_peak: bool = False,
) -> ReleaseReceipt | ReleasePending:
    """Let the desk trade again; drawdown is measured anew from the NAV of this moment, unless ``keep_peak``.

    With ``people`` 2, the first call only asks; somebody else's within :data:`second_person.SECOND_PERSON_WITHIN`
    takes effect; its event names both with their reasons. A token counts as the person who made it.
    Raises :class:`BadInput` without a reason, :class:`Conflict` when the desk is not halted, :class:`Unconfirmed`.
    """
    text_reason = check_reason(reason, required=True)
    try:
        with _gate_shut(bind) as (connection, _):
            return _release(connection, _Wish(text_reason or "", by, people, keep_peak), now, seed)
    except SQLAlchemyError as error:
        raise Unconfirmed("the release was not confirmed; look at the switch before anything else") from error


def _halt(
    connection: Connection, reason: str | None, by: str, now: datetime | None, seed: bytes | None, waited_ms: int
) -> HaltReceipt:
    before = _read_state(connection)
    at = database_now(connection) if now is None else now
    last_fill_at = connection.execute(text("SELECT max(filled_at) FROM fills")).scalar_one()
    if before is not None and before.enabled:
        return HaltReceipt(
            before.event_id, before.changed_at, before.reason, before.actor, 0, last_fill_at, waited_ms, already=True
        )
    ids = TimeOrderedIds(os.urandom(16) if seed is None else seed)
    event_id = ids.next(at)
    event = {"event_id": event_id, "enabled": True, "reason": reason, "actor": by, "at": at}
    connection.execute(text(_SET_STATE), event)
    connection.execute(text("DELETE FROM release_requests"))
    canceled = (
        connection.execute(text("UPDATE orders SET status = 'canceled' WHERE status = 'approved' RETURNING order_id"))
        .scalars()
        .all()
    )
    if canceled:
        steps = [
            {"transition_id": ids.next(at), "order_id": order_id, "actor": by, "at": at}
            for order_id in sorted(canceled)
        ]
        connection.execute(text(_ADD_STEP), steps)
    connection.execute(text(_ADD_EVENT), event)
    connection.execute(text("UPDATE account SET updated_at = clock_timestamp()"))
    head: str | None = connection.execute(text(_HEAD)).scalar_one_or_none()
    return HaltReceipt(event_id, at, reason, by, len(canceled), last_fill_at, waited_ms, False, audit_head=head)


@dataclass(frozen=True)
class _Wish:
    """A release as somebody asks for it."""

    reason: str
    by: str
    people: int
    keep_peak: bool


def _release(
    connection: Connection, wish: _Wish, now: datetime | None, seed: bytes | None
) -> ReleaseReceipt | ReleasePending:
    before = _read_state(connection)
    if before is not None and before.enabled is False:
        raise Conflict("the desk is not halted")
    at = database_now(connection) if now is None else now
    own = Asked(wish.by, wish.reason)
    first = second_person.first_of_two(connection, own, at) if wish.people > 1 else None
    if wish.people > 1 and first is None:
        return ReleasePending(wish.by, wish.reason, at)
    reason = wish.reason if first is None else second_person.both_reasons(own, first)
    ids = TimeOrderedIds(os.urandom(16) if seed is None else seed)
    event_id = ids.next(at)
    event = {"event_id": event_id, "enabled": False, "reason": reason, "actor": wish.by, "at": at}
    connection.execute(text("DELETE FROM release_requests"))
    # Rounded here, like all money: PostgreSQL's round() takes halves up.
    nav = None if wish.keep_peak else quantise(connection.execute(text(_NAV)).scalar_one(), "nav")
    peak = connection.execute(text(_KEEP_PEAK if nav is None else _NEW_PEAK), {"at": at, "nav": nav}).scalar_one()
    connection.execute(text(_SET_STATE), event)
    if first is not None:
        second_person.record(connection, own, at)
    connection.execute(text(_ADD_EVENT), event)
    return ReleaseReceipt(event_id, at, reason, wish.by, str(peak), wish.keep_peak)


def _read_state(connection: Connection) -> Row[Any] | None:
    return connection.execute(text(f"{_STATE} FOR UPDATE")).one_or_none()


@contextmanager
def _gate_shut(bind: Engine | Connection) -> Iterator[tuple[Connection, set[int]]]:
    """A transaction on a connection of its own that holds the gate exclusively, and whose connections it ended.

    Whoever sits in the gate for longer than :data:`PATIENCE_MS` is hung, or frozen: their connection is ended, which
    rolls their trade back, so that no process can keep the desk from halting.
    """
    engine = own_engine(bind.engine.url.render_as_string(hide_password=False))
    with engine.connect() as connection:
        own = "SELECT pg_backend_pid(), set_config('lock_timeout', :longest, true)"
        pid: int = connection.execute(text(own), {"longest": f"{LONGEST_WAIT_MS}ms"}).scalar_one()
        with _impatience(engine, pid) as cut_off:
            connection.execute(text("SELECT pg_advisory_xact_lock(:gate)"), {"gate": GATE})
        yield connection, cut_off
        connection.commit()


@contextmanager
def _impatience(engine: Engine, waiting: int) -> Iterator[set[int]]:
    """While the block lasts, end the connections inside the gate that keep ``waiting`` waiting, after a while.

    From another connection: the halt keeps its place in the queue, so nobody enters in the place of who is ended.
    """
    served, ended = Event(), set[int]()

    def lose_patience() -> None:
        while not served.wait(PATIENCE_MS / 1000):
            with suppress(SQLAlchemyError), engine.connect() as other:
                ended.update(row.pid for row in other.execute(text(_END_HOLDERS), {"gate": GATE, "waiting": waiting}))

    Thread(target=lose_patience, name="impatience", daemon=True).start()
    try:
        yield ended
    finally:
        served.set()


def aside(bind: Engine | Connection, act: Callable[[Session], R]) -> R:
    """What ``act`` finds on a connection of its own: who halts must not wait for the pool to be recognised, either."""
    with Session(own_engine(bind.engine.url.render_as_string(hide_password=False))) as session:
        return act(session)


@lru_cache(maxsize=8)
def own_engine(url: str) -> Engine:
    """An engine without a pool: each halt opens a connection, so it never waits for one in use elsewhere.

    Nor does it wait for longer than :data:`ANSWER_SECONDS` for a server that has gone silent.
    """
    options = "-c TimeZone=UTC -c statement_timeout=5000 -c lock_timeout=1000"
    engine = create_engine(
        url,
        poolclass=NullPool,
        connect_args={"connect_timeout": 3, "options": options, "application_name": "paperdesk-halt"},
    )
    return bound(engine, ANSWER_SECONDS)
