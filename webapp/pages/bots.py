"""One bot, as an admin sees it: what it may do, what it did, and the forms that rein it in."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, abort, request

from webapp.domain.errors import BadInput, Conflict
from webapp.domain.money import parse_amount
from webapp.extensions import db
from webapp.pages import admin, trying
from webapp.pages.trying import Trouble, trouble_with
from webapp.queries import bots
from webapp.services import tokens
from webapp.services.tokens import Caps
from webapp.services.transaction import database_now
from webapp.web.auth import current_actor, role
from webapp.web.htmx import answer

bp = Blueprint("bots", __name__)
BOT = "/admin/bots/<name>"
CREATE = "token-create"


@bp.post("/admin/bots")
@role("admin")
def create() -> Any:
    """A new token, shown in this one answer and never again."""
    try:
        record, secret = tokens.create_token(
            db.session(),
            request.form.get("name", ""),
            request.form.getlist("scopes"),
            current_actor(),
            expires_at=_expiry(request.form.get("days", "")),
            caps=_caps(),
        )
    except BadInput as error:
        return admin.page(trouble_with(CREATE, error), 422)
    except Conflict as conflict:
        return admin.page(trouble_with(CREATE, BadInput("name", conflict.message)), 409)
    return answer("admin/token.html", "admin/token.html", 201, token=record, secret=secret)


@bp.get(BOT)
@role("admin")
def show(name: str) -> Response:
    """The bot, its score and the forms."""
    return _page(name, trying.NONE, 200)


@bp.post(f"{BOT}/pause")
@role("admin")
def pause(name: str) -> Any:
    """Stop this bot alone."""
    reason = request.form.get("reason", "")
    return _change(
        name, "token-pause", lambda: tokens.pause_token(db.session(), name, current_actor(), reason), "{} is paused."
    )


@bp.post(f"{BOT}/resume")
@role("admin")
def resume(name: str) -> Any:
    """Let it go on."""
    return _change(
        name, "token-resume", lambda: tokens.resume_token(db.session(), name, current_actor()), "{} may go on."
    )


@bp.post(f"{BOT}/caps")
@role("admin")
def caps(name: str) -> Any:
    """Limits of its own; an empty field takes one away."""
    return _change(
        name, "token-caps", lambda: tokens.set_caps(db.session(), name, _caps(), current_actor()), "{} has these caps."
    )


@bp.post(f"{BOT}/revoke")
@role("admin")
def revoke(name: str) -> Any:
    """Out of force for good; the typed name says that this one is meant."""

    def act() -> Any:
        if request.form.get("confirm", "").strip() != name:
            raise BadInput("confirm", "must be the name of this bot")
        return tokens.revoke_token(db.session(), name, current_actor())

    return _change(name, "token-revoke", act, "{} is revoked.")


def _change(name: str, form: str, act: Callable[[], Any], told: str) -> Any:
    _found(name)

    def done() -> str:
        act()
        return told.format(name)

    return trying.attempt(form, done, f"/admin/bots/{name}", lambda trouble, status: _page(name, trouble, status))


def _found(name: str) -> bots.Bot:
    found = bots.scoreboard(db.session(), name)
    if not found:
        abort(404, f"No bot here is called {name[:64]}.")
    return found[0]


def _page(name: str, trouble: Trouble, status: int) -> Response:
    return answer("admin/bot.html", "admin/bot.html", status, bot=_found(name), trouble=trouble)


def _expiry(days: str) -> Any:
    if days not in (choice for choice, _ in admin.LIFETIMES):
        raise BadInput("days", "must be one of those offered")
    return database_now(db.session()) + timedelta(days=int(days)) if days else None


def _caps() -> Caps:
    """The caps as typed; an empty field is none."""
    notional, cycles = (request.form.get(name, "").strip() for name in ("max_order_notional", "cycles_per_minute"))
    if cycles and not (cycles.isascii() and cycles.isdecimal() and len(cycles) < 9):
        raise BadInput("cycles_per_minute", "must be a whole number")
    return Caps(
        parse_amount(notional, "max_order_notional") if notional else None,
        int(cycles) if cycles else None,
    )
