"""One cause, one event: repeated, raced for, still there after a release. What lasts halts again, a moment does not."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests import builders
from tests.services.desks import (
    BOT,
    BTC,
    CALM,
    SOL,
    Opinion,
    after,
    cycle,
    limits,
    one,
    quote,
    rows,
    take,
    tamper,
    wish,
)
from webapp.domain import halts
from webapp.domain.errors import BadQuote, Unconfirmed
from webapp.services import kill_switch, monitors, self_checks, trading
from webapp.services.trading import CycleRequest

RACERS = 6
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PATIENCE = timedelta(seconds=10)


IN_ORDER = "SELECT e.* FROM kill_switch_events e JOIN audit_chain c ON c.row_id = e.event_id ORDER BY c.seq"


def events(session: Session) -> list[tuple[bool, str]]:
    """Every turn of the switch in the order of commits, with the code of its cause."""
    found = rows(session, IN_ORDER)
    return [(event["enabled"], str(event["reason"]).partition(":")[0]) for event in found]


def release(engine: Engine, at: float | None = None, **more: Any) -> None:
    kill_switch.release(engine, "go on", "user:ada", None if at is None else after(at), **more)


def hold(session: Session, **more: Any) -> None:
    """Nine units bought at 100 and nothing in the way."""
    limits(session, **CALM, **more)
    take(session, quote(100))
    cycle(session, "buy", 9)


# --- evidence -------------------------------------------------------------------------------------------------------
def test_missing_quotes_are_told_with_symbol_moment_age_and_limit(session: Session) -> None:
    take(session, quote(100))
    monitors.watch(session, [SOL], after(130))
    assert kill_switch.state(session).reason == (
        "STALE_MARKET_DATA: the newest quote of SOL-USDC, of 2026-03-02T12:00:00Z, is 130 s old; the limit is 120 s"
    )


def test_missing_quotes_after_a_pause_are_told_with_what_they_are_counted_from(session: Session) -> None:
    take(session, quote(100))
    assert monitors.watch(session, [SOL], after(1_120), since=after(1_000)) is None
    monitors.watch(session, [SOL], after(1_121), since=after(1_000))
    reason = str(kill_switch.state(session).reason)
    assert "of 2026-03-02T12:00:00Z, is 121 s old, counted from 2026-03-02T12:16:40Z" in reason


def test_drawdown_is_told_with_limit_nav_and_peak(session: Session) -> None:
    hold(session, max_drawdown="450")
    take(session, quote(50, at=1))
    assert kill_switch.state(session).reason == (
        "MAX_DRAWDOWN: the drawdown of 450.00 USDC has reached the limit of 450.00 USDC: "
        "NAV is 9,550.00, its highest since the last release was 10,000.00"
    )


def test_lost_engine_is_told_with_process_last_sign_and_limit(session: Session) -> None:
    builders.heartbeat(session, "engine", datetime.now(UTC) - timedelta(seconds=42))
    monitors.engine_lost(session, PATIENCE, LONG_AGO)
    reason = str(kill_switch.state(session).reason)
    assert reason.startswith("ENGINE_LOST: the engine (process ")
    assert " has given no sign of life for 42 s, since 20" in reason
    assert reason.endswith("; the limit is 10 s")


@pytest.mark.parametrize("code", halts.CAUSES)
def test_every_cause_says_what_trips_it_and_what_clears_it(code: str) -> None:
    cause = halts.CAUSES[code]
    assert cause.title
    assert cause.trips.endswith(".")
    assert cause.clears.endswith(".")
    assert ("halts again within a second" in cause.clears) is cause.lasts
    assert halts.cause_of(halts.ACTOR, f"{code}: 1 of 2") == (cause, "1 of 2")


@pytest.mark.parametrize(
    ("actor", "reason"),
    [("user:ada", "MAX_DRAWDOWN: I say so"), (halts.ACTOR, "NONSENSE: 1"), (halts.ACTOR, None), (None, "MAX_DRAWDOWN")],
)
def test_halt_of_a_person_or_for_an_unknown_cause_names_none(actor: str | None, reason: str | None) -> None:
    assert halts.cause_of(actor, reason) is None


# --- one cause, one event -------------------------------------------------------------------------------------------
def test_two_engines_that_see_the_same_cause_make_one_event(session: Session, engine: Engine) -> None:
    hold(session, max_drawdown="450")
    limits(session, max_drawdown="10000")
    take(session, quote(50, at=1))
    limits(session, max_drawdown="450")
    assert race(engine, lambda other: monitors.watch(other, [SOL], after(2))) == 1
    assert events(session) == [(True, "MAX_DRAWDOWN")]


def test_two_web_servers_that_miss_the_same_engine_make_one_event(session: Session, engine: Engine) -> None:
    builders.heartbeat(session, "engine", datetime.now(UTC) - timedelta(seconds=42))
    assert race(engine, lambda other: monitors.engine_lost(other, PATIENCE, LONG_AGO)) == 1
    assert events(session) == [(True, "ENGINE_LOST")]


def race(engine: Engine, look: Callable[[Session], kill_switch.HaltReceipt | None]) -> int:
    """Everybody looks at once; how many of them halted."""

    def one_look(_: int) -> bool:
        with Session(engine) as other:
            receipt = look(other)
        return receipt is not None and not receipt.already

    with ThreadPoolExecutor(RACERS) as pool:
        return sum(pool.map(one_look, range(RACERS)))


# --- a cause that lasts ---------------------------------------------------------------------------------------------
def test_release_while_quotes_are_missing_halts_again_until_one_comes(session: Session, engine: Engine) -> None:
    take(session, quote(100))
    for at in (130, 140):
        assert monitors.watch(session, [SOL], after(at)) is not None
        assert monitors.watch(session, [SOL], after(at + 1)) is None
        release(engine, at + 2)
    take(session, quote(100, at=150))
    assert monitors.watch(session, [SOL], after(151)) is None
    assert [on for on, _ in events(session)] == [True, False, True, False]


def test_drawdown_halts_again_with_the_old_base_and_not_with_a_new_one(session: Session, engine: Engine) -> None:
    hold(session, max_drawdown="450")
    take(session, quote(50, at=1))
    release(engine, 2, keep_peak=True)
    assert monitors.watch(session, [SOL], after(3)) is not None
    release(engine, 4)
    assert monitors.watch(session, [SOL], after(5)) is None
    assert events(session)[0] == events(session)[2] == (True, "MAX_DRAWDOWN")


def test_release_that_keeps_the_base_leaves_the_peak_and_its_beginning(session: Session, engine: Engine) -> None:
    hold(session)
    take(session, quote(50, at=1))
    before = rows(session, "SELECT peak_nav, peak_since FROM account")
    kill_switch.halt(engine, "stop", "user:ada", after(2))
    receipt = kill_switch.release(engine, "go on", "user:ada", after(3), keep_peak=True)
    assert isinstance(receipt, kill_switch.ReleaseReceipt)
    assert (receipt.kept_peak, float(receipt.peak_nav)) == (True, 10_000)
    assert rows(session, "SELECT peak_nav, peak_since FROM account") == before


def test_release_while_the_books_are_wrong_halts_again_until_a_check_finds_them_right(
    session: Session, engine: Engine
) -> None:
    hold(session)
    tamper(engine, "UPDATE positions SET qty = qty + 1")
    assert self_checks.run(session) is not None
    release(engine)
    again = monitors.watch(session, [SOL], after(1))
    assert again is not None
    assert str(again.reason).startswith("BOOKS_BROKEN: 1 drifts, first: ")
    tamper(engine, "UPDATE positions SET qty = qty - 1")
    self_checks.run(session)
    release(engine)
    assert monitors.watch(session, [SOL], after(2)) is None
    assert [on for on, _ in events(session)] == [True, False, True, False]


def test_check_that_failed_is_due_again_soon_so_that_a_repair_is_seen(session: Session, engine: Engine) -> None:
    tamper(engine, "UPDATE account SET cash = cash + 1")
    self_checks.run(session)
    now = one(session, "SELECT min(checked_at) FROM self_checks")
    assert not self_checks.due(session, now + self_checks.AGAIN - timedelta(seconds=1))
    assert self_checks.due(session, now + self_checks.AGAIN)


# --- a cause that was a moment --------------------------------------------------------------------------------------
def test_released_anomaly_halts_no_second_time_whoever_looks(session: Session, engine: Engine) -> None:
    take(session, quote(100))
    take(session, quote(112, at=1))
    take(session, quote(112, at=2))
    release(engine, 3)
    take(session, quote(112, at=4))
    assert monitors.watch(session, [SOL], after(5)) is None
    assert cycle(session, "buy", 1, at=5).document["outcome"] == "executed"
    assert events(session) == [(True, "PRICE_ANOMALY"), (False, "go on")]


def test_silence_of_an_engine_during_a_halt_is_found_after_the_release(session: Session, engine: Engine) -> None:
    kill_switch.halt(engine, "a drill", "user:ada")
    builders.heartbeat(session, "engine", datetime.now(UTC) - timedelta(seconds=42))
    assert monitors.engine_lost(session, PATIENCE, LONG_AGO) is None
    release(engine)
    assert monitors.engine_lost(session, PATIENCE, LONG_AGO) is not None
    release(engine)
    assert monitors.engine_lost(session, PATIENCE, LONG_AGO) is None
    assert [code for on, code in events(session) if on] == ["a drill", "ENGINE_LOST"]


def test_quote_that_does_not_fit_halts_once_for_each_time_it_comes(session: Session, engine: Engine) -> None:
    hold(session)
    for at in (1, 2):
        with pytest.raises(BadQuote):
            take(session, quote("9999999999", at=at))
    assert events(session) == [(True, "OUT_OF_RANGE")]
    release(engine)
    assert monitors.watch(session, [SOL], after(3)) is None
    with pytest.raises(BadQuote):
        take(session, quote("9999999999", at=4))
    assert [code for on, code in events(session) if on] == ["OUT_OF_RANGE", "OUT_OF_RANGE"]


# --- what a process that died could not do --------------------------------------------------------------------------
@contextmanager
def dying() -> Iterator[None]:
    """While the block lasts no halt comes about."""

    def fail(*_: object, **__: object) -> None:
        raise Unconfirmed("the database went away")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kill_switch, "halt", fail)
        yield


@pytest.fixture
def unacted(session: Session, engine: Engine) -> None:
    """A confirmed anomaly is stored, and its halt never came about."""
    tamper(engine, f"UPDATE kill_switch SET changed_at = '{after(-60)}'")
    take(session, quote(100))
    take(session, quote(112, at=1))
    with dying(), pytest.raises(Unconfirmed):
        take(session, quote(112, at=2))


@pytest.mark.parametrize("watched", [[SOL], [BTC], []], ids=["fed", "of another feed", "of no feed"])
def test_anomaly_nobody_could_act_on_is_acted_on_by_the_watch_whoever_brought_the_quotes(
    session: Session, unacted: None, watched: list[str]
) -> None:
    receipt = monitors.watch(session, watched, after(3))
    assert receipt is not None
    assert str(receipt.reason).startswith("PRICE_ANOMALY: SOL-USDC moved 12.00 % within 60 s")
    assert monitors.watch(session, watched, after(4)) is None
    assert events(session) == [(True, "PRICE_ANOMALY")]


def test_two_engines_that_find_the_same_anomaly_make_one_event(session: Session, engine: Engine, unacted: None) -> None:
    assert race(engine, lambda other: monitors.watch(other, [SOL], after(3))) == 1
    assert events(session) == [(True, "PRICE_ANOMALY")]


def test_anomaly_from_before_the_switch_was_turned_is_not_acted_on(
    session: Session, engine: Engine, unacted: None
) -> None:
    kill_switch.halt(engine, "stop", "user:ada", after(3))
    release(engine, 4)
    assert monitors.watch(session, [SOL], after(5)) is None
    assert cycle(session, "buy", 1, at=5).document["outcome"] == "executed"
    take(session, quote(112, at=6))
    assert [on for on, _ in events(session)] == [True, False]


def test_anomaly_that_left_the_window_is_not_acted_on(session: Session, unacted: None) -> None:
    assert monitors.watch(session, [SOL], after(62)) is None


def test_lone_bad_print_is_no_reason_for_the_watch(session: Session, engine: Engine) -> None:
    tamper(engine, f"UPDATE kill_switch SET changed_at = '{after(-60)}'")
    take(session, *[quote(150 if second == 5 else 100, at=second) for second in range(70)])
    for at in range(70, 130, 5):
        assert monitors.watch(session, [SOL], after(at)) is None


def test_lone_bad_print_among_few_quotes_is_no_reason_for_the_watch(session: Session, engine: Engine) -> None:
    """It comes first in the two windows before the last look, and the quotes after it lie as far apart as can be."""
    tamper(engine, f"UPDATE kill_switch SET changed_at = '{after(-60)}'")
    for at, mid in ((0, 100), (40, 100), (81, 150), (139, 100), (141, 100)):
        take(session, quote(mid, at=at))
    for at in range(141, 261):
        assert monitors.watch(session, [SOL], after(at)) is None
    assert events(session) == []


@pytest.mark.parametrize("proposed", [True, False], ids=["a proposal", "the desk's own strategy"])
def test_cycle_between_an_anomaly_and_its_halt_is_blocked_and_halts(
    session: Session, unacted: None, proposed: bool
) -> None:
    own = Opinion(wish("buy", 1))
    request = CycleRequest(SOL, "test", wish("buy", 1) if proposed else None)
    answer = trading.run_cycle(session, request, BOT, after(2), own)
    error = answer.document["error"]
    assert (answer.status_code, error["code"]) == (423, "KILL_SWITCH_ACTIVE")
    assert error["message"].startswith("Trading is being halted by the kill switch: SOL-USDC moved 12.00 %")
    assert own.seen == (), "a strategy was asked"
    assert one(session, "SELECT count(*) FROM fills") == 0
    assert events(session) == [(True, "PRICE_ANOMALY")]


def test_check_between_an_anomaly_and_its_halt_says_that_nothing_passes_and_halts_nothing(
    session: Session, unacted: None
) -> None:
    answer = trading.check(session, CycleRequest(SOL, "test", wish("buy", 1)), BOT, after(2))
    assert (answer["allowed"], answer["rule"]) == (False, "KILL_SWITCH_ACTIVE")
    assert events(session) == []


def test_next_quote_after_an_anomaly_nobody_acted_on_fills_nothing_and_halts(session: Session, engine: Engine) -> None:
    limits(session, **{**CALM, "anomaly_halt_pct": "10"})
    tamper(engine, f"UPDATE kill_switch SET changed_at = '{after(-60)}'")
    take(session, quote(100))
    cycle(session, "buy", 1, limit=90)
    with dying():
        take(session, quote(112, at=1))
        with pytest.raises(Unconfirmed):
            take(session, quote(112, at=2))
    take(session, quote(89, at=3))
    assert one(session, "SELECT count(*) FROM fills") == 0
    assert events(session) == [(True, "PRICE_ANOMALY")]


# --- only exits -----------------------------------------------------------------------------------------------------
def test_policy_without_trades_a_day_blocks_every_entry_and_lets_every_exit_through(session: Session) -> None:
    hold(session)
    limits(session, max_trades_per_day=0)
    refused = cycle(session, "buy", 1, at=1).document["error"]
    assert (refused["code"], refused["details"]["rule"]) == ("RISK_BLOCKED", "MAX_TRADES_PER_DAY")
    assert cycle(session, "sell", 4, at=2).document["outcome"] == "executed"
    assert cycle(session, "sell", 5, at=3).document["outcome"] == "executed"
    assert cycle(session, "buy", 1, at=4).status_code == 409
