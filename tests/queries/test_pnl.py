"""Profit by day and symbol: marked to market, days carried over, and together what NAV did."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from tests import builders
from tests.queries.trading import made_up, stored
from webapp.domain.orders import Side
from webapp.domain.pnl import by_day
from webapp.domain.trades import Filled, Tally
from webapp.queries import pnl, trades
from webapp.services import trade_rollup

MARCH = date(2026, 3, 1)
START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def fill(day: int, side: str, qty: int, price: int, fee: str = "0") -> Filled:
    at = START + (day - 1) * DAY + timedelta(hours=9)
    return Filled(builders.new_id(at), "SOL-USDC", Side(side), Decimal(qty), Decimal(price), Decimal(fee), at)


def month(session: Session, now: datetime) -> pnl.Month:
    return pnl.month(session, MARCH, now, trades.traded(session, START, now).since)


@pytest.mark.parametrize("rolled", [False, True])
def test_day_gains_what_its_position_gained_less_what_was_paid(session: Session, rolled: bool) -> None:
    stored(session, [fill(0, "buy", 2, 90), fill(2, "buy", 1, 103, "0.5"), fill(4, "sell", 3, 120, "0.6")])
    builders.ticks(session, "SOL-USDC", [(START + timedelta(days=d, hours=20), 100 + 5 * d) for d in (-1, 0, 1, 3)])
    if rolled:
        trade_rollup.rebuild(session)
    (sol,) = month(session, START + timedelta(days=4, hours=3)).symbols

    assert [day.pnl for day in sol.days] == [
        2 * 100 - 2 * 95,
        3 * 105 - 2 * 100 - 103 - Decimal("0.5"),
        0,  # nobody quoted: the mark of the day before stays
        -3 * 105 + 3 * 120 - Decimal("0.6"),
        0,
    ]
    assert (sol.pnl, sol.tally.fills, sol.tally.trades) == (Decimal("65.9"), 2, 1)


def test_symbols_together_are_the_change_of_nav_taken_at_the_same_marks(session: Session) -> None:
    fills = stored(session, made_up(150, START + timedelta(days=3, hours=20)))
    trade_rollup.roll_up(session, fills[100].at)
    cash, qty = Decimal(10_000), dict.fromkeys({f.symbol for f in fills}, Decimal(0))
    quotes = {name: [(START + d * DAY + timedelta(hours=23), 100 + 3 * d + n) for d in range(-1, 4)]
              for n, name in enumerate(sorted(qty))}  # fmt: skip
    for name, rows in quotes.items():
        builders.ticks(session, name, rows)
    for day in range(-1, 4):
        close = START + (day + 1) * DAY - timedelta(milliseconds=1)
        for f in [f for f in fills if close - DAY <= f.at < close or (day == -1 and f.at < close)]:
            cash -= f.qty * f.price * f.side.sign + f.fee
            qty[f.symbol] += f.qty * f.side.sign
        marks = {name: rows[day + 1][1] for name, rows in quotes.items()}
        builders.snapshot(session, cash + sum(qty[name] * marks[name] for name in qty), close)
    found = month(session, START + timedelta(days=3, hours=23, minutes=59, seconds=59))

    for number, day in enumerate(found.days):
        assert sum(row.days[number].pnl for row in found.symbols) == found.nav[day]
    assert found.nav_change == sum(row.pnl for row in found.symbols)


def test_first_day_of_the_desk_is_measured_from_its_first_snapshot(session: Session) -> None:
    builders.snapshots(session, [(START + DAY, 10_000), (START + DAY * 1.5, 10_040), (START + 3 * DAY, 9_990)])
    found = month(session, START + 5 * DAY)
    assert found.nav == {date(2026, 3, 2): 40, date(2026, 3, 4): -50}


def test_month_that_has_not_begun_is_empty(session: Session) -> None:
    assert month(session, START - DAY) == pnl.Month([], {}, [])


def test_symbol_that_was_never_quoted_shows_its_fees_and_no_profit() -> None:
    tally = Tally(1, Decimal(2), Decimal(0), Decimal(200), Decimal(0), Decimal("0.2"))
    days = by_day([MARCH, MARCH + DAY], Decimal(0), None, {}, {MARCH: tally})
    assert [day.pnl for day in days] == [Decimal("-0.2"), 0]
