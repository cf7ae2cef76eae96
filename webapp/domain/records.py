"""What a step of the desk leaves behind: rows under the schema's own column names, and nothing else.

The core hands these to the journal, which is the one place that writes them. Times are aware, amounts are as stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from webapp.domain.orders import OrderStatus, Side
from webapp.domain.reasons import cut_reason

OUTCOMES = ("executed", "resting", "no_signal", "blocked")
"""What can become of a cycle."""
RISK_ACTIONS = ("blocked", "allowed", "warned")


@dataclass(frozen=True)
class TickRow:
    tick_id: UUID
    symbol: str
    bid_price: Decimal
    ask_price: Decimal
    mid_price: Decimal
    spread_bps: int
    event_at: datetime
    created_at: datetime


@dataclass(frozen=True)
class LateTickRow:
    tick_id: UUID
    newest_at: datetime


@dataclass(frozen=True)
class SignalRow:
    signal_id: UUID
    cycle_id: UUID
    symbol: str
    side: Side
    confidence: Decimal
    strategy_payload: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class OrderRow:
    order_id: UUID
    cycle_id: UUID
    signal_id: UUID
    symbol: str
    side: Side
    qty: Decimal
    limit_price: Decimal | None
    status: OrderStatus
    risk_reason: str | None
    created_at: datetime


@dataclass(frozen=True)
class TransitionRow:
    transition_id: UUID
    order_id: UUID
    from_status: OrderStatus | None
    to_status: OrderStatus
    actor: str
    reason: str | None
    created_at: datetime


@dataclass(frozen=True)
class FillRow:
    fill_id: UUID
    order_id: UUID
    symbol: str
    side: Side
    qty: Decimal
    fill_price: Decimal
    fee: Decimal
    slippage_bps: int
    filled_at: datetime


@dataclass(frozen=True)
class ReceiptRow:
    """The quote a fill was made from and the book on either side of it."""

    fill_id: UUID
    tick_id: UUID
    bid_price: Decimal
    ask_price: Decimal
    quote_at: datetime
    fee_bps: Decimal
    position_qty_before: Decimal
    position_qty_after: Decimal
    avg_entry_before: Decimal
    avg_entry_after: Decimal
    cash_before: Decimal
    cash_after: Decimal
    nav_before: Decimal
    nav_after: Decimal


@dataclass(frozen=True)
class SnapshotRow:
    snapshot_id: UUID
    nav: Decimal
    cash: Decimal
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    captured_at: datetime


@dataclass(frozen=True)
class RiskEventRow:
    risk_event_id: UUID
    order_id: UUID
    action: str
    rule: str
    details: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class CycleRow:
    cycle_id: UUID
    symbol: str
    trigger_source: str
    strategy: str | None
    actor: str
    outcome: str
    tick_id: UUID | None
    order_id: UUID | None
    signal_id: UUID | None
    policy_version: int
    reason: str | None
    created_at: datetime


@dataclass(frozen=True)
class Breach:
    """Something that must halt the desk: by which rule, and why, in a sentence with its numbers."""

    rule: str
    reason: str

    @property
    def as_reason(self) -> str:
        """What the halt is signed with."""
        return cut_reason(f"{self.rule}: {self.reason}")


@dataclass
class Changes:
    """Everything one transaction has to write, in the order in which it came to be."""

    ticks: list[TickRow] = field(default_factory=list)
    late_ticks: list[LateTickRow] = field(default_factory=list)
    signals: list[SignalRow] = field(default_factory=list)
    orders: dict[UUID, OrderRow] = field(default_factory=dict)
    statuses: dict[UUID, OrderStatus] = field(default_factory=dict)
    transitions: list[TransitionRow] = field(default_factory=list)
    fills: list[FillRow] = field(default_factory=list)
    receipts: list[ReceiptRow] = field(default_factory=list)
    snapshots: list[SnapshotRow] = field(default_factory=list)
    risk_events: list[RiskEventRow] = field(default_factory=list)
    cycles: list[CycleRow] = field(default_factory=list)
    marked: dict[str, datetime] = field(default_factory=dict)
    """Symbols whose position row changed, and when it last did."""
    breaches: list[Breach] = field(default_factory=list)

    def set_status(self, order_id: UUID, status: OrderStatus) -> None:
        """Give an order its newest status, whether it is new in these changes or stored already."""
        if order_id in self.orders:
            self.orders[order_id] = replace(self.orders[order_id], status=status)
        else:
            self.statuses[order_id] = status

    def extend(self, later: "Changes") -> None:
        """Add what came to be after all of this."""
        for order_id, status in later.statuses.items():
            self.set_status(order_id, status)
        for rows in fields(self):
            ours, theirs = getattr(self, rows.name), getattr(later, rows.name)
            if isinstance(ours, list):
                ours.extend(theirs)
            elif rows.name != "statuses":
                ours.update(theirs)
