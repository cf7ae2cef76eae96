"""One engine leads: by a lock that lives with its connection, a lease that counts, and a fence for whoever had led."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests.support import eventually
from webapp.services import leadership
from webapp.services.leadership import Fenced, Lease


class Candidate:
    """An engine's own connection, with everything the engine does on it."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.name = name
        self.connection: Connection = engine.connect()
        self.session = Session(bind=self.connection)

    def take(self) -> Lease | None:
        return leadership.take(self.session, self.name)

    @property
    def pid(self) -> int:
        found: int = self.session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        self.session.commit()
        return found

    def close(self) -> None:
        self.connection.invalidate()
        self.connection.close()


@pytest.fixture
def one(engine: Engine) -> Iterator[Candidate]:
    candidate = Candidate(engine, "one")
    yield candidate
    candidate.close()


@pytest.fixture
def other(engine: Engine) -> Iterator[Candidate]:
    candidate = Candidate(engine, "other")
    yield candidate
    candidate.close()


def lease_of(session: Session) -> tuple[int, str]:
    row = session.execute(text("SELECT epoch, holder FROM engine_lease")).one()
    session.rollback()
    return row.epoch, row.holder


def grow_old(session: Session, seconds: float) -> None:
    """The leader has not beaten for so long."""
    session.execute(
        text("UPDATE engine_lease SET beat_at = clock_timestamp() - make_interval(secs => :s)"), {"s": seconds}
    )
    session.commit()


def test_first_engine_leads_and_the_second_stands_by(one: Candidate, other: Candidate, session: Session) -> None:
    assert one.take() == Lease(1, "one")
    assert other.take() is None
    assert lease_of(session) == (1, "one")


def test_leader_beats_as_long_as_it_leads(one: Candidate, session: Session) -> None:
    lease = one.take()
    assert lease
    grow_old(session, 3)
    leadership.beat(one.session, lease)
    age = session.execute(text("SELECT clock_timestamp() - beat_at < interval '1 second' FROM engine_lease"))
    assert age.scalar_one() is True


def test_leader_that_gives_up_is_followed_at_once_under_a_later_epoch(one: Candidate, other: Candidate) -> None:
    assert one.take()
    leadership.give_up(one.session)
    assert other.take() == Lease(2, "other")


def test_leader_whose_connection_is_killed_is_followed_at_once(
    one: Candidate, other: Candidate, session: Session
) -> None:
    assert one.take()
    session.execute(text("SELECT pg_terminate_backend(:pid, 2000)"), {"pid": one.pid})
    session.rollback()
    assert other.take() == Lease(2, "other")


def test_leader_that_lost_its_connection_writes_nothing_more(
    one: Candidate, other: Candidate, session: Session
) -> None:
    lease = one.take()
    assert lease
    session.execute(text("SELECT pg_terminate_backend(:pid, 2000)"), {"pid": one.pid})
    session.rollback()
    with pytest.raises(DBAPIError):
        leadership.beat(one.session, lease)
    assert other.take()


def test_fenced_leader_on_another_connection_cannot_beat(one: Candidate, other: Candidate, session: Session) -> None:
    old = one.take()
    assert old
    leadership.give_up(one.session)
    assert other.take()
    with pytest.raises(Fenced):
        leadership.beat(session, old)
    assert lease_of(session) == (2, "other")


def test_leader_that_merely_pauses_is_left_alone(one: Candidate, other: Candidate, session: Session) -> None:
    lease = one.take()
    assert lease
    grow_old(session, 4)
    assert other.take() is None
    leadership.beat(one.session, lease)


def test_frozen_leader_is_ended_and_replaced(one: Candidate, other: Candidate, session: Session) -> None:
    lease = one.take()
    assert lease
    grow_old(session, 5.5)
    assert other.take() is None
    assert eventually(lambda: other.take() == Lease(2, "other"))
    with pytest.raises(DBAPIError):
        leadership.beat(one.session, lease)


def test_frozen_leader_in_the_middle_of_a_write_leaves_nothing_of_it(
    one: Candidate, other: Candidate, session: Session
) -> None:
    assert one.take()
    one.session.execute(text("UPDATE account SET cash = cash - 1"))
    grow_old(session, 5.5)
    assert eventually(lambda: other.take() is not None)
    assert session.execute(text("SELECT cash FROM account")).scalar_one() == 10_000
    with pytest.raises(DBAPIError):
        one.session.commit()


def test_candidates_taking_turns_never_lead_at_once(engine: Engine, session: Session) -> None:
    epochs = []
    for _ in range(5):
        first, second = Candidate(engine, "a"), Candidate(engine, "b")
        leases = [first.take(), second.take()]
        assert [lease is None for lease in leases] == [False, True]
        epochs.append(lease_of(session)[0])
        leadership.give_up(first.session)
        first.close()
        second.close()
    assert epochs == [1, 2, 3, 4, 5]
