"""What a replay reads: the rows of its source, from where it stopped the last time, in groups of one transaction."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from webapp.domain.market import Tick


class Entry(NamedTuple):
    """One row of the source: a quote, or the reason why there is none."""

    tick: Tick | None
    refused: str | None


def unread(entries: Iterable[Entry], read: int, latest: datetime, last_read: list[Tick]) -> Iterator[Entry]:
    """The entries after the first ``read``; ``last_read`` is given the quotes of those that lie at their last instant.

    A quote from later than ``latest`` is refused.
    """
    for number, entry in enumerate(entries):
        known = _refused_after(latest, entry)
        if number >= read:
            yield known
        elif known.tick is not None and (not last_read or known.tick.event_at >= last_read[0].event_at):
            if last_read and known.tick.event_at > last_read[0].event_at:
                last_read.clear()
            last_read.append(known.tick)


def _refused_after(latest: datetime, entry: Entry) -> Entry:
    future = entry.tick is not None and entry.tick.event_at > latest
    return Entry(None, "future") if future else entry


def chunks(entries: Iterable[Entry], rows: int) -> Iterator[list[Entry]]:
    """Groups of at least ``rows`` entries, cut only where time moves on: ids count within one instant."""
    chunk: list[Entry] = []
    newest: datetime | None = None
    for entry in entries:
        moves = entry.tick is not None and (newest is None or entry.tick.event_at > newest)
        if moves and len(chunk) >= rows:
            yield chunk
            chunk = []
        if moves and entry.tick is not None:
            newest = entry.tick.event_at
        chunk.append(entry)
    if chunk:
        yield chunk
