"""Identifiers: ordered by time and by turn, repeatable from their seed, never twice the same."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.desks import NOON, after
from webapp.domain.ids import TimeOrderedIds

MICROSECOND = timedelta(microseconds=1)


def test_id_is_a_uuid_of_version_7_that_tells_its_time() -> None:
    made = TimeOrderedIds(b"seed").next(NOON + timedelta(microseconds=123_456))
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == int(NOON.timestamp() * 1000) + 123
    assert (made.int >> 64 & 0xFFF) >> 2 == 456


@given(st.lists(st.integers(0, 3), min_size=1, max_size=50))
def test_ids_issued_as_time_goes_on_sort_in_the_order_of_issue(steps: list[int]) -> None:
    ids, at, made = TimeOrderedIds(b"seed"), NOON, []
    for step in steps:
        at += step * MICROSECOND
        made.append(ids.next(at))
    assert made == sorted(set(made))


def test_ids_of_the_same_seed_and_instants_are_the_same() -> None:
    instants = [after(0), after(0), after(1), after(1.5)]
    first, second, other = TimeOrderedIds(b"one"), TimeOrderedIds(b"one"), TimeOrderedIds(b"two")
    made = [first.next(at) for at in instants]
    assert [second.next(at) for at in instants] == made
    assert not set(made) & {other.next(at) for at in instants}


@given(st.lists(st.integers(0, 2), min_size=2, max_size=40))
def test_ids_of_instants_that_come_back_are_never_issued_twice(instants: list[int]) -> None:
    """A snapshot on the grid lies before the moment it is taken at, a fill may lie a microsecond after it."""
    ids = TimeOrderedIds(b"seed")
    made = [ids.next(after(second)) for second in instants]
    assert len(set(made)) == len(made)


def test_ids_beyond_what_one_microsecond_holds_are_refused_not_repeated() -> None:
    ids, made = TimeOrderedIds(b"seed"), []

    def go_on() -> None:
        for _ in range(1 << 20):
            made.append(ids.next(NOON))

    with pytest.raises(OverflowError):
        go_on()
    assert len(set(made)) == len(made)
    assert made == sorted(made)
    assert ids.next(NOON + MICROSECOND) > made[-1]


def test_id_of_another_zone_is_that_of_the_same_instant() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=9)))
    assert TimeOrderedIds(b"seed").next(there) == TimeOrderedIds(b"seed").next(NOON)
    assert datetime(2026, 3, 2, 12, tzinfo=UTC) == NOON
