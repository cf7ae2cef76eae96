"""One table from what went wrong to the page that says so. Pages never show a traceback or a blank screen.

Everything under /v1/ is left to the API, which registers its own answer with `answer_api_errors`.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from flask import Flask, Response, g, jsonify, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, InternalServerError

from webapp.domain.errors import BadInput, Conflict, DomainError, InvalidPolicy, NotFound, OutOfRange, Unconfirmed
from webapp.web.auth import is_api
from webapp.web.htmx import failed_database, wants_fragment

log = logging.getLogger(__name__)
ApiErrors = Callable[[Exception], Any]
_API_KEY: Final = "paperdesk_api_errors"
MISSING_TABLE: Final = "42P01"
UNREACHABLE: Final = (OperationalError, InterfaceError, PoolTimeout)
"""What SQLAlchemy raises for a database that is away or overloaded."""
AWAY: Final = "The database does not answer. Trades are refused while it is away; this page will work again by itself."
UNMIGRATED: Final = "The database is not migrated. Run: flask --app wsgi db upgrade"
FORGED: Final = "The form was too old or came from elsewhere, so nothing was done. Load its page again and resend it."


@dataclass(frozen=True)
class Failure:
    """What the visitor is told: the status, a heading, what happened, and the field at fault if there is one."""

    status: int
    title: str
    message: str
    field: str | None = None
    code: str = "BAD_REQUEST"

    @property
    def next(self) -> str:
        """What whoever reads this may do about it, where the message does not say."""
        return NEXT.get(self.status, "")


TITLES: Final = {
    400: "That request could not be read",
    403: "You may not do that",
    404: "There is nothing here",
    405: "That is not done at this address",
    409: "It has changed meanwhile",
    413: "That is too much at once",
    422: "Something in the address or form is not right",
    429: "Too many tries",
    500: "The desk made a mistake",
    503: "The desk cannot answer right now",
}
NEXT: Final = {
    403: "Log in as somebody who may, or ask an admin of this desk for the role.",
    405: "Go to the page this belongs to and use its form.",
    409: "Load the page again and look at what is new before you go on.",
    500: "Try again. If it stays like this, give whoever runs this desk the request's id below.",
    503: "What stands above under “switch” is what is known of it now; unknown means: assume that trading is on.",
}
CODES: Final = {403: "FORBIDDEN", 404: "NOT_FOUND", 409: "CONFLICT", 429: "RATE_LIMITED", 503: "UNAVAILABLE"}
DOMAIN_STATUS: Final[tuple[tuple[type[DomainError], int], ...]] = (
    (BadInput, 422),
    (OutOfRange, 422),
    (InvalidPolicy, 422),
    (NotFound, 404),
    (Conflict, 409),
    (Unconfirmed, 503),
    (DomainError, 400),
)


def failure(status: int, message: str, field: str | None = None) -> Failure:
    """A failure with the usual heading of its status."""
    fallback = "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST"
    return Failure(status, TITLES.get(status, "That did not work"), message, field, CODES.get(status, fallback))


def of_http(error: HTTPException) -> Failure:
    """An error Flask or a view raised on purpose."""
    status = error.code or 500
    if status == 404 and "requested URL was not found" in (error.description or ""):
        return failure(404, "No page has this address. It may have been mistyped, or the row was never stored.")
    if status == 500:
        return failure(500, "It has been written into the log. Nothing was stored by what you just did.")
    return failure(status, error.description or "")


def of_domain(error: DomainError) -> Failure:
    """An error the core can put into words."""
    status = next(status for kind, status in DOMAIN_STATUS if isinstance(error, kind))
    if isinstance(error, BadInput):
        return failure(status, f"{error.field} {error.reason}.", error.field)
    return failure(status, error.message)


def of_database(error: Exception) -> Failure | None:
    """503 for a database that is away, overloaded or not migrated; None for a mistake of ours."""
    if isinstance(error, UNREACHABLE):
        return failure(503, AWAY)
    if isinstance(error, ProgrammingError) and getattr(error.orig, "pgcode", None) == MISSING_TABLE:
        return failure(503, UNMIGRATED)
    return None


def page(what: Failure) -> Response:
    """The failure in the form that was asked for: page, fragment, JSON or plain text for a table twin."""
    if request.path.endswith(".json"):
        details = {"field": what.field} if what.field else {}
        response = jsonify(error={"code": what.code, "message": what.message, "details": details})
    elif request.path.endswith((".csv", ".txt")):
        response = make_response(f"{what.status} {what.title}: {what.message}\n")
        response.mimetype = "text/plain"
    else:
        template = "errors/_error.html" if wants_fragment() else "errors/error.html"
        response = make_response(render_template(template, failure=what))
        response.vary.add("HX-Request")
    response.status_code = what.status
    return response


def answer_api_errors(app: Flask, answer: ApiErrors) -> None:
    """Let the API answer every error below /v1/."""
    app.extensions[_API_KEY] = answer


def install(app: Flask) -> None:
    """Register the handlers of every kind of error."""

    def handle(error: Exception) -> Any:
        answer = app.extensions.get(_API_KEY)
        if answer is not None and is_api(request.path):
            return answer(error)
        return _handled(error)

    app.jinja_env.globals["request_id"] = lambda: g.get("request_id", "unknown")
    for kind in (HTTPException, DomainError, ProgrammingError, *UNREACHABLE):
        app.register_error_handler(kind, handle)


def _handled(error: Exception) -> Response:
    if isinstance(error, DomainError):
        return page(of_domain(error))
    if isinstance(error, CSRFError):
        return page(failure(400, FORGED))
    original = error.original_exception if isinstance(error, InternalServerError) else error
    if isinstance(original, Exception) and (away := of_database(original)):
        failed_database()
        log.error("database failed: %s", original)
        return page(away)
    if not isinstance(error, HTTPException):
        log.exception("unexpected database error", exc_info=error)
        return page(of_http(InternalServerError()))
    response = page(of_http(error))
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response
