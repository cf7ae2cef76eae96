"""One server: its data, its socket, how it is made, started and stopped."""

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from webapp.embedded.programs import CommandFailed, EmbeddedError, hand_over, run

DATABASE = "paperdesk"
SUPERUSER = "postgres"
START_SECONDS = 60
"""A server killed under load replays its log before it answers; that took up to 3 s here, disks differ."""
STOP_SECONDS = 20
STILL_DYING = ("pre-existing shared memory block", 'lock file "')
"""How a server says that its predecessor was killed a moment ago, and that one or its children are not gone yet."""
SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 103
"""Bytes in the address of a Unix socket, on the stricter systems."""
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+-]+")
"""A path that PostgreSQL's list of socket folders and the shell under pg_ctl both take as it is."""


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
        """The data folder itself, which nobody else may enter, unless its path is too long or too odd for a socket."""
        if len(os.fsencode(self.data / SOCKET)) <= SOCKET_PATH_LIMIT and PLAIN_PATH.fullmatch(str(self.data)):
            return self.data
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"paperdesk-{digest}"

    @property
    def url(self) -> str:
        return f"postgresql+psycopg2://{SUPERUSER}@/{DATABASE}?host={quote(str(self.socket_folder))}"

    def running(self) -> bool:
        """Whether the postmaster named in the data folder is alive, and this cluster's."""
        pid = self._postmaster()
        if pid is None:
            return False
        words = _command_line(pid)
        return words is None or os.fsencode(self.data) in words

    def forget_dead_postmaster(self) -> None:
        """Remove the lock files whose pid is a zombie's, or by now another program's.

        PostgreSQL itself takes both for a living predecessor and would never start: zombies stay where nobody reaps
        them, and pids come again when a container starts anew. Should children of the dead one still be at work, the
        new server finds their shared memory and refuses until they are gone.
        """
        pid = self._postmaster()
        if pid is None:
            return
        words = _command_line(pid)
        if (words and os.fsencode(self.data) not in words) or (words == b"" and _is_zombie(pid)):
            for lock_file in (self.data / "postmaster.pid", self.socket_folder / f"{SOCKET}.lock"):
                lock_file.unlink(missing_ok=True)

    def _postmaster(self) -> int | None:
        """The pid in the data folder, if there is a process of that number."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid


def ensure_running(cluster: Cluster, settings: Mapping[str, str]) -> None:
    """Make the data folder, start the server and create the database, as far as that is not done."""
    if not (cluster.data / "PG_VERSION").exists():
        _initialise(cluster)
    if not cluster.running() or not _answers(cluster):
        _start(cluster, settings)


def _initialise(cluster: Cluster) -> None:
    """A new data folder. It is made under another name first, so that an interrupted one is never taken for whole."""
    half_made = cluster.home / "postgres.new"
    shutil.rmtree(half_made, ignore_errors=True)
    half_made.mkdir(mode=0o700)
    hand_over(half_made)
    run(
        "initdb",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        f"--username={SUPERUSER}",
        "-D",
        str(half_made),
    )
    # Without a server, so that a whole data folder always has its database.
    run("postgres", "--single", "-D", str(half_made), "postgres", words_in=f"CREATE DATABASE {DATABASE}\n")
    shutil.rmtree(cluster.data, ignore_errors=True)
    half_made.rename(cluster.data)


def _start(cluster: Cluster, settings: Mapping[str, str]) -> None:
    """Start the server and wait until it answers, through a recovery if there is one to be done."""
    hand_over(cluster.data)
    if cluster.socket_folder != cluster.data:
        cluster.socket_folder.mkdir(mode=0o700, exist_ok=True)
        hand_over(cluster.socket_folder)
        if os.geteuid() not in (0, cluster.socket_folder.stat().st_uid):
            raise EmbeddedError(
                f"{cluster.socket_folder} belongs to somebody else; set INSTANCE_PATH to a shorter path"
            )
    options = {"listen_addresses": "", "unix_socket_directories": str(cluster.socket_folder), "timezone": "UTC"}
    options |= settings
    words = " ".join(f"-c {key}='{value}'" for key, value in options.items())
    where = ("-D", str(cluster.data), "-l", str(cluster.log))
    deadline = time.monotonic() + START_SECONDS
    while True:
        cluster.forget_dead_postmaster()
        with suppress(CommandFailed):
            run("pg_ctl", "start", "-w", "-t", str(START_SECONDS), *where, "-o", words)
        if _answers(cluster):
            return
        reason = _last_fatal(cluster)
        if not reason.startswith(STILL_DYING) or time.monotonic() > deadline:
            raise EmbeddedError(f"the embedded PostgreSQL did not start ({reason}), see {cluster.log}")
        time.sleep(0.1)


def _last_fatal(cluster: Cluster) -> str:
    with suppress(OSError):
        for line in reversed(cluster.log.read_text(errors="replace").splitlines()[-20:]):
            if "FATAL:" in line:
                return line.partition("FATAL:")[2].strip()
    return "no reason given"


def _answers(cluster: Cluster) -> bool:
    """Whether the server takes connections within the time a recovery may need. False at once when there is none."""
    deadline = time.monotonic() + START_SECONDS
    while cluster.running() and time.monotonic() < deadline:
        with suppress(CommandFailed):
            run("pg_isready", "-q", "-h", str(cluster.socket_folder), "-U", SUPERUSER, "-d", "postgres")
            return True
        time.sleep(0.05)
    return False


def stop(cluster: Cluster) -> None:
    """Stop the server if it runs, and remove what was only meant to last as long."""
    if cluster.running():
        with suppress(CommandFailed):
            run("pg_ctl", "stop", "-w", "-m", "fast", "-t", str(STOP_SECONDS), "-D", str(cluster.data))
    if cluster.running():
        with suppress(CommandFailed):
            run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(cluster.data))
    if cluster.socket_folder != cluster.data:
        shutil.rmtree(cluster.socket_folder, ignore_errors=True)
    if cluster.lock_file("temporary").exists():
        shutil.rmtree(cluster.home, ignore_errors=True)


def _command_line(pid: int) -> bytes | None:
    """What a process was started as: empty while it dies, None where the system does not tell."""
    if not Path("/proc/self").exists():
        return None
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _is_zombie(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    return False
