"""Quotes for one screen: the newest a symbol, candles, and what came late."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests import builders
from tests.builders import NOON
from webapp.queries import market
from webapp.queries.market import CANDLES, INTERVALS

LIMIT = timedelta(seconds=30)


def test_desk_without_quotes_has_none(session: Session) -> None:
    assert market.newest_quotes(session, LIMIT) == []
    assert market.newest_tick(session)[1] is None
    assert market.candles(session, "SOL-USDC") == []


def test_newest_quote_of_each_symbol_with_its_age_by_the_databases_clock(session: Session) -> None:
    builders.ticks(session, "BTC-USDC", [(NOON - timedelta(seconds=n), 60_000 + n) for n in (40, 31)])
    builders.ticks(session, "SOL-USDC", [(NOON - timedelta(seconds=n), 100 + n) for n in (50, 30)])
    btc, sol = market.newest_quotes(session, LIMIT, NOON)
    assert (btc.tick["symbol"], btc.tick["mid_price"], btc.stale) == ("BTC-USDC", 60_031, True)
    assert (sol.tick["symbol"], sol.tick["mid_price"], sol.stale) == ("SOL-USDC", 130, False)
    assert (btc.age, sol.age) == (timedelta(seconds=31), timedelta(seconds=30))


def test_of_two_quotes_at_one_time_the_later_arrival_is_newest(session: Session) -> None:
    first, second = builders.ticks(session, "SOL-USDC", [(NOON, 100), (NOON, 101)])
    session.execute(text("SELECT 1"))
    (quote,) = market.newest_quotes(session, LIMIT, NOON)
    assert quote.tick["tick_id"] == max(first, second)


def test_quote_from_the_future_is_not_negative_years_old(session: Session) -> None:
    builders.tick(session, at=NOON + timedelta(seconds=1))
    (quote,) = market.newest_quotes(session, LIMIT, NOON)
    assert (quote.age, quote.stale) == (timedelta(0), False)


def test_day_change_is_against_the_first_mid_of_the_utc_day(session: Session) -> None:
    midnight = NOON.replace(hour=0)
    quotes = [(midnight - timedelta(seconds=1), 50), (midnight, 100), (NOON, 103)]
    builders.ticks(session, "SOL-USDC", quotes)
    (quote,) = market.newest_quotes(session, LIMIT, NOON)
    assert (quote.day_change, quote.day_ticks) == (Decimal("0.03"), 2)


def test_late_quotes_are_counted_by_symbol_and_only_when_asked(session: Session) -> None:
    builders.tick(session, "SOL-USDC", 100)
    builders.tick(session, "BTC-USDC", 100)
    builders.late_tick(session, "SOL-USDC", 99)
    late = {quote.tick["symbol"]: quote.late_24h for quote in market.newest_quotes(session, LIMIT)}
    assert late == {"BTC-USDC": 0, "SOL-USDC": 1}
    assert {quote.late_24h for quote in market.newest_quotes(session, LIMIT, late=False)} == {0}


def test_newest_quotes_jump_along_the_index_instead_of_reading_every_tick(session: Session) -> None:
    for symbol in ("A", "B", "C"):
        builders.ticks(session, symbol, [(NOON + timedelta(seconds=n), 100) for n in range(4_000)])
    session.execute(text("ANALYZE market_ticks"))
    session.execute(text("SET LOCAL enable_seqscan = on"))
    plan = session.execute(text("EXPLAIN (ANALYZE, FORMAT JSON) " + market._NEWEST.text)).scalar_one()
    assert rows_read(plan[0]["Plan"]) < 200


def rows_read(plan: dict) -> int:
    """Rows that came out of any scan of the plan."""
    own = plan["Actual Rows"] * plan["Actual Loops"] if "Scan" in plan["Node Type"] else 0
    return int(own) + sum(rows_read(child) for child in plan.get("Plans", []))


@pytest.mark.parametrize("interval", INTERVALS)
def test_candles_equal_the_quotes_they_are_made_of(session: Session, interval: str) -> None:
    width = timedelta(seconds=INTERVALS[interval])
    quotes = [(NOON + n * width / 7, Decimal(100 + n * 37 % 11)) for n in range(50)]
    builders.ticks(session, "SOL-USDC", quotes)
    found = market.candles(session, "SOL-USDC", interval)

    assert sum(candle.ticks for candle in found) == 50
    for candle in found:
        mids = [mid for at, mid in quotes if candle.at <= at < candle.at + width]
        assert (candle.open, candle.high, candle.low, candle.close) == (mids[0], max(mids), min(mids), mids[-1])
        assert candle.ticks == len(mids)


def test_candles_are_the_last_ones_and_of_their_symbol_alone(session: Session) -> None:
    builders.ticks(session, "SOL-USDC", [(NOON + timedelta(minutes=n), 100 + n) for n in range(CANDLES + 60)])
    builders.tick(session, "BTC-USDC", 60_000, NOON + timedelta(days=1))
    found = market.candles(session, "SOL-USDC", "1m")
    assert len(found) == CANDLES
    assert found[-1].close == 100 + CANDLES + 59
