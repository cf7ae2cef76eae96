"""What stood around an order or a cycle without being part of it: neighbours, the policy, the halt, the market."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, TextClause, text
from sqlalchemy.orm import Session

from webapp.domain.policy import Policy

_ORDERS: Final = text("""
    (SELECT 'previous' AS place, order_id AS id, side, qty, status AS state, created_at FROM orders
     WHERE symbol = :symbol AND (created_at, order_id) < (:at, :id) ORDER BY created_at DESC, order_id DESC LIMIT 1)
    UNION ALL
    (SELECT 'next', order_id, side, qty, status, created_at FROM orders
     WHERE symbol = :symbol AND (created_at, order_id) > (:at, :id) ORDER BY created_at, order_id LIMIT 1)
""")
_CYCLES: Final = text("""
    (SELECT 'previous' AS place, cycle_id AS id, outcome AS state, created_at FROM cycles
     WHERE symbol = :symbol AND (created_at, cycle_id) < (:at, :id) ORDER BY created_at DESC, cycle_id DESC LIMIT 1)
    UNION ALL
    (SELECT 'next', cycle_id, outcome, created_at FROM cycles
     WHERE symbol = :symbol AND (created_at, cycle_id) > (:at, :id) ORDER BY created_at, cycle_id LIMIT 1)
""")
_POLICIES: Final = text("""
    SELECT version, limits FROM policies
    WHERE version = :version OR version = (SELECT max(version) FROM policies) ORDER BY version DESC
""")
_POLICY: Final = text("SELECT limits FROM policies WHERE version = :version")
_SWITCH: Final = text("""
    SELECT event_id, enabled, reason, actor, created_at FROM kill_switch_events
    WHERE created_at <= :at ORDER BY created_at DESC, event_id DESC LIMIT 1
""")
_NOW: Final = text("""
    SELECT clock_timestamp() AS now, quote.* FROM (SELECT) AS nothing LEFT JOIN LATERAL (
        SELECT bid_price, ask_price, mid_price, event_at FROM market_ticks
        WHERE symbol = :symbol ORDER BY event_at DESC, tick_id DESC LIMIT 1
    ) AS quote ON true
""")


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The row of the same symbol just before, and the one just after."""

    previous: RowMapping | None
    following: RowMapping | None


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The policy something was judged under, and the one in force now. None: it is not known which it was."""

    version: int | None
    then: Policy | None
    now: Policy

    def expires_at(self, created_at: datetime) -> datetime:
        """When an order that still rests is canceled: by the lifetime in force now, whatever it was when it came."""
        return created_at + timedelta(seconds=self.now.order_ttl_seconds)


def orders_beside(session: Session, order: RowMapping) -> Neighbours:
    """The orders of the same symbol before and after this one."""
    return _beside(session, _ORDERS, order["symbol"], order["created_at"], order["order_id"])


def cycles_beside(session: Session, cycle: RowMapping) -> Neighbours:
    """The cycles of the same symbol before and after this one."""
    return _beside(session, _CYCLES, cycle["symbol"], cycle["created_at"], cycle["cycle_id"])


def rulebook(session: Session, cycle: RowMapping | None) -> Rulebook:
    """The policies that matter to what came of this cycle; the default before anybody has set one."""
    version = cycle["policy_version"] if cycle else None
    found = {row.version: Policy.from_document(row.limits) for row in session.execute(_POLICIES, {"version": version})}
    in_force = found[max(found)] if found else Policy.default()
    return Rulebook(version, found.get(version), in_force)


def policy_of(session: Session, version: int) -> Policy | None:
    """The policy of one version; None when there was none."""
    limits = session.execute(_POLICY, {"version": version}).scalar_one_or_none()
    return None if limits is None else Policy.from_document(limits)


def halt_at(session: Session, at: datetime) -> RowMapping | None:
    """The halt that was in force at this moment; None when the desk traded, or when no event of it was stored."""
    last = session.execute(_SWITCH, {"at": at}).mappings().one_or_none()
    return last if last is not None and last["enabled"] else None


def market_now(session: Session, symbol: str) -> RowMapping:
    """The database's clock beside the newest quote of a symbol (its columns are None where there is none)."""
    return session.execute(_NOW, {"symbol": symbol}).mappings().one()


def _beside(session: Session, statement: TextClause, symbol: str, at: datetime, row_id: UUID) -> Neighbours:
    found = session.execute(statement, {"symbol": symbol, "at": at, "id": row_id}).mappings()
    by_place = {row["place"]: row for row in found}
    return Neighbours(by_place.get("previous"), by_place.get("next"))
