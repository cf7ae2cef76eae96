"""File locks, which the kernel gives back when their holder dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def open_lock(path: Path) -> IO[str]:
    """A file to lock, made if need be."""
    return path.open("a", encoding="utf-8")


def try_lock(file: IO[str], kind: int) -> bool:
    """Take the lock if it is free right now; a lock held before is lost when it is not."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock alone for the length of the block."""
    with open_lock(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
