"""Fill a migrated desk at any size with the rows of another program.

    python -m benchmarks.fill --loader PATH/load.py --database-url URL --orders 10000 --ticks 100000 --snapshots 10000

The loader is a program that COPYs the nine tables of its own, wider schema into `--schema` (it writes columns that this
desk does not have). It is given a scratch schema with those columns; from there the rows go into the desk's tables in
pieces, through every guard and trigger. `flask books rebuild` then derives the companion rows.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection

SCRATCH = "foreign_rows"
EXTRA_COLUMNS = {
    "orders": "execution_mode text",
    "fills": "execution_mode text, tx_signature text, tx_slot bigint, network_fee_sol numeric",
}
# Referenced tables first.
TABLES = (
    "market_ticks",
    "portfolio_snapshots",
    "signals",
    "orders",
    "risk_events",
    "fills",
    "positions",
    "kill_switch_events",
    "devnet_smoke_runs",
)
PAGES = 2_000
"""Pages of 8 kB a piece: some 100,000 rows. One huge uncommitted load would mislead autoanalyze, and with it the checks
of the foreign keys."""


def make_scratch(connection: Connection) -> None:
    """The nine tables once more, without keys or triggers, with the columns that only the other program knows."""
    with connection, connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {SCRATCH} CASCADE")
        cursor.execute(f"CREATE SCHEMA {SCRATCH}")
        for table in TABLES:
            cursor.execute(f"CREATE UNLOGGED TABLE {SCRATCH}.{table} (LIKE public.{table} INCLUDING DEFAULTS)")
        for table, columns in EXTRA_COLUMNS.items():
            for column in columns.split(", "):
                cursor.execute(f"ALTER TABLE {SCRATCH}.{table} ADD COLUMN {column}")


def move(connection: Connection, table: str) -> int:
    """Take over the scratch rows of one table, a commit a piece; how many there were."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            (f"public.{table}",),
        )
        (columns,) = cursor.fetchone()  # type: ignore[misc]  # an aggregate always gives a row
        cursor.execute("SELECT pg_relation_size(%s) / 8192", (f"{SCRATCH}.{table}",))
        (pages,) = cursor.fetchone()  # type: ignore[misc]  # as above
    moved = 0
    for page in range(0, pages, PAGES):
        with connection, connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO public.{table} ({columns}) SELECT {columns} FROM {SCRATCH}.{table} "
                f"WHERE ctid >= '({page},0)' AND ctid < '({page + PAGES},0)'"
            )
            moved += cursor.rowcount
        if page in (0, PAGES):  # the planner must see that the tables are no longer empty
            with connection, connection.cursor() as cursor:
                cursor.execute(f"ANALYZE public.{table}")
    return moved


@contextmanager
def scratch(database_url: str) -> Iterator[Connection]:
    """A connection, with a scratch schema that is gone afterwards."""
    connection = psycopg2.connect(database_url)
    try:
        make_scratch(connection)
        yield connection
        with connection, connection.cursor() as cursor:
            cursor.execute(f"DROP SCHEMA {SCRATCH} CASCADE")
    finally:
        connection.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loader", type=Path, required=True)
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--ticks", type=int, default=100_000)
    parser.add_argument("--snapshots", type=int, default=10_000)
    parser.add_argument("--cash", type=int, default=10_000)
    arguments, more = parser.parse_known_args()
    sizes = [f"--{name}={getattr(arguments, name)}" for name in ("orders", "ticks", "snapshots", "cash")]
    with scratch(arguments.database_url) as connection:
        address = ["--database-url", arguments.database_url, "--schema", SCRATCH]
        subprocess.run([sys.executable, str(arguments.loader), *address, *sizes, *more], check=True)
        for table in TABLES:
            began = time.monotonic()
            moved = move(connection, table)
            seconds = time.monotonic() - began
            print(f"{table:22}{moved:>12,} rows {seconds:8.1f} s {moved / max(seconds, 1e-9):>12,.0f} rows/s")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    return 0


if __name__ == "__main__":
    sys.exit(main())
