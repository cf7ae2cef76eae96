"""No edit, deletion, swap, insertion or cut of audited rows goes unseen, and each is found at the row."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests import builders
from tests.schema.audited import KEYS, seq_of, tamper
from webapp.services import audit
from webapp.services.audit import GENESIS_HASH, Head

EDITS = {
    "fills": ["qty = qty + 0.00000001", "side = 'sell'", "filled_at = filled_at + interval '1 microsecond'"],
    "risk_events": ["rule = rule || ' '", 'details = details || \'{"value": "1.51"}\'', "action = 'blocked'"],
    "kill_switch_events": ["reason = ''", "actor = NULL", "enabled = NOT enabled"],
    "order_transitions": ["from_status = 'proposed'", "actor = 'Test'"],
    "policies": ['limits = limits || \'{"min_confidence": "0.1"}\'', "reason = 'none'"],
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


def test_deleted_row_is_found(engine: Engine, session: Session, story: list[UUID]) -> None:
    tamper(engine, f"DELETE FROM fills WHERE fill_id = '{story[2]}'")
    bad = audit.verify(session).first_bad
    assert bad is not None
    assert (bad.row_id, bad.what) == (story[2], "the row is gone")


def test_row_deleted_with_its_link_is_found(engine: Engine, session: Session, story: list[UUID]) -> None:
    seq = seq_of(engine, story[2])
    tamper(
        engine,
        f"DELETE FROM fills WHERE fill_id = '{story[2]}'",
        f"DELETE FROM audit_chain WHERE row_id = '{story[2]}'",
    )
    bad = audit.verify(session).first_bad
    assert bad is not None
    assert (bad.seq, bad.row_id, bad.what) == (seq + 1, story[3], "the link before it is missing")


def test_row_deleted_with_its_link_and_the_gap_closed_is_found(
    engine: Engine, session: Session, story: list[UUID]
) -> None:
    seq = seq_of(engine, story[2])
    tamper(
        engine,
        f"DELETE FROM fills WHERE fill_id = '{story[2]}'",
        f"DELETE FROM audit_chain WHERE row_id = '{story[2]}'",
        f"UPDATE audit_chain SET seq = seq + 1000 WHERE seq > {seq}",
        "UPDATE audit_chain SET seq = seq - 1001 WHERE seq > 1000",
        "UPDATE audit_head SET seq = seq - 1",
    )
    bad = audit.verify(session).first_bad
    assert bad is not None
    assert (bad.seq, bad.row_id, bad.what) == (seq, story[3], "it is not bound to the link before it")


def test_two_swapped_rows_are_found(engine: Engine, session: Session, story: list[UUID]) -> None:
    one, other = story[1], story[4]
    tamper(
        engine,
        f"""UPDATE fills SET qty = CASE fill_id WHEN '{one}' THEN 5 ELSE 2 END WHERE fill_id IN ('{one}', '{other}')""",
    )
    bad = audit.verify(session).first_bad
    assert bad is not None
    assert (bad.seq, bad.row_id) == (seq_of(engine, one), one)


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


def test_row_inserted_outside_the_chain_is_found(engine: Engine, session: Session, story: list[UUID]) -> None:
    stranger = uuid4()
    tamper(
        engine,
        f"""INSERT INTO fills SELECT '{stranger}', order_id, symbol, side, qty, fill_price, fee, slippage_bps,
        filled_at FROM fills WHERE fill_id = '{story[0]}'""",
    )
    report = audit.verify(session)
    assert report.first_bad == audit.Fault("fills", stranger, None, "the row is not in the chain")


def test_row_chained_twice_is_found(engine: Engine, session: Session, story: list[UUID]) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("""INSERT INTO audit_chain SELECT h.seq + 1, c.source, c.row_id, h.hash,
                audit_hash(h.hash, c.source, c.row_id, now(), r.content), now()
                FROM audit_head h, audit_chain c JOIN audit_rows r USING (source, row_id) WHERE c.row_id = :id"""),
            {"id": story[0]},
        )
        connection.execute(
            text(
                "UPDATE audit_head SET (seq, hash) = (SELECT seq, row_hash FROM audit_chain ORDER BY seq DESC LIMIT 1)"
            )
        )
    bad = audit.verify(session).first_bad
    assert bad is not None
    assert (bad.row_id, bad.what) == (story[0], "the row is in the chain twice")


@pytest.mark.parametrize("edit", ["recorded_at = recorded_at - interval '1 day'", "source = 'risk_events'"])
def test_edited_link_is_found(engine: Engine, session: Session, story: list[UUID], edit: str) -> None:
    tamper(engine, f"UPDATE audit_chain SET {edit} WHERE row_id = '{story[3]}'")
    bad = audit.verify(session).first_bad
    assert bad is not None
    assert (bad.seq, bad.row_id) == (seq_of(engine, story[3]), story[3])


def cut(engine: Engine, story: list[UUID], *more: str) -> None:
    """Cut the tail: the last fill and all that came after it, from the tables and from the chain."""
    seq = seq_of(engine, story[5])
    rows = [
        f"DELETE FROM {table} t USING audit_chain c WHERE c.row_id = t.{key} AND c.seq >= {seq}"
        for table, key in KEYS.items()
    ]
    tamper(engine, *rows, f"DELETE FROM audit_chain WHERE seq >= {seq}", *more)


def test_cut_tail_is_found_by_the_head(engine: Engine, session: Session, story: list[UUID]) -> None:
    before = audit.head(session)
    assert before is not None
    cut(engine, story)
    bad = audit.verify(session).first_bad
    assert bad is not None
    assert (bad.source, bad.seq) == ("audit_head", before.seq)


def test_cut_tail_with_the_head_moved_is_found_by_the_anchor_only(
    engine: Engine, session: Session, story: list[UUID]
) -> None:
    anchor = audit.head(session)
    assert anchor is not None
    last = "(SELECT seq, row_hash FROM audit_chain ORDER BY seq DESC LIMIT 1)"
    cut(engine, story, f"UPDATE audit_head SET (seq, hash) = {last}")
    assert audit.verify(session).ok
    bad = audit.verify(session, anchor).first_bad
    assert bad is not None
    assert (bad.seq, bad.what) == (anchor.seq, "the chain was cut before the anchor")


def test_chain_rewritten_after_a_cut_is_found_by_the_anchor(
    engine: Engine, session: Session, story: list[UUID]
) -> None:
    anchor = audit.head(session)
    assert anchor is not None
    cut(
        engine,
        story,
        "UPDATE audit_head SET (seq, hash) = (SELECT seq, row_hash FROM audit_chain ORDER BY seq DESC LIMIT 1)",
    )
    order_id = builders.order(session)
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
