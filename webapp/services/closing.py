"""Closing a position because a person says so: one cycle, judged by the same gate and filled by the same rules as every
other. It only reduces, so no entry rule holds it up; the kill switch, a stale quote and the collar do.
"""

from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy.orm import Session

from webapp.domain.strategies import Closing
from webapp.services import policy, trading
from webapp.services.trading import CycleRequest, CycleResult

SOURCE = "closing"
"""The trigger these cycles are recorded under."""


def close(session: Session, symbol: str, by: str, key: str, now: datetime | None = None) -> CycleResult:
    """Trade out of ``symbol``, all of it or as much as one order may be. The same ``key`` again trades nothing more."""
    fingerprint = sha256(f"{SOURCE} {symbol}".encode()).hexdigest()
    request = CycleRequest(symbol, SOURCE, idempotency_key=key, fingerprint=fingerprint)
    return trading.run_cycle(session, request, by, now, _closing(session))


def look(session: Session, symbol: str, by: str, now: datetime | None = None) -> dict[str, Any]:
    """What :func:`close` would propose at this moment and what the gate would say. Writes nothing."""
    return trading.check(session, CycleRequest(symbol, SOURCE), by, now, _closing(session))


def _closing(session: Session) -> Closing:
    return Closing(policy.current(session).policy.stale_after_seconds)
