"""The order timeline, one order's whole story, and the button that cancels a resting one."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, flash

from webapp.domain.errors import Conflict
from webapp.extensions import db
from webapp.pages.arithmetic import explain
from webapp.pages.lists import POLL_SECONDS, ListPage, install
from webapp.queries import lineage
from webapp.services import trading
from webapp.web.auth import current_actor, role
from webapp.web.htmx import answer, see_other, version_of

bp = Blueprint("orders", __name__)
install(bp, ListPage("orders", "/orders", "orders"))


@bp.get("/orders/<uuid:order_id>")
def show(order_id: UUID) -> Response:
    """From the signal to the book after the last fill."""
    story = lineage.order_story(db.session(), order_id)
    if story is None:
        abort(404, "No order has this id.")
    # Only a resting order can still change.
    poll = POLL_SECONDS if story.order["status"] in ("proposed", "approved") else 0
    return answer(
        "orders/show.html",
        "orders/_story.html",
        version=version_of(story),
        story=story,
        explained=[explain(part, story.order["limit_price"]) for part in story.fills],
        poll=poll,
    )


@bp.post("/orders/<uuid:order_id>/cancellation")
@role("operator")
def create_cancellation(order_id: UUID) -> Any:
    """Cancel what still rests; allowed while halted too."""
    try:
        trading.cancel(db.session(), order_id, by=current_actor())
    except Conflict as conflict:
        flash(f"Not canceled: {conflict.message}.", "bad")
    else:
        flash("The order is canceled. What had filled before stays filled.", "good")
    return see_other(f"/orders/{order_id}")
