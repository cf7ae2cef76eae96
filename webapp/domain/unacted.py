"""The reason to halt that somebody met just before being cut off, found again from what was stored and read."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from webapp.domain import halts
from webapp.domain.desk import Desk, drawdown_breach
from webapp.domain.errors import OutOfRange
from webapp.domain.market import Tick
from webapp.domain.records import Breach

LATELY = timedelta(seconds=10)
"""How far back somebody who trades looks for a halt that is due; the watch, once a second, looks over a whole window.
"""


def overdue(desk: Desk, since: datetime) -> Breach | None:
    """The first reason to halt after ``since`` that nobody acted on: the switch was not turned after it, either way."""
    after = since if desk.switched_at is None else max(since, desk.switched_at)
    return next((breach for seen_at, breach in sorted(desk.unacted.items()) if seen_at > after), None)


def halt_due(desk: Desk, now: datetime) -> Breach | None:
    """The halt that whoever means to trade at ``now`` must let go first; None as well for a desk that is halted."""
    return None if desk.halted else overdue(desk, now - LATELY)


def unacted(desk: Desk, last_read: Sequence[Tick]) -> tuple[Breach, datetime] | None:
    """What the newest instant of a desk that is loaded anew calls for, and that instant.

    ``last_read`` are the quotes of the last instant that was read; one of them may be missing from the desk because it
    had to be refused.
    """
    newest = [tape.newest.tick.event_at for tape in desk.tapes.values() if tape.newest is not None]
    if not newest:
        return None
    breach = desk.unacted.get(max(newest)) or drawdown_breach(desk.book, desk.policy)
    if breach is not None:
        return breach, max(newest)
    found = ((_unvaluable(desk, tick), tick.event_at) for tick in last_read)
    return next(((breach, at) for breach, at in found if breach is not None), None)


def _unvaluable(desk: Desk, tick: Tick) -> Breach | None:
    """The breach of a quote that had to be refused; moves no mark."""
    holdings = dict(desk.book.positions)
    try:
        desk.book.mark(tick.symbol, tick.mid_price)
    except OutOfRange as error:
        return halts.unvaluable(tick, error)
    finally:
        desk.book.positions = holdings
    return None
