"""The simulated market's price of one symbol as a pure function of absolute time.

Nothing is stored and nothing is stepped: any second can be asked for in any order and always gives the same quote,
so a restart, or a history generated afterwards, joins the live path without a jump. Only +, -, *, / and floor are
applied to floats, so every machine that speaks IEEE 754 computes the same ticks.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from math import floor

UNITS = 10**8  # prices leave this module as integers of 1e-8, the finest the desk stores
SEGMENT_SECONDS = 900  # one regime lasts a quarter of an hour: somebody who looks for ten minutes sees it change
SEGMENTS_A_DAY = 96
DAY_SECONDS = SEGMENT_SECONDS * SEGMENTS_A_DAY

# A run of regimes long enough to see each one several times a day; the weights add up to 1.
REGIMES = (("trend", 0.38), ("chop", 0.34), ("spike", 0.12), ("calm", 0.16))
_ROUGHNESS = {"trend": 1.0, "chop": 1.2, "spike": 1.4, "calm": 0.5}

# (period in seconds, amplitude as a fraction of the price): weeks and days first, then what a tick chart shows. The
# fast noise is what keeps the strategies honest: with less of it they win nearly every trade, which no market allows.
_SLOW = ((259_200, 0.045), (32_400, 0.018))
_FAST = ((700, 0.006), (240, 0.0032), (60, 0.0013), (11, 0.0003), (2, 0.00006))

KNOWN_PRICES = {"SOL": 150.0, "BTC": 64_000.0, "ETH": 3_100.0}


def uniform(*key: object) -> float:
    """A number in [0, 1) that depends on the key and on nothing else."""
    digest = blake2b("|".join(map(str, key)).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2**56


def between(low: float, high: float, *key: object) -> float:
    """A number in [low, high) that depends on the key and on nothing else."""
    return low + (high - low) * uniform(*key)


def smooth(u: float) -> float:
    """0 to 1 with no corner at either end; steepest in the middle at 1.5 times the straight line."""
    return u * u * (3.0 - 2.0 * u)


class Noise:
    """Value noise in [-1, 1]: random knots every `period` seconds, joined smoothly."""

    def __init__(self, period: int, *key: object) -> None:
        self._period = period
        self._key = key
        self._knot: int | None = None
        self._left = self._right = 0.0

    def at(self, second: int) -> float:
        """The noise at that second."""
        knot, past = divmod(second, self._period)
        if knot != self._knot:
            self._left = between(-1.0, 1.0, *self._key, self._period, knot)
            self._right = between(-1.0, 1.0, *self._key, self._period, knot + 1)
            self._knot = knot
        return self._left + (self._right - self._left) * smooth(past / self._period)


@dataclass(frozen=True)
class Segment:
    """One regime, a quarter of an hour: where the price starts, how far it drifts, and the shape it draws."""

    regime: str
    base: float
    drift: float
    amplitude: float
    period: float
    peak: float
    roughness: tuple[float, float]

    def offset(self, u: float) -> float:
        """Fraction of the price away from the slow path; `u` runs from 0 to 1 through the segment."""
        return self.base + self.drift * smooth(u) + self._shape(u)

    def _shape(self, u: float) -> float:
        if self.regime == "chop":
            return self.amplitude * _plateau(u) * _wave(u * SEGMENT_SECONDS / self.period)
        if self.regime == "spike":
            return self.amplitude * _spike((u - self.peak) * SEGMENT_SECONDS)
        return 0.0

    def roughness_at(self, u: float) -> float:
        """Volatility of the fast noise, blended over the first tenth so that a new regime brings no jump."""
        before, now = self.roughness
        return now if u >= 0.1 else before + (now - before) * smooth(u * 10.0)


def _plateau(u: float) -> float:
    """1 in the middle, falling to 0 over the outer sixth at both ends."""
    edge = min(u, 1.0 - u) * 6.0
    return 1.0 if edge >= 1.0 else smooth(edge)


def _wave(turns: float) -> float:
    """A rounded triangle wave in [-1, 1] that starts at 0 (no sine: libm differs between machines)."""
    phase = (turns + 0.25) % 1.0
    return 2.0 * smooth(2.0 * phase if phase < 0.5 else 2.0 - 2.0 * phase) - 1.0


def _spike(seconds: float) -> float:
    """Up within 100 seconds of the peak, back within the next 300: a spike ends before its segment does."""
    if -100.0 < seconds <= 0.0:
        return smooth(1.0 + seconds / 100.0)
    if 0.0 < seconds < 300.0:
        return smooth(1.0 - seconds / 300.0)
    return 0.0


class PricePath:
    """Bid and ask of one symbol at any second."""

    def __init__(self, seed: int, symbol: str) -> None:
        self._key = (seed, symbol)
        self._phase = floor(uniform(*self._key, "phase") * DAY_SECONDS)
        self._price = base_price(symbol)
        self.tick_units = tick_units(self._price)
        self._half_spread = between(0.00005, 0.00012, *self._key, "spread")
        self._slow = [(Noise(period, *self._key, "slow"), amplitude) for period, amplitude in _SLOW]
        self._fast = [(Noise(period, *self._key, "fast"), amplitude) for period, amplitude in _FAST]
        self._spread_noise = Noise(7, *self._key, "width")
        self._day: tuple[int, list[Segment]] = (-1, [])

    def quote_at(self, second: int) -> tuple[int, int]:
        """(bid, ask) in units of 1e-8 at that second of the Unix epoch: bid > 0 and ask > bid, always."""
        shifted = second + self._phase
        segment, u = self._segment_at(shifted)
        roughness = segment.roughness_at(u)
        offset = segment.offset(u)
        for noise, amplitude in self._slow:
            offset += amplitude * noise.at(shifted)
        for noise, amplitude in self._fast:
            offset += amplitude * roughness * noise.at(shifted)
        mid = self._price * (1.0 + offset) * UNITS / self.tick_units
        half = mid * self._half_spread * roughness * (1.0 + 0.4 * self._spread_noise.at(shifted))
        bid = max(1, floor(mid - half))
        ask = max(bid + 1, floor(mid + half))
        return bid * self.tick_units, ask * self.tick_units

    def regime_at(self, second: int) -> str:
        """What kind of market it is at that second: one of REGIMES."""
        return self._segment_at(second + self._phase)[0].regime

    def _segment_at(self, shifted: int) -> tuple[Segment, float]:
        day, past = divmod(shifted, DAY_SECONDS)
        if self._day[0] != day:
            self._day = (day, self._segments(day))
        index, rest = divmod(past, SEGMENT_SECONDS)
        return self._day[1][index], rest / SEGMENT_SECONDS

    def _segments(self, day: int) -> list[Segment]:
        """A day's regimes. Their drifts add up to nothing, so each day ends on the slow path it started from."""
        first = day * SEGMENTS_A_DAY
        numbers = range(first, first + SEGMENTS_A_DAY)
        drifts = [self._drift(number) for number in numbers]
        share = sum(drifts) / SEGMENTS_A_DAY
        segments: list[Segment] = []
        base = 0.0
        for number, drift in zip(numbers, drifts, strict=True):
            segments.append(self._segment(number, base, drift - share))
            base += drift - share
        return segments

    def _regime(self, number: int) -> str:
        draw = uniform(*self._key, "regime", number)
        for regime, weight in REGIMES:
            if draw < weight:
                return regime
            draw -= weight
        return REGIMES[-1][0]

    def _drift(self, number: int) -> float:
        if self._regime(number) != "trend":
            return between(-0.001, 0.001, *self._key, "drift", number)
        sign = 1.0 if uniform(*self._key, "sign", number) < 0.5 else -1.0
        return sign * between(0.006, 0.016, *self._key, "drift", number)

    def _segment(self, number: int, base: float, drift: float) -> Segment:
        regime, key = self._regime(number), (*self._key, number)
        low, high = (0.003, 0.0065) if regime == "chop" else (0.011, 0.018)
        sign = 1.0 if uniform(*key, "side") < 0.5 else -1.0
        return Segment(
            regime=regime,
            base=base,
            drift=drift,
            amplitude=sign * between(low, high, *key, "amplitude"),
            period=between(150.0, 240.0, *key, "period"),
            peak=between(0.25, 0.6, *key, "peak"),
            roughness=(_ROUGHNESS[self._regime(number - 1)], _ROUGHNESS[regime]),
        )


def base_price(symbol: str) -> float:
    """What the symbol is worth on average: its known asset's price, or one its name decides (0.5 to 500)."""
    for asset, price in KNOWN_PRICES.items():
        if symbol.startswith(asset):
            return price
    decade = (0.5, 5.0, 50.0)[floor(uniform(symbol, "decade") * 3.0)]
    return decade * between(1.0, 10.0, symbol, "price")


def tick_units(price: float) -> int:
    """The price step in units of 1e-8: the power of ten about a hundred-thousandth of the price (0.001 on 150)."""
    step = 1
    while step * 10 <= price * UNITS / 100_000:
        step *= 10
    return step
