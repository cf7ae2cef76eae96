"""The desk's own reasons to halt, through the same door as everybody: stale quotes, anomaly, drawdown."""

from decimal import Decimal

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.services.desks import BTC, CALM, SOL, after, counts, cycle, dump, grown, limits, one, quote, rows, take
from tests.services.test_cancel_and_check import buy_and_hold, trade_between_the_reads
from webapp.services import desk_state, kill_switch, monitors

RISK_ENGINE = "risk-engine"


def the_event(session: Session) -> tuple[bool, str, str]:
    (event,) = rows(session, "SELECT * FROM kill_switch_events")
    return event["enabled"], event["actor"], event["reason"]


def test_desk_with_fresh_quotes_is_left_alone(session: Session) -> None:
    take(session, quote(100))
    before = dump(session)
    assert monitors.watch(session, [SOL], after(119)) is None
    assert dump(session) == before


def test_desk_that_never_had_a_quote_is_left_alone_by_a_single_look(session: Session) -> None:
    """As `engine once` takes: there is nothing to count from."""
    assert monitors.watch(session, [SOL, BTC], after(0)) is None
    take(session, quote(100))
    assert monitors.watch(session, [SOL, BTC], after(1)) is None


def test_symbol_of_the_feed_that_was_never_quoted_counts_from_when_the_watch_began(session: Session) -> None:
    take(session, quote(100, at=1000))
    assert monitors.watch(session, [SOL, BTC], after(1100), since=after(980)) is None
    assert monitors.watch(session, [SOL, BTC], after(1101), since=after(980)) is not None
    assert the_event(session)[2] == (
        "STALE_MARKET_DATA: BTC-USDC has had no quote at all for 121 s, counted from 2026-03-02T12:16:20Z; "
        "the limit is 120 s"
    )


def test_empty_desk_is_given_time_for_its_first_quotes(session: Session) -> None:
    assert monitors.watch(session, [SOL], after(120), since=after(0)) is None
    assert monitors.watch(session, [SOL], after(121), since=after(0)) is not None


@pytest.mark.parametrize(("age", "halts"), [(120, False), (120.000001, True), (9999, True)])
def test_quotes_missing_for_longer_than_the_policy_allows_halt(session: Session, age: float, halts: bool) -> None:
    take(session, quote(100))
    receipt = monitors.watch(session, [SOL], after(age))
    assert (receipt is not None) is halts
    if receipt is not None:
        enabled, actor, reason = the_event(session)
        assert (enabled, actor, receipt.already) == (True, RISK_ENGINE, False)
        assert reason.startswith("STALE_MARKET_DATA")
        assert SOL in reason
        assert "120 s" in reason


def test_one_symbol_of_several_that_fell_silent_halts_and_is_named(session: Session) -> None:
    take(session, quote(100, at=0), quote(50, at=0, symbol=BTC))
    take(session, quote(100, at=200))
    assert monitors.watch(session, [SOL, BTC], after(200)) is not None
    assert BTC in the_event(session)[2]


def test_symbol_nobody_watches_holds_or_waits_for_may_fall_silent(session: Session) -> None:
    take(session, quote(100, at=0, symbol=BTC))
    take(session, quote(100, at=200))
    assert monitors.watch(session, [SOL], after(200)) is None


@pytest.mark.parametrize("limit", [None, 90], ids=["held", "waiting"])
def test_symbol_that_is_held_or_waits_for_a_fill_is_watched_too(session: Session, limit: int | None) -> None:
    limits(session, order_ttl_seconds=86_400, price_collar_pct="100")
    take(session, quote(100, symbol=BTC))
    cycle(session, "buy", 1, limit, symbol=BTC)
    take(session, quote(100, at=200))
    receipt = monitors.watch(session, [SOL], after(200))
    assert receipt is not None
    assert receipt.orders_canceled == (0 if limit is None else 1)


def test_halted_desk_is_not_halted_again(session: Session, engine: Engine) -> None:
    take(session, quote(100))
    assert monitors.watch(session, [SOL], after(200)) is not None
    before = dump(session)
    for seconds in (201, 300, 9999):
        assert monitors.watch(session, [SOL], after(seconds)) is None
    assert dump(session) == before


