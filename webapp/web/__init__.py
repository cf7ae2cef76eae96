"""What pages and the API share at the edge: answers, headers, error pages, filters, parameters, who is asking."""

from typing import Final, NamedTuple

from flask import Flask
from jinja2 import StrictUndefined

from webapp.web import assets, auth, cells, choices, compression, errors, filters, headers, limits, oidc, origins, rows


class Link(NamedTuple):
    """A page one can go to: `key` after `g` goes there, `icon` is one of static/img/icons.svg."""

    href: str
    text: str
    icon: str
    key: str


SECTIONS: Final = (
    (
        "Desk",
        (
            Link("/", "Overview", "overview", "h"),
            Link("/portfolio/", "Portfolio", "portfolio", "p"),
            Link("/positions/", "Positions", "positions", "n"),
            Link("/market/", "Market", "market", "m"),
        ),
    ),
    (
        "Trades",
        (
            Link("/orders/", "Orders", "orders", "o"),
            Link("/fills/", "Fills", "fills", "f"),
            Link("/signals/", "Signals", "signals", "s"),
            Link("/cycles/", "Cycles", "cycles", "c"),
        ),
    ),
    (
        "Safety",
        (
            Link("/risk/", "Risk audit", "risk", "r"),
            Link("/risk/policy", "Policy", "policy", "l"),
            Link("/kill-switch/", "Kill switch", "switch", "k"),
        ),
    ),
    (
        "Operations",
        (Link("/smoke-runs/", "Smoke runs", "smoke", "d"), Link("/system/", "System", "system", "y")),
    ),
)

FOR_ADMINS: Final = (
    "Doors",
    (
        Link("/admin/", "Admin", "person", "a"),
        Link("/admin/acts/", "Acts", "orders", "e"),
    ),
)
"""Shown to admins only, after the others."""


def section_of(path: str) -> str:
    """The address in the navigation under which a page belongs: the longest that its own begins with."""
    links = (link.href for _, links in (*SECTIONS, FOR_ADMINS) for link in links)
    return max((href for href in links if path == href or (href != "/" and path.startswith(href))), key=len, default="")


def install(app: Flask) -> None:
    """Set up templates, headers and error pages. A name a template does not know is an error, never an empty string."""
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.autoescape = True
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(sections=SECTIONS, sections_for_admins=(*SECTIONS, FOR_ADMINS), section_of=section_of)
    for part in (origins, limits, choices, filters, cells, rows, assets, compression, auth, oidc, headers, errors):
        part.install(app)
