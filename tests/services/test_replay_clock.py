"""A replay's clock is market time; and what becomes of rows that are refused or late."""

from decimal import Decimal
from itertools import pairwise

import pytest
from sqlalchemy.orm import Session

from tests.services.desks import BTC, CALM, SOL, after, cycle, limits, one, quote, rows, take
from tests.services.replays import (
    Idle,
    Turns,
    differences,
    picture,
    plan,
    play,
    roomy,
    taken,
    walk,
)
from webapp.services import replay as service
from webapp.services.replay_entries import Entry


# --- market time is the clock ---
def test_every_row_of_a_replay_carries_market_time(session: Session) -> None:
    roomy(session)
    play(session, walk(200))
    end = after(3 * 3600)
    for table, column in (
        ("market_ticks", "created_at"),
        ("signals", "created_at"),
        ("orders", "created_at"),
        ("order_transitions", "created_at"),
        ("fills", "filled_at"),
        ("risk_events", "created_at"),
        ("portfolio_snapshots", "captured_at"),
        ("cycles", "created_at"),
        ("positions", "updated_at"),
    ):
        newest, oldest = (one(session, f"SELECT {f}({column}) FROM {table}") for f in ("max", "min"))
        assert after(-3600) <= oldest <= newest <= end, table


def test_cycles_of_a_symbol_keep_their_distance_in_market_time(session: Session) -> None:
    quotes = taken(quote(100, at=second) for second in range(0, 200, 7))
    assert play(session, quotes, plan("steady", Idle(), 60)).cycles == 4
    times = [row["created_at"] for row in rows(session, "SELECT created_at FROM cycles ORDER BY 1")]
    assert times == [after(0), after(63), after(126), after(189)]


def test_cooldown_and_age_of_a_replay_count_in_market_time(session: Session) -> None:
    limits(session, cooldown_seconds=100)
    report = play(session, taken(quote(100, at=second) for second in range(0, 601, 10)), plan("cool", Turns(), 30))
    assert report.fills > 2
    moments = [row["filled_at"] for row in rows(session, "SELECT filled_at FROM fills WHERE side = 'buy' ORDER BY 1")]
    blocked = one(session, "SELECT count(*) FROM orders WHERE risk_reason = 'COOLDOWN_SECONDS'")
    assert blocked > 0
    assert all((later - earlier).total_seconds() >= 100 for earlier, later in pairwise(moments))


def test_snapshots_of_a_replay_lie_on_the_grid_of_market_time(session: Session) -> None:
    play(session, taken(quote(100, at=second) for second in range(0, 200, 7)), plan("grid", Idle()))
    times = [row["captured_at"] for row in rows(session, "SELECT captured_at FROM portfolio_snapshots ORDER BY 1")]
    assert times == [after(0), after(60), after(120), after(180)]


def test_resting_orders_of_a_replay_expire_in_market_time(session: Session) -> None:
    take(session, quote(100))
    cycle(session, "buy", 1, 99)
    play(session, taken(quote(100, at=second) for second in (100, 299, 301)), plan("expiring", Idle()))
    assert one(session, "SELECT created_at FROM order_transitions WHERE to_status = 'canceled'") == after(301)


def test_day_rolls_in_market_time(session: Session) -> None:
    limits(session, **CALM)
    take(session, quote(100))
    cycle(session, "buy", 9)
    quotes = taken(quote(price, at=at) for at, price in [(60, 95), (130, 95), (43_190, 95), (43_210, 90)])
    play(session, quotes, plan("overnight", Idle()))
    answer = cycle(session, "buy", 1, at=43_210)
    loss = next(entry for entry in answer.document["risk"] if entry["rule"] == "MAX_DAILY_LOSS")
    assert Decimal(loss["value"]) == 45


# --- rows that are refused, or late ---
def test_refused_rows_are_counted_by_reason_and_leave_nothing(session: Session) -> None:
    quotes = [*taken([quote(100)]), Entry(None, "crossed"), Entry(None, "bad_number"), Entry(None, "crossed")]
    report = play(session, quotes, plan("refused", Idle()))
    assert (report.rows, report.taken, report.refused) == (4, 1, {"crossed": 2, "bad_number": 1})
    assert one(session, "SELECT refused FROM replay_runs") == {"crossed": 2, "bad_number": 1}
    assert one(session, "SELECT finished_at IS NOT NULL FROM replay_runs")


def test_quote_from_the_real_future_is_refused(session: Session) -> None:
    report = play(session, taken([quote(100), quote(100, at=100 * 365 * 86_400)]), plan("ahead", Idle()))
    assert (report.taken, report.refused) == (1, {"future": 1})


def test_replay_of_nothing_but_refused_rows_takes_none(session: Session) -> None:
    report = play(session, [Entry(None, "crossed")] * 5, plan("nothing", Idle()))
    assert (report.rows, report.taken, report.refused) == (5, 0, {"crossed": 5})
    assert one(session, "SELECT count(*) FROM market_ticks") == 0


def test_replay_that_begins_with_refused_rows_plays_the_rest_as_if_they_were_not_there(
    session: Session, other_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "CHUNK_ROWS", 10)
    quotes = list(walk(100))
    good = [entry for entry in quotes if entry.tick is not None]
    for own in (session, other_session):
        roomy(own)
    play(session, [Entry(None, "crossed")] * 25 + good, plan("quotes"))
    play(other_session, good, plan("quotes"))
    different = differences(picture(session), picture(other_session))
    assert set(different) <= {"replay_runs", "positions"}, different


def test_late_rows_of_a_replay_are_kept_flagged_and_trade_nothing(session: Session) -> None:
    late = [quote(90, at=40), quote(91, at=41)]
    quotes = taken([quote(100, at=100), quote(50, at=200, symbol=BTC), *late, quote(100, at=201)])
    report = play(session, quotes, plan("late", Turns(), 1))
    assert (report.taken, report.late) == (5, 2)
    assert one(session, "SELECT count(*) FROM late_ticks") == 2
    assert [row["symbol"] for row in rows(session, "SELECT symbol FROM cycles ORDER BY created_at")] == [SOL, BTC, SOL]
