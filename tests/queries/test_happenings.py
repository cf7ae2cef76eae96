"""What is drawn on a chart of time: halts with both ends, policy edits with what they changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from tests import builders
from tests.builders import NOON
from webapp.models import KillSwitchEvent, PolicyVersion
from webapp.queries import happenings

HOUR = timedelta(hours=1)


def flips(session: Session, turns: Iterable[tuple[int, bool]]) -> None:
    for hour, enabled in turns:
        at = NOON + hour * HOUR
        row = {"event_id": builders.new_id(at), "enabled": enabled, "created_at": at}
        builders.add(session, KillSwitchEvent, row | {"actor": "user:olga", "reason": f"hour {hour}"})


def spans(session: Session, start: int, end: int) -> list[tuple[int, int | None]]:
    found = happenings.happenings(session, NOON + start * HOUR, NOON + end * HOUR)
    return [((h.since - NOON) // HOUR, None if h.until is None else (h.until - NOON) // HOUR) for h in found.halts]


def test_halts_have_both_ends_and_those_on_an_edge_reach_beyond_it(session: Session) -> None:
    flips(session, [(1, True), (3, False), (5, True), (6, True), (8, False), (9, True)])
    assert spans(session, 0, 12) == [(1, 3), (5, 8), (9, None)]
    assert spans(session, 2, 7) == [(1, 3), (5, 8)]
    assert spans(session, 4, 5) == []


def test_halt_says_who_and_why_and_how_it_ended(session: Session) -> None:
    flips(session, [(1, True), (3, False)])
    (halt,) = happenings.happenings(session, NOON, NOON + 9 * HOUR).halts
    assert (halt.actor, halt.reason, halt.released_by, halt.release_reason) == (
        "user:olga", "hour 1", "user:olga", "hour 3",
    )  # fmt: skip


def test_policy_edits_are_there_and_the_first_policy_is_none(session: Session) -> None:
    document = {"limits": {}, "difference": {"fee_bps": ["10", "12"]}, "actor": "user:ada", "reason": "dearer"}
    for version, at in ((2, NOON), (3, NOON + 2 * HOUR)):
        row = {"policy_id": builders.new_id(at), "version": version, "created_at": at}
        builders.add(session, PolicyVersion, row | document)
    found = happenings.happenings(session, NOON, NOON + HOUR).edits
    assert [(edit.at, edit.difference, edit.reason) for edit in found] == [(NOON, {"fee_bps": ["10", "12"]}, "dearer")]


def test_only_the_newest_are_read_and_that_is_said(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(happenings, "MOST", 4)
    flips(session, [(0, True), (1, False), (2, True), (3, False), (4, True), (5, False), (6, True)])
    found = happenings.happenings(session, NOON + HOUR / 2, NOON + 9 * HOUR)
    assert found.more
    assert [(halt.since - NOON) // HOUR for halt in found.halts] == [4, 6]
