"""Rows for tests, with sensible values for whatever a test does not care about.

Each function inserts and commits, so that the app and other connections see the row, and returns its id. For rows that
must hang together as the core makes them, call the services instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, update
from sqlalchemy.orm import DeclarativeBase, Session

from webapp.domain.ids import TimeOrderedIds
from webapp.domain.market import Tick
from webapp.domain.policy import Policy
from webapp.models import (
    Account,
    Cycle,
    Fill,
    Heartbeat,
    LateTick,
    MarketTick,
    Order,
    PolicyVersion,
    PortfolioSnapshot,
    Position,
    RiskEvent,
    Signal,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""A moment for tests that bring their own clock."""
Number = Decimal | int | str


def new_id(at: datetime) -> UUID:
    """A time-ordered id that nobody else has."""
    return TimeOrderedIds(uuid4().bytes).next(at)


def add(session: Session, model: type[DeclarativeBase], *rows: dict[str, Any]) -> None:
    """Insert rows as they are, in one statement each time, and commit."""
    session.execute(insert(model), list(rows))
    session.commit()


def now() -> datetime:
    """The real clock, for tests of pages that use it."""
    return datetime.now(UTC)


def tick(
    session: Session, symbol: str = "SOL-USDC", mid: Number = 100, at: datetime | None = None, **more: Any
) -> UUID:
    """A quote with a spread of 2 bps around `mid`."""
    return ticks(session, symbol, [(at or now(), mid)], **more)[0]


def ticks(session: Session, symbol: str, quotes: Iterable[tuple[datetime, Number]], **more: Any) -> list[UUID]:
    """Many quotes of one symbol at once."""
    rows = []
    for at, mid in quotes:
        half = (Decimal(mid) * Decimal("0.0001")).quantize(Decimal("0.00000001"))
        quote = Tick(symbol, Decimal(mid) - half, Decimal(mid) + half, at)
        rows.append(
            {
                "tick_id": new_id(at),
                "symbol": symbol,
                "bid_price": quote.bid_price,
                "ask_price": quote.ask_price,
                "mid_price": quote.mid_price,
                "spread_bps": quote.spread_bps,
                "event_at": at,
                "created_at": at,
                **more,
            }
        )
    add(session, MarketTick, *rows)
    return [row["tick_id"] for row in rows]


def late_tick(session: Session, symbol: str = "SOL-USDC", mid: Number = 100, at: datetime | None = None) -> UUID:
    """A quote that arrived just now although a newer one was known."""
    moment = at or now() - timedelta(seconds=30)
    tick_id = tick(session, symbol, mid, moment, created_at=now())
    add(session, LateTick, {"tick_id": tick_id, "newest_at": moment + timedelta(seconds=5)})
    return tick_id


def snapshot(session: Session, nav: Number = 10_000, at: datetime | None = None, **more: Any) -> UUID:
    """The book at one moment, all of it cash unless said."""
    return snapshots(session, [(at or now(), nav)], **more)[0]


def snapshots(session: Session, curve: Iterable[tuple[datetime, Number]], **more: Any) -> list[UUID]:
    """A whole NAV curve at once."""
    rows = [
        {
            "snapshot_id": new_id(at),
            "nav": Decimal(nav),
            "cash": Decimal(nav),
            "realized_pnl": Decimal(nav) - 10_000,
            "unrealized_pnl": Decimal(0),
            "captured_at": at,
            **more,
        }
        for at, nav in curve
    ]
    add(session, PortfolioSnapshot, *rows)
    return [row["snapshot_id"] for row in rows]


def account(session: Session, **values: Any) -> None:
    """Change the one account row, which every migrated database has; money as Decimal."""
    session.execute(update(Account).values(**values))
    session.commit()


def policy(session: Session, version: int = 2, **limits: Any) -> UUID:
    """A further version of the policy: the default with some limits changed. Version 1 comes with the migrations."""
    policy_id = new_id(now())
    document = Policy.default().to_document() | limits
    add(session, PolicyVersion, {"policy_id": policy_id, "version": version, "limits": document, "actor": "user:ada"})
    return policy_id


def position(
    session: Session, symbol: str = "SOL-USDC", qty: Number = 1, avg: Number = 100, mark: Number = 100
) -> None:
    """A holding with its unrealized PnL worked out."""
    size, entry, price = Decimal(qty), Decimal(avg), Decimal(mark)
    row = {"symbol": symbol, "qty": size, "avg_entry_price": entry, "mark_price": price}
    add(session, Position, {**row, "unrealized_pnl": size * (price - entry), "updated_at": now()})


def signal(
    session: Session, symbol: str = "SOL-USDC", side: str = "buy", at: datetime | None = None, **more: Any
) -> UUID:
    """What a strategy said."""
    moment = at or now()
    row = {"signal_id": new_id(moment), "cycle_id": new_id(moment), "symbol": symbol, "side": side}
    row |= {"confidence": Decimal("0.8"), "created_at": moment, **more}
    add(session, Signal, row)
    return row["signal_id"]


def order(
    session: Session,
    symbol: str = "SOL-USDC",
    side: str = "buy",
    status: str = "executed",
    at: datetime | None = None,
    **more: Any,
) -> UUID:
    """An order of one unit with a signal and a cycle id of its own."""
    moment = at or now()
    row = {"order_id": new_id(moment), "cycle_id": new_id(moment), "symbol": symbol, "side": side, "status": status}
    row |= {"qty": Decimal(1), "limit_price": None, "risk_reason": None, "created_at": moment, **more}
    if "signal_id" not in row:
        row["signal_id"] = signal(session, symbol, side, moment, cycle_id=row["cycle_id"])
    add(session, Order, row)
    return row["order_id"]


def fill(session: Session, order_id: UUID, at: datetime | None = None, **more: Any) -> UUID:
    """A fill of one unit at 100."""
    moment = at or now()
    row = {"fill_id": new_id(moment), "order_id": order_id, "symbol": "SOL-USDC", "side": "buy", "qty": Decimal(1)}
    row |= {"fill_price": Decimal(100), "fee": Decimal("0.1"), "slippage_bps": 2, "filled_at": moment, **more}
    add(session, Fill, row)
    return row["fill_id"]


def risk_event(session: Session, order_id: UUID, action: str = "allowed", rule: str = "ALL_RULES", **more: Any) -> UUID:
    """A line of the risk audit."""
    moment = more.pop("at", None) or now()
    row: dict[str, Any] = {"risk_event_id": new_id(moment), "order_id": order_id, "action": action, "rule": rule}
    add(session, RiskEvent, row | {"details": {"sentence": "Every rule let it pass."}, "created_at": moment, **more})
    return row["risk_event_id"]


def cycle(
    session: Session, symbol: str = "SOL-USDC", outcome: str = "no_signal", at: datetime | None = None, **more: Any
) -> UUID:
    """One run of the trade cycle."""
    moment = at or now()
    row = {"cycle_id": new_id(moment), "symbol": symbol, "outcome": outcome, "created_at": moment}
    row |= {
        "trigger_source": "schedule",
        "strategy": "momentum",
        "actor": "engine",
        "policy_version": 1,
        "reason": None,
    }
    row |= {"tick_id": None, "order_id": None, "signal_id": None, **more}
    add(session, Cycle, row)
    return row["cycle_id"]  # type: ignore[return-value]  # a row's values are of many types


def heartbeat(session: Session, process: str = "engine", beat_at: datetime | None = None) -> None:
    """A sign of life."""
    moment = beat_at or now()
    add(session, Heartbeat, {"process": process, "pid": 1, "host": "test", "started_at": moment, "beat_at": moment})
