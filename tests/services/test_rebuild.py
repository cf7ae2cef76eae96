"""`books rebuild` derives everything this desk keeps beside the nine tables: for another program's rows, or a wreck."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests import builders
from tests.services.desks import BTC, NOON, SOL, after, cycle, dump, one, quote, rows, take, tamper
from webapp.services import adoption, audit, books, kill_switch, rebuild, rollups

STATES = "SELECT order_id, from_status, to_status, actor, reason, created_at FROM order_transitions"


def foreign(session: Session, status: str, at: float, fills: int = 0, **more: Any) -> UUID:
    """An order of another program with so many fills of one unit, a second apart from a second after it."""
    reason = "MAX_ORDER_NOTIONAL" if status == "rejected" else None
    qty = more.pop("qty", max(fills, 1))
    order_id = builders.order(session, status=status, at=after(at), qty=qty, risk_reason=reason, **more)
    for number in range(fills):
        builders.fill(session, order_id, after(at + 1 + number), symbol=more.get("symbol", SOL))
    return order_id


@pytest.fixture
def foreign_orders(session: Session) -> dict[str, UUID]:
    """An order of every state, written by a program that knows the nine tables only."""
    return {
        "executed": foreign(session, "executed", 0, fills=3),
        "rejected": foreign(session, "rejected", 10),
        "canceled": foreign(session, "canceled", 20, fills=1, qty=2),
        "approved": foreign(session, "approved", 30, symbol=BTC),
        "proposed": foreign(session, "proposed", 40),
    }


def test_orders_of_another_program_have_one_step_to_the_state_they_were_found_in(
    session: Session, foreign_orders: dict[str, UUID]
) -> None:
    made = rebuild.rebuild(session)
    assert (made.transitions, made.cycles, made.chained) == (5, 5, 0)
    steps = {row["to_status"]: row for row in rows(session, STATES)}
    assert {status: row["order_id"] for status, row in steps.items()} == foreign_orders
    assert {(row["from_status"], row["actor"]) for row in steps.values()} == {(None, "adopted")}
    # A fill is the last that is known of an order; without one it is the order itself.
    assert {status: row["created_at"] for status, row in steps.items()} == {
        "executed": after(3),
        "rejected": after(10),
        "canceled": after(21),
        "approved": after(30),
        "proposed": after(40),
    }
    assert {status for status, row in steps.items() if row["reason"]} == {"rejected"}


@pytest.mark.usefixtures("foreign_orders")
def test_adopted_desk_is_sound_and_says_what_the_fills_say(session: Session) -> None:
    made = rebuild.rebuild(session)
    assert (made.fills, made.symbols, made.starting_cash) == (4, 1, 10_000)
    assert one(session, "SELECT qty FROM positions WHERE symbol = 'SOL-USDC'") == 4
    assert one(session, "SELECT cash FROM account") == Decimal("9599.6")
    drifts = {drift.what for drift in books.verify(session).drifts}
    assert drifts == set()
    report = audit.verify(session)
    assert report.ok, report.first_bad
    assert rollups.verify(session) == []


def test_fills_of_another_program_are_folded_by_time_whatever_their_ids_are(session: Session) -> None:
    for number, (side, price) in enumerate((("buy", 100), ("sell", 150), ("buy", 200))):
        made = builders.order(session, side=side, at=after(number))
        at, fill_id = after(10 + number), UUID(int=9 - number)
        builders.fill(session, made, at, side=side, fill_price=Decimal(price), fill_id=fill_id)
    session.commit()
    rebuild.rebuild(session, after(60))
    assert one(session, "SELECT avg_entry_price FROM positions") == 200
    assert books.verify(session).drifts == []


def test_cycle_is_told_by_the_first_of_its_orders(session: Session) -> None:
    cycle_id = UUID(int=7)
    first = foreign(session, "executed", 0, fills=1, cycle_id=cycle_id)
    foreign(session, "rejected", 1, cycle_id=cycle_id, symbol=BTC)
    foreign(session, "approved", 2, symbol=BTC)
    assert rebuild.rebuild(session).cycles == 2
    (told,) = rows(session, "SELECT * FROM cycles WHERE cycle_id = :id", id=cycle_id)
    assert (told["order_id"], told["outcome"], told["symbol"], told["actor"]) == (first, "executed", SOL, "adopted")
    outcomes = rows(session, "SELECT outcome FROM cycles ORDER BY created_at")
    assert [row["outcome"] for row in outcomes] == ["executed", "resting"]


@pytest.mark.usefixtures("foreign_orders")
@pytest.mark.parametrize("piece", [1, 2, 5, 6])
def test_history_adopted_in_pieces_is_the_same(
    session: Session, other_session: Session, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """One cycle spans pieces, and two orders share a moment."""
    twins = [foreign(session, "approved", 50, cycle_id=UUID(int=8), order_id=UUID(int=n)) for n in (3, 1, 2)]
    monkeypatch.setattr(adoption, "PIECE", piece)
    done: list[int] = []
    made = rebuild.rebuild(session, progress=done.append)
    assert (made.transitions, made.cycles) == (8, 6)
    assert sum(done) == rebuild.size(session) == made.fills + 8
    (told,) = rows(session, "SELECT order_id FROM cycles WHERE cycle_id = :id", id=UUID(int=8))
    assert told["order_id"] == min(twins)


@pytest.mark.usefixtures("foreign_orders")
def test_second_rebuild_of_an_adopted_desk_changes_nothing(session: Session) -> None:
    rebuild.rebuild(session, NOON)
    before = dump(session)
    again = rebuild.rebuild(session, NOON)
    assert (again.transitions, again.cycles, again.chained) == (0, 0, 0)
    assert dump(session) == before


@pytest.mark.usefixtures("foreign_orders")
def test_ids_of_adopted_states_come_from_the_orders(session: Session, engine: Engine) -> None:
    rebuild.rebuild(session)
    first = rows(session, "SELECT order_id, transition_id FROM order_transitions ORDER BY 1")
    assert {row["transition_id"].version for row in first} == {7}
    by_time = "SELECT transition_id FROM order_transitions t JOIN orders o USING (order_id) ORDER BY o.created_at"
    in_time = [row["transition_id"] for row in rows(session, by_time)]
    assert in_time == sorted(in_time)
    tamper(engine, "DELETE FROM order_transitions")
    rebuild.rebuild(session)
    assert rows(session, "SELECT order_id, transition_id FROM order_transitions ORDER BY 1") == first


def test_resting_order_of_another_program_goes_on_from_where_it_was_found(session: Session) -> None:
    take(session, quote(100))
    order_id = foreign(session, "approved", 0, limit_price=90)
    rebuild.rebuild(session, NOON)
    take(session, quote(90, at=5))
    steps = rows(session, f"{STATES} WHERE order_id = :id ORDER BY created_at", id=order_id)
    assert [(row["from_status"], row["to_status"]) for row in steps] == [(None, "approved"), ("approved", "executed")]
    assert books.verify(session).drifts == []
    assert audit.verify(session).ok


def test_desks_own_history_is_left_alone(session: Session) -> None:
    take(session, quote(100))
    cycle(session)
    cycle(session, qty=10_000)
    rebuild.rebuild(session, NOON)
    before = dump(session, leave_out={"account"})
    made = rebuild.rebuild(session, NOON)
    assert (made.transitions, made.cycles, made.chained) == (0, 0, 0)
    assert dump(session, leave_out={"account"}) == before


WRECKS = {
    "positions": "UPDATE positions SET qty = qty + 1, unrealized_pnl = 5",
    "a position gone": "DELETE FROM positions",
    "a position too many": "INSERT INTO positions VALUES ('XRP-USDC', 1, 1, 1, 0)",
    "exact costs": "UPDATE position_costs SET cost = cost + 1e-20, net_paid = 0",
    "costs gone": "DELETE FROM position_costs",
    "a cost too many": "INSERT INTO position_costs VALUES ('XRP-USDC', 1, 1, 1)",
    "cash": "UPDATE account SET cash = cash + 1, fees_paid = 0",
    "NAV": "UPDATE account SET last_nav = 1",
    "the account gone": "DELETE FROM account",
}


@pytest.mark.parametrize("wreck", WRECKS.values(), ids=WRECKS)
def test_damaged_cache_is_made_true_again(session: Session, engine: Engine, wreck: str) -> None:
    take(session, quote(100), quote(50, symbol=BTC))
    cycle(session, "buy", 3)
    cycle(session, "buy", 1, symbol=BTC, at=61)
    tamper(engine, wreck)
    assert books.verify(session).drifts
    rebuild.rebuild(session, after(62))
    assert books.verify(session).drifts == []


def test_rebuild_may_find_the_desk_halted_and_never_released(session: Session, engine: Engine) -> None:
    kill_switch.halt(engine, "stop", "user:ada")
    tamper(engine, "UPDATE kill_switch SET enabled = false")
    rebuild.rebuild(session)
    assert kill_switch.state(session).enabled
    kill_switch.release(engine, "go on", "user:ada")
    tamper(engine, "UPDATE kill_switch SET enabled = true")
    rebuild.rebuild(session)
    assert kill_switch.state(session).enabled


@pytest.fixture
def curve(session: Session) -> Iterator[None]:
    """Another program's account: it began with 5000 and rounds at each fill."""
    builders.snapshot(session, 5_000, NOON - timedelta(hours=1), realized_pnl=0)
    order_id = foreign(session, "executed", 0, fills=1)
    builders.snapshot(session, "4999.89999", after(2), cash="4899.89999", realized_pnl="-0.10001", unrealized_pnl=0)
    yield
    assert one(session, "SELECT count(*) FROM fills WHERE order_id = :id", id=order_id) == 1


@pytest.mark.usefixtures("curve")
def test_starting_cash_is_what_the_first_snapshot_began_with_in_whole_cents(session: Session) -> None:
    made = rebuild.rebuild(session, after(3))
    assert (made.starting_cash, made.nav) == (5_000, Decimal("4999.9"))
    newest = rows(session, "SELECT nav, cash FROM portfolio_snapshots ORDER BY captured_at DESC LIMIT 1")
    assert newest == [{"nav": Decimal("4999.9"), "cash": Decimal("4899.9")}]
    assert books.verify(session).drifts == []
