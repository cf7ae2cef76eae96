"""A desk in memory and the few things that happen to it, for tests of the core."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from webapp.domain import cycle
from webapp.domain.book import Book
from webapp.domain.cycle import CycleOutcome, Trigger
from webapp.domain.desk import Desk, RestingOrder
from webapp.domain.ids import TimeOrderedIds
from webapp.domain.market import Tick
from webapp.domain.orders import OrderStatus, Proposal, Side
from webapp.domain.policy import Policy
from webapp.domain.records import Changes, FillRow

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SOL = "SOL-USDC"
BTC = "BTC-USDC"
CALM: Mapping[str, Any] = {
    "slippage_bps": 0,
    "fee_bps": Decimal(0),
    "cooldown_seconds": 0,
    "anomaly_halt_pct": Decimal(1000),
    "anomaly_warn_pct": Decimal(1000),
    "stale_after_seconds": 86_400,
    "auto_halt_stale_seconds": 86_400,
    "price_collar_pct": Decimal(100),
}
"""Limits that keep out of the way of tests about something else: no costs, no cooldown, no anomaly."""


def after(seconds: float) -> datetime:
    """That many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def quote(bid: str | int, ask: str | int | None = None, at: float = 0, symbol: str = SOL) -> Tick:
    """A quote `at` seconds after noon; bid and ask the same unless both are given."""
    return Tick(symbol, Decimal(bid), Decimal(bid if ask is None else ask), after(at))


def buy(qty: str | int, limit: str | int | None = None, **more: Any) -> Proposal:
    """A wish to buy, sure of itself."""
    return _proposal(Side.BUY, qty, limit, more)


def sell(qty: str | int, limit: str | int | None = None, **more: Any) -> Proposal:
    """A wish to sell, sure of itself."""
    return _proposal(Side.SELL, qty, limit, more)


def _proposal(side: Side, qty: str | int, limit: str | int | None, more: dict[str, Any]) -> Proposal:
    price = None if limit is None else Decimal(limit)
    return Proposal(side, Decimal(qty), more.pop("confidence", Decimal("0.9")), price, **more)


@dataclass
class Floor:
    """A desk with everything it ever wrote, the whole story in one `Changes`."""

    desk: Desk
    story: Changes = field(default_factory=Changes)

    def tick(self, bid: str | int, ask: str | int | None = None, at: float = 0, symbol: str = SOL) -> Changes:
        """A quote arrives at the moment it speaks of; what it alone changed."""
        return self.arrive(quote(bid, ask, at, symbol), at)

    def arrive(self, tick: Tick, at: float) -> Changes:
        """A quote arrives `at` seconds after noon, whenever it is from."""
        return self._keep(lambda changes: self.desk.take_tick(tick, after(at), changes))

    def time(self, at: float) -> Changes:
        """Time passes until `at` seconds after noon."""
        return self._keep(lambda changes: self.desk.advance(after(at), changes))

    def cancel(self, waiting: RestingOrder, reason: str, at: float) -> Changes:
        """Somebody ends an order's waiting."""
        return self._keep(lambda changes: self.desk.cancel(waiting, reason, after(at), changes))

    def propose(self, proposal: Proposal, at: float = 0, symbol: str = SOL) -> CycleOutcome:
        """A cycle with a proposal; its outcome carries the rows it alone wrote."""
        changes = Changes()
        outcome = cycle.run(self.desk, Trigger(symbol, "test", proposal), after(at), changes)
        self._merge(changes)
        return outcome

    def status(self, outcome: CycleOutcome) -> OrderStatus:
        """The last state of that cycle's order."""
        return [step.to_status for step in self.story.transitions if step.order_id == outcome.order_id][-1]

    def fills_of(self, outcome: CycleOutcome) -> list[FillRow]:
        """Every fill of that cycle's order so far."""
        return [fill for fill in self.story.fills if fill.order_id == outcome.order_id]

    def _keep(self, act: Any) -> Changes:
        changes = Changes()
        act(changes)
        self._merge(changes)
        return changes

    def _merge(self, changes: Changes) -> None:
        for name, value in vars(changes).items():
            kept = getattr(self.story, name)
            kept.extend(value) if isinstance(kept, list) else kept.update(value)


def floor(**limits: Any) -> Floor:
    """A new desk under the default policy with some limits changed."""
    policy = replace(Policy.default(), **limits)
    ids = TimeOrderedIds(b"test")
    return Floor(Desk(Book.opened_with(policy.starting_cash), policy, 1, False, ids, "user:test"))


def calm_floor(**limits: Any) -> Floor:
    """A new desk with costs, cooldown and anomaly out of the way, and room for large orders."""
    roomy = {
        name: Decimal(1_000_000)
        for name in (
            "max_order_notional",
            "max_position_notional",
            "max_gross_exposure",
            "max_loss_per_trade",
            "max_daily_loss",
            "max_drawdown",
        )
    }
    return floor(**{**CALM, **roomy, **limits})
