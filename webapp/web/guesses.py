"""Which failed logins get a row of their own in the audit, so that guessing cannot fill it."""

import threading
from typing import Final

from webapp.web.throttle import Throttle

ROWS_HERE: Final = 5
ROWS_EVERYWHERE: Final = 30
"""Rows a minute, from one address and from all."""


class Guesses:
    """Every guess is counted. `take` says for how many the next row stands; without a row they wait for the next."""

    def __init__(self) -> None:
        self._here = Throttle(ROWS_HERE, 60.0)
        self._everywhere = Throttle(ROWS_EVERYWHERE, 60.0)
        self._waiting = 0
        self._lock = threading.Lock()

    def take(self, address: str) -> int:
        """Note a guess. For how many guesses a row is to be written now; 0 for none."""
        with self._lock:
            self._waiting += 1
            if self._here.wait(address) or self._everywhere.wait(""):
                return 0
            self._here.count(address)
            self._everywhere.count("")
            return self._taken()

    def rest(self) -> int:
        """Guesses that no row stands for yet, for somebody who is about to look; they are then taken."""
        with self._lock:
            return self._taken()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._here.clear()
            self._everywhere.clear()
            self._waiting = 0

    def _taken(self) -> int:
        count, self._waiting = self._waiting, 0
        return count
