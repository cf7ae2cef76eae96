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
    click.echo(f"halted at {_at(receipt.halted_at)}; {receipt.orders_canceled} resting orders canceled; {last_fill}")


@click.command("release")
@click.option("--reason", required=True, help="Why trading may go on.")
@with_appcontext
def release(reason: str) -> None:
    """Let the desk trade again."""
    people = current_app.config["PAPERDESK"].release_people
    receipt = kill_switch.release(db.engine, reason, by=ACTOR, people=people)
    if isinstance(receipt, ReleasePending):
        click.echo("asked for the release; the desk stays halted until a second person asks too")
        return
    click.echo(f"released at {_at(receipt.released_at)}; drawdown counts from a NAV of {receipt.peak_nav} USDC")


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
