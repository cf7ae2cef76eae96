"""`flask tokens`: the keys of bots and agents, and stopping one of them alone."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import click
from flask.cli import AppGroup

from webapp.domain.errors import BadInput
from webapp.domain.money import parse_amount
from webapp.domain.people import SCOPES
from webapp.extensions import db
from webapp.queries import bots
from webapp.queries.bots import Bot
from webapp.services import tokens as services
from webapp.services.tokens import Caps

BY = "cli"
UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
LONGEST = timedelta(days=3650)
HEADINGS = ("NAME", "STATE", "SCOPES", "PROPOSED", "ACCEPTED", "BLOCKED", "REPLAYS", "429S", "CAPS", "LAST SEEN")

tokens = AppGroup("tokens", help="The API keys of bots and agents.")


def _span(_context: click.Context, _option: click.Parameter, value: str | None) -> timedelta | None:
    if value is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,5})([dhm])", value)
    if match is None or (span := int(match[1]) * UNITS[match[2]]) > LONGEST:
        raise click.BadParameter(f"{value!r} is not a span such as 30d, 12h or 45m")
    return span


def _amount(_context: click.Context, _option: click.Parameter, value: str | None) -> Decimal | None:
    try:
        return None if value is None else parse_amount(value, "amount")
    except BadInput as error:
        raise click.BadParameter(f"{value!r} {error.reason}") from error


most = click.option(
    "--max-order-notional", "notional", callback=_amount, metavar="USDC", help="No order of this bot may be larger."
)
pace = click.option("--cycles-per-minute", "cycles", type=int, metavar="N", help="No more trade cycles than these.")


@tokens.command("create")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, help=f"One or more of {', '.join(SCOPES)}.")
@click.argument("more_scopes", nargs=-1, metavar="[SCOPE]...")
@click.option("--expires-in", "span", callback=_span, metavar="SPAN", help="How long it opens: 30d, 12h, 45m.")
@most
@pace
def create(
    name: str,
    scopes: Sequence[str],
    more_scopes: Sequence[str],
    span: timedelta | None,
    notional: Decimal | None,
    cycles: int | None,
) -> None:
    """Make a token called NAME and print it, once: `--scope read trade` or `--scope read --scope trade`."""
    wanted = [part for scope in (*scopes, *more_scopes) for part in scope.replace(",", " ").split()]
    expires_at = None if span is None else datetime.now(UTC) + span
    record, secret = services.create_token(
        db.session(), name, wanted, BY, expires_at=expires_at, caps=Caps(notional, cycles)
    )
    until = "" if record.expires_at is None else f" until {_time(record.expires_at)}"
    click.echo(f"token {record.name} may {', '.join(record.scopes)}{until}; it is shown this once:", err=True)
    click.echo(secret)


@tokens.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those revoked or expired.")
def show(everything: bool) -> None:
    """Every bot: what it may do, what it did, and how often which rule stopped it."""
    found = [bot for bot in bots.scoreboard(db.session()) if everything or bot.state in ("active", "paused")]
    rows = [HEADINGS, *(tuple(_cells(bot)) for bot in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@tokens.command("pause")
@click.argument("name")
@click.option("--reason", required=True)
def pause(name: str, reason: str) -> None:
    """Stop the bot called NAME alone: it may read, cancel its orders and halt, and nothing else."""
    record = services.pause_token(db.session(), name, BY, reason)
    click.echo(f"token {record.name} is paused since {_time(record.paused_at)}: {record.pause_reason}")


@tokens.command("resume")
@click.argument("name")
def resume(name: str) -> None:
    """Let the paused bot called NAME go on."""
    click.echo(f"token {services.resume_token(db.session(), name, BY).name} may go on")


@tokens.command("cap")
@click.argument("name")
@most
@pace
def cap(name: str, notional: Decimal | None, cycles: int | None) -> None:
    """Give the bot called NAME these limits of its own, and take away those not named."""
    record = services.set_caps(db.session(), name, Caps(notional, cycles), BY)
    click.echo(f"token {record.name}: {_caps(record.max_order_notional, record.cycles_per_minute)}")


@tokens.command("revoke")
@click.argument("name")
def revoke(name: str) -> None:
    """Take the token called NAME out of force for good."""
    record = services.revoke_token(db.session(), name, BY)
    click.echo(f"token {record.name} is revoked since {_time(record.revoked_at)}")


def _cells(bot: Bot) -> Iterator[str]:
    yield from (bot.name, bot.state, ",".join(bot.scopes), str(bot.proposals), str(bot.accepted))
    rule, times = next(iter(bot.blocked_by.items()), ("", 0))
    yield f"{bot.blocked} ({times} {rule})" if rule else str(bot.blocked)
    yield from (str(bot.replays), str(bot.limited), _caps(bot.max_order_notional, bot.cycles_per_minute))
    yield _time(bot.last_seen_at)


def _caps(notional: Decimal | None, cycles: int | None) -> str:
    said = [] if notional is None else [f"{notional.normalize():f} USDC an order"]
    said += [] if cycles is None else [f"{cycles} cycles a minute"]
    return ", ".join(said) or "no caps"


def _time(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
