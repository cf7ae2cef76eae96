"""What a database's catalogue says of itself, in a form that two databases can be compared in."""

from sqlalchemy import URL, create_engine, text
from sqlalchemy.pool import NullPool

from webapp import migrating

_COLUMNS = """
SELECT table_name, column_name, ordinal_position,
    CASE WHEN data_type = 'numeric' THEN format('numeric(%s,%s)', numeric_precision, numeric_scale)
         WHEN data_type = 'ARRAY' THEN udt_name ELSE data_type END AS type,
    is_nullable, column_default, is_identity
FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> 'alembic_version'
ORDER BY table_name, ordinal_position
"""
_CONSTRAINTS = """
SELECT conrelid::regclass::text AS table_name, conname AS name, contype::text AS kind, pg_get_constraintdef(oid) AS body
FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND conrelid::regclass::text <> 'alembic_version'
    AND contype IN ('p', 'u', 'f', 'c', 'x')
ORDER BY 1, 2
"""
_INDEXES = """
SELECT tablename AS table_name, indexname AS name, indexdef AS definition FROM pg_indexes
WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1, 2
"""
_REST = """
SELECT 'function' AS kind, oid::regprocedure::text AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'view', viewname FROM pg_views WHERE schemaname = 'public'
UNION ALL SELECT 'trigger', tgrelid::regclass::text || '.' || tgname FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'sequence', sequencename FROM pg_sequences WHERE schemaname = 'public'
UNION ALL SELECT 'type', typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
"""


def migrate(url: URL, revision: str = "head") -> None:
    """Bring the database at `url` to `revision`."""
    migrating.upgrade(url.render_as_string(hide_password=False), revision)


def read(url: URL, query: str) -> list[tuple]:
    """The rows of one catalogue query, on a connection that is gone afterwards."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def columns(url: URL) -> list[tuple]:
    """(table, column, position, type, nullable, default, identity) of every column of every table."""
    return read(url, _COLUMNS)


def constraints(url: URL) -> list[tuple]:
    """(table, name, kind, definition); PostgreSQL 18 also lists NOT NULL, which `columns` has."""
    return read(url, _CONSTRAINTS)


def indexes(url: URL) -> list[tuple]:
    """(table, name, definition), those of keys included."""
    return read(url, _INDEXES)


def rest(url: URL) -> set[tuple]:
    """Functions, views, triggers, sequences and types."""
    return set(read(url, _REST))
