"""`flask halt` and `flask release`: the kill switch, also while the web server is down."""

from datetime import datetime

import click
from flask import current_app
from flask.cli import with_appcontext

from webapp.extensions import db
from webapp.services import kill_switch
from webapp.services.kill_switch import ReleasePending

ACTOR = "cli"


@click.command("halt")
@click.option("--reason", default=None, help="Why; shown on every page until the release.")
@with_appcontext
def halt(reason: str | None) -> None:
    """Stop all trading and cancel every resting order."""
    receipt = kill_switch.halt(db.engine, reason, by=ACTOR)
    if receipt.already:
        why = f": {receipt.reason}" if receipt.reason else ""
        click.echo(f"halted already, since {_at(receipt.halted_at)} by {receipt.actor}{why}")
        return
    last_fill = (
        f"last fill before it {_at(receipt.last_fill_at)}" if receipt.last_fill_at else "nothing was ever filled"
    )
    hung = f"; trades that hung, ended and undone: {receipt.cut_off}" if receipt.cut_off else ""
    click.echo(
        f"halted at {_at(receipt.halted_at)}; {receipt.orders_canceled} resting orders canceled; {last_fill}; "
        f"took {receipt.took_ms} ms{hung}; event {receipt.event_id}; audit head {receipt.audit_head}"
    )


@click.command("release")
@click.option("--reason", required=True, help="Why trading may go on.")
@click.option("--keep-peak", is_flag=True, help="Drawdown goes on from the peak it counts from now.")
@with_appcontext
def release(reason: str, keep_peak: bool) -> None:
    """Let the desk trade again; drawdown counts from the NAV of this moment."""
    people = current_app.config["PAPERDESK"].release_people
    receipt = kill_switch.release(db.engine, reason, by=ACTOR, people=people, keep_peak=keep_peak)
    if isinstance(receipt, ReleasePending):
        click.echo("asked for the release; the desk stays halted until a second person asks too")
        return
    base = "the peak as before, a NAV" if receipt.kept_peak else "a NAV"
    click.echo(f"released at {_at(receipt.released_at)}; drawdown counts from {base} of {receipt.peak_nav} USDC")


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
