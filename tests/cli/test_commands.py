"""The `flask` commands as an operator meets them: one line said, a status that scripts can trust."""

import re
from collections.abc import Callable

import pytest
from click.testing import Result
from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.config import Config
from webapp.services import access, kill_switch, tokens

Run = Callable[..., Result]


def last_line(result: Result) -> str:
    return result.output.strip().splitlines()[-1]


def test_user_created_with_a_password_from_standard_input_may_log_in(run: Run, session: Session):
    done = run("users", "create", "olga", "--role", "operator", "--password-stdin", stdin="a long password\n")
    assert (done.exit_code, last_line(done)) == (0, "user olga may log in as operator")
    assert access.authenticate(session, "olga", "a long password").role == "operator"


def test_user_created_by_prompt_types_the_password_twice_and_never_sees_it(run: Run, session: Session):
    done = run("users", "create", "olga", "--role", "viewer", stdin="a long password\na long password\n")
    assert done.exit_code == 0
    assert "a long password" not in done.output
    assert access.authenticate(session, "olga", "a long password") is not None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("users", "create", "olga", "--role", "king", "--password-stdin"), "Invalid value for '--role'"),
        (("users", "create", "no spaces", "--role", "viewer", "--password-stdin"), "Error: name: must be"),
        (("users", "create", "olga"), "Missing option '--role'. Choose from: viewer, operator, admin"),
        (("tokens", "create", "bot", "--scope", "fly"), "Error: scopes: must be one or more of"),
        (("tokens", "create", "bot"), "Missing option '--scope'"),
        (("tokens", "revoke", "nobody"), "Error: there is no token named nobody"),
        (("release", "--reason", "fine again"), "Error: the desk is not halted"),
        (("release",), "Missing option '--reason'"),
        (("halt", "--reason", "x" * 501), "Error: reason: must not be longer than 500 characters"),
        (("audit", "verify", "--anchor", "yesterday"), "an anchor is written SEQ:HASH"),
        (("replay", "/no/such/file.csv"), "/no/such/file.csv"),
        (("replay", "quotes.csv", "--cycle-seconds", "0"), "Invalid value for '--cycle-seconds'"),
        (("books", "nonsense"), "No such command 'nonsense'"),
        (("halt", "--nonsense"), "No such option '--nonsense'"),
    ],
)
def test_bad_input_is_told_in_one_line_with_a_failing_status(run: Run, words: tuple[str, ...], told: str):
    done = run(*words, stdin="a long password\n")
    assert done.exit_code != 0
    assert told in done.output
    assert done.output.count("\n") == 1


def test_new_password_from_the_command_is_the_one_that_opens(run: Run, session: Session):
    access.create_user(session, "olga", "the words before", "viewer")
    done = run("users", "password", "olga", "--password-stdin", stdin="a long password\n")
    assert (done.exit_code, last_line(done)) == (0, "user olga has a new password and is logged out everywhere")
    assert access.authenticate(session, "olga", "a long password") is not None
    assert access.authenticate(session, "olga", "the words before") is None


@pytest.mark.parametrize("command", [("create", "olga", "--role", "viewer"), ("password", "olga")])
def test_obvious_password_is_refused_in_one_line_to_a_person_and_told_to_a_script(
    run: Run, session: Session, command: tuple[str, ...]
):
    if command[0] == "password":
        access.create_user(session, "olga", "the words before", "viewer")
    for typed, told in (("short", "at least 12 characters"), ("Password2026!", "among the first that anybody")):
        asked = run("users", *command, stdin=f"{typed}\n{typed}\n")
        assert asked.exit_code == 1
        assert told in last_line(asked)
    given = run("users", *command, "--password-stdin", stdin="short\n")
    assert given.exit_code == 0
    assert given.stderr.startswith("warning: password: must have at least 12 characters")
    assert access.authenticate(session, "olga", "short") is not None


def test_empty_password_is_refused_to_a_script_too(run: Run):
    done = run("users", "create", "olga", "--role", "viewer", "--password-stdin", stdin="\n")
    assert (done.exit_code, "must have 1 to 1000 characters" in last_line(done)) == (1, True)


def test_same_user_twice_is_refused(run: Run):
    words = ("users", "create", "olga", "--role", "viewer", "--password-stdin")
    assert run(*words, stdin="a long password\n").exit_code == 0
    again = run(*words, stdin="another password\n")
    assert (again.exit_code, last_line(again)) == (1, "Error: a user named olga exists")


