"""Candles equal the quotes they are made of, gaps have exact ends, and the cost does not follow the history."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests import builders
from tests.builders import NOON
from webapp.queries import candles, quality
from webapp.queries.candles import MOST, Gap

SYMBOL = "SOL-USDC"


def quoted(session: Session, *minutes: float) -> None:
    builders.ticks(session, SYMBOL, [(NOON + timedelta(minutes=minute), 100 + round(minute)) for minute in minutes])


@pytest.mark.parametrize("seconds", [60, 120, 600, 3600, 14_400, 86_400])
def test_candles_equal_the_quotes_they_are_made_of(session: Session, seconds: int) -> None:
    width = timedelta(seconds=seconds)
    quotes = [(NOON + n * width / 7, Decimal(100 + n * 37 % 11)) for n in range(50)]
    builders.ticks(session, SYMBOL, quotes)
    found = candles.between(session, SYMBOL, NOON - width, NOON + 9 * width, seconds)

    assert sum(candle.ticks for candle in found) == 50
    for candle in found:
        mids = [mid for at, mid in quotes if candle.at <= at < candle.at + width]
        assert (candle.open, candle.high, candle.low, candle.close) == (mids[0], max(mids), min(mids), mids[-1])
        assert candle.ticks == len(mids)


def test_stretch_takes_what_lies_in_it_and_no_more_candles_than_can_be_seen(session: Session) -> None:
    quoted(session, *range(MOST + 60))
    builders.tick(session, "BTC-USDC", 60_000, NOON)
    end = NOON + timedelta(minutes=MOST + 60)
    assert len(candles.between(session, SYMBOL, NOON, end, 60)) == MOST
    some = candles.between(session, SYMBOL, NOON + timedelta(minutes=5.5), NOON + timedelta(minutes=8), 60)
    assert [candle.close for candle in some] == [105, 106, 107]


@pytest.mark.parametrize(
    ("span", "width"),
    [
        (timedelta(hours=1), 60),
        (timedelta(hours=6), 120),
        (timedelta(days=1), 600),
        (timedelta(days=7), 3600),
        (timedelta(days=30), 14_400),
        (timedelta(days=200), 86_400),
        (timedelta(days=9_000), 28 * 86_400),
    ],
)
def test_width_suits_the_stretch(span: timedelta, width: int) -> None:
    assert candles.width_for(span) == width


def test_gap_is_more_than_a_minute_of_silence_between_its_very_ends(session: Session) -> None:
    quoted(session, 0, 0.9, 1.9, 4.25, 4.5, 5.5)
    found = candles.gaps(session, SYMBOL, NOON, NOON + timedelta(minutes=10), 60)
    assert found == [Gap(NOON + timedelta(minutes=1.9), NOON + timedelta(minutes=4.25))]
    assert found[0].lasted == timedelta(minutes=2.35)


def test_gap_that_began_before_the_stretch_is_known_with_its_beginning(session: Session) -> None:
    quoted(session, -90, 5, 5.5)
    (found,) = candles.gaps(session, SYMBOL, NOON, NOON + timedelta(minutes=10), 60)
    assert (found.since, found.until) == (NOON - timedelta(minutes=90), NOON + timedelta(minutes=5))


def test_quality_counts_what_was_taken_late_and_said_twice(session: Session) -> None:
    quoted(session, *range(10))
    session.execute(
        text("""INSERT INTO market_ticks (tick_id, symbol, bid_price, ask_price, mid_price, spread_bps, event_at)
                SELECT gen_random_uuid(), symbol, bid_price, ask_price, mid_price, spread_bps, event_at
                FROM market_ticks LIMIT 2""")
    )
    session.commit()
    builders.late_tick(session, SYMBOL, 99, NOON + timedelta(seconds=30))
    found = quality.of(session, SYMBOL, NOON, NOON + timedelta(minutes=10))
    assert (found.taken, found.late, found.repeated, found.looked_at) == (13, 1, 2, 13)
    assert found.latest == timedelta(seconds=5)
    assert quality.of(session, "BTC-USDC", NOON, NOON + timedelta(minutes=10)).taken == 0
