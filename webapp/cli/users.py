"""`flask users`: the people who may log in."""

import sys

import click
from flask.cli import AppGroup

from webapp.domain.acts import SERVER
from webapp.domain.errors import BadInput
from webapp.domain.people import ROLES, check_name, check_password
from webapp.extensions import db
from webapp.services import access

users = AppGroup("users", help="The people who may log in.")


@users.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
def create(name: str, role: str, password_stdin: bool) -> None:
    """Let NAME log in."""
    typed = _read(name) if password_stdin else _ask()
    person = access.create_user(db.session(), name, typed, role, weak_too=password_stdin)
    click.echo(f"user {person.name} may log in as {person.role}")


@users.command("password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
def password(name: str, password_stdin: bool) -> None:
    """Give NAME another password, and log them out everywhere."""
    typed = _read(name) if password_stdin else _ask()
    person = access.set_password(db.session(), name, typed, SERVER, weak_too=password_stdin)
    click.echo(f"user {person.name} has a new password and is logged out everywhere")


def _read(name: str) -> str:
    """The password a script has chosen: it is taken as it is, and what is wrong with it is said beside the result."""
    typed = sys.stdin.readline().rstrip("\r\n")
    check_name(name)
    try:
        check_password(name, typed)
    except BadInput as weakness:
        click.echo(f"warning: {weakness}", err=True)
    return typed


def _ask() -> str:
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return answer
