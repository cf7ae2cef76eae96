"""Logging in through an OpenID provider. People must be known here, and their role is ours; a password still works."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, Response, abort, request, session, url_for
from flask_login import current_user

from webapp.domain.oidc import name_in
from webapp.extensions import db
from webapp.pages.session import attempts, enter, form, write_down
from webapp.services import access
from webapp.web import oidc
from webapp.web.auth import own_path
from webapp.web.htmx import see_other
from webapp.web.limits import takes_any_text
from webapp.web.oidc import AwayError, RefusedError
from webapp.web.origins import came_from_elsewhere

if TYPE_CHECKING:
    from webapp.web.provider import Provider

bp = Blueprint("oidc", __name__)
log = logging.getLogger(__name__)
KEPT: Final = "oidc"
AWAY: Final = "{} does not answer as it should. Try again in a moment, or log in with your password."
REFUSED: Final = "The login through {} did not work, and nothing was done. Begin again from here."
UNKNOWN: Final = "Nobody here is called {}: ask an admin of this desk."
NAMELESS: Final = "{} vouches for no {} of yours that could be a name here: ask an admin of this desk."
SLOW_DOWN: Final = "Too many logins that did not work from here. Try again in {} s; passwords are not affected."


# A link, not a form: the content policy's form-action holds for every redirect after a form as well, so it would have
# to name the provider, and whatever hosts that sends people on to. `state` keeps strangers from logging anybody in as
# them; that no other site's page begins a login unasked, the browser's word of where the link was sees to.
@bp.get("/login/oidc")
def new() -> Any:
    """Off to the provider, to come back to the callback below."""
    provider = _provider()
    target = own_path(request.args.get("next"))
    if current_user.is_authenticated:
        return see_other(target)
    if came_from_elsewhere():
        return see_other(url_for("session.new", next=target))
    try:
        address, kept = provider.begin(url_for("oidc.callback", _external=True))
    except AwayError as error:
        return _away(provider, target, error)
    session[KEPT] = {**kept, "next": target}
    return see_other(address)


@bp.get("/login/oidc/callback")
@takes_any_text
def callback() -> Any:
    """Back from the provider: let in whom it vouches for, if they are somebody here."""
    provider = _provider()
    key = (request.remote_addr or "",)
    if wait := attempts.wait(key):
        return _slow_down(wait)
    kept = session.pop(KEPT, None)
    target = kept["next"] if kept else "/"
    try:
        claims = provider.finish(kept, request.args)
    except AwayError as error:
        return _away(provider, target, error)
    except RefusedError as error:
        log.warning("a login through the OpenID provider was refused: %s", error)
        return _failed(key, "", target, REFUSED.format(provider.name), 400)
    name = name_in(claims, provider.claim)
    if name is None:
        return _failed(key, "", target, NAMELESS.format(provider.name, provider.claim), 403)
    person = access.vouched_for(db.session(), name)
    if person is None:
        return _failed(key, name, target, UNKNOWN.format(name), 403)
    attempts.forget(key)
    enter(person, how="oidc")
    return see_other(target)


def _provider() -> Provider:
    return oidc.provider() or abort(404)


def _away(provider: Provider, target: str, error: AwayError) -> Response:
    log.error("the OpenID provider cannot be used: %s", error)
    return form(target, error=AWAY.format(provider.name), status=503)


def _failed(key: tuple[str], name: str, target: str, said: str, status: int) -> Response:
    attempts.count(key)
    write_down(name, throttled=False)
    return form(target, error=said, status=status)


def _slow_down(wait: int) -> Response:
    write_down("", throttled=True)
    response = form("/", error=SLOW_DOWN.format(wait), status=429)
    response.headers["Retry-After"] = str(wait)
    return response
