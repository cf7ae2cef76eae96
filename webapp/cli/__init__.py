"""The `flask` commands: parse, call one service, say in one line what was done."""

from flask import Flask

from webapp.cli.plain_errors import tell_plainly

COMMANDS = ()


def install(app: Flask) -> None:
    """Register every command group."""
    for command in COMMANDS:
        tell_plainly(command)
        app.cli.add_command(command)
