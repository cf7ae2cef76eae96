"""Taking quotes in: store them, mark the book, fill what they reach, all in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain import halts
from webapp.domain.desk import Desk
from webapp.domain.errors import BadQuote, OutOfRange
from webapp.domain.market import FUTURE_TOLERANCE, Tick
from webapp.domain.records import Breach, Changes
from webapp.domain.unacted import halt_due
from webapp.services import desk_state, journal, monitors
from webapp.services.transaction import enter_gate, transaction


@dataclass(frozen=True)
class Accepted:
    """How many quotes were taken; ``late`` of them were older than one already known and moved nothing."""

    count: int
    late: int


class Unvaluable(BadQuote):
    """A quote at which what is held would be worth more than the schema can hold: refused, and a reason to halt."""

    def __init__(self, breach: Breach, index: int) -> None:
        super().__init__("out_of_range", breach.reason, index=index, field="bid_price")
        self.breach = breach


def accept(session: Session, ticks: Sequence[Tick], by: str, now: datetime | None = None) -> Accepted:
    """Take all the quotes, in order, or none of them.

    Raises :class:`BadQuote` with the index of the first that lies in the future, or at which the book would not fit the
    schema; the latter also halts the desk.
    """
    if not ticks:
        return Accepted(0, 0)
    changes = Changes()
    try:
        _store(session, ticks, by, now, changes)
    except Unvaluable as error:
        monitors.act_on(session, [error.breach])
        raise
    monitors.act_on(session, changes.breaches)
    return Accepted(len(ticks), len(changes.late_ticks))


def _store(session: Session, ticks: Sequence[Tick], by: str, now: datetime | None, changes: Changes) -> None:
    with transaction(session):
        enter_gate(session)
        desk, at = desk_state.load(session, {tick.symbol for tick in ticks}, by, now, coming=ticks)
        if (due := halt_due(desk, at)) is not None:  # first, so that these quotes fill nothing before the halt
            changes.breaches.append(due)
        desk.advance(at, changes)
        for index, tick in enumerate(ticks):
            _take(desk, index, tick, at, changes)
        journal.write(session, desk, changes, at)


def _take(desk: Desk, index: int, tick: Tick, now: datetime, changes: Changes) -> None:
    if tick.event_at > now + FUTURE_TOLERANCE:
        raise BadQuote("future", "event_at lies in the future", index=index, field="event_at")
    try:
        desk.take_tick(tick, now, changes)
    except OutOfRange as error:
        raise Unvaluable(halts.unvaluable(tick, error), index) from error
