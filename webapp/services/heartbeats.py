"""Signs of life of the processes, for those who watch them."""

import os
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from webapp.models import Heartbeat


def begin(session: Session, process: str, started_at: datetime, details: Mapping[str, Any]) -> None:
    """Be missed from now on, where nothing is known of ``process`` yet; one that never gets to beat is lost as well."""
    row = insert(Heartbeat).values(_now(process, started_at, details))
    session.execute(row.on_conflict_do_nothing(index_elements=["process"]))
    session.commit()


def beat(session: Session, process: str, started_at: datetime, details: Mapping[str, Any]) -> None:
    """Write down that ``process`` lives and has done its work, by the database's clock."""
    row = insert(Heartbeat).values(_now(process, started_at, details))
    changed = {name: row.excluded[name] for name in ("pid", "host", "started_at", "beat_at", "details")}
    session.execute(row.on_conflict_do_update(index_elements=["process"], set_=changed))
    session.commit()


def stop(session: Session, process: str) -> None:
    """A process that ends cleanly leaves no sign of life behind."""
    session.execute(delete(Heartbeat).where(Heartbeat.process == process, Heartbeat.pid == os.getpid()))
    session.commit()


def _now(process: str, started_at: datetime, details: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "process": process,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started_at": started_at,
        "details": dict(details),
        "beat_at": func.clock_timestamp(),
    }
