"""How large a form or a query may be, and what its texts may hold. The API has its own limits beside its calls."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any, Final

from flask import Flask, current_app, request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import LengthRequired, RequestEntityTooLarge

from webapp.domain.errors import BadInput
from webapp.web.auth import READING, is_api
from webapp.web.params import printable

MOST_BYTES: Final = 64 * 1024
"""Of a form's whole body; the policy's form, which is the largest, has 3 kB."""
MOST_FIELDS: Final = 100
LONGEST_NAME: Final = 64
LONGEST_TEXT: Final = 4_000
"""Characters of one field. Whoever reads it has a limit of its own; this one is for those that read none."""
LONGEST_PARAMETER: Final = 2_048
LINES: Final = frozenset("\t\n\r")


def takes_any_text(view: Callable[..., Any]) -> Callable[..., Any]:
    """A view that looks at its texts itself, because none may stop it, or to say better what is wrong with one."""
    view.takes_any_text = True  # type: ignore[attr-defined]
    return view


def count(fields: MultiDict[str, str]) -> int:
    """How many fields there are; one that is sent twice is two."""
    return sum(1 for _ in fields.items(multi=True))


def check(fields: MultiDict[str, str], longest: int, breaks: frozenset[str] = frozenset()) -> None:
    """Raise :class:`BadInput` for the first field whose name or text is too long or holds control characters."""
    for name, text in fields.items(multi=True):
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise BadInput(printable(name), f"is not a name of at most {LONGEST_NAME} printable characters")
        if len(text) > longest:
            raise BadInput(printable(name), f"is longer than {longest} characters")
        if any(unicodedata.category(char) == "Cc" and char not in breaks for char in text):
            raise BadInput(printable(name), "holds a control character")


def _check_query() -> None:
    if count(request.args) > MOST_FIELDS:
        raise BadInput("query", f"has more than {MOST_FIELDS} parameters")
    check(request.args, LONGEST_PARAMETER)


def _check_form(strict: bool) -> None:
    if request.content_length is None and request.headers.get("Transfer-Encoding"):
        # Without a length, what is too long would be cut off in silence. Browsers always give it.
        raise LengthRequired
    if request.files:
        raise BadInput(printable(next(iter(request.files))), "is a file, which no form here takes")
    if count(request.form) > MOST_FIELDS:
        raise RequestEntityTooLarge(f"A form has at most {MOST_FIELDS} fields.")
    if strict:
        check(request.form, LONGEST_TEXT, LINES)


def install(app: Flask) -> None:
    """Look at what came before any view does."""
    app.config.update(MAX_CONTENT_LENGTH=MOST_BYTES, MAX_FORM_MEMORY_SIZE=MOST_BYTES)

    def look() -> None:
        view = current_app.view_functions.get(request.endpoint or "")
        if is_api(request.path):
            return
        strict = not getattr(view, "takes_any_text", False)
        if strict:
            _check_query()
        if request.method not in READING:
            _check_form(strict)

    app.before_request(look)
