"""Everything about the doors of the desk in one place: people, bots, links, and what was done to them last."""

from datetime import timedelta

from flask import Blueprint, Response

from webapp.domain.people import ROLES, SCOPES, SHORTEST_PASSWORD
from webapp.extensions import db
from webapp.pages import trying
from webapp.pages.looks import LOOKS
from webapp.pages.session import tell_guesses
from webapp.pages.trying import Trouble
from webapp.queries import bots, people, timeline
from webapp.queries.timeline import LISTINGS
from webapp.services import sessions
from webapp.web.auth import role
from webapp.web.filters import page_now
from webapp.web.htmx import answer

bp = Blueprint("admin", __name__)
HOME = "/admin/"
SCORE_SPAN = timedelta(days=30)
NEWEST_ACTS = 8
ROLE_CHOICES = tuple((name, name) for name in ROLES)
LIFETIMES = (("30", "30 days"), ("1", "1 day"), ("7", "7 days"), ("90", "90 days"), ("365", "1 year"), ("", "no end"))


@bp.get(HOME)
@role("admin")
def index() -> Response:
    """All of it."""
    return page(trying.NONE, 200)


def page(trouble: Trouble, status: int) -> Response:
    """The page, with what is wrong with the form that was sent, if one was."""
    tell_guesses()
    session = db.session()
    return answer(
        "admin/index.html",
        "admin/index.html",
        status,
        trouble=trouble,
        people=people.people(session, sessions.IDLE),
        bots=bots.scoreboard(session, since=page_now() - SCORE_SPAN),
        links=people.share_links(session),
        acts=timeline.page(session, LISTINGS["acts"], {}, NEWEST_ACTS).rows,
        acts_look=LOOKS["acts"],
        role_choices=ROLE_CHOICES,
        scopes=SCOPES,
        lifetimes=LIFETIMES,
        shortest=SHORTEST_PASSWORD,
        score_span=SCORE_SPAN,
    )
