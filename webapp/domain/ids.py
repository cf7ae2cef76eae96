"""Identifiers: time-ordered UUIDs (version 7) that derive from their input.

The first 48 bits are milliseconds, the next 12 the microseconds within, then a count of the ids issued at that instant:
so sorting rows by (time, id) gives the order in which they were made, and big indexes stay dense. The rest is a hash of
the seed: the same seed and the same instants give the same ids, which is what makes a replay repeatable.
Layout: RFC 9562 section 5.7, with its optional sub-millisecond and counter fields.
"""

from datetime import datetime
from hashlib import sha256
from uuid import UUID

from webapp.domain.moments import EPOCH, MICROSECOND

_COUNT_BITS = 18
_REMEMBERED = 64
"""Instants whose count is kept: a snapshot's or a fill's time lies beside the moment it is made at, and both return."""
_HASH_BITS = 62 - _COUNT_BITS


class TimeOrderedIds:
    """A source of ids for one seed. Not for sharing between threads: make one for each transaction."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._counts: dict[int, int] = {}

    def next(self, at: datetime) -> UUID:
        """The next id for the instant ``at``; raises OverflowError after 262,144 ids of one microsecond."""
        instant = (at - EPOCH) // MICROSECOND
        count = self._counts[instant] = self._counts.pop(instant, -1) + 1
        if len(self._counts) > _REMEMBERED:
            del self._counts[next(iter(self._counts))]
        if count >> _COUNT_BITS:
            raise OverflowError("more than 262,144 ids for one microsecond")
        milliseconds, microseconds = divmod(instant, 1000)
        digest = sha256(b"%s|%d|%d" % (self._seed, instant, count)).digest()
        tail = int.from_bytes(digest[:8]) >> (64 - _HASH_BITS)
        high = (milliseconds & (1 << 48) - 1) << 16 | 0x7000 | microseconds << 2
        low = 0b10 << 62 | count << _HASH_BITS | tail
        return UUID(int=high << 64 | low)
