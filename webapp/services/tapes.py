"""Filling the tapes of a desk with what is stored, so that it decides what it would decide if it had seen every quote.

What a rule or a strategy is shown are single quotes, or a bounded number of them. An anomaly is judged by the lowest
and the highest trusted mid of a window that may hold any number of quotes, and whether one is trusted depends on those
before it. Most of them make no difference, and are not read:

* Where all mids of the windows lie nearer together than the smallest move that anything asks for, no quote was ever
  doubted and none to come can be: the windows are *calm*, which a minute's candle tells as well as its quotes do.
* Otherwise a band is taken in which the trusted mids should lie, and the quotes are read that may have been doubted
  beside those, the *odd* ones. All others were trusted for certain, and after one nothing is suspect any more: of each
  stretch of them, cut wherever a window begins or ends, only the lowest and the highest can be an extreme of a window.
* Should a quote outside the band have come to be trusted nevertheless, every quote is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from webapp.domain.desk import Desk
from webapp.domain.market import FUTURE_TOLERANCE, SeenTick, Tick, move_pct
from webapp.domain.measure import MOVE_WINDOW

_MINUTE = timedelta(seconds=60)

_SHOWN = """
SELECT q.symbol, t.tick_id, t.bid_price, t.ask_price, t.mid_price, t.event_at
FROM unnest(CAST(:symbols AS text[])) AS q(symbol)
CROSS JOIN LATERAL (
  (SELECT * FROM market_ticks m WHERE symbol = q.symbol AND event_at >= :move_since AND event_at <= :latest
   AND NOT EXISTS (SELECT FROM late_ticks l WHERE l.tick_id = m.tick_id) ORDER BY event_at, tick_id LIMIT 1)
  UNION
  (SELECT * FROM market_ticks m WHERE symbol = q.symbol AND event_at >= :window_since AND event_at <= :latest
   AND NOT EXISTS (SELECT FROM late_ticks l WHERE l.tick_id = m.tick_id)
   ORDER BY event_at DESC, tick_id DESC LIMIT :cap)
  UNION
  (SELECT * FROM market_ticks WHERE symbol = q.symbol ORDER BY event_at DESC, tick_id DESC LIMIT 1)
) t
"""
# Candles count late quotes too: a window is at most called less calm than it is.
_BANDS = """
SELECT symbol, min(low) AS low, max(high) AS high FROM candles
WHERE symbol = ANY(:symbols) AND width_seconds = 60 AND bucket_at > :watch_since - CAST(:minute AS interval)
AND bucket_at <= :latest GROUP BY symbol
"""
_WATCHED = """
SELECT m.symbol, m.tick_id, m.bid_price, m.ask_price, m.mid_price, m.event_at FROM market_ticks m
WHERE symbol = ANY(:symbols) AND event_at >= :watch_since AND event_at <= :latest
AND NOT EXISTS (SELECT FROM late_ticks l WHERE l.tick_id = m.tick_id)
"""
# `lone` is what its neighbours are far from: it tells nothing of where the trusted mids lie. `place` numbers the quotes
# of a symbol, `run` the stretches between the odd ones, `span` those between the points where a window begins.
_TELLING = """
WITH line AS MATERIALIZED (
  SELECT m.symbol, m.tick_id, m.bid_price, m.ask_price, m.mid_price, m.event_at, row_number() OVER line AS place,
    lag(m.mid_price) OVER line AS before, lead(m.mid_price) OVER line AS after
  FROM market_ticks m
  WHERE m.symbol = ANY(:symbols) AND m.event_at >= :watch_since AND m.event_at <= :latest
  AND NOT EXISTS (SELECT FROM late_ticks l WHERE l.tick_id = m.tick_id)
  WINDOW line AS (PARTITION BY m.symbol ORDER BY m.event_at, m.tick_id)
), spread AS (
  SELECT symbol, mid_price, coalesce(abs(mid_price - before) >= least(mid_price, before) * :share, false)
    AND coalesce(abs(mid_price - after) >= least(mid_price, after) * :share, true) AS lone FROM line
), bands AS MATERIALIZED (
  SELECT symbol, least(b.low, coalesce(min(mid_price) FILTER (WHERE NOT lone), min(mid_price))) AS low,
    greatest(b.high, coalesce(max(mid_price) FILTER (WHERE NOT lone), max(mid_price))) AS high
  FROM spread JOIN unnest(CAST(:symbols AS text[]), CAST(:lows AS numeric[]), CAST(:highs AS numeric[]))
    AS b(symbol, low, high) USING (symbol) GROUP BY symbol, b.low, b.high
), judged AS MATERIALIZED (
  SELECT line.*, low, high, mid_price < low OR mid_price > high
    OR mid_price <= high * (1 - :share) OR mid_price >= low * (1 + :share) AS odd FROM line JOIN bands USING (symbol)
), cuts AS MATERIALIZED (
  SELECT array_agg(ends - CAST(:window AS interval) ORDER BY ends) AS since FROM (
    SELECT unnest(CAST(:ends AS timestamptz[])) AS ends UNION SELECT event_at FROM judged WHERE odd
  ) windows
), stretches AS (
  SELECT *, width_bucket(event_at, (SELECT since FROM cuts)) AS span,
    count(*) FILTER (WHERE odd) OVER (PARTITION BY symbol ORDER BY place) AS run FROM judged
), telling AS (
  SELECT *, max(ARRAY[mid_price, place]) FILTER (WHERE NOT odd) OVER stretch AS highest,
    max(ARRAY[-mid_price, place]) FILTER (WHERE NOT odd) OVER stretch AS lowest
  FROM stretches WINDOW stretch AS (PARTITION BY symbol, span, run)
)
SELECT symbol, tick_id, bid_price, ask_price, mid_price, event_at, low, high FROM telling
WHERE odd OR place = highest[2] OR place = lowest[2]
"""

Seen = Mapping[UUID, Row[Any]]
"""Stored quotes by their id."""


@dataclass(frozen=True)
class Band:
    """Between which mids everything lies that one symbol's watched windows hold."""

    low: Decimal
    high: Decimal

    def is_calm(self, smallest_pct: Decimal) -> bool:
        """Whether no two mids within are ``smallest_pct`` percent or more apart."""
        return move_pct(self.high, self.low) < smallest_pct


