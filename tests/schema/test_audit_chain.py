"""The audit chain: every audited row is in it, whoever wrote it and however, and can be checked at any time."""

import hashlib
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests import builders
from tests.schema.audited import KEYS, tamper
from webapp.models import Act, KillSwitchEvent, OrderTransition
from webapp.services import audit
from webapp.services.audit import GENESIS_HASH, Head


@pytest.mark.usefixtures("story")
def test_untouched_audit_is_whole_and_holds_every_row(session: Session) -> None:
    report = audit.verify(session)
    assert report.ok, report.first_bad
    assert report.rows == 6 + 1 + 2 + 1 + 2 + 1
    assert report.head == audit.head(session) == Head(report.rows, report.head.hash)


@pytest.mark.usefixtures("story")
def test_hash_can_be_computed_by_any_program(engine: Engine) -> None:
    """The definition of the chain, said a second time without the database's functions."""

    def seconds(at: datetime) -> str:
        whole = at - datetime(1970, 1, 1, tzinfo=UTC)
        return f"{whole.days * 86400 + whole.seconds}.{whole.microseconds:06d}"

    with engine.connect() as connection:
        links = connection.execute(text("SELECT * FROM audit_chain ORDER BY seq")).all()
        fills = {row.fill_id: row for row in connection.execute(text("SELECT * FROM fills"))}
    previous = GENESIS_HASH
    for link in links:
        assert link.previous_hash == previous
        previous = link.row_hash
        if link.source != "fills":
            continue
        fill = fills[link.row_id]
        words = ", ".join(json.dumps(str(word)) for word in (fill.fill_id, fill.order_id, fill.symbol, fill.side))
        numbers = f"{fill.qty}, {fill.fill_price}, {fill.fee}, {fill.slippage_bps}, {seconds(fill.filled_at)}"
        content = f"{link.previous_hash}|fills|{link.row_id}|{seconds(link.recorded_at)}|[{words}, {numbers}]"
        assert link.row_hash == hashlib.sha256(content.encode()).hexdigest()


def test_lost_head_is_found_and_stops_what_is_audited(engine: Engine, session: Session, story: list[UUID]) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM audit_head"))
    report = audit.verify(session)
    assert (report.ok, report.head) == (False, None)
    with pytest.raises(DBAPIError, match="lost its head"):
        builders.risk_event(session, builders.order(session))


@pytest.mark.parametrize("written", ["", "12", "12:abc", "-1:" + "0" * 64, "1:" + "G" * 64, "²:" + "0" * 64])
def test_anchor_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="SEQ:HASH"):
        Head.parse(written)


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize(
    "settings",
    [
        ["TimeZone = 'Asia/Kathmandu'", "DateStyle = 'German, DMY'", "IntervalStyle = 'iso_8601'"],
        ["extra_float_digits = 0", "bytea_output = 'escape'", "client_encoding = 'LATIN1'", "search_path = pg_temp"],
    ],
    ids=["dates", "texts"],
)
def test_chain_depends_on_no_setting_of_a_session(
    engine: Engine, session: Session, story: list[UUID], settings: list[str]
) -> None:
    """Written under one set of settings and checked under another, both ways."""
    with engine.begin() as connection:
        for setting in settings:
            connection.execute(text(f"SET LOCAL {setting}"))
        connection.execute(
            text(
                "INSERT INTO public.fills SELECT gen_random_uuid(), order_id, symbol, side, 1, 2, 3, 4, now() "
                "FROM public.fills"
            )
        )
    assert audit.verify(session).ok
    with Session(engine) as other:
        for setting in settings:
            other.execute(text(f"SET {setting}"))
        other.commit()
        assert audit.verify(other).ok
        other.close()


@pytest.mark.parametrize("table", KEYS)
def test_without_its_trigger_rows_would_not_be_chained(engine: Engine, session: Session, table: str) -> None:
    writes: dict[str, Callable[[], object]] = {
        "fills": lambda: builders.fill(session, builders.order(session)),
        "risk_events": lambda: builders.risk_event(session, builders.order(session)),
        "kill_switch_events": lambda: builders.add(session, KillSwitchEvent, {"event_id": uuid4(), "enabled": True}),
        "order_transitions": lambda: builders.add(
            session,
            OrderTransition,
            {"transition_id": uuid4(), "order_id": builders.order(session), "to_status": "executed", "actor": "test"},
        ),
        "policies": lambda: builders.policy(session),
        "acts": lambda: builders.add(session, Act, {"act_id": uuid4(), "act": "login", "actor": "user:ada"}),
    }
    with engine.begin() as connection:
        connection.execute(text(f"DROP TRIGGER keep_audit_chain ON {table}"))
    writes[table]()
    bad = audit.verify(session).first_bad
    assert bad is not None
    assert (bad.source, bad.what) == (table, "the row is not in the chain")


def test_replica_role_writes_into_the_chain_too(engine: Engine, session: Session, story: list[UUID]) -> None:
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text("INSERT INTO fills SELECT gen_random_uuid(), order_id, symbol, side, 1, 2, 3, 4, now() FROM fills")
        )
    report = audit.verify(session)
    assert report.ok
    assert report.rows == 13 + 6


def test_rolled_back_row_leaves_no_link(engine: Engine, session: Session, story: list[UUID]) -> None:
    before = audit.head(session)
    with engine.connect() as connection:
        connection.execute(
            text("INSERT INTO fills SELECT gen_random_uuid(), order_id, symbol, side, 1, 2, 3, 4, now() FROM fills")
        )
    session.rollback()
    assert audit.head(session) == before


def test_many_writers_at_once_make_one_chain_without_gaps(engine: Engine, session: Session) -> None:
    order_id = builders.order(session, qty=1_000_000)
    errors: list[Exception] = []

    def write() -> None:
        try:
            with Session(engine) as mine:
                for _ in range(25):
                    builders.fill(mine, order_id)
        except DBAPIError as error:
            errors.append(error)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    report = audit.verify(session)
    assert not errors
    assert report.ok, report.first_bad
    assert report.head is not None
    assert report.head.seq == report.rows == 1 + 100


def test_verify_sees_one_state_while_rows_are_being_written(engine: Engine, session: Session) -> None:
    order_id = builders.order(session, qty=1_000_000)
    stop = threading.Event()

    def write() -> None:
        with Session(engine) as mine:
            while not stop.is_set():
                builders.fill(mine, order_id)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reports = [audit.verify(session) for _ in range(30)]
    finally:
        stop.set()
        writer.join(30)
    assert [report.first_bad for report in reports] == [None] * 30
    assert reports[-1].rows > reports[0].rows


def test_adopting_chains_what_was_written_before_the_triggers(
    engine: Engine, session: Session, story: list[UUID]
) -> None:
    tamper(
        engine,
        """INSERT INTO fills SELECT gen_random_uuid(), order_id, symbol, side, qty, fill_price, fee,
        slippage_bps, filled_at FROM fills""",
    )
    assert not audit.verify(session).ok
    assert audit.adopt(session) == 6
    session.commit()
    report = audit.verify(session)
    assert report.ok, report.first_bad
    assert report.rows == 19
    assert audit.adopt(session) == 0


def test_adopting_does_not_heal_a_broken_chain(engine: Engine, session: Session, story: list[UUID]) -> None:
    tamper(engine, f"UPDATE fills SET qty = 7 WHERE fill_id = '{story[1]}'")
    assert audit.adopt(session) == 0
    session.commit()
    assert not audit.verify(session).ok
