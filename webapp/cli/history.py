"""`flask demo-history`: the past of a new demo desk."""

from datetime import UTC, datetime, timedelta

import click
from flask import current_app
from flask.cli import with_appcontext

from webapp.config import Config
from webapp.domain.strategies import deal
from webapp.extensions import db
from webapp.feeds.simulated import SimulatedFeed
from webapp.services import history

STEP_SECONDS = 30


@click.command("demo-history")
@click.option("--days", default=3, type=click.IntRange(1, 30), show_default=True)
@with_appcontext
def demo_history(days: int) -> None:
    """Trade through the last days on simulated quotes, by the same core that trades live. For an empty desk only."""
    config: Config = current_app.config["PAPERDESK"]
    session = db.session()
    if not history.is_empty(session):
        raise click.ClickException("this desk has a past already; history can only be made for an empty one")
    feed = SimulatedFeed(config.symbols)
    strategies = deal(config.strategies, config.symbols)
    end = datetime.now(UTC).replace(microsecond=0)
    start = end - timedelta(days=days)
    rows = len(config.symbols) * days * 86_400 // STEP_SECONDS
    with click.progressbar(length=rows, label="Trading through the past") as bar:
        made = history.make(
            session,
            lambda since, until: feed.history(since, until, STEP_SECONDS),
            start,
            end,
            strategies.__getitem__,
            config.cycle_seconds,
            bar.update,
        )
    click.echo(f"{days} days: {made.taken} quotes, {made.cycles} cycles, {made.orders} orders, {made.fills} fills")
