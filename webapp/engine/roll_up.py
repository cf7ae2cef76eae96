"""Keeps the sums of closed trades current, off the trading loop and never in its way."""

from collections.abc import Callable
from threading import Event, Thread

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from webapp.engine.outliving import outliving
from webapp.services import trade_rollup
from webapp.services.leadership import Lease

EVERY_SECONDS = 10.0
log = structlog.stdlib.get_logger("roll_up")


def start(engine: Engine, lease: Callable[[], Lease | None], stopping: Event) -> Thread:
    """Fold new fills while this process leads (has a lease), until ``stopping`` is set."""
    thread = Thread(target=_run, args=(engine, lease, stopping), name="roll_up", daemon=True)
    thread.start()
    return thread


def _run(engine: Engine, lease: Callable[[], Lease | None], stopping: Event) -> None:
    while not stopping.wait(EVERY_SECONDS):
        if held := lease():
            _fold(engine, held)


def _fold(engine: Engine, lease: Lease) -> None:
    with outliving(log, "roll_up_failed"), Session(engine) as session:
        trade_rollup.roll_up(session, lease=lease)
