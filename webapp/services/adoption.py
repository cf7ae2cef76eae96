"""The history of orders that another program wrote: the companion rows this desk keeps beside each of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.services.progress import Progress, silent

PIECE = 50_000
"""Orders in one statement: what a statement has added is kept in memory until its end."""

_COUNT = "SELECT count(*) FROM orders"
_NEXT_PIECE = """
SELECT count(*) AS orders, max(created_at) AS last_at, (array_agg(order_id))[count(*)] AS last_id FROM (
  SELECT created_at, order_id FROM orders WHERE (created_at, order_id) > (CAST(:last_at AS timestamptz), :last_id)
  ORDER BY created_at, order_id LIMIT :piece
) piece
"""
_PIECE = """(o.created_at, o.order_id) > (CAST(:after_at AS timestamptz), :after_id)
  AND (o.created_at, o.order_id) <= (:last_at, :last_id)"""
# What is missing is asked for row by row, because NOT EXISTS would be a join that reads the whole table for each piece.
#
# One step, to the state the order was found in: who moved it before, and when exactly, is not known. Ids come from what
# is known of the order, so that a second rebuild of the same rows gives the same ids; in time order, as all of them.
_STATES = f"""
INSERT INTO order_transitions (transition_id, order_id, from_status, to_status, actor, reason, created_at)
SELECT CAST(lpad(to_hex(CAST(extract(epoch FROM o.created_at) * 1000 AS bigint)), 12, '0')
         || '7' || substr(o.digest, 14, 3) || '8' || substr(o.digest, 18) AS uuid),
  o.order_id, NULL, o.status, 'adopted', o.risk_reason,
  CASE WHEN o.status IN ('executed', 'canceled') THEN greatest(o.created_at,
    (SELECT max(filled_at) FROM fills f WHERE f.order_id = o.order_id)) ELSE o.created_at END
FROM (SELECT *, md5(CAST(order_id AS text)) AS digest FROM orders) o
WHERE {_PIECE} AND (SELECT 1 FROM order_transitions t WHERE t.order_id = o.order_id LIMIT 1) IS NULL
ORDER BY o.created_at, o.order_id
"""  # noqa: S608  # a condition of ours
_CYCLES = f"""
INSERT INTO cycles (cycle_id, symbol, trigger_source, actor, outcome, order_id, signal_id, policy_version, reason,
  created_at)
SELECT DISTINCT ON (o.cycle_id) o.cycle_id, o.symbol, 'adopted', 'adopted',
  CASE o.status WHEN 'executed' THEN 'executed' WHEN 'rejected' THEN 'blocked' ELSE 'resting' END,
  o.order_id, o.signal_id, 1, o.risk_reason, o.created_at
FROM orders o WHERE {_PIECE} AND (SELECT 1 FROM cycles c WHERE c.cycle_id = o.cycle_id) IS NULL
ORDER BY o.cycle_id, o.created_at, o.order_id
"""  # noqa: S608  # as above


@dataclass(frozen=True)
class Adopted:
    """How many order states and cycles were added."""

    states: int
    cycles: int


def size(session: Session) -> int:
    """How many orders there are to look at."""
    count: int = session.execute(text(_COUNT)).scalar_one()
    return count


def adopt(session: Session, progress: Progress = silent) -> Adopted:
    """Give each order that has none a state, and each cycle of orders that has none a row, in the caller's transaction.

    Orders that this desk wrote have both, and are left alone.
    """
    states = cycles = 0
    last: dict[str, Any] = {"last_at": "-infinity", "last_id": UUID(int=0)}
    while piece := _next_piece(session, last):
        bounds = {"after_at": last["last_at"], "after_id": last["last_id"], **piece}
        states += _rows(session, _STATES, bounds)
        cycles += _rows(session, _CYCLES, bounds)
        progress(piece.pop("orders"))
        last = piece
    return Adopted(states, cycles)


def _next_piece(session: Session, last: Mapping[str, Any]) -> dict[str, Any]:
    """How many orders come next, and the last of them; empty when there are no more."""
    row = session.execute(text(_NEXT_PIECE), {**last, "piece": PIECE}).one()
    return dict(row._mapping) if row.orders else {}


def _rows(session: Session, statement: str, bounds: Mapping[str, Any]) -> int:
    """How many rows the statement wrote."""
    return int(session.execute(text(statement), bounds).rowcount)  # type: ignore[attr-defined]  # of an INSERT
