"""How migrations run: on a connection of their own, one process at a time, never waiting long for a table.

The database comes from the Flask application, or from `config.attributes["url"]` where there is none (tests, tools).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from logging.config import fileConfig

from alembic import context
from sqlalchemy import URL, Connection, create_engine, make_url, pool, text

from webapp.models import Base
from webapp.models.locks import MIGRATION

# Waiting for another migration may take as long as that one; waiting for a table must not queue the whole desk up
# behind an ALTER that itself waits for one long transaction.
WAIT_FOR_MIGRATION = "10min"
WAIT_FOR_TABLE = context.config.attributes.get("wait_for_table", "5s")

COMPARE = {"compare_type": True, "compare_server_default": True, "render_as_batch": False}


def database_url() -> URL:
    given = context.config.attributes.get("url")
    if given is not None:
        return make_url(given)
    from flask import current_app

    return current_app.extensions["migrate"].db.engine.url


@contextmanager
def migration_lock(connection: Connection) -> Iterator[None]:
    """Two processes that migrate at once take turns; the second finds nothing left to do.

    A session lock, so that it spans the transactions of several migrations: not for a pooler in transaction mode.
    """
    connection.execute(text(f"SET lock_timeout = '{WAIT_FOR_MIGRATION}'"))
    connection.execute(text("SET statement_timeout = 0"))
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION})
    connection.execute(text(f"SET lock_timeout = '{WAIT_FOR_TABLE}'"))
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION})
        connection.commit()


def run_online() -> None:
    engine = create_engine(database_url(), poolclass=pool.NullPool)
    with engine.connect() as connection, migration_lock(connection):
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            process_revision_directives=drop_empty,
            transaction_per_migration=True,
            **COMPARE,
        )
        with context.begin_transaction():
            context.run_migrations()


def run_offline() -> None:
    """`flask db upgrade --sql`: print what would be run."""
    context.configure(url=database_url(), target_metadata=Base.metadata, literal_binds=True, **COMPARE)
    with context.begin_transaction():
        context.run_migrations()


def drop_empty(_context: object, _revision: object, directives: list) -> None:
    """`flask db migrate` without a change writes no file."""
    if getattr(context.config.cmd_opts, "autogenerate", False) and directives[0].upgrade_ops.is_empty():
        directives[:] = []


if context.config.config_file_name is not None and not logging.getLogger().handlers:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)

if context.is_offline_mode():
    run_offline()
else:
    run_online()
