"""Which host a request may be for, and who may say so on somebody's behalf.

A browser can be made to send another site's name here (DNS rebinding), and what is built from that name leads there.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from flask import Flask, Response, abort, redirect, request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import RequestRedirect
from werkzeug.sansio.utils import host_is_trusted
from werkzeug.wrappers import Response as AnyResponse

from webapp.web.auth import is_api, own_path

LOCAL: Final = ("localhost", "127.0.0.1", "[::1]")
PROBES: Final = ("/healthz", "/readyz", "/metrics")
"""Load balancers and Prometheus ask by address; these answers say nothing worth rebinding for."""
NOT_HERE: Final = "This desk does not answer for that host. Whoever runs it can add the name to ALLOWED_HOSTS.\n"


def is_loopback(host: str) -> bool:
    """Whether whoever listens there can be reached from this machine alone."""
    return host in ("localhost", "::1") or host.startswith("127.")


def names_for(allowed: tuple[str, ...], bound: str) -> tuple[str, ...]:
    """The names a desk answers to, in lower case; none at all means that any name will do.

    Unset, a desk that only this machine can reach answers to this machine's own names, so that no page elsewhere can
    be made to look like it. One that listens for others cannot know what they call it.
    """
    if allowed:
        return tuple(name.lower() for name in allowed)
    return (*LOCAL, bound) if is_loopback(bound) else ()


def is_allowed(host: str, names: tuple[str, ...]) -> bool:
    """Whether a Host header, of whatever port, names one of these; `.desk.example` is all names that end so."""
    if not host_is_trusted(host):
        return False
    name = host.lower() if host.endswith("]") else host.lower().rpartition(":")[0] or host.lower()
    return not names or any(name == own or (own[0] == "." and f".{name}".endswith(own)) for own in names)


def install(app: Flask) -> None:
    """Before anything else looks at a request: how far it came, and whether it is meant for this desk."""
    config = app.config["PAPERDESK"]
    names = names_for(config.allowed_hosts, config.host)
    if hops := config.trusted_proxies:
        # The name is not taken from X-Forwarded-Host: a proxy that passes Host on need not know that header, and would
        # let a visitor's own through.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=1, x_host=0)  # type: ignore[method-assign]

    def refuse() -> Any:
        # Without the header the name would be that of the socket, which says nothing of what the visitor meant.
        if request.path in PROBES or ("Host" in request.headers and is_allowed(request.host, names)):
            return None
        if is_api(request.path):
            abort(400, NOT_HERE.strip())
        return Response(NOT_HERE, 400, mimetype="text/plain")

    app.before_request(refuse)
    app.before_request(_stay_here)


def _stay_here() -> AnyResponse | None:
    """The router's own redirect, by path alone: it would write this host's name into it, as the visitor spelled it."""
    wrong = request.routing_exception
    if not isinstance(wrong, RequestRedirect):
        return None
    parts = urlsplit(wrong.new_url)
    return redirect(own_path(urlunsplit(("", "", parts.path, parts.query, ""))), wrong.code)
