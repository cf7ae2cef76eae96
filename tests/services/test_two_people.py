"""A release that takes two people: who asks first, who else, and within which time."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.services.desks import after, rows
from webapp.domain.reasons import LONGEST_REASON
from webapp.services import audit, kill_switch, tokens
from webapp.services.kill_switch import ReleasePending, ReleaseReceipt
from webapp.services.second_person import SECOND_PERSON_WITHIN

WITHIN = SECOND_PERSON_WITHIN / timedelta(seconds=1)


@pytest.fixture(autouse=True)
def halted(engine: Engine) -> None:
    kill_switch.halt(engine, "stop", "user:ada", after(-1))


def ask(engine: Engine, who: str, at: float = 0, reason: str = "go on") -> ReleaseReceipt | ReleasePending:
    by = who if who == "cli" or ":" in who else f"user:{who}"
    return kill_switch.release(engine, reason, by, after(at), people=2)


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


# --- who is somebody else ---
@pytest.fixture
def made(session: Session) -> None:
    """Tokens by who made them: ada's two, ben's, one of the command line, one of the demo."""
    for name, maker in (("ada-1", "user:ada"), ("ada-2", "user:ada"), ("ben-1", "user:ben"), ("shell", "cli")):
        tokens.create_token(session, name, ["admin"], maker)
    tokens.create_token(session, "demo", ["admin"], "demo")
    tokens.revoke_token(session, "ada-2", "user:ada")


ONE_PERSON = [
    ("ada", "token:ada-1"),
    ("token:ada-1", "ada"),
    ("token:ada-1", "token:ada-2"),
    ("cli", "token:shell"),
    ("token:shell", "token:demo"),
    ("ada", "token:nobodys"),
    ("token:nobodys", "ada"),
    ("token:nobodys", "token:neither"),
]
TWO_PEOPLE = [("ada", "token:ben-1"), ("token:ada-1", "token:ben-1"), ("token:shell", "ada"), ("ben", "cli")]


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(("first", "second"), ONE_PERSON)
def test_token_is_the_person_who_made_it_and_nobody_without_one(
    session: Session, engine: Engine, first: str, second: str
) -> None:
    ask(engine, first)
    assert isinstance(ask(engine, second, 1), ReleasePending)
    assert is_halted(session)


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(("first", "second"), TWO_PEOPLE)
def test_two_people_may_release_by_whatever_is_theirs(
    session: Session, engine: Engine, first: str, second: str
) -> None:
    ask(engine, first)
    assert isinstance(ask(engine, second, 1), ReleaseReceipt)
    assert not is_halted(session)


# --- what is written down ---
def test_event_names_both_people_with_their_reasons_and_the_audit_keeps_what_each_asked(
    session: Session, engine: Engine
) -> None:
    ask(engine, "olga", 0, "quotes are back")
    receipt = ask(engine, "ben", 1, "I looked as well")
    assert isinstance(receipt, ReleaseReceipt)
    both = "I looked as well (asked for first by user:olga: quotes are back)"
    (event,) = rows(session, "SELECT actor, reason FROM kill_switch_events WHERE NOT enabled")
    assert (event["actor"], event["reason"]) == ("user:ben", both)
    assert (receipt.reason, kill_switch.state(session).reason) == (both, both)
    asked = rows(session, "SELECT actor, details, created_at FROM acts WHERE act = 'release_asked' ORDER BY created_at")
    assert asked == [
        {"actor": "user:olga", "details": {"reason": "quotes are back"}, "created_at": after(0)},
        {"actor": "user:ben", "details": {"reason": "I looked as well"}, "created_at": after(1)},
    ]
    assert audit.verify(session).ok


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [(500, 500, (233, 232)), (500, 3, (463, 3)), (3, 500, (3, 463)), (240, 241, (233, 232)), (234, 233, (234, 233))],
)
def test_reasons_too_long_for_one_are_cut_fairly_and_whole_in_the_audit(
    session: Session, engine: Engine, first: int, second: int, shown: tuple[int, int]
) -> None:
    ask(engine, "olga", 0, "x" * first)
    ask(engine, "ben", 1, "z" * second)
    (event,) = rows(session, "SELECT reason FROM kill_switch_events WHERE NOT enabled")
    assert len(event["reason"]) == LONGEST_REASON
    assert " (asked for first by user:olga: x" in event["reason"]
    assert (event["reason"].count("x"), event["reason"].count("z")) == shown
    kept = rows(session, "SELECT details ->> 'reason' AS why FROM acts WHERE act = 'release_asked' ORDER BY created_at")
    assert [row["why"] for row in kept] == ["x" * first, "z" * second]


def test_release_by_one_is_no_act_beside_its_event(session: Session, engine: Engine) -> None:
    kill_switch.release(engine, "one is enough", "user:ada", after(1))
    assert rows(session, "SELECT * FROM acts") == []
