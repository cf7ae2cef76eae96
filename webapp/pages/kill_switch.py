"""The kill switch: where it stands, how to throw it, what that will do and what it did."""

import logging
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, current_app, flash, make_response, render_template, request

from webapp.domain.errors import BadInput, Conflict, Unconfirmed
from webapp.domain.reasons import cut_reason
from webapp.extensions import db
from webapp.pages.desk import switch_state
from webapp.pages.lists import ListPage, context_of, install_twins
from webapp.queries import switch
from webapp.services import kill_switch
from webapp.web.auth import current_actor, has_role, role
from webapp.web.htmx import answer, see_other, unchanged

log = logging.getLogger(__name__)
bp = Blueprint("kill_switch", __name__)
HOME = "/kill-switch/"
WORD = "RELEASE"
RELEASED = "Trading is on again; what was refused meanwhile stays refused."
PENDING = "Asked for the release. The desk stays halted until a second person asks for it too."


def around(_rows: list[Any]) -> Mapping[str, Any]:
    """What stands beside the history: what is at stake, and the receipt of the halt in force."""
    session = db.session()
    return {
        "preview": switch.preview(session),
        "receipt": switch.receipt(session),
        "checks": switch.release_checks(session),
        "pending": switch.pending_release(session),
    }


PAGE = ListPage("kill_switch_events", "/kill-switch", "kill_switch", around)
install_twins(bp, PAGE)


@bp.get(HOME)
def index() -> Response:
    """State, forms, receipt, history."""
    return _page({})


@bp.get("/kill-switch/state")
def state() -> Response:
    """The badge of every page's header, and the banner with it; 204 while nothing changed."""
    version = switch_state().version
    response = make_response("" if unchanged(version) else render_template("kill_switch/_state.html"))
    response.status_code = 204 if unchanged(version) else 200
    response.vary.add("HX-Request")
    return response


@bp.post("/kill-switch/on")
@role("operator")
def halt() -> Any:
    """Stop trading in one step. Nothing about the reason may keep the desk from halting: it is cut, never refused."""
    reason = cut_reason(request.form.get("reason", ""))
    try:
        receipt = kill_switch.halt(db.engine, reason, by=current_actor())
    except Unconfirmed:
        log.exception("halt not confirmed")
        return make_response(render_template("kill_switch/unconfirmed.html", reason=reason), 503)
    if receipt.already:
        flash("Trading was halted before; the first halt stands.", "warn")
    else:
        count = receipt.orders_canceled
        flash(f"Trading is halted. {count} resting order{'' if count == 1 else 's'} canceled.", "good")
    return see_other(f"{HOME}#receipt")


@bp.post("/kill-switch/off")
def release() -> Any:
    """Let the desk trade again: the role of RELEASE_ROLE, a reason and the typed word."""
    return role(release_role())(_release)()


def _release() -> Any:
    typed = {"reason": request.form.get("reason", ""), "confirm": request.form.get("confirm", "")}
    problems = {}
    if typed["confirm"].strip() != WORD:
        problems["confirm"] = f"Type {WORD} in capital letters."
    if not typed["reason"].strip():
        problems["reason"] = "Say why it is safe to trade again."
    if problems:
        return _page(problems, typed, 422)
    config = current_app.config["PAPERDESK"]
    keep_peak = request.form.get("drawdown_base") == "peak"
    try:
        released = kill_switch.release(
            db.engine, typed["reason"], by=current_actor(), people=config.release_people, keep_peak=keep_peak
        )
    except BadInput as error:
        return _page({error.field: f"{error.reason}."}, typed, 422)
    except Conflict as conflict:
        flash(f"Nothing was released: {conflict.message}.", "warn")
    except Unconfirmed as error:
        log.exception("release not confirmed")
        flash(f"Not confirmed: {error.message}.", "bad")
    else:
        flash(PENDING if isinstance(released, kill_switch.ReleasePending) else RELEASED, "good")
    return see_other(HOME)


def release_role() -> str:
    """Who may release, as set for this desk."""
    found: str = current_app.config["PAPERDESK"].release_role
    return found


def _page(problems: Mapping[str, str], typed: Mapping[str, str] | None = None, status: int = 200) -> Response:
    return answer(
        "kill_switch/index.html",
        "kill_switch/_table.html",
        status,
        state=switch_state(),
        may_release=has_role(release_role()),
        release_role=release_role(),
        problems=problems,
        typed=typed or {},
        **context_of(PAGE),
    )
