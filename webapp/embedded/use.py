"""Who uses a server: one file lock a process."""

import atexit
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import IO

from webapp.embedded import programs
from webapp.embedded.locks import locked, open_lock, try_lock
from webapp.embedded.server import STOP_SECONDS, Cluster, ensure_running, stop

PROJECT = Path(__file__).resolve().parent.parent.parent


@dataclass
class Handle:
    """One process's use of a running server. While any process holds one, the server stays."""

    cluster: Cluster
    settings: Mapping[str, str]
    users: IO[str]
    pid: int

    @property
    def url(self) -> str:
        return self.cluster.url

    def revive(self) -> None:
        """Start the server again if it died under its users."""
        with locked(self.cluster.lock_file("start")):
            ensure_running(self.cluster, self.settings)

    def release(self) -> None:
        """Stop using the server; stop it when nobody else does. Safe to call twice."""
        if self.users.closed or self.pid != os.getpid():  # a forked child must not speak for its parent
            return
        _held.pop(self.cluster.home, None)
        if try_lock(self.users, fcntl.LOCK_EX):
            stop(self.cluster)
        else:
            _wait_for_keeper(self.cluster, self.users)
        self.users.close()


_held: dict[Path, Handle] = {}
_one_thread = Lock()


def acquire(home: Path, settings: Mapping[str, str] | None = None, *, temporary: bool = False) -> Handle:
    """A running server with its data under ``home``, released when this process exits.

    ``settings`` are those of PostgreSQL, for a server that has to be started. ``temporary`` removes ``home`` at last.
    Raises :class:`EmbeddedError`.
    """
    home = home.absolute()
    with _one_thread:
        if home not in _held or os.getpid() != _held[home].pid:
            cluster = Cluster(home)
            users = _join(cluster)
            try:
                with locked(cluster.lock_file("start")):
                    _start_keeper(cluster, temporary)
                    ensure_running(cluster, settings or {})
            except BaseException:
                users.close()
                raise
            handle = _held[home] = Handle(cluster, settings or {}, users, os.getpid())
            atexit.register(handle.release)
        return _held[home]


def _join(cluster: Cluster) -> IO[str]:
    """Become a user of the cluster; waits while a server is being stopped."""
    while True:
        cluster.home.mkdir(parents=True, exist_ok=True)
        users = open_lock(cluster.lock_file("users"))
        fcntl.flock(users, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(users.fileno()), cluster.lock_file("users").stat()):
                return users
        users.close()  # a temporary cluster went away, and its lock file with it, while this one waited


def _start_keeper(cluster: Cluster, temporary: bool) -> None:
    """One sleeping process a cluster, for the users that cannot say goodbye; a second one ends at once."""
    if temporary:
        cluster.lock_file("temporary").touch()
    subprocess.run(
        [sys.executable, "-S", "-m", "webapp.embedded.keeper", str(cluster.home), str(programs.folder())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=PROJECT,
        check=True,
    )


def _wait_for_keeper(cluster: Cluster, users: IO[str]) -> None:
    """The exclusive lock was taken: by the keeper, who is stopping the server now, or by other users, who keep it."""
    deadline = time.monotonic() + STOP_SECONDS
    while cluster.running() and not try_lock(users, fcntl.LOCK_SH) and time.monotonic() < deadline:
        time.sleep(0.02)
