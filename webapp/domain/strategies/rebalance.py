"""Rebalancing: hold the same value of a symbol all the time; buy when it has become worth less, sell when more.

The constant-mix strategy (Perold and Sharpe, "Dynamic Strategies for Asset Allocation", 1988) with a band around the
target, so that small moves are not traded and costs stay small.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from webapp.domain.market import Quote
from webapp.domain.money import exact
from webapp.domain.orders import Proposal, Side
from webapp.domain.policy import Policy
from webapp.domain.strategies.reading import Reading, read
from webapp.domain.strategies.sizing import LARGEST_SHARE, buy_for, lots, percent, shown

SHARE = Decimal("0.15")
"""Of the largest position allowed: what is held all the time."""
BAND = Decimal("0.02")
"""Part of the target by which the holding may be off before it is traded back."""
CONFIDENCE = Decimal("0.75")
"""Always the same: this is a rule, not an opinion about the market."""


class Rebalance:
    """Long by a constant value, within the largest order; trades only what the holding is off by."""

    name = "rebalance"
    window_seconds = 1200

    @exact
    def decide(self, window: Sequence[Quote], position_qty: Decimal, policy: Policy) -> Proposal | None:
        reading = read(window, self.window_seconds)
        most = policy.max_order_notional * LARGEST_SHARE
        target = min(policy.max_position_notional * SHARE, most)
        if reading is None or position_qty < 0 or target <= 0:
            return None
        value = position_qty * reading.newest.mid_price
        if abs(value - target) < target * BAND:
            return None
        payload = self._payload(reading, value, target)
        if value < target:
            return buy_for(reading.newest, target - value, CONFIDENCE, risk=reading.noise, payload=payload)
        return self._sell(reading.newest, min(value - target, most), position_qty, payload)

    def _sell(self, quote: Quote, excess: Decimal, held: Decimal, payload: Mapping[str, str]) -> Proposal | None:
        qty = min(lots(excess / quote.ask_price), held)
        return Proposal(Side.SELL, qty, CONFIDENCE, payload=payload) if qty > 0 else None

    def _payload(self, reading: Reading, value: Decimal, target: Decimal) -> dict[str, str]:
        return {
            "strategy": self.name,
            "reason": "worth less than its target" if value < target else "worth more than its target",
            "held_value": shown(value, 2),
            "target_value": shown(target, 2),
            "off_pct": percent(value / target - 1),
            "band_pct": percent(BAND),
            "return_pct": percent(reading.change),
        }
