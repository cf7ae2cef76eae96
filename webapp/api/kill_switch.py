"""The kill switch: anyone who may halt can, in one step; a release needs more."""

from __future__ import annotations

from dataclasses import asdict

from flask import Response, current_app, g

from webapp.api import answers
from webapp.api.calls import call
from webapp.api.guard import need, refuse_paused
from webapp.api.schemas import SwitchIn
from webapp.api.wire import answer, stamped
from webapp.extensions import db
from webapp.services import kill_switch
from webapp.services.kill_switch import ReleasePending


@call("GET", "/kill-switch", scopes=("read",), answer=answers.SwitchOut)
def get_kill_switch() -> Response:
    """Where the kill switch stands"""
    return answer(stamped(asdict(kill_switch.state(db.session()))))


@call(
    "POST",
    "/kill-switch",
    scopes=("halt", "admin"),
    body=SwitchIn,
    answer=answers.SwitchedOut,
    errors=(400, 409),
    pace=None,
    while_paused=True,
    urgent=True,
)
def post_kill_switch(body: SwitchIn) -> Response:
    """Halt or release

    Halting needs the scope `halt`, cancels every resting order and is safe to repeat: once it is answered with 200, no
    fill is committed until a release. Releasing needs the scope `admin` and a reason; on a desk that demands two
    people the first one's is answered with 202 and waits for the second. 503 means that it was not
    confirmed: after a halt assume that trading is ON, and send it again. This call is never rate limited, and a paused
    bot may halt as well.
    """
    if body.enabled:
        need("halt")
        receipt = asdict(kill_switch.halt(db.engine, body.reason, by=g.actor))
        changed_at = receipt.pop("halted_at")
    else:
        need("admin")
        refuse_paused()
        people = current_app.config["PAPERDESK"].release_people
        keep_peak = body.drawdown_base == "peak"
        released = kill_switch.release(db.engine, body.reason, by=g.actor, people=people, keep_peak=keep_peak)
        if isinstance(released, ReleasePending):
            return answer({"enabled": True, "changed_at": released.requested_at, "release_requested_by": g.actor}, 202)
        receipt = asdict(released)
        changed_at = receipt.pop("released_at")
    return answer({"enabled": body.enabled, "changed_at": changed_at, **receipt})
