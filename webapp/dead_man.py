"""The dead man's switch: the web server watches the engine, and halts the desk when it falls silent."""

from datetime import datetime, timedelta
from threading import Event, Thread

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from webapp.config import Config
from webapp.engine.outliving import outliving
from webapp.extensions import WEB_LIMITS, make_engine
from webapp.services import monitors
from webapp.services.transaction import database_now

LOOK_SECONDS = 2.0
log = structlog.stdlib.get_logger("dead_man")


def start(config: Config, stopping: Event | None = None) -> Thread | None:
    """Watch until ``stopping`` is set (or the process ends); nothing when DEAD_MAN_SECONDS is 0."""
    if config.dead_man_seconds == 0:
        return None
    patience = timedelta(seconds=config.dead_man_seconds)
    engine = make_engine(config, WEB_LIMITS, "dead-man", size=1)
    thread = Thread(target=_watch, args=(engine, patience, stopping or Event()), name="dead_man", daemon=True)
    thread.start()
    return thread


def _watch(engine: Engine, patience: timedelta, stopping: Event) -> None:
    """By the database's clock alone: one that runs ahead here must not keep the desk from halting."""
    since: datetime | None = None
    while not stopping.wait(LOOK_SECONDS):
        with outliving(log, "dead_man_failed"):
            with Session(engine) as session:
                since = since or database_now(session)
                receipt = monitors.engine_lost(session, patience, since)
            if receipt is not None and not receipt.already:
                log.warning("halted", reason=receipt.reason)