def fill(
    session: Session,
    desk: Desk,
    symbols: Sequence[str],
    now: datetime,
    *,
    window_seconds: int,
    cap: int | None,
    coming: Sequence[Tick],
) -> None:
    """Show the desk the stored quotes that make a difference, oldest first, watching each of them again.

    ``coming`` are the quotes it is going to take next. With ``cap`` None it may be asked anything later, and is shown
    every quote. Two windows are watched: a bad print that comes first in one is known for bad only by those before it.
    """
    if not symbols:
        return
    watched = timedelta(seconds=2 * desk.policy.anomaly_window_seconds)
    reach = {"watch_since": now - watched, "latest": now + FUTURE_TOLERANCE}
    since = {"move_since": now - MOVE_WINDOW, "window_since": now - timedelta(seconds=window_seconds)}
    seen = _read(session, _SHOWN, symbols=symbols, latest=reach["latest"], cap=cap, **since)
    if cap is not None:
        telling = _telling(session, desk, seen, coming, symbols=symbols, **reach)
        if _show(desk, seen | telling):
            return
        desk.tapes.clear()
        desk.suspects.clear()
        desk.unacted.clear()
        symbols = list({row.symbol for row in telling.values()})
    _show(desk, seen | _read(session, _WATCHED, symbols=symbols, **reach))


def _read(session: Session, query: str, **values: Any) -> dict[UUID, Row[Any]]:
    return {row.tick_id: row for row in session.execute(text(query), values)}


def _show(desk: Desk, seen: Seen) -> bool:
    """Let the desk watch the quotes; False when one came to be trusted that the choice of them had taken for lone."""
    for row in sorted(seen.values(), key=lambda row: (row.event_at, row.tick_id)):
        tick = Tick(row.symbol, row.bid_price, row.ask_price, row.event_at)
        desk.tape(row.symbol).add(SeenTick(row.tick_id, tick), trusted=False)
        breach = desk.watch_move(tick)
        if breach is not None:
            desk.unacted[tick.event_at] = breach
        chosen = "low" in row._fields
        if chosen and row.symbol not in desk.suspects and not row.low <= row.mid_price <= row.high:
            return False
    return True


def _telling(
    session: Session, desk: Desk, seen: Seen, coming: Sequence[Tick], *, symbols: Sequence[str], **reach: datetime
) -> dict[UUID, Row[Any]]:
    """The quotes of the watched windows that make a difference, as the module says; none where they are calm."""
    policy = desk.policy
    mids = [(row.symbol, row.mid_price) for row in seen.values()]
    for row in session.execute(text(_BANDS), {"minute": _MINUTE, "symbols": symbols, **reach}):
        mids += [(row.symbol, row.low), (row.symbol, row.high)]
    bands = _bands([*mids, *((tick.symbol, tick.mid_price) for tick in coming)])
    smallest = policy.anomaly_warn_pct  # a policy whose halting move is smaller than that is none
    stirred = [symbol for symbol in symbols if symbol in bands and not bands[symbol].is_calm(smallest)]
    if not stirred:
        return {}
    beside = _bands(
        (row.symbol, row.mid_price)
        for row in seen.values()
        if not reach["watch_since"] <= row.event_at <= reach["latest"]
    )
    return _read(
        session,
        _TELLING,
        symbols=stirred,
        lows=[beside[symbol].low if symbol in beside else None for symbol in stirred],
        highs=[beside[symbol].high if symbol in beside else None for symbol in stirred],
        share=policy.anomaly_halt_pct.scaleb(-2),
        ends=_ends(seen, coming),
        window=timedelta(seconds=policy.anomaly_window_seconds),
        **reach,
    )


def _bands(mids: Iterable[tuple[str, Decimal]]) -> dict[str, Band]:
    found: dict[str, Band] = {}
    for symbol, mid in mids:
        band = found.get(symbol)
        found[symbol] = Band(mid, mid) if band is None else Band(min(band.low, mid), max(band.high, mid))
    return found


def _ends(seen: Seen, coming: Sequence[Tick]) -> list[datetime]:
    """Where a window ends that is going to be judged: at the newest quote of each symbol, and at each one to come."""
    newest: dict[str, datetime] = {}
    for row in seen.values():
        newest[row.symbol] = max(row.event_at, newest.get(row.symbol, row.event_at))
    return sorted({*newest.values(), *(tick.event_at for tick in coming)})
