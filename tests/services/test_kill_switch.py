"""The switch: on is one idempotent step that works when nothing else does, off needs a reason, unknown counts as on."""

from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests import builders
from tests.services.desks import (
    BTC,
    CALM,
    SOL,
    after,
    counts,
    cycle,
    dump,
    grown,
    limits,
    one,
    quote,
    rows,
    take,
    tamper,
)
from webapp.domain.errors import BadInput, Conflict, Unconfirmed
from webapp.services import audit, kill_switch

HALTED = "PD423"
A_FILL = "INSERT INTO fills SELECT gen_random_uuid(), order_id, symbol, side, qty, 99, 0, 0, now() FROM orders"
HOLDERS = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = :gate
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.fixture
def waiting(session: Session) -> list[UUID]:
    """Three orders that rest in two symbols."""
    limits(session, **CALM)
    take(session, quote(100), quote(50, symbol=BTC))
    asked = [("buy", 99, SOL), ("buy", 98, SOL), ("buy", 49, BTC)]
    answers = [cycle(session, side, 1, limit, symbol=symbol) for side, limit, symbol in asked]
    return [UUID(answer.document["order"]["order_id"]) for answer in answers]


# --- on ---
def test_new_desk_is_on_the_market(session: Session) -> None:
    state = kill_switch.state(session)
    assert (state.enabled, state.known) == (False, True)


def test_halt_cancels_what_rests_writes_it_down_and_says_what_it_did(
    session: Session, engine: Engine, waiting: list[UUID]
) -> None:
    cycle(session, "buy", 1, at=1)
    before = counts(session)
    receipt = kill_switch.halt(engine, "  something is off ", "user:ada", after(10))
    assert (receipt.orders_canceled, receipt.already, receipt.actor) == (3, False, "user:ada")
    assert (receipt.reason, receipt.halted_at, receipt.last_fill_at) == ("something is off", after(10), after(1))
    assert grown(session, before) == {"kill_switch_events": 1, "order_transitions": 3, "audit_chain": 4}
    (event,) = rows(session, "SELECT * FROM kill_switch_events")
    assert (event["event_id"], event["enabled"], event["reason"]) == (receipt.event_id, True, "something is off")
    assert (event["actor"], event["created_at"]) == ("user:ada", after(10))
    steps = rows(session, "SELECT * FROM order_transitions WHERE to_status = 'canceled'")
    assert {step["order_id"] for step in steps} == set(waiting)
    assert {(step["from_status"], step["actor"], step["reason"]) for step in steps} == {
        ("approved", "user:ada", "the desk was halted")
    }
    assert audit.verify(session).ok


def test_halt_shows_as_the_state_of_the_switch(session: Session, engine: Engine) -> None:
    kill_switch.halt(engine, "why", "user:ada", after(10))
    state = kill_switch.state(session)
    assert (state.enabled, state.reason, state.actor, state.changed_at, state.known) == (
        True, "why", "user:ada", after(10), True,
    )  # fmt: skip


def test_halt_needs_no_reason(engine: Engine) -> None:
    assert kill_switch.halt(engine, None, "user:ada").reason is None


def test_halt_again_changes_nothing_and_says_since_when(session: Session, engine: Engine) -> None:
    first = kill_switch.halt(engine, "first", "user:ada", after(1))
    before = dump(session)
    again = kill_switch.halt(engine, "second", "user:bob", after(2))
    assert again.already
    assert (again.event_id, again.reason, again.actor, again.halted_at) == (
        first.event_id, "first", "user:ada", after(1),
    )  # fmt: skip
    assert dump(session) == before


@pytest.mark.parametrize("reason", ["x" * 501, "a\x00b"])
def test_reason_that_cannot_be_kept_is_refused_and_changes_nothing(
    session: Session, engine: Engine, reason: str
) -> None:
    with pytest.raises(BadInput) as caught:
        kill_switch.halt(engine, reason, "user:ada")
    assert caught.value.field == "reason"
    assert not kill_switch.state(session).enabled


def test_halted_desk_stays_halted_for_new_connections_and_old_ones(session: Session, engine: Engine) -> None:
    take(session, quote(100))
    kill_switch.halt(engine, "stop", "user:ada")
    assert cycle(session).status_code == 423
    with Session(engine) as other:
        assert cycle(other).status_code == 423


def test_halt_whose_answer_is_lost_is_unconfirmed(database_url: object) -> None:
    nowhere = create_engine("postgresql+psycopg2://nobody@127.0.0.1:1/nothing")
    with pytest.raises(Unconfirmed) as caught:
        kill_switch.halt(nowhere, "stop", "user:ada")
    assert "assume trading is ON" in caught.value.message
    assert caught.value.code == "UNAVAILABLE"


