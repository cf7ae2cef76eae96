"""The page a browser keeps for when it cannot reach the desk. It is drawn as knowing nothing."""

from flask import Blueprint, g, render_template, request

from webapp.pages.desk import Switch

bp = Blueprint("offline", __name__)


@bp.get("/offline")
def show() -> str:
    """`?sent=yes` is for a form whose answer never came."""
    g.switch = Switch(enabled=True, known=False)
    g.guest = None
    return render_template("errors/offline.html", sent=request.args.get("sent") == "yes")
