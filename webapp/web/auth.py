"""Who is asking, and what their role lets them do. People log in to pages; bots have tokens and never come here."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from flask import Flask, abort, make_response, redirect, request
from flask.sessions import SecureCookieSessionInterface
from flask_login import UserMixin, current_user
from werkzeug.wrappers import Response as AnyResponse

from webapp.domain.people import ROLES
from webapp.web.htmx import wants_fragment

PUBLIC_PATHS: Final = (
    "/login",
    "/login/oidc",
    "/login/oidc/callback",
    "/logout",
    "/choices",
    "/offline",
    "/healthz",
    "/readyz",
    "/metrics",
)
PUBLIC_PREFIXES: Final = ("/static/", "/share/")
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_READABLE: Final = "paperdesk_readable"
_GUESTS: Final = "paperdesk_guests"

log = logging.getLogger(__name__)


class Person(UserMixin):  # type: ignore[misc]  # flask_login ships no types
    """Somebody logged in. `id` is what the session cookie holds."""

    def __init__(self, user_id: str, name: str, role: str) -> None:
        self.id = user_id
        self.name = name
        self.role = role


class Sessions(SecureCookieSessionInterface):
    """The session cookie, which behind https never travels without it."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure or super().get_cookie_secure(app)


def has_role(role: str) -> bool:
    """True when whoever asks has this role or a higher one; nobody has an unknown one."""
    own = getattr(current_user, "role", None)
    return own in ROLES and ROLES.index(own) >= ROLES.index(role)


def current_actor() -> str:
    """The name acts are recorded under, such as `user:olga`."""
    if not current_user.is_authenticated:
        raise PermissionError("nobody is logged in")
    return f"user:{current_user.name}"


def own_path(target: str | None) -> str:
    """`target` if it is a path on this desk, else the front page: a redirect never leaves the house.

    Browsers read a backslash as a slash and drop control characters, so both are refused.
    """
    if not target or not target.startswith("/") or target.startswith("//"):
        return "/"
    if "\\" in target or any(ord(char) <= 32 or ord(char) == 127 for char in target):
        return "/"
    parts = urlsplit(target)
    return "/" if parts.scheme or parts.netloc else target


def here() -> str:
    """This page's address, to come back to; after a POST the front page, for one comes back to no act. Nor does one to
    what a provider answered to a login, which is good for once.
    """
    if request.path.startswith("/login/"):
        return "/login"
    return own_path(request.full_path.rstrip("?")) if request.method in ("GET", "HEAD") else "/"


def login_address() -> str:
    """Where to log in and come back from."""
    return f"/login?{urlencode({'next': here()})}"


def ask_to_log_in() -> AnyResponse:
    """303 to the login page; a live block is sent there as a whole page."""
    if wants_fragment():
        response = make_response("", 204)
        response.headers["HX-Redirect"] = "/login"
        return response
    return redirect(login_address(), 303)


def role(name: str | Callable[[], str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Only people with this role or a higher one may; others get 403, strangers the login page.

    A function in its place is asked for the role at each request.
    """
    if isinstance(name, str) and name not in ROLES:
        raise ValueError(f"no such role: {name}")

    def guard(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if not current_user.is_authenticated:
                return ask_to_log_in()
            wanted = name if isinstance(name, str) else name()
            if not has_role(wanted):
                abort(403, f"This needs the role {wanted}; {current_user.name} is {current_user.role}.")
            return view(*args, **kwargs)

        guarded.declared_role = name  # type: ignore[attr-defined]
        return guarded

    return guard


def allow_reading(app: Flask, blueprint: str) -> None:
    """Whoever may look at this desk may GET every page of a blueprint. What is done there needs a role each."""
    app.extensions.setdefault(_READABLE, set()).add(blueprint)


def welcome_guests(app: Flask, is_guest: Callable[[], bool]) -> None:
    """Let look whoever `is_guest` says came by a link that is in force."""
    app.extensions[_GUESTS] = is_guest


def may_look(app: Flask) -> bool:
    """Whether a stranger may look at this desk: everybody may, or this one came by a link."""
    is_guest: Callable[[], bool] | None = app.extensions.get(_GUESTS)
    return bool(app.config["PAPERDESK"].public_read or (is_guest is not None and is_guest()))


def is_declared(app: Flask, endpoint: str) -> bool:
    """Whether somebody said who may come to a page: a role, or everybody who may look."""
    if hasattr(app.view_functions[endpoint], "declared_role"):
        return True
    methods = {method for rule in app.url_map.iter_rules(endpoint) for method in rule.methods or ()}
    return endpoint.rpartition(".")[0] in app.extensions.get(_READABLE, ()) and methods <= READING


def is_api(path: str) -> bool:
    """Whether programs are meant, who get JSON and nothing else."""
    return path == "/v1" or path.startswith("/v1/")


def is_public(path: str) -> bool:
    """Answers to these need no login; the API asks for tokens itself."""
    return path in PUBLIC_PATHS or path.startswith(PUBLIC_PREFIXES) or is_api(path)


def install(app: Flask) -> None:
    """Closed by default: whatever is not public asks for a login, unless the desk may be read by all; and where nobody
    declared who may come, nobody may.
    """

    def gate() -> AnyResponse | None:
        if is_public(request.path):
            return None
        if not current_user.is_authenticated and not (request.method in READING and may_look(app)):
            return ask_to_log_in()
        if request.endpoint and not is_declared(app, request.endpoint):
            log.error("nobody declared who may come to %s", request.endpoint)
            abort(403, "Nobody said who may come here, so nobody may.")
        return None

    app.before_request(gate)
    app.session_interface = Sessions()
    # A form's token lasts as long as the session: a halt must not be refused because its page was open for an hour.
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    app.jinja_env.globals.update(has_role=has_role, here=here, login_address=login_address)
