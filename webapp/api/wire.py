"""JSON at the edge: read more strictly than Python does, written so that no digit is lost.

Python's reader takes NaN, repeated names, any depth and any length; each of these is a 400 here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any

from flask import Response, g, request

from webapp.domain.errors import BadInput
from webapp.domain.wire import jsonable
from webapp.web.params import printable

MODE = "paper"
MAX_DEPTH = 32
MAX_NUMBER = 40
"""Characters a number may have; more than any that fits a column, few enough to be read at once."""
MAX_EXPONENT = 300
"""Within what a double holds, so that a number in a free-form payload survives its trip through JSON."""


class Number(Decimal):
    """A JSON number with a point or an exponent, exactly as it was written."""

    text: str

    def __new__(cls, text: str) -> Number:
        number = super().__new__(cls, text)
        number.text = text
        return number


def read(raw: bytes) -> Any:
    """The document in a request's body. Raises BadInput for whatever is not plain JSON."""
    try:
        text = raw.decode("utf-8")
        document = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise BadInput("body", "is not UTF-8 text") from error
    except RecursionError as error:
        raise BadInput("body", f"is nested deeper than {MAX_DEPTH} levels") from error
    except json.JSONDecodeError as error:
        raise BadInput("body", f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    _check(document, escapes="\\u" in text)
    return document


def read_object() -> dict[str, Any]:
    """The JSON object in the body of the request being answered."""
    document = read(request.get_data(cache=True))
    if not isinstance(document, dict):
        raise BadInput("body", "must be a JSON object")
    return document


def fingerprint(document: Mapping[str, Any]) -> str:
    """SHA-256 of what was asked, where and how; white space and the order of names do not matter."""
    body = json.dumps(document, sort_keys=True, separators=(",", ":"), default=_canonical)
    path = request.path.rstrip("/")
    return sha256(f"{request.method} {path} {body}".encode()).hexdigest()


def write(document: Any) -> str:
    """A document as JSON: decimals as strings, times in UTC with a Z, ids as text."""
    return json.dumps(document, default=_plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(write(document) + "\n", status, headers, mimetype="application/json")


def as_of() -> datetime:
    """When this request began to be answered: whatever it says was read no earlier."""
    if "as_of" not in g:
        g.as_of = datetime.now(UTC)
    moment: datetime = g.as_of
    return moment


def stamped(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document that says what it is a picture of, for those who never see the headers."""
    return {**document, "mode": MODE, "as_of": as_of()}


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInput(printable(twice), "is given twice in one object")
    return found


def _whole(text: str) -> int:
    if len(text) > MAX_NUMBER:
        raise BadInput("body", f"has a number of more than {MAX_NUMBER} characters")
    return int(text)


def _fraction(text: str) -> Number:
    if len(text) > MAX_NUMBER:
        raise BadInput("body", f"has a number of more than {MAX_NUMBER} characters")
    try:
        number = Number(text)
    except InvalidOperation as error:
        raise BadInput("body", "has a number out of range") from error
    if number and abs(number.adjusted()) > MAX_EXPONENT:
        raise BadInput("body", "has a number out of range")
    return number


def _constant(text: str) -> Any:
    raise BadInput("body", f"holds {text}, which is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_whole, parse_float=_fraction, parse_constant=_constant)


def _check(document: Any, *, escapes: bool) -> None:
    """Depth, and texts that a database or a terminal cannot hold; those need an escape to get this far."""
    waiting: list[tuple[Any, int, str]] = [(document, 1, "")]
    while waiting:
        value, depth, path = waiting.pop()
        if escapes and isinstance(value, str):
            _check_text(value, path)
        elif isinstance(value, dict | list):
            if depth > MAX_DEPTH:
                raise BadInput("body", f"is nested deeper than {MAX_DEPTH} levels")
            if escapes and isinstance(value, dict):
                for name in value:
                    _check_text(name, f"{path}.{printable(name)}")
            waiting.extend(_children(value, depth + 1, path, escapes))


def _children(value: Any, depth: int, path: str, escapes: bool) -> Iterator[tuple[Any, int, str]]:
    """What is inside and needs looking at: texts only when one of them may be bad."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    wanted = (dict, list, str) if escapes else (dict, list)
    for name, child in items:
        if isinstance(child, wanted):
            yield child, depth, f"{path}.{printable(str(name))}" if escapes else path


def _check_text(text: str, path: str) -> None:
    field = path.lstrip(".") or "body"
    if "\x00" in text:
        raise BadInput(field, "holds a NUL character")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise BadInput(field, "holds half of a surrogate pair")


def _canonical(value: Any) -> Any:
    if isinstance(value, Number):
        # No document holds a NUL, so this can never equal one that spells the number another way.
        return {"\x00number": value.text}
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _plain(value: Any) -> Any:
    """One level of what `json` itself cannot write; it comes back for what is inside."""
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return jsonable(value)
