"""What stands before every call: a token with the scope, its pace, a pause of its bot, and the form of the request."""

from __future__ import annotations

import logging
from typing import Any

from flask import Response, current_app, g, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import InternalServerError, NotAcceptable, RequestEntityTooLarge

from webapp.api import pace, wire
from webapp.api.calls import CALLS, Call, bp
from webapp.api.errors import Forbidden, Unauthorized
from webapp.domain.errors import BadInput
from webapp.extensions import db
from webapp.services import kill_switch, tokens
from webapp.services.tokens import TokenRecord
from webapp.web.params import printable

log = logging.getLogger(__name__)


@bp.before_request
def guard() -> Response | None:
    """Closed by default: a call that declares nothing is never answered."""
    wire.as_of()
    call = CALLS.get(request.endpoint or "")
    if call is None:
        raise InternalServerError(f"{request.endpoint} is not declared as a call")
    if request.method == "OPTIONS":
        return _methods()
    if call.scopes:
        need(*call.scopes)
        _keep_pace(call)
        if not call.while_paused:
            refuse_paused()
    if not call.urgent:
        _check_form(call)
    # One byte more, because a chunked body is cut off at the limit without a word: the byte shows that there was more.
    request.max_content_length = call.max_body + 1
    if len(request.get_data(cache=True)) > call.max_body:
        raise RequestEntityTooLarge
    return None


def need(*scopes: str) -> None:
    """Refuse unless the request's token has one of these scopes. Sets `g.actor` and `g.token`."""
    if "token" not in g:
        g.token = _token()
        g.actor = g.token.actor
    if not set(scopes) & set(g.token.scopes):
        wanted = " or ".join(scopes)
        raise Forbidden(
            f"This needs a token with the scope {wanted}; {g.token.name} has {', '.join(g.token.scopes)}.",
            f'Bearer realm="paperdesk", error="insufficient_scope", scope="{" ".join(scopes)}"',
            scope=wanted,
            granted=list(g.token.scopes),
        )


def refuse_paused() -> None:
    """Turn away a bot that somebody has paused, unless it only reads."""
    token: TokenRecord = g.token
    if token.paused_at is None or CALLS[request.endpoint or ""].scopes == ("read",):
        return
    tally(refused=1)
    raise Forbidden(
        f"{token.name} is paused by {token.paused_by}: {token.pause_reason}.",
        'Bearer realm="paperdesk", error="insufficient_scope"',
        rule="BOT_PAUSED",
        reason=token.pause_reason,
        paused_by=token.paused_by,
        paused_at=token.paused_at,
        next="Propose nothing more until somebody resumes this bot. It may read, cancel its orders and halt.",
    )


def tally(**counts: int) -> None:
    """Note what this request's bot did and left no row of. A count is never worth failing a request for."""
    try:
        tokens.count(db.session(), g.token.token_id, **counts)
    except SQLAlchemyError as error:
        log.warning("counts of %s were not kept: %s", g.token.name, error)


def _keep_pace(call: Call) -> None:
    try:
        g.allowance = pace.take(g.token, call.pace)
    finally:
        if refused := pace.limiter().to_tell(g.token.token_id):
            tally(limited=refused)


def tell_refused() -> None:
    """Write down what was refused so far, for somebody who is about to look."""
    for token_id in pace.limiter().refused():
        tokens.count(db.session(), token_id, limited=pace.limiter().to_tell(token_id, at_once=True))


def _token() -> TokenRecord:
    given = request.authorization
    if given is None or given.type != "bearer" or not given.token:
        raise Unauthorized("Send a token: `Authorization: Bearer TOKEN`.", 'Bearer realm="paperdesk"')
    token = _looked_up(given.token)
    if token is None:
        raise Unauthorized(
            "This token is not known, or was revoked, or has expired.",
            'Bearer realm="paperdesk", error="invalid_token"',
        )
    return token


def _looked_up(secret: str) -> TokenRecord | None:
    """Who this is. For a halt on a connection of its own, as the halt itself: it works while the pool is empty."""
    if CALLS[request.endpoint or ""].urgent:
        return kill_switch.aside(db.engine, lambda session: tokens.token_for(session, secret))
    token = tokens.token_for(db.session(), secret)
    # The connection goes back to the pool: a call may wait for one of its own before it comes to this session again.
    db.session.rollback()
    return token


def _check_form(call: Call) -> None:
    """Refuse what would otherwise be ignored in silence: parameters nobody reads, an answer nobody can take."""
    if request.accept_mimetypes and not request.accept_mimetypes.best_match([call.mimetype]):
        raise NotAcceptable(f"The answer is {call.mimetype}, which the Accept header does not allow.")
    if call.listing is not None and call.method == "GET":
        return  # its parameters are read, and refused, by the list itself
    for name, values in request.args.lists():
        if name not in call.query:
            raise BadInput(printable(name), "is not a parameter of this call")
        if len(values) > 1:
            raise BadInput(name, "is given more than once")


def _methods() -> Response:
    """What may be asked here. Open to all, as the OpenAPI document is."""
    response: Any = current_app.make_default_options_response()
    response.status_code = 204
    del response.headers["Content-Type"]
    found: Response = response
    return found
