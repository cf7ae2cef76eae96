"""Figures K2 and K3: a halt beats a frozen trader, and outlives the database that confirmed it."""

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import Event

import psutil
import pytest
from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from tests.attack import desk
from tests.figures import Figure, times
from tests.services.desks import BOT, CALM, SOL, cycle, limits, one
from tests.support import eventually
from webapp import embedded, migrating
from webapp.config import ROOT
from webapp.domain.errors import DomainError
from webapp.domain.market import Tick
from webapp.embedded.use import Handle
from webapp.services import kill_switch, market

SLOW = 60
FROZEN_LIMIT = 0.6
pytestmark = pytest.mark.timeout(300)
MANY = {**CALM, "max_trades_per_hour": 1_000_000, "max_trades_per_day": 1_000_000, "max_position_notional": "1000000"}
MANY |= {"max_gross_exposure": "1000000", "starting_cash": "1000000"}


def quote_now(session: Session) -> None:
    market.accept(session, [Tick(SOL, Decimal(100), Decimal(100), datetime.now(UTC))], BOT)


# --- K2: frozen inside the gate -------------------------------------------------------------------------------------
def is_stopped(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


def freeze_and_halt(session: Session, engine: Engine, url: URL, place: str, n: int) -> float:
    """How many seconds the halt took against a process that was frozen while it held the gate."""
    quote_now(session)
    before = desk.state(session)
    words = [sys.executable, "-m", "tests.attack.frozen", url.render_as_string(hide_password=False), f"k-{n}", place]
    frozen = subprocess.Popen(words, cwd=ROOT, text=True, stdout=subprocess.PIPE)
    try:
        assert eventually(lambda: is_stopped(frozen.pid), SLOW), "it never froze"
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted"
        assert one(session, f"{held} AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
        began = time.monotonic()
        receipt = kill_switch.halt(engine, "a drill", "user:ada")
        took = time.monotonic() - began
        assert not receipt.already
        halted = desk.state(session)
        frozen.send_signal(signal.SIGCONT)
        said, _ = frozen.communicate(timeout=SLOW)
    finally:
        frozen.kill()
        frozen.communicate()
    assert said.strip() == "failed OperationalError", "the frozen trade was not ended"
    assert desk.state(session) == halted, "something of the frozen trade was committed"
    grown = desk.change(before, halted)
    assert grown == {"kill_switch_events": 1, "audit_chain": 1, "halted": 1, "audited": 1}
    desk.check_sound(session)
    kill_switch.release(engine, "go on", "user:ada")
    return took


@pytest.fixture
def open_desk(session: Session) -> None:
    limits(session, **MANY)
    quote_now(session)
    assert cycle(session, at=None).status_code == 202


@pytest.mark.usefixtures("open_desk")
@pytest.mark.parametrize("place", ["deciding", "committing"])
def test_halt_is_in_force_though_a_process_froze_inside_the_gate_and_nothing_of_it_is_kept(
    session: Session, engine: Engine, database_url: URL, place: str
) -> None:
    freeze_and_halt(session, engine, database_url, place, 0)


@pytest.mark.soak
@pytest.mark.figure(id="K2")
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("open_desk")
def test_many_halts_against_a_frozen_process(
    session: Session, engine: Engine, database_url: URL, figure: Figure
) -> None:
    places = ["deciding", "committing"] * times(60)
    took = [freeze_and_halt(session, engine, database_url, place, n) for n, place in enumerate(places)]
    figure(
        f"{len(took)} processes frozen inside the gate: halt in force after {statistics.median(took) * 1000:.0f} ms "
        f"(p50), {max(took) * 1000:.0f} ms (max); 0 rows of the frozen trades committed",
        reached=max(took) <= FROZEN_LIMIT,
    )


# --- K3: the database dies right after the answer -------------------------------------------------------------------
@pytest.fixture
def server(home: Path) -> Iterator[Handle]:
    """A server of this test's own, with every safety of its log on."""
    handle = embedded.acquire(home, temporary=True)
    migrating.upgrade(handle.url)
    yield handle
    with suppress(embedded.EmbeddedError):
        handle.revive()
    handle.release()


def kill_server(handle: Handle) -> None:
    """All of its processes at one stroke, the postmaster first so that it starts none again."""
    postmaster = psutil.Process(int((handle.cluster.data / "postmaster.pid").read_text().split()[0]))
    family = [postmaster, *postmaster.children(recursive=True)]
    for process in family:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def trade_until(stop: Event, engine: Engine, number: int) -> int:
    done = 0
    while not stop.is_set():
        try:
            with Session(engine) as session:
                done += cycle(session, ("buy", "sell")[done % 2], "0.01", at=None).status_code == 202
        except (SQLAlchemyError, DomainError):
            stop.wait(0.05)
    return done


def halt_and_kill(server: Handle, engine: Engine, times: int, writers: int) -> tuple[int, list[float]]:
    """Halts whose server died right after it had answered: how many fills were made meanwhile, how long to be back."""
    back: list[float] = []
    with Session(engine) as session:
        limits(session, **MANY)
        quote_now(session)
    for n in range(times):
        stop = Event()
        with ThreadPoolExecutor(writers) as pool:
            busy = [pool.submit(trade_until, stop, engine, number) for number in range(writers)]
            try:
                begun = fills_in(engine)
                assert eventually(lambda begun=begun: fills_in(engine) > begun, SLOW), "nobody trades"
                receipt = kill_switch.halt(engine, f"halt {n}", "user:ada")
                kill_server(server)
                began = time.monotonic()
                server.revive()
                back.append(time.monotonic() - began)
                with Session(engine) as session:
                    state = kill_switch.state(session)
                    assert (state.enabled, state.reason) == (True, f"halt {n}"), "the halt was lost"
                    found = one(
                        session, "SELECT enabled FROM kill_switch_events WHERE event_id = :e", e=receipt.event_id
                    )
                    assert found is True
            finally:
                stop.set()
            assert all(future.result() >= 0 for future in busy)
        with Session(engine) as session:
            desk.check_sound(session)
            assert desk.state(session)["resting"] == 0
        if n + 1 < times:
            kill_switch.release(engine, "go on", "user:ada")
    return fills_in(engine), back


def fills_in(engine: Engine) -> int:
    with Session(engine) as session:
        return int(one(session, "SELECT count(*) FROM fills"))


@pytest.fixture
def engine_of(server: Handle) -> Iterator[Engine]:
    made = create_engine(server.url, poolclass=NullPool, connect_args={"options": "-c TimeZone=UTC"})
    yield made
    made.dispose()


def test_halt_outlives_the_database_that_confirmed_it(server: Handle, engine_of: Engine) -> None:
    fills, _ = halt_and_kill(server, engine_of, times=2, writers=2)
    assert fills >= 2


@pytest.mark.soak
@pytest.mark.figure(id="K3")
@pytest.mark.timeout(3600)
def test_many_halts_outlive_the_database_that_confirmed_them(server: Handle, engine_of: Engine, figure: Figure) -> None:
    fills, back = halt_and_kill(server, engine_of, times=times(60), writers=4)
    figure(
        f"database killed right after the halt's answer, {len(back)} times, {fills} fills: 0 halts lost, "
        f"0 fills after one; back after {statistics.median(back):.1f} s (p50), {max(back):.1f} s (max)",
        reached=True,
    )
