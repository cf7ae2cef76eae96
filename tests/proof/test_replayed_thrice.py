"""One file of quotes replayed by the real command: twice whole, once killed again and again (figure A4)."""

import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from tests.attack.processes import settings_for
from tests.conftest import _database
from tests.figures import Figure, times
from tests.services.desks import one, rows
from tests.services.replays import differences, picture, roomy
from tests.support import QUOTES, eventually, needs_quotes
from webapp.config import ROOT
from webapp.services import audit, books

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
SYMBOLS = ("SOL-USDC", "BTC-USDC", "ETH-USDC")
SEED = 4
SLOW = 120
Desk = tuple[Session, URL]


def swings(path: Path, minutes: int) -> Path:
    """A market that swings enough for a strategy to trade: three symbols, a quote of one of them every ten seconds."""
    dice = random.Random(SEED)
    lines = ["symbol,bid_price,ask_price,event_at"]
    for number in range(6 * minutes):
        symbol = SYMBOLS[number % 3]
        mid = 100 + 3 * math.sin(number / 90 + number % 3) + dice.gauss(0, 0.05)
        at = START + timedelta(seconds=10 * number, milliseconds=dice.randrange(1000))
        lines.append(f"{symbol},{mid - 0.01:.4f},{mid + 0.01:.4f},{at.isoformat().replace('+00:00', 'Z')}")
    path.write_text("\n".join(lines) + "\n")
    return path


def replaying(url: URL, folder: Path, path: Path) -> subprocess.Popen[str]:
    """`flask replay`, as an operator starts it."""
    folder.mkdir(exist_ok=True)
    words = [sys.executable, "-m", "flask", "--app", "wsgi", "replay", str(path), "--strategy", "mean_reversion"]
    clean = {name: value for name, value in os.environ.items() if name not in ("TEST_DATABASE_URL", "FLASK_DEBUG")}
    return subprocess.Popen(
        words,
        cwd=ROOT,
        env=clean | settings_for(url, folder),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def replay_whole(url: URL, folder: Path, path: Path) -> str:
    process = replaying(url, folder, path)
    said, _ = process.communicate(timeout=SLOW)
    assert process.returncode == 0, said
    return said.strip().splitlines()[-1]


def replay_killed(session: Session, url: URL, folder: Path, path: Path, kills: int) -> int:
    """Kill the command at random instants between two of its transactions; how often it was in the middle of it."""
    dice, killed = random.Random(SEED), 0
    while killed < kills:
        process = replaying(url, folder, path)
        seen = done(session)
        try:
            assert eventually(lambda seen=seen, p=process: done(session) > seen or p.poll() is not None, SLOW)
            time.sleep(dice.uniform(0, 0.05))
            if process.poll() is not None:
                return killed
        finally:
            process.kill()
            process.communicate()
        killed += 1
    return killed


def done(session: Session) -> int:
    return sum(row["rows_read"] for row in rows(session, "SELECT rows_read FROM replay_runs"))


@pytest.fixture
def desks(postgres_url: URL, template_database: str) -> Iterator[Callable[[], Desk]]:
    """New desks, as many as are asked for, all under the same policy."""
    lent: list[tuple[Iterator[URL], Session, Engine]] = []

    def lend() -> Desk:
        database = _database(postgres_url, f'TEMPLATE "{template_database}"')
        url = next(database)
        engine = create_engine(url, poolclass=NullPool, connect_args={"options": "-c TimeZone=UTC"})
        session = Session(engine)
        lent.append((database, session, engine))
        roomy(session, min_confidence="0", max_fill_notional="400")
        return session, url

    yield lend
    for database, session, engine in lent:
        session.close()
        engine.dispose()
        next(database, None)


def replay_thrice(desks: Callable[[], Desk], folder: Path, path: Path, kills: int) -> str:
    """On three desks; the last one's command is killed that often. What was found, in one line."""
    (first, one_url), (second, other_url), (third, url) = desks(), desks(), desks()
    told = {replay_whole(one_url, folder / "one", path), replay_whole(other_url, folder / "two", path)}
    assert len(told) == 1
    killed = replay_killed(third, url, folder / "three", path, kills)
    assert killed == kills, f"the replay was over after {killed} kills"
    replay_whole(url, folder / "three", path)
    wanted = picture(first)
    assert differences(wanted, picture(second)) == {}
    assert differences(wanted, picture(third)) == {}
    assert books.verify(third).drifts == []
    assert audit.verify(third).ok
    fills = one(first, "SELECT count(*) FROM fills")
    assert fills > 0, "nothing was traded"
    return f"{path.name}: {told.pop()}; the same rows three times, the third with {killed} kills"


def test_replay_that_is_killed_leaves_the_rows_of_one_that_was_not(desks: Callable[[], Desk], tmp_path: Path) -> None:
    replay_thrice(desks, tmp_path, swings(tmp_path / "swings.csv", 400), kills=2)


@pytest.mark.soak
@pytest.mark.figure(id="A4")
@pytest.mark.timeout(1800)
def test_replay_that_is_killed_twenty_times_leaves_the_rows_of_one_that_was_not(
    desks: Callable[[], Desk], tmp_path: Path, figure: Figure
) -> None:
    figure(replay_thrice(desks, tmp_path, swings(tmp_path / "swings.csv", 2000), times(20)), reached=True)


@pytest.mark.soak
@needs_quotes
@pytest.mark.figure(id="A4")
@pytest.mark.timeout(1800)
def test_recorded_quotes_replayed_and_killed_twenty_times_leave_the_same_rows(
    desks: Callable[[], Desk], tmp_path: Path, figure: Figure
) -> None:
    path = QUOTES / "quotes_1m_coinbase_BTCUSD_20180404-0405.csv.gz"
    figure(replay_thrice(desks, tmp_path, path, times(20)), reached=True)
