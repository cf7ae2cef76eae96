"""Mean reversion: buy what has stretched below its average in a market that goes nowhere, sell back at the average."""

from collections.abc import Sequence
from decimal import Decimal

from webapp.domain.market import Quote
from webapp.domain.money import exact
from webapp.domain.orders import Proposal
from webapp.domain.policy import Policy
from webapp.domain.strategies.reading import POINTS, Reading, read, round_trip
from webapp.domain.strategies.sizing import WORTH_TRADING, buy, confidence_of, leave, percent, shown

STRETCHED = Decimal("1.4")
"""Standard deviations below the mean from which a price counts as stretched."""
VERY_STRETCHED = Decimal("2.2")
"""From here the price is taken as it is; before, a limit order waits at the bid."""
MAX_TREND = Decimal("1.6")
"""A window that moved by more than this many units of noise is going somewhere: do not stand in its way."""
STOP_TREND = Decimal("2.4")
"""Held against a move this clear, the idea was wrong: out."""
COST_MULTIPLE = Decimal("1.3")
"""The way back to the mean must be worth this many round trips."""
SHOWN_FROM = Decimal("0.85")
"""Weaker signals are kept back; those between this and 1 are proposed, and left to MIN_CONFIDENCE."""
TARGET = Decimal("0.3")
"""Standard deviations above the mean at which the position is sold."""


class MeanReversion:
    """Long when the newest mid is far below the window's mean, out once it is back, or when a trend proves it wrong."""

    name = "mean_reversion"
    window_seconds = 720

    @exact
    def decide(self, window: Sequence[Quote], position_qty: Decimal, policy: Policy) -> Proposal | None:
        reading = read(window, self.window_seconds)
        if reading is None or position_qty < 0:
            return None
        mean = reading.mean(POINTS + 1)
        deviation = reading.deviation(mean)
        z = (reading.newest.mid_price - mean) / deviation
        if position_qty > 0:
            return self._exit(reading, mean, z, position_qty, policy)
        return self._entry(reading, mean, z, policy)

    def _entry(self, reading: Reading, mean: Decimal, z: Decimal, policy: Policy) -> Proposal | None:
        quote = reading.newest
        cost = round_trip(quote, policy)
        needed = cost * COST_MULTIPLE
        gap = mean / quote.mid_price - 1
        strength = min(-z / STRETCHED, gap / needed) if needed else -z / STRETCHED
        if strength < SHOWN_FROM or -reading.trend > MAX_TREND:
            return None
        patient = -z < VERY_STRETCHED
        payload = self._payload(reading, mean, z) | {
            "reason": "stretched below the mean of a market without a trend",
            "gap_pct": percent(gap),
            "needed_gap_pct": percent(needed),
            "threshold": shown(-STRETCHED),
            "cost_pct": percent(cost),
            "strength": shown(strength),
        }
        limit = quote.bid_price if patient else None
        return buy(quote, confidence_of(strength), policy, risk=reading.noise, payload=payload, limit_price=limit)

    def _exit(self, reading: Reading, mean: Decimal, z: Decimal, held: Decimal, policy: Policy) -> Proposal | None:
        reverted = z >= TARGET
        if not reverted and -reading.trend < STOP_TREND:
            return None
        reason = "back above the mean" if reverted else "the market is falling, not reverting"
        payload = self._payload(reading, mean, z) | {"reason": reason, "threshold": shown(TARGET)}
        strength = 1 + z if reverted else -reading.trend / STOP_TREND
        confidence = max(WORTH_TRADING, confidence_of(strength))
        return leave(reading.newest, confidence, policy, held=held, payload=payload)

    def _payload(self, reading: Reading, mean: Decimal, z: Decimal) -> dict[str, str]:
        return {
            "strategy": self.name,
            "window_seconds": str(self.window_seconds),
            "quotes": str(reading.quotes),
            "span_seconds": str(reading.span_seconds),
            "mean": shown(mean, 8),
            "z": shown(z),
            "return_pct": percent(reading.change),
            "noise_pct": percent(reading.noise),
            "trend": shown(reading.trend),
        }
