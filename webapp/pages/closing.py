"""Closing a position: what it would trade and what the gate says of that, then the order it became."""

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from flask import Blueprint, Response, abort, flash, request

from webapp.domain.errors import BadInput, Conflict
from webapp.domain.money import exact, parse_amount
from webapp.extensions import db
from webapp.pages.market import known_shape
from webapp.pages.rulings import rulings
from webapp.pages.trying import NONE, Trouble, trouble_with
from webapp.queries import holding, timeline
from webapp.services import closing
from webapp.services.trading import CycleResult
from webapp.web.auth import current_actor, role
from webapp.web.filters import qty
from webapp.web.htmx import answer, see_other

bp = Blueprint("closing", __name__)
HOME = "/positions/"
FORM = "close-position"
PAGE = ("positions/closing.html", "positions/closing.html")


@bp.get("/positions/<symbol>/closing")
@role("operator")
def show(symbol: str) -> Response:
    """Look before it is done; `qty` asks about less than all of it."""
    try:
        return _page(symbol, _most(request.args.get("qty", "")))
    except BadInput as error:
        return _page(symbol, None, trouble_with(FORM, error), 422)


@bp.post("/positions/<symbol>/closing")
@role("operator")
def create(symbol: str) -> Any:
    """Trade out of it: of what is held at that moment, never more."""
    known_shape(symbol)
    try:
        key = str(UUID(request.form.get("key", "")))
    except ValueError:
        flash("Nothing was traded: the form was not complete. Look again, and close it from here.", "bad")
        return see_other(f"{HOME}{symbol}/closing")
    try:
        most = _most(request.form.get("qty", ""))
        done = closing.close(db.session(), symbol, by=current_actor(), key=key, most=most)
    except BadInput as error:
        return _page(symbol, None, trouble_with(FORM, error), 422)
    except Conflict as conflict:
        flash(f"Nothing was traded: {conflict.message}.", "bad")
        return see_other(HOME)
    return _tell(symbol, done)


def _page(symbol: str, most: Decimal | None, trouble: Trouble = NONE, status: int = 200) -> Response:
    """The form carries a key of its own, so that sending it twice trades once."""
    held = timeline.one(db.session(), timeline.LISTINGS["positions"], known_shape(symbol))
    if held is None or not held["qty"]:
        abort(404, "The desk holds nothing of this symbol, so there is nothing to close.")
    found = closing.look(db.session(), symbol, by=current_actor(), most=most)
    proposal = found["proposal"]
    judged = [] if proposal is None else rulings(found["rules"], proposal["qty"])
    return answer(
        *PAGE,
        status,
        held=held,
        most=most,
        found=found,
        proposal=proposal,
        remains=Decimal(0) if proposal is None else _remains(held["qty"], proposal["qty"]),
        notional=next((rule.value for rule in judged if rule.rule == "MAX_ORDER_NOTIONAL"), None),
        remedy=next((rule.remedy for rule in judged if rule.binding), ""),
        resting=holding.resting(db.session(), symbol),
        rulings=judged,
        trouble=trouble,
        key=uuid4(),
    )


def _most(text: str) -> Decimal | None:
    """The quantity asked for; None, for all of it, when nothing was typed."""
    if not text.strip():
        return None
    amount = parse_amount(text.strip(), "qty")
    if amount <= 0:
        raise BadInput("qty", "must be above zero")
    return amount


@exact
def _remains(held: Decimal, closed: Decimal) -> Decimal:
    return abs(held) - closed


def _tell(symbol: str, done: CycleResult) -> Any:
    """What came of it, on the page that shows it."""
    document = done.document
    if "error" in document:
        details = document["error"]["details"]
        flash(f"Not closed: {document['error']['message']}", "bad")
        order_id = details["order_id"]
        return see_other(f"/orders/{order_id}" if order_id else f"/cycles/{details['cycle_id']}")
    if document["order"] is None:
        flash(f"Nothing of {symbol} was held any more, so nothing was traded.", "warn")
        return see_other(HOME)
    order = document["order"]
    what = f"{order['side']} {qty(Decimal(order['qty']))} {symbol}"
    if document["outcome"] == "executed":
        flash(f"Done: {what}. What it filled at stands below.", "good")
    else:
        flash(f"Under way: {what}. What one quote could not fill waits for the next.", "warn")
    return see_other(f"/orders/{order['order_id']}")
