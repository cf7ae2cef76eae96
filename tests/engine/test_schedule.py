"""What is due when."""

from webapp.engine.schedule import Every, staggered


def test_thing_is_due_at_its_offset_and_then_once_in_its_period() -> None:
    timer = Every(10, offset=3)
    assert [second for second in range(40) if timer.due(second)] == [3, 13, 23, 33]


def test_thing_without_an_offset_is_due_at_the_first_look() -> None:
    assert Every(10).due(5)


def test_what_was_missed_during_a_pause_is_not_made_up_for() -> None:
    timer = Every(10)
    assert timer.due(0)
    assert timer.due(95)
    assert [second for second in range(96, 120) if timer.due(second)] == [105, 115]


def test_symbols_are_spread_over_the_period() -> None:
    timers = staggered(["A", "B", "C"], 60)
    due = {symbol: [second for second in range(120) if timer.due(second)] for symbol, timer in timers.items()}
    assert due == {"A": [0, 60], "B": [20, 80], "C": [40, 100]}


def test_no_symbols_are_no_timers() -> None:
    assert staggered([], 60) == {}
