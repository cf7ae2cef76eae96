"""Halts against processes that trade, judged by the order of commits in the write-ahead log."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session

from tests.proof.wal import Judgement, recording
from tests.services.desks import BTC, CALM, limits, quote, take
from webapp.services import kill_switch

ROOT = Path(__file__).parents[2]


@dataclass
class Writers:
    """Processes of :mod:`tests.proof.writer`; what they did, once they have stopped."""

    processes: list[subprocess.Popen[str]]
    accepted: int = 0
    halted: int = 0
    blocked: int = 0
    cut: int = 0

    def stop(self) -> None:
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in self.processes:
            assert process.stdout is not None
            counts = process.stdout.read().split()
            assert process.wait(30) == 0, "a writer died"
            accepted, halted, blocked, cut = map(int, counts)
            self.accepted += accepted
            self.halted += halted
            self.blocked += blocked
            self.cut += cut


@contextmanager
def writing(engine: Engine, count: int) -> Iterator[Writers]:
    """That many writers, all of them at it."""
    url = engine.url.render_as_string(hide_password=False)
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.proof.writer", url, str(number)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(count)
    ]  # fmt: skip
    writers = Writers(processes)
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield writers
        writers.stop()
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


@dataclass(frozen=True)
class Race:
    """The outcome of a race."""

    writers: Writers
    judgement: Judgement
    deadlocks: int
    waits: Sequence[float] = field(default_factory=list)
    """Seconds from the call of each halt to its answer."""

    def percentile(self, percent: int) -> float:
        """In milliseconds."""
        return 1000 * sorted(self.waits)[min(len(self.waits) - 1, len(self.waits) * percent // 100)]

    def __str__(self) -> str:
        judged, wrote = self.judgement, self.writers
        return (
            f"{len(wrote.processes)} writers: {judged.halts} halts, {judged.fills} fills, {judged.late} late fills, "
            f"{self.deadlocks} deadlocks; halt p50 {self.percentile(50):.1f} ms, p99 {self.percentile(99):.1f} ms, "
            f"max {1000 * max(self.waits):.1f} ms; {wrote.accepted} cycles accepted, {wrote.halted} refused by the "
            f"switch, {wrote.blocked} by another rule, {wrote.cut} connections ended by a halt"
        )


def open_all_day(session: Session) -> None:
    """A market without limits that could end a race early."""
    limits(session, **CALM, max_trades_per_hour=1_000_000, max_trades_per_day=1_000_000)
    take(session, quote(100), quote(50, symbol=BTC))


def run(engine: Engine, session: Session, writers: int, halts: int) -> Race:
    """Halt and release by turns while others write; a fill must have come between, or the halt would prove nothing."""
    open_all_day(session)
    waits = []
    with recording(engine) as log, engine.connect() as plain:
        watcher = plain.execution_options(isolation_level="AUTOCOMMIT")
        with writing(engine, writers) as busy:
            for number in range(halts):
                _wait_for_fills(watcher)
                started = time.monotonic()
                receipt = kill_switch.halt(engine, f"halt {number}", "user:ada")
                waits.append(time.monotonic() - started)
                assert not receipt.already
                time.sleep(0.01)
                kill_switch.release(engine, "go on", "user:ada")
        judgement = log.judge()
        # What a process knows of its database's statistics is a second old unless it says so.
        watcher.execute(text("SELECT pg_stat_force_next_flush()"))
        deadlocks = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return Race(busy, judgement, watcher.execute(deadlocks).scalar_one(), waits)


def _wait_for_fills(watcher: Connection) -> None:
    """Until somebody has filled since the release."""
    newest = text("SELECT coalesce(max(seq), 0) FROM audit_chain WHERE source = 'fills'")
    before, deadline = watcher.execute(newest).scalar_one(), time.monotonic() + 20
    while watcher.execute(newest).scalar_one() == before:
        assert time.monotonic() < deadline, "nobody trades"
        time.sleep(0.002)
