"""The proof of the proof: every gate known to be broken is caught by the judge that lets the desk's own gate pass."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests import builders
from tests.proof.broken_gates import BROKEN, RIGHT, Gate, Steps, flip
from tests.proof.wal import Judgement, recording

TABLES = ("orders", "fills", "kill_switch", "kill_switch_events")
DEADLOCK = "40P01"
GUARDED = "PD423"


@dataclass
class Side:
    """A writer or a halt on a connection and a thread of its own, which goes step by step."""

    engine: Engine
    isolation: str
    work: Callable[[Connection], Steps]
    pid: int = 0
    code: str | None = None
    reached: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            with self.engine.connect().execution_options(isolation_level=self.isolation) as connection:
                connection.execute(text("SET deadlock_timeout = '30ms'"))
                self.pid = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
                connection.commit()
                for _ in self.work(connection):
                    self.reached.set()
                    assert self.go_on.wait(30)
                connection.commit()
        except DBAPIError as error:
            self.code = getattr(error.orig, "pgcode", None)
        finally:
            self.reached.set()

    def begin(self, watcher: Connection) -> None:
        """Run to the first stop, or as far as the other side lets it."""
        self.thread.start()
        self._settle(watcher, self.reached.is_set)

    def end(self, watcher: Connection) -> None:
        """Run to the end, or as far as the other side lets it."""
        self.go_on.set()
        self._settle(watcher, lambda: not self.thread.is_alive())

    def _settle(self, watcher: Connection, done: Callable[[], bool]) -> None:
        """Until it is done or waits for a lock; no clock decides what happens, only how long we look."""
        deadline = time.monotonic() + 30
        waits = text("SELECT cardinality(pg_blocking_pids(:pid)) > 0")
        while not done() and not (self.pid and watcher.execute(waits, {"pid": self.pid}).scalar_one()):
            assert time.monotonic() < deadline
            time.sleep(0.001)


@dataclass(frozen=True)
class Outcome:
    judgement: Judgement
    codes: set[str | None]

    @property
    def failures(self) -> set[str]:
        late = {"late fill"} if self.judgement.late else set()
        return late | ({"deadlock"} if DEADLOCK in self.codes else set())


def meet(engine: Engine, watcher: Connection, gate: Gate, order_id: UUID, *, writer_first: bool) -> set[str | None]:
    """A writer looks and a halt comes, in either order; then the halt is made, and the writer goes on. How they end."""
    writer = Side(engine, gate.isolation, lambda connection: gate.writer(connection, order_id))
    halt = Side(engine, gate.isolation, gate.halt)
    both = (writer, halt) if writer_first else (halt, writer)
    for side in both:
        side.begin(watcher)
    for side in (halt, writer):
        side.end(watcher)
    for side in both:
        side.thread.join(30)
        assert not side.thread.is_alive()
    return {side.code for side in both}


def attack(engine: Engine, session: Session, gate: Gate) -> Outcome:
    """A halt against one writer, in both orders of events, judged by the log."""
    codes: set[str | None] = set()
    with recording(engine) as log, engine.connect() as plain:
        watcher = plain.execution_options(isolation_level="AUTOCOMMIT")
        for writer_first in (True, False):
            order_id = builders.order(session, status="approved")
            codes |= meet(engine, watcher, gate, order_id, writer_first=writer_first)
            if watcher.execute(text("SELECT enabled FROM kill_switch")).scalar_one():
                with engine.begin() as releasing:
                    flip(releasing, False)
        return Outcome(log.judge(), codes)


@pytest.fixture
def unguarded(engine: Engine) -> None:
    """The desk without the triggers that would save it: only the gate is left."""
    with engine.begin() as connection:
        for table in TABLES:
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))


@pytest.mark.usefixtures("unguarded")
@pytest.mark.parametrize("gate", RIGHT, ids=lambda gate: gate.name)
def test_right_gate_passes(engine: Engine, session: Session, gate: Gate) -> None:
    found = attack(engine, session, gate)
    assert found.failures == set()
    assert (found.judgement.halts, found.judgement.fills, found.codes) == (2, 1, {None})


@pytest.mark.usefixtures("unguarded")
@pytest.mark.parametrize("gate", BROKEN, ids=lambda gate: gate.name)
def test_broken_gate_is_caught(engine: Engine, session: Session, gate: Gate) -> None:
    assert attack(engine, session, gate).failures == {gate.fails_by}


@pytest.mark.parametrize("gate", [gate for gate in BROKEN if gate.fails_by == "late fill"], ids=lambda gate: gate.name)
def test_triggers_stop_the_fills_a_broken_gate_lets_through(engine: Engine, session: Session, gate: Gate) -> None:
    """The second net, in the database itself: whatever a program forgets, nothing is late."""
    found = attack(engine, session, gate)
    assert found.judgement.late == 0
    assert found.judgement.halts > 0
