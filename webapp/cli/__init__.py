"""The `flask` commands: parse, call one service, say in one line what was done."""

from flask import Flask

from webapp.cli.audit import audit
from webapp.cli.books import books
from webapp.cli.database import database
from webapp.cli.engine import engine
from webapp.cli.halt import halt, release
from webapp.cli.history import demo_history
from webapp.cli.plain_errors import tell_plainly
from webapp.cli.replay import replay
from webapp.cli.smoke import smoke
from webapp.cli.tokens import tokens
from webapp.cli.users import users

COMMANDS = tuple(
    tell_plainly(command)
    for command in (audit, books, database, demo_history, engine, halt, release, replay, smoke, tokens, users)
)


def install(app: Flask) -> None:
    """Register every command group."""
    for command in COMMANDS:
        app.cli.add_command(command)
