"""Links that show the desk without a login: making and revoking them, and coming in by one."""

from datetime import timedelta
from typing import Any, Final, cast
from uuid import UUID

from flask import Blueprint, Flask, Response, abort, flash, g, request, session
from flask.blueprints import BlueprintSetupState
from flask_login import current_user

from webapp.domain.errors import BadInput
from webapp.extensions import db
from webapp.pages import trying
from webapp.pages.trying import Trouble, trouble_with
from webapp.queries import people
from webapp.services import sharing
from webapp.services.sharing import Guest
from webapp.web.auth import current_actor, role, welcome_guests
from webapp.web.htmx import answer, see_other

bp = Blueprint("shares", __name__)
HOME: Final = "/shares/"
CREATE: Final = "share-create"
KEY: Final = "share"
HOURS: Final = (
    ("24", "1 day"),
    ("1", "1 hour"),
    ("8", "8 hours"),
    ("72", "3 days"),
    ("168", "7 days"),
    ("720", "30 days"),
)
LONGEST_SECRET: Final = 100
CLOSED: Final = (
    "This link opens nothing: it was mistyped, or revoked, or its time is over. Whoever sent it can make another."
)


@bp.get(HOME)
@role("operator")
def index() -> Response:
    """The links and the form."""
    return _page(trying.NONE, 200)


@bp.post(HOME)
@role("operator")
def create() -> Any:
    """A new link, shown in this one answer and never again."""
    try:
        label, span = request.form.get("label", ""), _span(request.form.get("hours", ""))
        link, secret = sharing.create_link(db.session(), label, span, current_actor())
    except BadInput as error:
        return _page(trouble_with(CREATE, error), 422)
    address = f"{request.host_url}share/{secret}"
    return answer("shares/made.html", "shares/made.html", 201, link=link, secret=address)


@bp.post(f"{HOME}<uuid:link_id>/revoke")
@role("operator")
def revoke(link_id: UUID) -> Any:
    """Close it, also for those who are looking."""
    link = sharing.revoke_link(db.session(), link_id, current_actor())
    flash(f"The link for {link.label} opens nothing any more.", "good")
    return see_other(HOME)


@bp.get("/share/<secret>")
def enter(secret: str) -> Any:
    """Come in by a link, and go on at once to an address without its secret."""
    guest = sharing.guest_by_secret(db.session(), secret) if len(secret) <= LONGEST_SECRET else None
    if guest is None:
        abort(404, CLOSED)
    if not current_user.is_authenticated:
        session[KEY] = str(guest.link_id)
    return see_other("/")


def guest() -> Guest | None:
    """Who looks on through a link and is not logged in. Asked once a request; unknown while the database is away."""
    if "guest" not in g:
        g.guest = None
        if KEY in session and not g.get("database_failed") and not current_user.is_authenticated:
            g.guest = sharing.guest_by_link(db.session(), UUID(session[KEY]))
    found: Guest | None = g.guest
    return found


@bp.after_app_request
def _unlisted(response: Response) -> Response:
    """What only a link shows is for no search engine."""
    if request.blueprint == bp.name or g.get("guest") is not None:
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


@bp.record_once
def _install(state: BlueprintSetupState) -> None:
    app = cast("Flask", state.app)
    welcome_guests(app, lambda: guest() is not None)
    app.jinja_env.globals["guest"] = guest


def _span(hours: str) -> timedelta:
    if hours not in (choice for choice, _ in HOURS):
        raise BadInput("hours", "must be one of those offered")
    return timedelta(hours=int(hours))


def _page(trouble: Trouble, status: int) -> Response:
    links = people.share_links(db.session())
    return answer("shares/index.html", "shares/index.html", status, links=links, hours=HOURS, trouble=trouble)
