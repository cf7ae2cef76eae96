"""The command line of the test's own desk."""

from collections.abc import Callable

import pytest
from apiflask import APIFlask
from click.testing import Result

from webapp.config import Config


@pytest.fixture
def settings(settings: Config) -> Config:
    """The settings of a command rather than of a server."""
    return settings.model_copy(update={"command": True})


@pytest.fixture
def run(app: APIFlask) -> Callable[..., Result]:
    """`run("users", "create", ...)`: the command's result; `stdin` is what it reads."""
    runner = app.test_cli_runner()
    return lambda *words, stdin=None: runner.invoke(args=[str(word) for word in words], input=stdin)
