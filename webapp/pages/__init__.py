"""The HTML pages: one file per noun. A view parses, calls one query or service, and answers."""

from importlib import import_module
from typing import Final

from flask import Flask

NOUNS: Final = (
    "session",
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
    "choices",
    "offline",
)
"""Each is a module of this package with a blueprint `bp`."""


def install(app: Flask) -> None:
    """Register every noun's blueprint, and what all pages know: who is there and whether trading is on."""
    from webapp.pages import desk, filtering

    for noun in NOUNS:
        app.register_blueprint(import_module(f"webapp.pages.{noun}").bp)
    desk.install(app)
    app.jinja_env.globals["form_here"] = filtering.form_here
