"""Moments: the UTC day, even grids of time, and spans as exact seconds."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MINUTE, HOUR, DAY = 60, 3_600, 86_400
"""In seconds."""


def floor(at: datetime, width: int) -> datetime:
    """The beginning of the stretch of ``width`` seconds that holds ``at``; stretches count from 00:00 UTC, 1970."""
    step = timedelta(seconds=width)
    return EPOCH + (at - EPOCH) // step * step


def ceiling(at: datetime, width: int) -> datetime:
    """The first beginning of a stretch of ``width`` seconds at or after ``at``."""
    down = floor(at, width)
    return down if down == at else down + timedelta(seconds=width)


def midnight(at: datetime) -> datetime:
    """00:00 UTC of the day of ``at``, where the desk's days begin."""
    return floor(at, DAY)


def seconds(span: timedelta) -> Decimal:
    """A span in seconds, to the microsecond."""
    return Decimal(span // MICROSECOND).scaleb(-6)


def not_before(now: datetime, last: datetime | None) -> datetime:
    """``now``, or the moment after ``last`` when the clock has stepped back behind it: an order of events must last."""
    return now if last is None or now >= last else last + MICROSECOND
