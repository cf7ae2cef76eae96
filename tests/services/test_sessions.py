"""Sessions: in force until they end, for whatever reason, and kept without what opens them."""

import threading
from datetime import timedelta
from hashlib import sha256
from uuid import uuid4

import pytest
from sqlalchemy import Engine, event, select, update
from sqlalchemy.orm import Session

from tests.support import PASSWORD
from webapp.domain.errors import BadInput, Conflict, NotFound
from webapp.models import Act, LoginSession, User
from webapp.services import access, acts, audit, sessions
from webapp.services.access import UserRecord

NEW_PASSWORD = "four other words entirely"


@pytest.fixture
def olga(session: Session) -> UserRecord:
    access.create_user(session, "ada", PASSWORD, "admin")
    return access.create_user(session, "olga", PASSWORD, "operator")


def enter(session: Session, person: UserRecord, **more: str) -> str:
    return sessions.open_session(session, person.user_id, person.name, **more)


def is_in(session: Session, secret: str) -> bool:
    return sessions.visitor(session, secret, note=False) is not None


def told(session: Session) -> list[tuple[str, str, str | None]]:
    """Every act after the making of people, oldest first."""
    session.rollback()
    rows = session.execute(select(Act.act, Act.actor, Act.subject).order_by(Act.created_at, Act.act_id)).all()
    return [tuple(row) for row in rows if row.act != "user_created"]


def test_session_opens_by_its_secret_which_is_not_stored(session: Session, olga: UserRecord) -> None:
    secret = enter(session, olga, address="10.0.0.1", browser="Firefox on Linux")
    who = sessions.visitor(session, secret)
    assert who is not None
    assert (who.user_id, who.name, who.role) == (olga.user_id, "olga", "operator")
    row = session.execute(select(LoginSession)).scalar_one()
    assert (row.address, row.browser, row.secret_hash) == (
        "10.0.0.1",
        "Firefox on Linux",
        sha256(secret.encode()).hexdigest(),
    )
    for wrong in (secret[:-1], "", "x" * 5000, str(row.session_id), row.secret_hash, "\ud800"):
        assert not is_in(session, wrong)


@pytest.mark.parametrize(
    ("column", "span"),
    [(LoginSession.expires_at, timedelta()), (LoginSession.last_seen_at, sessions.IDLE)],
    ids=["too long open", "too long unseen"],
)
def test_session_ends_by_itself(session: Session, olga: UserRecord, column: object, span: timedelta) -> None:
    secret = enter(session, olga)
    for left, still in ((timedelta(seconds=60), True), (timedelta(seconds=-1), False)):
        session.execute(update(LoginSession).values({column: LoginSession.created_at + left - span}))
        session.commit()
        assert is_in(session, secret) is still


def test_visit_costs_one_statement_and_is_noted_once_a_minute(
    engine: Engine, session: Session, olga: UserRecord
) -> None:
    secret = enter(session, olga)
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    sessions.visitor(session, secret)
    assert len(sent) == 1
    long_ago = LoginSession.last_seen_at - timedelta(seconds=sessions.SEEN_SECONDS + 1)
    session.execute(update(LoginSession).values(last_seen_at=long_ago))
    session.commit()
    before = session.execute(select(LoginSession.last_seen_at)).scalar_one()
    assert sessions.visitor(session, secret, note=False) is not None
    assert session.execute(select(LoginSession.last_seen_at)).scalar_one() == before
    sessions.visitor(session, secret)
    session.rollback()
    assert session.execute(select(LoginSession.last_seen_at)).scalar_one() > before + timedelta(seconds=60)


def test_logging_out_ends_the_session_once_and_for_good(session: Session, olga: UserRecord) -> None:
    secret, other = enter(session, olga), enter(session, olga)
    for _ in range(2):
        sessions.log_out(session, secret, "10.0.0.1")
    assert (is_in(session, secret), is_in(session, other)) == (False, True)
    assert told(session) == [("login", "user:olga", None)] * 2 + [("logout", "user:olga", None)]


def test_login_in_the_same_browser_ends_the_session_it_had(session: Session, olga: UserRecord) -> None:
    old = enter(session, olga)
    new = enter(session, olga, instead_of=old)
    assert (is_in(session, old), is_in(session, new)) == (False, True)


def test_one_session_or_all_others_are_ended_and_nobody_elses(session: Session, olga: UserRecord) -> None:
    ada = access.create_user(session, "adam", PASSWORD, "viewer")
    mine, second, third, theirs = enter(session, olga), enter(session, olga), enter(session, olga), enter(session, ada)
    here, there = sessions.visitor(session, mine), sessions.visitor(session, second)
    assert here is not None
    assert there is not None
    with pytest.raises(NotFound):
        sessions.end_session(session, there.session_id, ada.user_id, "user:adam")
    with pytest.raises(NotFound):
        sessions.end_session(session, uuid4(), olga.user_id, "user:olga")
    sessions.end_session(session, there.session_id, olga.user_id, "user:olga")
    assert [is_in(session, secret) for secret in (mine, second, third, theirs)] == [True, False, True, True]
    assert sessions.end_others(session, olga.user_id, "user:olga", keep=here.session_id) == 1
    assert [is_in(session, secret) for secret in (mine, third, theirs)] == [True, False, True]
    assert told(session)[-2:] == [("session_ended", "user:olga", "user:olga")] * 2


