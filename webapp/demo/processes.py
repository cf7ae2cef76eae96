"""Child processes that never outlive their parent, and can always be stopped whole."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1
PATIENCE = (1.0, 2.0, 5.0, 10.0)
"""Seconds before a program that died is started again: the first time, the second, ... and then always the last."""
STEADY_SECONDS = 60
"""A program that ran this long before it died begins again at the first patience."""
TAIL_LINES = 30
STOP_SECONDS = 12
"""How long a process may take to end cleanly: a little more than gunicorn gives its last answers."""


def die_with_parent(parent: int) -> Callable[[], None]:
    """A function that makes the calling process get SIGTERM when process `parent`, its parent, dies. Linux only."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None).prctl  # looked up here: a forked child should not load libraries

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died in between
            os.kill(os.getpid(), signal.SIGTERM)

    return ask


@dataclass
class Child:
    """One program of the demo, in a process group of its own, so that its children end with it."""

    name: str
    words: Sequence[str]
    environment: Mapping[str, str]
    log: Path | None = None
    keep_open: Sequence[int] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    started: float = 0.0
    deaths: int = 0
    again_at: float | None = None

    def start(self) -> None:
        """Start, or start again. Output goes to the log, or to the terminal when there is none."""
        self.started, self.again_at = time.monotonic(), None
        if self.log is not None:
            self.log.parent.mkdir(parents=True, exist_ok=True)
        output = self.log.open("ab") if self.log else None
        try:
            self.process = subprocess.Popen(
                self.words,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,
                pass_fds=self.keep_open,
                preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509  (this process has one thread)
            )
        finally:
            if output:
                output.close()

    def ended(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self.process.poll() if self.process else None

    def pause_before_restart(self) -> float:
        """Seconds to wait, more after each death in a row; counts this one."""
        if time.monotonic() - self.started > STEADY_SECONDS:
            self.deaths = 0
        pause = PATIENCE[min(self.deaths, len(PATIENCE) - 1)]
        self.deaths += 1
        self.again_at = time.monotonic() + pause
        return pause

    def why(self) -> str:
        """How it ended and its last words."""
        status = self.ended()
        how = (
            f"killed by {signal.Signals(-status).name}"
            if status is not None and status < 0
            else f"exit status {status}"
        )
        words = self._last_words()
        return f"{how}: {words}" if words else how

    def _last_words(self) -> str:
        """The newest exception in the log's tail, or else its last line."""
        if self.log is None or not self.log.exists():
            return ""
        lines = self.log.read_text(errors="replace").strip().splitlines()[-TAIL_LINES:]
        told = [words for words in map(_exception_in, lines) if words] or lines[-1:]
        return told[-1][:500] if told else ""

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole group; it may be gone already."""
        if self.process:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


def _exception_in(line: str) -> str | None:
    """The last line of the stack that a JSON log line carries."""
    with suppress(ValueError):
        entry = json.loads(line)
        if isinstance(entry, dict) and (stack := str(entry.get("exception") or "").strip()):
            return stack.splitlines()[-1]
    return None


def stop(children: Sequence[Child], hurry: Callable[[], bool]) -> None:
    """End all of them at once: ask, wait, and kill what is left, or at once when `hurry` says so."""
    for child in children:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while any(child.process and child.ended() is None for child in children):
        if time.monotonic() > deadline or hurry():
            break
        time.sleep(0.02)
    for child in children:
        child.signal(signal.SIGKILL)  # grandchildren, too
        if child.process:
            child.process.wait()
