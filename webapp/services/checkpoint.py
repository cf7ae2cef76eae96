"""How far the desk's checks on itself have come: the fold of all fills up to one link of the audit chain.

A check goes on from there and looks at what was chained since. The mark is bound to the chain by that link's hash,
which makes it an anchor as well: a chain that was cut or rewritten before it is found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from webapp.domain.money import plain
from webapp.domain.positions import Position as Holding
from webapp.models import SelfCheckMark
from webapp.services.audit import Head

AMOUNTS = ("qty", "cost", "net_paid", "fees")


@dataclass(frozen=True)
class Mark:
    """The ``holdings`` made of the ``fills`` chained up to ``head``. ``whole_at``: when all was looked at."""

    head: Head
    holdings: Mapping[str, Holding]
    fills: int
    whole_at: datetime | None


def load(session: Session) -> Mark | None:
    """The mark as it was left; None before the first check.

    One whose holdings cannot be read is still an anchor, but nothing to go on from: all must be looked at.
    """
    row = session.execute(select(SelfCheckMark.__table__)).one_or_none()
    if row is None:
        return None
    head = Head(row.seq, row.hash)
    try:
        holdings = {symbol: _holding(symbol, document) for symbol, document in row.holdings.items()}
    except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError):
        return Mark(head, {}, row.fills, None)
    return Mark(head, holdings, row.fills, row.whole_at)


def store(session: Session, mark: Mark) -> None:
    """Leave the mark for the next check, in the caller's transaction."""
    values = {
        "seq": mark.head.seq,
        "hash": mark.head.hash,
        "fills": mark.fills,
        "holdings": {symbol: _document(holding) for symbol, holding in mark.holdings.items()},
        "whole_at": mark.whole_at,
    }
    row = insert(SelfCheckMark).values(id=1, **values)
    session.execute(row.on_conflict_do_update(index_elements=["id"], set_=values))


def _document(holding: Holding) -> dict[str, str]:
    assert holding.last_fill_at is not None  # it was made of fills
    return {name: plain(getattr(holding, name)) for name in AMOUNTS} | {"at": holding.last_fill_at.isoformat()}


def _holding(symbol: str, document: Mapping[str, Any]) -> Holding:
    amounts = {name: Decimal(document[name]) for name in AMOUNTS}
    last_fill_at = datetime.fromisoformat(document["at"])
    if last_fill_at.tzinfo is None or not all(amount.is_finite() for amount in amounts.values()):
        raise ValueError("no fill made such a holding")
    return Holding(symbol, **amounts, last_fill_at=last_fill_at)
