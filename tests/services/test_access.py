"""People: who is let in, who is not, and what may not be told from outside."""

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tests import builders
from webapp.domain.errors import BadInput, Conflict
from webapp.models import User
from webapp.services import access, passwords, sessions

PASSWORD = "correct horse battery staple"


def test_the_right_password_lets_in_and_any_other_does_not(session: Session) -> None:
    made = access.create_user(session, "olga", PASSWORD, "operator")
    assert access.authenticate(session, "olga", PASSWORD) == made
    for wrong in ("", PASSWORD + " ", PASSWORD.upper(), "x" * 5000, PASSWORD + "\x00", "\ud800"):
        assert access.authenticate(session, "olga", wrong) is None
    for nobody in ("Olga", "olga ", "", "o" * 200, "nobody", "olga\x00", "'; --"):
        assert access.authenticate(session, nobody, PASSWORD) is None


def test_a_password_is_not_shortened(session: Session) -> None:
    longest = (PASSWORD * 40)[:1000]
    access.create_user(session, "olga", longest, "viewer")
    assert access.authenticate(session, "olga", longest) is not None
    assert access.authenticate(session, "olga", longest + "x") is None
    assert access.authenticate(session, "olga", longest[:-1]) is None


def test_an_unknown_name_costs_one_hash_as_a_wrong_password_does(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    access.create_user(session, "olga", PASSWORD, "viewer")
    checked: list[str] = []
    monkeypatch.setattr(passwords, "matches", lambda stored, _: bool(checked.append(stored)))
    access.authenticate(session, "olga", "wrong")
    access.authenticate(session, "nobody", "wrong")
    assert len(checked) == 2
    assert all(stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$") for stored in checked)


def test_the_password_is_kept_as_argon2id_only(session: Session) -> None:
    access.create_user(session, "olga", PASSWORD, "viewer")
    stored = session.execute(select(User.password_hash)).scalar_one()
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in stored


def test_an_outdated_hash_is_renewed_at_login(session: Session) -> None:
    access.create_user(session, "olga", PASSWORD, "viewer")
    weak = passwords.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    session.execute(update(User).values(password_hash=weak))
    session.commit()
    assert access.authenticate(session, "olga", PASSWORD) is not None
    assert session.execute(select(User.password_hash)).scalar_one().startswith("$argon2id$v=19$m=19456,t=2")


def test_a_disabled_person_is_out_at_once(session: Session) -> None:
    made = access.create_user(session, "olga", PASSWORD, "viewer")
    secret = sessions.open_session(session, made.user_id, made.name)
    assert sessions.visitor(session, secret) is not None
    session.execute(update(User).values(disabled_at=builders.now()))
    session.commit()
    assert sessions.visitor(session, secret) is None
    assert access.authenticate(session, "olga", PASSWORD) is None


@pytest.mark.parametrize(
    ("name", "password", "role", "field"),
    [
        ("", PASSWORD, "viewer", "name"),
        ("two words", PASSWORD, "viewer", "name"),
        ("olga\n", PASSWORD, "viewer", "name"),
        ("-olga", PASSWORD, "viewer", "name"),
        ("o" * 65, PASSWORD, "viewer", "name"),
        ("olga", "", "viewer", "password"),
        ("olga", (PASSWORD * 40)[:1001], "viewer", "password"),
        ("olga", PASSWORD, "root", "role"),
    ],
)
def test_a_person_that_makes_no_sense_is_refused(
    session: Session, name: str, password: str, role: str, field: str
) -> None:
    with pytest.raises(BadInput) as caught:
        access.create_user(session, name, password, role)
    assert caught.value.field == field


def test_a_name_is_taken_once(session: Session) -> None:
    access.create_user(session, "olga", PASSWORD, "viewer")
    with pytest.raises(Conflict):
        access.create_user(session, "olga", PASSWORD, "viewer")


def test_ensuring_a_person_twice_changes_nothing_and_mends_what_differs(session: Session) -> None:
    first = access.ensure_user(session, "demo", "one", "viewer")
    stored = session.execute(select(User.password_hash)).scalar_one()
    assert access.ensure_user(session, "demo", "one", "viewer") == first
    assert session.execute(select(User.password_hash)).scalar_one() == stored
    assert access.ensure_user(session, "demo", "two", "admin").role == "admin"
    assert access.authenticate(session, "demo", "two") is not None
    assert access.authenticate(session, "demo", "one") is None
