"""What a leading engine does in one step: quotes in, cycles that are due, time passes. Each is one service call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from sqlalchemy.orm import Session

from webapp.domain.errors import DomainError
from webapp.domain.market import Feed, Tick
from webapp.domain.strategies import Strategy
from webapp.engine.schedule import Every
from webapp.services import market, trading
from webapp.services.trading import CycleRequest

ACTOR = "engine"
log = structlog.stdlib.get_logger("engine")


@dataclass
class Counts:
    """What this engine has done since it began, for the heartbeat."""

    ticks: int = 0
    cycles: int = 0
    errors: int = 0
    last_error: str | None = None


@dataclass
class DeskHand:
    """The leader's hands: a feed, the strategy of each symbol, and the timers."""

    feed: Feed
    strategies: Mapping[str, Strategy]
    cycles: Mapping[str, Every]
    housekeeping: Every = field(default_factory=lambda: Every(1.0))
    counts: Counts = field(default_factory=Counts)

    def step(self, session: Session, now: float) -> None:
        """Do what is due at ``now`` (seconds of a clock that only goes forward)."""
        self._take_quotes(session)
        if self.housekeeping.due(now):
            self._guarded(session, "advance", lambda: trading.advance(session, ACTOR))
        for symbol, timer in self.cycles.items():
            if timer.due(now):
                self.run_cycle(session, symbol)

    def _take_quotes(self, session: Session) -> None:
        """All at once; one by one when they are refused together, so that a bad quote costs no other its place."""
        ticks = self.feed.poll(datetime.now(UTC))
        if ticks and not self._take(session, ticks) and len(ticks) > 1:
            for tick in ticks:
                self._take(session, [tick])

    def _take(self, session: Session, ticks: Sequence[Tick]) -> bool:
        taken = self._guarded(session, "quotes", lambda: market.accept(session, ticks, ACTOR))
        self.counts.ticks += len(ticks) if taken else 0
        return taken

    def run_cycle(self, session: Session, symbol: str) -> None:
        """One cycle of the desk's own strategy for ``symbol``."""
        request = CycleRequest(symbol, "schedule")
        self.counts.cycles += self._guarded(
            session, "cycle", lambda: trading.run_cycle(session, request, ACTOR, strategy=self.strategies[symbol])
        )

    def _guarded(self, session: Session, what: str, act: Callable[[], object]) -> bool:
        """A refusal of one act must not end the process; it is counted, logged and shown on the system page."""
        try:
            act()
        except DomainError as error:
            session.rollback()
            self.counts.errors += 1
            self.counts.last_error = f"{what}: {error.message}"
            log.warning("engine_refused", what=what, reason=error.message)
            return False
        return True
