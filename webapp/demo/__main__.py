"""`python -m webapp.demo`."""

import os
import sys

import click

from webapp.config import Config, ConfigError
from webapp.demo.processes import die_with_parent
from webapp.demo.supervisor import Demo, Failed
from webapp.domain.errors import DomainError
from webapp.embedded import EmbeddedError


@click.command()
@click.option("--with-parent", is_flag=True, help="Stop when the process that started this one dies.")
def main(with_parent: bool) -> None:
    """A paper desk with history, trading on its own, until Ctrl-C."""
    if with_parent:
        die_with_parent(os.getppid())()
    try:
        Demo(Config.read()).run()
    except (ConfigError, DomainError, EmbeddedError, Failed, OSError) as error:
        sys.exit(f"paperdesk: {error}")


main()
