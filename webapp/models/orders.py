"""Order intents, the decision on them, and every state they went through."""

import uuid
from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from webapp.domain.orders import OrderStatus, Side
from webapp.models.base import Base, not_nan, one_of


class Order(Base):
    """An intent and what became of it. Triggers hold `status` to the transition table and the rest unchanged."""

    __tablename__ = "orders"
    __table_args__ = (
        one_of("side", *Side),
        one_of("status", *OrderStatus),
        CheckConstraint("qty > 0", name="qty_positive"),
        not_nan("qty", "limit_price"),
    )

    order_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    cycle_id: Mapped[uuid.UUID]
    signal_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("signals.signal_id"))
    symbol: Mapped[str]
    side: Mapped[str]
    qty: Mapped[Decimal]
    limit_price: Mapped[Decimal | None]
    status: Mapped[str]
    risk_reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


Index("ix_orders_cycle_id", Order.cycle_id)
Index("ix_orders_symbol_created_at", Order.symbol, Order.created_at.desc())
Index("ix_orders_status_created_at", Order.status, Order.created_at.desc())
Index("ix_orders_created_at_order_id", Order.created_at.desc(), Order.order_id.desc())
Index("ix_orders_signal_id", Order.signal_id)
Index("ix_orders_resting_symbol", Order.symbol, postgresql_where=Order.status == "approved")
Index(
    "ix_orders_risk_reason_created_at",
    Order.risk_reason,
    Order.created_at.desc(),
    Order.order_id.desc(),
    postgresql_where=Order.risk_reason.is_not(None),
)


class OrderTransition(Base):
    """One step of an order from state to state: who and why. Append-only, chained."""

    __tablename__ = "order_transitions"
    __table_args__ = (one_of("from_status", *OrderStatus), one_of("to_status", *OrderStatus))

    transition_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.order_id"))
    from_status: Mapped[str | None]
    to_status: Mapped[str]
    actor: Mapped[str]
    reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


Index("ix_order_transitions_order_id_created_at", OrderTransition.order_id, OrderTransition.created_at)
Index(
    "ix_order_transitions_canceled_at",
    OrderTransition.created_at,
    postgresql_where=OrderTransition.to_status == "canceled",
)
