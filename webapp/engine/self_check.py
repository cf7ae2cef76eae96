"""The desk's checks on itself, off the trading loop: a large desk takes seconds to refold."""

from collections.abc import Callable
from threading import Event, Thread

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from webapp.engine.outliving import outliving
from webapp.services import self_checks
from webapp.services.leadership import Lease

LOOK_SECONDS = 15.0
log = structlog.stdlib.get_logger("self_check")


def start(engine: Engine, lease: Callable[[], Lease | None], stopping: Event) -> Thread:
    """Check all of books and audit when the leader begins, then what is due, until ``stopping`` is set."""
    thread = Thread(target=_run, args=(engine, lease, stopping), name="self_check", daemon=True)
    thread.start()
    return thread


def _run(engine: Engine, lease: Callable[[], Lease | None], stopping: Event) -> None:
    whole = True
    while not stopping.wait(1.0 if whole else LOOK_SECONDS):
        if (held := lease()) and _look(engine, held, whole=whole):
            whole = False


def _look(engine: Engine, lease: Lease, *, whole: bool) -> bool:
    """Run what is due; a `whole` check always is. Whether it could be done."""
    with outliving(log, "self_check_failed"):
        with Session(engine) as session:
            due = whole or self_checks.due(session)
            receipt = self_checks.run(session, whole=whole, lease=lease) if due else None
        if receipt is not None and not receipt.already:
            log.warning("halted", reason=receipt.reason)
        return True
    return False