def test_drawdown_that_reaches_its_limit_halts(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock of the watch, when no quote has brought it up."""
    limits(session, **CALM)
    take(session, quote(100))
    cycle(session, "buy", 9)
    take(session, quote(50, at=1))
    assert monitors.watch(session, [SOL], after(2)) is None
    limits(session, **CALM, max_drawdown="450")
    assert monitors.watch(session, [SOL], after(3)) is not None
    assert the_event(session)[2].startswith("MAX_DRAWDOWN")


def test_drawdown_found_by_a_quote_halts_at_once(session: Session) -> None:
    limits(session, **CALM, max_drawdown="450")
    take(session, quote(100))
    cycle(session, "buy", 9)
    cycle(session, "buy", 1, 40)
    take(session, quote("50.00000001", at=1))
    assert not kill_switch.state(session).enabled
    take(session, quote(50, at=2))
    assert the_event(session)[1:] == (RISK_ENGINE, rows(session, "SELECT reason FROM kill_switch")[0]["reason"])
    assert one(session, "SELECT count(*) FROM orders WHERE status = 'approved'") == 0


def test_drawdown_found_by_the_costs_of_a_trade_halts_at_once(session: Session) -> None:
    limits(session, max_drawdown="1")
    take(session, quote(100))
    assert cycle(session, "buy", 9).document["outcome"] == "executed"
    assert kill_switch.state(session).actor == RISK_ENGINE


def test_one_state_of_the_books_is_judged_even_while_somebody_trades(
    session: Session, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cash from before a sale and positions from after it look like a loss of everything that was sold."""
    buy_and_hold(session)
    limits(session, cooldown_seconds=0, max_drawdown="500")
    sold = trade_between_the_reads(engine, monkeypatch)
    assert monitors.watch(session, [SOL], after(1)) is None
    assert sold
    assert not kill_switch.state(session).enabled


# --- anomaly --------------------------------------------------------------------------------------------------------
def test_anomaly_confirmed_by_a_quote_of_a_later_request_halts(session: Session) -> None:
    take(session, quote(100))
    cycle(session, "buy", 1, 96)
    take(session, quote(112, at=1))
    assert not kill_switch.state(session).enabled
    take(session, quote(112, at=2))
    enabled, actor, reason = the_event(session)
    assert (enabled, actor) == (True, RISK_ENGINE)
    assert reason.startswith(f"PRICE_ANOMALY: {SOL} moved 12.00 % within 60 s")
    assert one(session, "SELECT status FROM orders") == "canceled"


def test_lone_bad_print_of_an_earlier_request_halts_nothing(session: Session) -> None:
    take(session, quote(100))
    take(session, quote(150, at=1))
    for second in range(2, 6):
        take(session, quote(100, at=second))
    assert not kill_switch.state(session).enabled


def test_lone_bad_print_among_quotes_of_one_request_halts_nothing(session: Session) -> None:
    take(session, *[quote(150 if second == 5 else 100, at=second) for second in range(12)])
    assert not kill_switch.state(session).enabled


def test_anomaly_is_measured_over_the_whole_window_however_many_quotes_it_holds(session: Session) -> None:
    """A busy symbol has more quotes in a minute than a strategy is shown."""
    assert desk_state.WINDOW_CAP < 2_100
    take(session, quote(105, at=-120), quote(100), *[quote(105, at=1 + n / 100) for n in range(2_100)], at=23)
    take(session, quote(111, at=24))
    take(session, quote(111, at=25))
    assert kill_switch.state(session).enabled


def test_anomaly_is_measured_over_the_whole_window_also_when_quotes_arrive_late_by_some_seconds(
    session: Session,
) -> None:
    """The window ends at the quote, not at the clock."""
    limits(session, stale_after_seconds=60)
    take(session, quote(105, at=-200), at=-200)
    take(session, quote(100, at=0), at=20)
    take(session, quote(111, at=50), at=70)
    take(session, quote(111, at=51), at=71)
    assert kill_switch.state(session).enabled


def test_anomaly_of_a_halted_desk_is_no_further_event(session: Session, engine: Engine) -> None:
    take(session, quote(100))
    kill_switch.halt(engine, "stop", "user:ada")
    before = counts(session)
    take(session, quote(112, at=1))
    take(session, quote(112, at=2))
    assert "kill_switch_events" not in grown(session, before)


def test_move_worth_a_warning_is_in_the_audit_of_the_next_order(session: Session) -> None:
    take(session, quote(100))
    take(session, quote(106, at=1))
    cycle(session, at=1)
    (event,) = rows(session, "SELECT * FROM risk_events WHERE rule = 'PRICE_ANOMALY'")
    assert event["action"] == "warned"
    assert "6.00 %" in event["details"]["sentence"]
    assert Decimal(one(session, "SELECT count(*) FROM kill_switch_events")) == 0
