"""The kill switch: where it stands, how to throw it, what that will do, and what it did, now and each time before."""

import logging
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, current_app, flash, jsonify, make_response, render_template, request

from webapp.domain.errors import BadInput, Conflict, Unconfirmed
from webapp.domain.halts import CAUSES
from webapp.domain.reasons import LONGEST_REASON, cut_reason
from webapp.extensions import db
from webapp.pages.desk import may_halt, switch_state
from webapp.pages.lists import ListPage, context_of, install_twins
from webapp.queries import halt_checks, switch
from webapp.services import kill_switch, second_person, self_checks
from webapp.services.kill_switch import HaltReceipt, ReleasePending
from webapp.web.auth import current_actor, has_role, role
from webapp.web.filters import money
from webapp.web.htmx import answer, see_other, unchanged, version_of, wants_fragment
from webapp.web.limits import takes_any_text
from webapp.web.wire import item

log = logging.getLogger(__name__)
bp = Blueprint("kill_switch", __name__)
HOME = "/kill-switch/"
WORD = "RELEASE"
FORMS_HEADER = "X-Forms"
PENDING = "Asked for the release. The desk stays halted until a second person asks for it too."


def around(rows: list[Any]) -> Mapping[str, Any]:
    """What the history's table shows beside its rows."""
    return {"spells": switch.spells(db.session(), rows)}


PAGE = ListPage("kill_switch_events", "/kill-switch", "kill_switch", around)
install_twins(bp, PAGE)


@bp.get(HOME)
def index() -> Response:
    """State, forms, receipt, history."""
    return _page({})


@bp.get("/kill-switch/now")
def now() -> Any:
    """The live part of the page, and the forms with it when those that are open no longer fit; 204 without news."""
    if not wants_fragment():
        return see_other(HOME)
    situation = _situation()
    return answer(
        "kill_switch/_now.html",
        "kill_switch/_now.html",
        version=situation["now_version"],
        redraw_forms=request.headers.get(FORMS_HEADER) != situation["forms"],
        problems={},
        typed={},
        **situation,
    )


@bp.get("/kill-switch/events/<uuid:event_id>")
def event(event_id: UUID) -> Response:
    """The receipt of any halt, or what a release ended."""
    return answer("kill_switch/event.html", "kill_switch/event.html", receipt=_receipt_of(event_id))


@bp.get("/kill-switch/events/<uuid:event_id>.json")
def event_json(event_id: UUID) -> Response:
    """The same for programs, and for keeping outside."""
    receipt = _receipt_of(event_id)
    waited = None if receipt.waited is None else receipt.waited.total_seconds()
    return jsonify(
        item({name: value for name, value in receipt.event.items() if name != "waited"})
        | {
            "waited_seconds": waited,
            "refused_is_more": receipt.refused_is_more,
            "canceled_orders": [item(row) for row in receipt.canceled],
            "positions_left": [item(row) for row in receipt.left],
        }
    )


@bp.get("/kill-switch/state")
def state() -> Response:
    """The badge of every page's header, and the banner with it; 204 while nothing changed."""
    version = switch_state().version
    response = make_response("" if unchanged(version) else render_template("kill_switch/_state.html"))
    response.status_code = 204 if unchanged(version) else 200
    response.vary.add("HX-Request")
    return response


@bp.post("/kill-switch/on")
@takes_any_text
@role("operator")
def halt() -> Any:
    """Stop trading in one step. Nothing about the reason may keep the desk from halting: it is cut, never refused."""
    typed = request.form.get("reason", "")
    reason = cut_reason(typed)
    try:
        receipt = kill_switch.halt(db.engine, reason, by=current_actor())
    except Unconfirmed:
        log.exception("halt not confirmed")
        return make_response(render_template("kill_switch/unconfirmed.html", reason=typed), 503)
    flash(_told(receipt), "warn" if receipt.already else "good")
    if len(typed.strip()) > LONGEST_REASON and not receipt.already:
        flash(f"Its reason was longer than {LONGEST_REASON} characters; the first {LONGEST_REASON} were kept.", "warn")
    return _go_to(f"{HOME}#receipt")


