"""Recorded quotes played again as if they happened now (`FEED=replay`). To replay them into the books at once, with
their own times, there is `flask replay`."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from webapp.domain.market import Tick
from webapp.feeds.csv_quotes import Row, inspect_all, merged

MOST_PER_POLL = 10_000
"""After a pause, what is due comes in portions: as many as the desk accepts at once."""

log = logging.getLogger(__name__)


class ReplayFeed:
    """The files' quotes, restamped so that the first one happens at the first poll; quiet once they are used up.

    ``speed`` 2 plays an hour in half an hour.
    """

    def __init__(self, paths: Sequence[Path], speed: float = 1.0) -> None:
        self._rows = merged(inspect_all(paths))
        self._speed = speed
        self._refused: Counter[str] = Counter()
        self._ticks: Iterator[Tick] = filter(None, map(self._taken, self._rows))
        self._next: Tick | None = next(self._ticks, None)
        self._recorded_start = self._next.event_at if self._next else None
        self._played_start: datetime | None = None

    def poll(self, now: datetime) -> Sequence[Tick]:
        """Every quote whose turn has come, with the time at which it came."""
        if self._next is None or self._recorded_start is None:
            return ()
        if self._played_start is None:
            self._played_start = now
        due: list[Tick] = []
        while self._next is not None and len(due) < MOST_PER_POLL:
            tick = self._next
            at = self._played_start + (tick.event_at - self._recorded_start) / self._speed
            if at > now:
                break
            due.append(Tick(tick.symbol, tick.bid_price, tick.ask_price, at))
            self._next = next(self._ticks, None)
        if self._next is None:
            log.info("replay feed has played its files to the end; rows refused: %s", dict(self._refused) or "none")
        return due

    def _taken(self, row: Row) -> Tick | None:
        if row.refused:
            self._refused[row.refused] += 1
        return row.tick
