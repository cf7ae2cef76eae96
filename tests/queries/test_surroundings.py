"""What stands around an order or a cycle: found by a probe each, however long the history is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tests import builders
from tests.builders import NOON
from tests.queries.test_market import rows_read
from webapp.models import Cycle, Order
from webapp.queries import decisions, surroundings
from webapp.services import kill_switch


def order_row(session: Session, order_id: UUID) -> Any:
    return session.execute(select(Order.__table__).where(Order.order_id == order_id)).mappings().one()


def test_neighbours_are_the_ones_of_the_same_symbol_also_within_one_instant(session: Session) -> None:
    ids = sorted(builders.order(session, at=NOON) for _ in range(3))
    builders.order(session, symbol="BTC-USDC", at=NOON)
    middle = surroundings.orders_beside(session, order_row(session, ids[1]))
    last = surroundings.orders_beside(session, order_row(session, ids[2]))

    assert middle.previous is not None
    assert middle.following is not None
    assert (middle.previous["id"], middle.following["id"]) == (ids[0], ids[2])
    assert last.following is None


def test_neighbours_of_a_cycle_are_cycles_of_its_symbol(session: Session) -> None:
    ids = [builders.cycle(session, at=NOON + timedelta(minutes=n)) for n in range(3)]
    row = session.execute(select(Cycle.__table__).where(Cycle.cycle_id == ids[1])).mappings().one()
    beside = surroundings.cycles_beside(session, row)

    assert [part and part["id"] for part in (beside.previous, beside.following)] == [ids[0], ids[2]]


def test_neighbours_are_probed_and_not_searched_for(session: Session) -> None:
    signal_id = builders.signal(session)
    session.execute(
        text("""
            INSERT INTO orders (order_id, cycle_id, signal_id, symbol, side, qty, status, created_at)
            SELECT gen_random_uuid(), gen_random_uuid(), :signal, 'S' || n % 3, 'buy', 1, 'rejected',
                   timestamptz '2026-03-02' + n * interval '1 second' FROM generate_series(1, 9000) AS n
        """),
        {"signal": signal_id},
    )
    session.execute(text("ANALYZE orders"))
    row = session.execute(select(Order.__table__).where(Order.symbol == "S1").limit(1).offset(1500)).mappings().one()
    about = {"symbol": row["symbol"], "at": row["created_at"], "id": row["order_id"]}
    explain = text("EXPLAIN (ANALYZE, FORMAT JSON) " + surroundings._ORDERS.text)

    assert rows_read(session.execute(explain, about).scalar_one()[0]["Plan"]) < 20


def test_rulebook_has_the_policy_of_then_and_the_lifetime_of_now(session: Session) -> None:
    builders.policy(session, version=2, order_ttl_seconds=60)
    builders.policy(session, version=3, order_ttl_seconds=900)
    rules = surroundings.rulebook(session, {"policy_version": 2})  # type: ignore[arg-type]  # as much of a cycle as it reads
    unknown = surroundings.rulebook(session, None)

    assert rules.then is not None
    assert (rules.then.order_ttl_seconds, rules.now.order_ttl_seconds) == (60, 900)
    assert rules.expires_at(NOON) == NOON + timedelta(minutes=15)
    assert (unknown.then, unknown.now.order_ttl_seconds) == (None, 900)


def test_halt_in_force_at_a_moment_is_the_last_one_that_was_not_released(session: Session, engine: Any) -> None:
    kill_switch.halt(engine, "a drill", by="user:olga", now=NOON)
    kill_switch.release(engine, "over", by="user:olga", now=NOON + timedelta(minutes=5))
    during = surroundings.halt_at(session, NOON + timedelta(minutes=1))

    assert during is not None
    assert (during["actor"], during["reason"]) == ("user:olga", "a drill")
    assert surroundings.halt_at(session, NOON - timedelta(minutes=1)) is None
    assert surroundings.halt_at(session, NOON + timedelta(minutes=6)) is None


def test_decisions_are_one_for_each_order_of_the_last_day(session: Session) -> None:
    now = builders.now()
    verdicts = [{"rule": "MAX_ORDER_NOTIONAL", "ok": True}, "odd"]
    for at in (now, now - timedelta(hours=23), now - timedelta(hours=25)):
        order_id = builders.order(session, side="sell", at=at)
        builders.risk_event(session, order_id, details={"rules": verdicts}, at=at)
        builders.risk_event(session, order_id, "warned", "MAX_ORDER_NOTIONAL", details={"usage": "0.9"}, at=at)
    odd = builders.order(session)
    builders.risk_event(session, odd, details={"rules": "none"})
    found = decisions.recent(session)

    assert [(one.side, len(one.verdicts)) for one in found] == [("buy", 0), ("sell", 1), ("sell", 1)]
