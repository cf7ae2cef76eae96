"""The risk audit: one plain sentence for everything the gate decided."""

from flask import Blueprint

from webapp.pages.lists import ListPage, install

bp = Blueprint("risk", __name__)
install(bp, ListPage("risk_events", "/risk", "risk"))
