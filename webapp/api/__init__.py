"""JSON under /v1, for bots and agents: every call, its token and scopes, its errors, and the document that says so."""

from apiflask import APIFlask
from flask import Response, g, request

from webapp.api import wire
from webapp.domain.wire import timestamp
from webapp.extensions import csrf
from webapp.web.auth import is_api


def install(app: APIFlask) -> None:
    """Put /v1 on the app. Importing a file of calls declares them, so that happens before the blueprint is used."""
    # Here, not above: only a web application needs the calls, and they need the whole rest of the desk.
    from webapp.api import (
        bots,
        calls,
        desk,
        docs,
        errors,
        guard,
        kill_switch,
        lists,
        market,
        openapi,
        pace,
        policy,
        smoke_runs,
        trading,
    )

    _ = (bots, desk, docs, guard, kill_switch, lists, market, openapi, policy, smoke_runs, trading)
    errors.install(app)
    pace.install(app)
    csrf.exempt(calls.bp)
    calls.install(app)
    app.after_request(_say_what_this_is)


def _say_what_this_is(response: Response) -> Response:
    """Every answer says that the money is simulated and of when it is; none is kept by a cache."""
    if is_api(request.path):
        response.headers["X-Paperdesk-Mode"] = wire.MODE
        response.headers["X-As-Of"] = timestamp(wire.as_of())
        response.headers.setdefault("Cache-Control", "no-store")
        if allowance := g.get("allowance"):
            response.headers.extend(allowance.headers())
    return response
