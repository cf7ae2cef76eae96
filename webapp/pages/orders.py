"""The order timeline, one order's whole story, and the button that cancels a resting one."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, flash, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from webapp.domain.errors import BadInput, Conflict
from webapp.extensions import db
from webapp.pages import story as stories
from webapp.pages.lists import POLL_SECONDS, ListPage, install
from webapp.pages.story import Told
from webapp.pages.telling import lapse
from webapp.queries import lineage, surroundings
from webapp.services import trading
from webapp.web.auth import current_actor, role
from webapp.web.htmx import answer, see_other, wants_fragment

bp = Blueprint("orders", __name__)
install(bp, ListPage("orders", "/orders", "orders"))
bp.add_app_template_filter(lapse)


@bp.get("/orders/<uuid:order_id>")
def show(order_id: UUID) -> Response:
    """From the signal to the book after the last fill."""
    told = story_of(order_id)
    beside = surroundings.orders_beside(db.session(), told.story.order)
    return answer("orders/show.html", "orders/_story.html", **context_of(told), neighbours=beside)


@bp.get("/orders/<uuid:order_id>/fills")
def fills(order_id: UUID) -> AnyResponse:
    """Fills, states and book alone, for the live block; whoever asks for them as a page gets the page they are on."""
    if not wants_fragment():
        return redirect(f"/orders/{order_id}")
    return answer("orders/_fills.html", "orders/_fills.html", **context_of(story_of(order_id)))


def story_of(order_id: UUID) -> Told:
    """One order, told; 404 when there is none."""
    found = lineage.order_story(db.session(), order_id)
    if found is None:
        abort(404, "No order has this id.")
    return stories.tell(found)


def context_of(told: Told) -> dict[str, Any]:
    """What both blocks need. Only an order that waits can still change."""
    return {"version": told.version, "told": told, "poll": POLL_SECONDS if told.open else 0}


@bp.post("/orders/<uuid:order_id>/cancellation")
@role("operator")
def create_cancellation(order_id: UUID) -> Any:
    """Cancel what still rests; allowed while halted too."""
    try:
        trading.cancel(db.session(), order_id, by=current_actor(), reason=request.form.get("reason"))
    except Conflict as conflict:
        flash(f"Not canceled: {conflict.message}.", "bad")
    except BadInput as problem:
        flash(f"Not canceled: the {problem.field} {problem.reason}.", "bad")
    else:
        flash("The order is canceled. What had filled before stays filled.", "good")
    return see_other(f"/orders/{order_id}")
