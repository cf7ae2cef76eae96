"""What strategies and bots said, before risk and execution."""

from flask import Blueprint

from webapp.pages.lists import ListPage, install

bp = Blueprint("signals", __name__)
install(bp, ListPage("signals", "/signals", "signals"))
