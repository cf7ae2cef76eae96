"""The HTML pages: one file per noun. A view parses, calls one query or service, and answers."""

from importlib import import_module
from typing import Final

from flask import Flask

READABLE: Final = (
    "overview",
    "portfolio",
    "market",
    "positions",
    "orders",
    "fills",
    "signals",
    "cycles",
    "risk",
    "policy",
    "kill_switch",
    "smoke_runs",
    "system",
    "find",
)
"""Nouns whose pages everybody may read who may look at this desk. What is done there, and every other page, names its
role with `role` in `webapp.web.auth`, or is public by the paths there; where nothing is said, nobody may."""
NOUNS: Final = (
    *READABLE,
    "session",
    "oidc",
    "choices",
    "offline",
    "account",
    "admin",
    "people",
    "bots",
    "acts",
    "shares",
    "closing",
)
"""Each is a module of this package with a blueprint `bp`."""


def install(app: Flask) -> None:
    """Register every noun's blueprint, and what all pages know: who is there and whether trading is on."""
    from webapp.pages import desk, filtering
    from webapp.web import auth

    for noun in NOUNS:
        bp = import_module(f"webapp.pages.{noun}").bp
        app.register_blueprint(bp)
        if noun in READABLE:
            auth.allow_reading(app, bp.name)
    desk.install(app)
    app.jinja_env.globals["form_here"] = filtering.form_here
