"""Logging in and out. One answer for every wrong login, a new session for every right one."""

import time
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, g, make_response, render_template, request, session
from flask.blueprints import BlueprintSetupState
from flask_login import current_user, login_user, logout_user
from sqlalchemy.exc import SQLAlchemyError

from webapp.extensions import db, login
from webapp.services import access
from webapp.web.auth import Person, own_path
from webapp.web.htmx import failed_database, see_other
from webapp.web.throttle import Throttle

bp = Blueprint("session", __name__)
attempts = Throttle(tries=5, seconds=60.0)
WRONG = "That name and password do not belong together."
SLOW_DOWN = "Too many tries with this name from here. Try again in {} s; others are not affected."
HALTING = "kill_switch.halt"


@login.user_loader  # type: ignore[untyped-decorator]  # flask_login ships no types
def load(user_id: str) -> Person | None:
    """The person of a session cookie; nobody when they were disabled, or while the database cannot say."""
    if g.get("database_failed"):
        return None
    try:
        found = access.user(db.session(), UUID(user_id))
    except ValueError:
        return None
    except SQLAlchemyError:
        # Halting has a connection of its own, and must not fail for want of one to look somebody up.
        if request.endpoint != HALTING or (person := seen.recall(user_id)) is None:
            raise
        db.session.rollback()
        failed_database()
        return person
    if found is None:
        return None
    return seen.note(Person(str(found.user_id), found.name, found.role))


class Memory:
    """Who was here lately, by id; a role remembered for longer than a quarter of an hour is worth nothing."""

    SECONDS = 900.0

    def __init__(self) -> None:
        self._people: dict[str, tuple[float, Person]] = {}

    def note(self, person: Person) -> Person:
        """Remember somebody as of now."""
        self._people[person.id] = (time.monotonic(), person)
        return person

    def recall(self, user_id: str) -> Person | None:
        """The person, if they were seen within SECONDS."""
        at, person = self._people.get(user_id, (0.0, None))
        return person if person and time.monotonic() - at < self.SECONDS else None


seen = Memory()


@bp.get("/login")
def new() -> Any:
    """The form; whoever is in already goes on."""
    target = own_path(request.args.get("next"))
    return see_other(target) if current_user.is_authenticated else _form(target)


@bp.post("/login")
def create() -> Any:
    """Check name and password; the failure never says which of them was wrong."""
    name = request.form.get("username", "")
    password = request.form.get("password", "")
    target = own_path(request.form.get("next"))
    key = (name, request.remote_addr or "")
    if wait := attempts.wait(key):
        response = _form(target, name, SLOW_DOWN.format(wait), 429)
        response.headers["Retry-After"] = str(wait)
        return response
    person = access.authenticate(db.session(), name, password)
    if person is None:
        attempts.count(key)
        return _form(target, name, WRONG, 422)
    attempts.forget(key)
    session.clear()
    login_user(Person(str(person.user_id), person.name, person.role))
    return see_other(target)


@bp.get("/logout")
def edit() -> str:
    """Ask first: a link alone must not log anybody out."""
    return render_template("session/logout.html")


@bp.post("/logout")
def delete() -> Any:
    """End the session."""
    logout_user()
    session.clear()
    flash("You are logged out.", "good")
    return see_other("/login")


def _form(target: str, name: str = "", error: str = "", status: int = 200) -> Response:
    return make_response(render_template("session/login.html", target=target, name=name, error=error), status)


@bp.record_once
def _reset(_state: BlueprintSetupState) -> None:
    """A new app begins with no counted failures."""
    attempts.clear()