@pytest.mark.parametrize(
    "scopes",
    [("--scope", "read", "trade"), ("--scope", "read", "--scope", "trade"), ("--scope", "read,trade")],
    ids=["listed", "repeated", "with a comma"],
)
def test_token_is_printed_alone_on_standard_output_and_works(run: Run, session: Session, scopes: tuple[str, ...]):
    done = run("tokens", "create", "bot", *scopes)
    assert done.exit_code == 0
    assert re.fullmatch(r"pd_\S+\n", done.stdout)
    assert tokens.token_for(session, done.stdout.strip()).scopes == ("read", "trade")


def test_revoked_token_opens_nothing(run: Run, session: Session):
    secret = run("tokens", "create", "bot", "--scope", "read").stdout.strip()
    done = run("tokens", "revoke", "bot")
    assert (done.exit_code, last_line(done)[:25]) == (0, "token bot is revoked sinc")
    assert tokens.token_for(session, secret) is None


def test_halt_and_release_say_what_they_did_and_are_recorded(run: Run, session: Session):
    halted = run("halt", "--reason", "drill")
    assert halted.exit_code == 0
    assert re.match(r"halted at \S+ \S+ UTC; 0 resting orders canceled; ", last_line(halted))
    assert kill_switch.state(session).enabled
    again = run("halt")
    assert (again.exit_code, "halted already" in last_line(again), "drill" in last_line(again)) == (0, True, True)
    session.rollback()
    released = run("release", "--reason", "drill over")
    assert released.exit_code == 0
    assert last_line(released).startswith("released at ")
    session.rollback()
    assert not kill_switch.state(session).enabled
    events = session.execute(text("SELECT enabled, reason, actor FROM kill_switch_events ORDER BY created_at")).all()
    assert events == [(True, "drill", "cli"), (False, "drill over", "cli")]


def test_books_and_audit_of_a_fresh_desk_hold(run: Run):
    assert last_line(run("books", "verify")).startswith("no drift: ")
    assert last_line(run("audit", "verify")).startswith("the audit holds: ")


def test_audit_checked_against_a_noted_head_finds_that_nothing_was_cut_off(run: Run):
    head = run("audit", "head").stdout.strip()
    run("halt", "--reason", "drill")
    assert run("audit", "verify", "--anchor", head).exit_code == 0
    elsewhere = f"{int(head.partition(':')[0]) + 1}:{'0' * 64}"
    assert run("audit", "verify", "--anchor", elsewhere).exit_code == 1


def test_drift_is_told_and_fails(run: Run, session: Session):
    session.execute(text("UPDATE account SET cash = cash + 1"))
    session.commit()
    done = run("books", "verify")
    assert done.exit_code == 1
    assert last_line(done).startswith("Error: 1 drift")


def test_upgrade_of_a_current_database_says_that_there_is_nothing_to_do(run: Run):
    done = run("db", "upgrade")
    assert done.exit_code == 0
    assert last_line(done).startswith("database: nothing to do, it is at ")


class TestDatabaseAway:
    @pytest.fixture
    def settings(self, settings: Config) -> Config:
        return settings.model_copy(update={"database_url": "postgresql+psycopg2://nobody@127.0.0.1:1/nothing"})

    @pytest.mark.parametrize(
        "words", [("books", "verify"), ("db", "upgrade"), ("tokens", "revoke", "x"), ("audit", "head")]
    )
    def test_command_says_so_in_one_line(self, run: Run, words: tuple[str, ...]):
        done = run(*words)
        assert done.exit_code == 1
        assert last_line(done).startswith("Error: the database does not answer: ")

    def test_halt_says_that_trading_must_be_assumed_on(self, run: Run):
        done = run("halt", "--reason", "drill")
        assert done.exit_code == 1
        assert "assume trading is ON" in last_line(done)


class TestDatabaseNotMigrated:
    @pytest.fixture
    def settings(self, settings: Config, empty_database_url) -> Config:
        url = empty_database_url.render_as_string(hide_password=False)
        return settings.model_copy(update={"database_url": url})

    def test_command_says_how_to_migrate_and_upgrade_says_what_it_did(self, run: Run):
        assert (
            last_line(run("books", "verify")) == "Error: the database is not migrated: run flask --app wsgi db upgrade"
        )
        assert re.fullmatch(r"database: migrated from none to \w+", last_line(run("db", "upgrade")))
        assert run("books", "verify").exit_code == 0


@pytest.mark.parametrize(
    ("words", "label"),
    [(("books", "verify"), "Refolding"), (("books", "rebuild"), "Rebuilding"), (("audit", "verify"), "Checking")],
)
def test_long_work_shows_how_far_it_is_on_a_terminal_and_leaves_what_is_printed_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], label: str
):
    assert label not in run(*words).output
    monkeypatch.setattr("webapp.cli.progress.watched", lambda: True)
    done = run(*words)
    assert label in done.stderr
    assert done.stdout.count("\n") == 1
