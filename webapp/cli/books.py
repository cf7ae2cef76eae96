"""`flask books`: are positions, cash and NAV what the fills say, and make them so."""

import click
from flask.cli import AppGroup

from webapp.extensions import db
from webapp.services import books as service
from webapp.services import rebuild as rebuilding
from webapp.services import trade_rollup

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


@books.command("rebuild")
def rebuild() -> None:
    """Derive positions, cash, order states, cycles, rollups and the audit chain anew from the nine tables."""
    made = rebuilding.rebuild(db.session())
    trade_rollup.rebuild(db.session())
    click.echo(
        f"rebuilt from {made.fills} fills of {made.symbols} symbols: "
        f"starting cash {made.starting_cash}, NAV {made.nav}; "
        f"{made.transitions} order states, {made.cycles} cycles and {made.chained} audit links added, "
        f"{made.candles} candles and {made.nav_buckets} NAV buckets derived"
    )
