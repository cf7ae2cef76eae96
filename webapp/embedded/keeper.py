"""The keeper: `python -m webapp.embedded.keeper HOME PROGRAMS` sleeps until nobody uses the server, then stops it."""

import fcntl
import os
import sys
from pathlib import Path

from webapp.embedded import programs
from webapp.embedded.locks import open_lock, try_lock
from webapp.embedded.server import Cluster, stop


def keep(cluster: Cluster) -> None:
    """Wait until nobody uses the server, then stop it."""
    keeper = open_lock(cluster.lock_file("keeper"))
    if not try_lock(keeper, fcntl.LOCK_EX):
        return
    users = open_lock(cluster.lock_file("users"))
    fcntl.flock(users, fcntl.LOCK_EX)
    stop(cluster)
    # In this order: who waits for `users` starts a keeper of its own, which must find this lock free.
    keeper.close()
    users.close()


if __name__ == "__main__":
    if os.fork():  # nobody waits for the keeper, so it must not be anybody's child
        os._exit(0)
    os.chdir("/")
    programs.use(Path(sys.argv[2]))  # without site-packages it could not find them itself
    keep(Cluster(Path(sys.argv[1])))
