"""Somebody who trades in a test as the desk itself does: quotes in, cycles judged, rows that hang together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from webapp.domain.market import Tick
from webapp.domain.orders import Proposal, Side
from webapp.services import market, trading
from webapp.services.trading import CycleRequest


@dataclass
class Trader:
    """Makes rows as the desk itself does: quotes in, cycles judged."""

    session: Session
    price: Decimal = Decimal(100)

    def quote(self, symbol: str = "SOL-USDC", mid: Decimal | None = None, at: datetime | None = None) -> None:
        """A quote of now, half a unit wide, at the trader's price unless said."""
        middle = mid or self.price
        moment = at or datetime.now(UTC)
        tick = Tick(symbol, middle - Decimal("0.01"), middle + Decimal("0.01"), moment)
        market.accept(self.session, [tick], by="test", now=moment)

    def cycle(self, side: str = "buy", qty: str = "1", limit: str | None = None, **more: Any) -> dict[str, Any]:
        """A proposal through the gate; the answer a bot would get."""
        self.quote(more.get("symbol", "SOL-USDC"))
        proposal = Proposal(
            Side(side),
            Decimal(qty),
            Decimal(more.get("confidence", "0.9")),
            None if limit is None else Decimal(limit),
            None,
            more.get("payload", {"strategy": "by hand", "window_seconds": 60}),
        )
        request = CycleRequest(more.get("symbol", "SOL-USDC"), "test", proposal)
        document = trading.run_cycle(self.session, request, by="token:bot", now=more.get("now")).document
        self.session.commit()
        return document
