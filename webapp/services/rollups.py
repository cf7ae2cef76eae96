"""NAV buckets and candles, derived anew from the snapshots and ticks.

Triggers keep the rollups as rows come in. They cannot know what was there before them, or what a program changed behind
them: this is for then. What a rollup ought to be is said once, by the database's views `derived_*`.
"""

from dataclasses import dataclass

from sqlalchemy import Table, text
from sqlalchemy.orm import Session

from webapp.models import Candle, NavBucket


@dataclass(frozen=True)
class Rebuilt:
    """How many rows each rollup has after a rebuild."""

    candles: int
    nav_buckets: int


@dataclass(frozen=True)
class StaleBucket:
    """A rollup row that is missing, or is not what its source rows say. `key` is its primary key, as text."""

    rollup: str
    key: str


def rebuild(session: Session) -> Rebuilt:
    """Derive both rollups anew, in the caller's transaction.

    Writers of ticks and snapshots wait until it ends; readers see the old rollups until then. A few seconds for a
    million rows.
    """
    session.execute(text("LOCK TABLE public.market_ticks, public.portfolio_snapshots IN SHARE MODE"))
    session.execute(text("SET LOCAL work_mem = '64MB'"))
    return Rebuilt(*(_derive(session, model.__tablename__) for model in (Candle, NavBucket)))


def _derive(session: Session, rollup: str) -> int:
    """DELETE, not TRUNCATE, which would keep every page out until the end."""
    session.execute(text(f"DELETE FROM public.{rollup}"))  # noqa: S608  # a name from the models, as below
    session.execute(text(f"INSERT INTO public.{rollup} SELECT * FROM public.derived_{rollup}"))  # noqa: S608
    count: int = session.execute(text(f"SELECT count(*) FROM public.{rollup}")).scalar_one()  # noqa: S608
    return count


def verify(session: Session, limit: int = 100) -> list[StaleBucket]:
    """The first `limit` rollup rows that are not what the ticks and snapshots say. Reads all of them."""
    return [
        StaleBucket(model.__tablename__, row.key)
        for model in (Candle, NavBucket)
        for row in session.execute(text(_differences(model.__table__)), {"limit": limit})  # type: ignore[arg-type]  # declarative types it as FromClause
    ]


def _differences(table: Table) -> str:
    """Rows of one side that the other has not, by primary key."""
    names = ", ".join(table.columns.keys())
    key = " || ' ' || ".join(f"{column.name}::text" for column in table.primary_key)
    stored, derived = f"SELECT {names} FROM public.{table.name}", f"SELECT {names} FROM public.derived_{table.name}"  # noqa: S608  # as above
    return (
        f"SELECT DISTINCT {key} AS key FROM "  # noqa: S608  # as above
        f"(({derived} EXCEPT {stored}) UNION ALL ({stored} EXCEPT {derived})) d ORDER BY 1 LIMIT :limit"
    )
