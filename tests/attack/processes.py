"""The desk's real processes, on a test's database: started, frozen, killed."""

import http.client
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from webapp.config import ROOT, Config
from webapp.demo.supervisor import free_port

SYMBOLS = ",".join(f"S{number}-USDC" for number in range(8))
NOWHERE = "http://127.0.0.1:9"
"""A node for smoke runs that refuses at once."""


@dataclass
class Program:
    """One program with its children, in a process group of its own."""

    words: list[str]
    settings: Mapping[str, str]
    folder: Path
    process: subprocess.Popen[bytes] = field(init=False, repr=False)

    def start(self) -> None:
        ours = {name.upper() for name in Config.model_fields} | {"FLASK_RUN_FROM_CLI"}
        clean = {name: value for name, value in os.environ.items() if name not in ours}
        with (self.folder / "output.log").open("ab") as output:
            self.process = subprocess.Popen(
                self.words,
                cwd=ROOT,
                env=clean | dict(self.settings),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """kill -9 for all of it."""
        self.signal(signal.SIGKILL)
        self.process.wait(30)

    @property
    def said(self) -> str:
        return (self.folder / "output.log").read_text(errors="replace")


def settings_for(url: URL, folder: Path, **more: str) -> dict[str, str]:
    return {
        "DATABASE_URL": url.render_as_string(hide_password=False),
        "INSTANCE_PATH": str(folder),
        "SECRET_KEY": "a key for tests",
        "RATE_LIMIT_READS": "0",
        "RATE_LIMIT_WRITES": "0",
        "SOLANA_RPC_URL": NOWHERE,
        "FEED": "simulated",
        "SYMBOLS": SYMBOLS,
        "CYCLE_SECONDS": "1",
        "WEB_THREADS": "8",
        "DEAD_MAN_SECONDS": "0",
        **more,
    }


def engine_program(url: URL, folder: Path, **more: str) -> Program:
    """`flask engine run` that is at work most of the time: eight symbols, each with a cycle a second."""
    folder.mkdir(exist_ok=True)
    words = [sys.executable, "-m", "flask", "--app", "wsgi", "engine", "run"]
    return Program(words, settings_for(url, folder, **more), folder)


@dataclass
class Web(Program):
    """The web server as it is deployed."""

    port: int = 0

    def post(self, path: str, body: Mapping[str, Any], token: str) -> tuple[int, str]:
        """Status and text of the answer; status 0 when there was none."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
        )
        return self._open(request)

    def ready(self) -> bool:
        return self._open(urllib.request.Request(f"http://127.0.0.1:{self.port}/readyz"))[0] == 200

    def _open(self, request: urllib.request.Request) -> tuple[int, str]:
        """Status and text; 0 when there was no answer, or half of one."""
        try:
            with opener.open(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except (OSError, ValueError, http.client.HTTPException):
            return 0, ""


class Plain(urllib.request.HTTPErrorProcessor):
    """An answer is an answer, whatever its status."""

    def http_response(self, _request: Any, response: Any) -> Any:
        return response


opener = urllib.request.build_opener(Plain)


def web_program(url: URL, folder: Path) -> Web:
    """gunicorn with the project's own settings."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    words = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py"]
    return Web(words, settings_for(url, folder, PORT=str(port)), folder, port)


@contextmanager
def kept_from_surviving() -> Iterator[Callable[[Program], Program]]:
    """Programs handed to it are started, and killed at the end of the block."""
    started: list[Program] = []

    def start(program: Program) -> Program:
        program.start()
        started.append(program)
        return program

    try:
        yield start
    finally:
        for program in started:
            program.signal(signal.SIGCONT)
            program.kill()
