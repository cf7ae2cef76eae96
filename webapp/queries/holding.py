"""What waits to change a symbol's holding."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.domain.orders import OrderStatus
from webapp.models import Order


def resting(session: Session, symbol: str) -> int:
    """How many orders of the symbol wait for a fill."""
    waiting = select(func.count()).select_from(Order)
    return session.scalar(waiting.where(Order.status == OrderStatus.APPROVED, Order.symbol == symbol)) or 0
