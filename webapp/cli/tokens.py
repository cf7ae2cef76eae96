"""`flask tokens`: the keys of bots and agents."""

from collections.abc import Sequence

import click
from flask.cli import AppGroup

from webapp.domain.people import SCOPES
from webapp.extensions import db
from webapp.services import access

tokens = AppGroup("tokens", help="The API keys of bots and agents.")


@tokens.command("create")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, help=f"One or more of {', '.join(SCOPES)}.")
@click.argument("more_scopes", nargs=-1, metavar="[SCOPE]...")
def create(name: str, scopes: Sequence[str], more_scopes: Sequence[str]) -> None:
    """Make a token called NAME and print it, once: `--scope read trade` or `--scope read --scope trade`."""
    wanted = [part for scope in (*scopes, *more_scopes) for part in scope.replace(",", " ").split()]
    record, secret = access.create_token(db.session(), name, wanted, "cli")
    click.echo(f"token {record.name} may {', '.join(record.scopes)}; it is shown this once:", err=True)
    click.echo(secret)


@tokens.command("revoke")
@click.argument("name")
def revoke(name: str) -> None:
    """Take the token called NAME out of force for good."""
    record = access.revoke_token(db.session(), name)
    click.echo(f"token {record.name} is revoked since {record.revoked_at:%Y-%m-%d %H:%M:%S} UTC")
