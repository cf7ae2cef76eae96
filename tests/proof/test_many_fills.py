"""Cash, positions, profit and NAV of many fills to the last digit, against a fold in whole numbers (figure A1)."""

import time
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests import builders
from tests.figures import Figure, times
from tests.proof.ledger import FINE, PRODUCT, UNIT, rounded
from tests.proof.many_fills import START, Story, money
from tests.services.desks import one, rows
from webapp.services import audit, books, rebuild

MARKS = {
    "BTC-USDC": "61234.56789012",
    "ETH-USDC": "2999.99999999",
    "SOL-USDC": "151.33333333",
    "DOGE-USDC": "0.98765432",
}
"""PEPE is never quoted: its mark is that of its last fill."""


def units(amount: Decimal, places: int = 8) -> int:
    """An amount of at most that many decimals in whole units of its last one; no decimal context takes part."""
    scaled = Fraction(amount) * 10**places
    assert scaled.denominator == 1, amount
    return scaled.numerator


def check(session: Session, engine: Engine, fills: int, each_within: float) -> str:
    """Write, rebuild, verify, compare; the figures in one line."""
    builders.snapshot(session, at=START - timedelta(days=1))
    later = START + timedelta(days=365)
    for symbol, mark in MARKS.items():
        builders.add(session, builders.MarketTick, quote_of(symbol, mark, later))
    story = Story(fills)
    seconds = {}
    for name, step in (
        ("written", lambda: story.write(engine)),
        ("rebuilt", lambda: rebuild.rebuild(session)),
        ("verified", lambda: books.verify(session)),
    ):
        started = time.monotonic()
        found: Any = step()
        seconds[name] = time.monotonic() - started
    assert (found.drifts, found.fills, found.symbols) == ([], fills, len(story.lines))
    flips = sum(line.flips for line in story.lines.values())
    assert flips > fills / 20
    assert story.partials > fills / 20
    compare(session, story)
    started = time.monotonic()
    report = audit.verify(session)
    seconds["audited"] = time.monotonic() - started
    assert report.ok, report.first_bad
    assert report.rows > fills
    assert max(seconds["rebuilt"], seconds["verified"]) < each_within
    told = ", ".join(f"{name} in {spent:.1f} s" for name, spent in seconds.items())
    return (
        f"{fills} fills, {flips} flips, {story.partials} orders in parts: 0 differences; {told} ({report.rows} links)"
    )


def quote_of(symbol: str, mark: str, at: Any) -> dict[str, Any]:
    """A quote without a spread, so that its middle is exactly the mark."""
    price = Decimal(mark)
    row = {"tick_id": builders.new_id(at), "symbol": symbol, "bid_price": price, "ask_price": price, "mid_price": price}
    return row | {"spread_bps": 0, "event_at": at, "created_at": at}


def compare(session: Session, story: Story) -> None:
    """Every stored amount is what the ledger says, in whole numbers."""
    shown = {row["symbol"]: row for row in rows(session, "SELECT * FROM positions")}
    costs = {row["symbol"]: row for row in rows(session, "SELECT * FROM position_costs")}
    assert shown.keys() == costs.keys() == story.lines.keys()
    last = "SELECT fill_price FROM fills WHERE symbol = 'PEPE-USDC' ORDER BY filled_at DESC, fill_id DESC LIMIT 1"
    marks = {**{symbol: units(Decimal(mark)) for symbol, mark in MARKS.items()}, "PEPE-USDC": units(one(session, last))}
    cash = 10_000 * FINE
    value = unrealized = won = fees = 0
    for symbol, line in story.lines.items():
        row, cost = shown[symbol], costs[symbol]
        assert (units(row["qty"]), units(row["mark_price"])) == (line.qty, marks[symbol]), symbol
        assert units(row["avg_entry_price"]) == line.average(), symbol
        assert units(row["unrealized_pnl"]) == rounded(line.unrealized(marks[symbol])), symbol
        assert units(cost["net_paid"], 16) == line.traded, symbol
        assert units(cost["fees"]) == line.fees, symbol
        kept = units(cost["cost"], 24) * 10**36
        assert abs(kept - line.cost) < FINE // 10**16, symbol
        assert rounded(kept - units(cost["net_paid"], 16) * PRODUCT) == rounded(line.won), symbol
        cash -= line.traded * PRODUCT + line.fees * (FINE // UNIT)
        value += line.qty * marks[symbol] * PRODUCT
        unrealized += line.unrealized(marks[symbol])
        won += line.won
        fees += line.fees
    account = rows(session, "SELECT * FROM account")[0]
    assert units(account["cash"], 16) * PRODUCT == cash
    assert units(account["fees_paid"]) == fees
    assert units(account["last_nav"]) == rounded(cash + value)
    newest = rows(session, "SELECT * FROM portfolio_snapshots ORDER BY captured_at DESC LIMIT 1")[0]
    assert units(newest["nav"]) == rounded(cash + value)
    assert units(newest["cash"]) == rounded(cash)
    assert units(newest["unrealized_pnl"]) == rounded(unrealized)
    assert abs(units(newest["realized_pnl"]) - rounded(won - fees * (FINE // UNIT))) <= 1
    assert 10_000 * UNIT + units(newest["realized_pnl"]) + units(newest["unrealized_pnl"]) == units(newest["nav"])


def test_twenty_thousand_fills_are_exact_to_the_last_digit(session: Session, engine: Engine) -> None:
    check(session, engine, 20_000, each_within=60)


@pytest.mark.soak
@pytest.mark.figure(id="A1")
@pytest.mark.timeout(3600)
def test_million_fills_are_exact_to_the_last_digit(session: Session, engine: Engine, figure: Figure) -> None:
    figure(check(session, engine, 20_000 * times(50), each_within=60), reached=True)


def test_ledger_on_a_story_worked_by_hand_gives_its_numbers() -> None:
    line = Story(0).lines["SOL-USDC"]
    for signed, price in ((2, 100), (1, 130), (-5, 120)):
        line.book(signed * UNIT, price * UNIT, UNIT)
    assert (line.qty, line.average(), line.flips) == (-2 * UNIT, 120 * UNIT, 1)
    assert (line.won, line.fees) == (30 * FINE, 3 * UNIT)
    assert line.unrealized(115 * UNIT) == 10 * FINE
    assert [rounded(FINE // UNIT * half // 2) for half in (1, 3, 5, -1, -3)] == [0, 2, 2, 0, -2]
    assert [money(amount) for amount in (-1, 123_456_789)] == ["-0.00000001", "1.23456789"]
