"""How near the desk is to halting itself, cause by cause; before a release the same is the list of what to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, RowMapping, text
from sqlalchemy.orm import Session

from webapp.domain import halts
from webapp.domain.anomaly import PRICE_ANOMALY
from webapp.domain.halts import CAUSES, Cause
from webapp.domain.market import move_pct
from webapp.domain.moments import seconds
from webapp.domain.money import ZERO, short
from webapp.domain.policy import Policy

_DESK = """
SELECT p.limits, a.peak_nav, a.cash + coalesce((SELECT sum(qty * mark_price) FROM positions), 0) AS nav,
  (SELECT beat_at FROM heartbeats WHERE process = 'engine') AS beat_at, clock_timestamp() AS now
FROM account a CROSS JOIN LATERAL (SELECT limits FROM policies ORDER BY version DESC LIMIT 1) p
"""
# The symbols that the watch looks at (webapp/services/monitors.py), with the newest quote and the window of each.
_QUOTES = """
WITH watched AS (
  SELECT unnest(CAST(:symbols AS text[])) AS symbol
  UNION SELECT symbol FROM positions WHERE qty <> 0
  UNION SELECT symbol FROM orders WHERE status = 'approved'
)
SELECT w.symbol, t.event_at, t.mid_price, span.low, span.high
FROM watched w LEFT JOIN LATERAL (
  SELECT event_at, mid_price FROM market_ticks WHERE symbol = w.symbol ORDER BY event_at DESC, tick_id DESC LIMIT 1
) t ON true LEFT JOIN LATERAL (
  SELECT min(mid_price) AS low, max(mid_price) AS high FROM market_ticks
  WHERE symbol = w.symbol AND event_at BETWEEN t.event_at - CAST(:window AS interval) AND t.event_at
) span ON true ORDER BY t.event_at
"""
_SELF_CHECKS = """
SELECT name, ok, rows, detail, checked_at, clock_timestamp() - checked_at > CAST(:overdue AS interval) AS overdue
FROM self_checks
"""


@dataclass(frozen=True)
class HaltCheck:
    """Where the desk stands with one cause: fine or not, the figure now, since when, and from where on it halts.

    ``usage`` is the share of the limit that is used, in whole percents up to 1; None where there is nothing to measure.
    ``at`` is the moment the figure is of: its age is for the page to tell.
    """

    cause: Cause
    ok: bool
    now: str
    limit: str
    at: datetime | None = None
    usage: Decimal | None = None


def read(session: Session, symbols: Sequence[str], dead_man_seconds: int, overdue: timedelta) -> list[HaltCheck]:
    """Every cause that can be measured; without an account or a policy only the desk's checks on itself.

    A check of the desk on itself that is older than ``overdue`` is not fine, whatever it found.
    """
    desk = session.execute(text(_DESK)).one_or_none()
    found = [] if desk is None else _measured(session, desk, symbols, dead_man_seconds)
    results = {row["name"]: row for row in session.execute(text(_SELF_CHECKS), {"overdue": overdue}).mappings()}
    found.append(_self_check(CAUSES[halts.BOOKS_BROKEN], results.get("books"), "fills refolded"))
    found.append(_self_check(CAUSES[halts.AUDIT_BROKEN], results.get("audit"), "rows chained"))
    return found


def _measured(session: Session, desk: Row[Any], symbols: Sequence[str], dead_man_seconds: int) -> list[HaltCheck]:
    policy = Policy.from_document(desk.limits)
    window = timedelta(seconds=policy.anomaly_window_seconds)
    watched = session.execute(text(_QUOTES), {"symbols": list(symbols), "window": window}).all()
    quotes = [quote for quote in watched if quote.event_at is not None]
    never = [quote.symbol for quote in watched if quote.event_at is None]
    return [
        _freshness(quotes, never, policy, desk.now),
        _moves(quotes, policy),
        _drawdown(desk, policy),
        _engine(desk, dead_man_seconds),
    ]


def _freshness(quotes: Sequence[Row[Any]], never: Sequence[str], policy: Policy, now: datetime) -> HaltCheck:
    cause = CAUSES[halts.STALE_MARKET_DATA]
    limit = f"nothing trades after {policy.stale_after_seconds} s, halts after {policy.auto_halt_stale_seconds} s"
    if not quotes:
        return HaltCheck(cause, False, "there is no quote yet", limit)
    oldest = quotes[0]
    age = seconds(now - oldest.event_at)
    said = oldest.symbol if len(quotes) == 1 else f"{oldest.symbol}, the oldest of {len(quotes)} symbols"
    if never:
        said = f"no quote yet of {', '.join(never[:3])}{' and others' if len(never) > 3 else ''}; {said}"
    usage = _share(age, Decimal(policy.auto_halt_stale_seconds))
    ok = not never and age <= policy.stale_after_seconds
    return HaltCheck(cause, ok, said, limit, oldest.event_at, usage)


def _moves(quotes: Sequence[Row[Any]], policy: Policy) -> HaltCheck:
    cause = CAUSES[PRICE_ANOMALY]
    limit = f"halts when two quotes in a row moved {short(policy.anomaly_halt_pct)} %"
    if not quotes:
        return HaltCheck(cause, True, "nothing moved", limit)
    pct, symbol = max((max(move_pct(q.mid_price, q.low), move_pct(q.mid_price, q.high)), q.symbol) for q in quotes)
    said = f"{symbol} {short(pct)} % within {policy.anomaly_window_seconds} s"
    return HaltCheck(cause, pct < policy.anomaly_halt_pct, said, limit, usage=_share(pct, policy.anomaly_halt_pct))


def _drawdown(desk: Row[Any], policy: Policy) -> HaltCheck:
    peak = max(desk.peak_nav, desk.nav)
    fall, most = peak - desk.nav, policy.max_drawdown
    cause, said = CAUSES[halts.MAX_DRAWDOWN], f"{short(fall)} USDC: NAV {short(desk.nav)}, peak {short(peak)}"
    return HaltCheck(cause, fall < most, said, f"halts at {short(most)} USDC", usage=_share(fall, most))


def _engine(desk: Row[Any], dead_man_seconds: int) -> HaltCheck:
    cause = CAUSES[halts.ENGINE_LOST]
    limit = f"halts after {dead_man_seconds} s of silence" if dead_man_seconds else "its silence never halts"
    if desk.beat_at is None:
        return HaltCheck(cause, False, "no engine runs: nothing trades by itself, and nobody watches the quotes", limit)
    usage = _share(seconds(desk.now - desk.beat_at), Decimal(dead_man_seconds))
    return HaltCheck(cause, usage is None or usage < 1, "its last sign of life", limit, desk.beat_at, usage)


def _share(value: Decimal, limit: Decimal) -> Decimal | None:
    """How much of the limit is used; a share that only its age moves must not have the page drawn anew for ever."""
    return None if limit <= 0 else round(min(max(value / limit, ZERO), Decimal(1)), 2)


def _self_check(cause: Cause, result: RowMapping | None, counted: str) -> HaltCheck:
    if result is None:
        return HaltCheck(cause, False, "never checked: the engine does that", "halts on any difference")
    said = f"{result['rows']:,} {counted}: {result['detail']}" if result["ok"] else str(result["detail"])
    if result["overdue"]:
        said = f"overdue: no check was completed since; then {said}"
    return HaltCheck(
        cause, result["ok"] and not result["overdue"], said, "halts on any difference", result["checked_at"]
    )
