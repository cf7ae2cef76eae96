"""Statements that travel together: one round trip to the server however many tables a step touches."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from enum import Enum
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import Session

from webapp.domain.wire import jsonable


class Script:
    """Statements gathered for one round trip, run in order in the session's transaction.

    Values are quoted by the driver, as they are for a single statement. Column and table names come from the models.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._statements: list[str] = []

    def add(self, statement: str, values: Sequence[Any]) -> None:
        """A statement with a ``%s`` for each of the values."""
        with closing(self._session.connection().connection.cursor()) as cursor:
            # The driver's own quoting, without a round trip.
            self._statements.append(cursor.mogrify(statement, [adapted(value) for value in values]).decode())

    def insert(self, table: Table, rows: Sequence[Mapping[str, Any]], on_conflict: str = "") -> None:
        """Rows of one table, at least one; all of them must have the same columns."""
        columns = list(rows[0])
        places = ", ".join(["(" + ", ".join(["%s"] * len(columns)) + ")"] * len(rows))
        statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES {places} {on_conflict}"  # noqa: S608  # names of ours
        self.add(statement, [row[column] for row in rows for column in columns])

    def upsert(self, table: Table, rows: Sequence[Mapping[str, Any]], key: str) -> None:
        """Like :meth:`insert`; a row whose ``key`` is there already takes the new values."""
        updates = ", ".join(f"{column} = excluded.{column}" for column in rows[0] if column != key)
        self.insert(table, rows, f"ON CONFLICT ({key}) DO UPDATE SET {updates}")

    def run(self) -> None:
        """Send everything that was gathered; nothing when there is nothing."""
        if self._statements:
            # Without parameters of its own, so that a % in a value stays one.
            plain = {"no_parameters": True}
            self._session.connection().exec_driver_sql(";\n".join(self._statements), execution_options=plain)
            self._statements.clear()


def adapted(value: Any) -> Any:
    """A value as the driver knows it: a word for an enumeration's member, JSON for a document."""
    if isinstance(value, Mapping):
        return json.dumps(jsonable(value))
    return value.value if isinstance(value, Enum) else value
