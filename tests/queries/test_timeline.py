"""Keyset lists: complete, in order, stable while rows arrive, filtered by what the contract names."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from tests import builders
from tests.domain.contexts import CODES
from webapp.models import Act, DevnetSmokeRun, KillSwitchEvent, Position
from webapp.queries.timeline import LISTINGS, Listing, Page, one, page, stream

NOON = builders.NOON


def ids(rows: Page | list[Any], listing: Listing) -> list[Any]:
    return [row[listing.id_column] for row in (rows.rows if isinstance(rows, Page) else rows)]


def walk(session: Session, listing: Listing, limit: int, filters: dict[str, Any] | None = None) -> list[Any]:
    """Every id, page by page, as a reader who follows the cursors sees them."""
    found: list[Any] = []
    after = None
    while True:
        part = page(session, listing, filters or {}, limit, after)
        assert len(part.rows) <= limit
        found += ids(part, listing)
        if part.next_key is None:
            return found
        after = part.next_key


def make(session: Session, name: str, at: Any) -> Any:
    """One row of any list at a given time."""
    order: Callable[[], UUID] = lambda: builders.order(session, at=at)  # noqa: E731  # shorter than five functions
    return {
        "ticks": lambda: builders.tick(session, at=at),
        "signals": lambda: builders.signal(session, "SOL-USDC", "buy", at),
        "orders": order,
        "fills": lambda: builders.fill(session, order(), at),
        "snapshots": lambda: builders.snapshot(session, at=at),
        "risk_events": lambda: builders.risk_event(session, order(), at=at),
        "cycles": lambda: builders.cycle(session, at=at),
        "kill_switch_events": lambda: _insert(
            session, KillSwitchEvent, "event_id", at, enabled=True, reason="test", actor="test", created_at=at
        ),
        "acts": lambda: _insert(session, Act, "act_id", at, act="login", actor="user:olga", created_at=at),
        "smoke_runs": lambda: _insert(session, DevnetSmokeRun, "run_id", at, status="passed", ran_at=at),
    }[name]()


def _insert(session: Session, model: Any, key: str, at: Any, **values: Any) -> UUID:
    row_id = builders.new_id(at)
    builders.add(session, model, {key: row_id, **values})
    return row_id


TIMED = [name for name, listing in LISTINGS.items() if listing.time_column and name != "policies"]


@pytest.mark.parametrize("name", TIMED)
def test_pages_of_any_size_give_every_row_once_newest_first(session: Session, name: str) -> None:
    made = [make(session, name, NOON + timedelta(seconds=second)) for second in (3, 1, 2, 0, 4)]
    expected = [made[4], made[0], made[2], made[1], made[3]]
    for limit in (1, 2, 3, 5, 6):
        assert walk(session, LISTINGS[name], limit) == expected


@pytest.mark.parametrize("name", TIMED)
def test_rows_of_one_instant_are_neither_lost_nor_repeated(session: Session, name: str) -> None:
    made = {make(session, name, NOON) for _ in range(7)}
    found = walk(session, LISTINGS[name], 2)
    assert len(found) == 7
    assert set(found) == made
    assert found == sorted(found, reverse=True)


def test_next_key_is_none_exactly_at_the_end(session: Session) -> None:
    builders.ticks(session, "SOL-USDC", [(NOON + timedelta(seconds=second), 100) for second in range(4)])
    listing = LISTINGS["ticks"]
    assert page(session, listing, {}, 4).next_key is None
    assert page(session, listing, {}, 3).next_key is not None
    assert page(session, listing, {"symbol": "NONE"}, 3) == Page([], None)


def test_rows_that_arrive_between_two_pages_do_not_shift_the_second(session: Session) -> None:
    old = builders.ticks(session, "SOL-USDC", [(NOON + timedelta(seconds=second), 100) for second in range(4)])
    first = page(session, LISTINGS["ticks"], {}, 2)
    builders.ticks(session, "SOL-USDC", [(NOON + timedelta(seconds=second), 100) for second in range(10, 15)])
    second = page(session, LISTINGS["ticks"], {}, 2, first.next_key)
    assert ids(first, LISTINGS["ticks"]) + ids(second, LISTINGS["ticks"]) == old[::-1]


def test_from_is_included_and_to_is_not(session: Session) -> None:
    made = builders.ticks(session, "SOL-USDC", [(NOON + timedelta(seconds=second), 100) for second in range(4)])
    span = {"from": NOON + timedelta(seconds=1), "to": NOON + timedelta(seconds=3)}
    assert ids(page(session, LISTINGS["ticks"], span, 50), LISTINGS["ticks"]) == [made[2], made[1]]


def test_orders_are_filtered_by_every_name_the_contract_gives(session: Session) -> None:
    builders.order(session)
    wanted = builders.order(
        session,
        "BTC-USDC",
        "sell",
        "rejected",
        NOON,
        cycle_id=(cycle := builders.new_id(NOON)),
        risk_reason="PRICE_COLLAR",
    )
    listing = LISTINGS["orders"]
    for name, value in {
        "symbol": "BTC-USDC",
        "side": "sell",
        "status": "rejected",
        "cycle_id": cycle,
        "rule": "PRICE_COLLAR",
        "to": NOON + timedelta(seconds=1),
    }.items():
        assert ids(page(session, listing, {name: value}, 50), listing) == [wanted], name


def test_fills_and_risk_events_take_symbol_and_cycle_from_their_order(session: Session) -> None:
    cycle = builders.new_id(NOON)
    other, mine = builders.order(session, "SOL-USDC"), builders.order(session, "BTC-USDC", cycle_id=cycle)
    builders.fill(session, other)
    fill = builders.fill(session, mine, symbol="BTC-USDC")
    builders.risk_event(session, other)
    event_id = builders.risk_event(session, mine, "blocked", "MAX_DRAWDOWN")
    found = page(session, LISTINGS["fills"], {"cycle_id": cycle}, 50).rows
    assert [(row["fill_id"], row["cycle_id"]) for row in found] == [(fill, cycle)]
    for filters in ({"symbol": "BTC-USDC"}, {"cycle_id": cycle}, {"rule": "MAX_DRAWDOWN"}, {"action": "blocked"}):
        found = page(session, LISTINGS["risk_events"], filters, 50).rows
        assert [(row["risk_event_id"], row["symbol"], row["cycle_id"]) for row in found] == [
            (event_id, "BTC-USDC", cycle)
        ]


def test_positions_come_by_symbol_and_page_by_it(session: Session) -> None:
    zero = {"qty": 0, "avg_entry_price": 0, "mark_price": 1, "unrealized_pnl": 0}
    builders.add(session, Position, *({"symbol": symbol, **zero} for symbol in ("SOL-USDC", "ADA", "BTC_PERP")))
    assert walk(session, LISTINGS["positions"], 1) == ["ADA", "BTC_PERP", "SOL-USDC"]
    assert walk(session, LISTINGS["positions"], 9, {"symbol": "ADA"}) == ["ADA"]


def test_a_filter_that_a_list_does_not_take_is_refused_not_ignored(session: Session) -> None:
    with pytest.raises(KeyError, match="side"):
        page(session, LISTINGS["ticks"], {"side": "buy"}, 50)


def test_stream_gives_all_rows_whatever_the_chunk(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.queries.timeline.EXPORT_CHUNK", 3)
    made = builders.ticks(session, "SOL-USDC", [(NOON + timedelta(seconds=second), 100) for second in range(8)])
    builders.ticks(session, "ADA", [(NOON, 1)])
    listing = LISTINGS["ticks"]
    assert [row["tick_id"] for row in stream(session, listing, {"symbol": "SOL-USDC"})] == made[::-1]


def test_one_row_has_the_same_columns_as_in_its_list(session: Session) -> None:
    event_id = builders.risk_event(session, builders.order(session))
    listing = LISTINGS["risk_events"]
    found = one(session, listing, event_id)
    assert found is not None
    assert dict(found) == dict(page(session, listing, {}, 1).rows[0])
    assert list(found) == list(listing.kinds())
    assert one(session, listing, builders.new_id(NOON)) is None


def test_a_page_is_one_statement_without_count_or_offset(session: Session) -> None:
    statements: list[str] = []
    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", lambda *found: statements.append(found[2].lower()))
    for listing in LISTINGS.values():
        page(session, listing, {}, 2)
    assert len(statements) == len(LISTINGS)
    assert not [text for text in statements if "count(" in text or "offset" in text]


def test_the_rules_a_filter_takes_are_those_of_the_gate() -> None:
    assert LISTINGS["orders"].filters["rule"] == CODES
    assert LISTINGS["risk_events"].filters["rule"] == (*CODES, "ALL_RULES", "PRICE_ANOMALY")
