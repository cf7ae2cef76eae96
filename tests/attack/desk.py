"""The whole state of a desk in numbers, and what must hold of it whatever happened."""

from collections.abc import Mapping
from decimal import Decimal

from sqlalchemy.orm import Session

from tests.services.desks import counts, one, rows
from webapp.services import audit, books

_SUMS = """
SELECT a.cash, a.fees_paid, a.last_nav, (SELECT coalesce(sum(qty), 0) FROM positions) AS held,
  (SELECT count(*) FROM orders WHERE status = 'approved') AS resting,
  (SELECT count(*) FROM orders WHERE status = 'canceled') AS canceled,
  (SELECT count(*) FROM orders WHERE status = 'executed') AS executed,
  (SELECT count(*) FROM kill_switch WHERE enabled) AS halted,
  (SELECT max(version) FROM policies) AS policy, (SELECT seq FROM audit_head) AS audited
FROM account a
"""
_LINKS = """
SELECT c.seq, c.source, e.enabled FROM audit_chain c LEFT JOIN kill_switch_events e ON e.event_id = c.row_id
WHERE c.source IN ('fills', 'kill_switch_events') ORDER BY c.seq
"""
State = Mapping[str, Decimal | int]


def state(session: Session) -> State:
    """How many rows each table has, and the sums that matter."""
    return {**counts(session), **rows(session, _SUMS)[0]}


def change(before: State, after: State) -> State:
    """What differs between two states, and by how much."""
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


def check_sound(session: Session) -> None:
    """Books and audit chain hold, and no fill was committed while the desk was halted."""
    assert books.verify(session).drifts == []
    report = audit.verify(session)
    assert report.ok, report.first_bad
    halted = False
    for link in rows(session, _LINKS):
        if link["source"] == "kill_switch_events":
            assert link["enabled"] is not halted, f"link {link['seq']}: two events of the same kind in a row"
            halted = link["enabled"]
        else:
            assert not halted, f"link {link['seq']}: a fill while the desk was halted"
    switch = one(session, "SELECT enabled FROM kill_switch")
    assert switch is halted, "the switch is not where its events put it"
