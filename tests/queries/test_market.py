"""Quotes for one screen: the newest of each symbol, and what came late."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from tests import builders
from tests.builders import NOON
from webapp.queries import market

LIMIT = timedelta(seconds=30)


def test_desk_without_quotes_has_none(session: Session) -> None:
    assert market.newest_quotes(session, LIMIT) == []
    assert market.newest_tick(session)[1] is None
    assert market.newest_quote(session, "SOL-USDC", LIMIT) is None


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
    plan = session.execute(text("EXPLAIN (ANALYZE, FORMAT JSON) " + market._NEWEST.text), {"most": 200}).scalar_one()
    assert rows_read(plan[0]["Plan"]) < 200


def rows_read(plan: dict) -> int:
    """Rows that came out of any scan of the plan."""
    own = plan["Actual Rows"] * plan["Actual Loops"] if "Scan" in plan["Node Type"] else 0
    return int(own) + sum(rows_read(child) for child in plan.get("Plans", []))


def test_newest_quote_of_one_symbol_is_the_one_of_the_list(session: Session) -> None:
    builders.ticks(session, "SOL-USDC", [(NOON - timedelta(seconds=n), 100 + n) for n in (50, 30)])
    builders.tick(session, "BTC-USDC", 60_000, NOON)
    one = market.newest_quote(session, "SOL-USDC", LIMIT, NOON)
    assert one is not None
    listed = {quote.tick["symbol"]: quote for quote in market.newest_quotes(session, LIMIT, NOON)}
    assert one.tick["tick_id"] == listed["SOL-USDC"].tick["tick_id"]
    assert (one.age, one.stale, one.day_ticks) == (timedelta(seconds=30), False, 2)


def test_more_symbols_than_a_list_holds_are_cut_by_name(session: Session, monkeypatch) -> None:
    monkeypatch.setattr(market, "MOST_SYMBOLS", 2)
    for symbol in ("C", "A", "B"):
        builders.tick(session, symbol, 1, NOON)
    assert [quote.tick["symbol"] for quote in market.newest_quotes(session, LIMIT, NOON)] == ["A", "B"]
