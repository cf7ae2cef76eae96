"""`make demo` as its user meets it: started, killed, started again. Every test runs the real processes."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import psutil
import pytest

from tests.support import eventually
from webapp import embedded
from webapp.config import ROOT, Config
from webapp.demo import supervisor
from webapp.demo.supervisor import free_port

pytestmark = pytest.mark.timeout(180)
SLOW = 60


class Running:
    """A demo that was started."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.port = settings.get("PORT") or str(free_port())
        names = ("DATABASE_URL", "SECRET_KEY", "FLASK_RUN_FROM_CLI", "SOLANA_RPC_URL", "PUBLIC_READ", "ENGINE")
        clean = {
            name: value for name, value in os.environ.items() if name not in names and not name.startswith("DEMO_")
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "webapp.demo"],
            cwd=ROOT,
            env=clean | {"INSTANCE_PATH": str(home), "PORT": self.port, "DEMO_HISTORY": "no"} | settings,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.told = ""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                self.told += line

    def ready(self, seconds: float = SLOW) -> bool:
        """Whether it has told its address, and answers there; or has ended."""
        return eventually(lambda: self.process.poll() is not None or self._up(), seconds)

    def _up(self) -> bool:
        return "Ctrl-C stops all of it" in self.told and self.get("readyz")[0] == 200

    def get(self, path: str, token: str | None = None) -> tuple[int, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{path}")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, ""
        except OSError:
            return 0, ""

    def processes(self) -> dict[str, psutil.Process]:
        """The demo's children by what they are; gunicorn's worker is `worker`."""
        found = {}
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error):
                words = " ".join(process.cmdline())
                name = next(
                    (
                        n
                        for n, w in (("web", "gunicorn"), ("engine", "engine run"), ("node", "smoke node"))
                        if w in words
                    ),
                    words,
                )
                found["worker" if name in found else name] = process
        return found

    def whole(self) -> dict[str, psutil.Process]:
        """All processes, once they are there."""
        assert eventually(lambda: {"web", "worker", "engine", "node"} <= self.processes().keys(), SLOW)
        return self.processes()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Its exit status, once all that it told is known."""
        self.process.wait(SLOW)
        self._listener.join(SLOW)
        return self.process.returncode

    def said(self, label: str) -> str:
        return re.search(rf"^  {label} +(\S+)$", self.told, re.MULTILINE)[1]


def all_gone(processes: dict[str, psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes.values())


def postmaster(home: Path) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        return int((home / "postgres/postmaster.pid").read_text().split()[0])
    return None


@pytest.fixture
def demo(home: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(**settings: str) -> Running:
        started.append(Running(home, **settings))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.ended()
    assert eventually(lambda: not embedded.Cluster(home).running(), SLOW)


def test_demo_trades_ends_whole_and_goes_on_with_the_same_logins(demo, home):
    first = demo(DEMO_HISTORY="yes")
    assert first.ready(120)
    parts = first.whole()
    assert first.end() == 0
    assert all_gone(parts)
    assert not embedded.Cluster(home).running()
    assert first.told.strip().endswith(f"stopped; the data is in {home}, and make demo goes on from it")

    second = demo()
    began = time.monotonic()
    assert second.ready()
    took = time.monotonic() - began
    assert second.get("orders.csv")[1].count("\n") > 20, "the history is gone"
    assert second.get("v1/bot/status", first.said("token"))[0] == 200
    assert second.get("v1/bot/status", "pd_wrong")[0] == 401
    parts = second.whole()
    assert second.end(signal.SIGINT) == 0
    assert all_gone(parts)
    assert (second.said("password"), second.said("token")) == (first.said("password"), first.said("token"))
    assert took < 120, "the second start makes no history: 10 s on a quiet machine"


def test_killed_demo_leaves_no_process_behind(demo, home):
    victim = demo()
    assert victim.ready()
    parts = victim.whole()
    victim.process.kill()
    assert eventually(lambda: all_gone(parts), SLOW)
    assert eventually(lambda: not embedded.Cluster(home).running(), SLOW)


def test_engine_that_dies_is_started_again_and_the_web_server_that_dies_ends_the_demo(demo, home):
    desk = demo()
    assert desk.ready()
    parts = desk.whole()
    parts["engine"].kill()
    assert eventually(
        lambda: "engine" in desk.processes() and desk.processes()["engine"].pid != parts["engine"].pid, SLOW
    )
    parts = desk.whole()
    parts["web"].kill()
    assert desk.ended() == 1
    assert "the engine ended, killed by SIGKILL" in desk.told
    assert "paperdesk: the web server ended, killed by SIGKILL" in desk.told
    assert all_gone(parts)
    assert not embedded.Cluster(home).running()


def test_database_that_dies_is_started_again_and_the_desk_recovers(demo, home):
    desk = demo()
    assert desk.ready()
    killed = postmaster(home)
    os.kill(killed, signal.SIGKILL)
    assert eventually(lambda: postmaster(home) not in (None, killed), SLOW)
    assert desk.ready()
    assert desk.end() == 0
    assert "PostgreSQL died; starting it again" in desk.told


def test_database_that_dies_before_the_demo_is_ready_is_started_again(monkeypatch):
    class Database:
        alive = False

        @property
        def cluster(self):
            return SimpleNamespace(running=lambda: self.alive)

        def revive(self):
            self.alive = True

    def asked(*_, **__):
        if not starting.database.alive:
            raise URLError("the desk has no database")
        return nullcontext()

    monkeypatch.setattr(supervisor, "READY_SECONDS", 2)
    monkeypatch.setattr("urllib.request.urlopen", asked)
    starting = supervisor.Demo(Config(_env_file=None))
    starting.database = Database()
    starting.children = [SimpleNamespace(name="web", ended=lambda: None, log=None)]
    starting._wait_until_ready()


def test_demo_without_engine_starts_none_and_uses_the_secrets_it_is_given(demo, home):
    desk = demo(ENGINE="no", DEMO_PASSWORD="open sesame", DEMO_TOKEN="pd_of_the_test", PUBLIC_READ="no")
    assert desk.ready()
    assert desk.get("v1/bot/status", "pd_of_the_test")[0] == 200
    assert "engine" not in desk.processes()
    assert desk.end() == 0
    assert "open sesame" in desk.told
    assert "pd_of_the_test" in desk.told
    kept = home / "demo.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "open sesame" not in kept.read_text()
    logs = "".join(log.read_text() for log in (home / "logs").iterdir())
    assert "open sesame" not in logs
    assert "pd_of_the_test" not in logs


def test_port_in_use_is_told_in_one_line_before_anything_starts(demo, home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = demo(PORT=str(port))
        assert refused.ended() == 1
    lines = refused.told.strip().splitlines()
    assert lines[-1].startswith(f"paperdesk: cannot listen on 127.0.0.1 port {port}")
    assert not (home / "postgres").exists()


def test_nonsense_setting_is_told_in_one_line(demo):
    refused = demo(FEED="cctx:kraken")
    assert refused.ended() == 1
    assert re.fullmatch(r"paperdesk: FEED: must be .*\n", refused.told)
