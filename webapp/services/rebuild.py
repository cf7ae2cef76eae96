"""Deriving every companion row and rollup anew from the nine tables.

This is how a database that another program filled is adopted, and how a damaged cache is mended. Fills are the truth:
positions, exact costs, cash and NAV follow from them. What is history (orders, fills, events) is never changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from webapp.domain.book import Book
from webapp.domain.ids import TimeOrderedIds
from webapp.domain.money import CONTEXT, quantise
from webapp.domain.positions import Position as Holding
from webapp.models import Account, PortfolioSnapshot, Position
from webapp.services import adoption, audit, folding, rollups
from webapp.services.books import book_of
from webapp.services.journal import write_account, write_positions
from webapp.services.policy import current
from webapp.services.progress import Progress, silent
from webapp.services.script import Script
from webapp.services.transaction import database_now, enter_gate, transaction

CENT = Decimal("0.01")
CLOSE_ENOUGH = Decimal("0.01")
"""USDC by which another program's cash may differ from ours for the same fills, because it rounds at each of them."""

_MARKS = """
SELECT s.symbol, coalesce(t.mid_price, p.mark_price, f.fill_price, 0) AS mark
FROM unnest(CAST(:symbols AS text[])) AS s(symbol)
LEFT JOIN positions p USING (symbol)
LEFT JOIN LATERAL (SELECT mid_price FROM market_ticks WHERE symbol = s.symbol
                   ORDER BY event_at DESC, tick_id DESC LIMIT 1) t ON true
LEFT JOIN LATERAL (SELECT fill_price FROM fills WHERE symbol = s.symbol
                   ORDER BY filled_at DESC, fill_id DESC LIMIT 1) f ON true
"""
_FIRST_SNAPSHOT = """
SELECT s.cash + coalesce((SELECT sum(CASE side WHEN 'buy' THEN qty ELSE -qty END * fill_price + fee)
                          FROM fills WHERE filled_at <= s.captured_at), 0) AS starting_cash
FROM portfolio_snapshots s ORDER BY s.captured_at, s.snapshot_id LIMIT 1
"""
_LAST_SNAPSHOT = """
SELECT nav, cash, realized_pnl, unrealized_pnl
FROM portfolio_snapshots ORDER BY captured_at DESC, snapshot_id DESC LIMIT 1
"""
_RELEASED = "(SELECT max(created_at) FROM kill_switch_events WHERE NOT enabled)"
# Since the last release, or for longer when that one kept the peak; never from before the account had its cash.
_OWN_PEAK = f"""
SELECT greatest(peak_nav, (SELECT max(nav) FROM portfolio_snapshots WHERE captured_at >= greatest(
  least(peak_since, coalesce({_RELEASED}, '-infinity')), opened_at)))
FROM account
"""  # noqa: S608  # a query of ours
# Of another program nothing is known but its rows: the account here was opened without them, and so was its peak.
_ADOPTED_PEAK = f"""
UPDATE account SET peak_since = coalesce({_RELEASED}, peak_since)
RETURNING coalesce((SELECT max(nav) FROM portfolio_snapshots WHERE captured_at >= coalesce({_RELEASED}, '-infinity')),
  CASE WHEN {_RELEASED} IS NULL THEN CAST(:starting_cash AS numeric) END)
"""  # noqa: S608  # as above
# The rows are another program's when nothing was written to the account but its opening, or no order was known here.
_FOREIGN = """
SELECT (updated_at = peak_since AND opened_at IS NULL)
  OR (EXISTS (SELECT FROM orders) AND NOT EXISTS (SELECT FROM order_transitions)) FROM account
"""
# Latched: a rebuild may find that the desk is halted, never that it is not; what else the row says of a flip of this
# desk's own is mended.
_SWITCH = """
INSERT INTO kill_switch (id, enabled, reason, actor, event_id, changed_at)
SELECT 1, enabled, reason, actor, event_id, created_at FROM (
  SELECT * FROM kill_switch_events ORDER BY created_at DESC, event_id DESC LIMIT 1) newest
WHERE enabled OR EXISTS (SELECT FROM kill_switch)
ON CONFLICT (id) DO UPDATE SET enabled = excluded.enabled, reason = excluded.reason, actor = excluded.actor,
  event_id = excluded.event_id, changed_at = excluded.changed_at
WHERE CASE WHEN excluded.enabled THEN NOT kill_switch.enabled OR kill_switch.event_id IS NOT NULL
  ELSE NOT kill_switch.enabled AND kill_switch.event_id IS NOT NULL END
"""


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild read and made."""

    fills: int
    symbols: int
    starting_cash: Decimal
    nav: Decimal
    transitions: int
    cycles: int
    chained: int
    candles: int
    nav_buckets: int


def size(session: Session) -> int:
    """How many rows a rebuild goes through, as it tells them to its progress."""
    return folding.size(session) + adoption.size(session)


def rebuild(session: Session, now: datetime | None = None, progress: Progress = silent) -> Rebuilt:
    """Derive the companions anew, when their turn has come. A million fills take about half a minute.

    The peak is noted at every mark, of which snapshots keep only some: a stored one that is higher stays, because a
    repair must not forgive a drawdown. A desk that is adopted has the peak that its own rows tell.
    Raises :class:`OutOfRange` when the fills make amounts that the schema cannot hold, :class:`NotFound` when there is
    no policy.
    """
    with transaction(session):
        # By itself: a change of the switch takes the gate exclusively, which nobody inside the gate may ask for.
        session.execute(text(_SWITCH))
    with transaction(session):
        enter_gate(session)
        at = database_now(session) if now is None else now
        _open_account(session, at)
        holdings, fills = folding.fold(session, progress)
        book = book_of(_marked(session, holdings), _starting_cash(session, holdings))
        book.peak_nav = _peak(session, book)
        _store(session, book, at)
        chained = audit.adopt(session)
        history = adoption.adopt(session, progress)
        buckets = rollups.rebuild(session)
    return Rebuilt(
        fills, len(holdings), book.starting_cash, quantise(book.nav), history.states, history.cycles, chained,
        buckets.candles, buckets.nav_buckets,
    )  # fmt: skip


def _open_account(session: Session, at: datetime) -> None:
    cash = current(session).policy.starting_cash
    row = {"account_id": 1, "starting_cash": cash, "cash": cash, "fees_paid": 0, "last_nav": cash}
    row |= {"peak_nav": cash, "peak_since": at, "updated_at": at}
    session.execute(insert(Account).values(row).on_conflict_do_nothing())


def _peak(session: Session, book: Book) -> Decimal:
    """The highest NAV since the last release, in USDC: what drawdown counts from."""
    foreign = session.execute(text(_FOREIGN)).scalar_one()
    query, values = (_ADOPTED_PEAK, {"starting_cash": book.starting_cash}) if foreign else (_OWN_PEAK, {})
    known: Decimal | None = session.execute(text(query), values).scalar_one()
    nav = quantise(book.nav, "nav")
    return nav if known is None else max(nav, known)


def _marked(session: Session, holdings: Mapping[str, Holding]) -> dict[str, Holding]:
    """The holdings at the newest mid of each symbol, or the best price known; symbols without fills are flat."""
    shown = session.execute(select(Position.symbol)).scalars()
    symbols = sorted({*holdings, *shown})
    marks = session.execute(text(_MARKS), {"symbols": symbols})
    return {row.symbol: holdings.get(row.symbol, Holding(row.symbol)).marked(row.mark) for row in marks}


def _starting_cash(session: Session, holdings: Mapping[str, Holding]) -> Decimal:
    """The account's starting cash if the newest snapshot agrees with it; else what the first snapshot began with.

    An account begins with whole cents; another program's rounding at each fill must not shift that.
    """
    stored: Decimal = session.execute(select(Account.starting_cash)).scalar_one()
    last = session.execute(text(_LAST_SNAPSHOT)).one_or_none()
    if last is None or abs(book_of(dict(holdings), stored).cash - last.cash) <= CLOSE_ENOUGH:
        return stored
    first: Decimal = session.execute(text(_FIRST_SNAPSHOT)).scalar_one()
    return CONTEXT.quantize(first, CENT)


def _store(session: Session, book: Book, at: datetime) -> None:
    """Positions, exact costs and the account; and a snapshot, if the newest one does not say what the fills say."""
    symbols = set(book.positions)
    session.execute(text("DELETE FROM position_costs WHERE symbol <> ALL(:symbols)"), {"symbols": sorted(symbols)})
    script = Script(session)
    write_positions(script, dict.fromkeys(book.positions.values(), at), symbols)
    write_account(script, book, at)
    script.run()
    value = book.valuation()
    last = session.execute(text(_LAST_SNAPSHOT)).one_or_none()
    if last is not None and tuple(last) != tuple(vars(value).values()):
        row = {"snapshot_id": TimeOrderedIds(b"rebuild").next(at), "captured_at": at, **vars(value)}
        session.execute(insert(PortfolioSnapshot).values(row))
