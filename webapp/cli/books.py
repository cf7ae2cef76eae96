"""`flask books`: are positions, cash and NAV what the fills say, and make them so."""

import click
from flask.cli import AppGroup

from webapp.extensions import db
from webapp.services import books as service

books = AppGroup("books", help="Compare the books with the fills, or derive them anew.")
SHOWN = 20


@books.command("verify")
def verify() -> None:
    """Refold every fill and compare with what is stored; exit 1 on drift."""
    found = service.verify(db.session())
    for drift in found.drifts[:SHOWN]:
        click.echo(f"drift: {drift.what} of {drift.key} is {drift.stored}, the fills say {drift.expected}", err=True)
    if found.drifts:
        raise click.ClickException(f"{len(found.drifts)} drifts over {found.fills} fills of {found.symbols} symbols")
    click.echo(f"no drift: {found.fills} fills of {found.symbols} symbols refolded")
