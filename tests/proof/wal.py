"""The order of commits as the database itself wrote it down: its write-ahead log, read with `pg_waldump`.

No clock takes part. A fill and a change of the switch are found in the log by the table their record belongs to, and
placed by the COMMIT record of their transaction; a transaction without one never happened.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
from sqlalchemy import Engine

from webapp.embedded import programs

_RECORD = re.compile(r"rmgr: (\w+) .*? tx: +(\d+), lsn: ([0-9A-F]+/[0-9A-F]+), .*? desc: (\w+)(.*)")
_WRITES = {"INSERT", "INSERT+INIT", "MULTI_INSERT", "MULTI_INSERT+INIT", "UPDATE", "UPDATE+INIT", "HOT_UPDATE"}
_DESCRIBED = re.compile(r"desc: ([A-Z_+]+)")
_SUBTRANSACTIONS = re.compile(r"subxacts: ([\d ]+)")


@dataclass(frozen=True)
class Commit:
    """One transaction's commit, in the order of the log: how many fills it added, and what it did to the switch."""

    xid: int
    fills: int
    halts: bool | None
    """True for a halt, False for a release, None for a transaction that left the switch alone."""


@dataclass(frozen=True)
class Judgement:
    """What the log says of a race."""

    halts: int
    releases: int
    fills: int
    late: int
    """Fills whose commit lies between the commit of a halt and that of the release that ended it."""


class WriteAheadLog:
    """The log of a server from the moment :func:`recording` began."""

    def __init__(self, engine: Engine, start: str) -> None:
        self.engine, self.start = engine, start

    def commits(self) -> list[Commit]:
        """Every commit that added fills or changed the switch, oldest first.

        What the log says is held against the rows: their `xmin` must name the same transactions.
        """
        end = self._flushed()
        owners: dict[int, int] = {}
        order: list[int] = []
        for line in self._dump(end, "--rmgr=Transaction"):
            found = _RECORD.search(line)
            if found and found[4] == "COMMIT":
                xid = int(found[2])
                order.append(xid)
                owners[xid] = xid
                if nested := _SUBTRANSACTIONS.search(found[5]):
                    owners |= {int(one): xid for one in nested[1].split()}
        fills = self._count(self._query("SELECT xmin::text::bigint FROM fills"), owners)
        switched = {owners[xid]: on for xid, on in self._query(_EVENTS)}
        wrote = {owners[xid] for xid in self._writers("fills", end) if xid in owners}
        flipped = {owners[xid] for xid in self._writers("kill_switch", end) if xid in owners}
        known = set(order)
        assert wrote == set(fills) & known, "the log and the fills' xmin name different transactions"
        assert flipped == set(switched) & known, "the log and the events' xmin name different transactions"
        return [
            Commit(xid, fills.get(xid, 0), switched.get(xid)) for xid in order if xid in fills or xid in switched
        ]  # fmt: skip

    def judge(self) -> Judgement:
        """How many fills were late."""
        return judge(self.commits())

    @staticmethod
    def _count(rows: Sequence[tuple[Any, ...]], owners: dict[int, int]) -> dict[int, int]:
        counted: dict[int, int] = {}
        for (xid,) in rows:
            counted[owners.get(xid, xid)] = counted.get(owners.get(xid, xid), 0) + 1
        return counted

    def _writers(self, table: str, end: str) -> set[int]:
        """The transactions that have written rows of a table, whether they were committed or not."""
        (path,) = self._query("SELECT pg_relation_filepath(%s)", table)[0]
        database, file = path.split("/")[-2:]
        lines = self._dump(end, "--rmgr=Heap", "--rmgr=Heap2", f"--relation=1663/{database}/{file}", "--fork=main")
        found = ((_RECORD.search(line), _DESCRIBED.search(line)) for line in lines)
        return {int(record[2]) for record, what in found if record and what and what[1] in _WRITES}

    def _flushed(self) -> str:
        """Where the log ends, once everything before has been written out."""
        with self._connected() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = on")
            cursor.execute("SELECT pg_logical_emit_message(true, 'proof', 'here')")
        return str(self._query("SELECT pg_current_wal_flush_lsn()::text")[0][0])

    def _query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._connected() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())

    def _dump(self, end: str, *options: str) -> Iterator[str]:
        (place,) = self._query("SHOW data_directory")[0]
        owner = Path(place).stat()
        as_owner = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        command = [str(programs.folder() / "pg_waldump"), f"--path={place}/pg_wal", f"--start={self.start}"]
        # By name: left to itself it would look into any segment first, and one being made is empty yet.
        segments = self._query("SELECT pg_walfile_name(%s), pg_walfile_name(%s)", self.start, end)[0]
        done = subprocess.run(
            [*command, f"--end={end}", *options, *segments],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **as_owner,
        )
        assert done.returncode == 0, done.stderr
        return iter(done.stdout.splitlines())

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        with connected(self.engine) as cursor:
            yield cursor


_EVENTS = "SELECT xmin::text::bigint, enabled FROM kill_switch_events"


def judge(commits: Sequence[Commit]) -> Judgement:
    """Count the fills between a halt and the release after it. Halts and releases must take turns."""
    on, counted = False, {"halts": 0, "releases": 0, "fills": 0, "late": 0}
    for commit in commits:
        counted["fills"] += commit.fills
        if commit.halts is None:
            counted["late"] += commit.fills if on else 0
            continue
        assert commit.halts is not on, "two events of the same kind in a row"
        assert not commit.fills, "one transaction both traded and changed the switch"
        on = commit.halts
        counted["halts" if on else "releases"] += 1
    return Judgement(**counted)


@contextmanager
def connected(engine: Engine) -> Iterator[Any]:
    """A cursor in a transaction on a connection of its own."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


@contextmanager
def recording(engine: Engine) -> Iterator[WriteAheadLog]:
    """Keep the log from here on (a replication slot holds it) until the block ends."""
    slot = f"proof_{uuid4().hex}"
    with connected(engine) as cursor:
        cursor.execute("SELECT pg_create_physical_replication_slot(%s, true)", (slot,))
        cursor.execute("SELECT pg_current_wal_insert_lsn()::text")
        start = cursor.fetchone()[0]
    try:
        yield WriteAheadLog(engine, start)
    finally:
        with connected(engine) as cursor:
            cursor.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
