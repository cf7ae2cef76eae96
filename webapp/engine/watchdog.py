"""The automatic halts' own clock: a thread that no slow feed, no busy cycle and no step that fails can hold up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event, Thread

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from webapp.engine.outliving import outliving
from webapp.services import monitors
from webapp.services.kill_switch import HaltReceipt
from webapp.services.transaction import database_now

INTERVAL_SECONDS = 1.0
PAUSE = timedelta(seconds=10)
"""Longer than this without a look (the process stood by or was frozen, the database was away), and the watch begins
anew: in the meantime nobody could have brought quotes."""
log = structlog.stdlib.get_logger("watchdog")


def start(engine: Engine, symbols: Sequence[str], stands_by: Callable[[], bool], stopping: Event) -> Thread:
    """Watch for reasons to halt once a second until ``stopping`` is set.

    Not while this engine stands by for another one, which watches then; its own watch may know other ``symbols``.
    """
    thread = Thread(target=_run, args=(_Watch(engine, symbols), stands_by, stopping), name="watchdog", daemon=True)
    thread.start()
    return thread


@dataclass
class _Watch:
    """``since`` is when quotes began to be expected, by the database's clock: losing the lead does not forget it."""

    engine: Engine
    symbols: Sequence[str]
    since: datetime | None = None
    looked_at: datetime | None = None

    def look(self) -> HaltReceipt | None:
        with Session(self.engine) as session:
            now = database_now(session)
            if self.since is None or self.looked_at is None or now - self.looked_at > PAUSE:
                self.since = now
            self.looked_at = now
            return monitors.watch(session, self.symbols, since=self.since)


def _run(watch: _Watch, stands_by: Callable[[], bool], stopping: Event) -> None:
    while not stopping.wait(INTERVAL_SECONDS):
        if stands_by():
            continue
        with outliving(log, "watchdog_failed"):
            receipt = watch.look()
            if receipt is not None and not receipt.already:
                log.warning("halted", reason=receipt.reason, orders_canceled=receipt.orders_canceled)
