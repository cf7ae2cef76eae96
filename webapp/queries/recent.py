"""The last cycles with what became of them: the very newest ones, and the newest that led to an order."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

NEWEST = 3
ACTED = 5
LOOKED_BACK = 300
"""Of blocked cycles: a halt makes many of them without an order, and looking through those has an end."""

# Most cycles decide nothing, so the newest of each outcome are found by its index. The verdicts of the gate come with
# the newest order only: they are long.
_CYCLES = text("""
    WITH newest AS (
        SELECT cycle_id FROM cycles ORDER BY created_at DESC, cycle_id DESC LIMIT :newest
    ), acted AS (
        SELECT cycle_id, row_number() OVER (ORDER BY created_at DESC, cycle_id DESC) AS place
        FROM unnest(ARRAY['executed', 'resting', 'blocked']) AS kind (outcome)
        CROSS JOIN LATERAL (
            SELECT cycle_id, created_at, order_id FROM cycles WHERE cycles.outcome = kind.outcome
            ORDER BY created_at DESC, cycle_id DESC LIMIT :back
        ) AS found
        WHERE order_id IS NOT NULL
        ORDER BY created_at DESC, cycle_id DESC LIMIT :acted
    )
    SELECT cycle.cycle_id, cycle.symbol, cycle.trigger_source, cycle.strategy, cycle.actor, cycle.outcome, cycle.reason,
           cycle.created_at, cycle.order_id, orders.side, orders.qty, orders.limit_price, orders.status,
           orders.risk_reason, filled.qty AS filled_qty, filled.price AS filled_price, judged.refusal,
           CASE WHEN acted.place = 1 THEN judged.rules END AS rules
    FROM (SELECT cycle_id FROM newest UNION SELECT cycle_id FROM acted) AS chosen
    JOIN cycles AS cycle USING (cycle_id)
    LEFT JOIN acted USING (cycle_id)
    LEFT JOIN orders ON orders.order_id = cycle.order_id
    LEFT JOIN LATERAL (
        SELECT CASE WHEN action = 'blocked' THEN details - 'rules' END AS refusal, details -> 'rules' AS rules
        FROM risk_events
        WHERE risk_events.order_id = cycle.order_id AND action IN ('allowed', 'blocked')
          AND (action = 'allowed' OR rule = orders.risk_reason)
        ORDER BY created_at, risk_event_id LIMIT 1
    ) AS judged ON true
    LEFT JOIN LATERAL (
        SELECT sum(fills.qty) AS qty, round(sum(fills.qty * fill_price) / sum(fills.qty), 8) AS price
        FROM fills WHERE fills.order_id = cycle.order_id
    ) AS filled ON true
    ORDER BY cycle.created_at DESC, cycle.cycle_id DESC
""")


def last_cycles(session: Session) -> Sequence[RowMapping]:
    """Newest first, each with its order, what the gate refused it for, and what of it has filled."""
    return session.execute(_CYCLES, {"newest": NEWEST, "acted": ACTED, "back": LOOKED_BACK}).mappings().all()
