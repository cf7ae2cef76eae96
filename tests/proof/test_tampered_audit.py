"""Whoever changes the audit behind the desk's back is found out, wherever and whatever it was (figure U1)."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from tests.conftest import _database
from tests.figures import Figure, times
from tests.schema.audited import KEYS
from tests.services.desks import CALM, cycle, limits, quote, take
from tests.support import PASSWORD
from webapp.services import access, audit, kill_switch
from webapp.services.audit import Head

EDITS = {
    "text": "{c} || '.'",
    "jsonb": "{c} || '{{\"edited\": true}}'",
    "boolean": "NOT {c}",
    "integer": "{c} + 1",
    "numeric": "{c} + 0.00000001",
    "timestamp with time zone": "{c} + interval '1 microsecond'",
}
"""The smallest change of a column of each type."""
_COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = :table AND data_type <> 'uuid' AND column_name NOT IN ('side', 'action',
  'from_status', 'to_status') ORDER BY 1
"""
SEED = 7


@dataclass
class Hand:
    """Somebody with the keys of the database, the triggers switched off."""

    connection: Connection
    dice: random.Random

    def run(self, statement: str, **values: object) -> None:
        assert self.connection.execute(text(statement), values).rowcount > 0, statement

    def row(self, *tables: str) -> tuple[str, str]:
        """Some audited row: its table and its id."""
        links = "SELECT source, row_id::text FROM audit_chain WHERE source = ANY(:tables) ORDER BY seq"
        found = self.connection.execute(text(links), {"tables": list(tables or KEYS)}).all()
        table, key = self.dice.choice(found)
        return table, key

    # --- what can be done ---
    def edit_a_byte(self) -> None:
        table, key = self.row()
        columns = self.connection.execute(text(_COLUMNS), {"table": table}).all()
        while True:
            column, kind = self.dice.choice(columns)
            null = f"SELECT {column} IS NULL FROM {table} WHERE {KEYS[table]} = :key"
            if not self.connection.execute(text(null), {"key": key}).scalar_one():
                break
        change = EDITS[kind].format(c=column)
        self.run(f"UPDATE {table} SET {column} = {change} WHERE {KEYS[table]} = :key", key=key)

    def delete_a_row(self) -> None:
        table, key = self.row()
        self.run(f"DELETE FROM {table} WHERE {KEYS[table]} = :key", key=key)

    def delete_a_row_and_its_link(self) -> None:
        table, key = self.row()
        self.run(f"DELETE FROM {table} WHERE {KEYS[table]} = :key", key=key)
        self.run("DELETE FROM audit_chain WHERE row_id = :key", key=key)

    def swap_two_rows(self) -> None:
        """Each takes the other's place: all of its columns but the id."""
        table = self.dice.choice(["risk_events", "order_transitions", "kill_switch_events"])
        one, other = self.row(table)[1], self.row(table)[1]
        while other == one:
            other = self.row(table)[1]
        spare = "00000000-0000-0000-0000-000000000000"
        for before, after in ((one, spare), (other, one), (spare, other)):
            self.run(
                f"UPDATE {table} SET {KEYS[table]} = :after WHERE {KEYS[table]} = :before", after=after, before=before
            )

    def swap_two_links(self) -> None:
        links = [seq for (seq,) in self.connection.execute(text("SELECT seq FROM audit_chain ORDER BY seq"))]
        one, other = self.dice.sample(links, 2)
        spare = links[-1] + 1
        for before, after in ((one, spare), (other, one), (spare, other)):
            self.run("UPDATE audit_chain SET seq = :after WHERE seq = :before", after=after, before=before)

    def insert_a_row(self) -> None:
        """A copy of one, under an id of its own."""
        table, key = self.row()
        names = [name for (name,) in self.connection.execute(
            text("SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = :t"
                 " AND is_generated = 'NEVER' ORDER BY ordinal_position"), {"t": table})]  # fmt: skip
        fresh = {KEYS[table]: "gen_random_uuid()", "version": "version + 1000"}
        copied = ", ".join(fresh.get(name, name) for name in names)
        self.run(
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {copied} FROM {table} WHERE {KEYS[table]} = :key", key=key
        )

    def cut_the_tail(self) -> None:
        """The newest links go with their rows; the head stays where it was."""
        self._cut()

    def cut_the_tail_and_move_the_head(self) -> None:
        """What only an anchor kept outside the database can tell."""
        self._cut()
        self.run(
            "UPDATE audit_head SET (seq, hash) = (SELECT seq, row_hash FROM audit_chain ORDER BY seq DESC LIMIT 1)"
        )

    def leave_a_gap(self) -> None:
        """The newest links are given later numbers, the head with them: their hashes do not tell."""
        later = self.connection.execute(text("SELECT max(seq) - :n FROM audit_chain"), {"n": self.dice.randrange(1, 9)})
        self.run("UPDATE audit_chain SET seq = seq + 1000 WHERE seq > :later", later=later.scalar_one())
        self.run("UPDATE audit_head SET seq = seq + 1000")

    def _cut(self) -> None:
        newest = "SELECT source, row_id::text FROM audit_chain ORDER BY seq DESC LIMIT :count"
        for table, key in self.connection.execute(text(newest), {"count": self.dice.randrange(1, 9)}).all():
            self.run(f"DELETE FROM {table} WHERE {KEYS[table]} = :key", key=key)
            self.run("DELETE FROM audit_chain WHERE row_id = :key", key=key)


