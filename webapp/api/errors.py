"""Every error below /v1 in one shape: `{"error": {"code", "message", "details"}}`, from one table of codes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, InternalServerError

from webapp.api.wire import answer
from webapp.domain.errors import BadInput, BadQuote, DomainError, InvalidPolicy
from webapp.web.errors import MISSING_TABLE, UNREACHABLE, answer_api_errors

log = logging.getLogger(__name__)

CODES: Mapping[str, int] = {
    "BAD_REQUEST": 400,
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "CONFLICT": 409,
    "STALE_MARKET_DATA": 409,
    "RISK_BLOCKED": 409,
    "KILL_SWITCH_ACTIVE": 423,
    "RATE_LIMITED": 429,
    "INTERNAL_ERROR": 500,
    "UNAVAILABLE": 503,
}
"""Each code and the one status it goes with. Statuses without a code of their own (405, 413, 415) are BAD_REQUEST."""

_SAID_BETTER: Mapping[int, str] = {
    404: "There is nothing at this address; /v1/docs lists every call.",
    405: "This address has no such method; the header Allow lists those it has.",
    413: "The body is too large for this call.",
}
AGAIN = "send the same request again, with the same idempotency_key if it has one"
NEXT: Mapping[str, str] = {
    "BAD_REQUEST": "Nothing was done. Mend what is named here and send it again.",
    "UNAUTHORIZED": "Ask an operator for a token; without one in force every try ends here.",
    "FORBIDDEN": "Ask an operator for a token that may do this; trying again changes nothing.",
    "NOT_FOUND": "Take addresses from /v1/openapi.json and ids from the lists.",
    "CONFLICT": "Nothing was done. Read how things stand now before asking for anything else.",
    "KILL_SWITCH_ACTIVE": "Propose nothing more until GET /v1/kill-switch says that trading is on again.",
    "RATE_LIMITED": f"Wait as many seconds as Retry-After says, then {AGAIN}.",
    "INTERNAL_ERROR": f"Once more {AGAIN}; if that fails too, tell an operator the X-Request-Id.",
    "UNAVAILABLE": f"Nothing was confirmed. Wait as many seconds as Retry-After says, then {AGAIN}.",
}
"""What a program should do about each code, in `details.next`; a blocked trade says it more exactly."""

RETRY_SECONDS = 1
_HALTED, _READ_ONLY = "PD423", "25006"


class Refused(DomainError):
    """A caller who may not; `challenge` is what the WWW-Authenticate header says of the way in."""

    def __init__(self, message: str, challenge: str, **details: Any) -> None:
        super().__init__(message, **details)
        self.challenge = challenge


class Unauthorized(Refused):
    """No token in force came with the request."""

    code = "UNAUTHORIZED"


class Forbidden(Refused):
    """The token's scopes do not cover the call, or its bot is paused."""

    code = "FORBIDDEN"


class RateLimited(DomainError):
    """The token has used up a budget; `headers` say so, and when it is whole again."""

    code = "RATE_LIMITED"

    def __init__(self, headers: Mapping[str, str], budget: str, limit: int, seconds: int) -> None:
        super().__init__(
            f"This token has used its {limit} {budget} of this minute; the next one begins in {seconds} s.",
            rule="RATE_LIMIT",
            budget=budget,
            limit=limit,
            retry_after_seconds=seconds,
        )
        self.headers = {**headers, "Retry-After": str(seconds)}


def problem(
    code: str,
    message: str,
    details: Mapping[str, Any] | None = None,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error answer; `status` where it is not the code's own. `details.next` says what to do about it."""
    whole = {**(details or {})}
    whole.setdefault("next", NEXT[code])
    document = {"error": {"code": code, "message": message, "details": whole}}
    response = answer(document, status or CODES[code], headers)
    if response.status_code in (429, 503):
        response.headers.setdefault("Retry-After", str(RETRY_SECONDS))
    return response


def answer_error(error: Exception) -> Response:
    """The answer to any error: ours, Flask's, the database's, or a mistake."""
    original = getattr(error, "original_exception", None) if isinstance(error, InternalServerError) else None
    if isinstance(original, Exception):
        error = original
    if isinstance(error, DomainError):
        return _of_domain(error)
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, DBAPIError | PoolTimeout):
        return _of_database(error)
    return _mistake(error)


def _of_domain(error: DomainError) -> Response:
    headers: Mapping[str, str] = {}
    if isinstance(error, Refused):
        headers = {"WWW-Authenticate": error.challenge}
    elif isinstance(error, RateLimited):
        headers = error.headers
    details = {name: value for name, value in error.details.items() if value is not None}
    if isinstance(error, InvalidPolicy):
        details["field"] = next(iter(error.problems), "body")
    return problem(error.code, _sentence(error), details, headers=headers)


def _sentence(error: DomainError) -> str:
    """The message, with the place in a list where there is one."""
    if isinstance(error, BadInput):
        return f"{error.field} {error.reason}."
    if isinstance(error, BadQuote) and error.index is not None:
        return f"ticks[{error.index}]: {error.message}"
    return error.message


def _of_http(error: HTTPException) -> Response:
    """What Flask refuses by itself, with its headers (Allow) kept."""
    status = error.code or 500
    by_status = {status: code for code, status in reversed(list(CODES.items()))}
    code = by_status.get(status, "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST")
    message = _SAID_BETTER.get(status) or error.description or error.name
    response = problem(code, message, status=status)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _of_database(error: DBAPIError | PoolTimeout) -> Response:
    """503 for a database that is away or overloaded; the halt's own trigger speaks with the halt's own code."""
    state = getattr(getattr(error, "orig", None), "pgcode", None)
    if state == _HALTED:
        return problem("KILL_SWITCH_ACTIVE", "Trading is halted: the database refused the trade.")
    if state == MISSING_TABLE:
        return problem("UNAVAILABLE", "The database is not migrated.")
    if isinstance(error, UNREACHABLE) or state == _READ_ONLY:
        log.error("database failed: %s", error)
        return problem("UNAVAILABLE", "The database does not answer. Nothing was confirmed; try again.")
    return _mistake(error)


def _mistake(error: Exception) -> Response:
    log.exception("unexpected error", exc_info=error)
    return problem("INTERNAL_ERROR", "The desk made a mistake; it has been written into the log.")


def install(app: Flask) -> None:
    """Answer whatever goes wrong below /v1, found addresses or not."""
    answer_api_errors(app, answer_error)
