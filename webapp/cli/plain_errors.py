"""Errors a person can act on become one line and exit status 1; only bugs show a stack."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click
from click.exceptions import NoArgsIsHelpError
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from webapp.config import ConfigError
from webapp.domain.errors import DomainError
from webapp.embedded import EmbeddedError

UNDEFINED_TABLE = "42P01"


C = TypeVar("C", bound=click.Command)


def tell_plainly(command: C) -> C:
    """`command`, and every command below it, changed so that the errors listed here are told in one line."""
    if isinstance(command, click.Group):
        for child in command.commands.values():
            tell_plainly(child)
        command.resolve_command = _one_line(command.resolve_command)  # type: ignore[method-assign]
    command.make_context = _one_line(command.make_context)  # type: ignore[method-assign]
    if command.callback is not None:
        command.callback = _wrapped(command.callback)
    return command


class _Misused(click.ClickException):
    """Words that are not those of the command."""

    exit_code = click.UsageError.exit_code


def _one_line(parse: Callable[..., Any]) -> Callable[..., Any]:
    """`parse`, telling what is wrong with the words in one line instead of click's four and more."""

    @wraps(parse)
    def parsed(*args: Any, **kwargs: Any) -> Any:
        try:
            return parse(*args, **kwargs)
        except NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            raise _Misused(" ".join(error.format_message().split())) from error

    return parsed


def _wrapped(callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return callback(*args, **kwargs)
        except DomainError as error:
            raise click.ClickException(error.message) from error
        except (ConfigError, EmbeddedError, OSError) as error:
            raise click.ClickException(str(error)) from error
        except (OperationalError, PoolTimeout) as error:
            raise click.ClickException(f"the database does not answer: {_first_line(error)}") from error
        except ProgrammingError as error:
            if getattr(error.orig, "pgcode", None) != UNDEFINED_TABLE:
                raise
            raise click.ClickException("the database is not migrated: run flask --app wsgi db upgrade") from error

    return run


def _first_line(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(cause).strip().partition("\n")[0]
