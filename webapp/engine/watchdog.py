"""The automatic halts' own clock: a thread that no slow feed and no busy cycle can hold up."""

from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Event, Thread

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from webapp.domain.errors import DomainError
from webapp.services import monitors
from webapp.services.transaction import database_now

INTERVAL_SECONDS = 1.0
log = structlog.stdlib.get_logger("watchdog")


def start(engine: Engine, symbols: Sequence[str], leads: Callable[[], bool], stopping: Event) -> Thread:
    """Watch for reasons to halt once a second until ``stopping`` is set; only while this engine leads."""
    thread = Thread(target=_run, args=(engine, symbols, leads, stopping), name="watchdog", daemon=True)
    thread.start()
    return thread


def _run(engine: Engine, symbols: Sequence[str], leads: Callable[[], bool], stopping: Event) -> None:
    """``since`` is when this engine began to lead, by the database's clock: until then nobody could bring quotes.

    The first look also does what the leader before should have done with its last quotes, had it lived.
    """
    since: datetime | None = None
    caught_up = False
    while not stopping.wait(INTERVAL_SECONDS):
        if not leads():
            since, caught_up = None, False
            continue
        try:
            with Session(engine) as session:
                since = since or database_now(session)
                receipt = monitors.watch(session, symbols, since=since, catch_up=not caught_up)
        except (SQLAlchemyError, DomainError) as error:
            log.warning("watchdog_failed", error=str(error).partition("\n")[0])
            continue
        caught_up = True
        if receipt is not None and not receipt.already:
            log.warning("halted", reason=receipt.reason, orders_canceled=receipt.orders_canceled)
