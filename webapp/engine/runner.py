"""The engine's life: stand by, lead, do what is due, beat; end cleanly on SIGTERM, start over if the database goes."""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from threading import Event

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from webapp.engine import roll_up, self_check, watchdog
from webapp.engine.desk_hand import DeskHand
from webapp.engine.schedule import Every
from webapp.services import heartbeats, leadership
from webapp.services.leadership import Fenced, Lease

STEP_SECONDS = 0.25
STANDBY_SECONDS = 0.5
log = structlog.stdlib.get_logger("engine")


@dataclass
class Runner:
    """One engine process. ``extra`` are further jobs, each with its own timer, run in the leader's loop."""

    engine: Engine
    hand: DeskHand
    stopping: Event = field(default_factory=Event)
    leading: Event = field(default_factory=Event)
    standing_by: Event = field(default_factory=Event)
    """Set while another engine is known to lead; an engine that only stumbled goes on watching for reasons to halt."""
    lease: Lease | None = None
    """What this engine led by last, for what it writes on other connections than the leader's: fenced when it is over.
    """
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    feed_name: str = "simulated"
    checks: Engine | None = None
    """Where the desk checks itself and sums its trades: connections that may work for longer than trading ones."""
    extra: list[tuple[Every, Callable[[Lease], None]]] = field(default_factory=list)

    def run(self) -> None:
        """Run until :attr:`stopping` is set."""
        watchdog.start(self.engine, list(self.hand.cycles), self.standing_by.is_set, self.stopping)
        if self.checks is not None:
            self_check.start(self.checks, lambda: self.lease, self.stopping)
            roll_up.start(self.checks, lambda: self.lease, self.stopping)
        while not self.stopping.is_set():
            try:
                self._on_one_connection()
            except Fenced as error:
                self.lease = None
                log.warning("engine_fenced", reason=str(error))
            except SQLAlchemyError as error:
                self.standing_by.clear()  # whether another one leads is not known any more
                log.warning("database_lost", error=str(error).partition("\n")[0])
            self.leading.clear()
            self.stopping.wait(STANDBY_SECONDS)

    def _on_one_connection(self) -> None:
        """Lead on a connection of its own: the lock and everything the leader writes live and die with it."""
        with self.engine.connect() as connection, Session(bind=connection) as session:
            try:
                lease = leadership.take(session, f"{socket.gethostname()}:{os.getpid()}")
                if lease is None:
                    self.lease = None
                    self.standing_by.set()
                    return
                self.standing_by.clear()
                log.info("engine_leads", epoch=lease.epoch)
                self.lease = lease
                self.leading.set()
                self._lead(session, lease)
                heartbeats.stop(session, "engine")
                leadership.give_up(session)
            except BaseException:
                connection.invalidate()  # back in the pool it would keep the lock, and nobody could lead
                raise

    def _lead(self, session: Session, lease: Lease) -> None:
        """The lease says that nobody else may lead; the sign of life says that a step was done from end to end."""
        pulse = Every(1.0)
        heartbeats.begin(session, "engine", self.started_at, self._details(lease))
        while not self.stopping.is_set():
            now = time.monotonic()
            beats = pulse.due(now)
            if beats:
                leadership.beat(session, lease)
            self.hand.step(session, now)
            for timer, job in self.extra:
                if timer.due(now):
                    job(lease)
            if beats:
                heartbeats.beat(session, "engine", self.started_at, self._details(lease))
            self.stopping.wait(STEP_SECONDS)

    def _details(self, lease: Lease) -> dict[str, object]:
        done = asdict(self.hand.counts)
        return {"epoch": lease.epoch, "feed": self.feed_name, "symbols": list(self.hand.cycles), **done}
