"""The desk at a glance: the books, the room under each limit, and the newest of everything."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from tests import builders
from webapp.domain.risk.verdict import Verdict
from webapp.queries import overview


def glance(session: Session) -> tuple[overview.Desk, overview.Book, list[Verdict]]:
    desk = overview.desk(session)
    held = overview.holdings(session)
    book = overview.book(desk, held)
    return desk, book, overview.headroom(desk, book, held)


def test_new_desk_is_worth_its_starting_cash_and_has_all_its_room(session: Session) -> None:
    desk, book, limits = glance(session)
    assert (book.nav, book.day_change, book.drawdown, book.gross) == (10_000, 0, 0, 0)
    assert (desk.quote_at, desk.engine_at, desk.cycle_at, desk.snapshot_at) == (None, None, None, None)
    assert {limit.usage for limit in limits} == {Decimal(0)}
    assert not desk.halted
    assert overview.day_curve(session, desk.now) == []


def test_nav_is_cash_and_every_position_at_its_mark_shorts_included(session: Session) -> None:
    builders.account(session, cash=Decimal(9_000), peak_nav=Decimal(10_400), fees_paid=Decimal(7))
    builders.position(session, "SOL-USDC", qty=10, avg=100, mark=110)
    builders.position(session, "BTC-USDC", qty="-0.01", avg=60_000, mark=59_000)
    builders.position(session, "ETH-USDC", qty=0, avg=0, mark=3_000)
    _, book, _ = glance(session)
    assert book.nav == 9_000 + 1_100 - 590
    assert (book.gross, book.net, book.unrealized) == (1_690, 510, 110)
    assert book.realized == book.nav - 10_000 - 110
    assert book.drawdown == 10_400 - book.nav
    assert book.drawdown_ratio is not None
    assert round(book.drawdown_ratio, 12) == Decimal("0.085576923077")


def test_day_change_is_nav_less_the_last_snapshot_before_midnight(session: Session) -> None:
    midnight = builders.now().replace(hour=0, minute=0, second=0, microsecond=0)
    curve = [(midnight - timedelta(hours=3), 9_000), (midnight - timedelta(seconds=1), 9_800), (midnight, 9_990)]
    builders.snapshots(session, curve)
    builders.account(session, cash=Decimal(10_045))
    _, book, _ = glance(session)
    assert (book.day_change, book.day_change_ratio) == (245, Decimal(245) / 9_800)


def test_first_day_is_measured_from_the_starting_cash(session: Session) -> None:
    builders.account(session, cash=Decimal(9_950))
    _, book, _ = glance(session)
    assert book.day_change == -50


def test_limits_stand_nearest_to_tripping_first(session: Session) -> None:
    builders.policy(session, max_daily_loss="100", max_open_positions=4)
    builders.account(session, cash=Decimal(8_910))
    builders.position(session, "SOL-USDC", qty=10, avg=100, mark=100)
    _, _, limits = glance(session)
    assert [(limit.rule, limit.value, limit.usage) for limit in limits[:2]] == [
        ("MAX_DAILY_LOSS", 90, Decimal("0.9")),
        ("MAX_OPEN_POSITIONS", 1, Decimal("0.25")),
    ]
    assert limits[0].warns
    assert {limit.rule for limit in limits} == {
        "MAX_POSITION_NOTIONAL",
        "MAX_GROSS_EXPOSURE",
        "MAX_OPEN_POSITIONS",
        "MAX_DAILY_LOSS",
        "MAX_DRAWDOWN",
        "MAX_TRADES_PER_HOUR",
        "MAX_TRADES_PER_DAY",
    }


def test_limit_of_zero_is_first_and_has_no_room(session: Session) -> None:
    builders.policy(session, max_open_positions=0)
    _, _, limits = glance(session)
    assert (limits[0].rule, limits[0].usage, limits[0].ok) == ("MAX_OPEN_POSITIONS", None, False)


def test_trades_are_the_orders_the_gate_let_through(session: Session) -> None:
    now = builders.now()
    for status in ("approved", "executed", "canceled", "rejected", "proposed"):
        builders.order(session, status=status, at=now)
    builders.order(session, status="executed", at=now - timedelta(hours=2))
    desk, _, _ = glance(session)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    assert desk.trades_hour == 3
    assert desk.trades_today == 3 + (now - timedelta(hours=2) >= midnight)


def test_newest_moments_come_from_each_source_by_itself(session: Session) -> None:
    now = builders.now()
    builders.tick(session, at=now - timedelta(seconds=1))
    builders.snapshot(session, at=now - timedelta(seconds=2))
    builders.cycle(session, at=now - timedelta(seconds=3))
    builders.heartbeat(session, "engine", now - timedelta(seconds=4))
    builders.heartbeat(session, "web", now)
    desk = overview.desk(session)
    found = (desk.quote_at, desk.snapshot_at, desk.cycle_at, desk.engine_at)
    assert found == tuple(now - timedelta(seconds=n) for n in (1, 2, 3, 4))


def test_what_a_live_block_compares_changes_with_every_source(session: Session) -> None:
    seen = [overview.desk(session).seen]
    for change in (builders.tick, builders.snapshot, builders.cycle, builders.policy):
        change(session)
        seen.append(overview.desk(session).seen)
    builders.account(session, cash=Decimal(9_999))
    seen.append(overview.desk(session).seen)
    assert len(set(seen)) == len(seen)


def test_last_cycles_are_the_newest_and_those_that_led_to_an_order(session: Session) -> None:
    now = builders.now()
    filled = builders.order(session, at=now - timedelta(minutes=50))
    builders.fill(session, filled, qty=Decimal("0.25"), fill_price=Decimal(100))
    builders.fill(session, filled, qty=Decimal("0.75"), fill_price=Decimal(104))
    acted = builders.cycle(session, outcome="executed", at=now - timedelta(minutes=50), order_id=filled)
    silent = [builders.cycle(session, at=now - timedelta(minutes=n)) for n in range(5, 0, -1)]
    rows = overview.last_cycles(session)
    assert [row["cycle_id"] for row in rows] == [*silent[:1:-1], acted]
    assert (rows[-1]["filled_qty"], rows[-1]["filled_price"]) == (1, 103)
    assert overview.last_hour(session, now) == {"executed": 1, "no_signal": 5}


def test_blocked_cycle_carries_the_sentence_of_the_rule_that_blocked_it(session: Session) -> None:
    order_id = builders.order(session, status="rejected", risk_reason="MAX_DRAWDOWN")
    for rule, sentence in (("COOLDOWN_SECONDS", "Too soon."), ("MAX_DRAWDOWN", "Too deep.")):
        builders.risk_event(session, order_id, "blocked", rule, details={"sentence": sentence})
    builders.cycle(session, outcome="blocked", order_id=order_id, reason="MAX_DRAWDOWN")
    (row,) = overview.last_cycles(session)
    assert row["sentence"] == "Too deep."
