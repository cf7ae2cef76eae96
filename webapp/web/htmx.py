"""One URL, one context, two answers: the whole page, or its live fragment for htmx."""

import hashlib
from typing import Any

from flask import Response, g, has_request_context, make_response, redirect, render_template
from htmx_flask import request
from werkzeug.wrappers import Response as AnyResponse

SEEN_HEADER = "X-Seen"


def wants_fragment() -> bool:
    """htmx asks for a part, unless the browser is restoring a whole page from its history."""
    return bool(request.htmx) and not request.htmx.history_restore_request


def titles_follow() -> bool:
    """Whether whatever is drawn now goes to a script that gives titles itself, when somebody points at something.

    A third of a fragment's bytes would be titles nobody reads.
    """
    if not has_request_context():
        return False
    if "titles_follow" not in g:
        g.titles_follow = wants_fragment()
    found: bool = g.titles_follow
    return found


def version_of(*parts: object) -> str:
    """A short tag of what a live block shows; equal tags mean nothing changed."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def unchanged(version: str | None) -> bool:
    """True when the asking live block already shows this version."""
    return version is not None and wants_fragment() and request.headers.get(SEEN_HEADER) == version


def answer(page: str, fragment: str, status: int = 200, version: str | None = None, **context: Any) -> Response:
    """The template `page`, or `fragment` for htmx; 204 when the reader already has `version`."""
    if unchanged(version):
        response = make_response("", 204)
    else:
        template = fragment if wants_fragment() else page
        response = make_response(render_template(template, version=version or "", **context), status)
    response.vary.add("HX-Request")
    return response


def see_other(location: str) -> AnyResponse:
    """After a POST: 303 to where the result can be read; htmx is told to go there as a whole page."""
    if wants_fragment():
        response = make_response("", 204)
        response.headers["HX-Redirect"] = location
        return response
    return redirect(location, 303)


def failed_database() -> None:
    """Remember that the database failed in this request, so that the error page does not wait for it again."""
    g.database_failed = True
