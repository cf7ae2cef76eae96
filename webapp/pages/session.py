"""Logging in and out. One answer for every wrong login, a new session for every right one."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, g, make_response, render_template, request, session
from flask.blueprints import BlueprintSetupState
from flask_login import current_user, login_user, logout_user

from webapp.extensions import db, login
from webapp.services import access
from webapp.web.auth import Person, own_path
from webapp.web.htmx import see_other
from webapp.web.throttle import Throttle

bp = Blueprint("session", __name__)
attempts = Throttle(tries=5, seconds=60.0)
WRONG = "That name and password do not belong together."
SLOW_DOWN = "Too many tries with this name from here. Wait a minute, then try again."
MAX_PASSWORD = 1024


@login.user_loader  # type: ignore[untyped-decorator]  # flask_login ships no types
def load(user_id: str) -> Person | None:
    """The person of a session cookie; nobody when they were disabled, or while the database cannot say."""
    if g.get("database_failed"):
        return None
    try:
        found = access.user(db.session(), UUID(user_id))
    except ValueError:
        return None
    return None if found is None else Person(str(found.user_id), found.name, found.role)


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
    if not attempts.allowed(key):
        return _form(target, name, SLOW_DOWN, 429)
    person = access.authenticate(db.session(), name, password) if len(password) <= MAX_PASSWORD else None
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
