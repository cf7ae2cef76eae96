"""Logging in and out. One answer for every wrong login, a new session for every right one."""

import threading
import time
from typing import Any

from flask import Blueprint, Response, flash, g, make_response, render_template, request, session
from flask.blueprints import BlueprintSetupState
from flask_login import current_user, login_user, logout_user
from sqlalchemy.exc import SQLAlchemyError

from webapp.domain.people import is_name
from webapp.extensions import db, login
from webapp.services import access, acts, kill_switch, sessions
from webapp.services.secrecy import fingerprint
from webapp.services.sessions import Visitor
from webapp.web import oidc
from webapp.web.auth import Person, own_path
from webapp.web.browsers import browser_name
from webapp.web.guesses import Guesses
from webapp.web.htmx import failed_database, see_other
from webapp.web.throttle import Throttle

bp = Blueprint("session", __name__)
attempts = Throttle(tries=5, seconds=60.0)
guesses = Guesses()
WRONG = "That name and password do not belong together."
SLOW_DOWN = "Too many tries with this name from here. Try again in {} s; others are not affected."
HALTING = "kill_switch.halt"


class Member(Person):
    """Somebody logged in. What the cookie holds is the secret of the session, `id`."""

    def __init__(self, secret: str, who: Visitor) -> None:
        super().__init__(secret, who.name, who.role)
        self.user_id = who.user_id
        self.session_id = who.session_id


@login.user_loader  # type: ignore[untyped-decorator]  # flask_login ships no types
def load(secret: str) -> Member | None:
    """The person of a session cookie; nobody when it was ended or they were disabled."""
    if g.get("database_failed"):
        return None
    if request.endpoint == HALTING:
        return _load_to_halt(secret)
    who = sessions.visitor(db.session(), secret)
    return None if who is None else seen.note(Member(secret, who))


def _load_to_halt(secret: str) -> Member | None:
    """The same on a connection of its own, as the halt itself: neither may fail for want of one from the pool.

    Only when the database cannot say at all is somebody believed who was here lately.
    """
    try:
        who = kill_switch.aside(db.engine, lambda own: sessions.visitor(own, secret, note=False))
    except SQLAlchemyError:
        person = seen.recall(secret)
        if person is None:
            raise
        failed_database()
        return person
    return None if who is None else Member(secret, who)


class Memory:
    """Who was here lately, by session; a role remembered for longer than a quarter of an hour is worth nothing."""

    SECONDS = 900.0
    MOST = 1_000

    def __init__(self) -> None:
        self._people: dict[str, tuple[float, Member]] = {}
        self._lock = threading.Lock()

    def note(self, person: Member) -> Member:
        """Remember somebody as of now, and at most the latest MOST."""
        key = fingerprint(person.id)
        with self._lock:
            self._people.pop(key, None)
            self._people[key] = (time.monotonic(), person)
            if len(self._people) > self.MOST:
                del self._people[next(iter(self._people))]
        return person

    def recall(self, secret: str) -> Member | None:
        """The person, if they were seen within SECONDS."""
        at, person = self._people.get(fingerprint(secret), (0.0, None))
        return person if person and time.monotonic() - at < self.SECONDS else None

    def forget(self) -> None:
        """Remember nobody: some session has ended. Whoever is still in is noted again with their next page."""
        with self._lock:
            self._people.clear()


seen = Memory()


@bp.get("/login")
def new() -> Any:
    """The form; whoever is in already goes on."""
    target = own_path(request.args.get("next"))
    return see_other(target) if current_user.is_authenticated else form(target)


@bp.post("/login")
def create() -> Any:
    """Check name and password; the failure never says which of them was wrong."""
    name = request.form.get("username", "")
    password = request.form.get("password", "")
    target = own_path(request.form.get("next"))
    key = (name, request.remote_addr or "")
    if wait := attempts.wait(key):
        write_down(name, throttled=True)
        response = form(target, name, SLOW_DOWN.format(wait), 429)
        response.headers["Retry-After"] = str(wait)
        return response
    person = access.authenticate(db.session(), name, password)
    if person is None:
        attempts.count(key)
        write_down(name, throttled=False)
        return form(target, name, WRONG, 422)
    attempts.forget(key)
    enter(person)
    return see_other(target)


def enter(person: access.UserRecord, how: str | None = None) -> None:
    """Begin a session of this person in this browser, in place of whatever it had; `how`, if not by a password."""
    secret = sessions.open_session(
        db.session(),
        person.user_id,
        person.name,
        address=request.remote_addr,
        browser=browser_name(request.user_agent.string),
        how=how,
        instead_of=current_user.id if current_user.is_authenticated else None,
    )
    session.clear()
    seen.forget()
    who = sessions.visitor(db.session(), secret)
    if who is None:
        raise RuntimeError("a session ended before it began")
    login_user(Member(secret, who))


def write_down(name: str, *, throttled: bool) -> None:
    """A row for this guess and those before it that have none, unless there were many rows lately."""
    if times := guesses.take(request.remote_addr or ""):
        known = name if is_name(name) else None
        address = request.remote_addr or ""
        acts.record_failed_login(db.session(), known, address, times=times, throttled=throttled)


def tell_guesses() -> None:
    """Write down the guesses that were only counted so far, for somebody who is about to look."""
    if times := guesses.rest():
        acts.record_failed_login(db.session(), None, None, times=times, throttled=True)


@bp.get("/logout")
def edit() -> str:
    """Ask first: a link alone must not log anybody out."""
    return render_template("session/logout.html")


@bp.post("/logout")
def delete() -> Any:
    """End the session, on the server too: its cookie opens nothing any more, whoever has it."""
    if current_user.is_authenticated:
        sessions.log_out(db.session(), current_user.id, request.remote_addr)
    seen.forget()
    logout_user()
    session.clear()
    flash("You are logged out.", "good")
    return see_other("/login")


def form(target: str, name: str = "", error: str = "", status: int = 200) -> Response:
    """The login page, with what went wrong if something did."""
    page = render_template("session/login.html", target=target, name=name, error=error, provider=oidc.provider())
    return make_response(page, status)


@bp.record_once
def _reset(_state: BlueprintSetupState) -> None:
    """A new app begins with no counted failures."""
    attempts.clear()
    guesses.clear()
