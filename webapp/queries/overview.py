"""The desk at a glance: a handful of statements, whatever the length of the history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from webapp.domain.money import ZERO, exact
from webapp.domain.policy import FIELDS, Policy
from webapp.domain.risk.verdict import Verdict
from webapp.queries.portfolio import Column, columns

SPARK_HOURS = 24
SPARK_SECONDS = 900
NEWEST_CYCLES = 3
ACTED_CYCLES = 6
LOOKED_BACK = 1_000

# Trades are counted as the gate counts them: orders it let through. The cap keeps the count cheap on any desk.
_DESK = text("""
    SELECT clock.now, clock.midnight,
           account.starting_cash, account.cash, account.fees_paid, account.peak_nav, account.peak_since,
           newest.nav AS snapshot_nav, newest.cash AS snapshot_cash, newest.captured_at AS snapshot_at,
           day_start.nav AS day_start_nav, day_start.captured_at AS day_start_at,
           policy.limits, policy.version AS policy_version,
           engine.beat_at AS engine_at, kill_switch.enabled AS halted,
           quote.event_at AS quote_at, quote.tick_id, cycle.created_at AS cycle_at, cycle.cycle_id,
           trades.hour AS trades_hour, trades.today AS trades_today
    FROM (SELECT clock_timestamp() AS now, date_trunc('day', clock_timestamp(), 'UTC') AS midnight) AS clock
    LEFT JOIN account ON account.account_id = 1
    LEFT JOIN kill_switch ON kill_switch.id = 1
    LEFT JOIN heartbeats AS engine ON engine.process = 'engine'
    LEFT JOIN LATERAL (
        SELECT nav, cash, captured_at FROM portfolio_snapshots ORDER BY captured_at DESC, snapshot_id DESC LIMIT 1
    ) AS newest ON true
    LEFT JOIN LATERAL (
        SELECT nav, captured_at FROM portfolio_snapshots WHERE captured_at < clock.midnight
        ORDER BY captured_at DESC, snapshot_id DESC LIMIT 1
    ) AS day_start ON true
    LEFT JOIN LATERAL (SELECT limits, version FROM policies ORDER BY version DESC LIMIT 1) AS policy ON true
    LEFT JOIN LATERAL (
        SELECT event_at, tick_id FROM market_ticks ORDER BY event_at DESC, tick_id DESC LIMIT 1
    ) AS quote ON true
    LEFT JOIN LATERAL (
        SELECT created_at, cycle_id FROM cycles ORDER BY created_at DESC, cycle_id DESC LIMIT 1
    ) AS cycle ON true
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE created_at > clock.now - interval '1 hour') AS hour,
               count(*) FILTER (WHERE created_at >= clock.midnight) AS today
        FROM (
            SELECT created_at FROM orders
            WHERE status IN ('approved', 'executed', 'canceled')
              AND created_at >= least(clock.midnight, clock.now - interval '1 hour')
            ORDER BY created_at DESC LIMIT 10001
        ) AS passed
    ) AS trades
""")

_HOLDINGS = text("""
    SELECT symbol, qty, avg_entry_price, mark_price, unrealized_pnl, updated_at, qty * mark_price AS market_value
    FROM positions WHERE qty <> 0 ORDER BY abs(qty * mark_price) DESC, symbol
