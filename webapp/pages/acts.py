"""What was done to the doors of the desk: who came in, who tried to, what became of people, bots and links."""

from flask import Blueprint

from webapp.pages.lists import ListPage, install

bp = Blueprint("acts", __name__)
install(bp, ListPage("acts", "/admin/acts", "acts", role="admin"))
