"""The desk's checks on itself, off the trading loop: a large desk takes seconds to refold."""

from collections.abc import Callable
from threading import Event, Thread

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from webapp.domain.errors import DomainError
from webapp.services import self_checks
from webapp.services.leadership import Fenced, Lease

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
    try:
        with Session(engine) as session:
            due = whole or self_checks.due(session)
            receipt = self_checks.run(session, whole=whole, lease=lease) if due else None
    except (SQLAlchemyError, DomainError, Fenced) as error:
        log.warning("self_check_failed", error=str(error).partition("\n")[0])
        return False
    except Exception:  # whatever it was: a thread that died would leave the last results standing for ever
        log.exception("self_check_failed")
        return False
    if receipt is not None and not receipt.already:
        log.warning("halted", reason=receipt.reason)
    return True
