"""What is due when. Pure: the caller brings the clock, in seconds that only go forward."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Every:
    """Something that is due once in ``seconds``, for the first time ``offset`` seconds after the first look."""

    seconds: float
    offset: float = 0.0
    _next: float | None = field(default=None, init=False)

    def due(self, now: float) -> bool:
        """Whether it is due at ``now``; if so, the next time is set. What was missed is not made up for."""
        if self._next is None:
            self._next = now + self.offset
        if now < self._next:
            return False
        following = self._next + self.seconds
        self._next = following if following > now else now + self.seconds
        return True


def staggered(symbols: Sequence[str], seconds: float) -> dict[str, Every]:
    """One timer a symbol, spread over the period, so that cycles do not come in bursts."""
    step = seconds / max(1, len(symbols))
    return {symbol: Every(seconds, number * step) for number, symbol in enumerate(symbols)}
