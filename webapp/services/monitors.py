"""The desk's own reasons to halt. Each halts through the same door as everybody else, with actor ``risk-engine``."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.domain.desk import drawdown_breach
from webapp.domain.moments import seconds
from webapp.domain.money import short
from webapp.domain.policy import Policy
from webapp.domain.records import Breach
from webapp.services import desk_state, kill_switch
from webapp.services.kill_switch import HaltReceipt
from webapp.services.transaction import one_moment

ACTOR = "risk-engine"

_OLDEST_QUOTE = """
WITH watched AS (
  SELECT unnest(CAST(:symbols AS text[])) AS symbol
  UNION SELECT symbol FROM positions WHERE qty <> 0
  UNION SELECT symbol FROM orders WHERE status = 'approved'
)
SELECT w.symbol, t.event_at, coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
FROM watched w CROSS JOIN LATERAL (
  SELECT event_at FROM market_ticks WHERE symbol = w.symbol ORDER BY event_at DESC LIMIT 1
) t ORDER BY t.event_at LIMIT 1
"""
_HEARTBEAT = "SELECT beat_at, clock_timestamp() AS now FROM heartbeats WHERE process = :process"


def act_on(session: Session, breaches: Sequence[Breach], now: datetime | None = None) -> HaltReceipt | None:
    """Halt for the first breach; None when there is none. To be called after the transaction that found it."""
    if not breaches:
        return None
    return kill_switch.halt(session.get_bind(), breaches[0].as_reason, ACTOR, now)


def watch(
    session: Session, symbols: Sequence[str], now: datetime | None = None, since: datetime | None = None
) -> HaltReceipt | None:
    """Look for reasons to halt that no call would bring up: quotes that stopped coming, and the drawdown.

    ``symbols`` are those the feed should quote; what is held or waits for a fill is watched too. ``since`` is when
    quotes began to be expected: after a pause nobody could have brought any, so an older one counts as that old.
    """
    with one_moment(session):
        desk, _ = desk_state.load(session, [], ACTOR, now, lock=False)
        breaches = [] if desk.halted else _stale(session, symbols, desk.policy, now, since)
        drawdown = None if desk.halted else drawdown_breach(desk.book, desk.policy)
    if drawdown is not None:
        breaches.append(drawdown)
    return act_on(session, breaches, now)


def engine_lost(session: Session, patience: timedelta, since: datetime) -> HaltReceipt | None:
    """The dead man's switch: halt when an engine that beat has fallen silent, for others to call.

    ``since`` is when the caller began to watch: an engine gets ``patience`` from then on, so that a desk that was cut
    off whole may start again. An engine that stopped cleanly took its heartbeat with it and is not missed.
    """
    row = session.execute(text(_HEARTBEAT), {"process": "engine"}).one_or_none()
    session.rollback()
    if row is None or row.now - max(row.beat_at, since) < patience:
        return None
    silent = seconds(row.now - row.beat_at)
    receipt = act_on(session, [Breach("ENGINE_LOST", f"the engine has given no sign of life for {short(silent, 0)} s")])
    # The same silence must not halt again after a release: only an engine that beats anew can be lost anew.
    session.execute(
        text("DELETE FROM heartbeats WHERE process = 'engine' AND beat_at = :beat_at"), {"beat_at": row.beat_at}
    )
    session.commit()
    return receipt


def _stale(
    session: Session, symbols: Sequence[str], policy: Policy, now: datetime | None, since: datetime | None
) -> list[Breach]:
    limit_seconds = policy.auto_halt_stale_seconds
    row = session.execute(text(_OLDEST_QUOTE), {"symbols": list(symbols), "now": now}).one_or_none()
    if row is None:
        return []
    age = seconds(row.now - (row.event_at if since is None else max(row.event_at, since)))
    if age <= limit_seconds:
        return []
    return [
        Breach(
            "STALE_MARKET_DATA",
            f"the newest quote of {row.symbol} is {short(age, 0)} s old; the limit is {limit_seconds} s",
        )
    ]