def release_role() -> str:
    """Who may release, as set for this desk."""
    found: str = current_app.config["PAPERDESK"].release_role
    return found


@bp.post("/kill-switch/off")
@takes_any_text
@role(release_role)
def release() -> Any:
    """Let the desk trade again: the role of RELEASE_ROLE, a reason and the typed word."""
    typed = {name: request.form.get(name, "") for name in ("reason", "confirm", "drawdown_base")}
    problems = {}
    if typed["confirm"].strip() != WORD:
        problems["confirm"] = f"Type {WORD} in capital letters."
    if not typed["reason"].strip():
        problems["reason"] = "Say why it is safe to trade again."
    if problems:
        return _page(problems, typed, 422)
    config = current_app.config["PAPERDESK"]
    keep_peak = typed["drawdown_base"] == "peak"
    try:
        released = kill_switch.release(
            db.engine, typed["reason"], by=current_actor(), people=config.release_people, keep_peak=keep_peak
        )
    except BadInput as error:
        return _page({error.field: f"A reason {error.reason}; it has {len(typed['reason'].strip())}."}, typed, 422)
    except Conflict as conflict:
        flash(f"Nothing was released: {conflict.message}.", "warn")
    except Unconfirmed as error:
        log.exception("release not confirmed")
        flash(f"Not confirmed: {error.message}.", "bad")
    else:
        flash(PENDING if isinstance(released, ReleasePending) else _released(released), "good")
    return see_other(HOME)


def _told(receipt: HaltReceipt) -> str:
    """What a halt did, as far as only its own request knows."""
    if receipt.already:
        return "Trading was halted before; the first halt stands."
    count = receipt.orders_canceled
    said = f"Trading is halted. {count} resting order{'' if count == 1 else 's'} canceled."
    hung = f" Trades that hung, ended and undone: {receipt.cut_off}." if receipt.cut_off else ""
    return f"{said} Confirmed after {receipt.took_ms / 1000:.2f} s.{hung}"


def _released(receipt: kill_switch.ReleaseReceipt) -> str:
    base = "still counts from the peak of" if receipt.kept_peak else "counts anew, from a NAV of"
    said = "Trading is on again; what was refused meanwhile stays refused."
    return f"{said} Drawdown {base} {money(Decimal(receipt.peak_nav))} USDC."


def _go_to(location: str) -> Any:
    """After a halt. htmx must load the page anew even when only the part behind the # differs."""
    response = see_other(location)
    if "HX-Redirect" in response.headers:
        response.headers["HX-Refresh"] = "true"
    return response


def _receipt_of(event_id: UUID) -> switch.Receipt:
    found = switch.receipt(db.session(), event_id)
    if found is None:
        abort(404, "The switch was never turned by an event of this id.")
    return found


def _situation() -> dict[str, Any]:
    """Everything about this moment; which forms fit it is one word, so that an open page knows when its own do not."""
    session, config, state = db.session(), current_app.config["PAPERDESK"], switch_state()
    may_release = has_role(release_role())
    halted = state.known and state.enabled
    found = {
        "state": state,
        "forms": f"{'off' if state.enabled else 'on'}{state.known:d}{may_halt():d}{may_release:d}",
        "preview": None if halted else switch.preview(session),
        "holdings": switch.holdings(session),
        "receipt": switch.receipt(session) if halted else None,
        "checks": halt_checks.read(session, config.symbols, config.dead_man_seconds, self_checks.OVERDUE),
        "pending": switch.pending_release(session) if halted else None,
        "may_release": may_release,
        "release_role": release_role(),
        "release_people": config.release_people,
        "second_within": second_person.SECOND_PERSON_WITHIN,
    }
    return {**found, "now_version": version_of(*found.values())}


def _page(problems: Mapping[str, str], typed: Mapping[str, str] | None = None, status: int = 200) -> Response:
    around_it = {} if wants_fragment() else _situation()
    return answer(
        "kill_switch/index.html",
        "kill_switch/_table.html",
        status,
        problems=problems,
        typed=typed or {},
        redraw_forms=False,
        causes=CAUSES.values(),
        **around_it,
        **context_of(PAGE),
    )
