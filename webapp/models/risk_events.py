"""The audit trail of the risk gate."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.domain.records import RISK_ACTIONS
from webapp.models.base import Base, one_of


class RiskEvent(Base):
    """One thing the gate said about one order. Append-only, chained."""

    __tablename__ = "risk_events"
    __table_args__ = (one_of("action", *RISK_ACTIONS),)

    risk_event_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.order_id"))
    action: Mapped[str]
    rule: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


Index("ix_risk_events_order_id_created_at", RiskEvent.order_id, RiskEvent.created_at.desc())
Index("ix_risk_events_created_at", RiskEvent.created_at.desc())
Index("ix_risk_events_created_at_risk_event_id", RiskEvent.created_at.desc(), RiskEvent.risk_event_id.desc())
for column in (RiskEvent.rule, RiskEvent.action):
    Index(
        f"ix_risk_events_{column.key}_created_at", column, RiskEvent.created_at.desc(), RiskEvent.risk_event_id.desc()
    )
