"""Simulated executions."""

from flask import Blueprint

from webapp.pages.lists import ListPage, install

bp = Blueprint("fills", __name__)
install(bp, ListPage("fills", "/fills", "fills"))
