"""Replaying quotes: market time is the clock, the core is the one that trades live, rows are written in bulk.

A replay is a function of its quotes, strategy and starting desk: ids and times derive from them, nothing reads a clock.
It works in chunks, each one transaction with its checkpoint, so that a replay that was cut off goes on where it stopped
and leaves the same rows as one that was not; and so that a halt never waits for long.

What would not fit the schema is dealt with as in live trading. A quote at which what is held could not be valued is
refused, and halts the desk. A cycle whose result would not fit is refused and leaves nothing; it is counted, and since
it was none, the symbol's next quote may bring the next.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from webapp.domain import cycle, halts
from webapp.domain.cycle import Trigger
from webapp.domain.desk import Desk
from webapp.domain.errors import OutOfRange
from webapp.domain.market import FUTURE_TOLERANCE, Tick
from webapp.domain.measure import MOVE_WINDOW
from webapp.domain.records import Breach, Changes
from webapp.domain.strategies import Strategy
from webapp.domain.unacted import unacted
from webapp.models import ReplayRun
from webapp.services import desk_state, journal, kill_switch, monitors
from webapp.services.journal import account_stamp
from webapp.services.replay_entries import Entry, chunks, unread
from webapp.services.transaction import database_now, enter_gate, transaction

CHUNK_ROWS = 1_000
CHUNK_CYCLES = 100
"""What one transaction may do at most: some 0.1 s of either, which is as long as a halt may have to wait for it."""
_NAMESPACE = UUID("b0f6a1de-3b1f-5f5e-9d7e-6c0f5a1f2f10")
_CYCLES = """
SELECT symbol, max(created_at) AS at FROM cycles WHERE actor = :actor AND created_at >= :since GROUP BY symbol
"""


@dataclass(frozen=True)
class Plan:
    """What to replay and how. ``fingerprint`` identifies the quotes; ``actor`` and ``source`` sign what comes of it."""

    fingerprint: str
    files: Sequence[str]
    strategy_for: Callable[[str], Strategy]
    cycle_seconds: int
    source: str = "replay"
    actor: str = "replay"

    @property
    def seed(self) -> bytes:
        """What the ids derive from."""
        return f"{self.fingerprint}|{self.cycle_seconds}".encode()


@dataclass
class Report:
    """How far a replay has come. ``already`` tells that it had been finished before, and nothing was written.

    ``cycles_refused`` are those whose result would not have fitted the schema.
    """

    rows: int = 0
    taken: int = 0
    late: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    cycles: int = 0
    orders: int = 0
    fills: int = 0
    halted: str | None = None
    already: bool = False
    cycles_refused: int = 0


@dataclass
class _Run:
    """A replay under way: the desk as the last commit left it, and the stamp that tells whether it still is."""

    plan: Plan
    run_id: UUID
    report: Report
    now: datetime | None = None
    due: dict[str, datetime] = field(default_factory=dict)
    symbols: set[str] = field(default_factory=set)
    desk: Desk | None = None
    stamp: Any = None
    last_read: list[Tick] = field(default_factory=list)
    """What was read at the last instant before the replay was cut off."""


def replay(
    session: Session, entries: Iterable[Entry], plan: Plan, on_rows: Callable[[int], object] | None = None
) -> Report:
    """Send every entry through the whole paper loop, and say what became of them.

    Raises :class:`Unconfirmed` when a halt that the quotes call for could not be confirmed.
    """
    run = _begin(session, plan)
    if run.report.already:
        return run.report
    latest = database_now(session) + FUTURE_TOLERANCE
    rest = unread(entries, run.report.rows, latest, run.last_read)
    for chunk in chunks(rest, CHUNK_ROWS):
        played = 0
        while played < len(chunk):
            done, breach = _play(session, run, chunk[played:])
            played += done
            if on_rows:
                on_rows(done)
            if breach is not None:
                _halt(session, run, breach)
    _finish(session, run)
    return run.report


def _begin(session: Session, plan: Plan) -> _Run:
    """Start a replay, or pick up one that was cut off."""
    run_id = uuid5(_NAMESPACE, plan.seed.hex())
    with transaction(session):
        row = {"replay_id": run_id, "fingerprint": plan.seed.decode(), "files": list(plan.files)}
        session.execute(insert(ReplayRun).values(row).on_conflict_do_nothing())
        stored = session.execute(select(ReplayRun.__table__).where(ReplayRun.replay_id == run_id)).one()
    report = Report(
        stored.rows_read, stored.rows_taken, refused=Counter(stored.refused), already=stored.finished_at is not None
    )
    return _Run(plan, run_id, report)


def _play(session: Session, run: _Run, chunk: Sequence[Entry]) -> tuple[int, Changes | None]:
    """Play a chunk in one transaction: how many entries were played, and the changes if they call for a halt."""
    changes = Changes()
    with transaction(session):
        enter_gate(session)
        desk = _desk(session, run, chunk)
        done = 0
        if (unacted := _unacted(run, desk)) is not None:
            changes.breaches.append(unacted)
            return 0, changes
        for entry in chunk:
            done += 1
            _step(run, desk, entry, changes)
            if (changes.breaches and not desk.halted) or len(changes.cycles) >= CHUNK_CYCLES:
                done = _same_instant(chunk, done, run, desk, changes)
                break
        _count(run.report, changes, done)
        if run.now is not None:
            journal.write(session, desk, changes, run.now)
        _checkpoint(session, run)
        run.stamp = account_stamp(session)
    return done, changes if changes.breaches and not desk.halted else None


def _unacted(run: _Run, desk: Desk) -> Breach | None:
    """The reason to halt that a replay met just before it was cut off; market time is then where it was met."""
    if run.now is not None or not run.report.rows or desk.halted:
        return None
    found = unacted(desk, run.last_read)
    if found is None:
        return None
    breach, run.now = found
    return breach


def _same_instant(chunk: Sequence[Entry], done: int, run: _Run, desk: Desk, changes: Changes) -> int:
    """Play what remains of this instant, so that the next transaction begins at a later one."""
    while done < len(chunk):
        tick = chunk[done].tick
        if tick is not None and run.now is not None and tick.event_at > run.now:
            break
        _step(run, desk, chunk[done], changes)
        done += 1
    return done


def _step(run: _Run, desk: Desk, entry: Entry, changes: Changes) -> None:
    """One entry: time passes, the quote is taken, a cycle runs if the symbol's is due. A late quote is only kept.

    No cycle runs between a reason to halt and the halt.
    """
    tick = entry.tick
    if tick is None:
        run.report.refused[entry.refused or "unknown"] += 1
        return
    now = run.now = tick.event_at if run.now is None else max(run.now, tick.event_at)
    late = desk.tape(tick.symbol).is_late(tick)
    if not late:
        desk.advance(now, changes)
    taken = len(changes.ticks)
    try:
        desk.take_tick(tick, now, changes)
    except OutOfRange as error:
        del changes.ticks[taken:]
        run.report.refused["out_of_range"] += 1
        changes.breaches.append(halts.unvaluable(tick, error))
        return
    halts_first = changes.breaches and not desk.halted
    if not late and not halts_first and (tick.symbol not in run.due or now >= run.due[tick.symbol]):
        _cycle(run, desk, tick.symbol, now, changes)


def _cycle(run: _Run, desk: Desk, symbol: str, now: datetime, changes: Changes) -> None:
    """One cycle, or nothing when its result would not fit. What is due next follows from what is stored."""
    trigger, own = Trigger(symbol, run.plan.source, strategy=run.plan.strategy_for(symbol)), Changes()
    try:
        cycle.run(desk, trigger, now, own)
    except OutOfRange:
        run.report.cycles_refused += 1
        return
    changes.extend(own)
    run.due[symbol] = now + timedelta(seconds=run.plan.cycle_seconds)


def _desk(session: Session, run: _Run, chunk: Sequence[Entry]) -> Desk:
    """The desk in memory, or the stored one if it lacks a symbol or somebody else has changed it."""
    quoted = {entry.tick.symbol for entry in chunk if entry.tick is not None}
    if run.desk is not None and quoted <= run.symbols and run.stamp == account_stamp(session):
        return run.desk
    first = next((entry.tick for entry in chunk if entry.tick is not None), None)
    start = run.now or (database_now(session) if first is None else first.event_at)
    actor = run.plan.actor
    for row in session.execute(text(_CYCLES), {"actor": actor, "since": start - timedelta(days=1)}):
        if row.at <= start:
            run.due[row.symbol] = row.at + timedelta(seconds=run.plan.cycle_seconds)
            run.symbols.add(row.symbol)
    run.symbols |= quoted
    longest = max((run.plan.strategy_for(symbol).window_seconds for symbol in run.symbols), default=0)
    window = max(longest, int(MOVE_WINDOW.total_seconds()))
    run.desk, _ = desk_state.load(
        session, run.symbols, actor, start, window_seconds=window, cap=None, seed=run.plan.seed
    )
    return run.desk


def _count(report: Report, changes: Changes, done: int) -> None:
    report.rows += done
    report.taken += len(changes.ticks)
    report.late += len(changes.late_ticks)
    report.cycles += len(changes.cycles)
    report.orders += len(changes.orders)
    report.fills += len(changes.fills)


def _checkpoint(session: Session, run: _Run) -> None:
    values = {"rows_read": run.report.rows, "rows_taken": run.report.taken, "refused": dict(run.report.refused)}
    session.execute(update(ReplayRun).where(ReplayRun.replay_id == run.run_id).values(values))


def _halt(session: Session, run: _Run, changes: Changes) -> None:
    """Halt in market time through the same door as everybody; the desk is loaded anew after it."""
    breach = changes.breaches[0]
    run.report.halted = breach.reason
    kill_switch.halt(session.get_bind(), breach.as_reason, monitors.ACTOR, run.now, run.plan.seed + b"|halt")
    run.desk = None


def _finish(session: Session, run: _Run) -> None:
    with transaction(session):
        session.execute(
            text("UPDATE replay_runs SET finished_at = clock_timestamp() WHERE replay_id = :run"), {"run": run.run_id}
        )
