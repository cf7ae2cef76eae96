"""Orders: sides, states and the one table that says which state may follow which."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from webapp.domain.errors import Conflict


class Side(StrEnum):
    """Which way an order goes; ``sign`` is what it does to a signed quantity."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrderStatus(StrEnum):
    """The states of CONTRACT and SCHEMA; a resting or partly filled order is ``approved``."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXECUTED = "executed"
    CANCELED = "canceled"


TRANSITIONS: Mapping[OrderStatus | None, frozenset[OrderStatus]] = {
    None: frozenset({OrderStatus.PROPOSED}),
    OrderStatus.PROPOSED: frozenset({OrderStatus.APPROVED, OrderStatus.REJECTED}),
    OrderStatus.APPROVED: frozenset({OrderStatus.EXECUTED, OrderStatus.CANCELED}),
    OrderStatus.REJECTED: frozenset(),
    OrderStatus.EXECUTED: frozenset(),
    OrderStatus.CANCELED: frozenset(),
}


def check_transition(before: OrderStatus | None, after: OrderStatus) -> None:
    """Raise :class:`Conflict` unless ``after`` may follow ``before``."""
    if after not in TRANSITIONS[before]:
        raise Conflict(f"an order that is {before or 'new'} cannot become {after}", status=before)


@dataclass(frozen=True)
class Proposal:
    """What somebody wants to trade, before any judgement.

    ``qty`` in units of the symbol, above zero; ``limit_price`` in USDC or None for a market order; ``confidence`` from
    0 to 1; ``expected_loss`` in USDC, what the proposer thinks the trade may lose; ``payload`` explains, in plain JSON.
    """

    side: Side
    qty: Decimal
    confidence: Decimal
    limit_price: Decimal | None = None
    expected_loss: Decimal | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
