"""What long work tells whoever waits for it."""

from collections.abc import Callable

Progress = Callable[[int], object]
"""Told after each stretch of work how many rows it was."""


def silent(_rows: int) -> None:
    """The progress nobody asked for."""
