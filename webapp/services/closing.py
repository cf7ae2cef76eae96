"""Closing a position because a person says so: one cycle, judged by the same gate and filled by the same rules as every
other. It only reduces, so no entry rule holds it up; the kill switch, a stale quote and the collar do. Orders of the
symbol that rest make way for it: else they could sell what it has sold already, or open the position again.
"""

from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from sqlalchemy.orm import Session

from webapp.domain.strategies import Closing
from webapp.services import policy, trading
from webapp.services.trading import CycleRequest, CycleResult

SOURCE = "closing"
"""The trigger these cycles are recorded under."""


def close(
    session: Session, symbol: str, by: str, key: str, most: Decimal | None = None, now: datetime | None = None
) -> CycleResult:
    """Trade out of ``symbol``: ``most`` of it, or all; never more than is held nor than one order may be.

    The same ``key`` again trades nothing more. Raises :class:`Conflict` when it was used for another closing.
    """
    fingerprint = sha256(f"{SOURCE} {symbol} {most}".encode()).hexdigest()
    request = CycleRequest(symbol, SOURCE, idempotency_key=key, fingerprint=fingerprint, alone=True)
    return trading.run_cycle(session, request, by, now, _closing(session, most))


def look(
    session: Session, symbol: str, by: str, most: Decimal | None = None, now: datetime | None = None
) -> dict[str, Any]:
    """What :func:`close` would propose at this moment and what the gate would say. Writes nothing."""
    return trading.check(session, CycleRequest(symbol, SOURCE, alone=True), by, now, _closing(session, most))


def _closing(session: Session, most: Decimal | None) -> Closing:
    return Closing(policy.current(session).policy.stale_after_seconds, most)
