"""The desk as a whole: is it up, and how is it doing."""

from __future__ import annotations

from dataclasses import asdict

from flask import Response

from webapp.api import answers
from webapp.api.calls import call
from webapp.api.wire import answer, stamped
from webapp.extensions import db
from webapp.queries.status import bot_status
from webapp.version import VERSION


@call("GET", "", scopes=(), answer=answers.IndexOut)
def get_index() -> Response:
    """Where to begin

    Open to all, as is all it points to.
    """
    return answer(stamped({"name": "Paperdesk", "version": VERSION, "openapi": "/v1/openapi.json", "docs": "/v1/docs"}))


@call("GET", "/health", scopes=("read",), answer=answers.HealthOut)
def get_health() -> Response:
    """Is the API up

    The token was looked up to get here, so the database answers too; 503 UNAVAILABLE when it does not.
    """
    return answer(stamped({"status": "ok", "version": VERSION}))


@call("GET", "/bot/status", scopes=("read",), answer=answers.StatusOut)
def get_bot_status() -> Response:
    """How the desk is doing

    `halted` while the kill switch is on, else `stale` while the newest quote is older than the policy allows (nothing
    fills then), else `running`.
    """
    return answer(stamped({}) | asdict(bot_status(db.session())))
