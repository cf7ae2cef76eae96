"""The desk at a glance: the account, the book measured from it, and the newest moment of every source."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from tests import builders
from webapp.models import SelfCheck
from webapp.queries import overview


def glance(session: Session) -> tuple[overview.Desk, overview.Book]:
    desk = overview.desk(session)
    return desk, overview.book(desk, overview.holdings(session))


def test_new_desk_is_worth_its_starting_cash_and_was_never_touched(session: Session) -> None:
    desk, book = glance(session)
    assert (book.nav, book.day_change, book.drawdown, book.gross) == (10_000, 0, 0, 0)
    assert (desk.quote_at, desk.engine_at, desk.cycle_at, desk.snapshot_at) == (None, None, None, None)
    assert desk.untouched
    assert not desk.halted
    assert overview.day_curve(session, desk.now) == []


def test_nav_is_cash_and_every_position_at_its_mark_shorts_included(session: Session) -> None:
    builders.account(session, cash=Decimal(9_000), peak_nav=Decimal(10_400), fees_paid=Decimal(7))
    builders.position(session, "SOL-USDC", qty=10, avg=100, mark=110)
    builders.position(session, "BTC-USDC", qty="-0.01", avg=60_000, mark=59_000)
    builders.position(session, "ETH-USDC", qty=0, avg=0, mark=3_000)
    _, book = glance(session)
    assert book.nav == 9_000 + 1_100 - 590
    assert (book.gross, book.net, book.unrealized) == (1_690, 510, 110)
    ratios = [round(ratio, 6) for ratio in (book.gross_ratio, book.net_ratio, book.cash_ratio) if ratio is not None]
    assert ratios == [Decimal("0.177708"), Decimal("0.053628"), Decimal("0.946372")]
    assert book.realized == book.nav - 10_000 - 110
    assert book.drawdown == 10_400 - book.nav
    assert book.drawdown_ratio is not None
    assert round(book.drawdown_ratio, 12) == Decimal("0.085576923077")


def test_day_change_is_nav_less_the_last_snapshot_before_midnight(session: Session) -> None:
    midnight = builders.now().replace(hour=0, minute=0, second=0, microsecond=0)
    curve = [(midnight - timedelta(hours=3), 9_000), (midnight - timedelta(seconds=1), 9_800), (midnight, 9_990)]
    builders.snapshots(session, curve)
    builders.account(session, cash=Decimal(10_045))
    _, book = glance(session)
    assert (book.day_change, book.day_change_ratio) == (245, Decimal(245) / 9_800)


def test_first_day_is_measured_from_the_starting_cash(session: Session) -> None:
    builders.account(session, cash=Decimal(9_950))
    _, book = glance(session)
    assert book.day_change == -50


def test_trades_are_the_orders_the_gate_let_through(session: Session) -> None:
    now = builders.now()
    for status in ("approved", "executed", "canceled", "rejected", "proposed"):
        builders.order(session, status=status, at=now)
    builders.order(session, status="executed", at=now - timedelta(hours=2))
    desk, _ = glance(session)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    assert desk.trades_hour == 3
    assert desk.trades_today == 3 + (now - timedelta(hours=2) >= midnight)
    assert (desk.resting, desk.resting_since) == (1, now)


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
    assert not desk.untouched


def test_checks_of_the_desk_on_itself_come_by_name(session: Session) -> None:
    now = builders.now()
    row = {"name": "books", "ok": False, "rows": 12, "detail": "1 drift", "checked_at": now}
    builders.add(session, SelfCheck, row)
    assert overview.desk(session).checks == {"books": overview.Check(False, 12, "1 drift", now)}


def test_what_a_live_block_compares_changes_with_every_source(session: Session) -> None:
    seen = [overview.desk(session).seen]
    for change in (builders.tick, builders.snapshot, builders.cycle, builders.policy):
        change(session)
        seen.append(overview.desk(session).seen)
    builders.account(session, cash=Decimal(9_999))
    seen.append(overview.desk(session).seen)
    builders.order(session, status="approved")
    seen.append(overview.desk(session).seen)
    assert len(set(seen)) == len(seen)
