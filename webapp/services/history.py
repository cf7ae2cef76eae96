"""A past for a new desk: days of quotes through the very same core, with the acts of an operator in between."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.domain.market import Tick
from webapp.domain.strategies import Strategy
from webapp.models import Fill, MarketTick
from webapp.services import kill_switch, policy
from webapp.services.replay import Plan, Report, replay
from webapp.services.replay_entries import Entry

OPERATOR = "user:operator"
ENGINE = "engine"
DRILL_MINUTES = 25


@dataclass(frozen=True)
class Chapter:
    """A stretch of the past, and what an operator does at its end."""

    ends_at: datetime
    act: Callable[[Session, datetime], Any] | None


def is_empty(session: Session) -> bool:
    """Whether nothing has ever happened on this desk."""
    used = [session.execute(select(column).limit(1)).first() for column in (MarketTick.tick_id, Fill.fill_id)]
    session.rollback()
    return not any(used)


def make(
    session: Session,
    quotes: Callable[[datetime, datetime], Iterable[Tick]],
    start: datetime,
    end: datetime,
    strategy_for: Callable[[str], Strategy],
    cycle_seconds: int,
    on_rows: Callable[[int], object] | None = None,
) -> Report:
    """Trade from ``start`` to ``end`` on ``quotes(from, to)``; what was made, all chapters together."""
    total = Report()
    begins_at = start
    for number, chapter in enumerate(_chapters(start, end), 1):
        plan = Plan(f"history-{number}-{begins_at.isoformat()}", [], strategy_for, cycle_seconds, "schedule", ENGINE)
        report = replay(session, _entries(quotes(begins_at, chapter.ends_at)), plan, on_rows)
        total = _added(total, report)
        if chapter.act is not None:
            chapter.act(session, chapter.ends_at)
        begins_at = chapter.ends_at
    return total


def _chapters(start: datetime, end: datetime) -> Iterator[Chapter]:
    """A drill of the kill switch on the way, and a change of the policy: what an operator's week looks like."""
    span = end - start
    drill = start + span * 45 / 100
    yield Chapter(drill, _halt)
    yield Chapter(drill + timedelta(minutes=DRILL_MINUTES), _release)
    yield Chapter(start + span * 70 / 100, _raise_confidence)
    yield Chapter(end, None)


def _halt(session: Session, at: datetime) -> None:
    kill_switch.halt(session.get_bind(), "weekly drill of the kill switch", OPERATOR, at)


def _release(session: Session, at: datetime) -> None:
    kill_switch.release(session.get_bind(), "drill passed: no fill after the halt", OPERATOR, at)


def _raise_confidence(session: Session, at: datetime) -> None:
    document = policy.current(session).policy.to_document()
    policy.change(session, {**document, "min_confidence": str(Decimal("0.62"))}, OPERATOR, "fewer weak entries", at)


def _entries(ticks: Iterable[Tick]) -> Iterator[Entry]:
    return (Entry(tick, None) for tick in ticks)


def _added(total: Report, report: Report) -> Report:
    return Report(
        total.rows + report.rows, total.taken + report.taken, total.late + report.late, total.refused + report.refused,
        total.cycles + report.cycles, total.orders + report.orders, total.fills + report.fills,
    )  # fmt: skip
