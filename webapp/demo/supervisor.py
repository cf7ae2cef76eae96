"""The running demo: who is started in which order, what happens when one of them dies, how all of it ends."""

import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from urllib.error import URLError

import click

from webapp import embedded
from webapp.config import ROOT, Config, environment
from webapp.demo import desk
from webapp.demo.kept import Kept, secrets_of
from webapp.demo.processes import Child, stop

READY_SECONDS = 60
CYCLE_SECONDS = 15
"""Each symbol's strategy is asked this often, so that somebody who looks for two minutes sees it act."""


class Ended(BaseException):
    """Somebody asked the demo to stop."""


class Failed(Exception):
    """The demo cannot go on. One line that says why."""


class Demo:
    """One `make demo`, from its start to its end."""

    def __init__(self, config: Config) -> None:
        # A demo may be looked at by everybody unless somebody said no.
        public = config.public_read if "public_read" in config.model_fields_set else True
        self.config = config.model_copy(update={"public_read": public})
        self.children: list[Child] = []
        self.database: embedded.Handle | None = None
        self.signals = 0

    def run(self) -> None:
        """Start, watch, and stop everything that was started however this ends. Raises :class:`Failed`."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            kept = secrets_of(self.config)
            self._start(kept)
            self._tell(kept)
            self._watch()
        except Ended:
            click.echo("\nstopping")
        finally:
            self.signals += 1  # from here on, the next signal means: at once
            stop(self.children, hurry=lambda: self.signals > 2)
            if self.database:
                self.database.release()
        click.echo(f"stopped; the data is in {_short(self.config.instance_path)}, and make demo goes on from it")

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.signals += 1
        if self.signals == 1:
            raise Ended

    def _start(self, kept: Kept) -> None:
        check_port(self.config.host, self.config.port)
        if self.config.database_url is None:
            click.echo("starting PostgreSQL")
            self.database = embedded.acquire(self.config.instance_path)
        url = self.config.database_url or embedded.Cluster(self.config.instance_path).url
        self.config = self.config.model_copy(update={"database_url": url})
        new = desk.prepare(self.config, kept)
        variables = self._variables(kept)
        if new and self.config.demo_history:
            click.echo("making a few days of history")
            self._run_to_end(Child("history", _flask("demo-history"), variables))
        if self.config.solana_rpc_url is None:
            port = free_port()
            variables["SOLANA_RPC_URL"] = f"http://127.0.0.1:{port}"
            self._launch("node", _flask("smoke", "node", "--port", str(port)), variables)
        self._launch("web", [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "deploy/gunicorn.conf.py")], variables)
        if self.config.engine:
            self._launch("engine", _flask("engine", "run"), variables)
        self._wait_until_ready()

    def _variables(self, kept: Kept) -> dict[str, str]:
        assert self.config.database_url
        return environment(
            DATABASE_URL=self.config.database_url,
            INSTANCE_PATH=str(self.config.instance_path),
            PUBLIC_READ="yes" if self.config.public_read else "no",
            SECRET_KEY=kept.secret_key,
            CYCLE_SECONDS=str(min(self.config.cycle_seconds, CYCLE_SECONDS)),
        )

    def _child(self, name: str, words: list[str], variables: Mapping[str, str]) -> Child:
        log = self.config.instance_path / "logs" / f"{name}.log"
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        # The lock's file stays open in the children: should this process be killed, the database waits for them.
        keep_open = [self.database.users.fileno()] if self.database else []
        return Child(name, words, dict(variables), log, keep_open)

    def _launch(self, name: str, words: list[str], variables: Mapping[str, str]) -> None:
        child = self._child(name, words, variables)
        self.children.append(child)
        child.start()

    def _run_to_end(self, child: Child) -> None:
        self.children.append(child)
        child.start()
        while child.ended() is None:
            time.sleep(0.05)
        self.children.remove(child)
        if child.ended() != 0:
            raise Failed(f"making history failed, {child.why()}; leave it out with: DEMO_HISTORY=no make demo")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            self._look_after()
            try:
                with urllib.request.urlopen(f"{self._address()}readyz", timeout=2):  # noqa: S310  (our own address)
                    return
            except (URLError, OSError):
                time.sleep(0.1)
        log = next(child.log for child in self.children if child.name == "web")
        raise Failed(f"the web server did not get ready within {READY_SECONDS} s; its log is {log}")

    def _address(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.config.host, self.config.host)  # noqa: S104  (read, not bound)
        return f"http://[{host}]:{self.config.port}/" if ":" in host else f"http://{host}:{self.config.port}/"

    def _watch(self) -> None:
        """Until a signal."""
        while True:
            time.sleep(0.2)
            self._look_after()

    def _look_after(self) -> None:
        """Start again what died, the database included, but not the web server: it is the demo."""
        if self.database and not self.database.cluster.running():
            click.echo("PostgreSQL died; starting it again", err=True)
            self.database.revive()
        for child in self.children:
            if child.ended() is None:
                continue
            if child.name == "web":
                raise Failed(f"the web server ended, {child.why()}; its log is {child.log}")
            if child.again_at is None:
                why = child.why()
                pause = child.pause_before_restart()
                click.echo(f"the {child.name} ended, {why}; starting it again in {pause:g} s", err=True)
            elif time.monotonic() >= child.again_at:
                child.start()

    def _tell(self, kept: Kept) -> None:
        names = [child.name for child in self.children]
        logs = _short(self.config.instance_path / "logs")
        engine = (
            f"{self.config.feed} quotes of {', '.join(self.config.symbols)}"
            if "engine" in names
            else "not started (ENGINE=no)"
        )
        node = (
            "a local Solana chain, because SOLANA_RPC_URL is not set" if "node" in names else self.config.solana_rpc_url
        )
        click.echo(
            f"""
Paperdesk is up: {self._address()}

  logins    viewer, operator, admin
  password  {kept.password}
  token     {kept.token}
  try it    curl -H "Authorization: Bearer {kept.token}" {self._address()}v1/bot/status
  engine    {engine}
  node      {node}
  logs      {logs}/{{{",".join(names)}}}.log

Ctrl-C stops all of it."""
        )


def check_port(host: str, port: int) -> None:
    """Raises :class:`Failed` when the web server could not listen there."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise Failed(
            f"cannot listen on {host} port {port} ({error.strerror}); try another: PORT=8001 make demo"
        ) from error


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _flask(*words: str) -> list[str]:
    return [sys.executable, "-m", "flask", "--app", str(ROOT / "wsgi.py"), *words]


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
