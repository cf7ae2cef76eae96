"""The switch's row held against its audited history: a row turned behind the desk's back would let it trade unseen."""

from sqlalchemy import text
from sqlalchemy.orm import Session

# The newest event is the last one recorded; for another program's, recorded in any order, the one with the latest time.
# The links are asked for event by event, of which there are few, because the way back along the chain is long.
_SWITCH = """
SELECT s.id IS NOT NULL AS there, s.enabled AS shown, s.event_id, last.enabled AS recorded, last.actor, last.created_at,
  ((s.event_id, s.enabled, s.reason, s.actor, s.changed_at) IS NOT DISTINCT FROM
    (last.event_id, last.enabled, last.reason, last.actor, last.created_at))
  OR ((s.event_id, s.enabled, s.reason, s.actor, s.changed_at) IS NOT DISTINCT FROM
    (late.event_id, late.enabled, late.reason, late.actor, late.created_at)) AS agrees
FROM (SELECT) AS nothing
LEFT JOIN public.kill_switch s ON s.id = 1
LEFT JOIN LATERAL (
  SELECT e.* FROM public.kill_switch_events e CROSS JOIN LATERAL (
    SELECT seq FROM public.audit_chain WHERE source = 'kill_switch_events' AND row_id = e.event_id OFFSET 0) link
  ORDER BY link.seq DESC LIMIT 1) last ON true
LEFT JOIN LATERAL (
  SELECT * FROM public.kill_switch_events ORDER BY created_at DESC, event_id DESC LIMIT 1) late ON true
"""


def difference(session: Session) -> str | None:
    """What the switch's row shows that its newest event does not say, in the caller's transaction; None if nothing.

    A row that names no event was never turned by this desk: its events, if any, are another program's, and count from
    `books rebuild` on.
    """
    row = session.execute(text(_SWITCH)).one()
    if not row.there:
        return "its row is gone, so nothing may trade until somebody releases"
    if row.event_id is None or row.agrees:
        return None
    shown = _word(row.shown)
    if row.recorded is None:
        return f"it is shown as {shown}, of which no event tells"
    newest = f"the newest event, by {row.actor or 'nobody'} at {row.created_at:%Y-%m-%d %H:%M:%S} UTC"
    if row.shown != row.recorded:
        return f"it is shown as {shown}, {newest}, says {_word(row.recorded)}"
    return f"it is shown as {shown} with another event, reason, actor or time than {newest}, has"


def _word(enabled: bool | None) -> str:
    return "halted" if enabled is not False else "released"
