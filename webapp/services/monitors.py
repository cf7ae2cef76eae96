"""The desk's own reasons to halt. Each halts through the same door as everybody else, with actor ``risk-engine``.

:mod:`webapp.domain.halts` says which causes last and which are over once they were acted on.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.domain import halts
from webapp.domain.desk import Desk, drawdown_breach
from webapp.domain.market import FUTURE_TOLERANCE
from webapp.domain.moments import seconds
from webapp.domain.money import short
from webapp.domain.policy import Policy
from webapp.domain.records import Breach
from webapp.domain.unacted import overdue
from webapp.domain.wire import timestamp
from webapp.services import desk_state, kill_switch
from webapp.services.kill_switch import HaltReceipt
from webapp.services.transaction import one_moment

ACTOR = halts.ACTOR

_OLDEST_QUOTE = """
WITH watched AS (
  SELECT unnest(CAST(:symbols AS text[])) AS symbol
  UNION SELECT symbol FROM positions WHERE qty <> 0
  UNION SELECT symbol FROM orders WHERE status = 'approved'
)
SELECT w.symbol, t.event_at, coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
FROM watched w LEFT JOIN LATERAL (
  SELECT event_at FROM market_ticks WHERE symbol = w.symbol ORDER BY event_at DESC LIMIT 1
) t ON true
WHERE t.event_at IS NOT NULL OR CAST(:since AS timestamptz) IS NOT NULL
ORDER BY t.event_at NULLS FIRST LIMIT 1
"""
_HEARTBEAT = """
SELECT beat_at, pid, host, clock_timestamp() AS now, (SELECT enabled FROM kill_switch) AS halted
FROM heartbeats WHERE process = :process
"""
# A little below the limit: whether it is a breach is for the core to say, which divides where this multiplies. By the
# candles of the minutes that the windows touch, because the quotes in them may be any number.
_MOVED = """
WITH RECURSIVE quoted AS (
  (SELECT symbol FROM candles ORDER BY symbol LIMIT 1)
  UNION ALL
  SELECT (SELECT c.symbol FROM candles c WHERE c.symbol > q.symbol ORDER BY c.symbol LIMIT 1)
  FROM quoted q WHERE q.symbol IS NOT NULL
)
SELECT q.symbol FROM quoted q CROSS JOIN LATERAL (
  SELECT min(low) AS low, max(high) AS high FROM candles WHERE symbol = q.symbol AND width_seconds = 60
  AND bucket_at > CAST(:since AS timestamptz) - interval '60 seconds' AND bucket_at <= :until
) moved WHERE moved.high - moved.low >= moved.low * CAST(:pct AS numeric) / 101
"""
_FAILED_CHECK = "SELECT name, detail FROM self_checks WHERE NOT ok ORDER BY name DESC LIMIT 1"


def act_on(session: Session, breaches: Sequence[Breach], now: datetime | None = None) -> HaltReceipt | None:
    """Halt for the first breach; None when there is none. To be called after the transaction that found it."""
    if not breaches:
        return None
    return kill_switch.halt(session.get_bind(), breaches[0].as_reason, ACTOR, now)


def watch(
    session: Session,
    symbols: Sequence[str],
    now: datetime | None = None,
    since: datetime | None = None,
) -> HaltReceipt | None:
    """Look for reasons to halt that no call would bring up: quotes that stopped coming, the drawdown, a failed check.

    And for what stored quotes called for, of whatever symbol, when whoever stored them could not act on it.

    ``symbols`` are those the feed should quote; what is held or waits for a fill is watched too. ``since`` is when
    quotes began to be expected: after a pause nobody could have brought any, so an older one counts as that old, and so
    does a symbol that was never quoted; without ``since`` there is nothing to count the latter from.
    """
    with one_moment(session):
        desk, at = desk_state.load(session, [], ACTOR, now)
        breaches: list[Breach] = []
        if not desk.halted:  # what is quickly seen first: the other reads windows of quotes, and may take too long
            breaches = _lasting(session, symbols, desk, now, since) or _not_acted_on(session, desk, at)
    return act_on(session, breaches, now)


def check_breach(name: str, detail: str) -> Breach:
    """The breach of a check of the desk on itself, ``books`` or ``audit``, that found ``detail`` wrong."""
    return Breach({"books": halts.BOOKS_BROKEN, "audit": halts.AUDIT_BROKEN}[name], detail)


def engine_lost(session: Session, patience: timedelta, since: datetime) -> HaltReceipt | None:
    """The dead man's switch: halt when an engine that began has fallen silent, for others to call.

    One that leads again and again and completes no step is silent too: only work that was done beats.

    ``since`` is when the caller began to watch: an engine gets ``patience`` from then on, so that a desk that was cut
    off whole may start again. An engine that stopped cleanly took its heartbeat with it and is not missed. One that
    falls silent while the desk is halted anyway is missed after the release.
    """
    row = session.execute(text(_HEARTBEAT), {"process": "engine"}).one_or_none()
    session.rollback()
    if row is None or row.halted or row.now - max(row.beat_at, since) < patience:
        return None
    silent, limit = short(seconds(row.now - row.beat_at), 0), short(seconds(patience), 0)
    who, last = f"process {row.pid} on {row.host}", timestamp(row.beat_at)
    said = f"the engine ({who}) has given no sign of life for {silent} s, since {last}; the limit is {limit} s"
    receipt = act_on(session, [Breach(halts.ENGINE_LOST, said)])
    # The same silence must not halt again after a release: only an engine that beats anew can be lost anew.
    session.execute(
        text("DELETE FROM heartbeats WHERE process = 'engine' AND beat_at = :beat_at"), {"beat_at": row.beat_at}
    )
    session.commit()
    return receipt


def _lasting(
    session: Session, symbols: Sequence[str], desk: Desk, now: datetime | None, since: datetime | None
) -> list[Breach]:
    """The causes that are there now, whoever may have brought them about."""
    found = _stale(session, symbols, desk.policy, now, since)
    drawdown = drawdown_breach(desk.book, desk.policy)
    if drawdown is not None:
        found.append(drawdown)
    failed = session.execute(text(_FAILED_CHECK)).one_or_none()
    if failed is not None:
        found.append(check_breach(failed.name, failed.detail))
    return found


def _not_acted_on(session: Session, desk: Desk, at: datetime) -> list[Breach]:
    """What quotes of the last window called for since the switch was last turned.

    Three windows are read: the last one's quotes are confirmed by up to two before it, and a bad print that comes
    first must not be taken for the truth they moved from. Symbols that moved too little to matter are not read at all.
    """
    window = timedelta(seconds=desk.policy.anomaly_window_seconds)
    bounds = {"since": at - 3 * window, "until": at + FUTURE_TOLERANCE, "pct": desk.policy.anomaly_halt_pct}
    moved = session.execute(text(_MOVED), bounds).scalars().all()
    if not moved:
        return []
    reach = int(3 * window.total_seconds())
    closely, _ = desk_state.load(session, moved, ACTOR, at, window_seconds=reach, cap=None)
    breach = overdue(closely, at - window)
    return [] if breach is None else [breach]


def _stale(
    session: Session, symbols: Sequence[str], policy: Policy, now: datetime | None, since: datetime | None
) -> list[Breach]:
    limit_seconds = policy.auto_halt_stale_seconds
    bounds = {"symbols": list(symbols), "now": now, "since": since}
    row = session.execute(text(_OLDEST_QUOTE), bounds).one_or_none()
    if row is None:
        return []
    expected = max(moment for moment in (row.event_at, since) if moment is not None)
    age = seconds(row.now - expected)
    if age <= limit_seconds:
        return []
    if row.event_at is None:
        said = f"{row.symbol} has had no quote at all for {short(age, 0)} s"
    else:
        said = f"the newest quote of {row.symbol}, of {timestamp(row.event_at)}, is {short(age, 0)} s old"
    counted = "" if expected == row.event_at else f", counted from {timestamp(expected)}"
    return [Breach(halts.STALE_MARKET_DATA, f"{said}{counted}; the limit is {limit_seconds} s")]
