"""Loading the desk from the database for one transaction.

Whoever means to write has entered the gate before (:func:`webapp.services.transaction.enter_gate`), and sees everything
as the last one in there left it; whoever only looks reads it all in one moment.
"""

import os
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from webapp.domain.activity import Activity, counted_from
from webapp.domain.book import Book
from webapp.domain.desk import Desk, RestingOrder
from webapp.domain.errors import Conflict
from webapp.domain.ids import TimeOrderedIds
from webapp.domain.market import WINDOW_CAP, Tick
from webapp.domain.moments import midnight
from webapp.domain.money import ZERO
from webapp.domain.orders import OrderStatus, Side
from webapp.domain.policy import Policy
from webapp.domain.positions import Position
from webapp.domain.records import OrderRow
from webapp.queries.day_start import day_start
from webapp.services import tapes

_ACCOUNT = """
SELECT a.starting_cash, a.cash, a.fees_paid, a.peak_nav, p.version, p.limits,
       (SELECT enabled FROM kill_switch) AS enabled, (SELECT changed_at FROM kill_switch) AS switched_at
FROM account a CROSS JOIN LATERAL (SELECT version, limits FROM policies ORDER BY version DESC LIMIT 1) p
"""
_POSITIONS = """
SELECT p.symbol, p.qty, p.mark_price, c.cost, c.net_paid, c.fees, c.last_fill_at
FROM positions p LEFT JOIN position_costs c USING (symbol) WHERE p.qty <> 0 OR p.symbol = ANY(:symbols)
"""
_RESTING = """
SELECT o.order_id, o.cycle_id, o.signal_id, o.symbol, o.side, o.qty, o.limit_price, o.created_at,
       coalesce((SELECT sum(f.qty) FROM fills f WHERE f.order_id = o.order_id), 0) AS filled
FROM orders o WHERE o.status = 'approved' ORDER BY o.created_at, o.order_id
"""
_TRADES = """
SELECT created_at FROM orders WHERE status IN ('approved', 'executed', 'canceled')
AND created_at >= :since AND created_at <= :now ORDER BY created_at
"""
_SNAPSHOTS = f"""
SELECT newest.captured_at AS last_at, newest.nav AS last_nav, opening.nav AS day_start_nav
FROM (SELECT) AS nothing
LEFT JOIN LATERAL (SELECT captured_at, nav FROM portfolio_snapshots WHERE captured_at <= :now
                   ORDER BY captured_at DESC, snapshot_id DESC LIMIT 1) newest ON true
LEFT JOIN LATERAL ({day_start(":midnight")}) opening ON true
"""  # noqa: S608  # as above
_USED = """
SELECT f.symbol, sum(f.qty * f.fill_price) AS notional FROM fill_receipts r JOIN fills f USING (fill_id)
WHERE r.tick_id = ANY(:ticks) GROUP BY f.symbol
"""


def load(
    session: Session,
    symbols: Collection[str],
    actor: str,
    now: datetime | None = None,
    *,
    window_seconds: int = 0,
    cap: int | None = WINDOW_CAP,
    seed: bytes | None = None,
    coming: Sequence[Tick] = (),
) -> tuple[Desk, datetime]:
    """The desk as far as the given symbols need it, and the instant it is judged at.

    ``now`` None means the database's clock, read once the gate is open. ``window_seconds`` is how far back a strategy
    looks, ``cap`` how many quotes of it are read at most (None: all of them, and of the watched windows too). ``seed``
    makes ids repeatable; ``coming`` are the quotes that the desk is going to take.
    Raises :class:`Conflict` when the books of a foreign database were never derived.
    """
    account, desk_now = _account(session, now)
    policy = Policy.from_document(account.limits)
    book = Book(account.starting_cash, account.cash, account.fees_paid, account.peak_nav)
    ids = TimeOrderedIds(seed if seed is not None else os.urandom(16))
    halted = account.enabled is not False  # no row, or NULL, is halted too
    desk = Desk(book, policy, account.version, halted, ids, actor, switched_at=account.switched_at)
    _load_resting(session, desk)
    wanted = sorted(set(symbols) | set(desk.resting))
    _load_positions(session, book, wanted)
    tapes.fill(session, desk, wanted, desk_now, window_seconds=window_seconds, cap=cap, coming=coming)
    _load_activity(session, desk, desk_now)
    _load_snapshots(session, desk, desk_now)
    if policy.max_fill_notional is not None:
        _load_used(session, desk)
    return desk, desk_now


def _account(session: Session, now: datetime | None) -> tuple[Row[Any], datetime]:
    account = session.execute(text(_ACCOUNT.replace("SELECT", "SELECT clock_timestamp() AS clock,", 1))).one_or_none()
    if account is None:
        raise Conflict("the desk has no account or no policy; run: flask --app wsgi books rebuild")
    return account, account.clock if now is None else now


def _load_positions(session: Session, book: Book, symbols: list[str]) -> None:
    for row in session.execute(text(_POSITIONS), {"symbols": symbols}):
        if row.cost is None:
            raise Conflict(
                f"the cost of {row.symbol} was never derived; run: flask --app wsgi books rebuild", symbol=row.symbol
            )
        book.positions[row.symbol] = Position(
            row.symbol, row.qty, row.cost, row.net_paid, row.fees, row.mark_price, row.last_fill_at
        )


def _load_resting(session: Session, desk: Desk) -> None:
    ttl = timedelta(seconds=desk.policy.order_ttl_seconds)
    for row in session.execute(text(_RESTING)):
        order = OrderRow(
            row.order_id, row.cycle_id, row.signal_id, row.symbol, Side(row.side), row.qty, row.limit_price,
            OrderStatus.APPROVED, None, row.created_at,
        )  # fmt: skip
        desk.rest(RestingOrder(order, row.qty - row.filled, row.created_at + ttl))


def _load_activity(session: Session, desk: Desk, now: datetime) -> None:
    rows = session.execute(text(_TRADES), {"since": counted_from(now), "now": now}).scalars().all()
    desk.activity = Activity(list(rows))


def _load_snapshots(session: Session, desk: Desk, now: datetime) -> None:
    row = session.execute(text(_SNAPSHOTS), {"now": now, "midnight": midnight(now)}).one()
    desk.last_snapshot_at = row.last_at
    desk.day = now.astimezone(UTC).date()
    desk.day_start_nav = desk.book.starting_cash if row.day_start_nav is None else row.day_start_nav
    desk.last_snapshot_nav = row.last_nav


def _load_used(session: Session, desk: Desk) -> None:
    ticks = [tape.newest.tick_id for tape in desk.tapes.values() if tape.newest is not None]
    for row in session.execute(text(_USED), {"ticks": ticks}):
        desk.quote_used[row.symbol] = row.notional or ZERO
