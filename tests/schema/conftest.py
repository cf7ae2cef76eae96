"""Rows that the tests of the audit chain begin with."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy.orm import Session

from tests import builders
from webapp.models import Act, KillSwitchEvent, OrderTransition


@pytest.fixture
def story(session: Session) -> list[UUID]:
    """Rows in all six audited tables; the ids of the six fills. Version 1 of the policy was there before."""
    order_id = builders.order(session, qty=1_000_000)
    fills = [builders.fill(session, order_id, qty=number + 1) for number in range(6)]
    builders.risk_event(session, order_id, details={"sentence": 'He said "no" – żółć\t\\', "value": "1.50"})
    builders.policy(session, min_confidence="0.7")
    builders.add(session, KillSwitchEvent, {"event_id": uuid4(), "enabled": True, "reason": None, "actor": "ada"})
    steps = [
        {"transition_id": uuid4(), "order_id": order_id, "to_status": status, "actor": "test"}
        for status in ("proposed", "executed")
    ]
    builders.add(session, OrderTransition, *steps)
    act = {
        "act_id": uuid4(),
        "act": "user_role",
        "actor": "user:ada",
        "subject": "user:bob",
        "details": {"role": "viewer"},
    }
    builders.add(session, Act, act)
    return fills
