"""Which page sent a form. A second lock beside the form's token, which needs no session and nothing in the form."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from flask import Flask, request
from flask_wtf.csrf import CSRFError

from webapp.web.auth import READING, is_api

OWN: Final = frozenset({"same-origin", "none"})
"""What a browser says of a form on a page of ours, and of an address that somebody typed."""


def came_from_elsewhere() -> bool:
    """Whether the browser says that another site's page sent this request.

    Sec-Fetch-Site cannot be set by a page and survives proxies that rename hosts, so where it is given it decides.
    Browsers leave it out on plain http, where Origin or else Referer names the page. Programs send none of them.
    """
    if site := request.headers.get("Sec-Fetch-Site"):
        return site not in OWN
    if page := request.headers.get("Origin") or request.headers.get("Referer"):
        return _host_of(page) != request.host
    return False


def _host_of(page: str) -> str | None:
    try:
        parts = urlsplit(page)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https"):
        return None
    usual = {"http": ":80", "https": ":443"}[parts.scheme]
    return parts.netloc.lower().removesuffix(usual)


def install(app: Flask) -> None:
    """Refuse what other sites' pages send; the API takes tokens, which no browser sends by itself."""

    def refuse() -> None:
        if request.method not in READING and not is_api(request.path) and came_from_elsewhere():
            raise CSRFError("The form came from another site's page.")

    app.before_request(refuse)
