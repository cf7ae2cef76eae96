"""The bots of this desk, one by one: what each may do and what it did."""

from __future__ import annotations

from dataclasses import asdict

from flask import Response, request

from webapp.api import answers
from webapp.api.calls import call
from webapp.api.guard import tell_refused
from webapp.api.wire import answer, stamped
from webapp.domain.errors import BadInput
from webapp.extensions import db
from webapp.queries import bots
from webapp.web.params import read_time

SPAN = {
    "from": {"type": "string", "format": "date-time", "description": "Cycles of this moment or later."},
    "to": {"type": "string", "format": "date-time", "description": "Cycles before this moment."},
}


@call("GET", "/bots", scopes=("read",), answer=answers.BotsOut, errors=(400,), query=SPAN)
def list_bots() -> Response:
    """Bots

    Every token there ever was, newest first, without its secret: scopes, caps, whether it is paused, and its score.
    Cycles are counted within `from` and `to`; replays and what was turned away are counted for good.
    """
    since, until = (read_time(request.args[name], name) if name in request.args else None for name in SPAN)
    if since and until and since > until:
        raise BadInput("from", "is after `to`")
    tell_refused()
    found = bots.scoreboard(db.session(), since=since, until=until)
    return answer(stamped({"items": [asdict(bot) for bot in found], "next_cursor": None}))
