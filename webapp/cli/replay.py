"""`flask replay`: recorded quotes through the whole paper loop."""

from pathlib import Path

import click
from flask.cli import with_appcontext

from webapp.domain.strategies import STRATEGIES, get_strategy
from webapp.extensions import db
from webapp.feeds import csv_quotes
from webapp.services import kill_switch
from webapp.services import replay as service
from webapp.services.replay import Plan, Report
from webapp.services.replay_entries import Entry


@click.command("replay")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--strategy", default="momentum", type=click.Choice(sorted(STRATEGIES)), show_default=True)
@click.option(
    "--cycle-seconds",
    default=60,
    type=click.IntRange(1, 86_400),
    show_default=True,
    help="Between two cycles of a symbol.",
)
@with_appcontext
def replay(files: tuple[Path, ...], strategy: str, cycle_seconds: int) -> None:
    """Replay quotes FILES (CSV, plain or gzipped), with market time as the clock.

    Several files are merged by time. A replay that was cut off goes on where it stopped; one that is finished is not
    repeated.
    """
    found = csv_quotes.inspect_all(files)
    chosen = get_strategy(strategy)
    print_ = f"{csv_quotes.fingerprint(found)}|{strategy}"
    plan = Plan(print_, [str(file.path.name) for file in found], lambda _: chosen, cycle_seconds)
    session = db.session()
    with click.progressbar(length=sum(file.size for file in found), label="Replaying") as bar:
        rows = csv_quotes.merged(found, bar.update)
        report = service.replay(session, (Entry(row.tick, row.refused) for row in rows), plan)
    click.echo(_said(report))
    if kill_switch.state(session).enabled:
        click.echo("the desk is halted" + (f": {report.halted}" if report.halted else ""), err=True)
    if not report.taken:
        raise click.ClickException("no row could be taken")


def _said(report: Report) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(report.refused.items()))
    refused = f"{sum(report.refused.values())} refused" + (f" ({reasons})" if reasons else "")
    if report.already:
        return f"already replayed: {report.taken} rows taken, {refused}; nothing was written again"
    late = f", {report.late} of them late" if report.late else ""
    unfit = f", {report.cycles_refused} cycles refused for amounts that would not fit" if report.cycles_refused else ""
    return (
        f"{report.taken} rows taken{late}, {refused}; "
        f"{report.cycles} cycles, {report.orders} orders, {report.fills} fills{unfit}"
    )
