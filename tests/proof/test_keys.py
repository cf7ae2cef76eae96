"""One key, one effect, however many ask at once (figure A2)."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.figures import Figure, times
from tests.services.desks import CALM, SOL, cycle, limits, one, quote, rows, take
from webapp.services import audit, books
from webapp.services.trading import CycleResult

THREADS, KEYS = 50, 20
KINDS = {0: (1, None), 1: (1, "99"), 2: (100, None), 3: (2, "101")}
"""Quantity and limit by the key's number modulo four: one fills, one rests, one is refused, one fills at its limit."""


def ask_at_once(session: Session, engine: Engine, turn: int) -> None:
    """Fifty threads, each with one of twenty keys of this turn; one effect and one answer for each key."""
    before = effects(session)
    together = Barrier(THREADS)

    def ask(number: int) -> tuple[int, CycleResult]:
        key = number % KEYS
        qty, limit = KINDS[key % 4]
        with Session(engine) as own:
            together.wait(60)
            return key, cycle(own, "buy", qty, limit, symbol=SOL, key=f"{turn}-{key}")

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(ask, range(THREADS)))

    assert Counter(key for key, answer in answers if not answer.replayed) == dict.fromkeys(range(KEYS), 1)
    assert len({(key, answer.status_code, answer.body) for key, answer in answers}) == KEYS
    assert {key: answer.status_code for key, answer in answers} == {
        key: 409 if key % 4 == 2 else 202 for key in range(KEYS)
    }
    stored = rows(session, "SELECT key, answer FROM idempotency_keys WHERE key LIKE :turn", turn=f"{turn}-%")
    assert {row["key"]: row["answer"] for row in stored} == {f"{turn}-{key}": answer.body for key, answer in answers}
    after = effects(session)
    assert {what: after[what] - before[what] for what in after} == ONE_TURN


EACH = KEYS // 4
ONE_TURN = {
    "cycles": KEYS,
    "orders": KEYS,
    "signals": KEYS,
    "fills": 2 * EACH,
    "fill_receipts": 2 * EACH,
    "orders WHERE status = 'executed'": 2 * EACH,
    "orders WHERE status = 'approved'": EACH,
    "orders WHERE status = 'rejected'": EACH,
    "generate_series(1, (SELECT sum(qty) FROM positions))": 3 * EACH,
}


def effects(session: Session) -> dict[str, int]:
    return {what: one(session, f"SELECT count(*) FROM {what}") for what in ONE_TURN}


def open_desk(session: Session) -> None:
    """Room for as many turns as there may be; an order of a hundred is refused all the same."""
    rich = dict.fromkeys(("starting_cash", "max_position_notional", "max_gross_exposure"), "1000000")
    limits(session, **CALM, **rich, max_trades_per_hour=1_000_000, max_trades_per_day=1_000_000)
    take(session, quote(100))


def test_fifty_threads_on_twenty_keys_have_twenty_effects_and_identical_answers(
    session: Session, engine: Engine
) -> None:
    open_desk(session)
    ask_at_once(session, engine, 0)
    assert books.verify(session).drifts == []
    assert audit.verify(session).ok


@pytest.mark.soak
@pytest.mark.figure(id="A2")
@pytest.mark.timeout(1800)
def test_fifty_threads_on_twenty_keys_many_times(session: Session, engine: Engine, figure: Figure) -> None:
    open_desk(session)
    turns = times(40)
    for turn in range(turns):
        ask_at_once(session, engine, turn)
    assert books.verify(session).drifts == []
    assert audit.verify(session).ok
    figure(
        f"{turns} times {THREADS} threads on {KEYS} keys: {one(session, 'SELECT count(*) FROM cycles')} effects, "
        f"{one(session, 'SELECT count(*) FROM idempotency_keys')} answers, the same bytes for everybody who asked",
        reached=one(session, "SELECT count(*) FROM cycles") == turns * KEYS,
    )