def test_password_changed_by_its_owner_ends_the_other_sessions(session: Session, olga: UserRecord) -> None:
    mine, other = enter(session, olga), enter(session, olga)
    here = sessions.visitor(session, mine)
    assert here is not None
    assert access.change_password(session, "olga", PASSWORD, NEW_PASSWORD, keep=here.session_id) == 1
    assert (is_in(session, mine), is_in(session, other)) == (True, False)
    assert access.authenticate(session, "olga", NEW_PASSWORD) is not None
    assert access.authenticate(session, "olga", PASSWORD) is None
    assert told(session)[-1] == ("password_changed", "user:olga", "user:olga")


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("wrong", NEW_PASSWORD, "old_password"),
        (PASSWORD, PASSWORD, "new_password"),
        (PASSWORD, "elevenchars", "new_password"),
        (PASSWORD, "Password2026!", "new_password"),
        (PASSWORD, "olga-olga-olga", "new_password"),
        (PASSWORD, "1234567890123", "new_password"),
        (PASSWORD, "aaaaaaaaaaaabbb", "new_password"),
        (PASSWORD, "qwertyuiopasd", "new_password"),
        (PASSWORD, "adminADMIN1234", "new_password"),
    ],
)
def test_password_is_not_changed_without_the_old_one_or_to_an_obvious_one(
    session: Session, olga: UserRecord, old: str, new: str, field: str
) -> None:
    secret = enter(session, olga)
    with pytest.raises(BadInput) as caught:
        access.change_password(session, "olga", old, new)
    assert caught.value.field == field
    assert is_in(session, secret)
    assert access.authenticate(session, "olga", PASSWORD) is not None


def test_what_an_admin_changes_about_somebody_ends_their_sessions(session: Session, olga: UserRecord) -> None:
    for change in (
        lambda: access.set_role(session, "olga", "viewer", "user:ada"),
        lambda: access.set_password(session, "olga", NEW_PASSWORD, "user:ada"),
        lambda: access.disable_user(session, "olga", "user:ada"),
    ):
        secret = enter(session, olga)
        change()
        assert not is_in(session, secret)
    assert access.authenticate(session, "olga", NEW_PASSWORD) is None
    access.enable_user(session, "olga", "user:ada")
    found = access.authenticate(session, "olga", NEW_PASSWORD)
    assert found is not None
    assert found.role == "viewer"
    changes = [act for act in told(session) if act[0] != "login"]
    assert changes == [
        (act, "user:ada", "user:olga") for act in ("user_role", "password_set", "user_disabled", "user_enabled")
    ]


def test_last_admin_stays_one(session: Session, olga: UserRecord) -> None:
    for change in (
        lambda name: access.set_role(session, name, "viewer", "user:ada"),
        lambda name: access.disable_user(session, name, "user:ada"),
    ):
        with pytest.raises(Conflict, match="last admin"):
            change("ada")
    access.set_role(session, "olga", "admin", "user:ada")
    access.disable_user(session, "ada", "user:olga")
    with pytest.raises(Conflict, match="last admin"):
        access.set_role(session, "olga", "operator", "user:olga")
    assert [act for act, *_ in told(session)] == ["user_role", "user_disabled"]


def test_failed_login_names_nobody_but_those_who_exist(session: Session, olga: UserRecord) -> None:
    """What is typed for a name may be a password."""
    for typed in ("olga", "Olga", "my-secret-password", None):
        acts.record_failed_login(session, typed, "10.0.0.1", times=1, throttled=False)
    assert [subject for _, _, subject in told(session)] == ["user:olga", None, None, None]
    assert "my-secret" not in str(session.execute(select(Act.details)).scalars().all())


def test_two_admins_who_disable_each_other_at_once_leave_one(engine: Engine, session: Session) -> None:
    for turn in range(5):
        names = [f"ann{turn}", f"ben{turn}"]
        for name in names:
            access.create_user(session, name, PASSWORD, "admin")
        start, outcomes = threading.Barrier(2), []

        def disable(name: str, by: str, start: threading.Barrier = start, outcomes: list[str] = outcomes) -> None:
            with Session(engine) as mine:
                start.wait()
                try:
                    access.disable_user(mine, name, by)
                    outcomes.append("done")
                except Conflict:
                    outcomes.append("last")

        pair = [threading.Thread(target=disable, args=order) for order in (names, names[::-1])]
        for thread in pair:
            thread.start()
        for thread in pair:
            thread.join(30)
        assert sorted(outcomes) == ["done", "last"]
        session.rollback()
        session.execute(update(User).values(role="viewer"))
        session.commit()


def test_acts_are_chained_and_hold_no_password(session: Session, olga: UserRecord) -> None:
    secret = enter(session, olga, address="10.0.0.1")
    access.set_password(session, "olga", NEW_PASSWORD, "user:ada")
    rows = session.execute(select(Act.details)).scalars().all()
    assert not any(word in str(rows) for word in (PASSWORD, NEW_PASSWORD, secret))
    report = audit.verify(session)
    assert report.ok, report.first_bad
    assert report.rows == 1 + 2 + 2, "the first policy, two people, a login and a password"
