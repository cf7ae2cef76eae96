"""A count of failures in memory: enough to make guessing slow, gone with the process."""

import math
import threading
import time
from collections import deque
from collections.abc import Hashable

MOST_KEYS = 10_000


class Throttle:
    """At most `tries` failures a key within `seconds`. Keys hold the address too, so nobody locks another out."""

    def __init__(self, tries: int, seconds: float) -> None:
        self._tries = tries
        self._seconds = seconds
        self._failures: dict[Hashable, deque[float]] = {}
        self._lock = threading.Lock()

    def wait(self, key: Hashable) -> int:
        """Whole seconds until this key may try again; 0 when it may now."""
        with self._lock:
            recent = self._recent(key)
            if len(recent) < self._tries:
                return 0
            return max(1, math.ceil(recent[-self._tries] + self._seconds - time.monotonic()))

    def count(self, key: Hashable) -> None:
        """Note a failure. When too many keys are known, the oldest is dropped: memory stays bounded."""
        with self._lock:
            recent = self._recent(key)
            recent.append(time.monotonic())
            self._failures[key] = recent
            while len(self._failures) > MOST_KEYS:
                self._failures.pop(next(iter(self._failures)))

    def forget(self, key: Hashable) -> None:
        """A success clears what came before."""
        with self._lock:
            self._failures.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._failures.clear()

    def _recent(self, key: Hashable) -> deque[float]:
        recent = self._failures.get(key, deque())
        oldest = time.monotonic() - self._seconds
        while recent and recent[0] < oldest:
            recent.popleft()
        return recent
