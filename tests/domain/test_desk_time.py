"""What the mere passing of time does: orders expire, the grid takes its snapshots, days begin."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.domain.desks import SOL, after, buy, calm_floor, floor, quote
from webapp.domain import moments
from webapp.domain.desk import SNAPSHOT_SECONDS
from webapp.domain.records import Changes


def test_order_expires_at_the_end_of_its_life_and_not_before() -> None:
    made = floor()
    made.tick(100)
    outcome = made.propose(buy(1, 99))
    made.time(299.999999)
    assert made.status(outcome) == "approved"
    changes = made.time(300)
    assert made.status(outcome) == "canceled"
    step = changes.transitions[-1]
    assert (step.reason, step.created_at, step.actor) == ("expired", after(300), "user:test")
    assert changes.statuses == {outcome.order_id: "canceled"}


def test_order_that_has_expired_does_not_fill() -> None:
    made = calm_floor()
    made.tick(100)
    outcome = made.propose(buy(1, 99))
    made.time(300)
    assert made.tick(98, at=300).fills == []
    assert made.status(outcome) == "canceled"


def test_order_that_expires_partly_filled_keeps_its_fills() -> None:
    made = calm_floor(max_fill_notional=Decimal(100))
    made.tick(100)
    outcome = made.propose(buy(3))
    made.time(300)
    assert (made.status(outcome), len(made.fills_of(outcome))) == ("canceled", 1)
    assert made.desk.book.position(SOL).qty == 1


def test_order_that_is_canceled_stops_waiting() -> None:
    made = calm_floor()
    made.tick(100)
    outcome = made.propose(buy(1, 99))
    changes = Changes()
    made.desk.cancel(made.desk.resting[SOL][0], "enough", after(1), changes)
    assert made.tick(98, at=2).fills == []
    assert [(step.order_id, step.to_status, step.reason) for step in changes.transitions] == [
        (outcome.order_id, "canceled", "enough")
    ]


# --- snapshots ------------------------------------------------------------------------------------------------------
def test_snapshots_are_taken_on_the_grid_once_for_each_point() -> None:
    made = floor()
    times = [snapshot.captured_at for at in (0, 1, 59.999, 60, 61, 125) for snapshot in made.time(at).snapshots]
    assert times == [after(0), after(60), after(120)]


def test_snapshot_on_the_grid_shows_the_book_as_it_was_before_what_comes_next() -> None:
    made = calm_floor()
    made.tick(100)
    made.propose(buy(1), at=1)
    made.tick(110, at=50)
    (snapshot,) = made.time(70).snapshots
    assert (snapshot.captured_at, snapshot.nav, snapshot.unrealized_pnl) == (after(60), 10_010, 10)


def test_snapshot_after_a_gap_is_one_not_many() -> None:
    made = floor()
    made.time(0)
    assert [snapshot.captured_at for snapshot in made.time(36_030).snapshots] == [after(36_000)]


def test_snapshot_of_a_fill_at_a_grid_point_is_not_taken_twice() -> None:
    made = calm_floor()
    made.tick(100, at=60)
    made.propose(buy(1), at=60)
    assert made.time(60).snapshots == []
    assert len(made.story.snapshots) == 1


def test_fill_before_anybody_looked_at_the_clock_does_not_hide_the_point_of_the_grid_before_it() -> None:
    made = calm_floor()
    made.tick(100)
    made.time(0)
    made.propose(buy(1), at=65)
    assert [snapshot.captured_at for snapshot in made.time(66).snapshots] == []
    assert [snapshot.captured_at for snapshot in made.story.snapshots] == [after(0), after(60), after(65)]


@pytest.mark.parametrize(
    ("now", "floor_at"),
    [
        (datetime(2026, 3, 2, 12, 0, 59, 999999, UTC), datetime(2026, 3, 2, 12, 0, tzinfo=UTC)),
        (datetime(2026, 3, 2, 12, 1, tzinfo=UTC), datetime(2026, 3, 2, 12, 1, tzinfo=UTC)),
        (datetime(1969, 12, 31, 23, 59, 30, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, tzinfo=UTC)),
    ],
)
def test_grid_begins_at_whole_minutes(now: datetime, floor_at: datetime) -> None:
    assert moments.floor(now, SNAPSHOT_SECONDS) == floor_at


# --- days -----------------------------------------------------------------------------------------------------------
def test_day_rolls_once_and_at_midnight_utc() -> None:
    made = calm_floor()
    made.tick(100)
    made.propose(buy(10))
    made.tick(95, at=100)
    made.time(120)
    assert made.desk.day_start_nav == 10_000
    made.tick(90, at=43_199)
    made.time(43_200)
    assert made.desk.day_start_nav == 9950
    made.time(43_260)
    assert made.desk.day_start_nav == 9950


def test_day_without_a_quote_begins_with_the_last_snapshot_of_the_days_before() -> None:
    made = calm_floor()
    made.tick(100)
    made.propose(buy(10))
    made.tick(95, at=100)
    made.time(120)
    made.time(3 * 86_400)
    assert made.desk.day_start_nav == 9950


# --- the order of fills ---------------------------------------------------------------------------------------------
def test_fill_after_the_clock_stepped_back_is_still_later_than_the_one_before_it() -> None:
    made = calm_floor()
    made.tick(100)
    made.propose(buy(1, 95), at=10)
    made.propose(buy(1), at=10)
    made.arrive(quote(94, at=11), at=5)
    first, second = made.story.fills
    assert second.filled_at == first.filled_at + timedelta(microseconds=1)
    assert second.fill_id > first.fill_id


def test_fills_of_one_instant_sort_by_their_ids_in_the_order_in_which_they_were_made() -> None:
    made = calm_floor()
    made.tick(100)
    for limit in (95, 96, 97):
        made.propose(buy(1, limit))
    fills = made.tick(94, at=1).fills
    assert fills == sorted(fills, key=lambda fill: (fill.filled_at, fill.fill_id))
    assert len({fill.filled_at for fill in fills}) == 1


def test_moment_is_now_unless_the_last_one_was_later() -> None:
    assert moments.not_before(after(1), None) == after(1)
    assert moments.not_before(after(2), after(1)) == after(2)
    assert moments.not_before(after(1), after(2)) == after(2) + timedelta(microseconds=1)


def test_orders_that_expire_and_fill_as_the_grid_passes_leave_rows_with_ids_of_their_own() -> None:
    """The snapshot of the grid point lies before the step that takes it, between two groups of ids of one instant."""
    made = calm_floor(order_ttl_seconds=70)
    made.tick(100)
    for _ in range(4):
        made.propose(buy(1, 90), at=0)
    made.propose(buy(1, 95), at=55)
    changes = Changes()
    made.desk.advance(after(71), changes)
    made.desk.take_tick(quote(94, at=71), after(71), changes)
    assert [step.to_status for step in changes.transitions] == ["canceled"] * 4 + ["executed"]
    ids = [
        *(step.transition_id for step in changes.transitions),
        *(tick.tick_id for tick in changes.ticks),
        *(fill.fill_id for fill in changes.fills),
        *(snapshot.snapshot_id for snapshot in changes.snapshots),
    ]
    assert len(set(ids)) == len(ids)
