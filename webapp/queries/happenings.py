"""What happened to the desk while it traded: halts with their ends, and changes of the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

MOST = 60
"""Of each kind, the newest: more signs than this would hide the chart they stand on."""

# The flip before the start says whether the desk was halted when it began; the release after the end, when a halt that
# goes on beyond it was over.
_HAPPENINGS = text("""
    (SELECT CASE WHEN enabled THEN 'on' ELSE 'off' END AS kind, created_at AS at, actor, reason,
            NULL::jsonb AS difference, event_id AS id
     FROM kill_switch_events WHERE created_at < :start ORDER BY created_at DESC, event_id DESC LIMIT 1)
    UNION ALL
    (SELECT CASE WHEN enabled THEN 'on' ELSE 'off' END, created_at, actor, reason, NULL, event_id
     FROM kill_switch_events WHERE created_at >= :start AND created_at < :end
     ORDER BY created_at DESC, event_id DESC LIMIT :most)
    UNION ALL
    (SELECT 'off', created_at, actor, reason, NULL, event_id
     FROM kill_switch_events WHERE created_at >= :end AND NOT enabled ORDER BY created_at, event_id LIMIT 1)
    UNION ALL
    (SELECT 'policy', created_at, actor, reason, difference, policy_id
     FROM policies WHERE version > 1 AND created_at >= :start AND created_at < :end ORDER BY version DESC LIMIT :most)
    ORDER BY at
""")


@dataclass(frozen=True, slots=True)
class Halt:
    """The desk stood still from `since` to `until`; still does, where `until` is None."""

    event_id: UUID
    since: datetime
    until: datetime | None
    actor: str | None
    reason: str | None
    released_by: str | None = None
    release_reason: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyEdit:
    """One new version of the limits; `difference` maps each changed one to its values before and after."""

    at: datetime
    actor: str | None
    reason: str | None
    difference: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Happenings:
    """Halts and policy edits of one stretch of time, oldest first; `more` when older ones are left out."""

    halts: Sequence[Halt]
    edits: Sequence[PolicyEdit]
    more: bool = False


def happenings(session: Session, start: datetime, end: datetime) -> Happenings:
    """What happened in [start, end): at most MOST flips of the switch and MOST edits."""
    rows = session.execute(_HAPPENINGS, {"start": start, "end": end, "most": MOST}).mappings().all()
    flips = [row for row in rows if row["kind"] != "policy"]
    edits = [PolicyEdit(row["at"], row["actor"], row["reason"], row["difference"]) for row in rows if row not in flips]
    # Between the flip before the start and the oldest one read, others may be missing: then the first says nothing.
    more = sum(start <= row["at"] < end for row in flips) == MOST
    return Happenings(
        _halts(flips[1:] if more and flips[0]["at"] < start else flips), edits, more or len(edits) == MOST
    )


def _halts(flips: Sequence[RowMapping]) -> list[Halt]:
    """One halt from each flip to on until the next flip to off; further flips to on in between change nothing."""
    halts: list[Halt] = []
    begun: RowMapping | None = None
    for flip in flips:
        if flip["kind"] == "on":
            begun = begun or flip
        elif begun is not None:
            halts.append(_halt(begun, flip))
            begun = None
    return halts + ([_halt(begun, None)] if begun is not None else [])


def _halt(on: RowMapping, off: RowMapping | None) -> Halt:
    if off is None:
        return Halt(on["id"], on["at"], None, on["actor"], on["reason"])
    return Halt(on["id"], on["at"], off["at"], on["actor"], on["reason"], off["actor"], off["reason"])
