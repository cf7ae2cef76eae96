"""One symbol's holding, as the list of positions shows it, and what waits to change it."""

from sqlalchemy import RowMapping, func, select
from sqlalchemy.orm import Session

from webapp.domain.orders import OrderStatus
from webapp.models import Order, Position


def of(session: Session, symbol: str) -> RowMapping | None:
    """Its row in the positions; None when the desk never traded it, or holds nothing of it now."""
    statement = select(Position.__table__).where(Position.symbol == symbol, Position.qty != 0)
    return session.execute(statement).mappings().one_or_none()


def resting(session: Session, symbol: str) -> int:
    """How many orders of the symbol wait for a fill."""
    waiting = select(func.count()).select_from(Order)
    return session.scalar(waiting.where(Order.status == OrderStatus.APPROVED, Order.symbol == symbol)) or 0
