"""The newest decisions of the gate with every verdict, for holding them against another policy."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.domain.risk.hindsight import Decision

SPAN: Final = timedelta(hours=24)
MOST: Final = 500
"""Decisions read at most, the newest: each is some five kilobytes of verdicts."""

# One event of an order carries all its verdicts; the others repeat a part of them.
_DECISIONS = text("""
    SELECT orders.side, event.details -> 'rules' AS rules
    FROM risk_events AS event JOIN orders USING (order_id)
    WHERE event.created_at >= clock_timestamp() - :span AND event.details ? 'rules'
    ORDER BY event.created_at DESC, event.risk_event_id DESC LIMIT :most
""")


def recent(session: Session) -> Sequence[Decision]:
    """The decisions of the last SPAN, newest first, at most MOST."""
    rows = session.execute(_DECISIONS, {"span": SPAN, "most": MOST})
    return [Decision(row.side, _verdicts(row.rules)) for row in rows]


def _verdicts(documents: Any) -> list[Mapping[str, Any]]:
    """Another program may have written any JSON."""
    return [one for one in documents if isinstance(one, dict)] if isinstance(documents, list) else []
