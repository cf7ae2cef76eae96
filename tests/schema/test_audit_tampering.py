"""No edit, deletion, swap, insertion or cut of audited rows goes unseen, and each is found at the row."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests import builders
from tests.schema.audited import KEYS, MOVE_HEAD, after, chained, columns, seq_of, tamper, two_more_each
from webapp.models import OrderTransition
from webapp.services import audit
from webapp.services.audit import GENESIS_HASH, Head

every_table = pytest.mark.parametrize("table", KEYS)
EDITS = {
    "fills": ["qty = qty + 0.00000001", "side = 'sell'", "filled_at = filled_at + interval '1 microsecond'"],
    "risk_events": ["rule = rule || ' '", 'details = details || \'{"value": "1.51"}\'', "action = 'blocked'"],
    "kill_switch_events": ["reason = ''", "actor = NULL", "enabled = NOT enabled"],
    "order_transitions": ["from_status = 'proposed'", "actor = 'Test'"],
    "policies": ['limits = limits || \'{"min_confidence": "0.1"}\'', "reason = 'none'"],
    "acts": ["actor = 'user:ann'", "subject = NULL", 'details = \'{"role": "admin"}\'', "address = ''"],
}


@pytest.mark.parametrize(("table", "edit"), [(table, edit) for table, edits in EDITS.items() for edit in edits])
@pytest.mark.usefixtures("story")
def test_edited_row_is_found_at_that_row(engine: Engine, session: Session, table: str, edit: str) -> None:
    with engine.connect() as connection:
        row_id = connection.execute(text(f"SELECT {KEYS[table]} FROM {table} ORDER BY 1 DESC LIMIT 1")).scalar_one()
    tamper(engine, f"UPDATE {table} SET {edit} WHERE {KEYS[table]} = '{row_id}'")
    bad = audit.verify(session).first_bad
    assert bad is not None
    assert (bad.source, bad.row_id, bad.what) == (table, row_id, "the row is not what was recorded")
    assert bad.seq == seq_of(engine, row_id)


@pytest.mark.parametrize(("recorded", "shown"), [("canceled", "approved"), ("rejected", "executed")])
def test_order_shown_in_a_state_it_was_never_moved_to_is_found(
    engine: Engine, session: Session, recorded: str, shown: str
) -> None:
    order_id = builders.order(session, status=recorded)
    for step in ("proposed", recorded):
        row = {"transition_id": uuid4(), "order_id": order_id, "to_status": step, "actor": "test"}
        builders.add(session, OrderTransition, row)
    assert audit.verify(session).ok
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE orders DISABLE TRIGGER USER"))
        connection.execute(text(f"UPDATE orders SET status = '{shown}'"))
        connection.execute(text("ALTER TABLE orders ENABLE TRIGGER USER"))
    what = f"it is shown as {shown}, recorded is {recorded}"
    assert audit.verify(session).first_bad == audit.Fault("orders", order_id, None, what)


@pytest.fixture
def rows(session: Session, engine: Engine, story: list[UUID], table: str) -> list[UUID]:
    """At least three rows of the table, among rows of every other one; their ids in the order of the chain."""
    two_more_each(session)
    return chained(engine, table)


@every_table
def test_deleted_row_is_found(engine: Engine, session: Session, table: str, rows: list[UUID]) -> None:
    seq = seq_of(engine, rows[1])
    tamper(engine, f"DELETE FROM {table} WHERE {KEYS[table]} = '{rows[1]}'")
    assert audit.verify(session).first_bad == audit.Fault(table, rows[1], seq, "the row is gone")


@every_table
def test_row_deleted_with_its_link_is_found(engine: Engine, session: Session, table: str, rows: list[UUID]) -> None:
    seq, source, follower = after(engine, rows[1])
    tamper(
        engine,
        f"DELETE FROM {table} WHERE {KEYS[table]} = '{rows[1]}'",
        f"DELETE FROM audit_chain WHERE row_id = '{rows[1]}'",
    )
    assert audit.verify(session).first_bad == audit.Fault(source, follower, seq, "the link before it is missing")


@every_table
def test_row_deleted_with_its_link_and_the_gap_closed_is_found(
    engine: Engine, session: Session, table: str, rows: list[UUID]
) -> None:
    seq, source, follower = after(engine, rows[1])
    tamper(
        engine,
        f"DELETE FROM {table} WHERE {KEYS[table]} = '{rows[1]}'",
        f"DELETE FROM audit_chain WHERE row_id = '{rows[1]}'",
        f"UPDATE audit_chain SET seq = seq + 1000 WHERE seq >= {seq}",
        "UPDATE audit_chain SET seq = seq - 1001 WHERE seq > 1000",
        "UPDATE audit_head SET seq = seq - 1",
    )
    what = "it is not bound to the link before it"
    assert audit.verify(session).first_bad == audit.Fault(source, follower, seq - 1, what)


@every_table
def test_two_swapped_rows_are_found(engine: Engine, session: Session, table: str, rows: list[UUID]) -> None:
    one, other = rows[-2:]
    names, key = ", ".join(columns(engine, table)), KEYS[table]
    tamper(
        engine,
        f"""UPDATE {table} t SET ({names}) = (SELECT {names} FROM {table} o WHERE o.{key} <> t.{key}
        AND o.{key} IN ('{one}', '{other}')) WHERE {key} IN ('{one}', '{other}')""",
    )
    what = "the row is not what was recorded"
    assert audit.verify(session).first_bad == audit.Fault(table, one, seq_of(engine, one), what)


def test_two_links_that_changed_places_are_found(engine: Engine, session: Session, story: list[UUID]) -> None:
    one, other = seq_of(engine, story[1]), seq_of(engine, story[4])
    tamper(
        engine,
        f"UPDATE audit_chain SET seq = 1000 WHERE seq = {one}",
        f"UPDATE audit_chain SET seq = {one} WHERE seq = {other}",
        f"UPDATE audit_chain SET seq = {other} WHERE seq = 1000",
    )
    bad = audit.verify(session).first_bad
    assert bad is not None
    assert (bad.seq, bad.row_id) == (one, story[4])


@every_table
def test_row_inserted_outside_the_chain_is_found(
    engine: Engine, session: Session, table: str, rows: list[UUID]
) -> None:
    stranger, key = uuid4(), KEYS[table]
    names = ", ".join(columns(engine, table))
    version = (", version", ", version + 1000") if table == "policies" else ("", "")
    tamper(
        engine,
        f"""INSERT INTO {table} ({key}, {names}{version[0]}) SELECT '{stranger}', {names}{version[1]}
        FROM {table} WHERE {key} = '{rows[1]}'""",
    )
    report = audit.verify(session)
    assert report.first_bad == audit.Fault(table, stranger, None, "the row is not in the chain")


def test_row_chained_twice_is_found(engine: Engine, session: Session, story: list[UUID]) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("""INSERT INTO audit_chain SELECT h.seq + 1, c.source, c.row_id, h.hash,
                audit_hash(h.hash, c.source, c.row_id, now(), r.content), now()
                FROM audit_head h, audit_chain c JOIN audit_rows r USING (source, row_id) WHERE c.row_id = :id"""),
            {"id": story[0]},
        )
        connection.execute(text(MOVE_HEAD))
    bad = audit.verify(session).first_bad
    assert bad is not None
    assert (bad.row_id, bad.what) == (story[0], "the row is in the chain twice")


@pytest.mark.parametrize("edit", ["recorded_at = recorded_at - interval '1 day'", "source = 'risk_events'"])
def test_edited_link_is_found(engine: Engine, session: Session, story: list[UUID], edit: str) -> None:
    tamper(engine, f"UPDATE audit_chain SET {edit} WHERE row_id = '{story[3]}'")
    bad = audit.verify(session).first_bad
    assert bad is not None
    assert (bad.seq, bad.row_id) == (seq_of(engine, story[3]), story[3])


def cut(engine: Engine, first: UUID, *more: str) -> None:
    """Cut the tail: that row and all that came after it, from the tables and from the chain."""
    seq = seq_of(engine, first)
    with engine.connect() as connection:
        lost = connection.execute(text("SELECT DISTINCT source FROM audit_chain WHERE seq >= :seq"), {"seq": seq})
        tables = list(lost.scalars())
    deletions = [
        f"DELETE FROM {table} t USING audit_chain c WHERE c.row_id = t.{KEYS[table]} AND c.seq >= {seq}"
        for table in tables
    ]
    tamper(engine, *deletions, f"DELETE FROM audit_chain WHERE seq >= {seq}", *more)


@every_table
def test_cut_tail_is_found_by_the_head(engine: Engine, session: Session, table: str, rows: list[UUID]) -> None:
    before = audit.head(session)
    assert before is not None
    cut(engine, rows[-1])
    bad = audit.verify(session).first_bad
    assert bad is not None
    assert (bad.source, bad.seq) == ("audit_head", before.seq)


@every_table
def test_cut_tail_with_the_head_moved_is_found_by_the_anchor_only(
    engine: Engine, session: Session, table: str, rows: list[UUID]
) -> None:
    anchor = audit.head(session)
    assert anchor is not None
    cut(engine, rows[-1], MOVE_HEAD)
    assert audit.verify(session).ok
    bad = audit.verify(session, anchor).first_bad
    assert bad is not None
    assert (bad.seq, bad.what) == (anchor.seq, "the chain was cut before the anchor")


def test_chain_rewritten_after_a_cut_is_found_by_the_anchor(
    engine: Engine, session: Session, story: list[UUID]
) -> None:
    anchor = audit.head(session)
    assert anchor is not None
    cut(engine, story[5], MOVE_HEAD)
    order_id = builders.order(session, qty=1_000_000)
    for _ in range(10):
        builders.fill(session, order_id)
    assert audit.verify(session).ok
    bad = audit.verify(session, anchor).first_bad
    assert bad is not None
    assert bad.what == "the chain was rewritten before the anchor"


@pytest.mark.usefixtures("story")
def test_anchor_holds_while_rows_are_only_appended(session: Session) -> None:
    anchor = audit.head(session)
    assert anchor is not None
    builders.fill(session, builders.order(session))
    assert audit.verify(session, Head.parse(str(anchor))).ok
    assert audit.verify(session, Head(0, GENESIS_HASH)).ok
