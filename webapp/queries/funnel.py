"""Why the desk trades or does not: how many quotes became cycles, proposals and fills, and what stopped the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)
MOST_SILENT = 10_000
"""Cycles without a signal are counted up to here, from the index alone."""
MOST_ACTED = 2_000
"""Of each other outcome the newest are read up to here: the desk's own limit is 1,200 trades a day."""
MOST_BOTS = 6

# Quotes come from the rollup, whole buckets only: the minutes of the last hour, the hours of the last day.
_COUNTS = text("""
    WITH RECURSIVE listed AS (
        (SELECT symbol FROM candles ORDER BY symbol LIMIT 1)
        UNION ALL
        SELECT (SELECT c.symbol FROM candles AS c WHERE c.symbol > listed.symbol ORDER BY c.symbol LIMIT 1)
        FROM listed WHERE listed.symbol IS NOT NULL
    )
    SELECT 'quotes' AS what, NULL AS actor, NULL AS strategy, NULL AS reason, false AS proposed, NULL AS status,
           coalesce(sum(quoted.ticks) FILTER (WHERE quoted.width_seconds = 60), 0)::bigint AS hour,
           coalesce(sum(quoted.ticks) FILTER (WHERE quoted.width_seconds = 3600), 0)::bigint AS day,
           NULL::timestamptz AS last_at
    FROM listed CROSS JOIN LATERAL (
        SELECT width_seconds, ticks FROM candles
        WHERE symbol = listed.symbol AND width_seconds = 60 AND bucket_at > :hour_ago
        UNION ALL
        SELECT width_seconds, ticks FROM candles
        WHERE symbol = listed.symbol AND width_seconds = 3600 AND bucket_at > :day_ago
    ) AS quoted
    WHERE listed.symbol IS NOT NULL
    UNION ALL
    SELECT 'no_signal', NULL, NULL, NULL, false, NULL,
           count(*) FILTER (WHERE created_at > :hour_ago), count(*), max(created_at)
    FROM (
        SELECT created_at FROM cycles WHERE outcome = 'no_signal' AND created_at > :day_ago
        ORDER BY created_at DESC, cycle_id DESC LIMIT :most_silent
    ) AS silent
    UNION ALL
    SELECT kind.outcome, acted.actor, acted.strategy, acted.reason, acted.signal_id IS NOT NULL, orders.status,
           count(*) FILTER (WHERE acted.created_at > :hour_ago), count(*), max(acted.created_at)
    FROM unnest(ARRAY['executed', 'resting', 'blocked']) AS kind (outcome)
    CROSS JOIN LATERAL (
        SELECT actor, strategy, reason, signal_id, order_id, created_at FROM cycles
        WHERE cycles.outcome = kind.outcome AND created_at > :day_ago
        ORDER BY created_at DESC, cycle_id DESC LIMIT :most_acted
    ) AS acted
    LEFT JOIN orders ON orders.order_id = acted.order_id
    GROUP BY 1, 2, 3, 4, 5, 6
""")


@dataclass(slots=True)
class Funnel:
    """One stretch of time. `closed`: cycles in which no strategy was asked, by the rule that kept it from being asked;
    `blocked`: proposals that the gate refused, by the binding rule. `at_least`: counting was cut short."""

    since: datetime
    quotes: int = 0
    silent: int = 0
    closed: Counter[str] = field(default_factory=Counter)
    blocked: Counter[str] = field(default_factory=Counter)
    filled: int = 0
    resting: int = 0
    canceled: int = 0
    at_least: bool = False

    @property
    def allowed(self) -> int:
        """Proposals that passed the gate: filled, still waiting for their price, or canceled unfilled."""
        return self.filled + self.resting + self.canceled

    @property
    def proposals(self) -> int:
        """What strategies and bots asked for."""
        return self.allowed + self.blocked.total()

    @property
    def cycles(self) -> int:
        """How often anybody looked."""
        return self.proposals + self.silent + self.closed.total()


@dataclass(slots=True)
class Bot:
    """Who asked, in the last 24 hours: an actor, and the strategy where the desk's own was asked."""

    actor: str
    strategy: str | None
    last_at: datetime
    accepted: int = 0
    blocked: Counter[str] = field(default_factory=Counter)

    @property
    def proposals(self) -> int:
        """All that it asked for."""
        return self.accepted + self.blocked.total()


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the last hour and the last day were like, and who asked."""

    hour: Funnel
    day: Funnel
    bots: Sequence[Bot]
    more_bots: int


def traffic(session: Session, now: datetime) -> Traffic:
    """Counts from indexed ranges of time, each with an end: the cost has a bound, whatever the history."""
    hour, day = Funnel(now - HOUR), Funnel(now - DAY)
    bounds = {"hour_ago": hour.since, "day_ago": day.since, "most_silent": MOST_SILENT, "most_acted": MOST_ACTED}
    rows = session.execute(_COUNTS, bounds).all()
    for funnel, name in ((hour, "hour"), (day, "day")):
        _count(funnel, rows, name)
    bots = _bots(rows)
    return Traffic(hour, day, bots[:MOST_BOTS], max(len(bots) - MOST_BOTS, 0))


def _count(funnel: Funnel, rows: Iterable[Row[Any]], name: str) -> None:
    outcomes: Counter[str] = Counter()
    for row in rows:
        count: int = getattr(row, name)
        outcomes[row.what] += count
        if row.what == "quotes":
            funnel.quotes = count
        elif row.what == "no_signal":
            funnel.silent = count
        elif row.what == "blocked":
            drops = funnel.blocked if row.proposed else funnel.closed
            drops[row.reason or "NOT_RECORDED"] += count
        elif row.status == "approved":
            funnel.resting += count
        elif row.status == "canceled":
            funnel.canceled += count
        else:
            funnel.filled += count
    funnel.blocked, funnel.closed = +funnel.blocked, +funnel.closed
    most = {"no_signal": MOST_SILENT, "quotes": None}
    funnel.at_least = any(
        limit is not None and count >= limit
        for what, count in outcomes.items()
        if (limit := most.get(what, MOST_ACTED)) is not None
    )


def _bots(rows: Iterable[Row[Any]]) -> list[Bot]:
    """Whoever made a proposal, the latest first."""
    found: dict[tuple[str, str | None], Bot] = {}
    for row in rows:
        if not row.proposed:
            continue
        bot = found.setdefault((row.actor, row.strategy), Bot(row.actor, row.strategy, row.last_at))
        bot.last_at = max(bot.last_at, row.last_at)
        if row.what == "blocked":
            bot.blocked[row.reason or "NOT_RECORDED"] += row.day
        else:
            bot.accepted += row.day
    return sorted(found.values(), key=lambda bot: bot.last_at, reverse=True)
