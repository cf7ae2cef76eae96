"""One symbol's holding, as the list of positions shows it."""

from sqlalchemy import RowMapping, select
from sqlalchemy.orm import Session

from webapp.models import Position


def of(session: Session, symbol: str) -> RowMapping | None:
    """Its row in the positions; None when the desk never traded it, or holds nothing of it now."""
    statement = select(Position.__table__).where(Position.symbol == symbol, Position.qty != 0)
    return session.execute(statement).mappings().one_or_none()
