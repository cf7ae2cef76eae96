"""What a halt would stop, and what each one did: the figures before, during and after the kill switch is thrown.

Nothing of a receipt was stored for it: all of it follows from rows that cannot be changed, so the receipt of any halt
can be opened at any time and says the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import RowMapping, select, text
from sqlalchemy.orm import Session

from webapp.domain.halts import Cause, cause_of
from webapp.domain.money import ZERO
from webapp.models import ReleaseRequest
from webapp.models.locks import GATE, TURN

MOST_COUNTED = 1000
"""Attempts refused are counted up to this in a receipt; beyond it, more of them changes nothing for the reader."""
MOST_COUNTED_EACH = 200
"""The same for each line of the history."""
MOST_LISTED = 8

_RESTING = """
SELECT o.order_id, o.symbol, o.side, o.qty - coalesce(f.qty, 0) AS qty, o.limit_price, count(*) OVER () AS all_of_them
FROM orders o LEFT JOIN LATERAL (SELECT sum(qty) AS qty FROM fills WHERE fills.order_id = o.order_id) f ON true
WHERE o.status = 'approved' ORDER BY o.created_at, o.order_id LIMIT :most
"""
_HELD = """
SELECT symbol, qty, mark_price, qty * mark_price AS market_value, unrealized_pnl, count(*) OVER () AS all_of_them,
  sum(abs(qty * mark_price)) OVER () AS gross_exposure, sum(unrealized_pnl) OVER () AS all_unrealized
FROM positions WHERE qty <> 0 ORDER BY abs(qty * mark_price) DESC, symbol LIMIT :most
"""
_GATE = """
SELECT count(*) FILTER (WHERE l.objid = :gate AND l.granted) AS inside,
  count(*) FILTER (WHERE l.objid = :turn AND NOT l.granted) AS waiting,
  max(clock_timestamp() - a.xact_start) FILTER (WHERE l.objid = :gate AND l.granted) AS longest
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.classid = 0 AND l.objsubid = 1 AND l.objid IN (:gate, :turn)
"""
_RECEIPT = """
SELECT e.*, link.seq || ':' || link.row_hash AS audit_head, e.created_at - link.recorded_at AS waited,
  ended.event_id AS after_id, ended.created_at AS after_at, ended.actor AS after_actor, ended.reason AS after_reason,
  begun.event_id AS before_id, begun.created_at AS before_at,
  final.order_id AS fill_order_id, final.symbol AS fill_symbol, final.side AS fill_side, final.qty AS fill_qty,
  final.fill_price AS fill_price, final.filled_at AS filled_at, nav.nav,
  (SELECT count(*) FROM order_transitions WHERE to_status = 'canceled' AND created_at = e.created_at) AS canceled,
  (SELECT count(*) FROM fills WHERE filled_at > e.created_at
    AND filled_at < coalesce(ended.created_at, 'infinity')) AS fills_since,
  (SELECT count(*) FROM (
    SELECT FROM risk_events WHERE rule = 'KILL_SWITCH_ACTIVE' AND action = 'blocked' AND created_at >= e.created_at
    AND created_at < coalesce(ended.created_at, 'infinity') LIMIT :most) AS seen) AS refused
FROM kill_switch_events e
LEFT JOIN audit_chain link ON link.source = 'kill_switch_events' AND link.row_id = e.event_id
LEFT JOIN LATERAL (
  SELECT * FROM kill_switch_events n WHERE n.enabled <> e.enabled
  AND (n.created_at, n.event_id) > (e.created_at, e.event_id) ORDER BY n.created_at, n.event_id LIMIT 1
) ended ON true
LEFT JOIN LATERAL (
  SELECT * FROM kill_switch_events p WHERE p.enabled <> e.enabled
  AND (p.created_at, p.event_id) < (e.created_at, e.event_id) ORDER BY p.created_at DESC, p.event_id DESC LIMIT 1
) begun ON true
LEFT JOIN LATERAL (
  SELECT * FROM fills WHERE filled_at <= e.created_at ORDER BY filled_at DESC, fill_id DESC LIMIT 1
) final ON true
LEFT JOIN LATERAL (
  SELECT nav FROM portfolio_snapshots WHERE captured_at <= e.created_at
  ORDER BY captured_at DESC, snapshot_id DESC LIMIT 1
) nav ON true
WHERE e.event_id = coalesce(CAST(:event_id AS uuid), (SELECT event_id FROM kill_switch WHERE enabled))
"""
_CANCELED = """
SELECT o.order_id, o.symbol, o.side, o.qty, o.limit_price
FROM order_transitions t JOIN orders o USING (order_id)
WHERE t.to_status = 'canceled' AND t.created_at = :at ORDER BY o.created_at, o.order_id LIMIT :most
"""
# Nothing fills during a halt, so what was left is what each symbol's last fill before it left, at the quote of then.
_LEFT = """
SELECT s.symbol, final.qty, tick.mid_price AS mark_price, final.qty * tick.mid_price AS market_value
FROM positions s CROSS JOIN LATERAL (
  SELECT r.position_qty_after AS qty FROM fills f LEFT JOIN fill_receipts r USING (fill_id)
  WHERE f.symbol = s.symbol AND f.filled_at <= :at ORDER BY f.filled_at DESC, f.fill_id DESC LIMIT 1
) final LEFT JOIN LATERAL (
  SELECT mid_price FROM market_ticks WHERE symbol = s.symbol AND event_at <= :at ORDER BY event_at DESC LIMIT 1
) tick ON true
WHERE final.qty IS DISTINCT FROM 0 ORDER BY abs(final.qty * tick.mid_price) DESC NULLS LAST, s.symbol LIMIT :most
"""
_SPELLS = """
SELECT e.event_id, e.created_at, ended.created_at AS ended_at,
  (SELECT count(*) FROM (
    SELECT FROM risk_events WHERE rule = 'KILL_SWITCH_ACTIVE' AND action = 'blocked' AND created_at >= e.created_at
    AND created_at < coalesce(ended.created_at, 'infinity') LIMIT :most) AS seen) AS refused
