"""One's own account: who one is, the browsers one is logged in with, and another password."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, request
from flask_login import current_user

from webapp.domain.errors import BadInput
from webapp.domain.people import SHORTEST_PASSWORD
from webapp.extensions import db
from webapp.pages import trying
from webapp.pages.session import seen
from webapp.pages.trying import Trouble
from webapp.queries import people
from webapp.services import access, sessions
from webapp.web.auth import current_actor, role
from webapp.web.htmx import answer, see_other
from webapp.web.throttle import Throttle

bp = Blueprint("account", __name__)
HOME = "/account/"
PASSWORD = "password-change"  # noqa: S105  # the name of a form
guesses = Throttle(tries=5, seconds=60.0)
"""Of the old password: somebody may sit at a browser that was left open."""


@bp.get(HOME)
@role("viewer")
def index() -> Response:
    """Who, where, and the form."""
    return _page(trying.NONE, 200)


@bp.post(f"{HOME}password")
@role("viewer")
def change_password() -> Any:
    """Another password, for whoever knows the old one; other browsers are logged out."""
    return trying.attempt(PASSWORD, _change_password, HOME, _page)


@bp.post(f"{HOME}sessions/<uuid:session_id>/end")
@role("viewer")
def end_session(session_id: UUID) -> Any:
    """Log one browser out."""
    sessions.end_session(db.session(), session_id, current_user.user_id, current_actor())
    seen.forget()
    flash("That browser is logged out.", "good")
    return see_other(HOME)


@bp.post(f"{HOME}sessions/end-others")
@role("viewer")
def end_others() -> Any:
    """Log every other browser out."""
    count = sessions.end_others(db.session(), current_user.user_id, current_actor(), keep=current_user.session_id)
    seen.forget()
    flash(f"Browsers logged out: {count}. This one stays.", "good")
    return see_other(HOME)


def _change_password() -> str:
    key = current_user.user_id
    if wait := guesses.wait(key):
        raise BadInput("old_password", f"was wrong too often; try again in {wait} s")
    old, new, again = (request.form.get(name, "") for name in ("old_password", "new_password", "again"))
    if new != again:
        raise BadInput("again", "is not the same as the new one")
    try:
        ended = access.change_password(db.session(), current_user.name, old, new, keep=current_user.session_id)
    except BadInput as error:
        if error.field == "old_password":
            guesses.count(key)
        raise
    guesses.forget(key)
    seen.forget()
    return f"Your password is changed. Other browsers logged out: {ended}."


def _page(trouble: Trouble, status: int) -> Response:
    return answer(
        "account/index.html",
        "account/index.html",
        status,
        trouble=trouble,
        sessions=people.sessions(db.session(), current_user.user_id, sessions.IDLE),
        here_id=current_user.session_id,
        shortest=SHORTEST_PASSWORD,
        longest=sessions.LONGEST,
        idle=sessions.IDLE,
    )
