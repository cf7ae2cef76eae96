"""How often the desk has traded: what the trade-count rules look at."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from webapp.domain.moments import midnight

_HOUR = timedelta(hours=1)
_KEEP = timedelta(days=1)


def counted_from(now: datetime) -> datetime:
    """Orders before this moment count towards no limit any more."""
    return min(now - _HOUR, midnight(now))


@dataclass
class Activity:
    """The times of the orders the gate let through in the last day, oldest first."""

    trades: list[datetime] = field(default_factory=list)

    def add(self, at: datetime) -> None:
        """Count one more order."""
        self.trades.append(at)
        del self.trades[: bisect_left(self.trades, at - _KEEP)]

    def last_hour(self, now: datetime, limit: int) -> tuple[int, datetime | None]:
        """Orders of the last 60 minutes, and the moment from which they are fewer than ``limit``; None for never."""
        first = bisect_right(self.trades, now - _HOUR)
        count = len(self.trades) - first
        frees = first + max(0, count - limit)
        return count, self.trades[frees] + _HOUR if frees < len(self.trades) else None

    def today(self, now: datetime) -> int:
        """Orders since 00:00 UTC."""
        return len(self.trades) - bisect_left(self.trades, midnight(now))
