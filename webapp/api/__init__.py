"""JSON under /v1, for bots and agents: every call, its token and scopes, its errors, and the document that says so."""

from datetime import UTC, datetime

from apiflask import APIFlask
from flask import Response, request

from webapp.domain.wire import timestamp
from webapp.extensions import csrf


def install(app: APIFlask) -> None:
    """Put /v1 on the app. Importing a file of calls declares them, so that happens before the blueprint is used."""
    # Here, not above: only a web application needs the calls, and they need the whole rest of the desk.
    from webapp.api import calls, desk, docs, errors, kill_switch, lists, market, openapi, policy, smoke_runs, trading

    _ = (desk, docs, kill_switch, lists, market, policy, smoke_runs, trading)
    errors.install(app)
    csrf.exempt(calls.bp)
    calls.install(app)
    openapi.install(app)
    app.after_request(_say_what_this_is)


def _say_what_this_is(response: Response) -> Response:
    """Every answer says that the money is simulated and of when it is; none is kept by a cache."""
    if request.path.startswith("/v1/"):
        response.headers["X-Paperdesk-Mode"] = "paper"
        response.headers["X-As-Of"] = timestamp(datetime.now(UTC))
        response.headers.setdefault("Cache-Control", "no-store")
    return response
