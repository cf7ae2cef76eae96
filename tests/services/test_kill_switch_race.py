"""Eight writers against a switch that is flipped a hundred times: not one fill after any halt's answer.

The oracle is the order of commits, not clocks: every fill and every event of the switch is a link of the audit chain,
whose sequence is given out under a lock that is held until the commit.
"""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from tests.services.desks import BTC, CALM, SOL, cycle, limits, one, quote, rows, take
from webapp.services import audit, books, kill_switch

WRITERS = 8
FLIPS = 100
LINKS = """
SELECT c.source, e.enabled FROM audit_chain c LEFT JOIN kill_switch_events e ON e.event_id = c.row_id
WHERE c.source IN ('fills', 'kill_switch_events') ORDER BY c.seq
"""


@pytest.fixture
def writers(session: Session, engine: Engine) -> Iterator[Engine]:
    """Connections like the web's, one for each writer, and a market that trades all day."""
    limits(session, **CALM, max_trades_per_hour=1_000_000, max_trades_per_day=1_000_000)
    take(session, quote(100), quote(50, symbol=BTC))
    made = create_engine(
        engine.url, poolclass=QueuePool, pool_size=WRITERS, connect_args={"options": "-c TimeZone=UTC"}
    )
    yield made
    made.dispose()


def trade_until(stop: Event, engine: Engine, number: int) -> int:
    """Market and resting orders with little pause; how many were answered while the desk was on.

    On a busy machine a trade may sit in the gate for longer than a halt's patience: then its connection is ended.
    """
    accepted = turn = 0
    while not stop.is_set():
        turn += 1
        side, symbol = ("buy", "sell")[turn % 2], (SOL, BTC)[number % 2]
        try:
            with Session(engine) as session:
                answer = cycle(session, side, 1, 1 if turn % 7 == 4 else None, symbol=symbol)
        except OperationalError:
            continue
        assert answer.status_code in (202, 409, 423), answer.body
        accepted += answer.status_code == 202
        stop.wait(0.05 if answer.status_code == 423 else 0.004 * number)
    return accepted


def fills_and_resting(watcher: Connection) -> tuple[int, int]:
    """Committed fills and orders that still wait."""
    query = "SELECT (SELECT count(*) FROM fills), (SELECT count(*) FROM orders WHERE status = 'approved')"
    found = watcher.execute(text(query)).one()
    watcher.rollback()
    return found[0], found[1]


def test_writers_racing_a_hundred_halts_commit_no_fill_after_any_halts_answer(
    session: Session, engine: Engine, writers: Engine
) -> None:
    stop, waits = Event(), []
    with ThreadPoolExecutor(WRITERS) as pool, engine.connect() as watcher:
        busy: list[Future[int]] = [pool.submit(trade_until, stop, writers, number) for number in range(WRITERS)]
        try:
            for flip in range(FLIPS):
                time.sleep(0.02)
                started = time.monotonic()
                receipt = kill_switch.halt(engine, f"flip {flip}", "user:ada")
                waits.append(time.monotonic() - started)
                assert not receipt.already
                at_the_answer = fills_and_resting(watcher)
                assert at_the_answer[1] == 0, "an order still waits"
                time.sleep(0.01)
                assert fills_and_resting(watcher) == at_the_answer, f"something traded after halt {flip}"
                kill_switch.release(engine, "go on", "user:ada")
        finally:
            stop.set()
        accepted = sum(future.result() for future in busy)
    check_the_order_of_commits(session)
    assert accepted > FLIPS, "the writers hardly wrote, so this proves nothing"
    assert sorted(waits)[len(waits) // 2] < 0.5
    assert books.verify(session).drifts == []
    assert audit.verify(session).ok


def check_the_order_of_commits(session: Session) -> None:
    on, spells, fills = False, 0, 0
    for link in rows(session, LINKS):
        if link["source"] == "kill_switch_events":
            assert link["enabled"] is not on, "two events of the same kind in a row"
            on = link["enabled"]
            spells += on
        else:
            assert not on, f"a fill was committed during halt {spells}"
            fills += 1
    assert spells == FLIPS
    assert fills == one(session, "SELECT count(*) FROM fills") > 0
