"""No fill is committed between a halt and its release: the log's own order of commits says so (figure K1)."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests.figures import Figure, times
from tests.proof import race
from tests.proof.wal import Commit, judge
from webapp.models.locks import GATE
from webapp.services import audit, books, kill_switch

LONGEST_MS = 150
"""Of 99 in 100 halts."""
SQUATTERS = 6
END_SQUATTERS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()
"""


def check(found: race.Race, session: Session, halts: int) -> None:
    assert (found.judgement.late, found.deadlocks) == (0, 0), found
    assert (found.judgement.halts, found.judgement.releases) == (halts, halts)
    assert found.judgement.fills >= halts, "there was hardly anything to halt"
    assert found.writers.halted > 0, "nobody ever met the switch"
    assert books.verify(session).drifts == []
    assert audit.verify(session).ok


def test_twenty_halts_against_four_writers_let_no_fill_through(engine: Engine, session: Session) -> None:
    check(race.run(engine, session, writers=4, halts=20), session, 20)


@pytest.mark.soak
@pytest.mark.figure(id="K1")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("writers", [1, 4, 8])
def test_thousand_halts_let_no_fill_through(engine: Engine, session: Session, writers: int, figure: Figure) -> None:
    halts = times(1000)
    found = race.run(engine, session, writers, halts)
    check(found, session, halts)
    figure(str(found), reached=found.judgement.late == found.deadlocks == 0 and found.percentile(99) <= LONGEST_MS)


def test_judge_counts_what_lies_between_a_halt_and_its_release() -> None:
    story = [
        Commit(1, 2, None),
        Commit(2, 0, True),
        Commit(3, 1, None),
        Commit(4, 3, None),
        Commit(5, 0, False),
        Commit(6, 1, None),
        Commit(7, 0, True),
    ]
    found = judge(story)
    assert (found.halts, found.releases, found.fills, found.late) == (2, 1, 7, 4)


def test_halt_is_made_although_whoever_it_ends_comes_back_at_once(engine: Engine, session: Session) -> None:
    """Six squatters who sit in the gate for good: the halt keeps its place in the queue while it ends them.

    The halt is as slow after that as on a machine that has no breath left, which gives them time to come back.
    """
    own_engine = kill_switch.own_engine(engine.url.render_as_string(hide_password=False))

    @event.listens_for(own_engine, "after_cursor_execute")
    def be_slow(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "pg_terminate_backend" in statement:
            time.sleep(0.5)

    stop, inside = Event(), Barrier(SQUATTERS + 1)

    def squat() -> None:
        first = True
        while not stop.is_set():
            try:
                with Session(engine) as own:
                    own.execute(text("SELECT pg_advisory_xact_lock_shared(:gate)"), {"gate": GATE})
                    if first:
                        first = False
                        inside.wait(60)
                    own.execute(text("SELECT pg_sleep(60)"))
            except DBAPIError:
                continue

    with ThreadPoolExecutor(SQUATTERS) as pool:
        squatters = [pool.submit(squat) for _ in range(SQUATTERS)]
        inside.wait(60)
        try:
            receipt = kill_switch.halt(engine, "enough", "user:ada")
        finally:
            stop.set()
            while not all(squatter.done() for squatter in squatters):
                with engine.connect() as connection:
                    connection.execute(text(END_SQUATTERS))
                time.sleep(0.02)
    assert not receipt.already
    assert receipt.waited_ms >= kill_switch.PATIENCE_MS
    assert kill_switch.state(session).enabled
