"""`flask engine`: the trading process."""

import signal
from threading import Thread

import click
import structlog
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from webapp import logs
from webapp.config import Config
from webapp.domain.strategies import deal
from webapp.engine.desk_hand import DeskHand
from webapp.engine.runner import Runner
from webapp.engine.schedule import Every, staggered
from webapp.extensions import COMMAND_LIMITS, ENGINE_LIMITS, make_engine
from webapp.feeds import open_feed
from webapp.services import leadership, monitors, smoke
from webapp.services.leadership import Fenced, Lease

SMOKE_EVERY_SECONDS = 900.0
log = structlog.stdlib.get_logger("engine")

engine = AppGroup("engine", help="The trading process: quotes, cycles, snapshots, automatic halts.")


@engine.command("run")
def run() -> None:
    """Run until SIGTERM or Ctrl-C. A second engine stands by and takes over when the first one is gone."""
    config: Config = current_app.config["PAPERDESK"]
    logs.configure(config.log_level)
    database = make_engine(config, ENGINE_LIMITS, "engine", size=3)
    checks = make_engine(config, COMMAND_LIMITS, "self-check", size=2)
    runner = Runner(database, _hand(config), feed_name=config.feed, checks=checks)
    runner.extra.append((Every(SMOKE_EVERY_SECONDS, offset=5.0), lambda lease: _start_smoke(database, config, lease)))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runner.stopping.set())
    runner.run()
    click.echo("the engine has stopped")


@engine.command("once")
def once() -> None:
    """One pass: take quotes, run a cycle of each symbol, let time pass, look for reasons to halt."""
    config: Config = current_app.config["PAPERDESK"]
    hand = _hand(config)
    with make_engine(config, ENGINE_LIMITS, "engine").connect() as connection, Session(bind=connection) as session:
        if leadership.take(session, "once") is None:
            raise click.ClickException("another engine leads; it does all of this already")
        for timer in hand.cycles.values():
            timer.offset = 0.0
        hand.step(session, 0.0)
        receipt = monitors.watch(session, config.symbols)
        leadership.give_up(session)
    halted = f"; halted: {receipt.reason}" if receipt is not None and not receipt.already else ""
    done = hand.counts
    click.echo(f"{done.ticks} quotes taken, {done.cycles} cycles run, {done.errors} refused{halted}")
    if done.errors:
        raise click.ClickException(done.last_error or "an act was refused")


def _hand(config: Config) -> DeskHand:
    strategies = deal(config.strategies, config.symbols)
    return DeskHand(open_feed(config), strategies, staggered(config.symbols, config.cycle_seconds))


def _start_smoke(database: Engine, config: Config, lease: Lease) -> None:
    """A smoke run waits for the network; trading must not wait for it."""
    Thread(target=_smoke, args=(database, config, lease), name="smoke", daemon=True).start()


def _smoke(database: Engine, config: Config, lease: Lease) -> None:
    try:
        with Session(database) as session:
            row = smoke.run(session, config.solana_rpc_url, "engine", wallet_file=config.smoke_wallet, lease=lease)
    except Fenced as error:
        log.warning("smoke_run_fenced", reason=str(error))
    else:
        log.info("smoke_run", status=row["status"])
