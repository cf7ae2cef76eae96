"""A release that takes two people: who asks first, who else, and within which time."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.services.desks import after, rows
from webapp.services import kill_switch
from webapp.services.kill_switch import SECOND_PERSON_WITHIN, ReleasePending, ReleaseReceipt

WITHIN = SECOND_PERSON_WITHIN / timedelta(seconds=1)


@pytest.fixture(autouse=True)
def halted(engine: Engine) -> None:
    kill_switch.halt(engine, "stop", "user:ada", after(-1))


def ask(engine: Engine, who: str, at: float = 0) -> ReleaseReceipt | ReleasePending:
    return kill_switch.release(engine, "go on", f"user:{who}", after(at), people=2)


def is_halted(session: Session) -> bool:
    enabled = kill_switch.state(session).enabled
    session.rollback()
    return enabled


def test_second_person_releases(session: Session, engine: Engine) -> None:
    assert ask(engine, "olga") == ReleasePending("user:olga", "go on", after(0))
    assert is_halted(session)
    assert isinstance(ask(engine, "ben", WITHIN), ReleaseReceipt)
    assert not is_halted(session)
    assert rows(session, "SELECT * FROM release_requests") == []


def test_nobody_is_their_own_second_person(session: Session, engine: Engine) -> None:
    for at in (0, 1, 2):
        assert isinstance(ask(engine, "olga", at), ReleasePending)
    assert is_halted(session)


def test_request_that_nobody_joined_in_time_counts_no_more(session: Session, engine: Engine) -> None:
    ask(engine, "olga")
    assert isinstance(ask(engine, "ben", WITHIN + 1), ReleasePending), "the first one who asks now"
    assert is_halted(session)
    assert isinstance(ask(engine, "olga", WITHIN + 2), ReleaseReceipt)


def test_request_ends_with_the_release_it_asked_for(session: Session, engine: Engine) -> None:
    ask(engine, "olga")
    kill_switch.release(engine, "one is enough now", "user:ada", after(1))
    kill_switch.halt(engine, "stop again", "user:ada", after(2))
    assert isinstance(ask(engine, "ben", 3), ReleasePending)
    assert is_halted(session)
