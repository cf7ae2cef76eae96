"""Long work shows how far it is, to whoever watches it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


def watched() -> bool:
    """Whether somebody looks at a terminal."""
    return sys.stderr.isatty()


@contextmanager
def progress_bar(label: str, rows: int) -> Iterator[Callable[[int], None]]:
    """Tell the yielded function how many rows were done. On a terminal only, and not among what a command prints."""
    with click.progressbar(length=rows, label=label, file=sys.stderr, hidden=not watched()) as bar:
        yield bar.update
