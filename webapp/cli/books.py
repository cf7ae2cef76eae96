"""`flask books`: are positions, cash and NAV what the fills say, and make them so."""

import click
from flask.cli import AppGroup

from webapp.cli.progress import progress_bar
from webapp.extensions import db
from webapp.services import books as service
from webapp.services import folding, trade_rollup
from webapp.services import rebuild as rebuilding

books = AppGroup("books", help="Compare the books with the fills, or derive them anew.")
SHOWN = 20


@books.command("verify")
def verify() -> None:
    """Refold every fill and compare with what is stored; exit 1 on drift."""
    session = db.session()
    with progress_bar("Refolding", folding.size(session)) as progress:
        found = service.verify(session, progress)
    for drift in found.drifts[:SHOWN]:
        click.echo(f"drift: {drift.what} of {drift.key} is {drift.stored}, the fills say {drift.expected}", err=True)
    if found.drifts:
        raise click.ClickException(f"{len(found.drifts)} drifts over {found.fills} fills of {found.symbols} symbols")
    click.echo(f"no drift: {found.fills} fills of {found.symbols} symbols refolded")


@books.command("rebuild")
def rebuild() -> None:
    """Derive positions, cash, order states, cycles, rollups and the audit chain anew from the nine tables."""
    session = db.session()
    with progress_bar("Rebuilding", rebuilding.size(session)) as progress:
        made = rebuilding.rebuild(session, progress=progress)
    trade_rollup.rebuild(db.session())
    click.echo(
        f"rebuilt from {made.fills} fills of {made.symbols} symbols: "
        f"starting cash {made.starting_cash}, NAV {made.nav}; "
        f"{made.transitions} order states, {made.cycles} cycles and {made.chained} audit links added, "
        f"{made.candles} candles and {made.nav_buckets} NAV buckets derived"
    )
