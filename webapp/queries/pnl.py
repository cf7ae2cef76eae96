"""Profit of one month by UTC day: of the whole desk from NAV, and of each symbol from its fills and marks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.domain.money import ZERO, exact
from webapp.domain.pnl import DayPnl, by_day, total
from webapp.domain.trades import Tally, tally_of
from webapp.queries.trades import Since

ONE_DAY = timedelta(days=1)
MOST_SYMBOLS = 40

# The closes of the month's days, and the one before them.
_NAV = text("""
    (SELECT bucket_at, first_nav, last_nav FROM nav_buckets
     WHERE width_seconds = 86400 AND bucket_at < :start ORDER BY bucket_at DESC LIMIT 1)
    UNION ALL
    (SELECT bucket_at, first_nav, last_nav FROM nav_buckets
     WHERE width_seconds = 86400 AND bucket_at >= :start AND bucket_at < :end ORDER BY bucket_at)
""")

# Each symbol's position when the month began and its sums by day since.
_SUMS = text("""
    SELECT symbol, bucket_at, fills, bought_qty, sold_qty, bought, sold, fees,
           trades, wins, losses, won, lost, held_seconds
    FROM trade_buckets WHERE width_seconds = 86400 AND bucket_at >= :start AND bucket_at < :end
    UNION ALL
    SELECT symbol, NULL, 0, sum(bought_qty), sum(sold_qty), 0, 0, 0, 0, 0, 0, 0, 0, 0
    FROM trade_buckets WHERE width_seconds = 86400 AND bucket_at < :start
    GROUP BY symbol
""")

_MARKS = text("""
    SELECT symbol.name AS symbol, day.at, mark.close
    FROM unnest(CAST(:symbols AS text[])) AS symbol (name)
    CROSS JOIN unnest(CAST(:days AS timestamptz[])) AS day (at)
    CROSS JOIN LATERAL (
        SELECT close FROM candles
        WHERE symbol = symbol.name AND width_seconds = 86400 AND bucket_at <= day.at ORDER BY bucket_at DESC LIMIT 1
    ) AS mark
""")


@dataclass(frozen=True, slots=True)
class SymbolMonth:
    """One symbol's month."""

    symbol: str
    days: Sequence[DayPnl]
    pnl: Decimal
    tally: Tally


@dataclass(frozen=True, slots=True)
class Month:
    """The month's days that have begun. `nav` is what NAV did on each, None where there is no snapshot; USDC."""

    days: Sequence[date]
    nav: Mapping[date, Decimal]
    symbols: Sequence[SymbolMonth]

    @property
    @exact
    def nav_change(self) -> Decimal:
        """What NAV did in the month."""
        return sum(self.nav.values(), ZERO)


def month(session: Session, first: date, now: datetime, since: Since) -> Month:
    """The month that begins with `first`, up to `now`. `since` are the fills that no roll-up has seen."""
    days = _days(first, now.astimezone(UTC).date())
    if not days:
        return Month([], {}, [])
    bounds = {"start": _midnight(days[0]), "end": _midnight(days[-1] + ONE_DAY)}
    opening, tallies = _sums(session, bounds, since)
    return Month(days, _nav(session, bounds), _symbols(session, days, opening, tallies))


def _days(first: date, today: date) -> list[date]:
    last = min((first.replace(day=28) + timedelta(days=4)).replace(day=1) - ONE_DAY, today)
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _nav(session: Session, bounds: Mapping[str, datetime]) -> dict[date, Decimal]:
    """NAV at the end of each day less NAV at the end of the one before it that had a snapshot."""
    before: Decimal | None = None
    changes: dict[date, Decimal] = {}
    for row in session.execute(_NAV, bounds):
        if row.bucket_at >= bounds["start"]:
            changes[row.bucket_at.astimezone(UTC).date()] = row.last_nav - (row.first_nav if before is None else before)
        before = row.last_nav
    return changes


def _sums(
    session: Session, bounds: Mapping[str, datetime], since: Since
) -> tuple[dict[str, Decimal], dict[str, dict[date, Tally]]]:
    """Positions when the month began, and sums by symbol and day."""
    opening: dict[str, Decimal] = defaultdict(Decimal)
    tallies: dict[str, dict[date, Tally]] = defaultdict(dict)
    for row in session.execute(_SUMS, bounds):
        tally = Tally(*(getattr(row, field.name) for field in fields(Tally)))
        if row.bucket_at is None:
            opening[row.symbol] = tally.net_qty
        else:
            tallies[row.symbol][row.bucket_at.astimezone(UTC).date()] = tally
    for fill, trip in since.fills:
        if fill.at < bounds["start"]:
            opening[fill.symbol] += fill.qty * fill.side.sign
        elif fill.at < bounds["end"]:
            day = fill.at.astimezone(UTC).date()
            tallies[fill.symbol][day] = tallies[fill.symbol].get(day, Tally()) + tally_of(fill, trip)
    return opening, tallies


def _symbols(
    session: Session, days: Sequence[date], opening: Mapping[str, Decimal], tallies: Mapping[str, Mapping[date, Tally]]
) -> list[SymbolMonth]:
    held = {symbol for symbol, qty in opening.items() if qty} | set(tallies)
    symbols = sorted(held)[:MOST_SYMBOLS]
    if not symbols:
        return []
    asked = [_midnight(day) for day in (days[0] - ONE_DAY, *days)]
    marks: dict[str, dict[date, Decimal]] = defaultdict(dict)
    for row in session.execute(_MARKS, {"symbols": symbols, "days": asked}):
        marks[row.symbol][row.at.astimezone(UTC).date()] = row.close
    found = []
    for symbol in symbols:
        before = marks[symbol].pop(days[0] - ONE_DAY, None)
        rows = by_day(days, opening.get(symbol, ZERO), before, marks[symbol], tallies.get(symbol, {}))
        found.append(SymbolMonth(symbol, rows, total(rows), sum((row.tally for row in rows), Tally())))
    return found


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
