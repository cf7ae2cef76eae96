"""The desk at a glance: the account, the limits and the newest moment of each source, in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from webapp.domain.money import ZERO, exact
from webapp.domain.policy import Policy
from webapp.queries.day_start import day_start
from webapp.queries.portfolio import Column, columns

SPARK_HOURS = 24
SPARK_SECONDS = 900

# Trades are counted as the gate counts them: orders it let through. The cap keeps the count cheap on any desk.
_DESK = text(f"""
    SELECT clock.now, clock.midnight,
           account.starting_cash, account.cash, account.fees_paid, account.peak_nav, account.peak_since,
           newest.nav AS snapshot_nav, newest.cash AS snapshot_cash, newest.captured_at AS snapshot_at,
           day_start.nav AS day_start_nav, day_start.captured_at AS day_start_at,
           policy.limits, policy.version AS policy_version,
           engine.beat_at AS engine_at, engine.details AS engine_details,
           kill_switch.enabled AS halted, kill_switch.changed_at AS switched_at,
           quote.event_at AS quote_at, quote.tick_id, cycle.created_at AS cycle_at, cycle.cycle_id,
           trades.hour AS trades_hour, trades.today AS trades_today,
           resting.orders AS resting, resting.oldest_at AS resting_since, checks.results AS checks
    FROM (SELECT clock_timestamp() AS now, date_trunc('day', clock_timestamp(), 'UTC') AS midnight) AS clock
    LEFT JOIN account ON account.account_id = 1
    LEFT JOIN kill_switch ON kill_switch.id = 1
    LEFT JOIN heartbeats AS engine ON engine.process = 'engine'
    LEFT JOIN LATERAL (
        SELECT nav, cash, captured_at FROM portfolio_snapshots ORDER BY captured_at DESC, snapshot_id DESC LIMIT 1
    ) AS newest ON true
    LEFT JOIN LATERAL ({day_start("clock.midnight")}) AS day_start ON true
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
    CROSS JOIN LATERAL (
        SELECT count(*) AS orders, min(created_at) AS oldest_at FROM orders WHERE status = 'approved'
    ) AS resting
    CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(name, jsonb_build_object(
            'ok', ok, 'rows', rows, 'detail', detail, 'at', checked_at)) AS results FROM self_checks
    ) AS checks
""")  # noqa: S608  # the rule of the day's start

_HOLDINGS = text("""
    SELECT symbol, qty, avg_entry_price, mark_price, unrealized_pnl, updated_at, qty * mark_price AS market_value
    FROM positions WHERE qty <> 0 ORDER BY abs(qty * mark_price) DESC, symbol
""")


@dataclass(frozen=True, slots=True)
class Check:
    """The newest result of one check of the desk on itself: how many rows it read, and what it found."""

    ok: bool
    rows: int
    detail: str
    at: datetime


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
    switched_at: datetime | None
    quote_at: datetime | None
    engine_at: datetime | None
    engine_symbols: tuple[str, ...] | None
    """What the running engine is fed with; None when none runs or it does not say."""
    cycle_at: datetime | None
    snapshot_at: datetime | None
    trades_hour: int
    trades_today: int
    resting: int
    resting_since: datetime | None
    checks: Mapping[str, Check]
    """By name: `books` (do positions, cash and NAV follow from the fills) and `audit` (is the chain whole)."""
    seen: tuple[object, ...]
    """What must differ for a live block to be drawn again, ages apart."""

    @property
    def untouched(self) -> bool:
        """Whether nothing has ever happened here: no quote, no cycle and no snapshot."""
        return self.quote_at is None and self.cycle_at is None and self.snapshot_at is None


@dataclass(frozen=True, slots=True)
class Book:
    """NAV = cash + sum(qty * mark), and what follows from it; drawdown from the peak since the last release."""

    nav: Decimal
    day_change: Decimal
    day_change_ratio: Decimal | None
    drawdown: Decimal
    drawdown_ratio: Decimal | None
    gross: Decimal
    gross_ratio: Decimal | None
    net: Decimal
    net_ratio: Decimal | None
    cash_ratio: Decimal | None
    unrealized: Decimal
    realized: Decimal


def desk(session: Session) -> Desk:
    """The account, the limits, the counters, the checks and the newest moment of each source, in one statement.

    An adopted database may have no account row yet: then its last snapshot speaks for the books.
    """
    row = session.execute(_DESK).mappings().one()
    policy = None if row["limits"] is None else Policy.from_document(row["limits"])
    default = (policy or Policy.default()).starting_cash
    starting = default if row["starting_cash"] is None else row["starting_cash"]
    cash = _first(row["cash"], row["snapshot_cash"], starting)
    compared = ("tick_id", "cycle_id", "snapshot_at", "policy_version", "halted", "switched_at", "cash", "resting")
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
        switched_at=row["switched_at"],
        quote_at=row["quote_at"],
        engine_at=row["engine_at"],
        engine_symbols=_symbols(row["engine_details"]),
        cycle_at=row["cycle_at"],
        snapshot_at=row["snapshot_at"],
        trades_hour=row["trades_hour"],
        trades_today=row["trades_today"],
        resting=row["resting"],
        resting_since=row["resting_since"],
        checks={name: _check(found) for name, found in (row["checks"] or {}).items()},
        seen=tuple(row[name] for name in compared),
    )


def _first(*values: Decimal | None) -> Decimal:
    return next(value for value in values if value is not None)


def _symbols(details: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    named = (details or {}).get("symbols")
    return tuple(map(str, named)) if isinstance(named, list) else None


def _check(found: Mapping[str, Any]) -> Check:
    return Check(found["ok"], found["rows"], found["detail"], datetime.fromisoformat(found["at"]))


def holdings(session: Session) -> Sequence[RowMapping]:
    """What is held, largest first, at the mark the books use."""
    return session.execute(_HOLDINGS).mappings().all()


def day_curve(session: Session, now: datetime) -> list[Column]:
    """NAV of the last 24 hours, a quarter of an hour a column."""
    return columns(session, now - timedelta(hours=SPARK_HOURS), now, SPARK_SECONDS)


@exact
def book(desk: Desk, held: Sequence[RowMapping]) -> Book:
    """NAV and everything measured from it, from the account and the positions as read."""
    values = [row["market_value"] for row in held]
    net, gross = sum(values, ZERO), sum((abs(value) for value in values), ZERO)
    nav = desk.cash + net
    unrealized = sum((row["unrealized_pnl"] for row in held), ZERO)
    peak = max(desk.peak_nav, nav)
    change = nav - desk.day_start_nav
    return Book(
        nav=nav,
        day_change=change,
        day_change_ratio=_ratio(change, desk.day_start_nav),
        drawdown=peak - nav,
        drawdown_ratio=_ratio(peak - nav, peak),
        gross=gross,
        gross_ratio=_ratio(gross, nav),
        net=net,
        net_ratio=_ratio(net, nav),
        cash_ratio=_ratio(desk.cash, nav),
        unrealized=unrealized,
        realized=nav - desk.starting_cash - unrealized,
    )


def _ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    return part / whole if whole > 0 else None
