"""The simulated feed: a seeded market that is always there, the same one for everybody with the same seed."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from webapp.domain.market import Tick
from webapp.domain.moments import EPOCH
from webapp.feeds.price_path import PricePath

DEFAULT_SEED = 7


class SimulatedFeed:
    """Bid and ask of several symbols as a function of time: history and live quotes lie on one path."""

    def __init__(self, symbols: Sequence[str], seed: int = DEFAULT_SEED) -> None:
        self._paths = {symbol: PricePath(seed, symbol) for symbol in symbols}
        self._polled_second: int | None = None

    def history(self, start: datetime, end: datetime, step_seconds: int) -> Iterator[Tick]:
        """Every symbol's quote at each multiple of ``step_seconds`` with start <= t < end, in time order."""
        first = -((EPOCH - start) // timedelta(seconds=step_seconds)) * step_seconds
        for second in range(first, -((EPOCH - end) // timedelta(seconds=1)), step_seconds):
            yield from self._ticks(second)

    def poll(self, now: datetime) -> Sequence[Tick]:
        """The quotes of the second that has begun; nothing when it was asked for before."""
        second = (now - EPOCH) // timedelta(seconds=1)
        if self._polled_second is not None and second <= self._polled_second:
            return ()
        self._polled_second = second
        return list(self._ticks(second))

    def _ticks(self, second: int) -> Iterator[Tick]:
        event_at = EPOCH + timedelta(seconds=second)
        for symbol, path in self._paths.items():
            bid, ask = path.quote_at(second)
            yield Tick(symbol, Decimal(bid).scaleb(-8), Decimal(ask).scaleb(-8), event_at)
