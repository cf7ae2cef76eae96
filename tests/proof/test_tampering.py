"""Every audited row edited by a byte, deleted, swapped, doubled, and the chain cut before it: all found, there (U1)."""

import time
from collections import Counter
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session

from tests.schema.audited import KEYS, MOVE_HEAD
from tests.services.desks import after, cycle, limits, quote, take
from webapp.services import audit, kill_switch
from webapp.services.audit import Fault, Head

LAST_BYTE = "actor = overlay(actor placing chr(ascii(right(actor, 1)) # 1) from length(actor) for 1)"
EDITS = dict.fromkeys(KEYS, LAST_BYTE) | {
    "fills": "fee = fee + 0.00000001",
    "risk_events": LAST_BYTE.replace("actor", "rule"),
}
TAKEN = UUID(int=1)
Row = tuple[str, UUID, int]
"""An audited row's table, id and place in the chain."""


def live(session: Session, engine: Engine, times: int) -> None:
    """Purchases, refusals, limits edited, halts and releases."""
    limits(session, cooldown_seconds=0, max_trades_per_hour=1_000)
    take(session, quote(100))
    for number in range(times):
        cycle(session, "buy", Decimal(number + 1) / 1_000, at=0)
        cycle(session, "buy", 1_000 + number, at=0)
        limits(session, max_trades_per_day=100 + number)
        kill_switch.halt(engine, f"drill {number}", "user:ada", after(number))
        kill_switch.release(engine, f"drill {number} is over", "user:bob", after(number))


class Attacker:
    """Somebody with the keys of the database; what is done is undone after each look."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        for table in (*KEYS, "audit_chain", "audit_head"):
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))

    def found(self, *statements: str, anchor: Head | None = None) -> Fault | None:
        """What a check says after this."""
        attempt = self.connection.begin_nested()
        for statement in statements:
            assert self.connection.execute(text(statement)).rowcount > 0, statement
        with Session(self.connection, join_transaction_mode="create_savepoint") as session:
            fault = audit.verify(session, anchor).first_bad
        attempt.rollback()
        return fault

    def chain(self) -> list[Row]:
        """Every audited row, in the order of the chain."""
        rows = self.connection.execute(text("SELECT source, row_id, seq FROM audit_chain ORDER BY seq"))
        return [(row.source, row.row_id, row.seq) for row in rows]


def edited(attacker: Attacker, row: Row) -> bool:
    table, row_id, seq = row
    fault = attacker.found(f"UPDATE {table} SET {EDITS[table]} WHERE {KEYS[table]} = '{row_id}'")
    return fault == Fault(table, row_id, seq, "the row is not what was recorded")


def deleted(attacker: Attacker, row: Row) -> bool:
    table, row_id, seq = row
    fault = attacker.found(f"DELETE FROM {table} WHERE {KEYS[table]} = '{row_id}'")
    return fault == Fault(table, row_id, seq, "the row is gone")


def swapped(attacker: Attacker, row: Row, other: Row) -> bool:
    """With the one before it in its table; the check comes upon that one first."""
    table, key = row[0], KEYS[row[0]]
    moves = ((row[1], TAKEN), (other[1], row[1]), (TAKEN, other[1]))
    fault = attacker.found(*(f"UPDATE {table} SET {key} = '{new}' WHERE {key} = '{old}'" for old, new in moves))
    return fault == Fault(*other, "the row is not what was recorded")


def inserted(attacker: Attacker, row: Row) -> bool:
    table, row_id, _ = row
    version = ", 'version', r.version + 100000" if table == "policies" else ""
    fault = attacker.found(
        f"INSERT INTO {table} SELECT (jsonb_populate_record(r, "
        f"jsonb_build_object('{KEYS[table]}', '{TAKEN}'{version}))).* FROM {table} r WHERE {KEYS[table]} = '{row_id}'"
    )
    return fault == Fault(table, TAKEN, None, "the row is not in the chain")


def cut(attacker: Attacker, rows: list[Row], seq: int, anchor: Head) -> bool:
    """The row and all after it; found by the head, and by the anchor when the head was moved as well."""
    gone = {table: [str(row_id) for name, row_id, place in rows if name == table and place >= seq] for table in KEYS}
    statements = [
        *(
            f"DELETE FROM {table} WHERE {KEYS[table]} = ANY('{{{','.join(ids)}}}')"
            for table, ids in gone.items()
            if ids
        ),
        f"DELETE FROM audit_chain WHERE seq >= {seq}",
    ]
    by_head = attacker.found(*statements)
    by_anchor = attacker.found(*statements, MOVE_HEAD, anchor=anchor)
    return (
        by_head is not None
        and (by_head.source, by_head.seq) == ("audit_head", anchor.seq)
        and by_anchor == Fault("audit_chain", None, anchor.seq, "the chain was cut before the anchor")
    )


def check(session: Session, engine: Engine, times: int) -> str:
    """Attack every row in every way; the figures in one line."""
    live(session, engine, times)
    anchor = audit.head(session)
    session.rollback()
    assert anchor is not None
    tried: Counter[str] = Counter()
    found: Counter[str] = Counter()

    def note(kind: str, seen: bool) -> None:
        tried[kind] += 1
        found[kind] += seen

    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        attacker = Attacker(connection)
        assert attacker.found() is None
        rows, last = attacker.chain(), dict[str, Row]()
        started = time.monotonic()
        for row in rows:
            note("edited", edited(attacker, row))
            note("deleted", deleted(attacker, row))
            note("inserted", inserted(attacker, row))
            if row[0] in last:
                note("swapped", swapped(attacker, row, last[row[0]]))
            # The first link was there before the desk: without it nothing is left to cut.
            if row[2] > 1:
                note("tail cut", cut(attacker, rows, row[2], anchor))
            last[row[0]] = row
        seconds = time.monotonic() - started
        assert attacker.found() is None
    assert set(last) == set(KEYS)
    assert found == tried
    told = ", ".join(f"{found[kind]} of {number} {kind}" for kind, number in tried.items())
    return f"{len(rows)} audited rows, each attacked: found {told}; {sum(tried.values())} attacks in {seconds:.1f} s"


def test_every_row_attacked_in_every_way_is_found_where_it_was(session: Session, engine: Engine) -> None:
    check(session, engine, times=2)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_row_of_a_longer_story_attacked_in_every_way_is_found(
    session: Session, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    told = check(session, engine, times=20)
    with capsys.disabled():
        print(f"\nU1 {told}")
