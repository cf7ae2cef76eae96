"""Figure F3: of two real engines one leads; when it dies or freezes the other does, and the first is fenced."""

import random
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import URL
from sqlalchemy.orm import Session

from tests.attack import desk
from tests.attack.processes import Program, engine_program, kept_from_surviving
from tests.attack.wire import Proxy, proxy_to
from tests.figures import Figure, times
from tests.services.desks import limits, one, rows
from tests.support import eventually

SLOW = 90
pytestmark = pytest.mark.timeout(600)
SEED = 3
DEATH_LIMIT, FREEZE_LIMIT = 2.0, 7.0


@dataclass
class Engine:
    """A real engine whose every message is overheard."""

    program: Program
    proxy: Proxy

    @property
    def pid(self) -> int:
        return self.program.process.pid

    def asked_to_lead(self) -> int:
        return sum("pg_try_advisory_lock" in message.text for message in list(self.proxy.messages))

    def writes(self, since: int = 0) -> list[str]:
        return [message.text for message in self.proxy.messages[since:] if message.writes]


Pair = Callable[[], tuple[Engine, Engine]]


@pytest.fixture
def pair(session: Session, database_url: URL, sockets: Path, tmp_path: Path) -> Iterator[Pair]:
    """Starts two engines, one after the other; the first one leads."""
    with ExitStack() as stack:
        start = stack.enter_context(kept_from_surviving())

        def make() -> tuple[Engine, Engine]:
            limits(session, auto_halt_stale_seconds=86_400, anomaly_halt_pct="1000")
            found = []
            for name in ("one", "other"):
                proxy = stack.enter_context(proxy_to(database_url, sockets / name))
                engine = Engine(start(engine_program(proxy.url, tmp_path / name)), proxy)
                if not found:
                    assert eventually(lambda pid=engine.pid: leader(session)[1] == pid, SLOW), engine.program.said
                found.append(engine)
            stands_by(found[1])
            return found[0], found[1]

        yield make


def stands_by(engine: Engine) -> None:
    """Wait until it has asked to lead, twice, from now on: it is alive, and still does not."""
    asked = engine.asked_to_lead()
    assert eventually(lambda: engine.asked_to_lead() >= asked + 2, SLOW), engine.program.said[-2000:]


def leader(session: Session) -> tuple[int, int]:
    """Epoch and process of the engine that leads; zeros when none ever did."""
    for row in rows(session, "SELECT epoch, holder FROM engine_lease"):
        return row["epoch"], int(row["holder"].rpartition(":")[2])
    return 0, 0


def works(session: Session, epoch: int) -> bool:
    """Whether cycles are written under that epoch."""
    beat = rows(session, "SELECT details FROM heartbeats WHERE process = 'engine'")
    return bool(beat) and beat[0]["details"]["epoch"] == epoch and beat[0]["details"]["cycles"] > 0


def taken_over(session: Session, by: Engine, after: int) -> float:
    """Wait until that engine leads, under the next epoch, and works; how long it took to lead."""
    began = time.monotonic()
    assert eventually(lambda: leader(session) == (after + 1, by.pid), SLOW), by.program.said[-2000:]
    took = time.monotonic() - began
    assert eventually(lambda: works(session, after + 1), SLOW), "it leads and does nothing"
    return took


def kill_leader(session: Session, first: Engine, other: Engine) -> float:
    epoch, pid = leader(session)
    assert pid == first.pid
    first.program.kill()
    return taken_over(session, other, epoch)


def freeze_leader(session: Session, first: Engine, other: Engine) -> float:
    """Freeze it until the other leads, let it go on, and see that nothing of it arrives any more."""
    epoch, pid = leader(session)
    assert pid == first.pid
    first.program.signal(signal.SIGSTOP)
    took = taken_over(session, other, epoch)
    heard = len(first.proxy.messages)
    first.program.signal(signal.SIGCONT)
    assert eventually(lambda: any("pg_try_advisory_lock" in m.text for m in first.proxy.messages[heard:]), SLOW), (
        "the thawed engine never stood by: " + first.program.said[-2000:]
    )
    stands_by(first)
    assert first.writes(heard) == [], "the thawed engine wrote"
    assert leader(session) == (epoch + 1, other.pid)
    return took


def test_second_engine_writes_nothing_until_the_leader_is_killed(session: Session, pair: Pair) -> None:
    first, other = pair()
    assert eventually(lambda: works(session, 1), SLOW), "the leader does nothing"
    stands_by(other)
    assert other.writes() == [], "an engine that stands by wrote"
    kill_leader(session, first, other)
    assert rows(session, "SELECT DISTINCT actor FROM cycles") == [{"actor": "engine"}]
    desk.check_sound(session)


def test_frozen_leader_is_followed_and_fenced_and_leads_again_later(session: Session, pair: Pair) -> None:
    first, other = pair()
    assert eventually(lambda: works(session, 1), SLOW), "the leader does nothing"
    freeze_leader(session, first, other)
    kill_leader(session, other, first)
    desk.check_sound(session)


@pytest.mark.soak
@pytest.mark.figure(id="F3")
@pytest.mark.timeout(7200)
def test_leaders_killed_and_frozen_many_times(session: Session, pair: Pair, figure: Figure) -> None:
    chance = random.Random(SEED)
    first, other = pair()
    deaths: list[float] = []
    freezes: list[float] = []
    for turn in range(2 * times(30)):
        epoch = leader(session)[0]
        assert eventually(lambda epoch=epoch: works(session, epoch), SLOW)
        time.sleep(chance.uniform(0, 1))
        if turn % 2:
            freezes.append(freeze_leader(session, first, other))
        else:
            deaths.append(kill_leader(session, first, other))
            first.program.start()
            stands_by(first)
        first, other = other, first
    desk.check_sound(session)
    figure(
        f"leader killed {len(deaths)} times: the other leads after {statistics.median(deaths):.2f} s (p50), "
        f"{max(deaths):.2f} s (max); frozen {len(freezes)} times: {statistics.median(freezes):.2f} s (p50), "
        f"{max(freezes):.2f} s (max); 0 writes of a thawed engine or of one that stands by, epoch "
        f"{one(session, 'SELECT epoch FROM engine_lease')}",
        reached=max(deaths) <= DEATH_LIMIT and max(freezes) <= FREEZE_LIMIT,
    )
