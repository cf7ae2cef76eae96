"""The books: positions, cash and NAV are a fold of fills, and this is where that is proven, or made true again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from webapp.domain.book import Book
from webapp.domain.money import ZERO, exact, quantise
from webapp.domain.positions import Position as Holding
from webapp.models import Account, Position, PositionCost
from webapp.services.folding import fold
from webapp.services.journal import position_columns
from webapp.services.progress import Progress, silent
from webapp.services.transaction import one_moment

ALL_ORDERS = "true"
NEW_ORDERS = """o.order_id IN (
  SELECT f.order_id FROM audit_chain c JOIN fills f ON f.fill_id = c.row_id
  WHERE c.source = 'fills' AND c.seq > :seq
  UNION SELECT t.order_id FROM audit_chain c JOIN order_transitions t ON t.transition_id = c.row_id
  WHERE c.source = 'order_transitions' AND c.seq > :seq)"""
"""Orders that were filled or moved after a link of the audit chain."""
_ORDERS = """
SELECT o.order_id, o.status, o.qty, coalesce(f.filled, 0) AS filled
FROM orders o CROSS JOIN LATERAL (SELECT sum(qty) AS filled FROM fills WHERE order_id = o.order_id) f
WHERE {which} AND (coalesce(f.filled, 0) > o.qty OR (o.status = 'executed') <> (coalesce(f.filled, 0) = o.qty)
   OR (o.status IN ('proposed', 'rejected') AND f.filled IS NOT NULL))
ORDER BY o.order_id LIMIT 100
"""
_SNAPSHOT = """
SELECT nav, realized_pnl, unrealized_pnl, captured_at
FROM portfolio_snapshots ORDER BY captured_at DESC, snapshot_id DESC LIMIT 1
"""


@dataclass(frozen=True)
class Drift:
    """One place where what is stored is not what the fills say."""

    what: str
    key: str
    stored: str
    expected: str


@dataclass(frozen=True)
class Verification:
    """The result of refolding every fill."""

    fills: int
    symbols: int
    drifts: Sequence[Drift]


def verify(session: Session, progress: Progress = silent) -> Verification:
    """Refold every fill and compare positions, exact costs, cash, fees and order states with what is stored.

    Reads one consistent state of the database, without locking anybody out.
    """
    with one_moment(session):
        folded, fills = fold(session, progress)
        return Verification(fills, len(folded), drifts(session, folded))


def drifts(session: Session, folded: Mapping[str, Holding], since: int | None = None) -> list[Drift]:
    """Where what is stored is not what the folded fills say.

    With ``since``, of the orders only those that were filled or moved after that link of the audit chain.
    """
    return [*_positions(session, folded), *_account(session, folded), *_orders(session, since)]


@exact
def book_of(holdings: Mapping[str, Holding], starting_cash: Decimal) -> Book:
    """The book that began with ``starting_cash`` and made these holdings."""
    paid = sum((holding.net_paid for holding in holdings.values()), ZERO)
    fees = sum((holding.fees for holding in holdings.values()), ZERO)
    return Book(starting_cash, starting_cash - paid - fees, fees, positions=dict(holdings))


def _positions(session: Session, folded: Mapping[str, Holding]) -> Iterator[Drift]:
    stored = {row.symbol: row for row in session.execute(select(Position.__table__))}
    costs = {row.symbol: row for row in session.execute(select(PositionCost.__table__))}
    for symbol in sorted(folded.keys() | stored.keys() | costs.keys()):
        holding, shown, cost = folded.get(symbol, Holding(symbol)), stored.get(symbol), costs.get(symbol)
        marked = holding.marked(shown.mark_price if shown is not None else ZERO)
        expected: dict[str, Any] = {
            **position_columns(marked),
            "cost": holding.cost,
            "net_paid": holding.net_paid,
            "fees": holding.fees,
        }
        for column, value in expected.items():
            source = cost if column in ("cost", "net_paid", "fees") else shown
            found = None if source is None else getattr(source, column)
            if found != value and (found is not None or value):
                yield Drift(f"positions.{column}", symbol, str(found), str(value))


def _account(session: Session, folded: Mapping[str, Holding]) -> Iterator[Drift]:
    account = session.execute(select(Account.__table__)).one_or_none()
    if account is None:
        yield Drift("account", "1", "missing", "one row")
        return
    book = book_of(folded, account.starting_cash)
    if account.cash != book.cash:
        yield Drift("account.cash", "1", str(account.cash), str(book.cash))
    if account.fees_paid != book.fees_paid:
        yield Drift("account.fees_paid", "1", str(account.fees_paid), str(book.fees_paid))
    shown = {row.symbol: row.mark_price for row in session.execute(select(Position.symbol, Position.mark_price))}
    for symbol, mark_price in shown.items():
        book.positions[symbol] = book.position(symbol).marked(mark_price)
    if account.last_nav != quantise(book.nav):
        yield Drift("account.last_nav", "1", str(account.last_nav), str(quantise(book.nav)))
    snapshot = session.execute(text(_SNAPSHOT)).one_or_none()
    if snapshot is not None:
        total = account.starting_cash + snapshot.realized_pnl + snapshot.unrealized_pnl
        if snapshot.nav != total:
            yield Drift("portfolio_snapshots.nav", snapshot.captured_at.isoformat(), str(snapshot.nav), str(total))


def _orders(session: Session, since: int | None) -> Iterator[Drift]:
    which = ALL_ORDERS if since is None else NEW_ORDERS
    for row in session.execute(text(_ORDERS.format(which=which)), {} if since is None else {"seq": since}):
        yield Drift(f"orders.status is {row.status}", str(row.order_id), f"filled {row.filled}", f"of {row.qty}")
