"""Momentum: buy what has been rising faster than chance and costs explain, sell when the rise fades."""

from collections.abc import Sequence
from decimal import Decimal

from webapp.domain.market import Quote
from webapp.domain.money import exact
from webapp.domain.orders import Proposal
from webapp.domain.policy import Policy
from webapp.domain.strategies.reading import Reading, read, round_trip
from webapp.domain.strategies.sizing import WORTH_TRADING, buy, confidence_of, leave, percent, shown

MIN_TREND = Decimal(2)
"""In units of noise: a random walk gets this far about once in forty windows."""
COST_MULTIPLE = Decimal("1.5")
"""The rise must have been worth this many round trips before it is followed."""
SHOWN_FROM = Decimal("0.85")
"""Weaker signals are kept back; those between this and 1 are proposed, and left to MIN_CONFIDENCE."""
FAST, SLOW = 4, 14
"""Points of the two averages: at 40 points in 10 minutes, one and three and a half minutes."""


class Momentum:
    """Long when the window's return beats its noise and its costs, out when the fast average crosses the slow one."""

    name = "momentum"
    window_seconds = 600

    @exact
    def decide(self, window: Sequence[Quote], position_qty: Decimal, policy: Policy) -> Proposal | None:
        reading = read(window, self.window_seconds)
        if reading is None or position_qty < 0:
            return None
        if position_qty > 0:
            return self._exit(reading, position_qty, policy)
        return self._entry(reading, policy)

    def _entry(self, reading: Reading, policy: Policy) -> Proposal | None:
        cost = round_trip(reading.newest, policy)
        needed = cost * COST_MULTIPLE
        strength = min(reading.trend / MIN_TREND, reading.change / needed) if needed else reading.trend / MIN_TREND
        fast, slow = reading.mean(FAST), reading.mean(SLOW)
        if strength < SHOWN_FROM or fast <= slow:
            return None
        payload = self._payload(reading, fast, slow) | {
            "reason": "rising faster than its noise and costs explain",
            "needed_return_pct": percent(needed),
            "needed_trend": shown(MIN_TREND),
            "cost_pct": percent(cost),
            "strength": shown(strength),
        }
        return buy(reading.newest, confidence_of(strength), policy, risk=reading.noise, payload=payload)

    def _exit(self, reading: Reading, held: Decimal, policy: Policy) -> Proposal | None:
        fast, slow = reading.mean(FAST), reading.mean(SLOW)
        if fast >= slow:
            return None
        fade = (slow - fast) / slow / reading.noise
        payload = self._payload(reading, fast, slow) | {"reason": "the rise has faded", "fade": shown(fade)}
        confidence = max(WORTH_TRADING, confidence_of(1 + fade))
        return leave(reading.newest, confidence, policy, held=held, payload=payload)

    def _payload(self, reading: Reading, fast: Decimal, slow: Decimal) -> dict[str, str]:
        return {
            "strategy": self.name,
            "window_seconds": str(self.window_seconds),
            "quotes": str(reading.quotes),
            "span_seconds": str(reading.span_seconds),
            "return_pct": percent(reading.change),
            "noise_pct": percent(reading.noise),
            "trend": shown(reading.trend),
            "fast_mean": shown(fast, 8),
            "slow_mean": shown(slow, 8),
        }
