"""What the desk finds out about itself, and who notices when its engine falls silent."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests import builders
from tests.services.desks import NOON, cycle, dump, one, quote, rows, take, tamper
from webapp.services import heartbeats, kill_switch, monitors, self_checks

PATIENCE = timedelta(seconds=10)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


# --- checks on itself -----------------------------------------------------------------------------------------------
def test_checks_of_a_sound_desk_are_stored_and_halt_nothing(session: Session) -> None:
    take(session, quote(100))
    cycle(session)
    assert self_checks.run(session) is None
    assert {row["name"]: (row["ok"], row["rows"]) for row in rows(session, "SELECT * FROM self_checks")} == {
        "books": (True, 1),
        "audit": (True, one(session, "SELECT count(*) FROM audit_chain")),
    }
    assert not kill_switch.state(session).enabled


@pytest.mark.parametrize(
    ("edit", "rule"),
    [
        ("UPDATE positions SET qty = qty + 1", "BOOKS_BROKEN"),
        ("UPDATE order_transitions SET actor = 'nobody' WHERE to_status = 'executed'", "AUDIT_BROKEN"),
    ],
)
def test_check_that_fails_halts_and_names_what_is_wrong(session: Session, engine: Engine, edit: str, rule: str) -> None:
    take(session, quote(100))
    cycle(session)
    tamper(engine, edit)
    receipt = self_checks.run(session)
    assert receipt is not None
    assert (receipt.actor, receipt.already) == ("risk-engine", False)
    assert str(receipt.reason).startswith(rule)
    broken = rows(session, "SELECT name FROM self_checks WHERE NOT ok")
    assert [row["name"] for row in broken] == [rule.split("_", maxsplit=1)[0].lower()]


def test_check_that_fails_again_while_halted_is_no_further_event(session: Session, engine: Engine) -> None:
    tamper(engine, "UPDATE account SET cash = cash + 1")
    self_checks.run(session)
    again = self_checks.run(session)
    assert again is not None
    assert again.already
    assert one(session, "SELECT count(*) FROM kill_switch_events") == 1


def test_checks_are_due_when_they_were_never_run_or_long_ago(session: Session) -> None:
    assert self_checks.due(session)
    self_checks.run(session)
    now = one(session, "SELECT clock_timestamp()")
    assert not self_checks.due(session, now)
    assert self_checks.due(session, now + self_checks.EVERY)


# --- the engine's silence -------------------------------------------------------------------------------------------
def test_engine_that_beats_is_not_missed(session: Session) -> None:
    heartbeats.beat(session, "engine", NOON, {"epoch": 1})
    before = dump(session)
    assert monitors.engine_lost(session, PATIENCE, LONG_AGO) is None
    assert dump(session) == before


def test_desk_that_never_had_an_engine_misses_none(session: Session) -> None:
    assert monitors.engine_lost(session, PATIENCE, LONG_AGO) is None


def test_engine_that_fell_silent_halts_once(session: Session, engine: Engine) -> None:
    builders.heartbeat(session, "engine", ago(11))
    receipt = monitors.engine_lost(session, PATIENCE, LONG_AGO)
    assert receipt is not None
    assert str(receipt.reason).startswith("ENGINE_LOST")
    assert monitors.engine_lost(session, PATIENCE, LONG_AGO) is None
    kill_switch.release(engine, "a new engine is on its way", "user:ada")
    assert monitors.engine_lost(session, PATIENCE, LONG_AGO) is None
    assert one(session, "SELECT count(*) FROM kill_switch_events") == 2


def test_engine_is_given_its_patience_from_when_the_watch_began(session: Session) -> None:
    builders.heartbeat(session, "engine", ago(3600))
    assert monitors.engine_lost(session, PATIENCE, since=ago(5)) is None
    assert monitors.engine_lost(session, PATIENCE, since=ago(11)) is not None


def test_engine_that_began_and_never_beat_is_lost(session: Session) -> None:
    heartbeats.begin(session, "engine", NOON, {})
    assert monitors.engine_lost(session, PATIENCE, LONG_AGO) is None
    session.execute(text("UPDATE heartbeats SET beat_at = beat_at - interval '11 s'"))
    session.commit()
    assert monitors.engine_lost(session, PATIENCE, LONG_AGO) is not None


def test_engine_that_begins_gives_no_sign_of_life_for_the_one_before_it(session: Session) -> None:
    builders.heartbeat(session, "engine", ago(11))
    heartbeats.begin(session, "engine", NOON, {})
    assert monitors.engine_lost(session, PATIENCE, LONG_AGO) is not None


def test_engine_that_stopped_cleanly_is_not_missed(session: Session) -> None:
    heartbeats.beat(session, "engine", NOON, {})
    heartbeats.stop(session, "engine")
    assert one(session, "SELECT count(*) FROM heartbeats") == 0
    assert monitors.engine_lost(session, PATIENCE, LONG_AGO) is None


def test_heartbeat_tells_which_process_since_when_and_what_it_did(session: Session) -> None:
    heartbeats.beat(session, "engine", NOON, {"ticks": 1})
    heartbeats.beat(session, "engine", NOON, {"ticks": 2})
    (beat,) = rows(session, "SELECT * FROM heartbeats")
    assert (beat["process"], beat["started_at"], beat["details"]) == ("engine", NOON, {"ticks": 2})
    assert abs(beat["beat_at"] - datetime.now(UTC)) < timedelta(seconds=5)


def test_process_that_ends_takes_only_its_own_sign_of_life(session: Session) -> None:
    heartbeats.beat(session, "engine", NOON, {})
    session.execute(text("UPDATE heartbeats SET pid = pid + 1"))
    session.commit()
    heartbeats.stop(session, "engine")
    assert one(session, "SELECT count(*) FROM heartbeats") == 1
