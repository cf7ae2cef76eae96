"""Keeps the sums of closed trades current, off the trading loop and never in its way."""

from collections.abc import Callable
from threading import Event, Thread

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from webapp.services import trade_rollup

EVERY_SECONDS = 10.0
log = structlog.stdlib.get_logger("roll_up")


def start(engine: Engine, leads: Callable[[], bool], stopping: Event) -> Thread:
    """Fold new fills while this process leads, until ``stopping`` is set."""
    thread = Thread(target=_run, args=(engine, leads, stopping), name="roll_up", daemon=True)
    thread.start()
    return thread


def _run(engine: Engine, leads: Callable[[], bool], stopping: Event) -> None:
    while not stopping.wait(EVERY_SECONDS):
        if leads():
            _fold(engine)


def _fold(engine: Engine) -> None:
    try:
        with Session(engine) as session:
            trade_rollup.roll_up(session)
    except SQLAlchemyError as error:
        log.warning("roll_up_failed", error=str(error).partition("\n")[0])