def test_halt_that_fails_half_way_leaves_the_desk_as_it_was(
    session: Session, engine: Engine, waiting: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dump(session)
    monkeypatch.setattr(kill_switch, "_ADD_EVENT", "INSERT INTO kill_switch_events (nonsense) VALUES (1)")
    with pytest.raises(Unconfirmed):
        kill_switch.halt(engine, "stop", "user:ada")
    assert dump(session) == before
    assert len(waiting) == 3


# --- off ---
@pytest.mark.parametrize("reason", [None, "", "   "])
def test_release_without_a_reason_is_refused_and_the_desk_stays_halted(
    session: Session, engine: Engine, reason: str | None
) -> None:
    kill_switch.halt(engine, "stop", "user:ada")
    with pytest.raises(BadInput) as caught:
        kill_switch.release(engine, reason, "user:ada")
    assert caught.value.field == "reason"
    assert kill_switch.state(session).enabled


def test_release_of_a_desk_that_trades_is_a_conflict_and_changes_nothing(session: Session, engine: Engine) -> None:
    before = dump(session)
    with pytest.raises(Conflict):
        kill_switch.release(engine, "go on", "user:ada")
    assert dump(session) == before


def test_release_lets_trade_again_and_is_written_down(session: Session, engine: Engine) -> None:
    take(session, quote(100))
    kill_switch.halt(engine, "stop", "user:ada", after(1))
    before = counts(session)
    receipt = kill_switch.release(engine, "all is well", "user:bob", after(2))
    assert (receipt.reason, receipt.actor, receipt.released_at) == ("all is well", "user:bob", after(2))
    assert grown(session, before) == {"kill_switch_events": 1, "audit_chain": 1}
    assert not kill_switch.state(session).enabled
    assert cycle(session, at=3).status_code == 202


def test_release_measures_drawdown_anew_from_the_nav_of_its_moment(session: Session, engine: Engine) -> None:
    limits(session, **CALM)
    take(session, quote(100))
    cycle(session, "buy", 9)
    take(session, quote(90, at=1))
    kill_switch.halt(engine, "stop", "user:ada", after(2))
    receipt = kill_switch.release(engine, "go on", "user:ada", after(3))
    (account,) = rows(session, "SELECT * FROM account")
    assert float(receipt.peak_nav) == account["peak_nav"] == 9910
    assert account["peak_since"] == after(3)


@pytest.mark.parametrize(
    ("cash", "peak"),
    [
        ("10000.000000005", "10000"),
        ("10000.000000015", "10000.00000002"),
        ("10000.0000000050000001", "10000.00000001"),
        ("9999.999999985", "9999.99999998"),
    ],
)
def test_new_peak_is_rounded_half_even_like_all_money(session: Session, engine: Engine, cash: str, peak: str) -> None:
    builders.account(session, cash=Decimal(cash))
    kill_switch.halt(engine, "stop", "user:ada", after(2))
    receipt = kill_switch.release(engine, "go on", "user:ada", after(3))
    assert Decimal(receipt.peak_nav) == one(session, "SELECT peak_nav FROM account") == Decimal(peak)


# --- unknown ---
def test_switch_without_a_row_counts_as_on_and_is_not_known(session: Session, engine: Engine) -> None:
    tamper(engine, "DELETE FROM kill_switch")
    state = kill_switch.state(session)
    assert (state.enabled, state.known) == (True, False)


def test_switch_without_a_row_lets_no_fill_into_the_database_by_any_way(session: Session, engine: Engine) -> None:
    take(session, quote(100))
    cycle(session, "buy", 1, 99)
    tamper(engine, "DELETE FROM kill_switch")
    take(session, quote(98, at=1))
    assert one(session, "SELECT count(*) FROM fills") == 0
    with pytest.raises(DBAPIError) as caught:
        session.execute(text(A_FILL))
    assert caught.value.orig.pgcode == HALTED  # type: ignore[union-attr]
    session.rollback()


def test_switch_without_a_row_can_be_halted_and_released(session: Session, engine: Engine) -> None:
    tamper(engine, "DELETE FROM kill_switch")
    assert not kill_switch.halt(engine, "stop", "user:ada").already
    assert kill_switch.state(session).known
    tamper(engine, "DELETE FROM kill_switch")
    kill_switch.release(engine, "go on", "user:ada")
    assert not kill_switch.state(session).enabled
