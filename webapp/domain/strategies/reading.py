"""What strategies measure in a window of quotes. Returns are fractions (0.01 is one percent)."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from webapp.domain.market import Quote
from webapp.domain.money import BPS, ZERO, exact
from webapp.domain.policy import Policy

POINTS = 40
"""Steps a window is read in. Even in time, because quotes come in bursts and a burst is not evidence."""
MIN_QUOTES = 9
MIN_SHARE = 10
"""A window is readable once its quotes cover a tenth of it: a new desk soon has an opinion."""


@dataclass(frozen=True)
class Reading:
    """One window of mids, sampled evenly from its first quote to its newest."""

    mids: tuple[Decimal, ...]
    newest: Quote
    quotes: int
    span_seconds: int
    change: Decimal
    """Return from the first mid to the newest."""
    noise: Decimal
    """How far a market this restless strays by chance: the root of the sum of the squared steps."""

    @property
    def trend(self) -> Decimal:
        """The change in units of noise: about -2 to 2 for a random walk, more for a market that goes somewhere."""
        return self.change / self.noise

    def mean(self, points: int) -> Decimal:
        """Average of the newest ``points`` mids."""
        return sum(self.mids[-points:], ZERO) / len(self.mids[-points:])

    def deviation(self, mean: Decimal) -> Decimal:
        """Standard deviation of all mids around ``mean``."""
        return (sum(((mid - mean) ** 2 for mid in self.mids), ZERO) / len(self.mids)).sqrt()


def _time(quote: Quote) -> datetime:
    return quote.event_at


def _sample(window: Sequence[Quote]) -> tuple[Decimal, ...]:
    """The mid in force at each of ``POINTS`` + 1 even moments; the last one is the newest."""
    start = window[0].event_at
    step = (window[-1].event_at - start) / POINTS
    mids, index = [], 0
    for number in range(POINTS):
        index = max(bisect_right(window, start + step * number, lo=index, key=_time) - 1, 0)
        mids.append(window[index].mid_price)
    mids.append(window[-1].mid_price)
    return tuple(mids)


@exact
def read(window: Sequence[Quote], window_seconds: int) -> Reading | None:
    """The reading of a window; None when it holds too little, or when nothing in it moved."""
    if len(window) < MIN_QUOTES:
        return None
    span = window[-1].event_at - window[0].event_at
    if span * MIN_SHARE < timedelta(seconds=window_seconds):
        return None
    mids = _sample(window)
    squares = ZERO
    for before, after in pairwise(mids):
        if before != after:
            squares += (after / before - 1) ** 2
    if not squares:
        return None
    return Reading(mids, window[-1], len(window), span // timedelta(seconds=1), mids[-1] / mids[0] - 1, squares.sqrt())


@exact
def round_trip(quote: Quote, policy: Policy) -> Decimal:
    """What buying and selling again costs as a fraction of the price: spread, and slippage and fee twice."""
    spread = (quote.ask_price - quote.bid_price) / quote.mid_price
    return spread + 2 * (policy.fee_bps + policy.slippage_bps) / BPS
