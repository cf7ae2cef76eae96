"""Everything the rules look at, measured once for one order."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from webapp.domain.orders import Proposal
from webapp.domain.policy import Policy
from webapp.domain.records import Breach


@dataclass(frozen=True)
class RiskContext:
    """One order against the book of this moment. Money in USDC, times aware, None where nothing is known.

    ``price`` is what the order is expected to fill at; ``qty_after`` the signed position if this order and the resting
    orders on its side all fill; the ``_elsewhere`` figures cover the other symbols, their resting orders included.
    """

    policy: Policy
    now: datetime
    symbol: str
    proposal: Proposal
    halted: bool
    quote_age_seconds: Decimal | None
    mid_price: Decimal | None
    price: Decimal | None
    round_trip_cost: Decimal | None
    fee: Decimal | None
    move_5m_pct: Decimal | None
    position_qty: Decimal
    qty_after: Decimal
    exposure_elsewhere: Decimal
    open_elsewhere: int
    cash_available: Decimal
    nav: Decimal
    day_start_nav: Decimal
    drawdown: Decimal
    last_trade_at: datetime | None
    trades_last_hour: int
    hour_frees_at: datetime | None
    trades_today: int
    halt_due: Breach | None = None

    @property
    def reduces(self) -> bool:
        """Whether the order can only make the position smaller: the other way, and not through zero."""
        signed = self.proposal.qty * self.proposal.side.sign
        return self.position_qty * signed < 0 and self.qty_after * self.position_qty >= 0
