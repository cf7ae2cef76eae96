"""The one way to declare a call of /v1: its address, the scope it needs, what it takes and what it answers.

The declaration guards the call, reads its body and describes it in the OpenAPI document, so the three cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import Blueprint, Flask, Response, g, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import InternalServerError, RequestEntityTooLarge, UnsupportedMediaType

from webapp.api import wire
from webapp.api.errors import Forbidden, Unauthorized, answer_error
from webapp.domain.errors import BadInput
from webapp.extensions import db
from webapp.queries.timeline import Listing
from webapp.services import access
from webapp.web.params import printable

bp = Blueprint("api", __name__, url_prefix="/v1")
bp.register_error_handler(Exception, answer_error)

SMALL_BODY = 1024 * 1024
"""Bytes; far more than any call needs, so that what is wrong with a body can be said rather than that it is large."""


@dataclass(frozen=True)
class Call:
    """One call of the API. `scopes`: any one of them opens it, none means that it is public."""

    method: str
    path: str
    name: str
    summary: str
    description: str
    scopes: tuple[str, ...]
    body: type[BaseModel] | None
    body_optional: bool
    max_body: int
    answer: type[BaseModel] | None
    status: int
    listing: Listing | None
    errors: tuple[int, ...]
    headers: tuple[str, ...]
    mimetype: str = "application/json"


CALLS: dict[str, Call] = {}
"""Every call there is, by endpoint."""


def call(
    method: str,
    path: str,
    *,
    scopes: tuple[str, ...],
    body: type[BaseModel] | None = None,
    body_optional: bool = False,
    max_body: int = SMALL_BODY,
    answer: type[BaseModel] | None = None,
    status: int = 200,
    listing: Listing | None = None,
    errors: tuple[int, ...] = (),
    headers: tuple[str, ...] = (),
    mimetype: str = "application/json",
) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """Declare the decorated function as one call. With a `body`, the function gets it, checked, as `body=`."""

    def declare(view: Callable[..., Response]) -> Callable[..., Response]:
        summary, _, description = (view.__doc__ or view.__name__).partition("\n")
        CALLS[f"{bp.name}.{view.__name__}"] = Call(
            method, path, view.__name__, summary.strip(), " ".join(description.split()), scopes, body, body_optional,
            max_body, answer, status, listing, errors, headers, mimetype,
        )  # fmt: skip

        @wraps(view)
        def answered(**arguments: Any) -> Response:
            if body is not None:
                arguments["body"] = read_body(body, optional=body_optional)
            return view(**arguments)

        bp.add_url_rule(path, view.__name__, answered, methods=[method])
        return answered

    return declare


def read_body(model: type[BaseModel], *, optional: bool = False) -> Any:
    """The request's body as `model`. Raises BadInput that names the first field at fault and lists the others."""
    raw = request.get_data(cache=True)
    if optional and not raw:
        return model()
    if request.mimetype and not request.is_json:
        raise UnsupportedMediaType("Send the body as application/json.")
    try:
        return model.model_validate(wire.read_object())
    except ValidationError as error:
        raise _bad_body(error) from error


def _bad_body(error: ValidationError) -> BadInput:
    problems: dict[str, str] = {}
    for found in error.errors(include_url=False, include_input=False):
        place = ".".join(printable(str(part)) for part in found["loc"]) or "body"
        problems.setdefault(place, _REASONS.get(found["type"]) or found["msg"].removeprefix("Value error, "))
    first, reason = next(iter(problems.items()))
    bad = BadInput(first, reason)
    if len(problems) > 1:
        bad.details["problems"] = problems
    return bad


_REASONS: Mapping[str, str] = {
    "missing": "is missing",
    "extra_forbidden": "is not a field of this call",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "model_type": "must be an object",
}


@bp.before_request
def guard() -> None:
    """Closed by default: a call that declares nothing is never answered."""
    found = CALLS.get(request.endpoint or "")
    if found is None:
        raise InternalServerError(f"{request.endpoint} is not declared as a call")
    if found.scopes:
        need(*found.scopes)
    # One byte more, because a chunked body is cut off at the limit without a word: the byte shows that there was more.
    request.max_content_length = found.max_body + 1
    if len(request.get_data(cache=True)) > found.max_body:
        raise RequestEntityTooLarge


def need(*scopes: str) -> None:
    """Refuse unless the request's token has one of these scopes. Sets `g.actor` and `g.token`."""
    if "token" not in g:
        g.token = _token()
        g.actor = f"token:{g.token.name}"
    if not set(scopes) & set(g.token.scopes):
        wanted = " or ".join(scopes)
        raise Forbidden(
            f"This needs a token with the scope {wanted}; {g.token.name} has {', '.join(g.token.scopes)}.",
            f'Bearer realm="paperdesk", error="insufficient_scope", scope="{" ".join(scopes)}"',
            scope=wanted,
            granted=list(g.token.scopes),
        )


def _token() -> access.TokenRecord:
    given = request.authorization
    if given is None or given.type != "bearer" or not given.token:
        raise Unauthorized("Send a token: `Authorization: Bearer TOKEN`.", 'Bearer realm="paperdesk"')
    token = access.token_for(db.session(), given.token)
    # The connection goes back to the pool: a call may wait for one of its own before it comes to this session again.
    db.session.rollback()
    if token is None:
        raise Unauthorized(
            "This token is not known, or was revoked, or has expired.",
            'Bearer realm="paperdesk", error="invalid_token"',
        )
    return token


def install(app: Flask) -> None:
    """Put every declared call on the app."""
    app.register_blueprint(bp)