""")

# Most cycles decide nothing. The list is the very newest ones and, from the recent past, those that led to an order;
# looking back has an end, so a strategy that stays silent for a year costs no more than a busy one.
_CYCLES = text("""
    WITH recent AS (
        SELECT *, row_number() OVER newest AS place,
               count(*) FILTER (WHERE outcome <> 'no_signal') OVER newest AS acted
        FROM (SELECT * FROM cycles ORDER BY created_at DESC, cycle_id DESC LIMIT :back) AS looked_at
        WINDOW newest AS (ORDER BY created_at DESC, cycle_id DESC)
    )
    SELECT cycle.cycle_id, cycle.symbol, cycle.trigger_source, cycle.strategy, cycle.actor, cycle.outcome, cycle.reason,
           cycle.created_at, cycle.order_id, orders.side, orders.qty, orders.limit_price, orders.status,
           orders.risk_reason, filled.qty AS filled_qty, filled.price AS filled_price, refused.sentence
    FROM recent AS cycle
    LEFT JOIN orders ON orders.order_id = cycle.order_id
    LEFT JOIN LATERAL (
        SELECT details ->> 'sentence' AS sentence FROM risk_events
        WHERE risk_events.order_id = cycle.order_id AND action = 'blocked' AND rule = orders.risk_reason LIMIT 1
    ) AS refused ON true
    LEFT JOIN LATERAL (
        SELECT sum(fills.qty) AS qty, round(sum(fills.qty * fill_price) / sum(fills.qty), 8) AS price
        FROM fills WHERE fills.order_id = cycle.order_id
    ) AS filled ON true
    WHERE cycle.place <= :newest OR (cycle.outcome <> 'no_signal' AND cycle.acted <= :acted)
    ORDER BY cycle.created_at DESC, cycle.cycle_id DESC
""")

_SELF_CHECKS = text("SELECT name, ok, rows, detail, checked_at FROM self_checks ORDER BY name DESC")

_HOUR = text("""
    SELECT outcome, count(*) AS cycles
    FROM (SELECT outcome FROM cycles WHERE created_at > :since LIMIT 10001) AS hour
    GROUP BY outcome
