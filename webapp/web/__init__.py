"""What pages and the API share at the edge: answers, headers, error pages, filters, parameters, who is asking."""

from typing import Final

from flask import Flask
from jinja2 import StrictUndefined

from webapp.web import assets, auth, cells, choices, compression, errors, filters, headers, rows

SECTIONS: Final = (
    ("Desk", (("/", "Overview"), ("/portfolio/", "Portfolio"), ("/positions/", "Positions"), ("/market/", "Market"))),
    ("Trades", (("/orders/", "Orders"), ("/fills/", "Fills"), ("/signals/", "Signals"), ("/cycles/", "Cycles"))),
    ("Safety", (("/risk/", "Risk audit"), ("/risk/policy", "Policy"), ("/kill-switch/", "Kill switch"))),
    ("Operations", (("/smoke-runs/", "Smoke runs"), ("/system/", "System"))),
)


def install(app: Flask) -> None:
    """Set up templates, headers and error pages. A name a template does not know is an error, never an empty string."""
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.autoescape = True
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(sections=SECTIONS)
    for part in (choices, filters, cells, rows, assets, compression, auth, headers, errors):
        part.install(app)
