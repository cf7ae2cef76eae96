"""One key, one effect, however many ask at once (figure A2)."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.services.desks import CALM, SOL, cycle, limits, one, quote, rows, take
from webapp.services import audit, books
from webapp.services.trading import CycleResult

THREADS, KEYS = 50, 20
KINDS = {0: (1, None), 1: (1, "99"), 2: (100, None), 3: (2, "101")}
"""Quantity and limit by the key's number modulo four: one fills, one rests, one is refused, one fills at its limit."""


def test_fifty_threads_on_twenty_keys_have_twenty_effects_and_identical_answers(
    session: Session, engine: Engine
) -> None:
    limits(session, **CALM)
    take(session, quote(100))
    together = Barrier(THREADS)

    def ask(number: int) -> tuple[int, CycleResult]:
        key = number % KEYS
        qty, limit = KINDS[key % 4]
        with Session(engine) as own:
            together.wait(60)
            return key, cycle(own, "buy", qty, limit, symbol=SOL, key=f"key-{key}")

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(ask, range(THREADS)))

    assert Counter(key for key, answer in answers if not answer.replayed) == dict.fromkeys(range(KEYS), 1)
    assert len({(key, answer.status_code, answer.body) for key, answer in answers}) == KEYS
    assert {key: answer.status_code for key, answer in answers} == {
        key: 409 if key % 4 == 2 else 202 for key in range(KEYS)
    }
    stored = rows(session, "SELECT key, answer FROM idempotency_keys")
    assert {row["key"]: row["answer"] for row in stored} == {f"key-{key}": answer.body for key, answer in answers}
    each = KEYS // 4
    effects = {
        "cycles": KEYS,
        "orders": KEYS,
        "signals": KEYS,
        "fills": 2 * each,
        "fill_receipts": 2 * each,
        "orders WHERE status = 'executed'": 2 * each,
        "orders WHERE status = 'approved'": each,
        "orders WHERE status = 'rejected'": each,
    }
    assert {what: one(session, f"SELECT count(*) FROM {what}") for what in effects} == effects
    assert one(session, "SELECT qty FROM positions") == 3 * each
    assert books.verify(session).drifts == []
    assert audit.verify(session).ok
