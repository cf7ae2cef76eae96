"""One person, as an admin sees them: role, password, whether they may log in, and the browsers they are in with."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, abort, flash, request
from flask_login import current_user

from webapp.domain.people import SHORTEST_PASSWORD
from webapp.extensions import db
from webapp.pages import admin, trying
from webapp.pages.session import seen
from webapp.pages.trying import Trouble
from webapp.queries import people
from webapp.services import access, sessions
from webapp.web.auth import current_actor, role
from webapp.web.htmx import answer, see_other

bp = Blueprint("people", __name__)
PERSON = "/admin/people/<name>"


@bp.post("/admin/people")
@role("admin")
def create() -> Any:
    """Somebody new."""

    def act() -> str:
        name, password, wanted = (request.form.get(key, "") for key in ("name", "password", "role"))
        made = access.create_user(db.session(), name, password, wanted, by=current_actor())
        return f"{made.name} may log in as {made.role}."

    return trying.attempt("user-create", act, admin.HOME, admin.page)


@bp.get(PERSON)
@role("admin")
def show(name: str) -> Response:
    """The person and the forms."""
    return _page(name, trying.NONE, 200)


@bp.post(f"{PERSON}/role")
@role("admin")
def change_role(name: str) -> Any:
    """Another role; what they were logged in with ends, but the browser this comes from."""

    wanted = request.form.get("role", "")

    def act() -> None:
        access.set_role(db.session(), name, wanted, current_actor(), keep=current_user.session_id)

    return _change(name, "user-role", act, f"{name} is {wanted}.")


@bp.post(f"{PERSON}/password")
@role("admin")
def set_password(name: str) -> Any:
    """Another password, to be told to them."""

    def act() -> None:
        access.set_password(db.session(), name, request.form.get("password", ""), current_actor())

    return _change(name, "user-password", act, f"{name} has the new password and must log in anew.")


@bp.post(f"{PERSON}/disable")
@role("admin")
def disable(name: str) -> Any:
    """No more logins, and out at once."""

    def act() -> None:
        access.disable_user(db.session(), name, current_actor())

    return _change(name, "user-disable", act, f"{name} is out and may not log in.")


@bp.post(f"{PERSON}/enable")
@role("admin")
def enable(name: str) -> Any:
    """Logins again."""

    def act() -> None:
        access.enable_user(db.session(), name, current_actor())

    return _change(name, "user-enable", act, f"{name} may log in again.")


@bp.post(f"{PERSON}/sessions/end")
@role("admin")
def end_sessions(name: str) -> Any:
    """Out of every browser, but the one this comes from."""
    person = _found(name)
    count = sessions.end_others(db.session(), person.user_id, current_actor(), keep=current_user.session_id)
    seen.forget()
    flash(f"Browsers of {name} logged out: {count}.", "good")
    return see_other(f"/admin/people/{name}")


def _change(name: str, form: str, act: Callable[[], None], told: str) -> Any:
    person = _found(name)

    def changed() -> str:
        act()
        seen.forget()
        return told

    def again(trouble: Trouble, status: int) -> Response:
        return _page(person.name, trouble, status)

    return trying.attempt(form, changed, f"/admin/people/{person.name}", again)


def _found(name: str) -> people.Person:
    found = people.people(db.session(), sessions.IDLE, name)
    if not found:
        abort(404, f"Nobody here is called {name[:64]}.")
    return found[0]


def _page(name: str, trouble: Trouble, status: int) -> Response:
    person = _found(name)
    return answer(
        "admin/person.html",
        "admin/person.html",
        status,
        person=person,
        sessions=people.sessions(db.session(), person.user_id, sessions.IDLE),
        here_id=current_user.session_id,
        trouble=trouble,
        role_choices=admin.ROLE_CHOICES,
        shortest=SHORTEST_PASSWORD,
    )
