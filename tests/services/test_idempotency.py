"""One key, one effect: the answer is stored with the trade, and the same bytes come back for the same request."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.services.desks import BOT, CALM, cycle, dump, limits, one, quote, take
from webapp.domain.errors import Conflict
from webapp.services import books, idempotency, kill_switch, trading
from webapp.services.trading import CycleRequest, CycleResult


@pytest.fixture(autouse=True)
def quoted(session: Session) -> None:
    """A market that trades all day."""
    limits(session, **CALM)
    take(session, quote(100))


def executed(session: Session, key: str, **more: str) -> CycleResult:
    return cycle(session, key=key, **more)


def blocked(session: Session, key: str, **more: str) -> CycleResult:
    return cycle(session, "buy", 100, key=key, **more)


def resting(session: Session, key: str, **more: str) -> CycleResult:
    return cycle(session, "buy", 1, 99, key=key, **more)


def stale(session: Session, key: str, **more: str) -> CycleResult:
    return cycle(session, symbol="ETH-USDC", key=key, **more)


@pytest.mark.parametrize("ask", [executed, resting, blocked, stale])
def test_same_request_again_gets_the_same_bytes_and_writes_nothing(
    session: Session, ask: Callable[..., CycleResult]
) -> None:
    first = ask(session, "k")
    assert not first.replayed
    before = dump(session)
    again = ask(session, "k")
    assert again.replayed
    assert (again.status_code, again.body) == (first.status_code, first.body)
    assert dump(session) == before


def test_answer_given_while_halted_is_replayed_after_the_release(session: Session, engine: Engine) -> None:
    kill_switch.halt(engine, "stop", "user:ada")
    first = executed(session, "k")
    assert first.status_code == 423
    kill_switch.release(engine, "go on", "user:ada")
    again = executed(session, "k")
    assert (again.replayed, again.status_code, again.body) == (True, 423, first.body)
    assert one(session, "SELECT count(*) FROM fills") == 0


def test_answer_given_before_a_halt_is_replayed_while_halted(session: Session, engine: Engine) -> None:
    first = executed(session, "k")
    kill_switch.halt(engine, "stop", "user:ada")
    again = executed(session, "k")
    assert (again.replayed, again.status_code, again.body) == (True, 202, first.body)


def test_same_key_with_another_body_is_a_conflict_and_writes_nothing(session: Session) -> None:
    executed(session, "k")
    before = dump(session)
    with pytest.raises(Conflict) as caught:
        executed(session, "k", body="another body")
    assert (caught.value.code, caught.value.details["field"]) == ("CONFLICT", "idempotency_key")
    assert dump(session) == before


def test_same_key_of_another_actor_is_another_key(session: Session) -> None:
    first, second = executed(session, "k"), executed(session, "k", by="token:other", body="another body")
    assert not second.replayed
    assert first.document["cycle_id"] != second.document["cycle_id"]
    assert one(session, "SELECT count(*) FROM fills") == 2


def test_cycle_without_a_key_is_a_new_one_each_time(session: Session) -> None:
    for _ in range(2):
        assert not cycle(session).replayed
    assert one(session, "SELECT count(*) FROM idempotency_keys") == 0


def test_answer_that_cannot_be_stored_takes_the_trade_with_it(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dump(session)

    def fail(*_: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(idempotency, "store", fail)
    with pytest.raises(RuntimeError):
        executed(session, "k")
    assert dump(session) == before


def test_twenty_threads_on_five_keys_have_five_effects_and_identical_answers(session: Session, engine: Engine) -> None:
    together = Barrier(20)

    def ask(number: int) -> tuple[str, CycleResult]:
        key = f"key-{number % 5}"
        with Session(engine) as own:
            together.wait()
            return key, executed(own, key)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, range(20)))
    assert all(answer.status_code == 202 for _, answer in answers)
    assert Counter(key for key, answer in answers if not answer.replayed) == {f"key-{n}": 1 for n in range(5)}
    assert len({(key, answer.body) for key, answer in answers}) == 5
    assert one(session, "SELECT count(*) FROM fills") == 5
    assert one(session, "SELECT qty FROM positions") == 5
    assert books.verify(session).drifts == []


def test_different_bodies_racing_for_one_key_have_one_effect_and_the_others_conflict(
    session: Session, engine: Engine
) -> None:
    together = Barrier(8)

    def ask(number: int) -> bool:
        with Session(engine) as own:
            together.wait()
            try:
                executed(own, "k", body=f"body {number}")
            except Conflict:
                return False
            return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(ask, range(8))) == [False] * 7 + [True]
    assert one(session, "SELECT count(*) FROM fills") == 1


def test_first_fills_of_one_symbol_from_many_threads_all_count(session: Session, engine: Engine) -> None:
    """The position does not exist yet: whoever comes first makes it, and nobody's fill is lost."""
    together = Barrier(8)

    def trade(_: int) -> int:
        with Session(engine) as own:
            together.wait()
            return sum(cycle(own).status_code == 202 for _ in range(5))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(trade, range(8))) == 40
    assert one(session, "SELECT qty FROM positions") == 40
    assert books.verify(session).drifts == []


def test_strategys_cycle_may_have_a_key_as_well(session: Session) -> None:
    request = CycleRequest("SOL-USDC", "api", None, "k", "a body")
    first = trading.run_cycle(session, request, BOT)
    again = trading.run_cycle(session, request, BOT)
    assert (first.replayed, again.replayed, again.body) == (False, True, first.body)
