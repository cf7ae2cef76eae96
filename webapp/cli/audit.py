"""`flask audit`: was anything in the audit edited, and what to keep elsewhere to know later."""

import click
from flask.cli import AppGroup

from webapp.cli.progress import progress_bar
from webapp.extensions import db
from webapp.services import audit as service

audit = AppGroup("audit", help="The hash chain over risk events, halts, fills, order states and policies.")


def _anchor(_context: click.Context, _option: click.Parameter, written: str | None) -> service.Head | None:
    try:
        return service.Head.parse(written) if written is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@audit.command("verify")
@click.option(
    "--anchor", metavar="SEQ:HASH", callback=_anchor, help="A head noted earlier: also find what was cut off since."
)
def verify(anchor: service.Head | None) -> None:
    """Check every audited row and every link; exit 1 with the first bad row when anything was edited."""
    session = db.session()
    with progress_bar("Checking", service.size(session)) as progress:
        report = service.verify(session, anchor, progress)
    if report.first_bad is not None:
        bad = report.first_bad
        where = f"{bad.source} {bad.row_id or ''}".strip() + (f" (link {bad.seq})" if bad.seq is not None else "")
        raise click.ClickException(f"the audit does not hold at {where}: {bad.what}")
    click.echo(f"the audit holds: {report.rows} rows, head {report.head}")


@audit.command("head")
def head() -> None:
    """Print the end of the chain, to be kept outside of this database and given to `verify --anchor`."""
    found = service.head(db.session())
    if found is None:
        raise click.ClickException("the chain has lost its head: run flask audit verify")
    click.echo(str(found))
