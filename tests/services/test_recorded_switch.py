"""The switch's row against its events: whoever turns it behind the desk's back is found, and the desk halts."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests import builders
from tests.services.desks import after, cycle, one, quote, take, tamper
from webapp.models import KillSwitchEvent
from webapp.services import audit, kill_switch, monitors, rebuild, self_checks


def found(session: Session) -> str:
    """What the audit says of the switch; empty when it holds."""
    fault = audit.verify(session).first_bad
    if fault is None:
        return ""
    assert fault.source == "kill_switch"
    return fault.what


def flip(engine: Engine, *enabled: bool, at: float = 0) -> None:
    """Halts and releases of this desk, a second apart."""
    for number, on in enumerate(enabled):
        act = kill_switch.halt if on else kill_switch.release
        act(engine, "stop" if on else "go on", "user:ada", after(at + number))


def theirs(session: Session, enabled: bool, at: float) -> None:
    """An event that another program wrote."""
    event = {"event_id": builders.new_id(after(at)), "enabled": enabled, "reason": "theirs", "created_at": after(at)}
    builders.add(session, KillSwitchEvent, event)


@pytest.mark.parametrize("flips", [(), (True,), (True, False), (True, False, True)])
def test_switch_that_stands_as_its_newest_event_says_is_sound(
    session: Session, engine: Engine, flips: tuple[bool, ...]
) -> None:
    flip(engine, *flips)
    assert found(session) == ""


def test_release_behind_the_desks_back_is_told_in_one_line(session: Session, engine: Engine) -> None:
    flip(engine, True)
    tamper(engine, "UPDATE kill_switch SET enabled = false")
    assert found(session) == (
        "it is shown as released, the newest event, by user:ada at 2026-03-02 12:00:00 UTC, says halted"
    )


@pytest.mark.parametrize("whole", [True, False], ids=["whole check", "check from the mark"])
def test_release_behind_the_desks_back_halts_the_desk_until_somebody_releases(
    session: Session, engine: Engine, whole: bool
) -> None:
    take(session, quote(100))
    flip(engine, True)
    self_checks.run(session)
    tamper(engine, "UPDATE kill_switch SET enabled = false")
    receipt = self_checks.run(session, whole=whole)
    assert receipt is not None
    assert str(receipt.reason).startswith("AUDIT_BROKEN: the chain is broken: it is shown as released, ")
    assert cycle(session).status_code == 423
    assert one(session, "SELECT count(*) FROM kill_switch_events") == 2
    self_checks.run(session)
    flip(engine, False, at=9)
    assert found(session) == ""
    assert monitors.watch(session, [], after(10)) is None
    assert cycle(session, at=10).status_code == 202


FIRST_RELEASE = "SELECT event_id, created_at FROM kill_switch_events WHERE NOT enabled ORDER BY created_at LIMIT 1"
EDITS = {
    "halted": ("enabled = true", "it is shown as halted, the newest event, by user:ada at"),
    "an older event": (f"(event_id, changed_at) = ({FIRST_RELEASE})", "with another event, reason, actor or time than"),
    "another reason": ("reason = 'mine'", "with another event, reason, actor or time than"),
    "another actor": ("actor = 'user:bea'", "with another event, reason, actor or time than"),
    "another time": ("changed_at = now()", "with another event, reason, actor or time than"),
}


@pytest.mark.parametrize(("edit", "said"), EDITS.values(), ids=EDITS)
def test_row_edited_in_any_column_is_found(session: Session, engine: Engine, edit: str, said: str) -> None:
    flip(engine, True, False, True, False)
    tamper(engine, f"UPDATE kill_switch SET {edit}")
    assert said in found(session)


def test_older_release_put_back_over_a_halt_is_found(session: Session, engine: Engine) -> None:
    flip(engine, True, False, True)
    tamper(
        engine,
        "UPDATE kill_switch k SET (event_id, enabled, reason, actor, changed_at) = (SELECT event_id, enabled, reason,"
        " actor, created_at FROM kill_switch_events WHERE NOT enabled)",
    )
    assert "it is shown as released" in found(session)
    assert "says halted" in found(session)


def test_row_that_names_an_event_nobody_recorded_is_found(session: Session, engine: Engine) -> None:
    tamper(engine, "UPDATE kill_switch SET event_id = gen_random_uuid()")
    assert found(session) == "it is shown as released, of which no event tells"


def test_row_that_is_gone_is_found(session: Session, engine: Engine) -> None:
    tamper(engine, "DELETE FROM kill_switch")
    assert found(session) == "its row is gone, so nothing may trade until somebody releases"
    flip(engine, False)
    assert found(session) == ""


def test_flip_in_market_time_after_one_by_the_clock_is_the_newest_for_it_was_recorded_last(
    session: Session, engine: Engine
) -> None:
    flip(engine, True, False, at=86_400)
    flip(engine, True)
    assert found(session) == ""
    tamper(engine, "UPDATE kill_switch SET enabled = false")
    assert "it is shown as released" in found(session)


def test_events_of_another_program_count_from_the_rebuild_on(session: Session) -> None:
    theirs(session, True, 5)
    theirs(session, False, 3)
    assert found(session) == "", "nothing was edited, and the desk was not adopted yet"
    rebuild.rebuild(session, after(6))
    assert kill_switch.state(session).enabled
    assert found(session) == ""
    theirs(session, False, 7)
    assert "it is shown as halted, the newest event, by nobody at" in found(session)


def test_rebuild_mends_what_the_row_says_of_its_event_and_releases_nothing(session: Session, engine: Engine) -> None:
    flip(engine, True, False)
    tamper(engine, "UPDATE kill_switch SET reason = 'mine', actor = NULL")
    rebuild.rebuild(session)
    assert found(session) == ""
    tamper(engine, "UPDATE kill_switch SET enabled = true")
    rebuild.rebuild(session)
    assert kill_switch.state(session).enabled
    tamper(engine, "DELETE FROM kill_switch")
    rebuild.rebuild(session)
    assert not kill_switch.state(session).known, "the newest event is a release, which nobody did just now"