DEEDS: tuple[Callable[[Hand], None], ...] = (
    Hand.edit_a_byte,
    Hand.delete_a_row,
    Hand.delete_a_row_and_its_link,
    Hand.swap_two_rows,
    Hand.swap_two_links,
    Hand.insert_a_row,
    Hand.cut_the_tail,
    Hand.cut_the_tail_and_move_the_head,
    Hand.leave_a_gap,
)


def nothing(hand: Hand) -> None:
    """The triggers off and on again."""


def trade(session: Session, engine: Engine) -> None:
    """Two dozen orders that fill, rest, are refused and end with a halt; a few policies and people."""
    limits(session, **CALM)
    for name in ("olga", "otto"):
        access.create_user(session, name, PASSWORD, "viewer")
    for turn in range(24):
        take(session, quote(100 + turn % 3, at=turn))
        cycle(session, ("buy", "sell")[turn % 2], (1, 5000)[turn % 5 == 4], (None, 90)[turn % 6 == 2], at=turn)
        if turn % 8 == 7:
            kill_switch.halt(engine, f"drill {turn}", "user:ada")
            kill_switch.release(engine, "go on", "user:ada")
            limits(session, max_order_notional=str(900 + turn))


@pytest.fixture
def audited(database_url: URL) -> tuple[URL, Head]:
    """A database with an audit that is whole, connected to by nobody so that it can be copied; and its anchor."""
    with connected(database_url) as engine, Session(engine) as session:
        trade(session, engine)
        assert audit.verify(session).ok
        anchor = audit.head(session)
        session.rollback()
    assert anchor is not None
    return database_url, anchor


@contextmanager
def connected(url: URL) -> Iterator[Engine]:
    engine = create_engine(url, poolclass=NullPool, connect_args={"options": "-c TimeZone=UTC"})
    try:
        yield engine
    finally:
        engine.dispose()


def tamper_and_look(
    server: URL, story: tuple[URL, Head], deed: Callable[[Hand], None], dice: random.Random
) -> str | None:
    """Do it to a copy; what the verification then finds, None for nothing."""
    whole, anchor = story
    for url in _database(server, f'TEMPLATE "{whole.database}"'):
        with connected(url) as engine:
            with engine.begin() as connection:
                connection.execute(text("SET session_replication_role = replica"))
                for table in (*KEYS, "audit_chain"):
                    connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
                deed(Hand(connection, dice))
                for table in (*KEYS, "audit_chain"):
                    connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
            with Session(engine) as session:
                report = audit.verify(session, anchor if deed is Hand.cut_the_tail_and_move_the_head else None)
    return None if report.first_bad is None else report.first_bad.what


def test_tampering_of_every_kind_is_found_and_an_untouched_copy_is_whole(
    postgres_url: URL, audited: tuple[URL, Head]
) -> None:
    dice = random.Random(SEED)
    found = {deed.__name__: tamper_and_look(postgres_url, audited, deed, dice) for deed in (*DEEDS, nothing)}
    assert [name for name, what in found.items() if what is None] == ["nothing"]


@pytest.mark.soak
@pytest.mark.figure(id="U1")
@pytest.mark.timeout(3600)
def test_tampering_at_random_is_found_every_time(postgres_url: URL, audited: tuple[URL, Head], figure: Figure) -> None:
    dice, done, missed = random.Random(SEED), Counter[str](), Counter[str]()
    for _ in range(times(40)):
        for deed in DEEDS:
            done[deed.__name__] += 1
            missed[deed.__name__] += tamper_and_look(postgres_url, audited, deed, dice) is None
    told = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in done.items())
    figure(f"{told}: {missed.total()} of {done.total()} not found", reached=not missed.total())
