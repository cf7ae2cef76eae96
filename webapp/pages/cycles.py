"""Cycles: what was seen, said, judged and done."""

from uuid import UUID

from flask import Blueprint, Response, abort

from webapp.extensions import db
from webapp.pages.arithmetic import explain
from webapp.pages.lists import POLL_SECONDS, ListPage, install
from webapp.queries import lineage
from webapp.web.htmx import answer, version_of

bp = Blueprint("cycles", __name__)
install(bp, ListPage("cycles", "/cycles", "cycles"))


@bp.get("/cycles/<uuid:cycle_id>")
def show(cycle_id: UUID) -> Response:
    """Everything that carries this cycle's id."""
    story = lineage.cycle_story(db.session(), cycle_id)
    if story is None:
        abort(404, "No cycle has this id.")
    return answer(
        "cycles/show.html",
        "cycles/_story.html",
        version=version_of(story),
        story=story,
        explained={
            order.order["order_id"]: [explain(part, order.order["limit_price"]) for part in order.fills]
            for order in story.orders
        },
        poll=POLL_SECONDS if any(order.order["status"] == "approved" for order in story.orders) else 0,
    )
