"""The order timeline, one order's whole story, and the button that cancels a resting one."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, flash, request

from webapp.domain.errors import BadInput, Conflict
from webapp.extensions import db
from webapp.pages import story as stories
from webapp.pages.lists import POLL_SECONDS, ListPage, install
from webapp.pages.telling import lapse
from webapp.queries import lineage, surroundings
from webapp.services import trading
from webapp.web.auth import current_actor, role
from webapp.web.htmx import answer, see_other, version_of

bp = Blueprint("orders", __name__)
install(bp, ListPage("orders", "/orders", "orders"))
bp.add_app_template_filter(lapse)


@bp.get("/orders/<uuid:order_id>")
def show(order_id: UUID) -> Response:
    """From the signal to the book after the last fill."""
    session = db.session()
    found = lineage.order_story(session, order_id)
    if found is None:
        abort(404, "No order has this id.")
    told = stories.tell(found)
    return answer(
        "orders/show.html",
        "orders/_story.html",
        version=version_of(found, told.outcome),
        told=told,
        neighbours=surroundings.orders_beside(session, found.order),
        # Only an order that waits can still change.
        poll=POLL_SECONDS if told.open else 0,
    )


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
