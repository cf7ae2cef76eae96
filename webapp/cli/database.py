"""`flask db`: Flask-Migrate's commands, made to say what they did."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from flask_migrate.cli import db as database
from sqlalchemy.orm import Session

from webapp.extensions import db
from webapp.queries import vitals


def _revision() -> str:
    with Session(db.engine) as session:  # closed before the migration, which would wait for its lock
        return vitals.revision(session) or "none"


def _telling(callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def run(**options: Any) -> None:
        if options.get("sql"):
            callback(**options)
            return
        before = _revision()
        callback(**options)
        after = _revision()
        told = f"migrated from {before} to {after}" if before != after else f"nothing to do, it is at {after}"
        click.echo(f"database: {told}")

    return run


for name in ("upgrade", "downgrade"):
    command = database.commands[name]
    if command.callback is not None:
        command.callback = _telling(command.callback)

__all__ = ["database"]
