"""The machinery: which processes live, who leads, and how the database is."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import RowMapping, select, text
from sqlalchemy.orm import Session

from webapp.models import AuditHead, EngineLease, Heartbeat, ReplayRun
from webapp.models import DevnetSmokeRun as Run
from webapp.queries import vitals

SILENT_AFTER: Final = timedelta(seconds=15)
"""A process beats every few seconds; one that has not for this long is taken for dead, hung or cut off."""

_DATABASE = """
SELECT current_setting('server_version') AS version, current_database() AS name,
       pg_database_size(current_database()) AS bytes, pg_postmaster_start_time() AS started_at,
       clock_timestamp() AS clock, current_setting('max_connections')::int AS max_connections,
       (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections
"""
_SIZES = """
SELECT relname AS name, greatest(reltuples, 0)::bigint AS rows, pg_total_relation_size(oid) AS bytes
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
ORDER BY pg_total_relation_size(oid) DESC LIMIT 12
"""


_CHECKS = text("SELECT name, ok, rows, detail, checked_at FROM self_checks ORDER BY name DESC")


@dataclass(frozen=True)
class Process:
    """One heartbeat, judged by the database's clock."""

    row: RowMapping
    silent: bool


@dataclass(frozen=True)
class SystemReport:
    """Everything on the system page that the database knows. Sizes in bytes."""

    processes: list[Process]
    lease: RowMapping | None
    database: RowMapping
    revision: str | None
    tables: list[RowMapping]
    audit: RowMapping | None
    checks: list[RowMapping]
    replays: list[RowMapping]


def engine_of(found: SystemReport) -> Process | None:
    """The engine's own sign of life, if it gives one."""
    return next((process for process in found.processes if process.row["process"] == "engine"), None)


def report(session: Session) -> SystemReport:
    """Read it all in a handful of cheap statements."""
    database = session.execute(text(_DATABASE)).mappings().one()
    return SystemReport(
        processes=_processes(session, database["clock"]),
        lease=session.execute(select(*EngineLease.__table__.c)).mappings().one_or_none(),
        database=database,
        revision=vitals.revision(session),
        tables=list(session.execute(text(_SIZES)).mappings()),
        audit=session.execute(select(*AuditHead.__table__.c)).mappings().one_or_none(),
        checks=list(session.execute(_CHECKS).mappings()),
        replays=list(
            session.execute(select(*ReplayRun.__table__.c).order_by(ReplayRun.started_at.desc()).limit(5)).mappings()
        ),
    )


def _processes(session: Session, clock: datetime) -> list[Process]:
    rows = session.execute(select(*Heartbeat.__table__.c).order_by(Heartbeat.process)).mappings()
    return [Process(row, clock - row["beat_at"] > SILENT_AFTER) for row in rows]


def smoke_latencies(session: Session, limit: int = 100) -> list[RowMapping]:
    """The latest smoke runs, oldest first, for the latency line."""
    newest = select(Run.run_id, Run.ran_at, Run.status, Run.rpc_latency_ms).order_by(Run.ran_at.desc()).limit(limit)
    return list(reversed(session.execute(newest).mappings().all()))
