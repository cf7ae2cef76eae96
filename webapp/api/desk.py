"""The desk as a whole: is it up, and how is it doing."""

from __future__ import annotations

from dataclasses import asdict

from flask import Response

from webapp.api import answers
from webapp.api.calls import call
from webapp.api.wire import answer
from webapp.extensions import db
from webapp.queries.status import bot_status
from webapp.version import VERSION


@call("GET", "/health", scopes=("read",), answer=answers.HealthOut)
def get_health() -> Response:
    """Is the API up

    The token was looked up to get here, so the database answers too; 503 UNAVAILABLE when it does not.
    """
    return answer({"status": "ok", "mode": "paper", "version": VERSION})


@call("GET", "/bot/status", scopes=("read",), answer=answers.StatusOut)
def get_bot_status() -> Response:
    """How the desk is doing

    `halted` while the kill switch is on, else `stale` while the newest quote is older than the policy allows (nothing
    fills then), else `running`.
    """
    return answer({"mode": "paper", **asdict(bot_status(db.session()))})
