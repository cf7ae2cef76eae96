"""The one way to declare a call of /v1: its address, the scope it needs, what it takes and what it answers.

The declaration guards the call, reads its body and describes it in the OpenAPI document, so the three cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from types import MappingProxyType
from typing import Any

from flask import Blueprint, Flask, Response, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import UnsupportedMediaType

from webapp.api import wire
from webapp.api.errors import answer_error
from webapp.domain.errors import BadInput
from webapp.queries.timeline import Listing
from webapp.web.params import printable

bp = Blueprint("api", __name__, url_prefix="/v1")
bp.register_error_handler(Exception, answer_error)

SMALL_BODY = 1024 * 1024
"""Bytes; far more than any call needs, so that what is wrong with a body can be said rather than that it is large."""


@dataclass(frozen=True)
class Call:
    """One call of the API. `scopes`: any one of them opens it, none means that it is public.

    `pace` names the budget a request counts in: `reads`, `writes`, `cycles` (which are writes as well) or
    `cancellations`, or none. `while_paused`: a paused bot may come this far. `urgent`: it stops trading, so it is never
    refused for its pace, a pause or its form, and never waits for a connection.
    """

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
    mimetype: str
    query: Mapping[str, Mapping[str, Any]]
    takes: Mapping[str, Mapping[str, Any]]
    pace: str | None
    while_paused: bool
    urgent: bool


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
    query: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    takes: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    pace: str | None = "",
    while_paused: bool = False,
    urgent: bool = False,
) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """Declare the decorated function as one call. With a `body`, the function gets it, checked, as `body=`.

    `query` names its parameters with their schemas, `takes` the headers it looks at with what the document says of
    them. Without a `pace` it is a read if the scope `read` opens it, else a write.
    """
    budget = pace if pace != "" else "reads" if scopes == ("read",) else "writes" if scopes else None

    def declare(view: Callable[..., Response]) -> Callable[..., Response]:
        summary, _, description = (view.__doc__ or view.__name__).partition("\n")
        CALLS[f"{bp.name}.{view.__name__}"] = Call(
            method, path, view.__name__, summary.strip(), " ".join(description.split()), scopes, body, body_optional,
            max_body, answer, status, listing, errors, headers, mimetype, query, takes, budget,
            while_paused, urgent,
        )  # fmt: skip

        @wraps(view)
        def answered(**arguments: Any) -> Response:
            if body is not None:
                arguments["body"] = read_body(body, optional=body_optional)
            return view(**arguments)

        # A slash too many at the end is forgiven; two in a row are another address, not a redirect to this one.
        forgiving = {"strict_slashes": False, "merge_slashes": False}
        bp.add_url_rule(path, view.__name__, answered, methods=[method], **forgiving)
        return answered

    return declare


def read_body(model: type[BaseModel], *, optional: bool = False) -> Any:
    """The request's body as `model`. Raises BadInput that names the first field at fault and lists the others."""
    raw = request.get_data(cache=True)
    if optional and not raw:
        return model()
    if request.mimetype and not request.is_json:
        raise UnsupportedMediaType("Send the body as application/json.")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType("Send the body as it is, without a Content-Encoding.")
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


def install(app: Flask) -> None:
    """Put every declared call on the app."""
    app.register_blueprint(bp)
