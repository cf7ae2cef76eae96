"""What feeds that ask somebody else have in common: exact ticks, one complaint per trouble, and never making the engine
wait."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from threading import Event, Lock, Thread

from webapp.domain.errors import DomainError
from webapp.domain.market import Feed, Tick, parse_tick
from webapp.domain.money import plain, quantise

MOST_KEPT = 10_000
"""Quotes kept for an engine that does not come to fetch them: as many as the desk accepts at once."""


class FeedError(DomainError):
    """A feed that cannot be opened as it is set up; the message is one line that says what to do."""


def exact_tick(symbol: str, bid: Decimal, ask: Decimal, at: datetime) -> Tick:
    """A tick on 8 decimals. Raises DomainError when the source's numbers are none that can be stored."""
    return parse_tick(symbol, plain(quantise(bid)), plain(quantise(ask)), at.isoformat())


class Trouble:
    """Says what is wrong once, not at every poll, and says when it is over."""

    def __init__(self, log: logging.Logger, source: str) -> None:
        self._log = log
        self._source = source
        self._current: str | None = None

    def began(self, what: str) -> None:
        """Something is wrong; said when it is news."""
        if what != self._current:
            self._log.warning("%s: %s", self._source, what)
            self._current = what

    def ended(self) -> None:
        """All is well; said when it was not before."""
        if self._current is not None:
            self._log.info("%s: answers again", self._source)
            self._current = None


class BackgroundFeed:
    """Asks a slow feed from a thread of its own, so that a hanging exchange never holds up a halt.

    A poll hands over what has arrived and returns at once.
    """

    def __init__(self, feed: Feed, seconds: float, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._feed = feed
        self._seconds = seconds
        self._clock = clock
        self._arrived: deque[Tick] = deque(maxlen=MOST_KEPT)
        self._lock = Lock()
        self._closed = Event()
        self._thread: Thread | None = None
        self._log = logging.getLogger(__name__)

    def poll(self, now: datetime) -> Sequence[Tick]:
        """What arrived since the last call; ``now`` is not needed, the source's thread has looked at the clock."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="feed", daemon=True)
            self._thread.start()
        with self._lock:
            arrived = list(self._arrived)
            self._arrived.clear()
        return arrived

    def close(self) -> None:
        """End the thread after the question it is asking."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                ticks = self._feed.poll(self._clock())
            except Exception:  # noqa: BLE001  # whatever it was: a thread that died would look like a quiet market
                self._log.exception("the feed failed; it is asked again in %s s", self._seconds)
                ticks = ()
            with self._lock:
                self._arrived.extend(ticks)
            self._closed.wait(self._seconds)
