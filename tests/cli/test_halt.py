"""`flask halt` and `flask release`: what they did, with what an operator needs to prove it later."""

import re
from collections.abc import Callable

from click.testing import Result
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.trader import Trader
from webapp.models.locks import GATE
from webapp.services import audit, kill_switch

Run = Callable[..., Result]


def test_halt_tells_its_event_and_the_audit_head_that_verifies_it(run: Run, session: Session) -> None:
    said = run("halt", "--reason", "drill").output
    found = re.search(r"took \d+ ms; event (\S+); audit head (\d+:[0-9a-f]{64})", said)
    assert found is not None, said
    assert session.execute(text("SELECT event_id::text FROM kill_switch_events")).scalar_one() == found[1]
    assert audit.verify(session, audit.Head.parse(found[2])).ok


def test_halt_that_had_to_end_a_hung_trade_says_so(run: Run, engine: Engine) -> None:
    hung = engine.connect()
    hung.execute(text("SELECT pg_advisory_xact_lock_shared(:gate)"), {"gate": GATE})
    assert "trades that hung, ended and undone: 1" in run("halt").output
    hung.invalidate()


def test_release_may_keep_the_peak_that_drawdown_counts_from(run: Run, session: Session, engine: Engine) -> None:
    trader = Trader(session)
    trader.cycle("buy", "9")
    trader.quote("SOL-USDC", trader.price - 5)
    for words, said in (
        (("--keep-peak",), "drawdown counts from the peak as before, a NAV of 10000.00000000 USDC"),
        ((), "drawdown counts from a NAV of 995"),
    ):
        kill_switch.halt(engine, "drill", "test")
        assert said in run("release", "--reason", "drill over", *words).output