""")


@dataclass(frozen=True, slots=True)
class Desk:
    """What one statement knows. Money in USDC; times None where there is nothing yet."""

    now: datetime
    starting_cash: Decimal
    cash: Decimal
    fees_paid: Decimal
    peak_nav: Decimal
    peak_since: datetime | None
    day_start_nav: Decimal
    day_start_at: datetime | None
    policy: Policy | None
    policy_version: int | None
    halted: bool
    quote_at: datetime | None
    engine_at: datetime | None
    cycle_at: datetime | None
    snapshot_at: datetime | None
    trades_hour: int
    trades_today: int
    seen: tuple[object, ...]
    """What must differ for a live block to be drawn again, ages apart."""


@dataclass(frozen=True, slots=True)
class Book:
    """NAV = cash + sum(qty * mark), and what follows from it; drawdown from the peak since the last release."""

    nav: Decimal
    day_change: Decimal
    day_change_ratio: Decimal | None
    drawdown: Decimal
    drawdown_ratio: Decimal | None
    gross: Decimal
    net: Decimal
    unrealized: Decimal
    realized: Decimal


def desk(session: Session) -> Desk:
    """The account, the limits, the counters and the newest moment of each source, in one statement.

    An adopted database may have no account row yet: then its last snapshot speaks for the books.
    """
    row = session.execute(_DESK).mappings().one()
    policy = None if row["limits"] is None else Policy.from_document(row["limits"])
    default = (policy or Policy.default()).starting_cash
    starting = default if row["starting_cash"] is None else row["starting_cash"]
    cash = _first(row["cash"], row["snapshot_cash"], starting)
    return Desk(
        now=row["now"],
        starting_cash=starting,
        cash=cash,
        fees_paid=row["fees_paid"] or ZERO,
        peak_nav=_first(row["peak_nav"], row["snapshot_nav"], starting),
        peak_since=row["peak_since"],
        day_start_nav=_first(row["day_start_nav"], starting),
        day_start_at=row["day_start_at"],
        policy=policy,
        policy_version=row["policy_version"],
        halted=row["halted"] is not False,
        quote_at=row["quote_at"],
        engine_at=row["engine_at"],
        cycle_at=row["cycle_at"],
        snapshot_at=row["snapshot_at"],
        trades_hour=row["trades_hour"],
        trades_today=row["trades_today"],
        seen=tuple(row[name] for name in ("tick_id", "cycle_id", "snapshot_at", "policy_version", "halted", "cash")),
    )


def _first(*values: Decimal | None) -> Decimal:
    return next(value for value in values if value is not None)


def holdings(session: Session) -> Sequence[RowMapping]:
    """What is held, largest first, at the mark the books use."""
    return session.execute(_HOLDINGS).mappings().all()


def last_cycles(session: Session) -> Sequence[RowMapping]:
    """The newest cycles and the newest that led to an order, with that order and what of it has filled."""
    bounds = {"newest": NEWEST_CYCLES, "acted": ACTED_CYCLES, "back": LOOKED_BACK}
    return session.execute(_CYCLES, bounds).mappings().all()


def last_hour(session: Session, now: datetime) -> dict[str, int]:
    """Cycles of the last hour by outcome, counted up to 10,001."""
    return {row.outcome: row.cycles for row in session.execute(_HOUR, {"since": now - timedelta(hours=1)})}


def self_checks(session: Session) -> Sequence[RowMapping]:
    """The newest result of each check of the desk on itself: do the books follow from the fills, is the audit whole."""
    return session.execute(_SELF_CHECKS).mappings().all()


def day_curve(session: Session, now: datetime) -> list[Column]:
    """NAV of the last 24 hours, a quarter of an hour a column."""
    return columns(session, now - timedelta(hours=SPARK_HOURS), now, SPARK_SECONDS)


@exact
def book(desk: Desk, held: Sequence[RowMapping]) -> Book:
    """NAV and everything measured from it, from the account and the positions as read."""
    values = [row["market_value"] for row in held]
    net = sum(values, ZERO)
    nav = desk.cash + net
    unrealized = sum((row["unrealized_pnl"] for row in held), ZERO)
    peak = max(desk.peak_nav, nav)
    change = nav - desk.day_start_nav
    return Book(
        nav=nav,
        day_change=change,
        day_change_ratio=change / desk.day_start_nav if desk.day_start_nav > 0 else None,
        drawdown=peak - nav,
        drawdown_ratio=(peak - nav) / peak if peak > 0 else None,
        gross=sum((abs(value) for value in values), ZERO),
        net=net,
        unrealized=unrealized,
        realized=nav - desk.starting_cash - unrealized,
    )


def headroom(desk: Desk, book: Book, held: Sequence[RowMapping]) -> list[Verdict]:
    """How much of each limit of the book is used now, nearest to tripping first; empty without a policy.

    Limits that only an order has (its size, its price, its confidence) are judged with the order, not here.
    """
    policy = desk.policy
    if policy is None:
        return []
    largest = max((abs(row["market_value"]) for row in held), default=ZERO)
    name = held[0]["symbol"] if held else "none held"
    loss = max(-book.day_change, ZERO)
    rows = [
        _used("MAX_POSITION_NOTIONAL", largest, policy.max_position_notional, name),
        _used("MAX_GROSS_EXPOSURE", book.gross, policy.max_gross_exposure, "all symbols"),
        _used("MAX_OPEN_POSITIONS", Decimal(len(held)), Decimal(policy.max_open_positions), "symbols held"),
        _used("MAX_DAILY_LOSS", loss, policy.max_daily_loss, "since 00:00 UTC"),
        _used("MAX_DRAWDOWN", book.drawdown, policy.max_drawdown, "below the peak"),
        _used("MAX_TRADES_PER_HOUR", Decimal(desk.trades_hour), Decimal(policy.max_trades_per_hour), "last 60 minutes"),
        _used("MAX_TRADES_PER_DAY", Decimal(desk.trades_today), Decimal(policy.max_trades_per_day), "since 00:00 UTC"),
    ]
    return sorted(rows, key=lambda verdict: verdict.usage if verdict.usage is not None else Decimal(1), reverse=True)


def _used(rule: str, value: Decimal, limit: Decimal, sentence: str) -> Verdict:
    ok = value < limit
    return Verdict(rule, ok, value, limit, FIELDS[rule.lower()].unit, sentence)
