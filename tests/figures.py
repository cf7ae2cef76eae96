"""The figures that `make soak` measures: their targets, how often a long form attacks, and the table at the end.

A test that measures one is marked `@pytest.mark.figure(id="K1")` and says what it found through the fixture `figure`.
`make soak FIGURE=K1` runs one figure alone; `SOAK_TIMES=3` attacks three times instead of hundreds.
"""

import os
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

import pytest

TARGETS = {
    "K1": "0 late fills in 1,000 halts against 1, 4 and 8 writers; halt p99 <= 150 ms; 0 deadlocks",
    "K2": "frozen inside the gate: halt in force within 600 ms, nothing of the frozen trade is committed",
    "K3": "halted stays halted across kill -9 of web, engine and database; 0 answered halts lost",
    "A1": "1,000,000 fills, flips and partials included: exact to the last digit against an independent fold",
    "A2": "50 threads on 20 keys: exactly 20 effects, identical answers",
    "A3": "connection cut at every message: the state before or after, never between; the retry converges",
    "A4": "the same quotes file three times, once with 20 crashes: the same rows",
    "U1": "a byte edited, a row deleted, two swapped, one inserted, the tail cut: all found",
    "F1": "500 kills of engine and web in the middle of their work: no broken invariant, back within 5 s, no duplicate",
    "F3": "two engines: one trades; leader killed: the other within 2 s; frozen: within 7 s, and nothing from it after",
}
LIMIT = int(os.environ["SOAK_TIMES"]) if "SOAK_TIMES" in os.environ else None
Figure = Callable[..., None]


def times(full: int) -> int:
    """How often a long form attacks: `full`, or fewer when `SOAK_TIMES` says so."""
    return full if LIMIT is None else max(1, min(full, LIMIT))


@dataclass(frozen=True)
class Line:
    """One measurement of a figure."""

    figure: str
    test: str
    measured: str
    reached: bool
    seconds: float

    def __str__(self) -> str:
        return f"  {'reached' if self.reached else 'MISSED '} {self.seconds:6.0f} s  {self.measured}"


LINES = pytest.StashKey[list[Line]]()


def _lines(config: pytest.Config) -> list[Line]:
    return config.stash.setdefault(LINES, [])


def _figure_of(item: pytest.Item) -> str | None:
    marker = item.get_closest_marker("figure")
    return None if marker is None else str(marker.kwargs["id"])


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """`figure("1,000 halts, 0 late", reached=True)`: a line of the table, and a failure when the target is missed."""
    name, began = _figure_of(request.node), time.monotonic()
    assert name in TARGETS, "the test does not say which figure it measures"

    def measured(what: str, *, reached: bool) -> None:
        line = Line(name, request.node.nodeid, what, reached, time.monotonic() - began)
        _lines(request.config).append(line)
        print(f"\n{name}{line}")
        assert reached, f"{name}: {TARGETS[name]}, but {what}"

    return measured


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that ended before it could say what it measured has missed its figure."""
    report: pytest.TestReport = yield
    name, told = _figure_of(item), {line.test for line in _lines(item.config) if not line.reached}
    if name is not None and not report.passed and item.nodeid not in told:
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext.splitlines()[-1]
        what = f"{item.name} {report.outcome}: {why}"
        _lines(item.config).append(Line(name, item.nodeid, what, reached=False, seconds=report.duration))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Every figure that was measured, with its target."""
    lines = _lines(config)
    if not lines:
        return
    terminalreporter.section("figures" if LIMIT is None else f"figures, each attacked at most {LIMIT} times")
    for name, target in TARGETS.items():
        mine = [line for line in lines if line.figure == name]
        if mine:
            terminalreporter.write_line(f"{name}  {target}")
        for line in mine:
            terminalreporter.write_line(str(line), red=not line.reached)
    measured = {line.figure for line in lines}
    missed = sorted({line.figure for line in lines if not line.reached})
    told = f"{len(measured) - len(missed)} of {len(measured)} figures reached"
    terminalreporter.write_line(f"{told}; missed: {', '.join(missed)}" if missed else told)