FROM kill_switch_events e LEFT JOIN LATERAL (
  SELECT created_at FROM kill_switch_events n WHERE NOT n.enabled
  AND (n.created_at, n.event_id) > (e.created_at, e.event_id) ORDER BY n.created_at, n.event_id LIMIT 1
) ended ON true
WHERE e.event_id = ANY(:ids)
"""


@dataclass(frozen=True)
class Listed:
    """The first few rows of something, and how many there are."""

    rows: Sequence[RowMapping]
    count: int


@dataclass(frozen=True)
class Preview:
    """What a halt would meet: resting orders, the trades that hold the gate at this moment, and those behind them."""

    resting: Listed
    inside: int
    waiting: int
    longest: timedelta | None


@dataclass(frozen=True)
class Holdings:
    """What is held, and what all of it is worth without signs, in USDC."""

    held: Listed
    gross_exposure: Decimal
    unrealized_pnl: Decimal


@dataclass(frozen=True)
class Receipt:
    """One turn of the switch: for a halt what it did and kept from happening, for a release what it ended."""

    event: RowMapping
    cause: Cause | None
    evidence: str | None
    waited: timedelta | None
    """How long the halt waited for the trades that were inside the gate; None where another program wrote the event."""
    refused_is_more: bool
    canceled: Sequence[RowMapping]
    left: Sequence[RowMapping]

    @property
    def halted(self) -> bool:
        """Whether this is the receipt of a halt, not of a release."""
        return bool(self.event["enabled"])

    @property
    def lasted(self) -> timedelta | None:
        """How long the halt lasted, or the one that this release ended; None while it lasts."""
        ends = self.event["after_at"] if self.halted else self.event["created_at"]
        begins = self.event["created_at"] if self.halted else self.event["before_at"]
        return None if ends is None or begins is None else ends - begins


@dataclass(frozen=True)
class Spell:
    """One halt of the history: how long it lasted (None: it still does) and how many proposals it refused."""

    lasted: timedelta | None
    refused: int
    refused_is_more: bool


def preview(session: Session) -> Preview:
    """Orders a halt would cancel, positions it would leave as they are, and trades it would wait for."""
    resting = _listed(session, _RESTING)
    gate = session.execute(text(_GATE), {"gate": GATE, "turn": TURN}).one()
    return Preview(resting, gate.inside, gate.waiting, gate.longest)


def holdings(session: Session) -> Holdings:
    """What is held now, largest first: no halt sells it."""
    held = _listed(session, _HELD)
    first = held.rows[0] if held.rows else {"gross_exposure": ZERO, "all_unrealized": ZERO}
    return Holdings(held, first["gross_exposure"], first["all_unrealized"])


def receipt(session: Session, event_id: UUID | None = None) -> Receipt | None:
    """The receipt of any turn of the switch, or of the halt in force; None when there is no such event."""
    found = session.execute(text(_RECEIPT), {"event_id": event_id, "most": MOST_COUNTED + 1}).mappings().one_or_none()
    if found is None:
        return None
    known = cause_of(found["actor"], found["reason"])
    waited: timedelta | None = found["waited"]
    about = {"at": found["created_at"], "most": MOST_LISTED}
    return Receipt(
        event=found,
        cause=known[0] if known else None,
        evidence=known[1] if known else None,
        waited=waited if waited is not None and timedelta(0) <= waited < timedelta(minutes=1) else None,
        refused_is_more=found["refused"] > MOST_COUNTED,
        canceled=_rows(session, _CANCELED, about) if found["enabled"] and found["canceled"] else [],
        left=_rows(session, _LEFT, about) if found["enabled"] else [],
    )


def spells(session: Session, events: Sequence[RowMapping]) -> Mapping[UUID, Spell]:
    """How each of these halts went, by its event."""
    ids = [event["event_id"] for event in events if event["enabled"]]
    if not ids:
        return {}
    found = session.execute(text(_SPELLS), {"ids": ids, "most": MOST_COUNTED_EACH + 1})
    return {
        row.event_id: Spell(
            None if row.ended_at is None else row.ended_at - row.created_at,
            min(row.refused, MOST_COUNTED_EACH),
            row.refused > MOST_COUNTED_EACH,
        )
        for row in found
    }


def pending_release(session: Session) -> RowMapping | None:
    """The release that one of two people has asked for, if any."""
    return session.execute(select(ReleaseRequest.__table__)).mappings().one_or_none()


def _listed(session: Session, query: str) -> Listed:
    found = _rows(session, query, {"most": MOST_LISTED})
    return Listed(found, found[0]["all_of_them"] if found else 0)


def _rows(session: Session, query: str, values: Mapping[str, datetime | int]) -> Sequence[RowMapping]:
    return session.execute(text(query), values).mappings().all()
