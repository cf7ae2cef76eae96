"""What visitors choose for themselves and keep in cookies: the theme, and whose clock times are shown in.

The server draws from the cookies, so that nothing flickers and live blocks need no help. A browser's zone is known only
to its script, which notes it in a third cookie; without it, or with one nobody knows, times are UTC.
"""

from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from flask import Flask, g, has_request_context, request

COOKIES: Final = {"theme": ("system", "light", "dark"), "clock": ("utc", "local")}
"""Each choice and what it may be; the first is what nobody chose."""
FOR_A_YEAR: Final = 365 * 86400


def chosen(name: str) -> str:
    """The visitor's stored choice; anything else in the cookie, or nobody asking, counts as none."""
    allowed = COOKIES[name]
    found = request.cookies.get(name, "") if has_request_context() else ""
    return found if found in allowed else allowed[0]


def theme() -> str:
    """`system`, `light` or `dark`."""
    return chosen("theme")


def visitor_zone() -> tzinfo | None:
    """The visitor's own zone, when it is known and another than UTC."""
    if not has_request_context():
        return None
    if "visitor_zone" not in g:
        g.visitor_zone = _known_zone(request.cookies.get("zone", ""))
    found: tzinfo | None = g.visitor_zone
    return found


def _known_zone(name: str) -> tzinfo | None:
    if name in ("", "UTC", "Etc/UTC"):
        return None
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        # A name from a cookie is only looked up: wrong, malformed and folder-like ones are all unknown.
        return None


def shown_zone() -> tzinfo:
    """The zone this visitor's times are written in."""
    return (visitor_zone() if chosen("clock") == "local" else None) or UTC


def zone_word(value: datetime, zone: tzinfo) -> str:
    """What a time of this zone is marked with: UTC, CET, or UTC+03 where a zone has no name of its own."""
    name = value.astimezone(zone).strftime("%Z")
    return f"UTC{name}" if name.startswith(("+", "-")) else name


def install(app: Flask) -> None:
    """Both choices for every template."""
    app.jinja_env.globals.update(theme=theme, clock=lambda: chosen("clock"))
